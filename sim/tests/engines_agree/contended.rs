//! Where cards queue at the clients, datagrams at the server, and messages are faster than turmoil's tick.
//!
//! The tolerance comes from the tick. Let x be the time at which the events engine handles a step of a session, y
//! the simulated time at which the turmoil engine handles it, and T ≥ y what tokio's clock says then. A datagram that is
//! sent at T is with its receiver at T + 2 ticks + 2 ms at the latest: the rest of the sender's tick, turmoil's carriage of
//! 1 ms, the wait for the receiver's tick, and tokio's rounding to 1 ms. A timer or a card command ends at most 1 ms
//! late by T. Hence T - x grows by at most L = 2 ticks + 2 ms with every message and 1 ms with every command, and so y - x,
//! which cannot be negative either while nobody waits for anybody else, is at most
//!
//! > B = messages × (2 ticks + 2 ms) + (commands + 1) × 1 ms
//!
//! at the end of a session. Lost messages add waits to both engines alike and no steps: what counts is the way from the
//! request that arrived to its answer.
//!
//! A first-come-first-served queue with equal service times passes a delay of its arrivals on, and does not make it
//! grow: the i-th departure is the maximum of the i-th arrival and an earlier departure, plus the service time. But two datagrams
//! that change places exchange their waits, which may move a session either way. That is chance, so
//! differences are taken between pairs of runs with one seed, and the mean of R pairs may leave [0, B] by five of its
//! standard errors.
//!
//! At a client's queue the delays of the holders ahead add up until someone finds the client idle: the test of the desks
//! follows that holder by holder, and there the bound is strict.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use keystorm::plan::{EngineKind, Plan};
use keystorm::run::Finished;
use keystorm::world::load::arrivals;
use keystorm_reports::results::Phase;

use crate::cases::{Case, Coverage, FAULTS, Scenario, runs};

/// A server of one core, busy for two thirds of the time, with equal service times; clients busy for half of it; a
/// local network of half a millisecond.
const CROWDED: &str = r#"
horizon = "30s"
[fleet]
cards = 240
clients = 12
sites = 2
[card]
reset = "20ms"
aes-128 = { prove = "9ms", check = "9ms" }
[line]
delay = { min = "200us", mean = "50us", max = "600us" }
[line.retry]
first = "933ms"
tries = 4
[load]
window = "20s"
exchanges = 3
request_bytes = 16
response_bytes = 24
[update]
periods = ["30d"]
[server]
cores = 1
[server.costs]
receive = "5500us"
send = "0s"
aes-128 = { prove = "0s", check = "0s", derive = "0s" }
channel = "0s"
aead = "0s"
aead_kib = "0s"
commit = "0s"
[turmoil]
tick = "1ms"
"#;

/// Replications, and how many standard errors of their mean count as chance. The seeds are fixed: the test gives the
/// same figures every time. With 5 degrees of freedom a mean leaves five standard errors in 0.4 % of cases.
const SEEDS: [u64; 6] = [11, 12, 13, 14, 15, 16];
const ERRORS: f64 = 5.0;

/// B of the module's text, from the messages and commands of a run without faults.
fn bound_ms(calm: &Finished) -> f64 {
    let counts = calm.results.counts;
    assert_eq!((counts.sessions_completed, counts.messages_lost), (counts.sessions_started, 0));
    let per_session = |count: u64| count as f64 / counts.sessions_completed as f64;
    let tick_ms = calm.world.plan().turmoil.tick.as_ns() as f64 / 1e6;
    per_session(counts.messages_sent) * (2.0 * tick_ms + 2.0) + per_session(counts.apdus) + 1.0
}

/// A run without faults whose sessions are at least as long as `phase`: an authentication renews nothing and
/// exchanges nothing.
fn calm_until(phase: Phase, calm: &Plan) -> Finished {
    let mut calm = calm.clone();
    if phase == Phase::Auth {
        calm.update.periods.clear();
        calm.load.exchanges = 0;
    }
    runs(&calm, EngineKind::Events, &SEEDS[..1]).remove(0).finished
}

#[derive(Clone, Copy)]
enum Figure {
    Mean,
    P99,
}

impl Figure {
    fn of(self, latency: &Histogram<u64>) -> f64 {
        match self {
            Figure::Mean => latency.mean() / 1e3,
            Figure::P99 => latency.value_at_quantile(0.99) as f64 / 1e3,
        }
    }
}

/// How a figure of one phase differs between the engines.
struct Difference {
    what: String,
    events_ms: f64,
    turmoil_ms: f64,
    /// Standard error of the mean of the paired differences, as far as it counts.
    chance_ms: f64,
}

impl Difference {
    fn new(phase: Phase, figure: Figure, pairs: &[(&Finished, &Finished)]) -> Self {
        let of = |run: &Finished| figure.of(&run.results.phases[phase as usize].service_us);
        let pairs: Vec<(f64, f64)> =
            pairs.iter().map(|(events, turmoil)| (of(events), of(turmoil))).collect();
        let count = pairs.len() as f64;
        let events_ms = pairs.iter().map(|pair| pair.0).sum::<f64>() / count;
        let turmoil_ms = pairs.iter().map(|pair| pair.1).sum::<f64>() / count;
        let mean = turmoil_ms - events_ms;
        let squares: f64 = pairs.iter().map(|pair| (pair.1 - pair.0 - mean).powi(2)).sum();
        let error = (squares / (count - 1.0) / count).sqrt();
        let name = match figure {
            Figure::Mean => "mean",
            Figure::P99 => "p99",
        };
        // Histograms keep three digits.
        let chance_ms = ERRORS * error + events_ms * 1e-3;
        Difference { what: format!("{} {name}", phase.name()), events_ms, turmoil_ms, chance_ms }
    }

    fn assert_within(&self, bound_ms: f64, context: &str) {
        let Difference { what, events_ms, turmoil_ms, chance_ms } = self;
        let difference = turmoil_ms - events_ms;
        assert!(
            -chance_ms <= difference && difference <= bound_ms + chance_ms,
            "{context}: {what} is {events_ms:.2} ms in events, {turmoil_ms:.2} ms in turmoil; allowed: from \
             {chance_ms:.2} ms less to {bound_ms:.2} + {chance_ms:.2} ms more"
        );
    }
}

#[test]
fn engines_agree_in_distribution_under_contention() {
    let scenario = Scenario::new(CROWDED);
    let mut coverage = Coverage::default();
    let (mut late, mut waits) = (0, 0);
    let mut widest: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for case in Case::covering() {
        let calm_case = Case { fault: &FAULTS[0], ..case };
        let (Some(plan), Some(calm)) = (scenario.plan(&case.set()), scenario.plan(&calm_case.set())) else {
            coverage.refused += 1;
            continue;
        };
        let calm = Plan { update: plan.update.clone(), card: plan.card.clone(), ..calm };
        let bounds_ms =
            [Phase::Auth, Phase::Session].map(|phase| (phase, bound_ms(&calm_until(phase, &calm))));
        let [events, turmoil] =
            [EngineKind::Events, EngineKind::Turmoil].map(|engine| runs(&plan, engine, &SEEDS));
        let pairs: Vec<_> = events.iter().zip(&turmoil).map(|(e, t)| (&e.finished, &t.finished)).collect();
        for (phase, bound_ms) in bounds_ms {
            for figure in [Figure::Mean, Figure::P99] {
                let difference = Difference::new(phase, figure, &pairs);
                difference.assert_within(bound_ms, &case.name());
                let share = (difference.turmoil_ms - difference.events_ms) / difference.events_ms;
                let tolerance = (bound_ms + difference.chance_ms) / difference.events_ms;
                let widest = widest.entry(difference.what).or_default();
                *widest = (widest.0.max(share.abs()), widest.1.max(tolerance));
            }
        }
        for (events, turmoil) in &pairs {
            assert_eq!(events.violations.len() + turmoil.violations.len(), 0, "{}", case.name());
            late += turmoil.results.counts.late_deliveries;
            waits += events.results.server.queue_max;
            coverage.scenarios += 1;
            coverage.cards += u64::from(plan.fleet.cards);
        }
    }
    assert!(late > 0 && waits > 0, "this test is about late deliveries ({late}) and queues ({waits})");
    assert!(coverage.scenarios > 0);
    coverage.assert_hardly_any_is_refused();
    println!(
        "engines_agree under contention: {} pairs of runs, {} cards, {} combinations refused, {late} deliveries late",
        coverage.scenarios, coverage.cards, coverage.refused
    );
    for (what, (difference, tolerance)) in widest {
        let (difference, tolerance) = (difference * 100.0, tolerance * 100.0);
        println!("  {what}: at most {difference:.2} % apart, widest tolerance {tolerance:.1} %");
    }
}

/// Fixed delays below the tick, no faults, and no one waits at the server: only at the clients.
const DESKS: [&str; 5] = [
    "server.cores=64",
    "server.costs.receive=40us",
    "fleet.clients=6",
    "line.delay.fixed=300us",
    "update.periods=['30d']",
];

#[test]
fn engines_agree_holder_by_holder_at_crowded_clients() {
    let scenario = Scenario::new(CROWDED);
    for tick in ["1ms", "5ms"] {
        let mut set = DESKS.map(str::to_owned).to_vec();
        set.push(format!("turmoil.tick={tick}"));
        let plan = scenario.plan(&set).expect("the scenario is valid");
        let [events, turmoil] =
            [EngineKind::Events, EngineKind::Turmoil].map(|engine| runs(&plan, engine, &SEEDS[..2]));
        let (mut sessions, mut queued, mut worst, mut sums) = (0u64, 0u64, 0.0_f64, [0.0; 2]);
        for (events, turmoil) in events.iter().zip(&turmoil) {
            let step = bound_ms(&events.finished);
            let [before, after] = [&events.finished, &turmoil.finished].map(ends);
            let mut clients: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
            for arrival in arrivals(events.finished.world.plan()) {
                let arrived = arrival.at.as_ns() as f64 / 1e6;
                let (free, delayed) = clients.get(&arrival.client.0).copied().unwrap_or((0.0, 0.0));
                let idle = (arrived - free).max(0.0);
                let bound = step + (delayed - idle).max(0.0);
                let [before, after] = [&before, &after].map(|ends| ends[arrival.card.index()]);
                let difference = after - before;
                assert!(
                    (0.0..=bound).contains(&difference),
                    "tick {tick}, card {}: ends at {before} ms in events, {difference} ms later in turmoil; bound {bound}",
                    arrival.card
                );
                clients.insert(arrival.client.0, (before, bound));
                sums = [sums[0] + difference, sums[1] + bound];
                worst = worst.max(difference);
                sessions += 1;
                queued += u64::from(arrived < free);
            }
        }
        assert!(queued > 100, "holders must wait: {queued}");
        let [difference, bound] = sums.map(|sum| sum / sessions as f64);
        println!(
            "engines_agree at crowded clients, tick {tick}: {sessions} sessions, {queued} of them queued; turmoil later by \
             {difference:.4} ms on average, {worst:.4} ms at most; bound {bound:.1} ms on average"
        );
    }
}

/// When the session of each card ended, milliseconds.
fn ends(run: &Finished) -> Vec<f64> {
    let rows = run.world.card_rows(|_| true);
    rows.map(|row| row.last_success_ns.expect("without faults every session ends well") as f64 / 1e6)
        .collect()
}

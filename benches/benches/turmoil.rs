//! The `turmoil` engine against bare turmoil: what do cards, clients, server, line, checkers and reports cost on top
//! of turmoil itself?
//!
//! Two ratios, each of programs that run in turns, so that both meet the same noise:
//!
//! - *quickstart*: `scenarios/quickstart.toml` from its file to its reports, against a bare program with the same hosts,
//!   ticks, clients, arrivals, round trips, message sizes and card commands. Nearly all of either is turmoil's idle ticks.
//! - *busy*: `busy.toml`, in which every client always has someone to serve. What the same run costs with nothing to
//!   serve is subtracted from either program, and the rest divided by its round trips.
//!
//! [`keystorm_benches::bare`] says what a bare program does. It sleeps once per card command, as keystorm does, and once
//! per message for the line's delay, where keystorm holds a message until its time. A third ratio, without a limit,
//! compares busy with the leanest program: there turmoil itself delays messages, and only the card sleeps.
//!
//! Before anything is timed, and in every round, the run must have the digest that the events engine finds for the same
//! scenario: a speed-up of this engine cannot change behaviour unnoticed. The golden digests of the tests pin both.

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::time::Duration;

use criterion::{Criterion, SamplingMode};
use keystorm::plan::{DelayPlan, EngineKind, Plan};
use keystorm::run::{Finished, VERSION, simulate};
use keystorm::scenario;
use keystorm::world::load::arrivals;
use keystorm_benches::bare::{Bare, Delay, Session, share};
use keystorm_benches::measure::{Ratios, median, timed};
use keystorm_model::card::CardWork;
use keystorm_model::{SimTime, Span};
use keystorm_reports::results::Manifest;
use keystorm_reports::{CardRows, RunDir, write_run};

const QUICKSTART: &str = "../scenarios/quickstart.toml";
const QUICKSTART_LIMIT: f64 = 1.2;
const BUSY: &str = "busy.toml";
const BUSY_LIMIT: f64 = 3.0;

fn load(name: &str, overrides: &[&str]) -> Plan {
    let file: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
    scenario::load(&file, &overrides).expect("the bench's scenarios are valid")
}

/// The digest that a run of `plan` must have.
fn reference(plan: &Plan) -> u128 {
    let plan = Plan { engine: EngineKind::Events, ..plan.clone() };
    simulate(plan, &mut |_| true).expect("the run comes to its end").results.trace_digest
}

/// Runs `plan`; returns also up to when ticks were made.
fn simulated(plan: Plan, digest: u128) -> (Finished, SimTime) {
    assert_eq!(plan.engine, EngineKind::Turmoil);
    let mut until = SimTime::ZERO;
    let finished = simulate(plan, &mut |progress| {
        until = progress.now;
        true
    });
    let finished = finished.expect("the run comes to its end");
    let found = finished.results.trace_digest;
    assert_eq!(found, digest, "the engines disagree: {found:032x} instead of {digest:032x}");
    (finished, until)
}

/// A whole run as the command line does it: scenario, simulation, all files.
fn whole_run(place: &Path, digest: u128) -> (Finished, SimTime) {
    let plan = load(QUICKSTART, &[]);
    let dir = RunDir::prepare(place).expect("the temporary folder can be written");
    let (finished, until) = simulated(plan, digest);
    let plan = finished.world.plan();
    let manifest = Manifest {
        scenario_text: plan.resolved.clone(),
        scenario_sha256: plan.scenario_sha256.clone(),
        command: String::new(),
        seed: plan.seed,
        engine: plan.engine.name().to_owned(),
        crypto: plan.crypto.name().to_owned(),
        version: VERSION.to_owned(),
        commit: None,
        machine: String::new(),
        started_unix_s: 0,
        wall_s: 0.0,
        peak_memory_bytes: None,
        bytes_per_card: None,
        events_per_s: 0.0,
    };
    let rows = CardRows::new(usize::from(plan.fleet.shape.depths()), finished.world.card_rows(|_| true));
    write_run(&dir, &finished.results, &manifest, Some(rows)).expect("the reports can be written");
    dir.commit().expect("the reports can take their place");
    (finished, until)
}

/// The bare program with the messages and card commands of a keystorm run, and two ticks more.
///
/// keystorm hands turmoil only what the line does not lose: what was delivered, two messages to a round trip.
fn counterpart((finished, until): &(Finished, SimTime), delay: Delay) -> Bare {
    let plan = finished.world.plan();
    let counts = &finished.results.counts;
    let wire_bytes = counts.line_bytes / counts.messages_sent;
    let mut clients: Vec<Vec<Session>> = vec![Vec::new(); plan.fleet.clients as usize];
    for (number, arrival) in (0..).zip(arrivals(plan)) {
        let part = number % counts.sessions_completed;
        clients[arrival.client.index()].push(Session {
            arrives: Duration::from_nanos(arrival.at.as_ns()),
            round_trips: share(counts.messages_delivered / 2, part, counts.sessions_completed),
            commands: share(counts.apdus, part, counts.sessions_completed),
        });
    }
    Bare {
        delay,
        tick: duration(plan.turmoil.tick),
        horizon: duration(until.since(SimTime::ZERO)),
        sites: plan.fleet.sites,
        line: duration(mean_delay(plan.line.delay)),
        reset: duration(plan.card.reset_time(CardWork::default())),
        command: duration(plan.card.command + plan.card.prove),
        message_bytes: wire_bytes as usize - plan.line.overhead_bytes as usize,
        clients,
    }
}

fn duration(span: Span) -> Duration {
    Duration::from_nanos(span.as_ns())
}

/// Mean delay of the line; the cut of the exponential moves it by less than 0.1 % in our presets.
fn mean_delay(delay: DelayPlan) -> Span {
    match delay {
        DelayPlan::Fixed(delay) => delay,
        DelayPlan::Uniform { min, max } => (min + max) / 2,
        DelayPlan::Exponential { min, mean, .. } => min + mean,
    }
}

/// Lets criterion measure what `round` returns; returns the median of all rounds.
fn ratios(
    criterion: &mut Criterion<Ratios>,
    group: &str,
    name: &str,
    round: impl Fn() -> f64,
) -> Option<f64> {
    let mut ratios = Vec::new();
    let mut group = criterion.benchmark_group(group);
    group.sampling_mode(SamplingMode::Flat).sample_size(10).measurement_time(Duration::from_secs(5));
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|rounds| {
            let before = ratios.len();
            ratios.extend(std::iter::repeat_with(&round).take(rounds as usize));
            ratios[before..].iter().sum()
        });
    });
    group.finish();
    median(&ratios)
}

fn quickstart(criterion: &mut Criterion<Ratios>) -> Option<f64> {
    let temporary = tempfile::tempdir().expect("there is a temporary folder");
    let place = temporary.path().join("quickstart");
    let digest = reference(&load(QUICKSTART, &[]));
    let finished = whole_run(&place, digest);
    let bare = counterpart(&finished, Delay::Sleep);
    let round_trips = finished.0.results.counts.messages_delivered / 2;
    ratios(criterion, "quickstart", "whole run", || {
        let (_, keystorm) = timed(|| whole_run(&place, digest));
        let (made, bare) = timed(|| bare.run());
        assert_eq!(made, round_trips, "the bare program makes every round trip");
        let ratio = keystorm.as_secs_f64() / bare.as_secs_f64();
        println!("quickstart: keystorm {keystorm:.3?}, bare {bare:.3?}, ratio {ratio:.3}");
        ratio
    })
}

/// The ratios to the sleeping program and to the leanest one.
fn busy(criterion: &mut Criterion<Ratios>) -> [Option<f64>; 2] {
    let plan = load(BUSY, &[]);
    // Someone comes in the last tenth of a second: no tick would be made once nothing is to come.
    let nobody = load(BUSY, &["fleet.cards=1", "load.from=29900ms", "load.window=100ms"]);
    let (digest, nobody_digest) = (reference(&plan), reference(&nobody));
    let finished = simulated(plan.clone(), digest);
    let counts = &finished.0.results.counts;
    let (clients, waiting) = (plan.fleet.clients, counts.sessions_in_flight);
    assert!(waiting > 2 * u64::from(clients), "queues last to the end: {waiting} wait for {clients} clients");
    let round_trips = counts.messages_delivered / 2;
    let (sleeping, leanest) = (counterpart(&finished, Delay::Sleep), counterpart(&finished, Delay::Turmoil));
    let idle = sleeping.idle();
    let against_leanest = RefCell::new(Vec::new());
    let against_sleeping = ratios(criterion, "busy", "above idle, per round trip", || {
        let (_, keystorm) = timed(|| simulated(plan.clone(), digest));
        let (_, keystorm_idle) = timed(|| simulated(nobody.clone(), nobody_digest));
        let (sleeping_made, sleeping) = timed(|| sleeping.run());
        let (leanest_made, leanest) = timed(|| leanest.run());
        let (_, bare_idle) = timed(|| idle.run());
        let keystorm = per_round_trip("keystorm", keystorm, keystorm_idle, round_trips);
        let sleeping = per_round_trip("bare", sleeping, bare_idle, sleeping_made);
        let leanest = per_round_trip("leanest", leanest, bare_idle, leanest_made);
        println!("ratios {:.3}, {:.3}", keystorm / sleeping, keystorm / leanest);
        against_leanest.borrow_mut().push(keystorm / leanest);
        keystorm / sleeping
    });
    [against_sleeping, median(&against_leanest.into_inner())]
}

/// The time above idle per round trip, microseconds.
fn per_round_trip(program: &str, busy: Duration, idle: Duration, round_trips: u64) -> f64 {
    let us = (busy.as_secs_f64() - idle.as_secs_f64()) / round_trips as f64 * 1e6;
    print!("{program} ({busy:.1?} - {idle:.1?}) / {round_trips} = {us:.2} us; ");
    us
}

fn main() {
    let mut criterion = Criterion::default()
        .with_measurement(Ratios)
        .warm_up_time(Duration::from_secs(1))
        .without_plots()
        .configure_from_args();
    let quickstart = quickstart(&mut criterion);
    let [busy, busy_leanest] = busy(&mut criterion);
    criterion.final_summary();

    println!();
    for (name, ratio, limit) in [
        ("quickstart", quickstart, format!("at most {QUICKSTART_LIMIT}")),
        ("busy", busy, format!("at most {BUSY_LIMIT}")),
        ("busy against the leanest program", busy_leanest, "no limit".to_owned()),
    ] {
        if let Some(ratio) = ratio {
            println!("ratio {name} {ratio:.2} ({limit})");
        }
    }
}

//! Cards that come more than once, and sessions without a card.

use keystorm::plan::Plan;
use keystorm::world::load::arrivals;

use crate::common::{REDUCED, Summary, run, shipped};

/// The reduced quickstart with other arrivals.
fn plan(overrides: &[&str]) -> Plan {
    let rest = REDUCED.iter().filter(|set| !set.starts_with("load.window"));
    let all: Vec<String> = rest.chain(overrides).map(|&set| set.to_owned()).collect();
    keystorm::scenario::load(&shipped("quickstart"), &all).unwrap_or_else(|error| {
        let problems: Vec<String> = error.problems().map(ToString::to_string).collect();
        panic!("{overrides:?} does not load: {problems:#?}")
    })
}

/// Both engines must say the same of these settings. Returns what they say.
fn agreed(overrides: &[&str]) -> (Plan, Summary) {
    let plan = |engine: &str| plan(&[&["turmoil.tick=20ms", engine][..], overrides].concat());
    let events = run(plan("engine=events"));
    let turmoil = run(plan("engine=turmoil"));
    assert_eq!(events.results.counts, turmoil.results.counts);
    assert_eq!(events.results.trace_digest, turmoil.results.trace_digest);
    let server = |run: &keystorm::run::Finished| (run.results.server.queued_ns, run.results.server.waited_ns);
    assert_eq!(server(&events), server(&turmoil));
    (plan("engine=events"), Summary::of(&events.results))
}

/// Few clients for many visits, so that holders queue when they are due again; nobody comes back after a failure.
const CROWDED: [&str; 4] =
    ["fleet.cards=60", "fleet.clients=5", "fleet.sites=5", "load.retry_visit={ visits = 0 }"];

#[test]
fn a_visit_takes_place_or_is_skipped_whatever_the_engine() {
    for load in [
        &["load.repeat=30s", "load.window=30s"][..],
        &["load.arrivals=office", "load.repeat=40s", "load.sigma=5s"],
        &["load.arrivals=poisson", "load.every=25s"],
        &["load.arrivals=office", "load.repeat=40s", "load.sigma=5s", "load.share=60%"],
        &["load.arrivals=transit", "load.repeat=25s", "load.day=25s"],
        &["load.arrivals=payday", "load.repeat=30s", "load.day=10s"],
    ] {
        let (plan, summary) = agreed(&[&CROWDED[..], load].concat());
        let due = arrivals(&plan).len() as u64;
        let (started, skipped) = (summary.count("sessions_started"), summary.count("arrivals_skipped"));
        assert_eq!(started + skipped, due, "{load:?}");
        assert!(skipped > 20 && started > 100, "{load:?}: {started} started, {skipped} skipped");
    }
}

#[test]
fn a_trace_says_who_comes_when_and_where_whatever_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("visits.csv");
    // Every card comes twice, to another client the second time; card 7 comes once more while it is being served.
    let lines: String = (0..60).map(|card| format!("{}ms,{card},{}\n", 137 * card, card % 5)).collect();
    let again: String = (0..60).map(|card| format!("{},{card},{}\n", 100 + card, (card + 1) % 5)).collect();
    std::fs::write(&path, format!("time,card,client\n{again}{lines}107.01,7,0\n")).unwrap();
    let trace = format!("load.trace={}", path.display());
    // Card 7 comes to two sites within 10 ms: which of them turmoil takes for the first is decided by the tick.
    let load = ["load.arrivals=trace", &trace, "faults.pull=0", "line.loss=0", "turmoil.tick=1ms"];
    let (plan, summary) = agreed(&[&CROWDED[..], &load].concat());
    assert_eq!(arrivals(&plan).len(), 121);
    assert_eq!((summary.count("sessions_completed"), summary.count("arrivals_skipped")), (120, 1));
}

#[test]
fn a_fleet_that_renews_nothing_has_its_sessions() {
    let (_, summary) = agreed(&["update.periods=[]", "load.window=2min"]);
    assert!(summary.count("sessions_completed") > 100);
    assert_eq!(summary.count("updates_started"), 0);
}

#[test]
fn a_holder_who_is_about_to_come_back_is_not_due_elsewhere() {
    // Every message is lost: each session fails, and its holder comes back until the next repetition and beyond.
    let lost = ["line.loss=100%", "line.retry={ first = \"1s\", tries = 1 }", "fleet.clients=300"];
    let visits = ["load.repeat=1min", "load.window=1s", "load.retry_visit={ after = \"50s\", visits = 1 }"];
    let (_, summary) = agreed(&[&lost[..], &visits].concat());
    // Visits at 0 s and 51 s; skipped at 60 s unless the second one, 52 s on, was over by then; and so on.
    let (started, skipped) = (summary.count("sessions_started"), summary.count("arrivals_skipped"));
    assert!(skipped == 0 && started >= 300 * 8, "{started} {skipped}: both visits fit into a repetition");
    let visits = ["load.repeat=1min", "load.window=1s", "load.retry_visit={ after = \"70s\", visits = 1 }"];
    let (_, summary) = agreed(&[&lost[..], &visits].concat());
    assert_eq!(summary.count("arrivals_skipped"), 300 * 2, "at 1 min and at 3 min");
    assert_eq!(summary.count("sessions_started"), 300 * 4, "at 0 s, 71 s, 2 min and 191 s");
}

#[test]
fn probes_are_sessions_without_cards_whatever_the_engine() {
    let probes =
        ["load.session=probe", "update.periods=[]", "faults.pull=0", "server.probe={ mean = \"200ms\" }"];
    let load =
        ["load.arrivals=poisson", "load.every=1min", "line.duplicate=10%", "line.loss=10%", "server.cores=4"];
    let (_, summary) = agreed(&[&probes[..], &load].concat());
    for none in ["apdus", "auth_ok", "updates_started", "nvm_writes", "rejects"] {
        assert_eq!(summary.count(none), 0, "{none}");
    }
    assert!(summary.count("sessions_completed") > 900);
    assert!(summary.count("retransmissions") > 50, "one in five goes unanswered");
    for some in ["server_queue_mean", "server_wait_ms_mean", "server_cpu_utilization", "session_ms_p50"] {
        assert!(summary.text(some).parse::<f64>().unwrap() > 0.0, "{some}");
    }
}

#[test]
fn a_fleet_that_comes_every_day_renews_once() {
    let days =
        ["engine=events", "horizon=5d", "load.window=20h", "load.repeat=1d", "update.periods=[\"5d\"]"];
    let finished = run(plan(&days));
    let counts = &finished.results.counts;
    assert!(counts.sessions_completed > 300 * 5 - 30, "{}", counts.sessions_completed);
    assert_eq!(counts.updates_committed, 300, "each card, on its first day or the next");
    assert_eq!(counts.cards_unharmed + counts.cards_healed, 300);
}

//! The tick of turmoil's clock and the number of its hosts are no part of the model.

use keystorm::run::simulate;
use keystorm_model::{SimTime, Span};
use keystorm_reports::results::Outcome;

use crate::common::{cards, keystorm, reduced, run, shipped, stdout};

const OUTAGE: &str = "faults.outage=[{site=0,at='30s',for='40s'}]";

#[test]
fn neither_tick_nor_engine_changes_a_result_where_delays_are_long() {
    let digest = |overrides: &[&str]| {
        let finished = run(reduced(&[&[OUTAGE], overrides].concat()));
        assert_eq!(finished.results.counts.late_deliveries, 0, "{overrides:?}");
        (finished.results.trace_digest, finished.interval_digests)
    };
    let one = digest(&["turmoil.tick=1ms"]);
    for other in [["turmoil.tick=10ms"], ["turmoil.tick=50ms"], ["engine=events"]] {
        assert_eq!(digest(&other), one, "{other:?}");
    }
}

#[test]
fn the_number_of_sites_changes_no_result_without_outages() {
    let digest = |sites: &str| run(reduced(&[sites])).results.trace_digest;
    let one = digest("fleet.sites=1");
    assert_eq!(digest("fleet.sites=2"), one);
    assert_eq!(digest("fleet.sites=8"), one);
}

#[test]
fn a_tick_too_coarse_for_the_line_is_reported_and_harms_no_card() {
    let lan = ["line.preset=lines/lan", "line.loss=2%", "turmoil.tick=10ms"];
    let finished = run(reduced(&lan));
    let counts = &finished.results.counts;
    // Late is what arrives when its receiver has gone on to something later already: mostly at the server.
    assert!(counts.late_deliveries > 50, "{}", counts.late_deliveries);
    assert!(counts.late_deliveries <= counts.messages_delivered);
    for card in cards(&finished) {
        assert!(matches!(card.outcome, Outcome::Unharmed | Outcome::Healed), "{card:?}");
    }

    let dir = tempfile::tempdir().unwrap();
    let check = |tick: &str| {
        let preset = ["--set", "line.preset=lines/lan", "--set", tick];
        let scenario = shipped("quickstart");
        stdout(&keystorm(dir.path(), &[&["check", scenario.to_str().unwrap()][..], &preset].concat()))
    };
    assert!(check("turmoil.tick=10ms").contains("Note: turmoil.tick = 10ms is coarse"));
    let gprs = stdout(&keystorm(dir.path(), &["check", shipped("quickstart").to_str().unwrap()]));
    assert!(!gprs.contains("Note:"), "{gprs}");
}

/// Ticks cost the same whether anything happens in them or not: a long evening after the last holder must cost none.
#[test]
fn no_tick_is_made_once_nothing_is_to_come() {
    let ends = |horizon: &str| {
        let mut last = SimTime::ZERO;
        // A crash that comes after the horizon, as some always does, is nothing to wait for.
        let crash = "faults.server_crash={every='1000d',for='5s'}";
        let plan = reduced(&[horizon, "faults.pull=0", OUTAGE, crash]);
        let finished = simulate(plan, &mut |progress| {
            last = progress.now;
            true
        });
        let finished = finished.unwrap_or_else(|stopped| panic!("{horizon}: {stopped:?}"));
        let counts = finished.results.counts;
        assert!(counts.sessions_started >= 300 && counts.sessions_in_flight == 0, "{horizon}: {counts:?}");
        (last, finished.results.trace_digest)
    };
    let (evening, digest) = ends("horizon=4min");
    let (long, same) = ends("horizon=1h");
    assert!(evening > SimTime::ZERO + Span::from_secs(100), "it ended at {evening}, when holders still came");
    assert!(long < SimTime::ZERO + Span::from_secs(240), "it still ran at {long}");
    assert_eq!(digest, same);
}

/// What comes late is still handled at its own time, unless its receiver has gone on to something later.
#[test]
fn a_coarse_tick_hardly_moves_the_latencies_of_a_lan() {
    let p50 = |engine: &str| {
        let finished = run(reduced(&["line.preset=lines/lan", "faults.pull=0", engine]));
        finished.results.phases[2].service_us.value_at_quantile(0.5)
    };
    let (exact, coarse) = (p50("engine=events"), p50("turmoil.tick=10ms"));
    assert!(exact.abs_diff(coarse) <= exact / 100, "{exact} us, with a tick of 10 ms {coarse} us");
}

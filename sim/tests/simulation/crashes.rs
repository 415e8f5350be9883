//! Crashes of the server: what is durable stays, all else is lost and counted.

use keystorm::plan::EngineKind;

use crate::common::{assert_all_renewed, failed, fired, quiet_but, run};

#[test]
fn connections_from_before_a_crash_are_stale_and_their_renewals_are_done_again() {
    let finished = run(quiet_but(&["faults.server_down=[{at='65s',for='500ms'},{at='90s',for='1s'}]"]));
    let counts = &finished.results.counts;
    assert_eq!((counts.server_crashes, fired(&finished, "server crash at 65s")), (2, 1));
    assert!(failed(&finished, "stale") > 5, "{:?}", finished.results.failures);
    assert_eq!(failed(&finished, "stale"), counts.sessions_failed, "nothing else fails");
    assert!(counts.updates_interrupted > 0 && counts.updates_recovered > 0, "{counts:?}");
    assert_eq!(counts.updates_recovered, counts.cards_healed);
    assert!(counts.messages_lost > 0, "what arrived while it was down");
    assert_all_renewed(&finished);
}

/// A server of one slow core has a queue to lose, and an answer that it had not given.
#[test]
fn queue_and_service_are_lost_in_a_crash_and_counted() {
    let slow = ["server.cores=1", "server.costs.receive=60ms", "load.window=30s", "line.retry.tries=9"];
    let calm = run(quiet_but(&slow));
    assert_eq!((calm.results.counts.requests_lost_in_crashes, calm.results.counts.messages_lost), (0, 0));
    let crash = "faults.server_down=[{at='15s',for='1ms'}]";
    let finished = run(quiet_but(&[&slow[..], &[crash]].concat()));
    let counts = &finished.results.counts;
    assert!(counts.requests_lost_in_crashes > 5, "{counts:?}");
    assert!(counts.messages_lost >= 1, "the answer in service: {counts:?}");
    assert_all_renewed(&finished);
}

#[test]
fn random_crashes_come_at_their_rate_in_both_engines() {
    for engine in EngineKind::ALL {
        let engine = format!("engine={}", engine.name());
        let finished =
            run(quiet_but(&["faults.server_crash={every='4s',for='1s'}", &engine, "line.retry.tries=2"]));
        // 48 in 240 s. A renewal process whose gaps have mean 5 s and standard deviation 4 s: its count's is 5.5.
        let crashes = fired(&finished, "server crash");
        assert!((21..=75).contains(&crashes), "{crashes}");
        assert_eq!(crashes, finished.results.counts.server_crashes);
        assert!(finished.results.counts.updates_interrupted > 10);
        assert_all_renewed(&finished);
    }
}

#[test]
fn a_crash_at_night_harms_nobody_and_counts_as_struck() {
    let finished = run(quiet_but(&["faults.server_down=[{at='239s',for='30s'}]"]));
    assert_eq!(finished.idle_faults().count(), 0);
    assert_eq!((finished.results.counts.sessions_failed, finished.results.counts.server_crashes), (0, 1));
}

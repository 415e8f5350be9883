//! What happens to single connections at random: clients that crash, messages that never come or come much too late, cards
//! that are taken out and put in again.

use keystorm::plan::EngineKind;
use keystorm::run::Finished;

use crate::common::{assert_all_renewed, assert_binomial, failed, fired, quiet_but, run};

/// Runs with one random fault on both engines, which must see the same, and holds its count against its rate.
fn with(fault: &str, share: f64, name: &str, others: &[&str]) -> Finished {
    let [events, turmoil] = [EngineKind::Events, EngineKind::Turmoil].map(|engine| {
        let engine = format!("engine={}", engine.name());
        run(quiet_but(&[&[fault, &engine], others].concat()))
    });
    assert_eq!(events.results.trace_digest, turmoil.results.trace_digest);
    assert_eq!(events.results.faults, turmoil.results.faults);
    let count = events.results.faults.iter().find(|count| count.fault == name).expect("it was asked for");
    assert_binomial(count.fired, count.chances, share);
    events
}

#[test]
fn clients_that_crash_fail_the_session_and_take_leave_of_nobody() {
    let finished = with("faults.client_crash=30%", 0.3, "client crash", &["faults.client_crash_for=5s"]);
    let counts = &finished.results.counts;
    assert_eq!(counts.client_crashes, fired(&finished, "client crash"));
    assert_eq!(
        (failed(&finished, "client crashed"), counts.sessions_failed),
        (counts.client_crashes, counts.client_crashes)
    );
    let phases: Vec<_> = finished.results.failures.iter().map(|failure| failure.phase).collect();
    for phase in ["connect", "auth", "update", "session"] {
        assert!(phases.contains(&phase), "{phases:?}");
    }
    assert!(counts.messages_lost > 0, "answers find nobody");
    assert!(counts.updates_interrupted > 10 && counts.updates_recovered > 10, "{counts:?}");
    assert_all_renewed(&finished);
}

/// A card in the reader of a client that crashes is as one that is pulled out.
#[test]
fn a_client_that_crashes_tears_the_card_in_its_reader() {
    let overrides = ["faults.client_crash=100%", "card.nvm=in-place", "faults.client_crash_for=1s"];
    let counts = run(quiet_but(&overrides)).results.counts;
    assert!(counts.cards_torn > 3, "{counts:?}");
}

#[test]
fn a_message_that_is_lost_for_good_makes_the_client_give_up() {
    let finished =
        with("faults.lose=30%", 0.3, "message lost for good", &["line.retry.tries=3", "load.window=1min"]);
    let counts = &finished.results.counts;
    let lost = fired(&finished, "message lost for good");
    assert_eq!(failed(&finished, "gave up"), counts.sessions_failed, "nothing else fails");
    let (ended, all) = (counts.sessions_failed, counts.sessions_failed + counts.sessions_in_flight);
    assert!((ended..=all).contains(&lost), "{lost}: {counts:?}");
    assert!((3 * ended..=3 * lost).contains(&counts.messages_lost), "and every repeat of it: {counts:?}");
    assert!(counts.updates_recovered > 10, "{counts:?}");
    assert_all_renewed(&finished);
}

/// Copies come when the next connection of the card is under way: some are stale, and none does anything.
#[test]
fn late_copies_meet_later_connections_and_do_nothing() {
    let often = ["load.window=50s", "load.repeat=1min"];
    let finished =
        with("faults.late=60%", 0.6, "late message", &[&often[..], &["faults.late_by=57s"]].concat());
    let counts = &finished.results.counts;
    assert_eq!(counts.messages_duplicated, fired(&finished, "late message"));
    assert!(counts.messages_duplicated > 200);
    let plain = run(quiet_but(&often)).results.counts;
    assert_eq!(counts.apdus, plain.apdus, "no copy makes a card do anything");
    assert_eq!(counts.updates_started, plain.updates_started);
    assert_all_renewed(&finished);
}

#[test]
fn a_card_that_is_put_in_again_has_two_connections_and_the_older_one_dies() {
    let finished = with("faults.reinsert=30%", 0.3, "card put in again", &[]);
    let counts = &finished.results.counts;
    let again = fired(&finished, "card put in again");
    assert!(again > 60, "{again}");
    assert_eq!((counts.sessions_completed, counts.sessions_failed), (300, 0), "its holder's session goes on");
    let chances = finished.results.faults[0].chances;
    assert_eq!(chances, 300 + again, "a connection more each time");
    assert!(counts.updates_interrupted > 10, "{counts:?}");
    assert_all_renewed(&finished);
}

#[test]
fn a_client_that_is_down_lets_its_queue_wait() {
    let down = "faults.client_down=[{client=3,at='30s',for='60s'},{client=4,at='30s',for='60s'}]";
    let finished = run(quiet_but(&[down]));
    assert_eq!(fired(&finished, "crash of client 3 at 30s"), 1);
    let counts = &finished.results.counts;
    assert_eq!((counts.client_crashes, counts.sessions_completed), (2, 300));
    let longest = finished.results.phases[2].intended_us.max();
    assert!(longest > 20_000_000, "someone waited: {longest} us");
    assert_all_renewed(&finished);
}

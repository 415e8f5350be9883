//! Faults at a named step, one by one, in both engines.

use keystorm::plan::EngineKind;
use keystorm::run::Finished;
use keystorm_reports::results::{CardRow, Outcome, PairState};

use crate::common::{assert_code, cards, failed, fired, names_in, quiet_but, run, run_reduced, stderr};

/// Runs with one placed fault on both engines, which must see the same; the fault must strike once.
fn placed(fault: &str, others: &[&str]) -> Finished {
    let place = format!("faults.place=[{{card=17,{fault}}}]");
    let [events, turmoil] = EngineKind::ALL.map(|engine| {
        let engine = format!("engine={}", engine.name());
        run(quiet_but(&[&[place.as_str(), &engine], others].concat()))
    });
    assert_eq!(events.results.trace_digest, turmoil.results.trace_digest, "{fault}");
    assert_eq!(events.results.faults, turmoil.results.faults);
    assert_eq!(events.results.faults[0].fired, 1, "{:?}", events.results.faults);
    events
}

fn card_17(finished: &Finished) -> CardRow {
    cards(finished).swap_remove(17)
}

/// The failures of the run: phase, step, cause, count.
fn failures(finished: &Finished) -> Vec<(&str, &str, u64)> {
    finished.results.failures.iter().map(|failure| (failure.step, failure.cause, failure.count)).collect()
}

const AFTER_OK: &str = "step='UpdateVerdict',kind='server crash before',for='100ms'";

/// The card has stored its keys and says so; the server crashes before it commits.
#[test]
fn a_crash_between_the_cards_ok_and_the_commit_is_recovered_from() {
    let finished = placed(AFTER_OK, &[]);
    assert!(failed(&finished, "stale") >= 1, "{:?}", finished.results.failures);
    let counts = &finished.results.counts;
    assert_eq!(counts.server_crashes, 1);
    assert!(counts.requests_lost_in_crashes >= 1);
    assert!(counts.updates_interrupted >= 1 && counts.updates_recovered == counts.updates_interrupted);
    assert_eq!(counts.updates_promoted, 0);
    let card = card_17(&finished);
    assert_eq!(
        (card.outcome, card.depths[0].state, card.depths[0].card_internal),
        (Outcome::Healed, PairState::New, 2)
    );

    let staged = placed(AFTER_OK, &["update.recovery=stage-and-flip"]);
    assert!(
        staged.results.counts.updates_promoted >= 1,
        "what is on the card is found out, and not done again"
    );
    let card = card_17(&staged);
    assert_eq!(
        (card.outcome, card.depths[0].state, card.depths[0].card_internal),
        (Outcome::Healed, PairState::New, 1)
    );
}

#[test]
fn a_crash_after_the_commit_interrupts_nothing_of_that_card() {
    let finished =
        placed("step='UpdateVerdict',kind='server crash after',for='100ms'", &["server.cores=300"]);
    let card = card_17(&finished);
    assert_eq!((card.outcome, card.depths[0].state), (Outcome::Unharmed, PairState::New));
    assert_eq!(finished.results.counts.requests_lost_in_crashes, 0);
    assert!(failed(&finished, "stale") >= 1, "its session fails all the same");
}

#[test]
fn a_crash_at_the_stage_leaves_it_there_or_not() {
    for (kind, promoted) in [("server crash before", false), ("server crash after", false)] {
        let fault = format!("step='ServerVerdict',kind='{kind}',for='100ms'");
        let finished = placed(&fault, &["update.recovery=stage-and-flip"]);
        let card = card_17(&finished);
        assert_eq!(card.depths[0].state, PairState::New);
        // Nothing was stored: what was staged is done again with the same values.
        let healed = if kind.ends_with("after") { Outcome::Healed } else { Outcome::Unharmed };
        assert_eq!((card.outcome, promoted), (healed, false), "{kind}");
    }
}

#[test]
fn a_card_is_pulled_at_the_named_command_and_moment() {
    for (fault, store, writes) in [
        ("step='STORE KEY Kai[3]',kind='pulled before'", "STORE KEY", 0),
        ("step='STORE KEY Kae[4]',kind='pulled before'", "STORE KEY", 1),
        // The client has sent its OK already when it notices.
        ("step='STORE KEY Kae[4]',kind='pulled after'", "UpdateVerdict", 2),
        ("step='STORE KEY Kai[3]',kind='pulled during',moment=0", "STORE KEY", 0),
        ("step='GET CHALLENGE',kind='pulled during',moment=0", "", 0),
    ] {
        if store.is_empty() {
            let place = format!("faults.place=[{{card=17,{fault}}}]");
            let finished = run(quiet_but(&[&place]));
            assert_eq!(finished.idle_faults().count(), 1, "that command has no moment: it must be said");
            continue;
        }
        let finished = placed(fault, &[]);
        assert_eq!(failures(&finished), [(store, "card pulled", 1)], "{fault}");
        let card = card_17(&finished);
        let outcome = if store == "UpdateVerdict" { Outcome::Unharmed } else { Outcome::Healed };
        assert_eq!((card.outcome, card.depths[0].state), (outcome, PairState::New), "{fault}");
        let calm = card_17(&run(quiet_but(&[])));
        assert!(card.nvm_writes >= calm.nvm_writes + writes, "{fault}: {card:?}");
    }
}

#[test]
fn a_card_that_is_pulled_after_a_command_does_not_carry_out_the_next() {
    let writes = |fault: &str| card_17(&placed(fault, &[])).nvm_writes;
    let after = writes("step='INTERNAL AUTHENTICATE Kai[2]',nth=2,kind='pulled after'");
    assert_eq!(after, writes("step='STORE KEY Kai[3]',kind='pulled before'"), "nothing was stored");
}

/// The second of two pulls strikes while the card restores, at its next power-up, what the first one cut short.
#[test]
fn a_card_is_pulled_while_it_restores_its_memory() {
    let faults = "faults.place=[{card=17,step='STORE KEY Kai[3]',kind='pulled during',moment=5},\
                  {card=17,connection=2,step='power-up',kind='pulled during',moment=1}]";
    let finished = run(quiet_but(&[faults]));
    assert_eq!(finished.idle_faults().count(), 0, "{:?}", finished.results.faults);
    assert_eq!(failures(&finished), [("power-up", "card pulled", 1), ("STORE KEY", "card pulled", 1)]);
    assert_eq!(card_17(&finished).outcome, Outcome::Healed);
}

#[test]
fn a_named_message_is_lost_with_all_its_repeats() {
    for (fault, step) in [
        ("step='Challenge',kind='lost down'", "Hello"),
        ("step='UpdateVerdict',kind='lost up'", "UpdateVerdict"),
        ("step='Data',nth=2,kind='lost up'", "Data"),
    ] {
        let finished = placed(fault, &["line.retry.tries=4"]);
        assert_eq!(failures(&finished), [(step, "gave up", 1)], "{fault}");
        assert_eq!(finished.results.counts.messages_lost, 4, "{fault}");
        assert_eq!(card_17(&finished).depths[0].state, PairState::New);
    }
}

#[test]
fn a_late_ok_of_an_earlier_connection_is_stale() {
    // The first connection ends before its UpdateVerdict is answered; a copy of that comes when the second is over.
    let faults = "faults.place=[{card=17,step='UpdateVerdict',kind='lost up'},\
                  {card=17,connection=2,step='UpdateVerdict',kind='late',by='20s'}]";
    let finished = run(quiet_but(&[faults, "line.retry.tries=2"]));
    assert_eq!(finished.idle_faults().count(), 0);
    let counts = &finished.results.counts;
    assert_eq!((counts.updates_started, counts.updates_committed, counts.updates_interrupted), (301, 300, 1));
    assert_eq!(card_17(&finished).outcome, Outcome::Healed);
}

#[test]
fn a_card_is_put_in_again_while_its_ok_is_on_the_way() {
    let finished = placed("step='UpdateVerdict',kind='reinserted'", &[]);
    let counts = &finished.results.counts;
    assert_eq!((counts.sessions_failed, counts.updates_started, counts.updates_committed), (0, 300, 300));
    assert_eq!(fired(&finished, "reinserted UpdateVerdict"), 1);
    assert_eq!(card_17(&finished).depths[0].state, PairState::New);
}

#[test]
fn a_client_crashes_at_the_named_step() {
    for (fault, step) in [
        ("step='CardProof',kind='client crash',for='10s'", "CardProof"),
        ("step='STORE KEY Kae[4]',kind='client crash',for='10s'", "STORE KEY"),
    ] {
        let finished = placed(fault, &[]);
        assert_eq!(failures(&finished), [(step, "client crashed", 1)]);
        assert_eq!(finished.results.counts.client_crashes, 1);
        assert_eq!(card_17(&finished).depths[0].state, PairState::New);
    }
}

#[test]
fn a_placed_fault_that_its_card_never_comes_to_ends_the_run_with_1() {
    let dir = tempfile::tempdir().unwrap();
    let fault = "faults.place=[{card=17,connection=9,step='CardProof',kind='lost up'}]";
    let output = run_reduced(dir.path(), &["--set", fault, "--out", "run"]);
    assert_code(&output, 1);
    let said = stderr(&output);
    assert!(
        said.contains("never struck") && said.contains("lost up CardProof, card 17, connection 9"),
        "{said}"
    );
    assert_eq!(names_in(dir.path()), ["run"]);
}

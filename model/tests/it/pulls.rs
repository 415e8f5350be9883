//! The card pulled out before, during and after every command.

use keystorm_model::client::{Cause, Ending, Step};
use keystorm_model::server::Recovery;

use crate::common::judge::State;
use crate::common::visit::Pull;
use crate::common::{KIND, MONTH, Setup, TRIES, seeded};

/// A pull, and how many keys the card has stored once it is out.
#[derive(Clone, Copy, Debug)]
struct Cut {
    nth: usize,
    name: &'static str,
    pull: Pull,
    stored: usize,
    committed: bool,
}

/// Moments in the write of a page through the undo log: three in the log, three in the page, two around the end of the
/// flag. What is cut before the last of them is undone.
const PAGE_WRITE: u32 = 8;

/// Every pull that a connection offers, as a fault-free one has its commands and their moments.
fn cuts(setup: &Setup) -> Vec<Cut> {
    let mut bench = setup.bench();
    let id = bench.connect().completes();
    let mut cuts = Vec::new();
    let mut stored = 0;
    for (nth, command) in bench.trace.commands(id).enumerate() {
        let name = command.name();
        let stores = usize::from(name == "STORE KEY");
        let committed = stored == 2;
        let mut add = |pull, stored| cuts.push(Cut { nth, name, pull, stored, committed });
        add(Pull::Before, stored);
        for moment in 0..command.moments {
            add(Pull::During(moment), if moment + 1 < PAGE_WRITE { stored } else { stored + stores });
        }
        stored += stores;
        add(Pull::After, stored);
    }
    assert_eq!(stored, 2);
    cuts
}

fn left_behind(cut: Cut) -> State {
    match (cut.stored, cut.committed) {
        (0, _) => State::Old,
        (1, _) => State::Split,
        (_, false) => State::CardAhead,
        (_, true) => State::New,
    }
}

#[test]
fn a_pulled_card_is_left_as_the_table_says_and_heals_in_one_connection() {
    let setup = seeded(1).due(1);
    let cuts = cuts(&setup);
    assert_eq!(
        cuts.len(),
        8 * 2 + (2 + 1 + 2) * PAGE_WRITE as usize,
        "8 commands; EXTERNAL AUTHENTICATE writes a counter twice, STORE KEY a key, and of an external one its counter"
    );
    for cut in cuts {
        let mut bench = setup.bench();
        let ending = bench.connect().pulls(cut.nth, cut.pull).ends();
        assert!(matches!(ending, Ending::Failed { cause: Cause::CardPulled, .. }), "{cut:?}: {ending:?}");
        assert_eq!(bench.state_at(0), left_behind(cut), "{cut:?}");
        bench.settle();
        assert_eq!(bench.state_at(0), left_behind(cut), "{cut:?}, after the client's Bye");
        bench.connect().completes();
        bench.expect(State::New);
        assert!(bench.judge.agree(&bench.server, &bench.cards));
        assert_eq!(bench.cards[0].tries(&KIND), [TRIES; 4], "success gives a lost try back");
    }
}

#[test]
fn a_card_pulled_in_external_authenticate_may_lose_one_try() {
    for cut in cuts(&seeded(2).due(1)).into_iter().filter(|cut| cut.name == "EXTERNAL AUTHENTICATE") {
        let mut bench = seeded(2).due(1).bench();
        bench.connect().pulls(cut.nth, cut.pull).fails(Step::CheckServer, Cause::CardPulled);
        let left = match cut.pull {
            Pull::During(moment) if (PAGE_WRITE - 1..2 * PAGE_WRITE - 1).contains(&moment) => TRIES - 1,
            _ => TRIES,
        };
        assert_eq!(bench.cards[0].clone().settled(&KIND).tries(&KIND)[2], left, "{cut:?}");
    }
}

#[test]
fn under_first_contact_a_card_pulled_after_a_store_is_out_until_the_period_turns() {
    for cut in cuts(&seeded(3).due(1)) {
        let mut bench = seeded(3).due(1).recovery(Recovery::FirstContact).bench();
        bench.connect().pulls(cut.nth, cut.pull).ends();
        match left_behind(cut) {
            State::Split | State::CardAhead => {
                bench.connect().fails(Step::CardProof, Cause::ServerSaidNo);
            }
            state => {
                bench.connect().completes();
                bench.expect(state);
            }
        }
        bench.wait(MONTH);
        bench.connect().completes();
        bench.expect(State::New);
    }
}

#[test]
fn an_update_cut_several_times_in_a_row_still_heals_in_one_connection() {
    let cuts = cuts(&seeded(4).due(1));
    for first in &cuts {
        for second in &cuts {
            let mut bench = seeded(4).due(1).bench();
            bench.connect().pulls(first.nth, first.pull).ends();
            if bench.judge.commits == 1 {
                continue;
            }
            bench.connect().pulls(second.nth, second.pull).ends();
            bench.connect().completes();
            bench.expect(State::New);
        }
    }
}

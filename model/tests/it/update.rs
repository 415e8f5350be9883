//! A renewal by embodiment 1 (Fig. 6), message by message.

use keystorm_model::apdu::StatusWord;
use keystorm_model::client::{Cause, Step};
use keystorm_model::message::{self, Message};
use keystorm_model::orders::Orders;
use keystorm_model::rings::{KeyRef, Ring};
use keystorm_model::server::{Directory, Due, Embodiment, ServerEffect, Stamp};
use keystorm_model::{ConnectionId, Depth, KeyNo, SimTime};

use crate::authentication::{encrypted, opened};
use crate::common::judge::State;
use crate::common::line::Dir;
use crate::common::trace::SESSION;
use crate::common::{Bench, CARD, KEY, MONTH, YEAR, seeded};

/// Up to the commit; [`SESSION`] follows.
const UPDATE: [&str; 16] = [
    "-> Hello",
    "<- Challenge 2 3 update",
    "card INTERNAL AUTHENTICATE 2",
    "-> CardProof",
    "<- Verdict OK",
    "card GET CHALLENGE",
    "-> ServerChallenge",
    "<- ServerProof",
    "card EXTERNAL AUTHENTICATE 3",
    "-> ServerVerdict OK",
    "<- UpdateRandoms 2: Internal 3, External 4",
    "card INTERNAL AUTHENTICATE 2",
    "card STORE KEY Internal 3",
    "card INTERNAL AUTHENTICATE 2",
    "card STORE KEY External 4",
    "-> UpdateVerdict OK",
];

#[test]
fn an_update_is_figure_6_between_authentication_and_session() {
    let mut bench = seeded(1).due(1).bench();
    bench.expect(State::Old);
    let id = bench.connect().completes();
    assert_eq!(bench.trace.lines(id), [&UPDATE[..], &SESSION].concat());
    bench.expect(State::New);
    assert!(bench.judge.agree(&bench.server, &bench.cards));
    assert_eq!(bench.server.directory().renewal(CARD, Depth(0)).committed, Stamp::at(SimTime::ZERO));
    bench.settle();
    assert_eq!((bench.judge.commits, bench.judge.interruptions), (1, 0));
    assert_eq!(bench.trace.rejects(), []);
}

#[test]
fn both_new_keys_are_derived_under_the_upper_internal_key() {
    let mut bench = seeded(2).due(1).bench();
    let id = bench.connect().completes();
    let sent = bench.trace.message(id, "UpdateRandoms");
    let Message::UpdateRandoms { orders, .. } = sent.message() else { unreachable!() };
    let stores = bench.trace.commands(id).filter(|command| command.name() == "STORE KEY");
    let stored: Vec<_> = stores.map(|store| store.data().to_vec()).collect();
    for (i, (ring, no)) in [(Ring::Internal, 3), (Ring::External, 4)].into_iter().enumerate() {
        let value = encrypted(&bench, Ring::Internal, 2, &random(orders, i));
        assert_eq!(stored[i], value);
        let slot = crate::common::SHAPE.slot(KeyRef { ring, no: KeyNo(no) }).unwrap();
        assert_eq!(bench.server.directory().key(CARD, slot), value);
    }
    assert_ne!(random(orders, 0), random(orders, 1));
}

fn random(orders: Orders<'_>, index: usize) -> Vec<u8> {
    let mut random = Vec::new();
    orders.random(index, KEY, &mut random);
    random
}

#[test]
fn the_session_after_an_update_runs_under_the_renewed_working_key() {
    let mut bench = seeded(3).due(1).bench();
    let id = bench.connect().completes();
    assert_eq!(opened(&bench, id).len(), 4, "opened with the key that the card holds now");
}

#[test]
fn nothing_is_stored_on_the_server_before_the_cards_ok() {
    let mut bench = seeded(4).due(1).bench();
    bench.connect().until("-> UpdateVerdict OK");
    bench.expect(State::CardAhead);
    assert_eq!(bench.server.directory().changes(), 0);
    bench.run(0);
    bench.expect(State::New);
}

#[test]
fn a_renewed_pair_serves_until_its_period_turns() {
    let mut bench = seeded(5).due(1).bench();
    bench.connect().completes();
    let id = bench.connect().completes();
    assert_eq!(bench.trace.lines(id)[1], "<- Challenge 3 4");
    bench.wait(MONTH);
    let id = bench.connect().completes();
    assert_eq!(bench.trace.lines(id)[1], "<- Challenge 2 3 update");
    assert_eq!(bench.server.directory().renewal(CARD, Depth(0)).committed, Stamp::at(SimTime::ZERO + MONTH));
}

#[test]
fn two_due_depths_take_two_connections_deepest_first() {
    let mut bench = seeded(6).due(2).bench();
    let first = bench.connect().wants_another();
    let lines = bench.trace.lines(first);
    assert_eq!(lines[1], "<- Challenge 1 2 update");
    assert!(lines.contains(&"<- UpdateRandoms 1: Internal 2, External 3".into()));
    assert_eq!(lines[lines.len() - 3..], ["-> UpdateVerdict OK", "<- Done again", "-> Bye"]);
    assert_eq!((bench.state_at(0), bench.state_at(1)), (State::Old, State::New));
    let second = bench.connect().completes();
    let renewed = [&UPDATE[..], &SESSION].concat();
    assert_eq!(bench.trace.lines(second), renewed, "under the pair that was renewed a moment ago");
    assert_eq!((bench.state_at(0), bench.state_at(1)), (State::New, State::New));
    let third = bench.connect().completes();
    assert_eq!(bench.trace.lines(third)[1], "<- Challenge 3 4");
}

#[test]
fn each_depth_has_its_own_period() {
    let mut bench = seeded(7).due(2).bench();
    bench.connect().wants_another();
    bench.connect().completes();
    bench.wait(MONTH);
    let id = bench.connect().completes();
    assert_eq!(bench.trace.lines(id)[1], "<- Challenge 2 3 update");
    bench.wait(YEAR);
    let id = bench.connect().wants_another();
    assert_eq!(bench.trace.lines(id)[1], "<- Challenge 1 2 update");
}

#[test]
fn in_the_complement_variant_one_random_renews_two_keys() {
    for embodiment in [Embodiment::One, Embodiment::Four] {
        let mut bench = seeded(9).due(1).embodiment(embodiment).complement().bench();
        let id = bench.connect().completes();
        let sent = bench.trace.message(id, "UpdateRandoms");
        let Message::UpdateRandoms { orders, .. } = sent.message() else { unreachable!() };
        let (first, second) = (random(orders, 0), random(orders, 1));
        assert!(first.iter().zip(&second).all(|(first, second)| *first == !*second));
        assert!(!sent.bytes.windows(KEY).any(|bytes| bytes == second), "it is not sent");
        for (random, ring, no) in [(first, Ring::Internal, 3), (second, Ring::External, 4)] {
            let slot = crate::common::SHAPE.slot(KeyRef { ring, no: KeyNo(no) }).unwrap();
            assert_eq!(
                bench.server.directory().key(CARD, slot),
                encrypted(&bench, Ring::Internal, 2, &random)
            );
        }
        bench.expect(State::New);
    }
}

/// Hands the client other orders than the server's: key `no` of `ring` for the second one.
pub(crate) fn misled(bench: &mut Bench, index: usize, ring: Ring, no: u8) -> ConnectionId {
    let visit = bench.connect().loses(Dir::Down, "UpdateRandoms");
    let id = visit.until("<- UpdateRandoms");
    let sent = bench.trace.message(id, "UpdateRandoms").clone();
    let Message::UpdateRandoms { upper, orders } = sent.message() else { unreachable!() };
    let (mut keys, mut randoms) = (Vec::new(), Vec::new());
    for i in 0..orders.len() {
        let key = if i == index { KeyRef { ring, no: KeyNo(no) } } else { orders.key(i).unwrap() };
        Orders::push_key(&mut keys, key);
        orders.random(i, KEY, &mut randoms);
    }
    let mut forged = Vec::new();
    let orders = Orders::new(orders.way(), &keys, &randoms).unwrap();
    let message = Message::UpdateRandoms { upper, orders };
    message::encode(sent.header(), message, &mut forged);
    bench.client_hears(0, &forged);
    bench.run(0);
    id
}

#[test]
fn a_refusal_of_the_card_commits_nothing() {
    for (index, ring, no, left) in [
        (0, Ring::Internal, 2, State::Old),
        (1, Ring::Internal, 1, State::Split),
        (1, Ring::External, 3, State::Split),
    ] {
        let mut bench = seeded(8).due(1).bench();
        let id = misled(&mut bench, index, ring, no);
        let cause = Cause::CardSaidNo(StatusWord::SECURITY);
        assert_eq!(
            bench.trace.ending(id),
            keystorm_model::client::Ending::Failed { step: Step::UpdateVerdict, cause }
        );
        let lines = bench.trace.lines(id);
        assert_eq!(lines[lines.len() - 2..], ["-> UpdateVerdict NG", "<- Done for good"]);
        bench.expect(left);
        assert_eq!((bench.judge.commits, bench.judge.interruptions), (0, 1));
        let reported = bench.trace.server_effects().filter(|effect| {
            matches!(effect, ServerEffect::Interrupted { due: Due { depth: Depth(0), .. }, card: CARD, .. })
        });
        assert_eq!(reported.count(), 1);
        bench.connect().completes();
        bench.expect(State::New);
    }
}

//! Messages of the wrong kind at every step, and of cards that nobody issued.

use keystorm_model::apdu::StatusWord;
use keystorm_model::client::{Cause, Ending, Step};
use keystorm_model::message::{self, Header, Message};
use keystorm_model::orders::{Orders, Way};
use keystorm_model::reject::Reject;
use keystorm_model::rings::{KeyRef, Pair, Ring};
use keystorm_model::{CardId, ConnectionId, KeyNo};

use crate::common::judge::State;
use crate::common::line::Dir;
use crate::common::{Bench, CARDS, KIND, seeded};

const PAIR: Pair = Pair { internal: KeyNo(2), external: KeyNo(3) };

/// One of each kind; a Bye and a Stale always have a meaning and are left out.
fn one_of_each(keys: &mut Vec<u8>) -> Vec<Message<'_>> {
    Orders::push_key(keys, KeyRef { ring: Ring::Internal, no: KeyNo(3) });
    let orders = Orders::new(Way::ThroughClient, keys, &[1; 16]).unwrap();
    vec![
        Message::Hello,
        Message::CardProof(&[2; 16]),
        Message::ServerChallenge(&[3; 16]),
        Message::ServerVerdict(true),
        Message::ServerVerdict(false),
        Message::UpdateVerdict(true),
        Message::UpdateVerdict(false),
        Message::Data(&[4; 48]),
        Message::Challenge { update: false, pair: PAIR, rs: &[5; 16] },
        Message::Verdict(true),
        Message::Verdict(false),
        Message::ServerProof(&[6; 16]),
        Message::UpdateRandoms { upper: KeyNo(2), orders },
        Message::SessionSeed { internal: KeyNo(3), ro: &[7; 16] },
        Message::Done { again: true },
        Message::Done { again: false },
        Message::DataAnswer(&[8; 64]),
    ]
}

fn written(header: Header, message: Message<'_>) -> Vec<u8> {
    let mut datagram = Vec::new();
    message::encode(header, message, &mut datagram);
    datagram
}

/// What may come instead of the right message without being out of order.
fn has_a_meaning(right: &str, name: &str) -> bool {
    match right {
        "UpdateRandoms" | "SessionSeed" => ["UpdateRandoms", "SessionSeed", "Done"].contains(&name),
        _ => right == name,
    }
}

/// Runs an update until its `nth` message has been sent, and returns that message's name and header.
fn until_nth(bench: &mut Bench, nth: usize) -> (&'static str, Header) {
    let id = bench.connect().until("-> Hello");
    while bench.trace.sent(id).count() <= nth {
        assert!(bench.advance());
    }
    let sent = bench.trace.sent(id).nth(nth).unwrap();
    (sent.name, sent.header())
}

#[test]
fn a_message_of_the_wrong_kind_is_counted_and_changes_nothing() {
    let mut entries = Vec::new();
    let each = one_of_each(&mut entries);
    for nth in 0..14 {
        for &message in &each {
            let mut bench = seeded(1).due(1).bench();
            let (right, header) = until_nth(&mut bench, nth);
            let (dir, name) = (bench.trace.sent(header.connection).nth(nth).unwrap().dir, message.name());
            if has_a_meaning(right, name) {
                continue;
            }
            if nth == 0 && dir == Dir::Up {
                continue; // before the Hello there is no connection: Stale, see below
            }
            match dir {
                Dir::Up => bench.server_hears(&written(header, message)),
                Dir::Down => bench.client_hears(0, &written(header, message)),
            }
            assert_eq!(bench.trace.rejects(), [Reject::OutOfOrder], "{name} instead of {right}");
            assert_eq!(bench.trace.sent(header.connection).count(), nth + 1, "nobody answers");
            bench.run(0);
            assert_eq!(bench.trace.ending(header.connection), Ending::Completed, "{name} instead of {right}");
            bench.expect(State::New);
        }
    }
}

#[test]
fn sizes_that_the_suite_does_not_have_are_out_of_order() {
    let long = Message::Challenge { update: true, pair: PAIR, rs: &[0; 17] };
    let seed = Message::SessionSeed { internal: KeyNo(3), ro: &[0; 8] };
    for (nth, message) in [
        (1, long),
        (4, Message::ServerChallenge(&[0; 15])),
        (5, Message::ServerProof(&[])),
        (7, seed),
        (9, seed),
    ] {
        let mut bench = seeded(2).due(1).bench();
        let (_, header) = until_nth(&mut bench, nth);
        if nth % 2 == 0 {
            bench.server_hears(&written(header, message));
        } else {
            bench.client_hears(0, &written(header, message));
        }
        assert_eq!(bench.trace.rejects(), [Reject::OutOfOrder], "{}", message.name());
        bench.run(0);
        bench.expect(State::New);
    }
}

#[test]
fn a_request_ahead_of_its_turn_is_rejected() {
    let mut bench = seeded(3).due(1).bench();
    let (_, header) = until_nth(&mut bench, 2);
    let proof = bench.trace.message(header.connection, "CardProof").clone();
    let early = Header { sequence: header.sequence + 1, ..header };
    bench.server_hears(&written(early, proof.message()));
    assert_eq!(bench.trace.rejects(), [Reject::OutOfOrder], "though it is the message that is wanted");
    for ahead in [1, 2, 1_000, u16::MAX - 1] {
        let header = Header { sequence: header.sequence + ahead, ..header };
        bench.server_hears(&written(header, Message::UpdateVerdict(true)));
    }
    assert_eq!(bench.trace.rejects(), [Reject::OutOfOrder; 5]);
    bench.run(0);
    bench.expect(State::New);
}

#[test]
fn after_a_refusal_of_the_card_only_the_end_is_heard() {
    let mut bench = seeded(6).due(1).bench();
    bench.cards[0].memory(&KIND).tries[2] = 0;
    let id = bench.connect().until("-> ServerVerdict NG");
    let header = bench.trace.message(id, "ServerVerdict").header();
    let mut entries = Vec::new();
    for message in
        one_of_each(&mut entries).into_iter().filter(|message| *message != Message::Done { again: false })
    {
        bench.client_hears(0, &written(header, message));
        assert_eq!(bench.trace.rejects().pop(), Some(Reject::OutOfOrder), "{}", message.name());
    }
    bench.client_hears(0, &written(header, Message::Done { again: false }));
    let blocked = Cause::CardSaidNo(StatusWord::BLOCKED);
    assert_eq!(bench.trace.ending(id), Ending::Failed { step: Step::ServerVerdict, cause: blocked });
}

#[test]
fn a_request_of_no_living_connection_is_stale_and_a_hello_begins_at_zero() {
    let mut bench = seeded(4).bench();
    let header = Header { card: CardId(0), connection: ConnectionId(5), sequence: 3 };
    bench.server_hears(&written(header, Message::UpdateVerdict(true)));
    assert_eq!(bench.trace.lines(header.connection), ["<- Stale"]);
    bench.server_hears(&written(header, Message::Hello));
    assert_eq!(bench.trace.rejects(), [Reject::OutOfOrder]);
    bench.server_hears(&written(header, Message::Bye));
    assert_eq!(bench.trace.lines(header.connection).len(), 1);
}

#[test]
fn unknown_cards_are_rejected_without_an_answer() {
    let mut bench = seeded(5).due(1).bench();
    for card in [CARDS as u32, u32::MAX] {
        for message in [Message::Hello, Message::UpdateVerdict(true), Message::Bye] {
            let header = Header { card: CardId(card), connection: ConnectionId(1), sequence: 0 };
            bench.server_hears(&written(header, message));
        }
    }
    assert_eq!(bench.trace.rejects(), [Reject::UnknownCard; 6]);
    assert_eq!(bench.trace.all_sent().count(), 0);
}

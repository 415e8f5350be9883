//! Mutual authentication (Fig. 4) and session (Fig. 5), message by message.

use keystorm_model::apdu::StatusWord;
use keystorm_model::client::{Cause, Step};
use keystorm_model::message::Message;
use keystorm_model::reject::Reject;
use keystorm_model::rings::{KeyRef, Ring};
use keystorm_model::secure::{Channel, Direction};
use keystorm_model::server::ServerEffect;
use keystorm_model::{ConnectionId, KeyNo, message};

use crate::common::line::Dir;
use crate::common::trace::{AUTHENTICATION, SESSION};
use crate::common::{Bench, CARD, KEY, KIND, REQUEST_BYTES, RESPONSE_BYTES, SHAPE, SUITE, TRIES, seeded};

fn slot(ring: Ring, no: u8) -> usize {
    SHAPE.slot(KeyRef { ring, no: KeyNo(no) }).unwrap()
}

/// E(card's key, block).
pub(crate) fn encrypted(bench: &Bench, ring: Ring, no: u8, block: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    SUITE.prove(&bench.cards[0].keys(&KIND)[slot(ring, no) * KEY..][..KEY], block, &mut out);
    out
}

fn spoil(bench: &mut Bench, ring: Ring, no: u8) {
    bench.judge.looks_away();
    bench.cards[0].memory(&KIND).keys[slot(ring, no) * KEY] ^= 1;
}

#[test]
fn a_connection_without_an_update_is_figure_4_and_figure_5() {
    let mut bench = seeded(1).bench();
    let id = bench.connect().completes();
    assert_eq!(bench.trace.lines(id), [&AUTHENTICATION[..], &SESSION].concat());
    let numbers: Vec<_> = bench.trace.sent(id).map(|sent| sent.sequence).collect();
    assert_eq!(numbers, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6], "an answer carries its request's number");
    bench.settle();
    assert_eq!(bench.trace.rejects(), []);
    assert_eq!(bench.server.directory().changes(), 0);
}

#[test]
fn each_side_proves_itself_with_the_key_of_the_pair() {
    let mut bench = seeded(2).bench();
    let id = bench.connect().completes();
    let challenge = bench.trace.message(id, "Challenge");
    let Message::Challenge { rs, .. } = challenge.message() else { unreachable!() };
    let proof = bench.trace.message(id, "CardProof");
    assert_eq!(proof.message(), Message::CardProof(&encrypted(&bench, Ring::Internal, 3, rs)));
    let ra = bench.trace.commands(id).nth(1).unwrap().output();
    assert_eq!(bench.trace.message(id, "ServerChallenge").message(), Message::ServerChallenge(ra));
    let proof = bench.trace.message(id, "ServerProof");
    assert_eq!(proof.message(), Message::ServerProof(&encrypted(&bench, Ring::External, 4, ra)));
    assert!(bench.trace.server_effects().any(|effect| effect == ServerEffect::Authenticated(CARD)));
}

/// The plain data of a connection's sealed messages, opened with the session key E(Kai[M], Ro) [0048].
pub(crate) fn opened(bench: &Bench, id: ConnectionId) -> Vec<(Dir, Vec<u8>)> {
    let seed = bench.trace.message(id, "SessionSeed");
    let Message::SessionSeed { internal, ro } = seed.message() else { unreachable!() };
    let channel = Channel::new(encrypted(bench, Ring::Internal, internal.0, ro).try_into().unwrap());
    let (mut up, mut down) = (0, 0);
    let mut all = Vec::new();
    for sent in bench.trace.sent(id) {
        let (direction, counter, sealed) = match sent.message() {
            Message::Data(sealed) => (Direction::Up, &mut up, sealed),
            Message::DataAnswer(sealed) => (Direction::Down, &mut down, sealed),
            _ => continue,
        };
        let mut plain = Vec::new();
        let head = &sent.bytes[..message::HEADER];
        assert!(channel.open(direction, *counter, head, sealed, &mut plain), "{} {counter}", sent.name);
        *counter += 1;
        all.push((sent.dir, plain));
    }
    all
}

#[test]
fn session_data_opens_under_the_working_key() {
    let mut bench = seeded(3).bench();
    let id = bench.connect().completes();
    let data = opened(&bench, id);
    let lengths: Vec<_> = data.iter().map(|(dir, plain)| (*dir, plain.len() as u16)).collect();
    let exchange = [(Dir::Up, REQUEST_BYTES), (Dir::Down, RESPONSE_BYTES)];
    assert_eq!(lengths, [exchange, exchange].concat());
}

#[test]
fn no_two_connections_share_a_random() {
    let mut bench = seeded(4).bench();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        let id = bench.connect().completes();
        for sent in bench.trace.sent(id) {
            let random = match sent.message() {
                Message::Challenge { rs, .. } => rs,
                Message::ServerChallenge(ra) => ra,
                Message::SessionSeed { ro, .. } => ro,
                _ => continue,
            };
            assert!(seen.insert(random.to_vec()), "{} repeats a random", sent.name);
        }
    }
    assert_eq!(seen.len(), 15);
}

#[test]
fn a_card_with_another_internal_key_is_refused() {
    let mut bench = seeded(5).bench();
    spoil(&mut bench, Ring::Internal, 3);
    let id = bench.connect().fails(Step::CardProof, Cause::ServerSaidNo);
    assert_eq!(bench.trace.lines(id).last().unwrap(), "<- Verdict NG");
    assert!(bench.trace.server_effects().any(|effect| effect == ServerEffect::CardRefused(CARD)));
    assert_eq!(bench.cards[0].tries(&KIND), [TRIES; 4]);
}

#[test]
fn a_server_with_another_external_key_is_refused_and_costs_a_try() {
    let mut bench = seeded(6).bench();
    spoil(&mut bench, Ring::External, 4);
    for left in [2, 1, 0] {
        let no = Cause::CardSaidNo(StatusWord::tries_left(left));
        let id = bench.connect().fails(Step::ServerVerdict, no);
        let lines = bench.trace.lines(id);
        let end =
            [&format!("card EXTERNAL AUTHENTICATE 4 63c{left}"), "-> ServerVerdict NG", "<- Done for good"];
        assert_eq!(lines[lines.len() - 3..], end);
    }
    bench.connect().fails(Step::ServerVerdict, Cause::CardSaidNo(StatusWord::BLOCKED));
    assert!(!bench.trace.server_effects().any(|effect| effect == ServerEffect::Authenticated(CARD)));
}

#[test]
fn data_that_was_not_sealed_under_this_sessions_key_is_rejected_by_both() {
    let mut bench = seeded(7).bench();
    let id = bench.connect().until("-> Data");
    let mut forged = bench.trace.message(id, "Data").bytes.clone();
    *forged.last_mut().unwrap() ^= 1;
    bench.server_hears(&forged);
    assert_eq!(bench.trace.rejects(), [Reject::BadSeal]);
    while !bench.trace.lines(id).contains(&"<- DataAnswer".into()) {
        bench.advance();
    }
    let mut forged = bench.trace.message(id, "DataAnswer").bytes.clone();
    *forged.last_mut().unwrap() ^= 1;
    bench.client_hears(0, &forged);
    assert_eq!(bench.trace.rejects(), [Reject::BadSeal; 2]);
    bench.run(0);
    assert_eq!(bench.trace.ending(id), keystorm_model::client::Ending::Completed);
}

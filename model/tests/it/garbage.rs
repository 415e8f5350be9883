//! Bytes that nobody meant: broken datagrams at random moments, and cards that answer nonsense.

use keystorm_model::apdu::StatusWord;
use keystorm_model::client::{Cause, Client, ClientEffect, ClientInput, ClientRules, Ending};
use keystorm_model::message::{self, HEADER, Header, Message};
use keystorm_model::outbox::Outbox;
use keystorm_model::reject::Reject;
use keystorm_model::rings::Pair;
use keystorm_model::{ConnectionId, KeyNo, SimTime};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::common::judge::State;
use crate::common::line::Dir;
use crate::common::{Bench, CARD, RETRY, SUITE, seeded};

/// How a genuine datagram is broken on its way.
#[derive(Clone, Debug)]
enum Harm {
    /// Random bytes instead.
    Replaced(Vec<u8>),
    /// Only its beginning arrives.
    Cut(Index),
    /// Bytes follow it.
    Longer(Vec<u8>),
    /// Another version.
    Version(u8),
    /// A kind that there is not.
    Kind(u8),
    /// A bit of the card number, connection id or sequence number has turned.
    Header(usize),
}

fn harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..60).prop_map(Harm::Replaced),
        any::<Index>().prop_map(Harm::Cut),
        prop::collection::vec(any::<u8>(), 1..20).prop_map(Harm::Longer),
        (2..=255_u8).prop_map(Harm::Version),
        prop_oneof![Just(0_u8), 0x09..=0x80_u8, 0x8a..=0xff_u8].prop_map(Harm::Kind),
        (16..HEADER * 8).prop_map(Harm::Header),
    ]
}

impl Harm {
    fn done_to(&self, genuine: &[u8]) -> Vec<u8> {
        let mut bytes = genuine.to_vec();
        match self {
            Harm::Replaced(other) => bytes.clone_from(other),
            Harm::Cut(end) => bytes.truncate(end.index(genuine.len())),
            Harm::Longer(more) => bytes.extend_from_slice(more),
            Harm::Version(version) => bytes[0] = *version,
            Harm::Kind(kind) => bytes[1] = *kind,
            Harm::Header(bit) => bytes[bit / 8] ^= 1 << (bit % 8),
        }
        bytes
    }
}

fn inject(bench: &mut Bench, dir: Dir, bytes: &[u8]) {
    let before = (bench.trace.rejects().len(), bench.trace.all_sent().count());
    let durable = bench.server.directory().changes();
    match dir {
        Dir::Up => bench.server_hears(bytes),
        Dir::Down => bench.client_hears(0, bytes),
    }
    if message::decode(bytes).is_err() {
        let rejects = bench.trace.rejects();
        assert_eq!(rejects.len(), before.0 + 1);
        assert_eq!(rejects.last(), Some(&Reject::Malformed));
        assert_eq!(bench.trace.all_sent().count(), before.1, "nobody answers");
    }
    assert_eq!(bench.server.directory().changes(), durable);
    bench.judge.check(&bench.server, &bench.cards);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn broken_datagrams_do_not_keep_an_update_from_completing(
        at in prop::collection::vec((0_usize..40, any::<bool>(), any::<Index>(), harm()), 1..12),
    ) {
        let mut bench = seeded(1).due(1).bench();
        let id = bench.connect().until("-> Hello");
        let mut steps = 0;
        while bench.desks[0].client.connection().is_some() {
            for (_, up, which, harm) in at.iter().filter(|(step, ..)| *step == steps) {
                let dir = if *up { Dir::Up } else { Dir::Down };
                let said: Vec<_> = bench.trace.sent(id).filter(|sent| sent.dir == dir).cloned().collect();
                let genuine = if said.is_empty() { &[][..] } else { &said[which.index(said.len())].bytes };
                if genuine.len() >= HEADER {
                    inject(&mut bench, dir, &harm.done_to(genuine));
                }
            }
            prop_assert!(bench.advance());
            steps += 1;
        }
        prop_assert_eq!(bench.trace.ending(id), Ending::Completed, "\n{}", bench.trace);
        bench.expect(State::New);
        prop_assert_eq!(bench.judge.commits, 1);
    }

    /// A card, or a reader, that answers anything at all.
    #[test]
    fn no_answer_of_a_card_makes_a_client_panic_or_wait_for_ever(
        answers in prop::collection::vec(card_answer(), 8),
    ) {
        let rules = ClientRules::new(SUITE, RETRY, 0, 0);
        let (mut client, mut out) = (Client::default(), Outbox::default());
        let mut now = SimTime::ZERO;
        client.connect(&rules, now, CARD, ConnectionId(1), &mut out);
        let mut answers = answers.into_iter();
        for _ in 0..100 {
            let effects = std::mem::take(&mut out.effects);
            let commanded = effects.iter().any(|effect| matches!(effect, ClientEffect::Command(_)));
            let asked = effects.iter().rev().find_map(|effect| match effect {
                ClientEffect::Send { datagram, .. } => Some(out.get(*datagram).to_vec()),
                _ => None,
            });
            out.clear();
            if client.connection().is_none() {
                return Ok(());
            }
            if commanded {
                let answer = answers.next().unwrap();
                client.step(&rules, now, ClientInput::CardAnswer(&answer), &mut out);
            } else if let Some(reply) = asked.and_then(|asked| reply(&asked)) {
                client.step(&rules, now, ClientInput::Datagram(&reply), &mut out);
            } else {
                now = client.deadline().unwrap();
                client.step(&rules, now, ClientInput::Wake, &mut out);
            }
        }
        prop_assert!(false, "the client goes on for ever");
    }
}

fn card_answer() -> impl Strategy<Value = Vec<u8>> {
    let sized = |length: usize| [vec![7; length], vec![0x90, 0x00]].concat();
    prop_oneof![
        6 => Just(sized(16)),
        1 => Just(sized(0)),
        1 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop_oneof![Just(0_usize), Just(1), Just(15), Just(17), Just(300), Just(70_000)].prop_map(sized),
    ]
}

/// A server that says yes to everything.
fn reply(asked: &[u8]) -> Option<Vec<u8>> {
    let (header, message) = message::decode(asked).unwrap();
    let pair = Pair { internal: KeyNo(3), external: KeyNo(4) };
    let answer = match message {
        Message::Hello => Message::Challenge { update: false, pair, rs: &[1; 16] },
        Message::CardProof(_) => Message::Verdict(true),
        Message::ServerChallenge(_) => Message::ServerProof(&[2; 16]),
        Message::ServerVerdict(true) => Message::SessionSeed { internal: KeyNo(3), ro: &[3; 16] },
        _ => return None,
    };
    let mut bytes = Vec::new();
    message::encode(header, answer, &mut bytes);
    Some(bytes)
}

#[test]
fn an_improper_answer_of_the_card_counts_as_a_refusal_without_diagnosis() {
    let rules = ClientRules::new(SUITE, RETRY, 0, 0);
    for answer in [&[][..], &[0x90], &[0x90, 0x00], &[1, 2, 3, 0x90, 0x00]] {
        let (mut client, mut out) = (Client::default(), Outbox::default());
        client.connect(&rules, SimTime::ZERO, CARD, ConnectionId(1), &mut out);
        let mut hello = Vec::new();
        let header = Header { card: CARD, connection: ConnectionId(1), sequence: 0 };
        message::encode(header, Message::Hello, &mut hello);
        client.step(&rules, SimTime::ZERO, ClientInput::Datagram(&reply(&hello).unwrap()), &mut out);
        out.clear();
        client.step(&rules, SimTime::ZERO, ClientInput::CardAnswer(answer), &mut out);
        assert_eq!(out.effects[0], ClientEffect::Rejected(Reject::Malformed));
        let Some(ClientEffect::Ended(Ending::Failed { cause, .. })) = out.effects.last() else {
            panic!("{:?}", out.effects)
        };
        assert_eq!(*cause, Cause::CardSaidNo(StatusWord::NO_DIAGNOSIS));
    }
}

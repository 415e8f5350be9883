//! Probes: one datagram and its answer, without a card.

use keystorm_model::client::{Cause, Client, ClientEffect, ClientInput, ClientRules, Ending, Step};
use keystorm_model::message::{self, Header, Message};
use keystorm_model::outbox::Outbox;
use keystorm_model::server::ServerEffect;
use keystorm_model::{ConnectionId, SimTime, Span};

use crate::common::{CARD, RETRY, SUITE, seeded};

const RULES: ClientRules = ClientRules::new(SUITE, RETRY, 2, 32);
const HEADER: Header = Header { card: CARD, connection: ConnectionId(9), sequence: 0 };

fn datagram(message: Message<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::encode(HEADER, message, &mut bytes);
    bytes
}

/// A client that has just sent a probe.
fn probing() -> (Client, Outbox<ClientEffect>) {
    let (mut client, mut out) = (Client::default(), Outbox::default());
    client.probe(&RULES, SimTime::ZERO, CARD, HEADER.connection, &mut out);
    let [ClientEffect::Send { datagram: sent, sequence: 0, copy: 0 }] = out.effects[..] else {
        panic!("{:?}", out.effects)
    };
    assert_eq!(out.get(sent), datagram(Message::Probe));
    out.clear();
    (client, out)
}

#[test]
fn an_answer_completes_a_probe_without_a_bye() {
    let (mut client, mut out) = probing();
    client.step(&RULES, SimTime::ZERO, ClientInput::Datagram(&datagram(Message::Stale)), &mut out);
    assert!(matches!(out.effects[..], [ClientEffect::Ended(Ending::Failed { cause: Cause::Stale, .. })]));
    let (mut client, mut out) = probing();
    client.step(&RULES, SimTime::ZERO, ClientInput::Datagram(&datagram(Message::ProbeAnswer)), &mut out);
    assert_eq!(out.effects, [ClientEffect::Ended(Ending::Completed)]);
    out.clear();
    client.step(&RULES, SimTime::ZERO, ClientInput::Datagram(&datagram(Message::ProbeAnswer)), &mut out);
    assert_eq!((out.effects.len(), client.deadline()), (0, None), "a second answer is harmless");
}

#[test]
fn an_unanswered_probe_is_repeated_and_given_up_without_a_bye() {
    let (mut client, mut out) = probing();
    let mut waits = Vec::new();
    while let Some(at) = client.deadline() {
        waits.push(at.since(SimTime::ZERO));
        client.step(&RULES, at, ClientInput::Wake, &mut out);
    }
    assert_eq!(waits, [2, 6, 14, 30, 62].map(Span::from_secs));
    let gave_up = Ending::Failed { step: Step::Probe, cause: Cause::GaveUp };
    let [repeats @ .., ended] = &out.effects[..] else { panic!("nothing happened") };
    assert_eq!((repeats.len(), *ended), (4, ClientEffect::Ended(gave_up)));
    for (copy, repeat) in (1..).zip(repeats) {
        let &ClientEffect::Send { datagram: sent, sequence: 0, copy: is } = repeat else {
            panic!("{repeat:?}")
        };
        assert_eq!((out.get(sent), is), (&datagram(Message::Probe)[..], copy));
    }
}

#[test]
fn the_server_answers_every_copy_of_a_probe_and_keeps_nothing() {
    let mut bench = seeded(1).due(1).bench();
    let mut out = Outbox::default();
    for _ in 0..3 {
        out.clear();
        let work = bench.server.step(SimTime::ZERO, &datagram(Message::Probe), &mut out);
        assert_eq!((work.probes, work.proves, work.checks, work.aeads, work.commits), (1, 0, 0, 0, 0));
        let [ServerEffect::ProbeAnswer { datagram: sent, sequence: 0 }] = out.effects[..] else {
            panic!("{:?}", out.effects)
        };
        assert_eq!(out.get(sent), datagram(Message::ProbeAnswer));
    }
    out.clear();
    bench.server.step(SimTime::ZERO, &datagram(Message::CardProof(&[0; 16])), &mut out);
    assert!(matches!(out.effects[..], [ServerEffect::Stale { .. }]), "no connection was opened");
}

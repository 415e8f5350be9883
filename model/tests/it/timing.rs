//! When a client repeats itself, and when it gives up.

use keystorm_model::client::{Cause, Client, ClientInput, ClientRules, Ending, Retry, Step};
use keystorm_model::outbox::Outbox;
use keystorm_model::{ConnectionId, SimTime, Span};

use crate::common::line::{Dir, Fate, Which};
use crate::common::{CARD, KIND, RETRY, SUITE, TRIES, seeded};

#[test]
fn every_request_is_repeated_at_doubling_intervals_until_patience_ends() {
    let setup = seeded(1).due(1);
    let mut dry = setup.bench();
    let id = dry.connect().completes();
    let requests: Vec<_> =
        dry.trace.sent(id).filter(|sent| sent.dir == Dir::Up && sent.name != "Bye").collect();
    assert_eq!(requests.len(), 7);
    for request in requests {
        let mut bench = setup.bench();
        let answers = Which::Numbered(request.sequence);
        bench.connect().with(Dir::Down, answers, u8::MAX, Fate::Lost).ends_somehow();
        let sent = bench.trace.all_sent().filter(|(_, sent)| {
            sent.connection == id && sent.dir == Dir::Up && sent.sequence == request.sequence
        });
        let sent: Vec<_> = sent.map(|(at, sent)| (at, sent.copy)).collect();
        let (first, _) = sent[0];
        let waits: Vec<_> = sent.iter().map(|&(at, copy)| (at.since(first), copy)).collect();
        let expected =
            [(0, 0), (2, 1), (6, 2), (14, 3), (30, 4)].map(|(at, copy)| (Span::from_secs(at), copy));
        assert_eq!(waits, expected, "{}", request.name);
        assert_eq!(bench.now.since(first), Span::from_secs(62), "{} is given up", request.name);
        assert!(matches!(bench.trace.ending(id), Ending::Failed { cause: Cause::GaveUp, .. }));
    }
}

#[test]
fn patience_is_the_sum_of_all_waits() {
    let retry = |first_ms, factor, tries| Retry { first: Span::from_ms(first_ms), factor, tries };
    assert_eq!(RETRY.patience(), Span::from_secs(62));
    assert_eq!(retry(500, 1, 4).patience(), Span::from_secs(2));
    assert_eq!(retry(700, 2, 1).patience(), Span::from_ms(700));
    assert_eq!(retry(100, 3, 3).patience(), Span::from_ms(1_300));
    assert_eq!(
        retry(3_600_000, 10, 20).patience() + Span::from_ns(1),
        Span::from_ns(u64::MAX),
        "no overflow"
    );
}

#[test]
fn waking_early_or_often_is_harmless() {
    let rules = ClientRules::new(SUITE, RETRY, 0, 0);
    let (mut client, mut out) = (Client::default(), Outbox::default());
    assert_eq!(client.deadline(), None);
    client.connect(&rules, SimTime::ZERO, CARD, ConnectionId(1), &mut out);
    let due = SimTime::ZERO + RETRY.first;
    assert_eq!(client.deadline(), Some(due));
    out.clear();
    for ns in [0, 1, 1_999_999_999] {
        client.step(&rules, SimTime::from_ns(ns), ClientInput::Wake, &mut out);
    }
    assert!(out.effects.is_empty());
    client.step(&rules, due, ClientInput::Wake, &mut out);
    client.step(&rules, due, ClientInput::Wake, &mut out);
    assert_eq!(out.effects.len(), 1);
    assert_eq!(client.deadline(), Some(due + RETRY.first * 2));
    client.step(&rules, due, ClientInput::CardGone, &mut out);
    assert_eq!((client.deadline(), client.connection()), (None, None));
}

#[test]
fn a_refusal_of_the_card_stays_the_cause_when_nobody_hears_of_it() {
    let mut bench = seeded(2).due(1).bench();
    bench.cards[0].memory(&KIND).tries[2] = 0;
    let blocked = Cause::CardSaidNo(keystorm_model::apdu::StatusWord::BLOCKED);
    bench.connect().loses(Dir::Up, "ServerVerdict").fails(Step::ServerVerdict, blocked);
    assert_eq!(bench.cards[0].tries(&KIND), [TRIES, TRIES, 0, TRIES]);
}

#[test]
fn a_card_pulled_while_the_client_waits_ends_the_connection() {
    let mut bench = seeded(3).due(1).bench();
    let id = bench.connect().loses(Dir::Down, "Challenge").until("<- Challenge");
    bench.pull(0);
    let pulled = Ending::Failed { step: Step::Hello, cause: Cause::CardPulled };
    assert_eq!(bench.trace.ending(id), pulled);
    assert_eq!(bench.trace.lines(id).last().unwrap(), "-> Bye");
}

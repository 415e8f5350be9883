//! Renewals that are spread: a card whose turn has not come, and a server that says "later".

use keystorm_model::message::{self, Header, Message};
use keystorm_model::server::spread::Limits;
use keystorm_model::server::{Recovery, Spread};
use keystorm_model::{CardId, Span};

use crate::common::judge::State;
use crate::common::line::Dir;
use crate::common::{Bench, CARD, IDLE, SUITE, seeded};

const OTHER: CardId = CardId(1);
const HOUR: Span = Span::from_secs(3_600);

fn spread(recovery: Recovery, spread: Spread) -> Bench {
    seeded(11).due(1).recovery(recovery).spread(spread).bench()
}

/// One renewal an hour.
const HOURLY: Spread = Spread::Admission(Limits { rate: Some((1, HOUR)), open: None });
/// One renewal at a time.
const ONE_BY_ONE: Spread = Spread::Admission(Limits { rate: None, open: Some(1) });

/// What the first answer of the card's next connection names, which is a whole session.
fn challenge(bench: &mut Bench, card: CardId) -> String {
    let connection = bench.connect_card(card).completes();
    bench.trace.lines(connection)[1].clone()
}

const WORKING: &str = "<- Challenge 3 4";
const RENEWAL: &str = "<- Challenge 2 3 update";

#[test]
fn a_card_is_renewed_when_its_wave_comes() {
    let mut bench = spread(Recovery::UntilCommitted, Spread::Waves { waves: 2, interval: HOUR });
    assert_eq!(challenge(&mut bench, OTHER), WORKING);
    assert_eq!(challenge(&mut bench, CARD), RENEWAL);
    bench.wait(HOUR);
    assert_eq!(challenge(&mut bench, OTHER), RENEWAL);
    assert_eq!(challenge(&mut bench, OTHER), WORKING);
}

#[test]
fn who_is_told_later_has_a_session_with_the_old_keys_and_is_renewed_in_time() {
    for recovery in Recovery::ALL {
        let mut bench = spread(recovery, HOURLY);
        assert_eq!(challenge(&mut bench, OTHER), RENEWAL);
        assert_eq!(challenge(&mut bench, CARD), WORKING, "{recovery:?}");
        bench.expect(State::Old);
        bench.wait(HOUR);
        assert_eq!(challenge(&mut bench, CARD), RENEWAL, "{recovery:?}: its chance has not been spent");
        bench.expect(State::New);
    }
}

/// Its working pair may be of no use any more, and sending it away would refuse a good card.
#[test]
fn a_card_whose_renewal_was_interrupted_does_not_wait() {
    for recovery in [Recovery::UntilCommitted, Recovery::StageAndFlip] {
        let mut bench = spread(recovery, HOURLY);
        bench.connect().loses(Dir::Up, "UpdateVerdict").ends_somehow();
        bench.expect(State::CardAhead);
        assert_eq!(challenge(&mut bench, OTHER), WORKING, "the hour's only renewal is taken");
        bench.connect().completes();
        bench.expect(State::New);
        assert_eq!(challenge(&mut bench, CARD), WORKING);
    }
}

#[test]
fn a_restart_of_the_server_forgets_no_interruption() {
    let mut bench = spread(Recovery::UntilCommitted, HOURLY);
    bench.connect().loses(Dir::Up, "UpdateVerdict").ends_somehow();
    bench.restart_server();
    assert_eq!(challenge(&mut bench, OTHER), RENEWAL, "what it has admitted it has forgotten");
    bench.connect().completes();
    bench.expect(State::New);
}

#[test]
fn a_renewal_that_is_open_keeps_others_waiting_until_it_is_committed() {
    let mut bench = spread(Recovery::UntilCommitted, ONE_BY_ONE);
    let connection = bench.connect().until("UpdateRandoms");
    assert!(waits(&bench, OTHER));
    while !bench.trace.lines(connection).iter().any(|line| line.contains("SessionSeed")) {
        assert!(bench.advance());
    }
    assert!(!waits(&bench, OTHER), "the session goes on, but nothing is renewed in it any more");
    bench.run(0);
    bench.expect(State::New);
    assert_eq!(challenge(&mut bench, OTHER), RENEWAL);
}

/// Whether a renewal of the card would have to wait now.
fn waits(bench: &Bench, card: CardId) -> bool {
    bench.server.admissible(card, bench.now).1
}

#[test]
fn a_renewal_that_was_refused_keeps_nobody_waiting() {
    let proof = [0; SUITE.sizes().proof];
    for (until, sequence, refusal) in [
        ("Challenge", 1, Message::CardProof(&proof)),
        ("ServerProof", 3, Message::ServerVerdict(false)),
        ("UpdateRandoms", 4, Message::UpdateVerdict(false)),
    ] {
        let mut bench = spread(Recovery::UntilCommitted, ONE_BY_ONE);
        let connection = bench.connect().until(until);
        assert!(waits(&bench, OTHER), "{until}");
        let mut datagram = Vec::new();
        message::encode(Header { card: CARD, connection, sequence }, refusal, &mut datagram);
        bench.server_hears(&datagram);
        assert!(!waits(&bench, OTHER), "{until}");
    }
}

/// Forgotten after its client has gone, or told to be over: its place is free again.
#[test]
fn a_renewal_that_is_over_keeps_nobody_waiting() {
    let mut bench = spread(Recovery::UntilCommitted, ONE_BY_ONE);
    bench.connect().loses(Dir::Up, "CardProof").loses(Dir::Up, "Bye").ends_somehow();
    assert_eq!(challenge(&mut bench, OTHER), WORKING, "the server waits for the card's proof");
    bench.wait(IDLE * 2);
    assert_eq!(challenge(&mut bench, OTHER), RENEWAL);
    bench.connect().loses(Dir::Up, "CardProof").ends_somehow();
    assert_eq!(challenge(&mut bench, CARD), RENEWAL, "the client's Bye has ended the connection before");
}

#[test]
fn nobody_waits_once_all_are_admitted() {
    let mut bench = spread(Recovery::UntilCommitted, HOURLY);
    assert_eq!(challenge(&mut bench, OTHER), RENEWAL);
    assert!(waits(&bench, CARD));
    bench.server.admit_all();
    assert!(!waits(&bench, CARD));
    assert_eq!(challenge(&mut bench, CARD), RENEWAL);
}

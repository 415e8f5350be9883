//! Messages that come late or twice, connections that die, and two connections of one card at once.

use keystorm_model::client::{Cause, Ending, Step};
use keystorm_model::message::{self, Header, Message};
use keystorm_model::outbox::Outbox;
use keystorm_model::server::ServerEffect;
use keystorm_model::{CardId, ConnectionId, SimTime, Span};

use crate::common::judge::State;
use crate::common::line::{Dir, Fate, Which};
use crate::common::{Bench, CARD, DELAY, IDLE, Setup, seeded};

/// A connection whose final OK hangs in the line; the client has given up, and its Bye was lost.
fn with_ok_in_the_line() -> Bench {
    let mut bench = seeded(1).due(1).bench();
    let visit = bench.connect().holds(Dir::Up, "UpdateVerdict").loses(Dir::Up, "Bye");
    visit.fails(Step::UpdateVerdict, Cause::GaveUp);
    bench.settle();
    bench.expect(State::CardAhead);
    bench
}

fn answers(bench: &Bench, id: u64, name: &str) -> usize {
    let down = bench.trace.sent(ConnectionId(id)).filter(|sent| sent.dir == Dir::Down);
    down.filter(|sent| sent.name == name).count()
}

#[test]
fn a_late_ok_commits_nothing_once_a_newer_connection_has_proved_itself() {
    let mut bench = with_ok_in_the_line();
    bench.connect().until("<- Verdict OK");
    assert_eq!(bench.judge.interruptions, 1, "the older connection is dead");
    bench.release();
    assert_eq!(answers(&bench, 1, "Stale"), 5, "one for each copy");
    assert_eq!(bench.judge.commits, 0);
    bench.run(0);
    bench.expect(State::New);
    assert!(bench.judge.agree(&bench.server, &bench.cards));
}

#[test]
fn a_late_ok_after_a_newer_connection_has_stored_other_keys_commits_nothing() {
    let mut bench = with_ok_in_the_line();
    bench.connect().loses(Dir::Up, "UpdateVerdict").fails(Step::UpdateVerdict, Cause::GaveUp);
    bench.release();
    assert_eq!(bench.judge.commits, 0, "the card no longer holds those keys");
    bench.connect().completes();
    bench.expect(State::New);
}

#[test]
fn a_late_ok_is_accepted_while_no_newer_connection_has_proved_itself() {
    let mut bench = with_ok_in_the_line();
    bench.connect().until("-> CardProof");
    bench.release();
    bench.expect(State::New);
    assert_eq!(answers(&bench, 1, "SessionSeed"), 5);
    bench.run(0);
    bench.expect(State::New);
    assert_eq!(
        (bench.judge.commits, bench.judge.interruptions),
        (1, 0),
        "it was due when the newer one began, and is not any more"
    );
}

#[test]
fn a_newer_connection_that_fails_to_prove_itself_kills_nobody() {
    let mut bench = with_ok_in_the_line();
    for (sequence, message) in [(0, Message::Hello), (1, Message::CardProof(&[7; 16]))] {
        let mut datagram = Vec::new();
        let header = Header { card: CARD, connection: ConnectionId(77), sequence };
        message::encode(header, message, &mut datagram);
        bench.server_hears(&datagram);
    }
    assert_eq!(answers(&bench, 77, "Verdict"), 1);
    assert_eq!(bench.server.directory().changes(), 0);
    bench.release();
    bench.expect(State::New);
    assert_eq!(bench.judge.interruptions, 0);
}

#[test]
fn a_bye_drops_what_was_not_committed() {
    let mut bench = seeded(2).due(1).bench();
    bench.connect().holds(Dir::Up, "UpdateVerdict").fails(Step::UpdateVerdict, Cause::GaveUp);
    bench.settle();
    assert_eq!(bench.judge.interruptions, 1);
    bench.release();
    assert_eq!(answers(&bench, 1, "Stale"), 5);
    bench.expect(State::CardAhead);
    assert_eq!(bench.judge.commits, 0);
}

#[test]
fn a_connection_is_dropped_once_it_has_been_idle_for_its_time() {
    for (early_ns, state, stale) in [(1, State::New, 0), (0, State::CardAhead, 5)] {
        let mut bench = with_ok_in_the_line();
        let offered = bench.trace.all_sent().find(|(_, sent)| sent.name == "UpdateRandoms").unwrap().0;
        bench.now = offered + (IDLE - Span::from_ns(early_ns));
        bench.release();
        bench.expect(state);
        assert_eq!(answers(&bench, 1, "Stale"), stale);
        assert_eq!(bench.judge.commits + bench.judge.interruptions, 1);
    }
}

#[test]
fn a_connection_expires_by_its_own_idleness_whatever_others_do() {
    let mut bench = seeded(3).bench();
    let mut say = |at: u64, card: u32, sequence, message: Message<'_>| {
        let mut datagram = Vec::new();
        let header = Header { card: CardId(card), connection: ConnectionId(card.into()), sequence };
        message::encode(header, message, &mut datagram);
        let mut out = Outbox::default();
        bench.server.step(SimTime::ZERO + Span::from_secs(at), &datagram, &mut out);
        let [.., ServerEffect::Answer { datagram, .. } | ServerEffect::Stale { datagram, .. }] =
            out.effects[..]
        else {
            panic!("no answer")
        };
        message::decode(out.get(datagram)).unwrap().1.name()
    };
    assert_eq!(say(0, 0, 0, Message::Hello), "Challenge");
    assert_eq!(say(400, 0, 0, Message::Hello), "Challenge", "a repeat keeps it alive");
    assert_eq!(say(500, 1, 0, Message::Hello), "Challenge");
    assert_eq!(say(600, 1, 0, Message::Hello), "Challenge");
    assert_eq!(say(1_000, 0, 1, Message::CardProof(&[0; 16])), "Stale", "600 s after its last request");
    assert_eq!(say(1_199, 1, 1, Message::CardProof(&[0; 16])), "Verdict");
}

#[test]
fn a_repeated_hello_gets_the_same_challenge_and_a_late_one_none() {
    let mut bench = seeded(4).bench();
    let id = bench.connect().until("<- Challenge");
    let hello = bench.trace.message(id, "Hello").bytes.clone();
    bench.server_hears(&hello);
    let challenges: Vec<_> = bench.trace.sent(id).filter(|sent| sent.name == "Challenge").collect();
    assert_eq!(challenges.len(), 2);
    assert_eq!(challenges[0].bytes, challenges[1].bytes);
    assert_eq!((challenges[0].copy, challenges[1].copy), (0, 1));
    while answers(&bench, id.0, "Verdict") == 0 {
        bench.advance();
    }
    let lines = bench.trace.lines(id).len();
    bench.server_hears(&hello);
    assert_eq!(bench.trace.lines(id).len(), lines);
    bench.run(0);
    assert_eq!(bench.trace.ending(id), Ending::Completed);
}

fn times(bench: &Bench, wanted: impl Fn(ServerEffect) -> bool) -> usize {
    bench.trace.server_effects().filter(|&effect| wanted(effect)).count()
}

/// That the server acted once, however often it was asked. (The bench itself sees to it that no client gives a card
/// command twice, and no connection starts an update twice.)
fn acted_once(bench: &Bench, about: &str) {
    bench.expect(State::New);
    assert_eq!(bench.server.directory().changes(), 1, "{about}");
    assert_eq!(times(bench, |effect| matches!(effect, ServerEffect::UpdateStarted { .. })), 1, "{about}");
    assert_eq!(times(bench, |effect| matches!(effect, ServerEffect::SessionOpened { .. })), 1, "{about}");
    assert_eq!(times(bench, |effect| matches!(effect, ServerEffect::Authenticated(_))), 1, "{about}");
    assert_eq!(times(bench, |effect| matches!(effect, ServerEffect::CardRefused(_))), 0, "{about}");
    assert_eq!(bench.trace.rejects(), [], "{about}: a copy is passed over in silence");
    assert!(bench.judge.agree(&bench.server, &bench.cards), "{about}");
}

#[test]
fn every_message_may_arrive_twice() {
    for late_ms in [0, 50, 150, 250, 400, 900] {
        let mut bench = seeded(5).due(1).bench();
        bench.connect().doubles_all(Span::from_ms(late_ms)).completes();
        acted_once(&bench, &format!("{late_ms} ms late"));
    }
}

#[test]
fn requests_overtaken_by_their_own_repeats_are_answered_from_the_cache() {
    let mut bench = seeded(6).due(1).bench();
    let late = Fate::Late(Span::from_ms(2_500));
    let visit = bench.connect().with(Dir::Up, Which::All, 1, late).with(Dir::Down, Which::All, 1, late);
    let id = visit.completes();
    acted_once(&bench, "first copies late");
    assert!(bench.trace.sent(id).any(|sent| sent.dir == Dir::Down && sent.copy > 0));
}

/// Gives one message of the fault-free connection to its receiver again, right after `later` was sent.
fn replayed(setup: &Setup, early: usize, later: usize) -> Bench {
    let mut bench = setup.bench();
    let id = bench.connect().until("-> Hello");
    while bench.trace.sent(id).count() <= later {
        assert!(bench.advance());
    }
    let again = bench.trace.sent(id).nth(early).unwrap().clone();
    match again.dir {
        Dir::Up => bench.server_hears(&again.bytes),
        Dir::Down => bench.client_hears(0, &again.bytes),
    }
    bench.run(0);
    assert_eq!(bench.trace.ending(id), Ending::Completed, "{} again\n{}", again.name, bench.trace);
    bench
}

#[test]
fn a_copy_of_any_message_at_any_later_step_changes_nothing() {
    let setup = seeded(7).due(1);
    let mut dry = setup.bench();
    let id = dry.connect().completes();
    let messages = dry.trace.sent(id).count() - 1; // without the Bye
    assert_eq!(messages, 14);
    for early in 0..messages {
        for later in early..messages {
            let bench = replayed(&setup, early, later);
            acted_once(&bench, &format!("message {early} again after message {later}"));
        }
    }
}

#[test]
fn a_whole_connection_said_again_changes_nothing() {
    let mut bench = seeded(8).due(1).bench();
    let id = bench.connect().completes();
    let requests: Vec<_> = bench.trace.sent(id).filter(|sent| sent.dir == Dir::Up).cloned().collect();
    bench.settle();
    for request in requests.iter().chain(requests.iter().rev()) {
        bench.server_hears(&request.bytes);
    }
    bench.expect(State::New);
    assert_eq!(bench.server.directory().changes(), 1);
    assert_eq!(times(&bench, |effect| matches!(effect, ServerEffect::UpdateStarted { .. })), 1);
    bench.connect().completes();
}

#[test]
fn of_two_connections_at_once_the_newer_one_that_proves_itself_wins() {
    let mut bench = seeded(9).due(1).bench();
    let older = bench.connect_at(0).loses(Dir::Up, "UpdateVerdict").until("-> UpdateVerdict");
    bench.line.rules.clear(); // what the first client says again will arrive
    let newer = bench.connect_at(1).until("<- Verdict OK");
    bench.run(0);
    let stale = Ending::Failed { step: Step::UpdateVerdict, cause: Cause::Stale };
    assert_eq!(bench.trace.ending(older), stale);
    bench.run(1);
    assert_eq!(bench.trace.ending(newer), Ending::Completed);
    assert_eq!((bench.judge.commits, bench.judge.interruptions), (1, 1));
    bench.expect(State::New);
}

#[test]
fn an_older_connection_that_proves_itself_too_late_is_stale() {
    let mut bench = seeded(10).due(1).bench();
    bench.connect_at(0).holds(Dir::Up, "CardProof").until("-> CardProof");
    bench.connect_at(1).until("<- Verdict OK");
    bench.release();
    assert_eq!(answers(&bench, 1, "Stale"), 1);
    bench.run(1);
    acted_once(&bench, "the older one never got anywhere");
    assert!(bench.now < SimTime::ZERO + Span::from_secs(2) + DELAY);
}

#[test]
fn a_late_copy_of_a_hello_does_not_open_a_connection_again_that_is_over() {
    let mut bench = seeded(3).bench();
    let mut say = |sequence, message: Message<'_>| {
        let mut datagram = Vec::new();
        let header = Header { card: CardId(0), connection: ConnectionId(7), sequence };
        message::encode(header, message, &mut datagram);
        let mut out = Outbox::default();
        bench.server.step(SimTime::ZERO, &datagram, &mut out);
        out.effects.last().map(|effect| matches!(effect, ServerEffect::Stale { .. }))
    };
    assert_eq!(say(0, Message::Hello), Some(false), "it opens");
    assert_eq!(say(1, Message::Bye), None);
    assert_eq!(say(0, Message::Hello), Some(true), "it is over");
}

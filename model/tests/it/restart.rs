//! A server that crashes and starts again: what is durable is there, and nothing else.

use keystorm_model::client::{Cause, Ending, Step};
use keystorm_model::message::Message;
use keystorm_model::outbox::Outbox;
use keystorm_model::server::ServerEffect;

use crate::common::judge::State;
use crate::common::seeded;

#[test]
fn every_earlier_connection_is_stale_after_a_restart() {
    for (name, step) in [
        ("-> CardProof", Step::CardProof),
        ("-> ServerChallenge", Step::ServerChallenge),
        ("-> ServerVerdict", Step::ServerVerdict),
        ("-> UpdateVerdict", Step::UpdateVerdict),
        ("-> Data", Step::Data),
    ] {
        let mut bench = seeded(1).due(1).bench();
        let id = bench.connect().until(name);
        bench.restart_server();
        bench.run(0);
        assert_eq!(
            bench.trace.ending(id),
            keystorm_model::client::Ending::Failed { step, cause: Cause::Stale },
            "{name}"
        );
        bench.connect().completes();
        bench.expect(State::New);
    }
}

/// The crash interrupts what was open, and says so; a Hello that comes late opens nothing that the client could go on in.
#[test]
fn a_late_hello_after_a_restart_revives_no_connection() {
    for (name, cause) in [
        ("-> CardProof", Cause::ServerSaidNo),
        ("-> ServerChallenge", Cause::Stale),
        ("-> ServerVerdict", Cause::Stale),
        ("-> UpdateVerdict", Cause::Stale),
        ("-> Data", Cause::Stale),
    ] {
        let mut bench = seeded(4).due(1).bench();
        let id = bench.connect().until(name);
        let hello = bench.trace.message(id, "Hello").bytes.clone();
        let open = bench.server.open_updates().count();
        let mut told = Outbox::default();
        bench.server.restart(&mut told);
        bench.judge.forgets_open_updates();
        let interrupted = |effect: &&ServerEffect| matches!(effect, ServerEffect::Interrupted { .. });
        assert_eq!(told.effects.iter().filter(interrupted).count(), open, "{name}");
        bench.server_hears(&hello);
        bench.run(0);
        let Ending::Failed { cause: told, .. } = bench.trace.ending(id) else { panic!("{name} goes on") };
        assert_eq!(told, cause, "{name}");
        bench.connect().completes();
        bench.expect(State::New);
    }
}

#[test]
fn an_update_that_was_not_committed_is_due_again_and_one_that_was_is_not() {
    let mut bench = seeded(2).due(1).bench();
    bench.connect().until("-> UpdateVerdict");
    bench.restart_server();
    bench.run(0);
    bench.expect(State::CardAhead);
    let again = bench.connect().completes();
    assert_eq!(bench.trace.lines(again)[1], "<- Challenge 2 3 update");
    bench.restart_server();
    let ordinary = bench.connect().completes();
    assert_eq!(bench.trace.lines(ordinary)[1], "<- Challenge 3 4");
}

#[test]
fn no_random_is_drawn_again_after_a_restart() {
    let mut bench = seeded(3).bench();
    let mut challenges = Vec::new();
    for _ in 0..4 {
        let id = bench.connect().completes();
        let sent = bench.trace.message(id, "Challenge");
        let Message::Challenge { rs, .. } = sent.message() else { unreachable!() };
        assert!(!challenges.contains(&rs.to_vec()), "connections are numbered anew, randoms are not");
        challenges.push(rs.to_vec());
        bench.restart_server();
    }
}

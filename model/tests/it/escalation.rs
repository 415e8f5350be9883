//! Escalation: an upper pair that is refused is renewed by the pair one deeper, with everything above it.

use keystorm_model::card::WriteMode;
use keystorm_model::rings::{Ring, RingShape};
use keystorm_model::server::{Directory, Embodiment, Recovery, RootRenewal};
use keystorm_model::{ConnectionId, Depth, Span};

use crate::common::judge::State;
use crate::common::line::Dir;
use crate::common::visit::Pull;
use crate::common::{Bench, CARD, SHAPE, Setup, seeded};

fn escalating(recovery: Recovery, embodiment: Embodiment) -> Setup {
    seeded(8).due(1).recovery(recovery).embodiment(embodiment).escalating()
}

/// The pair at `depth` of the card can no longer be used: its internal or its external key is another than the server's.
fn spoil(bench: &mut Bench, depth: u8, internal: bool) {
    let pair = SHAPE.pair(Depth(depth)).unwrap();
    let ring = if internal { Ring::Internal } else { Ring::External };
    let slot = SHAPE.slot(pair.key(ring)).unwrap();
    bench.judge.looks_away();
    let kind = bench.kind;
    bench.cards[0].memory(&kind).keys[kind.layout().range(slot)].fill(0x55);
}

/// Blocks the external key of the pair at `depth`.
fn block(bench: &mut Bench, depth: u8) {
    let pair = SHAPE.pair(Depth(depth)).unwrap();
    let kind = bench.kind;
    bench.cards[0].memory(&kind).tries[pair.external.index() - 1] = 0;
}

/// The pair that the server named, and whether an update followed.
fn challenge(bench: &Bench, id: ConnectionId) -> String {
    let lines = bench.trace.lines(id);
    lines.iter().find(|line| line.starts_with("<- Challenge")).expect("the server named a pair").clone()
}

/// Every key of the pairs at depth 0 and 1 is the same at both ends, and is not what it was issued with.
fn all_renewed(bench: &Bench, before: &[u8]) -> bool {
    let layout = bench.kind.layout();
    [0, 1].into_iter().all(|depth| {
        let pair = SHAPE.pair(Depth(depth)).unwrap();
        [Ring::Internal, Ring::External].into_iter().all(|ring| {
            let key = pair.key(ring);
            let old = &before[layout.range(SHAPE.slot(key).unwrap())];
            bench.on_card(CARD, key) == bench.on_server(CARD, key) && bench.on_card(CARD, key) != old
        })
    })
}

#[test]
fn a_refused_upper_pair_is_renewed_by_the_one_below_it_with_everything_above() {
    for recovery in Recovery::ALL {
        for embodiment in Embodiment::ALL {
            for internal in [true, false] {
                let mut bench = escalating(recovery, embodiment).bench();
                let before = bench.cards[0].keys(&bench.kind).to_vec();
                spoil(&mut bench, 1, internal);
                let refused = bench.connect().ends_somehow();
                assert_eq!(challenge(&bench, refused), "<- Challenge 2 3 update");
                assert_eq!(bench.server.directory().refused(CARD), Some(Depth(1)));
                let escalated = bench.connect().completes();
                assert_eq!(challenge(&bench, escalated), "<- Challenge 1 2 update");
                assert!(all_renewed(&bench, &before), "{recovery:?} {embodiment:?}\n{}", bench.trace);
                assert_eq!(bench.server.directory().refused(CARD), None, "over with the commit");
                let stores =
                    bench.trace.lines(escalated).iter().filter(|line| line.contains("STORE KEY")).count();
                assert_eq!(stores, if embodiment.inside() { 0 } else { 4 }, "claim 10 holds here too");
                let after = bench.connect().completes();
                assert_eq!(challenge(&bench, after), "<- Challenge 3 4", "nothing is due any more");
            }
        }
    }
}

#[test]
fn a_blocked_key_is_an_ng_too_and_has_its_tries_back() {
    let mut bench = escalating(Recovery::UntilCommitted, Embodiment::One).bench();
    block(&mut bench, 1);
    bench.connect().ends_somehow();
    bench.connect().completes();
    bench.expect(State::New);
    assert_eq!(bench.cards[0].tries(&bench.kind), [3; 4]);
}

/// Cards whose upper pair lies in the pages of the working pair: a tear of one is a tear of both.
fn close_together() -> Setup {
    let shape = RingShape::new(4, 4).unwrap();
    seeded(8).due(1).shape(shape).ruled(|rules| {
        rules.nvm.mode = WriteMode::InPlace;
        rules.nvm.page = 32;
    })
}

#[test]
fn a_torn_upper_key_is_reported_and_heals_with_escalation_only() {
    for escalation in [true, false] {
        let setup = close_together();
        let mut bench = if escalation { setup.escalating() } else { setup }.bench();
        bench.judge.looks_away();
        // At its fifth command the card stores Kai[4]. Its page is lost, and Kai[3] with it.
        bench.connect().pulls(4, Pull::During(1)).ends_somehow();
        assert_eq!(bench.cards[0].marks().torn(), 0b1100);
        let refused = bench.connect().ends_somehow();
        let told = bench.trace.lines(refused).iter().any(|line| line == "<- Verdict NG");
        assert_eq!(told, escalation, "\n{}", bench.trace);
        let next = bench.connect().ends_somehow();
        let pair = if escalation { "2 2" } else { "3 3" };
        assert_eq!(challenge(&bench, next), format!("<- Challenge {pair} update"));
        assert_eq!(bench.cards[0].marks().torn() == 0, escalation);
        if escalation {
            bench.expect(State::New);
            bench.connect().completes();
        }
    }
}

#[test]
fn without_escalation_a_refused_upper_pair_is_tried_for_ever() {
    let mut bench = seeded(8).due(1).bench();
    spoil(&mut bench, 1, true);
    for _ in 0..3 {
        let id = bench.connect().ends_somehow();
        assert_eq!(challenge(&bench, id), "<- Challenge 2 3 update");
    }
    assert_eq!(bench.server.directory().refused(CARD), None);
}

#[test]
fn a_loss_is_no_ng() {
    let mut bench = escalating(Recovery::UntilCommitted, Embodiment::One).bench();
    bench.connect().loses(Dir::Up, "CardProof").ends_somehow();
    bench.connect().loses(Dir::Down, "ServerProof").ends_somehow();
    bench.connect().pulls(0, Pull::Before).ends_somehow();
    bench.connect().loses(Dir::Down, "UpdateRandoms").ends_somehow();
    assert_eq!(bench.server.directory().refused(CARD), None);
}

#[test]
fn an_escalation_survives_a_restart_and_an_interruption() {
    for recovery in [Recovery::UntilCommitted, Recovery::StageAndFlip] {
        for embodiment in Embodiment::ALL {
            let mut bench = escalating(recovery, embodiment).bench();
            spoil(&mut bench, 1, false);
            bench.connect().ends_somehow();
            bench.restart_server();
            let cut = bench.connect().loses(Dir::Up, "UpdateVerdict").ends_somehow();
            assert_eq!(challenge(&bench, cut), "<- Challenge 1 2 update");
            bench.restart_server();
            bench.connect().completes();
            bench.expect(State::New);
            assert_eq!(bench.server.directory().refused(CARD), None);
        }
    }
}

#[test]
fn an_open_stage_gives_way_to_the_escalated_one() {
    for embodiment in Embodiment::ALL {
        let mut bench = escalating(Recovery::StageAndFlip, embodiment).bench();
        let before = bench.cards[0].keys(&bench.kind).to_vec();
        bench.connect().loses(Dir::Down, "UpdateRandoms").ends_somehow();
        bench.connect().ends_somehow();
        assert!(bench.server.directory().staged(CARD).unwrap().tried);
        spoil(&mut bench, 1, true);
        bench.connect().ends_somehow();
        let stage = bench.server.directory().staged(CARD).unwrap();
        assert!(!stage.due.escalated, "it stays until the new one is made ready");
        // The escalated renewal is cut in its middle, so that its own stage must be tried, and done again.
        bench.connect().loses(Dir::Down, "UpdateRandoms").ends_somehow();
        let stage = bench.server.directory().staged(CARD).unwrap();
        assert!(stage.due.escalated && stage.due.depth == Depth(1), "{embodiment:?}");
        bench.connect().ends_somehow();
        bench.connect().completes();
        assert!(all_renewed(&bench, &before), "{embodiment:?}\n{}", bench.trace);
        assert_eq!(bench.server.directory().staged(CARD), None);
    }
}

#[test]
fn repeated_ngs_go_down_to_the_root_and_then_to_the_issuer() {
    for (root, reissued) in
        [(None, false), (Some(RootRenewal::Reissue), true), (Some(RootRenewal::Itself), true)]
    {
        let mut bench = escalating(Recovery::UntilCommitted, Embodiment::One).root(root).bench();
        spoil(&mut bench, 1, true);
        spoil(&mut bench, 2, true);
        for pair in ["2 3", "1 2"] {
            let id = bench.connect().ends_somehow();
            assert_eq!(challenge(&bench, id), format!("<- Challenge {pair} update"));
        }
        assert_eq!(bench.server.wants_back(CARD, bench.now), reissued, "{root:?}");
        let next = bench.connect().ends_somehow();
        if root.is_none() {
            assert_eq!(challenge(&bench, next), "<- Challenge 1 2 update", "there is nothing deeper");
        }
    }
}

#[test]
fn under_first_contact_an_escalation_has_one_chance() {
    let mut bench = escalating(Recovery::FirstContact, Embodiment::One).bench();
    spoil(&mut bench, 1, true);
    bench.connect().ends_somehow();
    let escalated = bench.connect().loses(Dir::Down, "UpdateRandoms").ends_somehow();
    assert_eq!(challenge(&bench, escalated), "<- Challenge 1 2 update");
    let next = bench.connect().completes();
    assert_eq!(challenge(&bench, next), "<- Challenge 3 4", "the old pair goes on");
}

#[test]
fn an_ng_that_comes_twice_escalates_once() {
    let mut bench = escalating(Recovery::UntilCommitted, Embodiment::One).bench();
    spoil(&mut bench, 1, true);
    bench.connect().doubles_all(Span::from_ms(500)).ends_somehow();
    bench.settle();
    assert_eq!(bench.server.directory().refused(CARD), Some(Depth(1)));
}

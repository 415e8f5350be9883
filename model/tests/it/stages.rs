//! Stage-and-flip: what the server does with a stage, cut by cut and embodiment by embodiment.

use keystorm_model::server::{Directory, Embodiment, Recovery};

use crate::common::judge::State;
use crate::common::line::Dir;
use crate::common::visit::Pull;
use crate::common::{Bench, CARD, seeded};

fn staged(embodiment: Embodiment) -> Bench {
    seeded(5).due(1).recovery(Recovery::StageAndFlip).embodiment(embodiment).bench()
}

const EMBODIMENTS: [Embodiment; 5] = Embodiment::ALL;

#[test]
fn an_undisturbed_renewal_leaves_no_stage() {
    for embodiment in EMBODIMENTS {
        let mut bench = staged(embodiment);
        bench.connect().completes();
        bench.expect(State::New);
        assert_eq!(bench.server.directory().staged(CARD), None);
        assert_eq!(bench.server.directory().stages, 1, "staged before the randoms were sent");
    }
}

#[test]
fn a_lost_ok_is_made_good_by_a_proof_under_the_staged_keys() {
    for embodiment in EMBODIMENTS {
        let mut bench = staged(embodiment);
        bench.connect().loses(Dir::Up, "UpdateVerdict").ends_somehow();
        bench.expect(State::CardAhead);
        let next = bench.connect().completes();
        assert_eq!(bench.trace.lines(next)[1], "<- Challenge 3 4", "the pair that would have been stored");
        bench.expect(State::New);
        assert!(!bench.trace.lines(next).iter().any(|line| line.contains("STORE KEY")), "{embodiment:?}");
        assert_eq!((bench.judge.promotions, bench.judge.commits), (1, 0));
    }
}

#[test]
fn a_card_that_stored_nothing_is_served_and_renewed_at_the_second_visit_with_the_same_randoms() {
    for embodiment in [Embodiment::One, Embodiment::TwoB, Embodiment::Three] {
        let mut bench = staged(embodiment);
        let cut = bench.connect().loses(Dir::Down, "UpdateRandoms").ends_somehow();
        bench.expect(State::Old);
        let ordinary = bench.connect().completes();
        assert_eq!(bench.trace.lines(ordinary)[1], "<- Challenge 3 4");
        bench.expect(State::Old);
        assert!(bench.server.directory().staged(CARD).unwrap().tried);
        let again = bench.connect().completes();
        assert_eq!(bench.trace.lines(again)[1], "<- Challenge 2 3 update");
        let randoms = |bench: &Bench, id| {
            let sent = bench.trace.message(id, "UpdateRandoms");
            sent.bytes[16..].to_vec()
        };
        assert_eq!(randoms(&bench, cut), randoms(&bench, again));
        bench.expect(State::New);
    }
}

#[test]
fn a_split_card_is_refused_once_and_renewed_at_the_second_visit() {
    let mut bench = staged(Embodiment::One);
    // SELECT is implicit: the commands are two of the authentication, EXTERNAL AUTHENTICATE, Rk1, and the store.
    bench.connect().pulls(5, Pull::Before).ends_somehow();
    bench.expect(State::Split);
    bench.connect().ends_somehow();
    assert!(bench.server.directory().staged(CARD).unwrap().tried);
    bench.expect(State::Split);
    bench.connect().completes();
    bench.expect(State::New);
}

#[test]
fn a_guess_that_the_card_cannot_answer_is_given_up() {
    let mut bench = staged(Embodiment::One);
    bench.connect().loses(Dir::Down, "UpdateRandoms").ends_somehow();
    // Pulled out at its first command: no proof is sent, but the client says Bye.
    bench.connect().pulls(0, Pull::Before).ends_somehow();
    bench.settle();
    assert!(bench.server.directory().staged(CARD).unwrap().tried);
    bench.connect().completes();
    bench.expect(State::New);
}

#[test]
fn a_stage_survives_a_restart_of_the_server() {
    for embodiment in EMBODIMENTS {
        let mut bench = staged(embodiment);
        bench.connect().until("-> UpdateVerdict");
        bench.restart_server();
        bench.run(0);
        bench.expect(State::CardAhead);
        bench.connect().completes();
        bench.expect(State::New);
    }
}

#[test]
fn a_promotion_leads_on_to_the_next_depth_that_is_due() {
    for embodiment in [Embodiment::One, Embodiment::TwoA, Embodiment::TwoB] {
        let mut bench = seeded(6).due(2).recovery(Recovery::StageAndFlip).embodiment(embodiment).bench();
        bench.connect().loses(Dir::Up, "UpdateVerdict").ends_somehow();
        bench.connect().wants_another();
        assert_eq!((bench.judge.promotions, bench.state_at(1)), (1, State::New), "{embodiment:?}");
        bench.connect().completes();
        bench.expect(State::New);
    }
}

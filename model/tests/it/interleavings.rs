//! Random losses, repeats, delays and pulls over several connections: safety all the while, then liveness.

use keystorm_model::Span;
use keystorm_model::client::Ending;
use keystorm_model::server::{Embodiment, Recovery};
use proptest::prelude::*;

use crate::common::judge::State;
use crate::common::{Bench, YEAR, seeded};

/// What a run is drawn from.
#[derive(Clone, Debug)]
struct Troubles {
    due: usize,
    embodiment: Embodiment,
    seed: u64,
    /// One byte per message and card command, until they are used up; 0 does no harm.
    tape: Vec<u8>,
    /// Which client each connection is at, and how long the holder waits after it, seconds.
    visits: Vec<(usize, u64)>,
}

fn troubles() -> impl Strategy<Value = Troubles> {
    let tape = prop::collection::vec(any::<u8>(), 0..260);
    let visits = prop::collection::vec((0_usize..2, prop_oneof![Just(0), 0..700_u64]), 1..7);
    let embodiment = prop::sample::select(&Embodiment::ALL[..]);
    (1_usize..3, embodiment, 0..1_000_u64, tape, visits)
        .prop_map(|(due, embodiment, seed, tape, visits)| Troubles { due, embodiment, seed, tape, visits })
}

impl Troubles {
    /// How many undisturbed connections bring the card up to date under until-committed.
    fn connections(&self) -> usize {
        if self.embodiment.runs() { 1 } else { self.due }
    }

    /// Goes through all of it. The bench checks safety after each event.
    fn befall(self, recovery: Recovery) -> Bench {
        let mut bench =
            seeded(self.seed).due(self.due).embodiment(self.embodiment).recovery(recovery).bench();
        bench.line.draws_from(self.tape);
        for (desk, pause_s) in self.visits {
            bench.connect_at(desk).ends_somehow();
            bench.wait(Span::from_secs(pause_s));
        }
        bench.line.draws_from(Vec::new());
        bench
    }
}

/// `due` connections in a row without new faults; what is late from before may still arrive.
fn catch_up(bench: &mut Bench, due: usize) -> Ending {
    let mut last = Ending::Again;
    for _ in 0..due {
        last = bench.connect().ends();
    }
    last
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn until_committed_is_up_to_date_after_as_many_connections_as_depths_are_due(troubles in troubles()) {
        let (due, connections) = (troubles.due, troubles.connections());
        let mut bench = troubles.befall(Recovery::UntilCommitted);
        let ending = catch_up(&mut bench, connections);
        prop_assert_eq!(ending, Ending::Completed, "\n{}", bench.trace);
        for depth in 0..due as u8 {
            prop_assert_eq!(bench.state_at(depth), State::New, "\n{}", bench.trace);
        }
        bench.settle();
        prop_assert!(bench.judge.agree(&bench.server, &bench.cards), "late messages undo nothing");
    }

    #[test]
    fn stage_and_flip_takes_one_connection_more_at_most(troubles in troubles()) {
        let (due, connections) = (troubles.due, troubles.connections());
        let mut bench = troubles.befall(Recovery::StageAndFlip);
        catch_up(&mut bench, connections + 1);
        for depth in 0..due as u8 {
            prop_assert_eq!(bench.state_at(depth), State::New, "\n{}", bench.trace);
        }
        bench.settle();
        prop_assert!(bench.judge.agree(&bench.server, &bench.cards), "late messages undo nothing");
    }

    #[test]
    fn first_contact_is_whole_again_when_every_period_has_turned(troubles in troubles()) {
        let connections = troubles.connections();
        let mut bench = troubles.befall(Recovery::FirstContact);
        bench.wait(YEAR);
        let ending = catch_up(&mut bench, connections);
        prop_assert_eq!(ending, Ending::Completed, "\n{}", bench.trace);
        prop_assert!(bench.judge.agree(&bench.server, &bench.cards));
    }
}

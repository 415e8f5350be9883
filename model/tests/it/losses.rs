//! Every message of a connection lost for good, one at a time and with all that would follow; and copies of it lost.

use keystorm_model::ConnectionId;
use keystorm_model::client::{Cause, Ending, Step};
use keystorm_model::server::Recovery;

use crate::common::judge::State;
use crate::common::line::{Dir, Fate, Which};
use crate::common::{Bench, MONTH, RETRY, Setup, seeded};

/// A message of the fault-free connection, and how many keys the card has stored before it is sent.
#[derive(Clone, Copy, Debug)]
struct Place {
    dir: Dir,
    sequence: u16,
    name: &'static str,
    stored: usize,
    /// Whether the server has heard the card's OK by the time that this message is lost.
    committed: bool,
}

/// Every message that a fault-free connection consists of, as its trace has it.
fn places(setup: &Setup) -> Vec<Place> {
    let mut bench = setup.bench();
    let id = bench.connect().completes();
    let mut stored = 0;
    let mut places = Vec::new();
    for line in bench.trace.lines(id) {
        if line.starts_with("card STORE KEY") {
            stored += 1;
        } else if !line.starts_with("card") {
            let sent = bench.trace.sent(id).nth(places.len()).unwrap();
            let committed = places.iter().any(|place: &Place| place.name == "UpdateVerdict");
            places.push(Place { dir: sent.dir, sequence: sent.sequence, name: sent.name, stored, committed });
        }
    }
    places
}

/// The table of interrupted key updates for embodiment 1.
fn left_behind(place: Place) -> State {
    match (place.stored, place.committed) {
        (0, _) => State::Old,
        (1, _) => State::Split,
        (_, false) => State::CardAhead,
        (_, true) => State::New,
    }
}

fn cut(bench: &mut Bench, place: Place, all_that_follows: bool) -> (ConnectionId, Ending) {
    let which =
        if all_that_follows { Which::AllFrom(place.sequence) } else { Which::Numbered(place.sequence) };
    let id = bench.connect().with(place.dir, which, u8::MAX, Fate::Lost).ends_somehow();
    (id, bench.trace.ending(id))
}

#[test]
fn a_message_lost_for_good_leaves_what_the_table_says_and_heals_in_one_connection() {
    for due in [0, 1] {
        let setup = seeded(1).due(due);
        let places = places(&setup);
        assert_eq!(places.len(), [13, 15][due]);
        for (place, rest) in places.into_iter().flat_map(|place| [(place, false), (place, true)]) {
            let mut bench = setup.bench();
            let (_, ending) = cut(&mut bench, place, rest);
            if place.name == "Bye" {
                assert_eq!(ending, Ending::Completed);
            } else {
                let Ending::Failed { cause, .. } = ending else { panic!("{place:?} completes") };
                assert_eq!(cause, Cause::GaveUp, "{place:?}");
            }
            bench.settle();
            let expected = if due == 0 { State::Old } else { left_behind(place) };
            assert_eq!(bench.state_at(0), expected, "{place:?}");
            assert_eq!(bench.judge.commits, usize::from(place.committed && due == 1), "{place:?}");
            bench.connect().completes();
            bench.expect(if due == 0 { State::Old } else { State::New });
            assert!(bench.judge.agree(&bench.server, &bench.cards), "{place:?}");
        }
    }
}

#[test]
fn an_interruption_is_reported_once_for_every_offer_that_was_not_committed() {
    for place in places(&seeded(2).due(1)) {
        let mut bench = seeded(2).due(1).bench();
        cut(&mut bench, place, true);
        let offered = bench.trace.lines(ConnectionId(1)).iter().any(|line| line.contains("UpdateRandoms"));
        bench.connect().completes();
        assert_eq!(bench.judge.interruptions, usize::from(offered && !place.committed), "{place:?}");
    }
}

#[test]
fn under_first_contact_the_old_pair_goes_on_unless_something_was_stored() {
    for place in places(&seeded(3).due(1)) {
        let mut bench = seeded(3).due(1).recovery(Recovery::FirstContact).bench();
        cut(&mut bench, place, true);
        let drawn = bench.trace.lines(ConnectionId(1)).iter().any(|line| line.contains("Challenge"));
        assert_eq!(bench.server.directory().spends, usize::from(drawn));
        match left_behind(place) {
            State::Old if !drawn => {
                bench.connect().completes();
                bench.expect(State::New);
            }
            State::Old => {
                let id = bench.connect().completes();
                assert_eq!(bench.trace.lines(id)[1], "<- Challenge 3 4");
                bench.expect(State::Old);
            }
            State::Split | State::CardAhead => {
                for _ in 0..2 {
                    let id = bench.connect().fails(Step::CardProof, Cause::ServerSaidNo);
                    assert_eq!(bench.trace.lines(id)[1], "<- Challenge 3 4", "{place:?}");
                }
            }
            State::New => {
                bench.connect().completes();
                bench.expect(State::New);
            }
        }
        bench.wait(MONTH);
        let id = bench.connect().completes();
        assert_eq!(bench.trace.lines(id)[1], "<- Challenge 2 3 update", "{place:?}");
        bench.expect(State::New);
    }
}

#[test]
fn under_first_contact_a_broken_upper_pair_stops_renewals_but_not_service() {
    let mut bench = seeded(4).due(2).recovery(Recovery::FirstContact).bench();
    bench.connect().loses(Dir::Up, "UpdateVerdict").fails(Step::UpdateVerdict, Cause::GaveUp);
    assert_eq!((bench.state_at(0), bench.state_at(1)), (State::Old, State::CardAhead));
    let id = bench.connect().fails(Step::CardProof, Cause::ServerSaidNo);
    assert_eq!(bench.trace.lines(id)[1], "<- Challenge 2 3 update");
    let id = bench.connect().completes();
    assert_eq!(bench.trace.lines(id)[1], "<- Challenge 3 4");
    bench.expect(State::Old);
}

#[test]
fn two_depths_heal_in_two_connections_wherever_the_first_was_cut() {
    let setup = seeded(5).due(2);
    let mut dry = setup.bench();
    let id = dry.connect().wants_another();
    let places: Vec<_> = dry.trace.sent(id).map(|sent| (sent.dir, sent.sequence)).collect();
    for (dir, sequence) in places {
        let mut bench = setup.bench();
        let cut = bench.connect().with(dir, Which::AllFrom(sequence), u8::MAX, Fate::Lost).ends();
        let mut endings = vec![cut];
        while endings.last() != Some(&Ending::Completed) {
            assert!(endings.len() < 3, "{dir:?} {sequence}: {endings:?}");
            endings.push(bench.connect().ends());
        }
        assert_eq!((bench.state_at(0), bench.state_at(1)), (State::New, State::New));
    }
}

#[test]
fn all_copies_but_the_last_may_be_lost() {
    let setup = seeded(6).due(1);
    for place in places(&setup) {
        let mut bench = setup.bench();
        let last = RETRY.tries - 1;
        let visit = bench.connect().with(place.dir, Which::Numbered(place.sequence), last, Fate::Lost);
        let id = visit.completes();
        bench.expect(State::New);
        assert_eq!(bench.judge.commits, 1, "{place:?}");
        let copies =
            bench.trace.sent(id).filter(|sent| (sent.dir, sent.sequence) == (place.dir, place.sequence));
        let expected = if place.name == "Bye" { 1 } else { usize::from(RETRY.tries) };
        assert_eq!(copies.count(), expected, "{place:?}");
    }
}

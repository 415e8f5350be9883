//! Escalation in a fleet: cards whose upper pair is torn with the working pair, since both lie in the same pages.

use keystorm::scenario;
use keystorm_reports::results::{CardRow, Outcome, PairState};

use crate::common::{REDUCED, cards, fired, run, shipped};

/// Cards without a log are pulled out while they store their working keys, whose pages hold the upper pair too; the pair
/// below lies in pages of its own.
fn torn_fleet(set: &[&str]) -> Vec<CardRow> {
    let fleet = [
        "fleet.cards=500",
        "fleet.internal_keys=4",
        "fleet.external_keys=4",
        "card.nvm=in-place",
        "card.page=32",
        "faults.pull=80%",
        "update.periods=['30d']",
        "load.retry_visit.after=20s",
        "load.retry_visit.visits=4",
    ];
    let all: Vec<String> = REDUCED.iter().chain(&fleet).chain(set).map(|&set| set.to_owned()).collect();
    let plan = scenario::load(&shipped("quickstart"), &all).unwrap_or_else(|error| {
        panic!("{:#?}", error.problems().map(ToString::to_string).collect::<Vec<_>>())
    });
    let finished = run(plan);
    assert!(fired(&finished, "card pulled out") > 100);
    cards(&finished)
}

#[test]
fn cards_torn_at_an_upper_key_heal_with_escalation_and_do_not_without() {
    let (events, turmoil) = ("engine=events", "engine=turmoil");
    let (committed, staged) = ("update.recovery=until-committed", "update.recovery=stage-and-flip");
    for (engine, recovery) in [(events, committed), (events, staged), (turmoil, committed)] {
        let torn = |cards: &[CardRow]| cards.iter().filter(|card| card.outcome == Outcome::Torn).count();
        let without = torn_fleet(&[engine, recovery]);
        assert!(torn(&without) > 10, "{} are torn", torn(&without));
        let with = torn_fleet(&[engine, recovery, "update.escalation=true"]);
        assert_eq!(torn(&with), 0);
        let depth_1 = |card: &&CardRow| card.depths[1].state == PairState::New;
        assert!(
            with.iter().filter(depth_1).count() > 10,
            "by the pair at depth 2, which renewed depth 1 too"
        );
        assert_eq!(without.iter().filter(depth_1).count(), 0, "depth 1 is not due");
    }
}

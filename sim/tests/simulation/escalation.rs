//! Escalation in a fleet: cards whose upper pair is torn with the working pair, since both lie in the same pages.

use keystorm::run::Finished;
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

/// Blocks the upper pair of card 0, which has one try.
const BLOCK: &str = "{card=0,step='EXTERNAL AUTHENTICATE Kae[3]',kind='pulled during',moment=9}";

/// A quiet quickstart with few cards, escalation, and these faults at named steps.
fn escalating(faults: &str, overrides: &[&str]) -> Finished {
    let place = format!("faults.place=[{faults}]");
    let quiet = [
        "engine=events",
        "line.loss=0",
        "faults.pull=0",
        "fleet.clients=2",
        "fleet.sites=1",
        "card.tries=1",
        "update.escalation=true",
        "load.retry_visit.visits=6",
        "load.window=1s",
        &place,
    ];
    let all: Vec<String> = quiet.iter().chain(overrides).map(|&set| set.to_owned()).collect();
    run(scenario::load(&shipped("quickstart"), &all).unwrap())
}

/// Its deepest renewal is deeper than anything that can be due, and there is no card behind it.
#[test]
fn the_last_card_escalates_where_only_depth_0_has_a_period() {
    let finished = escalating(BLOCK, &["fleet.cards=1", "fleet.clients=1"]);
    let states = cards(&finished)[0].depths.iter().map(|depth| depth.state).collect::<Vec<_>>();
    assert_eq!(states, [PairState::New, PairState::New, PairState::Old], "renewed by the pair at depth 2");
}

/// The other connection of the card has committed it, and the card is pulled out of what would be a second one.
#[test]
fn an_escalation_that_another_connection_has_committed_is_not_begun_again() {
    let faults = format!(
        "{BLOCK},{{card=0,connection=3,step='UpdateVerdict',kind='reinserted'}},\
         {{card=0,connection=4,step='STORE KEY Kai[4]',kind='pulled after'}}"
    );
    let four =
        ["fleet.cards=2", "fleet.internal_keys=4", "fleet.external_keys=4", "seed=11", "line.retry.first=9s"];
    let slow = ["line.delay.min=1ms", "line.delay.max=1900ms", "line.delay.mean=700ms"];
    let finished = escalating(&faults, &[&four[..], &slow].concat());
    assert_eq!(finished.results.counts.cards_stranded, 0);
}

/// A server that admits only so many renewals does not forget why the interrupted one went so deep.
#[test]
fn an_escalation_that_is_interrupted_goes_on_under_admission() {
    let faults = format!("{BLOCK},{{card=0,connection=3,step='STORE KEY Kai[3]',kind='pulled after'}}");
    let orders = ["update.periods=['30d','30d']", "update.due=none", "update.order=[{at='0s'}]"];
    let admission = ["update.spread=admission", "update.spread_admits=1000", "update.spread_interval=1s"];
    let four = ["fleet.cards=2", "fleet.internal_keys=4", "fleet.external_keys=4"];
    let finished = escalating(&faults, &[&four[..], &orders, &admission].concat());
    assert_eq!((finished.results.counts.cards_healed, finished.results.counts.cards_stranded), (1, 0));
}

//! Renewals of every kind over whole runs: embodiments, orders, the root, reissue, keys common to all users.

use keystorm::run::Finished;
use keystorm_model::CardId;
use keystorm_model::server::Embodiment;
use keystorm_reports::results::{Outcome, PairState};

use crate::common::{Summary, agreed, cards};

/// Every day of the run, so to speak: each card comes once a minute, and keys live for one or two.
const BUSY: [&str; 4] =
    ["load.repeat=1min", "load.window=30s", "update.periods=['1min','2min']", "fleet.cards=60"];

#[test]
fn every_embodiment_brings_every_card_up_to_date() {
    for embodiment in Embodiment::ALL {
        let set = format!("update.embodiment='{}'", embodiment.name());
        let finished = agreed(&[&BUSY[..], &[&set]].concat());
        let counts = &finished.results.counts;
        assert!(counts.updates_committed > 100 && counts.updates_recovered > 0, "{set}: {counts:?}");
        for card in cards(&finished) {
            let states: Vec<_> = card.depths.iter().map(|depth| depth.state).collect();
            assert_eq!(states, [PairState::New, PairState::New, PairState::Old], "{set}, card {}", card.card);
        }
    }
}

#[test]
fn a_mixed_fleet_renews_each_card_in_its_own_way() {
    let finished = agreed(&[&BUSY[..], &["update.embodiment='2a+2b+3'"]].concat());
    assert_eq!(Summary::of(&finished.results).text("embodiment"), "2a+2b+3");
    for card in cards(&finished) {
        let working = card.depths[0];
        let renewed = (working.card_internal > 0, working.card_external > 0);
        assert_eq!(renewed, [(false, true), (true, false), (true, true)][card.card as usize % 3]);
    }
}

#[test]
fn embodiment_3_renews_both_depths_at_once() {
    let finished = agreed(&["update.embodiment=3", "update.periods=['30d','360d']"]);
    let by_depth = &finished.results.renewals;
    assert_eq!((by_depth[0].started, by_depth[1].committed), (0, 300));
    assert!(cards(&finished).iter().all(|card| card.depths[0].state == PairState::New));
}

#[test]
fn an_order_renews_the_cards_that_it_names_once() {
    let order = "update.order=[{ at = '30s', depth = 1, cards = [3, 5, 8] }, { at = '40s' }]";
    let repeat = ["update.periods=[]", "load.repeat=1min", "load.window=30s", "fleet.cards=60", order];
    let finished = agreed(&repeat);
    let [working, upper] = finished.results.renewals[..] else { panic!("two depths were renewed") };
    assert_eq!((working.committed, upper.committed), (60, 3));
    for card in cards(&finished) {
        let named = [3, 5, 8].contains(&card.card);
        assert_eq!(card.depths[1].state == PairState::New, named, "card {}", card.card);
        assert_eq!(card.depths[0].state, PairState::New);
    }
}

#[test]
fn the_complement_variant_saves_a_random_and_renews_the_same_keys() {
    let plain = agreed(&["faults.pull=0", "line.loss=0"]);
    let complement = agreed(&["faults.pull=0", "line.loss=0", "update.complement=true"]);
    let bytes = |run: &Finished| run.results.counts.line_bytes;
    assert_eq!(bytes(&plain) - bytes(&complement), 300 * 16, "one random of 16 bytes less for each card");
    for card in (0..300).map(CardId) {
        let key = |run: &Finished, slot: usize| run.world.keys_on_card(card)[slot * 16..][..16].to_vec();
        assert_eq!(key(&plain, 2), key(&complement, 2), "Kai[3] comes from Rk1, which is sent");
        assert_ne!(key(&plain, 6), key(&complement, 6), "Kae[4] comes from its complement");
    }
}

#[test]
fn a_root_that_is_due_sends_its_cards_to_the_issuer() {
    for (way, skips) in [("return", true), ("replacement", false)] {
        let way = format!("reissue.way={way}");
        let set = [
            "update.order=[{ at = '50s', depth = 2, cards = [1, 2] }]",
            "update.root=reissue",
            "reissue.takes=50s",
            "reissue.cost=12",
            "load.repeat=30s",
            "load.window=20s",
            "fleet.cards=60",
            "faults.pull=0",
            "line.loss=0",
            &way,
        ];
        let finished = agreed(&set);
        let summary = Summary::of(&finished.results);
        assert_eq!((summary.count("reissues"), summary.count("reissue_cost")), (2, 24));
        assert_eq!(
            summary.count("arrivals_skipped") > 0,
            skips,
            "{way}: a card that is away misses its visits"
        );
        for card in cards(&finished) {
            assert_eq!(card.outcome == Outcome::Reissued, [1, 2].contains(&card.card), "card {}", card.card);
        }
    }
}

#[test]
fn a_root_can_renew_itself_and_an_interruption_of_it_costs_a_card() {
    for embodiment in ["1", "2a", "2b", "3", "4"] {
        let embodiment = format!("update.embodiment='{embodiment}'");
        let set =
            ["update.root=itself", "update.periods=['30d','30d','30d']", "reissue.takes=10s", &embodiment];
        let finished = agreed(&set);
        let [.., root] = finished.results.renewals[..] else { panic!("the root was renewed") };
        assert!(root.committed > 200 && root.interrupted > 0, "{embodiment}: {root:?}");
        let reissues = finished.results.counts.reissues;
        assert!(reissues > 0 && reissues <= root.interrupted, "{embodiment}: {reissues}");
        let renewed = cards(&finished).iter().filter(|card| card.depths[2].state == PairState::New).count();
        assert!(renewed > 200, "{embodiment}: {renewed}");
    }
}

#[test]
fn a_card_that_is_refused_again_and_again_goes_back() {
    // Under first-contact an interrupted renewal leaves cards that the server refuses at every visit.
    let stranded = ["update.recovery=first-contact", "load.retry_visit={ after = '5s', visits = 5 }"];
    let finished = agreed(&stranded);
    let lost = finished.results.counts.cards_stranded;
    assert!(lost > 0);
    let back = agreed(&[&stranded[..], &["reissue.after_refusals=2", "reissue.takes=5s"]].concat());
    let counts = &back.results.counts;
    assert!(counts.cards_stranded < lost && counts.cards_reissued > 0, "{lost} before, {counts:?}");
    assert_eq!(counts.cards_reissued, counts.reissues);
}

#[test]
fn common_server_keys_are_common_until_a_card_renews_its_own() {
    let set = ["fleet.server_keys=common", "faults.pull=0", "line.loss=0", "fleet.cards=40"];
    let finished = agreed(&set);
    let external = |card: u32, no: usize| {
        let keys = finished.world.keys_at_server(CardId(card));
        keys[(3 + no - 1) * 16..][..16].to_vec()
    };
    assert!((1..40).all(|card| external(card, 3) == external(0, 3)), "not renewed: the common value");
    assert!((1..40).all(|card| external(card, 4) != external(0, 4)), "renewed: each has its own");
}

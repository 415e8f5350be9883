//! Cases are drawn from their numbers, all features occur, and what fails is made small.

use std::collections::BTreeMap;

use keystorm_model::draw::Seed;
use keystorm_model::suite::{Family, SuiteId};

use super::features::FEATURES;
use super::shrink::shrink_with;
use super::{Broken, Case, kind_of, run};

fn says(case: &Case, key: &str) -> Option<String> {
    case.settings.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone())
}

#[test]
fn a_case_is_drawn_from_the_seed_and_its_number() {
    assert_eq!(Case::draw(Seed(3), 7), Case::draw(Seed(3), 7));
    assert_ne!(Case::draw(Seed(3), 7), Case::draw(Seed(3), 8));
    assert_ne!(Case::draw(Seed(3), 7), Case::draw(Seed(4), 7));
}

/// With a chance of a half for each feature, one that is missing in 100 cases (or there in all of them) has a
/// probability of 10^-30.
#[test]
fn each_feature_is_in_some_cases_and_not_in_all() {
    let cases: Vec<Case> = (1..=100).map(|number| Case::draw(Seed(5), number)).collect();
    for key in
        ["faults.pull", "line.duplicate", "faults.outage", "card.nvm", "update.complement", "reissue.way"]
    {
        let with = cases.iter().filter(|case| says(case, key).is_some()).count();
        assert!((1..100).contains(&with), "{key}: {with}");
    }
    let mut names: Vec<_> = FEATURES.iter().map(|feature| feature.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FEATURES.len());
}

/// A case with modelled operations is the case that it was without them, in all but its suite, and that only where it had
/// none. Of 1,500 cases about 30 have an asymmetric suite by themselves, and about 190 get one.
#[test]
fn operations_are_modelled_where_it_makes_a_difference_and_change_nothing_else() {
    let mut suites = BTreeMap::new();
    for number in 1..=1_500 {
        let (case, real) = (Case::draw(Seed(5), number), Case::draw_real(Seed(5), number));
        let suite = says(&case, "fleet.suite");
        if says(&case, "crypto").is_none() {
            assert_eq!(case, real);
        } else {
            let others = |case: &Case| {
                let mut settings = case.settings.clone();
                settings.retain(|(key, _)| key != "crypto" && key != "fleet.suite");
                settings
            };
            assert_eq!(others(&case), others(&real));
            let before = says(&real, "fleet.suite");
            assert!(before.is_none() || before == suite, "case {number}: {before:?} became {suite:?}");
            assert_eq!(says(&case, "crypto").as_deref(), Some("modelled"));
        }
        *suites.entry((suite, says(&case, "crypto"))).or_insert(0) += 1;
    }
    for suite in SuiteId::ALL {
        let count = |crypto: Option<&str>| {
            suites.get(&(Some(suite.name().to_owned()), crypto.map(str::to_owned))).copied().unwrap_or(0)
        };
        let (real, modelled) = (count(None), count(Some("modelled")));
        match suite.family() {
            Family::Symmetric => assert!(real > 0 && modelled == 0, "{suite:?}: {real}, {modelled}"),
            Family::Asymmetric => assert!(modelled > 9, "{suite:?}: {modelled}"),
        }
    }
    let real = |suite: SuiteId| suites.contains_key(&(Some(suite.name().to_owned()), None));
    assert!(
        real(SuiteId::Rsa1024) && real(SuiteId::P256) && real(SuiteId::Ed25519) && real(SuiteId::MlDsa44)
    );
}

#[test]
fn a_failing_case_is_made_as_small_as_it_can_be() {
    let case = (1..)
        .map(|number| Case::draw(Seed(6), number))
        .find(|case| says(case, "faults.pull").is_some())
        .unwrap();
    let broken = || Broken { what: "a planted failure".into() };
    // Fails whenever cards are pulled, and there are at least three of them.
    let mut fails = |case: &Case| {
        let plan = case.plan().ok()?;
        (!plan.faults.pull.is_zero() && plan.fleet.cards >= 3).then(broken)
    };
    let (small, told) = shrink_with(&case, broken(), &mut fails);
    assert_eq!(told, broken());
    assert_eq!(small.plan().unwrap().fleet.cards, 3);
    assert!(small.settings.len() <= 6, "what the failure does not need is gone: {:?}", small.settings);
    assert!(says(&small, "faults.pull").is_some());
}

#[test]
fn a_few_cases_run_on_both_engines_without_a_violation() {
    let (mut engines, mut interrupted) = (Vec::new(), 0);
    for number in 1..=12 {
        let case = Case::draw(Seed(1), number);
        let found =
            run(&case, &|| true).unwrap_or_else(|broken| panic!("{}: {:?}", broken.what, case.settings));
        interrupted += found.unwrap().counts.updates_interrupted;
        engines.push(says(&case, "engine").unwrap());
    }
    assert!(engines.iter().any(|name| name == "turmoil") && engines.iter().any(|name| name == "events"));
    assert!(interrupted > 0, "nothing happened in these cases");
}

#[test]
fn a_run_that_is_told_to_stop_says_so() {
    assert!(run(&Case::draw(Seed(1), 1), &|| false).unwrap().is_none());
}

#[test]
fn faults_are_counted_by_kind() {
    assert_eq!(kind_of("outage of site 3 at 20min"), "outage");
    assert_eq!(kind_of("server crash at 3s"), "server crash");
    assert_eq!(kind_of("card pulled out"), "card pulled out");
    assert_eq!(kind_of("server crash after UpdateVerdict, card 5, connection 2"), "server crash after");
}

/// Found by the swarm: of two connections of one card the second was assigned a renewal before the first had committed
/// it. It renewed the keys again, and a card pulled out of that had new keys at a server that owed it nothing.
#[test]
fn a_renewal_that_another_connection_has_committed_is_not_begun_again() {
    let settings = [
        ("seed", "998238324"),
        ("engine", "events"),
        ("horizon", "34s"),
        ("fleet.cards", "5"),
        ("fleet.clients", "1"),
        ("line.delay.min", "122ms"),
        ("line.delay.max", "872ms"),
        ("line.delay.mean", "218ms"),
        ("update.embodiment", "3"),
        ("update.order", "[{at='13s',depth=1,cards='all'}]"),
        ("faults.pull", "13%"),
        ("faults.reinsert", "17%"),
    ];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let found =
        run(&Case { number: 1, settings }, &|| true).unwrap_or_else(|broken| panic!("{}", broken.what));
    let counts = found.unwrap().counts;
    assert_eq!((counts.updates_committed, counts.cards_stranded), (2, 0));
}

use super::*;
use crate::plan::Plan;

use std::collections::BTreeMap;

const DAY: u64 = 86_400_000_000_000;

/// The plan of a small fleet with these settings.
fn plan(settings: &[&str]) -> Plan {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("load.toml");
    std::fs::write(&path, "horizon = \"1d\"\n[fleet]\ncards = 500\nclients = 7\n").unwrap();
    let settings: Vec<String> = settings.iter().map(|&setting| setting.into()).collect();
    crate::scenario::load(&path, &settings).unwrap_or_else(|error| panic!("{error:?}"))
}

fn all(settings: &[&str]) -> Vec<Arrival> {
    let all: Vec<Arrival> = Arrivals::new(&plan(settings)).collect();
    assert!(all.is_sorted() && !all.is_empty());
    all
}

fn by_card(arrivals: &[Arrival]) -> BTreeMap<CardId, Vec<Arrival>> {
    let mut cards: BTreeMap<CardId, Vec<Arrival>> = BTreeMap::new();
    for &arrival in arrivals {
        cards.entry(arrival.card).or_default().push(arrival);
    }
    cards
}

const PATTERNS: [&[&str]; 2] =
    [&["load.from=5h", "load.window=18h"], &["load.arrivals=office", "load.peak=9h", "load.sigma=3h"]];

#[test]
fn a_pattern_brings_every_card_once() {
    for pattern in PATTERNS {
        let cards = by_card(&all(pattern));
        assert_eq!(cards.len(), 500);
        assert!(cards.values().all(|visits| visits.len() == 1));
    }
}

#[test]
fn a_repeated_pattern_brings_every_card_once_a_day_at_new_times_to_its_own_client() {
    for pattern in PATTERNS {
        let once = all(pattern);
        let repeated = all(&[pattern, &["horizon=5d", "load.repeat=1d"]].concat());
        assert_eq!(repeated[..500], once, "the first repetition is the pattern alone");
        let cards = by_card(&repeated);
        assert_eq!(cards.len(), 500);
        for visits in cards.values() {
            let days: Vec<u64> = visits.iter().map(|visit| visit.at.as_ns() / DAY).collect();
            assert_eq!(days, [0, 1, 2, 3, 4]);
            let mut times: Vec<u64> = visits.iter().map(|visit| visit.at.as_ns() % DAY).collect();
            times.sort_unstable();
            times.dedup();
            assert_eq!(times.len(), 5);
            assert!(visits.iter().all(|visit| visit.client == visits[0].client));
        }
    }
}

#[test]
fn the_last_repetition_is_cut_at_the_horizon() {
    let whole = all(&["load.repeat=1d", "horizon=3d"]);
    let cut = all(&["load.repeat=1d", "horizon=60h"]);
    assert_eq!(cut[..], whole[..cut.len()]);
    assert!((1_150..1_350).contains(&cut.len()), "{}: 1250 expected, standard deviation 11", cut.len());
    assert_eq!(all(&["load.repeat=1d", "load.window=1d"]), all(&[]), "a repetition as long as the horizon");
}

#[test]
fn a_chunk_holds_no_more_than_about_one_arrival_per_card() {
    for settings in [&["load.repeat=1d", "horizon=20d"][..], &["load.arrivals=poisson", "horizon=20d"]] {
        let mut arrivals = Arrivals::new(&plan(settings));
        let (mut seen, mut longest) = (0, 0);
        while arrivals.next().is_some() {
            seen += 1;
            longest = longest.max(arrivals.chunk.len());
        }
        assert!(seen > 9_000, "{seen}");
        assert!(longest <= 620, "{longest}: 500 expected, standard deviation 22");
    }
}

#[test]
fn the_length_of_a_chunk_changes_no_call() {
    let plan = plan(&["load.arrivals=poisson", "load.every=10h", "horizon=4d"]);
    let expected: Vec<Arrival> = Arrivals::new(&plan).collect();
    for length in [Span::from_secs(1_000), Span::from_secs(500_000)] {
        let mut arrivals = Arrivals::new(&plan);
        let Source::Calls { chunk, .. } = &mut arrivals.source else { panic!("these are calls") };
        *chunk = length;
        assert!(arrivals.eq(expected.iter().copied()));
    }
}

/// Seed 1; 500 cards over 100 days, one visit a day each: 50,000 expected, standard deviation 224. For exponential
/// gaps the share of gaps above t means is exp(-t); over 49,500 gaps its standard deviation is below 0.0023. All
/// bounds are five standard deviations.
#[test]
fn calls_are_a_poisson_process() {
    let all = all(&["load.arrivals=poisson", "horizon=100d"]);
    assert!(all.len().abs_diff(50_000) < 1_120, "{}", all.len());
    let cards = by_card(&all);
    let gaps: Vec<u64> = cards
        .values()
        .flat_map(|visits| visits.windows(2).map(|pair| pair[1].at.since(pair[0].at).as_ns()))
        .collect();
    for (means, share) in [(0.1, 0.904_8), (1.0, 0.367_9), (3.0, 0.049_8)] {
        let above = gaps.iter().filter(|&&gap| gap as f64 > means * DAY as f64).count();
        // Long gaps are cut off by the horizon a little more often than short ones: up to 3 of 100 days.
        let seen = above as f64 / gaps.len() as f64;
        assert!((seen - share).abs() < 0.011 + 0.01 * share * means, "{means}: {seen} of {share}");
    }
    // Independent cards: the counts per hour of the whole fleet have the mean as their variance.
    let mut counts = vec![0f64; 2_400];
    for arrival in &all {
        counts[(arrival.at.as_ns() / 3_600_000_000_000) as usize] += 1.0;
    }
    let mean = counts.iter().sum::<f64>() / 2_400.0;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 2_399.0;
    // The standard deviation of variance / mean over 2,400 counts is sqrt(2 / 2,400) = 0.029, and a little more.
    assert!((variance / mean - 1.0).abs() < 0.15, "{variance} against {mean}");
}

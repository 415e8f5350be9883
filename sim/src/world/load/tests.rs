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

const PATTERNS: [&[&str]; 5] = [
    &["load.from=5h", "load.window=18h"],
    &["load.arrivals=office", "load.peak=9h", "load.sigma=3h"],
    &["load.arrivals=office", "load.peak=9h", "load.share=60%"],
    &["load.arrivals=transit"],
    &["load.arrivals=payday", "load.day=6h", "load.payday=1"],
];

#[test]
fn a_pattern_brings_every_card_once() {
    for pattern in PATTERNS {
        let cards = by_card(&all(pattern));
        assert_eq!(cards.len(), 500);
        assert!(cards.values().all(|visits| visits.len() == 1));
    }
}

#[test]
fn what_is_seen_ahead_is_what_comes() {
    let plan = plan(&["horizon=3d", "load.repeat=1d", "load.from=5h", "load.window=18h"]);
    let all: Vec<Arrival> = Arrivals::new(&plan).collect();
    let mut arrivals = Arrivals::new(&plan);
    assert!(arrivals.ahead(8).is_empty(), "nothing is made before anybody asks");
    let mut chunk_ends = 0;
    for next in 0..all.len() {
        assert_eq!(arrivals.peek(), Some(all[next]));
        let ahead = arrivals.ahead(8);
        assert_eq!(ahead, &all[next..next + ahead.len()]);
        assert!((1..=8).contains(&ahead.len()));
        chunk_ends += usize::from(ahead.len() < 8);
        assert_eq!(arrivals.next(), Some(all[next]));
    }
    assert_eq!((arrivals.peek(), chunk_ends), (None, 3 * 7), "less is seen at the end of each day only");
}

#[test]
fn a_repeated_pattern_brings_every_card_once_a_day_at_new_times_to_its_own_client() {
    for pattern in PATTERNS {
        let once = all(pattern);
        let repeated = all(&[pattern, &["horizon=5d", "load.repeat=1d"][..]].concat());
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

/// How many of `arrivals` come within `[from, until)` of a day, as a share; the bound is five standard deviations of one
/// that is `expected`.
fn assert_share(arrivals: &[Arrival], from: Span, until: Span, expected: f64) {
    let within = |arrival: &&Arrival| (from.as_ns()..until.as_ns()).contains(&(arrival.at.as_ns() % DAY));
    let seen = arrivals.iter().filter(within).count() as f64 / arrivals.len() as f64;
    let bound = 5.0 * (expected * (1.0 - expected) / arrivals.len() as f64).sqrt();
    assert!((seen - expected).abs() < bound, "{from} to {until}: {seen}, not {expected} ± {bound}");
}

const HOUR: Span = Span::from_secs(3_600);

/// Seed 1, 20,000 cards: the bounds are 0.5 to 1.4 percentage points.
#[test]
fn a_day_of_transit_follows_its_profile() {
    let all = all(&["load.arrivals=transit", "fleet.cards=20000"]);
    for (from, until) in [(0, 5), (5, 7), (7, 9), (9, 15), (15, 17), (17, 18), (18, 24)] {
        let expected = profile::TRANSIT.share(from, until);
        assert_share(&all, HOUR * from as u64, HOUR * until as u64, expected);
    }
}

/// Seed 1, 20,000 cards over 30 days: 1,000 on payday, standard deviation 31.
#[test]
fn cash_machines_are_busiest_on_payday() {
    let all = all(&["load.arrivals=payday", "fleet.cards=20000", "horizon=30d"]);
    let mut days = [0u32; 30];
    for arrival in &all {
        days[(arrival.at.as_ns() / DAY) as usize] += 1;
    }
    assert!(days[24].abs_diff(1_000) < 155, "{days:?}");
    assert!((0..30).all(|day| day == 24 || days[day].abs_diff(655) < 127), "655 expected: {days:?}");
    for (from, until) in [(0, 9), (9, 13), (13, 18), (18, 24)] {
        let expected = profile::CASH.share(from, until);
        assert_share(&all, HOUR * from as u64, HOUR * until as u64, expected);
    }
}

/// Of an office it is said that 60 to 70 % of the first log-ins fall within 90 minutes, with a standard deviation of 20
/// minutes. A normal distribution alone has 97.6 % there; with 62 % of the holders in the peak and the others at any
/// time of a day of ten hours, it is 62 % × 97.6 % + 38 % × 15 % = 66.2 %.
#[test]
fn an_office_has_two_thirds_of_its_log_ins_within_ninety_minutes() {
    let office = ["load.arrivals=office", "load.peak=90min", "fleet.cards=20000", "horizon=10h"];
    let minutes = |minutes: u64| Span::from_secs(60 * minutes);
    let (from, until) = (minutes(45), minutes(135));
    assert_share(&all(&office), from, until, 0.975_6);
    assert_share(&all(&[&office[..], &["load.share=62%"]].concat()), from, until, 0.661_9);
}

#[test]
fn a_share_of_the_peak_moves_nobody_who_belongs_to_it() {
    let office = ["load.arrivals=office", "load.peak=9h"];
    let (whole, part) = (all(&office), all(&[&office[..], &["load.share=1/2"]].concat()));
    let (whole, part) = (by_card(&whole), by_card(&part));
    let moved = whole.iter().filter(|(card, visits)| part[card] != **visits).count();
    assert!(moved.abs_diff(250) < 56, "{moved}: 250 expected, standard deviation 11");
}

#[test]
fn a_trace_is_handed_out_as_it_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("visits.csv");
    // More than one chunk; neighbours in the file are far apart in time.
    let visit = |no: u32| (u64::from(no) * 7_919 % 86_400, no % 500, no % 7);
    let lines: String =
        (0..9_000).map(visit).map(|(second, card, client)| format!("{second},{card},{client}\n")).collect();
    std::fs::write(&path, format!("time,card,client\n{lines}")).unwrap();
    let trace = format!("load.trace={}", path.display());
    let mut expected: Vec<Arrival> = (0..9_000)
        .map(visit)
        .map(|(second, card, client)| Arrival {
            at: SimTime::ZERO + Span::from_secs(second),
            card: CardId(card),
            client: ClientId(client),
        })
        .collect();
    expected.sort_unstable();
    assert_eq!(all(&["load.arrivals=trace", &trace]), expected);
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

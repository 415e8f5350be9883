//! Spread renewals over whole runs, on both engines.

use keystorm::run::Finished;
use keystorm_model::server::Recovery;
use keystorm_reports::results::PairState;

use crate::common::{Summary, agreed, cards, reduced};

/// Every card comes once a minute for four minutes, and has its keys renewed once.
const OFTEN: [&str; 4] = ["load.repeat=1min", "load.window=1min", "fleet.cards=100", "fleet.clients=100"];

/// How many cards hold new keys.
fn renewed(finished: &Finished) -> usize {
    cards(finished).iter().filter(|card| card.depths[0].state == PairState::New).count()
}

#[test]
fn a_card_whose_turn_has_not_come_is_not_late() {
    // Turns come over 8 minutes, of which the run lasts 4: about half of the cards, 50 with a standard deviation of 5.
    let jitter = ["update.spread=jitter", "update.spread_window=8min"];
    for recovery in Recovery::ALL {
        let recovery = format!("update.recovery={}", recovery.name());
        let finished = agreed(&[&OFTEN[..], &jitter, &[&recovery]].concat());
        let counts = &finished.results.counts;
        let renewed = renewed(&finished);
        assert!((30..=70).contains(&renewed), "{recovery}: {renewed}");
        assert!(counts.updates_deferred == 0 && counts.updates_interrupted > 0, "{recovery}: {counts:?}");
    }
}

#[test]
fn waves_come_one_after_the_other() {
    let waves =
        ["update.spread=waves", "update.spread_waves=4", "update.spread_interval=90s", "faults.pull=0"];
    let finished = agreed(&[&OFTEN[..], &waves].concat());
    // Waves 0, 1 and 2 begin within the four minutes; the epilogue renews those of their cards that did not come.
    let states: Vec<PairState> = cards(&finished).iter().map(|card| card.depths[0].state).collect();
    for (card, state) in states.into_iter().enumerate() {
        let expected = if card % 4 < 3 { PairState::New } else { PairState::Old };
        assert_eq!(state, expected, "card {card}");
    }
    let bucket = finished.results.bucket_ns;
    let committed = |from: u64, until: u64| -> u64 {
        let buckets = (0..).zip(&finished.results.timeline);
        let within = buckets.filter(|(no, _)| (from..until).contains(&(no * bucket / 1_000_000_000)));
        within.map(|(_, bucket)| bucket.updates_committed).sum()
    };
    let (first, second) = (committed(0, 90), committed(90, 180));
    assert!(first <= 25 && first > 10, "{first} of 25 cards of the first wave");
    assert!(first + second <= 50 && second > 10, "{second}");
}

#[test]
fn a_server_admits_no_more_than_it_wants_and_every_card_in_the_end() {
    for (limits, most) in [
        (&["update.spread_admits=5", "update.spread_interval=30s"][..], 5 * 8),
        (&["update.spread_open=1", "update.spread_admits=9", "update.spread_interval=30s"], 9 * 8),
    ] {
        for recovery in Recovery::ALL {
            let recovery = format!("update.recovery={}", recovery.name());
            let admission = ["update.spread=admission", "line.loss=5%", &recovery];
            let finished = agreed(&[&OFTEN[..], &admission, limits].concat());
            let counts = &finished.results.counts;
            // An interrupted renewal goes on beyond the limit.
            let begun = counts.updates_started - counts.updates_interrupted;
            assert!(begun <= most && counts.updates_started > most / 4, "{limits:?} {recovery}: {counts:?}");
            assert!(counts.updates_deferred > 100, "{limits:?} {recovery}: {counts:?}");
            assert_eq!(Summary::of(&finished.results).count("updates_deferred"), counts.updates_deferred);
            let kept = renewed(&finished) as u64 + counts.cards_stranded + counts.cards_blocked;
            assert!(kept >= 95, "{limits:?} {recovery}: the epilogue admits everybody: {kept}");
        }
    }
}

/// From the Challenge that assigns a renewal to the OK that commits it a connection takes eight ways of a second, so that each
/// place that is open serves a card in eight seconds at most: 30 in four minutes. Every card comes four times, and without
/// the limit all 100 are renewed.
#[test]
fn no_more_renewals_are_open_at_once_than_the_server_wants() {
    let slow = ["line.loss=0", "faults.pull=0", "line.delay={fixed='1s'}", "line.retry.first=9s"];
    for (open, recovery) in [1, 2, 3].into_iter().zip(Recovery::ALL) {
        let most = open * (4 * 60 / 8);
        let admission = [
            "update.spread=admission",
            &format!("update.spread_open={open}"),
            &format!("update.recovery={}", recovery.name()),
        ];
        let finished = agreed(&[&OFTEN[..], &slow, &admission].concat());
        let counts = &finished.results.counts;
        assert_eq!(counts.updates_interrupted, 0, "nothing goes on beyond the limit");
        let started = counts.updates_started;
        assert!((most / 2..=most).contains(&started), "{open} open: {started} of {most} at most");
        assert!(counts.updates_deferred > 100, "{counts:?}");
        // What is open at the end is a card's only chance under first-contact.
        let spent = if recovery == Recovery::FirstContact { open } else { 0 };
        assert!(renewed(&finished) as u64 + spent >= 100, "the epilogue admits everybody else: {counts:?}");
    }
}

#[test]
fn a_server_without_limits_tells_nobody_later() {
    let finished = agreed(&OFTEN);
    assert_eq!(finished.results.counts.updates_deferred, 0);
    assert_eq!(renewed(&finished), 100);
}

/// Which connections are renewals changes nothing of who comes when, so that runs can be compared card by card.
#[test]
fn spreading_moves_no_arrival() {
    let base = keystorm::world::load::arrivals(&reduced(&OFTEN));
    for spread in ["jitter", "waves"] {
        let spread = format!("update.spread={spread}");
        assert_eq!(keystorm::world::load::arrivals(&reduced(&[&OFTEN[..], &[&spread]].concat())), base);
    }
}

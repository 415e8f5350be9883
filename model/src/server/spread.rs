//! How a storm of renewals is spread: which cards fall due later than others, and how many the server admits at once.
//!
//! [`Spread`] is what an operator chooses. When a card's turn comes is computed from its number alone and kept
//! nowhere; what the server counts to admit no more than it wants is volatile.

use crate::draw::Seed;
use crate::ids::CardId;
use crate::time::{SimTime, Span};

/// How the renewals of a period are spread. Without it all cards fall due when the period turns, and each is renewed
/// at its next contact \[0049\]. Orders of the operator's are urgent: only admission holds them back.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Spread {
    /// They are not.
    #[default]
    None,
    /// Each card's periods turn later by an offset of its own, uniform in `[0, window)`: a hash of the card's number,
    /// keyed with the seed.
    Jitter {
        /// How far apart the first card and the last are.
        window: Span,
        /// The key of the hash.
        seed: Seed,
    },
    /// Card `c` belongs to wave `c` modulo `waves`, and wave `k` falls due `k` intervals after the period has turned.
    Waves {
        /// How many there are, 1 or more.
        waves: u32,
        /// From one wave to the next.
        interval: Span,
    },
    /// All fall due at once, but the server admits only so many; to the others it assigns no renewal yet, and their
    /// sessions go on with the old keys.
    Admission(Limits),
}

/// How many renewals a server admits. A card whose renewal has begun is always admitted: its working pair may be half
/// renewed already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// At most so many in each interval of this length from time 0.
    pub rate: Option<(u32, Span)>,
    /// At most so many open at once: assigned, and neither committed nor over.
    pub open: Option<u32>,
}

/// 2^64 divided by the golden ratio: the step of SplitMix64.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// SplitMix64's output function (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of the card's number, keyed with the seed: output number `card` of SplitMix64, started at the seed's own hash.
const fn hash(seed: Seed, card: CardId) -> u64 {
    mix(mix(seed.0.wrapping_add(GOLDEN)).wrapping_add((card.0 as u64 + 1).wrapping_mul(GOLDEN)))
}

impl Spread {
    /// The same, with the seed of the run.
    pub const fn seeded(self, seed: Seed) -> Self {
        match self {
            Spread::Jitter { window, .. } => Spread::Jitter { window, seed },
            other => other,
        }
    }

    /// How much later than others the periods of `card` turn.
    pub fn offset(&self, card: CardId) -> Span {
        match *self {
            Spread::None | Spread::Admission(_) => Span::ZERO,
            Spread::Jitter { window, seed } => {
                Span::from_ns(((u128::from(hash(seed, card)) * u128::from(window.as_ns())) >> 64) as u64)
            }
            Spread::Waves { waves, interval } => interval * u64::from(card.0 % waves.max(1)),
        }
    }
}

/// How many renewals a server has admitted in the current interval.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Admitted {
    interval: u64,
    count: u32,
}

impl Admitted {
    /// Whether one more may be admitted at `now`, while `open` are open.
    pub(super) fn has_room(self, limits: Limits, now: SimTime, open: u32) -> bool {
        let rate = limits
            .rate
            .is_none_or(|(most, length)| self.interval != interval_of(now, length) || self.count < most);
        rate && limits.open.is_none_or(|most| open < most)
    }

    /// Counts one.
    pub(super) fn count(&mut self, limits: Limits, now: SimTime) {
        let Some((_, length)) = limits.rate else { return };
        let interval = interval_of(now, length);
        if self.interval != interval {
            *self = Admitted { interval, count: 0 };
        }
        self.count = self.count.saturating_add(1);
    }
}

fn interval_of(now: SimTime, length: Span) -> u64 {
    now.as_ns() / length.as_ns().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Span = Span::from_secs(86_400);

    /// The first outputs of SplitMix64 started at 1234567, as the reference implementation gives them.
    #[test]
    fn the_hash_is_splitmix64() {
        let output = |n: u64| mix(1_234_567u64.wrapping_add((n + 1).wrapping_mul(GOLDEN)));
        assert_eq!(
            [output(0), output(1), output(2)],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    /// 100,000 cards over 20 days: 5,000 a day, standard deviation 69; the bound is five of them. The same for the distance from one
    /// card to the next, which a hash that keeps neighbours together would spoil.
    #[test]
    fn jitter_is_even_over_the_window_and_tells_neighbours_apart() {
        for seed in [1, 2, u64::MAX] {
            let spread = Spread::Jitter { window: DAY * 20, seed: Seed(0) }.seeded(Seed(seed));
            let offset = |card| spread.offset(CardId(card)).as_ns();
            let (mut days, mut steps) = ([0u32; 20], [0u32; 20]);
            for card in 0..100_000 {
                days[(offset(card) / DAY.as_ns()) as usize] += 1;
                let step = (offset(card + 1) + 20 * DAY.as_ns() - offset(card)) % (20 * DAY.as_ns());
                steps[(step / DAY.as_ns()) as usize] += 1;
            }
            assert!(days.iter().chain(&steps).all(|count| count.abs_diff(5_000) < 345), "{days:?} {steps:?}");
        }
        let one = Spread::Jitter { window: DAY, seed: Seed(1) };
        assert_ne!(one.offset(CardId(5)), one.seeded(Seed(2)).offset(CardId(5)));
    }

    #[test]
    fn a_wave_comes_an_interval_after_the_one_before() {
        let spread = Spread::Waves { waves: 3, interval: DAY };
        let offsets: Vec<u64> =
            (0..5).map(|card| spread.offset(CardId(card)).as_ns() / DAY.as_ns()).collect();
        assert_eq!(offsets, [0, 1, 2, 0, 1]);
    }

    #[test]
    fn only_so_many_are_admitted_in_an_interval_and_at_once() {
        let limits = Limits { rate: Some((2, DAY)), open: Some(3) };
        let (noon, midnight) = (SimTime::ZERO + DAY / 2, SimTime::ZERO + DAY);
        let mut admitted = Admitted::default();
        for _ in 0..2 {
            assert!(admitted.has_room(limits, noon, 0));
            admitted.count(limits, noon);
        }
        assert!(!admitted.has_room(limits, noon, 0), "two a day");
        assert!(admitted.has_room(limits, midnight, 2) && !admitted.has_room(limits, midnight, 3));
        admitted.count(limits, midnight);
        assert!(admitted.has_room(limits, midnight, 0), "the second of the new day");
        assert!(admitted.has_room(Limits { rate: None, ..limits }, noon, 2), "no rate is asked for");
    }
}

//! Days with a shape: how many come in each five minutes of one, and on which day of a month.
//!
//! The shapes are integer tables, and a time is drawn from one by inversion, in integers.

use keystorm_model::Span;

/// Five-minute slots of a day.
const SLOTS: usize = 288;

/// How many come in each slot of a day, as a cumulative table.
pub(super) struct Profile {
    /// Before each slot; the last entry is the total.
    before: [u32; SLOTS + 1],
}

/// The taps in the five minutes from a time of the day on.
struct Knot(u32, u32);

const fn at(hour: u32, minute: u32, taps: u32) -> Knot {
    Knot((60 * hour + minute) / 5, taps)
}

/// The gates of a city's public transport on a working day.
///
/// Of the MBTA in Boston on a weekday in autumn 2019 it is known that 6,200 taps fell in the five minutes from 17:10
/// and 4,679 in those from 16:55, that midday had less than a third of the peak, and that the peaks lay near 8:00 and
/// 17:00. The rest of the table goes through these: general engineering knowledge, no source.
pub(super) static TRANSIT: Profile = Profile::through(&[
    at(0, 0, 240),
    at(1, 0, 0),
    at(5, 0, 0),
    at(5, 30, 400),
    at(7, 0, 2_700),
    at(8, 0, 5_000),
    at(8, 30, 4_400),
    at(9, 30, 2_100),
    at(11, 0, 1_500),
    at(13, 0, 1_700),
    at(14, 0, 1_900),
    at(15, 0, 2_600),
    at(16, 30, 4_100),
    at(16, 55, 4_679),
    at(17, 10, 6_200),
    at(17, 30, 5_100),
    at(18, 30, 3_000),
    at(20, 0, 1_500),
    at(22, 0, 900),
    at(24, 0, 240),
]);

/// Cash machines on any day, in parts of a thousand of the busiest five minutes: shopping hours, the lunch break, and
/// the way home. General engineering knowledge, no source.
pub(super) static CASH: Profile = Profile::through(&[
    at(0, 0, 60),
    at(3, 0, 15),
    at(6, 0, 50),
    at(9, 0, 450),
    at(12, 30, 900),
    at(15, 0, 700),
    at(17, 30, 1_000),
    at(20, 0, 500),
    at(24, 0, 60),
]);

impl Profile {
    /// The profile that is linear between knots, the first at 0:00 and the last at 24:00.
    const fn through(knots: &[Knot]) -> Profile {
        let mut before = [0; SLOTS + 1];
        let (mut knot, mut slot) = (0, 0);
        while slot < SLOTS {
            while knots[knot + 1].0 as usize <= slot {
                knot += 1;
            }
            let (Knot(from, low), Knot(until, high)) = (&knots[knot], &knots[knot + 1]);
            let (passed, ahead) = (slot as u32 - *from, *until - slot as u32);
            before[slot + 1] = before[slot] + (*low * ahead + *high * passed) / (*until - *from);
            slot += 1;
        }
        Profile { before }
    }

    /// The time that a uniform `draw` hits, within a day of the length `day`, at most 24 h.
    pub(super) fn time(&self, day: Span, draw: u64) -> Span {
        let scaled = u128::from(draw) * u128::from(self.before[SLOTS]);
        let hit = (scaled >> 64) as u32;
        let slot = self.before.partition_point(|&before| before <= hit) - 1;
        let (before, after) = (self.before[slot], self.before[slot + 1]);
        // Where in the slot, in parts of 2^64: what is left of the draw is uniform again.
        let part = (scaled - (u128::from(before) << 64)) / u128::from(after - before);
        let place = ((slot as u128) << 64) + part;
        Span::from_ns(((place * u128::from(day.as_ns()) / SLOTS as u128) >> 64) as u64)
    }
}

/// The busiest day against the mean day, as two halves: of cash machines in Portugal in December 2013.
const BEST_DAY_HALVES: u64 = 3;

/// The day that a uniform `draw` hits, of `days`, 2 or more: `payday` with one and a half times the mean of all, the
/// others with equal shares of the rest.
pub(super) fn day_of(days: u64, payday: u64, draw: u64) -> u64 {
    // In parts of 2 × days × others: payday has its halves, each other day what is left for it.
    let others = days - 1;
    let hit = ((u128::from(draw) * u128::from(2 * days * others)) >> 64) as u64;
    let best = BEST_DAY_HALVES * others;
    let Some(rest) = hit.checked_sub(best) else { return payday };
    let other = rest / (2 * days - BEST_DAY_HALVES);
    if other < payday { other } else { other + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Span = Span::from_secs(86_400);

    impl Profile {
        /// The share of the day's arrivals that falls into the hours `from..until`.
        pub(in super::super) fn share(&self, from: usize, until: usize) -> f64 {
            let within = self.before[until * 12] - self.before[from * 12];
            f64::from(within) / f64::from(self.before[SLOTS])
        }
    }

    fn slot(profile: &Profile, hour: usize, minute: usize) -> u32 {
        let slot = (60 * hour + minute) / 5;
        profile.before[slot + 1] - profile.before[slot]
    }

    #[test]
    fn transit_has_the_figures_that_are_known() {
        assert_eq!((slot(&TRANSIT, 17, 10), slot(&TRANSIT, 16, 55)), (6_200, 4_679));
        let slots = || (0..SLOTS).map(|slot| TRANSIT.before[slot + 1] - TRANSIT.before[slot]);
        assert_eq!(slots().max(), Some(6_200), "the evening's is the peak");
        assert!((11 * 12..14 * 12).all(|midday| slots().nth(midday).unwrap() * 3 < 6_200));
        let morning = slots().take(12 * 12).enumerate().max_by_key(|&(_, taps)| taps);
        assert_eq!(morning, Some((8 * 12, 5_000)));
    }

    #[test]
    fn a_day_is_hit_from_its_beginning_to_its_end_and_shrinks_as_a_whole() {
        for profile in [&TRANSIT, &CASH] {
            assert_eq!(profile.time(DAY, 0), Span::ZERO);
            let last = profile.time(DAY, u64::MAX);
            assert!(last < DAY && last > DAY - Span::from_ms(1), "{last}");
            for draw in [1 << 20, u64::MAX / 3, u64::MAX / 2, u64::MAX - 5] {
                let (long, short) = (profile.time(DAY, draw), profile.time(DAY / 1_000, draw));
                assert!((long / 1_000).as_ns().abs_diff(short.as_ns()) <= 1, "{draw}");
            }
        }
    }

    /// Draws in equal steps, one for each unit of the table, hit every slot as often as the table says.
    #[test]
    fn every_slot_has_its_share() {
        for profile in [&TRANSIT, &CASH] {
            let total = profile.before[SLOTS];
            let mut hits = [0; SLOTS];
            for unit in 0..total {
                let draw = ((u128::from(unit) << 64) / u128::from(total)) as u64 + 1;
                let time = profile.time(DAY, draw);
                hits[(time.as_ns() / 300_000_000_000) as usize] += 1;
            }
            let shares: Vec<u32> = profile.before.windows(2).map(|slot| slot[1] - slot[0]).collect();
            assert_eq!(hits[..], shares);
        }
    }

    #[test]
    fn nobody_comes_while_nothing_runs() {
        let closed = Span::from_secs(3_900)..Span::from_secs(5 * 3_600);
        let draws = (0..100_000u64).map(|draw| draw * (u64::MAX / 100_000));
        assert!(draws.map(|draw| TRANSIT.time(DAY, draw)).all(|time| !closed.contains(&time)));
    }

    /// Draws in equal steps hit every share to within one of them.
    #[test]
    fn payday_has_one_and_a_half_times_the_mean() {
        for (days, payday) in [(2, 0), (2, 1), (30, 24), (31, 30), (31, 0)] {
            let steps = 2 * days * (days - 1) * 7;
            let mut hits = vec![0; days as usize];
            for step in 0..steps {
                let draw = ((u128::from(step) << 64) / u128::from(steps)) as u64 + 1;
                hits[day_of(days, payday, draw) as usize] += 1;
            }
            assert_eq!(hits[payday as usize] * days * 2, 3 * steps, "{days} days");
            let other = (steps - hits[payday as usize]) / (days - 1);
            assert!((0..days).all(|day| day == payday || hits[day as usize] == other), "{hits:?}");
        }
    }
}

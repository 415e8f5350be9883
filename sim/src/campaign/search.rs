//! The first value that keeps every bound, by bisection where that is allowed.

use std::collections::BTreeMap;

use keystorm_reports::campaign::{CampaignDir, PointRows};

use super::slo::{Judgement, Slo, Verdict};
use super::spec::Campaign;
use super::work::{Surroundings, Trouble, make, record};

/// How a point stands against all bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Keeps {
    /// It keeps every bound, with confidence.
    All,
    /// It breaks one, with confidence.
    NotAll,
    /// Neither is shown by the runs that were made.
    Undecided,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The first point that keeps every bound, from 1; `None`: of none it is shown.
    pub first: Option<u32>,
    /// Whether all that was looked at is as bisection takes for granted: once a point keeps the bounds, none after it breaks
    /// one. Where it is not, every point has been looked at.
    pub monotone: bool,
}

/// Finds the first of the points 1 to `count` that `keeps` the bounds. It is asked about each point at most once, and in a
/// monotone case about their binary logarithm and three more. A point that is undecided counts as not keeping them, and
/// contradicts nothing.
///
/// # Errors
/// What `keeps` says.
pub fn first_that<E>(count: u32, mut keeps: impl FnMut(u32) -> Result<Keeps, E>) -> Result<Answer, E> {
    let mut known: BTreeMap<u32, Keeps> = BTreeMap::new();
    let mut ask = |point: u32, known: &mut BTreeMap<u32, Keeps>| match known.get(&point) {
        Some(_) => Ok(()),
        None => keeps(point).map(|kept| {
            known.insert(point, kept);
        }),
    };
    ask(count, &mut known)?;
    if known[&count] != Keeps::All {
        for quarter in 0..4 {
            ask(1 + (count - 1) * quarter / 4, &mut known)?;
        }
    }
    bisect(&mut known, &mut ask)?;
    // The neighbours of the answer and the first point are where a curve that is not monotone shows.
    if let Some(first) = first(&known) {
        for probe in [1, (first + 1).min(count)] {
            ask(probe, &mut known)?;
        }
    }
    let monotone =
        first(&known).is_none_or(|first| known.range(first..).all(|(_, &kept)| kept != Keeps::NotAll));
    if !monotone {
        for point in 1..=count {
            ask(point, &mut known)?;
        }
    }
    Ok(Answer { first: first(&known), monotone })
}

fn first(known: &BTreeMap<u32, Keeps>) -> Option<u32> {
    known.iter().find(|&(_, &kept)| kept == Keeps::All).map(|(&point, _)| point)
}

/// Asks between the first point that keeps the bounds, as far as is known, and the last one before it that was asked about,
/// until nothing lies between them.
fn bisect<E>(
    known: &mut BTreeMap<u32, Keeps>,
    ask: &mut impl FnMut(u32, &mut BTreeMap<u32, Keeps>) -> Result<(), E>,
) -> Result<(), E> {
    while let Some(high) = first(known) {
        let low = known.range(..high).next_back().map_or(0, |(&point, _)| point);
        if high - low <= 1 {
            break;
        }
        ask(low + (high - low) / 2, known)?;
    }
    Ok(())
}

/// A point that was looked at.
#[derive(Clone, Debug)]
pub struct Look {
    /// Its runs.
    pub rows: PointRows,
    /// How it stands against each bound.
    pub judgements: Vec<Judgement>,
}

impl Look {
    /// How it stands against all bounds.
    pub fn keeps(&self) -> Keeps {
        if self.judgements.iter().all(|judgement| judgement.verdict == Verdict::Met) {
            Keeps::All
        } else if self.judgements.iter().any(|judgement| judgement.verdict == Verdict::Missed) {
            Keeps::NotAll
        } else {
            Keeps::Undecided
        }
    }

    fn is_decided(&self) -> bool {
        // More runs need not bring a figure that none of these has.
        self.keeps() != Keeps::Undecided
            || !self.judgements.iter().any(|one| one.verdict == Verdict::Undecided)
    }
}

/// The confidence with which all intervals of a point, look by look, hold the figure, were it normal.
pub const JOINTLY: f64 = 0.98;

/// Fewest runs that a verdict rests on: with fewer, Student's interval misses the mean of a skewed figure too often.
pub const FIRST_LOOK: u32 = 8;

/// After how many runs a point is looked at, if it has `most` at most: each time about half as many more, so that there are
/// few looks.
pub fn looks(most: u32) -> Vec<u32> {
    let next = |&count: &u32| (count < most).then(|| (count + count / 2).next_multiple_of(4).min(most));
    std::iter::successors(Some(FIRST_LOOK.min(most)), next).collect()
}

/// Looks at a point, of which `rows` makes so many runs, until every bound is decided or it has `most`.
///
/// Whoever looks several times and stops at the first clear answer is wrong more often than one look is. So each look's
/// intervals are wider: with k looks their confidence is 1 - 0.02 / k (Bonferroni), and of a normal figure at its bound 1 %
/// of all answers say that it is met. The rest up to about 5 % is for skewed figures, whose intervals miss more often than they say.
///
/// # Errors
/// What `rows` says.
pub fn decide<E>(
    most: u32,
    slos: &[Slo],
    mut rows: impl FnMut(u32) -> Result<PointRows, E>,
) -> Result<Look, E> {
    let looks = looks(most);
    let confidence = 1.0 - (1.0 - JOINTLY) / looks.len() as f64;
    let mut at = |count: u32| -> Result<Look, E> {
        let rows = rows(count)?;
        let judgements = slos.iter().map(|slo| slo.judge(&rows, confidence)).collect();
        Ok(Look { rows, judgements })
    };
    let (last, before) = looks.split_last().expect("there is a look");
    for &count in before {
        let look = at(count)?;
        if look.is_decided() {
            return Ok(look);
        }
    }
    at(*last)
}

/// Looks at a point, as [`decide`] says, and makes the runs that are missing; the campaign's replications are the most.
///
/// # Errors
/// As [`make`].
pub fn look(
    campaign: &Campaign,
    dir: &CampaignDir,
    slos: &[Slo],
    point: u32,
    around: &Surroundings<'_>,
) -> Result<Look, Trouble> {
    decide(campaign.replications, slos, |replications| {
        let runs: Vec<_> = (1..=replications).map(|replication| (point, replication)).collect();
        let missing: Vec<_> =
            runs.iter().copied().filter(|&run| record(campaign, dir, run).is_none()).collect();
        make(campaign, dir, &missing, around)?;
        let runs = runs.into_iter().filter_map(|run| record(campaign, dir, run)).collect();
        let values = campaign.points[point as usize - 1].values.clone();
        Ok(PointRows { point, values, runs })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(count: u32, keeps: impl Fn(u32) -> bool) -> (Answer, Vec<u32>) {
        asked_of(count, |point| if keeps(point) { Keeps::All } else { Keeps::NotAll })
    }

    fn asked_of(count: u32, keeps: impl Fn(u32) -> Keeps) -> (Answer, Vec<u32>) {
        let mut asked = Vec::new();
        let answer = first_that(count, |point| {
            asked.push(point);
            Ok::<Keeps, ()>(keeps(point))
        });
        (answer.unwrap(), asked)
    }

    #[test]
    fn an_undecided_point_keeps_nothing_and_contradicts_nothing() {
        // Kept from 5 on, but of the last one too few runs say so.
        let keeps = |point| match point {
            ..5 => Keeps::NotAll,
            8 => Keeps::Undecided,
            _ => Keeps::All,
        };
        let (answer, asked) = asked_of(8, keeps);
        assert_eq!(answer, Answer { first: Some(5), monotone: true });
        assert!(asked.len() < 8, "{asked:?}");
        let (answer, _) = asked_of(8, |_| Keeps::Undecided);
        assert_eq!(answer, Answer { first: None, monotone: true });
        // An undecided point on the way moves the answer behind it.
        let keeps = |point| match point {
            5 | 7.. => Keeps::All,
            6 => Keeps::Undecided,
            _ => Keeps::NotAll,
        };
        let (answer, _) = asked_of(8, keeps);
        assert_eq!(answer, Answer { first: Some(7), monotone: true });
    }

    #[test]
    fn the_looks_become_rarer_and_end_with_the_last_run() {
        assert_eq!(looks(20), [8, 12, 20]);
        assert_eq!(looks(8), [8]);
        assert_eq!(looks(50), [8, 12, 20, 32, 48, 50]);
        assert!(looks(99_999).len() < 30);
    }

    #[test]
    fn every_threshold_is_found_with_few_questions() {
        for count in 1..=64 {
            for threshold in 1..=count + 1 {
                let (answer, asked) = asked(count, |point| point >= threshold);
                let first = (threshold <= count).then_some(threshold);
                assert_eq!(answer, Answer { first, monotone: true }, "{threshold} of {count}");
                assert!(asked.len() as u32 <= 3 + 1 + count.ilog2() + 1, "{asked:?}");
                let mut once = asked.clone();
                once.sort_unstable();
                once.dedup();
                assert_eq!(once.len(), asked.len(), "nothing is asked twice");
            }
        }
    }

    #[test]
    fn a_curve_that_is_not_monotone_is_gone_through_and_told() {
        // Kept at 1 and from 5 on: the first point shows it.
        let (answer, asked_of) = asked(8, |point| point == 1 || point >= 5);
        assert_eq!((answer, asked_of.len()), (Answer { first: Some(1), monotone: false }, 8));
        // Kept up to 4 only: the last one fails, a quarter point does not.
        let (answer, _) = asked(8, |point| point <= 4);
        assert_eq!(answer, Answer { first: Some(1), monotone: false });
    }
}

//! The first value that keeps every bound, by bisection where that is allowed.

use std::collections::BTreeMap;

use keystorm_reports::campaign::{CampaignDir, PointRows, Until};

use super::slo::{Judgement, Slo, Verdict};
use super::spec::Campaign;
use super::work::{Surroundings, Trouble, make, record};

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The first point that keeps every bound, from 1; `None`: none does.
    pub first: Option<u32>,
    /// Whether all that was looked at is as bisection takes for granted: once a point keeps the bounds, all after it do.
    /// Where it is not, every point has been looked at.
    pub monotone: bool,
}

/// Finds the first of the points 1 to `count` that `keeps` the bounds. It is asked about each point at most once, and in a
/// monotone case about their binary logarithm and three more.
///
/// # Errors
/// What `keeps` says.
pub fn first_that<E>(count: u32, mut keeps: impl FnMut(u32) -> Result<bool, E>) -> Result<Answer, E> {
    let mut known: BTreeMap<u32, bool> = BTreeMap::new();
    let mut ask = |point: u32, known: &mut BTreeMap<u32, bool>| match known.get(&point) {
        Some(&kept) => Ok(kept),
        None => keeps(point).inspect(|&kept| {
            known.insert(point, kept);
        }),
    };
    // As far as is known, everything before `low` fails and `high` keeps.
    if ask(count, &mut known)? {
        let (mut low, mut high) = (1, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if ask(middle, &mut known)? { high = middle } else { low = middle + 1 }
        }
        // The neighbours of the answer and the first point are where a curve that is not monotone shows.
        for probe in [1, (high + 1).min(count)] {
            ask(probe, &mut known)?;
        }
    } else {
        for quarter in 0..4 {
            ask(1 + (count - 1) * quarter / 4, &mut known)?;
        }
    }
    let first = known.iter().find(|&(_, &kept)| kept).map(|(&point, _)| point);
    let monotone = first.is_none_or(|first| known.range(first..).all(|(_, &kept)| kept));
    if monotone {
        return Ok(Answer { first, monotone });
    }
    for point in 1..=count {
        ask(point, &mut known)?;
    }
    let first = known.iter().find(|&(_, &kept)| kept).map(|(&point, _)| point);
    Ok(Answer { first, monotone: false })
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
    /// Whether it keeps every bound, with confidence.
    pub fn keeps_all(&self) -> bool {
        self.judgements.iter().all(|judgement| judgement.verdict == Verdict::Met)
    }

    fn is_decided(&self) -> bool {
        let any = |verdict| self.judgements.iter().any(|judgement| judgement.verdict == verdict);
        any(Verdict::Missed) || !any(Verdict::Undecided)
    }
}

/// Looks at a point: [`Until::LOOK_EVERY`] runs, and more as long as a bound is undecided, up to the campaign's replications.
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
    let mut replications = 0;
    loop {
        replications = (replications + Until::LOOK_EVERY).min(campaign.replications);
        let runs: Vec<_> = (1..=replications).map(|replication| (point, replication)).collect();
        let missing: Vec<_> =
            runs.iter().copied().filter(|&run| record(campaign, dir, run).is_none()).collect();
        make(campaign, dir, &missing, around)?;
        let runs = runs.into_iter().filter_map(|run| record(campaign, dir, run)).collect();
        let values = campaign.points[point as usize - 1].values.clone();
        let rows = PointRows { point, values, runs };
        let judgements = slos.iter().map(|slo| slo.judge(&rows)).collect();
        let look = Look { rows, judgements };
        if look.is_decided() || replications == campaign.replications {
            return Ok(look);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(count: u32, keeps: impl Fn(u32) -> bool) -> (Answer, Vec<u32>) {
        let mut asked = Vec::new();
        let answer = first_that(count, |point| {
            asked.push(point);
            Ok::<bool, ()>(keeps(point))
        });
        (answer.unwrap(), asked)
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

//! Figures of several runs together, and how sure they are: means, and percentiles of all runs' values in one distribution.
//! What a run has in such a percentile is told by leaving it out (the jackknife), or a group of runs where there are many.

use super::measures::{Aim, Measure};
use super::record::{RunRecord, empty};
use crate::latency::Figure;
use crate::statistics::{Estimate, Sample};

/// Runs are left out in so many groups at most. A percentile is one of a histogram's values, and what a single one of many
/// runs moves it by is below their distance: the more runs were left out one by one, the wider the interval would be.
const GROUPS: usize = 20;

/// A figure of several runs, and the part of each of them, or of each group, in it (see [`Estimate::of`]); no parts: the largest value of all
/// runs is no mean of anything, and nothing says how sure it is.
struct Figures {
    n: usize,
    all: f64,
    parts: Vec<f64>,
    /// The distance of the values that a part can have.
    step: f64,
}

impl Figures {
    /// Runs without the figure (no update was committed, say) must have been left out.
    fn of(runs: &[&RunRecord], measure: &Measure) -> Option<Figures> {
        match measure.aim {
            Aim::Mean => {
                let parts: Vec<f64> = runs.iter().filter_map(|run| run.number(&measure.name)).collect();
                let cell = runs.iter().find_map(|run| run.cell(&measure.name))?;
                let decimals = cell.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                let step = 10f64.powi(-(decimals as i32));
                Some(Figures { n: parts.len(), all: Sample::of(&parts).mean?, parts, step })
            }
            Aim::Pooled(which, figure) => Figures::pooled(runs, which, figure),
        }
    }

    fn pooled(runs: &[&RunRecord], which: usize, figure: Figure) -> Option<Figures> {
        let runs: Vec<&[(u64, u64)]> = runs.iter().map(|run| run.distribution(which)).collect();
        let ms = |us: u64| us as f64 / 1_000.0;
        let Some(quantile) = figure.quantile() else {
            let largest = runs.iter().filter_map(|run| run.last()).map(|&(us, _)| us).max()?;
            return Some(Figures { n: runs.len(), all: ms(largest), parts: Vec::new(), step: 0.0 });
        };
        let together = merged(&runs);
        let at = value_at(quantile, &together, &[])?;
        let all = ms(at);
        let groups = runs.len().min(GROUPS);
        let group = |first: usize| runs.iter().skip(first).step_by(groups).copied().collect::<Vec<_>>();
        let g = groups as f64;
        // Where a group alone has any values, the figure without it is nothing.
        let without = (0..groups).map(|first| value_at(quantile, &together, &merged(&group(first))).map(ms));
        let part = |without: Option<f64>| Some(g * all - (g - 1.0) * without?);
        let parts = without.map(part).collect::<Option<_>>().unwrap_or_default();
        Some(Figures { n: runs.len(), all, parts, step: (g - 1.0) * ms(width_at(at)) })
    }

    fn estimate(&self) -> Estimate {
        if self.parts.is_empty() {
            Estimate::bare(self.all, self.n)
        } else {
            Estimate::of(self.all, &self.parts, self.step)
        }
    }
}

/// A figure of several runs together; `None`: none of them has it.
pub(super) fn estimate(runs: &[RunRecord], measure: &Measure) -> Option<Estimate> {
    let with: Vec<&RunRecord> = runs.iter().filter(|run| run.number(&measure.name).is_some()).collect();
    Some(Figures::of(&with, measure)?.estimate())
}

/// A count of all runs by another one, by which it is divided; each run has the two. A run's part in it comes from leaving
/// the run out (the jackknife). `None`: there is nothing to divide by.
pub(super) fn ratio(counts: &[(f64, f64)]) -> Option<Estimate> {
    let n = counts.len();
    let divided = |(count, by): (f64, f64)| (by > 0.0).then(|| count / by);
    let sum = counts.iter().fold((0.0, 0.0), |sum, run| (sum.0 + run.0, sum.1 + run.1));
    let all = divided(sum)?;
    let part =
        |run: &(f64, f64)| Some(n as f64 * all - (n as f64 - 1.0) * divided((sum.0 - run.0, sum.1 - run.1))?);
    // Where one run alone has anything to divide by, what the others say is nothing.
    let parts: Option<Vec<f64>> = counts.iter().map(part).collect();
    // One count more in a run.
    let step = n as f64 / sum.1;
    Some(parts.map_or(Estimate::bare(all, n), |parts| Estimate::of(all, &parts, step)))
}

/// A figure of the second runs of all pairs together less that of the first ones, and the two; what the runs of a pair have
/// in common by chance is in neither. `None`: no pair has both.
pub(crate) fn difference(
    pairs: &[(&RunRecord, &RunRecord)],
    measure: &Measure,
) -> Option<(Estimate, [f64; 2])> {
    let has = |run: &RunRecord| run.number(&measure.name).is_some();
    let (first, second): (Vec<_>, Vec<_>) = pairs.iter().filter(|(a, b)| has(a) && has(b)).copied().unzip();
    let [a, b] = [Figures::of(&first, measure)?, Figures::of(&second, measure)?];
    let parts = a.parts.iter().zip(&b.parts).map(|(a, b)| b - a).collect();
    let difference = Figures { n: a.n, all: b.all - a.all, parts, step: a.step.max(b.step) };
    Some((difference.estimate(), [a.all, b.all]))
}

/// How many microseconds a histogram takes for one at this value.
fn width_at(us: u64) -> u64 {
    empty().equivalent_range(us)
}

/// The values of all these runs in order, and how often each came.
fn merged(runs: &[&[(u64, u64)]]) -> Vec<(u64, u64)> {
    let mut all: Vec<(u64, u64)> = runs.iter().flat_map(|run| run.iter().copied()).collect();
    all.sort_unstable();
    all.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 += later.1;
        }
        same
    });
    all
}

/// The value at a quantile of `all` without those of some runs, which are among them; the same that a histogram of them gives.
fn value_at(quantile: f64, all: &[(u64, u64)], without: &[(u64, u64)]) -> Option<u64> {
    let count = |values: &[(u64, u64)]| values.iter().map(|&(_, count)| count).sum::<u64>();
    let rest = count(all) - count(without);
    let wanted = ((quantile * rest as f64).ceil() as u64).max(1);
    let (mut without, mut seen) = (without.iter().peekable(), 0);
    let mut reached = |&&(value, count): &&(u64, u64)| {
        let gone = without.next_if(|(other, _)| *other == value).map_or(0, |&(_, gone)| gone);
        seen += count - gone;
        seen >= wanted
    };
    all.iter().find(|pair| reached(pair)).map(|&(value, _)| value)
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;

    use super::*;

    /// Values whose bins are wide and narrow, and some that several runs have in common.
    fn runs() -> Vec<Vec<u64>> {
        let run = |seed: u64| (0..200).map(|n| (n * n * (seed + 3) * 37 + seed * 911) % 90_000).collect();
        (1..=6).map(run).collect()
    }

    fn histogram<'v>(values: impl IntoIterator<Item = &'v u64>) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        values.into_iter().for_each(|&value| histogram.record(value).unwrap());
        histogram
    }

    fn counted(values: &[u64]) -> Vec<(u64, u64)> {
        let histogram = histogram(values);
        histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }

    #[test]
    fn a_percentile_without_a_run_is_that_of_the_others() {
        let runs = runs();
        let lists: Vec<Vec<(u64, u64)>> = runs.iter().map(|run| counted(run)).collect();
        let slices: Vec<&[(u64, u64)]> = lists.iter().map(Vec::as_slice).collect();
        let all = merged(&slices);
        for figure in Figure::SUMMARY {
            let Some(quantile) = figure.quantile() else { continue };
            assert_eq!(value_at(quantile, &all, &[]), figure.of(&histogram(runs.iter().flatten())));
            for (place, list) in lists.iter().enumerate() {
                let others = runs.iter().enumerate().filter(|(other, _)| *other != place);
                let expected = figure.of(&histogram(others.flat_map(|(_, run)| run)));
                assert_eq!(value_at(quantile, &all, list), expected, "{figure:?} without {place}");
            }
        }
        assert_eq!(value_at(0.5, &lists[0], &lists[0]), None, "nothing is left");
    }

    /// Leaving out one run of many moves a percentile by less than the values of a histogram are apart.
    #[test]
    fn the_interval_of_a_percentile_does_not_widen_with_more_runs() {
        let run = |seed: u64| {
            let values: Vec<u64> = (0..60).map(|n| 90_000 + (n * 7_919 + seed * 104_729) % 20_000).collect();
            RunRecord::with(&[("auth_ms_p50", "1")], 0, counted(&values))
        };
        let all = super::super::measures();
        let median = all.iter().find(|measure| measure.name == "auth_ms_p50").unwrap();
        let half = |runs: u64| {
            let runs: Vec<RunRecord> = (1..=runs).map(run).collect();
            estimate(&runs, median).unwrap().half_width(0.95).unwrap()
        };
        assert!(half(1_000) <= half(20), "{} ms with 1,000 runs, {} ms with 20", half(1_000), half(20));
    }

    /// By hand: of 1, 2, 3, 4, 5 and 60, one per run, the median is 3 (the third); without one of the first three it is 4, and
    /// without a later one 3. The pseudo-values are 6 × 3 - 5 × 4 = -2 and 6 × 3 - 5 × 3 = 3, three of each: their
    /// deviation is 2.7386, the error 1.1180, and Student's t with 5 degrees of freedom 2.5706.
    #[test]
    fn a_percentile_of_all_runs_has_the_interval_of_the_jackknife() {
        let run = |ms: u64| RunRecord::with(&[("auth_ms_p50", &ms.to_string())], 0, vec![(ms * 1_000, 1)]);
        let runs: Vec<RunRecord> = [1, 2, 3, 4, 5, 60].into_iter().map(run).collect();
        let of = |name: &str| {
            let all = super::super::measures();
            estimate(&runs, all.iter().find(|measure| measure.name == name).unwrap())
        };
        let median = of("auth_ms_p50").unwrap();
        assert!((median.figure - 3.0).abs() < 0.01, "the mean of the runs' medians is 12.5: {median:?}");
        assert!((median.half_width(0.95).unwrap() - 2.5706 * 1.1180).abs() < 0.01, "{median:?}");
        assert_eq!(of("auth_ms_p90"), None, "no run has it");
    }

    /// By hand: (2 + 4 + 9) / (1 + 2 + 3) = 2.5; without the first 13 / 5, without the second 11 / 4, without the third 6 / 3. The
    /// pseudo-values 7.5 - 5.2 = 2.3, 7.5 - 5.5 = 2 and 7.5 - 4 = 3.5 deviate by 0.79373, the error is 0.45826, and Student's t
    /// with 2 degrees of freedom 4.30265.
    #[test]
    fn a_ratio_of_counts_has_the_interval_of_the_jackknife() {
        let found = ratio(&[(2.0, 1.0), (4.0, 2.0), (9.0, 3.0)]).unwrap();
        assert_eq!((found.figure, found.n), (2.5, 3));
        assert!((found.half_width(0.95).unwrap() - 4.30265 * 0.45826).abs() < 1e-4, "{found:?}");
        // The same by all runs: known to half a count in each.
        let same = ratio(&[(30.0, 10.0); 4]).unwrap();
        assert!((same.half_width(0.95).unwrap() - 3.18245 * 0.05 / 2.0).abs() < 1e-6, "{same:?}");
        assert_eq!(ratio(&[(3.0, 2.0)]).unwrap().half_width(0.95), None, "one run");
        assert_eq!(ratio(&[(3.0, 2.0), (0.0, 0.0)]).unwrap().half_width(0.95), None, "one run with anything");
        assert_eq!(ratio(&[(3.0, 0.0)]), None);
    }
}

//! How sure a figure is: means with Student's intervals, shares with Clopper and Pearson's.
//!
//! Floats appear here and in what is made from it, and nowhere before. Intervals are two-sided.

use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

/// The confidence of every interval of which nothing else is said.
pub const CONFIDENCE: f64 = 0.95;

/// Mean and spread of one figure over replications.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Sample {
    /// How many values there are.
    pub n: usize,
    /// Their mean; `None`: there are none.
    pub mean: Option<f64>,
    /// Their standard deviation (n - 1); `None` below two.
    pub sd: Option<f64>,
}

impl Sample {
    /// The sample of `values`.
    pub fn of(values: &[f64]) -> Sample {
        let n = values.len();
        if n == 0 {
            return Sample::default();
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        Sample { n, mean: Some(mean), sd: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()) }
    }
}

/// A figure of several runs together, or a difference of two, and how sure it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Estimate {
    /// How many runs, or pairs of them, it rests on.
    pub n: usize,
    /// The figure.
    pub figure: f64,
    /// Its standard error and the degrees of freedom of that; `None`: nothing says how sure the figure is.
    error: Option<(f64, f64)>,
}

impl Estimate {
    /// A figure with the part that each run has in it: independent numbers of which the figure is the mean, or nearly. Of a
    /// mean these are the values of the runs, of another figure the jackknife's pseudo-values (Tukey, Annals of Mathematical
    /// Statistics 29, 1958): n times the figure of all runs less n - 1 times that of all but one.
    ///
    /// `step` is the distance of the values that a part can have: what is rounded to it, or counted, can hide a spread of
    /// half a step, so that equal parts make no figure certain.
    pub fn of(figure: f64, parts: &[f64], step: f64) -> Estimate {
        let Sample { n, sd, .. } = Sample::of(parts);
        let error = |sd: f64| (sd.max(step / 2.0) / (n as f64).sqrt(), (n - 1) as f64);
        Estimate { n, figure, error: sd.map(error) }
    }

    /// A figure of which nothing says how sure it is.
    pub fn bare(figure: f64, n: usize) -> Estimate {
        Estimate { n, figure, error: None }
    }

    /// Half the width of its interval (Student's t); `None` below two runs.
    pub fn half_width(&self, confidence: f64) -> Option<f64> {
        self.error.map(|(error, degrees)| student(degrees, confidence) * error)
    }

    /// Its interval; `None` below two runs.
    pub fn interval(&self, confidence: f64) -> Option<Interval> {
        let half = self.half_width(confidence)?;
        Some(Interval { low: self.figure - half, high: self.figure + half })
    }

    /// Whether a difference is significant: its 95 % interval leaves 0 out, and it rests on [`FEWEST`] runs or pairs.
    pub fn is_significant(&self) -> bool {
        self.n >= FEWEST
            && self.interval(CONFIDENCE).is_some_and(|Interval { low, high }| low > 0.0 || high < 0.0)
    }
}

/// Fewest runs or pairs of them that make a difference significant.
pub const FEWEST: usize = 4;

/// The ends of a confidence interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The difference `b - a` of two independent figures, whose spreads may differ, with the error of Welch (Biometrika 34, 1947)
/// and the degrees of freedom of Satterthwaite.
pub fn welch(a: &Estimate, b: &Estimate) -> Estimate {
    let error = a.error.zip(b.error).map(|((of_a, degrees_a), (of_b, degrees_b))| {
        let variance = of_a.powi(2) + of_b.powi(2);
        let below = of_a.powi(4) / degrees_a + of_b.powi(4) / degrees_b;
        (variance.sqrt(), variance.powi(2) / below)
    });
    Estimate { n: a.n.min(b.n), figure: b.figure - a.figure, error }
}

/// The quantile of Student's distribution that a two-sided interval takes.
fn student(degrees: f64, confidence: f64) -> f64 {
    let distribution = StudentsT::new(0.0, 1.0, degrees).expect("there is a degree of freedom");
    distribution.inverse_cdf(1.0 - (1.0 - confidence) / 2.0)
}

/// Clopper and Pearson's interval for the probability of an event that came `events` times in `trials` independent
/// trials (Biometrika 26, 1934): exact, so that "0 of N" has an upper end. `None` without trials.
pub fn clopper_pearson(events: u64, trials: u64, confidence: f64) -> Option<Interval> {
    if trials == 0 || events > trials {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    let (k, n) = (events as f64, trials as f64);
    let quantile = |a: f64, b: f64, p: f64| Beta::new(a, b).expect("both are positive").inverse_cdf(p);
    // At the edges the Beta quantile has a closed form, which is exact where the search for it would not be.
    let low = match events {
        0 => 0.0,
        _ if events == trials => tail.powf(1.0 / n),
        _ => quantile(k, n - k + 1.0, tail),
    };
    let high = match events {
        _ if events == trials => 1.0,
        0 => 1.0 - tail.powf(1.0 / n),
        _ => quantile(k + 1.0, n - k, 1.0 - tail),
    };
    Some(Interval { low, high })
}

/// Observations of a batch of [`mser5`].
const BATCH: usize = 5;

/// How many values at the beginning of a series belong to its warm-up, by the rule MSER-5 (White, Cobb and Spratt, Proceedings
/// of the 2000 Winter Simulation Conference): those whose removal makes the standard error of the mean of the rest least,
/// in batches of five. `None`: the least is in the second half, so that nothing shows that the series was ever steady, or
/// there are fewer than ten batches.
pub fn mser5(values: &[u64]) -> Option<usize> {
    let batches: Vec<f64> =
        values.chunks_exact(BATCH).map(|batch| batch.iter().sum::<u64>() as f64 / BATCH as f64).collect();
    if batches.len() < 2 * BATCH {
        return None;
    }
    // From the end, by Welford's recurrence; the last five batches alone say too little of an error.
    let (mut mean, mut squares) = (0.0, 0.0);
    let mut least = (f64::INFINITY, 0);
    for (kept, (start, value)) in (1u32..).zip(batches.iter().enumerate().rev()) {
        let before = value - mean;
        mean += before / f64::from(kept);
        squares += before * (value - mean);
        let error = squares / f64::from(kept).powi(2);
        if kept as usize >= BATCH && error <= least.0 {
            least = (error, start);
        }
    }
    let (_, start) = least;
    (start <= batches.len() / 2).then_some(start * BATCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: without its first two batches the rest is 1, 2, 1, 2 … ten times, whose mean is 1.5 and whose sum of squares is
    /// 2.5: 2.5 / 100 = 0.025. With the second batch, 6, it is 20.909 / 121 = 0.173; without a third one, 2.222 / 81 = 0.0274.
    #[test]
    fn a_warm_up_ends_where_the_standard_error_is_least() {
        let series = |batches: &[u64]| batches.iter().flat_map(|&value| [value; BATCH]).collect::<Vec<_>>();
        let steady = [1, 2].repeat(5);
        assert_eq!(mser5(&series(&[&[10, 6], &steady[..]].concat())), Some(10));
        assert_eq!(mser5(&series(&steady)), Some(0), "nothing to remove");
        let growing: Vec<u64> = (1..=100).collect();
        assert_eq!(mser5(&growing), None, "never steady");
        assert_eq!(mser5(&series(&[7; 9])), None, "too short");
        assert_eq!(mser5(&series(&[7; 10])), Some(0));
    }

    fn close(value: f64, expected: f64) {
        assert!((value - expected).abs() <= 1e-4 * expected.abs().max(1e-3), "{value} is not {expected}");
    }

    /// Quantiles of Student's t at 97.5 %: 12.706 (1 degree of freedom), 2.776 (4), 2.093 (19), from any table.
    #[test]
    fn the_interval_of_a_mean_follows_student() {
        close(student(1.0, CONFIDENCE), 12.7062);
        close(student(4.0, CONFIDENCE), 2.77645);
        close(student(19.0, CONFIDENCE), 2.09302);
        close(student(4.0, 0.99), 4.60409);
        let sample = Sample::of(&[2.0, 4.0, 4.0, 4.0, 5.0]);
        close(sample.mean.unwrap(), 3.8);
        close(sample.sd.unwrap(), 1.095_445);
        let estimate = Estimate::of(3.8, &[2.0, 4.0, 4.0, 4.0, 5.0], 0.1);
        close(estimate.half_width(CONFIDENCE).unwrap(), 2.776_45 * 1.095_445 / 5f64.sqrt());
    }

    /// By hand: variances of the means 1/12 and 5/12, together 1/2; degrees of freedom 0.25 / (1/288 + 25/432) = 4.0755, where
    /// the density of t, integrated numerically, has its 97.5 % quantile at 2.756285.
    #[test]
    fn two_samples_are_held_against_each_other_by_welch() {
        let mean = |values: &[f64]| Estimate::of(Sample::of(values).mean.unwrap(), values, 0.001);
        let welch = |a: &[f64], b: &[f64]| welch(&mean(a), &mean(b));
        let difference = welch(&[1.0, 1.5, 2.0], &[3.0, 4.0, 5.0, 6.0]);
        close(difference.figure, 3.0);
        let interval = difference.interval(CONFIDENCE).unwrap();
        close(interval.low, 1.051_012);
        close(interval.high, 4.948_988);
        assert!(!difference.is_significant(), "of three values");
        assert!(welch(&[1.0, 1.5, 2.0, 1.5], &[3.0, 4.0, 5.0, 6.0]).is_significant());
        assert!(!welch(&[1.0, 5.0, 2.0, 1.0], &[2.0, 5.0, 3.0, 1.0]).is_significant());
        assert_eq!(welch(&[1.0], &[2.0, 3.0]).interval(CONFIDENCE), None);
    }

    /// Student's t with 3 degrees of freedom: 3.18245; half a step by the root of four.
    #[test]
    fn equal_values_are_known_to_half_their_step() {
        close(Estimate::of(7.0, &[7.0; 4], 1.0).half_width(CONFIDENCE).unwrap(), 3.18245 / 4.0);
        assert!(Estimate::of(1.0, &[1.0; 4], 1.0).is_significant());
        assert!(!Estimate::of(1.0, &[1.0; 4], 2.0).is_significant(), "one step of rounding");
        assert!(!Estimate::of(1.0, &[1.0; 3], 0.001).is_significant(), "three pairs");
    }

    #[test]
    fn one_value_has_no_interval_and_none_has_no_mean() {
        let one = Sample::of(&[7.0]);
        assert_eq!((one.mean, one.sd), (Some(7.0), None));
        assert_eq!(Estimate::of(7.0, &[7.0], 1.0).interval(CONFIDENCE), None);
        assert_eq!(Sample::of(&[]), Sample::default());
    }

    /// The rule of three: 0 of n is below about 3/n at 95 % one-sided, 3.69/n two-sided. The others are the known values
    /// for 10 of 100 and for 1 of 10.
    #[test]
    fn the_interval_of_a_share_is_exact() {
        let Interval { low, high } = clopper_pearson(0, 1_000, CONFIDENCE).unwrap();
        assert_eq!(low, 0.0);
        close(high, 0.003_682);
        let Interval { low, high } = clopper_pearson(10, 100, CONFIDENCE).unwrap();
        close(low, 0.049_005);
        close(high, 0.176_223);
        let Interval { low, high } = clopper_pearson(1, 10, CONFIDENCE).unwrap();
        close(low, 0.002_528_6);
        close(high, 0.445_016);
        assert_eq!(clopper_pearson(5, 5, CONFIDENCE).unwrap().high, 1.0);
        assert_eq!(clopper_pearson(0, 0, CONFIDENCE), None);
    }

    /// With p = 0.3 and n = 20 the interval covers p with at least 95 % probability: the sum over all outcomes.
    #[test]
    fn the_interval_of_a_share_covers_what_it_promises() {
        let (p, n) = (0.3f64, 20u64);
        let mut covered = 0.0;
        let mut probability = (1.0 - p).powi(n as i32);
        for events in 0..=n {
            let Interval { low, high } = clopper_pearson(events, n, CONFIDENCE).unwrap();
            if (low..=high).contains(&p) {
                covered += probability;
            }
            probability *= (n - events) as f64 / (events + 1) as f64 * p / (1.0 - p);
        }
        assert!((CONFIDENCE..1.0).contains(&covered), "{covered}");
    }
}

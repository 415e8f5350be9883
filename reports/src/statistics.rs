//! How sure a figure is: means with Student's intervals, shares with Clopper and Pearson's.
//!
//! Floats appear here and in what is made from it, and nowhere before. Confidence is 95 % everywhere, two-sided.

use statrs::distribution::{Beta, ContinuousCDF, StudentsT};

/// The confidence of every interval.
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
    /// Half the width of the mean's confidence interval (Student's t, n - 1 degrees of freedom); `None` below two.
    pub half_width: Option<f64>,
}

impl Sample {
    /// The sample of `values`.
    pub fn of(values: &[f64]) -> Sample {
        let n = values.len();
        if n == 0 {
            return Sample::default();
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        if n == 1 {
            return Sample { n, mean: Some(mean), sd: None, half_width: None };
        }
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let sd = (squares / (n - 1) as f64).sqrt();
        let half_width = student((n - 1) as f64) * sd / (n as f64).sqrt();
        Sample { n, mean: Some(mean), sd: Some(sd), half_width: Some(half_width) }
    }

    /// The lower end of the interval.
    pub fn low(&self) -> Option<f64> {
        Some(self.mean? - self.half_width?)
    }

    /// The upper end of the interval.
    pub fn high(&self) -> Option<f64> {
        Some(self.mean? + self.half_width?)
    }

    /// The mean with its interval; `None` below two values.
    pub fn interval(&self) -> Option<Interval> {
        Some(Interval::about(self.mean?, self.half_width?))
    }
}

/// A mean, or a difference of two, between the ends of its confidence interval.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Interval {
    fn about(mean: f64, half_width: f64) -> Interval {
        Interval { mean, low: mean - half_width, high: mean + half_width }
    }

    /// Whether 0 lies outside: what it is a difference of is significantly different.
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The difference of the means of two independent samples, `b - a`, whose spreads may differ, with the interval of Welch
/// (Biometrika 34, 1947) and the degrees of freedom of Satterthwaite. `None` where one has fewer than two values.
pub fn welch(a: &[f64], b: &[f64]) -> Option<Interval> {
    let [a, b] = [Sample::of(a), Sample::of(b)];
    let part = |of: &Sample| Some(of.sd?.powi(2) / of.n as f64);
    let (of_a, of_b) = (part(&a)?, part(&b)?);
    let (difference, variance) = (b.mean? - a.mean?, of_a + of_b);
    if variance == 0.0 {
        return Some(Interval::about(difference, 0.0));
    }
    let below = of_a.powi(2) / (a.n - 1) as f64 + of_b.powi(2) / (b.n - 1) as f64;
    Some(Interval::about(difference, student(variance.powi(2) / below) * variance.sqrt()))
}

/// The quantile of Student's distribution that a two-sided interval takes.
fn student(degrees: f64) -> f64 {
    let distribution = StudentsT::new(0.0, 1.0, degrees).expect("there is a degree of freedom");
    distribution.inverse_cdf(1.0 - (1.0 - CONFIDENCE) / 2.0)
}

/// Clopper and Pearson's interval for the probability of an event that came `events` times in `trials` independent
/// trials (Biometrika 26, 1934): exact, so that "0 of N" has an upper end. `None` without trials.
pub fn clopper_pearson(events: u64, trials: u64) -> Option<(f64, f64)> {
    if trials == 0 || events > trials {
        return None;
    }
    let tail = (1.0 - CONFIDENCE) / 2.0;
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
    Some((low, high))
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
        close(student(1.0), 12.7062);
        close(student(4.0), 2.77645);
        close(student(19.0), 2.09302);
        let sample = Sample::of(&[2.0, 4.0, 4.0, 4.0, 5.0]);
        close(sample.mean.unwrap(), 3.8);
        close(sample.sd.unwrap(), 1.095_445);
        close(sample.half_width.unwrap(), 2.776_45 * 1.095_445 / 5f64.sqrt());
    }

    /// By hand: variances of the means 1/12 and 5/12, together 1/2; degrees of freedom 0.25 / (1/288 + 25/432) = 4.0755, where
    /// the density of t, integrated numerically, has its 97.5 % quantile at 2.756285.
    #[test]
    fn two_samples_are_held_against_each_other_by_welch() {
        let interval = welch(&[1.0, 1.5, 2.0], &[3.0, 4.0, 5.0, 6.0]).unwrap();
        close(interval.mean, 3.0);
        close(interval.low, 1.051_012);
        close(interval.high, 4.948_988);
        assert!(interval.excludes_zero());
        assert!(!welch(&[1.0, 5.0], &[2.0, 5.0]).unwrap().excludes_zero());
        assert_eq!(welch(&[1.0], &[2.0, 3.0]), None);
        assert_eq!(welch(&[1.0, 1.0], &[2.0, 2.0]).unwrap(), Interval { mean: 1.0, low: 1.0, high: 1.0 });
    }

    #[test]
    fn one_value_has_no_interval_and_none_has_no_mean() {
        let one = Sample::of(&[7.0]);
        assert_eq!((one.mean, one.sd, one.low(), one.high()), (Some(7.0), None, None, None));
        assert_eq!(Sample::of(&[]), Sample::default());
    }

    /// The rule of three: 0 of n is below about 3/n at 95 % one-sided, 3.69/n two-sided. The others are the known values
    /// for 10 of 100 and for 1 of 10.
    #[test]
    fn the_interval_of_a_share_is_exact() {
        let (low, high) = clopper_pearson(0, 1_000).unwrap();
        assert_eq!(low, 0.0);
        close(high, 0.003_682);
        let (low, high) = clopper_pearson(10, 100).unwrap();
        close(low, 0.049_005);
        close(high, 0.176_223);
        let (low, high) = clopper_pearson(1, 10).unwrap();
        close(low, 0.002_528_6);
        close(high, 0.445_016);
        assert_eq!(clopper_pearson(5, 5).unwrap().1, 1.0);
        assert_eq!(clopper_pearson(0, 0), None);
    }

    /// With p = 0.3 and n = 20 the interval covers p with at least 95 % probability: the sum over all outcomes.
    #[test]
    fn the_interval_of_a_share_covers_what_it_promises() {
        let (p, n) = (0.3f64, 20u64);
        let mut covered = 0.0;
        let mut probability = (1.0 - p).powi(n as i32);
        for events in 0..=n {
            let (low, high) = clopper_pearson(events, n).unwrap();
            if (low..=high).contains(&p) {
                covered += probability;
            }
            probability *= (n - events) as f64 / (events + 1) as f64 * p / (1.0 - p);
        }
        assert!((CONFIDENCE..1.0).contains(&covered), "{covered}");
    }
}

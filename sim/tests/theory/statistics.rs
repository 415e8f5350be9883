//! Intervals of confidence over replications.

/// Replications of each case: seeds 1 to this.
pub(crate) const REPLICATIONS: u64 = 10;
/// Student's t for 9 degrees of freedom, two-sided 99.9 % (any table of the distribution).
pub(crate) const T: f64 = 4.781;

/// A mean over replications, and half the width of its 99.9 % interval of confidence.
#[derive(Clone, Copy)]
pub(crate) struct Interval {
    pub(crate) mean: f64,
    pub(crate) half: f64,
}

impl Interval {
    /// The interval that the results of all replications give.
    pub(crate) fn of(results: &[f64]) -> Interval {
        assert_eq!(results.len() as u64, REPLICATIONS, "T belongs to a number of replications");
        let count = results.len() as f64;
        let mean = results.iter().sum::<f64>() / count;
        let squares: f64 = results.iter().map(|result| (result - mean) * (result - mean)).sum();
        let deviation = (squares / (count - 1.0)).sqrt();
        Interval { mean, half: T * deviation / count.sqrt() }
    }

    pub(crate) fn contains(self, value: f64) -> bool {
        (value - self.mean).abs() <= self.half
    }
}

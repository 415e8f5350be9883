//! Exact probabilities.

use core::fmt;

/// A probability as the ratio of two integers, between 0 and 1.
///
/// Draws compare 32 random bits with the ratio scaled to 2^32, so that a run needs no floating point
/// and `0` and `1` are exact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ratio {
    numerator: u32,
    denominator: u32,
    /// `floor(2^32 * numerator / denominator)`; a draw below it is a hit.
    threshold: u64,
}

impl Ratio {
    /// Never.
    pub const ZERO: Ratio = Ratio { numerator: 0, denominator: 1, threshold: 0 };

    /// Always.
    pub const ONE: Ratio = Ratio { numerator: 1, denominator: 1, threshold: 1 << 32 };

    /// The ratio `numerator / denominator`; `None` unless it lies in 0..=1.
    pub const fn new(numerator: u32, denominator: u32) -> Option<Self> {
        if denominator == 0 || numerator > denominator {
            return None;
        }
        let threshold = ((numerator as u64) << 32) / denominator as u64;
        Some(Ratio { numerator, denominator, threshold })
    }

    /// Whether a uniform 32-bit draw hits.
    pub const fn hit(self, draw: u32) -> bool {
        (draw as u64) < self.threshold
    }

    /// Whether the ratio is 0.
    pub const fn is_zero(self) -> bool {
        self.numerator == 0
    }

    /// The value as `(numerator, denominator)`, as it was given.
    pub const fn parts(self) -> (u32, u32) {
        (self.numerator, self.denominator)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.numerator, self.denominator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_never_hits_and_one_always_does() {
        assert!(!Ratio::ZERO.hit(0));
        let one = Ratio::new(7, 7).unwrap();
        assert!(one.hit(0) && one.hit(u32::MAX));
    }

    #[test]
    fn the_threshold_splits_the_draws_in_proportion() {
        let half = Ratio::new(1, 2).unwrap();
        assert!(half.hit(0x7fff_ffff));
        assert!(!half.hit(0x8000_0000));
    }

    #[test]
    fn impossible_ratios_are_refused() {
        assert_eq!(Ratio::new(1, 0), None);
        assert_eq!(Ratio::new(3, 2), None);
    }
}

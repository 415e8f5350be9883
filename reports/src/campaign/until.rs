//! When a point of a campaign has enough replications.

use std::fmt;

use super::estimate::estimate;
use super::measures::{Measure, measures};
use super::record::RunRecord;
use crate::statistics::CONFIDENCE;

/// Stop a point when half the width of a figure's 95 % interval is small against the figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Until {
    /// The figure.
    pub measure: Measure,
    /// Half the width by the figure must not be more than this.
    pub relative: f64,
}

impl Until {
    /// So many replications are made between two looks, and before the first.
    pub const LOOK_EVERY: u32 = 4;

    /// Reads what [`Display`](fmt::Display) writes, as a manifest keeps it; `None`: it is something else.
    pub(super) fn read(text: &str) -> Option<Until> {
        let (name, relative) = text.split_once("<=")?;
        let measure = measures().into_iter().find(|measure| measure.name == name)?;
        Some(Until { measure, relative: relative.parse().ok()? })
    }

    /// After how many of these replications of a point, which are the first ones, it had enough; `None`: it needs more.
    pub fn stops_after(&self, runs: &[RunRecord]) -> Option<u32> {
        let mut looks = (1..=runs.len()).filter(|count| count.is_multiple_of(Self::LOOK_EVERY as usize));
        looks.find(|&count| self.is_sure(&runs[..count])).map(|count| count as u32)
    }

    fn is_sure(&self, runs: &[RunRecord]) -> bool {
        let estimate = estimate(runs, &self.measure);
        let half = estimate.and_then(|estimate| Some((estimate.half_width(CONFIDENCE)?, estimate.figure)));
        half.is_some_and(|(half, figure)| half <= self.relative * figure.abs())
    }
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}<={}", self.measure.name, self.relative)
    }
}

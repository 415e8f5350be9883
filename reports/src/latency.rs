//! The figures that a latency distribution is summed up in.

use hdrhistogram::Histogram;

use crate::results::PhaseLatency;
use crate::table::{Cell, Column};

/// From where a latency is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Measure {
    /// From the card holder's arrival, so that waiting for the reader counts.
    Intended,
    /// From the card's insertion.
    Service,
}

impl Measure {
    /// In the order of every report.
    pub const ALL: [Measure; 2] = [Measure::Intended, Measure::Service];

    /// The name in every report.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::Intended => "intended",
            Measure::Service => "service",
        }
    }

    /// The distribution of this measure, microseconds.
    pub fn of(self, phase: &PhaseLatency) -> &Histogram<u64> {
        match self {
            Measure::Intended => &phase.intended_us,
            Measure::Service => &phase.service_us,
        }
    }
}

/// One figure of a distribution.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figure {
    /// Arithmetic mean.
    Mean,
    /// Median.
    P50,
    /// 90th percentile.
    P90,
    /// 95th percentile.
    P95,
    /// 99th percentile.
    P99,
    /// 99.9th percentile.
    P99_9,
    /// 99.99th percentile.
    P99_99,
    /// Largest value.
    Max,
}

impl Figure {
    /// Those of `phases.csv`.
    pub const ALL: [Figure; 8] = [
        Figure::Mean,
        Figure::P50,
        Figure::P90,
        Figure::P95,
        Figure::P99,
        Figure::P99_9,
        Figure::P99_99,
        Figure::Max,
    ];

    /// Those of `summary.csv` and of the final table.
    pub const SUMMARY: [Figure; 6] =
        [Figure::P50, Figure::P90, Figure::P95, Figure::P99, Figure::P99_9, Figure::Max];

    /// The name in column names.
    pub const fn name(self) -> &'static str {
        match self {
            Figure::Mean => "mean",
            Figure::P50 => "p50",
            Figure::P90 => "p90",
            Figure::P95 => "p95",
            Figure::P99 => "p99",
            Figure::P99_9 => "p99_9",
            Figure::P99_99 => "p99_99",
            Figure::Max => "max",
        }
    }

    /// What it is, as the beginning of a sentence.
    pub const fn words(self) -> &'static str {
        match self {
            Figure::Mean => "Mean",
            Figure::P50 => "Median",
            Figure::P90 => "90th percentile",
            Figure::P95 => "95th percentile",
            Figure::P99 => "99th percentile",
            Figure::P99_9 => "99.9th percentile",
            Figure::P99_99 => "99.99th percentile",
            Figure::Max => "Maximum",
        }
    }

    /// The figure in the histogram's unit; `None` where nothing was recorded.
    pub fn of(self, histogram: &Histogram<u64>) -> Option<u64> {
        if histogram.is_empty() {
            return None;
        }
        Some(match (self, self.quantile()) {
            (_, Some(quantile)) => histogram.value_at_quantile(quantile),
            (Figure::Mean, None) => histogram.mean().round() as u64,
            (_, None) => histogram.max(),
        })
    }

    /// Which quantile it is; `None`: the mean and the maximum are none.
    pub fn quantile(self) -> Option<f64> {
        match self {
            Figure::Mean | Figure::Max => None,
            Figure::P50 => Some(0.5),
            Figure::P90 => Some(0.9),
            Figure::P95 => Some(0.95),
            Figure::P99 => Some(0.99),
            Figure::P99_9 => Some(0.999),
            Figure::P99_99 => Some(0.9999),
        }
    }

    /// A column of this figure in milliseconds; `of_what` completes the sentence that [`Figure::words`] begins.
    pub(crate) fn column<R>(
        self,
        name: String,
        of_what: &str,
        histogram: impl for<'r> Fn(&'r R) -> Option<&'r Histogram<u64>> + 'static,
    ) -> Column<R> {
        let doc = format!("{} of {of_what}, ms; empty where there was none.", self.words());
        Column::new(name, doc, move |row| Cell::ms(histogram(row).and_then(|values| self.of(values))))
    }
}

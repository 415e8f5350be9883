//! What is kept of one run of a campaign.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::results::{Phase, Results};
use crate::summary::summary_table;

/// The distributions that are kept whole, so that those of several runs can be merged: an average of percentiles means
/// nothing.
pub const DISTRIBUTIONS: [&str; 4] = ["auth", "update", "session", "server_wait"];

/// One run: what `summary.csv` says of it, and its latency distributions.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RunRecord {
    /// Which point of the campaign, from 1.
    pub point: u32,
    /// Which replication of it, from 1.
    pub replication: u32,
    /// The row of `summary.csv`: names and cells.
    pub summary: Vec<(String, String)>,
    /// The distributions, in the order of [`DISTRIBUTIONS`]: values in microseconds and how often each came. Intended measure.
    distributions: Vec<Vec<(u64, u64)>>,
    /// Faults that the scenario asks for and that never struck though they had to.
    pub idle_faults: Vec<String>,
}

impl RunRecord {
    /// The record of a run.
    pub fn new(point: u32, replication: u32, results: &Results) -> RunRecord {
        let phases = Phase::ALL.map(|phase| &results.phases[phase as usize].intended_us);
        let idle = results.faults.iter().filter(|fault| fault.never_fired());
        RunRecord {
            point,
            replication,
            summary: summary_table().text_row(results),
            distributions: phases.into_iter().chain([&results.server.wait_us]).map(counted).collect(),
            idle_faults: idle.map(|fault| fault.fault.clone()).collect(),
        }
    }

    /// A record with these cells and one distribution, for tests.
    #[cfg(test)]
    pub(super) fn with(cells: &[(&str, &str)], which: usize, distribution: Vec<(u64, u64)>) -> RunRecord {
        let mut distributions = vec![Vec::new(); DISTRIBUTIONS.len()];
        distributions[which] = distribution;
        let summary = cells.iter().map(|&(name, cell)| (name.to_owned(), cell.to_owned())).collect();
        RunRecord { point: 1, replication: 1, summary, distributions, idle_faults: Vec::new() }
    }

    /// The cell of `summary.csv` in this column; `None`: there is no such column.
    pub fn cell(&self, column: &str) -> Option<&str> {
        self.summary.iter().find(|(name, _)| name == column).map(|(_, cell)| cell.as_str())
    }

    /// The number in this column; `None` where the cell is empty or holds words.
    pub fn number(&self, column: &str) -> Option<f64> {
        self.cell(column)?.parse().ok()
    }

    /// One of its distributions: values in microseconds, ascending, and how often each came.
    pub(super) fn distribution(&self, which: usize) -> &[(u64, u64)] {
        &self.distributions[which]
    }

    /// Whether everything in it is there: a record may come from a file.
    pub fn is_whole(&self) -> bool {
        let known = summary_table();
        self.distributions.len() == DISTRIBUTIONS.len()
            && self.summary.iter().map(|(name, _)| name.as_str()).eq(known.header())
    }
}

fn counted(histogram: &Histogram<u64>) -> Vec<(u64, u64)> {
    histogram.iter_recorded().map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
}

/// One distribution of several runs together, microseconds; `which` is its place in [`DISTRIBUTIONS`].
pub(super) fn merged<'r>(records: impl IntoIterator<Item = &'r RunRecord>, which: usize) -> Histogram<u64> {
    let mut merged = empty();
    for &(value, count) in records.into_iter().flat_map(|record| &record.distributions[which]) {
        merged.record_n(value, count).expect("the histogram grows as it must");
    }
    merged
}

/// A histogram as runs have them.
pub(super) fn empty() -> Histogram<u64> {
    Histogram::new(3).expect("three significant digits are possible")
}

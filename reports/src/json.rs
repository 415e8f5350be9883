//! The summary for other programs.

use serde_json::Value;

use crate::results::Results;
use crate::summary::summary_table;

/// The row of `summary.csv` as an object: the same names in the same order, numbers as numbers, empty cells as
/// `null`.
pub fn summary_json(results: &Results) -> Value {
    summary_table().json_row(results)
}

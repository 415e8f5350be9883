//! Many runs of one scenario: the points of a grid, each with replications.
//!
//! A [`RunRecord`] is what is kept of one run. From the records of all runs, in whatever order they were made, come
//! `runs.csv`, `sweep.csv`, `comparison.csv` and `differences.csv`, as a pure function: equal records give equal bytes.

mod comparison;
mod dir;
pub(crate) mod estimate;
mod json;
mod measures;
mod plan;
mod record;
mod stored;
pub mod tables;
pub(crate) mod text;
mod until;

pub use comparison::comparison_table;
pub use dir::CampaignDir;
pub(crate) use dir::write_whole;
pub use json::{Found, plan_json, sweep_json};
pub use measures::{Aim, Measure, measures};
pub use plan::{Bound, Standing, Tried, plan_table, plan_text};
pub use record::{DISTRIBUTIONS, RunRecord};
pub use stored::{Shape, collect};
pub use tables::{Difference, PointRows, RunRow, differences, differences_table, runs_table, sweep_table};
pub use text::sweep_text;
pub use until::Until;

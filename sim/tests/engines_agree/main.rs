//! The two engines tell the same story: card by card where nothing is quantised by turmoil's tick, and in
//! distribution, within a tolerance derived from the tick, where it is.
//!
//! Embodiments, recoveries and suites come from the tables in the code, faults from a table in `cases.rs` that a new field
//! of the plan cannot slip past. docs/validation.md shows the figures that these tests print.

mod cases;
mod contended;
mod exact;

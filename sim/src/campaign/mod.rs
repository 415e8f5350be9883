//! Campaigns: many runs of one scenario, at the points of a grid, each point with replications.
//!
//! A campaign is decided by its [`Campaign`]: the points with their plans, and the seeds. Each run is made by itself, in
//! whatever order and process, and leaves one file in the campaign's directory; the tables come from those files alone.
//! So a campaign that was killed goes on where it stopped, and its parts can be made on several machines and merged.
//!
//! Every point has the same seeds, and every draw is keyed: what differs between two points is what was varied (common
//! random numbers).
//!
//! | To read about | open |
//! |---|---|
//! | `--vary`, and which points it makes | [`grid`] |
//! | what a campaign is, and its manifest | [`spec`] |
//! | the runs, side by side | [`work`] |
//! | a bound that a figure must keep | [`slo`] |
//! | the smallest value that keeps them | [`search`] |

pub mod grid;
pub mod search;
pub mod slo;
pub mod spec;
pub mod work;

#[cfg(test)]
mod tests;

pub use grid::{Axis, Grid};
pub use spec::{Campaign, Point};

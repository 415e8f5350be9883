//! `renewals.csv`: the renewals of each depth.

use crate::results::Renewals;
use crate::table::{Column, Table};

/// A depth and what was counted of it.
pub type RenewalRow = (u64, Renewals);

/// The table of `renewals.csv`.
pub fn renewals_table() -> Table<RenewalRow> {
    let columns = vec![
        Column::int(
            "depth",
            "The depth; where a renewal covers several, the deepest one.",
            |r: &RenewalRow| r.0,
        ),
        Column::int("started", "Update attempts.", |r: &RenewalRow| r.1.started),
        Column::int("committed", "Attempts that the server committed.", |r: &RenewalRow| r.1.committed),
        Column::int("interrupted", "Attempts whose connection ended before the commit.", |r: &RenewalRow| {
            r.1.interrupted
        }),
        Column::int("in_flight", "Attempts open at the horizon.", |r: &RenewalRow| r.1.in_flight),
        Column::int(
            "recovered",
            "Renewals interrupted at least once and committed later, the epilogue included.",
            |r: &RenewalRow| r.1.recovered,
        ),
    ];
    Table::new("renewals.csv", "One row per depth, down to the deepest that was renewed.", columns)
}

/// The rows of `renewals`.
pub fn renewal_rows(renewals: &[Renewals]) -> impl Iterator<Item = RenewalRow> + '_ {
    (0..).zip(renewals.iter().copied())
}

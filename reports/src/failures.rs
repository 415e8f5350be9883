//! `failures.csv`: where sessions failed, and why.

use crate::results::Failure;
use crate::table::{Cell, Column, Table};

/// The table of `failures.csv`.
pub fn failures_table() -> Table<Failure> {
    let columns = vec![
        Column::new("phase", "`connect`, `auth`, `update` or `session`.", |f: &Failure| Cell::text(f.phase)),
        Column::new("step", "The message or card command at which it happened.", |f: &Failure| {
            Cell::text(f.step)
        }),
        Column::new("cause", "Why.", |f: &Failure| Cell::text(f.cause)),
        Column::int("count", "Sessions that failed so.", |f: &Failure| f.count),
    ];
    Table::new("failures.csv", "One row per way in which sessions failed; no rows where none did.", columns)
}

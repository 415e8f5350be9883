//! `faults.csv`: each fault that the scenario asks for, and whether it struck.

use crate::results::FaultCount;
use crate::table::{Cell, Column, Table};

/// The table of `faults.csv`.
pub fn faults_table() -> Table<FaultCount> {
    let columns = vec![
        Column::new("fault", "The fault, as the scenario names it.", |f: &FaultCount| Cell::text(&*f.fault)),
        Column::new(
            "scheduled",
            "`yes`: placed or scheduled, and must strike. `no`: random.",
            |f: &FaultCount| Cell::text(if f.scheduled { "yes" } else { "no" }),
        ),
        Column::int(
            "chances",
            "How often it could have struck; of a scheduled one, once.",
            |f: &FaultCount| f.chances,
        ),
        Column::new(
            "expected",
            "How often it was expected to strike: chances times probability; 1 for a scheduled one.",
            |f: &FaultCount| Cell::Fixed { units: thousandths(f.expected).into(), decimals: 3 },
        ),
        Column::int("fired", "How often it struck.", |f: &FaultCount| f.fired),
    ];
    Table::new(
        "faults.csv",
        "One row per fault that the scenario asks for. A scheduled fault that never struck, or a random one \
         expected at least 20 times that never struck, fails the run.",
        columns,
    )
}

/// An expected count in thousandths.
pub(crate) fn thousandths(expected: f64) -> u64 {
    (expected * 1000.0).round() as u64
}

//! `phases.csv`: the latency of every phase by both measures.

use hdrhistogram::Histogram;

use crate::latency::{Figure, Measure};
use crate::results::{Phase, Results};
use crate::table::{Cell, Column, Table};

/// One row: the latency of one phase by one measure.
#[derive(Clone, Copy)]
pub struct PhaseRow<'a> {
    /// The phase.
    pub phase: Phase,
    /// From where it is measured.
    pub measure: Measure,
    /// The latencies, microseconds.
    pub latency_us: &'a Histogram<u64>,
}

impl<'a> PhaseRow<'a> {
    /// All rows of a run, in the order of the file.
    pub fn all(results: &'a Results) -> impl Iterator<Item = PhaseRow<'a>> {
        Phase::ALL.into_iter().zip(&results.phases).flat_map(|(phase, latency)| {
            Measure::ALL.map(|measure| PhaseRow { phase, measure, latency_us: measure.of(latency) })
        })
    }

    /// The name of the row's percentile distribution in a run directory.
    pub fn hgrm_file(&self) -> String {
        hgrm_file(self.phase, self.measure)
    }
}

/// The name of a percentile distribution in a run directory.
pub(crate) fn hgrm_file(phase: Phase, measure: Measure) -> String {
    format!("latency/{}_{}.hgrm", phase.name(), measure.name())
}

/// The table of `phases.csv`.
pub fn phases_table<'a>() -> Table<PhaseRow<'a>> {
    let mut columns = vec![
        Column::new(
            "phase",
            "`auth`: to the client's message 10. `update`: from the first sending of Rk to the commit. \
             `session`: to the last data answer.",
            |row: &PhaseRow<'a>| Cell::text(row.phase.name()),
        ),
        Column::new(
            "measure",
            "`intended`: from the card holder's arrival. `service`: from the card's insertion. \
             The same for an update.",
            |row: &PhaseRow<'a>| Cell::text(row.measure.name()),
        ),
        Column::int("count", "How many were measured.", |row: &PhaseRow<'a>| row.latency_us.len()),
    ];
    columns.extend(Figure::ALL.map(|figure| {
        figure
            .column(format!("{}_ms", figure.name()), "the latency", |row: &PhaseRow<'a>| Some(row.latency_us))
    }));
    Table::new("phases.csv", "One row per phase and measure.", columns)
}

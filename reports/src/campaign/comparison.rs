//! `comparison.csv`: what the points of a sweep cost, in the few figures that a choice between them rests on.

use super::measures::{Measure, measures};
use super::tables::{CRYPTO, CRYPTO_DOC, PointRows, point_columns};
use crate::table::{Cell, Column, Table};

/// How busy the server may be in the busiest interval: above this, queues grow fast (M/M/c).
const BUSY_AT_MOST: f64 = 0.7;

/// Latencies, with what the column says of them.
const LATENCIES: [(&str, &str); 4] = [
    ("session_ms_p50", "Median of what a card holder waits from arrival to the end of the session, ms."),
    ("session_ms_p99", "Its 99th percentile, ms."),
    (
        "update_ms_p50",
        "Median of what the renewal adds to that: from the first sending of Rk to the commit, ms.",
    ),
    ("update_ms_p99", "Its 99th percentile, ms."),
];

/// The table of `comparison.csv`; `axes` are the keys that vary.
pub fn comparison_table(axes: &[String]) -> Table<PointRows> {
    let mut columns = point_columns(axes, |row: &PointRows| (row.point, &row.values));
    columns.push(Column::int("replications", "Runs of the point.", |row: &PointRows| row.runs.len() as u64));
    columns.push(Column::new(CRYPTO, CRYPTO_DOC, |row: &PointRows| Cell::text(row.crypto())));
    columns.push(Column::new("card_times", "As in summary.csv.", |row: &PointRows| {
        Cell::text(row.fact("card_times").unwrap_or_default())
    }));
    let all = measures();
    for (name, doc) in LATENCIES {
        let measure: Measure = all.iter().find(|measure| measure.name == name).expect("a column").clone();
        columns.push(Column::new(name, doc, move |row: &PointRows| Cell::real(row.figure(&measure), 3)));
    }
    columns.push(Column::new(
        "server_busy_cores_peak",
        "As in summary.csv, mean over the runs.",
        |row: &PointRows| Cell::real(row.busy_cores(), 6),
    ));
    columns.push(Column::new(
        "server_cores_needed",
        "Fewest cores of which 70 % are busy at most in that interval; at least so many, if the scenario has fewer.",
        |row: &PointRows| row.cores_needed().map_or(Cell::Empty, Cell::Int),
    ));
    let mut per = |name: &'static str, doc: &'static str, value: fn(&PointRows) -> Option<f64>| {
        columns.push(Column::new(name, doc, move |row: &PointRows| Cell::real(value(row), 3)));
    };
    per("line_bytes_per_session", "Bytes handed to the lines by sessions started.", |row| {
        row.per("line_bytes", "sessions_started")
    });
    per("nvm_writes_per_card", "Page writes to the memory of a card.", |row| row.per("nvm_writes", "cards"));
    per("points_of_interruption", POINTS_DOC, PointRows::points_of_interruption);
    per("cards_stranded", "Stranded cards, mean over the runs.", |row| row.sample("cards_stranded").mean);
    Table::new(
        "comparison.csv",
        "One row per point of a sweep: what a choice between the points rests on. sweep.csv has the intervals.",
        columns,
    )
}

const POINTS_DOC: &str = "Points of a session at which it can be cut: each datagram that is sent, but for those that a \
                          client repeats, each card command and each page write, by sessions started.";

impl PointRows {
    /// Two sums over all runs, the one divided by the other.
    fn per(&self, part: &str, whole: &str) -> Option<f64> {
        let whole = self.total(whole);
        (whole > 0).then(|| self.total(part) as f64 / whole as f64)
    }

    fn busy_cores(&self) -> Option<f64> {
        self.sample("server_busy_cores_peak").mean
    }

    fn cores_needed(&self) -> Option<u64> {
        self.busy_cores().map(|busy| ((busy / BUSY_AT_MOST).ceil() as u64).max(1))
    }

    fn points_of_interruption(&self) -> Option<f64> {
        let sessions = self.total("sessions_started");
        let first = self.total("messages_sent").saturating_sub(self.total("retransmissions"));
        let points = first + self.total("apdus") + self.total("nvm_writes");
        (sessions > 0).then(|| points as f64 / sessions as f64)
    }
}

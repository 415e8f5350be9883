//! `comparison.csv`: what the points of a sweep cost, in the few figures that a choice between them rests on.

use super::estimate::ratio;
use super::measures::{Measure, measures};
use super::tables::{CRYPTO, CRYPTO_DOC, PointRows, point_columns};
use crate::statistics::{CONFIDENCE, Estimate, Interval};
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

/// A figure with how sure it is.
#[derive(Clone)]
struct Figure {
    name: &'static str,
    doc: &'static str,
    decimals: usize,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    /// As sweep.csv has it.
    Measure(Box<Measure>),
    /// Counts of all runs, each added or taken away, by another one.
    Ratio(&'static [(&'static str, f64)], &'static str),
    /// How many cores are needed if so many are busy.
    Cores(Box<Measure>),
}

impl Figure {
    fn measured(name: &'static str, doc: &'static str) -> Figure {
        let measure = measure(name);
        Figure { name, doc, decimals: measure.decimals(), kind: Kind::Measure(measure.into()) }
    }

    fn ratio(
        name: &'static str,
        doc: &'static str,
        counts: &'static [(&'static str, f64)],
        by: &'static str,
    ) -> Figure {
        Figure { name, doc, decimals: 3, kind: Kind::Ratio(counts, by) }
    }

    fn estimate(&self, point: &PointRows) -> Option<Estimate> {
        match &self.kind {
            Kind::Measure(measure) | Kind::Cores(measure) => point.estimate(measure),
            Kind::Ratio(counts, by) => {
                let runs = point.runs.iter().map(|run| {
                    let number = |column| run.number(column).unwrap_or(0.0);
                    (counts.iter().map(|(count, sign)| sign * number(count)).sum(), number(by))
                });
                ratio(&runs.collect::<Vec<(f64, f64)>>())
            }
        }
    }

    /// The cell of the figure itself, or of one end of its interval.
    fn cell(&self, value: Option<f64>) -> Cell<'static> {
        match self.kind {
            Kind::Cores(_) => value.map_or(Cell::Empty, |busy| Cell::Int(cores_needed(busy))),
            _ => Cell::real(value, self.decimals),
        }
    }

    fn column(&self) -> Column<PointRows> {
        let figure = self.clone();
        Column::new(self.name, self.doc, move |row: &PointRows| {
            figure.cell(figure.estimate(row).map(|estimate| estimate.figure))
        })
    }

    /// Both ends of its interval. No figure of a run is negative, and so neither end is.
    fn ends(&self) -> [Column<PointRows>; 2] {
        let end = |suffix: &str, doc: &'static str, which: fn(Interval) -> f64| {
            let figure = self.clone();
            Column::new(format!("{}_ci95_{suffix}", self.name), doc, move |row: &PointRows| {
                let interval = figure.estimate(row).and_then(|estimate| estimate.interval(CONFIDENCE));
                figure.cell(interval.map(|interval| which(interval).max(0.0)))
            })
        };
        [
            end("low", "Lower end of its 95 % interval.", |interval| interval.low),
            end("high", "Upper end.", |interval| interval.high),
        ]
    }
}

fn measure(name: &str) -> Measure {
    measures().into_iter().find(|measure| measure.name == name).expect("a column")
}

fn cores_needed(busy: f64) -> u64 {
    ((busy / BUSY_AT_MOST).ceil() as u64).max(1)
}

/// The figures of a point, in the order of the columns.
fn figures() -> Vec<Figure> {
    let mut all: Vec<Figure> = LATENCIES.iter().map(|(name, doc)| Figure::measured(name, doc)).collect();
    const BUSY: &str = "server_busy_cores_peak";
    all.push(Figure::measured(BUSY, "As in summary.csv, mean over the runs."));
    all.push(Figure {
        name: "server_cores_needed",
        doc: "Fewest cores of which 70 % are busy at most in that interval; at least so many, if the scenario has fewer.",
        decimals: 0,
        kind: Kind::Cores(measure(BUSY).into()),
    });
    let doc = "Bytes handed to the lines by sessions started.";
    all.push(Figure::ratio("line_bytes_per_session", doc, &[("line_bytes", 1.0)], "sessions_started"));
    let doc = "Page writes to the memory of a card.";
    all.push(Figure::ratio("nvm_writes_per_card", doc, &[("nvm_writes", 1.0)], "cards"));
    let points = &[("messages_sent", 1.0), ("retransmissions", -1.0), ("apdus", 1.0), ("nvm_writes", 1.0)];
    all.push(Figure::ratio("points_of_interruption", POINTS_DOC, points, "sessions_started"));
    all.push(Figure::measured("cards_stranded", "Stranded cards, mean over the runs."));
    all
}

const POINTS_DOC: &str = "Points of a session at which it can be cut: each datagram that is sent, but for those that a \
                          client repeats, each card command and each page write, by sessions started.";

/// The table of `comparison.csv`; `axes` are the keys that vary.
pub fn comparison_table(axes: &[String]) -> Table<PointRows> {
    let mut columns = point_columns(axes, |row: &PointRows| (row.point, &row.values));
    columns.push(Column::int("replications", "Runs of the point.", |row: &PointRows| row.runs.len() as u64));
    columns.push(Column::new(CRYPTO, CRYPTO_DOC, |row: &PointRows| Cell::text(row.crypto())));
    columns.push(Column::new("card_times", "As in summary.csv.", |row: &PointRows| {
        Cell::text(row.fact("card_times").unwrap_or_default())
    }));
    let figures = figures();
    columns.extend(figures.iter().map(Figure::column));
    columns.extend(figures.iter().flat_map(Figure::ends));
    Table::new(
        "comparison.csv",
        "One row per point of a sweep: what a choice between the points rests on. Intervals are those of sweep.csv; of a count by \
         another one they come from the jackknife too, which leaves out one run at a time. They are empty below two runs.",
        columns,
    )
}

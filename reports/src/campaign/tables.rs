//! `runs.csv`, `sweep.csv` and `differences.csv`.

use super::measures::{Aim, Measure, measures};
use super::record::{RunRecord, merged};
use crate::statistics::{Sample, clopper_pearson};
use crate::summary::summary_table;
use crate::table::{Cell, Column, Table};

/// One point of the grid, and the runs that were made at it, by replication.
#[derive(Clone, Debug)]
pub struct PointRows {
    /// Its number, from 1.
    pub point: u32,
    /// What each axis says there, in the order of the axes.
    pub values: Vec<String>,
    /// Its runs, in the order of the replications.
    pub runs: Vec<RunRecord>,
}

impl PointRows {
    /// The figure of a measure over all runs: a mean, or the percentile of all runs together.
    pub fn figure(&self, measure: &Measure) -> Option<f64> {
        match measure.aim {
            Aim::Mean => self.sample(&measure.name).mean,
            Aim::Pooled(which, figure) => figure.of(&merged(&self.runs, which)).map(|us| us as f64 / 1_000.0),
        }
    }

    /// What a column says that is the same in all its runs.
    pub fn fact(&self, column: &str) -> Option<&str> {
        self.runs.first()?.cell(column)
    }

    /// The figures of the runs. Runs without one (no update was committed, say) are left out.
    pub fn sample(&self, column: &str) -> Sample {
        let values: Vec<f64> = self.runs.iter().filter_map(|run| run.number(column)).collect();
        Sample::of(&values)
    }

    /// One distribution of all its runs together, microseconds; `which` is its place in
    /// [`DISTRIBUTIONS`](super::DISTRIBUTIONS).
    pub fn distribution(&self, which: usize) -> hdrhistogram::Histogram<u64> {
        merged(&self.runs, which)
    }

    /// The sum over all runs of a column that counts.
    pub fn total(&self, column: &str) -> u64 {
        self.runs.iter().filter_map(|run| run.cell(column)?.parse::<u64>().ok()).sum()
    }

    /// Whether its ciphers were `real` or `modelled`: all its runs are alike in that.
    pub fn crypto(&self) -> &str {
        self.runs.first().and_then(|run| run.cell(CRYPTO)).unwrap_or_default()
    }

    /// The 95 % interval of a share, all runs together.
    pub fn share(&self, measure: &Measure) -> Option<(f64, f64)> {
        clopper_pearson(self.total(&measure.name), self.total(measure.trials?))
    }
}

/// The column that says how a point's ciphers were carried out.
pub(super) const CRYPTO: &str = "crypto";
/// What it says.
pub(super) const CRYPTO_DOC: &str = "`real` or `modelled`, as in summary.csv.";

/// One run in `runs.csv`.
#[derive(Clone, Debug)]
pub struct RunRow {
    point: u32,
    values: Vec<String>,
    replication: u32,
    cells: Vec<String>,
}

impl RunRow {
    /// The rows of a point.
    pub fn all(point: &PointRows) -> impl Iterator<Item = RunRow> + '_ {
        point.runs.iter().map(|run| RunRow {
            point: point.point,
            values: point.values.clone(),
            replication: run.replication,
            cells: run.summary.iter().map(|(_, cell)| cell.clone()).collect(),
        })
    }
}

/// `runs.csv`. `axes` are the keys that vary.
pub fn runs_table(axes: &[String]) -> Table<RunRow> {
    let mut columns = point_columns(axes, |row: &RunRow| (row.point, &row.values));
    columns.push(Column::int("replication", "Which replication of the point, from 1.", |row: &RunRow| {
        row.replication.into()
    }));
    for (place, name) in summary_table().header().enumerate() {
        columns.push(Column::new(name.to_owned(), "As in summary.csv.", move |row: &RunRow| {
            Cell::text(row.cells[place].as_str())
        }));
    }
    Table::new("runs.csv", "One row per run of a campaign: its point, and its row of summary.csv.", columns)
}

/// `sweep.csv`: one row per point. `axes` are the keys that vary.
pub fn sweep_table(axes: &[String]) -> Table<PointRows> {
    let mut columns = point_columns(axes, |row: &PointRows| (row.point, &row.values));
    columns.push(Column::int(
        "replications",
        "Runs of the point, each with a seed of its own.",
        |row: &PointRows| row.runs.len() as u64,
    ));
    columns.push(Column::new(
        "scenario_sha256",
        "SHA-256 of the point's resolved scenario.",
        |row: &PointRows| Cell::text(row.fact("scenario_sha256").unwrap_or_default()),
    ));
    for measure in measures() {
        measure_columns(&measure, &mut columns);
    }
    columns.push(Column::new(CRYPTO, CRYPTO_DOC, |row: &PointRows| Cell::text(row.crypto())));
    Table::new(
        "sweep.csv",
        "One row per point of a campaign. A percentile is that of all its runs together; every other figure is the mean over \
         its runs. `_sd` is the standard deviation between runs, `_ci95_low` and `_ci95_high` bound the mean over runs with 95 % \
         confidence (Student's t; empty with fewer than two runs). `_share` is events by trials over all runs, with \
         its Clopper-Pearson interval, as if the trials were independent.",
        columns,
    )
}

/// The number of a row's point, and what each axis says there.
pub(super) type PointOf<R> = fn(&R) -> (u32, &[String]);

pub(super) fn point_columns<R: 'static>(axes: &[String], point: PointOf<R>) -> Vec<Column<R>> {
    let mut columns = vec![Column::new("point", "Number of the point, from 1.", move |row: &R| {
        Cell::Int(point(row).0.into())
    })];
    for (place, axis) in axes.iter().enumerate() {
        let doc = format!("What `{axis}` is there.");
        columns.push(Column::new(axis.clone(), doc, move |row: &R| Cell::text(point(row).1[place].as_str())));
    }
    columns
}

fn measure_columns(measure: &Measure, columns: &mut Vec<Column<PointRows>>) {
    let decimals = measure.decimals();
    let name = &measure.name;
    let (head, doc) = match measure.aim {
        Aim::Mean => (format!("{name}_mean"), format!("Mean of `{name}` over the runs.")),
        Aim::Pooled(..) => (name.clone(), format!("`{name}` of all runs together.")),
    };
    let of = measure.clone();
    columns.push(Column::new(head, doc, move |row: &PointRows| Cell::real(row.figure(&of), decimals)));
    let mut statistic = |suffix: &str, doc: &str, value: fn(&Sample) -> Option<f64>| {
        let of = measure.name.clone();
        columns.push(Column::new(format!("{name}_{suffix}"), doc.to_owned(), move |row: &PointRows| {
            Cell::real(value(&row.sample(&of)), decimals)
        }));
    };
    statistic("sd", "Standard deviation between runs.", |sample| sample.sd);
    statistic("ci95_low", "Lower end of its interval over runs.", Sample::low);
    statistic("ci95_high", "Upper end of its interval over runs.", Sample::high);
    let Some(trials) = measure.trials else { return };
    let mut share = |suffix: &str, doc: &str, value: fn(&PointRows, &Measure) -> Option<f64>| {
        let of = measure.clone();
        columns.push(Column::new(format!("{name}_{suffix}"), doc.to_owned(), move |row: &PointRows| {
            Cell::real(value(row, &of), 9)
        }));
    };
    share("share", &format!("`{name}` by `{trials}`, all runs together."), |row, measure| {
        let trials = row.total(measure.trials?);
        (trials > 0).then(|| row.total(&measure.name) as f64 / trials as f64)
    });
    share("share_ci95_low", "Lower end of the share's interval.", |row, measure| Some(row.share(measure)?.0));
    share("share_ci95_high", "Upper end of the share's interval.", |row, measure| {
        Some(row.share(measure)?.1)
    });
}

/// A measure at a point against the same measure at the base point, replication by replication.
#[derive(Clone, Debug)]
pub struct Difference {
    point: u32,
    values: Vec<String>,
    base: u32,
    measure: String,
    decimals: usize,
    base_mean: Option<f64>,
    sample: Sample,
    crypto: String,
}

/// The paired differences of every point but the base from `base`. Runs with the same seed are paired: with common random
/// numbers most of what differs between runs by chance differs at both points alike.
pub fn differences(points: &[PointRows], base: &PointRows) -> Vec<Difference> {
    let mut rows = Vec::new();
    for point in points.iter().filter(|point| point.point != base.point) {
        for measure in measures() {
            let pairs = point.runs.iter().zip(&base.runs);
            let paired = pairs.filter(|(run, base)| run.cell("seed") == base.cell("seed"));
            let values: Vec<f64> = paired
                .filter_map(|(run, base)| Some(run.number(&measure.name)? - base.number(&measure.name)?))
                .collect();
            rows.push(Difference {
                point: point.point,
                values: point.values.clone(),
                base: base.point,
                decimals: measure.decimals(),
                base_mean: base.sample(&measure.name).mean,
                sample: Sample::of(&values),
                crypto: point.crypto().to_owned(),
                measure: measure.name,
            });
        }
    }
    rows
}

/// `differences.csv`: one row per point and measure.
pub fn differences_table(axes: &[String]) -> Table<Difference> {
    let mut columns = point_columns(axes, |row: &Difference| (row.point, &row.values));
    columns
        .push(Column::int("base", "The point that it is held against.", |row: &Difference| row.base.into()));
    columns.push(Column::new("measure", "Column of summary.csv.", |row: &Difference| {
        Cell::text(row.measure.as_str())
    }));
    columns.push(Column::int("pairs", "Replications in which both have a figure.", |row: &Difference| {
        row.sample.n as u64
    }));
    let mut real = |name: &'static str, doc: &'static str, value: fn(&Difference) -> Option<f64>| {
        columns.push(Column::new(name, doc, move |row: &Difference| Cell::real(value(row), row.decimals)));
    };
    real("base_mean", "Mean over the base's runs.", |row| row.base_mean);
    real("difference_mean", "Mean of the differences.", |row| row.sample.mean);
    real("difference_sd", "Their standard deviation.", |row| row.sample.sd);
    real("difference_ci95_low", "Lower end of the mean's interval (Student's t).", |row| row.sample.low());
    real("difference_ci95_high", "Upper end.", |row| row.sample.high());
    columns.push(Column::new(
        "significant",
        "`yes` if the interval does not hold 0; empty where there is none.",
        |row: &Difference| match (row.sample.low(), row.sample.high()) {
            (Some(low), Some(high)) => Cell::text(if low > 0.0 || high < 0.0 { "yes" } else { "no" }),
            _ => Cell::Empty,
        },
    ));
    columns.push(Column::new(CRYPTO, CRYPTO_DOC, |row: &Difference| Cell::text(row.crypto.as_str())));
    Table::new(
        "differences.csv",
        "One row per point and measure of a campaign with a base: paired differences, run by run with the same seed.",
        columns,
    )
}

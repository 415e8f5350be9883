//! `runs.csv`, `sweep.csv` and `differences.csv`.

use std::collections::BTreeMap;

use super::estimate::{difference, estimate};
use super::measures::{Aim, Measure, measures};
use super::record::{RunRecord, merged};
use crate::statistics::{CONFIDENCE, Estimate, Interval, Sample, clopper_pearson};
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
        Some(self.estimate(measure)?.figure)
    }

    /// The same with how sure it is.
    pub fn estimate(&self, measure: &Measure) -> Option<Estimate> {
        estimate(&self.runs, measure)
    }

    /// Its interval; `None` below two runs, and of a maximum. No figure of a run is negative, and so neither end is.
    pub fn interval(&self, measure: &Measure, confidence: f64) -> Option<Interval> {
        let Interval { low, high } = self.estimate(measure)?.interval(confidence)?;
        Some(Interval { low: low.max(0.0), high })
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
        self.fact(CRYPTO).unwrap_or_default()
    }

    /// The interval of a share, all runs together.
    pub fn share(&self, measure: &Measure, confidence: f64) -> Option<Interval> {
        clopper_pearson(self.total(&measure.name), self.total(measure.trials?), confidence)
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
         its runs. `_sd` is the standard deviation between runs, `_ci95_low` and `_ci95_high` bound the figure with 95 % \
         confidence (Student's t, of percentiles by the jackknife; empty with fewer than two runs and for a maximum). `_share` is events by trials over all runs, with \
         its Clopper-Pearson interval, as if the trials were independent.",
        columns,
    )
}

/// The column of a key that varies: its name, apart from the columns of summary.csv.
pub(crate) fn axis_column(key: &str) -> String {
    if summary_table().header().any(|name| name == key) { format!("varied_{key}") } else { key.to_owned() }
}

/// The number of a row's point, and what each axis says there.
pub(super) type PointOf<R> = fn(&R) -> (u32, &[String]);

pub(super) fn point_columns<R: 'static>(axes: &[String], point: PointOf<R>) -> Vec<Column<R>> {
    let mut columns = vec![Column::new("point", "Number of the point, from 1.", move |row: &R| {
        Cell::Int(point(row).0.into())
    })];
    for (place, axis) in axes.iter().enumerate() {
        let doc = format!("What `{axis}` is there.");
        columns.push(Column::new(axis_column(axis), doc, move |row: &R| {
            Cell::text(point(row).1[place].as_str())
        }));
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
    let mut statistic = |suffix: &str, doc: &str, value: fn(&PointRows, &Measure) -> Option<f64>| {
        let of = measure.clone();
        columns.push(Column::new(format!("{name}_{suffix}"), doc.to_owned(), move |row: &PointRows| {
            Cell::real(value(row, &of), decimals)
        }));
    };
    statistic("sd", "Standard deviation between runs.", |row, of| row.sample(&of.name).sd);
    statistic("ci95_low", "Lower end of its interval.", |row, of| Some(row.interval(of, CONFIDENCE)?.low));
    statistic("ci95_high", "Upper end of its interval.", |row, of| Some(row.interval(of, CONFIDENCE)?.high));
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
    share("share_ci95_low", "Lower end of the share's interval.", |row, of| {
        Some(row.share(of, CONFIDENCE)?.low)
    });
    share("share_ci95_high", "Upper end of the share's interval.", |row, of| {
        Some(row.share(of, CONFIDENCE)?.high)
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
    base_figure: Option<f64>,
    pairs: usize,
    /// Standard deviation between the pairs.
    sd: Option<f64>,
    estimate: Option<Estimate>,
    crypto: String,
}

impl Difference {
    fn interval(&self) -> Option<Interval> {
        self.estimate?.interval(CONFIDENCE)
    }
}

/// The runs of two points that have the same seed, in the order of the first point's: with common random numbers most of
/// what differs between runs by chance differs at both points alike. Runs whose seed the other point lacks are left out.
pub(crate) fn paired<'r>(a: &'r PointRows, b: &'r PointRows) -> Vec<(&'r RunRecord, &'r RunRecord)> {
    let partners: BTreeMap<&str, &RunRecord> =
        b.runs.iter().filter_map(|run| Some((run.cell("seed")?, run))).collect();
    a.runs.iter().filter_map(|run| Some((run, *partners.get(run.cell("seed")?)?))).collect()
}

/// The paired differences of every point but the base from `base`: of runs with the same seed.
pub fn differences(points: &[PointRows], base: &PointRows) -> Vec<Difference> {
    let mut rows = Vec::new();
    for point in points.iter().filter(|point| point.point != base.point) {
        let pairs = paired(base, point);
        for measure in measures() {
            let found = difference(&pairs, &measure);
            let values: Vec<f64> = (pairs.iter())
                .filter_map(|(base, run)| Some(run.number(&measure.name)? - base.number(&measure.name)?))
                .collect();
            rows.push(Difference {
                point: point.point,
                values: point.values.clone(),
                base: base.point,
                decimals: measure.decimals(),
                base_figure: found.map(|(_, [base, _])| base),
                pairs: values.len(),
                sd: Sample::of(&values).sd,
                estimate: found.map(|(estimate, _)| estimate),
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
        row.pairs as u64
    }));
    let mut real = |name: &'static str, doc: &'static str, value: fn(&Difference) -> Option<f64>| {
        columns.push(Column::new(name, doc, move |row: &Difference| Cell::real(value(row), row.decimals)));
    };
    real("base_figure", "The base's figure over these pairs, as in sweep.csv: mean or percentile.", |row| {
        row.base_figure
    });
    real("difference", "The point's figure over these pairs less that.", |row| Some(row.estimate?.figure));
    real("difference_sd", "Standard deviation of the differences of the pairs.", |row| row.sd);
    real("difference_ci95_low", "Lower end of the difference's interval; a maximum has none.", |row| {
        Some(row.interval()?.low)
    });
    real("difference_ci95_high", "Upper end.", |row| Some(row.interval()?.high));
    columns.push(Column::new(
        "significant",
        "`yes` if the interval does not hold 0 and there are four pairs at least; empty where there is no interval.",
        |row: &Difference| match (row.interval(), row.estimate) {
            (Some(_), Some(estimate)) => Cell::text(if estimate.is_significant() { "yes" } else { "no" }),
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

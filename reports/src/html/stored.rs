//! What is read back of a run directory: the tables as text, the percentile distributions, the scenario.

use std::fs;
use std::path::Path;

use crate::dir::DirError;
use crate::failures::failures_table;
use crate::faults::faults_table;
use crate::latency::Measure;
use crate::manifest::{MANIFEST_FILE, RUN_KIND, manifest_of};
use crate::phases::{hgrm_file, phases_table};
use crate::renewals::renewals_table;
use crate::results::Phase;
use crate::summary::summary_table;
use crate::table::Table;
use crate::timeline::timeline_table;

/// A table as text: what stands in a CSV file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rows {
    /// The columns' names.
    pub header: Vec<String>,
    /// The rows, each with a cell per column.
    pub rows: Vec<Vec<String>>,
}

impl Rows {
    /// Reads a CSV file.
    ///
    /// # Errors
    /// If there is none, or it is damaged.
    pub fn read(path: &Path) -> Result<Rows, DirError> {
        let bytes = fs::read(path).map_err(DirError::io("read", path))?;
        let mut csv = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
        let mut rows = Vec::new();
        for record in csv.records() {
            let record = record.map_err(|error| DirError::damaged(path, error.to_string()))?;
            rows.push(record.iter().map(str::to_owned).collect());
        }
        if rows.is_empty() {
            return Err(DirError::damaged(path, "it is empty"));
        }
        let header = rows.remove(0);
        Ok(Rows { header, rows })
    }

    /// The rows of a table as text, as its CSV file would hold them.
    pub(crate) fn of<R>(table: &Table<R>, rows: &[R]) -> Rows {
        let cells = |row| table.cells(row).map(|cell| cell.to_string()).collect();
        Rows { header: table.header().map(str::to_owned).collect(), rows: rows.iter().map(cells).collect() }
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.header.iter().position(|name| name == column)
    }

    /// The cells of a column; all empty where there is no such column, as in the file of an older version.
    pub fn column<'r>(&'r self, column: &str) -> impl Iterator<Item = &'r str> + 'r {
        let place = self.place(column);
        self.rows.iter().map(move |row| place.map_or("", |place| row[place].as_str()))
    }

    /// The numbers of a column; `None` where a cell is empty or holds words.
    pub fn numbers<'r>(&'r self, column: &str) -> impl Iterator<Item = Option<f64>> + 'r {
        self.column(column).map(|cell| cell.parse().ok())
    }

    /// A cell of the first row; empty where there is none.
    pub fn first(&self, column: &str) -> &str {
        self.column(column).next().unwrap_or_default()
    }
}

/// One percentile distribution: quantiles below 1 and the values there, ms.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Percentiles {
    pub(super) phase: Phase,
    pub(super) measure: Measure,
    pub(super) points: Vec<(f64, f64)>,
}

/// A run as its directory holds it, `cards.csv` and the interval log left alone.
#[derive(Clone, PartialEq, Debug)]
pub struct StoredRun {
    /// `summary.csv`.
    pub summary: Rows,
    /// `phases.csv`.
    pub phases: Rows,
    /// `timeline.csv`.
    pub timeline: Rows,
    /// `failures.csv`.
    pub failures: Rows,
    /// `faults.csv`.
    pub faults: Rows,
    /// `renewals.csv`.
    pub renewals: Rows,
    /// The resolved scenario.
    pub scenario_text: String,
    pub(super) percentiles: Vec<Percentiles>,
}

impl StoredRun {
    /// Reads a run directory.
    ///
    /// # Errors
    /// If it is none, or a file of it is missing or damaged.
    pub fn read(dir: &Path) -> Result<StoredRun, DirError> {
        let manifest = manifest_of(dir, RUN_KIND)?;
        let scenario_text = manifest["scenario_text"].as_str().ok_or_else(|| {
            DirError::damaged(&dir.join(MANIFEST_FILE), "it has no field scenario_text with the scenario")
        })?;
        let rows = |file: &str| Rows::read(&dir.join(file));
        let summary = rows(summary_table().file())?;
        if summary.rows.len() != 1 {
            let what = format!("it has {} rows, and a run has 1", summary.rows.len());
            return Err(DirError::damaged(&dir.join(summary_table().file()), what));
        }
        let mut percentiles = Vec::new();
        for phase in Phase::ALL {
            for measure in Measure::ALL {
                let points = read_hgrm(&dir.join(hgrm_file(phase, measure)))?;
                percentiles.push(Percentiles { phase, measure, points });
            }
        }
        Ok(StoredRun {
            summary,
            phases: rows(phases_table().file())?,
            timeline: rows(timeline_table().file())?,
            failures: rows(failures_table().file())?,
            faults: rows(faults_table().file())?,
            renewals: rows(renewals_table().file())?,
            scenario_text: scenario_text.to_owned(),
            percentiles,
        })
    }

    /// A count of `summary.csv`; 0 where there is none.
    pub(super) fn count(&self, column: &str) -> u64 {
        self.summary.first(column).parse().unwrap_or(0)
    }
}

/// Reads HistogramLogProcessor's layout. The last line, at 100 %, has no place on a logarithmic axis; an empty
/// distribution has no other.
fn read_hgrm(path: &Path) -> Result<Vec<(f64, f64)>, DirError> {
    let text = fs::read_to_string(path).map_err(DirError::io("read", path))?;
    let mut points = Vec::new();
    for line in text.lines().skip(2).take_while(|line| !line.starts_with('#')) {
        let mut cells = line.split_whitespace().map(str::parse::<f64>);
        let (Some(Ok(value)), Some(Ok(quantile))) = (cells.next(), cells.next()) else {
            return Err(DirError::damaged(path, format!("`{line}` is no line of a percentile distribution")));
        };
        if quantile < 1.0 {
            points.push((quantile, value));
        }
    }
    Ok(points)
}

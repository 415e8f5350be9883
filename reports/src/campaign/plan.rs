//! `plan.csv`: which values were tried, and how each stands against the bounds.

use super::measures::Measure;
use super::tables::{CRYPTO, CRYPTO_DOC, PointRows, axis_column};
use crate::statistics::Interval;
use crate::table::{Cell, Column, Table};

/// A bound as it is named, and the column of summary.csv that it is for.
#[derive(Clone, Debug)]
pub struct Bound {
    /// As it was asked for: `auth_ms_p99<=12000`.
    pub name: String,
    /// `auth_ms_p99`.
    pub measure: Measure,
}

/// How a value stands against one bound.
#[derive(Clone, Copy, Debug)]
pub struct Standing {
    /// The figure over all runs.
    pub figure: Option<f64>,
    /// The interval that the verdict rests on; a maximum has none.
    pub interval: Option<Interval>,
    /// Where the figure counts events: the interval of their share.
    pub share: Option<Interval>,
    /// `met`, `missed`, `undecided`, `no figure`.
    pub verdict: &'static str,
}

/// A value that was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    /// The value.
    pub value: String,
    /// How many runs were made with it.
    pub runs: usize,
    /// Against each bound.
    pub standings: Vec<Standing>,
    /// Whether it keeps all of them: `yes`, `no`, `undecided`.
    pub keeps_all: &'static str,
    /// Whether its ciphers were `real` or `modelled`.
    pub crypto: String,
}

impl Tried {
    /// A row of a point that was looked at.
    pub fn new(point: &PointRows, standings: Vec<Standing>, keeps_all: &'static str) -> Tried {
        Tried {
            value: point.values[0].clone(),
            runs: point.runs.len(),
            standings,
            keeps_all,
            crypto: point.crypto().to_owned(),
        }
    }
}

/// The table of `plan.csv`; `key` is what varies. What it is read for comes first.
pub fn plan_table(key: &str, bounds: &[Bound]) -> Table<Tried> {
    let mut columns = vec![
        Column::new(axis_column(key), "The value that was tried.", |row: &Tried| {
            Cell::text(row.value.as_str())
        }),
        Column::new(
            "keeps_all",
            "`yes` if every bound is met, `no` if one is missed, or `undecided`.",
            |row: &Tried| Cell::text(row.keeps_all),
        ),
    ];
    for (place, bound) in bounds.iter().enumerate() {
        let (number, name) = (place + 1, bound.name.clone());
        columns
            .push(Column::new(format!("slo{number}"), "A bound.", move |_: &Tried| Cell::text(name.clone())));
        columns.push(Column::new(
            format!("slo{number}_verdict"),
            "How the value stands against it.",
            move |row: &Tried| Cell::text(row.standings[place].verdict),
        ));
    }
    columns.push(Column::int("replications", "Runs that were made with it.", |row: &Tried| row.runs as u64));
    for (place, bound) in bounds.iter().enumerate() {
        if bounds[..place].iter().all(|other| other.measure.name != bound.measure.name) {
            figure_columns(place, &bound.measure, &mut columns);
        }
    }
    columns.push(Column::new(CRYPTO, CRYPTO_DOC, |row: &Tried| Cell::text(row.crypto.as_str())));
    Table::new("plan.csv", "One row per value that was tried, in the order of the values.", columns)
}

/// The figure of the bound at `place`, once for all bounds on it.
fn figure_columns(place: usize, measure: &Measure, columns: &mut Vec<Column<Tried>>) {
    let name = &measure.name;
    let mut real = |name: String, doc: &'static str, decimals, value: fn(&Standing) -> Option<f64>| {
        columns.push(Column::new(name, doc, move |row: &Tried| {
            Cell::real(value(&row.standings[place]), decimals)
        }));
    };
    real(name.clone(), "The figure over all runs.", 6, |standing| standing.figure);
    real(format!("{name}_low"), "Lower end of the interval that the verdict rests on.", 6, |standing| {
        Some(standing.interval?.low)
    });
    real(format!("{name}_high"), "Upper end.", 6, |standing| Some(standing.interval?.high));
    if measure.trials.is_some() {
        let doc = "Upper end of the interval of the share of all trials.";
        real(format!("{name}_share_high"), doc, 9, |standing| Some(standing.share?.high));
    }
}

/// The same for people.
pub fn plan_text(key: &str, bounds: &[Bound], tried: &[Tried]) -> String {
    let mut header = vec![key.to_owned(), "runs".to_owned()];
    header.extend(bounds.iter().flat_map(|bound| [bound.name.clone(), String::new()]));
    let mut rows = vec![header];
    for row in tried {
        let mut cells = vec![row.value.clone(), row.runs.to_string()];
        for standing in &row.standings {
            let figure = standing.figure.map_or("-".to_owned(), |figure| format!("{figure:.3}"));
            let ends = standing
                .interval
                .map_or(String::new(), |Interval { low, high }| format!(" ({low:.3} to {high:.3})"));
            let share =
                standing.share.map_or(String::new(), |share| format!(" (share below {:.1e})", share.high));
            cells.push(format!("{figure}{ends}{share}"));
            cells.push(standing.verdict.to_owned());
        }
        rows.push(cells);
    }
    let mut text = super::text::columns(&rows);
    text.push_str(&super::text::modelled(tried.iter().map(|row| row.crypto.as_str())));
    text
}

//! `plan.csv`: which values were tried, and how each stands against the bounds.

use super::tables::PointRows;
use crate::statistics::Interval;
use crate::table::{Cell, Column, Table};

/// A bound as it is named, and the column of summary.csv that it is for.
#[derive(Clone, Debug)]
pub struct Bound {
    /// As it was asked for: `auth_ms_p99<=12000`.
    pub name: String,
    /// `auth_ms_p99`.
    pub measure: String,
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
}

impl Tried {
    /// A row of a point that was looked at.
    pub fn new(point: &PointRows, standings: Vec<Standing>, keeps_all: &'static str) -> Tried {
        Tried { value: point.values[0].clone(), runs: point.runs.len(), standings, keeps_all }
    }
}

/// The table of `plan.csv`; `key` is what varies.
pub fn plan_table(key: &str, bounds: &[Bound]) -> Table<Tried> {
    let mut columns = vec![
        Column::new(key.to_owned(), "The value that was tried.", |row: &Tried| {
            Cell::text(row.value.as_str())
        }),
        Column::int("replications", "Runs that were made with it.", |row: &Tried| row.runs as u64),
        Column::new(
            "keeps_all",
            "`yes` if every bound is met, `no` if one is missed, or `undecided`.",
            |row: &Tried| Cell::text(row.keeps_all),
        ),
    ];
    for (place, bound) in bounds.iter().enumerate() {
        let measure = &bound.measure;
        let mut real = |name: String, doc: &'static str, decimals, value: fn(&Standing) -> Option<f64>| {
            columns.push(Column::new(name, doc, move |row: &Tried| {
                Cell::real(value(&row.standings[place]), decimals)
            }));
        };
        real(measure.clone(), "The figure over all runs.", 6, |standing| standing.figure);
        real(format!("{measure}_ci95_low"), "Lower end of its interval.", 6, |standing| {
            Some(standing.interval?.low)
        });
        real(format!("{measure}_ci95_high"), "Upper end.", 6, |standing| Some(standing.interval?.high));
        real(
            format!("{measure}_share_ci95_high"),
            "Of a count: upper end of the share's interval.",
            9,
            |standing| Some(standing.share?.high),
        );
        columns.push(Column::new(
            format!("{} verdict", bound.name),
            "What that says about the bound.",
            move |row: &Tried| Cell::text(row.standings[place].verdict),
        ));
    }
    Table::new("plan.csv", "One row per value that was tried, in the order of the values.", columns)
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
    super::text::columns(&rows)
}

//! A campaign for other programs: what its tables for people say, with the names of its CSV files.

use std::path::Path;

use serde_json::{Value, json};

use super::plan::{Bound, Tried, plan_table};
use super::tables::{PointRows, sweep_table};

/// The points of a sweep, each with the columns of `sweep.csv`, how many cards of all its runs were stranded, and whether the
/// cards' times have a source. `unsure` are the points that are not as sure as was asked for.
pub fn sweep_json(axes: &[String], points: &[PointRows], unsure: &[u32], place: &Path) -> Value {
    let table = sweep_table(axes);
    let row = |point: &PointRows| {
        let mut row = table.json_row(point);
        row["cards_stranded_total"] = point.total("cards_stranded").into();
        row["cards_total"] = point.total("cards").into();
        row["card_times"] = point.fact("card_times").into();
        row
    };
    json!({
        "kind": "sweep",
        "directory": place.to_string_lossy(),
        "varied": axes,
        "points": points.iter().map(row).collect::<Vec<_>>(),
        "points_not_sure_enough": unsure,
    })
}

/// What a plan found.
#[derive(Clone, PartialEq, Debug)]
pub struct Found {
    /// The value that was looked for; `None`: of none it is shown.
    pub answer: Option<String>,
    /// Whether the values that were tried contradict no bisection.
    pub monotone: bool,
    /// Whether a value before the answer may keep the bounds too.
    pub undecided_before: bool,
    /// After how many runs a value was looked at.
    pub looks: Vec<u32>,
    /// The confidence of all intervals of a value together.
    pub confidence: f64,
}

/// A plan: what it found, and the values that were tried, each with the columns of `plan.csv`.
pub fn plan_json(key: &str, bounds: &[Bound], tried: &[Tried], found: &Found, place: &Path) -> Value {
    let table = plan_table(key, bounds);
    json!({
        "kind": "plan",
        "directory": place.to_string_lossy(),
        "varied": key,
        "bounds": bounds.iter().map(|bound| bound.name.as_str()).collect::<Vec<_>>(),
        "answer": found.answer,
        "monotone": found.monotone,
        "undecided_before_answer": found.undecided_before,
        "looks": found.looks,
        "confidence": found.confidence,
        "values": tried.iter().map(|row| table.json_row(row)).collect::<Vec<_>>(),
    })
}

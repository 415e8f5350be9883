//! A campaign as a table for people.

use std::fmt::Write as _;

use super::measures::{Measure, measures};
use super::tables::PointRows;
use crate::number::grouped;
use crate::results::CardTimes;
use crate::statistics::{CONFIDENCE, Interval};

/// The figures that the table shows, with their headings.
const SHOWN: [(&str, &str); 5] = [
    ("auth_ms_p99", "auth p99, ms"),
    ("session_ms_p99", "session p99, ms"),
    ("updates_committed", "renewals"),
    ("updates_interrupted", "interrupted"),
    ("server_cpu_utilization", "utilisation"),
];

/// One line per point: the main figures, each with half the width of its 95 % interval, and the cards that were lost.
pub fn sweep_text(axes: &[String], points: &[PointRows]) -> String {
    let all = measures();
    let shown: Vec<(&Measure, &str)> = SHOWN
        .iter()
        .map(|(name, title)| (all.iter().find(|measure| measure.name == *name).expect("a column"), *title))
        .collect();
    let stranded = all.iter().find(|measure| measure.name == "cards_stranded").expect("a column");
    let mut rows = vec![header(axes, &shown)];
    rows.extend(points.iter().map(|point| row(point, &shown, stranded)));
    let mut text = columns(&rows);
    if points.iter().any(is_hypothetical) {
        text.push_str("* The cards' times for this suite are hypothetical: no source gives them.\n");
    }
    text.push_str(
        "± is half the width of the 95 % interval (Student's t; of percentiles of all runs together by the jackknife). Stranded: how many cards of all runs, and the upper \
         end of the share's 95 % interval (Clopper-Pearson).\n",
    );
    text.push_str(&modelled(points.iter().map(PointRows::crypto)));
    text
}

/// Says how many of these points were run with stand-ins for their ciphers; nothing if none was.
pub(crate) fn modelled<'c>(cryptos: impl ExactSizeIterator<Item = &'c str>) -> String {
    let all = cryptos.len();
    match cryptos.filter(|crypto| *crypto == "modelled").count() {
        0 => String::new(),
        some if some == all => "The ciphers are modelled.\n".into(),
        some => format!("The ciphers are modelled at {some} of {all} points.\n"),
    }
}

fn header(axes: &[String], shown: &[(&Measure, &str)]) -> Vec<String> {
    let mut cells = vec!["point".to_owned()];
    cells.extend(axes.iter().cloned());
    cells.push("runs".to_owned());
    cells.extend(shown.iter().map(|(_, title)| (*title).to_owned()));
    cells.push("stranded".to_owned());
    cells
}

fn row(point: &PointRows, shown: &[(&Measure, &str)], stranded: &Measure) -> Vec<String> {
    let mark = if is_hypothetical(point) { "*" } else { "" };
    let mut cells = vec![format!("{}{mark}", point.point)];
    cells.extend(point.values.iter().cloned());
    cells.push(point.runs.len().to_string());
    cells.extend(shown.iter().map(|(measure, _)| with_interval(point, measure)));
    let of = point.total("cards");
    let below = point
        .share(stranded, CONFIDENCE)
        .map_or(String::new(), |Interval { high, .. }| format!(", below {high:.2e}"));
    cells.push(format!("{} of {}{below}", grouped(point.total("cards_stranded")), grouped(of)));
    cells
}

fn is_hypothetical(point: &PointRows) -> bool {
    point.fact("card_times") == Some(CardTimes::Hypothetical.name())
}

fn with_interval(point: &PointRows, measure: &Measure) -> String {
    let Some(estimate) = point.estimate(measure) else { return "-".to_owned() };
    let figure = estimate.figure;
    let decimals = if measure.decimals() > 3 { 6 } else { 1 };
    match estimate.half_width(CONFIDENCE) {
        Some(half) => format!("{figure:.decimals$} ±{half:.decimals$}"),
        None => format!("{figure:.decimals$}"),
    }
}

/// Right-aligned columns.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, &width)| format!("{cell:>width$}")).collect();
        writeln!(text, "{}", cells.join("  ").trim_end()).expect("a string takes everything");
    }
    text
}

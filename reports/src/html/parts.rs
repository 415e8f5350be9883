//! What pages are put together from: figures with their legends, tables that a spreadsheet takes, headline figures. All
//! words are escaped by the templates.

use askama::Template;

use super::plot::Plot;
use super::stored::Rows;

/// A headline figure.
pub(super) struct Tile {
    /// What it is.
    pub(super) name: &'static str,
    /// The figure.
    pub(super) figure: String,
    /// What belongs to it.
    pub(super) more: String,
}

/// A plot with title and legend.
#[derive(Template)]
#[template(path = "figure.html")]
pub(super) struct Figure {
    title: String,
    svg: String,
    legend: Vec<(String, String)>,
    note: &'static str,
}

impl Figure {
    /// A figure; `None` where there is nothing to see.
    pub(super) fn of(plot: &Plot, note: &'static str) -> Option<Figure> {
        if plot.is_empty() {
            return None;
        }
        let legend = plot.series.iter().map(|series| (series.ink.classes(), series.name.clone()));
        Some(Figure { title: plot.title.clone(), svg: plot.svg(), legend: legend.collect(), note })
    }
}

/// A table of plain numbers and words.
#[derive(Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    caption: String,
    header: Vec<Cell>,
    rows: Vec<Row>,
    barred: bool,
}

struct Cell {
    words: String,
    number: bool,
}

struct Row {
    cells: Vec<Cell>,
    /// Length of the bar at its end, percent of the longest.
    bar: String,
}

impl Table {
    /// A table with these columns of `rows`, all where none is named.
    pub(super) fn of(caption: impl Into<String>, rows: &Rows, columns: &[&str]) -> Table {
        let places: Vec<usize> = if columns.is_empty() {
            (0..rows.header.len()).collect()
        } else {
            columns.iter().filter_map(|name| rows.header.iter().position(|header| header == name)).collect()
        };
        let is_number = |place: usize| {
            let mut cells = rows.rows.iter().map(|row| row[place].as_str()).filter(|cell| !cell.is_empty());
            cells.all(|cell| cell.parse::<f64>().is_ok())
        };
        let numbers: Vec<bool> = places.iter().map(|&place| is_number(place)).collect();
        let cells = |row: &[String]| {
            let cell = |(&place, &number)| Cell { words: String::clone(&row[place]), number };
            places.iter().zip(&numbers).map(cell).collect()
        };
        Table {
            caption: caption.into(),
            header: cells(&rows.header),
            rows: rows.rows.iter().map(|row| Row { cells: cells(row), bar: String::new() }).collect(),
            barred: false,
        }
    }

    /// The same with a bar at the end of each row, as long as this column's number is large.
    pub(super) fn barred(mut self, rows: &Rows, column: &str) -> Table {
        let values: Vec<f64> = rows.numbers(column).map(Option::unwrap_or_default).collect();
        let longest = values.iter().copied().fold(0.0, f64::max);
        if longest > 0.0 {
            self.barred = true;
            for (row, value) in self.rows.iter_mut().zip(values) {
                row.bar = format!("{:.1}", value / longest * 100.0);
            }
        }
        self
    }
}

/// Parts of a whole as one bar.
#[derive(Template)]
#[template(path = "shares.html")]
pub(super) struct Shares {
    words: String,
    parts: Vec<Share>,
}

struct Share {
    name: &'static str,
    ink: u8,
    percent: String,
}

impl Shares {
    /// Parts of `whole`, those of nothing left out; with the number of each one's colour.
    pub(super) fn of(whole: u64, parts: &[(&'static str, u64, u8)]) -> Shares {
        let there = || parts.iter().filter(|(_, n, _)| *n > 0 && whole > 0);
        let words: Vec<String> = there().map(|(name, n, _)| format!("{n} {name}")).collect();
        let share = |&(name, n, ink): &(&'static str, u64, u8)| Share {
            name,
            ink,
            percent: format!("{:.3}", n as f64 / whole as f64 * 100.0),
        };
        Shares { words: words.join(", "), parts: there().map(share).collect() }
    }
}

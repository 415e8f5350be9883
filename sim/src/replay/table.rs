//! A card's life as a table for people.

use core::fmt::Write as _;

use keystorm_model::secure::Direction;

use super::steps::{Action, Mark, Step, pages};
use super::words::{clock, span};
use super::{Fact, Life};

const HEADER: [&str; 8] =
    ["", "time", "from -> to", "message or command", "keys", "answer", "took", "remarks"];

/// The columns that a life without times does not have.
const TIME: usize = 1;
const TOOK: usize = 6;

/// The whole life: what it is part of, every step, how it ended.
pub fn text(life: &Life) -> String {
    let mut text = String::new();
    facts(&mut text, &life.facts);
    text.push('\n');
    let rows: Vec<Row> = life.steps.iter().map(Row::of).collect();
    let shown = Shown { widths: widths(&rows), timed: life.timed };
    shown.line(&mut text, &HEADER.map(str::to_owned));
    let mut visit = false;
    for row in &rows {
        match row {
            Row::Mark { time, text: words, mark } => {
                // The connection that a visit begins with stands right below it.
                if *mark == Mark::Visit || (*mark == Mark::Connection && !visit) {
                    text.push('\n');
                }
                visit = *mark == Mark::Visit;
                let time = if life.timed { format!("{time}  ") } else { String::new() };
                let _ = writeln!(text, "{:width$}  {time}{words}", "", width = shown.widths[0]);
            }
            Row::Step(cells) => shown.line(&mut text, cells),
        }
    }
    text.push('\n');
    facts(&mut text, &life.end);
    text
}

fn facts(text: &mut String, facts: &[Fact]) {
    for (name, value) in facts {
        let _ = writeln!(text, "{name:<10}{value}");
    }
}

enum Row {
    Mark { time: String, text: String, mark: Mark },
    Step([String; 8]),
}

impl Row {
    fn of(step: &Step) -> Row {
        let remarks: Vec<&str> = step.remarks.iter().map(|remark| remark.text.as_str()).collect();
        let mut remarks = remarks.join("; ");
        let (way, words, answer) = match &step.action {
            Action::Mark(mark, text) => {
                let text = match (mark, remarks.as_str()) {
                    (_, "") => text.clone(),
                    (Mark::End, remarks) => format!("{text} {remarks}"),
                    (_, remarks) => format!("{text}: {remarks}"),
                };
                let time = clock(step.at);
                return Row::Mark { time, text, mark: *mark };
            }
            Action::Message { direction: Direction::Up, words } => ("client -> server", words, String::new()),
            Action::Message { direction: Direction::Down, words } => {
                ("server -> client", words, String::new())
            }
            Action::Command { words, answer, writes, .. } => {
                if *writes > 0 {
                    let sep = if remarks.is_empty() { "" } else { "; " };
                    remarks = format!("{}{sep}{remarks}", pages(*writes));
                }
                let answer = answer.as_ref().map_or_else(
                    || "-".into(),
                    |answer| format!("{:04X} {}", answer.status, answer.content).trim_end().to_owned(),
                );
                ("client -> card", words, answer)
            }
        };
        let what = if words.content.is_empty() {
            words.name.clone()
        } else {
            format!("{}: {}", words.name, words.content)
        };
        let number = step.number.map(|number| number.to_string()).unwrap_or_default();
        let took = step.took.map_or_else(|| "-".into(), span);
        Row::Step([number, clock(step.at), way.into(), what, words.keys.clone(), answer, took, remarks])
    }
}

/// The width of each column but the last.
fn widths(rows: &[Row]) -> [usize; 7] {
    let mut widths = [0; 7];
    let header = Row::Step(HEADER.map(str::to_owned));
    for row in rows.iter().chain([&header]) {
        if let Row::Step(cells) = row {
            for (width, cell) in widths.iter_mut().zip(cells) {
                *width = (*width).max(cell.chars().count());
            }
        }
    }
    widths
}

/// How steps are shown.
struct Shown {
    widths: [usize; 7],
    timed: bool,
}

impl Shown {
    fn line(&self, text: &mut String, cells: &[String; 8]) {
        let start = text.len();
        for (column, (cell, &width)) in cells.iter().zip(&self.widths).enumerate() {
            // Numbers and lengths of time stand to the right.
            let _ = match column {
                TIME | TOOK if !self.timed => Ok(()),
                0 | TOOK => write!(text, "{cell:>width$}  "),
                _ => write!(text, "{cell:<width$}  "),
            };
        }
        text.push_str(&cells[7]);
        text.truncate(start + text[start..].trim_end().len());
        text.push('\n');
    }
}

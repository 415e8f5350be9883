//! `interruptions.csv`: the matrix of interrupted renewals, and the directory that it lies in.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};

use crate::dir::{DirError, RunDir};
use crate::manifest::{MATRIX_KIND, ReadError, expect_kind, write_facts};
use crate::results::Interruption;
use crate::table::{Cell, Column, Table};

fn text(
    name: &'static str,
    doc: &'static str,
    of: impl for<'r> Fn(&'r Interruption) -> &'r str + 'static,
) -> Column<Interruption> {
    Column::new(name, doc, move |row| Cell::text(of(row)))
}

/// The table of `interruptions.csv`.
pub fn interruptions_table() -> Table<Interruption> {
    let optional = |text: &Option<String>| text.clone().map_or(Cell::Empty, Cell::text);
    Table::new(
        "interruptions.csv",
        "Written by `keystorm interrupt`. One row per cut of a renewal; then one per pair of cuts that does more harm \
         than either of the two alone. Where several first cuts leave the same state, the pairs name the first of them.",
        vec![
            text("suite", "Cipher suite.", |row| row.suite),
            text("embodiment", "Embodiment: `1`, `2a`, `2b`, `3` or `4`.", |row| row.embodiment),
            text("recovery", "What becomes of an interrupted renewal.", |row| row.recovery),
            text("nvm", "How the card writes its memory.", |row| row.nvm),
            text("layout", "Where the keys lie in it.", |row| row.layout),
            text(
                "cut_step",
                "The message, card command or power-up that is cut. `2: ` before it: in the second connection of the \
                 renewal. ` #2` behind it: the second of its name in its connection.",
                |row| &row.cut_step,
            ),
            text(
                "cut_kind",
                "`lost up`, `lost down`: the request, the answer and all that follows is lost. `lost up alone`, `lost down \
                 alone`: that message however often it is sent, or all in its direction from there on. `duplicated`. `late \
                 copy of …, n before`: just before the request a copy of another arrives, sent n connections before, or in \
                 this one. `late answers`: before the answer copies of all earlier ones. `second connection`, `second \
                 connection interleaved, at request n`: of the same card, while the request is on its way. `client crash`, \
                 `client crash before`, `during`, `after`: no Bye follows. `server crash before`, `server crash after`: \
                 before or after it acts on the message. `pulled before`, `pulled during`, `pulled after`: the card, at the \
                 command; during: at this moment of its writes to non-volatile memory, leaving `zeros` or `mixed` bits \
                 instead of ones in a page that was erased.",
                |row| &row.cut_kind,
            ),
            text(
                "card_state",
                "Card against server after the last cut, by value, depth 0 before depth 1, as in cards.csv; `torn` \
                 where a key is unreadable.",
                |row| &row.card_state,
            ),
            text(
                "server_state",
                "What the server holds then, depth 0 before depth 1: `old` or `new` keys; and what it keeps of an \
                 uncommitted renewal: `spent` (its chance is gone), `staged`, `tried` (staged, and the card has been \
                 met since).",
                |row| &row.server_state,
            ),
            Column::new("outcome", "What became of the card, as in cards.csv.", |row: &Interruption| {
                Cell::text(row.outcome.name())
            }),
            Column::new(
                "connections_to_heal",
                "Connections without faults after the last cut until everything is renewed; 0: it was already. Empty: \
                 it is not renewed before something falls due anew.",
                |row: &Interruption| {
                    row.connections_to_heal.map_or(Cell::Empty, |connections| Cell::Int(connections.into()))
                },
            ),
            text("depth", "Which depths were due: `0`, `1` or `both`.", |row| row.depth),
            Column::new(
                "cut2_step",
                "Where a following connection was cut too; `2: ` counts from the first one after the first cut.",
                move |row: &Interruption| optional(&row.cut2_step),
            ),
            Column::new("cut2_kind", "How.", move |row: &Interruption| optional(&row.cut2_kind)),
            text(
                "crypto",
                "`real`, or `modelled`: stand-ins took the place of the cipher's operations.",
                |row| row.crypto,
            ),
        ],
    )
}

/// Writes the matrix and its manifest, which holds `facts`, into `dir`. [`RunDir::commit`] is left to the caller.
pub fn write_matrix(
    dir: &RunDir,
    rows: impl IntoIterator<Item = Interruption>,
    facts: Map<String, Value>,
) -> Result<(), DirError> {
    let table = interruptions_table();
    dir.file(table.file(), |file| table.write(file, rows))?;
    write_facts(dir, MATRIX_KIND, facts)
}

/// Row number `row`, from 1, of the `interruptions.csv` in `dir`: its cells by the names of their columns.
pub fn read_interruption(dir: &Path, row: u32) -> Result<BTreeMap<String, String>, ReadError> {
    expect_kind(dir, MATRIX_KIND, "a matrix of interruptions")?;
    let path = dir.join(interruptions_table().file());
    let damaged = |error: csv::Error| ReadError::Damaged { path: path.clone(), what: error.to_string() };
    let mut table = csv::Reader::from_path(&path).map_err(damaged)?;
    let names = table.headers().map_err(damaged)?.clone();
    let mut rows = 0;
    for record in table.records() {
        let record = record.map_err(damaged)?;
        rows += 1;
        if rows == row {
            return Ok(names
                .iter()
                .zip(&record)
                .map(|(name, cell)| (name.to_owned(), cell.to_owned()))
                .collect());
        }
    }
    Err(ReadError::NoRow { path, row, rows })
}

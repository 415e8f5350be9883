//! The file of `keystorm calibrate --csv`: what each operation of each suite costs, by whom it is carried out.

use crate::table::{Cell, Column, Table};

/// One operation by one backend, measured.
#[derive(Clone, Debug)]
pub struct CipherRow {
    /// Cipher suite; empty for what all suites have in common.
    pub suite: &'static str,
    /// The library.
    pub backend: &'static str,
    /// The operation.
    pub operation: &'static str,
    /// Keys that take turns.
    pub batch: u64,
    /// Quartiles of the time of one operation, picoseconds.
    pub ps: [u64; 3],
    /// Bytes that one operation puts out.
    pub bytes_out: u64,
    /// What it was measured on.
    pub machine: String,
    /// The commit of the program, where it is known.
    pub commit: Option<&'static str>,
}

impl CipherRow {
    /// The median, picoseconds; 1 at least.
    fn median(&self) -> u64 {
        self.ps[1].max(1)
    }
}

/// The table of the ciphers' costs.
pub fn ciphers_table() -> Table<CipherRow> {
    let ns = |name, doc, quartile: usize| {
        Column::new(name, doc, move |row: &CipherRow| Cell::Fixed {
            units: row.ps[quartile].into(),
            decimals: 3,
        })
    };
    let words = |text: &'static str| if text.is_empty() { Cell::Empty } else { Cell::text(text) };
    Table::new(
        "ciphers.csv",
        "Written by `keystorm calibrate --csv FILE`, under that name. One row per suite, operation, backend and batch; wall \
         clock time, so that no two measurements are alike.",
        vec![
            Column::new(
                "suite",
                "Cipher suite; empty for what all suites have in common: session data, and commits.",
                move |row: &CipherRow| words(row.suite),
            ),
            Column::new("backend", "The library that carries the operation out.", |row: &CipherRow| {
                Cell::text(row.backend)
            }),
            Column::new(
                "operation",
                "`prove`: a proof of a challenge. `check`: its check. `generate`: a pair of keys from a seed. `seal`: one message \
                 of session data. `commit`: one change of a client directory in a database on a disk, synced; its backend is the \
                 database. Each from keys as they are stored.",
                |row: &CipherRow| Cell::text(row.operation),
            ),
            Column::int(
                "batch",
                "Keys that take turns: 1, the same again and again; more, as a server meets them.",
                |row: &CipherRow| row.batch,
            ),
            ns("ns_p25", "Time of one operation: first quartile of the samples, ns.", 0),
            ns("ns_median", "Median of the samples, ns.", 1),
            ns("ns_p75", "Third quartile, ns.", 2),
            Column::int(
                "ops_per_s",
                "Operations per second on one core, from the median.",
                |row: &CipherRow| 1_000_000_000_000 / row.median(),
            ),
            Column::int(
                "bytes_out",
                "Bytes that one operation puts out; a check puts out none.",
                |row: &CipherRow| row.bytes_out,
            ),
            Column::new("machine", "Operating system, architecture and CPUs.", |row: &CipherRow| {
                Cell::text(row.machine.clone())
            }),
            Column::new("commit", "Commit of the program.", |row: &CipherRow| {
                row.commit.map_or(Cell::Empty, Cell::text)
            }),
        ],
    )
}

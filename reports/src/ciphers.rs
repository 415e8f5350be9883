//! The file of `keystorm calibrate --csv`: what each operation of each suite costs, by whom it is carried out.

use std::borrow::Cow;

use crate::table::{Cell, Column, Table};

/// One operation by one backend, measured.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CipherRow {
    /// Cipher suite; empty for what all suites have in common.
    pub suite: Cow<'static, str>,
    /// The library; of what is no cipher, what carries it out.
    pub backend: Cow<'static, str>,
    /// The operation.
    pub operation: Cow<'static, str>,
    /// Keys that take turns.
    pub batch: u64,
    /// Quartiles of the time of one operation, picoseconds.
    pub ps: [u64; 3],
    /// Mean of the same, picoseconds.
    pub mean_ps: u64,
    /// What a table of costs takes of them, picoseconds: the mean of what takes another time with other numbers, else the
    /// median.
    pub cost_ps: u64,
    /// Bytes that one operation puts out.
    pub bytes_out: u64,
    /// What it was measured on.
    pub machine: Cow<'static, str>,
    /// The commit of the program, where it is known.
    pub commit: Option<Cow<'static, str>>,
}

impl CipherRow {
    /// Reads a `ciphers.csv` back.
    ///
    /// # Errors
    /// In words, if it is none.
    pub fn read(text: &str) -> Result<Vec<CipherRow>, String> {
        let mut csv = csv::Reader::from_reader(text.as_bytes());
        let header = csv.headers().map_err(|error| error.to_string())?.clone();
        let place = |name: &str| {
            let found = header.iter().position(|column| column == name);
            found.ok_or_else(|| format!("ciphers.csv has no column {name}"))
        };
        let [suite, backend, operation, batch, bytes_out] =
            ["suite", "backend", "operation", "batch", "bytes_out"].map(place);
        let [p25, median, p75, mean, cost] =
            ["ns_p25", "ns_median", "ns_p75", "ns_mean", "ns_cost"].map(place);
        let [machine, commit] = ["machine", "commit"].map(place);
        let (suite, backend, operation, batch, bytes_out) =
            (suite?, backend?, operation?, batch?, bytes_out?);
        let times = [p25?, median?, p75?, mean?, cost?];
        let (machine, commit) = (machine?, commit?);
        let row = |record: csv::StringRecord| {
            let number = |cell: &str| cell.parse().map_err(|_| format!("ciphers.csv: `{cell}` is no number"));
            // Three decimals, always: picoseconds.
            let mut ps = [0; 5];
            for (ps, place) in ps.iter_mut().zip(times) {
                *ps = number(&record[place].replacen('.', "", 1))?;
            }
            let [p25, median, p75, mean_ps, cost_ps] = ps;
            let words = |place: usize| Cow::Owned(record[place].to_owned());
            Ok(CipherRow {
                suite: words(suite),
                backend: words(backend),
                operation: words(operation),
                batch: number(&record[batch])?,
                ps: [p25, median, p75],
                mean_ps,
                cost_ps,
                bytes_out: number(&record[bytes_out])?,
                machine: words(machine),
                commit: (!record[commit].is_empty()).then(|| words(commit)),
            })
        };
        csv.records().map(|record| record.map_err(|error| error.to_string()).and_then(row)).collect()
    }
}

/// The table of the ciphers' costs.
pub fn ciphers_table() -> Table<CipherRow> {
    let ns = |name, doc, ps: fn(&CipherRow) -> u64| {
        Column::new(name, doc, move |row: &CipherRow| Cell::Fixed { units: ps(row).into(), decimals: 3 })
    };
    Table::new(
        "ciphers.csv",
        "Written by `keystorm calibrate --csv FILE`, under that name. One row per suite, operation, backend and batch. Times on \
         one CPU; no two measurements are alike.",
        vec![
            Column::new(
                "suite",
                "Cipher suite; empty for what all suites have in common.",
                |row: &CipherRow| if row.suite.is_empty() { Cell::Empty } else { Cell::text(&*row.suite) },
            ),
            Column::new(
                "backend",
                "The library that carries the operation out; of a commit the directory: `memory`, or `redb` on a disk, whose time a table of costs takes; of datagrams `udp`, the \
                 operating system's sockets.",
                |row: &CipherRow| Cell::text(&*row.backend),
            ),
            Column::new(
                "operation",
                "`prove`: an answer to a challenge. `check`: its check. `derive`: an answer to an Rk, from which a new key grows. \
                 `generate`: a pair of keys from a seed. Each from keys as they are stored. `channel`: a session channel is set \
                 up. `seal`: one message of session data. `commit`: a renewal of two keys in the directory. `receive`: a datagram \
                 that is there already, and its decoding. `send`: a datagram and its encoding.",
                |row: &CipherRow| Cell::text(&*row.operation),
            ),
            Column::int(
                "batch",
                "Keys that take turns: 1, the same again and again; more, so that each is set up anew. All lie in the \
                 processor's caches.",
                |row: &CipherRow| row.batch,
            ),
            ns("ns_p25", "Time of one operation: first quartile of the samples, ns.", |row| row.ps[0]),
            ns("ns_median", "Median of the samples, ns.", |row| row.ps[1]),
            ns("ns_p75", "Third quartile, ns.", |row| row.ps[2]),
            Column::int(
                "ops_per_s",
                "Operations per second on one core, from `ns_cost`.",
                |row: &CipherRow| 1_000_000_000_000 / row.cost_ps.max(1),
            ),
            Column::int(
                "bytes_out",
                "Bytes that one operation puts out; a check puts out none. Of `seal`: the plain bytes.",
                |row: &CipherRow| row.bytes_out,
            ),
            Column::new("machine", "Operating system, architecture and CPUs.", |row: &CipherRow| {
                Cell::text(&*row.machine)
            }),
            Column::new("commit", "Commit of the program.", |row: &CipherRow| {
                row.commit.as_deref().map_or(Cell::Empty, Cell::text)
            }),
            ns("ns_mean", "Mean of the samples, ns.", |row| row.mean_ps),
            ns(
                "ns_cost",
                "What a table of costs takes, ns: the mean where the time depends on the numbers at hand, as with signatures of \
                 ML-DSA and pairs of RSA; otherwise the median, which does not see what disturbed a sample.",
                |row| row.cost_ps,
            ),
        ],
    )
}

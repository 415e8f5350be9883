//! Columns: a name, what it means, and how to get its cell from a row. Header, cells, JSON keys and
//! documentation all come from the same [`Table`], so they cannot disagree.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::fmt::Write as _;
use std::io;

use serde_json::Value;

/// Decimals of every ratio.
const RATIO_DECIMALS: usize = 6;
/// Decimals of every time, in seconds and in milliseconds.
const TIME_DECIMALS: usize = 3;

/// One value of one row. Numbers are formatted from integers, so that they look alike on every machine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell<'r> {
    /// No value: an empty cell, `null` in JSON.
    Empty,
    /// Words.
    Text(Cow<'r, str>),
    /// A whole number.
    Int(u64),
    /// `units / 10^decimals`, written with all its decimals.
    Fixed {
        /// The number without its decimal point.
        units: i128,
        /// Digits behind the decimal point, 1 or more.
        decimals: usize,
    },
}

impl<'r> Cell<'r> {
    /// Words.
    pub fn text(words: impl Into<Cow<'r, str>>) -> Cell<'r> {
        Cell::Text(words.into())
    }

    /// Nanoseconds as seconds with three decimals, rounded half up.
    pub fn seconds(ns: u64) -> Cell<'r> {
        Cell::Fixed { units: divide(u128::from(ns), 1_000_000).into(), decimals: TIME_DECIMALS }
    }

    /// Microseconds as milliseconds with three decimals, exact; no value, no cell.
    pub fn ms(us: Option<u64>) -> Cell<'r> {
        us.map_or(Cell::Empty, |units| Cell::Fixed { units: units.into(), decimals: TIME_DECIMALS })
    }

    /// `count` times that add up to `sum_ns`: their mean in milliseconds, rounded half up; empty where `count` is 0.
    pub fn ms_mean(sum_ns: u128, count: u64) -> Cell<'r> {
        let us = |count: u64| divide(sum_ns, u128::from(count) * 1_000);
        Cell::ms((count > 0).then_some(count).map(us))
    }

    /// `part / whole` with six decimals, rounded half up; empty where `whole` is 0.
    pub fn ratio(part: u128, whole: u128) -> Cell<'r> {
        if whole == 0 {
            return Cell::Empty;
        }
        let units = divide(part * 10u128.pow(RATIO_DECIMALS as u32), whole);
        Cell::Fixed { units: units.into(), decimals: RATIO_DECIMALS }
    }

    /// A statistic, rounded to so many decimals; what is not a finite number has no cell.
    pub fn real(value: Option<f64>, decimals: usize) -> Cell<'r> {
        let scaled = value.map(|value| (value * 10f64.powi(decimals as i32)).round());
        match scaled.filter(|scaled| scaled.abs() < 1e30) {
            Some(scaled) => Cell::Fixed { units: scaled as i128, decimals },
            None => Cell::Empty,
        }
    }

    fn json(&self) -> Value {
        match self {
            Cell::Empty => Value::Null,
            Cell::Text(words) => Value::from(words.as_ref()),
            Cell::Int(n) => Value::from(*n),
            Cell::Fixed { .. } => {
                Value::Number(self.to_string().parse().expect("a decimal is a JSON number"))
            }
        }
    }
}

/// `part / whole`, rounded half up. A quotient beyond `u64` saturates.
pub(crate) fn divide(part: u128, whole: u128) -> u64 {
    u64::try_from((part + whole / 2) / whole).unwrap_or(u64::MAX)
}

impl fmt::Display for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cell::Empty => Ok(()),
            Cell::Text(words) => f.write_str(words),
            Cell::Int(n) => write!(f, "{n}"),
            Cell::Fixed { units, decimals } => {
                let (size, one) = (units.unsigned_abs(), 10u128.pow(*decimals as u32));
                let sign = if *units < 0 { "-" } else { "" };
                write!(f, "{sign}{}.{:0decimals$}", size / one, size % one)
            }
        }
    }
}

type CellOf<R> = Box<dyn for<'r> Fn(&'r R) -> Cell<'r>>;

/// One column of rows of type `R`.
pub struct Column<R> {
    name: Cow<'static, str>,
    doc: Cow<'static, str>,
    cell: CellOf<R>,
}

impl<R> Column<R> {
    /// A column; `doc` gives unit and meaning.
    pub fn new(
        name: impl Into<Cow<'static, str>>,
        doc: impl Into<Cow<'static, str>>,
        cell: impl for<'r> Fn(&'r R) -> Cell<'r> + 'static,
    ) -> Column<R> {
        Column { name: name.into(), doc: doc.into(), cell: Box::new(cell) }
    }

    /// A column of whole numbers.
    pub fn int(name: &'static str, doc: &'static str, value: impl Fn(&R) -> u64 + 'static) -> Column<R> {
        Column::new(name, doc, move |row| Cell::Int(value(row)))
    }
}

/// The columns of one file, in order.
pub struct Table<R> {
    file: &'static str,
    about: &'static str,
    columns: Vec<Column<R>>,
}

impl<R> Table<R> {
    /// A table written to `file`; `about` says what a row is.
    pub fn new(file: &'static str, about: &'static str, columns: Vec<Column<R>>) -> Table<R> {
        Table { file, about, columns }
    }

    /// The file's name inside a run directory.
    pub fn file(&self) -> &'static str {
        self.file
    }

    /// The columns' names, in order.
    pub fn header(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_ref())
    }

    /// The columns' names with what they mean, Markdown.
    pub fn meanings(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.iter().map(|column| (column.name.as_ref(), column.doc.as_ref()))
    }

    /// The cells of one row, in the order of the header.
    pub fn cells<'r>(&self, row: &'r R) -> impl Iterator<Item = Cell<'r>> {
        self.columns.iter().map(move |column| (column.cell)(row))
    }

    /// Writes header and rows as CSV and flushes.
    pub fn write<W: io::Write, B: Borrow<R>>(
        self,
        out: W,
        rows: impl IntoIterator<Item = B>,
    ) -> io::Result<()> {
        let mut csv = CsvRows::create(self, out)?;
        for row in rows {
            csv.row(row.borrow())?;
        }
        csv.finish()
    }

    /// One row as an object whose keys are the header.
    pub fn json_row(&self, row: &R) -> Value {
        Value::Object(self.header().map(str::to_owned).zip(self.cells(row).map(|cell| cell.json())).collect())
    }

    /// One row as the header's names and the texts of its cells.
    pub fn text_row(&self, row: &R) -> Vec<(String, String)> {
        self.header().map(str::to_owned).zip(self.cells(row).map(|cell| cell.to_string())).collect()
    }

    /// The table's section of the documentation, Markdown.
    pub fn markdown(&self) -> String {
        let mut page = format!("## {}\n\n{}\n\n| Column | Meaning |\n|---|---|\n", self.file, self.about);
        for column in &self.columns {
            let doc = column.doc.replace('|', "\\|");
            writeln!(page, "| `{}` | {doc} |", column.name).expect("a string takes everything");
        }
        page
    }
}

/// CSV with `\n` line ends, written row by row.
pub(crate) struct CsvRows<R, W: io::Write> {
    table: Table<R>,
    csv: csv::Writer<W>,
    cell: String,
}

impl<R, W: io::Write> CsvRows<R, W> {
    /// Writes the header.
    pub(crate) fn create(table: Table<R>, out: W) -> io::Result<CsvRows<R, W>> {
        let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(out);
        csv.write_record(table.header()).map_err(refusal)?;
        Ok(CsvRows { table, csv, cell: String::new() })
    }

    /// Writes one row.
    pub(crate) fn row(&mut self, row: &R) -> io::Result<()> {
        for cell in self.table.cells(row) {
            self.cell.clear();
            write!(self.cell, "{cell}").expect("a string takes everything");
            self.csv.write_field(&self.cell).map_err(refusal)?;
        }
        self.csv.write_record(None::<&[u8]>).map_err(refusal)
    }

    /// Flushes, so that a full disk is noticed here.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

/// What the file system said: of a full disk more than of others can be advised.
fn refusal(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_disk_refuses_keeps_its_kind() {
        struct Full;
        impl io::Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let table =
            || Table::new("t.csv", "", vec![Column::new("a", "", |row: &String| Cell::text(row.as_str()))]);
        // More than the buffer holds: the rows themselves are refused.
        let error = table().write(Full, vec!["x".repeat(100_000); 3]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull, "{error}");
        assert_eq!(table().write(Full, ["x".to_owned()]).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    #[test]
    fn decimals_are_rounded_half_up_and_never_dropped() {
        assert_eq!(Cell::seconds(600_000_000_000).to_string(), "600.000");
        assert_eq!(Cell::seconds(1_499_999).to_string(), "0.001");
        assert_eq!(Cell::seconds(1_500_000).to_string(), "0.002");
        assert_eq!(Cell::ms(Some(12_034)).to_string(), "12.034");
        assert_eq!(Cell::ratio(1, 3).to_string(), "0.333333");
        assert_eq!(Cell::ratio(2, 3).to_string(), "0.666667");
        assert_eq!(Cell::real(Some(-0.0625), 3).to_string(), "-0.063");
        assert_eq!(Cell::ratio(u128::from(u64::MAX), u128::from(u64::MAX)).to_string(), "1.000000");
    }

    #[test]
    fn what_has_no_value_is_an_empty_cell_and_null() {
        for cell in [Cell::ms(None), Cell::ratio(1, 0), Cell::real(None, 3), Cell::real(Some(f64::NAN), 3)] {
            assert_eq!(cell, Cell::Empty);
            assert_eq!(cell.to_string(), "");
            assert_eq!(cell.json(), Value::Null);
        }
    }

    #[test]
    fn a_number_in_json_is_a_number_and_digits_in_words_stay_words() {
        assert_eq!(Cell::Int(u64::MAX).json(), Value::from(u64::MAX));
        assert_eq!(Cell::ms(Some(1_500)).json(), Value::from(1.5));
        assert_eq!(Cell::text("1").json(), Value::from("1"));
    }

    #[test]
    fn words_with_commas_and_quotes_survive_the_csv() {
        let table =
            Table::new("t.csv", "", vec![Column::new("a", "", |row: &String| Cell::text(row.as_str()))]);
        let mut out = Vec::new();
        table.write(&mut out, ["x, \"y\"".to_owned()]).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a\n\"x, \"\"y\"\"\"\n");
    }
}

//! All files of a run directory, from one call.

use std::borrow::Borrow;
use std::io::Write as _;

use crate::cards::cards_table;
use crate::dir::{DirError, RunDir};
use crate::failures::failures_table;
use crate::faults::faults_table;
use crate::hdr::{write_hgrm, write_hlog};
use crate::html::{REPORT_FILE, StoredRun, run_page};
use crate::manifest::{MANIFEST_FILE, write_manifest};
use crate::phases::{PhaseRow, phases_table};
use crate::renewals::{renewal_rows, renewals_table};
use crate::results::{CardRow, Manifest, Results};
use crate::summary::summary_table;
use crate::table::Table;
use crate::timeline::{BucketRow, timeline_table};

/// The name of the interval log.
pub(crate) const HLOG_FILE: &str = "latency.hlog";

/// The rows of `cards.csv`, made one at a time as they are written.
pub struct CardRows<'a> {
    depths: usize,
    rows: Box<dyn Iterator<Item = CardRow> + 'a>,
}

impl<'a> CardRows<'a> {
    /// Rows of cards with `depths` pairs of keys.
    pub fn new(depths: usize, rows: impl Iterator<Item = CardRow> + 'a) -> CardRows<'a> {
        CardRows { depths, rows: Box::new(rows) }
    }
}

/// Writes every file of a run into `dir`; without `cards` there is no `cards.csv`. [`RunDir::commit`] is left to
/// the caller, who may have more to add.
pub fn write_run(
    dir: &RunDir,
    results: &Results,
    manifest: &Manifest,
    cards: Option<CardRows<'_>>,
) -> Result<(), DirError> {
    write_table(dir, summary_table(), [results])?;
    write_table(dir, phases_table(), PhaseRow::all(results))?;
    write_table(dir, timeline_table(), BucketRow::all(results))?;
    write_table(dir, failures_table(), &results.failures)?;
    write_table(dir, faults_table(), &results.faults)?;
    write_table(dir, renewals_table(), renewal_rows(&results.renewals))?;
    for row in PhaseRow::all(results) {
        dir.file(&row.hgrm_file(), |file| write_hgrm(file, row.latency_us))?;
    }
    dir.file(HLOG_FILE, |file| write_hlog(file, results))?;
    if let Some(CardRows { depths, rows }) = cards {
        write_table(dir, cards_table(depths), rows)?;
    }
    dir.file(MANIFEST_FILE, |file| write_manifest(file, manifest))?;
    // Made from the files, as `keystorm report` does it: so both give the same bytes.
    let page = run_page(&StoredRun::read(dir.so_far())?);
    dir.file(REPORT_FILE, |file| file.write_all(page.as_bytes()))
}

fn write_table<R, B: Borrow<R>>(
    dir: &RunDir,
    table: Table<R>,
    rows: impl IntoIterator<Item = B>,
) -> Result<(), DirError> {
    dir.file(table.file(), |file| table.write(file, rows))
}

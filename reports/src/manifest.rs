//! `manifest.json`: how and where a run was made, and the mark by which keystorm knows its own directories.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::dir::{DirError, RunDir};
use crate::results::Manifest;

/// The file that marks a directory as one that keystorm wrote.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The kind of a run directory; campaigns have others.
pub const RUN_KIND: &str = "run";
/// The kind of a directory with the matrix of interruptions.
pub const MATRIX_KIND: &str = "interruptions";
/// The kind of a directory with a card's life.
pub const REPLAY_KIND: &str = "replay";
/// The kind of a sweep's directory.
pub const SWEEP_KIND: &str = "sweep";
/// The kind of a plan's directory.
pub const PLAN_KIND: &str = "plan";
/// The field that holds the kind.
const MARK: &str = "keystorm";

#[derive(Serialize)]
struct Marked<'a> {
    /// The mark: must be named as [`MARK`] says.
    keystorm: &'static str,
    #[serde(flatten)]
    manifest: &'a Manifest,
}

/// Writes `manifest.json` of a run, for people to read as well.
pub fn write_manifest(mut out: impl io::Write, manifest: &Manifest) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut out, &Marked { keystorm: RUN_KIND, manifest })?;
    out.write_all(b"\n")
}

/// Why a directory cannot be read as what it should be. A matter of usage: exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It is not one, or not one of that kind.
    #[error("{} is not the directory of {wanted}: {what}", path.display())]
    Another {
        /// The directory.
        path: PathBuf,
        /// What was looked for.
        wanted: &'static str,
        /// What was found.
        what: String,
    },
    /// A table has no such row.
    #[error("{} has no row {row}: its rows are numbered from 1 to {rows}", path.display())]
    NoRow {
        /// The table.
        path: PathBuf,
        /// The row that was looked for.
        row: u32,
        /// How many it has.
        rows: u32,
    },
    /// One of its files is damaged or missing.
    #[error("cannot read {}: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
}

/// Checks that `dir` is of the kind `kind`; `wanted` says what that is.
pub fn expect_kind(dir: &Path, kind: &str, wanted: &'static str) -> Result<(), ReadError> {
    let what = match kind_of(dir) {
        Some(found) if found == kind => return Ok(()),
        Some(found) => format!("keystorm wrote it, but its kind is {found:?}"),
        None if !dir.exists() => "it does not exist".into(),
        None if !dir.is_dir() => "it is a file".into(),
        None => format!("it has no {MANIFEST_FILE} of keystorm's"),
    };
    Err(ReadError::Another { path: dir.to_owned(), wanted, what })
}

/// Reads the manifest of the run in `dir`.
pub fn read_manifest(dir: &Path) -> Result<Manifest, ReadError> {
    expect_kind(dir, RUN_KIND, "a run")?;
    let path = dir.join(MANIFEST_FILE);
    let read = fs::read_to_string(&path).map_err(|error| error.to_string());
    let parsed = read.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    parsed.map_err(|what| ReadError::Damaged { path, what })
}

/// Writes the `manifest.json` of a directory of another kind: the mark, then `facts`.
pub(crate) fn write_facts(dir: &RunDir, kind: &str, facts: Map<String, Value>) -> Result<(), DirError> {
    let mut manifest = Map::new();
    manifest.insert(MARK.into(), kind.into());
    manifest.extend(facts);
    dir.file(MANIFEST_FILE, |file| {
        serde_json::to_writer_pretty(&mut *file, &Value::Object(manifest))?;
        file.write_all(b"\n")
    })
}

/// The manifest of the directory at `dir`, which must be of this kind.
///
/// # Errors
/// If it is not.
pub(crate) fn manifest_of(dir: &Path, kind: &str) -> Result<Value, DirError> {
    check_kind(dir, kind)?;
    let path = dir.join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).map_err(DirError::io("read", &path))?;
    serde_json::from_str(&text).map_err(|error| DirError::damaged(&path, error.to_string()))
}

/// Refuses a directory that keystorm did not write, or not as this kind.
pub(crate) fn check_kind(dir: &Path, kind: &str) -> Result<(), DirError> {
    match kind_of(dir) {
        Some(found) if found == kind => Ok(()),
        found => Err(DirError::NotOurs {
            path: dir.to_owned(),
            wanted: kind.to_owned(),
            found: found.map_or("no directory of keystorm's".to_owned(), |kind| format!("a {kind}")),
        }),
    }
}

/// The kind of directory that keystorm wrote at `dir` (a run is [`RUN_KIND`]); `None` where the mark is missing,
/// unreadable, or not keystorm's.
pub fn kind_of(dir: &Path) -> Option<String> {
    let text = fs::read_to_string(dir.join(MANIFEST_FILE)).ok()?;
    let manifest: Value = serde_json::from_str(&text).ok()?;
    Some(manifest.get(MARK)?.as_str()?.to_owned())
}

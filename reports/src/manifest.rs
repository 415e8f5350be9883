//! `manifest.json`: how and where a run was made, and the mark by which keystorm knows its own directories.

use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use crate::dir::DirError;
use crate::results::Manifest;

/// The file that marks a directory as one that keystorm wrote.
pub const MANIFEST_FILE: &str = "manifest.json";
/// The kind of a run directory; campaigns have others.
pub const RUN_KIND: &str = "run";
/// The kind of a directory with the matrix of interruptions.
pub const MATRIX_KIND: &str = "interruptions";
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

/// The manifest of the directory at `dir`, which must be of this kind.
///
/// # Errors
/// If it is not.
pub(crate) fn read_manifest(dir: &Path, kind: &str) -> Result<Value, DirError> {
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

//! The directory of a campaign: continued or refused, never replaced.
//!
//! It holds a manifest that never changes, one file per finished run, and the tables that are made of them. Every file is
//! written beside its name, synced and renamed: whatever has a name is whole, also after `kill -9`. What that leaves
//! half-written is removed when the campaign goes on. Several processes may work on one campaign; each holds the directory
//! by a lock on the manifest, which ends with the process however it ends, so that nothing of a living one is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::comparison::comparison_table;
use super::record::RunRecord;
use super::tables::{PointRows, RunRow, differences, differences_table, runs_table, sweep_table};
use crate::dir::{DirError, RunDir, RunFile};
use crate::manifest::{MANIFEST_FILE, check_kind, kind_of};

/// The directory of the runs' records.
const RUNS: &str = "runs";

/// A campaign's directory.
#[derive(Debug)]
pub struct CampaignDir {
    place: PathBuf,
    /// The manifest, locked; `None` where the file system knows no locks.
    _held: Option<File>,
}

impl CampaignDir {
    /// Opens the directory at `place`, or makes it with this manifest. `differs` says what is different between the
    /// manifest that is there and the wanted one; `None`: it is the same campaign.
    ///
    /// # Errors
    /// If something else is there, also another campaign.
    pub fn open(
        place: &Path,
        manifest: &Value,
        differs: impl Fn(&Value, &Value) -> Option<String>,
    ) -> Result<CampaignDir, DirError> {
        let kind = manifest["keystorm"].as_str().expect("a campaign's manifest names its kind");
        if kind_of(place).as_deref() != Some(kind) {
            // Nothing is there, or something that is refused.
            let dir = RunDir::prepare_campaign(place)?;
            dir.file(MANIFEST_FILE, |file| write_json(file, manifest))?;
            let place = dir.commit()?;
            return Ok(CampaignDir { _held: hold(&place), place });
        }
        let place = place.to_owned();
        match differs(&manifest_at(&place)?, manifest) {
            None => Ok(CampaignDir { _held: tidy_and_hold(&place), place }),
            Some(what) => Err(DirError::InTheWay { path: place, what: format!("another campaign ({what})") }),
        }
    }

    /// Opens a directory that must be there and of this kind.
    ///
    /// # Errors
    /// If it is not.
    pub fn existing(place: &Path, kind: &str) -> Result<CampaignDir, DirError> {
        check_kind(place, kind)?;
        Ok(CampaignDir { _held: hold(place), place: place.to_owned() })
    }

    /// Where it is.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// The manifest.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn manifest(&self) -> Result<Value, DirError> {
        manifest_at(&self.place)
    }

    fn run_path(&self, point: u32, replication: u32) -> PathBuf {
        self.place.join(RUNS).join(format!("{point:06}-{replication:05}.json"))
    }

    /// The record of a run; `None`: it has not been made, or its file is damaged, which is the same.
    pub fn run(&self, point: u32, replication: u32) -> Option<RunRecord> {
        let text = fs::read_to_string(self.run_path(point, replication)).ok()?;
        let record: RunRecord = serde_json::from_str(&text).ok()?;
        let fits = record.is_whole() && (record.point, record.replication) == (point, replication);
        fits.then_some(record)
    }

    /// Keeps the record of a run.
    ///
    /// # Errors
    /// If it cannot be written; nothing half-written stays.
    pub fn keep(&self, record: &RunRecord) -> Result<(), DirError> {
        let path = self.run_path(record.point, record.replication);
        let dir = self.place.join(RUNS);
        fs::create_dir_all(&dir).map_err(DirError::io("create the directory", &dir))?;
        write_whole(&path, |file| Ok(serde_json::to_writer(file, record)?))
    }

    /// Writes a table or a report, in place of an older one.
    ///
    /// # Errors
    /// If it cannot be written; then the older one stays.
    pub fn file(
        &self,
        name: &str,
        fill: impl FnOnce(&mut RunFile) -> io::Result<()>,
    ) -> Result<(), DirError> {
        write_whole(&self.place.join(name), fill)
    }

    /// Writes the tables of a campaign whose runs are all there. `axes` are the keys that vary, `base` the point that the
    /// others are held against.
    ///
    /// # Errors
    /// If a file cannot be written; then the older one stays.
    pub fn write_tables(
        &self,
        axes: &[String],
        points: &[PointRows],
        base: Option<u32>,
    ) -> Result<(), DirError> {
        let table = runs_table(axes);
        self.file(table.file(), |file| table.write(file, points.iter().flat_map(RunRow::all)))?;
        let table = sweep_table(axes);
        self.file(table.file(), |file| table.write(file, points))?;
        let table = comparison_table(axes);
        self.file(table.file(), |file| table.write(file, points))?;
        let Some(base) = base.and_then(|base| points.iter().find(|point| point.point == base)) else {
            return Ok(());
        };
        let table = differences_table(axes);
        self.file(table.file(), |file| table.write(file, differences(points, base)))
    }
}

fn manifest_at(place: &Path) -> Result<Value, DirError> {
    let path = place.join(MANIFEST_FILE);
    let text = fs::read_to_string(&path).map_err(DirError::io("read", &path))?;
    serde_json::from_str(&text).map_err(|error| DirError::io("read", &path)(error.into()))
}

/// Holds the directory as long as the file is open, together with whoever else does.
fn hold(place: &Path) -> Option<File> {
    let manifest = File::open(place.join(MANIFEST_FILE)).ok()?;
    manifest.lock_shared().ok()?;
    Some(manifest)
}

/// The same; if nobody else holds it, what a killed process left half-written is removed before. Nobody writes in the
/// directory before they hold it.
fn tidy_and_hold(place: &Path) -> Option<File> {
    // On some file systems only who may write gets a lock against all others.
    let manifest = OpenOptions::new().read(true).write(true).open(place.join(MANIFEST_FILE)).ok()?;
    if manifest.try_lock().is_ok() {
        remove_half_written(place);
        remove_half_written(&place.join(RUNS));
        manifest.unlock().ok()?;
    }
    manifest.lock_shared().ok()?;
    Some(manifest)
}

/// Best effort: what cannot be removed is in nobody's way.
fn remove_half_written(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_half_written) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether this is a name under which [`write_whole`] writes a file of a campaign.
fn is_half_written(name: &str) -> bool {
    let parts = name.strip_prefix('.').and_then(|name| name.rsplit_once(".tmp-"));
    parts.is_some_and(|(file, process)| {
        let ours = [".json", ".csv", ".html"].iter().any(|end| file.ends_with(end));
        ours && !process.is_empty() && process.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn write_json(file: &mut RunFile, value: &Value) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *file, value)?;
    file.write_all(b"\n")
}

/// Writes a file beside its name, syncs and renames it.
pub(crate) fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut RunFile) -> io::Result<()>,
) -> Result<(), DirError> {
    let name = path.file_name().expect("a file has a name").to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.tmp-{}", std::process::id()));
    let write = || {
        let mut file = BufWriter::new(File::create(&beside)?);
        fill(&mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(&beside, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&beside);
        DirError::io("write", path)(error)
    })
}

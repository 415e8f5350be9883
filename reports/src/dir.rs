//! A run directory, whole or not there: written beside its final name and renamed when all is in it.
//!
//! What stands in the way is judged before the run (so that hours are not simulated for nothing) and again at the
//! end. Only a run directory that keystorm wrote, or an empty one, is ever replaced.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::html::REPORT_FILE;
use crate::manifest::{MANIFEST_FILE, MATRIX_KIND, REPLAY_KIND, RUN_KIND, kind_of};
use crate::replay::ENDINGS;

/// Everything that a run directory holds.
const FILES_OF_A_RUN: [&str; 11] = [
    MANIFEST_FILE,
    "cards.csv",
    "failures.csv",
    "faults.csv",
    "renewals.csv",
    "latency",
    "latency.hlog",
    "phases.csv",
    REPORT_FILE,
    "summary.csv",
    "timeline.csv",
];

/// Everything that the directory of a matrix holds.
const FILES_OF_A_MATRIX: [&str; 2] = [MANIFEST_FILE, "interruptions.csv"];

/// Stands for a kind that no directory has: what replaces such a one replaces nothing.
const NOTHING: &str = "";

/// A buffered file of a run directory.
pub type RunFile = BufWriter<File>;

/// Why a run directory cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum DirError {
    /// Something that must not be replaced has the name. A matter of usage: exit code 2.
    #[error("{} is in the way: {what}; name another directory with --out, or move it away", path.display())]
    InTheWay {
        /// What is in the way.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// There is no directory of the kind that is needed. A matter of usage: exit code 2.
    #[error("{} is {found}, and a {wanted} is needed", path.display())]
    NotOurs {
        /// The directory.
        path: PathBuf,
        /// The kind that is needed.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// A campaign has runs that are not made yet. A matter of usage: exit code 2.
    #[error("{} is not finished: {missing}; the command that began it goes on with it", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
        /// What is missing.
        missing: String,
    },
    /// A file is not what keystorm wrote. Exit code 1.
    #[error("{} is damaged: {what}; make it again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The file system refused. Exit code 1.
    #[error("cannot {doing} {}: {source}; {}", path.display(), remedy(source))]
    Io {
        /// The attempt.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// The refusal.
        source: io::Error,
    },
    /// The new directory could not take its place, nor the old one go back to it. Exit code 1.
    #[error("cannot put {} in place: {source}; what was there before is now {}: rename it back", path.display(), old.display())]
    Displaced {
        /// The place.
        path: PathBuf,
        /// Where the former directory is.
        old: PathBuf,
        /// The refusal.
        source: io::Error,
    },
}

impl DirError {
    /// The exit code of a program that ends with this error.
    pub fn exit_code(&self) -> u8 {
        match self {
            DirError::InTheWay { .. } | DirError::NotOurs { .. } | DirError::Unfinished { .. } => 2,
            DirError::Damaged { .. } | DirError::Io { .. } | DirError::Displaced { .. } => 1,
        }
    }

    pub(crate) fn io<'p>(
        doing: &'static str,
        path: &'p Path,
    ) -> impl FnOnce(io::Error) -> DirError + use<'p> {
        move |source| DirError::Io { doing, path: path.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, what: impl Into<String>) -> DirError {
        DirError::Damaged { path: path.to_owned(), what: what.into() }
    }

    fn in_the_way(path: &Path, what: impl Into<String>) -> DirError {
        DirError::InTheWay { path: path.to_owned(), what: what.into() }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "free some space, or use another disk with --out"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "name a directory that you may write with --out"
        }
        _ => "check the disk, or name another directory with --out",
    }
}

/// The directories in the making.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes every directory in the making, for a process that ends at once: nothing is dropped then.
pub fn remove_unfinished() {
    for path in unfinished().iter() {
        let _ = fs::remove_dir_all(path);
    }
}

/// A run directory in the making. Dropped before [`RunDir::commit`], it leaves nothing behind.
#[derive(Debug)]
pub struct RunDir {
    kind: &'static str,
    place: PathBuf,
    temporary: PathBuf,
    /// Parents that did not exist before, innermost first.
    made_parents: Vec<PathBuf>,
    committed: bool,
}

impl RunDir {
    /// Makes sure that a run directory can be put at `path`: nothing is in the way that must stay, the parents
    /// exist (they are created) and can be written.
    pub fn prepare(path: &Path) -> Result<RunDir, DirError> {
        RunDir::prepare_kind(path, RUN_KIND)
    }

    /// The same for the matrix of interruptions: it replaces a matrix, and no run.
    pub fn prepare_matrix(path: &Path) -> Result<RunDir, DirError> {
        RunDir::prepare_kind(path, MATRIX_KIND)
    }

    /// The same for a campaign, which replaces nothing.
    pub(crate) fn prepare_campaign(path: &Path) -> Result<RunDir, DirError> {
        RunDir::prepare_kind(path, NOTHING)
    }

    /// The same for a card's life: it replaces another, and nothing else.
    pub fn prepare_replay(path: &Path) -> Result<RunDir, DirError> {
        RunDir::prepare_kind(path, REPLAY_KIND)
    }

    fn prepare_kind(path: &Path, kind: &'static str) -> Result<RunDir, DirError> {
        let place = resolve(path)?;
        check_replaceable(&place, kind)?;
        let parent = parent_of(&place);
        let missing: Vec<PathBuf> = parent
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
            .map(Path::to_owned)
            .collect();
        let lowest = missing.last().map_or(parent, |dir| parent_of(dir));
        if lowest.exists() && !lowest.is_dir() {
            return Err(DirError::in_the_way(lowest, "a directory is needed, but this is a file"));
        }
        let mut run_dir =
            RunDir { kind, place, temporary: PathBuf::new(), made_parents: missing, committed: false };
        let parent = parent_of(&run_dir.place).to_owned();
        fs::create_dir_all(&parent).map_err(DirError::io("create the directory", &parent))?;
        run_dir.temporary = create_beside(&run_dir.place)?;
        Ok(run_dir)
    }

    /// Where the directory will be.
    pub fn place(&self) -> &Path {
        &self.place
    }

    /// Writes one file; `name` may hold folders (`latency/auth_intended.hgrm`). The file is flushed and synced,
    /// so that a full disk is an error here and now.
    pub fn file(
        &self,
        name: &str,
        fill: impl FnOnce(&mut RunFile) -> io::Result<()>,
    ) -> Result<(), DirError> {
        let path = self.temporary.join(name);
        let write = || {
            fs::create_dir_all(parent_of(&path))?;
            let mut file = BufWriter::new(File::create_new(&path)?);
            fill(&mut file)?;
            file.flush()?;
            file.get_ref().sync_all()
        };
        write().map_err(DirError::io("write", &self.place.join(name)))
    }

    /// What is in it so far, to be read back.
    pub(crate) fn so_far(&self) -> &Path {
        &self.temporary
    }

    /// Puts the directory in its place and returns that. What it replaces is moved aside first and removed last,
    /// so that at every moment a whole directory exists under one of the two names.
    pub fn commit(mut self) -> Result<PathBuf, DirError> {
        check_replaceable(&self.place, self.kind)?;
        let old = if self.place.exists() { Some(self.move_aside()?) } else { None };
        if let Err(source) = fs::rename(&self.temporary, &self.place) {
            return Err(match old {
                Some(old) if fs::rename(&old, &self.place).is_err() => {
                    DirError::Displaced { path: self.place.clone(), old, source }
                }
                _ => DirError::io("put the finished run at", &self.place)(source),
            });
        }
        self.committed = true;
        unfinished().retain(|path| *path != self.temporary);
        if let Some(old) = old {
            fs::remove_dir_all(&old).map_err(DirError::io("remove the replaced run", &old))?;
        }
        Ok(self.place.clone())
    }

    fn move_aside(&self) -> Result<PathBuf, DirError> {
        let aside = beside(&self.place, "old").find(|path| !path.exists()).expect("the names are endless");
        fs::rename(&self.place, &aside).map_err(DirError::io("move aside", &self.place))?;
        Ok(aside)
    }
}

impl Drop for RunDir {
    /// Best effort: there is nobody left to tell.
    fn drop(&mut self) {
        if self.committed {
            return;
        }
        if !self.temporary.as_os_str().is_empty() {
            let _ = fs::remove_dir_all(&self.temporary);
            unfinished().retain(|path| *path != self.temporary);
        }
        for parent in &self.made_parents {
            // Refused where somebody else has put something in it, as it should be.
            let _ = fs::remove_dir(parent);
        }
    }
}

/// The place that `path` means: a symbolic link stands for what it leads to.
fn resolve(path: &Path) -> Result<PathBuf, DirError> {
    if path.file_name().is_none() {
        return Err(DirError::in_the_way(path, "a run needs a directory with a name of its own"));
    }
    if path.is_symlink() {
        return path
            .canonicalize()
            .map_err(|_| DirError::in_the_way(path, "a symbolic link that leads nowhere"));
    }
    Ok(path.to_owned())
}

/// The directory that holds `path`, the current one included.
fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Refuses whatever stands at `place`, except a directory of that kind that keystorm wrote or an empty one.
fn check_replaceable(place: &Path, wanted: &'static str) -> Result<(), DirError> {
    let mut entries = match fs::read_dir(place) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // A file further up is found when the parents are made.
        Err(_) if fs::symlink_metadata(place).is_err() => return Ok(()),
        Err(_) if !place.is_dir() => {
            return Err(DirError::in_the_way(place, "a file that keystorm did not write"));
        }
        Err(error) => return Err(DirError::io("read", place)(error)),
    };
    match kind_of(place) {
        Some(kind) if kind == wanted => check_only_ours(place, wanted, entries),
        Some(kind) => {
            let what = format!(
                "a keystorm directory of the kind {kind:?}, which {} does not replace",
                called(wanted)
            );
            Err(DirError::in_the_way(place, what))
        }
        None if entries.next().is_none() => Ok(()),
        None => {
            let what = format!("a directory that is not {} of keystorm", called(wanted));
            Err(DirError::in_the_way(place, what))
        }
    }
}

fn called(kind: &str) -> &'static str {
    match kind {
        MATRIX_KIND => "a matrix",
        NOTHING => "a campaign",
        REPLAY_KIND => "a replay",
        _ => "a run",
    }
}

/// Whether keystorm puts a file of this name into a directory of this kind.
fn is_ours(kind: &str, name: &OsStr) -> bool {
    match kind {
        MATRIX_KIND => FILES_OF_A_MATRIX.iter().any(|&file| name == file),
        REPLAY_KIND => {
            let drawn =
                || Path::new(name).extension().is_some_and(|end| ENDINGS.iter().any(|&known| end == known));
            name == MANIFEST_FILE || drawn()
        }
        _ => FILES_OF_A_RUN.iter().any(|&file| name == file),
    }
}

/// Refuses a directory in which somebody keeps files of their own: they would go with it.
fn check_only_ours(place: &Path, kind: &str, entries: fs::ReadDir) -> Result<(), DirError> {
    for entry in entries {
        let name = entry.map_err(DirError::io("read", place))?.file_name();
        if !is_ours(kind, &name) {
            let what =
                format!("{} that also holds {}, which keystorm did not write", called(kind), name.display());
            return Err(DirError::in_the_way(place, what));
        }
    }
    Ok(())
}

/// Names beside `place` that say what they are and whose: `.<name>.<what>-<pid>`, then with a number, since a
/// killed process of the same number may have left its own.
fn beside(place: &Path, what: &'static str) -> impl Iterator<Item = PathBuf> {
    let name = place.file_name().expect("a place has a name").to_string_lossy().into_owned();
    let parent = parent_of(place).to_owned();
    let pid = process::id();
    (1u32..).map(move |n| {
        let number = if n == 1 { String::new() } else { format!("-{n}") };
        parent.join(format!(".{name}.{what}-{pid}{number}"))
    })
}

fn create_beside(place: &Path) -> Result<PathBuf, DirError> {
    for path in beside(place, "tmp") {
        match fs::create_dir(&path) {
            Ok(()) => {
                unfinished().push(path.clone());
                return Ok(path);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(DirError::io("create the directory", &path)(error)),
        }
    }
    unreachable!("the names are endless")
}

//! What a commit costs on this machine's disk: `keystorm calibrate` measures it beside the ciphers.
//!
//! A redb database is made beside the table of costs, and removed again. Every commit renews one card's working pair and ends
//! with a sync, as one of a server with `server.directory = "redb"` does. It is timed by the wall clock: a sync waits.

use std::path::{Path, PathBuf};

use keystorm_model::server::{Commit, Row, Stamp};
use keystorm_model::{CardId, Depth, SimTime};
use keystorm_reports::CipherRow;

use super::Failure;
use super::environment::{Stopwatch, machine};
use crate::directory::DirectoryKind;
use crate::directory::store::Store;

/// Cards in the database: some levels of its tree, and made in a moment.
const CARDS: u32 = 10_000;
/// Keys of a card, and bytes of one: Fig. 3's rings with AES-128. Above that it is pages that count.
const KEYS: usize = 7;
const KEY: usize = 16;

/// A database on a disk.
pub(super) struct Commits {
    path: PathBuf,
    store: Option<Store>,
    row: Row,
    count: u64,
    /// Picoseconds.
    samples: Vec<u64>,
}

impl Commits {
    /// In the folder in which `out` is going to lie.
    pub(super) fn beside(out: &Path) -> Result<Self, Failure> {
        let mut path = out.as_os_str().to_owned();
        path.push(format!(".{}.redb", std::process::id()));
        let path = PathBuf::from(path);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            let made = std::fs::create_dir_all(folder);
            made.map_err(|error| Failure::Internal(format!("cannot make {}: {error}", folder.display())))?;
        }
        let row = Row::issued(&[0; KEYS * KEY], 1, Stamp::NEVER);
        let mut commits = Commits { path, store: None, row: row.clone(), count: 0, samples: Vec::new() };
        let rows = std::iter::repeat_n(row, CARDS as usize);
        commits.store = Some(Store::create_in(&commits.path, rows).map_err(|error| commits.failure(&error))?);
        Ok(commits)
    }

    /// Takes the time of one commit.
    pub(super) fn sample(&mut self) -> Result<(), Failure> {
        self.count += 1;
        let renewed = &[(Depth(0), Stamp::at(SimTime::from_ns(self.count)))];
        let commit = Commit { slots: &[2, 6], pairs: &[self.count as u8; 2 * KEY], renewed };
        // A prime that does not divide their number: it comes everywhere.
        let card = CardId((self.count * 7_919 % u64::from(CARDS)) as u32);
        let watch = Stopwatch::start();
        self.row.commit(&commit, KEY);
        let store = self.store.as_ref().expect("it has been made");
        store.put([(card, &self.row)].into_iter(), None).map_err(|error| self.failure(&error))?;
        self.samples.push(watch.ns() * 1_000);
        Ok(())
    }

    /// What all samples say.
    pub(super) fn row(mut self) -> CipherRow {
        self.samples.sort_unstable();
        let last = self.samples.len() - 1;
        CipherRow {
            suite: "",
            backend: DirectoryKind::Redb.name(),
            operation: "commit",
            batch: 1,
            ps: [1, 2, 3].map(|quarter| self.samples[last * quarter / 4]),
            bytes_out: Row::bytes(KEYS * KEY, 1) as u64,
            machine: machine(),
            commit: option_env!("KEYSTORM_COMMIT"),
        }
    }

    fn failure(&self, error: &redb::Error) -> Failure {
        Failure::Internal(format!("cannot write {}: {error}", self.path.display()))
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        self.store = None;
        // It may never have been made.
        let _ = std::fs::remove_file(&self.path);
    }
}

//! What a commit costs on this machine's disk.
//!
//! A redb database is made beside the table of costs, and removed again. Every commit renews one card's working pair and ends
//! with a sync, as one of a server with `server.directory = "redb"` does. It is timed by the wall clock: a sync waits.

use std::io::{Error, Result};
use std::path::{Path, PathBuf};

use keystorm_model::server::{Commit, Row, Stamp};
use keystorm_model::{CardId, Depth, SimTime};

use super::super::environment::Stopwatch;
use super::subject::Run;
use crate::directory::store::Store;

/// Cards in the database: some levels of its tree, and made in a moment.
const CARDS: u32 = 10_000;
/// Keys of a card, and bytes of one: Fig. 3's rings with AES-128. Above that it is pages that count.
const KEYS: usize = 7;
const KEY: usize = 16;

/// Commits to a database in the folder in which `out` is going to lie.
pub(super) fn durable(out: &Path) -> Result<Run> {
    let mut commits = Commits::beside(out)?;
    Ok(Box::new(move |first, each| {
        let watch = Stopwatch::start();
        (first..first + each).try_for_each(|count| commits.commit(count))?;
        Ok(watch.ns())
    }))
}

/// A database on a disk.
struct Commits {
    path: PathBuf,
    store: Option<Store>,
    row: Row,
}

impl Commits {
    fn beside(out: &Path) -> Result<Self> {
        let mut path = out.as_os_str().to_owned();
        path.push(format!(".{}.redb", std::process::id()));
        let path = PathBuf::from(path);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder)?;
        }
        let row = Row::issued(&[0; KEYS * KEY], 1, Stamp::NEVER);
        let mut commits = Commits { path, store: None, row: row.clone() };
        let rows = std::iter::repeat_n(row, CARDS as usize);
        let store = Store::create_in(&commits.path, rows).map_err(|error| commits.failure(&error))?;
        commits.store = Some(store);
        Ok(commits)
    }

    fn commit(&mut self, count: u64) -> Result<()> {
        let renewed = &[(Depth(0), Stamp::at(SimTime::from_ns(count)))];
        let commit = Commit { slots: &[2, 6], pairs: &[count as u8; 2 * KEY], renewed };
        // A prime that does not divide their number: it comes everywhere.
        let card = CardId((count * 7_919 % u64::from(CARDS)) as u32);
        self.row.commit(&commit, KEY);
        let store = self.store.as_ref().expect("it has been made");
        store.put([(card, &self.row)].into_iter(), None).map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &redb::Error) -> Error {
        Error::other(format!("{}: {error}", self.path.display()))
    }
}

impl Drop for Commits {
    fn drop(&mut self) {
        self.store = None;
        // It may never have been made.
        let _ = std::fs::remove_file(&self.path);
    }
}

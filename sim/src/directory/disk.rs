//! A disk that loses what was not synced when its server crashes.
//!
//! A write is seen by every read from then on, but it lasts only once a sync has followed. When the power fails, a draw
//! decides of each sector that was written since the last sync whether it has reached the medium: all, none, or any part of
//! a transaction may have, in any order. A sector is written whole or not at all. A change of the disk's length lasts at
//! once, as that of a file whose system keeps a journal: redb refuses a file that is shorter than its header says.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use keystorm_model::draw::Draws;
use redb::StorageBackend;

/// Bytes that reach the medium together.
pub const SECTOR: usize = 512;

/// The medium, and how it was.
#[derive(Default)]
struct Platter {
    /// As it is read.
    bytes: Vec<u8>,
    /// The sectors that were written since the last sync, and where what they held lies in `before`; `None`: they are new.
    unsynced: BTreeMap<usize, Option<usize>>,
    before: Vec<u8>,
    /// From here on every sector has come since the last sync, and was zero.
    new_from: usize,
    /// How often the power has failed: whoever was connected before that is not any more.
    failures: u32,
    /// The power fails during the next sync.
    doomed: Option<Draws>,
    syncs: u64,
}

/// A disk. It is still there after a crash.
#[derive(Clone, Default)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().expect("nothing panics while it holds the platter")
    }

    /// Connects somebody to the disk, until the power fails.
    pub fn connect(&self) -> Connection {
        Connection { disk: self.clone(), since: self.platter().failures }
    }

    /// Lets the power fail now. `draws` decide what lasts.
    pub fn fail(&self, draws: Draws) {
        self.platter().fail(draws);
    }

    /// Lets the power fail during the next sync, before it has done anything.
    pub fn fail_during_sync(&self, draws: Draws) {
        self.platter().doomed = Some(draws);
    }

    /// How often it has been synced.
    pub fn syncs(&self) -> u64 {
        self.platter().syncs
    }

    /// Bytes on it.
    pub fn length(&self) -> usize {
        self.platter().bytes.len()
    }
}

impl Platter {
    fn fail(&mut self, mut draws: Draws) {
        self.failures += 1;
        self.doomed = None;
        // Now few sectors last, now most, now all or none.
        let share = draws.below(0, 5) * 25;
        for (&sector, &at) in &self.unsynced {
            let lasts = draws.below(1 + sector as u64, 100) < share;
            let start = sector * SECTOR;
            // A sector that has been cut off since lasts as little as one that was never written.
            if !lasts && start < self.bytes.len() {
                let sector = &mut self.bytes[start..start + SECTOR];
                match at {
                    Some(at) => sector.copy_from_slice(&self.before[at..at + SECTOR]),
                    None => sector.fill(0),
                }
            }
        }
        self.synced();
    }

    fn synced(&mut self) {
        self.unsynced.clear();
        self.before.clear();
        self.new_from = self.bytes.len();
    }

    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let range = self.range(offset, data.len())?;
        for sector in range.start / SECTOR..range.end.div_ceil(SECTOR) {
            let (bytes, before, start) = (&self.bytes, &mut self.before, sector * SECTOR);
            self.unsynced.entry(sector).or_insert_with(|| {
                let at = before.len();
                (start < self.new_from).then(|| {
                    before.extend_from_slice(&bytes[start..start + SECTOR]);
                    at
                })
            });
        }
        self.bytes[range].copy_from_slice(data);
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::StorageFull)?;
        if !length.is_multiple_of(SECTOR) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        // What is cut off is gone, synced or not; if the disk grows again, it has zeros there.
        self.unsynced.retain(|&sector, _| sector * SECTOR < length);
        self.new_from = self.new_from.min(length);
        self.bytes.resize(length, 0);
        Ok(())
    }

    /// Where so many bytes lie, if the disk has them.
    fn range(&self, offset: u64, length: usize) -> io::Result<std::ops::Range<usize>> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let end = start.checked_add(length).filter(|&end| end <= self.bytes.len());
        Ok(start..end.ok_or(io::ErrorKind::UnexpectedEof)?)
    }
}

/// Somebody who reads and writes a disk.
pub struct Connection {
    disk: Disk,
    /// How often the power had failed when it was made.
    since: u32,
}

impl Connection {
    fn platter(&self) -> io::Result<MutexGuard<'_, Platter>> {
        let platter = self.disk.platter();
        if platter.failures == self.since { Ok(platter) } else { Err(failed()) }
    }
}

fn failed() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the power has failed")
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("since", &self.since).finish_non_exhaustive()
    }
}

impl StorageBackend for Connection {
    fn len(&self) -> io::Result<u64> {
        Ok(self.platter()?.bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.platter()?;
        out.copy_from_slice(&platter.bytes[platter.range(offset, out.len())?]);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        self.platter()?.set_length(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.platter()?;
        if let Some(draws) = platter.doomed.take() {
            platter.fail(draws);
            return Err(failed());
        }
        platter.syncs += 1;
        platter.synced();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.platter()?.write(offset, data)
    }
}

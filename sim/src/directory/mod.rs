//! The client directory of the simulated server: in memory, or a real database on a simulated disk.
//!
//! Which one it is changes no result: both hold the same, and lose nothing that the server has told anybody of. The
//! database shows that a server over a real one keeps its word when it crashes, and is what `keystorm calibrate` and the
//! bench `directory` measure on a real disk.
//!
//! | To read about | open |
//! |---|---|
//! | what a directory is asked | [`keystorm_model::server::Directory`] |
//! | what is kept of a card, and its bytes | [`keystorm_model::server::Row`] |
//! | rows in a database | [`store`] |
//! | the directory over it, its crash and its restart | [`durable`] |
//! | which writes a crash undoes | [`disk`] |

pub mod disk;
pub mod durable;
pub mod store;

#[cfg(test)]
mod tests;

use keystorm_model::server::{Commit, Directory, MemoryDirectory, Renewal, Row, Stage, Stamp};
use keystorm_model::{CardId, Depth};

pub use durable::RedbDirectory;

/// The rows of a directory in a database may have so many bytes in all. In memory they are there about four times: on the
/// simulated disk, whose pages are half empty, in the database's cache and among the rows that have been looked up.
pub const MOST_BYTES: u64 = 512 << 20;

/// Where a server keeps its directory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DirectoryKind {
    /// In flat tables, which survive crashes by themselves.
    Memory,
    /// In a redb database on a simulated disk.
    Redb,
}

impl DirectoryKind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [DirectoryKind; 2] = [DirectoryKind::Memory, DirectoryKind::Redb];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            DirectoryKind::Memory => "memory",
            DirectoryKind::Redb => "redb",
        }
    }
}

/// Bytes of the rows of `cards` cards that hold so many bytes of pairs each and can be renewed at so many depths.
pub const fn bytes(cards: u64, pairs: usize, depths: usize) -> u64 {
    cards * Row::bytes(pairs, depths) as u64
}

/// A directory of either kind.
pub enum ServerDirectory {
    /// In memory.
    Memory(MemoryDirectory),
    /// In a database.
    Redb(Box<RedbDirectory>),
}

/// Asks whichever it is.
macro_rules! ask {
    ($directory:expr, $inner:ident => $answer:expr) => {
        match $directory {
            ServerDirectory::Memory($inner) => $answer,
            ServerDirectory::Redb($inner) => $answer,
        }
    };
}

impl Directory for ServerDirectory {
    fn start(&mut self) -> u32 {
        ask!(self, inner => inner.start())
    }

    fn sync(&mut self) {
        ask!(self, inner => inner.sync());
    }

    fn contains(&self, card: CardId) -> bool {
        ask!(self, inner => inner.contains(card))
    }

    fn key(&self, card: CardId, slot: usize) -> &[u8] {
        ask!(self, inner => inner.key(card, slot))
    }

    fn pairs_of(&self, card: CardId) -> Option<&[u8]> {
        ask!(self, inner => inner.pairs_of(card))
    }

    fn preload(&self, card: CardId) -> u8 {
        ask!(self, inner => inner.preload(card))
    }

    fn renewal(&self, card: CardId, depth: Depth) -> Renewal {
        ask!(self, inner => inner.renewal(card, depth))
    }

    fn spend(&mut self, card: CardId, depth: Depth, since: Stamp) {
        ask!(self, inner => inner.spend(card, depth, since));
    }

    fn commit(&mut self, card: CardId, commit: &Commit<'_>) {
        ask!(self, inner => inner.commit(card, commit));
    }

    fn stage(&mut self, card: CardId, stage: Stage) {
        ask!(self, inner => inner.stage(card, stage));
    }

    fn staged(&self, card: CardId) -> Option<&Stage> {
        ask!(self, inner => inner.staged(card))
    }

    fn try_stage(&mut self, card: CardId) {
        ask!(self, inner => inner.try_stage(card));
    }

    fn drop_stage(&mut self, card: CardId) {
        ask!(self, inner => inner.drop_stage(card));
    }

    fn refuse(&mut self, card: CardId, depth: Depth) {
        ask!(self, inner => inner.refuse(card, depth));
    }

    fn refused(&self, card: CardId) -> Option<Depth> {
        ask!(self, inner => inner.refused(card))
    }

    fn forget_refusal(&mut self, card: CardId) {
        ask!(self, inner => inner.forget_refusal(card));
    }

    fn recall(&mut self, card: CardId, recalled: bool) {
        ask!(self, inner => inner.recall(card, recalled));
    }

    fn is_recalled(&self, card: CardId) -> bool {
        ask!(self, inner => inner.is_recalled(card))
    }

    fn reissue(&mut self, card: CardId, pairs: &[u8], now: Stamp) {
        ask!(self, inner => inner.reissue(card, pairs, now));
    }
}

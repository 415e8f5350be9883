//! The client directory over a database: rows are read when they are first asked for, and written when the server has to
//! answer for them.
//!
//! A start after the first one is a start after a crash. Everything in memory is gone, and so is what the disk had not
//! synced: the database is opened anew and finds by itself what had been committed. A transaction is always under way
//! when the server crashes: it writes the row that was written last once more, as it is. Whether it survives changes
//! nothing that anybody could read, so that no result depends on it, but some of its sectors have been written, and which
//! of them is drawn.

use std::cell::OnceCell;

use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::server::{Commit, Directory, Renewal, Row, Stage, Stamp};
use keystorm_model::{CardId, Depth};

use super::disk::Disk;
use super::store::Store;

/// Why a simulated disk's errors end the run: it makes none, except on purpose.
const STEADY: &str = "a disk with power does what it is asked";

/// Keys that all users have in common \[0035\].
struct Common {
    /// The first slot of the external ring.
    first: usize,
    /// Their pairs, one behind the other.
    pairs: Vec<u8>,
}

/// A directory in a redb database on a simulated disk.
pub struct RedbDirectory {
    disk: Disk,
    /// `None` only between a crash and the restart.
    store: Option<Store>,
    /// Of the draws that say what a crash leaves.
    seed: Seed,
    pair_length: usize,
    /// They never change, and are no part of the rows.
    common: Option<Common>,
    /// What has been looked up since the server started, by card.
    rows: Vec<OnceCell<Box<Row>>>,
    /// The cards whose rows have changed since the last sync.
    changed: Vec<CardId>,
    /// The card whose row was written last.
    last: CardId,
    is_running: bool,
}

impl RedbDirectory {
    /// A directory as [`keystorm_model::server::MemoryDirectory::new`] makes it; what its disk loses is drawn from `seed`.
    pub fn new(
        pairs: &[u8],
        keys_per_card: usize,
        pair_length: usize,
        depths: usize,
        committed: Stamp,
        seed: Seed,
    ) -> Self {
        let disk = Disk::default();
        let of_card = keys_per_card * pair_length;
        let rows = pairs.chunks(of_card).map(|pairs| Row::issued(pairs, depths, committed));
        let store = Store::create(disk.connect(), rows).expect(STEADY);
        let cards = pairs.len() / of_card;
        RedbDirectory {
            disk,
            store: Some(store),
            seed,
            pair_length,
            common: None,
            rows: std::iter::repeat_with(OnceCell::new).take(cards).collect(),
            changed: Vec::new(),
            last: CardId(0),
            is_running: false,
        }
    }

    /// The same, with external keys that all cards have in common: their pairs lie in `pairs`, from slot `first` on.
    pub fn with_common(mut self, first: usize, pairs: Vec<u8>) -> Self {
        self.common = Some(Common { first, pairs });
        self
    }

    /// The disk that it is on.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    fn store(&self) -> &Store {
        self.store.as_ref().expect("the database is open while the server runs")
    }

    fn stored(&self, card: CardId) -> Row {
        self.store().row(card).expect(STEADY).expect("the server asks for cards that there are")
    }

    fn row(&self, card: CardId) -> &Row {
        self.rows[card.index()].get_or_init(|| Box::new(self.stored(card)))
    }

    /// The row of a card, which is about to change.
    fn row_mut(&mut self, card: CardId) -> &mut Row {
        self.row(card);
        if !self.changed.contains(&card) {
            self.changed.push(card);
        }
        self.rows[card.index()].get_mut().expect("it has just been looked up")
    }

    /// The server crashes, and its database is opened again.
    fn crash(&mut self, draws: Draws) {
        self.changed.clear();
        self.rows.iter_mut().for_each(|row| *row = OnceCell::new());
        let under_way = self.stored(self.last);
        self.disk.fail_during_sync(draws);
        let written = self.store().put([(self.last, &under_way)].into_iter(), None);
        assert!(written.is_err(), "the power fails before a transaction can be committed");
        self.store = None;
        self.store = Some(Store::open(self.disk.connect()).expect(STEADY));
    }
}

impl Directory for RedbDirectory {
    fn start(&mut self) -> u32 {
        if self.is_running {
            let starts = self.store().starts().expect(STEADY);
            self.crash(self.seed.open(Purpose::Disk, starts.into()));
        }
        self.is_running = true;
        let starts = self.store().starts().expect(STEADY);
        self.store().put(std::iter::empty(), Some(starts + 1)).expect(STEADY);
        starts
    }

    fn sync(&mut self) {
        let Some(&last) = self.changed.last() else { return };
        self.last = last;
        let row =
            |&card: &CardId| (card, &**self.rows[card.index()].get().expect("a changed row is at hand"));
        self.store().put(self.changed.iter().map(row), None).expect(STEADY);
        self.changed.clear();
    }

    fn contains(&self, card: CardId) -> bool {
        card.index() < self.rows.len()
    }

    fn key(&self, card: CardId, slot: usize) -> &[u8] {
        let row = self.row(card);
        match &self.common {
            Some(Common { first, pairs }) if slot >= *first && !row.is_replaced(slot) => {
                &pairs[(slot - first) * self.pair_length..][..self.pair_length]
            }
            _ => row.pair(slot, self.pair_length),
        }
    }

    fn pairs_of(&self, _card: CardId) -> Option<&[u8]> {
        None
    }

    /// A row is read when it is first asked for, not ahead.
    fn preload(&self, _card: CardId) -> u8 {
        0
    }

    fn renewal(&self, card: CardId, depth: Depth) -> Renewal {
        self.row(card).renewal(depth)
    }

    fn spend(&mut self, card: CardId, depth: Depth, since: Stamp) {
        self.row_mut(card).spend(depth, since);
    }

    fn commit(&mut self, card: CardId, commit: &Commit<'_>) {
        let length = self.pair_length;
        self.row_mut(card).commit(commit, length);
    }

    fn stage(&mut self, card: CardId, stage: Stage) {
        self.row_mut(card).stage(Some(stage));
    }

    fn staged(&self, card: CardId) -> Option<&Stage> {
        self.row(card).staged()
    }

    fn try_stage(&mut self, card: CardId) {
        if self.staged(card).is_some() {
            self.row_mut(card).try_stage();
        }
    }

    fn drop_stage(&mut self, card: CardId) {
        if self.staged(card).is_some() {
            self.row_mut(card).stage(None);
        }
    }

    fn refuse(&mut self, card: CardId, depth: Depth) {
        self.row_mut(card).refuse(Some(depth));
    }

    fn refused(&self, card: CardId) -> Option<Depth> {
        self.row(card).refused()
    }

    fn forget_refusal(&mut self, card: CardId) {
        if self.refused(card).is_some() {
            self.row_mut(card).refuse(None);
        }
    }

    fn recall(&mut self, card: CardId, recalled: bool) {
        if self.is_recalled(card) != recalled {
            self.row_mut(card).recall(recalled);
        }
    }

    fn is_recalled(&self, card: CardId) -> bool {
        self.row(card).is_recalled()
    }

    fn reissue(&mut self, card: CardId, pairs: &[u8], now: Stamp) {
        let length = self.pair_length;
        self.row_mut(card).reissue(pairs, length, now);
    }
}

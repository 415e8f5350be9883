//! What survives: the cards' memories and the server's directory, which counts its changes.

use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::rings::RingShape;
use keystorm_model::server::{Commit, Directory, MemoryDirectory, Renewal, Stage, Stamp};
use keystorm_model::{CardId, Depth};

use super::KEY;

/// The keys of `cards` cards of that shape as they are issued.
pub(crate) fn issue(seed: Seed, shape: RingShape, cards: usize) -> Vec<Vec<u8>> {
    let block = |card| {
        let mut keys = vec![0; shape.keys() * KEY];
        seed.open(Purpose::Issue, card).bytes(0, &mut keys);
        keys
    };
    (0..cards as u64).map(block).collect()
}

/// A directory that counts its changes.
pub(crate) struct Watched {
    inner: MemoryDirectory,
    pub commits: usize,
    pub spends: usize,
    pub stages: usize,
}

impl Watched {
    pub(crate) fn new(keys: Vec<u8>, shape: RingShape, depths: usize) -> Self {
        let inner = MemoryDirectory::new(keys, shape.keys(), KEY, depths, Stamp::NEVER);
        Watched { inner, commits: 0, spends: 0, stages: 0 }
    }

    /// How often anything durable has changed.
    pub(crate) fn changes(&self) -> usize {
        self.commits + self.spends + self.stages
    }
}

impl Directory for Watched {
    fn start(&mut self) -> u32 {
        self.inner.start()
    }

    fn contains(&self, card: CardId) -> bool {
        self.inner.contains(card)
    }

    fn key(&self, card: CardId, slot: usize) -> &[u8] {
        self.inner.key(card, slot)
    }

    fn pairs_of(&self, card: CardId) -> Option<&[u8]> {
        self.inner.pairs_of(card)
    }

    fn preload(&self, card: CardId) -> u8 {
        self.inner.preload(card)
    }

    fn renewal(&self, card: CardId, depth: Depth) -> Renewal {
        self.inner.renewal(card, depth)
    }

    fn spend(&mut self, card: CardId, depth: Depth, since: Stamp) {
        self.spends += 1;
        self.inner.spend(card, depth, since);
    }

    fn commit(&mut self, card: CardId, commit: &Commit<'_>) {
        self.commits += 1;
        self.inner.commit(card, commit);
    }

    fn stage(&mut self, card: CardId, stage: Stage) {
        self.stages += 1;
        self.inner.stage(card, stage);
    }

    fn staged(&self, card: CardId) -> Option<&Stage> {
        self.inner.staged(card)
    }

    fn try_stage(&mut self, card: CardId) {
        self.inner.try_stage(card);
    }

    fn drop_stage(&mut self, card: CardId) {
        self.inner.drop_stage(card);
    }

    fn refuse(&mut self, card: CardId, depth: Depth) {
        self.inner.refuse(card, depth);
    }

    fn refused(&self, card: CardId) -> Option<Depth> {
        self.inner.refused(card)
    }

    fn forget_refusal(&mut self, card: CardId) {
        self.inner.forget_refusal(card);
    }

    fn recall(&mut self, card: CardId, recalled: bool) {
        self.inner.recall(card, recalled);
    }

    fn is_recalled(&self, card: CardId) -> bool {
        self.inner.is_recalled(card)
    }

    fn reissue(&mut self, card: CardId, pairs: &[u8], now: Stamp) {
        self.inner.reissue(card, pairs, now);
    }
}

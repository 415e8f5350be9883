//! What survives: the cards' memories and the server's directory, which counts its changes.

use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::server::{Directory, MemoryDirectory, Period, Renewal};
use keystorm_model::{CardId, Depth};

use super::{KEY, SHAPE, TRIES};

/// The keys of `cards` cards as they are issued.
pub(crate) fn issue(seed: Seed, cards: usize) -> Vec<Vec<u8>> {
    let block = |card| {
        let mut keys = vec![0; SHAPE.keys() * KEY];
        seed.open(Purpose::Issue, card).bytes(0, &mut keys);
        keys
    };
    (0..cards as u64).map(block).collect()
}

/// A card's non-volatile memory.
pub(crate) struct Plastic {
    pub keys: Vec<u8>,
    pub tries: Vec<u8>,
    pub writes: u32,
}

impl Plastic {
    pub(crate) fn new(keys: Vec<u8>) -> Self {
        Plastic { keys, tries: vec![TRIES; SHAPE.external().into()], writes: 0 }
    }
}

/// A directory that counts its changes.
pub(crate) struct Watched {
    inner: MemoryDirectory,
    pub commits: usize,
    pub spends: usize,
}

impl Watched {
    pub(crate) fn new(keys: Vec<u8>, depths: usize, committed: Period) -> Self {
        let inner = MemoryDirectory::new(keys, SHAPE.keys(), KEY, depths, committed);
        Watched { inner, commits: 0, spends: 0 }
    }

    /// How often anything durable has changed.
    pub(crate) fn changes(&self) -> usize {
        self.commits + self.spends
    }
}

impl Directory for Watched {
    fn contains(&self, card: CardId) -> bool {
        self.inner.contains(card)
    }

    fn key(&self, card: CardId, slot: usize) -> &[u8] {
        self.inner.key(card, slot)
    }

    fn renewal(&self, card: CardId, depth: Depth) -> Renewal {
        self.inner.renewal(card, depth)
    }

    fn spend(&mut self, card: CardId, depth: Depth, period: Period) {
        self.spends += 1;
        self.inner.spend(card, depth, period);
    }

    fn commit(&mut self, card: CardId, slots: &[usize], values: &[u8], depth: Depth, period: Period) {
        self.commits += 1;
        self.inner.commit(card, slots, values, depth, period);
    }
}

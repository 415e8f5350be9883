//! Whether the server's directory still holds after a crash what the server had answered for.
//!
//! Of every card that the server was sent something about since it started, what the directory holds is noted when the
//! server has answered, and looked up again once it has crashed and started. That is by its own arithmetic: it asks the
//! directory what any server can ask, and knows nothing of how it is kept.

use std::collections::BTreeMap;

use keystorm_model::server::{Directory, Stage};
use keystorm_model::{CardId, Depth};
use xxhash_rust::xxh3::Xxh3Default;

/// What the directory has answered for.
pub struct Durable {
    keys: usize,
    depths: u8,
    /// Since the server started, by card: all that the directory held of it, as a hash.
    held: BTreeMap<CardId, u64>,
}

impl Durable {
    /// Of cards with so many keys, of which so many depths can be due.
    pub fn new(keys: usize, depths: u8) -> Self {
        Durable { keys, depths, held: BTreeMap::new() }
    }

    /// The server has answered something about `card`.
    pub fn answered(&mut self, card: CardId, directory: &impl Directory) {
        if directory.contains(card) {
            let held = self.hash(card, directory);
            self.held.insert(card, held);
        }
    }

    /// The server has crashed and started again: what is wrong, by card.
    pub fn restarted(&mut self, directory: &impl Directory) -> Vec<(CardId, String)> {
        let held = std::mem::take(&mut self.held);
        let lost = held.into_iter().filter(|&(card, held)| self.hash(card, directory) != held);
        let what = "the server crashed, and its directory has lost what it had answered for: not durable";
        lost.map(|(card, _)| (card, what.to_owned())).collect()
    }

    fn hash(&self, card: CardId, directory: &impl Directory) -> u64 {
        let mut hash = Xxh3Default::new();
        for slot in 0..self.keys {
            hash.update(directory.key(card, slot));
        }
        for depth in (0..self.depths).map(Depth) {
            let renewal = directory.renewal(card, depth);
            hash.update(&renewal.committed.number().to_le_bytes());
            hash.update(&renewal.spent.number().to_le_bytes());
        }
        hash.update(&[directory.refused(card).map_or(0, |depth| depth.0 + 1)]);
        hash.update(&[u8::from(directory.is_recalled(card))]);
        if let Some(Stage { due, opened, connection, randoms, pairs, tried }) = directory.staged(card) {
            hash.update(&[due.depth.0, u8::from(due.escalated), u8::from(*tried)]);
            for number in [due.since.number(), opened.as_ns(), connection.0] {
                hash.update(&number.to_le_bytes());
            }
            hash.update(randoms);
            hash.update(pairs);
        }
        hash.digest()
    }
}

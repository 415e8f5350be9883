//! The client directory: what the server keeps of every card [0033-0035], and survives its crashes.

use crate::ids::{CardId, Depth};
use crate::server::policy::{Period, Renewal};

/// A database of every card's keys and renewals. Every change is durable when the call returns.
pub trait Directory {
    /// Whether the card has been issued.
    fn contains(&self, card: CardId) -> bool;

    /// The card's key at `slot` (see [`crate::rings::RingShape::slot`]): Kse for the internal ring, Ksi for the external one.
    fn key(&self, card: CardId, slot: usize) -> &[u8];

    /// What is known of the card's renewals at `depth`.
    fn renewal(&self, card: CardId, depth: Depth) -> Renewal;

    /// Notes that the chance of `period` has been spent.
    fn spend(&mut self, card: CardId, depth: Depth, period: Period);

    /// Replaces the keys at `slots` by `values`, which lie one behind the other, and notes the renewal, all at once.
    fn commit(&mut self, card: CardId, slots: &[usize], values: &[u8], depth: Depth, period: Period);
}

/// The directory in memory: two flat tables.
pub struct MemoryDirectory {
    key_length: usize,
    keys_per_card: usize,
    depths: usize,
    keys: Vec<u8>,
    renewals: Vec<Renewal>,
}

impl MemoryDirectory {
    /// A directory over `keys` (`keys_per_card` keys of `key_length` bytes for each card), in which every card's last
    /// renewal at each of `depths` depths was in `committed`.
    pub fn new(
        keys: Vec<u8>,
        keys_per_card: usize,
        key_length: usize,
        depths: usize,
        committed: Period,
    ) -> Self {
        let cards = keys.len() / (keys_per_card * key_length);
        let renewal = Renewal { committed, spent: Period(0) };
        MemoryDirectory { key_length, keys_per_card, depths, keys, renewals: vec![renewal; cards * depths] }
    }

    fn offset(&self, card: CardId, slot: usize) -> usize {
        (card.index() * self.keys_per_card + slot) * self.key_length
    }
}

impl Directory for MemoryDirectory {
    fn contains(&self, card: CardId) -> bool {
        self.offset(card, 0) < self.keys.len()
    }

    fn key(&self, card: CardId, slot: usize) -> &[u8] {
        &self.keys[self.offset(card, slot)..][..self.key_length]
    }

    fn renewal(&self, card: CardId, depth: Depth) -> Renewal {
        self.renewals[card.index() * self.depths + depth.index()]
    }

    fn spend(&mut self, card: CardId, depth: Depth, period: Period) {
        self.renewals[card.index() * self.depths + depth.index()].spent = period;
    }

    fn commit(&mut self, card: CardId, slots: &[usize], values: &[u8], depth: Depth, period: Period) {
        for (&slot, value) in slots.iter().zip(values.chunks(self.key_length)) {
            let offset = self.offset(card, slot);
            self.keys[offset..][..self.key_length].copy_from_slice(value);
        }
        self.renewals[card.index() * self.depths + depth.index()].committed = period;
    }
}

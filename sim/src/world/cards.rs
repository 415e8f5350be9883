//! The fleet's cards: non-volatile memory in flat tables, and what is remembered of each card's life.

use keystorm_model::card::{CardType, Memory};
use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::{CardId, SimTime};

/// Every card of the fleet.
pub struct Cards {
    keys_stride: usize,
    tries_stride: usize,
    keys: Vec<u8>,
    tries: Vec<u8>,
    writes: Vec<u32>,
    lives: Vec<Life>,
}

/// What is remembered of one card besides its memory.
#[derive(Clone, Copy, Default, Debug)]
pub struct Life {
    /// Connections begun.
    pub connections: u32,
    /// Sessions completed.
    pub sessions: u32,
    /// When the last of them was completed.
    pub last_success: Option<SimTime>,
}

impl Cards {
    /// Issues `count` cards. Each one's keys come from its own draws.
    pub fn issue(kind: &CardType, seed: Seed, count: u32) -> Self {
        let keys_stride = kind.shape.keys() * kind.suite.sizes().key;
        let tries_stride = usize::from(kind.shape.external());
        let mut keys = vec![0; keys_stride * count as usize];
        for (card, keys) in (0u64..).zip(keys.chunks_mut(keys_stride)) {
            seed.open(Purpose::Issue, card).bytes(0, keys);
        }
        let tries = vec![kind.rules.tries; tries_stride * count as usize];
        let writes = vec![0; count as usize];
        let lives = vec![Life::default(); count as usize];
        Cards { keys_stride, tries_stride, keys, tries, writes, lives }
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.writes.len() as u32
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// A copy of all keys, card by card: what the issuer gives the server.
    pub fn issued_keys(&self) -> Vec<u8> {
        self.keys.clone()
    }

    /// The memory of one card.
    pub fn memory(&mut self, card: CardId) -> Memory<'_> {
        let index = card.index();
        Memory {
            keys: &mut self.keys[index * self.keys_stride..][..self.keys_stride],
            tries: &mut self.tries[index * self.tries_stride..][..self.tries_stride],
            writes: &mut self.writes[index],
        }
    }

    /// All keys of one card.
    pub fn keys(&self, card: CardId) -> &[u8] {
        &self.keys[card.index() * self.keys_stride..][..self.keys_stride]
    }

    /// Tries left per external key of one card.
    pub fn tries(&self, card: CardId) -> &[u8] {
        &self.tries[card.index() * self.tries_stride..][..self.tries_stride]
    }

    /// Writes to the card's non-volatile memory so far.
    pub fn writes(&self, card: CardId) -> u32 {
        self.writes[card.index()]
    }

    /// What is remembered of one card.
    pub fn life(&self, card: CardId) -> &Life {
        &self.lives[card.index()]
    }

    /// The same, to be changed.
    pub fn life_mut(&mut self, card: CardId) -> &mut Life {
        &mut self.lives[card.index()]
    }
}

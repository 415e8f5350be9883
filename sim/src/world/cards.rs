//! The fleet's cards: non-volatile memory in flat tables, and what is remembered of each card's life.

use keystorm_model::card::{CardType, Memory};
use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::{CardId, SimTime};

/// Every card of the fleet. What belongs to one card lies together, since cards come in no order.
pub struct Cards {
    /// Bytes of a card's keys, and of its tries, which follow them.
    keys_length: usize,
    tries_length: usize,
    memory: Vec<u8>,
    lives: Vec<Life>,
}

/// What is remembered of one card besides its memory.
#[derive(Clone, Copy, Default, Debug)]
pub struct Life {
    /// Connections begun.
    pub connections: u32,
    /// Sessions completed.
    pub sessions: u32,
    /// Writes to its non-volatile memory.
    writes: u32,
    /// When the last session was completed.
    last_success: SimTime,
}

impl Life {
    /// A session was completed.
    pub fn completed(&mut self, at: SimTime) {
        self.sessions += 1;
        self.last_success = at;
    }

    /// When the last session was completed.
    pub fn last_success(&self) -> Option<SimTime> {
        (self.sessions > 0).then_some(self.last_success)
    }
}

const _: () = assert!(size_of::<Life>() == 24, "counts against the 512 bytes that a card may take in all");

impl Cards {
    /// Issues `count` cards, and returns with them the pairs that the issuer gives the server, card by card. Each card's
    /// keys come from its own draws.
    pub fn issue(kind: &CardType, seed: Seed, count: u32) -> (Self, Vec<u8>) {
        let layout = kind.layout();
        let keys_length = layout.len();
        let tries_length = usize::from(kind.shape.external());
        let stride = keys_length + tries_length;
        let mut memory = vec![kind.rules.tries; stride * count as usize];
        let sizes = kind.suite.sizes();
        let mut pairs = Vec::with_capacity(layout.slots() * sizes.pair * count as usize);
        let mut random = vec![0; layout.slots() * sizes.issue_random];
        let mut draws = Draws::closed();
        for (card, memory) in (0u64..).zip(memory.chunks_mut(stride)) {
            draws.reopen(seed, Purpose::Issue, card);
            draws.bytes(0, &mut random);
            for (slot, random) in random.chunks(sizes.issue_random).enumerate() {
                let start = pairs.len();
                kind.suite.issue(random, &mut pairs);
                let half = kind.suite.half_on_card(layout.ring(slot), &pairs[start..]);
                memory[layout.range(slot)].copy_from_slice(half);
            }
        }
        let lives = vec![Life::default(); count as usize];
        (Cards { keys_length, tries_length, memory, lives }, pairs)
    }

    /// How many there are.
    pub fn len(&self) -> u32 {
        self.lives.len() as u32
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }

    /// The memory of one card.
    pub fn memory(&mut self, card: CardId) -> Memory<'_> {
        let stride = self.keys_length + self.tries_length;
        let memory = &mut self.memory[card.index() * stride..][..stride];
        let (keys, tries) = memory.split_at_mut(self.keys_length);
        Memory { keys, tries, writes: &mut self.lives[card.index()].writes }
    }

    fn contents(&self, card: CardId) -> (&[u8], &[u8]) {
        let stride = self.keys_length + self.tries_length;
        self.memory[card.index() * stride..][..stride].split_at(self.keys_length)
    }

    /// Reads one byte of each place where something is kept of a card; see [`crate::world::World::preload`].
    pub fn preload(&self, card: CardId) -> u32 {
        let (keys, tries) = self.contents(card);
        let first_of_lines = keys.iter().step_by(64).chain(keys.last()).chain(tries.last());
        first_of_lines.fold(self.lives[card.index()].connections, |sum, &byte| sum ^ u32::from(byte))
    }

    /// All keys of one card.
    pub fn keys(&self, card: CardId) -> &[u8] {
        self.contents(card).0
    }

    /// Tries left per external key of one card.
    pub fn tries(&self, card: CardId) -> &[u8] {
        self.contents(card).1
    }

    /// Writes to the card's non-volatile memory so far.
    pub fn writes(&self, card: CardId) -> u32 {
        self.lives[card.index()].writes
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

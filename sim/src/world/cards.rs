//! The fleet's cards: non-volatile memory in flat tables, and what is remembered of each card's life.

use keystorm_model::card::{CardType, Chip, Marks, Memory, most_worn, writes_of};
use keystorm_model::layout::{KeyLayout, touch};
use keystorm_model::{CardId, SimTime};

use crate::check::memory::State;

/// Every card of the fleet. What belongs to one card lies together, since cards come in no order.
pub struct Cards {
    kind: CardType,
    /// For each card its keys, its tries and the wear of its pages, in as many bytes as its type says.
    memory: Vec<u8>,
    stride: usize,
    lives: Vec<Life>,
}

/// What is remembered of one card besides its memory.
#[derive(Clone, Default, Debug)]
pub struct Life {
    /// Connections begun.
    pub connections: u32,
    /// Sessions completed.
    pub sessions: u32,
    /// Sessions in a row that failed with an NG.
    pub refusals: u8,
    /// How often it has been issued anew.
    pub reissues: u16,
    /// Whether its issuer is about to issue it anew.
    pub recalled: bool,
    /// When the last session was completed.
    last_success: SimTime,
    /// What else its memory holds.
    marks: Marks,
}

impl Life {
    /// A session was completed.
    pub fn completed(&mut self, at: SimTime) {
        self.sessions += 1;
        self.last_success = at;
        self.refusals = 0;
    }

    /// When the last session was completed.
    pub fn last_success(&self) -> Option<SimTime> {
        (self.sessions > 0).then_some(self.last_success)
    }
}

/// A card's keys and counters before a command, for the checkers.
#[derive(Default)]
pub(super) struct Before {
    pub(super) keys: Vec<u8>,
    tries: Vec<u8>,
    torn: u64,
}

impl Before {
    /// Notes those of `card`.
    pub(super) fn take(&mut self, cards: &Cards, card: CardId) {
        self.keys.clear();
        self.keys.extend_from_slice(cards.keys(card));
        self.tries.clear();
        self.tries.extend_from_slice(cards.tries(card));
        self.torn = cards.marks(card).torn();
    }

    pub(super) fn state(&self) -> State<'_> {
        State { tries: &self.tries, torn: self.torn }
    }
}

const _: () = assert!(size_of::<Life>() == 40, "counts against the 512 bytes that a card may take in all");

impl Cards {
    /// Gives each card its halves of `pairs`, in which all pairs of each card lie by slot.
    pub fn issue(kind: &CardType, pairs: &[u8]) -> Self {
        let (layout, at_server) = (kind.layout(), KeyLayout::at_server(kind.shape, kind.suite.sizes()));
        let stride = kind.memory_bytes();
        let count = pairs.len() / at_server.len();
        let mut memory = vec![0; stride * count];
        for (memory, pairs) in memory.chunks_mut(stride).zip(pairs.chunks(at_server.len())) {
            for slot in 0..layout.slots() {
                let half = kind.suite.half_on_card(layout.ring(slot), &pairs[at_server.range(slot)]);
                memory[layout.range(slot)].copy_from_slice(half);
            }
            memory[layout.len()..][..usize::from(kind.shape.external())].fill(kind.rules.tries);
        }
        let lives = vec![Life::default(); count];
        Cards { kind: *kind, memory, stride, lives }
    }

    /// Gives a card new keys and all its tries.
    pub fn personalise(&mut self, card: CardId, pairs: &[u8]) {
        let CardType { suite, shape, rules, .. } = self.kind;
        let layout = self.kind.layout();
        let block = &mut self.memory[card.index() * self.stride..][..self.stride];
        for (slot, pair) in pairs.chunks(suite.sizes().pair).enumerate() {
            block[layout.range(slot)].copy_from_slice(suite.half_on_card(layout.ring(slot), pair));
        }
        block[layout.len()..][..usize::from(shape.external())].fill(rules.tries);
        self.lives[card.index()].marks = Marks::default();
    }

    /// Puts a new chip in place of a card's, whose pages have never been written.
    pub fn replace(&mut self, card: CardId) {
        self.memory[card.index() * self.stride..][..self.stride].fill(0);
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
        let block = &mut self.memory[card.index() * self.stride..][..self.stride];
        Memory::over(&self.kind, card, block, &mut self.lives[card.index()].marks)
    }

    /// A copy of the memory of one card.
    pub fn chip(&self, card: CardId) -> Chip {
        Chip::copy_of(card, self.block(card), self.marks(card))
    }

    fn block(&self, card: CardId) -> &[u8] {
        &self.memory[card.index() * self.stride..][..self.stride]
    }

    /// Reads something of each place where something is kept of a card; see [`crate::world::World::preload`].
    pub fn preload(&self, card: CardId) -> u32 {
        u32::from(touch(self.block(card))) ^ self.lives[card.index()].connections
    }

    /// All keys of one card.
    pub fn keys(&self, card: CardId) -> &[u8] {
        &self.block(card)[..self.kind.layout().len()]
    }

    /// Tries left per external key of one card.
    pub fn tries(&self, card: CardId) -> &[u8] {
        &self.block(card)[self.kind.layout().len()..][..usize::from(self.kind.shape.external())]
    }

    /// Which keys of the card are torn, and whether its next power-up has something to restore.
    pub fn marks(&self, card: CardId) -> &Marks {
        &self.lives[card.index()].marks
    }

    /// Whether a page of the card's memory cannot be written any more.
    pub fn is_worn_out(&self, card: CardId) -> bool {
        most_worn(&self.kind, self.block(card)) >= self.kind.rules.nvm.endurance
    }

    /// Page writes to the card's non-volatile memory so far.
    pub fn writes(&self, card: CardId) -> u32 {
        writes_of(&self.kind, self.block(card))
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

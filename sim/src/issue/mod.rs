//! The issuer: makes the pairs of a fleet before its first day, and new ones for a card that comes back \[0059\].
//!
//! Each pair comes from random bytes of its own card, at a place of its own in that card's draws, so that neither the
//! number of threads nor what was made before changes a bit of any. Pairs of symmetric suites cost nothing and are made
//! anew for every run. Those of asymmetric suites take seconds, minutes or hours, and a [`Stock`] keeps them in files; [`Stocks`] are those of several
//! runs.

mod files;
mod stock;
mod stocks;
#[cfg(test)]
mod tests;

pub use stock::{Issued, Stock};
pub use stocks::{Missing, Stocks};

use keystorm_model::CardId;
use keystorm_model::draw::{Draws, Purpose, Seed, owner};
use keystorm_model::layout::KeyLayout;
use keystorm_model::rings::RingShape;
use keystorm_model::suite::{Cipher, Crypto, Family, SuiteId};

use crate::plan::Plan;

/// What is to be issued: everything that the pairs of a fleet depend on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Order {
    /// The cipher suite of every card.
    pub suite: SuiteId,
    /// Whether its operations are carried out.
    pub crypto: Crypto,
    /// The seed of the run.
    pub seed: Seed,
    /// M internal and N external keys.
    pub shape: RingShape,
    /// How many cards there are.
    pub cards: u32,
}

impl Order {
    /// What `plan` needs.
    pub fn of(plan: &Plan) -> Self {
        let fleet = &plan.fleet;
        Order {
            suite: fleet.suite,
            crypto: plan.crypto,
            seed: Seed(plan.seed),
            shape: fleet.shape,
            cards: fleet.cards,
        }
    }

    /// What makes the pairs.
    pub fn cipher(&self) -> Cipher {
        self.crypto.cipher(self.suite, None)
    }

    /// Whether pairs take so long to make that it is worth while to keep them.
    pub fn is_slow(&self) -> bool {
        self.crypto == Crypto::Real && self.suite.family() == Family::Asymmetric
    }

    /// Where the pairs of one card lie among themselves.
    pub fn layout(&self) -> KeyLayout {
        KeyLayout::at_server(self.shape, self.cipher().kept())
    }

    /// Bytes of all pairs, which lie card by card.
    pub fn bytes(&self) -> usize {
        self.layout().len() * self.cards as usize
    }
}

/// Makes all pairs of `order`, one after the other, as the server keeps them: card by card, and each card's by slot (see
/// [`RingShape::slot`]).
pub fn fresh(order: &Order) -> Vec<u8> {
    let mut pairs = Vec::with_capacity(order.bytes());
    let mut maker = Maker::new(order.cipher(), order.shape);
    for card in 0..u64::from(order.cards) {
        maker.turn_to(order.seed, Purpose::Issue, card);
        maker.all(&mut pairs);
    }
    pairs
}

/// The same for one card alone: zeros stand for the pairs of all others.
pub fn fresh_for_one(order: &Order, card: CardId) -> Vec<u8> {
    let mut pairs = vec![0; order.bytes()];
    let mut maker = Maker::new(order.cipher(), order.shape);
    maker.turn_to(order.seed, Purpose::Issue, card.0.into());
    let mut own = Vec::new();
    maker.all(&mut own);
    pairs[card.index() * own.len()..][..own.len()].copy_from_slice(&own);
    pairs
}

/// Makes the pairs that a card gets when it is issued again for the `count`-th time, by slot.
pub fn reissued(cipher: Cipher, shape: RingShape, seed: Seed, card: CardId, count: u32) -> Vec<u8> {
    let mut pairs = Vec::with_capacity(KeyLayout::at_server(shape, cipher.kept()).len());
    let mut maker = Maker::new(cipher, shape);
    maker.turn_to(seed, Purpose::Reissue, owner(card, count));
    maker.all(&mut pairs);
    pairs
}

/// Makes the pairs of the external keys that all cards have in common at issue, by number \[0035\].
pub fn common(cipher: Cipher, shape: RingShape, seed: Seed) -> Vec<u8> {
    let mut pairs = Vec::new();
    let mut maker = Maker::new(cipher, shape);
    maker.turn_to(seed, Purpose::Common, 0);
    (usize::from(shape.internal())..shape.keys()).for_each(|slot| maker.one(slot, &mut pairs));
    pairs
}

/// Gives every card of a fleet the external pairs in `common` instead of its own in `pairs`.
pub fn share(shape: RingShape, common: &[u8], pairs: &mut [u8]) {
    let card = common.len() / usize::from(shape.external()) * shape.keys();
    for pairs in pairs.chunks_mut(card) {
        pairs[card - common.len()..].copy_from_slice(common);
    }
}

/// Makes pairs of one card at a time.
struct Maker {
    cipher: Cipher,
    draws: Draws,
    /// The random bytes of all pairs of the card.
    random: Vec<u8>,
}

impl Maker {
    fn new(cipher: Cipher, shape: RingShape) -> Self {
        let random = vec![0; shape.keys() * cipher.sizes().issue_random];
        Maker { cipher, draws: Draws::closed(), random }
    }

    fn turn_to(&mut self, seed: Seed, purpose: Purpose, owner: u64) {
        self.draws.reopen(seed, purpose, owner);
        self.draws.bytes(0, &mut self.random);
    }

    fn all(&self, out: &mut Vec<u8>) {
        for random in self.random.chunks(self.cipher.sizes().issue_random) {
            self.cipher.issue(random, out);
        }
    }

    fn one(&self, slot: usize, out: &mut Vec<u8>) {
        let length = self.cipher.sizes().issue_random;
        self.cipher.issue(&self.random[slot * length..][..length], out);
    }
}

//! Who is out: one bit per card.

use keystorm_model::CardId;

/// A set of cards.
pub(super) struct Present {
    bits: Vec<u64>,
}

impl Present {
    /// Room for `cards` cards; none of them is in the set.
    pub(super) fn new(cards: u32) -> Self {
        Present { bits: vec![0; (cards as usize).div_ceil(64)] }
    }

    /// Adds a card; `false`: it has been in the set already.
    pub(super) fn insert(&mut self, card: CardId) -> bool {
        let (word, bit) = (&mut self.bits[card.index() / 64], 1 << (card.index() % 64));
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether a card is in the set.
    pub(super) fn contains(&self, card: CardId) -> bool {
        self.bits[card.index() / 64] & 1 << (card.index() % 64) != 0
    }

    /// See [`super::World::preload`].
    pub(super) fn preload(&self, card: CardId) -> u32 {
        self.bits[card.index() / 64] as u32
    }

    /// Takes a card out.
    pub(super) fn remove(&mut self, card: CardId) {
        self.bits[card.index() / 64] &= !(1 << (card.index() % 64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_in_the_set_from_its_insertion_to_its_removal() {
        let mut present = Present::new(65);
        for card in [0, 63, 64].map(CardId) {
            assert!(present.insert(card));
            assert!(!present.insert(card) && present.contains(card));
        }
        present.remove(CardId(63));
        assert!(!present.contains(CardId(63)) && present.insert(CardId(63)) && !present.insert(CardId(64)));
    }
}

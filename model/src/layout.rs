//! Where each key of a card lies in a party's block of bytes: internal keys first, one behind the other.

use core::ops::Range;

use crate::rings::{Ring, RingShape};
use crate::suite::Sizes;

/// The layout of one party's keys of a card. Slots are those of [`RingShape::slot`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyLayout {
    internal_keys: usize,
    external_keys: usize,
    internal_length: usize,
    external_length: usize,
}

impl KeyLayout {
    /// A card's block: of each internal key the private half, of each external one the public half \[0061\].
    pub const fn on_card(shape: RingShape, sizes: Sizes) -> Self {
        KeyLayout::new(shape, sizes.private, sizes.public)
    }

    /// The server's block: of each key the pair.
    pub const fn at_server(shape: RingShape, sizes: Sizes) -> Self {
        KeyLayout::new(shape, sizes.pair, sizes.pair)
    }

    const fn new(shape: RingShape, internal_length: usize, external_length: usize) -> Self {
        KeyLayout {
            internal_keys: shape.internal() as usize,
            external_keys: shape.external() as usize,
            internal_length,
            external_length,
        }
    }

    /// Bytes of the whole block.
    pub const fn len(self) -> usize {
        self.internal_keys * self.internal_length + self.external_keys * self.external_length
    }

    /// Whether the block holds nothing: never, since each ring has a key.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// How many keys there are.
    pub const fn slots(self) -> usize {
        self.internal_keys + self.external_keys
    }

    /// Which ring the key in `slot` belongs to.
    pub const fn ring(self, slot: usize) -> Ring {
        if slot < self.internal_keys { Ring::Internal } else { Ring::External }
    }

    /// The bytes of the key in `slot`.
    pub const fn range(self, slot: usize) -> Range<usize> {
        let internal_end = self.internal_keys * self.internal_length;
        match slot.checked_sub(self.internal_keys) {
            None => slot * self.internal_length..(slot + 1) * self.internal_length,
            Some(external) => {
                let start = internal_end + external * self.external_length;
                start..start + self.external_length
            }
        }
    }
}

/// Bytes of a cache line.
const LINE: usize = 64;

/// Reads a byte of each cache line that a block lies in, so that the processor fetches them all at once.
pub fn touch(block: &[u8]) -> u8 {
    let mut sum = block.last().copied().unwrap_or(0);
    let mut at = 0;
    while at < block.len() {
        sum ^= block[at];
        at += LINE;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_lie_behind_one_another_and_fill_the_block() {
        let shape = RingShape::new(3, 4).unwrap();
        let sizes = Sizes {
            pair: 12,
            private: 8,
            public: 4,
            challenge: 1,
            renewal_random: 1,
            proof: 1,
            seed: 1,
            issue_random: 1,
        };
        for layout in [KeyLayout::on_card(shape, sizes), KeyLayout::at_server(shape, sizes)] {
            let mut end = 0;
            for slot in 0..layout.slots() {
                assert_eq!(layout.range(slot).start, end);
                end = layout.range(slot).end;
            }
            assert_eq!(end, layout.len());
        }
        let card = KeyLayout::on_card(shape, sizes);
        assert_eq!((card.range(2), card.range(3)), (16..24, 24..28));
        assert_eq!((card.ring(2), card.ring(3)), (Ring::Internal, Ring::External));
    }
}

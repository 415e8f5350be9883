//! Which pages of the memory a key or a counter lies in, and what else lies there.

use core::ops::Range;

use crate::layout::KeyLayout;

use super::nvm::PageLayout;

/// Something that is written as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Value {
    /// The key in a slot.
    Key(usize),
    /// The tries left of external key number index + 1.
    Counter(usize),
}

impl Value {
    /// The key's slot, if it is one.
    pub(super) const fn slot(self) -> Option<usize> {
        match self {
            Value::Key(slot) => Some(slot),
            Value::Counter(_) => None,
        }
    }
}

/// Keys and counters never share a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bank {
    Keys,
    Counters,
}

/// The pages of one kind of card, numbered from 0: those of the keys, behind them those of the counters.
///
/// Keys fill pages by their true lengths. The bytes that they are kept in here may be fewer (stand-ins of
/// [`crate::suite`]): then a part of a key is the same part of those bytes, rounded outwards.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pages {
    keys: KeyLayout,
    /// Where the keys lie in the bytes that they are kept in.
    pub(super) kept: KeyLayout,
    counters: usize,
    layout: PageLayout,
    page: usize,
}

impl Pages {
    pub(super) const fn new(
        keys: KeyLayout,
        kept: KeyLayout,
        counters: usize,
        layout: PageLayout,
        page: usize,
    ) -> Self {
        Pages { keys, kept, counters, layout, page }
    }

    /// How many there are.
    pub(super) const fn count(self) -> usize {
        self.of_keys() + self.of_counters()
    }

    const fn of_keys(self) -> usize {
        match self.layout {
            PageLayout::Packed => self.keys.len().div_ceil(self.page),
            PageLayout::PagePerKey => {
                self.internal_keys() * self.per_internal_key() + self.counters * self.per_external_key()
            }
        }
    }

    const fn of_counters(self) -> usize {
        match self.layout {
            PageLayout::Packed => 1,
            PageLayout::PagePerKey => self.counters,
        }
    }

    const fn internal_keys(self) -> usize {
        self.keys.slots() - self.counters
    }

    /// Pages of each internal key, if it has them to itself.
    const fn per_internal_key(self) -> usize {
        let place = self.keys.range(0);
        (place.end - place.start).div_ceil(self.page)
    }

    const fn per_external_key(self) -> usize {
        let place = self.keys.range(self.keys.slots() - 1);
        (place.end - place.start).div_ceil(self.page)
    }

    /// First page of the key in `slot`, if it has them to itself.
    const fn first_of_key(self, slot: usize) -> usize {
        match slot.checked_sub(self.internal_keys()) {
            None => slot * self.per_internal_key(),
            Some(external) => {
                self.internal_keys() * self.per_internal_key() + external * self.per_external_key()
            }
        }
    }

    /// The pages of a value.
    pub(super) fn of(self, value: Value) -> Range<usize> {
        match (value, self.layout) {
            (Value::Key(slot), PageLayout::Packed) => {
                let place = self.keys.range(slot);
                place.start / self.page..place.end.div_ceil(self.page)
            }
            (Value::Key(slot), PageLayout::PagePerKey) => {
                self.first_of_key(slot)..self.first_of_key(slot + 1)
            }
            (Value::Counter(_), PageLayout::Packed) => self.of_keys()..self.of_keys() + 1,
            (Value::Counter(index), PageLayout::PagePerKey) => {
                self.of_keys() + index..self.of_keys() + index + 1
            }
        }
    }

    /// Where a value lies in the bytes of its bank.
    pub(super) fn place(self, value: Value) -> Range<usize> {
        match value {
            Value::Key(slot) => self.kept.range(slot),
            Value::Counter(index) => index..index + 1,
        }
    }

    /// All bytes that the pages of a value hold, and in which bank.
    pub(super) fn span(self, value: Value) -> (Bank, Range<usize>) {
        let bank = match value {
            Value::Key(_) => Bank::Keys,
            Value::Counter(_) => Bank::Counters,
        };
        let pages = self.of(value);
        (bank, self.bytes(bank, pages.start).start..self.bytes(bank, pages.end - 1).end)
    }

    /// The bytes of its bank that a page holds.
    pub(super) fn bytes(self, bank: Bank, page: usize) -> Range<usize> {
        let contents = self.contents(page);
        if bank == Bank::Counters || self.keys == self.kept {
            return contents;
        }
        let mut slots = self.keys_in(bank, &contents);
        let first = slots.next().expect("a page of keys holds some of one");
        let last = slots.last().unwrap_or(first);
        let start = contents.start.max(self.keys.range(first).start);
        let end = contents.end.min(self.keys.range(last).end);
        self.kept_part(first, start).0..self.kept_part(last, end).1
    }

    /// The place `at` in the key in `slot`, in the bytes that it is kept in: rounded down, and up.
    const fn kept_part(self, slot: usize, at: usize) -> (usize, usize) {
        let (key, kept) = (self.keys.range(slot), self.kept.range(slot));
        let length = key.end - key.start;
        let part = (at - key.start) * (kept.end - kept.start);
        (kept.start + part / length, kept.start + part.div_ceil(length))
    }

    /// What a page holds of its bank, by true lengths.
    pub(super) fn contents(self, page: usize) -> Range<usize> {
        match (page.checked_sub(self.of_keys()), self.layout) {
            (None, PageLayout::Packed) => page * self.page..((page + 1) * self.page).min(self.keys.len()),
            (None, PageLayout::PagePerKey) => {
                let internal_end = self.internal_keys() * self.per_internal_key();
                let slot = match page.checked_sub(internal_end) {
                    None => page / self.per_internal_key(),
                    Some(beyond) => self.internal_keys() + beyond / self.per_external_key(),
                };
                let place = self.keys.range(slot);
                let start = place.start + (page - self.first_of_key(slot)) * self.page;
                start..(start + self.page).min(place.end)
            }
            (Some(_), PageLayout::Packed) => 0..self.counters,
            (Some(index), PageLayout::PagePerKey) => index..index + 1,
        }
    }

    /// The slots of the keys that overlap these contents of a bank.
    pub(super) fn keys_in(self, bank: Bank, contents: &Range<usize>) -> impl Iterator<Item = usize> + use<> {
        let contents = contents.clone();
        (0..self.keys.slots()).filter(move |&slot| {
            let place = self.keys.range(slot);
            bank == Bank::Keys && place.start < contents.end && contents.start < place.end
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rings::RingShape;
    use crate::suite::Sizes;

    /// Internal keys of 40 bytes, external ones of 24: three and four of them, 216 bytes in all.
    const KEYS: KeyLayout = {
        let sizes = Sizes {
            pair: 64,
            private: 40,
            public: 24,
            challenge: 1,
            renewal_random: 1,
            proof: 1,
            seed: 1,
            issue_random: 1,
        };
        KeyLayout::on_card(RingShape::new(3, 4).unwrap(), sizes)
    };

    #[test]
    fn packed_keys_share_pages_and_counters_have_one() {
        let pages = Pages::new(KEYS, KEYS, 4, PageLayout::Packed, 32);
        assert_eq!(pages.count(), 8, "216 bytes of keys in 7 pages, and the counters");
        assert_eq!(pages.of(Value::Key(0)), 0..2);
        assert_eq!(pages.of(Value::Key(1)), 1..3);
        assert_eq!(pages.span(Value::Key(1)), (Bank::Keys, 32..96));
        assert_eq!(pages.keys_in(Bank::Keys, &(32..64)).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(pages.contents(6), 192..216);
        assert_eq!(pages.of(Value::Counter(3)), 7..8);
        assert_eq!(pages.span(Value::Counter(3)), (Bank::Counters, 0..4));
        assert_eq!(pages.keys_in(Bank::Counters, &(0..4)).count(), 0);
    }

    #[test]
    fn a_page_of_its_own_holds_nothing_else() {
        let pages = Pages::new(KEYS, KEYS, 4, PageLayout::PagePerKey, 32);
        assert_eq!(pages.count(), 3 * 2 + 4 + 4);
        assert_eq!(pages.of(Value::Key(2)), 4..6);
        assert_eq!(pages.of(Value::Key(3)), 6..7);
        assert_eq!((pages.contents(4), pages.contents(5)), (80..112, 112..120));
        assert_eq!(pages.contents(9), 192..216);
        assert_eq!(pages.keys_in(Bank::Keys, &pages.contents(5)).collect::<Vec<_>>(), [2]);
        assert_eq!(pages.of(Value::Counter(3)), 13..14);
        assert_eq!(pages.contents(13), 3..4);
    }

    /// The same keys kept in 16 bytes each: the first page of 32 has four fifths of the first key of 40, and so on.
    #[test]
    fn a_page_takes_its_part_of_a_key_that_is_kept_in_fewer_bytes() {
        let kept = KeyLayout::on_card(
            RingShape::new(3, 4).unwrap(),
            Sizes {
                pair: 32,
                private: 16,
                public: 16,
                challenge: 1,
                renewal_random: 1,
                proof: 1,
                seed: 1,
                issue_random: 1,
            },
        );
        let pages = Pages::new(KEYS, kept, 4, PageLayout::Packed, 32);
        assert_eq!(pages.of(Value::Key(1)), 1..3, "by true lengths");
        assert_eq!(pages.bytes(Bank::Keys, 0), 0..13, "12.8");
        assert_eq!(pages.bytes(Bank::Keys, 1), 12..26, "8 of 40 bytes, and 24");
        assert_eq!(pages.span(Value::Key(1)), (Bank::Keys, 12..39), "and 16 of the next key");
        assert_eq!(pages.place(Value::Key(1)), 16..32);
        assert_eq!(pages.bytes(Bank::Keys, 6), 96..112, "the last key alone");
        assert_eq!(pages.bytes(Bank::Counters, 7), 0..4);
        for layout in PageLayout::ALL {
            for page in [16, 24, 64, 256] {
                let pages = Pages::new(KEYS, kept, 4, layout, page);
                for slot in 0..KEYS.slots() {
                    let place = pages.place(Value::Key(slot));
                    let (_, span) = pages.span(Value::Key(slot));
                    assert!(
                        span.start <= place.start && place.end <= span.end,
                        "a key's pages hold all of it"
                    );
                }
            }
        }
    }

    #[test]
    fn the_pages_of_all_values_together_hold_every_byte_once() {
        for layout in PageLayout::ALL {
            for page in [16, 24, 64, 256] {
                let pages = Pages::new(KEYS, KEYS, 4, layout, page);
                let (mut keys, mut counters) = (0, 0);
                for page in 0..pages.count() {
                    let contents = pages.contents(page);
                    let end = if page < pages.of_keys() { &mut keys } else { &mut counters };
                    assert_eq!(contents.start, *end, "{layout:?}");
                    *end = contents.end;
                }
                assert_eq!((keys, counters), (KEYS.len(), 4));
            }
        }
    }
}

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
/// [`crate::suite`]): then a page that holds part of a key has all of its bytes.
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

    /// The bytes of its bank that a page holds: all those of each key of which it holds some, if keys are kept short.
    pub(super) fn bytes(self, bank: Bank, page: usize) -> Range<usize> {
        let contents = self.contents(page);
        if bank == Bank::Counters || !self.keeps_keys_short() {
            return contents;
        }
        let mut slots = self.keys_in(bank, &contents);
        let first = slots.next().expect("a page of keys holds some of one");
        let last = slots.last().unwrap_or(first);
        self.kept.range(first).start..self.kept.range(last).end
    }

    /// Whether keys are kept in fewer bytes than they have.
    pub(super) fn keeps_keys_short(self) -> bool {
        self.keys != self.kept
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

    #[test]
    fn a_page_has_all_bytes_of_each_key_of_which_it_holds_some_if_keys_are_kept_short() {
        let sizes = Sizes {
            pair: 32,
            private: 16,
            public: 16,
            challenge: 1,
            renewal_random: 1,
            proof: 1,
            seed: 1,
            issue_random: 1,
        };
        let kept = KeyLayout::on_card(RingShape::new(3, 4).unwrap(), sizes);
        let pages = Pages::new(KEYS, kept, 4, PageLayout::Packed, 32);
        assert_eq!((pages.count(), pages.of(Value::Key(1))), (8, 1..3), "by true lengths");
        assert_eq!(pages.place(Value::Key(1)), 16..32);
        assert_eq!((pages.bytes(Bank::Keys, 0), pages.bytes(Bank::Keys, 1)), (0..16, 0..32));
        assert_eq!(pages.span(Value::Key(1)), (Bank::Keys, 0..48), "its pages hold parts of both neighbours");
        assert_eq!(pages.bytes(Bank::Keys, 6), 96..112);
        assert_eq!(pages.bytes(Bank::Counters, 7), 0..4);
        let pages = Pages::new(KEYS, kept, 4, PageLayout::PagePerKey, 32);
        assert_eq!((pages.bytes(Bank::Keys, 2), pages.bytes(Bank::Keys, 3)), (16..32, 16..32));
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

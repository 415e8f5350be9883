//! What an update asks for: which keys to renew, in which way, with which randoms Rk.

use crate::ids::KeyNo;
use crate::rings::{KeyRef, Ring, RingShape};

/// In which way keys are renewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// The client fetches each new key from the card and lets the card store it (Fig. 6 to 9).
    ThroughClient,
    /// The card derives and stores each new key inside (Fig. 10).
    InsideCard,
    /// The root pair renews itself \[0058\]: all new keys are fetched before the first is stored, and the one that they
    /// are derived with is stored last.
    RootThroughClient,
    /// The same in one command, inside the card.
    RootInsideCard,
}

impl Way {
    const ALL: [Way; 4] = [Way::ThroughClient, Way::InsideCard, Way::RootThroughClient, Way::RootInsideCard];

    pub(crate) fn from_byte(byte: u8) -> Option<Self> {
        Way::ALL.into_iter().find(|&way| way as u8 == byte)
    }

    /// Whether the card derives and stores inside.
    pub const fn inside(self) -> bool {
        matches!(self, Way::InsideCard | Way::RootInsideCard)
    }

    /// Whether the root pair renews itself.
    pub const fn root(self) -> bool {
        matches!(self, Way::RootThroughClient | Way::RootInsideCard)
    }
}

/// Keys to renew and their randoms, borrowed from a datagram.
///
/// There is one random for each key, or a single one for two keys: then the second key's is its bitwise complement
/// \[0088\].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Orders<'a> {
    way: Way,
    /// Ring and number of each key.
    keys: &'a [u8],
    randoms: &'a [u8],
}

/// Bytes per key.
const KEY: usize = 2;

impl<'a> Orders<'a> {
    /// Views orders; `None` if they name no key or one that cannot exist, or if the randoms do not go with them.
    pub fn new(way: Way, keys: &'a [u8], randoms: &'a [u8]) -> Option<Self> {
        let known = |key: &[u8]| {
            ring(key[0]).is_some() && key.get(1).is_some_and(|no| (1..=RingShape::MAX).contains(no))
        };
        let whole = !keys.is_empty() && keys.len().is_multiple_of(KEY) && keys.chunks(KEY).all(known);
        (whole && !randoms.is_empty()).then_some(Orders { way, keys, randoms })
    }

    /// In which way they are renewed.
    pub const fn way(&self) -> Way {
        self.way
    }

    /// How many keys.
    pub const fn len(&self) -> usize {
        self.keys.len() / KEY
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether the randoms are of `length` bytes each: one for each key, or one for two.
    pub fn fit(&self, length: usize) -> bool {
        self.randoms.len() == length * self.len() || (self.len() == 2 && self.randoms.len() == length)
    }

    /// The `index`-th key.
    pub fn key(&self, index: usize) -> Option<KeyRef> {
        let key = self.keys.chunks(KEY).nth(index)?;
        Some(KeyRef { ring: ring(key[0])?, no: KeyNo(key[1]) })
    }

    /// Appends the random of the `index`-th key, where randoms are of `length` bytes.
    pub fn random(&self, index: usize, length: usize, out: &mut Vec<u8>) {
        match self.randoms.get(index * length..(index + 1) * length) {
            Some(random) => out.extend_from_slice(random),
            None => out.extend(self.randoms[..length].iter().map(|byte| !byte)),
        }
    }

    pub(crate) fn parts(&self) -> (&'a [u8], &'a [u8]) {
        (self.keys, self.randoms)
    }

    /// Appends a key in the form that this type views.
    pub fn push_key(keys: &mut Vec<u8>, key: KeyRef) {
        keys.extend_from_slice(&[key.ring as u8, key.no.0]);
    }
}

/// Orders that somebody keeps, in buffers that are used again.
#[derive(Clone, Debug)]
pub struct KeptOrders {
    way: Way,
    keys: Vec<u8>,
    randoms: Vec<u8>,
}

impl Default for KeptOrders {
    fn default() -> Self {
        KeptOrders { way: Way::ThroughClient, keys: Vec::new(), randoms: Vec::new() }
    }
}

impl KeptOrders {
    /// Keeps these instead of what was kept.
    pub fn keep(&mut self, orders: Orders<'_>) {
        self.way = orders.way;
        self.keys.clear();
        self.keys.extend_from_slice(orders.keys);
        self.randoms.clear();
        self.randoms.extend_from_slice(orders.randoms);
    }

    /// What is kept.
    pub fn view(&self) -> Orders<'_> {
        Orders { way: self.way, keys: &self.keys, randoms: &self.randoms }
    }
}

fn ring(byte: u8) -> Option<Ring> {
    [Ring::Internal, Ring::External].into_iter().find(|&ring| ring as u8 == byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [u8; 4] = [0, 3, 1, 4];

    fn random(orders: Orders<'_>, index: usize) -> Vec<u8> {
        let mut out = Vec::new();
        orders.random(index, 4, &mut out);
        out
    }

    #[test]
    fn orders_come_back_in_their_order() {
        let orders = Orders::new(Way::ThroughClient, &KEYS, &[1, 1, 1, 1, 2, 2, 2, 2]).unwrap();
        assert_eq!(orders.len(), 2);
        assert_eq!(orders.key(0), Some(KeyRef { ring: Ring::Internal, no: KeyNo(3) }));
        assert_eq!(orders.key(1), Some(KeyRef { ring: Ring::External, no: KeyNo(4) }));
        assert_eq!(orders.key(2), None);
        assert!(orders.fit(4) && !orders.fit(3) && !orders.fit(16));
        assert_eq!((random(orders, 0), random(orders, 1)), (vec![1; 4], vec![2; 4]));
    }

    #[test]
    fn a_single_random_for_two_keys_gives_the_second_its_complement() {
        let orders = Orders::new(Way::InsideCard, &KEYS, &[0x0f, 0, 0xff, 0xaa]).unwrap();
        assert!(orders.fit(4));
        assert_eq!(random(orders, 1), [0xf0, 0xff, 0, 0x55]);
        let one_key = Orders::new(Way::InsideCard, &KEYS[..2], &[0; 8]).unwrap();
        assert!(!one_key.fit(4), "two randoms for one key");
    }

    #[test]
    fn orders_that_cannot_be_are_refused() {
        let refused = |keys: &[u8], randoms: &[u8]| Orders::new(Way::ThroughClient, keys, randoms).is_none();
        assert!(refused(&[], &[1; 16]), "no key");
        assert!(refused(&[9, 3], &[1; 16]), "no such ring");
        assert!(refused(&[0, 0], &[1; 16]) && refused(&[0, 32], &[1; 16]), "no such key");
        assert!(refused(&[0, 3, 1], &[1; 16]), "not whole");
        assert!(refused(&KEYS, &[]), "no random");
    }

    #[test]
    fn what_is_kept_is_seen_again() {
        let orders = Orders::new(Way::RootInsideCard, &KEYS, &[1, 2, 3, 4]).unwrap();
        let mut kept = KeptOrders::default();
        kept.keep(orders);
        assert_eq!(kept.view(), orders);
    }
}

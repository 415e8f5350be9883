//! The ladder of keys: two rings of numbered keys per card, and what a key may renew.
//!
//! A card has M internal keys Kai and N external keys Kae, numbered from 1 [0039-0040]. Number M (N) is the
//! working key; the pair at depth d is (M-d, N-d), which is the pairing M-m = N-n of claim 9. Keys lie
//! in one block of bytes per party, internal ones first, so that a fleet's keys are one flat table.

use crate::ids::{Depth, KeyNo};

/// Which of the two rings of a card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Ring {
    /// Kai on the card, Kse on the server: the card proves itself.
    Internal,
    /// Kae on the card, Ksi on the server: the card checks the server.
    External,
}

/// One key of a card: its ring and its number in it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct KeyRef {
    /// The ring.
    pub ring: Ring,
    /// The number, from 1.
    pub no: KeyNo,
}

/// An internal and an external key that authenticate together.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    /// Number of the internal key, m.
    pub internal: KeyNo,
    /// Number of the external key, n.
    pub external: KeyNo,
}

impl Pair {
    /// The key of the pair in `ring`.
    pub const fn key(self, ring: Ring) -> KeyRef {
        let no = match ring {
            Ring::Internal => self.internal,
            Ring::External => self.external,
        };
        KeyRef { ring, no }
    }
}

/// Which authentication a card demands before it lets a key be renewed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RenewalRule {
    /// Claims 6 to 9: both keys used must be numbered below the target's pair, each in its own ring. A spare key, which
    /// has no partner, can therefore not be renewed.
    Below,
    /// Claims 3 to 5: the key used in the target's own ring must be another than the target. A working key can then
    /// renew its superiors.
    OtherThan,
}

impl RenewalRule {
    /// Both, in the order of the documentation.
    pub const ALL: [RenewalRule; 2] = [RenewalRule::Below, RenewalRule::OtherThan];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            RenewalRule::Below => "below",
            RenewalRule::OtherThan => "other-than",
        }
    }
}

/// How many keys a card has: M internal and N external ones, each 1..=31 (a P2 reference has five bits).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RingShape {
    internal: u8,
    external: u8,
}

impl RingShape {
    /// The most keys that a ring can have.
    pub const MAX: u8 = 31;

    /// A card with `internal` and `external` keys; `None` outside 1..=31.
    pub const fn new(internal: u8, external: u8) -> Option<Self> {
        if internal == 0 || external == 0 || internal > Self::MAX || external > Self::MAX {
            return None;
        }
        Some(RingShape { internal, external })
    }

    /// M, the number of internal keys.
    pub const fn internal(self) -> u8 {
        self.internal
    }

    /// N, the number of external keys.
    pub const fn external(self) -> u8 {
        self.external
    }

    /// M + N.
    pub const fn keys(self) -> usize {
        self.internal as usize + self.external as usize
    }

    /// How many pairs there are: min(M, N). The deepest one is the root pair.
    pub const fn depths(self) -> u8 {
        if self.internal < self.external { self.internal } else { self.external }
    }

    /// The pair at `depth`, (M-d, N-d); `None` below the root.
    pub const fn pair(self, depth: Depth) -> Option<Pair> {
        if depth.0 >= self.depths() {
            return None;
        }
        Some(Pair { internal: KeyNo(self.internal - depth.0), external: KeyNo(self.external - depth.0) })
    }

    /// The working pair, (M, N).
    pub const fn working(self) -> Pair {
        Pair { internal: KeyNo(self.internal), external: KeyNo(self.external) }
    }

    /// The root pair: the deepest one.
    pub const fn root(self) -> Pair {
        let above = self.depths() - 1;
        Pair { internal: KeyNo(self.internal - above), external: KeyNo(self.external - above) }
    }

    /// The position of a key in its party's block, in keys; `None` if there is no such key.
    pub const fn slot(self, key: KeyRef) -> Option<usize> {
        let (first, count) = match key.ring {
            Ring::Internal => (0, self.internal),
            Ring::External => (self.internal as usize, self.external),
        };
        if key.no.0 == 0 || key.no.0 > count {
            return None;
        }
        Some(first + key.no.0 as usize - 1)
    }

    /// Whether a card that follows `rule` may renew `target` after an authentication with `used`.
    pub const fn permits(self, rule: RenewalRule, used: Pair, target: KeyRef) -> bool {
        let (used_m, used_n) = (used.internal.0 as i16, used.external.0 as i16);
        let (m, n, no) = (self.internal as i16, self.external as i16, target.no.0 as i16);
        match (rule, target.ring) {
            (RenewalRule::Below, Ring::Internal) => used_m < no && used_n < no - m + n,
            (RenewalRule::Below, Ring::External) => used_m < no - n + m && used_n < no,
            (RenewalRule::OtherThan, Ring::Internal) => used_m != no,
            (RenewalRule::OtherThan, Ring::External) => used_n != no,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIG_3: RingShape = RingShape { internal: 3, external: 4 };

    fn pair(m: u8, n: u8) -> Pair {
        Pair { internal: KeyNo(m), external: KeyNo(n) }
    }

    fn internal(no: u8) -> KeyRef {
        KeyRef { ring: Ring::Internal, no: KeyNo(no) }
    }

    fn external(no: u8) -> KeyRef {
        KeyRef { ring: Ring::External, no: KeyNo(no) }
    }

    #[test]
    fn depths_pair_keys_as_claim_9_says() {
        assert_eq!(FIG_3.depths(), 3);
        assert_eq!(FIG_3.pair(Depth(0)), Some(pair(3, 4)));
        assert_eq!(FIG_3.pair(Depth(2)), Some(pair(1, 2)));
        assert_eq!(FIG_3.pair(Depth(3)), None);
    }

    #[test]
    fn slots_cover_the_block_once() {
        let mut seen = Vec::new();
        for no in 1..=3 {
            seen.push(FIG_3.slot(internal(no)).unwrap());
        }
        for no in 1..=4 {
            seen.push(FIG_3.slot(external(no)).unwrap());
        }
        assert_eq!(seen, (0..7).collect::<Vec<_>>());
        assert_eq!(FIG_3.slot(internal(0)), None);
        assert_eq!(FIG_3.slot(internal(4)), None);
        assert_eq!(FIG_3.slot(external(5)), None);
    }

    #[test]
    fn only_lower_numbers_in_both_rings_renew_a_key() {
        let upper = pair(2, 3);
        let permits = |used, target| FIG_3.permits(RenewalRule::Below, used, target);
        assert!(permits(upper, internal(3)));
        assert!(permits(upper, external(4)));
        assert!(!permits(upper, internal(2)), "itself");
        assert!(!permits(upper, external(3)), "itself");
        assert!(!permits(pair(3, 4), internal(3)), "the working pair renews nothing");
        assert!(!permits(pair(2, 4), external(4)), "external not below");
        assert!(!permits(pair(3, 3), internal(3)), "internal not below");
        assert!(!permits(pair(1, 1), external(2)), "the root has nothing above it by default");
    }

    #[test]
    fn any_other_key_of_its_ring_renews_a_key_under_claims_3_to_5() {
        let permits = |used, target| FIG_3.permits(RenewalRule::OtherThan, used, target);
        assert!(permits(pair(3, 4), internal(1)), "a working key renews the root");
        assert!(permits(pair(1, 4), external(1)), "a spare key too");
        assert!(permits(pair(2, 3), external(4)) && permits(pair(2, 3), internal(3)));
        assert!(permits(pair(2, 4), internal(3)), "the external key may be any");
        assert!(permits(pair(3, 3), external(4)), "the internal key may be any");
        assert!(!permits(pair(3, 1), internal(3)), "itself");
        assert!(!permits(pair(1, 4), external(4)), "itself");
    }

    #[test]
    fn the_root_pair_is_the_deepest() {
        assert_eq!(FIG_3.root(), pair(1, 2));
        assert_eq!(RingShape::new(4, 1).unwrap().root(), pair(4, 1));
    }
}

//! The digest of a run: one number that tells two runs apart if anything in them differs.
//!
//! Each delivered message and each card command is hashed (xxh3-128, seeded with its time and its parties), and the
//! hashes are added modulo 2^128. The sum does not depend on the order in which an engine handles
//! things that happen in different places; their order in time is part of what is hashed.

use keystorm_model::{CardId, ClientId, SimTime};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Trace {
    /// The server received a datagram.
    AtServer = 1,
    /// A client received a datagram.
    AtClient = 2,
    /// A card received a command.
    Command = 3,
    /// A card answered a command.
    Answer = 4,
    /// A card was pulled out during a command.
    Pulled = 5,
}

/// Who was involved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parties {
    /// The client.
    pub client: ClientId,
    /// The card, where it is known.
    pub card: Option<CardId>,
}

/// The digest of a run and of each interval of it.
pub struct Digest {
    intervals: Vec<u128>,
}

impl Digest {
    /// An empty digest over `intervals` intervals.
    pub fn new(intervals: usize) -> Self {
        Digest { intervals: vec![0; intervals.max(1)] }
    }

    /// Adds one event that lies in `interval`.
    pub fn add(&mut self, interval: usize, at: SimTime, trace: Trace, parties: Parties, bytes: &[u8]) {
        let card = parties.card.map_or(u32::MAX, |card| card.0);
        let who = u64::from(parties.client.0) << 32 | u64::from(card);
        // Odd multipliers keep every part; the finalizer of xxh3 mixes them with the bytes.
        let seed = at.as_ns().wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            ^ who.wrapping_mul(0xc2b2_ae3d_27d4_eb4f).rotate_left(17)
            ^ (trace as u64).wrapping_mul(0x1656_67b1_9e37_79f9);
        let hash = xxh3_128_with_seed(bytes, seed);
        self.intervals[interval] = self.intervals[interval].wrapping_add(hash);
    }

    /// The digest of the whole run.
    pub fn total(&self) -> u128 {
        self.intervals.iter().fold(0, |sum, part| sum.wrapping_add(*part))
    }

    /// The digest of each interval.
    pub fn intervals(&self) -> &[u128] {
        &self.intervals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTIES: Parties = Parties { client: ClientId(1), card: Some(CardId(2)) };

    fn digest(events: &[(u64, Trace, Parties, &[u8])]) -> u128 {
        let mut digest = Digest::new(4);
        for &(at, trace, parties, bytes) in events {
            digest.add(at as usize, SimTime::from_ns(at), trace, parties, bytes);
        }
        digest.total()
    }

    #[test]
    fn every_part_of_an_event_counts_and_the_order_of_handling_does_not() {
        let base = (1, Trace::AtServer, PARTIES, &b"abc"[..]);
        let other = (2, Trace::Answer, PARTIES, &b"de"[..]);
        assert_eq!(digest(&[base, other]), digest(&[other, base]));
        for changed in [
            (2, base.1, base.2, base.3),
            (base.0, Trace::AtClient, base.2, base.3),
            (base.0, base.1, Parties { client: ClientId(2), ..PARTIES }, base.3),
            (base.0, base.1, Parties { card: Some(CardId(3)), ..PARTIES }, base.3),
            (base.0, base.1, base.2, &b"abd"[..]),
        ] {
            assert_ne!(digest(&[base]), digest(&[changed]));
        }
        assert_ne!(digest(&[base]), digest(&[base, base]));
    }
}

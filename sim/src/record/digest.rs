//! The digest of a run: one number that tells two runs apart if anything in them differs.
//!
//! Each delivered message and each card command is hashed (xxh3-128) together with its time and its parties, and
//! the hashes are added modulo 2^128. The sum does not depend on the order in which an engine handles
//! things that happen in different places; their order in time is part of what is hashed.

use keystorm_model::{CardId, ClientId, SimTime};
use xxhash_rust::xxh3::xxh3_128;

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
    total: u128,
    interval_ns: u64,
    intervals: Vec<u128>,
    scratch: Vec<u8>,
}

impl Digest {
    /// An empty digest over `intervals` intervals of `interval_ns`; what comes later counts in the last one.
    pub fn new(intervals: usize, interval_ns: u64) -> Self {
        Digest {
            total: 0,
            interval_ns,
            intervals: vec![0; intervals.max(1)],
            scratch: Vec::with_capacity(512),
        }
    }

    /// Adds one event.
    pub fn add(&mut self, at: SimTime, trace: Trace, parties: Parties, bytes: &[u8]) {
        self.scratch.clear();
        self.scratch.extend_from_slice(&at.as_ns().to_le_bytes());
        self.scratch.push(trace as u8);
        self.scratch.extend_from_slice(&parties.client.0.to_le_bytes());
        self.scratch.extend_from_slice(&parties.card.map_or(u32::MAX, |card| card.0).to_le_bytes());
        self.scratch.extend_from_slice(bytes);
        let hash = xxh3_128(&self.scratch);
        self.total = self.total.wrapping_add(hash);
        let interval = (at.as_ns() / self.interval_ns) as usize;
        let last = self.intervals.len() - 1;
        let interval = &mut self.intervals[interval.min(last)];
        *interval = interval.wrapping_add(hash);
    }

    /// The digest of the whole run.
    pub fn total(&self) -> u128 {
        self.total
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
        let mut digest = Digest::new(4, 100);
        for &(at, trace, parties, bytes) in events {
            digest.add(SimTime::from_ns(at), trace, parties, bytes);
        }
        assert_eq!(
            digest.intervals().iter().fold(0u128, |sum, part| sum.wrapping_add(*part)),
            digest.total()
        );
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

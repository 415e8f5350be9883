//! The edge of a line: datagrams that turmoil has carried there wait for their own time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use keystorm_model::{ClientId, SimTime};

/// What the line's edge puts before each datagram: client, arrival time, order, whether an outage swallows it.
pub(super) const ENVELOPE: usize = 21;

/// A datagram that the edge of the receiver's line holds until its arrival time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Held {
    pub(super) at: SimTime,
    pub(super) client: ClientId,
    pub(super) order: u64,
    pub(super) datagram: Vec<u8>,
}

/// The edge of a line: what has been carried there and is not due yet.
#[derive(Default)]
pub(super) struct Edge {
    held: BinaryHeap<Reverse<Held>>,
    pub(super) spare: Vec<Vec<u8>>,
    /// Up to when this side has handled what was due.
    pub(super) handled: SimTime,
}

impl Edge {
    /// Takes a datagram out of its envelope.
    pub(super) fn take(&mut self, packet: &[u8]) {
        let (envelope, datagram) =
            packet.split_first_chunk::<ENVELOPE>().expect("every packet has an envelope");
        let number = |start: usize| {
            let bytes = envelope[start..start + 8].try_into().expect("eight bytes were asked for");
            u64::from_le_bytes(bytes)
        };
        let client = ClientId(u32::from_le_bytes([envelope[0], envelope[1], envelope[2], envelope[3]]));
        assert!(envelope[20] == 0, "turmoil delivered a datagram of client {client} through a partition");
        self.hold(SimTime::from_ns(number(4)), client, number(12), datagram);
    }

    /// Holds a datagram until `at`.
    pub(super) fn hold(&mut self, at: SimTime, client: ClientId, order: u64, datagram: &[u8]) {
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram);
        self.held.push(Reverse(Held { at, client, order, datagram: bytes }));
    }

    pub(super) fn due(&self) -> Option<SimTime> {
        self.held.peek().map(|Reverse(held)| held.at)
    }

    pub(super) fn next(&mut self) -> Option<Held> {
        self.held.pop().map(|Reverse(held)| held)
    }
}

/// The time to handle something at that was due at `at`, when everything up to `handled` has been handled.
pub(super) fn advance(handled: &mut SimTime, at: SimTime) -> SimTime {
    *handled = at.max(*handled);
    *handled
}

pub(super) fn earliest<const L: usize>(times: [Option<SimTime>; L]) -> Option<SimTime> {
    times.into_iter().flatten().min()
}

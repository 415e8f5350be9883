//! The queue of the events engine: what is in flight, in the order in which it happens.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use keystorm_model::{ClientId, SimTime};

/// What happens. At one instant the variants happen in this order: arrivals before timers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A datagram reaches the server.
    AtServer = 0,
    /// A datagram reaches its client.
    AtClient = 1,
    /// A card holder comes back.
    Return = 2,
    /// A core of the server is free for a waiting datagram.
    Server = 3,
    /// A client's timer, or the end of a card command.
    Client = 4,
}

const KINDS: [Kind; 5] = [Kind::AtServer, Kind::AtClient, Kind::Return, Kind::Server, Kind::Client];

/// An event. Events are ordered by time, kind, client and the client's own count: by data, never by the order in
/// which they were pushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// When.
    pub at: SimTime,
    /// Kind (3 bits), client (29 bits), order (32 bits).
    rank: u64,
    /// Where its datagram or its card holder is kept.
    pub slot: u32,
}

impl Event {
    /// An event of `client`; `order` tells apart what happens to it at one instant.
    pub const fn new(at: SimTime, kind: Kind, client: ClientId, order: u32, slot: u32) -> Self {
        let rank = (kind as u64) << 61 | (client.0 as u64) << 32 | order as u64;
        Event { at, rank, slot }
    }

    /// What happens.
    pub const fn kind(&self) -> Kind {
        KINDS[(self.rank >> 61) as usize]
    }

    /// To or from which client.
    pub const fn client(&self) -> ClientId {
        ClientId((self.rank >> 32) as u32 & 0x1fff_ffff)
    }
}

impl Event {
    /// Time and rank as one number, so that a comparison is one comparison.
    const fn key(&self) -> u128 {
        (self.at.as_ns() as u128) << 64 | self.rank as u128
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key()).then(self.slot.cmp(&other.slot))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A queue of events, earliest first.
#[derive(Default)]
pub struct Queue {
    heap: BinaryHeap<Reverse<Event>>,
}

impl Queue {
    /// Adds an event.
    pub fn push(&mut self, event: Event) {
        self.heap.push(Reverse(event));
    }

    /// The earliest event.
    pub fn peek(&self) -> Option<&Event> {
        self.heap.peek().map(|Reverse(event)| event)
    }

    /// Takes the earliest event.
    pub fn pop(&mut self) -> Option<Event> {
        self.heap.pop().map(|Reverse(event)| event)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

const _: () =
    assert!(size_of::<Event>() == 24, "three words: the queue is the hottest structure of the engine");

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn an_event_keeps_its_parts() {
        let last = ClientId(0x1fff_ffff);
        for kind in KINDS {
            let event = Event::new(SimTime::from_ns(9), kind, last, u32::MAX, 7);
            assert_eq!((event.kind(), event.client(), event.slot), (kind, last, 7));
        }
    }

    #[test]
    fn arrivals_come_before_timers_and_clients_in_their_order() {
        let at = SimTime::from_ns(5);
        let event = |kind, client, order| Event::new(at, kind, ClientId(client), order, 0);
        let mut events = [
            event(Kind::Client, 0, 0),
            event(Kind::Server, 0, 0),
            event(Kind::AtServer, 2, 1),
            event(Kind::AtServer, 1, 9),
            event(Kind::AtServer, 2, 0),
            event(Kind::AtClient, 0, 0),
        ];
        events.sort();
        let ranks: Vec<_> = events.iter().map(|event| (event.kind(), event.client().0)).collect();
        let expected = [
            (Kind::AtServer, 1),
            (Kind::AtServer, 2),
            (Kind::AtServer, 2),
            (Kind::AtClient, 0),
            (Kind::Server, 0),
            (Kind::Client, 0),
        ];
        assert_eq!(ranks, expected);
    }

    proptest! {
        /// Any sequence of pushes and pops agrees with an ordered map.
        #[test]
        fn the_queue_agrees_with_an_ordered_map(steps in prop::collection::vec((any::<bool>(), 0u64..50, 0u32..4), 0..400)) {
            let mut queue = Queue::default();
            let mut model = BTreeMap::new();
            for (order, (push, at, client)) in (0u32..).zip(steps) {
                if push {
                    let event = Event::new(SimTime::from_ns(at), Kind::AtClient, ClientId(client), order, order);
                    queue.push(event);
                    model.insert((at, client, order), event);
                } else {
                    let expected = model.pop_first().map(|(_, event)| event);
                    prop_assert_eq!(queue.pop(), expected);
                }
                prop_assert_eq!(queue.len(), model.len());
                prop_assert_eq!(queue.peek(), model.values().next());
            }
        }
    }
}

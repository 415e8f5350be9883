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

    /// What tells it apart from others of its client at one instant.
    pub const fn order(&self) -> u64 {
        self.rank & 0xffff_ffff
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

/// A slot of the wheel is 2^22 ns long, about 4 ms.
const SLOT_BITS: u32 = 22;
/// Slots of the wheel: about 4.3 s in all, as far as most timers reach.
const SLOTS: usize = 1024;
/// Slots whose occupation one word tells.
const WORD: usize = u64::BITS as usize;

/// A queue of events, earliest first.
///
/// Only the events of the slot at hand are in order, and only the distant ones lie in a large heap. Those between are
/// thrown into the slots of a wheel, in no order, until their slot's turn comes: most events are pushed and popped at a cost
/// that does not depend on how many there are.
pub struct Queue {
    /// What the wheel held of the slot at hand, the latest first.
    near: Vec<Event>,
    /// What was pushed before the end of the slot at hand since its turn came: mostly nothing.
    late: BinaryHeap<Reverse<Event>>,
    /// The slot at hand: its number since time 0.
    slot: u64,
    /// The events of each of the next slots, at its number modulo [`SLOTS`].
    wheel: Box<[Vec<Event>]>,
    /// A bit for each slot of the wheel that has events.
    occupied: [u64; SLOTS / WORD],
    in_wheel: usize,
    /// The events beyond the wheel.
    far: BinaryHeap<Reverse<Event>>,
}

impl Default for Queue {
    fn default() -> Self {
        Queue {
            near: Vec::new(),
            late: BinaryHeap::new(),
            slot: 0,
            wheel: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; SLOTS / WORD],
            in_wheel: 0,
            far: BinaryHeap::new(),
        }
    }
}

/// The number of the slot that an event lies in.
fn slot_of(event: &Event) -> u64 {
    event.at.as_ns() >> SLOT_BITS
}

impl Queue {
    /// Adds an event.
    pub fn push(&mut self, event: Event) {
        let slot = slot_of(&event);
        if slot <= self.slot {
            self.late.push(Reverse(event));
            return;
        }
        if slot - self.slot < SLOTS as u64 {
            self.put(slot, event);
        } else {
            self.far.push(Reverse(event));
        }
        if self.near.is_empty() && self.late.is_empty() {
            self.advance();
        }
    }

    /// The earliest event.
    pub fn peek(&self) -> Option<&Event> {
        let near = self.near.last();
        match self.late.peek() {
            None => near,
            Some(Reverse(late)) => Some(near.map_or(late, |near| near.min(late))),
        }
    }

    /// Takes the earliest event.
    pub fn pop(&mut self) -> Option<Event> {
        let event = match self.late.peek() {
            None => self.near.pop(),
            Some(Reverse(late)) => match self.near.last() {
                Some(near) if near < late => self.near.pop(),
                _ => self.late.pop().map(|Reverse(event)| event),
            },
        }?;
        if self.near.is_empty() && self.late.is_empty() {
            self.advance();
        }
        Some(event)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.near.len() + self.late.len() + self.in_wheel + self.far.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.near.is_empty() && self.late.is_empty()
    }

    /// Throws an event into its slot.
    fn put(&mut self, slot: u64, event: Event) {
        let slot = slot as usize % SLOTS;
        self.occupied[slot / WORD] |= 1 << (slot % WORD);
        self.wheel[slot].push(event);
        self.in_wheel += 1;
    }

    /// The next slot of the wheel that has events, from the one behind the slot at hand on; there is one.
    fn next_occupied(&self) -> u64 {
        let start = self.slot + 1;
        let (word, bit) = (start as usize % SLOTS / WORD, start as usize % WORD);
        let here = self.occupied[word] >> bit;
        if here != 0 {
            return start + u64::from(here.trailing_zeros());
        }
        // Once around: what lies before the first bit is reached last.
        let words = (1..=SLOTS / WORD).map(|ahead| (ahead, self.occupied[(word + ahead) % (SLOTS / WORD)]));
        let (ahead, found) = words.into_iter().find(|&(_, bits)| bits != 0).expect("the wheel has events");
        start - bit as u64 + (ahead * WORD) as u64 + u64::from(found.trailing_zeros())
    }

    /// Goes on to the next slot that has events, if any has.
    fn advance(&mut self) {
        let next_far = self.far.peek().map(|Reverse(event)| slot_of(event));
        if self.in_wheel > 0 {
            self.slot = self.next_occupied();
        } else {
            let Some(next) = next_far else { return };
            self.slot = next;
        }
        let slot = self.slot as usize % SLOTS;
        self.occupied[slot / WORD] &= !(1 << (slot % WORD));
        // What was near is used up: its buffer is the slot's next one.
        std::mem::swap(&mut self.near, &mut self.wheel[slot]);
        self.in_wheel -= self.near.len();
        while let Some(&Reverse(event)) = self.far.peek()
            && slot_of(&event) < self.slot + SLOTS as u64
        {
            self.far.pop();
            let slot = slot_of(&event);
            if slot <= self.slot { self.near.push(event) } else { self.put(slot, event) }
        }
        if self.near.len() > 1 {
            self.near.sort_unstable_by(|one, other| other.cmp(one));
        }
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
            assert_eq!(event.order(), u64::from(u32::MAX));
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

    /// Times within one slot, within the wheel, and far beyond it, many of them equal.
    fn times() -> impl Strategy<Value = u64> {
        let wheel = (SLOTS as u64) << SLOT_BITS;
        prop_oneof![
            0u64..50,
            (0u64..200).prop_map(move |part| part * (wheel / 100)),
            (0u64..20).prop_map(move |n| n * 5 * wheel)
        ]
    }

    proptest! {
        /// Any sequence of pushes and pops agrees with an ordered map.
        #[test]
        fn the_queue_agrees_with_an_ordered_map(steps in prop::collection::vec((any::<bool>(), times(), 0u32..4), 0..400)) {
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

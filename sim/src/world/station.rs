//! The server machine: cores that serve one first-come-first-served queue of datagrams.
//!
//! A datagram is handled at the moment when its service starts; its answer leaves when the service ends.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use keystorm_model::{ClientId, SimTime, Span};

/// A datagram that waits for a core.
pub struct Waiting {
    /// When it arrived.
    pub arrived: SimTime,
    /// From which client.
    pub client: ClientId,
    /// Its bytes.
    pub datagram: Vec<u8>,
}

/// Cores and queue.
pub struct Station {
    capacity: usize,
    /// When each core is free, earliest first.
    free_at: BinaryHeap<Reverse<SimTime>>,
    queue: VecDeque<Waiting>,
    /// Number waiting times how long, datagram-nanoseconds, up to the last change.
    queued: u128,
    changed: SimTime,
    /// Waiting time of all that have been served, nanoseconds.
    waited: u128,
    /// Waits of what arrived before count in no sum.
    measured: SimTime,
    /// Buffers of datagrams that have been served.
    spare: Vec<Vec<u8>>,
}

impl Station {
    /// A station with `cores` cores and room for `capacity` waiting datagrams.
    pub fn new(cores: u16, capacity: u32) -> Self {
        Station {
            capacity: capacity as usize,
            free_at: (0..cores).map(|_| Reverse(SimTime::ZERO)).collect(),
            queue: VecDeque::new(),
            queued: 0,
            changed: SimTime::ZERO,
            waited: 0,
            measured: SimTime::ZERO,
            spare: Vec::new(),
        }
    }

    /// Counts what waits from `at` on only.
    pub fn measured_from(self, at: SimTime) -> Self {
        Station { changed: at, measured: at, ..self }
    }

    /// When the earliest core is free.
    fn earliest(&self) -> SimTime {
        self.free_at.peek().expect("a server has a core").0
    }

    /// Whether a datagram that arrives at `at` is served at once.
    pub fn is_idle(&self, at: SimTime) -> bool {
        self.queue.is_empty() && self.earliest() <= at
    }

    /// Lets a datagram wait; `false`: the queue is full.
    pub fn enqueue(&mut self, at: SimTime, client: ClientId, datagram: &[u8]) -> bool {
        if self.queue.len() >= self.capacity {
            return false;
        }
        self.settle(at);
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram);
        self.queue.push_back(Waiting { arrived: at, client, datagram: bytes });
        true
    }

    /// Forgets what waits and is being served at `at`; from `until` on every core is free. Each datagram that waited is
    /// given to `lost`.
    pub fn crash(&mut self, at: SimTime, until: SimTime, mut lost: impl FnMut(&[u8])) {
        self.settle(at);
        let forgotten = self.queue.drain(..).map(|waiting| waiting.datagram);
        self.spare.extend(forgotten.inspect(|datagram| lost(datagram)));
        let cores = self.free_at.len();
        self.free_at.clear();
        self.free_at.extend(std::iter::repeat_n(Reverse(until), cores));
    }

    /// How many datagrams wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// When a core will be free for the first datagram of the queue.
    pub fn next_start(&self) -> Option<SimTime> {
        let first = self.queue.front()?;
        Some(self.earliest().max(first.arrived))
    }

    /// Takes the first datagram of the queue at `at`.
    pub fn dequeue(&mut self, at: SimTime) -> Option<Waiting> {
        self.settle(at);
        let first = self.queue.pop_front()?;
        if first.arrived >= self.measured {
            self.waited += u128::from(at.since(first.arrived).as_ns());
        }
        Some(first)
    }

    /// Counts the queue as it is up to `at`.
    pub fn settle(&mut self, at: SimTime) {
        self.queued += self.queue.len() as u128 * u128::from(at.since(self.changed).as_ns());
        self.changed = self.changed.max(at);
    }

    /// The number waiting, integrated over time: datagram-nanoseconds up to the last change.
    pub fn queued(&self) -> u128 {
        self.queued
    }

    /// The waiting time of all that have been served, nanoseconds.
    pub fn waited(&self) -> u128 {
        self.waited
    }

    /// Gives a served datagram's buffer back.
    pub fn recycle(&mut self, served: Waiting) {
        self.spare.push(served.datagram);
    }

    /// Occupies the earliest core from `start` on for `service`.
    pub fn occupy(&mut self, start: SimTime, service: Span) {
        *self.free_at.peek_mut().expect("a server has a core") = Reverse(start + service);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERVICE: Span = Span::from_us(10);

    fn station(cores: u16) -> Station {
        Station::new(cores, 2)
    }

    fn us(us: u64) -> SimTime {
        SimTime::ZERO + Span::from_us(us)
    }

    #[test]
    fn a_core_serves_one_at_a_time() {
        let mut station = station(2);
        assert!(station.is_idle(us(0)));
        station.occupy(us(0), SERVICE);
        assert!(station.is_idle(us(0)), "the second core is free");
        station.occupy(us(0), SERVICE);
        assert!(!station.is_idle(us(9)));
        assert!(station.is_idle(us(10)));
    }

    #[test]
    fn a_crash_empties_queue_and_cores() {
        let mut station = station(2);
        for _ in 0..2 {
            station.occupy(us(0), SERVICE);
        }
        assert!(station.enqueue(us(1), ClientId(1), b"a"));
        let mut lost = Vec::new();
        station.crash(us(5), us(9), |datagram| lost.push(datagram.to_vec()));
        assert_eq!((lost.len(), station.waiting(), station.next_start()), (1, 0, None));
        assert!(!station.is_idle(us(8)) && station.is_idle(us(9)));
        assert_eq!(station.queued(), 4_000, "it waited in vain");
    }

    #[test]
    fn the_queue_is_first_come_first_served_and_bounded() {
        let mut station = station(1);
        station.occupy(us(0), SERVICE);
        assert!(station.enqueue(us(1), ClientId(1), b"a"));
        assert!(station.enqueue(us(2), ClientId(2), b"b"));
        assert!(!station.enqueue(us(3), ClientId(3), b"c"), "the queue is full");
        assert_eq!(station.next_start(), Some(us(10)));
        let first = station.dequeue(us(10)).unwrap();
        assert_eq!((first.client, first.arrived), (ClientId(1), us(1)));
        station.occupy(us(10), SERVICE);
        assert_eq!(station.next_start(), Some(us(20)));
        assert_eq!(station.waited(), 9_000);
        station.settle(us(25));
        assert_eq!(station.queued(), (9 + 23) * 1_000, "from 1 to 10 us, and from 2 us on");
    }
}

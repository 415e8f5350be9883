//! Rubbish on the line: counted, answered by nothing that matters, and never a panic.
//!
//! The world is driven by hand here, so that datagrams nobody sent can reach the server and the clients among the genuine
//! ones. Only such rubbish is thrown in as the protocol must stand: bytes without meaning, genuine datagrams cut
//! short or with something after them, late copies of genuine ones, and well-formed headers of connections that do not exist.
//! What a forger could do, who knows the protocol, is another matter: it has no defence against that.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use keystorm::issue::{Order, fresh};
use keystorm::plan::Plan;
use keystorm::world::load::arrivals;
use keystorm::world::{Holder, Out, Return, World};
use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::secure::Direction;
use keystorm_model::{ClientId, SimTime, Span};

use crate::common::{reduced, run};

/// A datagram that arrives: when, in which order, where to (up first), at which client, and its bytes.
type Landing = Reverse<(SimTime, u64, bool, ClientId, Vec<u8>)>;

/// Time between two pieces of rubbish.
const EVERY: Span = Span::from_ns(97_000_003);

struct Driver {
    world: World,
    out: Out,
    clients: u32,
    flights: BinaryHeap<Landing>,
    returns: BinaryHeap<Reverse<Return>>,
    /// Genuine datagrams seen so far, with their directions, to be spoilt.
    seen: Vec<(bool, Vec<u8>)>,
    thrown: u64,
    /// Of what was thrown: what is no message at all.
    malformed: u64,
    draws: Draws,
}

impl Driver {
    fn new(plan: Plan) -> Self {
        Driver {
            clients: plan.fleet.clients,
            draws: Seed(plan.seed).open(Purpose::Sample, 0),
            world: World::new(plan.clone(), fresh(&Order::of(&plan))),
            out: Out::default(),
            flights: BinaryHeap::new(),
            returns: BinaryHeap::new(),
            seen: Vec::new(),
            thrown: 0,
            malformed: 0,
        }
    }

    /// Runs the world to its end, and throws rubbish in if `litter`.
    fn run(&mut self, litter: bool) {
        let plan = self.world.plan().clone();
        let horizon = SimTime::ZERO + plan.horizon;
        let visits_left = plan.load.retry_visit.map_or(0, |retry| retry.visits);
        let mut holders = arrivals(&plan).into_iter().peekable();
        let mut rubbish = SimTime::ZERO + EVERY;
        loop {
            let flight = self.flights.peek().map(|landing| landing.0.0);
            let back = self.returns.peek().map(|back| back.0.holder.arrived);
            let arrival = holders.peek().map(|arrival| arrival.at);
            let server = self.world.server_due();
            let desk = (0..self.clients)
                .map(ClientId)
                .filter_map(|client| Some((self.world.client_due(client)?, client)))
                .min();
            let all = [flight, back, arrival, server, desk.map(|(at, _)| at), litter.then_some(rubbish)];
            let Some(at) = all.into_iter().flatten().min().filter(|&at| at < horizon) else { break };
            if flight == Some(at) {
                let Reverse((at, order, up, client, bytes)) = self.flights.pop().unwrap();
                self.receive(at, up, client, order, &bytes);
                self.seen.push((up, bytes));
            } else if arrival == Some(at) {
                let arrival = holders.next().unwrap();
                self.world.arrive(arrival.client, Holder { arrived: at, card: arrival.card, visits_left });
            } else if back == Some(at) {
                let Reverse(back) = self.returns.pop().unwrap();
                self.world.come_back(back, &mut self.out);
            } else if server == Some(at) {
                self.world.server_wake(at, &mut self.out);
            } else if let Some((_, client)) = desk.filter(|&(due, _)| due == at) {
                self.world.client_wake(at, client, &mut self.out);
            } else {
                self.throw(at);
                rubbish = rubbish + EVERY;
            }
            self.take_off();
        }
        let in_flight = self.flights.len() as u64;
        self.world.finish(in_flight);
    }

    fn receive(&mut self, at: SimTime, up: bool, client: ClientId, order: u64, bytes: &[u8]) {
        if up {
            self.world.server_receive(at, client, bytes, &mut self.out);
        } else {
            self.world.client_receive(at, client, order, bytes, &mut self.out);
        }
    }

    fn take_off(&mut self) {
        for flight in self.out.flights.drain(..) {
            if !flight.doomed {
                let up = flight.direction == Direction::Up;
                let bytes = self.out.datagrams.get(flight.slot).to_vec();
                self.flights.push(Reverse((flight.at, flight.order, up, flight.client, bytes)));
            }
            self.out.datagrams.release(flight.slot);
        }
        self.returns.extend(self.out.returns.drain(..).map(Reverse));
    }

    /// Lets one piece of rubbish arrive somewhere.
    fn throw(&mut self, at: SimTime) {
        let mut place = self.thrown * 128;
        let mut below = |bound: u32| {
            place += 1;
            self.draws.below(place, bound)
        };
        let client = ClientId(below(self.clients));
        let (mut up, kind) = (below(2) == 0, below(5));
        let mut bytes = vec![0; below(200) as usize];
        let old = self.seen.len().checked_sub(1).map(|last| below(last as u32 + 1) as usize);
        let cut = below(1 << 16) as usize;
        let word = below(u32::MAX);
        self.draws.bytes(place + 1, &mut bytes);
        let mut malformed = true;
        match (kind, old) {
            (1, Some(old)) => {
                let whole = &self.seen[old].1;
                (up, bytes) = (self.seen[old].0, whole[..cut % whole.len()].to_vec());
            }
            (2, Some(old)) => {
                bytes.push(0);
                (up, bytes) = (self.seen[old].0, [self.seen[old].1.clone(), bytes].concat());
            }
            (3, Some(old)) => {
                (up, bytes) = self.seen[old].clone();
                malformed = false;
            }
            (4, Some(old)) => {
                // A genuine datagram under the number of a connection that nobody has opened.
                (up, bytes) = self.seen[old].clone();
                bytes[6..14].copy_from_slice(&(u64::MAX - u64::from(word)).to_be_bytes());
                malformed = false;
            }
            _ => bytes.insert(0, 0xff),
        }
        self.thrown += 1;
        self.malformed += u64::from(malformed);
        self.receive(at, up, client, 0, &bytes);
    }
}

#[test]
fn rubbish_is_counted_and_breaks_nothing() {
    let in_fragments = ["seed=3", "line.datagram_bytes=576", "load.response_bytes=1500"];
    for set in [&["seed=1"][..], &["seed=2"], &["seed=3"], &in_fragments] {
        let mut driver = Driver::new(reduced(set));
        driver.run(true);
        let counts = &driver.world.recorder().counts;
        assert!(driver.thrown > 2_000 && driver.malformed > 1_000);
        assert!(counts.rejects >= driver.malformed, "{} of {}", counts.rejects, driver.malformed);
        assert!(counts.sessions_completed > 250, "{counts:?}");
        assert_eq!(counts.cards_unharmed + counts.cards_healed, 300, "{counts:?}");
        assert_eq!(
            counts.messages_sent + counts.messages_duplicated + driver.thrown,
            counts.messages_delivered + counts.messages_lost + counts.messages_in_flight,
        );
        // What arrives without having been sent must show in the sums, and nowhere else.
        let violations: Vec<_> = driver.world.violations().iter().map(|violation| &violation.what).collect();
        assert!(matches!(violations[..], [what] if what.contains("messages sent")), "{violations:?}");
    }
}

#[test]
fn without_rubbish_the_world_driven_by_hand_does_what_the_engines_do() {
    let mut driver = Driver::new(reduced(&[]));
    driver.run(false);
    assert_eq!(driver.world.violations(), []);
    let digest = driver.world.recorder().trace_digest();
    assert_eq!(digest, run(reduced(&[])).results.trace_digest);
}

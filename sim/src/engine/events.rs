//! The events engine: a loop in integer nanoseconds that jumps from one event to the next.
//!
//! Only what is in flight lies in the queue: datagrams on the line, card commands, timers, people who come back.
//! Arrivals are sorted a chunk at a time and merged from beside it. Datagrams lie in buffers that are used again, so that a run
//! allocates nothing per event once it has warmed up.
//!
//! A client's timers are mostly cancelled by the answer that they wait for. They are not taken out of the queue: each
//! client has at most two wake-ups in it, and one that comes too early is put back.

use keystorm_model::secure::Direction;
use keystorm_model::{ClientId, SimTime};

use crate::world::load::{Arrival, Arrivals};
use crate::world::{Holder, Out, Return, World};

use super::queue::{Event, Kind, Queue};
use super::{Ended, Progress, Stopped, Watch};

/// Progress is reported every so many events.
const EVENTS_PER_REPORT: u64 = 1 << 17;

/// The memory of so many card holders who come next is asked for at once.
const PRELOADED: usize = 8;

/// Runs `world` to its horizon and its epilogue.
pub fn run(world: World, watch: Watch<'_>) -> Result<Ended, Stopped> {
    let horizon = SimTime::ZERO + world.plan().horizon;
    let visits_left = world.plan().load.retry_visit.map_or(0, |retry| retry.visits);
    let clients = world.plan().fleet.clients as usize;
    let mut arrivals = Arrivals::of(world.plan(), world.cast());
    let mut run = Run::new(world, clients);
    run.plan_server();
    for client in run.world.clients_to_watch().collect::<Vec<_>>() {
        run.plan_client(client);
    }
    let mut events = 0u64;
    let mut preloaded = 0;
    let mut next_arrival = arrivals.peek();
    loop {
        // At one instant datagrams come first, then people, then timers.
        let (at, arrival) = match (run.queue.peek(), next_arrival) {
            (None, None) => break,
            (Some(event), None) => (event.at, None),
            (Some(event), Some(arrival))
                if event.at < arrival.at || (event.at == arrival.at && event.kind() < Kind::Return) =>
            {
                (event.at, None)
            }
            (_, Some(arrival)) => (arrival.at, Some(arrival)),
        };
        if at >= horizon {
            break;
        }
        if let Some(arrival) = arrival {
            if preloaded == 0 {
                preloaded = run.preload(arrivals.ahead(PRELOADED));
            }
            preloaded -= 1;
            arrivals.next();
            next_arrival = arrivals.peek();
            let holder = Holder { arrived: at, card: arrival.card, visits_left };
            run.arrive(arrival.client, holder);
        } else {
            run.handle();
        }
        events += 1;
        if events.is_multiple_of(EVENTS_PER_REPORT) && !watch(Progress::of(&run.world, at)) {
            return Err(Stopped::Cancelled);
        }
    }
    let mut world = run.world;
    world.finish(run.in_flight);
    Ok(Ended { world, events })
}

/// A time that never comes.
const NEVER: SimTime = SimTime::from_ns(u64::MAX);

/// When a client wants to be woken, and the wake-ups that the queue holds for it, earliest first. Two of them fill a cache
/// line, and none lies in two.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Wakes {
    /// What the world said after the client's last event: nothing else changes it, and to ask again would cost memory.
    due: SimTime,
    queued: [SimTime; 2],
}

impl Wakes {
    const NONE: Wakes = Wakes { due: NEVER, queued: [NEVER; 2] };
}

struct Run {
    world: World,
    out: Out,
    queue: Queue,
    wakes: Vec<Wakes>,
    /// When the server is going to be woken.
    server_wake: Option<SimTime>,
    /// Card holders who come back, and the free places among them.
    returns: Vec<Option<Return>>,
    free_returns: Vec<u32>,
    in_flight: u64,
}

impl Run {
    fn new(world: World, clients: usize) -> Self {
        Run {
            world,
            out: Out::default(),
            queue: Queue::default(),
            wakes: vec![Wakes::NONE; clients],
            server_wake: None,
            returns: Vec::new(),
            free_returns: Vec::new(),
            in_flight: 0,
        }
    }

    /// Asks for the memory of those who come next (see [`World::preload`]); returns how many they are.
    fn preload(&self, next: &[Arrival]) -> usize {
        let mut sum = 0;
        for arrival in next {
            let due = self.wakes[arrival.client.index()].due.as_ns() as u32;
            sum ^= self.world.preload(arrival.client, arrival.card) ^ due;
        }
        std::hint::black_box(sum);
        next.len()
    }

    fn arrive(&mut self, client: ClientId, holder: Holder) {
        self.world.arrive(client, holder);
        self.plan_client(client);
    }

    /// Takes the earliest event out of the queue and handles it.
    fn handle(&mut self) {
        let event = self.queue.pop().expect("an event has been seen");
        let (at, client) = (event.at, event.client());
        match event.kind() {
            Kind::AtServer => {
                let datagram = self.land(event.slot);
                self.world.server_receive(at, client, &datagram, &mut self.out);
                self.out.datagrams.give_back(event.slot, datagram);
                self.take_off();
                self.plan_server();
            }
            Kind::AtClient => {
                let datagram = self.land(event.slot);
                self.world.client_receive(at, client, event.order(), &datagram, &mut self.out);
                self.out.datagrams.give_back(event.slot, datagram);
                self.take_off();
                self.plan_client(client);
            }
            Kind::Return => {
                let back = self.returns[event.slot as usize].take().expect("someone comes back once");
                self.free_returns.push(event.slot);
                self.world.come_back(back, &mut self.out);
                self.take_off();
                self.plan_client(client);
            }
            Kind::Server => {
                self.server_wake = None;
                if self.world.server_due() == Some(at) {
                    self.world.server_wake(at, &mut self.out);
                    self.take_off();
                }
                self.plan_server();
            }
            Kind::Client => {
                debug_assert_eq!(
                    self.wakes[client.index()].due,
                    self.world.client_due(client).unwrap_or(NEVER),
                    "client {client}"
                );
                let Wakes { due, queued: [first, second] } = &mut self.wakes[client.index()];
                if *first == at {
                    *first = *second;
                }
                *second = NEVER;
                if *due == at {
                    self.world.client_wake(at, client, &mut self.out);
                    self.take_off();
                    self.plan_client(client);
                } else {
                    self.queue_wake(client);
                }
            }
        }
    }

    fn land(&mut self, slot: u32) -> Vec<u8> {
        self.in_flight -= 1;
        self.out.datagrams.take(slot)
    }

    /// Puts what the world sent into the queue.
    fn take_off(&mut self) {
        for &flight in &self.out.flights {
            if flight.doomed {
                self.out.datagrams.release(flight.slot);
                continue;
            }
            let kind = match flight.direction {
                Direction::Up => Kind::AtServer,
                Direction::Down => Kind::AtClient,
            };
            self.in_flight += 1;
            self.queue.push(Event::new(flight.at, kind, flight.client, flight.order as u32, flight.slot));
        }
        self.out.flights.clear();
        if self.out.returns.is_empty() {
            return;
        }
        for back in self.out.returns.drain(..) {
            let slot = self.free_returns.pop().unwrap_or_else(|| {
                self.returns.push(None);
                (self.returns.len() - 1) as u32
            });
            self.returns[slot as usize] = Some(back);
            let order = back.holder.card.0;
            self.queue.push(Event::new(back.holder.arrived, Kind::Return, back.client, order, slot));
        }
    }

    /// Sees to it that the client is woken when it wants to be, or before, after something has happened to it.
    fn plan_client(&mut self, client: ClientId) {
        self.wakes[client.index()].due = self.world.client_due(client).unwrap_or(NEVER);
        self.queue_wake(client);
    }

    fn queue_wake(&mut self, client: ClientId) {
        let Wakes { due, queued: [first, second] } = &mut self.wakes[client.index()];
        if *due < *first {
            *second = *first;
            *first = *due;
            self.queue.push(Event::new(*due, Kind::Client, client, 0, 0));
        }
    }

    fn plan_server(&mut self) {
        let Some(due) = self.world.server_due() else { return };
        if self.server_wake.is_none_or(|at| at > due) {
            self.server_wake = Some(due);
            self.queue.push(Event::new(due, Kind::Server, ClientId(0), 0, 0));
        }
    }
}

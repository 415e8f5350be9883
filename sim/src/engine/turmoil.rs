//! The turmoil engine: clients and server are async programs on simulated hosts, and talk UDP.
//!
//! One host is the server, one each is a site; a site's clients are tasks on its host, each with its own socket.
//! turmoil carries every datagram in a fixed time of one millisecond; the line model decides what becomes of it, and the
//! receiver's edge holds it until its arrival time. Programs wake on tokio's clock, which counts milliseconds, but handle
//! what is due at its own time in nanoseconds. As long as the shortest delay of the line exceeds two ticks and two
//! milliseconds nothing comes late, so that a coarser tick changes no result; what does come late is counted.
//!
//! An outage is a turmoil partition between site and server. The line model has decided which messages it cuts, so
//! that every engine agrees on them; those that are sent while the partition stands are handed to turmoil, and one
//! that came through would be a bug.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use keystorm_model::secure::Direction;
use keystorm_model::{ClientId, SimTime, SiteId};
use tokio::time::{Instant, Sleep};
use turmoil::net::UdpSocket;

use crate::plan::{OutagePlan, Plan};
use crate::world::load::{Arrival, arrivals};
use crate::world::{Flight, Holder, Out, Return, World, site_of};

use super::{Ended, Progress, Stopped, Watch};

/// The server's host.
const SERVER: &str = "server";
/// The server's port; client `i` of a site has port `CLIENT_PORTS + i`.
const SERVER_PORT: u16 = 1_000;
const CLIENT_PORTS: u16 = 1_001;
/// turmoil's own delivery time. The line model has drawn the real one.
const CARRIAGE: Duration = Duration::from_millis(1);
/// Ticks by which a partition begins after its outage does, so that turmoil drops nothing sent before it.
const SETTLING_TICKS: u32 = 3;
/// What the line's edge puts before each datagram: client, arrival time, order, whether an outage swallows it.
const ENVELOPE: usize = 21;
const LARGEST_DATAGRAM: usize = 1 << 16;
/// Wall-clock progress is reported every so many ticks.
const TICKS_PER_REPORT: u64 = 2_000;

/// What all programs of one simulation share.
struct Shared {
    world: World,
    out: Out,
    /// Where programs receive and pack datagrams: they are never at it at the same time.
    buffer: Vec<u8>,
    packet: Vec<u8>,
    /// Datagrams on their way: handed to the edge, not yet to the world.
    in_flight: u64,
    /// For each site, whether a partition cuts it off from the server now: upward, downward.
    partitioned: Vec<[bool; 2]>,
    /// Datagrams that were handed to turmoil for a partition to drop.
    partition_drops: u64,
    /// Events handled.
    events: u64,
    horizon: SimTime,
    server: SocketAddr,
}

type Handle = Rc<RefCell<Shared>>;
type Programme = std::result::Result<(), Box<dyn std::error::Error>>;

/// Runs `world` to its horizon and its epilogue.
pub fn run(world: World, watch: Watch<'_>) -> Result<Ended, Stopped> {
    let plan = world.plan().clone();
    let tick = Duration::from_nanos(plan.turmoil.tick.as_ns());
    let horizon = Duration::from_nanos(plan.horizon.as_ns());
    let mut sim = turmoil::Builder::new()
        .rng_seed(plan.seed)
        .epoch(SystemTime::UNIX_EPOCH)
        .tick_duration(tick)
        .min_message_latency(CARRIAGE)
        .max_message_latency(CARRIAGE)
        .fail_rate(0.0)
        .udp_capacity(1 << 20)
        .simulation_duration(horizon * 2 + tick * 100)
        .build();

    let shared = share(world, &plan);
    let server = Rc::clone(&shared);
    sim.host(SERVER, move || server_program(Rc::clone(&server)));
    let address = SocketAddr::new(sim.lookup(SERVER), SERVER_PORT);
    shared.borrow_mut().server = address;
    register_sites(&mut sim, &plan, &shared);

    let mut ticks = 0u64;
    let mut outages: Vec<Outage> = plan.faults.outages.iter().map(|&plan| Outage::new(plan)).collect();
    // Two ticks more, so that what is due just before the horizon is handled.
    while sim.elapsed() < horizon + tick * 2 {
        for outage in &mut outages {
            outage.advance(&sim, tick, &shared);
        }
        sim.step().map_err(|error| Stopped::Failed(error.to_string()))?;
        ticks += 1;
        if ticks.is_multiple_of(TICKS_PER_REPORT) {
            let shared = shared.borrow();
            let counts = &shared.world.recorder().counts;
            let sessions_ended = counts.sessions_completed + counts.sessions_failed;
            let now = SimTime::from_ns(sim.elapsed().as_nanos() as u64);
            if !watch(Progress { now, sessions_ended }) {
                return Err(Stopped::Cancelled);
            }
        }
    }
    drop(sim);
    let shared = Rc::into_inner(shared).expect("the programs ended with their simulation").into_inner();
    let mut world = shared.world;
    world.finish(shared.in_flight);
    Ok(Ended { world, events: shared.events })
}

fn share(world: World, plan: &Plan) -> Handle {
    Rc::new(RefCell::new(Shared {
        world,
        out: Out::default(),
        buffer: vec![0; LARGEST_DATAGRAM],
        packet: Vec::new(),
        in_flight: 0,
        partitioned: vec![[false; 2]; usize::from(plan.fleet.sites)],
        partition_drops: 0,
        events: 0,
        horizon: SimTime::ZERO + plan.horizon,
        server: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SERVER_PORT),
    }))
}

fn site_name(site: SiteId) -> String {
    format!("site-{site}")
}

/// Makes a host of each site, and a task on it of each of its clients.
fn register_sites(sim: &mut turmoil::Sim<'_>, plan: &Plan, shared: &Handle) {
    let (clients, sites) = (plan.fleet.clients, plan.fleet.sites);
    let mut people: Vec<Vec<Arrival>> = vec![Vec::new(); clients as usize];
    for arrival in arrivals(plan) {
        people[arrival.client.index()].push(arrival);
    }
    let visits_left = plan.load.retry_visit.map_or(0, |retry| retry.visits);
    let mut people = people.into_iter();
    for site in (0..sites).map(SiteId) {
        let here: Vec<ClientId> =
            (0..clients).map(ClientId).filter(|&client| site_of(client, clients, sites) == site).collect();
        let staffed: Vec<(ClientId, Vec<Holder>)> = here
            .into_iter()
            .map(|client| {
                let arrivals = people.next().expect("every client has a list");
                let holder =
                    |arrival: Arrival| Holder { arrived: arrival.at, card: arrival.card, visits_left };
                (client, arrivals.into_iter().map(holder).collect())
            })
            .collect();
        let staffed = Rc::new(staffed);
        let shared = Rc::clone(shared);
        sim.host(site_name(site), move || {
            let (staffed, shared) = (Rc::clone(&staffed), Rc::clone(&shared));
            async move {
                for (port, (client, holders)) in (CLIENT_PORTS..).zip(staffed.iter()) {
                    let programme = client_program(Rc::clone(&shared), *client, port, holders.clone());
                    tokio::task::spawn_local(programme);
                }
                std::future::pending::<Programme>().await
            }
        });
    }
}

/// Puts a scheduled outage into force as a partition, and lifts it.
struct Outage {
    plan: OutagePlan,
    state: OutageState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OutageState {
    Ahead,
    InForce,
    Over,
}

impl Outage {
    fn new(plan: OutagePlan) -> Self {
        Outage { plan, state: OutageState::Ahead }
    }

    /// Called before each step, which covers the time from `sim.elapsed()` to one tick later.
    fn advance(&mut self, sim: &turmoil::Sim<'_>, tick: Duration, shared: &Handle) {
        let now = sim.elapsed();
        let from = Duration::from_nanos(self.plan.from.as_ns()) + tick * SETTLING_TICKS + 2 * CARRIAGE;
        let until = Duration::from_nanos(self.plan.until.as_ns());
        if self.state == OutageState::Ahead && now >= from {
            self.each_way(shared, true, |from, to| sim.partition_oneway(from, to));
            self.state = OutageState::InForce;
        }
        if self.state == OutageState::InForce && now + tick > until {
            self.each_way(shared, false, |from, to| sim.repair_oneway(from, to));
            self.state = OutageState::Over;
        }
    }

    /// Notes for each line and direction of the outage whether it is cut, and does so.
    fn each_way(&self, shared: &Handle, cut: bool, act: impl Fn(&str, &str)) {
        for (site, partitioned) in (0..).map(SiteId).zip(&mut shared.borrow_mut().partitioned) {
            for direction in [Direction::Up, Direction::Down] {
                if self.plan.covers(site, direction) {
                    partitioned[direction as usize] = cut;
                    let name = site_name(site);
                    match direction {
                        Direction::Up => act(&name, SERVER),
                        Direction::Down => act(SERVER, &name),
                    }
                }
            }
        }
    }
}

/// A datagram that the edge of the receiver's line holds until its arrival time.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Held {
    at: SimTime,
    client: ClientId,
    order: u64,
    datagram: Vec<u8>,
}

/// The edge of a line: what has been carried there and is not due yet.
#[derive(Default)]
struct Edge {
    held: BinaryHeap<Reverse<Held>>,
    spare: Vec<Vec<u8>>,
    /// Up to when this side has handled what was due.
    handled: SimTime,
}

impl Edge {
    /// Takes a datagram out of its envelope, and returns whose it is.
    fn take(&mut self, packet: &[u8]) -> ClientId {
        let (envelope, datagram) =
            packet.split_first_chunk::<ENVELOPE>().expect("every packet has an envelope");
        let number = |start: usize| {
            let bytes = envelope[start..start + 8].try_into().expect("eight bytes were asked for");
            u64::from_le_bytes(bytes)
        };
        let client = ClientId(u32::from_le_bytes([envelope[0], envelope[1], envelope[2], envelope[3]]));
        assert!(envelope[20] == 0, "turmoil delivered a datagram of client {client} through a partition");
        let mut bytes = self.spare.pop().unwrap_or_default();
        bytes.clear();
        bytes.extend_from_slice(datagram);
        let (at, order) = (SimTime::from_ns(number(4)), number(12));
        self.held.push(Reverse(Held { at, client, order, datagram: bytes }));
        client
    }

    fn due(&self) -> Option<SimTime> {
        self.held.peek().map(|Reverse(held)| held.at)
    }

    fn next(&mut self) -> Option<Held> {
        self.held.pop().map(|Reverse(held)| held)
    }
}

/// The time to handle something at that was due at `at`, when everything up to `handled` has been handled.
fn advance(handled: &mut SimTime, at: SimTime) -> SimTime {
    *handled = at.max(*handled);
    *handled
}

fn earliest<const L: usize>(times: [Option<SimTime>; L]) -> Option<SimTime> {
    times.into_iter().flatten().min()
}

impl Shared {
    /// Puts the world's flights into envelopes and lets `send` carry them. Doomed ones go to turmoil only while a
    /// partition stands that drops them.
    fn dispatch(&mut self, mut send: impl FnMut(&Flight, &[u8])) {
        let packet = &mut self.packet;
        let Out { flights, datagrams, .. } = &mut self.out;
        for flight in flights.iter() {
            if flight.doomed {
                let plan = self.world.plan();
                let site = site_of(flight.client, plan.fleet.clients, plan.fleet.sites);
                if !self.partitioned[site.index()][flight.direction as usize] {
                    datagrams.release(flight.slot);
                    continue;
                }
                self.partition_drops += 1;
            } else {
                self.in_flight += 1;
            }
            packet.clear();
            packet.extend_from_slice(&flight.client.0.to_le_bytes());
            packet.extend_from_slice(&flight.at.as_ns().to_le_bytes());
            packet.extend_from_slice(&flight.order.to_le_bytes());
            packet.push(u8::from(flight.doomed));
            packet.extend_from_slice(datagrams.get(flight.slot));
            send(flight, packet);
            datagrams.release(flight.slot);
        }
        self.out.flights.clear();
    }

    /// A datagram of the edge's reaches the world.
    fn arrive(&mut self, direction: Direction, handled: &mut SimTime, held: &Held) {
        let at = advance(handled, held.at);
        if at > held.at {
            self.world.count_late_delivery();
        }
        self.in_flight -= 1;
        match direction {
            Direction::Up => self.world.server_receive(at, held.client, &held.datagram, &mut self.out),
            Direction::Down => self.world.client_receive(at, held.client, &held.datagram, &mut self.out),
        }
    }
}

/// A program's timer. Setting it to the time that it has already costs nothing.
struct Alarm {
    start: Instant,
    at: Option<SimTime>,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    fn new(start: Instant) -> Self {
        Alarm { start, at: None, sleep: Box::pin(tokio::time::sleep_until(start)) }
    }

    /// Goes off at `at`, or never.
    fn set(&mut self, at: Option<SimTime>) {
        if let Some(time) = at.filter(|_| at != self.at) {
            self.sleep.as_mut().reset(self.start + Duration::from_nanos(time.as_ns()));
        }
        self.at = at;
    }

    /// Waits until it goes off.
    async fn rings(&mut self) {
        match self.at {
            Some(_) => self.sleep.as_mut().await,
            None => std::future::pending().await,
        }
    }
}

fn elapsed(start: Instant) -> SimTime {
    SimTime::from_ns((Instant::now() - start).as_nanos() as u64)
}

/// The server: receives, serves and answers.
async fn server_program(shared: Handle) -> Programme {
    let start = Instant::now();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, SERVER_PORT)).await?;
    let (clients, horizon) = {
        let shared = shared.borrow();
        (shared.world.plan().fleet.clients, shared.horizon)
    };
    let mut peers = vec![None; clients as usize];
    let mut edge = Edge::default();
    let mut alarm = Alarm::new(start);
    loop {
        let arrived = tokio::select! {
            biased;
            readable = socket.readable() => { readable?; true }
            () = alarm.rings() => false,
        };
        let now = elapsed(start);
        let shared = &mut *shared.borrow_mut();
        if arrived {
            while let Ok((length, peer)) = socket.try_recv_from(&mut shared.buffer) {
                let client = edge.take(&shared.buffer[..length]);
                peers[client.index()] = Some(peer);
            }
        }
        loop {
            let (arrival, core) = (edge.due(), shared.world.server_due());
            let due = earliest([arrival, core]).filter(|&at| at < horizon);
            if due.is_none_or(|at| at > now) {
                alarm.set(due);
                break;
            }
            shared.events += 1;
            if arrival == due {
                let held = edge.next().expect("something is due");
                shared.arrive(Direction::Up, &mut edge.handled, &held);
                edge.spare.push(held.datagram);
            } else if let Some(at) = due {
                let at = advance(&mut edge.handled, at);
                shared.world.server_wake(at, &mut shared.out);
            }
            shared.dispatch(|flight, packet| {
                let peer = peers[flight.client.index()].expect("an answer goes to a client that has asked");
                let _ = socket.try_send_to(packet, peer); // in a partition: dropped, as planned
            });
        }
    }
}

/// One client: waits for card holders, serves them, and talks to the server.
async fn client_program(shared: Handle, client: ClientId, port: u16, holders: Vec<Holder>) -> Programme {
    let start = Instant::now();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    let (server, horizon) = {
        let shared = shared.borrow();
        (shared.server, shared.horizon)
    };
    let mut edge = Edge::default();
    let mut returns: BinaryHeap<Reverse<Return>> = BinaryHeap::new();
    let mut holders = holders.into_iter().peekable();
    let mut alarm = Alarm::new(start);
    alarm.set(holders.peek().map(|holder| holder.arrived));
    loop {
        let arrived = tokio::select! {
            biased;
            readable = socket.readable() => { readable?; true }
            () = alarm.rings() => false,
        };
        let now = elapsed(start);
        let shared = &mut *shared.borrow_mut();
        if arrived {
            let (length, _) = socket.try_recv_from(&mut shared.buffer)?;
            edge.take(&shared.buffer[..length]);
        }
        loop {
            let arrival = edge.due();
            let arrived = holders.peek().map(|holder| holder.arrived);
            let back = returns.peek().map(|back| back.0.holder.arrived);
            let due = earliest([arrival, arrived, back, shared.world.client_due(client)]);
            let due = due.filter(|&at| at < horizon);
            let Some(at) = due.filter(|&at| at <= now) else {
                alarm.set(due);
                break;
            };
            shared.events += 1;
            if arrival == due {
                let held = edge.next().expect("a datagram is due");
                shared.arrive(Direction::Down, &mut edge.handled, &held);
                edge.spare.push(held.datagram);
            } else if arrived == due {
                let holder = holders.next().expect("a holder is due");
                advance(&mut edge.handled, at);
                shared.world.arrive(client, holder);
            } else if back == due {
                let Reverse(back) = returns.pop().expect("someone is due to come back");
                advance(&mut edge.handled, at);
                shared.world.come_back(back, &mut shared.out);
            } else {
                let at = advance(&mut edge.handled, at);
                shared.world.client_wake(at, client, &mut shared.out);
            }
            returns.extend(shared.out.returns.drain(..).map(Reverse));
            shared.dispatch(|_, packet| {
                let _ = socket.try_send_to(packet, server); // in a partition: dropped, as planned
            });
        }
    }
}

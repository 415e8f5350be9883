//! The turmoil engine: clients and server are async programs on simulated hosts, and talk UDP.
//!
//! One host is the server, one each is a site; a site's clients are tasks on its host, each with its own socket.
//! turmoil carries every datagram in a fixed time of one millisecond; the line model decides what becomes of it, and the
//! receiver's edge holds it until its arrival time. Programs wake on tokio's clock, which counts milliseconds, but handle
//! what is due at its own time in nanoseconds. Ticks cost the same whether anything happens in them or not: once nothing is to
//! come, none are made any more. As long as the shortest delay of the line exceeds two ticks and two
//! milliseconds nothing comes late, so that a coarser tick changes no result; what does come late is counted.
//!
//! An outage is a turmoil partition between site and server. The line model has decided which messages it cuts, so
//! that every engine agrees on them; those that are sent while the partition stands are handed to turmoil, and one
//! that came through would be a bug.
//!
//! A crash of the server is a turmoil crash of its host. The world decides when; the host itself goes down when nothing
//! is being carried to it any more. What is sent to it meanwhile stays at the line's edge, which is no part of the
//! server: the world, which knows until when it is down, decides what is lost.

mod clock;
mod edge;
mod hosts;

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use keystorm_model::secure::Direction;
use keystorm_model::{ClientId, SimTime, SiteId, Span};
use turmoil::net::UdpSocket;

use crate::plan::Plan;
use crate::world::load::{Arrival, arrivals};
use crate::world::{Flight, Holder, Out, Return, World, site_of};

use clock::{Alarm, Clock};
use edge::{Edge, Held, advance, earliest};
use hosts::{Outage, ServerHost};

use super::{Ended, Progress, Stopped, Watch};

/// The server's host.
const SERVER: &str = "server";
/// The server's port; client `i` of a site has port `CLIENT_PORTS + i`.
const SERVER_PORT: u16 = 1_000;
const CLIENT_PORTS: u16 = 1_001;
/// turmoil's own delivery time. The line model has drawn the real one.
const CARRIAGE: Duration = Duration::from_millis(1);
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
    /// Clients that something is due at, be it in their future.
    expecting: u32,
    /// For each site, whether a partition cuts it off from the server now: upward, downward.
    partitioned: Vec<[bool; 2]>,
    /// Datagrams that were handed to turmoil for a partition to drop.
    partition_drops: u64,
    /// Events handled.
    events: u64,
    horizon: SimTime,
    server: SocketAddr,
    /// The edge of the lines at the server, and where each client is to be found.
    edge: Edge,
    clients: Vec<SocketAddr>,
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
    let mut host = ServerHost::Up;
    let mut outages: Vec<Outage> = plan.faults.outages.iter().map(|&plan| Outage::new(plan)).collect();
    // Two ticks more, so that what is due just before the horizon is handled.
    while sim.elapsed() < horizon + tick * 2 {
        if shared.borrow().nothing_is_to_come() && !outages.iter().any(Outage::is_in_force) {
            break;
        }
        for outage in &mut outages {
            outage.advance(&sim, tick, &shared);
        }
        host.advance(&mut sim, tick, &shared);
        sim.step().map_err(|error| Stopped::Failed(error.to_string()))?;
        ticks += 1;
        if ticks.is_multiple_of(TICKS_PER_REPORT) && !watch(progress(&sim, &shared)) {
            return Err(Stopped::Cancelled);
        }
    }
    watch(progress(&sim, &shared)); // there is nothing left to stop
    host.lose_what_arrives(&sim, &shared);
    drop(sim);
    let shared = Rc::into_inner(shared).expect("the programs ended with their simulation").into_inner();
    let mut world = shared.world;
    world.finish(shared.in_flight);
    Ok(Ended { world, events: shared.events })
}

fn progress(sim: &turmoil::Sim<'_>, shared: &Handle) -> Progress {
    let now = SimTime::from_ns(sim.elapsed().as_nanos() as u64);
    Progress::of(&shared.borrow().world, now)
}

fn share(world: World, plan: &Plan) -> Handle {
    Rc::new(RefCell::new(Shared {
        world,
        out: Out::default(),
        buffer: vec![0; LARGEST_DATAGRAM],
        packet: Vec::new(),
        in_flight: 0,
        expecting: plan.fleet.clients,
        partitioned: vec![[false; 2]; usize::from(plan.fleet.sites)],
        partition_drops: 0,
        events: 0,
        horizon: SimTime::ZERO + plan.horizon,
        server: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), SERVER_PORT),
        edge: Edge::default(),
        clients: Vec::with_capacity(plan.fleet.clients as usize),
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
        let (programmes, programme_shared) = (Rc::clone(&staffed), Rc::clone(shared));
        sim.host(site_name(site), move || {
            let (staffed, shared) = (Rc::clone(&programmes), Rc::clone(&programme_shared));
            async move {
                for (port, (client, holders)) in (CLIENT_PORTS..).zip(staffed.iter()) {
                    let programme = client_program(Rc::clone(&shared), *client, port, holders.clone());
                    tokio::task::spawn_local(programme);
                }
                std::future::pending::<Programme>().await
            }
        });
        let address = sim.lookup(site_name(site));
        let ports = (CLIENT_PORTS..).take(staffed.len());
        shared.borrow_mut().clients.extend(ports.map(|port| SocketAddr::new(address, port)));
    }
}

impl Shared {
    /// Whether nothing is going to happen until the horizon. What was sent into a partition is not counted; what arrives
    /// only after the horizon is.
    fn nothing_is_to_come(&self) -> bool {
        let server = self.world.server_due().filter(|&at| at < self.horizon);
        self.expecting == 0 && self.in_flight == 0 && server.is_none()
    }

    /// Notes whether something is due at a client: `expects` is what has been noted of it before.
    fn note_expecting(&mut self, expects: &mut bool, due: Option<SimTime>) {
        match (std::mem::replace(expects, due.is_some()), *expects) {
            (true, false) => self.expecting -= 1,
            (false, true) => self.expecting += 1,
            _ => {}
        }
    }

    /// Puts the world's flights into envelopes and lets `send` carry them, at `now`. Doomed ones go to turmoil only while
    /// a partition stands that drops them. To a server that is down nothing is carried.
    fn dispatch(&mut self, now: SimTime, mut send: impl FnMut(&Flight, &[u8])) {
        let server_is_down = now < self.world.server_down_until();
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
                if server_is_down && flight.direction == Direction::Up {
                    self.edge.hold(flight.at, flight.client, flight.order, datagrams.get(flight.slot));
                    datagrams.release(flight.slot);
                    continue;
                }
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
            Direction::Down => {
                self.world.client_receive(at, held.client, held.order, &held.datagram, &mut self.out);
            }
        }
    }

    /// Lets the server do what is due up to `now`, and `send` its answers. Returns what is due next.
    fn serve(&mut self, now: SimTime, mut send: impl FnMut(&Flight, &[u8])) -> Option<SimTime> {
        loop {
            let (arrival, core) = (self.edge.due(), self.world.server_due());
            let due = earliest([arrival, core]).filter(|&at| at < self.horizon);
            let Some(at) = due.filter(|&at| at <= now) else { return due };
            self.events += 1;
            let mut handled = self.edge.handled;
            if arrival == due {
                let held = self.edge.next().expect("something is due");
                self.arrive(Direction::Up, &mut handled, &held);
                self.edge.spare.push(held.datagram);
            } else {
                let at = advance(&mut handled, at);
                self.world.server_wake(at, &mut self.out);
            }
            self.edge.handled = handled;
            self.dispatch(now, &mut send);
        }
    }
}

/// The server: receives, serves and answers. It may have been started before.
async fn server_program(shared: Handle) -> Programme {
    let clock = Clock::new();
    let tick = Span::from_ns(shared.borrow().world.plan().turmoil.tick.as_ns());
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, SERVER_PORT)).await?;
    let mut alarm = Alarm::new(clock);
    alarm.set(Some(clock.now()));
    loop {
        let arrived = tokio::select! {
            biased;
            readable = socket.readable() => { readable?; true }
            () = alarm.rings() => false,
        };
        let now = clock.now();
        let shared = &mut *shared.borrow_mut();
        if arrived {
            while let Ok((length, _)) = socket.try_recv_from(&mut shared.buffer) {
                shared.edge.take(&shared.buffer[..length]);
            }
        }
        let clients = std::mem::take(&mut shared.clients);
        let due = shared.serve(now, |flight, packet| {
            let _ = socket.try_send_to(packet, clients[flight.client.index()]); // in a partition: dropped, as planned
        });
        shared.clients = clients;
        // While the server is down, and a little longer, datagrams come to its edge without waking it.
        let watchful = now < shared.world.server_down_until() + tick * 2;
        alarm.set(if watchful { earliest([due, Some(now + tick)]) } else { due });
    }
}

/// One client: waits for card holders, serves them, and talks to the server.
async fn client_program(shared: Handle, client: ClientId, port: u16, holders: Vec<Holder>) -> Programme {
    let clock = Clock::new();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    let (server, horizon) = {
        let shared = shared.borrow();
        (shared.server, shared.horizon)
    };
    let mut edge = Edge::default();
    let mut returns: BinaryHeap<Reverse<Return>> = BinaryHeap::new();
    let mut holders = holders.into_iter().peekable();
    let mut alarm = Alarm::new(clock);
    let watched = shared.borrow().world.client_due(client);
    // It counts as expecting something from before its start.
    let mut expects = true;
    let first = earliest([holders.peek().map(|holder| holder.arrived), watched]).filter(|&at| at < horizon);
    shared.borrow_mut().note_expecting(&mut expects, first);
    alarm.set(first);
    loop {
        let arrived = tokio::select! {
            biased;
            readable = socket.readable() => { readable?; true }
            () = alarm.rings() => false,
        };
        let now = clock.now();
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
                shared.note_expecting(&mut expects, due);
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
            shared.dispatch(now, |_, packet| {
                let _ = socket.try_send_to(packet, server); // in a partition: dropped, as planned
            });
        }
    }
}

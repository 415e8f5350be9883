//! Programs on bare turmoil that move as many messages as a keystorm run, and do nothing else.
//!
//! One host is the server, one each is a site; a site's clients are tasks on its host, each with its own UDP socket.
//! A client waits for a card holder, sleeps while the card is reset, and then makes its round trips: it sleeps
//! once per card command, sends a request, receives the answer. The server answers at once. Nothing is lost, nothing is
//! computed, no one waits for a deadline; every message has the mean size of keystorm's.
//!
//! How a message is delayed is [`Delay`]'s choice.

use std::cell::Cell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep, sleep_until};
use turmoil::net::UdpSocket;

const SERVER_PORT: u16 = 1_000;
const LARGEST_DATAGRAM: usize = 2_048;

/// Who delays a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delay {
    /// turmoil carries it in one millisecond, as it does keystorm's; the client sleeps for the rest, both ways.
    Sleep,
    /// turmoil alone: the leanest that can be written, as long as all messages have the same delay.
    Turmoil,
}

/// What a bare program does.
#[derive(Clone, Debug)]
pub struct Bare {
    /// Who delays messages.
    pub delay: Delay,
    /// turmoil's tick.
    pub tick: Duration,
    /// How long the run lasts.
    pub horizon: Duration,
    /// Sites, one host each.
    pub sites: u16,
    /// How long a message travels, one way.
    pub line: Duration,
    /// How long a card takes for its reset.
    pub reset: Duration,
    /// How long a card takes for a command.
    pub command: Duration,
    /// Bytes of a message, without what the layers below add.
    pub message_bytes: usize,
    /// The sessions of each client. Clients are spread over the sites evenly, in blocks.
    pub clients: Vec<Vec<Session>>,
}

/// A card holder's session.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// When the holder comes. While the client is busy, they wait.
    pub arrives: Duration,
    /// Round trips to the server.
    pub round_trips: u64,
    /// Card commands, spread over the round trips.
    pub commands: u64,
}

/// The `part`-th of `parts` shares of `whole` that differ by one at most.
pub fn share(whole: u64, part: u64, parts: u64) -> u64 {
    whole * (part + 1) / parts - whole * part / parts
}

impl Bare {
    /// The same hosts and ticks without anything to do.
    pub fn idle(&self) -> Bare {
        Bare { clients: vec![Vec::new(); self.clients.len()], ..self.clone() }
    }

    /// Runs to the horizon; returns how many round trips were made.
    pub fn run(&self) -> u64 {
        let carriage = match self.delay {
            Delay::Sleep => Duration::from_millis(1),
            Delay::Turmoil => self.line,
        };
        let mut sim = turmoil::Builder::new()
            .rng_seed(1)
            .epoch(SystemTime::UNIX_EPOCH)
            .tick_duration(self.tick)
            .min_message_latency(carriage)
            .max_message_latency(carriage)
            .fail_rate(0.0)
            .udp_capacity(1 << 20)
            .simulation_duration(self.horizon * 2 + self.tick * 100)
            .build();
        let size = self.message_bytes;
        sim.host("server", move || serve(size));
        let server = SocketAddr::new(sim.lookup("server"), SERVER_PORT);
        let made = Rc::new(Cell::new(0));
        let clients = self.clients.len();
        for site in 0..usize::from(self.sites) {
            let here = (0..clients).filter(|client| client * usize::from(self.sites) / clients == site);
            let here: Rc<Vec<Vec<Session>>> =
                Rc::new(here.map(|client| self.clients[client].clone()).collect());
            let (plan, made) = (Rc::new(Bare { clients: Vec::new(), ..self.clone() }), Rc::clone(&made));
            sim.host(format!("site-{site}"), move || {
                let (here, plan, made) = (Rc::clone(&here), Rc::clone(&plan), Rc::clone(&made));
                async move {
                    for (port, sessions) in (SERVER_PORT + 1..).zip(here.iter()) {
                        let client = Client { plan: Rc::clone(&plan), server, made: Rc::clone(&made) };
                        tokio::task::spawn_local(client.run(port, sessions.clone()));
                    }
                    std::future::pending().await
                }
            });
        }
        while sim.elapsed() < self.horizon + self.tick * 2 {
            sim.step().expect("bare programs do not fail");
        }
        made.get()
    }
}

async fn serve(size: usize) -> turmoil::Result {
    let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), SERVER_PORT)).await?;
    let (mut buffer, answer) = (vec![0; LARGEST_DATAGRAM], vec![0; size]);
    loop {
        let (_, peer) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&answer, peer).await?;
    }
}

struct Client {
    plan: Rc<Bare>,
    server: SocketAddr,
    made: Rc<Cell<u64>>,
}

impl Client {
    async fn run(self, port: u16, sessions: Vec<Session>) -> turmoil::Result {
        let start = Instant::now();
        let socket = UdpSocket::bind((IpAddr::V4(Ipv4Addr::UNSPECIFIED), port)).await?;
        let (mut buffer, request) = (vec![0; LARGEST_DATAGRAM], vec![0; self.plan.message_bytes]);
        // What turmoil carries takes one to two ticks there, another one to two back.
        let on_the_line = match self.plan.delay {
            Delay::Sleep => Some(self.plan.line.saturating_sub(self.plan.tick * 3 / 2)),
            Delay::Turmoil => None,
        };
        for session in sessions {
            sleep_until(start + session.arrives).await;
            sleep(self.plan.reset).await;
            for trip in 0..session.round_trips {
                for _ in 0..share(session.commands, trip, session.round_trips) {
                    sleep(self.plan.command).await;
                }
                if let Some(delay) = on_the_line {
                    sleep(delay).await;
                }
                socket.send_to(&request, self.server).await?;
                socket.recv_from(&mut buffer).await?;
                if let Some(delay) = on_the_line {
                    sleep(delay).await;
                }
                self.made.set(self.made.get() + 1);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_add_up_and_are_even() {
        let shares: Vec<u64> = (0..7).map(|part| share(16, part, 7)).collect();
        assert_eq!(shares.iter().sum::<u64>(), 16);
        assert!(shares.iter().all(|share| (2..=3).contains(share)));
    }

    #[test]
    fn every_round_trip_is_made() {
        let session = |round_trips| Session {
            arrives: Duration::from_millis(5),
            round_trips,
            commands: round_trips + 1,
        };
        for delay in [Delay::Sleep, Delay::Turmoil] {
            let bare = Bare {
                delay,
                tick: Duration::from_millis(1),
                horizon: Duration::from_secs(1),
                sites: 2,
                line: Duration::from_millis(10),
                reset: Duration::from_millis(10),
                command: Duration::from_millis(3),
                message_bytes: 70,
                clients: vec![vec![session(3), session(4)], vec![], vec![session(5)]],
            };
            assert_eq!(bare.run(), 12);
            assert_eq!(bare.idle().run(), 0);
        }
    }
}

//! The card, the server and what is remembered of them between two connections; and what happens in between.
//!
//! A [`World`] is copied at each point at which a connection can be cut. How card and server stand in it is judged in
//! `standing`, what may never happen in `rules`.

use std::rc::Rc;

use keystorm_model::SimTime;
use keystorm_model::card::{Card, Chip, Power};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::KeyRef;
use keystorm_model::server::{Directory as _, MemoryDirectory, Recovery, Server, ServerEffect, Stamp};
use xxhash_rust::xxh3::xxh3_64;

use super::combination::{BETWEEN, CARD, SEED, Setup};
use super::rerun::Event;

/// A datagram that was sent, and in which connection.
pub(super) struct Sent {
    pub(super) connection: u32,
    pub(super) datagram: Vec<u8>,
    older: Option<Rc<Sent>>,
}

/// What survives a connection: the card's memory and the server.
#[derive(Clone)]
pub(super) struct World {
    pub(super) chip: Chip,
    pub(super) server: Server<MemoryDirectory>,
    /// Connections so far, all together.
    pub(super) connections: u32,
    /// How often the card has been powered up.
    pub(super) powered: u32,
    /// Every value that the server ever offered for the card, in order: slot and hash.
    pub(super) offers: Vec<(u8, u64)>,
    /// The hashes of every Ro.
    pub(super) session_randoms: Vec<u64>,
    /// Rk has been sent, and nothing committed since.
    open: bool,
    /// A connection ended while that was so.
    pub(super) interrupted: bool,
    /// All datagrams, the last one first; kept where late copies are to be made of them.
    sent: Option<Rc<Sent>>,
    pub(super) keeps_sent: bool,
    /// The rules that have been broken.
    pub(super) broken: Vec<String>,
    /// What happened, where somebody wants to know.
    pub(super) log: Option<Vec<Event>>,
}

/// What tells values apart: they differ in all their bits or in none.
pub(super) fn hash(value: &[u8]) -> u64 {
    xxh3_64(value)
}

impl World {
    /// The card and the server on the day on which the renewal falls due.
    pub(super) fn new(setup: &Setup) -> Self {
        let depths = usize::from(setup.server.schedule.depths());
        let pair = setup.kind.cipher.kept().pair;
        let slots = setup.kind.shape.keys();
        let directory = MemoryDirectory::new(setup.issued.clone(), slots, pair, depths, Stamp::NEVER);
        let halves =
            (0..slots).flat_map(|slot| setup.half(slot, &setup.issued[setup.at_server().range(slot)]));
        let keys: Vec<u8> = halves.copied().collect();
        World {
            chip: Chip::issued(&setup.kind, CARD, &keys),
            server: Server::start(setup.server.clone(), SEED, directory, 1),
            connections: 0,
            powered: 0,
            offers: Vec::new(),
            session_randoms: Vec::new(),
            open: false,
            interrupted: false,
            sent: None,
            keeps_sent: true,
            broken: Vec::new(),
            log: None,
        }
    }

    /// The time of the current connection.
    pub(super) fn now(&self) -> SimTime {
        SimTime::ZERO + BETWEEN * u64::from(self.connections)
    }

    /// Notes an event, where somebody wants to know.
    pub(super) fn note(&mut self, event: impl FnOnce() -> Event) {
        if let Some(log) = &mut self.log {
            log.push(event());
        }
    }

    /// Keeps a datagram that is sent in the `connection`-th connection.
    pub(super) fn keep(&mut self, connection: u32, datagram: &[u8]) {
        if self.keeps_sent {
            let older = self.sent.take();
            self.sent = Some(Rc::new(Sent { connection, datagram: datagram.to_vec(), older }));
        }
    }

    /// What has been kept, the last first.
    pub(super) fn sent(&self) -> impl Iterator<Item = Rc<Sent>> + use<> {
        std::iter::successors(self.sent.clone(), |sent| sent.older.clone())
    }

    /// Hands the server a datagram, and keeps what it offers and commits.
    pub(super) fn serve(&mut self, setup: &Setup, datagram: &[u8], out: &mut Outbox<ServerEffect>) {
        self.note(|| Event::AtServer { datagram: datagram.to_vec() });
        out.clear();
        let staged = self.server.directory().staged(CARD).map(|stage| stage.due.depth);
        self.server.step(self.now(), datagram, out);
        let mut again = false;
        for &effect in &out.effects {
            match effect {
                ServerEffect::UpdateStarted { due, .. } => {
                    self.open = true;
                    again = staged == Some(due.depth);
                }
                ServerEffect::Offered { key, value, .. } => {
                    self.offered(setup, key, out.get(value), again);
                }
                ServerEffect::Committed { due, .. } | ServerEffect::Promoted { due, .. } => {
                    self.open = false;
                    self.judge_commit(setup, due);
                    self.note(|| Event::Committed { depth: due.depth });
                }
                ServerEffect::SessionOpened { ro, .. } => self.judge_session(out.get(ro)),
                _ => {}
            }
        }
    }

    fn offered(&mut self, setup: &Setup, key: KeyRef, value: &[u8], again: bool) {
        let slot = setup.kind.shape.slot(key).expect("offered keys exist");
        let offer = (slot as u8, hash(value));
        if self.offers.contains(&offer) {
            return;
        }
        if again && setup.combination.recovery == Recovery::StageAndFlip {
            self.broken.push(format!("a staged renewal was done again with another Rk for {key:?}"));
        }
        self.offers.push(offer);
    }

    /// The connection is over for everybody.
    pub(super) fn end(&mut self) {
        self.interrupted |= std::mem::take(&mut self.open);
    }

    /// The same of a copy.
    pub(super) fn over(mut self) -> Self {
        self.end();
        self
    }

    /// A copy in which the card's memory is another.
    pub(super) fn with_chip(&self, chip: Chip) -> Self {
        World { chip, ..self.clone() }
    }

    /// The server crashes and starts again from its directory.
    pub(super) fn restart(&mut self) {
        self.note(|| Event::ServerRestarts);
        self.server.restart(&mut Outbox::default());
    }
}

/// A card in the reader, and the moments that its power-up passed.
pub(super) fn powered_up(setup: &Setup, chip: &mut Chip) -> (Card, u32) {
    let (mut card, mut power) = (Card::unpowered(), Power::steady());
    card.power_up(&setup.kind, &mut chip.memory(&setup.kind), &mut power).expect("steady power lasts");
    (card, power.moments_passed())
}

//! A client's desk: the people who queue at it, the card in its reader, and the machine that serves them.

use std::collections::VecDeque;

use keystorm_model::card::Card;
use keystorm_model::client::Client;
use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::{CardId, ConnectionId, SimTime, SiteId, Span};

use crate::check::witness::Witness;
use crate::plan::PullMoment;
use crate::record::Origin;

use super::line::Wire;
use super::trouble::Source;

/// Someone with a card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Holder {
    /// When they arrived this time.
    pub arrived: SimTime,
    /// Their card.
    pub card: CardId,
    /// How often they will come back if the session fails.
    pub visits_left: u8,
}

/// A client's reader, the visit that it serves, and the queue before it. There may be many desks of which few are busy, so
/// that all that only a visit needs lies in the visit. Desks and visits begin with a cache line: every event needs several of
/// their lines, and one less is noticed.
#[repr(align(128))]
pub(super) struct Desk {
    pub(super) site: SiteId,
    pub(super) visit: Option<Box<Visit>>,
    pub(super) reader: Reader,
    pub(super) queue: VecDeque<Holder>,
    /// The client's line, to the server and from it.
    pub(super) up: Wire,
    pub(super) down: Wire,
    /// Datagrams sent over the line so far in either direction: they order arrivals at one instant.
    pub(super) sent: u64,
    /// `Stale` answers sent to this desk.
    pub(super) stales: u8,
}

/// A card in the reader, the client machine at work, and their connection.
#[repr(align(64))]
pub(super) struct Visit {
    pub(super) holder: Holder,
    pub(super) inserted: SimTime,
    /// The machine that serves the holder.
    pub(super) client: Client,
    pub(super) card: Card,
    pub(super) witness: Witness,
    pub(super) connection: ConnectionId,
    /// The visit's draws of this connection: pull, card randoms.
    pub(super) draws: Draws,
    /// The fates of this connection's messages.
    pub(super) line: Draws,
    pub(super) pull: Option<Pull>,
    /// Commands given to the card in this connection.
    pub(super) commands: u32,
    /// The command that the card works on, and its answer.
    pub(super) command: Vec<u8>,
    pub(super) answer: Vec<u8>,
    /// Whether the authentication of this visit has been measured.
    pub(super) authenticated: bool,
    /// Answers to probes of this visit so far.
    pub(super) probe_answers: u8,
}

impl Visit {
    /// A place for a visit.
    pub(super) fn nobody() -> Self {
        Visit {
            holder: Holder { arrived: SimTime::ZERO, card: CardId(0), visits_left: 0 },
            inserted: SimTime::ZERO,
            client: Client::default(),
            card: Card::unpowered(),
            witness: Witness::default(),
            connection: ConnectionId(0),
            draws: Draws::closed(),
            line: Draws::closed(),
            pull: None,
            commands: 0,
            command: Vec::new(),
            answer: Vec::new(),
            authenticated: false,
            probe_answers: 0,
        }
    }

    /// Gets ready for a new connection of the card, which is about to be powered up.
    pub(super) fn reconnect(&mut self, seed: Seed, connection: ConnectionId) {
        self.connection = connection;
        self.draws.reopen(seed, Purpose::Visit, connection.0);
        self.line.reopen(seed, Purpose::Line, connection.0);
        self.witness.reset();
        self.pull = None;
        self.commands = 0;
        self.probe_answers = 0;
    }

    pub(super) fn origin(&self) -> Origin {
        Origin { intended: self.holder.arrived, service: self.inserted }
    }
}

/// A card is going to be pulled out at one of its commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Pull {
    /// At which, from 1.
    pub(super) command: u32,
    pub(super) moment: PullMoment,
    /// The placed fault that it is; `None`: it was drawn.
    pub(super) placed: Option<usize>,
}

/// What the reader is doing.
pub(super) enum Reader {
    /// Nothing that ends by itself.
    Idle,
    /// The card is being reset; if it is pulled out then, the placed fault that it is.
    Resetting { until: SimTime, pulled: Option<usize> },
    /// The card is working on a command.
    Executing { until: SimTime, ending: Execution },
    /// The client is down.
    Down { until: SimTime },
}

/// How a command is going to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Execution {
    /// With an answer.
    Answered,
    /// With an answer, after which the card is pulled out.
    AnsweredThenPulled,
    /// With the card pulled out before it answered.
    Pulled,
    /// With a crash of the client before it answered, which is then down for so long.
    ClientCrash(Span, Source),
}

impl Desk {
    pub(super) fn new(site: SiteId) -> Self {
        Desk {
            site,
            visit: None,
            reader: Reader::Idle,
            queue: VecDeque::new(),
            up: Wire::default(),
            down: Wire::default(),
            sent: 0,
            stales: 0,
        }
    }

    /// See [`super::World::preload`].
    pub(super) fn preload(&self) -> u32 {
        u32::from(self.stales) ^ u32::from(self.site.0) ^ self.queue.len() as u32
    }

    /// When something happens at this desk by itself.
    pub(super) fn due(&self) -> Option<SimTime> {
        let deadline = self.visit.as_ref().and_then(|visit| visit.client.deadline());
        match self.reader {
            Reader::Resetting { until, .. } | Reader::Executing { until, .. } | Reader::Down { until } => {
                Some(deadline.map_or(until, |deadline| deadline.min(until)))
            }
            Reader::Idle => deadline,
        }
    }
}

const _: () =
    assert!(size_of::<Desk>() == 128, "two cache lines: there are tens of thousands, visited in no order");

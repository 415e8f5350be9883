//! What happens to one card, kept as it happens: for a replay. Every other run goes without, and pays a comparison.
//!
//! The recorder traces messages and answers; the world tells what only it knows: what became of a message on the line,
//! how often a command wrote to memory, when the card was pulled out. `replay/` makes steps of it.

use core::mem;

use keystorm_model::client::Ending;
use keystorm_model::message;
use keystorm_model::secure::Direction;
use keystorm_model::server::ServerEffect;
use keystorm_model::{CardId, ClientId, ConnectionId, SimTime, Span};

use crate::world::line::Fate;

use super::digest::{Parties, Trace};

/// Something that happened to the card.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Its holder comes to a client, and waits there if another holder is being served.
    Arrives {
        /// To which.
        client: ClientId,
        /// Whether they have to wait.
        queued: bool,
    },
    /// A visit fell due while the last one was not over, and did not take place.
    Skipped,
    /// It is powered up for a connection.
    Connects {
        /// By which client, where it has a number.
        client: Option<ClientId>,
        /// The connection.
        connection: ConnectionId,
        /// Page writes of its recovery.
        writes: u32,
    },
    /// A message is handed to the line.
    Sent {
        /// Which way it goes.
        direction: Direction,
        /// How often it was sent before; of no meaning where the sender keeps no count.
        copy: u8,
        /// What becomes of it.
        fate: Fate,
        /// The message.
        datagram: Vec<u8>,
    },
    /// A message arrives.
    Delivered {
        /// Which way it went.
        direction: Direction,
        /// The message.
        datagram: Vec<u8>,
    },
    /// A message arrives where nobody takes it.
    Dropped {
        /// Why.
        why: Dropped,
        /// The message.
        datagram: Vec<u8>,
    },
    /// The server crashes before it has acted on a message that has arrived.
    Forgotten {
        /// The message.
        datagram: Vec<u8>,
    },
    /// The server has acted on a request, and crashes before this answer leaves it.
    Unsent {
        /// How often it was sent before.
        copy: u8,
        /// The answer.
        datagram: Vec<u8>,
    },
    /// The server takes up a message that had to wait so long.
    Waited(Span),
    /// The server did something that concerns the card's keys.
    Server(ServerEffect),
    /// It is given a command.
    Command {
        /// The command.
        command: Vec<u8>,
        /// Page writes to its memory that the command makes.
        writes: u32,
        /// When it is pulled out, if it is.
        pulled: Option<Pulled>,
    },
    /// It has answered the command.
    Answered(Vec<u8>),
    /// It is out of the reader, and has not answered.
    Gone,
    /// A connection is over for its client.
    Ended(Ending),
    /// It has to go back to its issuer, or a new one is ordered.
    Recalled,
    /// It has new keys from its issuer.
    Reissued,
    /// The server crashes, and is down for a while.
    ServerDown {
        /// When it is up again.
        until: SimTime,
    },
    /// The run is over, and its epilogue begins.
    Epilogue,
}

/// Why a message that arrives is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dropped {
    /// The server is down.
    ServerDown,
    /// Its queue is full.
    QueueFull,
    /// The client is down.
    ClientDown,
}

/// When a card is pulled out at a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pulled {
    /// Before the command reaches it.
    Before,
    /// While it works on it.
    During {
        /// At which of the moments at which power can fail, from 0; at `moments`, it is done and has not answered.
        moment: u32,
        /// How many there are.
        moments: u32,
    },
    /// As soon as it has answered.
    After,
}

/// An event and its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// When.
    pub at: SimTime,
    /// Whether it belongs to the epilogue.
    pub epilogue: bool,
    /// What.
    pub event: Event,
}

/// What has happened to one card so far.
#[derive(Debug)]
pub struct Tape {
    card: CardId,
    epilogue: bool,
    entries: Vec<Entry>,
}

impl Tape {
    /// An empty tape for `card`.
    pub fn of(card: CardId) -> Self {
        Tape { card, epilogue: false, entries: Vec::new() }
    }

    /// Whose it is.
    pub fn card(&self) -> CardId {
        self.card
    }

    /// Keeps an event. Those of different places may come in any order, those of one place in that of time.
    pub fn push(&mut self, at: SimTime, event: Event) {
        self.epilogue |= event == Event::Epilogue;
        self.entries.push(Entry { at, epilogue: self.epilogue, event });
    }

    /// Keeps that the server crashes at `at`, and is up again at `until`. The answers that it is at work on were told with
    /// the times at which they were to leave: those do not leave any more.
    pub fn crash(&mut self, at: SimTime, until: SimTime) {
        for entry in self.entries.iter_mut().filter(|entry| entry.at > at) {
            if let Event::Sent { direction: Direction::Down, copy, datagram, .. } = &mut entry.event {
                (entry.at, entry.event) = (at, Event::Unsent { copy: *copy, datagram: mem::take(datagram) });
            }
        }
        self.push(at, Event::ServerDown { until });
    }

    /// Keeps what was traced, if it is the card's. A command is kept when it is given, and not again when it is traced.
    pub(super) fn trace(&mut self, at: SimTime, trace: Trace, parties: Parties, bytes: &[u8]) {
        let card = parties.card.or_else(|| message::card(bytes));
        if card != Some(self.card) {
            return;
        }
        let delivered = |direction| Event::Delivered { direction, datagram: bytes.to_vec() };
        self.push(
            at,
            match trace {
                Trace::AtServer => delivered(Direction::Up),
                Trace::AtClient => delivered(Direction::Down),
                Trace::Answer => Event::Answered(bytes.to_vec()),
                Trace::Pulled => Event::Gone,
                Trace::Command => return,
            },
        );
    }

    /// Everything in order of time.
    pub fn into_entries(mut self) -> Vec<Entry> {
        self.entries.sort_by_key(|entry| (entry.epilogue, entry.at));
        self.entries
    }
}

/// The card that an effect of the server concerns; `None`: what is sent, and refusals, which name none.
pub(super) fn concerned(effect: ServerEffect) -> Option<CardId> {
    match effect {
        ServerEffect::CardRefused(card)
        | ServerEffect::Authenticated(card)
        | ServerEffect::Deferred(card)
        | ServerEffect::UpdateStarted { card, .. }
        | ServerEffect::Offered { card, .. }
        | ServerEffect::Committed { card, .. }
        | ServerEffect::Promoted { card, .. }
        | ServerEffect::Interrupted { card, .. }
        | ServerEffect::SessionOpened { card, .. } => Some(card),
        ServerEffect::Answer { .. }
        | ServerEffect::Stale { .. }
        | ServerEffect::ProbeAnswer { .. }
        | ServerEffect::Rejected(_) => None,
    }
}

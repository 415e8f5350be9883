//! The server's volatile side: the connections that are alive, by card. A restart forgets all of it.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use crate::draw::{Draws, Purpose, Seed, owner};
use crate::ids::{CardId, ConnectionId, ConnectionNo, KeyNo};
use crate::planted::{self, Bug};
use crate::rings::Pair;
use crate::secure::Channel;
use crate::server::policy::Assignment;
use crate::time::{SimTime, Span};

/// How far a connection has come: which answer was sent last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// Challenge: a CardProof is awaited.
    Challenged,
    /// Verdict OK: a ServerChallenge is awaited.
    Proved,
    /// ServerProof: a ServerVerdict is awaited.
    Answered,
    /// UpdateRandoms: an UpdateVerdict is awaited, nothing is committed yet.
    Offered,
    /// SessionSeed: data is awaited.
    Open,
    /// Nothing but repeats is answered.
    Closed,
}

/// What is known of the keys that a connection is made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Guess {
    /// They are the directory's.
    None,
    /// They may be staged ones.
    Open,
    /// The card has proved itself with staged ones.
    Staged,
    /// They were staged ones, and are the directory's now.
    Promoted,
}

/// One connection of one card. It begins with a cache line: every request needs several of its lines.
#[derive(Clone)]
#[repr(align(64))]
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    pub(super) no: ConnectionNo,
    pub(super) card: CardId,
    /// Number of the last request that was acted on.
    pub(super) sequence: u16,
    pub(super) phase: Phase,
    pub(super) assignment: Assignment,
    pub(super) guess: Guess,
    /// When the assignment was made.
    pub(super) opened: SimTime,
    /// Rs, Ro and Rk, at fixed places.
    pub(super) draws: Draws,
    /// New keys that wait for the card's OK, in the order of the embodiment.
    pub(super) offered: Vec<u8>,
    pub(super) channel: Option<Channel>,
    pub(super) exchanges: u64,
    /// The last answer, for repeats of its request.
    pub(super) answer: Vec<u8>,
    /// How often the last answer has been repeated.
    pub(super) copies: u8,
    /// Whether a renewal is assigned, and neither committed nor given up.
    renewing: bool,
    last_active: SimTime,
    older: Link,
    /// Counts the connections ever opened; 0 once it is forgotten.
    serial: u64,
}

/// What decides about a live connection's future, for those who compare servers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Live<'a> {
    /// The connection, as its client numbered it.
    pub id: ConnectionId,
    /// Number of the last request that was acted on.
    pub sequence: u16,
    /// How far it has come, and what is known of its keys.
    pub phase: [u8; 2],
    /// What it is to do.
    pub assignment: Assignment,
    /// The pairs that wait for the card's OK, one behind the other.
    pub offered: &'a [u8],
}

/// A place in the slab, or none.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Link(u32);

impl Link {
    const NONE: Link = Link(u32::MAX);
}

impl Connection {
    /// A place for a connection.
    fn forgotten() -> Self {
        let pair = Pair { internal: KeyNo(0), external: KeyNo(0) };
        Connection {
            id: ConnectionId(0),
            no: ConnectionNo(0),
            card: CardId(0),
            sequence: 0,
            phase: Phase::Closed,
            assignment: Assignment { pair, renew: None, guess: false },
            guess: Guess::None,
            opened: SimTime::ZERO,
            draws: Draws::closed(),
            offered: Vec::new(),
            channel: None,
            exchanges: 0,
            answer: Vec::new(),
            copies: 0,
            renewing: false,
            last_active: SimTime::ZERO,
            older: Link::NONE,
            serial: 0,
        }
    }
}

impl Connection {
    pub(super) fn live(&self) -> Live<'_> {
        let offered = if self.phase == Phase::Offered { &self.offered[..] } else { &[] };
        let phase = [self.phase as u8, self.guess as u8];
        Live { id: self.id, sequence: self.sequence, phase, assignment: self.assignment, offered }
    }
}

/// What a new connection starts with.
pub(super) struct Opening {
    pub(super) id: ConnectionId,
    pub(super) no: ConnectionNo,
    pub(super) card: CardId,
    pub(super) assignment: Assignment,
    pub(super) seed: Seed,
    /// The first word of the draws that this connection uses.
    pub(super) first_word: u64,
}

/// What is kept of each card.
#[derive(Clone, Copy)]
struct OfCard {
    newest: Link,
    /// How many connections of the card have been numbered.
    numbered: u32,
    /// The connection that was opened last, be it alive or over; of no meaning before the first.
    last: ConnectionId,
}

/// A time, and the place and serial of a connection.
type Age = (SimTime, u32, u64);

/// The live connections: a slab, and for each card the newest of its connections.
#[derive(Clone)]
pub(super) struct Connections {
    slab: Vec<Connection>,
    free: Vec<u32>,
    cards: Vec<OfCard>,
    /// When each connection was opened, with its place and serial; until it comes up for expiry.
    fresh: VecDeque<Age>,
    /// The same of connections that were found active then, with the time of their last activity.
    renewed: BinaryHeap<Reverse<Age>>,
    opened: u64,
    /// Connections whose renewal is assigned, and neither committed nor given up.
    renewing: u32,
    idle: Span,
    /// Nothing comes up for expiry before this.
    next_expiry: SimTime,
}

impl Connections {
    /// Room for the connections of `cards` cards, each of which is forgotten after `idle` without a request.
    pub(super) fn new(cards: usize, idle: Span) -> Self {
        Connections {
            slab: Vec::new(),
            free: Vec::new(),
            cards: vec![OfCard { newest: Link::NONE, numbered: 0, last: ConnectionId(0) }; cards],
            fresh: VecDeque::new(),
            renewed: BinaryHeap::new(),
            opened: 0,
            renewing: 0,
            idle,
            next_expiry: SimTime::ZERO,
        }
    }

    /// The number of the card's next connection.
    pub(super) fn next_no(&mut self, card: CardId) -> ConnectionNo {
        let numbered = &mut self.cards[card.index()].numbered;
        *numbered += 1;
        ConnectionNo((*numbered).into())
    }

    /// See [`super::Server::preload`].
    pub(super) fn preload(&self, card: CardId) -> u32 {
        self.cards[card.index()].numbered
    }

    /// Opens a connection and returns its place. A forgotten connection's place and buffers are used again.
    pub(super) fn open(&mut self, now: SimTime, opening: Opening) -> usize {
        let place = self.free.pop().unwrap_or_else(|| {
            self.slab.push(Connection::forgotten());
            u32::try_from(self.slab.len() - 1).expect("fewer than 2^32 connections at once")
        });
        self.opened += 1;
        let OfCard { newest, last, .. } = &mut self.cards[opening.card.index()];
        *last = opening.id;
        let connection = &mut self.slab[place as usize];
        connection.id = opening.id;
        connection.no = opening.no;
        connection.card = opening.card;
        connection.sequence = 0;
        connection.phase = Phase::Challenged;
        connection.assignment = opening.assignment;
        connection.guess = if opening.assignment.guess { Guess::Open } else { Guess::None };
        connection.opened = now;
        let owner = owner(opening.card, opening.no.0 as u32);
        connection.draws.reopen_at(opening.seed, Purpose::Server, owner, opening.first_word);
        connection.offered.clear();
        connection.channel = None;
        connection.exchanges = 0;
        connection.answer.clear();
        connection.copies = 0;
        connection.renewing = opening.assignment.renew.is_some();
        self.renewing += u32::from(connection.renewing);
        connection.last_active = now;
        connection.older = *newest;
        connection.serial = self.opened;
        *newest = Link(place);
        self.fresh.push_back((now, place, self.opened));
        place as usize
    }

    /// For how many cards there is room.
    pub(super) fn cards(&self) -> usize {
        self.cards.len()
    }

    /// Whether `id` is the connection of the card that was opened last.
    pub(super) fn was_last(&self, card: CardId, id: ConnectionId) -> bool {
        self.last(card) == Some(id)
    }

    /// The connection of the card that was opened last.
    pub(super) fn last(&self, card: CardId) -> Option<ConnectionId> {
        let card = self.cards[card.index()];
        (card.numbered > 0).then_some(card.last)
    }

    /// The place of a live connection.
    pub(super) fn find(&self, card: CardId, id: ConnectionId) -> Option<usize> {
        let mut link = self.cards[card.index()].newest;
        while link != Link::NONE {
            let connection = &self.slab[link.0 as usize];
            if connection.id == id {
                return Some(link.0 as usize);
            }
            link = connection.older;
        }
        None
    }

    pub(super) fn at(&mut self, place: usize) -> &mut Connection {
        &mut self.slab[place]
    }

    /// How many renewals are open: assigned, and neither committed nor given up.
    pub(super) fn renewals_open(&self) -> u32 {
        self.renewing
    }

    /// Notes that the renewal of a connection, if it had one, is committed or given up.
    pub(super) fn renewal_over(&mut self, place: usize) {
        self.renewing -= u32::from(std::mem::take(&mut self.slab[place].renewing));
    }

    /// Notes a request, which postpones the connection's expiry.
    pub(super) fn touch(&mut self, place: usize, now: SimTime) {
        self.slab[place].last_active = now;
    }

    /// Forgets one connection. Its uncommitted values go with it; `dropped` sees it first.
    pub(super) fn close(&mut self, place: usize, mut dropped: impl FnMut(&Connection)) {
        let (card, older) = (self.slab[place].card, self.slab[place].older);
        dropped(&self.slab[place]);
        self.renewal_over(place);
        let this = Link(place as u32);
        let mut link = self.cards[card.index()].newest;
        if link == this {
            self.cards[card.index()].newest = older;
        } else {
            while self.slab[link.0 as usize].older != this {
                link = self.slab[link.0 as usize].older;
            }
            self.slab[link.0 as usize].older = older;
        }
        self.release(place as u32);
    }

    /// Forgets all connections of the card that are numbered below `no`.
    pub(super) fn close_below(
        &mut self,
        card: CardId,
        no: ConnectionNo,
        mut dropped: impl FnMut(&Connection),
    ) {
        let mut link = self.cards[card.index()].newest;
        while link != Link::NONE {
            let (older, below) = {
                let connection = &self.slab[link.0 as usize];
                (connection.older, connection.no < no)
            };
            let kept = below
                && (self.slab[link.0 as usize].phase == Phase::Offered
                    && planted::is(Bug::ServerAcceptsLateOk)
                    || planted::is(Bug::ServerClosesNothing));
            if below && !kept {
                self.close(link.0 as usize, &mut dropped);
            }
            link = older;
        }
    }

    /// Forgets all connections of the card.
    pub(super) fn close_all(&mut self, card: CardId, dropped: impl FnMut(&Connection)) {
        self.close_below(card, ConnectionNo(u64::MAX), dropped);
    }

    /// Forgets connections that have been idle for too long.
    pub(super) fn expire(&mut self, now: SimTime, mut dropped: impl FnMut(&Connection)) {
        if now < self.next_expiry {
            return;
        }
        while let Some((noted, place, serial)) = self.oldest() {
            self.next_expiry = noted + self.idle;
            if self.next_expiry > now {
                return;
            }
            if self.fresh.front() == Some(&(noted, place, serial)) {
                self.fresh.pop_front();
            } else {
                self.renewed.pop();
            }
            let connection = &self.slab[place as usize];
            if connection.serial != serial {
                continue;
            }
            if connection.last_active + self.idle > now {
                self.renewed.push(Reverse((connection.last_active, place, serial)));
            } else {
                self.close(place as usize, &mut dropped);
            }
        }
    }

    /// The connection that comes up for expiry next.
    fn oldest(&self) -> Option<Age> {
        let fresh = self.fresh.front().copied();
        let renewed = self.renewed.peek().map(|&Reverse(age)| age);
        [fresh, renewed].into_iter().flatten().min()
    }

    /// Whether an update of the card is open.
    pub(super) fn is_offered(&self, card: CardId) -> bool {
        let mut link = self.cards[card.index()].newest;
        while link != Link::NONE {
            let connection = &self.slab[link.0 as usize];
            if connection.phase == Phase::Offered {
                return true;
            }
            link = connection.older;
        }
        false
    }

    /// Every live connection.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.cards.iter().flat_map(|card| self.from(card.newest))
    }

    /// The live connections of a card, the newest first.
    pub(super) fn of(&self, card: CardId) -> impl Iterator<Item = &Connection> {
        self.from(self.cards[card.index()].newest)
    }

    fn from(&self, mut link: Link) -> impl Iterator<Item = &Connection> {
        std::iter::from_fn(move || {
            let connection = (link != Link::NONE).then(|| &self.slab[link.0 as usize])?;
            link = connection.older;
            Some(connection)
        })
    }

    fn release(&mut self, place: u32) {
        let connection = &mut self.slab[place as usize];
        connection.serial = 0;
        connection.channel = None;
        connection.older = Link::NONE;
        self.free.push(place);
    }
}

//! The server: issues challenges, checks cards, decides what to renew, and keeps the client directory.
//!
//! What survives a crash is the [`Directory`]; everything else here is volatile. The server acts once on each
//! request: a repeat is answered from the connection's last answer, an older one not at all. Once a card has
//! proved itself in a connection, all connections of that card with lower numbers are dead.

mod connections;
pub mod directory;
pub mod policy;

pub use directory::{Directory, MemoryDirectory};
pub use policy::{Assignment, Due, Embodiment, Period, Recovery, Renewal};

use connections::{Connection, Connections, Opening, Phase};

use crate::draw::Seed;
use crate::ids::{CardId, ConnectionId, ConnectionNo, Depth, KeyNo};
use crate::message::{self, HEADER, Header, Message, Orders};
use crate::outbox::{Outbox, Slice};
use crate::reject::Reject;
use crate::rings::{KeyRef, Pair, Ring, RingShape};
use crate::secure::{Channel, Direction, TAG};
use crate::suite::{Comparison, MAX_RANDOM, SuiteId};
use crate::time::{SimTime, Span};

/// How the server works.
#[derive(Clone, Debug)]
pub struct ServerRules {
    /// The cipher suite of the cards.
    pub suite: SuiteId,
    /// How many keys each card has.
    pub shape: RingShape,
    /// How a card's proof is judged.
    pub comparison: Comparison,
    /// How a renewal is done.
    pub embodiment: Embodiment,
    /// What becomes of an interrupted renewal.
    pub recovery: Recovery,
    /// The renewal period of each depth, from depth 0 on; fewer than there are depths.
    pub periods: Vec<Span>,
    /// Plain bytes of each answer to session data.
    pub response_bytes: u16,
    /// A connection is forgotten after this long without a request.
    pub idle: Span,
}

/// What the server did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerEffect {
    /// Send a datagram to where the request came from.
    Answer {
        /// The datagram.
        datagram: Slice,
        /// The request's sequence number.
        sequence: u16,
        /// How often this answer was sent before.
        copy: u8,
    },
    /// Tell the client that its connection is not alive.
    Stale {
        /// The datagram.
        datagram: Slice,
        /// The request's sequence number.
        sequence: u16,
    },
    /// Answer a probe. Nothing is kept of it, so that a repeat is answered as if it were the first.
    ProbeAnswer {
        /// The datagram.
        datagram: Slice,
        /// The request's sequence number.
        sequence: u16,
    },
    /// A card's proof was wrong.
    CardRefused(CardId),
    /// The card accepted the server, and so mutual authentication holds.
    Authenticated(CardId),
    /// Rk was sent for the first time; [`ServerEffect::Offered`] follows for each key.
    UpdateStarted {
        /// The card.
        card: CardId,
        /// The connection.
        connection: ConnectionNo,
        /// The depth that is renewed.
        depth: Depth,
    },
    /// What the server expects a key of the update that has just started to become, on the card.
    Offered {
        /// The card.
        card: CardId,
        /// The key.
        key: KeyRef,
        /// Its new value on the card.
        value: Slice,
    },
    /// The new keys are in the directory.
    Committed {
        /// The card.
        card: CardId,
        /// The connection.
        connection: ConnectionNo,
        /// The depth that was renewed.
        depth: Depth,
        /// The period that it was for.
        period: Period,
    },
    /// A connection ended between the first sending of Rk and the commit.
    Interrupted {
        /// The card.
        card: CardId,
        /// The connection.
        connection: ConnectionNo,
        /// The depth that was to be renewed.
        depth: Depth,
        /// The period that it was for.
        period: Period,
    },
    /// Ro was sent for the first time in this connection.
    SessionOpened {
        /// The card.
        card: CardId,
        /// The random that the session key comes from.
        ro: Slice,
    },
    /// A datagram was refused.
    Rejected(Reject),
}

/// An update between the first sending of Rk and the commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenUpdate {
    /// The card.
    pub card: CardId,
    /// The connection, as its client numbered it.
    pub connection: ConnectionId,
    /// What is renewed.
    pub due: Due,
}

/// How often a step used each part of the server that takes time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ServerWork {
    /// `prove`, `check` and `derive`.
    pub ciphers: u32,
    /// Messages sealed or opened.
    pub aeads: u32,
    /// Durable changes of the directory.
    pub commits: u32,
    /// Probes, each of which takes a time of its own instead of the costs of its parts.
    pub probes: u32,
}

/// First word of Rs among a connection's draws.
const RS: u64 = 0;
/// First word of Ro.
const RO: u64 = 8;
/// First word of the first Rk; each further one is 8 words on.
const RK: u64 = 16;

/// The machine.
pub struct Server<D> {
    rules: ServerRules,
    random: Seed,
    directory: D,
    connections: Connections,
    work: ServerWork,
    plain: Vec<u8>,
    seed: Vec<u8>,
}

impl<D: Directory> Server<D> {
    /// A server over `directory`, which holds `cards` cards. Its draws come from `random`.
    pub fn new(rules: ServerRules, random: Seed, directory: D, cards: usize) -> Self {
        let connections = Connections::new(cards, rules.idle);
        let work = ServerWork::default();
        Server { rules, random, directory, connections, work, plain: Vec::new(), seed: Vec::new() }
    }

    /// The client directory.
    pub fn directory(&self) -> &D {
        &self.directory
    }

    /// How the server works.
    pub fn rules(&self) -> &ServerRules {
        &self.rules
    }

    /// Reads something of each place where something is kept of `card`. Whoever does so before the card's first message
    /// waits for memory once, since the places are independent, and the session finds them in the processor's caches.
    pub fn preload(&self, card: CardId) -> u32 {
        let renewed = !self.rules.periods.is_empty();
        let renewal = if renewed { self.directory.renewal(card, Depth(0)).committed.0 } else { 0 };
        let keys = (0..self.rules.shape.keys()).filter_map(|slot| self.directory.key(card, slot).first());
        keys.fold(renewal ^ self.connections.preload(card), |sum, &byte| sum ^ u32::from(byte))
    }

    /// What the card's next connection would be assigned at `now`. Changes nothing.
    pub fn next_assignment(&self, card: CardId, now: SimTime) -> Assignment {
        let ServerRules { shape, recovery, ref periods, .. } = self.rules;
        policy::assign(shape, recovery, periods, now, |depth| self.directory.renewal(card, depth))
    }

    /// The updates that are open: Rk sent, nothing committed.
    pub fn open_updates(&self) -> impl Iterator<Item = OpenUpdate> + '_ {
        self.connections.iter().filter(|connection| connection.phase == Phase::Offered).filter_map(
            |connection| {
                let Connection { card, id, assignment, .. } = *connection;
                assignment.renew.map(|due| OpenUpdate { card, connection: id, due })
            },
        )
    }

    /// Handles one datagram at `now`. Effects are appended to `out` in order. Returns what the work consisted of.
    pub fn step(&mut self, now: SimTime, datagram: &[u8], out: &mut Outbox<ServerEffect>) -> ServerWork {
        self.work = ServerWork::default();
        self.connections.expire(now, |connection| note_interruption(connection, out));
        match message::decode(datagram) {
            Ok((header, message)) if self.directory.contains(header.card) => {
                self.handle(now, header, message, &datagram[..HEADER], out);
            }
            Ok(_) => out.effects.push(ServerEffect::Rejected(Reject::UnknownCard)),
            Err(error) => out.effects.push(ServerEffect::Rejected(error.into())),
        }
        self.work
    }

    fn handle(
        &mut self,
        now: SimTime,
        header: Header,
        message: Message<'_>,
        head: &[u8],
        out: &mut Outbox<ServerEffect>,
    ) {
        let place = self.connections.find(header.card, header.connection);
        match (message, place) {
            // A late copy of the Hello of a connection that is over must not open it again.
            (Message::Hello, None) if self.connections.was_last(header.card, header.connection) => {
                answer_stale(header, out);
            }
            (Message::Hello, None) if header.sequence == 0 => self.open(now, header, out),
            (Message::Hello, None) => out.effects.push(ServerEffect::Rejected(Reject::OutOfOrder)),
            (Message::Bye, Some(place)) => {
                self.connections.close(place, |connection| note_interruption(connection, out));
            }
            (Message::Bye, None) => {}
            (Message::Probe, _) => {
                self.work.probes += 1;
                let datagram = out.put(|bytes| message::encode(header, Message::ProbeAnswer, bytes));
                out.effects.push(ServerEffect::ProbeAnswer { datagram, sequence: header.sequence });
            }
            (
                Message::Challenge { .. }
                | Message::Verdict(_)
                | Message::ServerProof(_)
                | Message::UpdateRandoms { .. }
                | Message::SessionSeed { .. }
                | Message::Done { .. }
                | Message::DataAnswer(_)
                | Message::Stale
                | Message::ProbeAnswer,
                _,
            ) => out.effects.push(ServerEffect::Rejected(Reject::OutOfOrder)),
            (_, None) => answer_stale(header, out),
            (message, Some(place)) => {
                let connection = self.connections.at(place);
                if header.sequence == connection.sequence {
                    let datagram = out.put(|bytes| bytes.extend_from_slice(&connection.answer));
                    connection.copies = connection.copies.saturating_add(1);
                    let (sequence, copy) = (header.sequence, connection.copies);
                    out.effects.push(ServerEffect::Answer { datagram, sequence, copy });
                    self.connections.touch(place, now);
                } else if header.sequence == connection.sequence.wrapping_add(1) {
                    self.connections.touch(place, now);
                    self.act(place, header, message, head, out);
                } else if header.sequence > connection.sequence {
                    out.effects.push(ServerEffect::Rejected(Reject::OutOfOrder));
                } // an older request came late: its answer is no longer wanted
            }
        }
    }

    /// Draws Rs and names the pair (Fig. 4, 2).
    fn open(&mut self, now: SimTime, header: Header, out: &mut Outbox<ServerEffect>) {
        let card = header.card;
        let assignment = self.next_assignment(card, now);
        if let (Recovery::FirstContact, Some(Due { depth, period })) = (self.rules.recovery, assignment.renew)
        {
            self.directory.spend(card, depth, period);
            self.work.commits += 1;
        }
        let no = self.connections.next_no(card);
        let opening = Opening { id: header.connection, no, card, assignment, seed: self.random };
        let place = self.connections.open(now, opening);
        let mut rs = [0; MAX_RANDOM];
        let rs = &mut rs[..self.rules.suite.sizes().challenge];
        let connection = self.connections.at(place);
        connection.draws.bytes(RS, rs);
        let update = assignment.renew.is_some();
        answer(connection, header, Message::Challenge { update, pair: assignment.pair, rs }, out);
    }

    /// Acts on the next request of a connection.
    fn act(
        &mut self,
        place: usize,
        header: Header,
        message: Message<'_>,
        head: &[u8],
        out: &mut Outbox<ServerEffect>,
    ) {
        match (self.connections.at(place).phase, message) {
            (Phase::Challenged, Message::CardProof(proof)) => self.card_proof(place, header, proof, out),
            (Phase::Proved, Message::ServerChallenge(ra))
                if ra.len() == self.rules.suite.sizes().challenge =>
            {
                self.server_challenge(place, header, ra, out);
            }
            (Phase::Answered, Message::ServerVerdict(true)) => {
                let connection = self.connections.at(place);
                out.effects.push(ServerEffect::Authenticated(connection.card));
                match connection.assignment.renew {
                    Some(due) => self.offer(place, header, due, out),
                    None => self.open_session(place, header, out),
                }
            }
            (Phase::Offered, Message::UpdateVerdict(true)) => self.commit(place, header, out),
            (Phase::Answered, Message::ServerVerdict(false))
            | (Phase::Offered, Message::UpdateVerdict(false)) => {
                let connection = self.connections.at(place);
                note_interruption(connection, out);
                connection.phase = Phase::Closed;
                answer(connection, header, Message::Done { again: false }, out);
            }
            (Phase::Open, Message::Data(sealed)) => self.data(place, header, head, sealed, out),
            _ => out.effects.push(ServerEffect::Rejected(Reject::OutOfOrder)),
        }
    }

    fn key(&self, card: CardId, ring: Ring, no: KeyNo) -> &[u8] {
        key_of(&self.directory, self.rules.shape, card, ring, no)
    }

    /// Checks Cai under Kse[m] (Fig. 4, 4).
    fn card_proof(&mut self, place: usize, header: Header, proof: &[u8], out: &mut Outbox<ServerEffect>) {
        let suite = self.rules.suite;
        let mut rs = [0; MAX_RANDOM];
        let rs = &mut rs[..suite.sizes().challenge];
        let connection = self.connections.at(place);
        connection.draws.bytes(RS, rs);
        let (card, no, pair) = (connection.card, connection.no, connection.assignment.pair);
        let key = suite.public_half(self.key(card, Ring::Internal, pair.internal));
        let proved = suite.check(key, rs, proof, self.rules.comparison);
        self.work.ciphers += 1;
        if proved {
            self.connections.close_below(card, no, |connection| note_interruption(connection, out));
        } else {
            out.effects.push(ServerEffect::CardRefused(card));
        }
        let connection = self.connections.at(place);
        connection.phase = if proved { Phase::Proved } else { Phase::Closed };
        answer(connection, header, Message::Verdict(proved), out);
    }

    /// Answers Ra under Ksi[n] (Fig. 4, 8).
    fn server_challenge(&mut self, place: usize, header: Header, ra: &[u8], out: &mut Outbox<ServerEffect>) {
        let connection = self.connections.at(place);
        let (card, external) = (connection.card, connection.assignment.pair.external);
        let mut proof = std::mem::take(&mut self.plain);
        proof.clear();
        let key = self.rules.suite.private_half(self.key(card, Ring::External, external));
        self.rules.suite.prove(key, ra, &mut proof);
        self.work.ciphers += 1;
        let connection = self.connections.at(place);
        connection.phase = Phase::Answered;
        answer(connection, header, Message::ServerProof(&proof), out);
        self.plain = proof;
    }

    /// Sends Rk1 and Rk2 and computes the new keys, without storing them yet (Fig. 6, 11).
    fn offer(&mut self, place: usize, header: Header, due: Due, out: &mut Outbox<ServerEffect>) {
        let suite = self.rules.suite;
        let connection = self.connections.at(place);
        let (card, no, upper) = (connection.card, connection.no, connection.assignment.pair.internal);
        let mut offered = std::mem::take(&mut connection.offered);
        let mut entries = std::mem::take(&mut self.plain);
        entries.clear();
        out.effects.push(ServerEffect::UpdateStarted { card, connection: no, depth: due.depth });
        for (index, key) in (0..).zip(self.renewed_keys(due.depth)) {
            let mut random = [0; MAX_RANDOM];
            let random = &mut random[..suite.sizes().renewal_random];
            self.connections.at(place).draws.bytes(RK + 8 * index, random);
            Orders::push(&mut entries, key, random);
            let start = offered.len();
            self.seed.clear();
            let upper =
                suite.private_half(key_of(&self.directory, self.rules.shape, card, Ring::Internal, upper));
            suite.prove(upper, random, &mut self.seed);
            suite.grow(&self.seed, &mut offered);
            self.work.ciphers += 1;
            let half = suite.half_on_card(key.ring, &offered[start..]);
            let value = out.put(|bytes| bytes.extend_from_slice(half));
            out.effects.push(ServerEffect::Offered { card, key, value });
        }
        let orders = Orders::kept(suite.sizes().renewal_random, &entries);
        let connection = self.connections.at(place);
        connection.offered = offered;
        connection.phase = Phase::Offered;
        answer(connection, header, Message::UpdateRandoms { upper, orders }, out);
        self.plain = entries;
    }

    /// The keys that a renewal of `depth` replaces, in the order of the embodiment.
    fn renewed_keys(&self, depth: Depth) -> impl Iterator<Item = KeyRef> + use<D> {
        let Pair { internal, external } = self.rules.shape.pair(depth).expect("a due depth exists");
        match self.rules.embodiment {
            Embodiment::One => {
                [KeyRef { ring: Ring::Internal, no: internal }, KeyRef { ring: Ring::External, no: external }]
                    .into_iter()
            }
        }
    }

    /// Stores the new keys (Fig. 6, 14) and goes on to the session, or to the next renewal.
    fn commit(&mut self, place: usize, header: Header, out: &mut Outbox<ServerEffect>) {
        let connection = self.connections.at(place);
        let (card, no) = (connection.card, connection.no);
        let due = connection.assignment.renew.expect("an offer has been made");
        let offered = std::mem::take(&mut connection.offered);
        let mut slots = [0; 2];
        for (slot, key) in slots.iter_mut().zip(self.renewed_keys(due.depth)) {
            *slot = self.rules.shape.slot(key).expect("a renewed key exists");
        }
        self.directory.commit(card, &slots, &offered, due.depth, due.period);
        self.work.commits += 1;
        out.effects.push(ServerEffect::Committed {
            card,
            connection: no,
            depth: due.depth,
            period: due.period,
        });
        self.connections.at(place).offered = offered;
        let opened = self.connections.at(place).opened;
        let more_is_due = self.next_assignment(card, opened).renew.is_some();
        if more_is_due {
            let connection = self.connections.at(place);
            connection.phase = Phase::Closed;
            answer(connection, header, Message::Done { again: true }, out);
        } else {
            self.open_session(place, header, out);
        }
    }

    /// Draws Ro and computes the session key under the working key Kse[M] (Fig. 5).
    fn open_session(&mut self, place: usize, header: Header, out: &mut Outbox<ServerEffect>) {
        let suite = self.rules.suite;
        let mut ro = [0; MAX_RANDOM];
        let ro = &mut ro[..suite.sizes().challenge];
        let connection = self.connections.at(place);
        connection.draws.bytes(RO, ro);
        let card = connection.card;
        let internal = KeyNo(self.rules.shape.internal());
        let mut session_key = std::mem::take(&mut self.plain);
        session_key.clear();
        let key = suite.private_half(self.key(card, Ring::Internal, internal));
        suite.prove(key, ro, &mut session_key);
        self.work.ciphers += 1;
        let value = out.put(|bytes| bytes.extend_from_slice(ro));
        out.effects.push(ServerEffect::SessionOpened { card, ro: value });
        let connection = self.connections.at(place);
        connection.channel = Some(Channel::new(suite.session_key(&session_key)));
        connection.phase = Phase::Open;
        answer(connection, header, Message::SessionSeed { internal, ro }, out);
        self.plain = session_key;
    }

    /// Opens one request of the session and seals its answer.
    fn data(
        &mut self,
        place: usize,
        header: Header,
        head: &[u8],
        sealed: &[u8],
        out: &mut Outbox<ServerEffect>,
    ) {
        self.plain.clear();
        self.work.aeads += 1;
        let connection = self.connections.at(place);
        let channel = connection.channel.as_ref().expect("an open session has a channel");
        let counter = connection.exchanges;
        if !channel.open(Direction::Up, counter, head, sealed, &mut self.plain) {
            return out.effects.push(ServerEffect::Rejected(Reject::BadSeal));
        }
        let plain = usize::from(self.rules.response_bytes);
        let reply = &mut connection.answer;
        reply.clear();
        message::start_data(header, true, plain + TAG, reply);
        let start = reply.len();
        reply.resize(start + plain, counter as u8);
        channel.seal(Direction::Down, counter, reply, HEADER, start);
        self.work.aeads += 1;
        connection.exchanges += 1;
        send_answer(connection, header, out);
    }
}

/// A key of a card in the directory.
fn key_of<D: Directory>(directory: &D, shape: RingShape, card: CardId, ring: Ring, no: KeyNo) -> &[u8] {
    let slot = shape.slot(KeyRef { ring, no });
    directory.key(card, slot.expect("the server names existing keys only"))
}

/// Encodes the answer to the request in `header`, keeps it for repeats, and sends it.
fn answer(connection: &mut Connection, header: Header, message: Message<'_>, out: &mut Outbox<ServerEffect>) {
    connection.answer.clear();
    message::encode(header, message, &mut connection.answer);
    send_answer(connection, header, out);
}

fn send_answer(connection: &mut Connection, header: Header, out: &mut Outbox<ServerEffect>) {
    connection.sequence = header.sequence;
    connection.copies = 0;
    let datagram = out.put(|bytes| bytes.extend_from_slice(&connection.answer));
    out.effects.push(ServerEffect::Answer { datagram, sequence: header.sequence, copy: 0 });
}

fn answer_stale(header: Header, out: &mut Outbox<ServerEffect>) {
    let datagram = out.put(|bytes| message::encode(header, Message::Stale, bytes));
    out.effects.push(ServerEffect::Stale { datagram, sequence: header.sequence });
}

/// Reports an update that ends with its connection.
fn note_interruption(connection: &Connection, out: &mut Outbox<ServerEffect>) {
    if let (Phase::Offered, Some(due)) = (connection.phase, connection.assignment.renew) {
        let Connection { card, no, .. } = *connection;
        out.effects.push(ServerEffect::Interrupted {
            card,
            connection: no,
            depth: due.depth,
            period: due.period,
        });
    }
}

//! The server: issues challenges, checks cards, decides what to renew, and keeps the client directory.
//!
//! A [`Server`] has two parts. What is durable is the [`Directory`]; all else is its volatile part, and [`Server::stop`]
//! returns the directory alone, so that nothing volatile can outlive a crash. The server acts once on each request: a
//! repeat is answered from the connection's last answer, an older one not at all. Once a card has proved itself in a
//! connection, all connections of that card with lower numbers are dead.

mod connections;
pub mod directory;
mod effect;
pub mod policy;
mod renewal;
mod row;
pub mod spread;
mod stage;

pub use connections::Live;
pub use directory::{Commit, Directory, MemoryDirectory, Stage};
pub use effect::{OpenUpdate, ServerEffect, ServerWork};
pub use policy::{
    Assignment, Due, Embodiment, Order, OrderedCards, Recovery, Renewal, RootRenewal, Schedule, Stamp,
};
pub use row::Row;
pub use spread::Spread;

use std::hint::black_box;

use connections::{Connection, Connections, Guess, Opening, Phase};
use renewal::note_interruption;
use spread::Admitted;

use crate::draw::Seed;
use crate::ids::{CardId, ConnectionId, KeyNo};
use crate::message::{self, HEADER, Header, Message};
use crate::outbox::Outbox;
use crate::planted::{self, Bug};
use crate::reject::Reject;
use crate::rings::{KeyRef, Ring, RingShape};
use crate::secure::{Channel, Direction, TAG};
use crate::suite::{Cipher, Comparison, MAX_RANDOM};
use crate::time::{SimTime, Span};

/// How the server works.
#[derive(Clone, Debug)]
pub struct ServerRules {
    /// The cipher suite of the cards. Which library carries it out changes no result.
    pub cipher: Cipher,
    /// How many keys each card has.
    pub shape: RingShape,
    /// How a card's proof is judged.
    pub comparison: Comparison,
    /// How a renewal is done: card `c` follows the entry `c` modulo their number.
    pub embodiments: Vec<Embodiment>,
    /// Whether the second of two keys is derived from the complement of the first one's random, which is then not
    /// sent \[0088\]. Embodiment 3 always has a random for each key.
    pub complement: bool,
    /// What becomes of an interrupted renewal.
    pub recovery: Recovery,
    /// Whether an upper pair that was refused is renewed by the pair one deeper, with everything above it.
    pub escalation: bool,
    /// When keys fall due.
    pub schedule: Schedule,
    /// Plain bytes of each answer to session data.
    pub response_bytes: u16,
    /// A connection is forgotten after this long without a request.
    pub idle: Span,
}

impl ServerRules {
    /// How the keys of `card` are renewed.
    pub fn embodiment(&self, card: CardId) -> Embodiment {
        self.embodiments[card.index() % self.embodiments.len()]
    }
}

/// First word of Rs among a connection's draws.
const RS: u64 = 0;
/// First word of Ro.
const RO: u64 = 8;
/// First word of the first Rk; each further one is 8 words on.
const RK: u64 = 16;

/// Each start of the server has so many words among a connection's draws for itself.
const WORDS_PER_START: u64 = 1 << 20;

/// The machine. A copy goes on by itself, with a directory of its own.
#[derive(Clone)]
pub struct Server<D> {
    rules: ServerRules,
    random: Seed,
    durable: D,
    volatile: Volatile,
}

/// What a server forgets when it stops, be it by a crash.
#[derive(Clone)]
struct Volatile {
    connections: Connections,
    admitted: Admitted,
    /// First word of this start's among a connection's draws: connections are numbered from 1 again after each start,
    /// and no random may be drawn twice.
    first_word: u64,
    work: ServerWork,
    /// Scratch.
    plain: Vec<u8>,
    random: Vec<u8>,
    seed: Vec<u8>,
}

impl Volatile {
    /// What a server knows that has been started `starts` times before.
    fn new(rules: &ServerRules, cards: usize, starts: u32) -> Self {
        Volatile {
            connections: Connections::new(cards, rules.idle),
            admitted: Admitted::default(),
            first_word: u64::from(starts) * WORDS_PER_START,
            work: ServerWork::default(),
            plain: Vec::new(),
            random: Vec::new(),
            seed: Vec::new(),
        }
    }
}

impl<D: Directory> Server<D> {
    /// Starts a server over `directory`, which holds `cards` cards. Its draws come from `random`.
    pub fn start(rules: ServerRules, random: Seed, mut directory: D, cards: usize) -> Self {
        let volatile = Volatile::new(&rules, cards, directory.start());
        Server { rules, random, durable: directory, volatile }
    }

    /// Crashes and starts again: what is durable is all that is left. Tells of every update that this interrupts. It
    /// takes time in the order of the number of cards.
    pub fn restart(&mut self, out: &mut Outbox<ServerEffect>) {
        self.volatile.connections.iter().for_each(|connection| note_interruption(connection, out));
        let cards = self.volatile.connections.cards();
        self.volatile = Volatile::new(&self.rules, cards, self.durable.start());
    }

    /// Stops the server, as a crash does: what is durable is all that is left.
    pub fn stop(self) -> D {
        self.durable
    }

    /// The client directory.
    pub fn directory(&self) -> &D {
        &self.durable
    }

    /// How the server works.
    pub fn rules(&self) -> &ServerRules {
        &self.rules
    }

    /// Reads something of each place where something is kept of `card`, as every Hello does. Whoever does so waits for memory
    /// once, since the places are independent, and the session finds them in the processor's caches.
    pub fn preload(&self, card: CardId) -> u32 {
        u32::from(self.durable.preload(card)) ^ self.volatile.connections.preload(card)
    }

    /// What the card's next connection would be assigned at `now`. Changes nothing.
    pub fn next_assignment(&self, card: CardId, now: SimTime) -> Assignment {
        let ServerRules { shape, recovery, ref schedule, .. } = self.rules;
        let renewal = |depth| self.durable.renewal(card, depth);
        let recalled = self.durable.is_recalled(card);
        if let Some(refused) = self.durable.refused(card) {
            let due = |depth| policy::is_due(recovery, schedule.due_since(card, depth, now), renewal(depth));
            let escalated = policy::assign_escalated(shape, schedule, card, now, refused, recalled, due);
            if let Some(assignment) = escalated {
                return assignment;
            }
        }
        if let Some(stage) = self.durable.staged(card) {
            let (embodiment, _) = self.rules.renewal(card, stage.due);
            let tried = stage.tried && !planted::is(Bug::ServerGuessesAgain);
            return policy::assign_staged(shape, embodiment, stage.due, tried);
        }
        policy::assign(shape, recovery, schedule, card, now, recalled, renewal)
    }

    /// Whether a renewal that was assigned when its connection began is due still: with two connections of one card at
    /// once, the other one may have committed it since. To renew again would risk the card for nothing.
    fn is_still_due(&self, card: CardId, due: Due) -> bool {
        if due.escalated {
            // First-contact has forgotten the refusal when it spent the chance.
            return self.rules.recovery == Recovery::FirstContact || self.durable.refused(card).is_some();
        }
        self.durable.renewal(card, due.depth).committed < due.since
    }

    /// What a live connection has been assigned.
    pub fn assignment(&mut self, card: CardId, id: ConnectionId) -> Option<Assignment> {
        let place = self.volatile.connections.find(card, id)?;
        Some(self.volatile.connections.at(place).assignment)
    }

    /// The updates that are open: Rk sent, nothing committed.
    pub fn open_updates(&self) -> impl Iterator<Item = OpenUpdate> + '_ {
        let connections = self.volatile.connections.iter();
        connections.filter(|connection| connection.phase == Phase::Offered).filter_map(|connection| {
            let Connection { card, id, assignment, .. } = *connection;
            assignment.renew.map(|due| OpenUpdate { card, connection: id, due })
        })
    }

    /// The card's connections that are alive, the newest first.
    pub fn live(&self, card: CardId) -> impl Iterator<Item = Live<'_>> + '_ {
        self.volatile.connections.of(card).map(Connection::live)
    }

    /// The card's connection that was opened last since the server started, alive or not.
    pub fn last_opened(&self, card: CardId) -> Option<ConnectionId> {
        self.volatile.connections.last(card)
    }

    /// Handles one datagram at `now`. Effects are appended to `out` in order; what they tell of is durable by then. Returns
    /// what the work consisted of.
    pub fn step(&mut self, now: SimTime, datagram: &[u8], out: &mut Outbox<ServerEffect>) -> ServerWork {
        self.volatile.work = ServerWork::default();
        self.volatile.connections.expire(now, |connection| note_interruption(connection, out));
        match message::decode(datagram) {
            Ok((header, message)) if self.durable.contains(header.card) => {
                self.handle(now, header, message, &datagram[..HEADER], out);
            }
            Ok(_) => out.effects.push(ServerEffect::Rejected(Reject::UnknownCard)),
            Err(error) => out.effects.push(ServerEffect::Rejected(error.into())),
        }
        if !planted::is(Bug::ServerAnswersBeforeSync) {
            self.durable.sync();
        }
        self.volatile.work
    }

    fn handle(
        &mut self,
        now: SimTime,
        header: Header,
        message: Message<'_>,
        head: &[u8],
        out: &mut Outbox<ServerEffect>,
    ) {
        let place = self.volatile.connections.find(header.card, header.connection);
        match (message, place) {
            // A late copy of the Hello of a connection that is over must not open it again.
            (Message::Hello, None) if self.volatile.connections.was_last(header.card, header.connection) => {
                answer_stale(header, out);
            }
            (Message::Hello, None) if header.sequence == 0 => self.open(now, header, out),
            (Message::Hello, None) => out.effects.push(ServerEffect::Rejected(Reject::OutOfOrder)),
            (Message::Hello, Some(_)) if planted::is(Bug::ServerActsTwice) => self.open(now, header, out),
            (Message::Bye, Some(place)) => {
                if planted::is(Bug::ServerDropsStageAtBye) {
                    self.durable.drop_stage(header.card);
                }
                self.give_up_guess(place);
                self.volatile.connections.close(place, |connection| note_interruption(connection, out));
            }
            (Message::Bye, None) => {}
            (Message::Probe, _) => {
                self.volatile.work.probes += 1;
                let datagram = out.put(|bytes| message::encode(header, Message::ProbeAnswer, bytes));
                out.effects.push(ServerEffect::ProbeAnswer { datagram, sequence: header.sequence });
            }
            (answer, _) if answer.is_answer() => out.effects.push(ServerEffect::Rejected(Reject::OutOfOrder)),
            (_, None) => answer_stale(header, out),
            (message, Some(place)) => {
                let connection = self.volatile.connections.at(place);
                if header.sequence == connection.sequence {
                    let datagram = out.put(|bytes| bytes.extend_from_slice(&connection.answer));
                    connection.copies = connection.copies.saturating_add(1);
                    let (sequence, copy) = (header.sequence, connection.copies);
                    out.effects.push(ServerEffect::Answer { datagram, sequence, copy });
                    self.volatile.connections.touch(place, now);
                } else if header.sequence == connection.sequence.wrapping_add(1) {
                    self.volatile.connections.touch(place, now);
                    self.act(place, header, message, head, out);
                } else if header.sequence > connection.sequence && self.volatile.first_word > 0 {
                    // A client goes on only after an answer, and only a restart forgets answers: the connection is one
                    // from before it, which a late Hello has opened anew.
                    answer_stale(header, out);
                } else if header.sequence > connection.sequence {
                    out.effects.push(ServerEffect::Rejected(Reject::OutOfOrder));
                } // an older request came late: its answer is no longer wanted
            }
        }
    }

    /// Draws Rs and names the pair (Fig. 4, 2).
    fn open(&mut self, now: SimTime, header: Header, out: &mut Outbox<ServerEffect>) {
        let card = header.card;
        black_box(self.preload(card));
        let assignment = self.admit(card, now, out);
        if let (Recovery::FirstContact, Some(due)) = (self.rules.recovery, assignment.renew) {
            self.spend(card, now, due);
            if due.escalated {
                self.durable.forget_refusal(card);
            }
        }
        let no = self.volatile.connections.next_no(card);
        let first_word = self.volatile.first_word;
        let opening = Opening { id: header.connection, no, card, assignment, seed: self.random, first_word };
        let place = self.volatile.connections.open(now, opening);
        let mut rs = [0; MAX_RANDOM];
        let rs = &mut rs[..self.rules.cipher.sizes().challenge];
        let connection = self.volatile.connections.at(place);
        connection.draws.bytes(self.volatile.first_word + RS, rs);
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
        match (self.volatile.connections.at(place).phase, message) {
            (Phase::Challenged, Message::CardProof(proof)) => self.card_proof(place, header, proof, out),
            (Phase::Proved, Message::ServerChallenge(ra))
                if ra.len() == self.rules.cipher.sizes().challenge =>
            {
                self.server_challenge(place, header, ra, out);
            }
            (Phase::Answered, Message::ServerVerdict(ok)) if ok || planted::is(Bug::ServerIgnoresNg) => {
                let connection = self.volatile.connections.at(place);
                let (card, renew, guess) = (connection.card, connection.assignment.renew, connection.guess);
                out.effects.push(ServerEffect::Authenticated(card));
                match (renew, guess) {
                    (Some(due), _) if self.is_still_due(card, due) => self.offer(place, header, due, out),
                    (Some(_), _) => {
                        self.volatile.connections.renewal_over(place);
                        self.go_on(place, header, out);
                    }
                    (None, Guess::Staged) => {
                        self.promote(place, out);
                        self.go_on(place, header, out);
                    }
                    (None, Guess::Promoted) => self.go_on(place, header, out),
                    (None, Guess::None | Guess::Open) => self.open_session(place, header, out),
                }
            }
            (Phase::Offered, Message::UpdateVerdict(true)) => self.commit(place, header, out),
            (phase @ Phase::Answered, Message::ServerVerdict(false))
            | (phase @ Phase::Offered, Message::UpdateVerdict(false)) => {
                if phase == Phase::Answered {
                    self.escalate(place);
                }
                let connection = self.volatile.connections.at(place);
                if let (Phase::Offered, Some(due)) = (phase, connection.assignment.renew)
                    && planted::is(Bug::ServerCommitsOnNg)
                {
                    let renewed = &[(due.depth, due.since)];
                    self.durable.commit(header.card, &Commit { slots: &[], pairs: &[], renewed });
                }
                note_interruption(connection, out);
                connection.phase = Phase::Closed;
                answer(connection, header, Message::Done { again: false }, out);
                self.volatile.connections.renewal_over(place);
            }
            (Phase::Open, Message::Data(sealed)) => self.data(place, header, head, sealed, out),
            _ => out.effects.push(ServerEffect::Rejected(Reject::OutOfOrder)),
        }
    }

    fn key(&self, card: CardId, ring: Ring, no: KeyNo) -> &[u8] {
        key_of(&self.durable, self.rules.shape, card, KeyRef { ring, no })
    }

    /// Checks Cai under Kse[m] (Fig. 4, 4).
    fn card_proof(&mut self, place: usize, header: Header, proof: &[u8], out: &mut Outbox<ServerEffect>) {
        let proved = self.check_card(place, proof);
        let connection = self.volatile.connections.at(place);
        let (card, no) = (connection.card, connection.no);
        if proved {
            self.volatile.connections.close_below(card, no, |connection| note_interruption(connection, out));
            self.promote_if_that_is_all(place, out);
        } else {
            self.escalate(place);
            self.volatile.connections.renewal_over(place);
            out.effects.push(ServerEffect::CardRefused(card));
        }
        let connection = self.volatile.connections.at(place);
        connection.phase = if proved { Phase::Proved } else { Phase::Closed };
        answer(connection, header, Message::Verdict(proved), out);
    }

    /// Answers Ra under Ksi[n] (Fig. 4, 8).
    fn server_challenge(&mut self, place: usize, header: Header, ra: &[u8], out: &mut Outbox<ServerEffect>) {
        let cipher = self.rules.cipher;
        let mut proof = std::mem::take(&mut self.volatile.plain);
        proof.clear();
        cipher.prove(cipher.private_half(self.answering_pair(place)), ra, &mut proof);
        self.volatile.work.proves += 1;
        let connection = self.volatile.connections.at(place);
        connection.phase = Phase::Answered;
        answer(connection, header, Message::ServerProof(&proof), out);
        self.volatile.plain = proof;
    }

    /// Draws Ro and computes the session key under the working key Kse[M] (Fig. 5).
    fn open_session(&mut self, place: usize, header: Header, out: &mut Outbox<ServerEffect>) {
        let cipher = self.rules.cipher;
        let mut ro = [0; MAX_RANDOM];
        let ro = &mut ro[..cipher.sizes().challenge];
        let connection = self.volatile.connections.at(place);
        connection.draws.bytes(self.volatile.first_word + RO, ro);
        if planted::is(Bug::ServerRepeatsRo) {
            ro.fill(0);
        }
        let card = connection.card;
        let internal = KeyNo(self.rules.shape.internal());
        let mut session_key = std::mem::take(&mut self.volatile.plain);
        session_key.clear();
        let made_with =
            if planted::is(Bug::ServerTakesWrongSessionKey) { KeyNo(internal.0 - 1) } else { internal };
        let key = cipher.private_half(self.key(card, Ring::Internal, made_with));
        cipher.prove(key, ro, &mut session_key);
        self.volatile.work.proves += 1;
        let value = out.put(|bytes| bytes.extend_from_slice(ro));
        out.effects.push(ServerEffect::SessionOpened { card, ro: value });
        let connection = self.volatile.connections.at(place);
        connection.channel = Some(Channel::new(cipher.suite().session_key(&session_key)));
        self.volatile.work.channels += 1;
        connection.phase = Phase::Open;
        answer(connection, header, Message::SessionSeed { internal, ro }, out);
        self.volatile.plain = session_key;
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
        self.volatile.plain.clear();
        self.volatile.work.aeads += 1;
        self.volatile.work.aead_bytes += sealed.len().saturating_sub(TAG) as u32;
        let connection = self.volatile.connections.at(place);
        let channel = connection.channel.as_ref().expect("an open session has a channel");
        let counter = connection.exchanges;
        if !channel.open(Direction::Up, counter, head, sealed, &mut self.volatile.plain) {
            return out.effects.push(ServerEffect::Rejected(Reject::BadSeal));
        }
        let plain = usize::from(self.rules.response_bytes);
        let reply = &mut connection.answer;
        reply.clear();
        message::start_data(header, true, plain + TAG, reply);
        let start = reply.len();
        reply.resize(start + plain, counter as u8);
        channel.seal(Direction::Down, counter, reply, HEADER, start);
        self.volatile.work.aeads += 1;
        self.volatile.work.aead_bytes += plain as u32;
        connection.exchanges += 1;
        send_answer(connection, header, out);
    }
}

/// The pair of a card's key in the directory.
fn key_of<D: Directory>(directory: &D, shape: RingShape, card: CardId, key: KeyRef) -> &[u8] {
    directory.key(card, shape.slot(key).expect("the server names existing keys only"))
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

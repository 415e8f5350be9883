//! A bench: cards, clients and the server in memory, on a line whose every message can be told what becomes of it.
//!
//! Time is virtual. After each event the oracles of [`judge`] look at everybody's keys.

pub(crate) mod fleet;
pub(crate) mod judge;
pub(crate) mod line;
pub(crate) mod trace;
pub(crate) mod visit;

use std::collections::BTreeMap;

use keystorm_model::card::{Card, CardRules, CardType, Memory, Power};
use keystorm_model::client::{Client, ClientEffect, ClientInput, ClientRules, Retry};
use keystorm_model::draw::{Draws, Purpose, Seed, owner};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::RingShape;
use keystorm_model::server::{Embodiment, Period, Recovery, Server, ServerEffect, ServerRules};
use keystorm_model::suite::{Comparison, SuiteId};
use keystorm_model::{CardId, ConnectionId, Depth, SimTime, Span};

use fleet::{Plastic, Watched, issue};
use judge::{Judge, State};
use line::{Dir, Fate, Line};
use trace::{Commanded, Entry, Sent, Trace};
use visit::{Pull, Visit};

pub(crate) const SUITE: SuiteId = SuiteId::Aes128;
pub(crate) const SHAPE: RingShape = RingShape::new(3, 4).unwrap();
pub(crate) const KEY: usize = 16;
pub(crate) const CARDS: usize = 2;
pub(crate) const TRIES: u8 = 3;
pub(crate) const MONTH: Span = Span::from_secs(30 * 86_400);
pub(crate) const YEAR: Span = Span::from_secs(360 * 86_400);
pub(crate) const RETRY: Retry = Retry { first: Span::from_secs(2), factor: 2, tries: 5 };
pub(crate) const EXCHANGES: u16 = 2;
pub(crate) const REQUEST_BYTES: u16 = 32;
pub(crate) const RESPONSE_BYTES: u16 = 48;
pub(crate) const IDLE: Span = Span::from_secs(600);
/// One way over the line.
pub(crate) const DELAY: Span = Span::from_ms(100);
/// One card command.
pub(crate) const COMMAND: Span = Span::from_ms(10);
/// The card that most tests are about.
pub(crate) const CARD: CardId = CardId(0);

const KIND: CardType = CardType {
    suite: SUITE,
    shape: SHAPE,
    comparison: Comparison::Encryption,
    rules: CardRules { tries: TRIES, only_own_answers: true },
};

/// What a bench starts from.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    seed: Seed,
    due: usize,
    recovery: Recovery,
}

/// Starts a timeline: nothing is due, recovery is until-committed.
pub(crate) fn seeded(seed: u64) -> Setup {
    Setup { seed: Seed(seed), due: 0, recovery: Recovery::UntilCommitted }
}

impl Setup {
    /// Depths 0 to `depths` - 1 have periods and are due at the start.
    pub(crate) fn due(self, depths: usize) -> Self {
        Setup { due: depths, ..self }
    }

    pub(crate) fn recovery(self, recovery: Recovery) -> Self {
        Setup { recovery, ..self }
    }

    pub(crate) fn bench(self) -> Bench {
        let keys = issue(self.seed, CARDS);
        let rules = ServerRules {
            suite: SUITE,
            shape: SHAPE,
            comparison: Comparison::Encryption,
            embodiment: Embodiment::One,
            recovery: self.recovery,
            periods: [MONTH, YEAR][..self.due].to_vec(),
            response_bytes: RESPONSE_BYTES,
            idle: IDLE,
        };
        let directory = Watched::new(keys.concat(), self.due, Period(0));
        Bench {
            now: SimTime::ZERO,
            server: Server::new(rules, self.seed, directory, CARDS),
            judge: Judge::new(&keys),
            cards: keys.into_iter().map(Plastic::new).collect(),
            desks: vec![Desk::default(), Desk::default()],
            line: Line::default(),
            trace: Trace::default(),
            queue: BTreeMap::new(),
            posted: 0,
            connections: 0,
            seed: self.seed,
        }
    }
}

/// A client and its reader.
#[derive(Default)]
pub(crate) struct Desk {
    pub client: Client,
    connection: ConnectionId,
    reader: Option<Inserted>,
}

/// A card in a reader, for one connection.
pub(crate) struct Inserted {
    id: CardId,
    card: Card,
    draws: Draws,
    commands: usize,
    pull: Option<(usize, Pull)>,
}

enum Event {
    Up(Vec<u8>),
    Down { desk: usize, bytes: Vec<u8> },
    Answer { desk: usize, connection: ConnectionId, bytes: Vec<u8> },
    Pulled { desk: usize, connection: ConnectionId },
}

pub(crate) struct Bench {
    pub now: SimTime,
    pub server: Server<Watched>,
    pub cards: Vec<Plastic>,
    pub desks: Vec<Desk>,
    pub line: Line,
    pub trace: Trace,
    pub judge: Judge,
    queue: BTreeMap<(SimTime, u64), Event>,
    posted: u64,
    connections: u64,
    seed: Seed,
}

fn client_rules() -> ClientRules {
    ClientRules { suite: SUITE, retry: RETRY, exchanges: EXCHANGES, request_bytes: REQUEST_BYTES }
}

impl Bench {
    /// The next connection of the usual card at the first client.
    pub(crate) fn connect(&mut self) -> Visit<'_> {
        self.connect_at(0)
    }

    /// The same at another client.
    pub(crate) fn connect_at(&mut self, desk: usize) -> Visit<'_> {
        self.connections += 1;
        Visit::new(self, desk, ConnectionId(self.connections))
    }

    pub(super) fn insert(&mut self, desk: usize, connection: ConnectionId, pull: Option<(usize, Pull)>) {
        for other in &mut self.desks {
            other.reader = None; // the card can lie in one reader only
        }
        let draws = self.seed.open(Purpose::Visit, owner(CARD, connection.0 as u32));
        let card = Card::powered_up();
        self.desks[desk].connection = connection;
        self.desks[desk].reader = Some(Inserted { id: CARD, card, draws, commands: 0, pull });
        let connect = |client: &mut Client, now, out: &mut _| {
            client.connect(&client_rules(), now, CARD, connection, out)
        };
        self.client(desk, connect);
    }

    /// Lets the next thing happen; `false` if nothing is left to happen.
    pub(crate) fn advance(&mut self) -> bool {
        let queued = self.queue.keys().next().map(|&(at, _)| at);
        let wake =
            (0..self.desks.len()).filter_map(|desk| Some((self.desks[desk].client.deadline()?, desk))).min();
        match (queued, wake) {
            (None, None) => return false,
            (queued, Some((at, desk))) if queued.is_none_or(|queued| at < queued) => {
                self.now = self.now.max(at);
                self.client_input(desk, ClientInput::Wake);
            }
            _ => {
                let ((at, _), event) = self.queue.pop_first().expect("it has been looked at");
                self.now = self.now.max(at);
                self.happens(event);
            }
        }
        self.judge.check(&self.server, &self.cards);
        true
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Up(bytes) => self.server_hears(&bytes),
            Event::Down { desk, bytes } => self.client_hears(desk, &bytes),
            Event::Answer { desk, connection, bytes } => {
                if self.desks[desk].client.connection() == Some(connection) {
                    self.client_input(desk, ClientInput::CardAnswer(&bytes));
                }
            }
            Event::Pulled { desk, connection } => {
                if self.desks[desk].client.connection() == Some(connection) {
                    self.client_input(desk, ClientInput::CardGone);
                }
            }
        }
    }

    /// Runs until the client is done.
    pub(crate) fn run(&mut self, desk: usize) {
        let mut budget = 20_000;
        while self.desks[desk].client.connection().is_some() {
            assert!(self.advance(), "the client waits for nothing:\n{}", self.trace);
            budget -= 1;
            assert!(budget > 0, "no end in sight:\n{}", self.trace);
        }
    }

    /// Runs until everything in flight has arrived.
    pub(crate) fn settle(&mut self) {
        while self.advance() {}
    }

    /// Lets time pass in which nothing happens but what was going to.
    pub(crate) fn wait(&mut self, span: Span) {
        let until = self.now + span;
        let due = |bench: &Bench| bench.queue.keys().next().is_some_and(|&(at, _)| at <= until);
        while due(self) || self.desks.iter().any(|desk| desk.client.deadline().is_some_and(|at| at <= until))
        {
            self.advance();
        }
        self.now = until;
    }

    /// Gives the server a datagram now.
    pub(crate) fn server_hears(&mut self, bytes: &[u8]) {
        let mut out = Outbox::default();
        self.server.step(self.now, bytes, &mut out);
        for &effect in &out.effects {
            self.judge.server_did(effect, &out);
            self.trace.push(self.now, Entry::Server(effect));
            let (datagram, sequence, copy) = match effect {
                ServerEffect::Answer { datagram, sequence, copy } => (datagram, sequence, copy),
                ServerEffect::Stale { datagram, sequence }
                | ServerEffect::ProbeAnswer { datagram, sequence } => (datagram, sequence, 0),
                _ => continue,
            };
            let bytes = out.get(datagram).to_vec();
            self.send(Dir::Down, &bytes, sequence, copy);
        }
    }

    /// Gives a client a datagram now.
    pub(crate) fn client_hears(&mut self, desk: usize, bytes: &[u8]) {
        self.client_input(desk, ClientInput::Datagram(bytes));
    }

    fn client_input(&mut self, desk: usize, input: ClientInput<'_>) {
        self.client(desk, |client, now, out| client.step(&client_rules(), now, input, out));
    }

    fn client(&mut self, desk: usize, step: impl FnOnce(&mut Client, SimTime, &mut Outbox<ClientEffect>)) {
        let mut out = Outbox::default();
        step(&mut self.desks[desk].client, self.now, &mut out);
        for &effect in &out.effects {
            self.trace.push(self.now, Entry::Client(self.desks[desk].connection, effect));
            match effect {
                ClientEffect::Send { datagram, sequence, copy } => {
                    let bytes = out.get(datagram).to_vec();
                    self.send(Dir::Up, &bytes, sequence, copy);
                }
                ClientEffect::Command(command) => self.command(desk, out.get(command)),
                ClientEffect::Ended(_) => self.desks[desk].reader = None,
                _ => {}
            }
        }
    }

    fn send(&mut self, dir: Dir, bytes: &[u8], sequence: u16, copy: u8) {
        let sent = Sent::new(dir, bytes, sequence, copy);
        let desk = self.line.desks.get(&sent.connection).copied().unwrap_or(0);
        let fate = self.line.fate(&sent);
        self.trace.push(self.now, Entry::Sent(sent));
        let event = |bytes: &[u8]| match dir {
            Dir::Up => Event::Up(bytes.to_vec()),
            Dir::Down => Event::Down { desk, bytes: bytes.to_vec() },
        };
        let arrivals = match fate {
            Fate::Arrives => vec![DELAY],
            Fate::Lost => vec![],
            Fate::Late(by) => vec![DELAY + by],
            Fate::Twice(by) => vec![DELAY, DELAY + by],
            Fate::Held => {
                assert_eq!(dir, Dir::Up, "an answer is delivered late by hand");
                self.line.held.push(bytes.to_vec());
                vec![]
            }
        };
        for after in arrivals {
            let event = event(bytes);
            self.post(after, event);
        }
    }

    fn post(&mut self, after: Span, event: Event) {
        self.posted += 1;
        self.queue.insert((self.now + after, self.posted), event);
    }

    /// Lets the messages arrive that were held, in the order of their sending.
    pub(crate) fn release(&mut self) {
        for bytes in std::mem::take(&mut self.line.held) {
            self.server_hears(&bytes);
            self.judge.check(&self.server, &self.cards);
        }
    }

    fn command(&mut self, desk: usize, command: &[u8]) {
        let connection = self.desks[desk].client.connection().expect("commands come from connections");
        let pulled = Event::Pulled { desk, connection };
        let Some(reader) = self.desks[desk].reader.as_mut() else { return self.post(COMMAND, pulled) };
        let nth = reader.commands;
        reader.commands += 1;
        let pull = match reader.pull {
            Some((at, pull)) if at == nth => Some(pull),
            _ => self.line.pull_from_tape(),
        };
        let mut power = match pull {
            Some(Pull::During(moment)) => Power::fails_at(moment),
            _ => Power::steady(),
        };
        let plastic = &mut self.cards[reader.id.index()];
        let (keys, tries, writes) = (&mut plastic.keys[..], &mut plastic.tries[..], &mut plastic.writes);
        let mut memory = Memory { keys, tries, writes };
        let mut answer = Vec::new();
        if pull != Some(Pull::Before) {
            let done =
                reader.card.execute(&KIND, &mut memory, &mut reader.draws, command, &mut power, &mut answer);
            let moments = power.moments_passed();
            let answer = done.is_ok().then(|| answer.clone());
            self.trace.push(
                self.now,
                Entry::Command(Commanded { connection, bytes: command.to_vec(), answer, moments }),
            );
        }
        if pull.is_some() {
            self.desks[desk].reader = None;
            self.post(COMMAND, pulled);
        } else {
            self.post(COMMAND, Event::Answer { desk, connection, bytes: answer });
        }
    }

    /// Takes the card out of a reader while the client waits for the server.
    pub(crate) fn pull(&mut self, desk: usize) {
        self.desks[desk].reader = None;
        self.client_input(desk, ClientInput::CardGone);
    }

    /// Judges the keys at one depth by value.
    pub(crate) fn state_at(&self, depth: u8) -> State {
        self.judge.state(&self.server, &self.cards, CARD, Depth(depth))
    }

    #[track_caller]
    pub(crate) fn expect(&self, state: State) {
        assert_eq!(self.state_at(0), state, "\n{}", self.trace);
    }
}

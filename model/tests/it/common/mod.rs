//! A bench: cards, clients and the server in memory, on a line whose every message can be told what becomes of it.
//!
//! Time is virtual. After each event the oracles of [`judge`] look at everybody's keys.

pub(crate) mod fleet;
pub(crate) mod judge;
pub(crate) mod line;
pub(crate) mod trace;
pub(crate) mod visit;

use std::collections::BTreeMap;

use keystorm_model::card::transport::{AnswerToReset, Factors};
use keystorm_model::card::{Card, CardRules, CardType, Chip, Power};
use keystorm_model::client::{Client, ClientEffect, ClientInput, ClientRules, Retry};
use keystorm_model::draw::{Draws, Purpose, Seed, owner};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::{KeyRef, RingShape};
use keystorm_model::server::{
    Directory, Embodiment, Order, Recovery, RootRenewal, Schedule, Server, ServerEffect, ServerRules, Spread,
};
use keystorm_model::suite::{Comparison, SuiteId};
use keystorm_model::{CardId, ConnectionId, Depth, SimTime, Span};

use fleet::{Watched, issue};
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
pub(crate) const DECADE: Span = Span::from_secs(3_600 * 86_400);
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

pub(crate) const KIND: CardType = CardType {
    cipher: SUITE.real(),
    shape: SHAPE,
    comparison: Comparison::Encryption,
    rules: CardRules::standard(TRIES),
};

/// What a bench starts from.
#[derive(Clone)]
pub(crate) struct Setup {
    seed: Seed,
    kind: CardType,
    schedule: Schedule,
    recovery: Recovery,
    escalation: bool,
    embodiments: Vec<Embodiment>,
    complement: bool,
}

/// Starts a timeline: cards of [`KIND`], nothing is due, embodiment 1, recovery is until-committed.
pub(crate) fn seeded(seed: u64) -> Setup {
    Setup {
        seed: Seed(seed),
        kind: KIND,
        schedule: Schedule::default(),
        recovery: Recovery::UntilCommitted,
        escalation: false,
        embodiments: vec![Embodiment::One],
        complement: false,
    }
}

impl Setup {
    /// Depths 0 to `depths` - 1 have periods and are due at the start.
    pub(crate) fn due(mut self, depths: usize) -> Self {
        self.schedule.periods = [MONTH, YEAR, DECADE][..depths].to_vec();
        self
    }

    /// The deepest depth that has a period.
    pub(crate) fn depth(&self) -> u8 {
        self.schedule.periods.len() as u8 - 1
    }

    /// An operator gives an order.
    pub(crate) fn ordered(mut self, order: Order) -> Self {
        self.schedule.orders.push(order);
        self
    }

    /// How the renewals of a period are spread.
    pub(crate) fn spread(mut self, spread: Spread) -> Self {
        self.schedule.spread = spread;
        self
    }

    /// The root renews itself, and is due like other depths.
    pub(crate) fn root_renews_itself(mut self) -> Self {
        self.schedule.root = Some(RootRenewal::Itself);
        self.kind.rules.root_self_renewal = true;
        self
    }

    /// What happens at the root.
    pub(crate) fn root(mut self, root: Option<RootRenewal>) -> Self {
        self.schedule.root = root;
        self
    }

    /// How many keys the cards have.
    pub(crate) fn shape(mut self, shape: RingShape) -> Self {
        self.kind.shape = shape;
        self
    }

    /// Cards, and the server, judge proofs so [0087].
    pub(crate) fn comparison(mut self, comparison: Comparison) -> Self {
        self.kind.comparison = comparison;
        self
    }

    /// The cards have other rules than [`KIND`]'s.
    pub(crate) fn ruled(mut self, change: impl FnOnce(&mut CardRules)) -> Self {
        change(&mut self.kind.rules);
        self
    }

    pub(crate) fn recovery(self, recovery: Recovery) -> Self {
        Setup { recovery, ..self }
    }

    /// An upper pair that was refused is renewed by the pair one deeper.
    pub(crate) fn escalating(self) -> Self {
        Setup { escalation: true, ..self }
    }

    pub(crate) fn embodiment(self, embodiment: Embodiment) -> Self {
        self.embodiments(&[embodiment])
    }

    /// The cards follow these in turn.
    pub(crate) fn embodiments(self, embodiments: &[Embodiment]) -> Self {
        Setup { embodiments: embodiments.to_vec(), ..self }
    }

    /// The second random is the complement of the first.
    pub(crate) fn complement(self) -> Self {
        Setup { complement: true, ..self }
    }

    pub(crate) fn bench(&self) -> Bench {
        let kind = self.kind;
        let keys = issue(self.seed, kind.shape, CARDS);
        let depths = self.schedule.depths();
        let rules = ServerRules {
            cipher: SUITE.real(),
            shape: kind.shape,
            comparison: kind.comparison,
            embodiments: self.embodiments.clone(),
            complement: self.complement,
            recovery: self.recovery,
            escalation: self.escalation,
            schedule: self.schedule.clone(),
            response_bytes: RESPONSE_BYTES,
            idle: IDLE,
        };
        let directory = Watched::new(keys.concat(), kind.shape, depths.into());
        Bench {
            now: SimTime::ZERO,
            server: Server::start(rules, self.seed, directory, CARDS),
            judge: Judge::new(kind, &keys),
            cards: (0..).map(CardId).zip(&keys).map(|(card, keys)| Chip::issued(&kind, card, keys)).collect(),
            kind,
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
    pub kind: CardType,
    pub now: SimTime,
    pub server: Server<Watched>,
    pub cards: Vec<Chip>,
    pub desks: Vec<Desk>,
    pub line: Line,
    pub trace: Trace,
    pub judge: Judge,
    queue: BTreeMap<(SimTime, u64), Event>,
    posted: u64,
    connections: u64,
    seed: Seed,
}

/// What a card of that kind says of itself.
pub(crate) fn answer_to_reset(kind: &CardType) -> Vec<u8> {
    let CardRules { protocol, implicit_df, .. } = kind.rules;
    let mut bytes = Vec::new();
    AnswerToReset { protocol, factors: Factors::DEFAULT, implicit_df }.encode(&mut bytes);
    bytes
}

/// Clients that do as the cards' answers to reset say.
fn client_rules(kind: &CardType, escalation: bool) -> ClientRules {
    let AnswerToReset { protocol, implicit_df, .. } = AnswerToReset::parse(&answer_to_reset(kind)).unwrap();
    let rules = ClientRules::new(SUITE, RETRY, EXCHANGES, REQUEST_BYTES);
    ClientRules { protocol, implicit_df, reports_refusals: escalation, ..rules }
}

impl Bench {
    /// The next connection of the usual card at the first client.
    pub(crate) fn connect(&mut self) -> Visit<'_> {
        self.connect_at(0)
    }

    /// The same at another client.
    pub(crate) fn connect_at(&mut self, desk: usize) -> Visit<'_> {
        self.connections += 1;
        Visit::new(self, desk, CARD, ConnectionId(self.connections))
    }

    /// The next connection of that card, at the first client.
    pub(crate) fn connect_card(&mut self, card: CardId) -> Visit<'_> {
        self.connections += 1;
        Visit::new(self, 0, card, ConnectionId(self.connections))
    }

    pub(super) fn insert(
        &mut self,
        desk: usize,
        id: CardId,
        connection: ConnectionId,
        pull: Option<(usize, Pull)>,
    ) {
        for other in &mut self.desks {
            other.reader = None; // the card can lie in one reader only
        }
        let draws = self.seed.open(Purpose::Visit, owner(id, connection.0 as u32));
        let mut card = Card::unpowered();
        let memory = &mut self.cards[id.index()].memory(&self.kind);
        card.power_up(&self.kind, memory, &mut Power::steady()).expect("steady power lasts");
        self.desks[desk].connection = connection;
        self.desks[desk].reader = Some(Inserted { id, card, draws, commands: 0, pull });
        let rules = client_rules(&self.kind, self.server.rules().escalation);
        let connect =
            |client: &mut Client, now, out: &mut _| client.connect(&rules, now, id, connection, out);
        self.client(desk, connect);
    }

    /// The server crashes and starts again: its directory is all that it has left.
    pub(crate) fn restart_server(&mut self) {
        self.server.restart(&mut Outbox::default());
        self.judge.forgets_open_updates();
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
        let rules = client_rules(&self.kind, self.server.rules().escalation);
        self.client(desk, |client, now, out| client.step(&rules, now, input, out));
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
        let mut memory = self.cards[reader.id.index()].memory(&self.kind);
        let mut answer = Vec::new();
        if pull != Some(Pull::Before) {
            let done = reader.card.execute(
                &self.kind,
                &mut memory,
                &mut reader.draws,
                command,
                &mut power,
                &mut answer,
            );
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

    /// A card's key.
    pub(crate) fn on_card(&self, card: CardId, key: KeyRef) -> &[u8] {
        let slot = self.kind.shape.slot(key).unwrap();
        &self.cards[card.index()].keys(&self.kind)[slot * KEY..][..KEY]
    }

    /// Its partner on the server.
    pub(crate) fn on_server(&self, card: CardId, key: KeyRef) -> &[u8] {
        self.server.directory().key(card, self.kind.shape.slot(key).unwrap())
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

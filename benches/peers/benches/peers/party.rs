//! The parties of the workload, without an engine: a terminal with its cards, and the server.
//!
//! nexosim and naive turmoil drive these. keystorm drives its own world, which adds what the crate's documentation lists.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use keystorm::plan::Plan;
use keystorm::record::digest::{Digest, Parties, Trace};
use keystorm::world::load::{Arrival, arrivals};
use keystorm_model::card::{Card, CardType, Chip, Power};
use keystorm_model::client::{Client, ClientEffect, ClientInput, ClientRules, Ending, Retry};
use keystorm_model::draw::{Draws, Purpose, Seed, owner};
use keystorm_model::outbox::Outbox;
use keystorm_model::server::{
    Embodiment, MemoryDirectory, Schedule, Server, ServerEffect, ServerRules, Stamp,
};
use keystorm_model::{CardId, ClientId, ConnectionId, SimTime, Span};

/// What all parties of a run share.
pub(crate) struct Common {
    pub(crate) plan: Plan,
    kind: CardType,
    rules: ClientRules,
    pub(crate) tally: Tally,
    /// Kept in checks only, not while time is measured.
    seen: Option<Mutex<Seen>>,
}

/// What became of the sessions.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) authenticated: AtomicU64,
    pub(crate) completed: AtomicU64,
}

/// Digests of every message, command and answer: with times, as keystorm's reports have it, and without.
struct Seen {
    timed: Digest,
    untimed: Digest,
}

impl Common {
    pub(crate) fn new(plan: Plan, watched: bool) -> Arc<Self> {
        let (suite, shape) = (plan.fleet.suite, plan.fleet.shape);
        let retry = plan.line.retry;
        let retry = Retry { first: retry.first, factor: retry.factor, tries: retry.tries };
        let digest = || Digest::new(1);
        Arc::new(Common {
            kind: CardType {
                cipher: suite.real(),
                shape,
                comparison: plan.fleet.comparison,
                rules: plan.card.rules,
            },
            rules: ClientRules::new(suite, retry, plan.load.exchanges, plan.load.request_bytes),
            tally: Tally::default(),
            seen: watched.then(|| Mutex::new(Seen { timed: digest(), untimed: digest() })),
            plan,
        })
    }

    fn see(&self, at: SimTime, trace: Trace, client: ClientId, card: Option<CardId>, bytes: &[u8]) {
        if let Some(seen) = &self.seen {
            let Seen { timed, untimed } = &mut *seen.lock().expect("one thread");
            timed.add(0, at, trace, Parties { client, card }, bytes);
            untimed.add(0, SimTime::ZERO, trace, Parties { client, card }, bytes);
        }
    }

    /// The digests with and without times.
    pub(crate) fn digests(&self) -> Option<(u128, u128)> {
        let seen = self.seen.as_ref()?.lock().expect("one thread");
        Some((seen.timed.total(), seen.untimed.total()))
    }

    /// How many sessions authenticated, and how many were completed.
    pub(crate) fn outcome(&self) -> (u64, u64) {
        let Tally { authenticated, completed } = &self.tally;
        (authenticated.load(Ordering::Relaxed), completed.load(Ordering::Relaxed))
    }

    /// The keys of one card as it is issued.
    fn issue(&self, card: CardId, keys: &mut [u8]) {
        Seed(self.plan.seed).open(Purpose::Issue, card.0.into()).bytes(0, keys);
    }

    fn key_bytes(&self) -> usize {
        self.kind.layout().len()
    }
}

/// What a terminal wants done.
pub(crate) enum Act {
    /// Send this to the server.
    Send(Vec<u8>),
    /// Call [`Desk::reader_done`] after this time.
    Reader(Span),
}

/// A terminal and everyone who is going to come to it, in order of arrival.
pub(crate) struct Desk {
    common: Arc<Common>,
    id: ClientId,
    people: Vec<Arrival>,
    /// How many have arrived, and how many of them have had their turn.
    arrived: usize,
    queue: VecDeque<usize>,
    /// The cards of the people.
    chips: Vec<Chip>,
    client: Client,
    out: Outbox<ClientEffect>,
    visit: Option<Visit>,
}

struct Visit {
    person: usize,
    card: Card,
    draws: Draws,
    /// The command that the card is at, and its answer; empty while it is being reset.
    command: Vec<u8>,
    answer: Vec<u8>,
}

impl Desk {
    pub(crate) fn new(common: &Arc<Common>, id: ClientId, people: Vec<Arrival>) -> Self {
        let mut keys = vec![0; common.key_bytes()];
        let issue = |person: &Arrival| {
            common.issue(person.card, &mut keys);
            Chip::issued(&common.kind, person.card, &keys)
        };
        let chips = people.iter().map(issue).collect();
        Desk {
            common: Arc::clone(common),
            id,
            arrived: 0,
            queue: VecDeque::new(),
            chips,
            client: Client::default(),
            out: Outbox::default(),
            visit: None,
            people,
        }
    }

    /// One desk for each client, idle ones left out.
    pub(crate) fn all(common: &Arc<Common>) -> Vec<Desk> {
        let mut people = vec![Vec::new(); common.plan.fleet.clients as usize];
        for arrival in arrivals(&common.plan) {
            people[arrival.client.index()].push(arrival);
        }
        let desks = (0..).map(ClientId).zip(people).filter(|(_, people)| !people.is_empty());
        desks.map(|(id, people)| Desk::new(common, id, people)).collect()
    }

    /// The client's number.
    pub(crate) fn id(&self) -> ClientId {
        self.id
    }

    /// The time at which the next card holder arrives.
    pub(crate) fn next_arrival(&self) -> Option<SimTime> {
        self.people.get(self.arrived).map(|person| person.at)
    }

    /// When the client wants to be woken at the latest.
    pub(crate) fn deadline(&self) -> Option<SimTime> {
        self.client.deadline()
    }

    /// Whether nobody is left.
    pub(crate) fn is_done(&self) -> bool {
        self.arrived == self.people.len() && self.visit.is_none()
    }

    /// The next card holder arrives.
    pub(crate) fn arrive(&mut self, acts: &mut Vec<Act>) {
        let person = self.arrived;
        self.arrived += 1;
        if self.visit.is_some() {
            self.queue.push_back(person);
        } else {
            self.insert(person, acts);
        }
    }

    fn insert(&mut self, person: usize, acts: &mut Vec<Act>) {
        let number = owner(self.people[person].card, 1);
        let draws = Seed(self.common.plan.seed).open(Purpose::Visit, number);
        let Common { kind, plan, .. } = &*self.common;
        let mut card = Card::unpowered();
        let work = card.power_up(kind, &mut self.chips[person].memory(kind), &mut Power::steady());
        acts.push(Act::Reader(plan.card.reset_time(work.expect("steady power lasts"))));
        self.visit = Some(Visit { person, card, draws, command: Vec::new(), answer: Vec::new() });
    }

    /// The card has been reset, or has done its command.
    pub(crate) fn reader_done(&mut self, now: SimTime, acts: &mut Vec<Act>) {
        let visit = self.visit.as_mut().expect("a card is in the reader");
        let card = self.people[visit.person].card;
        if visit.command.is_empty() {
            let connection = ConnectionId(owner(card, 1));
            self.client.connect(&self.common.rules, now, card, connection, &mut self.out);
        } else {
            self.common.see(now, Trace::Command, self.id, Some(card), &visit.command);
            self.common.see(now, Trace::Answer, self.id, Some(card), &visit.answer);
            let input = ClientInput::CardAnswer(&visit.answer);
            self.client.step(&self.common.rules, now, input, &mut self.out);
        }
        self.apply(acts);
    }

    /// A datagram of the server's arrives.
    pub(crate) fn receive(&mut self, now: SimTime, datagram: &[u8], acts: &mut Vec<Act>) {
        self.common.see(now, Trace::AtClient, self.id, None, datagram);
        self.client.step(&self.common.rules, now, ClientInput::Datagram(datagram), &mut self.out);
        self.apply(acts);
    }

    /// The client's deadline has come.
    pub(crate) fn wake(&mut self, now: SimTime, acts: &mut Vec<Act>) {
        self.client.step(&self.common.rules, now, ClientInput::Wake, &mut self.out);
        self.apply(acts);
    }

    fn apply(&mut self, acts: &mut Vec<Act>) {
        let out = std::mem::take(&mut self.out);
        for &effect in &out.effects {
            match effect {
                ClientEffect::Send { datagram, .. } => acts.push(Act::Send(out.get(datagram).to_vec())),
                ClientEffect::Command(command) => self.command(out.get(command), acts),
                ClientEffect::Ended(ending) => self.ended(ending, acts),
                ClientEffect::Challenged { .. } | ClientEffect::Authenticated => {}
                ClientEffect::ServerRefused | ClientEffect::Rejected(_) => panic!("{effect:?}"),
            }
        }
        self.out = out;
        self.out.clear();
    }

    fn command(&mut self, command: &[u8], acts: &mut Vec<Act>) {
        let Common { kind, plan, .. } = &*self.common;
        let visit = self.visit.as_mut().expect("a card is in the reader");
        let mut memory = self.chips[visit.person].memory(kind);
        visit.command.clear();
        visit.command.extend_from_slice(command);
        visit.answer.clear();
        let (power, answer) = (&mut Power::steady(), &mut visit.answer);
        let work = visit.card.execute(kind, &mut memory, &mut visit.draws, command, power, answer);
        let work = work.expect("steady power lasts");
        acts.push(Act::Reader(plan.card.command_time(work, command.len(), visit.answer.len())));
    }

    fn ended(&mut self, ending: Ending, acts: &mut Vec<Act>) {
        assert_eq!(ending, Ending::Completed);
        self.common.tally.completed.fetch_add(1, Ordering::Relaxed);
        self.visit = None;
        if let Some(next) = self.queue.pop_front() {
            self.insert(next, acts);
        }
    }
}

/// The server: answers each datagram at once.
pub(crate) struct Office {
    common: Arc<Common>,
    server: Server<MemoryDirectory>,
    out: Outbox<ServerEffect>,
}

impl Office {
    pub(crate) fn new(common: &Arc<Common>) -> Self {
        let plan = &common.plan;
        let (stride, cards) = (common.key_bytes(), plan.fleet.cards);
        let mut keys = vec![0; stride * cards as usize];
        for (card, keys) in (0..).map(CardId).zip(keys.chunks_mut(stride)) {
            common.issue(card, keys);
        }
        let (suite, shape) = (plan.fleet.suite, plan.fleet.shape);
        let directory = MemoryDirectory::new(keys, shape.keys(), suite.sizes().pair, 0, Stamp::NEVER);
        let rules = ServerRules {
            cipher: suite.real(),
            shape,
            comparison: plan.fleet.comparison,
            embodiments: vec![Embodiment::One],
            complement: false,
            recovery: plan.update.recovery,
            escalation: false,
            schedule: Schedule::default(),
            response_bytes: plan.load.response_bytes,
            idle: common.rules.retry.patience() * 2 + Span::from_secs(60),
        };
        let server = Server::start(rules, Seed(plan.seed), directory, cards as usize);
        Office { common: Arc::clone(common), server, out: Outbox::default() }
    }

    /// Handles a datagram; what it answers.
    pub(crate) fn receive(&mut self, now: SimTime, client: ClientId, datagram: &[u8]) -> Option<Vec<u8>> {
        self.common.see(now, Trace::AtServer, client, None, datagram);
        self.server.step(now, datagram, &mut self.out);
        let mut answer = None;
        for &effect in &self.out.effects {
            match effect {
                ServerEffect::Answer { datagram, .. } => answer = Some(self.out.get(datagram).to_vec()),
                ServerEffect::Authenticated(_) => {
                    self.common.tally.authenticated.fetch_add(1, Ordering::Relaxed);
                }
                ServerEffect::SessionOpened { .. } => {}
                unexpected => panic!("{unexpected:?}"),
            }
        }
        self.out.clear();
        answer
    }
}

/// The machines without an engine: one session after another, every message and command at once. What all engines
/// have to do besides moving time.
pub(crate) fn run_alone(common: &Arc<Common>) {
    let (mut office, mut acts, mut next) = (Office::new(common), Vec::new(), Vec::new());
    let mut desks = Desk::all(common);
    for arrival in arrivals(&common.plan) {
        let desk = desks.binary_search_by_key(&arrival.client, Desk::id).expect("somebody comes there");
        let (desk, now) = (&mut desks[desk], arrival.at);
        desk.arrive(&mut acts);
        while !acts.is_empty() {
            for act in acts.drain(..) {
                match act {
                    Act::Reader(_) => desk.reader_done(now, &mut next),
                    Act::Send(datagram) => {
                        if let Some(answer) = office.receive(now, desk.id(), &datagram) {
                            desk.receive(now, &answer, &mut next);
                        }
                    }
                }
            }
            std::mem::swap(&mut acts, &mut next);
        }
    }
}

//! The end of a run: what is still under way is cut off, the network is healed, and every card that is not up to date
//! gets the connections that the liveness rule allows. Then each card is judged.
//!
//! Once all faults stop and no new period starts, a card with k depths due is up to date after k connections under
//! until-committed, a card whose turn has not come having none. Admission ends with the load: everybody is admitted. The epilogue stays in the last period of the run and is no part of the load figures.

use std::collections::{BTreeSet, VecDeque};

use keystorm_model::card::{Card, Power};
use keystorm_model::client::{Client, ClientEffect, ClientInput, Ending};
use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::{KeyRef, Ring};
use keystorm_model::server::{Directory, Recovery, RootRenewal, Stage};
use keystorm_model::suite::Family;
use keystorm_model::{CardId, ClientId, Depth, SimTime, Span};
use keystorm_reports::results::{CardRow, DepthRow, Outcome, PairState};

use crate::check::conservation;
use crate::check::ledger::PairView;
use crate::check::witness::Witness;
use crate::record::digest::{Parties, Trace};
use crate::record::tape::Event;

use super::World;

/// The client of the epilogue's connections in the digest.
const NOBODY: ClientId = ClientId(u32::MAX);

/// One end of an undisturbed connection.
struct Undisturbed {
    id: CardId,
    client: Client,
    card: Card,
    draws: Draws,
    witness: Witness,
}

/// What is to be done next in an undisturbed connection.
enum Action {
    ToServer(Vec<u8>),
    ToCard(Vec<u8>),
}

impl World {
    /// Ends the run. `in_flight` is how many datagrams the engine still held.
    pub fn finish(&mut self, in_flight: u64) {
        let horizon = SimTime::ZERO + self.plan.horizon;
        self.cut_off();
        self.station.settle(horizon);
        self.recorder.counts.messages_in_flight = in_flight;
        self.server.admit_all();
        self.recorder.epilogue(horizon);
        for card in self.cast().map(CardId) {
            if self.cards.marks(card).is_unsettled() {
                self.power_up_undisturbed(card);
            }
            self.bring_up_to_date(card);
        }
        for card in self.cast().map(CardId) {
            self.judge(card);
        }
        let cards = self.cast().len() as u64;
        let sums = conservation::check(&self.recorder.counts, cards, in_flight, horizon);
        self.ledger.add(sums);
    }

    /// Counts what is under way at the horizon, and forgets it.
    fn cut_off(&mut self) {
        let mut alive: BTreeSet<_> = self.troubles.ghosts().collect();
        for desk in &mut self.desks {
            let visit = desk.visit.take();
            let here = desk.queue.len() as u64 + u64::from(visit.is_some());
            self.recorder.counts.sessions_in_flight += here;
            alive.extend(visit.and_then(|visit| visit.client.connection()));
        }
        let last = SimTime::ZERO + (self.plan.horizon - Span::from_ns(1));
        for open in self.server.open_updates() {
            if alive.contains(&open.connection) {
                self.recorder.counts.updates_in_flight += 1;
                self.recorder.renewal(open.due.depth).in_flight += 1;
            } else {
                self.recorder.counts.updates_interrupted += 1;
                self.recorder.renewal(open.due.depth).interrupted += 1;
                self.recorder.bucket(last).updates_interrupted += 1;
                self.ledger.interrupted(open.card, open.due);
            }
        }
    }

    /// The time at which the epilogue takes place for the server: still in the last period.
    fn last_moment(&self) -> SimTime {
        SimTime::ZERO + (self.plan.horizon - Span::from_ns(1))
    }

    /// How many connections the liveness rule allows a card to be brought up to date: one for each depth that is due, or
    /// a single one for all of them in embodiment 3; none for a root that only the issuer can renew. A stage comes before
    /// them: it takes one to find out about it and one to do it again, and saves what it covers of what is due.
    fn connections_due(&self, card: CardId) -> usize {
        let (now, rules) = (self.last_moment(), self.server.rules());
        let stage = self.server.directory().staged(card);
        let covered = |depth: Depth, since| {
            let by = |stage: &Stage| {
                rules.renewed_depths(card, stage.due).any(|renewed| renewed == depth)
                    && rules.schedule.due_since(card, depth, stage.opened) == since
            };
            stage.is_some_and(by)
        };
        let due = |depth: &Depth| {
            let since = rules.schedule.due_since(card, *depth, now);
            self.server.directory().renewal(card, *depth).committed < since && !covered(*depth, since)
        };
        let root = Depth(rules.shape.depths() - 1);
        let depths = || (0..rules.schedule.depths()).map(Depth).filter(due);
        let below_root = depths().filter(|&depth| depth != root).count();
        let itself = rules.schedule.root == Some(RootRenewal::Itself) && depths().any(|depth| depth == root);
        let runs = rules.embodiment(card).runs();
        let staged = stage.map_or(0, |stage| 1 + usize::from(!stage.tried));
        staged + usize::from(itself) + if runs { below_root.min(1) } else { below_root }
    }

    fn bring_up_to_date(&mut self, card: CardId) {
        for _ in 0..self.connections_due(card) {
            self.connect_undisturbed(card);
        }
        if !self.plan.update.escalation {
            return;
        }
        // Each pair that the card refuses, or is refused with, costs one more.
        for _ in 1..self.kind.shape.depths() {
            if self.connections_due(card) == 0 {
                return;
            }
            self.connect_undisturbed(card);
        }
    }

    /// One connection over a line without faults, in no time.
    fn connect_undisturbed(&mut self, id: CardId) -> Option<Ending> {
        let connection = self.next_connection(id);
        let draws = Seed(self.plan.seed).open(Purpose::Visit, connection.0);
        let writes_before = self.cards.writes(id);
        let (client, card) = (Client::default(), self.power_up_undisturbed(id));
        let writes = self.cards.writes(id) - writes_before;
        if let Some(tape) = self.recorder.tape(id) {
            let at = SimTime::ZERO + self.plan.horizon;
            tape.push(at, Event::Connects { client: None, connection, writes });
        }
        let mut party = Undisturbed { id, client, card, draws, witness: Witness::default() };
        let mut effects = Outbox::default();
        let mut actions = VecDeque::new();
        let now = self.last_moment();
        party.client.connect(&self.rules, now, id, connection, &mut effects);
        let mut ending = queue(&mut effects, &mut actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::ToServer(datagram) => {
                    for answer in self.serve_undisturbed(&datagram) {
                        let input = ClientInput::Datagram(&answer);
                        party.client.step(&self.rules, now, input, &mut effects);
                        ending = ending.or(queue(&mut effects, &mut actions));
                    }
                }
                Action::ToCard(command) => {
                    let answer = self.execute_undisturbed(&mut party, &command);
                    let input = ClientInput::CardAnswer(&answer);
                    party.client.step(&self.rules, now, input, &mut effects);
                    ending = ending.or(queue(&mut effects, &mut actions));
                }
            }
        }
        ending
    }

    fn power_up_undisturbed(&mut self, id: CardId) -> Card {
        let mut card = Card::unpowered();
        let mut memory = self.cards.memory(id);
        card.power_up(&self.kind, &mut memory, &mut Power::steady()).expect("steady power lasts");
        card
    }

    fn serve_undisturbed(&mut self, datagram: &[u8]) -> Vec<Vec<u8>> {
        let at = SimTime::ZERO + self.plan.horizon;
        let parties = Parties { client: NOBODY, card: None };
        self.recorder.trace(at, Trace::AtServer, parties, datagram);
        let mut effects = std::mem::take(&mut self.server_out);
        self.server.step(self.last_moment(), datagram, &mut effects);
        self.listen(self.last_moment(), datagram, &effects);
        let mut answers = Vec::new();
        for &effect in &effects.effects {
            match effect.datagram() {
                Some(datagram) => answers.push(effects.get(datagram).to_vec()),
                None => self.note(at, false, effect, &effects),
            }
        }
        effects.clear();
        self.server_out = effects;
        for answer in &answers {
            self.recorder.trace(at, Trace::AtClient, parties, answer);
        }
        answers
    }

    fn execute_undisturbed(&mut self, party: &mut Undisturbed, command: &[u8]) -> Vec<u8> {
        let at = SimTime::ZERO + self.plan.horizon;
        let mut answer = Vec::new();
        self.before.take(&self.cards, party.id);
        let mut memory = self.cards.memory(party.id);
        let work = party
            .card
            .execute(&self.kind, &mut memory, &mut party.draws, command, &mut Power::steady(), &mut answer)
            .expect("steady power lasts");
        self.judge_command(at, party.id, &mut party.witness, command, Some(&answer));
        if let Some(tape) = self.recorder.tape(party.id) {
            let command = command.to_vec();
            tape.push(at, Event::Command { command, writes: work.writes, pulled: None });
        }
        let parties = Parties { client: NOBODY, card: Some(party.id) };
        self.recorder.trace(at, Trace::Command, parties, command);
        self.recorder.trace(at, Trace::Answer, parties, &answer);
        answer
    }

    /// Checks one card against the rules, and counts what became of it.
    fn judge(&mut self, card: CardId) {
        let at = SimTime::ZERO + self.plan.horizon;
        let mut in_step = true;
        if !self.agree_in_all(card) {
            for depth in (0..self.plan.fleet.shape.depths()).map(Depth) {
                let state = self.pair(card, depth).state;
                in_step &= matches!(state, PairState::Old | PairState::New);
                self.ledger.judge_pair(at, card, depth, state);
            }
        }
        let outcome = self.outcome(card);
        let counts = &mut self.recorder.counts;
        *match outcome {
            Outcome::Unharmed => &mut counts.cards_unharmed,
            Outcome::Healed => &mut counts.cards_healed,
            Outcome::Reissued => &mut counts.cards_reissued,
            Outcome::Blocked => &mut counts.cards_blocked,
            Outcome::Torn => &mut counts.cards_torn,
            Outcome::Stranded => &mut counts.cards_stranded,
        } += 1;
        let promised = self.plan.update.recovery != Recovery::FirstContact;
        let excepted = || {
            self.has_no_usable_upper_pair(card)
                || self.cards.life(card).recalled
                || self.is_wanted_back(self.last_moment(), card)
                || self.has_half_a_root(card)
                || self.cards.is_worn_out(card)
        };
        if promised && (!in_step || self.connections_due(card) > 0) && !excepted() {
            let what = "liveness: not up to date after the connections that the policy promises".into();
            self.ledger.violation(at, card, what);
        }
    }

    /// Whether every pair that the policy may authenticate the card's next renewal with is torn or blocked: the one that it
    /// names, and with escalation those below.
    fn has_no_usable_upper_pair(&self, card: CardId) -> bool {
        let shape = self.kind.shape;
        let next = self.server.next_assignment(card, self.last_moment());
        let named = shape.internal() - next.pair.internal.0;
        let last = if self.plan.update.escalation { shape.depths() - 1 } else { named };
        next.renew.is_some() && (named..=last).all(|depth| !self.is_usable(card, Depth(depth)))
    }

    /// Whether the card can read both keys of a pair, and has tries left for it.
    fn is_usable(&self, card: CardId, depth: Depth) -> bool {
        let pair = self.kind.shape.pair(depth).expect("the depth exists");
        let torn = self.cards.marks(card).torn();
        let whole = |ring| {
            let slot = self.kind.shape.slot(pair.key(ring)).expect("the pair's keys exist");
            torn & 1 << slot == 0
        };
        let tries = self.cards.tries(card)[pair.external.index() - 1];
        whole(Ring::Internal) && whole(Ring::External) && tries > 0
    }

    /// Whether a renewal of the root by itself was interrupted: nothing lies above it to renew it with.
    fn has_half_a_root(&self, card: CardId) -> bool {
        let root = Depth(self.kind.shape.depths() - 1);
        self.server.rules().schedule.root == Some(RootRenewal::Itself)
            && !matches!(self.pair(card, root).state, PairState::Old | PairState::New)
    }

    fn pair(&self, card: CardId, depth: Depth) -> PairView {
        let directory = self.server.directory();
        let torn = self.cards.marks(card).torn();
        let keys = self.cards.keys(card);
        self.ledger.pair(card, depth, keys, torn, |slot| directory.key(card, slot))
    }

    /// Whether card and server hold the same keys in the same versions, all of them, as one comparison tells. `false`: they
    /// are to be looked at pair by pair. So are always the halves of asymmetric pairs, and keys that cards have in common.
    fn agree_in_all(&self, card: CardId) -> bool {
        self.kind.cipher.family() == Family::Symmetric
            && self.cards.marks(card).torn() == 0
            && self.server.directory().pairs_of(card) == Some(self.cards.keys(card))
            && self.ledger.versions_agree(card)
    }

    /// Whether card and server hold halves of the same pair.
    pub(super) fn agree_in(&self, card: CardId, key: KeyRef) -> bool {
        let slot = self.plan.fleet.shape.slot(key).expect("only existing keys are named");
        let pair = self.server.directory().key(card, slot);
        let on_card = &self.cards.keys(card)[self.kind.layout().range(slot)];
        *on_card == *self.kind.cipher.half_on_card(key.ring, pair)
    }

    /// What became of a card, once the epilogue is over.
    fn outcome(&self, card: CardId) -> Outcome {
        let next = self.server.next_assignment(card, self.last_moment()).pair;
        let tries = self.cards.tries(card)[next.external.index() - 1];
        let agrees = |ring, no| self.agree_in(card, KeyRef { ring, no });
        if self.cards.marks(card).torn() != 0 {
            Outcome::Torn
        } else if tries == 0 {
            Outcome::Blocked
        } else if !agrees(Ring::Internal, next.internal) || !agrees(Ring::External, next.external) {
            Outcome::Stranded
        } else if self.cards.life(card).reissues > 0 {
            Outcome::Reissued
        } else if self.ledger.was_interrupted(card) {
            Outcome::Healed
        } else {
            Outcome::Unharmed
        }
    }

    /// The rows of `cards.csv`, for the cards that are `chosen` by their number.
    pub fn card_rows<'w>(&'w self, chosen: impl Fn(u32) -> bool + 'w) -> impl Iterator<Item = CardRow> + 'w {
        (0..self.cards.len()).filter(move |&card| chosen(card)).map(|card| self.card_row(CardId(card)))
    }

    /// All keys of `card` as the card holds them, slot after slot.
    pub fn keys_on_card(&self, card: CardId) -> &[u8] {
        self.cards.keys(card)
    }

    /// All keys of `card` as the server's directory holds them, slot after slot.
    pub fn keys_at_server(&self, card: CardId) -> Vec<u8> {
        let directory = self.server.directory();
        (0..self.plan.fleet.shape.keys()).flat_map(|slot| directory.key(card, slot)).copied().collect()
    }

    fn card_row(&self, card: CardId) -> CardRow {
        let shape = self.plan.fleet.shape;
        let depths = (0..shape.depths()).map(Depth);
        let life = self.cards.life(card);
        CardRow {
            card: card.0,
            outcome: self.outcome(card),
            depths: depths
                .clone()
                .map(|depth| {
                    let PairView { card, server, state } = self.pair(card, depth);
                    DepthRow {
                        card_internal: card[0].into(),
                        card_external: card[1].into(),
                        server_internal: server[0].into(),
                        server_external: server[1].into(),
                        state,
                    }
                })
                .collect(),
            nvm_writes: self.cards.writes(card),
            tries_left: depths
                .map(|depth| {
                    let pair = shape.pair(depth).expect("the depth exists");
                    self.cards.tries(card)[pair.external.index() - 1]
                })
                .collect(),
            sessions: life.sessions,
            last_success_ns: life.last_success().map(SimTime::as_ns),
        }
    }
}

/// Moves a client's wishes to `actions`; tells how the connection ended, if it did.
fn queue(effects: &mut Outbox<ClientEffect>, actions: &mut VecDeque<Action>) -> Option<Ending> {
    let mut ending = None;
    for &effect in &effects.effects {
        match effect {
            ClientEffect::Send { datagram, .. } => {
                actions.push_back(Action::ToServer(effects.get(datagram).to_vec()));
            }
            ClientEffect::Command(command) => {
                actions.push_back(Action::ToCard(effects.get(command).to_vec()));
            }
            ClientEffect::Ended(how) => ending = Some(how),
            ClientEffect::Challenged { .. }
            | ClientEffect::Authenticated
            | ClientEffect::ServerRefused
            | ClientEffect::Rejected(_) => {}
        }
    }
    effects.clear();
    ending
}

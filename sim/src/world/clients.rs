//! What happens at the desks: holders arrive, cards are inserted, answer commands and are pulled out, clients
//! talk to the server.

use keystorm_model::apdu;
use keystorm_model::card::{CardWork, Power, PowerLost, Remains};
use keystorm_model::client::{Cause, ClientEffect, ClientInput, Ending, commands_in_connection};
use keystorm_model::draw::{Seed, owner};
use keystorm_model::fragment;
use keystorm_model::secure::Direction;
use keystorm_model::server::Due;
use keystorm_model::{CardId, ClientId, ConnectionId, SimTime, Span};
use keystorm_reports::results::Phase;

use crate::check::witness::Witness;
use crate::plan::SessionPlan;
use crate::record::digest::{Parties, Trace};

use super::desk::{Execution, Holder, Pull, PullMoment, Reader, Visit};
use super::line::Attempt;
use super::{Out, Return, Why, World};

/// Words of a visit's draws that decide whether and where the card is pulled out.
const PULL_WORDS: [u64; 4] = [0, 1, 2, 3];
/// Words that decide what an erased page is left as: of which kind, and two of a pattern.
const REMAINS_WORDS: [u64; 2] = [4, 5];

impl World {
    /// A card holder arrives at `client`, unless the last visit is not over: one card cannot be in two places.
    pub fn arrive(&mut self, client: ClientId, holder: Holder) {
        if self.present.insert(holder.card) {
            self.seat(client, holder);
        } else {
            self.recorder.counts.arrivals_skipped += 1;
        }
    }

    /// A card holder comes back.
    pub fn come_back(&mut self, back: Return, out: &mut Out) {
        match back.why {
            Why::Again => self.seat(back.client, back.holder),
            Why::Reissued => self.issue_anew(back, out),
        }
    }

    /// Lets a holder queue at `client`, and serves them if nobody is before them.
    fn seat(&mut self, client: ClientId, holder: Holder) {
        let at = holder.arrived;
        self.recorder.session_started(at);
        let desk = &mut self.desks[client.index()];
        if desk.visit.is_some() {
            desk.queue.push_back(holder);
        } else {
            self.insert(at, client, holder);
        }
    }

    /// When the desk of `client` wants to be woken.
    pub fn client_due(&self, client: ClientId) -> Option<SimTime> {
        self.desks[client.index()].due()
    }

    /// Whether someone is at the desk of `client`.
    pub fn client_is_busy(&self, client: ClientId) -> bool {
        self.desks[client.index()].visit.is_some()
    }

    /// Lets the desk of `client` do what is due at `at`.
    pub fn client_wake(&mut self, at: SimTime, client: ClientId, out: &mut Out) {
        let desk = &mut self.desks[client.index()];
        match desk.reader {
            Reader::Resetting { until } if until <= at => {
                desk.reader = Reader::Idle;
                self.connect(at, client, out);
            }
            Reader::Executing { until, .. } if until <= at => self.card_done(at, client, out),
            _ => self.step(at, client, ClientInput::Wake, out),
        }
    }

    /// A datagram arrives at `client`.
    pub fn client_receive(&mut self, at: SimTime, client: ClientId, datagram: &[u8], out: &mut Out) {
        self.recorder.counts.messages_delivered += 1;
        let parties = Parties { client, card: None };
        self.recorder.trace(at, Trace::AtClient, parties, datagram);
        if !fragment::is_fragment(datagram) {
            return self.step(at, client, ClientInput::Datagram(datagram), out);
        }
        let mut assembly = self.assemblies.remove(&(client, Direction::Down)).unwrap_or_default();
        match assembly.take(datagram) {
            Ok(Some(message)) => self.step(at, client, ClientInput::Datagram(message), out),
            Ok(None) => {}
            Err(_) => self.recorder.counts.rejects += 1,
        }
        self.assemblies.insert((client, Direction::Down), assembly);
    }

    /// Puts the holder's card into the reader.
    fn insert(&mut self, at: SimTime, client: ClientId, holder: Holder) {
        let mut visit = self.spare_visits.pop().unwrap_or_else(|| Box::new(Visit::nobody()));
        visit.holder = holder;
        visit.inserted = at;
        visit.authenticated = false;
        visit.reconnect(Seed(self.plan.seed), self.next_connection(holder.card));
        let reset = match self.plan.load.session {
            SessionPlan::Cards => self.power_up(at, &mut visit),
            SessionPlan::Probe(_) => Span::ZERO,
        };
        let desk = &mut self.desks[client.index()];
        desk.reader = Reader::Resetting { until: at + reset };
        desk.visit = Some(visit);
    }

    /// Powers the card of a visit up; how long that takes.
    fn power_up(&mut self, at: SimTime, visit: &mut Visit) -> Span {
        let mut memory = self.cards.memory(visit.holder.card);
        let work = visit.card.power_up(&self.kind, &mut memory, &mut Power::steady());
        let work = work.expect("steady power lasts");
        if self.recorder.is_load(at) {
            self.recorder.counts.nvm_writes += u64::from(work.writes);
        }
        self.plan.card.reset_time(work)
    }

    /// Numbers the card's next connection.
    pub(super) fn next_connection(&mut self, card: CardId) -> ConnectionId {
        let life = self.cards.life_mut(card);
        life.connections += 1;
        ConnectionId(owner(card, life.connections))
    }

    /// The card has been reset: the client connects.
    fn connect(&mut self, at: SimTime, client: ClientId, out: &mut Out) {
        let desk = &mut self.desks[client.index()];
        let visit = desk.visit.as_mut().expect("a card that was reset is in the reader");
        if !self.rules.implicit_df {
            // The first command comes before the server has said anything.
            let renew = self.server.next_assignment(visit.holder.card, at).renew;
            self.draw_pull(client, renew);
        }
        let visit = self.desks[client.index()].visit.as_mut().expect("it is still in the reader");
        let mut effects = std::mem::take(&mut self.client_out);
        let (machine, card, connection) = (&mut visit.client, visit.holder.card, visit.connection);
        match self.plan.load.session {
            SessionPlan::Cards => machine.connect(&self.rules, at, card, connection, &mut effects),
            SessionPlan::Probe(_) => machine.probe(&self.rules, at, card, connection, &mut effects),
        }
        self.tally.connections += 1;
        self.apply(at, client, effects, out);
    }

    fn step(&mut self, at: SimTime, client: ClientId, input: ClientInput<'_>, out: &mut Out) {
        let mut effects = std::mem::take(&mut self.client_out);
        let visit = self.desks[client.index()].visit.as_mut();
        let machine = visit.map_or(&mut self.idle_client, |visit| &mut visit.client);
        machine.step(&self.rules, at, input, &mut effects);
        self.apply(at, client, effects, out);
    }

    /// Carries out what a client wants.
    fn apply(
        &mut self,
        at: SimTime,
        client: ClientId,
        mut effects: keystorm_model::outbox::Outbox<ClientEffect>,
        out: &mut Out,
    ) {
        for &effect in &effects.effects {
            match effect {
                ClientEffect::Send { datagram, sequence, copy } => {
                    let attempt = Attempt { direction: Direction::Up, sequence, copy, fragment: 0 };
                    self.send(at, client, attempt, effects.get(datagram), out);
                }
                ClientEffect::Command(command) => self.command(at, client, effects.get(command)),
                ClientEffect::Challenged { .. } if self.rules.implicit_df => {
                    let visit = self.desks[client.index()].visit.as_ref();
                    let renew = visit.and_then(|visit| {
                        let assigned = self.server.assignment(visit.holder.card, visit.connection)?;
                        assigned.renew
                    });
                    self.draw_pull(client, renew);
                }
                ClientEffect::Challenged { .. } => {}
                ClientEffect::Authenticated => self.authenticated(at, client),
                ClientEffect::ServerRefused => self.recorder.counts.auth_failed += 1,
                ClientEffect::Ended(ending) => self.ended(at, client, ending, out),
                ClientEffect::Rejected(_) => self.recorder.counts.rejects += 1,
            }
        }
        effects.clear();
        self.client_out = effects;
    }

    fn authenticated(&mut self, at: SimTime, client: ClientId) {
        let Some(visit) = &mut self.desks[client.index()].visit else { return };
        if !std::mem::replace(&mut visit.authenticated, true) {
            self.recorder.latency(at, Phase::Auth, visit.origin());
        }
    }

    /// Decides whether, at which command and at which moment the card will be pulled out of this connection.
    fn draw_pull(&mut self, client: ClientId, renew: Option<Due>) {
        let Some(visit) = &mut self.desks[client.index()].visit else { return };
        let [whether, which, when, _] = PULL_WORDS;
        if !self.plan.faults.pull.hit(visit.draws.word(whether)) {
            return;
        }
        let card = visit.holder.card;
        let renewed = renew.map(|due| {
            let (embodiment, way) = self.server.rules().renewal(card, due.depth);
            (way, embodiment.keys(self.kind.shape, due.depth).count() as u32)
        });
        let command = 1 + visit.draws.below(which, commands_in_connection(&self.rules, renewed));
        let moment = match visit.draws.below(when, 3) {
            0 => PullMoment::Before,
            1 => PullMoment::During,
            _ => PullMoment::After,
        };
        visit.pull = Some(Pull { command, moment });
    }

    /// Gives the card a command. The card works on it at once; its answer comes when it has had its time.
    fn command(&mut self, at: SimTime, client: ClientId, command: &[u8]) {
        let desk = &mut self.desks[client.index()];
        let visit = desk.visit.as_mut().expect("a client gives commands to a card in its reader");
        visit.commands += 1;
        let pull = visit.pull.filter(|pull| pull.command == visit.commands).map(|pull| pull.moment);
        visit.command.clear();
        visit.command.extend_from_slice(command);
        let mut answer = std::mem::take(&mut visit.answer);
        answer.clear();
        let (ending, until) = match pull {
            Some(PullMoment::Before) => (Execution::Pulled, at),
            Some(PullMoment::During) => {
                let lasted = self.execute_cut_short(at, client, command);
                (Execution::Pulled, at + lasted)
            }
            None | Some(PullMoment::After) => {
                let work = self.execute(at, client, command, Power::steady(), &mut answer);
                let work = work.expect("steady power lasts");
                let until = at + self.plan.card.command_time(work, command.len(), answer.len());
                let ending = if pull.is_some() { Execution::AnsweredThenPulled } else { Execution::Answered };
                (ending, until)
            }
        };
        let desk = &mut self.desks[client.index()];
        desk.visit.as_mut().expect("the card is still in the reader").answer = answer;
        desk.reader = Reader::Executing { until, ending };
    }

    /// Executes a command on the card in the reader, and lets the checkers see what it did to the memory.
    fn execute(
        &mut self,
        at: SimTime,
        client: ClientId,
        command: &[u8],
        mut power: Power,
        answer: &mut Vec<u8>,
    ) -> Result<CardWork, PowerLost> {
        let visit = self.desks[client.index()].visit.as_mut().expect("a card is in the reader");
        let card = visit.holder.card;
        let renews = command.get(1).is_some_and(|&ins| apdu::renews(ins));
        if renews {
            self.keys_before.clear();
            self.keys_before.extend_from_slice(self.cards.keys(card));
        }
        let writes_before = if power == Power::steady() { 0 } else { self.cards.writes(card) };
        let mut memory = self.cards.memory(card);
        let done = visit.card.execute(&self.kind, &mut memory, &mut visit.draws, command, &mut power, answer);
        self.crypto.ciphers += done.map_or(0, |work| u64::from(work.proves + work.checks));
        let witness = visit.witness;
        visit.witness.see(command, done.is_ok().then_some(answer.as_slice()));
        if self.recorder.is_load(at) {
            let writes = done.map_or_else(|_| self.cards.writes(card) - writes_before, |work| work.writes);
            self.recorder.counts.apdus += 1;
            self.recorder.counts.nvm_writes += u64::from(writes);
        }
        if renews {
            self.judge_store(at, card, &witness, command);
        }
        done
    }

    /// Executes a command while the card is being pulled out, at a moment drawn uniformly from those at which power can
    /// fail. Returns how long it lasted.
    fn execute_cut_short(&mut self, at: SimTime, client: ClientId, command: &[u8]) -> Span {
        let visit = self.desks[client.index()].visit.as_mut().expect("a card is in the reader");
        // Try it on a copy to learn how many moments there are.
        let mut copy = self.cards.chip(visit.holder.card);
        let (mut power, mut answer) = (Power::steady(), Vec::new());
        let (mut card, mut draws) = (visit.card.clone(), visit.draws.clone());
        let work = card
            .execute(&self.kind, &mut copy.memory(&self.kind), &mut draws, command, &mut power, &mut answer)
            .expect("steady power lasts");
        let moments = power.moments_passed();
        let moment = visit.draws.below(PULL_WORDS[3], moments + 1);
        let remains = match visit.draws.below(REMAINS_WORDS[0], 3) {
            0 => Remains::Ones,
            1 => Remains::Zeros,
            _ => Remains::Mixed(visit.draws.double(REMAINS_WORDS[1])),
        };
        let whole = self.plan.card.command_time(work, command.len(), answer.len());
        answer.clear();
        // Past the last moment the card has done everything and only its answer is lost.
        let power = Power::fails_at(moment).leaving(remains);
        let _ = self.execute(at, client, command, power, &mut answer);
        whole * u64::from(moment + 1) / u64::from(moments + 2)
    }

    /// Lets the checkers judge what a command did to the card's keys, by those before it and after it. After a power
    /// loss those count that the next power-up will find, and a torn key has no value to be judged.
    pub(super) fn judge_store(&mut self, at: SimTime, card: CardId, witness: &Witness, command: &[u8]) {
        let layout = self.kind.layout();
        let unsettled = self.cards.marks(card).is_unsettled();
        let settled = unsettled.then(|| self.cards.chip(card).settled(&self.kind));
        let (after, torn) = match &settled {
            Some(chip) => (chip.keys(&self.kind), chip.marks().torn()),
            None => (self.cards.keys(card), self.cards.marks(card).torn()),
        };
        for slot in 0..layout.slots() {
            let (old, new) = (&self.keys_before[layout.range(slot)], &after[layout.range(slot)]);
            if old == new || torn & 1 << slot != 0 {
                continue;
            }
            self.ledger.stored(at, card, slot, new);
            if let Err(what) = witness.judge_store(&self.kind, command) {
                self.ledger.violation(at, card, what);
            }
        }
    }

    /// The card's time for a command is over.
    fn card_done(&mut self, at: SimTime, client: ClientId, out: &mut Out) {
        let desk = &mut self.desks[client.index()];
        let reader = std::mem::replace(&mut desk.reader, Reader::Idle);
        let (Reader::Executing { ending, .. }, Some(visit)) = (reader, &mut desk.visit) else { return };
        let parties = Parties { client, card: Some(visit.holder.card) };
        let answered = ending != Execution::Pulled;
        let trace = if answered { Trace::Answer } else { Trace::Pulled };
        self.recorder.trace(at, Trace::Command, parties, &visit.command);
        self.recorder.trace(at, trace, parties, &visit.answer);
        if answered {
            let mut answer = std::mem::take(&mut self.answer);
            std::mem::swap(&mut answer, &mut visit.answer);
            self.step(at, client, ClientInput::CardAnswer(&answer), out);
            self.answer = answer;
        }
        if ending != Execution::Answered {
            self.tally.pulls += 1;
            self.step(at, client, ClientInput::CardGone, out);
        }
    }

    /// A connection is over for its client.
    fn ended(&mut self, at: SimTime, client: ClientId, ending: Ending, out: &mut Out) {
        let desk = &mut self.desks[client.index()];
        desk.reader = Reader::Idle;
        let visit = desk.visit.as_mut().expect("a connection belongs to a visit");
        let holder = visit.holder;
        match ending {
            Ending::Again => {
                let connection = self.next_connection(holder.card);
                let mut visit = self.desks[client.index()].visit.take().expect("the visit goes on");
                visit.reconnect(Seed(self.plan.seed), connection);
                let reset = self.power_up(at, &mut visit);
                let desk = &mut self.desks[client.index()];
                desk.reader = Reader::Resetting { until: at + reset };
                desk.visit = Some(visit);
                return;
            }
            Ending::Completed => {
                self.present.remove(holder.card);
                self.recorder.session_completed(at, visit.origin());
                self.cards.life_mut(holder.card).completed(at);
            }
            Ending::Failed { step, cause } => {
                debug_assert!(cause != Cause::CardPulled || visit.pull.is_some());
                self.recorder.session_failed(at, step, cause);
                let life = self.cards.life_mut(holder.card);
                if matches!(cause, Cause::ServerSaidNo | Cause::CardSaidNo(_)) {
                    life.refusals = life.refusals.saturating_add(1);
                }
                let retry = self.plan.load.retry_visit.zip(holder.visits_left.checked_sub(1));
                if let Some((retry, visits_left)) = retry.filter(|_| !self.is_wanted_back(at, holder.card)) {
                    let arrived = at + retry.after;
                    let holder = Holder { arrived, visits_left, ..holder };
                    out.returns.push(Return { holder, client, why: Why::Again });
                } else {
                    self.present.remove(holder.card);
                }
            }
        }
        self.send_back(at, client, holder.card, out);
        let desk = &mut self.desks[client.index()];
        self.spare_visits.extend(desk.visit.take());
        if let Some(next) = desk.queue.pop_front() {
            self.insert(at, client, next);
        }
    }
}

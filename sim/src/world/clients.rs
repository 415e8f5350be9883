//! What happens at the desks: holders arrive, cards are inserted, answer commands and are pulled out, clients
//! talk to the server.

use keystorm_model::apdu::{self, Command, StatusWord};
use keystorm_model::card::{CardType, CardWork, Power, PowerLost};
use keystorm_model::client::{Cause, ClientEffect, ClientInput, Ending, Step, commands_in_connection};
use keystorm_model::draw::{Seed, owner};
use keystorm_model::fragment;
use keystorm_model::reject::Reject;
use keystorm_model::secure::Direction;
use keystorm_model::server::Due;
use keystorm_model::{CardId, ClientId, ConnectionId, SimTime, Span};
use keystorm_reports::results::Phase;

use crate::check::memory;
use crate::check::witness::Witness;
use crate::plan::{Mishap, PullMoment, SessionPlan};
use crate::record::digest::{Parties, Trace};
use crate::record::tape::{Event, Pulled};

use super::desk::{Execution, Holder, Pull, Reader, Visit};
use super::line::Attempt;
use super::power::{CutAt, draw_remains};
use super::trouble::Source;
use super::{Out, Return, Why, World};

/// Words of a visit's draws that decide whether and where the card is pulled out.
const PULL_WORDS: [u64; 3] = [0, 1, 2];

impl World {
    /// A card holder arrives at `client`, unless the last visit is not over: one card cannot be in two places.
    pub fn arrive(&mut self, client: ClientId, holder: Holder) {
        if self.present.insert(holder.card) {
            self.seat(client, holder);
        } else {
            self.recorder.counts.arrivals_skipped += 1;
            if let Some(tape) = self.recorder.tape(holder.card) {
                tape.push(holder.arrived, Event::Skipped);
            }
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
        let busy = desk.visit.is_some() || matches!(desk.reader, Reader::Down { .. });
        if let Some(tape) = self.recorder.tape(holder.card) {
            tape.push(at, Event::Arrives { client, queued: busy });
        }
        if busy {
            desk.queue.push_back(holder);
        } else {
            self.insert(at, client, holder);
        }
    }

    /// When the desk of `client` wants to be woken.
    pub fn client_due(&self, client: ClientId) -> Option<SimTime> {
        let desk = self.desks[client.index()].due();
        if !self.has_more_than_desks {
            return desk;
        }
        [desk, self.ghost_due(client), self.troubles.client_down(client)].into_iter().flatten().min()
    }

    /// Whether someone is at the desk of `client`.
    pub fn client_is_busy(&self, client: ClientId) -> bool {
        self.desks[client.index()].visit.is_some()
    }

    /// Lets the desk of `client` do what is due at `at`.
    pub fn client_wake(&mut self, at: SimTime, client: ClientId, out: &mut Out) {
        if self.has_more_than_desks {
            if self.crash_client_if_due(at, client, out) {
                return;
            }
            if self.desks[client.index()].due().is_none_or(|due| due > at) {
                return self.wake_ghost(at, client, out);
            }
        }
        let desk = &mut self.desks[client.index()];
        match desk.reader {
            Reader::Resetting { until, pulled: Some(number) } if until <= at => {
                self.tally.placed[number] += 1;
                let ending = Ending::Failed { step: Step::PowerUp, cause: Cause::CardPulled };
                self.ended(at, client, ending, out);
            }
            Reader::Resetting { until, pulled: None } if until <= at => {
                desk.reader = Reader::Idle;
                self.connect(at, client, out);
            }
            Reader::Down { until } if until <= at => {
                desk.reader = Reader::Idle;
                if let Some(next) = desk.queue.pop_front() {
                    self.insert(at, client, next);
                }
            }
            Reader::Executing { until, .. } if until <= at => self.card_done(at, client, out),
            _ => self.step(at, client, ClientInput::Wake, out),
        }
    }

    /// A datagram arrives at `client`, the `order`-th of its line ([`Flight::order`](super::Flight::order)).
    pub fn client_receive(
        &mut self,
        at: SimTime,
        client: ClientId,
        order: u64,
        datagram: &[u8],
        out: &mut Out,
    ) {
        let down = matches!(self.desks[client.index()].reader, Reader::Down { until } if at < until);
        if self.crashes.is_recalled(client, order) || down {
            self.recorder.counts.messages_lost += 1;
            return;
        }
        self.recorder.counts.messages_delivered += 1;
        let parties = Parties { client, card: None };
        self.recorder.trace(at, Trace::AtClient, parties, datagram);
        if !fragment::is_fragment(datagram) {
            return self.client_hears(at, client, datagram, out);
        }
        let mut assembly = self.assemblies.remove(&(client, Direction::Down)).unwrap_or_default();
        match assembly.take(datagram) {
            Ok(Some(message)) => self.client_hears(at, client, message, out),
            Ok(None) => {}
            Err(_) => self.recorder.counts.rejects += 1,
        }
        self.assemblies.insert((client, Direction::Down), assembly);
    }

    /// A whole message has arrived at `client`.
    fn client_hears(&mut self, at: SimTime, client: ClientId, message: &[u8], out: &mut Out) {
        if !self.ghost_receives(at, client, message, out) {
            self.step(at, client, ClientInput::Datagram(message), out);
        }
    }

    /// Puts the holder's card into the reader.
    fn insert(&mut self, at: SimTime, client: ClientId, holder: Holder) {
        let mut visit = self.spare_visits.pop().unwrap_or_else(|| Box::new(Visit::nobody()));
        visit.holder = holder;
        visit.inserted = at;
        visit.authenticated = false;
        visit.reconnect(Seed(self.plan.seed), self.next_connection(holder.card));
        let reader = match self.plan.load.session {
            SessionPlan::Cards => self.power_up(at, client, &mut visit),
            SessionPlan::Probe(_) => Reader::Resetting { until: at, pulled: None },
        };
        let desk = &mut self.desks[client.index()];
        desk.reader = reader;
        desk.visit = Some(visit);
    }

    /// Powers the card of a visit up, which begins a connection; the reader is busy with that for a time.
    pub(super) fn power_up(&mut self, at: SimTime, client: ClientId, visit: &mut Visit) -> Reader {
        self.expect_trouble(at, visit.holder.card, visit.connection);
        if let Some(cut) = self.power_up_cut_short(at, client, visit) {
            return cut;
        }
        let mut memory = self.cards.memory(visit.holder.card);
        let work = visit.card.power_up(&self.kind, &mut memory, &mut Power::steady());
        let work = work.expect("steady power lasts");
        if self.recorder.is_load(at) {
            self.recorder.counts.nvm_writes += u64::from(work.writes);
        }
        if let Some(tape) = self.recorder.tape(visit.holder.card) {
            let (client, connection, writes) = (Some(client), visit.connection, work.writes);
            tape.push(at, Event::Connects { client, connection, writes });
        }
        Reader::Resetting { until: at + self.plan.card.reset_time(work), pulled: None }
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
            let renew = self.server.admissible(visit.holder.card, at).0.renew;
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
        let mut after = None;
        for &effect in &effects.effects {
            match effect {
                ClientEffect::Send { datagram, sequence, copy } => {
                    let attempt = Attempt { direction: Direction::Up, sequence, copy, fragment: 0 };
                    let strike = self.send(at, client, attempt, effects.get(datagram), out);
                    after = after.or(strike);
                }
                // The client learns at once that nobody carries it out.
                ClientEffect::Command(_) if self.card_is_out => {}
                ClientEffect::Command(command) => {
                    self.judge_turn(at, client);
                    self.command(at, client, effects.get(command));
                }
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
                ClientEffect::Rejected(reject) => {
                    self.recorder.counts.rejects += 1;
                    let visit = self.desks[client.index()].visit.as_ref();
                    if let (Reject::BadSeal, Some(visit)) = (reject, visit) {
                        let what = "session data came under another key than the client's".into();
                        self.ledger.violation(at, visit.holder.card, what);
                    }
                }
            }
        }
        effects.clear();
        self.client_out = effects;
        if let Some(strike) = after {
            self.strike_client(at, client, strike, out);
        }
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
        let [whether, which, when] = PULL_WORDS;
        if !self.plan.faults.pull.hit(visit.draws.word(whether)) {
            return;
        }
        let card = visit.holder.card;
        let renewed = renew.map(|due| {
            let (embodiment, way) = self.server.rules().renewal(card, due);
            (way, embodiment.keys(self.kind.shape, due.depth).count() as u32)
        });
        let command = 1 + visit.draws.below(which, commands_in_connection(&self.rules, renewed));
        let moment = match visit.draws.below(when, 3) {
            0 => PullMoment::Before,
            1 => PullMoment::During(None),
            _ => PullMoment::After,
        };
        visit.pull = Some(Pull { command, moment, placed: None });
    }

    /// A card is given its next command when it has answered the one before.
    fn judge_turn(&mut self, at: SimTime, client: ClientId) {
        let desk = &self.desks[client.index()];
        if let (Reader::Executing { .. }, Some(visit)) = (&desk.reader, &desk.visit) {
            let what = "a client gave its card a command that it had given already".into();
            self.ledger.violation(at, visit.holder.card, what);
        }
    }

    /// Gives the card a command. The card works on it at once; its answer comes when it has had its time.
    fn command(&mut self, at: SimTime, client: ClientId, command: &[u8]) {
        let desk = &mut self.desks[client.index()];
        let visit = desk.visit.as_mut().expect("a client gives commands to a card in its reader");
        visit.commands += 1;
        let mut pull = visit.pull.filter(|pull| pull.command == visit.commands).map(|pull| pull.moment);
        let mut crash = None;
        if let Some(strike) = self.troubles.at_command(visit.connection, command) {
            match (strike.mishap, strike.source) {
                (Mishap::Pull(moment), Source::Placed(number)) => {
                    visit.pull = Some(Pull { command: visit.commands, moment, placed: Some(number) });
                    pull = Some(moment);
                }
                (Mishap::ClientCrash { down }, source) => crash = Some((down, source)),
                _ => {}
            }
        }
        visit.command.clear();
        visit.command.extend_from_slice(command);
        let mut answer = std::mem::take(&mut visit.answer);
        answer.clear();
        let card = visit.holder.card;
        let writes_before = self.recorder.tape(card).is_some().then(|| self.cards.writes(card));
        let cut = match (crash, pull, self.troubles.client_down(client)) {
            (Some((down, source)), ..) => Some((CutAt::Drawn, Execution::ClientCrash(down, source))),
            (None, Some(PullMoment::During(moment)), _) => {
                Some((moment.map_or(CutAt::Drawn, CutAt::Moment), Execution::Pulled))
            }
            // The crash itself comes then, whatever the reader does.
            (None, None, Some(crash)) => Some((CutAt::Time(crash), Execution::Answered)),
            (None, ..) => None,
        };
        let cut = cut.and_then(|(when, ending)| {
            let (lasted, pulled) = self.execute_cut_short(at, client, command, when)?;
            Some((ending, at + lasted, Some(pulled)))
        });
        let pull = pull.filter(|moment| !matches!(moment, PullMoment::During(_)));
        let (ending, until, pulled) = match (cut, pull) {
            (Some(cut), _) => cut,
            (None, Some(PullMoment::Before)) => (Execution::Pulled, at, Some(Pulled::Before)),
            (None, _) => {
                let work = self.execute(at, client, command, Power::steady(), &mut answer);
                let work = work.expect("steady power lasts");
                let until = at + self.plan.card.command_time(work, command.len(), answer.len());
                let ending = if pull.is_some() { Execution::AnsweredThenPulled } else { Execution::Answered };
                (ending, until, pull.map(|_| Pulled::After))
            }
        };
        if let Some(before) = writes_before {
            let (command, writes) = (command.to_vec(), self.cards.writes(card) - before);
            let tape = self.recorder.tape(card).expect("it has been seen");
            tape.push(at, Event::Command { command, writes, pulled });
        }
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
        if memory::concerns(command) {
            self.before.take(&self.cards, card);
        }
        let writes_before = if power == Power::steady() { 0 } else { self.cards.writes(card) };
        let mut memory = self.cards.memory(card);
        let done = visit.card.execute(&self.kind, &mut memory, &mut visit.draws, command, &mut power, answer);
        self.crypto.ciphers += done.map_or(0, |work| u64::from(work.proves + work.checks));
        let answered = done.is_ok().then_some(answer.as_slice());
        let mut witness = std::mem::take(&mut visit.witness);
        if self.recorder.is_load(at) {
            let writes = done.map_or_else(|_| self.cards.writes(card) - writes_before, |work| work.writes);
            self.recorder.counts.apdus += 1;
            self.recorder.counts.nvm_writes += u64::from(writes);
        }
        self.judge_command(at, card, &mut witness, command, answered);
        self.desks[client.index()].visit.as_mut().expect("it is still there").witness = witness;
        done
    }

    /// Executes a command while the card loses power. Returns how long it lasted, and the moment; `None`: it would be
    /// over before, and nothing has been done.
    fn execute_cut_short(
        &mut self,
        at: SimTime,
        client: ClientId,
        command: &[u8],
        when: CutAt,
    ) -> Option<(Span, Pulled)> {
        let visit = self.desks[client.index()].visit.as_mut().expect("a card is in the reader");
        // Try it on a copy to learn how many moments there are.
        let mut copy = self.cards.chip(visit.holder.card);
        let (mut power, mut answer) = (Power::steady(), Vec::new());
        let (mut card, mut draws) = (visit.card.clone(), visit.draws.clone());
        let work = card
            .execute(&self.kind, &mut copy.memory(&self.kind), &mut draws, command, &mut power, &mut answer)
            .expect("steady power lasts");
        let whole = self.plan.card.command_time(work, command.len(), answer.len());
        let moments = power.moments_passed();
        let (moment, lasted) = when.resolve(at, whole, moments, &mut visit.draws)?;
        let remains = draw_remains(&mut visit.draws);
        answer.clear();
        // Past the last moment the card has done everything and only its answer is lost.
        let power = Power::fails_at(moment).leaving(remains);
        let _ = self.execute(at, client, command, power, &mut answer);
        Some((lasted, Pulled::During { moment, moments }))
    }

    /// Lets the checkers judge a command and what it did to the card's memory.
    pub(super) fn judge_command(
        &mut self,
        at: SimTime,
        card: CardId,
        witness: &mut Witness,
        command: &[u8],
        answer: Option<&[u8]>,
    ) {
        if memory::concerns(command) {
            self.judge_memory(at, card, witness, command, answer);
        }
        if let Err(what) = witness.see(&self.kind, command, answer) {
            self.ledger.violation(at, card, what);
        }
    }

    /// Judges a card's keys and counters by those before a command and after it. After a power loss those count that
    /// the next power-up will find, and a torn key has no value to be judged.
    fn judge_memory(
        &mut self,
        at: SimTime,
        card: CardId,
        witness: &Witness,
        command: &[u8],
        answer: Option<&[u8]>,
    ) {
        let layout = self.kind.layout();
        let unsettled = self.cards.marks(card).is_unsettled();
        let settled = unsettled.then(|| self.cards.chip(card).settled(&self.kind));
        let (after, tries, torn) = match &settled {
            Some(chip) => (chip.keys(&self.kind), chip.tries(&self.kind), chip.marks().torn()),
            None => (self.cards.keys(card), self.cards.tries(card), self.cards.marks(card).torn()),
        };
        let state = memory::State { tries, torn };
        if let Err(what) = memory::judge(&self.kind, command, answer, self.before.state(), state) {
            self.ledger.violation(at, card, what);
        }
        let inside = self.server.rules().embodiment(card).inside();
        for slot in 0..layout.slots() {
            let (old, new) = (&self.before.keys[layout.range(slot)], &after[layout.range(slot)]);
            if old == new || torn & 1 << slot != 0 {
                continue;
            }
            self.ledger.stored(at, card, slot, new);
            if let Err(what) = witness.judge_store(&self.kind, inside, command, new) {
                self.ledger.violation(at, card, what);
            }
        }
        // What the card has said OK to must be there.
        let ok = answer.and_then(apdu::split_answer).is_some_and(|(_, status)| status == StatusWord::OK);
        if let (true, Some(slot)) = (ok, stored_slot(&self.kind, command)) {
            self.ledger.answered_ok(at, card, slot, &after[layout.range(slot)]);
        }
    }

    /// The card's time for a command is over.
    fn card_done(&mut self, at: SimTime, client: ClientId, out: &mut Out) {
        let desk = &mut self.desks[client.index()];
        if let Reader::Executing { ending: Execution::ClientCrash(down, source), .. } = desk.reader {
            self.count_strike(source);
            return self.crash_client(at, client, down, out);
        }
        let reader = std::mem::replace(&mut desk.reader, Reader::Idle);
        let (Reader::Executing { ending, .. }, Some(visit)) = (reader, &mut desk.visit) else { return };
        let visit_pull = visit.pull.and_then(|pull| pull.placed);
        let parties = Parties { client, card: Some(visit.holder.card) };
        let answered = ending != Execution::Pulled;
        let trace = if answered { Trace::Answer } else { Trace::Pulled };
        self.recorder.trace(at, Trace::Command, parties, &visit.command);
        self.recorder.trace(at, trace, parties, &visit.answer);
        if answered {
            let mut answer = std::mem::take(&mut self.answer);
            std::mem::swap(&mut answer, &mut visit.answer);
            self.card_is_out = ending != Execution::Answered;
            self.step(at, client, ClientInput::CardAnswer(&answer), out);
            self.card_is_out = false;
            self.answer = answer;
        }
        if ending != Execution::Answered {
            match visit_pull {
                Some(number) => self.tally.placed[number] += 1,
                None => self.tally.pulls += 1,
            }
            self.step(at, client, ClientInput::CardGone, out);
        }
    }

    /// A connection is over for its client.
    pub(super) fn ended(&mut self, at: SimTime, client: ClientId, ending: Ending, out: &mut Out) {
        let desk = &mut self.desks[client.index()];
        let down = matches!(desk.reader, Reader::Down { .. });
        if !down {
            desk.reader = Reader::Idle;
        }
        let visit = desk.visit.as_mut().expect("a connection belongs to a visit");
        let holder = visit.holder;
        if let Some(tape) = self.recorder.tape(holder.card) {
            tape.push(at, Event::Ended(ending));
        }
        self.troubles.forget(visit.connection);
        match ending {
            Ending::Again => {
                let connection = self.next_connection(holder.card);
                let mut visit = self.desks[client.index()].visit.take().expect("the visit goes on");
                visit.reconnect(Seed(self.plan.seed), connection);
                let reader = self.power_up(at, client, &mut visit);
                let desk = &mut self.desks[client.index()];
                desk.reader = reader;
                desk.visit = Some(visit);
                return;
            }
            Ending::Completed => {
                self.present.remove(holder.card);
                self.recorder.session_completed(at, visit.origin());
                self.cards.life_mut(holder.card).completed(at);
            }
            Ending::Failed { step, cause } => {
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
        if !down && let Some(next) = desk.queue.pop_front() {
            self.insert(at, client, next);
        }
    }
}

/// The slot of the key that a whole STORE KEY or DERIVE KEY names.
fn stored_slot(kind: &CardType, command: &[u8]) -> Option<usize> {
    let command = Command::parse(command).ok().filter(|command| command.cla & apdu::CLA_CHAINED == 0)?;
    let names_one = matches!(command.ins, apdu::INS_STORE_KEY | apdu::INS_DERIVE_KEY);
    let key = apdu::stored_key(&command).ok().filter(|_| names_one)?;
    kind.shape.slot(key)
}

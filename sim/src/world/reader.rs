//! The card in a client's reader: it is powered up, carries commands out and is pulled out. What the checkers say to a
//! command is in [`jury`](super::jury).

use keystorm_model::card::{CardWork, Power, PowerLost};
use keystorm_model::client::{ClientInput, commands_in_connection};
use keystorm_model::server::Due;
use keystorm_model::{CardId, ClientId, SimTime, Span};

use crate::check::memory;
use crate::check::witness::Witness;
use crate::plan::{Mishap, PullMoment};
use crate::record::digest::{Parties, Trace};
use crate::record::tape::{Event, Pulled};

use super::desk::{Execution, Pull, Reader, Visit};
use super::jury::Jury;
use super::power::{CutAt, draw_remains};
use super::trouble::Source;
use super::{Out, World};

/// Words of a visit's draws that decide whether and where the card is pulled out.
const PULL_WORDS: [u64; 3] = [0, 1, 2];

impl World {
    /// Powers the card of a visit up, which begins a connection; the reader is busy with that for a time.
    pub(super) fn power_up(&mut self, at: SimTime, client: ClientId, visit: &mut Visit) -> Reader {
        self.expect_trouble(at, visit.holder.card, visit.connection);
        if let Some(cut) = self.power_up_cut_short(at, client, visit) {
            return cut;
        }
        let mut memory = self.cards.memory(visit.holder.card);
        let work = visit.card.power_up(&self.kind, &mut memory, &mut Power::steady());
        let work = work.expect("steady power lasts");
        self.powered_up(at, client, visit, work.writes);
        let lasts = if work.writes == 0 { self.reset_time } else { self.plan.card.reset_time(work) };
        Reader::Resetting { until: at + lasts, pulled: None }
    }

    /// Counts the pages that a card wrote while it was powered up.
    pub(super) fn powered_up(&mut self, at: SimTime, client: ClientId, visit: &Visit, writes: u32) {
        if self.recorder.is_load(at) {
            self.recorder.counts.nvm_writes += u64::from(writes);
        }
        if let Some(tape) = self.recorder.tape(visit.holder.card) {
            let (client, connection) = (Some(client), visit.connection);
            tape.push(at, Event::Connects { client, connection, writes });
        }
    }

    /// Decides whether, at which command and at which moment the card will be pulled out of this connection.
    pub(super) fn draw_pull(&mut self, client: ClientId, renew: Option<Due>) {
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
    pub(super) fn judge_turn(&mut self, at: SimTime, client: ClientId) {
        let desk = &self.desks[client.index()];
        if let (Reader::Executing { .. }, Some(visit)) = (&desk.reader, &desk.visit) {
            let what = "a client gave its card a command that it had given already".into();
            self.ledger.violation(at, visit.holder.card, what);
        }
    }

    /// Gives the card a command. The card works on it at once; its answer comes when it has had its time.
    pub(super) fn command(&mut self, at: SimTime, client: ClientId, command: &[u8]) {
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
        self.crypto.ciphers += done.map_or(0, |work| u64::from(work.proves + work.checks + work.derives));
        let answered = done.is_ok().then_some(answer.as_slice());
        if self.recorder.is_load(at) {
            let writes = done.map_or_else(|_| self.cards.writes(card) - writes_before, |work| work.writes);
            self.recorder.counts.apdus += 1;
            self.recorder.counts.nvm_writes += u64::from(writes);
        }
        let (rules, ledger) = (self.server.rules(), &mut self.ledger);
        let mut jury =
            Jury { at, card, kind: &self.kind, cards: &self.cards, before: &self.before, rules, ledger };
        jury.judge(&mut visit.witness, command, answered);
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
        let (rules, ledger) = (self.server.rules(), &mut self.ledger);
        let mut jury =
            Jury { at, card, kind: &self.kind, cards: &self.cards, before: &self.before, rules, ledger };
        jury.judge(witness, command, answer);
    }

    /// The card's time for a command is over.
    pub(super) fn card_done(&mut self, at: SimTime, client: ClientId, out: &mut Out) {
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
}

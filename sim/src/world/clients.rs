//! What happens at the desks: holders arrive and queue, clients connect, talk to the server and end.

use keystorm_model::client::{Cause, ClientEffect, ClientInput, Ending, Step};
use keystorm_model::draw::{Seed, owner};
use keystorm_model::fragment;
use keystorm_model::reject::Reject;
use keystorm_model::secure::Direction;
use keystorm_model::{CardId, ClientId, ConnectionId, SimTime};
use keystorm_reports::results::Phase;

use crate::plan::SessionPlan;
use crate::record::digest::{Parties, Trace};
use crate::record::tape::{Dropped, Event};

use super::desk::{Holder, Reader, Visit};
use super::line::Attempt;
use super::{Out, Return, Why, World};

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
        let recalled = self.crashes.is_recalled(client, order);
        if recalled || down {
            self.recorder.counts.messages_lost += 1;
            if !recalled && let Some(tape) = self.recorder.tape_about(datagram) {
                tape.push(at, Event::Dropped { why: Dropped::ClientDown, datagram: datagram.to_vec() });
            }
            return;
        }
        self.recorder.counts.messages_delivered += 1;
        let parties = Parties { client, card: None };
        self.recorder.trace(at, Trace::AtClient, parties, datagram);
        if !fragment::is_fragment(datagram) {
            return self.client_hears(at, client, datagram, out);
        }
        let mut assembly = self.assembly(client, Direction::Down);
        match assembly.take(datagram) {
            Ok(Some(message)) => self.client_hears(at, client, message, out),
            Ok(None) => {}
            Err(_) => self.recorder.counts.rejects += 1,
        }
        self.put_back(client, Direction::Down, assembly);
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
            // The first command comes before the server has said anything. What other cards have been admitted by now is not
            // asked: within a tick of turmoil's it depends on who comes first.
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

    pub(super) fn step(&mut self, at: SimTime, client: ClientId, input: ClientInput<'_>, out: &mut Out) {
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

//! What happens at the server: datagrams arrive, wait, are served and answered.

use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::fragment;
use keystorm_model::message;
use keystorm_model::outbox::Outbox;
use keystorm_model::reject::Reject;
use keystorm_model::rings::Ring;
use keystorm_model::secure::Direction;
use keystorm_model::server::{Directory, ServerEffect, ServerWork};
use keystorm_model::{ClientId, ConnectionId, SimTime, Span};
use keystorm_reports::results::{Phase, ServerPart, ServerTime};

use crate::plan::{Mishap, SessionPlan};
use crate::record::Origin;
use crate::record::digest::{Parties, Trace};
use crate::record::tape::{Dropped, Event};

use super::line::Attempt;
use super::{Out, World, connection_of, sample};

/// Marks the fate of an answer to a probe that its client no longer waits for.
const LATE_PROBE: u8 = 0x80;

impl World {
    /// A datagram of `client` arrives at the server.
    pub fn server_receive(&mut self, at: SimTime, client: ClientId, datagram: &[u8], out: &mut Out) {
        if self.crashes.is_down(at) {
            self.recorder.counts.messages_lost += 1;
            if let Some(tape) = self.recorder.tape_about(datagram) {
                tape.push(at, Event::Dropped { why: Dropped::ServerDown, datagram: datagram.to_vec() });
            }
        } else if self.station.is_idle(at) {
            self.delivered(at, client, datagram);
            self.serve(at, at, client, datagram, out);
        } else if self.station.enqueue(at, client, datagram) {
            self.delivered(at, client, datagram);
            self.recorder.queue(at, self.station.waiting() as u64);
        } else {
            self.recorder.counts.messages_lost += 1;
            if let Some(tape) = self.recorder.tape_about(datagram) {
                tape.push(at, Event::Dropped { why: Dropped::QueueFull, datagram: datagram.to_vec() });
            }
        }
    }

    /// When a waiting datagram can be served, or the server crashes.
    pub fn server_due(&self) -> Option<SimTime> {
        match (self.station.next_start(), self.crashes.due()) {
            (Some(start), Some(crash)) => Some(start.min(crash)),
            (start, crash) => start.or(crash),
        }
    }

    /// Lets the server crash at `at`, if that is due, or else serves the first waiting datagram from then on.
    pub fn server_wake(&mut self, at: SimTime, out: &mut Out) {
        if self.crash_server_if_due(at) {
            return;
        }
        if let Some(waiting) = self.station.dequeue(at) {
            self.serve(waiting.arrived, at, waiting.client, &waiting.datagram, out);
            self.station.recycle(waiting);
        }
    }

    fn delivered(&mut self, at: SimTime, client: ClientId, datagram: &[u8]) {
        self.recorder.counts.messages_delivered += 1;
        self.recorder.trace(at, Trace::AtServer, Parties { client, card: None }, datagram);
    }

    fn serve(&mut self, arrived: SimTime, start: SimTime, client: ClientId, datagram: &[u8], out: &mut Out) {
        if start > arrived
            && let Some(tape) = self.recorder.tape_about(datagram)
        {
            tape.push(start, Event::Waited(start.since(arrived)));
        }
        if !fragment::is_fragment(datagram) {
            return self.serve_message(arrived, start, client, datagram, out);
        }
        let mut assembly = self.assembly(client, Direction::Up);
        let taken = assembly.take(datagram);
        if let Ok(Some(message)) = taken {
            self.serve_message(arrived, start, client, message, out);
        } else {
            self.recorder.counts.rejects += u64::from(taken.is_err());
            self.occupy(arrived, start, self.plan.server.costs.time_of(ServerWork::default(), 0));
        }
        self.put_back(client, Direction::Up, assembly);
    }

    fn serve_message(
        &mut self,
        arrived: SimTime,
        start: SimTime,
        client: ClientId,
        datagram: &[u8],
        out: &mut Out,
    ) {
        if let Some((Mishap::ServerCrash { after, down }, source)) = self.troubles.crashes_server(datagram) {
            self.count_strike(source);
            return self.crash_at(start, datagram, after, down);
        }
        let mut effects = std::mem::take(&mut self.server_out);
        let work = self.server.step(start, datagram, &mut effects);
        self.listen(start, datagram, &effects);
        self.crypto.ciphers += u64::from(work.proves + work.checks + work.derives);
        // Each message of session data is sealed at one end and opened at the other.
        self.crypto.aeads += 2 * u64::from(work.aeads);
        let service = match self.plan.load.session {
            SessionPlan::Probe(plan) if work.probes > 0 => {
                let mut draws = Seed(self.plan.seed).open(Purpose::Service, connection_of(datagram).0);
                let service = sample::service(plan, &mut draws).as_ns();
                ServerTime::default().with(ServerPart::Probe, service)
            }
            _ => self.plan.server.costs.time_of(work, self.datagrams(&effects)),
        };
        let finish = self.occupy(arrived, start, service);
        for &effect in &effects.effects {
            match effect {
                ServerEffect::Answer { datagram, sequence, copy } => {
                    let attempt = Attempt { direction: Direction::Down, sequence, copy, fragment: 0 };
                    self.answer(start, finish, client, attempt, effects.get(datagram), out);
                }
                ServerEffect::Stale { datagram, sequence } => {
                    // It belongs to no connection that could count it; its repeats must not share one fate.
                    let stales = &mut self.desks[client.index()].stales;
                    *stales = stales.wrapping_add(1);
                    let attempt =
                        Attempt { direction: Direction::Down, sequence, copy: 0x80 | *stales, fragment: 0 };
                    self.answer(start, finish, client, attempt, effects.get(datagram), out);
                }
                ServerEffect::ProbeAnswer { datagram, sequence } => {
                    let copy = self.probe_copy(client, connection_of(effects.get(datagram)));
                    let attempt = Attempt { direction: Direction::Down, sequence, copy, fragment: 0 };
                    self.answer(start, finish, client, attempt, effects.get(datagram), out);
                }
                effect => self.note(finish, true, effect, &effects),
            }
        }
        effects.clear();
        self.server_out = effects;
    }

    /// Occupies a core with a datagram that came at `arrived`, and returns when that is over.
    fn occupy(&mut self, arrived: SimTime, start: SimTime, service: ServerTime) -> SimTime {
        let span = Span::from_ns(service.total());
        self.station.occupy(start, span);
        self.recorder.served(arrived, start, service);
        start + span
    }

    /// How many datagrams are sent.
    fn datagrams(&self, effects: &Outbox<ServerEffect>) -> u64 {
        let sent = effects.effects.iter().filter_map(|effect| effect.datagram());
        sent.map(|datagram| self.line.fragments(effects.get(datagram).len()) as u64).sum()
    }

    /// Lets the checkers hear what the server has just done with `datagram`.
    pub(super) fn listen(&mut self, now: SimTime, datagram: &[u8], effects: &Outbox<ServerEffect>) {
        if !matches!(self.plan.load.session, SessionPlan::Cards) {
            return; // a probe is no dialogue
        }
        if let Some(durable) = &mut self.durable
            && let Ok((header, _)) = message::decode(datagram)
        {
            durable.answered(header.card, self.server.directory());
        }
        let staged = |card| self.server.directory().staged(card).is_some();
        let wrong = self.dialogues.hear(self.server.rules(), now, datagram, effects, &staged);
        for (card, what) in wrong {
            self.ledger.violation(now, card, what);
        }
        let sealed = |effect: &ServerEffect| matches!(effect, ServerEffect::Rejected(Reject::BadSeal));
        if effects.effects.iter().any(sealed)
            && let Ok((header, _)) = message::decode(datagram)
            // Under first-contact an interrupted renewal leaves a working key for good that the server does not have.
            && self.agree_in(header.card, self.kind.shape.working().key(Ring::Internal))
        {
            let what = "session data came under another key than the server's".into();
            self.ledger.violation(now, header.card, what);
        }
    }

    /// The server crashes at a request that it was about to serve: before it acts on it, or as soon as it has.
    fn crash_at(&mut self, at: SimTime, datagram: &[u8], after: bool, down: Span) {
        if after {
            let mut effects = std::mem::take(&mut self.server_out);
            self.server.step(at, datagram, &mut effects);
            self.listen(at, datagram, &effects);
            for &effect in &effects.effects {
                let Some(answer) = effect.datagram() else {
                    self.note(at, true, effect, &effects);
                    continue;
                };
                let copy = if let ServerEffect::Answer { copy, .. } = effect { copy } else { 0 };
                let answer = effects.get(answer);
                if let Some(tape) = self.recorder.tape_about(answer) {
                    tape.push(at, Event::Unsent { copy, datagram: answer.to_vec() });
                }
            }
            effects.clear();
            self.server_out = effects;
        } else {
            self.recorder.forgotten(at, datagram);
        }
        self.crash_server(at, down);
    }

    /// Hands an answer to the line at `finish`, unless the server crashes before.
    fn answer(
        &mut self,
        start: SimTime,
        finish: SimTime,
        client: ClientId,
        attempt: Attempt,
        datagram: &[u8],
        out: &mut Out,
    ) {
        let before = out.flights.len();
        self.send(finish, client, attempt, datagram, out);
        for flight in &out.flights[before..] {
            if !flight.doomed {
                self.crashes.answered(start, finish, client, flight.order);
            }
        }
    }

    /// Tells answers to the same probe apart: the server, which keeps nothing of it, cannot.
    fn probe_copy(&mut self, client: ClientId, connection: ConnectionId) -> u8 {
        let desk = &mut self.desks[client.index()];
        match &mut desk.visit {
            Some(visit) if visit.connection == connection => {
                let copy = visit.probe_answers;
                visit.probe_answers = (copy + 1) % LATE_PROBE;
                copy
            }
            _ => {
                desk.stales = desk.stales.wrapping_add(1);
                LATE_PROBE | desk.stales
            }
        }
    }

    /// Checks what the server did at `at`, and counts it if it belongs to the load.
    pub(super) fn note(&mut self, at: SimTime, load: bool, effect: ServerEffect, out: &Outbox<ServerEffect>) {
        self.recorder.server_did(at, effect);
        let counts = &mut self.recorder.counts;
        match effect {
            ServerEffect::CardRefused(_) => counts.auth_failed += u64::from(load),
            ServerEffect::Authenticated(_) => counts.auth_ok += u64::from(load),
            ServerEffect::Rejected(_) => counts.rejects += u64::from(load),
            ServerEffect::Deferred(_) => counts.updates_deferred += u64::from(load),
            ServerEffect::UpdateStarted { card, connection, due } => {
                counts.updates_started += u64::from(load);
                self.recorder.renewal(due.depth).started += u64::from(load);
                self.ledger.update_started(at, card, connection);
            }
            ServerEffect::Committed { card, connection, due } => {
                let keys = self.cards.keys(card);
                let committed = self.ledger.committed(at, card, connection, due, keys);
                let Some((started, recovered)) = committed else { return };
                self.recorder.counts.updates_recovered += u64::from(recovered);
                self.recorder.renewal(due.depth).recovered += u64::from(recovered);
                if load {
                    self.recorder.renewal(due.depth).committed += 1;
                    self.recorder.counts.updates_committed += 1;
                    self.recorder.bucket(at).updates_committed += 1;
                    let origin = Origin { intended: started, service: started };
                    self.recorder.latency(at, Phase::Update, origin);
                }
            }
            ServerEffect::Promoted { card, offered_in, due } => {
                let keys = self.cards.keys(card);
                let committed = self.ledger.committed(at, card, offered_in, due, keys);
                let Some((_, recovered)) = committed else { return };
                self.recorder.counts.updates_promoted += 1;
                self.recorder.counts.updates_recovered += u64::from(recovered);
                self.recorder.renewal(due.depth).recovered += u64::from(recovered);
            }
            ServerEffect::Interrupted { card, due, .. } => {
                if load {
                    self.recorder.renewal(due.depth).interrupted += 1;
                    self.recorder.counts.updates_interrupted += 1;
                    self.recorder.bucket(at).updates_interrupted += 1;
                    self.ledger.interrupted(card, due);
                }
            }
            ServerEffect::Offered { card, key, value } => {
                let slot = self.kind.shape.slot(key).expect("the server offers existing keys");
                self.ledger.offered(card, slot, out.get(value));
            }
            ServerEffect::SessionOpened { .. } => self.crypto.channels += 2,
            ServerEffect::Answer { .. } | ServerEffect::Stale { .. } | ServerEffect::ProbeAnswer { .. } => {
                unreachable!("what is sent is handled where the line is at hand")
            }
        }
    }
}

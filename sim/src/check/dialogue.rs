//! Watches what the server answers to what, card by card: the order of messages, repeats, dead connections, randoms,
//! commits, stages, and which pair is named.
//!
//! It knows the server by its messages and effects alone, and keeps its own account of them. Of a large fleet it watches
//! about [`WATCHED`] cards.

use std::collections::{BTreeMap, BTreeSet};

use keystorm_model::message::{self, Header, Message};
use keystorm_model::orders::Orders;
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::Ring;
use keystorm_model::server::{Recovery, ServerEffect, ServerRules, Spread};
use keystorm_model::{CardId, ConnectionId, SimTime};
use xxhash_rust::xxh3::xxh3_64;

use super::policy::{Expected, Known, Renewed, Stage};

/// About so many cards are watched.
pub const WATCHED: u32 = 2_000;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Step {
    Challenged,
    CardProved,
    ServerProved,
    Offered,
    Open,
    Over,
}

/// A connection, as its messages show it.
#[derive(Clone, Debug)]
struct Talk {
    id: ConnectionId,
    opened: SimTime,
    last_active: SimTime,
    step: Step,
    sequence: u16,
    /// Hash of the last answer.
    answer: u64,
    /// What it was told; `None` where nobody could tell beforehand.
    told: Option<Expected>,
    pair: [u8; 2],
    update: bool,
}

/// What is known of a card. Its connections are in the order of their numbers.
#[derive(Clone, Debug)]
struct Watched {
    talks: Vec<Talk>,
    known: Known,
    /// Whether a renewal has been offered that was not committed.
    begun: bool,
}

/// The dialogues of a fleet.
pub struct Dialogues {
    issued_now: bool,
    watch_every: u32,
    cards: BTreeMap<CardId, Watched>,
    /// Every Rs, Ro and first Rk that was sent to a card.
    randoms: BTreeSet<(CardId, u64)>,
    /// What was wrong in the step that is being heard.
    wrong: Vec<String>,
}

impl Dialogues {
    /// The dialogues of `cards` cards. `issued_now`: nothing is due at the beginning.
    pub fn new(cards: u32, issued_now: bool) -> Self {
        Dialogues {
            issued_now,
            watch_every: cards.div_ceil(WATCHED).max(1),
            cards: BTreeMap::new(),
            randoms: BTreeSet::new(),
            wrong: Vec::new(),
        }
    }

    /// The server has crashed and started again: its connections are gone.
    pub fn restarted(&mut self) {
        for watched in self.cards.values_mut() {
            watched.talks.clear();
        }
    }

    /// The card has been issued anew: its connections are over.
    pub fn reissued(&mut self, rules: &ServerRules, card: CardId, at: SimTime) {
        if card.0.is_multiple_of(self.watch_every) {
            let watched = Self::watched(&mut self.cards, rules, card, self.issued_now);
            watched.talks.clear();
            watched.known.reissued(at);
            watched.begun = false;
        }
    }

    fn watched<'c>(
        cards: &'c mut BTreeMap<CardId, Watched>,
        rules: &ServerRules,
        card: CardId,
        issued_now: bool,
    ) -> &'c mut Watched {
        cards.entry(card).or_insert_with(|| {
            let known = Known::new(rules.schedule.depths(), issued_now);
            Watched { talks: Vec::new(), known, begun: false }
        })
    }

    /// The server has taken in `datagram` at `now`, with these effects; `staged` says whether its directory now holds a
    /// stage of a card. Returns what was wrong about it.
    pub fn hear<'d>(
        &'d mut self,
        rules: &ServerRules,
        now: SimTime,
        datagram: &[u8],
        out: &Outbox<ServerEffect>,
        staged: &dyn Fn(CardId) -> bool,
    ) -> impl Iterator<Item = (CardId, String)> + use<'d> {
        let card = message::card(datagram).unwrap_or(CardId(u32::MAX));
        self.wrong.clear();
        if card.0.is_multiple_of(self.watch_every)
            && let Ok((header, request)) = message::decode(datagram)
        {
            let watched = Self::watched(&mut self.cards, rules, card, self.issued_now);
            let mut step = Hearing {
                rules,
                now,
                header,
                request,
                watched,
                randoms: &mut self.randoms,
                wrong: &mut self.wrong,
                deferred: false,
            };
            step.hear(out);
            // What a card that waits for its issuer still renews is not followed.
            let followed = rules.recovery == Recovery::StageAndFlip && !watched.known.recalled;
            if followed && watched.known.stage.is_some() != staged(card) {
                let how =
                    if staged(card) { "is left by its commit" } else { "was dropped, or is not durable" };
                self.wrong.push(format!("a stage {how}"));
            }
        }
        self.wrong.drain(..).map(move |what| (card, what))
    }
}

/// One step of the server.
struct Hearing<'a> {
    rules: &'a ServerRules,
    now: SimTime,
    header: Header,
    request: Message<'a>,
    watched: &'a mut Watched,
    randoms: &'a mut BTreeSet<(CardId, u64)>,
    wrong: &'a mut Vec<String>,
    /// Whether the server has said that a renewal which is due has to wait.
    deferred: bool,
}

impl Hearing<'_> {
    fn hear(&mut self, out: &Outbox<ServerEffect>) {
        let (now, idle) = (self.now, self.rules.idle);
        self.watched.talks.retain(|talk| talk.last_active + idle > now);
        let id = self.header.connection;
        let place = self.watched.talks.iter().position(|talk| talk.id == id);
        if let (Message::Bye, Some(place)) = (self.request, place) {
            let talk = self.watched.talks.remove(place);
            let guess = talk.told.is_some_and(|told| told.guess);
            if let (Some(stage), Step::Challenged, true) = (&mut self.watched.known.stage, talk.step, guess) {
                stage.tried = true;
            }
        }
        for &effect in &out.effects {
            match effect {
                ServerEffect::Deferred(_) => self.deferred = true,
                ServerEffect::Answer { datagram, copy, .. } => self.answer(place, out.get(datagram), copy),
                ServerEffect::Committed { card, .. } if card == self.header.card => self.committed(place),
                ServerEffect::Promoted { card, .. } if card == self.header.card => self.promoted(place),
                ServerEffect::UpdateStarted { .. }
                | ServerEffect::SessionOpened { .. }
                | ServerEffect::Authenticated(_) => self.acted(place),
                _ => {}
            }
        }
    }

    fn wrong(&mut self, what: impl Into<String>) {
        self.wrong.push(what.into());
    }

    /// Every action belongs to a request that has not been acted on.
    fn acted(&mut self, place: Option<usize>) {
        let sequence = self.header.sequence;
        match place.map(|place| &self.watched.talks[place]) {
            None => self.wrong("the server acted for a connection that is dead"),
            Some(talk) if sequence == talk.sequence => self.wrong("the server acted twice on a request"),
            Some(_) => {}
        }
    }

    /// An answer was sent.
    fn answer(&mut self, place: Option<usize>, answer: &[u8], copy: u8) {
        let Ok((_, said)) = message::decode(answer) else { return self.wrong("the server sent no message") };
        if let Message::Challenge { update, pair, rs } = said
            && copy == 0
        {
            if place.is_some() {
                self.wrong("the server acted twice on a Hello");
            }
            return self.opened(update, [pair.internal.0, pair.external.0], rs, answer);
        }
        let Some(place) = place else { return self.wrong("the server answered a connection that is dead") };
        let talk = &mut self.watched.talks[place];
        talk.last_active = self.now;
        if copy > 0 {
            if talk.sequence != self.header.sequence || talk.answer != xxh3_64(answer) {
                self.wrong("the server answered a repeat with something else");
            }
            return;
        }
        let repeated = talk.sequence == self.header.sequence;
        (talk.sequence, talk.answer) = (self.header.sequence, xxh3_64(answer));
        if repeated {
            self.wrong("the server acted twice on a request");
        }
        self.said(place, said);
    }

    /// A connection was opened.
    fn opened(&mut self, update: bool, pair: [u8; 2], rs: &[u8], answer: &[u8]) {
        let card = self.header.card;
        self.random("Rs", rs);
        let mut told = self.watched.known.expected(self.rules, card, self.now);
        if self.deferred {
            told = told.map(|due| self.put_off(due));
        }
        if let Some(expected) = told {
            let named = self.rules.shape.internal() - pair[0];
            let right = self.rules.shape.external() - pair[1] == named
                && (named, update) == (expected.pair, expected.renew.is_some());
            if !right {
                let what = if update { ", to renew keys" } else { "" };
                self.wrong(format!("the server named the pair {pair:?}{what}, where {expected:?} was due"));
            }
            if let Some(renewed) = expected.renew {
                self.watched.known.contacted(self.rules, card, renewed, self.now);
            }
        }
        self.watched.talks.push(Talk {
            id: self.header.connection,
            opened: self.now,
            last_active: self.now,
            step: Step::Challenged,
            sequence: self.header.sequence,
            answer: xxh3_64(answer),
            told,
            pair,
            update,
        });
    }

    /// What a connection is told that was to renew keys, and is not admitted.
    fn put_off(&mut self, due: Expected) -> Expected {
        if due.renew.is_none() || !matches!(self.rules.schedule.spread, Spread::Admission(_)) {
            self.wrong("the server put a renewal off that was not due, or that nothing holds back");
        }
        if self.watched.begun || self.watched.known.refused.is_some() {
            self.wrong("the server put a renewal off that it had begun");
        }
        Expected { pair: 0, renew: None, guess: false }
    }

    fn random(&mut self, name: &str, random: &[u8]) {
        if !self.randoms.insert((self.header.card, xxh3_64(random))) {
            self.wrong(format!("the server sent the same random twice, the second time as {name}"));
        }
    }

    /// The first answer to a request of a connection that is alive.
    fn said(&mut self, place: usize, said: Message<'_>) {
        let talk = &self.watched.talks[place];
        let (step, update, pair) = (talk.step, talk.update, talk.pair);
        let guess = talk.told.is_some_and(|told| told.guess);
        let refused = self.rules.shape.internal() - pair[0];
        let next = match (step, self.request, said) {
            (Step::Challenged, Message::CardProof(_), Message::Verdict(proved)) => {
                if let (Some(stage), true) = (&mut self.watched.known.stage, guess) {
                    stage.tried = true;
                }
                if proved {
                    self.watched.talks.drain(..place);
                    let talk = &mut self.watched.talks[0];
                    talk.step = Step::CardProved;
                    return;
                }
                if update {
                    self.watched.known.refused(self.rules, refused);
                }
                Step::Over
            }
            (Step::CardProved, Message::ServerChallenge(_), Message::ServerProof(_)) => Step::ServerProved,
            (Step::ServerProved, Message::ServerVerdict(true), Message::UpdateRandoms { upper, orders })
                if update =>
            {
                if upper.0 != pair[0] {
                    self.wrong("keys are derived with another key than the one that was proved");
                }
                self.offered(place, orders);
                Step::Offered
            }
            (Step::ServerProved, Message::ServerVerdict(true), Message::SessionSeed { internal, ro })
            | (Step::Offered, Message::UpdateVerdict(true), Message::SessionSeed { internal, ro }) => {
                // Another connection of the card may have committed it since.
                let talk = &self.watched.talks[place];
                let (opened, renew) = (talk.opened, talk.told.and_then(|told| told.renew));
                let known = &self.watched.known;
                let due = renew
                    .is_none_or(|renewed| known.is_still_due(self.rules, self.header.card, renewed, opened));
                if step == Step::ServerProved && update && due {
                    self.wrong("a session took the place of a renewal");
                }
                if internal.0 != self.rules.shape.internal() {
                    self.wrong("a session key is made with another key than the working one");
                }
                self.random("Ro", ro);
                Step::Open
            }
            (Step::ServerProved, Message::ServerVerdict(false), Message::Done { again: false }) => {
                if update {
                    self.watched.known.refused(self.rules, refused);
                }
                Step::Over
            }
            (Step::Offered, Message::UpdateVerdict(false), Message::Done { again: false }) => Step::Over,
            (Step::ServerProved, Message::ServerVerdict(true), Message::Done { again: true })
            | (Step::Offered, Message::UpdateVerdict(true), Message::Done { again: true }) => Step::Over,
            (Step::Open, Message::Data(_), Message::DataAnswer(_)) => Step::Open,
            _ => {
                let what = format!("the server answered {:?} in {step:?} out of its order", self.request);
                return self.wrong(what);
            }
        };
        self.watched.talks[place].step = next;
    }

    /// Rk was sent: for just the keys that are to be renewed, and staged where that is the policy.
    fn offered(&mut self, place: usize, orders: Orders<'_>) {
        let (card, rules) = (self.header.card, self.rules);
        let talk = &self.watched.talks[place];
        let (opened, renew) = (talk.opened, talk.told.and_then(|told| told.renew));
        if orders.way().root() {
            self.watched.known.recalled = true;
        }
        let keys: Vec<_> = (0..orders.len()).filter_map(|index| orders.key(index)).collect();
        // What could not be foreseen, since the root was under way, is taken as it comes, also when it is committed.
        let Some(renewed) = renew.or_else(|| renewal_of(rules, card, &keys)) else { return };
        let talk = &mut self.watched.talks[place];
        if talk.told.is_none() {
            let pair = rules.shape.internal() - talk.pair[0];
            talk.told = Some(Expected { pair, renew: Some(renewed), guess: false });
        }
        self.watched.begun = true;
        if keys != expected_keys(rules, card, renewed) {
            self.wrong(format!("the server renews {keys:?} where {renewed:?} was to be renewed"));
        }
        let stage = self.watched.known.stage.filter(|stage| stage.due == renewed);
        if stage.is_none() {
            let mut random = Vec::new();
            orders.random(0, rules.cipher.sizes().renewal_random, &mut random);
            self.random("Rk", &random);
        }
        let root = renewed.depth + 1 == rules.shape.depths();
        if rules.recovery == Recovery::StageAndFlip && !root {
            let new = Stage { due: renewed, opened, tried: false };
            self.watched.known.stage = Some(stage.unwrap_or(new));
        }
    }

    /// The server has committed.
    fn committed(&mut self, place: Option<usize>) {
        let talk = place.map(|place| &self.watched.talks[place]);
        // The answer follows in the same step.
        let right = talk.is_some_and(|talk| {
            talk.step == Step::Offered
                && talk.sequence != self.header.sequence
                && self.request == Message::UpdateVerdict(true)
        });
        if !right {
            return self.wrong("the server committed without the card's OK for that very update");
        }
        let renewed = talk.and_then(|talk| Some((talk.told?.renew?, talk.opened)));
        if let Some((renewed, opened)) = renewed {
            self.watched.known.committed(self.rules, self.header.card, renewed, opened);
            self.watched.begun = false;
        }
    }

    /// The server has committed what it had staged.
    fn promoted(&mut self, place: Option<usize>) {
        let (card, rules) = (self.header.card, self.rules);
        let Some(stage) = self.watched.known.stage else {
            return self.wrong("the server promoted a stage that is not open");
        };
        let step = place.map(|place| self.watched.talks[place].step);
        let runs = stage.due.escalated || rules.embodiment(card).runs();
        let internal_only = !runs && rules.embodiment(card).rings() == [Ring::Internal];
        let right = match (step, self.request) {
            (Some(Step::Challenged), Message::CardProof(_)) => internal_only,
            (Some(Step::ServerProved), Message::ServerVerdict(true)) => !internal_only,
            _ => false,
        };
        if !right {
            return self.wrong("the server promoted a stage without a proof under its keys");
        }
        self.watched.known.committed(rules, card, stage.due, stage.opened);
        self.watched.begun = false;
    }
}

/// The renewal that replaces these keys; `None`: there is no such one, or it is the root's.
fn renewal_of(rules: &ServerRules, card: CardId, keys: &[keystorm_model::rings::KeyRef]) -> Option<Renewed> {
    let depths = 0..rules.shape.depths() - 1;
    let mut all = depths.flat_map(|depth| [false, true].map(|escalated| Renewed { depth, escalated }));
    all.find(|&renewed| expected_keys(rules, card, renewed) == keys)
}

/// The keys that a renewal replaces, in their order.
fn expected_keys(rules: &ServerRules, card: CardId, renewed: Renewed) -> Vec<keystorm_model::rings::KeyRef> {
    let embodiment = rules.embodiment(card);
    let root = renewed.depth + 1 == rules.shape.depths();
    let runs = (renewed.escalated || embodiment.runs()) && !root;
    let shallowest = if runs { 0 } else { renewed.depth };
    let rings: &[Ring] =
        if renewed.escalated { &[Ring::Internal, Ring::External] } else { embodiment.rings() };
    let depths = (shallowest..=renewed.depth).rev();
    let pairs = depths.filter_map(|depth| rules.shape.pair(keystorm_model::Depth(depth)));
    pairs.flat_map(|pair| rings.iter().map(move |&ring| pair.key(ring))).collect()
}

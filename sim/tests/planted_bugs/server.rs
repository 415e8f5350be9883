//! The server alone, sent what a client would send, message by message. Nothing is lost, so that each step has just the
//! answer that the script waits for.

use keystorm::check::dialogue::Dialogues;
use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::message::{self, Header, Message};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::{KeyRef, Pair, Ring, RingShape};
use keystorm_model::server::{
    Directory, Embodiment, MemoryDirectory, Recovery, Schedule, Server, ServerEffect, ServerRules, Stamp,
};
use keystorm_model::suite::{Comparison, SuiteId};
use keystorm_model::{CardId, ConnectionId, SimTime, Span};

const SUITE: SuiteId = SuiteId::Aes128;
const SEED: Seed = Seed(3);
const CARD: CardId = CardId(0);

/// The server, and who listens.
struct Stand {
    server: Option<Server<MemoryDirectory>>,
    rules: ServerRules,
    dialogues: Dialogues,
    connections: u64,
    found: Vec<String>,
}

/// A connection, as far as its client has come.
struct Talk {
    header: Header,
    pair: Pair,
    rs: Vec<u8>,
}

fn stand() -> Stand {
    let shape = RingShape::new(3, 4).expect("Fig. 3 has such rings");
    let rules = ServerRules {
        cipher: SUITE.real(),
        shape,
        comparison: Comparison::Encryption,
        embodiments: vec![Embodiment::One],
        complement: false,
        recovery: Recovery::UntilCommitted,
        escalation: true,
        schedule: Schedule { periods: vec![Span::from_secs(86_400)], ..Schedule::default() },
        response_bytes: 16,
        idle: Span::from_secs(600),
    };
    let mut pairs = vec![0; shape.keys() * SUITE.sizes().pair];
    SEED.open(Purpose::Issue, 0).bytes(0, &mut pairs);
    let directory = MemoryDirectory::new(pairs, shape.keys(), SUITE.sizes().pair, 1, Stamp::NEVER);
    let server = Some(Server::start(rules.clone(), SEED, directory, 1));
    Stand { server, rules, dialogues: Dialogues::new(1, false), connections: 0, found: Vec::new() }
}

impl Stand {
    /// Sends one request; its answer.
    fn send(&mut self, header: Header, request: Message<'_>) -> Vec<u8> {
        let (mut datagram, mut out) = (Vec::new(), Outbox::default());
        message::encode(header, request, &mut datagram);
        let server = self.server.as_mut().expect("it runs");
        server.step(SimTime::ZERO, &datagram, &mut out);
        let staged = |card| server.directory().staged(card).is_some();
        let wrong = self.dialogues.hear(&self.rules, SimTime::ZERO, &datagram, &out, &staged);
        self.found.extend(wrong.map(|(_, what)| what));
        let answer = out.effects.iter().find_map(|&effect| match effect {
            ServerEffect::Answer { datagram, .. } | ServerEffect::Stale { datagram, .. } => Some(datagram),
            _ => None,
        });
        answer.map(|answer| out.get(answer).to_vec()).unwrap_or_default()
    }

    fn hello(&mut self) -> Talk {
        self.connections += 1;
        let header = Header { card: CARD, connection: ConnectionId(self.connections), sequence: 0 };
        let answer = self.send(header, Message::Hello);
        let Ok((_, Message::Challenge { pair, rs, .. })) = message::decode(&answer) else {
            panic!("a Hello is answered by a challenge")
        };
        Talk { header, pair, rs: rs.to_vec() }
    }

    /// Sends the connection's next request.
    fn next(&mut self, talk: &mut Talk, request: Message<'_>) {
        talk.header.sequence += 1;
        self.send(talk.header, request);
    }

    /// The card proves itself.
    fn prove(&mut self, talk: &mut Talk) {
        let slot = self.rules.shape.slot(KeyRef { ring: Ring::Internal, no: talk.pair.internal });
        let slot = slot.expect("the server names existing keys");
        let key = self.server.as_ref().expect("it runs").directory().key(CARD, slot);
        let mut proof = Vec::new();
        SUITE.prove(SUITE.private_half(key), &talk.rs, &mut proof);
        self.next(talk, Message::CardProof(&proof));
    }

    /// The card proves itself, and sends the server a challenge.
    fn authenticate(&mut self, talk: &mut Talk) {
        self.prove(talk);
        self.next(talk, Message::ServerChallenge(&[7; 16]));
    }

    fn restart(&mut self) {
        let directory = self.server.take().expect("it runs").stop();
        self.server = Some(Server::start(self.rules.clone(), SEED, directory, 1));
        self.dialogues.restarted();
    }
}

/// Goes through all that the bugs of the server need; what the checkers report.
pub(crate) fn script() -> Vec<String> {
    [late_ok, card_refuses, update_refused, restart]
        .into_iter()
        .flat_map(|part| {
            let mut stand = stand();
            part(&mut stand);
            stand.found
        })
        .collect()
}

/// The OK of a connection comes after a later one has proved itself.
fn late_ok(stand: &mut Stand) {
    let mut first = stand.hello();
    stand.authenticate(&mut first);
    stand.next(&mut first, Message::ServerVerdict(true));
    let mut second = stand.hello();
    stand.prove(&mut second);
    stand.next(&mut first, Message::UpdateVerdict(true));
}

/// The card refuses the server, twice: one pair deeper each time.
fn card_refuses(stand: &mut Stand) {
    for _ in 0..2 {
        let mut talk = stand.hello();
        stand.authenticate(&mut talk);
        stand.next(&mut talk, Message::ServerVerdict(false));
    }
    stand.hello();
}

/// The card refuses a new key: the renewal stays due, and is done in the end.
fn update_refused(stand: &mut Stand) {
    for ok in [false, true] {
        let mut talk = stand.hello();
        stand.authenticate(&mut talk);
        stand.next(&mut talk, Message::ServerVerdict(true));
        stand.next(&mut talk, Message::UpdateVerdict(ok));
        stand.send(talk.header, Message::UpdateVerdict(ok));
        stand.next(&mut talk, Message::Bye);
    }
    stand.hello();
}

/// The server crashes after a refusal, twice.
fn restart(stand: &mut Stand) {
    for _ in 0..2 {
        let mut talk = stand.hello();
        stand.next(&mut talk, Message::CardProof(&[]));
        stand.restart();
    }
    stand.hello();
}

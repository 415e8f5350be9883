//! One card, one client and the server in memory: no line, no clock, no engine.

use std::time::Duration;

use keystorm_model::apdu::{self, StatusWord};
use keystorm_model::card::{Card, CardRules, CardType, CardWork, Chip, Nvm, Power};
use keystorm_model::client::{Client, ClientEffect, ClientInput, ClientRules, Ending, Retry};
use keystorm_model::draw::{Draws, Purpose, Seed, owner};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::RingShape;
use keystorm_model::server::{
    Embodiment, MemoryDirectory, Recovery, Schedule, Server, ServerEffect, ServerRules, Stamp,
};
use keystorm_model::suite::{Comparison, SuiteId};
use keystorm_model::{CardId, ConnectionId, SimTime, Span};

use crate::measure::by_the_wall;

/// Fig. 3's rings.
pub const SHAPE: RingShape = match RingShape::new(3, 4) {
    Some(shape) => shape,
    None => panic!("Fig. 3 has such rings"),
};
const CARD: CardId = CardId(0);
const SEED: Seed = Seed(1);
/// Between two connections; in each of them the working pair is due.
const PERIOD: Span = Span::from_secs(1);

/// How many operations of each kind, on both sides.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Operations {
    /// Proofs made and checked, key set-up included.
    pub ciphers: u32,
    /// Pairs of keys generated.
    pub generates: u32,
    /// Session channels set up.
    pub channels: u32,
    /// Messages sealed or opened.
    pub aeads: u32,
}

/// The parties.
pub struct Party {
    kind: CardType,
    rules: ClientRules,
    server: Server<MemoryDirectory>,
    issued: Vec<u8>,
    chip: Chip,
    card: Card,
    client: Client,
    draws: Draws,
    connections: u32,
    client_out: Outbox<ClientEffect>,
    server_out: Outbox<ServerEffect>,
    answer: Vec<u8>,
    /// What server and card were sent, if that is to be kept.
    kept: Option<Kept>,
}

/// What was sent in one connection.
#[derive(Default)]
struct Kept {
    requests: Vec<Vec<u8>>,
    commands: Vec<Vec<u8>>,
}

impl Party {
    /// A card of Fig. 3's rings that is due for a renewal at each of its connections, and exchanges one message of session
    /// data of 32 bytes for one of 64.
    pub fn new(suite: SuiteId, embodiment: Embodiment) -> Self {
        Party::of_fleet(suite, Some(embodiment), 1)
    }

    /// The same with a directory of `fleet` cards, which hold the same keys; renewed as `embodiment` says, or never.
    pub fn of_fleet(suite: SuiteId, embodiment: Option<Embodiment>, fleet: usize) -> Self {
        let shape = SHAPE;
        // More renewals than a real card's memory outlasts.
        let nvm = Nvm { endurance: u32::MAX, ..Nvm::standard() };
        let rules = CardRules { nvm, ..CardRules::standard(5) };
        let cipher = suite.real();
        let kind = CardType { cipher, shape, comparison: Comparison::Encryption, rules };
        let sizes = suite.sizes();
        let mut random = vec![0; shape.keys() * sizes.issue_random];
        SEED.open(Purpose::Issue, 0).bytes(0, &mut random);
        let (mut pairs, mut keys) = (Vec::new(), Vec::new());
        for (slot, random) in random.chunks(sizes.issue_random).enumerate() {
            let start = pairs.len();
            suite.issue(random, &mut pairs);
            keys.extend_from_slice(cipher.half_on_card(kind.layout().ring(slot), &pairs[start..]));
        }
        let periods = if embodiment.is_some() { vec![PERIOD] } else { Vec::new() };
        let depths = periods.len();
        let retry = Retry { first: Span::from_secs(2), factor: 2, tries: 5 };
        let rules = ServerRules {
            cipher,
            shape,
            comparison: Comparison::Encryption,
            embodiments: vec![embodiment.unwrap_or(Embodiment::One)],
            complement: false,
            recovery: Recovery::UntilCommitted,
            escalation: false,
            schedule: Schedule { periods, ..Schedule::default() },
            response_bytes: 64,
            idle: Span::from_secs(60),
        };
        let pairs = pairs.repeat(fleet);
        let directory = MemoryDirectory::new(pairs, shape.keys(), sizes.pair, depths, Stamp::NEVER);
        Party {
            kind,
            rules: ClientRules::new(suite, retry, 1, 32),
            server: Server::start(rules, SEED, directory, fleet),
            chip: Chip::issued(&kind, CARD, &keys),
            issued: keys,
            card: Card::unpowered(),
            client: Client::default(),
            draws: Draws::closed(),
            connections: 0,
            client_out: Outbox::default(),
            server_out: Outbox::default(),
            answer: Vec::new(),
            kept: None,
        }
    }

    /// The server as it is now.
    pub fn server(&self) -> Server<MemoryDirectory> {
        self.server.clone()
    }

    /// Lets a new card come, and returns what the server was sent, and when. A copy of the server as it was before gives
    /// the same answers to it.
    pub fn requests_of(&mut self, card: CardId) -> Vec<(SimTime, Vec<u8>)> {
        let requests = self.recorded(card).1.requests;
        requests.into_iter().map(|datagram| (self.now(), datagram)).collect()
    }

    /// Lets a new card come, and returns what it was sent.
    pub fn commands_of(&mut self, card: CardId) -> CardVisit {
        let (chip, kept) = self.recorded(card);
        let connection = ConnectionId(owner(card, self.connections));
        CardVisit { kind: self.kind, chip, connection, commands: kept.commands }
    }

    /// Lets a new card come, and returns it as it was before, and what was sent.
    fn recorded(&mut self, card: CardId) -> (Chip, Kept) {
        let chip = Chip::issued(&self.kind, card, &self.issued);
        self.chip = chip.clone();
        self.kept = Some(Kept::default());
        self.visit(card);
        (chip, self.kept.take().expect("it has been kept"))
    }

    fn now(&self) -> SimTime {
        SimTime::ZERO + PERIOD * u64::from(self.connections)
    }

    /// One connection with its renewal, from Hello to Bye. Returns the operations that it took.
    ///
    /// # Panics
    /// If it does not go well.
    pub fn renew(&mut self) -> Operations {
        self.visit(CARD)
    }

    fn visit(&mut self, card: CardId) -> Operations {
        self.connections += 1;
        let now = self.now();
        let connection = ConnectionId(owner(card, self.connections));
        self.draws.reopen(SEED, Purpose::Visit, connection.0);
        let mut operations = Operations::default();
        self.card
            .power_up(&self.kind, &mut self.chip.memory(&self.kind), &mut Power::steady())
            .expect("steady power lasts");
        self.client.connect(&self.rules, now, card, connection, &mut self.client_out);
        let mut next = 0;
        while let Some(&effect) = self.client_out.effects.get(next) {
            next += 1;
            match effect {
                ClientEffect::Send { datagram, .. } => {
                    if let Some(kept) = &mut self.kept {
                        kept.requests.push(self.client_out.get(datagram).to_vec());
                    }
                    let work = self.server.step(now, self.client_out.get(datagram), &mut self.server_out);
                    operations.ciphers += work.proves + work.checks + work.derives;
                    operations.generates += work.generates;
                    operations.aeads += 2 * work.aeads;
                    for &effect in &self.server_out.effects {
                        if let ServerEffect::Answer { datagram, .. } = effect {
                            let input = ClientInput::Datagram(self.server_out.get(datagram));
                            self.client.step(&self.rules, now, input, &mut self.client_out);
                        }
                        operations.channels +=
                            2 * u32::from(matches!(effect, ServerEffect::SessionOpened { .. }));
                    }
                    self.server_out.clear();
                }
                ClientEffect::Command(command) => {
                    if let Some(kept) = &mut self.kept {
                        kept.commands.push(self.client_out.get(command).to_vec());
                    }
                    self.answer.clear();
                    let mut memory = self.chip.memory(&self.kind);
                    let work = self
                        .card
                        .execute(
                            &self.kind,
                            &mut memory,
                            &mut self.draws,
                            self.client_out.get(command),
                            &mut Power::steady(),
                            &mut self.answer,
                        )
                        .expect("steady power lasts");
                    operations.ciphers += work.proves + work.checks + work.derives;
                    operations.generates += work.generates;
                    let input = ClientInput::CardAnswer(&self.answer);
                    self.client.step(&self.rules, now, input, &mut self.client_out);
                }
                ClientEffect::Ended(ending) => assert_eq!(ending, Ending::Completed),
                _ => {}
            }
        }
        self.client_out.clear();
        operations
    }
}

/// What a card was sent in one connection, and what it was before.
pub struct CardVisit {
    kind: CardType,
    chip: Chip,
    connection: ConnectionId,
    commands: Vec<Vec<u8>>,
}

impl CardVisit {
    /// Powers copies of the card up, one after the other, and sends each the same again. Returns the work of one, and how
    /// long all took.
    ///
    /// # Panics
    /// If the card refuses a command.
    pub fn replay(&self, times: u32) -> (CardWork, Duration) {
        let mut chips = vec![self.chip.clone(); times as usize];
        let (mut card, mut draws, mut answer) = (Card::unpowered(), Draws::closed(), Vec::new());
        by_the_wall(|| {
            let mut sum = CardWork::default();
            for chip in &mut chips {
                sum = CardWork::default();
                draws.reopen(SEED, Purpose::Visit, self.connection.0);
                let mut memory = chip.memory(&self.kind);
                card.power_up(&self.kind, &mut memory, &mut Power::steady()).expect("steady power lasts");
                for command in &self.commands {
                    answer.clear();
                    let steady = &mut Power::steady();
                    let work = card
                        .execute(&self.kind, &mut memory, &mut draws, command, steady, &mut answer)
                        .expect("steady power lasts");
                    let (_, status) = apdu::split_answer(&answer).expect("a card answers with a status word");
                    // A long answer waits in the card, and GET RESPONSE, the next command, fetches it.
                    let went_well = status == StatusWord::OK || status.0 >> 8 == 0x61;
                    assert!(went_well, "what is replayed went well before, and now {:04X}", status.0);
                    sum.proves += work.proves;
                    sum.checks += work.checks;
                    sum.derives += work.derives;
                    sum.generates += work.generates;
                }
            }
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proofs of 2,420 bytes do not fit into one answer.
    #[test]
    fn long_answers_are_replayed_too() {
        let mut party = Party::of_fleet(SuiteId::MlDsa44, None, 1);
        let work = party.commands_of(CARD).replay(2).0;
        assert_eq!((work.proves, work.checks, work.derives), (2, 1, 0));
    }

    #[test]
    fn a_renewal_in_memory_takes_ten_block_operations_and_one_exchange() {
        let mut party = Party::new(SuiteId::Aes128, Embodiment::One);
        let expected = Operations { ciphers: 10, generates: 0, channels: 2, aeads: 4 };
        assert_eq!([party.renew(), party.renew()], [expected; 2]);
    }
}

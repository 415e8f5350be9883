//! The IC card: answers commands, keeps its keys, and enforces by itself what may renew them.
//!
//! A card trusts neither client nor server. What it remembers between two commands is volatile and lies in
//! [`Card`]; what survives a power loss lies in [`Memory`]. Commands and status words are in [`crate::apdu`].

mod memory;

pub use memory::{Memory, Power, PowerLost};

use crate::apdu::{self, Command, StatusWord};
use crate::draw::Draws;
use crate::ids::KeyNo;
use crate::layout::KeyLayout;
use crate::rings::{KeyRef, Pair, Ring, RingShape};
use crate::suite::{Comparison, MAX_RANDOM, SuiteId};

/// What the card enforces beyond the fixed rules of ISO 7816-4 and the claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CardRules {
    /// Failed EXTERNAL AUTHENTICATEs in a row that block an external key, 1..=15 (SW 63CX has one digit).
    pub tries: u8,
    /// Whether a key is stored only if it equals the card's last INTERNAL AUTHENTICATE answer under the upper key.
    pub only_own_answers: bool,
}

/// What all cards of a fleet have in common.
#[derive(Clone, Copy, Debug)]
pub struct CardType {
    /// The cipher suite.
    pub suite: SuiteId,
    /// How many keys there are.
    pub shape: RingShape,
    /// How the server's proof is judged.
    pub comparison: Comparison,
    /// What the card enforces.
    pub rules: CardRules,
}

impl CardType {
    /// Where the keys lie in a card's memory.
    pub const fn layout(&self) -> KeyLayout {
        KeyLayout::on_card(self.shape, self.suite.sizes())
    }
}

/// How often a command used each part of the card that takes time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CardWork {
    /// Operations with a ring key, key set-up included.
    pub ciphers: u32,
    /// Challenges drawn.
    pub randoms: u32,
    /// Atomic writes to non-volatile memory.
    pub writes: u32,
}

/// A card's volatile state: lost at reset, and when the card is pulled out.
#[derive(Clone, Debug)]
pub struct Card {
    challenge: Option<[u8; MAX_RANDOM]>,
    /// The key of the last INTERNAL AUTHENTICATE, and what was answered.
    last_under: Option<KeyNo>,
    last_answer: Vec<u8>,
    server: Option<ServerProof>,
    challenges_drawn: u32,
}

/// A live EXTERNAL AUTHENTICATE: the server is authenticated with external key `with`, and `under` is the key of the
/// last INTERNAL AUTHENTICATE before it.
#[derive(Clone, Copy, Debug)]
struct ServerProof {
    under: Option<KeyNo>,
    with: KeyNo,
}

/// First word of the card's own randoms within a visit's draws.
pub const RANDOM_WORDS: u64 = 16;
const WORDS_PER_CHALLENGE: u64 = 8;

enum Failure {
    Refused(StatusWord),
    PowerLost,
}

impl From<StatusWord> for Failure {
    fn from(status: StatusWord) -> Self {
        Failure::Refused(status)
    }
}

impl From<PowerLost> for Failure {
    fn from(PowerLost: PowerLost) -> Self {
        Failure::PowerLost
    }
}

impl Card {
    /// A card that has just been powered up.
    pub const fn powered_up() -> Self {
        Card { challenge: None, last_under: None, last_answer: Vec::new(), server: None, challenges_drawn: 0 }
    }

    /// Clears everything volatile, as a reset does. Challenges already drawn are not drawn again.
    pub fn reset(&mut self) {
        (self.challenge, self.last_under, self.server) = (None, None, None);
        self.last_answer.clear();
    }

    /// Carries out one command and appends answer data and status word to `answer`. `draws` are the card's own
    /// randoms in this visit. If power fails, nothing is answered and the volatile state is cleared.
    pub fn execute(
        &mut self,
        kind: &CardType,
        memory: &mut Memory<'_>,
        draws: &mut Draws,
        command: &[u8],
        power: &mut Power,
        answer: &mut Vec<u8>,
    ) -> Result<CardWork, PowerLost> {
        let start = answer.len();
        let writes_before = *memory.writes;
        let mut work = CardWork::default();
        let mut run = Execution { card: self, kind, memory, draws, power, work: &mut work };
        let status = match run.dispatch(command, answer) {
            Ok(()) => StatusWord::OK,
            Err(Failure::Refused(status)) => {
                answer.truncate(start);
                status
            }
            Err(Failure::PowerLost) => {
                answer.truncate(start);
                self.reset();
                return Err(PowerLost);
            }
        };
        answer.extend_from_slice(&status.0.to_be_bytes());
        work.writes = *memory.writes - writes_before;
        Ok(work)
    }
}

/// One command being carried out.
struct Execution<'a, 'm> {
    card: &'a mut Card,
    kind: &'a CardType,
    memory: &'a mut Memory<'m>,
    draws: &'a mut Draws,
    power: &'a mut Power,
    work: &'a mut CardWork,
}

impl Execution<'_, '_> {
    fn dispatch(&mut self, bytes: &[u8], answer: &mut Vec<u8>) -> Result<(), Failure> {
        let command = Command::parse(bytes)?;
        match (command.cla, command.ins) {
            (apdu::CLA_ISO, apdu::INS_GET_CHALLENGE) => self.get_challenge(&command, answer),
            (apdu::CLA_ISO, apdu::INS_INTERNAL_AUTHENTICATE) => self.internal_authenticate(&command, answer),
            (apdu::CLA_ISO, apdu::INS_EXTERNAL_AUTHENTICATE) => self.external_authenticate(&command),
            (apdu::CLA_OWN, apdu::INS_STORE_KEY) => self.store_key(&command),
            (apdu::CLA_ISO | apdu::CLA_OWN, _) => Err(StatusWord::WRONG_INS.into()),
            _ => Err(StatusWord::WRONG_CLA.into()),
        }
    }

    /// The slot of a key that a command refers to.
    fn slot(&self, key: KeyRef) -> Result<usize, StatusWord> {
        self.kind.shape.slot(key).ok_or(StatusWord::NO_KEY)
    }

    /// Draws Ra. It serves one EXTERNAL AUTHENTICATE and replaces an earlier one.
    fn get_challenge(&mut self, command: &Command<'_>, answer: &mut Vec<u8>) -> Result<(), Failure> {
        let length = self.kind.suite.sizes().challenge;
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::WRONG_P1_P2.into());
        }
        if !command.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        match command.expected {
            Some(256) => {}
            Some(expected) if expected as usize == length => {}
            _ => return Err(StatusWord::exact_length(length).into()),
        }
        let word = RANDOM_WORDS + u64::from(self.card.challenges_drawn) * WORDS_PER_CHALLENGE;
        self.card.challenges_drawn += 1;
        let mut challenge = [0; MAX_RANDOM];
        self.draws.bytes(word, &mut challenge[..length]);
        self.work.randoms += 1;
        self.card.challenge = Some(challenge);
        answer.extend_from_slice(&challenge[..length]);
        Ok(())
    }

    /// Answers a challenge with an internal key. Free for everyone: it comes before the server is authenticated.
    fn internal_authenticate(&mut self, command: &Command<'_>, answer: &mut Vec<u8>) -> Result<(), Failure> {
        let sizes = self.kind.suite.sizes();
        let no = apdu::referenced_key(command.p2).ok_or(StatusWord::WRONG_P1_P2)?;
        if command.p1 != 0 {
            return Err(StatusWord::WRONG_P1_P2.into());
        }
        let slot = self.slot(KeyRef { ring: Ring::Internal, no })?;
        if command.data.len() != sizes.challenge && command.data.len() != sizes.renewal_random {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let start = answer.len();
        self.kind.suite.prove(self.memory.key(self.kind.layout(), slot), command.data, answer);
        self.work.ciphers += 1;
        self.card.last_under = Some(no);
        self.card.last_answer.clear();
        self.card.last_answer.extend_from_slice(&answer[start..]);
        Ok(())
    }

    /// Checks the server's answer to the last challenge. An attempt that fails for any reason ends the
    /// authentication that was alive; asking for the tries left is no attempt. The try is taken before the
    /// comparison and given back on success, so that pulling the card out gains nothing.
    fn external_authenticate(&mut self, command: &Command<'_>) -> Result<(), Failure> {
        let sizes = self.kind.suite.sizes();
        let no = apdu::referenced_key(command.p2).ok_or(StatusWord::WRONG_P1_P2)?;
        if command.p1 != 0 {
            return Err(StatusWord::WRONG_P1_P2.into());
        }
        let slot = self.slot(KeyRef { ring: Ring::External, no })?;
        let index = usize::from(no.0) - 1;
        let tries = self.memory.tries[index];
        if command.data.is_empty() {
            let left = if tries == 0 { StatusWord::BLOCKED } else { StatusWord::tries_left(tries) };
            return Err(left.into());
        }
        self.card.server = None;
        if tries == 0 {
            return Err(StatusWord::BLOCKED.into());
        }
        if command.data.len() != sizes.proof {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let challenge = self.card.challenge.take().ok_or(StatusWord::CONDITIONS)?;
        self.memory.write_tries(index, tries - 1, self.power)?;
        self.work.ciphers += 1;
        let key = self.memory.key(self.kind.layout(), slot);
        let challenge = &challenge[..sizes.challenge];
        if !self.kind.suite.check(key, challenge, command.data, self.kind.comparison) {
            return Err(StatusWord::tries_left(tries - 1).into());
        }
        self.memory.write_tries(index, self.kind.rules.tries, self.power)?;
        self.card.server = Some(ServerProof { under: self.card.last_under, with: no });
        Ok(())
    }

    /// Stores a new key, if the authentication that is alive may renew it (claims 6 to 9).
    fn store_key(&mut self, command: &Command<'_>) -> Result<(), Failure> {
        let key = apdu::stored_key(command)?;
        self.slot(key)?;
        if command.data.len() != self.kind.suite.sizes().seed {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let Some(ServerProof { under: Some(under), with }) = self.card.server else {
            return Err(StatusWord::SECURITY.into());
        };
        let used = Pair { internal: under, external: with };
        if !self.kind.shape.permits(used, key) {
            return Err(StatusWord::SECURITY.into());
        }
        if self.kind.rules.only_own_answers {
            let own = self.card.last_under == Some(under) && self.card.last_answer == command.data;
            if !own {
                return Err(StatusWord::SECURITY.into());
            }
        }
        let tries = self.kind.rules.tries;
        let (suite, ring) = (self.kind.suite, key.ring);
        let mut pair = Vec::new();
        suite.grow(command.data, &mut pair);
        let value = suite.half_on_card(ring, &pair);
        self.memory.write_key(self.kind.layout(), self.kind.shape, key, value, tries, self.power)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;

//! The IC card: answers commands, keeps its keys, and enforces by itself what may renew them.
//!
//! A card trusts neither client nor server. What it remembers between two commands is volatile and lies in
//! [`Card`]; what survives a power loss lies in [`Memory`]. Commands and status words are in [`crate::apdu`].
//!
//! | To read about | open |
//! |---|---|
//! | chaining and GET RESPONSE | `exchange` |
//! | authentication | `authenticate` |
//! | what may renew a key, and how it is done | `renew` |
//! | the file tree | [`files`] |
//! | pages, tears and recovery | `nvm`, `pages`, `power` |
//! | the wire | [`transport`] |

mod authenticate;
mod exchange;
pub mod files;
mod nvm;
mod pages;
mod power;
mod renew;
pub mod transport;

pub use nvm::{Chip, Marks, Memory, Nvm, PageLayout, WriteMode, most_worn, writes_of};
pub use power::{Power, PowerLost, Remains};

use crate::apdu::{self, Command, StatusWord};
use crate::draw::Draws;
use crate::ids::KeyNo;
use crate::layout::KeyLayout;
use crate::planted::{self, Bug};
use crate::rings::{KeyRef, Pair, RenewalRule, Ring, RingShape};
use crate::suite::{Cipher, Comparison, MAX_RANDOM};

use exchange::{Chain, Waiting};
use files::{Df, Selected};
use nvm::Unwritten;
use pages::{Pages, Value};
use transport::Protocol;

/// What the card enforces beyond the fixed rules of ISO 7816-4, and what it is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CardRules {
    /// Failed EXTERNAL AUTHENTICATEs in a row that block an external key, 1..=15 (SW 63CX has one digit).
    pub tries: u8,
    /// Whether a key is stored only if it equals the card's last INTERNAL AUTHENTICATE answer under the upper key.
    pub only_own_answers: bool,
    /// Which authentication renews which key.
    pub renewal: RenewalRule,
    /// Whether the root pair may renew itself \[0058\], the one exception to `renewal`.
    pub root_self_renewal: bool,
    /// Whether DF1, to which the keys belong, is selected by a reset (ISO 7816-4, 8.2.1.1: implicit selection).
    pub implicit_df: bool,
    /// How commands reach the card.
    pub protocol: Protocol,
    /// Its memory.
    pub nvm: Nvm,
}

impl CardRules {
    /// The rules of claims 6 to 9, with so many tries, over T=1.
    pub const fn standard(tries: u8) -> Self {
        CardRules {
            tries,
            only_own_answers: true,
            renewal: RenewalRule::Below,
            root_self_renewal: false,
            implicit_df: true,
            protocol: Protocol::T1,
            nvm: Nvm::standard(),
        }
    }
}

/// What all cards of a fleet have in common.
#[derive(Clone, Copy, Debug)]
pub struct CardType {
    /// The cipher suite.
    pub cipher: Cipher,
    /// How many keys there are.
    pub shape: RingShape,
    /// How the server's proof is judged.
    pub comparison: Comparison,
    /// What the card enforces.
    pub rules: CardRules,
}

impl CardType {
    /// Where the keys lie in the bytes that a card's memory is kept in here.
    pub const fn layout(&self) -> KeyLayout {
        KeyLayout::on_card(self.shape, self.cipher.kept())
    }

    /// Which pages the keys and counters lie in.
    const fn pages(&self) -> Pages {
        let Nvm { layout, page, .. } = self.rules.nvm;
        let true_layout = KeyLayout::on_card(self.shape, self.cipher.sizes());
        Pages::new(true_layout, self.layout(), self.shape.external() as usize, layout, page as usize)
    }

    /// Bytes of the block that a [`Memory`] is made of: keys, tries left, and four bytes of wear for each page.
    pub const fn memory_bytes(&self) -> usize {
        self.layout().len() + self.shape.external() as usize + 4 * self.pages().count()
    }
}

/// How often a command used each part of the card that takes time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct CardWork {
    /// Challenges answered with an internal key, key set-up included.
    pub proves: u32,
    /// Proofs checked with an external key, key set-up included.
    pub checks: u32,
    /// Proofs of an Rk made, where that is longer than a challenge or the card knows what it is for.
    pub derives: u32,
    /// Pairs of keys generated from a seed: with an asymmetric suite only.
    pub generates: u32,
    /// Challenges drawn.
    pub randoms: u32,
    /// Page writes.
    pub writes: u32,
}

/// A card's volatile state: lost at reset, and when the card is pulled out.
#[derive(Clone, Debug)]
pub struct Card {
    selected: Selected,
    challenge: Option<[u8; MAX_RANDOM]>,
    /// The last two INTERNAL AUTHENTICATE answers, the later one first.
    own_answers: [OwnAnswer; 2],
    server: Option<ServerProof>,
    challenges_drawn: u32,
    chain: Chain,
    waiting: Waiting,
    /// Where a seed and the pair that grows from it are worked out.
    scratch: [Vec<u8>; 2],
}

/// An answer to INTERNAL AUTHENTICATE, and the key that it was made with.
#[derive(Clone, Default, Debug)]
struct OwnAnswer {
    under: Option<KeyNo>,
    bytes: Vec<u8>,
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

impl From<Unwritten> for Failure {
    fn from(unwritten: Unwritten) -> Self {
        match unwritten {
            Unwritten::PowerLost => Failure::PowerLost,
            Unwritten::WornOut => Failure::Refused(StatusWord::MEMORY_FAILURE),
        }
    }
}

impl Default for Card {
    fn default() -> Self {
        Card::unpowered()
    }
}

impl Card {
    /// A card that lies on the table.
    pub const fn unpowered() -> Self {
        const NONE: OwnAnswer = OwnAnswer { under: None, bytes: Vec::new() };
        Card {
            selected: Selected::after_reset(false),
            challenge: None,
            own_answers: [NONE; 2],
            server: None,
            challenges_drawn: 0,
            chain: Chain::none(),
            waiting: Waiting::nothing(),
            scratch: [const { Vec::new() }; 2],
        }
    }

    /// Powers the card up, whoever's state this was: what its memory has to restore is restored first. The draws of its
    /// challenges begin anew. Returns the work of the recovery, which power can fail in too.
    pub fn power_up(
        &mut self,
        kind: &CardType,
        memory: &mut Memory<'_>,
        power: &mut Power,
    ) -> Result<CardWork, PowerLost> {
        self.reset(kind);
        self.challenges_drawn = 0;
        let writes = memory.recover(kind, power)?;
        Ok(CardWork { writes, ..CardWork::default() })
    }

    /// Clears everything volatile, as a reset does. Challenges already drawn are not drawn again.
    pub fn reset(&mut self, kind: &CardType) {
        self.selected = Selected::after_reset(kind.rules.implicit_df);
        self.chain.clear();
        self.waiting.clear();
        if !planted::is(Bug::CardKeepsProofOverReset) {
            self.forget_authentication();
        }
    }

    fn forget_authentication(&mut self) {
        (self.challenge, self.server) = (None, None);
        for answer in &mut self.own_answers {
            answer.under = None;
            answer.bytes.clear();
        }
    }

    /// Carries out one command and appends answer data and status word to `answer`. `draws` are the card's own
    /// randoms in this visit. If power fails, nothing is answered, the volatile state is cleared, and the card must be
    /// powered up again.
    pub fn execute(
        &mut self,
        kind: &CardType,
        memory: &mut Memory<'_>,
        draws: &mut Draws,
        command: &[u8],
        power: &mut Power,
        answer: &mut Vec<u8>,
    ) -> Result<CardWork, PowerLost> {
        assert!(!memory.is_unsettled(), "a card is powered up before it is given a command");
        let start = answer.len();
        let mut work = CardWork::default();
        let mut run = Execution { card: self, kind, memory, draws, power, work: &mut work };
        match run.exchange(command, answer) {
            Ok(status) => answer.extend_from_slice(&status.0.to_be_bytes()),
            Err(Failure::Refused(status)) => {
                answer.truncate(start);
                answer.extend_from_slice(&status.0.to_be_bytes());
            }
            Err(Failure::PowerLost) => {
                answer.truncate(start);
                self.reset(kind);
                return Err(PowerLost);
            }
        }
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
    /// Carries out a command whose data are complete.
    fn dispatch(&mut self, command: &Command<'_>, answer: &mut Vec<u8>) -> Result<(), Failure> {
        match (command.cla, command.ins) {
            (apdu::CLA_ISO, apdu::INS_SELECT) => self.select(command, answer),
            (apdu::CLA_ISO, apdu::INS_READ_BINARY) => self.read_binary(command),
            (apdu::CLA_ISO, apdu::INS_GET_CHALLENGE) => self.get_challenge(command, answer),
            (apdu::CLA_ISO, apdu::INS_INTERNAL_AUTHENTICATE) => self.internal_authenticate(command, answer),
            (apdu::CLA_ISO, apdu::INS_EXTERNAL_AUTHENTICATE) => self.external_authenticate(command),
            (apdu::CLA_OWN, apdu::INS_STORE_KEY) => self.store_key(command),
            (apdu::CLA_OWN, apdu::INS_DERIVE_KEY) => {
                self.derive_key(command)?;
                if planted::is(Bug::CardShowsKey) {
                    answer.extend_from_slice(&self.card.scratch[0]);
                }
                Ok(())
            }
            (apdu::CLA_OWN, apdu::INS_RENEW_ROOT) => self.renew_root(command),
            _ => Err(StatusWord::WRONG_INS.into()),
        }
    }

    /// The slot of a key that a command refers to. Keys belong to DF1.
    fn slot(&self, key: KeyRef) -> Result<usize, StatusWord> {
        if self.card.selected.df != Df::Df1 {
            return Err(StatusWord::NO_KEY);
        }
        self.kind.shape.slot(key).ok_or(StatusWord::NO_KEY)
    }

    /// Refuses a command that needs a key whose checksum does not match.
    fn whole(&self, slot: usize) -> Result<(), StatusWord> {
        if self.memory.is_torn(slot) { Err(StatusWord::KEY_UNUSABLE) } else { Ok(()) }
    }

    fn write(&mut self, value: Value, new: &[u8]) -> Result<(), Failure> {
        self.work.writes += self.memory.write(self.kind, value, new, self.power)?;
        Ok(())
    }

    /// Selects a file. Another DF than the current one ends what was authenticated in it; the same one does not.
    fn select(&mut self, command: &Command<'_>, answer: &mut Vec<u8>) -> Result<(), Failure> {
        let with_information = match command.p2 {
            0x00 => true,
            0x0c => false,
            _ => return Err(StatusWord::WRONG_P1_P2.into()),
        };
        let found = self.card.selected.find(command, self.kind.shape.keys())?;
        // Without Le nothing is answered; T=0, which carries none beside data, answers always.
        let is_asked = command.expected.is_some() || self.fetches(command);
        if with_information && is_asked {
            self.expects(command, found.control_length())?;
            found.control_information(self.memory.number, answer);
        }
        if found.df != self.card.selected.df && !planted::is(Bug::CardKeepsProofOverSelect) {
            self.card.forget_authentication();
        }
        self.card.selected = found;
        Ok(())
    }

    /// Nothing can be read: the only elementary files are internal.
    fn read_binary(&mut self, command: &Command<'_>) -> Result<(), Failure> {
        const SHORT_IDENTIFIER: u8 = 0x80;
        if !command.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let refusal = match self.card.selected.ef {
            _ if command.p1 & SHORT_IDENTIFIER != 0 => StatusWord::NO_FILE,
            Some(_) => StatusWord::SECURITY,
            None => StatusWord::NO_CURRENT_EF,
        };
        Err(refusal.into())
    }
}

#[cfg(test)]
mod tests;

//! What lies between APDUs and commands (ISO 7816-4, 5.3): data in a chain of commands, answers in pieces.

use crate::apdu::{self, Command, StatusWord};

use super::transport::Protocol;
use super::{Execution, Failure};

/// Most bytes of answer data in one APDU.
const PIECE: usize = 256;

/// The beginning of a command, whose end is to follow.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    /// CLA, INS, P1 and P2 without the chaining bit; `None`: there is no chain.
    head: Option<[u8; 4]>,
    data: Vec<u8>,
}

impl Chain {
    pub(super) const fn none() -> Self {
        Chain { head: None, data: Vec::new() }
    }

    pub(super) fn clear(&mut self) {
        self.head = None;
        self.data.clear();
    }
}

/// An answer that the reader has not fetched whole.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    data: Vec<u8>,
    /// Bytes of it that have been fetched.
    fetched: usize,
}

impl Waiting {
    pub(super) const fn nothing() -> Self {
        Waiting { data: Vec::new(), fetched: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.data.clear();
        self.fetched = 0;
    }

    /// Takes from an answer whose data begin at `start` what there is no room for at once.
    pub(super) fn keep(&mut self, answer: &mut Vec<u8>, start: usize, room: usize) -> StatusWord {
        let end = answer.len().min(start + room);
        self.data.extend_from_slice(&answer[end..]);
        answer.truncate(end);
        self.status()
    }

    const fn left(&self) -> usize {
        self.data.len() - self.fetched
    }

    /// 61XX while something is left.
    const fn status(&self) -> StatusWord {
        if self.left() == 0 { StatusWord::OK } else { StatusWord::more(self.left()) }
    }
}

/// Whether a command with this class and instruction carries data; `None` if there is no such command.
const fn carries_data(cla: u8, ins: u8) -> Option<bool> {
    match (cla, ins) {
        (
            apdu::CLA_ISO,
            apdu::INS_SELECT | apdu::INS_INTERNAL_AUTHENTICATE | apdu::INS_EXTERNAL_AUTHENTICATE,
        )
        | (apdu::CLA_OWN, apdu::INS_STORE_KEY | apdu::INS_DERIVE_KEY | apdu::INS_RENEW_ROOT) => Some(true),
        (apdu::CLA_ISO, apdu::INS_READ_BINARY | apdu::INS_GET_CHALLENGE | apdu::INS_GET_RESPONSE) => {
            Some(false)
        }
        _ => None,
    }
}

impl Execution<'_, '_> {
    /// Takes one APDU: a link of a chain, the end of one, a whole command, or GET RESPONSE. A chain is dropped by
    /// whatever does not continue it, a waiting answer by whatever does not fetch it.
    pub(super) fn exchange(&mut self, bytes: &[u8], answer: &mut Vec<u8>) -> Result<StatusWord, Failure> {
        let parsed = self.parse(bytes);
        let class = |command: &Command<'_>| command.cla & !apdu::CLA_CHAINED;
        let head = parsed.map(|command| [class(&command), command.ins, command.p1, command.p2]);
        let continues = self.card.chain.head.is_some() && self.card.chain.head == head.ok();
        if !continues {
            self.card.chain.clear();
        }
        let fetches =
            parsed.is_ok_and(|command| (command.cla, command.ins) == (apdu::CLA_ISO, apdu::INS_GET_RESPONSE));
        if !fetches {
            self.card.waiting.clear();
        }
        let (command, head) = (parsed?, head?);
        if !matches!(head[0], apdu::CLA_ISO | apdu::CLA_OWN) {
            return Err(StatusWord::WRONG_CLA.into());
        }
        if fetches {
            return Ok(self.get_response(&command, answer)?);
        }
        if command.cla & apdu::CLA_CHAINED != 0 {
            let linked = self.link(&command, head);
            if linked.is_err() {
                self.card.chain.clear();
            }
            return Ok(linked.map(|()| StatusWord::OK)?);
        }
        if !continues {
            return self.complete(&command, answer);
        }
        let mut data = core::mem::take(&mut self.card.chain.data);
        data.extend_from_slice(command.data);
        let done = self.complete(&Command { data: &data, ..command }, answer);
        self.card.chain.data = data;
        self.card.chain.clear();
        done
    }

    /// Reads an APDU. T=0 has neither extended lengths nor an Le beside data.
    fn parse<'b>(&self, bytes: &'b [u8]) -> Result<Command<'b>, StatusWord> {
        let command = Command::parse(bytes)?;
        if self.kind.rules.protocol == Protocol::T0 {
            let short = if command.data.is_empty() {
                bytes.len() <= 5
            } else {
                bytes.len() == 5 + command.data.len() && command.expected.is_none()
            };
            if !short {
                return Err(StatusWord::WRONG_LENGTH);
            }
        }
        Ok(command)
    }

    /// Keeps the data of a command that is not complete.
    fn link(&mut self, command: &Command<'_>, head: [u8; 4]) -> Result<(), StatusWord> {
        match carries_data(head[0], head[1]) {
            Some(true) => {}
            Some(false) => return Err(StatusWord::NO_CHAINING),
            None => return Err(StatusWord::WRONG_INS),
        }
        let chain = &mut self.card.chain;
        let room = longest_data(self.kind.cipher.sizes()) - chain.data.len();
        if command.data.is_empty() || command.expected.is_some() || command.data.len() > room {
            return Err(StatusWord::WRONG_LENGTH);
        }
        chain.head = Some(head);
        chain.data.extend_from_slice(command.data);
        Ok(())
    }

    /// Carries out a complete command, and keeps what of its answer does not go at once.
    fn complete(&mut self, command: &Command<'_>, answer: &mut Vec<u8>) -> Result<StatusWord, Failure> {
        let start = answer.len();
        self.dispatch(command, answer)?;
        let room = if self.fetches(command) { 0 } else { PIECE };
        Ok(self.card.waiting.keep(answer, start, room))
    }

    /// Whether an answer to this command has to be fetched.
    pub(super) fn fetches(&self, command: &Command<'_>) -> bool {
        self.kind.rules.protocol == Protocol::T0 && !command.data.is_empty()
    }

    /// Refuses an Le that is neither 256 nor just right; more than 256 bytes cannot be had at once.
    pub(super) fn expects(&self, command: &Command<'_>, length: usize) -> Result<(), StatusWord> {
        if self.fetches(command) {
            return Ok(());
        }
        match command.expected {
            Some(expected) if expected as usize >= PIECE || expected as usize == length => Ok(()),
            _ => Err(StatusWord::exact_length(length.min(PIECE))),
        }
    }

    fn get_response(
        &mut self,
        command: &Command<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<StatusWord, StatusWord> {
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::WRONG_P1_P2);
        }
        if !command.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH);
        }
        let waiting = &mut self.card.waiting;
        let left = waiting.left();
        if left == 0 {
            return Err(StatusWord::CONDITIONS);
        }
        let wanted = match command.expected {
            Some(expected) if expected as usize >= PIECE => left.min(PIECE),
            Some(expected) if expected as usize <= left => expected as usize,
            _ => return Err(StatusWord::exact_length(left.min(PIECE))),
        };
        answer.extend_from_slice(&waiting.data[waiting.fetched..][..wanted]);
        waiting.fetched += wanted;
        Ok(waiting.status())
    }
}

/// The longest data of any command: what a chain has room for.
fn longest_data(sizes: crate::suite::Sizes) -> usize {
    sizes.challenge.max(2 * sizes.renewal_random).max(sizes.proof).max(sizes.seed)
}

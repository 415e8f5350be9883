//! A reader's side of a command: one instruction becomes as many APDUs as the protocol needs, and their answers one.
//!
//! Data above 255 bytes are chained, an answer that waits in the card (61XX) is fetched by GET RESPONSE, a wrong Le
//! (6CXX) is put right. A card that never comes to an end is given up.

use crate::apdu::{self, Instruction, StatusWord, short_expected};
use crate::card::transport::{Protocol, get_response};

/// Most bytes of data in a short APDU.
const PIECE: usize = 255;
/// Most bytes of answer to one.
const LONGEST_ANSWER: usize = 256;
/// How often one instruction is followed up by GET RESPONSE or another Le: enough for 16 KiB of answer.
const FOLLOW_UPS: u8 = 64;

/// Where an instruction stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Idle,
    /// A piece of the data has been sent and more are to follow; where they begin.
    Chaining(usize),
    /// The last piece has been sent, or GET RESPONSE.
    Last,
}

/// One instruction on its way to the card and back. Its buffers are used again by the next one.
#[derive(Clone, Debug)]
pub struct Dialogue {
    protocol: Protocol,
    state: State,
    head: [u8; 4],
    /// The data of a command that is chained.
    data: Vec<u8>,
    answer_expected: Option<u8>,
    apdu: Vec<u8>,
    /// What GET RESPONSE has fetched so far.
    answer: Vec<u8>,
    follow_ups: u8,
    /// Whether the last APDU has been put right already.
    corrected: bool,
}

/// What comes next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn<'a> {
    /// This APDU is to be given to the card.
    Apdu(&'a [u8]),
    /// The instruction is done: its answer data, and its status word.
    Done(&'a [u8], StatusWord),
}

/// The card does not answer as a card does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Broken {
    /// An answer without a status word, or one that nobody has asked for.
    Malformed,
    /// It announces more and more, or is content with no Le.
    Endless,
}

impl Dialogue {
    /// A reader that speaks `protocol`.
    pub const fn new(protocol: Protocol) -> Self {
        Dialogue {
            protocol,
            state: State::Idle,
            head: [0; 4],
            data: Vec::new(),
            answer_expected: None,
            apdu: Vec::new(),
            answer: Vec::new(),
            follow_ups: 0,
            corrected: false,
        }
    }

    /// Speaks `protocol` from the next instruction on.
    pub fn speak(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Begins an instruction, and forgets any other; returns its first APDU.
    pub fn begin(&mut self, instruction: Instruction<'_>) -> &[u8] {
        let Instruction { head, data, answer } = instruction;
        self.head = head;
        // T=0 carries data one way only: the answer to a command with data waits for GET RESPONSE.
        let carries_le = self.protocol == Protocol::T1 || data.is_empty();
        self.answer_expected = answer.filter(|_| carries_le).map(short_expected);
        self.answer.clear();
        self.data.clear();
        self.follow_ups = 0;
        self.corrected = false;
        match data.split_at_checked(PIECE) {
            Some((first, rest)) if !rest.is_empty() => {
                self.data.extend_from_slice(data);
                self.state = State::Chaining(PIECE);
                write(&mut self.apdu, chained(head), first, None);
            }
            _ => {
                self.state = State::Last;
                write(&mut self.apdu, head, data, self.answer_expected);
            }
        }
        &self.apdu
    }

    /// Takes the card's answer to the last APDU.
    pub fn answered<'a>(&'a mut self, answer: &'a [u8]) -> Result<Turn<'a>, Broken> {
        let Some((data, status)) = apdu::split_answer(answer) else { return self.give_up(Broken::Malformed) };
        match (self.state, status.0 >> 8) {
            (State::Idle, _) => Err(Broken::Malformed),
            (State::Chaining(start), _) if status == StatusWord::OK => Ok(self.next_piece(start)),
            (State::Chaining(_), _) => {
                self.state = State::Idle;
                Ok(Turn::Done(data, status))
            }
            (State::Last, 0x61) => {
                self.answer.extend_from_slice(data);
                self.corrected = false;
                self.follow_up(|apdu| {
                    apdu.clear();
                    apdu.extend_from_slice(&get_response(status.0 as u8));
                })
            }
            (State::Last, 0x6c) if data.is_empty() && self.asks() => {
                if core::mem::replace(&mut self.corrected, true) {
                    return self.give_up(Broken::Endless);
                }
                self.follow_up(|apdu| *apdu.last_mut().expect("Le is there") = status.0 as u8)
            }
            (State::Last, _) => {
                self.state = State::Idle;
                if self.answer.is_empty() {
                    return Ok(Turn::Done(data, status));
                }
                self.answer.extend_from_slice(data);
                Ok(Turn::Done(&self.answer, status))
            }
        }
    }

    /// Whether the last APDU has an Le that could be put right.
    fn asks(&self) -> bool {
        self.answer_expected.is_some() || self.apdu.get(1) == Some(&apdu::INS_GET_RESPONSE)
    }

    fn next_piece(&mut self, start: usize) -> Turn<'_> {
        let rest = &self.data[start..];
        match rest.split_at_checked(PIECE) {
            Some((piece, more)) if !more.is_empty() => {
                self.state = State::Chaining(start + PIECE);
                write(&mut self.apdu, chained(self.head), piece, None);
            }
            _ => {
                self.state = State::Last;
                write(&mut self.apdu, self.head, rest, self.answer_expected);
            }
        }
        Turn::Apdu(&self.apdu)
    }

    fn follow_up(&mut self, change: impl FnOnce(&mut Vec<u8>)) -> Result<Turn<'_>, Broken> {
        self.follow_ups += 1;
        if self.follow_ups > FOLLOW_UPS {
            return self.give_up(Broken::Endless);
        }
        change(&mut self.apdu);
        Ok(Turn::Apdu(&self.apdu))
    }

    fn give_up(&mut self, why: Broken) -> Result<Turn<'_>, Broken> {
        self.state = State::Idle;
        Err(why)
    }
}

/// How many APDUs an instruction with so many bytes of data takes that is answered with so many bytes.
pub const fn apdus(protocol: Protocol, data: usize, answer: usize) -> u32 {
    let pieces = if data > PIECE { data.div_ceil(PIECE) } else { 1 };
    // The last piece brings the first 256 bytes of an answer, unless T=0 carries data the other way.
    let brought = match protocol {
        Protocol::T0 if data > 0 => 0,
        Protocol::T0 | Protocol::T1 => LONGEST_ANSWER,
    };
    (pieces + answer.saturating_sub(brought).div_ceil(LONGEST_ANSWER)) as u32
}

const fn chained([cla, ins, p1, p2]: [u8; 4]) -> [u8; 4] {
    [cla | apdu::CLA_CHAINED, ins, p1, p2]
}

/// Writes one short APDU.
fn write(apdu: &mut Vec<u8>, head: [u8; 4], data: &[u8], expected: Option<u8>) {
    apdu.clear();
    apdu.extend_from_slice(&head);
    if !data.is_empty() {
        apdu.push(data.len() as u8);
        apdu.extend_from_slice(data);
    }
    apdu.extend(expected);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A card that follows ISO 7816-4 and nothing else: it answers `answer` once it has got a whole command.
    struct FakeCard {
        protocol: Protocol,
        answer: Vec<u8>,
        status: u16,
        /// Whether it wants Le to be exact.
        strict: bool,
        data: Vec<u8>,
        waiting: Vec<u8>,
        apdus: usize,
    }

    impl FakeCard {
        fn new(protocol: Protocol, answer: &[u8]) -> Self {
            let (answer, waiting) = (answer.to_vec(), Vec::new());
            FakeCard { protocol, answer, status: 0x9000, strict: false, data: Vec::new(), waiting, apdus: 0 }
        }

        fn respond(&mut self, apdu: &[u8]) -> Vec<u8> {
            self.apdus += 1;
            let command = apdu::Command::parse(apdu).expect("a reader sends commands");
            assert!(apdu.len() <= 4 + 1 + 255 + 1, "short ones only");
            let says = |data: &[u8], status: u16| [data, &status.to_be_bytes()].concat();
            if command.ins != apdu::INS_GET_RESPONSE {
                if self.protocol == Protocol::T0 {
                    assert!(command.data.is_empty() || command.expected.is_none(), "T=0 has no case 4");
                }
                self.data.extend_from_slice(command.data);
                if command.cla & apdu::CLA_CHAINED != 0 {
                    return says(&[], 0x9000);
                }
                self.waiting = self.answer.clone();
                if self.protocol == Protocol::T0 && !command.data.is_empty() && !self.waiting.is_empty() {
                    return says(&[], StatusWord::more(self.waiting.len()).0);
                }
            }
            if self.waiting.is_empty() {
                return says(&[], self.status);
            }
            let expected = command.expected.expect("an answer is asked for") as usize;
            let piece = self.waiting.len().min(256);
            if expected > piece && (self.strict || expected < 256) {
                return says(&[], 0x6c00 | (piece as u16 & 0xff));
            }
            let rest = self.waiting.split_off(piece.min(expected));
            let piece = std::mem::replace(&mut self.waiting, rest);
            let status =
                if self.waiting.is_empty() { self.status } else { StatusWord::more(self.waiting.len()).0 };
            says(&piece, status)
        }

        fn talk(
            &mut self,
            reader: &mut Dialogue,
            instruction: Instruction<'_>,
        ) -> Result<(Vec<u8>, u16), Broken> {
            let mut apdu = reader.begin(instruction).to_vec();
            loop {
                let answer = self.respond(&apdu);
                match reader.answered(&answer)? {
                    Turn::Apdu(next) => apdu = next.to_vec(),
                    Turn::Done(data, status) => return Ok((data.to_vec(), status.0)),
                }
            }
        }
    }

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|i| (i * 7 % 251) as u8).collect()
    }

    const HEAD: [u8; 4] = [0x80, 0xd8, 1, 0x83];

    #[test]
    fn data_and_answers_of_any_length_arrive_whole_under_either_protocol() {
        let mut readers = Protocol::ALL.map(Dialogue::new);
        for sent in [0, 1, 16, 255, 256, 510, 511, 2_420] {
            for answered in [0, 1, 16, 255, 256, 257, 512, 2_420] {
                for (protocol, reader) in Protocol::ALL.into_iter().zip(&mut readers) {
                    let (data, answer) = (bytes(sent), bytes(answered));
                    let mut card = FakeCard::new(protocol, &answer);
                    let expected = (answered > 0).then_some(answered);
                    let instruction = Instruction { head: HEAD, data: &data, answer: expected };
                    let done = card.talk(reader, instruction);
                    assert_eq!(done, Ok((answer, 0x9000)), "{protocol:?}, {sent} bytes, {answered} back");
                    assert_eq!(card.data, data);
                    let fetched = match protocol {
                        Protocol::T0 if sent > 0 => answered.div_ceil(256),
                        _ => answered.div_ceil(256).saturating_sub(1),
                    };
                    assert_eq!(card.apdus, sent.div_ceil(255).max(1) + fetched);
                }
            }
        }
    }

    #[test]
    fn a_short_command_is_one_apdu_as_it_is_written() {
        let mut reader = Dialogue::new(Protocol::T1);
        let instruction = Instruction::internal_authenticate(crate::KeyNo(3), &[9; 16]);
        let mut apdu = Vec::new();
        instruction.write_short(&mut apdu);
        assert_eq!(reader.begin(instruction), apdu);
        let answer = [&[7; 16][..], &[0x90, 0]].concat();
        assert_eq!(reader.answered(&answer), Ok(Turn::Done(&[7; 16], StatusWord::OK)));
    }

    #[test]
    fn a_wrong_le_is_put_right_once() {
        for (sent, answered) in [(0, 16), (16, 16), (300, 700)] {
            for protocol in Protocol::ALL {
                let (data, answer) = (bytes(sent), bytes(answered));
                let mut card = FakeCard::new(protocol, &answer);
                card.strict = true;
                let instruction = Instruction { head: HEAD, data: &data, answer: Some(256) };
                let done = card.talk(&mut Dialogue::new(protocol), instruction);
                assert_eq!(done, Ok((answer, 0x9000)), "{protocol:?}, {sent} bytes, {answered} back");
            }
        }
        let mut reader = Dialogue::new(Protocol::T1);
        reader.begin(Instruction::get_challenge(16));
        assert_eq!(reader.answered(&[0x6c, 8]), Ok(Turn::Apdu(&[0, 0x84, 0, 0, 8])));
        assert_eq!(reader.answered(&[0x6c, 9]), Err(Broken::Endless));
        reader.begin(Instruction::get_challenge(16));
        assert_eq!(reader.answered(&[0x6c, 8]), Ok(Turn::Apdu(&[0, 0x84, 0, 0, 8])));
        assert_eq!(reader.answered(&[0x61, 8]), Ok(Turn::Apdu(&[0, 0xc0, 0, 0, 8])));
        assert_eq!(reader.answered(&[0x6c, 7]), Ok(Turn::Apdu(&[0, 0xc0, 0, 0, 7])), "another command");
        assert_eq!(reader.answered(&[0x6c, 6]), Err(Broken::Endless));
    }

    #[test]
    fn a_refusal_ends_it_with_its_status_word() {
        let data = bytes(600);
        let instruction = Instruction { head: HEAD, data: &data, answer: None };
        let mut reader = Dialogue::new(Protocol::T1);
        reader.begin(instruction);
        assert_eq!(
            reader.answered(&[0x69, 0x82]),
            Ok(Turn::Done(&[], StatusWord::SECURITY)),
            "at the first piece"
        );
        let mut card = FakeCard::new(Protocol::T0, &[]);
        card.status = 0x6982;
        assert_eq!(card.talk(&mut reader, instruction), Ok((vec![], 0x6982)), "at the last one");
        reader.begin(Instruction::external_authenticate(crate::KeyNo(1), &[0; 16]));
        let wrong_le = StatusWord(0x6c10);
        assert_eq!(reader.answered(&[0x6c, 0x10]), Ok(Turn::Done(&[], wrong_le)), "there was no Le");
    }

    #[test]
    fn a_card_that_never_comes_to_an_end_is_given_up() {
        let mut reader = Dialogue::new(Protocol::T0);
        for announced in [&[0x61, 0x10][..], &[7, 0x61, 0x00]] {
            reader.begin(Instruction::internal_authenticate(crate::KeyNo(3), &[9; 16]));
            let mut turns = 0;
            while let Ok(turn) = reader.answered(announced) {
                assert!(matches!(turn, Turn::Apdu(_)));
                turns += 1;
            }
            assert_eq!(turns, FOLLOW_UPS);
            assert_eq!(reader.answered(&[0x90, 0]), Err(Broken::Malformed), "nobody has asked");
        }
        reader.begin(Instruction::get_challenge(16));
        assert_eq!(reader.answered(&[0x90]), Err(Broken::Malformed));
    }

    #[test]
    fn the_next_instruction_forgets_the_last_one() {
        let mut reader = Dialogue::new(Protocol::T0);
        reader.begin(Instruction::internal_authenticate(crate::KeyNo(3), &[9; 16]));
        assert!(reader.answered(&[0x61, 0x10]).is_ok());
        assert!(reader.answered(&[7, 7, 0x61, 0x0e]).is_ok());
        reader.begin(Instruction::get_challenge(2));
        assert_eq!(reader.answered(&[1, 2, 0x90, 0]), Ok(Turn::Done(&[1, 2], StatusWord::OK)));
    }
}

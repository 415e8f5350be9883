//! ISO 7816-4 command APDUs and status words, as far as the card speaks them.
//!
//! | Command | CLA INS P1 P2 | Body |
//! |---|---|---|
//! | SELECT | 00 A4 how what | file id, name or path; Le if the file's control information is wanted |
//! | READ BINARY | 00 B0 offset | Le |
//! | GET RESPONSE | 00 C0 00 00 | Le |
//! | GET CHALLENGE | 00 84 00 00 | Le |
//! | INTERNAL AUTHENTICATE | 00 88 00 key | challenge, Le |
//! | EXTERNAL AUTHENTICATE | 00 82 00 key | answer to the last challenge; empty: asks for the tries left |
//! | STORE KEY | 80 D8 ring key | what the new key grows from |
//! | DERIVE KEY | 80 DA ring key | the random Rk |
//! | RENEW ROOT | 80 DE 00 00 | the randoms Rk1 and Rk2 |
//!
//! The last three are this project's own: ISO 7816-4 has no command for them. STORE KEY borrows the code of
//! GlobalPlatform's PUT KEY (80 D8), which wraps the key. P2 refers to a key as 80 + number: bit 8 means a key of the
//! current DF. Bit 5 of the class says that more of the same command follows (command chaining).

use crate::ids::KeyNo;
use crate::rings::{KeyRef, Ring};

/// Class of the ISO commands.
pub const CLA_ISO: u8 = 0x00;
/// Class of the proprietary commands.
pub const CLA_OWN: u8 = 0x80;
/// Bit 5 of the class: the command is not complete, the next one continues its data.
pub const CLA_CHAINED: u8 = 0x10;
/// EXTERNAL AUTHENTICATE.
pub const INS_EXTERNAL_AUTHENTICATE: u8 = 0x82;
/// GET CHALLENGE.
pub const INS_GET_CHALLENGE: u8 = 0x84;
/// INTERNAL AUTHENTICATE.
pub const INS_INTERNAL_AUTHENTICATE: u8 = 0x88;
/// SELECT.
pub const INS_SELECT: u8 = 0xa4;
/// READ BINARY.
pub const INS_READ_BINARY: u8 = 0xb0;
/// GET RESPONSE.
pub const INS_GET_RESPONSE: u8 = 0xc0;
/// STORE KEY.
pub const INS_STORE_KEY: u8 = 0xd8;
/// DERIVE KEY.
pub const INS_DERIVE_KEY: u8 = 0xda;
/// RENEW ROOT.
pub const INS_RENEW_ROOT: u8 = 0xde;

/// Whether the card may change a key in answer to a command with this instruction.
pub const fn renews(ins: u8) -> bool {
    matches!(ins, INS_STORE_KEY | INS_DERIVE_KEY | INS_RENEW_ROOT)
}

/// A status word: the last two bytes of every answer (ISO 7816-4, 5.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Done.
    pub const OK: StatusWord = StatusWord(0x9000);
    /// Wrong length.
    pub const WRONG_LENGTH: StatusWord = StatusWord(0x6700);
    /// Memory failure: a page is worn out.
    pub const MEMORY_FAILURE: StatusWord = StatusWord(0x6581);
    /// Command chaining not supported.
    pub const NO_CHAINING: StatusWord = StatusWord(0x6884);
    /// Security status not satisfied.
    pub const SECURITY: StatusWord = StatusWord(0x6982);
    /// Authentication method blocked.
    pub const BLOCKED: StatusWord = StatusWord(0x6983);
    /// Reference data not usable: the key's checksum does not match.
    pub const KEY_UNUSABLE: StatusWord = StatusWord(0x6984);
    /// Conditions of use not satisfied: no challenge is alive, or no answer waits.
    pub const CONDITIONS: StatusWord = StatusWord(0x6985);
    /// Command not allowed: no EF is selected.
    pub const NO_CURRENT_EF: StatusWord = StatusWord(0x6986);
    /// No such file.
    pub const NO_FILE: StatusWord = StatusWord(0x6a82);
    /// Incorrect P1 or P2.
    pub const WRONG_P1_P2: StatusWord = StatusWord(0x6a86);
    /// No such key.
    pub const NO_KEY: StatusWord = StatusWord(0x6a88);
    /// Instruction not supported.
    pub const WRONG_INS: StatusWord = StatusWord(0x6d00);
    /// Class not supported.
    pub const WRONG_CLA: StatusWord = StatusWord(0x6e00);
    /// No precise diagnosis.
    pub const NO_DIAGNOSIS: StatusWord = StatusWord(0x6f00);

    /// 63CX: `tries` tries left, 15 at most.
    pub const fn tries_left(tries: u8) -> Self {
        StatusWord(0x63c0 | (tries & 0x0f) as u16)
    }

    /// 61XX: so many bytes of the answer wait, 256 (as 00) at most.
    pub const fn more(waiting: usize) -> Self {
        let shown = if waiting > 255 { 0 } else { waiting };
        StatusWord(0x6100 | shown as u16)
    }

    /// 6CXX: the exact length to ask for, modulo 256.
    pub const fn exact_length(length: usize) -> Self {
        StatusWord(0x6c00 | (length & 0xff) as u16)
    }
}

/// A command APDU, borrowed from its bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    /// Class.
    pub cla: u8,
    /// Instruction.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// Command data; empty where there is none.
    pub data: &'a [u8],
    /// Le: how many bytes of answer are wanted at most; 256 (65,536 if extended) where the field is 0.
    pub expected: Option<u32>,
}

impl<'a> Command<'a> {
    /// Reads a command in any of the seven forms of ISO 7816-3, 12.1.3; 6700 if its lengths do not add up.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, StatusWord> {
        let (&[cla, ins, p1, p2], body) = bytes.split_first_chunk().ok_or(StatusWord::WRONG_LENGTH)?;
        let command = |data, expected| Command { cla, ins, p1, p2, data, expected };
        let short = |le: u8| if le == 0 { 256 } else { u32::from(le) };
        let long = |le: [u8; 2]| match u16::from_be_bytes(le) {
            0 => 65_536,
            le => u32::from(le),
        };
        match *body {
            [] => Ok(command(&[], None)),
            [le] => Ok(command(&[], Some(short(le)))),
            [0, high, low] => Ok(command(&[], Some(long([high, low])))),
            [0, high, low, ref rest @ ..] => {
                let length = usize::from(u16::from_be_bytes([high, low]));
                match rest.split_at_checked(length).ok_or(StatusWord::WRONG_LENGTH)? {
                    (data @ [_, ..], []) => Ok(command(data, None)),
                    (data @ [_, ..], &[high, low]) => Ok(command(data, Some(long([high, low])))),
                    _ => Err(StatusWord::WRONG_LENGTH),
                }
            }
            [length, ref rest @ ..] => {
                match rest.split_at_checked(length.into()).ok_or(StatusWord::WRONG_LENGTH)? {
                    (data @ [_, ..], []) => Ok(command(data, None)),
                    (data @ [_, ..], &[le]) => Ok(command(data, Some(short(le)))),
                    _ => Err(StatusWord::WRONG_LENGTH),
                }
            }
        }
    }
}

/// The P2 that refers to key `no` of the current DF.
pub const fn key_reference(no: KeyNo) -> u8 {
    0x80 | no.0
}

/// The key number in P2; `None` unless bit 8 is set and bits 7 and 6 are clear.
pub const fn referenced_key(p2: u8) -> Option<KeyNo> {
    if p2 & 0xe0 == 0x80 { Some(KeyNo(p2 & 0x1f)) } else { None }
}

/// A command as a client means it: of any length, before a reader makes APDUs of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Instruction<'a> {
    /// CLA, INS, P1 and P2.
    pub head: [u8; 4],
    /// Command data; empty where there is none.
    pub data: &'a [u8],
    /// How many bytes of answer are expected; 256 or more: as many as come. `None`: a status word only.
    pub answer: Option<usize>,
}

impl<'a> Instruction<'a> {
    /// GET CHALLENGE for `length` bytes.
    pub const fn get_challenge(length: usize) -> Self {
        Instruction { head: [CLA_ISO, INS_GET_CHALLENGE, 0, 0], data: &[], answer: Some(length) }
    }

    /// INTERNAL AUTHENTICATE with internal key `no`, whose answer is as long as it happens to be.
    pub const fn internal_authenticate(no: KeyNo, challenge: &'a [u8]) -> Self {
        let head = [CLA_ISO, INS_INTERNAL_AUTHENTICATE, 0, key_reference(no)];
        Instruction { head, data: challenge, answer: Some(256) }
    }

    /// EXTERNAL AUTHENTICATE with external key `no`; an empty proof asks for the tries left.
    pub const fn external_authenticate(no: KeyNo, proof: &'a [u8]) -> Self {
        let head = [CLA_ISO, INS_EXTERNAL_AUTHENTICATE, 0, key_reference(no)];
        Instruction { head, data: proof, answer: None }
    }

    /// STORE KEY: let `key` be what grows from `seed`.
    pub const fn store_key(key: KeyRef, seed: &'a [u8]) -> Self {
        let head = [CLA_OWN, INS_STORE_KEY, ring_number(key.ring), key_reference(key.no)];
        Instruction { head, data: seed, answer: None }
    }

    /// DERIVE KEY: let `key` be what the card derives from `random`, which is Rk.
    pub const fn derive_key(key: KeyRef, random: &'a [u8]) -> Self {
        let head = [CLA_OWN, INS_DERIVE_KEY, ring_number(key.ring), key_reference(key.no)];
        Instruction { head, data: random, answer: None }
    }

    /// RENEW ROOT with Rk1, for the internal key, and behind it Rk2, for the external one.
    pub const fn renew_root(randoms: &'a [u8]) -> Self {
        Instruction { head: [CLA_OWN, INS_RENEW_ROOT, 0, 0], data: randoms, answer: None }
    }

    /// SELECT of the DF with that name, without its control information.
    pub const fn select_name(name: &'a [u8]) -> Self {
        Instruction { head: [CLA_ISO, INS_SELECT, 0x04, 0x0c], data: name, answer: None }
    }

    /// SELECT of the DF with that name, with its control information.
    pub const fn select_name_fci(name: &'a [u8]) -> Self {
        Instruction { head: [CLA_ISO, INS_SELECT, 0x04, 0x00], data: name, answer: Some(256) }
    }

    /// Appends the whole command as one short APDU. Its data must fit, 255 bytes at most.
    pub fn write_short(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        if !self.data.is_empty() {
            out.push(u8::try_from(self.data.len()).expect("the data fit a short APDU"));
            out.extend_from_slice(self.data);
        }
        out.extend(self.answer.map(short_expected));
    }
}

/// Le of a short APDU: 0 stands for 256, and for more.
pub(crate) const fn short_expected(length: usize) -> u8 {
    if length > 255 { 0 } else { length as u8 }
}

/// P1 of STORE KEY and DERIVE KEY.
const fn ring_number(ring: Ring) -> u8 {
    match ring {
        Ring::Internal => 1,
        Ring::External => 2,
    }
}

/// Appends GET CHALLENGE for `length` bytes.
pub fn get_challenge(length: usize, out: &mut Vec<u8>) {
    Instruction::get_challenge(length).write_short(out);
}

/// Appends INTERNAL AUTHENTICATE with internal key `no`.
pub fn internal_authenticate(no: KeyNo, challenge: &[u8], out: &mut Vec<u8>) {
    Instruction::internal_authenticate(no, challenge).write_short(out);
}

/// Appends EXTERNAL AUTHENTICATE with external key `no`.
pub fn external_authenticate(no: KeyNo, proof: &[u8], out: &mut Vec<u8>) {
    Instruction::external_authenticate(no, proof).write_short(out);
}

/// Appends STORE KEY: let `key` be what grows from `seed`.
pub fn store_key(key: KeyRef, seed: &[u8], out: &mut Vec<u8>) {
    Instruction::store_key(key, seed).write_short(out);
}

/// The key that P1 and P2 of a STORE KEY or DERIVE KEY name.
pub fn stored_key(command: &Command<'_>) -> Result<KeyRef, StatusWord> {
    let ring = match command.p1 {
        1 => Ring::Internal,
        2 => Ring::External,
        _ => return Err(StatusWord::WRONG_P1_P2),
    };
    let no = referenced_key(command.p2).ok_or(StatusWord::WRONG_P1_P2)?;
    Ok(KeyRef { ring, no })
}

/// Splits an answer into its data and its status word; `None` if it is shorter than that.
pub fn split_answer(answer: &[u8]) -> Option<(&[u8], StatusWord)> {
    let (data, status) = answer.split_last_chunk()?;
    Some((data, StatusWord(u16::from_be_bytes(*status))))
}

/// Whether a command is one that stores keys.
pub fn stores_keys(command: &[u8]) -> bool {
    matches!(command, [CLA_OWN, INS_STORE_KEY | INS_DERIVE_KEY | INS_RENEW_ROOT, ..])
}

/// What a command is called in reports.
pub fn name(command: &[u8]) -> &'static str {
    match command.get(1) {
        Some(&INS_EXTERNAL_AUTHENTICATE) => "EXTERNAL AUTHENTICATE",
        Some(&INS_GET_CHALLENGE) => "GET CHALLENGE",
        Some(&INS_INTERNAL_AUTHENTICATE) => "INTERNAL AUTHENTICATE",
        Some(&INS_SELECT) => "SELECT",
        Some(&INS_READ_BINARY) => "READ BINARY",
        Some(&INS_GET_RESPONSE) => "GET RESPONSE",
        Some(&INS_STORE_KEY) => "STORE KEY",
        Some(&INS_DERIVE_KEY) => "DERIVE KEY",
        Some(&INS_RENEW_ROOT) => "RENEW ROOT",
        _ => "unknown command",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(bytes: &[u8]) -> (usize, Option<u32>) {
        let command = Command::parse(bytes).unwrap();
        (command.data.len(), command.expected)
    }

    #[test]
    fn all_seven_forms_are_read() {
        assert_eq!(parsed(&[0, 0x84, 0, 0]), (0, None));
        assert_eq!(parsed(&[0, 0x84, 0, 0, 8]), (0, Some(8)));
        assert_eq!(parsed(&[0, 0x84, 0, 0, 0]), (0, Some(256)));
        assert_eq!(parsed(&[0, 0x84, 0, 0, 0, 1, 0]), (0, Some(256)));
        assert_eq!(parsed(&[0, 0x84, 0, 0, 0, 0, 0]), (0, Some(65_536)));
        assert_eq!(parsed(&[0, 0x88, 0, 0x81, 2, 7, 7]), (2, None));
        assert_eq!(parsed(&[0, 0x88, 0, 0x81, 2, 7, 7, 0]), (2, Some(256)));
        assert_eq!(parsed(&[0, 0x88, 0, 0x81, 0, 0, 2, 7, 7]), (2, None));
        assert_eq!(parsed(&[0, 0x88, 0, 0x81, 0, 0, 2, 7, 7, 0, 9]), (2, Some(9)));
    }

    #[test]
    fn lengths_that_do_not_add_up_are_6700() {
        for bytes in [
            &[0, 0x84, 0][..],
            &[0, 0x88, 0, 0x81, 3, 7, 7],
            &[0, 0x88, 0, 0x81, 2, 7, 7, 0, 0],
            &[0, 0x88, 0, 0x81, 0, 0],
            &[0, 0x88, 0, 0x81, 0, 0, 3, 7, 7],
            &[0, 0x88, 0, 0x81, 0, 0, 2, 7, 7, 0],
            &[0, 0x88, 0, 0x81, 0, 0, 0, 7],
        ] {
            assert_eq!(Command::parse(bytes), Err(StatusWord::WRONG_LENGTH), "{bytes:02x?}");
        }
    }

    #[test]
    fn key_references_carry_five_bits() {
        assert_eq!(referenced_key(0x83), Some(KeyNo(3)));
        assert_eq!(referenced_key(key_reference(KeyNo(31))), Some(KeyNo(31)));
        assert_eq!(referenced_key(0x03), None, "a key of the MF");
        assert_eq!(referenced_key(0xa3), None, "reserved bits");
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = Command::parse(&bytes);
        }
    }
}

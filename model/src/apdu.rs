//! ISO 7816-4 command APDUs and status words, as far as the card speaks them.
//!
//! | Command | CLA INS P1 P2 | Body |
//! |---|---|---|
//! | GET CHALLENGE | 00 84 00 00 | Le |
//! | INTERNAL AUTHENTICATE | 00 88 00 key | challenge, Le |
//! | EXTERNAL AUTHENTICATE | 00 82 00 key | answer to the last challenge; empty: asks for the tries left |
//! | STORE KEY | 80 D8 ring key | the new key |
//!
//! STORE KEY is this project's own: ISO 7816-4 has no command for it, and GlobalPlatform's PUT KEY (80 D8), whose
//! code it borrows, wraps the key. P2 refers to a key as 80 + number: bit 8 means a key of the current DF.

use crate::ids::KeyNo;
use crate::rings::{KeyRef, Ring};

/// Class of the ISO commands.
pub const CLA_ISO: u8 = 0x00;
/// Class of the proprietary commands.
pub const CLA_OWN: u8 = 0x80;
/// EXTERNAL AUTHENTICATE.
pub const INS_EXTERNAL_AUTHENTICATE: u8 = 0x82;
/// GET CHALLENGE.
pub const INS_GET_CHALLENGE: u8 = 0x84;
/// INTERNAL AUTHENTICATE.
pub const INS_INTERNAL_AUTHENTICATE: u8 = 0x88;
/// STORE KEY.
pub const INS_STORE_KEY: u8 = 0xd8;

/// A status word: the last two bytes of every answer (ISO 7816-4, 5.6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Done.
    pub const OK: StatusWord = StatusWord(0x9000);
    /// Wrong length.
    pub const WRONG_LENGTH: StatusWord = StatusWord(0x6700);
    /// Security status not satisfied.
    pub const SECURITY: StatusWord = StatusWord(0x6982);
    /// Authentication method blocked.
    pub const BLOCKED: StatusWord = StatusWord(0x6983);
    /// Conditions of use not satisfied: no challenge is alive.
    pub const CONDITIONS: StatusWord = StatusWord(0x6985);
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

/// Appends GET CHALLENGE for `length` bytes.
pub fn get_challenge(length: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(&[CLA_ISO, INS_GET_CHALLENGE, 0, 0, short_length(length)]);
}

/// Appends INTERNAL AUTHENTICATE with internal key `no`.
pub fn internal_authenticate(no: KeyNo, challenge: &[u8], out: &mut Vec<u8>) {
    with_data([CLA_ISO, INS_INTERNAL_AUTHENTICATE, 0, key_reference(no)], challenge, out);
    out.push(0);
}

/// Appends EXTERNAL AUTHENTICATE with external key `no`.
pub fn external_authenticate(no: KeyNo, proof: &[u8], out: &mut Vec<u8>) {
    with_data([CLA_ISO, INS_EXTERNAL_AUTHENTICATE, 0, key_reference(no)], proof, out);
}

/// Appends STORE KEY: make `value` the key `key`.
pub fn store_key(key: KeyRef, value: &[u8], out: &mut Vec<u8>) {
    let ring = match key.ring {
        Ring::Internal => 1,
        Ring::External => 2,
    };
    with_data([CLA_OWN, INS_STORE_KEY, ring, key_reference(key.no)], value, out);
}

/// The key that P1 and P2 of a STORE KEY name.
pub fn stored_key(command: &Command<'_>) -> Result<KeyRef, StatusWord> {
    let ring = match command.p1 {
        1 => Ring::Internal,
        2 => Ring::External,
        _ => return Err(StatusWord::WRONG_P1_P2),
    };
    let no = referenced_key(command.p2).ok_or(StatusWord::WRONG_P1_P2)?;
    Ok(KeyRef { ring, no })
}

fn with_data(head: [u8; 4], data: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&head);
    out.push(short_length(data.len()));
    out.extend_from_slice(data);
}

fn short_length(length: usize) -> u8 {
    u8::try_from(length).expect("every suite's data fits a short APDU")
}

/// Splits an answer into its data and its status word; `None` if it is shorter than that.
pub fn split_answer(answer: &[u8]) -> Option<(&[u8], StatusWord)> {
    let (data, status) = answer.split_last_chunk()?;
    Some((data, StatusWord(u16::from_be_bytes(*status))))
}

/// What a command is called in reports.
pub fn name(command: &[u8]) -> &'static str {
    match command.get(1) {
        Some(&INS_EXTERNAL_AUTHENTICATE) => "EXTERNAL AUTHENTICATE",
        Some(&INS_GET_CHALLENGE) => "GET CHALLENGE",
        Some(&INS_INTERNAL_AUTHENTICATE) => "INTERNAL AUTHENTICATE",
        Some(&INS_STORE_KEY) => "STORE KEY",
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

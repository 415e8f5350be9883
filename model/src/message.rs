//! What client and server say to each other: one request and one answer per round trip, each one datagram.
//!
//! A datagram is a header of 16 bytes and a body. All numbers are big-endian, variable parts carry their length.
//!
//! ```text
//! offset  0        1      2..6   6..14           14..16
//!         version  kind   card   connection id   sequence number
//! ```
//!
//! The sequence number counts the requests of a connection from 0; an answer carries its request's.

use crate::ids::{CardId, ConnectionId, KeyNo};
use crate::orders::{Orders, Way};
use crate::rings::{Pair, RingShape};

/// Version of the format; the first byte of each datagram.
pub const VERSION: u8 = 1;
/// Length of the header, bytes.
pub const HEADER: usize = 16;

/// The part that all messages share.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The card that the connection is for.
    pub card: CardId,
    /// The connection, as the client numbered it.
    pub connection: ConnectionId,
    /// The request's number within the connection.
    pub sequence: u16,
}

/// A message's body, borrowed from its datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    /// Request: connect (Fig. 4, 1).
    Hello,
    /// Request: Cai, the card's proof (Fig. 4, 4).
    CardProof(&'a [u8]),
    /// Request: Ra, the card's challenge (Fig. 4, 7).
    ServerChallenge(&'a [u8]),
    /// Request: whether the card accepted the server (Fig. 4, 10).
    ServerVerdict(bool),
    /// Request: whether the card stored every new key (Fig. 6, 14).
    UpdateVerdict(bool),
    /// Request: sealed session data.
    Data(&'a [u8]),
    /// Notice: the client leaves. It has no answer.
    Bye,
    /// Request without a card: to be answered, nothing else. It measures line and server.
    Probe,
    /// Answer to `Hello`: Rs, and the pair to use (Fig. 4, 2; \[0050\] in an update).
    Challenge {
        /// Whether the server is going to renew keys in this connection.
        update: bool,
        /// The key numbers m and n.
        pair: Pair,
        /// The challenge for the card.
        rs: &'a [u8],
    },
    /// Answer to `CardProof` (Fig. 4, 5).
    Verdict(bool),
    /// Answer to `ServerChallenge`: Csi, the server's proof (Fig. 4, 8).
    ServerProof(&'a [u8]),
    /// Answer to `ServerVerdict`: what to renew, with which randoms (Fig. 6, 11).
    UpdateRandoms {
        /// Number u of the upper internal key that all are derived with.
        upper: KeyNo,
        /// The keys to renew, and how.
        orders: Orders<'a>,
    },
    /// Answer to `ServerVerdict` or `UpdateVerdict`: Ro and the internal key to use (Fig. 5).
    SessionSeed {
        /// Number of the working internal key.
        internal: KeyNo,
        /// The random that the session key comes from.
        ro: &'a [u8],
    },
    /// Answer to `ServerVerdict` or `UpdateVerdict`: nothing more to do in this connection.
    Done {
        /// Whether the client should connect again for what is still due.
        again: bool,
    },
    /// Answer to `Data`: sealed session data.
    DataAnswer(&'a [u8]),
    /// Answer to anything that belongs to no living connection.
    Stale,
    /// Answer to `Probe`.
    ProbeAnswer,
}

/// Why bytes are not a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WireError {
    /// Shorter than its header or its own lengths say.
    Truncated,
    /// Bytes after the end.
    Trailing,
    /// Another version of the format.
    Version,
    /// No such kind of message.
    Kind,
    /// A field has a value that it cannot have.
    Value,
}

const HELLO: u8 = 0x01;
const CARD_PROOF: u8 = 0x02;
const SERVER_CHALLENGE: u8 = 0x03;
const SERVER_VERDICT: u8 = 0x04;
const UPDATE_VERDICT: u8 = 0x05;
const DATA: u8 = 0x06;
const BYE: u8 = 0x07;
const PROBE: u8 = 0x08;
const CHALLENGE: u8 = 0x81;
const VERDICT: u8 = 0x82;
const SERVER_PROOF: u8 = 0x83;
const UPDATE_RANDOMS: u8 = 0x84;
const SESSION_SEED: u8 = 0x85;
const DONE: u8 = 0x86;
const DATA_ANSWER: u8 = 0x87;
const STALE: u8 = 0x88;
const PROBE_ANSWER: u8 = 0x89;

/// Appends a header for a message of `kind`.
fn put_header(header: Header, kind: u8, out: &mut Vec<u8>) {
    let mut bytes = [0; HEADER];
    bytes[0] = VERSION;
    bytes[1] = kind;
    bytes[2..6].copy_from_slice(&header.card.0.to_be_bytes());
    bytes[6..14].copy_from_slice(&header.connection.0.to_be_bytes());
    bytes[14..].copy_from_slice(&header.sequence.to_be_bytes());
    out.extend_from_slice(&bytes);
}

fn put_field(field: &[u8], out: &mut Vec<u8>) {
    let length = u16::try_from(field.len()).expect("fields are far below 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(field);
}

/// Appends the datagram of `message`. Session data is written by [`start_data`] instead.
pub fn encode(header: Header, message: Message<'_>, out: &mut Vec<u8>) {
    put_header(header, message.kind(), out);
    match message {
        Message::Hello | Message::Bye | Message::Stale | Message::Probe | Message::ProbeAnswer => {}
        Message::CardProof(field)
        | Message::ServerChallenge(field)
        | Message::ServerProof(field)
        | Message::Data(field)
        | Message::DataAnswer(field) => put_field(field, out),
        Message::ServerVerdict(flag)
        | Message::UpdateVerdict(flag)
        | Message::Verdict(flag)
        | Message::Done { again: flag } => out.push(u8::from(flag)),
        Message::Challenge { update, pair, rs } => {
            out.extend_from_slice(&[u8::from(update), pair.internal.0, pair.external.0]);
            put_field(rs, out);
        }
        Message::UpdateRandoms { upper, orders } => {
            out.push(upper.0);
            out.push(orders.way() as u8);
            let (keys, randoms) = orders.parts();
            put_field(keys, out);
            put_field(randoms, out);
        }
        Message::SessionSeed { internal, ro } => {
            out.push(internal.0);
            put_field(ro, out);
        }
    }
}

/// Starts a `Data` or `DataAnswer` datagram whose body will be `sealed` bytes long: appends its header and
/// the length. The caller appends the plain data and seals it in place; the header is what it authenticates.
pub fn start_data(header: Header, answer: bool, sealed: usize, out: &mut Vec<u8>) {
    put_header(header, if answer { DATA_ANSWER } else { DATA }, out);
    let length = u16::try_from(sealed).expect("scenario bounds keep session data below 64 KiB");
    out.extend_from_slice(&length.to_be_bytes());
}

/// The card that a datagram is about, if it is long enough to say so; the rest of it is not looked at.
pub fn card(datagram: &[u8]) -> Option<CardId> {
    let bytes = datagram.get(2..6)?.try_into().ok()?;
    Some(CardId(u32::from_be_bytes(bytes)))
}

/// Reads a datagram.
pub fn decode(datagram: &[u8]) -> Result<(Header, Message<'_>), WireError> {
    let mut reader = Reader { rest: datagram };
    if reader.byte()? != VERSION {
        return Err(WireError::Version);
    }
    let kind = reader.byte()?;
    let header = Header {
        card: CardId(u32::from_be_bytes(reader.array()?)),
        connection: ConnectionId(u64::from_be_bytes(reader.array()?)),
        sequence: u16::from_be_bytes(reader.array()?),
    };
    let message = match kind {
        HELLO => Message::Hello,
        CARD_PROOF => Message::CardProof(reader.field()?),
        SERVER_CHALLENGE => Message::ServerChallenge(reader.field()?),
        SERVER_VERDICT => Message::ServerVerdict(reader.flag()?),
        UPDATE_VERDICT => Message::UpdateVerdict(reader.flag()?),
        DATA => Message::Data(reader.field()?),
        BYE => Message::Bye,
        PROBE => Message::Probe,
        CHALLENGE => Message::Challenge {
            update: reader.flag()?,
            pair: Pair { internal: reader.key_no()?, external: reader.key_no()? },
            rs: reader.field()?,
        },
        VERDICT => Message::Verdict(reader.flag()?),
        SERVER_PROOF => Message::ServerProof(reader.field()?),
        UPDATE_RANDOMS => {
            let upper = reader.key_no()?;
            let way = Way::from_byte(reader.byte()?).ok_or(WireError::Value)?;
            let orders = Orders::new(way, reader.field()?, reader.field()?).ok_or(WireError::Value)?;
            Message::UpdateRandoms { upper, orders }
        }
        SESSION_SEED => Message::SessionSeed { internal: reader.key_no()?, ro: reader.field()? },
        DONE => Message::Done { again: reader.flag()? },
        DATA_ANSWER => Message::DataAnswer(reader.field()?),
        STALE => Message::Stale,
        PROBE_ANSWER => Message::ProbeAnswer,
        _ => return Err(WireError::Kind),
    };
    if !reader.rest.is_empty() {
        return Err(WireError::Trailing);
    }
    Ok((header, message))
}

impl Message<'_> {
    const fn kind(&self) -> u8 {
        match self {
            Message::Hello => HELLO,
            Message::CardProof(_) => CARD_PROOF,
            Message::ServerChallenge(_) => SERVER_CHALLENGE,
            Message::ServerVerdict(_) => SERVER_VERDICT,
            Message::UpdateVerdict(_) => UPDATE_VERDICT,
            Message::Data(_) => DATA,
            Message::Bye => BYE,
            Message::Probe => PROBE,
            Message::Challenge { .. } => CHALLENGE,
            Message::Verdict(_) => VERDICT,
            Message::ServerProof(_) => SERVER_PROOF,
            Message::UpdateRandoms { .. } => UPDATE_RANDOMS,
            Message::SessionSeed { .. } => SESSION_SEED,
            Message::Done { .. } => DONE,
            Message::DataAnswer(_) => DATA_ANSWER,
            Message::Stale => STALE,
            Message::ProbeAnswer => PROBE_ANSWER,
        }
    }

    /// The message's name in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Message::Hello => "Hello",
            Message::CardProof(_) => "CardProof",
            Message::ServerChallenge(_) => "ServerChallenge",
            Message::ServerVerdict(_) => "ServerVerdict",
            Message::UpdateVerdict(_) => "UpdateVerdict",
            Message::Data(_) => "Data",
            Message::Bye => "Bye",
            Message::Probe => "Probe",
            Message::Challenge { .. } => "Challenge",
            Message::Verdict(_) => "Verdict",
            Message::ServerProof(_) => "ServerProof",
            Message::UpdateRandoms { .. } => "UpdateRandoms",
            Message::SessionSeed { .. } => "SessionSeed",
            Message::Done { .. } => "Done",
            Message::DataAnswer(_) => "DataAnswer",
            Message::Stale => "Stale",
            Message::ProbeAnswer => "ProbeAnswer",
        }
    }
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(head)
    }

    fn array<const L: usize>(&mut self) -> Result<[u8; L], WireError> {
        Ok(self.take(L)?.try_into().expect("as many bytes as were taken"))
    }

    fn byte(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    fn flag(&mut self) -> Result<bool, WireError> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Value),
        }
    }

    fn key_no(&mut self) -> Result<KeyNo, WireError> {
        let no = self.byte()?;
        if (1..=RingShape::MAX).contains(&no) { Ok(KeyNo(no)) } else { Err(WireError::Value) }
    }

    fn field(&mut self) -> Result<&'a [u8], WireError> {
        let length = u16::from_be_bytes(self.array()?);
        self.take(length.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEAD: Header =
        Header { card: CardId(0x0102_0304), connection: ConnectionId(0x0a0b_0c0d_0e0f_1011), sequence: 7 };

    const KEYS: [u8; 4] = [0, 3, 1, 4];

    fn every_message() -> Vec<Message<'static>> {
        let orders = Orders::new(Way::InsideCard, &KEYS, &[1; 32]).unwrap();
        let pair = Pair { internal: KeyNo(2), external: KeyNo(3) };
        vec![
            Message::Hello,
            Message::CardProof(&[5; 16]),
            Message::ServerChallenge(&[6; 16]),
            Message::ServerVerdict(true),
            Message::UpdateVerdict(false),
            Message::Data(&[7; 80]),
            Message::Bye,
            Message::Probe,
            Message::Challenge { update: true, pair, rs: &[8; 16] },
            Message::Verdict(true),
            Message::ServerProof(&[9; 16]),
            Message::UpdateRandoms { upper: KeyNo(2), orders },
            Message::SessionSeed { internal: KeyNo(3), ro: &[10; 16] },
            Message::Done { again: true },
            Message::DataAnswer(&[11; 272]),
            Message::Stale,
            Message::ProbeAnswer,
        ]
    }

    #[test]
    fn every_message_survives_the_line() {
        for message in every_message() {
            let mut datagram = Vec::new();
            encode(HEAD, message, &mut datagram);
            assert_eq!(decode(&datagram), Ok((HEAD, message)), "{}", message.name());
        }
    }

    #[test]
    fn a_cut_or_lengthened_message_is_refused() {
        for message in every_message() {
            let mut datagram = Vec::new();
            encode(HEAD, message, &mut datagram);
            for end in 0..datagram.len() {
                assert!(decode(&datagram[..end]).is_err(), "{} cut to {end}", message.name());
            }
            datagram.push(0);
            assert_eq!(decode(&datagram), Err(WireError::Trailing), "{}", message.name());
        }
    }

    #[test]
    fn impossible_values_are_refused() {
        let mut datagram = Vec::new();
        encode(HEAD, Message::Verdict(true), &mut datagram);
        *datagram.last_mut().unwrap() = 2;
        assert_eq!(decode(&datagram), Err(WireError::Value));
        datagram[0] = 9;
        assert_eq!(decode(&datagram), Err(WireError::Version));
        datagram[0] = VERSION;
        datagram[1] = 0x7f;
        assert_eq!(decode(&datagram), Err(WireError::Kind));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), kind: u8) {
            let _ = decode(&bytes);
            if bytes.len() > 1 {
                bytes[0] = VERSION;
                bytes[1] = kind;
                if let Ok((_, Message::UpdateRandoms { orders, .. })) = decode(&bytes) {
                    for i in 0..=orders.len() {
                        prop_assert_eq!(orders.key(i).is_some(), i < orders.len());
                    }
                }
            }
        }
    }
}

//! The wire between card and reader (ISO 7816-3): how many bytes a command takes under either protocol, what a card
//! says of itself in its answer to reset, and how the two agree on a faster speed.

use crate::apdu;

/// Bit rate before any agreement: 3.5712 MHz / 372.
pub const DEFAULT_SPEED: BitRate = BitRate(CLOCK_HZ / 372);
const CLOCK_HZ: u32 = 3_571_200;

/// Bytes of information in a block of T=1 at most, which is what the answer to reset announces.
pub const IFS: usize = 254;
/// Bytes that a block of T=1 adds: prologue of 3, checksum of 1 (11.3).
const BLOCK: usize = 4;
/// Header of a command under T=0, P3 included (10.3).
const HEADER: usize = 5;
/// Bytes of PPSS, PPS0, PPS1 and PCK.
const PPS: usize = 4;

/// A bit rate, in bit/s.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct BitRate(pub u32);

/// How APDUs cross the wire.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// Bytes, one way per command: an answer to a command with data has to be fetched.
    T0,
    /// Blocks, both ways per command.
    T1,
}

impl Protocol {
    /// Both, in the order of the documentation.
    pub const ALL: [Protocol; 2] = [Protocol::T1, Protocol::T0];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::T0 => "T=0",
            Protocol::T1 => "T=1",
        }
    }

    const fn number(self) -> u8 {
        match self {
            Protocol::T0 => 0,
            Protocol::T1 => 1,
        }
    }
}

/// Bytes on the wire, both ways, of a command APDU and its answer of so many bytes.
pub fn wire_bytes(protocol: Protocol, command: usize, answer: usize) -> usize {
    match protocol {
        Protocol::T0 => {
            let data = command.saturating_sub(HEADER) + answer.saturating_sub(2);
            HEADER + usize::from(data > 0) + data + 2
        }
        Protocol::T1 => in_blocks(command) + in_blocks(answer),
    }
}

/// One way under T=1. Every block but the last is acknowledged by an R-block.
fn in_blocks(bytes: usize) -> usize {
    let blocks = bytes.div_ceil(IFS).max(1);
    bytes + BLOCK * blocks + BLOCK * (blocks - 1)
}

/// Bytes of the exchange in which reader and card agree on the speed that the card's answer to reset offers, both
/// ways, at [`DEFAULT_SPEED`]; none if it offers nothing better.
pub fn pps_bytes(protocol: Protocol, speed: BitRate) -> usize {
    let atr = AnswerToReset { protocol, factors: Factors::for_speed(speed), implicit_df: false };
    pps_request(&atr).map_or(0, |request| 2 * request.len())
}

/// A clock rate conversion factor F and a bit rate adjustment factor D, coded as TA1 and PPS1 are (8.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Factors(u8);

/// F by the upper half of the code: those for clocks up to 5 MHz, which ours is.
const CLOCK_FACTORS: [(u8, u32); 2] = [(0x10, 372), (0x90, 512)];
/// D by the lower half.
const RATE_FACTORS: [(u8, u32); 9] =
    [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 64), (8, 12), (9, 20)];

impl Factors {
    /// F = 372 and D = 1.
    pub const DEFAULT: Factors = Factors(0x11);

    /// The fastest factors that are no faster than `speed`; the default ones if all are.
    pub fn for_speed(speed: BitRate) -> Self {
        let all = CLOCK_FACTORS.iter().flat_map(|&(high, f)| RATE_FACTORS.map(|(low, d)| (high | low, f, d)));
        let offered = all.map(|(code, f, d)| (CLOCK_HZ * d / f, code));
        let fastest = offered.filter(|&(rate, _)| rate <= speed.0).max_by_key(|&(rate, _)| rate);
        fastest.map_or(
            Self::DEFAULT,
            |(rate, code)| if rate > DEFAULT_SPEED.0 { Factors(code) } else { Self::DEFAULT },
        )
    }

    /// What TA1 or PPS1 says; `None` for codes that are reserved, or for faster clocks.
    pub fn decode(code: u8) -> Option<Self> {
        let known = CLOCK_FACTORS.iter().any(|&(high, _)| high == code & 0xf0)
            && RATE_FACTORS.iter().any(|&(low, _)| low == code & 0x0f);
        known.then_some(Factors(code))
    }

    /// The bit rate that they stand for.
    pub fn speed(self) -> BitRate {
        let find = |table: &[(u8, u32)], code| {
            table.iter().find(|&&(known, _)| known == code).map(|&(_, factor)| factor)
        };
        let f = find(&CLOCK_FACTORS, self.0 & 0xf0).expect("factors are known ones");
        let d = find(&RATE_FACTORS, self.0 & 0x0f).expect("factors are known ones");
        BitRate(CLOCK_HZ * d / f)
    }
}

/// What a card says of itself after a reset (8.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AnswerToReset {
    /// The only protocol offered.
    pub protocol: Protocol,
    /// The best speed offered.
    pub factors: Factors,
    /// Whether a DF is selected without a SELECT.
    pub implicit_df: bool,
}

/// TS: direct convention, a high level is a 1.
const TS: u8 = 0x3b;
/// Historical bytes: a status indicator is absent, and card capabilities of three bytes follow (ISO 7816-4, 12.1.1).
const CAPABILITIES: [u8; 2] = [0x80, 0x73];
/// First capability byte: DFs are selected by full name, path and file identifier.
const SELECTION: u8 = 0xb0;
/// The same byte: a DF is selected implicitly.
const IMPLICIT: u8 = 0x08;
/// Second capability byte: data units of one byte. Third: command chaining.
const CODING_AND_CHAINING: [u8; 2] = [0x01, 0x80];

impl AnswerToReset {
    /// Appends the bytes.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        let has_factors = self.factors != Factors::DEFAULT;
        let is_t1 = self.protocol == Protocol::T1;
        let historical = CAPABILITIES.len() as u8 + 3;
        out.extend_from_slice(&[TS, u8::from(has_factors) << 4 | u8::from(is_t1) << 7 | historical]);
        if has_factors {
            out.push(self.factors.0);
        }
        if is_t1 {
            // TD1 and TD2 name the protocol; what follows TD2 is its own: TA3, the size of a block.
            out.extend_from_slice(&[0x80 | self.protocol.number(), 0x10 | self.protocol.number(), IFS as u8]);
        }
        out.extend_from_slice(&CAPABILITIES);
        out.push(SELECTION | if self.implicit_df { IMPLICIT } else { 0 });
        out.extend_from_slice(&CODING_AND_CHAINING);
        if is_t1 {
            out.push(xor(&out[start + 1..]));
        }
    }

    /// Reads the bytes; `None` if they are none, or offer what this project does not know.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[TS, t0], mut rest) = bytes.split_first_chunk()? else { return None };
        let mut next = || rest.split_off_first().copied();
        let (mut factors, mut protocol, mut present) = (Factors::DEFAULT, Protocol::T0, t0 >> 4);
        let mut with_checksum = false;
        for level in 1.. {
            let mut interface = |bit: u8| if present & bit != 0 { next().map(Some) } else { Some(None) };
            let (ta, tb, tc, td) = (interface(1)?, interface(2)?, interface(4)?, interface(8)?);
            match (level, ta) {
                (_, None) => {}
                (1, Some(code)) => factors = Factors::decode(code)?,
                (3, Some(ifs)) if usize::from(ifs) == IFS => {}
                _ => return None,
            }
            let Some(td) = td else { break };
            let named = match td & 0x0f {
                0 => Protocol::T0,
                1 => Protocol::T1,
                _ => return None,
            };
            if (level > 1 && named != protocol) || tb.is_some() || tc.is_some() {
                return None;
            }
            (protocol, present) = (named, td >> 4);
            with_checksum |= named != Protocol::T0;
        }
        let (historical, rest) = rest.split_at_checked(usize::from(t0 & 0x0f))?;
        match (with_checksum, rest) {
            (false, []) => {}
            (true, [_]) if xor(&bytes[1..]) == 0 => {}
            _ => return None,
        }
        let capabilities = historical.strip_prefix(&CAPABILITIES)?;
        let implicit_df = capabilities.first()? & IMPLICIT != 0;
        Some(AnswerToReset { protocol, factors, implicit_df })
    }
}

/// The request that a reader makes of a card that offers more than the default speed (9.2).
pub fn pps_request(atr: &AnswerToReset) -> Option<[u8; PPS]> {
    if atr.factors == Factors::DEFAULT {
        return None;
    }
    let (ppss, pps0, pps1) = (0xff, 0x10 | atr.protocol.number(), atr.factors.0);
    Some([ppss, pps0, pps1, ppss ^ pps0 ^ pps1])
}

/// The card's side: it echoes a request for what it offers. To anything else it says nothing, and the reader resets it.
pub fn pps_answer(atr: &AnswerToReset, request: &[u8]) -> Option<[u8; PPS]> {
    pps_request(atr).filter(|offered| offered == request)
}

fn xor(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

/// GET RESPONSE for what waits, as a status word 61XX tells it.
pub(crate) fn get_response(waiting: u8) -> [u8; HEADER] {
    [apdu::CLA_ISO, apdu::INS_GET_RESPONSE, 0, 0, waiting]
}

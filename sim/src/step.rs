//! The names of the steps at which a connection can be interrupted, and of the ways to interrupt it there.
//!
//! A step is an effect of a machine: a message, a card command, a power-up. The matrix of interruptions and the faults
//! that a scenario places speak of them in the same words. What a fault does is no matter of this file.

use core::fmt;

use keystorm_model::apdu;
use keystorm_model::message;
use keystorm_model::rings::Ring;
use keystorm_model::secure::Direction;

/// What a cut strikes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum What {
    /// The card's recovery of its memory when it is powered up.
    PowerUp,
    /// A message, by its name.
    Message(&'static str),
    /// A card command, by its name, and whether its key is an internal one and which number it has.
    Command(&'static str, Option<(bool, u8)>),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::PowerUp => f.write_str(POWER_UP),
            What::Message(name) | What::Command(name, None) => f.write_str(name),
            What::Command(name, Some((true, no))) => write!(f, "{name} Kai[{no}]"),
            What::Command(name, Some((false, no))) => write!(f, "{name} Kae[{no}]"),
        }
    }
}

/// An effect of a machine: a point at which a renewal can be cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Step {
    /// Which connection of the renewal, or of the way back to health, from 1.
    pub connection: u8,
    /// What happens there.
    pub what: What,
    /// Which one of its name in that connection, from 1.
    pub nth: u8,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.connection > 1 {
            write!(f, "{}: ", self.connection)?;
        }
        write!(f, "{}", self.what)?;
        if self.nth > 1 { write!(f, " #{}", self.nth) } else { Ok(()) }
    }
}

/// How it is cut.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// The request, and all that follows in either direction, is lost; the client gives up.
    LostUp,
    /// The request is lost, however often it is repeated; all else arrives, so that the client gives up with a Bye.
    LostUpAlone,
    /// The server crashes before it sees the request, and is back for the client's repeat.
    CrashBefore,
    /// The server crashes when it has acted on the request, before its answer gets away, and is back for the repeat.
    CrashAfter,
    /// The answer, and all that follows in either direction, is lost; the client gives up.
    LostDown,
    /// The answer is lost, however often the client repeats its request; all else arrives.
    LostDownAlone,
    /// The message arrives twice.
    Duplicated,
    /// Before the request a copy of another arrives at the server, which was sent earlier: in this connection, or so
    /// many connections ago.
    LateCopy {
        /// The name of the other.
        of: &'static str,
        /// How many connections ago it was sent.
        ago: u8,
    },
    /// Before the answer copies of all earlier ones arrive at the client, those of earlier connections too.
    LateAnswers,
    /// While the request is on its way, a second connection of the card begins, and comes to its end.
    Second,
    /// The second connection waits at its so-manieth request until the first has come to its end.
    Interleaved(u8),
    /// The client crashes at the message: before it sends it, or when it has arrived. It says no Bye.
    ClientCrash,
    /// The client crashes before it gives the card the command, and says no Bye.
    ClientCrashBefore,
    /// The client crashes at this moment of the card's writes to non-volatile memory, and takes its power away.
    ClientCrashDuring(u32),
    /// The client crashes when the card is done, before it has its answer, and says no Bye.
    ClientCrashAfter,
    /// The card is pulled before it sees the command; the client takes leave of the server.
    PulledBefore,
    /// The card is pulled at this moment of its writes to non-volatile memory. What was being erased is left so.
    PulledDuring(u32, Remnant),
    /// The card is pulled when it is done, before it answers.
    PulledAfter,
}

/// What an erasure that was cut short leaves in the page.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Remnant {
    /// Bytes FF.
    Ones,
    /// Bytes 00.
    Zeros,
    /// Some bits erased, the others still what they were.
    Mixed,
}

impl Remnant {
    /// Every one.
    pub const ALL: [Remnant; 3] = [Remnant::Ones, Remnant::Zeros, Remnant::Mixed];
}

impl Kind {
    /// The name, without the moment, the number or the other message.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::LostUp => "lost up",
            Kind::LostUpAlone => "lost up alone",
            Kind::CrashBefore => "server crash before",
            Kind::CrashAfter => "server crash after",
            Kind::LostDown => "lost down",
            Kind::LostDownAlone => "lost down alone",
            Kind::Duplicated => "duplicated",
            Kind::LateCopy { .. } => "late copy",
            Kind::LateAnswers => "late answers",
            Kind::Second => "second connection",
            Kind::Interleaved(_) => "second connection interleaved",
            Kind::ClientCrash => "client crash",
            Kind::ClientCrashBefore => "client crash before",
            Kind::ClientCrashDuring(_) => "client crash during",
            Kind::ClientCrashAfter => "client crash after",
            Kind::PulledBefore => "pulled before",
            Kind::PulledDuring(..) => "pulled during",
            Kind::PulledAfter => "pulled after",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Kind::PulledDuring(moment, remnant) => {
                write!(f, ", moment {moment}")?;
                match remnant {
                    Remnant::Ones => Ok(()),
                    Remnant::Zeros => f.write_str(", zeros"),
                    Remnant::Mixed => f.write_str(", mixed"),
                }
            }
            Kind::ClientCrashDuring(moment) => write!(f, ", moment {moment}"),
            Kind::LateCopy { of, ago: 0 } => write!(f, " of {of}"),
            Kind::LateCopy { of, ago } => write!(f, " of {of}, {ago} before"),
            Kind::Interleaved(at) => write!(f, ", at request {at}"),
            _ => Ok(()),
        }
    }
}

/// The requests, by name.
pub const REQUESTS: [&str; 7] =
    ["Hello", "CardProof", "ServerChallenge", "ServerVerdict", "UpdateVerdict", "Data", "Bye"];
/// The answers, by name.
pub const ANSWERS: [&str; 8] =
    ["Challenge", "Verdict", "ServerProof", "UpdateRandoms", "SessionSeed", "Done", "DataAnswer", "Stale"];
/// The card commands that name a key, and the rings that it can be of.
const KEYED: [(&str, &[&str]); 4] = [
    ("INTERNAL AUTHENTICATE", &["Kai"]),
    ("EXTERNAL AUTHENTICATE", &["Kae"]),
    ("STORE KEY", &["Kai", "Kae"]),
    ("DERIVE KEY", &["Kai", "Kae"]),
];
/// The other card commands.
const UNKEYED: [&str; 4] = ["SELECT", "GET CHALLENGE", "GET RESPONSE", "RENEW ROOT"];
const POWER_UP: &str = "power-up";

impl What {
    /// Every step, by a name of it; key numbers are examples.
    pub fn examples() -> Vec<String> {
        let keyed =
            KEYED.iter().flat_map(|(name, rings)| rings.iter().map(move |ring| format!("{name} {ring}[2]")));
        let plain = [POWER_UP].into_iter().chain(REQUESTS).chain(ANSWERS).chain(UNKEYED);
        plain.map(str::to_owned).chain(keyed).collect()
    }

    /// The step of this name; `None`: there is none.
    pub fn parse(text: &str) -> Option<What> {
        if text == POWER_UP {
            return Some(What::PowerUp);
        }
        let same = |name: &&&'static str| **name == text;
        if let Some(name) = REQUESTS.iter().chain(&ANSWERS).find(same) {
            return Some(What::Message(name));
        }
        if let Some(name) = UNKEYED.iter().find(same) {
            return Some(What::Command(name, None));
        }
        let (name, key) = text.rsplit_once(' ')?;
        let (name, rings) = KEYED.iter().find(|(keyed, _)| *keyed == name)?;
        let (ring, no) = key.strip_suffix(']')?.split_once('[')?;
        let no = no.parse().ok().filter(|no| *no > 0)?;
        rings.contains(&ring).then_some(What::Command(name, Some((ring == "Kai", no))))
    }

    /// Which way a message goes; `None`: it is no message.
    pub fn direction(self) -> Option<Direction> {
        match self {
            What::Message(name) if REQUESTS.contains(&name) => Some(Direction::Up),
            What::Message(_) => Some(Direction::Down),
            What::PowerUp | What::Command(..) => None,
        }
    }
}

/// The name of a message.
pub fn message_name(datagram: &[u8]) -> &'static str {
    message::decode(datagram).map_or("unreadable message", |(_, message)| message.name())
}

/// The name of a card command, and its key.
pub fn command_name(command: &[u8]) -> What {
    let parsed = apdu::Command::parse(command).ok();
    let no = parsed.as_ref().map_or(0, |command| command.p2 & 0x1f);
    let key = match command.get(1) {
        Some(&apdu::INS_INTERNAL_AUTHENTICATE) => Some((true, no)),
        Some(&apdu::INS_EXTERNAL_AUTHENTICATE) => Some((false, no)),
        Some(&(apdu::INS_STORE_KEY | apdu::INS_DERIVE_KEY)) => {
            let key = parsed.and_then(|command| apdu::stored_key(&command).ok());
            key.map(|key| (key.ring == Ring::Internal, key.no.0))
        }
        _ => None,
    };
    What::Command(apdu::name(command), key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interrupt::combination::{CIPHERS, Combination};
    use crate::interrupt::matrix::{Settings, run};

    #[test]
    fn every_step_of_the_matrix_is_known_by_its_name() {
        let findings = run(&Combination::all(&CIPHERS[..1]), Settings::new(false, 2), |_| true)
            .expect("threads")
            .expect("nobody stops it");
        for row in findings.iter().flat_map(|findings| &findings.rows) {
            let what = row.cut.step.what;
            assert_eq!(What::parse(&what.to_string()), Some(what));
        }
    }

    #[test]
    fn every_example_is_a_step_and_what_only_looks_like_one_is_not() {
        for name in What::examples() {
            assert_eq!(What::parse(&name).map(|what| what.to_string()), Some(name));
        }
        for name in
            ["STORE KEY", "STORE KEY Kai", "STORE KEY Kai[0]", "EXTERNAL AUTHENTICATE Kai[1]", "hello", ""]
        {
            assert_eq!(What::parse(name), None, "{name}");
        }
    }
}

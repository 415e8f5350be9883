//! What happened, in order, and how it reads.

use std::fmt;

use keystorm_model::apdu;
use keystorm_model::client::{ClientEffect, Ending};
use keystorm_model::message::{self, Header, Message};
use keystorm_model::reject::Reject;
use keystorm_model::server::ServerEffect;
use keystorm_model::{ConnectionId, SimTime};

use super::line::Dir;

/// Fig. 4 as [`Trace::lines`] has it, with the working pair of the fleet of tests.
pub(crate) const AUTHENTICATION: [&str; 10] = [
    "-> Hello",
    "<- Challenge 3 4",
    "card INTERNAL AUTHENTICATE 3",
    "-> CardProof",
    "<- Verdict OK",
    "card GET CHALLENGE",
    "-> ServerChallenge",
    "<- ServerProof",
    "card EXTERNAL AUTHENTICATE 4",
    "-> ServerVerdict OK",
];

/// Fig. 5, with two requests.
pub(crate) const SESSION: [&str; 7] = [
    "<- SessionSeed 3",
    "card INTERNAL AUTHENTICATE 3",
    "-> Data",
    "<- DataAnswer",
    "-> Data",
    "<- DataAnswer",
    "-> Bye",
];

/// A message that was sent, whatever became of it.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub dir: Dir,
    pub connection: ConnectionId,
    pub sequence: u16,
    pub copy: u8,
    pub name: &'static str,
    pub bytes: Vec<u8>,
}

impl Sent {
    pub(crate) fn new(dir: Dir, bytes: &[u8], sequence: u16, copy: u8) -> Self {
        let (header, message) = message::decode(bytes).expect("the machines send messages only");
        assert_eq!(header.sequence, sequence);
        Sent {
            dir,
            connection: header.connection,
            sequence,
            copy,
            name: message.name(),
            bytes: bytes.to_vec(),
        }
    }

    pub(crate) fn message(&self) -> Message<'_> {
        message::decode(&self.bytes).unwrap().1
    }

    pub(crate) fn header(&self) -> Header {
        message::decode(&self.bytes).unwrap().0
    }
}

/// A command that the card saw.
#[derive(Clone, Debug)]
pub(crate) struct Commanded {
    pub connection: ConnectionId,
    pub bytes: Vec<u8>,
    /// `None`: power was lost in it.
    pub answer: Option<Vec<u8>>,
    /// Moments at which power could have been lost.
    pub moments: u32,
}

impl Commanded {
    pub(crate) fn name(&self) -> &'static str {
        apdu::name(&self.bytes)
    }

    /// The data field of a short command that has one.
    pub(crate) fn data(&self) -> &[u8] {
        &self.bytes[5..][..usize::from(self.bytes[4])]
    }

    /// The answer's data, of a command that went well.
    pub(crate) fn output(&self) -> &[u8] {
        let (data, status) = apdu::split_answer(self.answer.as_ref().unwrap()).unwrap();
        assert_eq!(status, apdu::StatusWord::OK);
        data
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Entry {
    Sent(Sent),
    Command(Commanded),
    Server(ServerEffect),
    Client(ConnectionId, ClientEffect),
}

#[derive(Default)]
pub(crate) struct Trace {
    entries: Vec<(SimTime, Entry)>,
}

impl Trace {
    pub(crate) fn push(&mut self, at: SimTime, entry: Entry) {
        if let Entry::Command(command) = &entry {
            // GET RESPONSE fetches what the command before it has left.
            let repeated = command.name() != "GET RESPONSE"
                && self.commands(command.connection).any(|earlier| earlier.bytes == command.bytes);
            assert!(!repeated, "a card command was given twice in one connection:\n{self}");
        }
        self.entries.push((at, entry));
    }

    /// Every message of a connection.
    pub(crate) fn sent(&self, connection: ConnectionId) -> impl Iterator<Item = &Sent> {
        self.all_sent().map(|(_, sent)| sent).filter(move |sent| sent.connection == connection)
    }

    pub(crate) fn all_sent(&self) -> impl Iterator<Item = (SimTime, &Sent)> {
        self.entries.iter().filter_map(|(at, entry)| match entry {
            Entry::Sent(sent) => Some((*at, sent)),
            _ => None,
        })
    }

    /// The first message of that name in a connection.
    #[track_caller]
    pub(crate) fn message(&self, connection: ConnectionId, name: &str) -> &Sent {
        self.sent(connection).find(|sent| sent.name == name).unwrap_or_else(|| panic!("no {name} in\n{self}"))
    }

    /// The commands of a connection.
    pub(crate) fn commands(&self, connection: ConnectionId) -> impl Iterator<Item = &Commanded> {
        self.entries.iter().filter_map(move |(_, entry)| match entry {
            Entry::Command(command) if command.connection == connection => Some(command),
            _ => None,
        })
    }

    /// Every byte string of a connection that its client has sent or been sent: messages, commands and their answers.
    pub(crate) fn seen_by_client(&self, connection: ConnectionId) -> impl Iterator<Item = &[u8]> {
        self.entries.iter().flat_map(move |(_, entry)| match entry {
            Entry::Sent(sent) if sent.connection == connection => vec![&sent.bytes[..]],
            Entry::Command(command) if command.connection == connection => {
                let answer = command.answer.as_deref().unwrap_or_default();
                vec![&command.bytes[..], answer]
            }
            _ => Vec::new(),
        })
    }

    #[track_caller]
    pub(crate) fn ending(&self, connection: ConnectionId) -> Ending {
        let ending = self.entries.iter().find_map(|(_, entry)| match entry {
            Entry::Client(id, ClientEffect::Ended(ending)) if *id == connection => Some(*ending),
            _ => None,
        });
        ending.unwrap_or_else(|| panic!("connection {connection} has not ended:\n{self}"))
    }

    pub(crate) fn server_effects(&self) -> impl Iterator<Item = ServerEffect> {
        self.entries.iter().filter_map(|(_, entry)| match entry {
            Entry::Server(effect) => Some(*effect),
            _ => None,
        })
    }

    /// What server and clients have refused, in order.
    pub(crate) fn rejects(&self) -> Vec<Reject> {
        let reject = |(_, entry): &(SimTime, Entry)| match entry {
            Entry::Server(ServerEffect::Rejected(reject))
            | Entry::Client(_, ClientEffect::Rejected(reject)) => Some(*reject),
            _ => None,
        };
        self.entries.iter().filter_map(reject).collect()
    }

    /// Messages and commands of a connection, one a line.
    pub(crate) fn lines(&self, connection: ConnectionId) -> Vec<String> {
        let line = |(_, entry): &(SimTime, Entry)| match entry {
            Entry::Sent(sent) if sent.connection == connection => Some(said(sent)),
            Entry::Command(command) if command.connection == connection => Some(commanded(command)),
            _ => None,
        };
        self.entries.iter().filter_map(line).collect()
    }
}

fn said(sent: &Sent) -> String {
    let arrow = match sent.dir {
        Dir::Up => "->",
        Dir::Down => "<-",
    };
    let ok = |flag| if flag { "OK" } else { "NG" };
    let more = match sent.message() {
        Message::Challenge { update, pair, .. } => {
            format!(" {} {}{}", pair.internal, pair.external, if update { " update" } else { "" })
        }
        Message::ServerVerdict(flag) | Message::UpdateVerdict(flag) | Message::Verdict(flag) => {
            format!(" {}", ok(flag))
        }
        Message::UpdateRandoms { upper, orders } => {
            let keys = (0..orders.len()).map(|i| orders.key(i).unwrap());
            let keys: Vec<_> = keys.map(|key| format!("{:?} {}", key.ring, key.no)).collect();
            format!(" {upper}: {}", keys.join(", "))
        }
        Message::SessionSeed { internal, .. } => format!(" {internal}"),
        Message::Done { again } => format!(" {}", if again { "again" } else { "for good" }),
        _ => String::new(),
    };
    let copy = if sent.copy > 0 { format!(" (copy {})", sent.copy) } else { String::new() };
    format!("{arrow} {}{more}{copy}", sent.name)
}

fn commanded(command: &Commanded) -> String {
    let key = match command.name() {
        "GET CHALLENGE" | "GET RESPONSE" | "SELECT" | "RENEW ROOT" => String::new(),
        "STORE KEY" | "DERIVE KEY" => {
            let key = apdu::stored_key(&apdu::Command::parse(&command.bytes).unwrap()).unwrap();
            format!(" {:?} {}", key.ring, key.no)
        }
        _ => format!(" {}", command.bytes[3] & 0x1f),
    };
    let status = match &command.answer {
        Some(answer) => match apdu::split_answer(answer).unwrap().1 {
            apdu::StatusWord::OK => String::new(),
            status => format!(" {:04x}", status.0),
        },
        None => " cut".into(),
    };
    format!("card {}{key}{status}", command.name())
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, entry) in &self.entries {
            match entry {
                Entry::Sent(sent) => writeln!(f, "{at:>12} #{} {}", sent.connection, said(sent))?,
                Entry::Command(command) => {
                    writeln!(f, "{at:>12} #{} {}", command.connection, commanded(command))?;
                }
                Entry::Server(effect) => writeln!(f, "{at:>12}    server: {effect:?}")?,
                Entry::Client(id, effect) => writeln!(f, "{at:>12} #{id} client: {effect:?}")?,
            }
        }
        Ok(())
    }
}

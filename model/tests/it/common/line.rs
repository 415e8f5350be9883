//! What becomes of each message: rules that a test sets, or a tape of random bytes.

use std::collections::BTreeMap;

use keystorm_model::{ConnectionId, Span};

use super::trace::Sent;
use super::visit::Pull;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Dir {
    /// Client to server.
    Up,
    /// Server to client.
    Down,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Arrives,
    Lost,
    /// Arrives later than usual by this.
    Late(Span),
    /// Arrives, and again later by this.
    Twice(Span),
    /// Does not arrive until it is let go.
    Held,
}

/// Which messages a rule is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pick {
    pub connection: ConnectionId,
    pub dir: Dir,
    pub which: Which,
    /// Only copies numbered below this, counted from 0.
    pub copies_below: u8,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// Every message of this name.
    Named(&'static str),
    /// Every copy of the message with this sequence number.
    Numbered(u16),
    /// Every copy of the message with this sequence number, and from its first copy on all the rest of the
    /// connection, in both directions.
    AllFrom(u16),
    /// Every message.
    All,
}

#[derive(Default)]
pub(crate) struct Line {
    pub rules: Vec<(Pick, Fate)>,
    /// What was sent to the server and does not arrive until it is let go.
    pub held: Vec<Vec<u8>>,
    /// Which client each connection is at.
    pub desks: BTreeMap<ConnectionId, usize>,
    tape: std::vec::IntoIter<u8>,
    dead: Vec<ConnectionId>,
}

impl Line {
    /// Draws fates, message by message and command by command, until the bytes are used up.
    pub(crate) fn draws_from(&mut self, tape: Vec<u8>) {
        self.tape = tape.into_iter();
    }

    pub(crate) fn fate(&mut self, sent: &Sent) -> Fate {
        if self.dead.contains(&sent.connection) {
            return Fate::Lost;
        }
        for &(pick, fate) in &self.rules {
            let here =
                pick.connection == sent.connection && pick.dir == sent.dir && sent.copy < pick.copies_below;
            let hit = match pick.which {
                Which::Named(name) => name == sent.name,
                Which::Numbered(sequence) => sequence == sent.sequence,
                Which::AllFrom(sequence) => {
                    let hit = here && sequence == sent.sequence;
                    if hit {
                        self.dead.push(sent.connection);
                    }
                    hit
                }
                Which::All => true,
            };
            if here && hit {
                return fate;
            }
        }
        self.fate_from_tape()
    }

    /// Byte 0 and all below 128 leave a message alone, so that a failing tape shrinks to its few faults.
    fn fate_from_tape(&mut self) -> Fate {
        match self.tape.next().unwrap_or(0) {
            0..128 => Fate::Arrives,
            byte @ 128..160 => Fate::Twice(Span::from_ms(700) * u64::from(byte - 127)),
            byte @ 160..192 => Fate::Late(Span::from_ms(900) * u64::from(byte - 159)),
            byte @ 192..216 => Fate::Twice(Span::from_secs(20) * u64::from(byte - 191)),
            _ => Fate::Lost,
        }
    }

    pub(crate) fn pull_from_tape(&mut self) -> Option<Pull> {
        match self.tape.next().unwrap_or(0) {
            0..236 => None,
            236..240 => Some(Pull::Before),
            byte @ 240..248 => Some(Pull::During(2 * u32::from(byte - 240) + 1)),
            248..=255 => Some(Pull::After),
        }
    }
}

//! What the server does, and what it costs.

use super::policy::Due;
use crate::ids::{CardId, ConnectionId, ConnectionNo};
use crate::outbox::Slice;
use crate::reject::Reject;
use crate::rings::KeyRef;

/// What the server did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerEffect {
    /// Send a datagram to where the request came from.
    Answer {
        /// The datagram.
        datagram: Slice,
        /// The request's sequence number.
        sequence: u16,
        /// How often this answer was sent before.
        copy: u8,
    },
    /// Tell the client that its connection is not alive.
    Stale {
        /// The datagram.
        datagram: Slice,
        /// The request's sequence number.
        sequence: u16,
    },
    /// Answer a probe. Nothing is kept of it, so that a repeat is answered as if it were the first.
    ProbeAnswer {
        /// The datagram.
        datagram: Slice,
        /// The request's sequence number.
        sequence: u16,
    },
    /// A card's proof was wrong.
    CardRefused(CardId),
    /// The card accepted the server, and so mutual authentication holds.
    Authenticated(CardId),
    /// A renewal is due and was not admitted: the session goes on with the old keys.
    Deferred(CardId),
    /// Rk was sent for the first time; [`ServerEffect::Offered`] follows for each key.
    UpdateStarted {
        /// The card.
        card: CardId,
        /// The connection.
        connection: ConnectionNo,
        /// What is renewed.
        due: Due,
    },
    /// What the server expects a key of the update that has just started to become, on the card.
    Offered {
        /// The card.
        card: CardId,
        /// The key.
        key: KeyRef,
        /// Its new value on the card.
        value: Slice,
    },
    /// The new keys are in the directory.
    Committed {
        /// The card.
        card: CardId,
        /// The connection.
        connection: ConnectionNo,
        /// What was renewed.
        due: Due,
    },
    /// The card has proved that it holds what was staged in an earlier connection: the new keys are in the directory.
    Promoted {
        /// The card.
        card: CardId,
        /// The connection that they were offered in.
        offered_in: ConnectionNo,
        /// What was renewed.
        due: Due,
    },
    /// A connection ended between the first sending of Rk and the commit.
    Interrupted {
        /// The card.
        card: CardId,
        /// The connection.
        connection: ConnectionNo,
        /// What was to be renewed.
        due: Due,
    },
    /// Ro was sent for the first time in this connection.
    SessionOpened {
        /// The card.
        card: CardId,
        /// The random that the session key comes from.
        ro: Slice,
    },
    /// A datagram was refused.
    Rejected(Reject),
}

impl ServerEffect {
    /// The datagram that is sent, if one is.
    pub fn datagram(self) -> Option<Slice> {
        match self {
            ServerEffect::Answer { datagram, .. }
            | ServerEffect::Stale { datagram, .. }
            | ServerEffect::ProbeAnswer { datagram, .. } => Some(datagram),
            _ => None,
        }
    }
}

/// An update between the first sending of Rk and the commit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenUpdate {
    /// The card.
    pub card: CardId,
    /// The connection, as its client numbered it.
    pub connection: ConnectionId,
    /// What is renewed.
    pub due: Due,
}

/// How often a step used each part of the server that takes time.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct ServerWork {
    /// Challenges answered, Ro included.
    pub proves: u32,
    /// Proofs checked.
    pub checks: u32,
    /// Proofs of an Rk made, from which a new key grows: with a symmetric suite they can be longer than the others.
    pub derives: u32,
    /// Pairs of keys generated from a proof; with a symmetric suite that is no work.
    pub generates: u32,
    /// Session channels set up.
    pub channels: u32,
    /// Messages sealed or opened.
    pub aeads: u32,
    /// Their plain bytes.
    pub aead_bytes: u32,
    /// Transactions of the directory: 1 if the step changed it, since all that a step changes becomes durable together.
    pub commits: u32,
    /// Probes, each of which takes a time of its own instead of the costs of its parts.
    pub probes: u32,
}

//! Input that a machine refuses: counted, never a panic.

use crate::message::WireError;

/// Why a datagram or an APDU was refused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Reject {
    /// It is no message.
    Malformed,
    /// It names a card that the server has not issued.
    UnknownCard,
    /// It is a message, but not one that can come now.
    OutOfOrder,
    /// It was not sealed under this session's key.
    BadSeal,
}

impl Reject {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Reject::Malformed => "malformed",
            Reject::UnknownCard => "unknown card",
            Reject::OutOfOrder => "out of order",
            Reject::BadSeal => "bad seal",
        }
    }
}

impl From<WireError> for Reject {
    fn from(_: WireError) -> Self {
        Reject::Malformed
    }
}

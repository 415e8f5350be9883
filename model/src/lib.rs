//! The network of JP H11-122238 as pure state machines: IC cards with a ladder of numbered authentication keys,
//! the clients that they are inserted in, and the server that issues them and renews their keys.
//!
//! Nothing here knows a clock, a socket, a file or a thread. A machine takes one input at a time that it is told,
//! and appends its effects to an [`outbox::Outbox`]; whoever drives it moves the bytes and the time.
//!
//! | To read about | open |
//! |---|---|
//! | the keys, and which may renew which | [`rings`] |
//! | what the protocol needs of a cipher | [`suite`], [`layout`] |
//! | the card: commands, files, security state, memory, transport | [`card`], [`apdu`] |
//! | how a reader makes one command of several APDUs | [`reader`] |
//! | what crosses the line | [`message`], [`orders`], [`secure`] |
//! | the client, and its retransmissions | [`client`] |
//! | the server, its directory and its recovery policies | [`server`] |
//! | a message in several datagrams | [`fragment`] |
//! | mistakes that tests plant | [`planted`] |
//! | where random numbers come from | [`draw`] |

pub mod apdu;
pub mod card;
pub mod client;
pub mod draw;
pub mod fragment;
pub mod ids;
pub mod layout;
pub mod message;
pub mod orders;
pub mod outbox;
pub mod planted;
pub mod ratio;
pub mod reader;
pub mod reject;
pub mod rings;
pub mod secure;
pub mod server;
pub mod suite;
pub mod time;

pub use ids::{CardId, ClientId, ConnectionId, ConnectionNo, Depth, KeyNo, SiteId};
pub use ratio::Ratio;
pub use time::{SimTime, Span};

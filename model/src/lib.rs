//! keystorm-model
pub mod card;
pub mod ids;
pub mod ratio;
pub mod rings;
pub mod server;
pub mod suite;
pub mod time;

pub use ids::{CardId, ClientId, ConnectionId, ConnectionNo, Depth, KeyNo, SiteId};
pub use ratio::Ratio;
pub use time::{SimTime, Span};

//! The matrix of interruptions: one card's key renewal, cut at every point at which it can be cut.
//!
//! One card, one client and the server run in memory, without a line, a clock or an engine. A renewal runs undisturbed,
//! and at each effect of a machine the world is copied once for every fault that can strike there ([`cuts`]). In each
//! copy further connections run undisturbed until the card is up to date, and it is judged ([`matrix`]); those
//! connections are cut in the same way, for what two interruptions in a row do.
//!
//! | To read about | open |
//! |---|---|
//! | the parties, and how they stand after a cut | [`party`] |
//! | where a connection can be cut, and how | [`cuts`] |
//! | which combinations are run, and what becomes of the cards | [`matrix`] |
//! | the text that a person reads | [`summary`] |

pub mod cuts;
pub mod matrix;
pub mod party;
pub mod summary;

#[cfg(test)]
mod tests;

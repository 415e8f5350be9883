//! The matrix of interruptions: one card's key renewal, cut at every point at which it can be cut.
//!
//! One card, one client and the server run in memory, without a line, a clock or an engine. A renewal runs undisturbed,
//! and at each effect of a machine the world is copied once for every fault that can strike there ([`cuts`]). In each
//! copy further connections run undisturbed until the card is up to date, and it is judged ([`matrix`]); those
//! connections are cut in the same way, for what two interruptions in a row do.
//!
//! | To read about | open |
//! |---|---|
//! | which combinations there are | [`combination`] |
//! | the parties, and what survives a connection | `party` |
//! | one connection | `talk` |
//! | where a connection can be cut, and how | [`cuts`] |
//! | how the parties stand after a cut | [`standing`] |
//! | which worlds have the same future | `state` |
//! | what may never happen | `rules` |
//! | what becomes of the cards | [`matrix`], [`findings`] |
//! | the text that a person reads | [`summary`] |
//! | one row once more | [`rerun()`] |

pub mod combination;
pub mod cuts;
pub mod findings;
pub mod matrix;
mod party;
pub mod rerun;
mod rules;
pub mod standing;
mod state;
pub mod summary;
mod talk;

pub use rerun::{Event, Observer, RowName, rerun};

#[cfg(test)]
mod tests;

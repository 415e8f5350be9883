//! Checkers: they stand outside the machines of `keystorm-model`, watch what happens, and judge it.
//!
//! [`ledger`] follows every value of every key; [`witness`] follows the commands that one card receives, and [`memory`]
//! what they do to its counters; [`dialogue`] follows what the server answers to what, and `policy` says which pair it
//! must name; [`durable`] compares the server's directory before and after a crash; [`conservation`] adds up what was counted. A violation never stops a run: it is collected, and the run then
//! ends with exit code 3.

pub mod conservation;
pub mod dialogue;
pub mod durable;
pub mod ledger;
pub mod memory;
mod policy;
pub mod witness;

use core::fmt;

use keystorm_model::{CardId, SimTime};

/// A rule of the protocol or of the simulation that did not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// When.
    pub at: SimTime,
    /// Whose card, where it concerns one.
    pub card: Option<CardId>,
    /// Which rule, and what was seen instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at {}", self.at)?;
        if let Some(card) = self.card {
            write!(f, ", card {card}")?;
        }
        write!(f, ": {}", self.what)
    }
}

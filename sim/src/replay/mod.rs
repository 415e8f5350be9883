//! The life of one card: everything that crossed between card, client and server, step by step.
//!
//! A run is made again with one card recorded ([`crate::record::tape`]), and what was recorded becomes steps, a table
//! and a sequence diagram in the manner of the patent's figures 4 to 10. Nothing here runs anything.
//!
//! | To read about | open |
//! |---|---|
//! | how events become steps | [`steps`] |
//! | what messages and commands are called | `words` |
//! | the table | [`table`] |
//! | which connections a diagram shows, and what it is made of | [`diagram`] |
//! | the diagram as text, and as a picture | [`mermaid`], [`svg`] |
//! | a card without the others | [`alone`] |
//! | a row of the matrix of interruptions | [`row`] |

pub mod alone;
pub mod diagram;
pub mod json;
pub mod mermaid;
pub mod row;
pub mod steps;
pub mod svg;
pub mod table;
mod words;

pub use words::{clock, span};

use keystorm_model::CardId;
use keystorm_reports::results::{CardRow, DepthRow};

use crate::interrupt::combination::cipher_name;
use crate::plan::Plan;
use crate::record::tape::Entry;
use crate::world::load::home_of;
use crate::world::site_of;

use steps::Step;

/// A name and what there is to say.
pub type Fact = (String, String);

/// Whose life is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// A card of a run.
    Card(CardId),
    /// The card of a row of the matrix of interruptions, counted from 1.
    Row(u32),
}

impl Subject {
    /// The kind and the number.
    pub const fn parts(self) -> (&'static str, u32) {
        match self {
            Subject::Card(card) => ("card", card.0),
            Subject::Row(row) => ("row", row),
        }
    }
}

/// A card's life, ready to be shown.
#[derive(Debug)]
pub struct Life {
    /// Whose.
    pub subject: Subject,
    /// Whether what happened has times.
    pub timed: bool,
    /// What it is part of, one name and value per line.
    pub facts: Vec<Fact>,
    /// Everything that happened.
    pub steps: Vec<Step>,
    /// How it ended.
    pub end: Vec<Fact>,
}

impl Life {
    /// The life that was recorded in a run of `plan`, and what `cards.csv` says of the card.
    pub fn of(plan: &Plan, card: CardId, entries: &[Entry], row: &CardRow) -> Self {
        let client = home_of(plan, card);
        let site = site_of(client, plan.fleet.clients, plan.fleet.sites);
        let embodiment = plan.update.embodiments[card.index() % plan.update.embodiments.len()];
        let (fleet, shape) = (&plan.fleet, plan.fleet.shape);
        let facts = [
            ("Card", format!("{card} of {}, which comes to client {client} on site {site}", fleet.cards)),
            ("Run", format!("{}, seed {}, engine {}", plan.name, plan.seed, plan.engine.name())),
            (
                "Keys",
                format!(
                    "{} internal and {} external, {}",
                    shape.internal(),
                    shape.external(),
                    cipher_name(fleet.suite.name(), plan.crypto.name())
                ),
            ),
            ("Renewal", format!("embodiment {}, {}", embodiment.name(), plan.update.recovery.name())),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value)).into();
        Life {
            subject: Subject::Card(card),
            timed: true,
            facts,
            steps: steps::steps(entries, plan.fleet.suite.sizes()),
            end: end(row),
        }
    }
}

/// What became of a card.
fn end(row: &CardRow) -> Vec<Fact> {
    let pair = |(depth, pair): (usize, &DepthRow)| {
        let DepthRow { card_internal, card_external, server_internal, server_external, state } = pair;
        let versions = format!(
            "{}: versions {card_internal} and {card_external} on the card, {server_internal} and {server_external} on \
             the server; {} tries left",
            state.name(),
            row.tries_left[depth]
        );
        (format!("Depth {depth}"), versions)
    };
    let mut end = vec![("Outcome".to_owned(), row.outcome.name().to_owned())];
    end.extend(row.depths.iter().enumerate().map(pair));
    end.push(("Memory".into(), steps::pages(row.nvm_writes)));
    end.push(("Sessions".into(), format!("{} completed", row.sessions)));
    end
}

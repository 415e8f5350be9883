//! What a sequence diagram of a card's life shows, before it is drawn: arrows between three parties, and notes.

use core::fmt;
use core::ops::RangeInclusive;
use std::collections::BTreeMap;

use keystorm_model::secure::Direction;

use crate::record::tape::Pulled;

use super::Life;
use super::steps::{Action, Mark, Step, Tone, pages};
use super::words::clock;

/// More connections than this are shown only if they are asked for.
const MOST: usize = 8;

/// A party of the protocol, from left to right as in the patent's figures.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Party {
    /// The card.
    Card,
    /// The client.
    Client,
    /// The server.
    Server,
}

impl Party {
    /// All three, from left to right.
    pub const ALL: [Party; 3] = [Party::Card, Party::Client, Party::Server];

    /// The name in diagrams.
    pub const fn name(self) -> &'static str {
        match self {
            Party::Card => "card",
            Party::Client => "client",
            Party::Server => "server",
        }
    }
}

/// What stands in one line of a diagram.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A connection begins, or something else that concerns all.
    Section(String),
    /// Something goes from one party to another.
    Arrow {
        /// The step's number in the table; an answer has none.
        number: Option<u32>,
        /// When.
        time: String,
        /// From whom.
        from: Party,
        /// To whom.
        to: Party,
        /// What.
        label: String,
        /// Whether it never arrives.
        cut: bool,
    },
    /// A remark at one of the parties.
    Note {
        /// At which.
        at: Party,
        /// What kind it is of.
        tone: Tone,
        /// In words.
        text: String,
    },
}

/// Why connections are shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// Their numbers.
    pub connections: Vec<u32>,
    /// Of how many.
    pub of: usize,
    why: &'static str,
}

impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self.connections.iter().map(ToString::to_string).collect();
        let plural = if shown.len() == 1 { "" } else { "s" };
        write!(f, "connection{plural} {} of {}: {}", shown.join(", "), self.of, self.why)
    }
}

/// The numbers of the card's connections, and the most telling remark of each.
fn connections(life: &Life) -> BTreeMap<u32, Tone> {
    let mut worst = BTreeMap::new();
    for step in &life.steps {
        if matches!(step.action, Action::Mark(Mark::Connection, _)) {
            worst.entry(step.connection).or_insert(Tone::Plain);
        }
        if let Some(worst) = worst.get_mut(&step.connection) {
            *worst = (*worst).max(tone_of(step));
        }
    }
    worst
}

/// The most telling of what there is to say of a step.
fn tone_of(step: &Step) -> Tone {
    let cut = matches!(step.action, Action::Mark(Mark::Cut, _)).then_some(Tone::Harm);
    step.remarks.iter().map(|remark| remark.kind).chain(cut).max().unwrap_or(Tone::Plain)
}

/// The connections that a diagram shows if nobody says which: those with a renewal or a fault. If they are too many, only
/// those with a renewal or in which a connection ended badly, then only the latter; and at last the first of them.
pub fn choose(life: &Life) -> Chosen {
    let all = connections(life);
    let of = all.len();
    let at_least = |least: Tone| -> Vec<u32> {
        all.iter().filter(|&(_, &worst)| worst >= least).map(|(&number, _)| number).collect()
    };
    let [any, renewals, harm] = [Tone::Fault, Tone::Renewal, Tone::Harm].map(at_least);
    let first = |many: &[u32]| many.iter().copied().take(MOST).collect();
    let (connections, why) = if any.is_empty() {
        (all.keys().copied().take(1).collect(), "the first; none had a renewal or a fault")
    } else if any.len() == of && of <= MOST {
        (any, "all of them")
    } else if any.len() <= MOST {
        (any, "those with a renewal or a fault")
    } else if !renewals.is_empty() && renewals.len() <= MOST {
        (renewals, "those with a renewal, or that failed; others had lost messages only")
    } else if !harm.is_empty() && harm.len() <= MOST {
        (harm, "those that failed; others had renewals or lost messages")
    } else if harm.is_empty() {
        (first(&any), "the first with a renewal or a fault")
    } else {
        (first(&harm), "the first of those that failed")
    };
    Chosen { connections, of, why }
}

/// The connections in `range`.
///
/// # Errors
/// If the card has none of them: how many it has.
pub fn chosen(life: &Life, range: &RangeInclusive<u32>) -> Result<Chosen, usize> {
    let all = connections(life);
    let connections: Vec<u32> = all.keys().copied().filter(|number| range.contains(number)).collect();
    if connections.is_empty() {
        Err(all.len())
    } else {
        Ok(Chosen { connections, of: all.len(), why: "as asked for" })
    }
}

/// The lines of the diagram of these connections.
pub fn items(life: &Life, chosen: &Chosen) -> Vec<Item> {
    let mut items = Vec::new();
    let shown = |step: &&Step| chosen.connections.contains(&step.connection);
    for step in life.steps.iter().filter(shown) {
        add(step, life.timed, &mut items);
    }
    items
}

fn add(step: &Step, timed: bool, items: &mut Vec<Item>) {
    let time = if timed { clock(step.at) } else { String::new() };
    match &step.action {
        Action::Mark(Mark::Connection, text) => {
            items.push(Item::Section(format!("{time}  {text}").trim_start().to_owned()));
            notes(step, Party::Card, items);
        }
        Action::Mark(_, text) => {
            let tone = tone_of(step);
            let why: String = step.remarks.iter().map(|remark| format!(" {}", remark.text)).collect();
            items.push(Item::Note { at: Party::Client, tone, text: format!("{text}{why}") });
        }
        Action::Message { direction, words } => {
            let (from, to) = match direction {
                Direction::Up => (Party::Client, Party::Server),
                Direction::Down => (Party::Server, Party::Client),
            };
            let keys = if words.keys.is_empty() { String::new() } else { format!(" ({})", words.keys) };
            let label = match words.content.as_str() {
                "" => format!("{}{keys}", words.name),
                content => format!("{}: {content}{keys}", words.name),
            };
            let cut = step.took.is_none();
            items.push(Item::Arrow { number: step.number, time, from, to, label, cut });
            notes(step, Party::Server, items);
        }
        Action::Command { words, answer, writes, pulled } => {
            let label = [words.name.as_str(), &words.keys, &words.content];
            let label: Vec<&str> = label.into_iter().filter(|part| !part.is_empty()).collect();
            let cut = *pulled == Some(Pulled::Before);
            let (from, to, label) = (Party::Client, Party::Card, label.join(" "));
            items.push(Item::Arrow { number: step.number, time, from, to, label, cut });
            if *writes > 0 {
                items.push(Item::Note { at: Party::Card, tone: Tone::Plain, text: pages(*writes) });
            }
            let answered = answer.as_ref().map(|answer| format!("{} {:04X}", answer.content, answer.status));
            let back = match (answered, pulled) {
                (Some(label), _) => Some((label.trim_start().to_owned(), false)),
                (None, Some(Pulled::During { .. })) => Some(("no answer".to_owned(), true)),
                (None, _) => None,
            };
            if let Some((label, cut)) = back {
                let (from, to, time) = (Party::Card, Party::Client, String::new());
                items.push(Item::Arrow { number: None, time, from, to, label, cut });
            }
            notes(step, Party::Card, items);
        }
    }
}

/// The remarks of a step: faults of the line beside the party that sent, everything else at `at`.
fn notes(step: &Step, at: Party, items: &mut Vec<Item>) {
    for remark in &step.remarks {
        items.push(Item::Note { at, tone: remark.kind, text: remark.text.clone() });
    }
}

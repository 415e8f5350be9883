//! A card without the others: what it did not have to wait for, and where its history parts from the one that it has
//! among them.
//!
//! Every draw belongs to a card or to one of its connections, so that alone it meets the same losses, delays and pulls. What
//! it shares with others is left out: the queue at its client, the server's cores and queue, and the line of its client.

use core::fmt;

use keystorm_model::{SimTime, Span};

use crate::record::tape::{Dropped, Entry, Event};

use super::steps::Step;
use super::words::{clock, span};

/// How often a card had to wait for others.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Contention {
    /// Visits that had to wait at the client.
    pub queued: u32,
    /// For how long in all.
    pub queued_for: Span,
    /// Messages that had to wait at the server.
    pub waited: u32,
    /// For how long in all.
    pub waited_for: Span,
    /// Messages that the server's queue had no room for.
    pub dropped: u32,
}

impl Contention {
    /// What the card of these entries had to wait for.
    pub fn of(entries: &[Entry]) -> Self {
        let mut all = Contention::default();
        let mut queued_since: Option<SimTime> = None;
        for Entry { at, event, .. } in entries {
            match event {
                Event::Arrives { queued: true, .. } => {
                    all.queued += 1;
                    queued_since = Some(*at);
                }
                Event::Connects { .. } | Event::Epilogue => {
                    if let Some(since) = queued_since.take() {
                        all.queued_for += at.since(since);
                    }
                }
                Event::Waited(waited) => {
                    all.waited += 1;
                    all.waited_for += *waited;
                }
                Event::Dropped { why: Dropped::QueueFull, .. } => all.dropped += 1,
                _ => {}
            }
        }
        all
    }
}

impl fmt::Display for Contention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Contention { queued, queued_for, waited, waited_for, dropped } = *self;
        let parts = [
            (queued, format!("{queued} visits waited {} at the client", span(queued_for))),
            (waited, format!("{waited} messages waited {} at the server", span(waited_for))),
            (dropped, format!("{dropped} messages found the server's queue full")),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(count, _)| *count > 0).map(|(_, part)| part).collect();
        if parts.is_empty() { f.write_str("it never waited") } else { f.write_str(&parts.join(", ")) }
    }
}

/// Where the history that a card has alone parts from the one that it has among the others; `None`: nowhere.
pub fn parts_at(alone: &[Step], among_others: &[Step]) -> Option<SimTime> {
    let differ = alone.iter().zip(among_others).find(|(one, other)| one != other);
    let first = differ.map(|(one, other)| one.at.min(other.at));
    first.or_else(|| {
        let shorter = alone.len().min(among_others.len());
        alone.get(shorter).or(among_others.get(shorter)).map(|step| step.at)
    })
}

/// What to say of a comparison with the full run.
pub fn verdict(alone: &[Step], among_others: &[Step], contention: Contention) -> String {
    match parts_at(alone, among_others) {
        None => "the history is the one that the card has in the full run".into(),
        Some(at) => format!(
            "the history parts from the full run's at {}; there {contention}; the client's line is shared too",
            clock(at)
        ),
    }
}

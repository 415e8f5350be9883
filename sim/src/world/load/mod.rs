//! Who comes when: every card's holder arrives at the card's own client, at times that depend on the card alone; or as a
//! trace says. The shapes of days are in `profile`.
//!
//! Arrivals are made a chunk at a time, so that a fleet that comes every day of a month never holds more than about one
//! arrival per card.

mod profile;

use std::ops::Range;

use std::sync::Arc;

use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::{CardId, ClientId, Ratio, SimTime, Span};

pub use crate::plan::Arrival;
use crate::plan::{ArrivalsPlan, Plan};

use super::sample::{exponential, normal};

/// The word of a card's draws that names its client.
const HOME: u64 = 0;
/// The first word of the times.
const TIMES: u64 = 2;
/// Words of one try at an office arrival; tries follow one another.
const TRY_WORDS: u64 = 2;
/// So many tries to fall inside the span, before the time is clamped.
const TRIES: u64 = 24;
/// From the first word of the times: whether a holder belongs to an office's peak, and if not, when they come.
const STRAY: u64 = 54;
/// From the first word of the times: on which day a holder comes to a cash machine.
const WHICH_DAY: u64 = 2;
/// Words of one repetition of a pattern; repetitions follow one another.
const REPETITION_WORDS: u64 = 64;
/// Words of the time between two visits; visits follow one another.
const GAP_WORDS: u64 = 2;
/// Chunks of a Poisson process are not longer than this.
const LONGEST_CHUNK: Span = Span::from_secs(86_400);
/// Visits of a trace that are handed out at a time.
const TRACE_CHUNK: usize = 1 << 12;

const _: () = assert!(TRIES * TRY_WORDS <= STRAY, "no word is drawn for two things");
const _: () = assert!(TIMES + STRAY + 3 < REPETITION_WORDS, "a repetition keeps to its own words");

/// All arrivals of a small fleet at once.
pub fn arrivals(plan: &Plan) -> Vec<Arrival> {
    Arrivals::new(plan).collect()
}

/// All arrivals inside the horizon, in order of time and card.
pub struct Arrivals {
    seed: Seed,
    clients: u32,
    horizon: SimTime,
    source: Source,
    chunk: Vec<Arrival>,
    next: usize,
}

enum Source {
    /// Every card once per repetition.
    Pattern(Pattern),
    /// Every card again and again.
    Calls { every: Span, chunk: Span, until: SimTime, first: CardId, callers: Vec<Caller> },
    /// These visits, of which so many have been handed out.
    Trace(Arc<Vec<Arrival>>, usize),
}

struct Pattern {
    times: ArrivalsPlan,
    cards: Range<u32>,
    /// Length of a repetition; `None`: there is only one.
    repeat: Option<Span>,
    /// All arrivals of a repetition lie in so much time from its start.
    extent: Span,
    repetition: u64,
    /// Each card's client, if the pattern is repeated.
    homes: Vec<ClientId>,
}

/// One card of a Poisson process.
#[derive(Clone, Copy)]
struct Caller {
    next: SimTime,
    home: ClientId,
    visits: u32,
}

const _: () = assert!(size_of::<Arrival>() == 16 && size_of::<Caller>() == 16, "one of each per card");

impl Arrivals {
    /// The arrivals of `plan`, from the first on.
    pub fn new(plan: &Plan) -> Self {
        Arrivals::of(plan, 0..plan.fleet.cards)
    }

    /// Those of `cards` only.
    pub fn of(plan: &Plan, cards: Range<u32>) -> Self {
        let (seed, clients) = (Seed(plan.seed), plan.fleet.clients);
        let source = match plan.load.arrivals.clone() {
            ArrivalsPlan::Trace(visits) if cards == (0..plan.fleet.cards) => Source::Trace(visits, 0),
            ArrivalsPlan::Trace(visits) => {
                let chosen = visits.iter().filter(|visit| cards.contains(&visit.card.0)).copied();
                Source::Trace(Arc::new(chosen.collect()), 0)
            }
            ArrivalsPlan::Poisson { every } => {
                let first = CardId(cards.start);
                let callers = cards.map(|card| Caller::new(seed, CardId(card), clients, every)).collect();
                // A card comes about once in a chunk, or less often.
                let chunk = every.min(LONGEST_CHUNK);
                Source::Calls { every, chunk, until: SimTime::ZERO, first, callers }
            }
            times => {
                let repeat = plan.load.repeat.filter(|&repeat| repeat < plan.horizon);
                let extent = repeat.unwrap_or(plan.horizon);
                Source::Pattern(Pattern { times, cards, repeat, extent, repetition: 0, homes: Vec::new() })
            }
        };
        let horizon = SimTime::ZERO + plan.horizon;
        Arrivals { seed, clients, horizon, source, chunk: Vec::new(), next: 0 }
    }

    /// The next arrival.
    pub fn peek(&mut self) -> Option<Arrival> {
        while self.next == self.chunk.len() {
            if !self.refill() {
                return None;
            }
        }
        Some(self.chunk[self.next])
    }

    /// The arrivals that are made already and come next, `count` of them at most.
    pub fn ahead(&self, count: usize) -> &[Arrival] {
        let made = &self.chunk[self.next..];
        &made[..made.len().min(count)]
    }

    /// Makes the next chunk, which may be empty; `false`: that was the last.
    fn refill(&mut self) -> bool {
        self.chunk.clear();
        self.next = 0;
        let more = match &mut self.source {
            Source::Pattern(pattern) => {
                pattern.append_repetition(self.seed, self.clients, self.horizon, &mut self.chunk)
            }
            Source::Calls { every, chunk, until, first, callers } => {
                let more = *until < self.horizon;
                *until = (*until + *chunk).min(self.horizon);
                let mut draws = Draws::closed();
                for (card, caller) in
                    (first.0..).map(CardId).zip(callers).filter(|(_, caller)| caller.next < *until)
                {
                    caller.append_calls(self.seed, card, *every, *until, &mut draws, &mut self.chunk);
                }
                more
            }
            Source::Trace(visits, handed_out) => {
                let rest = &visits[*handed_out..];
                self.chunk.extend_from_slice(&rest[..rest.len().min(TRACE_CHUNK)]);
                *handed_out += self.chunk.len();
                return !self.chunk.is_empty(); // in order already
            }
        };
        self.chunk.sort_unstable();
        more
    }
}

impl Iterator for Arrivals {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let arrival = self.peek()?;
        self.next += 1;
        Some(arrival)
    }
}

impl Pattern {
    fn append_repetition(
        &mut self,
        seed: Seed,
        clients: u32,
        horizon: SimTime,
        out: &mut Vec<Arrival>,
    ) -> bool {
        let start = SimTime::ZERO + self.repeat.map_or(Span::ZERO, |repeat| repeat * self.repetition);
        if start >= horizon || (self.repetition > 0 && self.repeat.is_none()) {
            return false;
        }
        let first = self.repetition * REPETITION_WORDS;
        let mut draws = Draws::closed();
        for card in self.cards.clone() {
            draws.reopen_at(seed, Purpose::Arrival, card.into(), first);
            let client = match self.homes.get((card - self.cards.start) as usize) {
                Some(&home) => home,
                None => home(&mut draws, clients),
            };
            if self.repeat.is_some() && self.repetition == 0 {
                self.homes.push(client);
            }
            let at = start + self.time(&mut draws, first + TIMES);
            if at < horizon {
                out.push(Arrival { at, card: CardId(card), client });
            }
        }
        self.repetition += 1;
        true
    }

    /// When the holder comes, from the start of the repetition whose times begin at `word`.
    fn time(&self, draws: &mut Draws, word: u64) -> Span {
        match self.times {
            ArrivalsPlan::Uniform { from, window } => from + uniform(window, draws, word),
            ArrivalsPlan::Office { peak, sigma, share } => {
                if share != Ratio::ONE && !share.hit(draws.word(word + STRAY)) {
                    return uniform(self.extent, draws, word + STRAY + 1);
                }
                let last = self.extent.as_ns() - 1;
                let mut at = 0.0;
                for round in 0..TRIES {
                    at = normal(peak, sigma, draws, word + round * TRY_WORDS);
                    if at >= 0.0 && at <= last as f64 {
                        break;
                    }
                }
                Span::from_ns((at.max(0.0) as u64).min(last))
            }
            ArrivalsPlan::Transit { day } => profile::TRANSIT.time(day, draws.double(word)),
            ArrivalsPlan::Payday { day, payday } => {
                let days = self.extent.as_ns() / day.as_ns();
                let which = profile::day_of(days, payday.into(), draws.double(word + WHICH_DAY));
                day * which + profile::CASH.time(day, draws.double(word))
            }
            ArrivalsPlan::Poisson { .. } | ArrivalsPlan::Trace(_) => {
                unreachable!("they have no pattern that could be repeated")
            }
        }
    }
}

/// Uniform in `[0, window)`, from the two words at `word`.
fn uniform(window: Span, draws: &mut Draws, word: u64) -> Span {
    Span::from_ns(((u128::from(draws.double(word)) * u128::from(window.as_ns())) >> 64) as u64)
}

impl Caller {
    fn new(seed: Seed, card: CardId, clients: u32, every: Span) -> Self {
        let mut draws = seed.open(Purpose::Arrival, card.0.into());
        let next = SimTime::ZERO + exponential(every, &mut draws, TIMES);
        Caller { next, home: home(&mut draws, clients), visits: 0 }
    }

    /// The first word of the time before the next visit.
    fn gap_word(&self) -> u64 {
        TIMES + u64::from(self.visits) * GAP_WORDS
    }

    /// Appends the visits before `until`.
    fn append_calls(
        &mut self,
        seed: Seed,
        card: CardId,
        every: Span,
        until: SimTime,
        draws: &mut Draws,
        out: &mut Vec<Arrival>,
    ) {
        draws.reopen_at(seed, Purpose::Arrival, card.0.into(), self.gap_word() + GAP_WORDS);
        while self.next < until {
            out.push(Arrival { at: self.next, card, client: self.home });
            self.visits += 1;
            let word = self.gap_word();
            self.next = self.next + exponential(every, draws, word);
        }
    }
}

/// The client that a card of `plan` is always brought to.
pub fn home_of(plan: &Plan, card: CardId) -> ClientId {
    home(&mut Seed(plan.seed).open(Purpose::Arrival, card.0.into()), plan.fleet.clients)
}

/// The same from the card's draws.
fn home(draws: &mut Draws, clients: u32) -> ClientId {
    ClientId(draws.below(HOME, clients))
}

#[cfg(test)]
mod tests;

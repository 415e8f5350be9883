//! A swarm: whole scenarios drawn at random, run with all checkers, to find what nobody thought of.
//!
//! A [`Case`] is drawn from the swarm's seed and its own number. Each feature of the scenario language is left alone in
//! about half of the cases: a fault that is on everywhere hides what only shows without it. A run ends as every run does:
//! the network heals, each card gets the connections that its policy promises, and must then be up to date.
//!
//! | To read about | open |
//! |---|---|
//! | what is drawn | [`features`] |
//! | how a failing case is made small | [`shrink`] |

pub mod features;
pub mod shrink;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_reports::results::Counts;

use crate::engine::Stopped;
use crate::issue::{Order, fresh};
use crate::plan::{Mishap, Plan};
use crate::run::{Finished, simulate_with};
use crate::scenario::{self, ScenarioError};

use features::FEATURES;

/// Settings that the scenario checks refuse are drawn anew so many times at most.
const DRAWS: u64 = 100;
/// Where the draws lie that choose between true operations and stand-ins: behind those of every attempt.
const CRYPTO: u64 = 1 << 15;
/// Every so many cases one is run twice: equal seeds must give equal digests.
const TWICE_EVERY: u64 = 8;

/// A key of the scenario and what it says, as behind `--set`.
pub type Setting = (String, String);

/// One drawn scenario.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Case {
    /// Its number in the swarm, from 1.
    pub number: u64,
    /// What it says; everything else is as the scenario language's defaults have it.
    pub settings: Vec<Setting>,
}

/// Random choices, one after the other.
pub struct Dice {
    draws: Draws,
    next: u64,
}

impl Dice {
    /// Those of a case that lie at `place`, below 2^16.
    fn at(seed: Seed, number: u64, place: u64) -> Dice {
        Dice { draws: seed.open(Purpose::Swarm, number << 16 | place), next: 0 }
    }

    /// A number below `bound`, which must not be 0.
    pub fn below(&mut self, bound: u32) -> u32 {
        self.next += 1;
        self.draws.below(self.next, bound)
    }

    /// A number from `first` to `last`.
    pub fn between(&mut self, first: u32, last: u32) -> u32 {
        first + self.below(last - first + 1)
    }

    /// One of `all`.
    pub fn one<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u32) as usize]
    }

    /// True once in `times`.
    pub fn once_in(&mut self, times: u32) -> bool {
        self.below(times) == 0
    }
}

impl Case {
    /// Draws the case of this number.
    ///
    /// # Panics
    /// If the scenario checks refuse everything that is drawn: a feature is drawn wrong.
    pub fn draw(seed: Seed, number: u64) -> Case {
        let real = Case::draw_real(seed, number);
        let mut modelled = real.clone();
        features::crypto(&mut Dice::at(seed, number, CRYPTO), &mut modelled.settings);
        if modelled.plan().is_ok() { modelled } else { real }
    }

    /// Draws everything but stand-ins for true operations.
    fn draw_real(seed: Seed, number: u64) -> Case {
        let mut last = None;
        for attempt in 0..DRAWS {
            let mut dice = Dice::at(seed, number, attempt);
            let mut settings = features::base(&mut dice);
            for feature in FEATURES {
                if dice.once_in(2) {
                    (feature.draw)(&mut dice, &mut settings);
                }
            }
            let case = Case { number, settings };
            match case.plan() {
                Ok(_) => return case,
                Err(error) => last = Some((case, error)),
            }
        }
        panic!("no valid scenario was drawn; the last one: {last:?}")
    }

    /// The plan of the case.
    ///
    /// # Errors
    /// If the scenario checks refuse it.
    pub fn plan(&self) -> Result<Plan, ScenarioError> {
        scenario::load_text(Path::new(&format!("swarm-{}", self.number)), String::new(), &self.overrides())
    }

    /// The settings as behind `--set`; those set last win.
    pub fn overrides(&self) -> Vec<String> {
        self.settings.iter().map(|(key, value)| format!("{key}={value}")).collect()
    }

    /// Whether it is one of those that are run twice.
    fn is_run_twice(&self) -> bool {
        self.number.is_multiple_of(TWICE_EVERY)
    }
}

/// What a case came to.
#[derive(Clone, Default, Debug)]
pub struct Found {
    /// What was counted.
    pub counts: Counts,
    /// Each kind of fault that was asked for: in how many cases it was, and how often it struck.
    pub faults: BTreeMap<String, (u64, u64)>,
}

/// How a case went wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Broken {
    /// The first rule that did not hold, or the panic, or the difference.
    pub what: String,
}

/// Runs a case; `None` once `go_on` says no.
///
/// # Errors
/// What went wrong.
pub fn run(case: &Case, go_on: &dyn Fn() -> bool) -> Result<Option<Found>, Broken> {
    let Some(first) = run_once(case, go_on)? else { return Ok(None) };
    if case.is_run_twice() {
        let Some(second) = run_once(case, go_on)? else { return Ok(None) };
        let [one, other] = [&first, &second].map(|finished| finished.results.trace_digest);
        if one != other {
            return Err(Broken { what: format!("two runs of it differ: {one:032x} and {other:032x}") });
        }
    }
    Ok(Some(found(&first)))
}

fn run_once(case: &Case, go_on: &dyn Fn() -> bool) -> Result<Option<Finished>, Broken> {
    if !go_on() {
        return Ok(None);
    }
    let plan = case.plan().map_err(|error| Broken { what: format!("it is no scenario: {error}") })?;
    let pairs = fresh(&Order::of(&plan));
    let ran = catch_unwind(AssertUnwindSafe(|| simulate_with(plan, pairs, &mut |_| go_on())));
    match ran {
        Ok(Ok(finished)) => match finished.violations.first() {
            Some(violation) => Err(Broken { what: violation.to_string() }),
            None => Ok(Some(finished)),
        },
        Ok(Err(Stopped::Cancelled)) => Ok(None),
        Ok(Err(Stopped::Failed(what))) => Err(Broken { what: format!("the engine failed: {what}") }),
        Err(panic) => Err(Broken { what: format!("it panicked: {}", message(panic.as_ref())) }),
    }
}

fn message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

fn found(finished: &Finished) -> Found {
    let mut faults: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for fault in &finished.results.faults {
        let (cases, fired) = faults.entry(kind_of(&fault.fault).to_owned()).or_insert((1, 0));
        *cases = 1;
        *fired += fault.fired;
    }
    Found { counts: finished.results.counts, faults }
}

/// The kind of a fault, without where and when it was to strike.
fn kind_of(fault: &str) -> &str {
    let placed =
        Mishap::names().into_iter().filter(|name| fault.contains(", card ") && fault.starts_with(name));
    if let Some(name) = placed.max_by_key(|name| name.len()) {
        return &fault[..name.len()];
    }
    let end = [" of ", " at "].iter().filter_map(|word| fault.find(word)).min();
    &fault[..end.unwrap_or(fault.len())]
}

//! What was found: rows, counts, and rules that did not hold.

use keystorm_reports::results::{Interruption, Outcome};

use super::combination::Combination;
use super::cuts::Cut;
use super::standing::{ServerSide, Standing};

/// How it ended for a card.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Verdict {
    /// What became of it.
    pub outcome: Outcome,
    /// Connections without faults until everything is renewed and a session works; 0: it was renewed already. `None`:
    /// that does not happen before something falls due anew.
    pub connections: Option<u8>,
}

impl Verdict {
    /// Worse is greater. Whether a card was interrupted is no harm by itself.
    pub(super) fn rank(self) -> (Outcome, u8) {
        let harm = if self.outcome == Outcome::Unharmed { Outcome::Healed } else { self.outcome };
        (harm, self.connections.unwrap_or(u8::MAX))
    }

    /// Whether the card goes on, but its renewal has to wait for the next period.
    pub fn is_missed(self) -> bool {
        self.connections.is_none() && matches!(self.outcome, Outcome::Unharmed | Outcome::Healed)
    }
}

/// A cut, or two in a row, and what came of it.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The cut.
    pub cut: Cut,
    /// That of a following connection.
    pub second: Option<Cut>,
    /// How card and server stand right after the last cut.
    pub standing: Standing,
    /// What came of it.
    pub verdict: Verdict,
}

/// Counts over cuts.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Tally {
    /// Cuts, or pairs of cuts.
    pub points: u64,
    /// By outcome, in the order of its declaration.
    outcomes: [u64; 6],
    /// Cards that go on, and whose renewal waits for the next period.
    pub missed: u64,
    /// The most connections that a card needed.
    pub most: u8,
}

impl Tally {
    pub(super) fn add(&mut self, verdict: Verdict, times: u64) {
        self.points += times;
        self.outcomes[verdict.outcome as usize] += times;
        self.missed += if verdict.is_missed() { times } else { 0 };
        self.most = self.most.max(verdict.connections.unwrap_or(0));
    }

    /// How many ended so.
    pub const fn of(&self, outcome: Outcome) -> u64 {
        self.outcomes[outcome as usize]
    }

    /// Both together.
    #[must_use]
    pub fn with(mut self, other: &Tally) -> Tally {
        self.points += other.points;
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(sum, count)| *sum += count);
        self.missed += other.missed;
        self.most = self.most.max(other.most);
        self
    }
}

/// What was found of one combination.
#[derive(Debug)]
pub struct Findings {
    /// The combination.
    pub combination: Combination,
    /// Every single cut, and the pairs of cuts that do more harm than either of the two.
    pub rows: Vec<Row>,
    /// Single cuts.
    pub once: Tally,
    /// Pairs of cuts.
    pub twice: Tally,
    /// Rules that did not hold.
    pub violations: Vec<String>,
}

impl Findings {
    pub(super) fn new(combination: Combination) -> Self {
        let (once, twice) = (Tally::default(), Tally::default());
        Findings { combination, rows: Vec::new(), once, twice, violations: Vec::new() }
    }

    /// Rules did not hold after these cuts.
    pub(super) fn broken<'w>(
        &mut self,
        (cut, second): (Cut, Option<Cut>),
        what: impl Iterator<Item = &'w String>,
    ) {
        for what in what {
            let second = second.map(|cut| format!(", then {} at {}", cut.kind, cut.step)).unwrap_or_default();
            self.undisturbed(&format!("{} at {}{second}: {what}", cut.kind, cut.step));
        }
    }

    /// A rule did not hold.
    pub(super) fn undisturbed(&mut self, what: &str) {
        let Combination { suite, crypto, recovery, mode, layout, embodiment, due } = self.combination;
        self.violations.push(format!(
            "{what} (--suite {} --crypto {} --embodiment {} --recovery {} --nvm {} --layout {} --depth {})",
            suite.name(),
            crypto.name(),
            embodiment.name(),
            recovery.name(),
            mode.name(),
            layout.name(),
            due.name()
        ));
    }

    /// The rows of `interruptions.csv`.
    pub fn csv_rows(&self) -> impl Iterator<Item = Interruption> + '_ {
        let Combination { suite, crypto, recovery, mode, layout, embodiment, due } = self.combination;
        self.rows.iter().map(move |row| Interruption {
            suite: suite.name(),
            embodiment: embodiment.name(),
            recovery: recovery.name(),
            nvm: mode.name(),
            layout: layout.name(),
            cut_step: row.cut.step.to_string(),
            cut_kind: row.cut.kind.to_string(),
            card_state: row.standing.card(),
            server_state: ServerSide(&row.standing).to_string(),
            outcome: row.verdict.outcome,
            connections_to_heal: row.verdict.connections,
            depth: due.name(),
            cut2_step: row.second.map(|cut| cut.step.to_string()),
            cut2_kind: row.second.map(|cut| cut.kind.to_string()),
            crypto: crypto.name(),
        })
    }
}

//! The matrix as a table for people, and which combinations do harm at which steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use keystorm_reports::results::Outcome;

use super::combination::Combination;
use super::cuts::Cut;
use super::findings::{Findings, Tally};

/// How many single and how many double cuts were made.
pub fn points(findings: &[Findings]) -> [u64; 2] {
    findings
        .iter()
        .fold([0, 0], |[once, twice], found| [once + found.once.points, twice + found.twice.points])
}

/// The whole text. `twice`: what follows a cut was cut too.
pub fn text(findings: &[Findings], twice: bool, place: &Path) -> String {
    let mut text = table(findings, twice);
    text.push('\n');
    text.push_str(&harm(findings));
    let [once, pairs] = points(findings);
    let _ = writeln!(text, "{} combinations, {once} single cuts, {pairs} double cuts", findings.len());
    let _ = writeln!(text, "Written to {}", place.display());
    text
}

/// What a line of the table is about: a combination, whatever is due.
fn line_of(combination: &Combination) -> [&'static str; 4] {
    let Combination { recovery, mode, layout, embodiment, .. } = *combination;
    [recovery.name(), mode.name(), layout.name(), embodiment.name()]
}

fn table(findings: &[Findings], twice: bool) -> String {
    let mut text = format!(
        "{:<16} {:<12} {:<13} {:<3} {:>7} {:>9} {:>7} {:>8} {:>8} {:>5} {:>7} {:>4}",
        "recovery",
        "nvm",
        "layout",
        "emb",
        "cuts",
        "unharmed",
        "healed",
        "stranded",
        "blocked",
        "torn",
        "missed",
        "most"
    );
    if twice {
        let _ =
            write!(text, " | {:>8} {:>8} {:>8} {:>7} {:>4}", "twice", "stranded", "blocked", "torn", "most");
    }
    text.push('\n');
    for group in findings.chunk_by(|a, b| line_of(&a.combination) == line_of(&b.combination)) {
        let sum = |of: fn(&Findings) -> &Tally| {
            group.iter().map(of).fold(Tally::default(), |sum, tally| sum.with(tally))
        };
        let [recovery, nvm, layout, embodiment] = line_of(&group[0].combination);
        let once = sum(|found| &found.once);
        let _ = write!(
            text,
            "{recovery:<16} {nvm:<12} {layout:<13} {embodiment:<3} {:>7} {:>9} {:>7} {:>8} {:>8} {:>5} {:>7} {:>4}",
            once.points,
            once.of(Outcome::Unharmed),
            once.of(Outcome::Healed),
            once.of(Outcome::Stranded),
            once.of(Outcome::Blocked),
            once.of(Outcome::Torn),
            once.missed,
            once.most
        );
        if twice {
            let pairs = sum(|found| &found.twice);
            let _ = write!(
                text,
                " | {:>8} {:>8} {:>8} {:>7} {:>4}",
                pairs.points,
                pairs.of(Outcome::Stranded),
                pairs.of(Outcome::Blocked),
                pairs.of(Outcome::Torn),
                pairs.most
            );
        }
        text.push('\n');
    }
    text.push_str(
        "missed: the card goes on, but is not renewed before something falls due anew. most: connections to heal.\n",
    );
    text
}

/// Steps, and the embodiments that have them.
type Harm<'a> = (BTreeSet<String>, BTreeSet<&'a str>);

/// Where a single cut does harm: for each policy and outcome the steps, and the combinations that have them.
fn harm(findings: &[Findings]) -> String {
    let mut steps: BTreeMap<(&str, Outcome, [&str; 2]), Harm<'_>> = BTreeMap::new();
    for found in findings {
        let [recovery, nvm, layout, embodiment] = line_of(&found.combination);
        let single = found.rows.iter().filter(|row| row.second.is_none());
        for row in single.filter(|row| !matches!(row.verdict.outcome, Outcome::Unharmed | Outcome::Healed)) {
            let (steps, embodiments) =
                steps.entry((recovery, row.verdict.outcome, [nvm, layout])).or_default();
            steps.insert(place(row.cut));
            embodiments.insert(embodiment);
        }
    }
    // Memories with the same steps share a paragraph.
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((recovery, outcome, [nvm, layout]), found) in steps {
        groups.entry((recovery, outcome, found)).or_default().push(format!("{nvm} + {layout}"));
    }
    let mut text = String::new();
    for ((recovery, outcome, (steps, embodiments)), memories) in groups {
        let embodiments: Vec<_> = embodiments.into_iter().collect();
        let steps: Vec<_> = steps.into_iter().collect();
        let _ = writeln!(
            text,
            "{recovery}: {} with {} (embodiments {}) where one cut strikes at\n  {}",
            outcome.name(),
            memories.join(", "),
            embodiments.join(", "),
            steps.join("; ")
        );
    }
    if text.is_empty() {
        text.push_str("No single cut strands, blocks or tears a card.\n");
    }
    text
}

/// A cut without the connection and the moment.
fn place(cut: Cut) -> String {
    let step = crate::step::Step { connection: 1, nth: 1, ..cut.step };
    format!("{step} ({})", cut.kind.name())
}

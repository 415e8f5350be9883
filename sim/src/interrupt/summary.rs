//! The matrix as a table for people and as an object for programs, and which combinations do harm where, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use keystorm_reports::results::{Outcome, PairState};
use serde_json::{Map, Value};

use super::combination::Combination;
use super::findings::{Findings, Row, Tally};
use super::standing::Standing;
use crate::step::{Kind, Step};

/// How many single and how many double cuts were made.
pub fn points(findings: &[Findings]) -> [u64; 2] {
    findings
        .iter()
        .fold([0, 0], |[once, twice], found| [once + found.once.points, twice + found.twice.points])
}

/// The whole text. `twice`: what follows a cut was cut too.
pub fn text(findings: &[Findings], twice: bool) -> String {
    let mut suites = findings.chunk_by(same_cipher);
    let Some(first) = suites.next() else { return "No combination passes these filters.\n".into() };
    let mut text = format!("{}\n{}", first[0].combination.cipher_name(), table(&lines(first), twice));
    text.push_str(
        "missed: the card goes on, but is not renewed before something falls due anew. most: connections to heal.\n\n",
    );
    text.push_str(&harm(first));
    for other in suites {
        text.push_str(&difference(first, other, twice));
    }
    let [once, pairs] = points(findings);
    let _ = writeln!(text, "{} combinations, {once} single cuts, {pairs} double cuts", findings.len());
    text
}

fn same_cipher(a: &Findings, b: &Findings) -> bool {
    let of = |found: &Findings| (found.combination.suite, found.combination.crypto);
    of(a) == of(b)
}

/// What a line of the table is about: a combination, whatever is due.
fn line_of(combination: &Combination) -> [&'static str; 4] {
    let Combination { recovery, mode, layout, embodiment, .. } = *combination;
    [recovery.name(), mode.name(), layout.name(), embodiment.name()]
}

/// A line: what it is about, and the single and double cuts.
type Line = ([&'static str; 4], Tally, Tally);

/// The lines of the findings with one suite.
fn lines(findings: &[Findings]) -> Vec<Line> {
    let groups = findings.chunk_by(|a, b| line_of(&a.combination) == line_of(&b.combination));
    let line = |group: &[Findings]| {
        let sum = |of: fn(&Findings) -> &Tally| {
            group.iter().map(of).fold(Tally::default(), |sum, tally| sum.with(tally))
        };
        (line_of(&group[0].combination), sum(|found| &found.once), sum(|found| &found.twice))
    };
    groups.map(line).collect()
}

fn table(lines: &[Line], twice: bool) -> String {
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
    for ([recovery, nvm, layout, embodiment], once, pairs) in lines {
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
    text
}

/// Which harm occurs at all, and the connections to heal: what a suite could change of a line. How often it occurs
/// depends on how many pages its keys fill.
fn classes((_, once, pairs): &Line) -> Vec<u8> {
    let of = |tally: &Tally| {
        let harm = [Outcome::Stranded, Outcome::Blocked, Outcome::Torn].map(|outcome| tally.of(outcome) > 0);
        harm.map(u8::from).into_iter().chain([u8::from(tally.missed > 0), tally.most]).collect::<Vec<_>>()
    };
    [of(once), of(pairs)].concat()
}

/// Another suite against the first: the lines in which another class of outcomes occurs.
fn difference(first: &[Findings], other: &[Findings], twice: bool) -> String {
    let (first_name, name) = (first[0].combination.cipher_name(), other[0].combination.cipher_name());
    let (first, other) = (lines(first), lines(other));
    let differs = |line: &&Line| {
        first.iter().find(|known| known.0 == line.0).is_none_or(|known| classes(known) != classes(line))
    };
    let different: Vec<Line> = other.iter().filter(differs).copied().collect();
    let same = format!("{name}: the same outcomes and connections to heal as with {first_name}");
    if different.is_empty() {
        return format!("{same}, in other numbers\n\n");
    }
    format!("{same}, in other numbers, but for\n{}\n", table(&different, twice))
}

/// What leaves a card harmed, in words.
fn why(outcome: Outcome, standing: &Standing, kind: Kind) -> &'static str {
    let ahead = |pair| standing.pairs.contains(&pair);
    let torn_off = matches!(kind, Kind::PulledDuring(..) | Kind::ClientCrashDuring(_));
    match outcome {
        Outcome::Torn => "a key on the card was erased and not written again, or lay in a page beside one",
        Outcome::Blocked if torn_off && !ahead(PairState::CardAhead) => {
            "a counter of tries was erased and not written again: the card takes it for spent"
        }
        Outcome::Blocked => {
            "the card holds the new external key, the server the old one, with which it burns a try in each connection"
        }
        _ if ahead(PairState::Split) => {
            "the card holds one new key and one old, the server the old ones, and does not renew again"
        }
        _ => "the card holds the new keys, the server the old ones, and does not renew again",
    }
}

/// Steps with what strikes there, and the embodiments that have them.
type Harm<'a> = (BTreeMap<String, BTreeSet<&'a str>>, BTreeSet<&'a str>);

/// Where a single cut does harm: for each policy, outcome and cause the steps, and the combinations that have them.
fn harm(findings: &[Findings]) -> String {
    let mut found_at: BTreeMap<(&str, Outcome, &str, [&str; 2]), Harm<'_>> = BTreeMap::new();
    for found in findings {
        let [recovery, nvm, layout, embodiment] = line_of(&found.combination);
        let single = found.rows.iter().filter(|row| row.second.is_none());
        for row in single.filter(|row| !matches!(row.verdict.outcome, Outcome::Unharmed | Outcome::Healed)) {
            let Row { cut, standing, .. } = row;
            let outcome = row.verdict.outcome;
            let why = why(outcome, standing, cut.kind);
            let (steps, embodiments) = found_at.entry((recovery, outcome, why, [nvm, layout])).or_default();
            let step = Step { connection: 1, nth: 1, ..cut.step };
            steps.entry(step.to_string()).or_default().insert(cut.kind.name());
            embodiments.insert(embodiment);
        }
    }
    // Memories with the same steps share a paragraph.
    let mut groups: BTreeMap<_, Vec<String>> = BTreeMap::new();
    for ((recovery, outcome, why, [nvm, layout]), found) in found_at {
        groups.entry((recovery, outcome, why, found)).or_default().push(format!("{nvm} + {layout}"));
    }
    let mut text = String::new();
    for ((recovery, outcome, why, (steps, embodiments)), memories) in groups {
        let list = |names: BTreeSet<&str>| names.into_iter().collect::<Vec<_>>().join(", ");
        let _ = writeln!(
            text,
            "{recovery}: {} with {} (embodiments {}): {why}",
            outcome.name(),
            memories.join(", "),
            list(embodiments)
        );
        for (step, kinds) in steps {
            let _ = writeln!(text, "  {step}: {}", list(kinds));
        }
    }
    if text.is_empty() {
        text.push_str("No single cut strands, blocks or tears a card.\n");
    }
    text.push('\n');
    text
}

/// The table as an object.
pub fn json(findings: &[Findings], twice: bool) -> Value {
    let tally = |tally: &Tally| {
        let mut object = Map::new();
        object.insert("cuts".into(), tally.points.into());
        for outcome in
            [Outcome::Unharmed, Outcome::Healed, Outcome::Stranded, Outcome::Blocked, Outcome::Torn]
        {
            object.insert(outcome.name().into(), tally.of(outcome).into());
        }
        object.insert("missed".into(), tally.missed.into());
        object.insert("most_connections_to_heal".into(), tally.most.into());
        Value::Object(object)
    };
    let mut rows = Vec::new();
    for group in findings.chunk_by(same_cipher) {
        for ([recovery, nvm, layout, embodiment], once, pairs) in lines(group) {
            let mut row = Map::from_iter([
                ("suite".into(), group[0].combination.suite.name().into()),
                ("crypto".into(), group[0].combination.crypto.name().into()),
                ("embodiment".into(), embodiment.into()),
                ("recovery".into(), recovery.into()),
                ("nvm".into(), nvm.into()),
                ("layout".into(), layout.into()),
                ("single".into(), tally(&once)),
            ]);
            if twice {
                row.insert("double".into(), tally(&pairs));
            }
            rows.push(Value::Object(row));
        }
    }
    let [once, pairs] = points(findings);
    Value::Object(Map::from_iter([
        ("combinations".into(), findings.len().into()),
        ("single_cuts".into(), once.into()),
        ("double_cuts".into(), pairs.into()),
        ("lines".into(), Value::Array(rows)),
    ]))
}

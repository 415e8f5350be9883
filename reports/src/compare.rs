//! `keystorm compare`: what differs between two runs, or between two campaigns and how surely.

use serde_json::{Value, json};

use crate::campaign::estimate::difference;
use crate::campaign::{Measure, PointRows, measures, tables::paired, text::columns};
use crate::html::{StoredCampaign, StoredRun};
use crate::statistics::{CONFIDENCE, Estimate, Interval, welch};

/// What was compared, for people and for programs.
#[derive(Clone, PartialEq, Debug)]
pub struct Comparison {
    /// For people.
    pub text: String,
    /// For programs.
    pub json: Value,
}

/// Holds run `b` against run `a`: keys of their scenarios, facts and figures.
pub fn compare_runs(a: &StoredRun, b: &StoredRun) -> Comparison {
    let keys = different_keys(&a.scenario_text, &b.scenario_text);
    let measured = measures();
    let is_measure = |name: &str| measured.iter().any(|measure| measure.name == name);
    let cells = |name: &str| [a.summary.first(name).to_owned(), b.summary.first(name).to_owned()];
    let facts: Vec<Differing> = (a.summary.header.iter())
        .filter(|name| !is_measure(name))
        .map(|name| (name.clone(), cells(name)))
        .filter(|(_, [a, b])| a != b)
        .collect();
    let figures: Vec<Pair> =
        measured.iter().map(|measure| Pair::new(measure, cells(&measure.name))).collect();
    let different: Vec<&Pair> = figures.iter().filter(|pair| pair.cells[0] != pair.cells[1]).collect();

    let mut text = String::new();
    section(&mut text, "Scenario", &keys, "the same");
    section(&mut text, "Facts", &facts, "the same");
    text.push_str("Figures\n");
    let mut rows = vec![["", "A", "B", "B - A", "relative"].map(str::to_owned).to_vec()];
    rows.extend(different.iter().map(|pair| pair.row()));
    if !different.is_empty() {
        text.push_str(&columns(&rows));
    }
    text.push_str(&format!("{} figures are equal.\n", figures.len() - different.len()));
    if keys.is_empty() && different.is_empty() {
        text.push_str("No key of the scenario and no figure differs.\n");
    }
    let json = json!({
        "kind": "run",
        "scenario": named(&keys),
        "facts": named(&facts),
        "figures": figures.iter().map(Pair::json).collect::<Vec<_>>(),
    });
    Comparison { text, json }
}

/// A key or a fact, and what A and B say; empty where one says nothing.
type Differing = (String, [String; 2]);

/// The keys of two resolved scenarios that differ: `key = value`, one per line, sorted.
fn different_keys(a: &str, b: &str) -> Vec<Differing> {
    let parse = |text: &str| {
        let pairs = text.lines().filter_map(|line| line.split_once(" = "));
        pairs
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect::<std::collections::BTreeMap<_, _>>()
    };
    let [a, b] = [parse(a), parse(b)];
    let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let value =
        |map: &std::collections::BTreeMap<String, String>, key| map.get(key).cloned().unwrap_or_default();
    keys.into_iter()
        .filter(|key| a.get(*key) != b.get(*key))
        .map(|key| (key.clone(), [value(&a, key), value(&b, key)]))
        .collect()
}

fn section(text: &mut String, title: &str, differing: &[Differing], none: &str) {
    if differing.is_empty() {
        text.push_str(&format!("{title}: {none}\n\n"));
        return;
    }
    text.push_str(&format!("{title}\n"));
    for (name, [a, b]) in differing {
        let said = |words: &str| if words.is_empty() { "-".to_owned() } else { words.to_owned() };
        text.push_str(&format!("  {name}: {} in A, {} in B\n", said(a), said(b)));
    }
    text.push('\n');
}

fn named(differing: &[Differing]) -> Value {
    Value::Object(differing.iter().map(|(name, [a, b])| (name.clone(), json!({ "a": a, "b": b }))).collect())
}

/// A figure of two runs.
struct Pair {
    measure: String,
    decimals: usize,
    cells: [String; 2],
}

impl Pair {
    fn new(measure: &Measure, cells: [String; 2]) -> Pair {
        let decimals = cells.iter().filter_map(|cell| Some(cell.split_once('.')?.1.len())).max().unwrap_or(0);
        Pair { measure: measure.name.clone(), decimals, cells }
    }

    fn numbers(&self) -> [Option<f64>; 2] {
        [self.cells[0].parse().ok(), self.cells[1].parse().ok()]
    }

    fn difference(&self) -> Option<f64> {
        let [a, b] = self.numbers();
        Some(b? - a?)
    }

    /// Relative to A; `None` where that is 0.
    fn relative(&self) -> Option<f64> {
        let a = self.numbers()[0].filter(|a| *a != 0.0)?;
        Some(self.difference()? / a)
    }

    fn row(&self) -> Vec<String> {
        let shown = |cell: &String| if cell.is_empty() { "-".to_owned() } else { cell.clone() };
        let decimals = self.decimals;
        vec![
            self.measure.clone(),
            shown(&self.cells[0]),
            shown(&self.cells[1]),
            self.difference().map_or("-".into(), |difference| format!("{difference:+.decimals$}")),
            percent(self.relative()),
        ]
    }

    fn json(&self) -> Value {
        let [a, b] = self.numbers();
        json!({ "figure": self.measure, "a": a, "b": b, "difference": self.difference(), "relative": self.relative() })
    }
}

fn percent(relative: Option<f64>) -> String {
    relative.map_or("-".to_owned(), |relative| format!("{:+.1} %", relative * 100.0))
}

/// A figure at one point of two campaigns.
struct Contrast {
    point: String,
    measure: Measure,
    /// Over the very runs that the difference rests on.
    figures: [f64; 2],
    /// Of B - A.
    difference: Estimate,
    paired: bool,
}

impl Contrast {
    /// Every measure that both points have. Paired by seed where both have the same seeds: seeds that some runs have in common
    /// are no reason to drop the others. By Welch's t on all runs otherwise.
    fn all(a: &PointRows, b: &PointRows, measures: &[Measure]) -> Vec<Contrast> {
        let pairs = paired(a, b);
        let paired = pairs.len() == a.runs.len() && pairs.len() == b.runs.len();
        let of = |measure: &Measure| {
            let (difference, figures) = if paired {
                difference(&pairs, measure)?
            } else {
                let (a, b) = (a.estimate(measure)?, b.estimate(measure)?);
                (welch(&a, &b), [a.figure, b.figure])
            };
            Some(Contrast {
                point: a.values.join(", "),
                measure: measure.clone(),
                figures,
                difference,
                paired,
            })
        };
        measures.iter().filter_map(of).collect()
    }

    fn interval(&self) -> Option<Interval> {
        self.difference.interval(CONFIDENCE)
    }

    fn is_significant(&self) -> bool {
        self.difference.is_significant()
    }

    fn relative(&self) -> Option<f64> {
        let [a, _] = self.figures;
        (a != 0.0).then(|| self.difference.figure / a)
    }

    fn row(&self) -> Vec<String> {
        let decimals = self.measure.decimals();
        let ends = |Interval { low, high }| format!("{low:+.decimals$} to {high:+.decimals$}");
        let [a, b] = self.figures;
        vec![
            self.point.clone(),
            self.measure.name.clone(),
            format!("{a:.decimals$}"),
            format!("{b:.decimals$}"),
            format!("{:+.decimals$}", self.difference.figure),
            self.interval().map_or("-".to_owned(), ends),
            percent(self.relative()),
        ]
    }

    fn json(&self) -> Value {
        let [low, high] = [self.interval().map(|ends| ends.low), self.interval().map(|ends| ends.high)];
        let [a, b] = self.figures;
        json!({
            "point": self.point, "figure": self.measure.name, "a": a, "b": b,
            "difference": self.difference.figure, "ci95_low": low, "ci95_high": high, "relative": self.relative(),
            "method": if self.paired { "paired by seed" } else { "welch" }, "significant": self.is_significant(),
        })
    }
}

/// A value of a key that varies.
struct Said<'v> {
    words: &'v str,
    /// What a scenario's reader takes it for; `None`: this version does not read it.
    meaning: Option<String>,
}

impl<'v> Said<'v> {
    /// What a point says of these keys; `place` is where it says it of each.
    fn all(
        keys: &[String],
        point: &'v PointRows,
        place: impl Fn(usize) -> usize,
        meaning: &impl Fn(&str, &str) -> Option<String>,
    ) -> Vec<Said<'v>> {
        let said = |(number, key): (usize, &String)| {
            let words = point.values[place(number)].as_str();
            Said { words, meaning: meaning(key, words) }
        };
        keys.iter().enumerate().map(said).collect()
    }

    /// Whether two values of a key mean the same: `1s` is `1000ms`. Where the reader does not know one of them, numbers
    /// do: `5%` is `0.05`.
    fn is_same(&self, other: &Said<'_>) -> bool {
        if self.words == other.words {
            return true;
        }
        if let (Some(one), Some(other)) = (&self.meaning, &other.meaning) {
            return one == other;
        }
        let [one, other] = [number(self.words), number(other.words)];
        one.zip(other).is_some_and(|(one, other)| (one - other).abs() <= 1e-12 * one.abs())
    }
}

fn number(text: &str) -> Option<f64> {
    match text.strip_suffix('%') {
        Some(percent) => Some(percent.trim().parse::<f64>().ok()? / 100.0),
        None => text.parse().ok(),
    }
}

/// Holds campaign `b` against campaign `a`, point by point. `meaning` says what a value of a key means, in one way of all
/// in which it can be written; `None`: it cannot be read.
///
/// # Errors
/// If they do not vary the same keys, or have no point in common.
pub fn compare_campaigns(
    a: &StoredCampaign,
    b: &StoredCampaign,
    meaning: impl Fn(&str, &str) -> Option<String>,
) -> Result<Comparison, String> {
    let [keys, other] = [a.shape.keys(), b.shape.keys()];
    let places: Option<Vec<usize>> =
        keys.iter().map(|key| other.iter().position(|other| other == key)).collect();
    let Some(places) = places.filter(|places| places.len() == other.len()) else {
        return Err(format!(
            "A varies {}, and B varies {}: only campaigns that vary the same keys can be compared",
            keys.join(", "),
            other.join(", ")
        ));
    };
    // In the order of A's keys.
    let of_a = |point| Said::all(&keys, point, |place| place, &meaning);
    let of_b = |point| Said::all(&keys, point, |place| places[place], &meaning);
    let in_b: Vec<Vec<Said<'_>>> = b.points.iter().map(of_b).collect();
    let partner = |point| {
        let here = of_a(point);
        let same = |there: &Vec<Said<'_>>| here.iter().zip(there).all(|(one, other)| one.is_same(other));
        in_b.iter().position(same).map(|place| &b.points[place])
    };
    let common: Vec<(&PointRows, &PointRows)> =
        a.points.iter().filter_map(|point| Some((point, partner(point)?))).collect();
    if common.is_empty() {
        return Err(format!("A and B have no value of {} in common", keys.join(", ")));
    }
    let scenario = different_keys(&a.shape.scenario_text, &b.shape.scenario_text);
    let all = measures();
    let contrasts: Vec<Contrast> = common.iter().flat_map(|(a, b)| Contrast::all(a, b, &all)).collect();
    let significant: Vec<&Contrast> = contrasts.iter().filter(|contrast| contrast.is_significant()).collect();

    let mut text = String::new();
    section(&mut text, "Scenario of the first point", &scenario, "the same");
    let alone = [a.points.len() - common.len(), b.points.len() - common.len()];
    text.push_str(&format!(
        "{} points in common, {} in A only, {} in B only\n\n",
        common.len(),
        alone[0],
        alone[1]
    ));
    if !significant.is_empty() {
        let first = keys.join(", ");
        let header = [first.as_str(), "figure", "in A", "in B", "B - A", "95 % interval", "relative"];
        let mut rows = vec![header.map(str::to_owned).to_vec()];
        rows.extend(significant.iter().map(|contrast| contrast.row()));
        text.push_str(&columns(&rows));
    }
    let judged: Vec<&Contrast> = contrasts.iter().filter(|contrast| contrast.interval().is_some()).collect();
    let welch = judged.iter().filter(|contrast| !contrast.paired).count();
    if judged.is_empty() {
        let differ = contrasts.iter().filter(|contrast| contrast.difference.figure != 0.0).count();
        text.push_str(&format!(
            "{differ} of {} figures differ, but one run of a point has no interval: nothing says how surely. Make both campaigns \
             with more --replications.\n",
            contrasts.len()
        ));
    } else {
        text.push_str(&format!(
            "{} of {} figures differ significantly ({} paired by seed, {welch} by Welch's t; 95 %: of figures that are the same, \
             one in 20 seems to differ; below four runs none does).\n",
            significant.len(),
            judged.len(),
            judged.len() - welch,
        ));
    }
    let json = json!({
        "kind": "campaign",
        "scenario": named(&scenario),
        "points_in_common": common.len(),
        "points_in_a_only": alone[0],
        "points_in_b_only": alone[1],
        "figures": contrasts.iter().map(Contrast::json).collect::<Vec<_>>(),
    });
    Ok(Comparison { text, json })
}

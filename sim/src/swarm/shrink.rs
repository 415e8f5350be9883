//! A failing case is made smaller as long as it still fails: fewer settings, fewer cards and clients, a shorter horizon.

use super::{Broken, Case, run};

/// At most so many runs are spent on it.
const RUNS: u32 = 300;

/// The smallest failing case that is found, and how it fails. `go_on` is asked between runs.
pub fn shrink(case: &Case, broken: Broken, go_on: &dyn Fn() -> bool) -> (Case, Broken) {
    shrink_with(case, broken, &mut |smaller| if go_on() { run(smaller, go_on).err() } else { None })
}

/// The same with another way to see whether a case fails.
pub(super) fn shrink_with(
    case: &Case,
    broken: Broken,
    fails: &mut dyn FnMut(&Case) -> Option<Broken>,
) -> (Case, Broken) {
    let mut best = (case.clone(), broken);
    let mut runs = 0;
    loop {
        let mut better = None;
        for smaller in smaller(&best.0) {
            if runs == RUNS {
                return best;
            }
            if smaller.plan().is_err() {
                continue;
            }
            runs += 1;
            if let Some(broken) = fails(&smaller) {
                better = Some((smaller, broken));
                break;
            }
        }
        match better {
            Some(better) => best = better,
            None => return best,
        }
    }
}

/// Cases that are one step smaller, the largest steps first.
fn smaller(case: &Case) -> Vec<Case> {
    let halved = ["fleet.cards", "horizon", "fleet.clients", "fleet.sites"];
    let halves = halved.into_iter().filter_map(|key| with(case, key, halve));
    let decremented =
        ["fleet.cards", "fleet.clients"].into_iter().filter_map(|key| with(case, key, decrement));
    let mut tables: Vec<&str> =
        case.settings.iter().filter_map(|(key, _)| Some(key.rsplit_once('.')?.0)).collect();
    tables.sort_unstable();
    tables.dedup();
    // Keys of one table may need each other.
    let without_table = tables.into_iter().map(|table| {
        let outside = |key: &str| key.rsplit_once('.').is_none_or(|(other, _)| other != table);
        let settings = case.settings.iter().filter(|(key, _)| outside(key)).cloned().collect();
        Case { settings, ..case.clone() }
    });
    let without = (0..case.settings.len()).map(|place| {
        let mut settings = case.settings.clone();
        settings.remove(place);
        Case { settings, ..case.clone() }
    });
    halves.chain(without_table).chain(without).chain(decremented).collect()
}

fn with(case: &Case, key: &str, change: fn(&str) -> Option<String>) -> Option<Case> {
    let place = case.settings.iter().position(|(known, _)| known == key)?;
    let mut settings = case.settings.clone();
    settings[place].1 = change(&settings[place].1)?;
    Some(Case { settings, ..case.clone() })
}

/// Half of a number that may have a unit.
fn halve(value: &str) -> Option<String> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let number: u64 = value[..end].parse().ok()?;
    (number >= 2).then(|| format!("{}{}", number / 2, &value[end..]))
}

fn decrement(value: &str) -> Option<String> {
    let number: u64 = value.parse().ok()?;
    (number >= 2).then(|| (number - 1).to_string())
}

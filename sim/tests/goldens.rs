//! A golden digest for each scenario that ships: what they do changes only if somebody means it.
//!
//! `goldens.txt` beside this file has a line per scenario: name, seed, engine, digest, and what makes it smaller. The long ones
//! run in release builds only (`.ci/run` gives them to the program instead, from the same file):
//!
//! ```text
//! cargo test --release -p keystorm --test goldens
//! KEYSTORM_BLESS=1 cargo test --release -p keystorm --test goldens      # after a change that is meant
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use keystorm::run::simulate;
use keystorm::scenario;

/// Scenarios that are quick enough for a debug build.
const QUICK: &[&str] = &["quickstart", "worst-month"];

/// Scenarios that take minutes even in a release build: their goldens are those of a smaller fleet.
const SMALLER: &[(&str, &[&str])] = &[
    ("million-month", &["fleet.cards=20000", "fleet.clients=400"]),
    ("year", &["fleet.cards=10000", "fleet.clients=200"]),
    ("ten-million", &["fleet.cards=100000", "fleet.clients=2000"]),
];

const HEAD: &str =
    "# scenario seed engine digest [overrides]; KEYSTORM_BLESS=1 writes this file anew (see goldens.rs)\n";

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every scenario that ships, by name.
fn shipped() -> BTreeMap<String, PathBuf> {
    let files = std::fs::read_dir(here("../scenarios")).expect("scenarios ship with the program");
    let paths = files.map(|file| file.expect("an entry").path());
    paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), path))
        .collect()
}

/// The lines of `goldens.txt`, by scenario.
fn goldens() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(here("tests/goldens.txt")).expect("goldens.txt can be read");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| (line.split(' ').next().expect("a word").to_owned(), line.to_owned())).collect()
}

/// Runs a scenario as it is, or with its smaller fleet; its line in `goldens.txt`.
fn line(name: &str, path: &Path) -> String {
    let smaller = SMALLER.iter().find(|(scenario, _)| *scenario == name).map_or(&[][..], |(_, sets)| sets);
    let sets: Vec<String> = smaller.iter().map(|&set| set.into()).collect();
    let plan = scenario::load(path, &sets).unwrap_or_else(|error| panic!("{name} does not load: {error}"));
    let (seed, engine) = (plan.seed, plan.engine.name());
    let finished = simulate(plan, &mut |_| true).expect("nobody stops the run");
    assert_eq!(finished.violations, [], "{name}");
    assert_eq!(finished.idle_faults().count(), 0, "{name}: {:?}", finished.results.faults);
    let mut line = format!("{name} {seed} {engine} {:032x}", finished.results.trace_digest);
    sets.iter().for_each(|set| line.extend([" ", set]));
    line
}

fn blessing() -> bool {
    std::env::var_os("KEYSTORM_BLESS").is_some()
}

fn runs_in_this_build(name: &str) -> bool {
    !cfg!(debug_assertions) || QUICK.contains(&name)
}

#[test]
fn every_shipped_scenario_does_what_it_did() {
    let bless = blessing();
    let mut known = goldens();
    let shipped = shipped();
    for (name, path) in &shipped {
        if !runs_in_this_build(name) {
            println!(
                "{name}: skipped, since it takes minutes in a debug build; run this test with --release"
            );
            continue;
        }
        let line = line(name, path);
        if bless {
            known.insert(name.clone(), line);
        } else {
            assert_eq!(known.get(name), Some(&line), "{name}: goldens.rs says how to accept the new digest");
        }
    }
    if bless {
        known.retain(|name, _| shipped.contains_key(name));
        let lines: String = known.values().map(|line| format!("{line}\n")).collect();
        std::fs::write(here("tests/goldens.txt"), format!("{HEAD}{lines}"))
            .expect("goldens.txt can be written");
    }
}

#[test]
fn every_shipped_scenario_has_a_golden_and_every_golden_a_scenario() {
    if blessing() {
        return; // the other test is about to write the file
    }
    let names = |map: Vec<&String>| map.into_iter().cloned().collect::<Vec<_>>();
    assert_eq!(names(goldens().keys().collect()), names(shipped().keys().collect()));
    let special = QUICK.iter().chain(SMALLER.iter().map(|(name, _)| name));
    assert!(special.into_iter().all(|name| shipped().contains_key(*name)));
}

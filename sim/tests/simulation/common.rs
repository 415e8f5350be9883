//! What the tests share: plans from the scenarios that ship, runs that are judged, and the program itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use keystorm::plan::Plan;
use keystorm::run::{Finished, simulate};
use keystorm::scenario;
use keystorm_reports::results::{CardRow, Outcome, PairState, Results};
use keystorm_reports::summary_table;

/// `keystorm interrupt` with three combinations of its matrix.
pub(crate) const SMALL_MATRIX: [&str; 11] = [
    "interrupt",
    "--suite",
    "aes-128",
    "--embodiment",
    "1",
    "--nvm",
    "undo-log",
    "--layout",
    "packed",
    "--depth",
    "0",
];

/// Makes the quickstart small enough for debug builds, and has enough cards pulled out to be worth a look.
pub(crate) const REDUCED: [&str; 6] = [
    "fleet.cards=300",
    "fleet.clients=30",
    "horizon=4min",
    "load.window=2min",
    "turmoil.tick=10ms",
    "faults.pull=10%",
];

/// A scenario that ships.
pub(crate) fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios").join(name).with_extension("toml")
}

/// The reduced quickstart with further overrides, which win.
pub(crate) fn reduced(overrides: &[&str]) -> Plan {
    let all: Vec<String> = REDUCED.iter().chain(overrides).map(|&set| set.to_owned()).collect();
    scenario::load(&shipped("quickstart"), &all).unwrap_or_else(|error| {
        let problems: Vec<String> = error.problems().map(ToString::to_string).collect();
        panic!("{overrides:?} does not load: {problems:#?}")
    })
}

/// No loss and no pull: what a fault does is then its own doing.
pub(crate) const QUIET: [&str; 2] = ["line.loss=0", "faults.pull=0"];

/// The reduced quickstart without loss and pulls, with further overrides.
pub(crate) fn quiet_but(overrides: &[&str]) -> Plan {
    reduced(&[&QUIET, overrides].concat())
}

/// Every card has its new keys, and the server the same.
pub(crate) fn assert_all_renewed(finished: &Finished) {
    for card in cards(finished) {
        assert!(matches!(card.outcome, Outcome::Unharmed | Outcome::Healed), "{card:?}");
        assert_eq!(card.depths[0].state, PairState::New, "{card:?}");
    }
}

/// The failures of a cause.
pub(crate) fn failed(finished: &Finished, cause: &str) -> u64 {
    finished
        .results
        .failures
        .iter()
        .filter(|failure| failure.cause == cause)
        .map(|failure| failure.count)
        .sum()
}

/// A count within five standard deviations of a binomial one.
pub(crate) fn assert_binomial(count: u64, chances: u64, probability: f64) {
    let mean = chances as f64 * probability;
    let bound = 5.0 * (mean * (1.0 - probability)).sqrt();
    assert!((count as f64 - mean).abs() <= bound, "{count} of {chances}, expected {mean} within {bound}");
}

/// Runs a plan to its end. No rule may have been violated, and what is counted must add up.
pub(crate) fn run(plan: Plan) -> Finished {
    let finished = simulate(plan, &mut |_| true).expect("nobody stops the run");
    assert_eq!(finished.violations, []);
    Summary::of(&finished.results).assert_conserved();
    finished
}

/// Runs the reduced quickstart on both engines, which must say the same, and returns the run on the events engine.
pub(crate) fn agreed(overrides: &[&str]) -> Finished {
    let on = |engine: &str| run(reduced(&[overrides, &[engine]].concat()));
    let (events, turmoil) = (on("engine=events"), on("engine=turmoil"));
    assert_eq!(events.results.counts, turmoil.results.counts, "{overrides:?}");
    assert_eq!(events.results.trace_digest, turmoil.results.trace_digest, "{overrides:?}");
    events
}

/// The rows of `cards.csv`.
pub(crate) fn cards(finished: &Finished) -> Vec<CardRow> {
    finished.world.card_rows(|_| true).collect()
}

/// How often a fault struck.
pub(crate) fn fired(finished: &Finished, fault: &str) -> u64 {
    let named = finished.results.faults.iter().find(|count| count.fault.starts_with(fault));
    named.unwrap_or_else(|| panic!("{fault} is not asked for: {:?}", finished.results.faults)).fired
}

/// The one row of `summary.csv`, by the names of its columns.
pub(crate) struct Summary(BTreeMap<String, String>);

impl Summary {
    /// What `summary.csv` says of these results.
    pub(crate) fn of(results: &Results) -> Self {
        let mut csv = Vec::new();
        summary_table().write(&mut csv, [results]).expect("memory takes everything");
        Self::parse(&String::from_utf8(csv).expect("reports are UTF-8"))
    }

    /// The summary in a run directory.
    pub(crate) fn read(dir: &Path) -> Self {
        Self::parse(&std::fs::read_to_string(dir.join("summary.csv")).expect("a run directory has a summary"))
    }

    /// Nothing in a test's summary needs quotes.
    fn parse(csv: &str) -> Self {
        assert!(!csv.contains('"'), "{csv}");
        let mut lines = csv.lines();
        let (names, cells) = (lines.next().expect("a header"), lines.next().expect("a row"));
        assert_eq!(lines.next(), None, "one row only");
        assert_eq!(names.split(',').count(), cells.split(',').count());
        Summary(names.split(',').map(str::to_owned).zip(cells.split(',').map(str::to_owned)).collect())
    }

    pub(crate) fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("no column {name}"))
    }

    /// All columns with their cells.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, cell)| (name.as_str(), cell.as_str()))
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.text(name).parse().unwrap_or_else(|_| panic!("{name} is no count: {}", self.text(name)))
    }

    /// Adds up what the columns say must add up.
    pub(crate) fn assert_conserved(&self) {
        let sum = |names: &[&str]| names.iter().map(|name| self.count(name)).sum::<u64>();
        for (left, right) in [
            (&["sessions_started"][..], &["sessions_completed", "sessions_failed", "sessions_in_flight"][..]),
            (&["updates_started"], &["updates_committed", "updates_interrupted", "updates_in_flight"]),
            (
                &["messages_sent", "messages_duplicated"],
                &["messages_delivered", "messages_lost", "messages_in_flight"],
            ),
            (
                &["cards"],
                &[
                    "cards_unharmed",
                    "cards_healed",
                    "cards_stranded",
                    "cards_torn",
                    "cards_blocked",
                    "cards_reissued",
                ],
            ),
        ] {
            assert_eq!(sum(left), sum(right), "{left:?} = {right:?}: {:?}", self.0);
        }
        assert!(self.count("updates_recovered") <= self.count("updates_interrupted"));
        assert!(self.count("auth_ok") >= self.count("updates_started"), "an update takes an authentication");
    }
}

/// The program, to be run in `dir`. Key pairs that it generates are kept for later tests.
pub(crate) fn program(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keystorm"));
    command.current_dir(dir).args(arguments).env("NO_COLOR", "1").stdin(Stdio::null());
    command.env("KEYSTORM_CACHE_DIR", concat!(env!("CARGO_TARGET_TMPDIR"), "/keystorm-cache"));
    command
}

/// Runs the program in `dir`.
pub(crate) fn keystorm(dir: &Path, arguments: &[&str]) -> Output {
    program(dir, arguments).output().expect("the program starts")
}

/// `run` of a reduced quickstart, with further arguments.
pub(crate) fn run_reduced(dir: &Path, arguments: &[&str]) -> Output {
    let scenario = shipped("quickstart");
    let mut all = vec!["run", scenario.to_str().expect("a path in UTF-8")];
    all.extend(REDUCED.iter().flat_map(|set| ["--set", set]));
    all.extend(arguments);
    keystorm(dir, &all)
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("standard output is UTF-8")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("standard error is UTF-8")
}

/// The program ended with `code`; what it said otherwise.
#[track_caller]
pub(crate) fn assert_code(output: &Output, code: i32) {
    let (out, err) = (stdout(output), stderr(output));
    assert_eq!(output.status.code(), Some(code), "standard output:\n{out}\nstandard error:\n{err}");
    assert!(!err.contains("panicked"), "{err}");
}

/// Names of what lies in a directory, hidden things included.
pub(crate) fn names_in(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).expect("the directory can be read");
    let mut names: Vec<String> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

//! Campaigns as a user meets them: what sweeps say, how they are interrupted and put together, and plans.

mod parts;
mod plans;
mod sweeps;

use std::collections::BTreeMap;
use std::path::Path;

const SMALL: &str = "engine = \"events\"\nhorizon = \"5min\"\n[fleet]\ncards = 60\nclients = 15\n[load]\nwindow = \"30s\"\n\
                     [update]\nperiods = [\"30d\"]\n[line]\ndelay = { fixed = \"80ms\" }\n[faults]\npull = \"10%\"\n";
const VARY: [&str; 6] = [
    "--vary",
    "line.loss=0%,5%",
    "--vary",
    "update.recovery=first-contact,until-committed",
    "--replications",
    "5",
];

fn with_small_scenario() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("small.toml"), SMALL).unwrap();
    dir
}

fn sweep<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["sweep", "small.toml"], &VARY[..], more].concat()
}

/// Rows of a CSV file, each a map from its header.
pub(crate) fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    lines.map(|cells| header.iter().cloned().zip(cells).collect()).collect()
}

//! Every kind of CSV file in SQLite and pandas, as they are: csv_loads.py loads them. Where Python is missing there is
//! nothing to load them with, and the test says so.

use std::path::Path;
use std::process::{Command, Output};

use crate::common::{SMALL_MATRIX, assert_code, keystorm, stderr, stdout};

const SCENARIO: &str = "engine = \"events\"\nhorizon = \"5min\"\n[fleet]\ncards = 60\nclients = 15\n[load]\nwindow = \"30s\"\n\
                        [update]\nperiods = [\"30d\"]\n[line]\ndelay = { fixed = \"80ms\" }\nloss = \"10%\"\n\
                        retry = { first = \"1s\", factor = 2, tries = 3 }\n[faults]\npull = \"20%\"\n";

/// Every kind that there is; a new one must be written here and made below.
const KINDS: [&str; 14] = [
    "cards.csv",
    "ciphers.csv",
    "comparison.csv",
    "differences.csv",
    "failures.csv",
    "faults.csv",
    "interruptions.csv",
    "phases.csv",
    "plan.csv",
    "renewals.csv",
    "runs.csv",
    "summary.csv",
    "sweep.csv",
    "timeline.csv",
];

/// Makes one of each.
fn make(dir: &Path) {
    std::fs::write(dir.join("small.toml"), SCENARIO).unwrap();
    std::fs::create_dir(dir.join("ciphers")).unwrap();
    let matrix = [&SMALL_MATRIX[..], &["--out", "interrupt"]].concat();
    let commands: [&[&str]; 5] = [
        &["run", "small.toml", "--out", "run"],
        &[
            "sweep",
            "small.toml",
            "--vary",
            "line.loss=0%,5%",
            "--vary",
            "update.recovery=first-contact,until-committed",
            "--replications",
            "2",
            "--base",
            "line.loss=0%,update.recovery=first-contact",
            "--out",
            "sweep",
        ],
        &["plan", "small.toml", "--slo", "auth_ms_p99<=60000", "--vary", "server.cores=1,2", "--out", "plan"],
        &matrix,
        &[
            "calibrate",
            "--suite",
            "aes-128",
            "--samples",
            "3",
            "--out",
            "costs.toml",
            "--csv",
            "ciphers/ciphers.csv",
        ],
    ];
    for command in commands {
        assert_code(&keystorm(dir, command), 0);
    }
}

/// What csv_loads.py says of these directories; `None`: there is no Python.
fn load(dir: &Path, places: &[&str]) -> Option<Output> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simulation/csv_loads.py");
    let python = std::env::var_os("PYTHON").unwrap_or_else(|| "python3".into());
    match Command::new(python).arg(script).args(places).current_dir(dir).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: python3 cannot be started ({error})");
            None
        }
    }
}

#[test]
fn every_csv_file_loads_unchanged_into_sqlite_and_pandas() {
    let dir = tempfile::tempdir().unwrap();
    make(dir.path());
    let places = ["run", "sweep", "plan", "interrupt", "ciphers"];
    let Some(loaded) = load(dir.path(), &places) else { return };
    println!("{}", stdout(&loaded));
    assert!(loaded.status.success(), "{}{}", stdout(&loaded), stderr(&loaded));
    for kind in KINDS {
        assert!(stdout(&loaded).contains(kind), "{kind} was not loaded");
    }

    // Each of these mistakes is noticed.
    let path = dir.path().join("run/timeline.csv");
    let whole = std::fs::read_to_string(&path).unwrap();
    let second = whole.lines().nth(1).unwrap();
    let (first_cell, rest) = second.split_once(',').unwrap();
    for (mistake, broken) in [
        ("a thousands separator", format!("\"1,{first_cell}\",{rest}")),
        ("a unit beside the number", format!("{first_cell} s,{rest}")),
        ("a word for nothing", format!("-,{rest}")),
        ("a cell too many", format!("{second},1")),
        ("another horizon", second.replacen(',', ",999", 1)),
    ] {
        std::fs::write(&path, whole.replacen(second, &broken, 1)).unwrap();
        let said = load(dir.path(), &["run"]).expect("it was there before");
        // Python's own failures end with 1.
        assert_eq!(said.status.code(), Some(3), "{mistake} goes unnoticed: {}", stdout(&said));
    }
}

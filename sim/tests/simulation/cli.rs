//! The program as a user meets it: what it prints, what it leaves behind, and how it ends.

use std::io::Read as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use serde_json::Value;

use crate::common::{
    Summary, assert_code, keystorm, names_in, program, run_reduced, shipped, stderr, stdout,
};

/// A scenario of its own, quick to run.
const SMALL: &str = "horizon = \"1min\"\n[fleet]\ncards = 20\nclients = 5\n[load]\nwindow = \"30s\"\n\
                     [update]\nperiods = [\"30d\"]\n[turmoil]\ntick = \"2ms\"\n";

fn with_small_scenario() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("small.toml"), SMALL).unwrap();
    dir
}

#[test]
fn the_final_table_is_for_people() {
    let dir = tempfile::tempdir().unwrap();
    let output = run_reduced(dir.path(), &["--out", "run"]);
    assert_code(&output, 0);
    assert_eq!(stderr(&output), "", "progress goes to terminals only");
    insta::assert_snapshot!(stdout(&output));
    Summary::read(&dir.path().join("run")).assert_conserved();
}

#[test]
fn json_has_the_names_of_the_summary_in_their_order() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), &["run", "small.toml", "--format", "json", "--out", "run"]);
    assert_code(&output, 0);
    let json: Value = serde_json::from_str(&stdout(&output)).expect("one JSON value");
    let names: Vec<&str> = json.as_object().expect("an object").keys().map(String::as_str).collect();
    let csv = std::fs::read_to_string(dir.path().join("run/summary.csv")).unwrap();
    assert_eq!(names.join(","), csv.lines().next().unwrap());
    let summary = Summary::read(&dir.path().join("run"));
    assert_eq!(json["sessions_completed"].as_u64(), Some(summary.count("sessions_completed")));
    assert_eq!(json["trace_digest"].as_str(), Some(summary.text("trace_digest")));
}

#[test]
fn a_wrong_scenario_ends_with_2_and_nothing_is_written() {
    let dir = with_small_scenario();
    for (wrong, expected) in [
        ("fleet.crads=5", "fleet.cards"),
        ("fleet.clients=0", "fleet.clients"),
        ("line.preset=lines/nowhere", "lines/nowhere"),
        ("line.loss=101%", "line.loss"),
        ("horizon=12", "horizon"),
        ("engine=quantum", "turmoil"),
        ("fleet.internal_keys=1", "fleet.internal_keys"),
    ] {
        let output = keystorm(dir.path(), &["run", "small.toml", "--set", wrong]);
        assert_code(&output, 2);
        assert_eq!(stdout(&output), "", "{wrong}");
        assert!(stderr(&output).contains(expected), "{wrong}: {}", stderr(&output));
        assert_eq!(names_in(dir.path()), ["small.toml"], "{wrong}");
    }
    let output = keystorm(dir.path(), &["run", "smal.toml"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("small.toml"), "{}", stderr(&output));
    assert_code(&keystorm(dir.path(), &["run", "small.toml", "--sed", "5"]), 2);
    assert_eq!(names_in(dir.path()), ["small.toml"]);
}

#[test]
fn what_keystorm_did_not_write_is_never_replaced() {
    let dir = with_small_scenario();
    std::fs::create_dir(dir.path().join("thesis")).unwrap();
    std::fs::write(dir.path().join("thesis/chapter-1.txt"), "years of work").unwrap();
    std::fs::write(dir.path().join("notes"), "a plain file").unwrap();
    for place in ["thesis", "notes", "notes/run"] {
        let output = keystorm(dir.path(), &["run", "small.toml", "--out", place]);
        assert_code(&output, 2);
        let said = stderr(&output);
        assert!(said.contains("in the way") && said.contains("--out"), "{said}");
    }
    assert_eq!(names_in(dir.path()), ["notes", "small.toml", "thesis"]);
    assert_eq!(names_in(&dir.path().join("thesis")), ["chapter-1.txt"]);
    assert_eq!(std::fs::read_to_string(dir.path().join("thesis/chapter-1.txt")).unwrap(), "years of work");
    assert_eq!(std::fs::read_to_string(dir.path().join("notes")).unwrap(), "a plain file");
}

/// The kernel makes no directories in `/proc` for anyone, the superuser included.
#[cfg(target_os = "linux")]
#[test]
fn a_place_where_no_directory_can_be_made_ends_with_1() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), &["run", "small.toml", "--out", "/proc/keystorm/run"]);
    assert_code(&output, 1);
    let said = stderr(&output);
    assert!(said.contains("/proc/keystorm") && said.contains("--out"), "{said}");
    assert_eq!(stdout(&output), "");
}

#[test]
fn a_run_of_keystorms_is_replaced_as_a_whole() {
    let dir = with_small_scenario();
    let place = dir.path().join("run");
    assert_code(&keystorm(dir.path(), &["run", "small.toml", "--out", "run"]), 0);
    assert_eq!(Summary::read(&place).count("seed"), 1);
    assert!(names_in(&place).contains(&"cards.csv".to_owned()));
    let again = ["run", "small.toml", "--out", "run", "--seed", "2", "--cards-csv", "none"];
    assert_code(&keystorm(dir.path(), &again), 0);
    assert_eq!(Summary::read(&place).count("seed"), 2);
    assert!(!names_in(&place).contains(&"cards.csv".to_owned()), "nothing of the older run is left");
    assert_eq!(names_in(dir.path()), ["run", "small.toml"]);
}

#[test]
fn the_default_place_tells_runs_apart() {
    let dir = with_small_scenario();
    assert_code(&keystorm(dir.path(), &["run", "small.toml"]), 0);
    assert_code(&keystorm(dir.path(), &["run", "small.toml", "--seed", "9", "--engine", "events"]), 0);
    assert_code(&keystorm(dir.path(), &["run", "small.toml", "--set", "fleet.cards=21"]), 0);
    assert_code(&keystorm(dir.path(), &["run", "small.toml", "--set", "fleet.cards=22"]), 0);
    let places = names_in(&dir.path().join("reports/out/small"));
    assert_eq!(places.len(), 4, "{places:?}");
    assert!(
        places.contains(&"1-turmoil".to_owned()) && places.contains(&"9-events".to_owned()),
        "{places:?}"
    );
    for place in places.iter().filter(|place| !["1-turmoil", "9-events"].contains(&place.as_str())) {
        let hash = place.strip_prefix("1-turmoil-").unwrap_or_else(|| panic!("{place}"));
        assert!(hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()), "{place}");
    }
}

#[test]
fn init_writes_a_scenario_that_can_be_run_and_overwrites_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let output = keystorm(dir.path(), &["init", "fleets/tram.toml"]);
    assert_code(&output, 0);
    assert!(stdout(&output).contains("keystorm run fleets/tram.toml"), "{}", stdout(&output));
    assert_code(&keystorm(dir.path(), &["check", "fleets/tram.toml"]), 0);
    let run = ["run", "fleets/tram.toml", "--set", "turmoil.tick=10ms", "--out", "run"];
    assert_code(&keystorm(dir.path(), &run), 0);
    Summary::read(&dir.path().join("run")).assert_conserved();

    let path = dir.path().join("fleets/tram.toml");
    std::fs::write(&path, "# mine\n").unwrap();
    let output = keystorm(dir.path(), &["init", "fleets/tram.toml"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("left alone"), "{}", stderr(&output));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "# mine\n");
}

#[test]
fn check_shows_the_resolved_scenario_and_runs_nothing() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), &["check", "small.toml", "--set", "line.loss=5%", "--seed", "77"]);
    assert_code(&output, 0);
    let said = stdout(&output);
    assert!(said.contains("loss = \"5/100\"") || said.contains("loss = \"1/20\""), "{said}");
    assert!(said.contains("seed = 77"), "{said}");
    assert_eq!(names_in(dir.path()), ["small.toml"]);
}

#[test]
fn a_reader_who_leaves_ends_the_program_without_a_word() {
    let dir = with_small_scenario();
    let arguments = ["run", "small.toml", "--format", "json", "--out", "run"];
    let mut child =
        program(dir.path(), &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_code(&output, 0);
    assert_eq!(stderr(&output), "");
    Summary::read(&dir.path().join("run")).assert_conserved();
}

/// A run that lasts minutes, once it has made its temporary directory below `dir`.
fn long_run(dir: &Path) -> Child {
    let scenario = shipped("month-turn");
    let arguments = [
        "run",
        scenario.to_str().unwrap(),
        "--engine",
        "turmoil",
        "--set",
        "turmoil.tick=1ms",
        "--out",
        "new/run",
    ];
    let child =
        program(dir, &arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let made = || dir.join("new").exists() && !names_in(&dir.join("new")).is_empty();
    assert!(within_a_minute(|| made().then_some(())).is_some(), "the run has not begun");
    child
}

/// Asks every 20 ms until there is an answer.
pub(crate) fn within_a_minute<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    for _ in 0..3_000 {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        sleep(Duration::from_millis(20));
    }
    None
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([name, &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_the_run_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = long_run(dir.path());
    signal(&child, "-INT");
    let Some(status) = within_a_minute(|| child.try_wait().unwrap()) else {
        child.kill().unwrap();
        panic!("the run went on");
    };
    assert_eq!(status.code(), Some(130));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("Interrupted") && said.contains("nothing was written"), "{said}");
    assert!(names_in(dir.path()).is_empty(), "{:?}", names_in(dir.path()));
}

#[cfg(unix)]
#[test]
fn a_killed_run_leaves_no_directory_of_its_name_and_is_in_nobodys_way() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = long_run(dir.path());
    signal(&child, "-KILL");
    child.wait().unwrap();
    let left = names_in(&dir.path().join("new"));
    assert!(left.iter().all(|name| name.starts_with(".run.tmp-")), "{left:?}");
    std::fs::write(dir.path().join("small.toml"), SMALL).unwrap();
    assert_code(&keystorm(dir.path(), &["run", "small.toml", "--out", "new/run"]), 0);
    Summary::read(&dir.path().join("new/run")).assert_conserved();
}

#[test]
fn help_names_the_exit_codes_and_the_version_is_the_crates() {
    let dir = tempfile::tempdir().unwrap();
    let help = keystorm(dir.path(), &["--help"]);
    assert_code(&help, 0);
    assert!(stdout(&help).contains("Exit codes:"), "{}", stdout(&help));
    let version = keystorm(dir.path(), &["--version"]);
    assert_eq!(stdout(&version).trim(), concat!("keystorm ", env!("CARGO_PKG_VERSION")));
}

/// A full or closed standard error is no reason to panic: the exit code still says what went wrong.
#[cfg(target_os = "linux")]
#[test]
fn a_full_standard_error_changes_no_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = program(dir.path(), &["run", "nope.toml"]).stderr(full).status().unwrap();
    assert_eq!(status.code(), Some(2));
}

/// However often it is told to end, nothing half-written stays.
#[cfg(unix)]
#[test]
fn a_run_that_is_told_to_end_leaves_nothing() {
    for (signal, times) in [("TERM", 1), ("HUP", 1), ("TERM", 2), ("INT", 2)] {
        let dir = tempfile::tempdir().unwrap();
        let scenario = shipped("quickstart");
        let large = ["--set", "fleet.cards=400000", "--engine", "events", "--out", "r"];
        let mut run = program(dir.path(), &[&["run", scenario.to_str().unwrap()], &large[..]].concat())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while names_in(dir.path()).is_empty() {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        for _ in 0..times {
            let _ = std::process::Command::new("kill").args(["-s", signal, &run.id().to_string()]).status();
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(run.wait().unwrap().code(), Some(130), "{times} {signal}");
        assert_eq!(names_in(dir.path()), [""; 0], "{times} {signal}");
    }
}

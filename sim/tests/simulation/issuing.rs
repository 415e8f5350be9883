//! A fleet whose key pairs take time to make: what is said of it, and what is kept.

use std::io::Read as _;
use std::path::Path;
use std::process::{Output, Stdio};

use crate::cli::{signal, within_a_minute};
use crate::common::{Summary, assert_code, names_in, program, shipped, stderr, stdout};

/// Six cards with four keys each.
const SMALL: &str = "horizon = \"1min\"\nengine = \"events\"\n[fleet]\nsuite = \"rsa-1024\"\ncards = 6\nclients = 3\n\
                     internal_keys = 2\nexternal_keys = 2\n[load]\nwindow = \"20s\"\n[update]\nperiods = [\"30d\"]\n";

fn with_small_scenario() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("small.toml"), SMALL).unwrap();
    dir
}

/// Runs the program with its pairs in `cache`.
fn keystorm(dir: &Path, cache: &str, arguments: &[&str]) -> Output {
    program(dir, arguments).env("KEYSTORM_CACHE_DIR", cache).output().expect("the program starts")
}

#[test]
fn the_first_run_says_what_it_generates_and_the_next_one_finds_it() {
    let dir = with_small_scenario();
    let run = |out| {
        let output = keystorm(dir.path(), "cache", &["run", "small.toml", "--out", out]);
        assert_code(&output, 0);
        let summary = Summary::read(&dir.path().join(out));
        assert_eq!(summary.count("updates_committed"), 6);
        (stderr(&output), summary.text("trace_digest").to_owned())
    };
    let (said, digest) = run("first");
    assert!(said.starts_with("Generating 24 RSA-1024 key pairs ("), "{said}");
    assert!(said.ends_with("); they are kept in cache for the next run.\n"), "{said}");
    assert_eq!(run("second"), (String::new(), digest), "nothing to say, and the same run");
    assert_eq!(names_in(&dir.path().join("cache/pairs")), ["rsa-1024-2x2-seed-1"]);
}

#[test]
fn quiet_runs_say_nothing_and_keep_their_pairs_as_well() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), "cache", &["run", "small.toml", "--quiet", "--out", "run"]);
    assert_code(&output, 0);
    assert_eq!(stderr(&output), "");
    assert_eq!(names_in(&dir.path().join("cache/pairs")), ["rsa-1024-2x2-seed-1"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_a_note_and_no_failure() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), "small.toml", &["run", "small.toml", "--out", "run"]);
    assert_code(&output, 0);
    let said = stderr(&output);
    assert!(said.contains("Note: the key pairs are not kept") && said.contains("small.toml"), "{said}");
    let output = keystorm(dir.path(), "small.toml", &["run", "small.toml", "--quiet", "--out", "run"]);
    assert_code(&output, 0);
    assert_eq!(stderr(&output), "");
}

#[test]
fn an_empty_variable_means_no_cache() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), "", &["run", "small.toml", "--out", "run"]);
    assert_code(&output, 0);
    assert!(stderr(&output).contains("they are not kept"), "{}", stderr(&output));
    assert_eq!(names_in(dir.path()), ["run", "small.toml"]);
}

#[test]
fn three_runs_with_generated_keys_are_equal() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), "cache", &["verify", "small.toml", "--jobs", "2"]);
    assert_code(&output, 0);
    assert!(stdout(&output).starts_with("Equal: three runs"), "{}", stdout(&output));
}

/// Two points of two seeds, side by side: one announcement for both seeds, and none when they go on.
#[test]
fn a_campaign_says_once_what_it_generates() {
    let dir = with_small_scenario();
    let vary = ["small.toml", "--vary", "line.loss=0%,5%", "--jobs", "2"];
    let sweep = [&["sweep"], &vary[..], &["--replications", "2", "--out", "s"]].concat();
    let output = keystorm(dir.path(), "cache", &sweep);
    assert_code(&output, 0);
    let said = stderr(&output);
    assert!(said.starts_with("Generating 48 RSA-1024 key pairs of 2 fleets ("), "{said}");
    assert!(
        said.ends_with("); they are kept in cache for the next run.\n") && said.lines().count() == 1,
        "{said}"
    );
    assert_eq!(names_in(&dir.path().join("cache/pairs")), ["rsa-1024-2x2-seed-1", "rsa-1024-2x2-seed-2"]);
    std::fs::remove_file(dir.path().join("s/runs/000001-00002.json")).unwrap();
    let output = keystorm(dir.path(), "cache", &sweep);
    assert_code(&output, 0);
    assert_eq!(stderr(&output), "", "one run was missing, and no pair");
    // The eight seeds of a plan's looks: no cache is there, and the second value finds them in memory.
    let plan = [&["plan"], &vary[..], &["--slo", "cards_stranded==0", "--seed", "3", "--out", "p"]].concat();
    let output = keystorm(dir.path(), "", &plan);
    assert_code(&output, 0);
    let said = stderr(&output);
    let words = "they are in memory until the campaign ends, since there is no cache directory.\n";
    assert!(
        said.starts_with("Generating 192 RSA-1024 key pairs of 8 fleets (") && said.ends_with(words),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_while_pairs_are_generated_keeps_the_finished_ones() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = shipped("quickstart");
    let arguments = ["run", scenario.to_str().unwrap(), "--set", "fleet.suite=rsa-1024", "--out", "new/run"];
    let mut child = program(dir.path(), &arguments)
        .args(["--set", "fleet.cards=100000"])
        .env("KEYSTORM_CACHE_DIR", "cache")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let pairs = dir.path().join("cache/pairs/rsa-1024-3x4-seed-1");
    let kept = || pairs.exists() && names_in(&pairs).contains(&"000000.pairs".to_owned());
    let begun = within_a_minute(|| kept().then_some(())).is_some();
    signal(&child, "-INT");
    let Some(status) = within_a_minute(|| child.try_wait().unwrap()) else {
        child.kill().unwrap();
        panic!("it went on");
    };
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(begun, "{said}");
    assert_eq!(status.code(), Some(130), "{said}");
    assert!(said.contains("Interrupted while key pairs were being generated"), "{said}");
    assert!(kept(), "what was finished is kept");
    assert!(names_in(&pairs).iter().all(|name| name.ends_with(".pairs")), "{:?}", names_in(&pairs));
    assert_eq!(names_in(dir.path()), ["cache"], "nothing is left of the run");
}

//! `report` and `compare` as a user meets them.

use std::path::Path;

use serde_json::Value;

use crate::common::{assert_code, keystorm, run_reduced, stderr, stdout};

const PAGE: &str = "report.html";

fn bytes(dir: &Path, files: &[&str]) -> Vec<Vec<u8>> {
    files.iter().map(|file| std::fs::read(dir.join(file)).unwrap()).collect()
}

fn remove(dir: &Path, files: &[&str]) {
    files.iter().for_each(|file| std::fs::remove_file(dir.join(file)).unwrap());
}

/// A sweep of two points and three replications, unless `more` says how many.
fn sweep(dir: &Path, more: &[&str]) {
    let scenario = "engine = \"events\"\nhorizon = \"2min\"\n[fleet]\ncards = 20\nclients = 5\n[load]\nwindow = \"30s\"\n\
                    [update]\nperiods = [\"30d\"]\n";
    std::fs::write(dir.join("small.toml"), scenario).unwrap();
    let fixed = ["sweep", "small.toml", "--vary", "line.loss=0%,5%"];
    let count: &[&str] = if more.contains(&"--replications") { &[] } else { &["--replications", "3"] };
    assert_code(&keystorm(dir, &[&fixed, count, more].concat()), 0);
}

#[test]
fn a_run_and_report_write_the_same_page() {
    let dir = tempfile::tempdir().unwrap();
    assert_code(&run_reduced(dir.path(), &["--out", "run"]), 0);
    let run = dir.path().join("run");
    let before = bytes(&run, &[PAGE]);
    remove(&run, &[PAGE]);
    let output = keystorm(dir.path(), &["report", "run"]);
    assert_code(&output, 0);
    assert_eq!(stdout(&output), "Written to run/report.html\n");
    assert!(bytes(&run, &[PAGE]) == before);
}

/// The page tells to save the resolved scenario and to run it without any override.
#[test]
fn the_scenario_on_the_page_makes_the_very_same_run() {
    let dir = tempfile::tempdir().unwrap();
    assert_code(
        &run_reduced(dir.path(), &["--out", "first", "--seed", "5", "--set", "line.preset=lines/lte"]),
        0,
    );
    let first = dir.path().join("first");
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(first.join("manifest.json")).unwrap()).unwrap();
    std::fs::write(dir.path().join("again.toml"), manifest["scenario_text"].as_str().unwrap()).unwrap();
    let again = ["run", "again.toml", "--seed", "5", "--engine", "turmoil", "--out", "again"];
    assert_code(&keystorm(dir.path(), &again), 0);
    let files = [PAGE, "summary.csv", "timeline.csv", "cards.csv"];
    assert!(bytes(&first, &files) == bytes(&dir.path().join("again"), &files));
}

#[test]
fn the_tables_and_the_page_of_a_sweep_come_from_its_runs() {
    let dir = tempfile::tempdir().unwrap();
    sweep(dir.path(), &["--base", "line.loss=0%", "--out", "s"]);
    let place = dir.path().join("s");
    let files = [PAGE, "sweep.csv", "runs.csv", "differences.csv"];
    let before = bytes(&place, &files);
    remove(&place, &files);
    assert_code(&keystorm(dir.path(), &["report", "s"]), 0);
    assert!(bytes(&place, &files) == before);

    std::fs::remove_file(place.join("runs/000001-00002.json")).unwrap();
    let output = keystorm(dir.path(), &["report", "s"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("1 runs are missing"), "{}", stderr(&output));
    assert!(bytes(&place, &files) == before, "the older ones stay");
}

/// A sweep that stops early is over at a look or after all replications, and not wherever it was interrupted.
#[test]
fn a_sweep_that_was_interrupted_before_a_look_is_not_finished() {
    let dir = tempfile::tempdir().unwrap();
    // Never so sure, so that all eight runs are made.
    let more = ["--until", "messages_sent<=0.0001%", "--replications", "8", "--out", "s"];
    sweep(dir.path(), &more);
    let runs = dir.path().join("s/runs");
    assert_code(&keystorm(dir.path(), &["report", "s"]), 0);
    for gone in ["000002-00008.json", "000002-00007.json", "000002-00006.json"] {
        std::fs::remove_file(runs.join(gone)).unwrap();
    }
    let output = keystorm(dir.path(), &["report", "s"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("3 runs are missing"), "{}", stderr(&output));
}

#[test]
fn a_plan_has_a_page_that_report_makes_again() {
    let dir = tempfile::tempdir().unwrap();
    sweep(dir.path(), &["--out", "s"]);
    let plan =
        ["plan", "small.toml", "--slo", "cards_stranded==0", "--vary", "server.cores=1..4", "--out", "p"];
    assert_code(&keystorm(dir.path(), &plan), 0);
    let place = dir.path().join("p");
    let before = bytes(&place, &[PAGE]);
    let text = String::from_utf8(before[0].clone()).unwrap();
    assert!(text.contains("the first value of server.cores that keeps every bound"));
    assert!(text.contains("--slo &#39;cards_stranded==0&#39;"));
    remove(&place, &[PAGE]);
    assert_code(&keystorm(dir.path(), &["report", "p"]), 0);
    assert!(bytes(&place, &[PAGE]) == before);
}

#[test]
fn comparing_shows_what_differs_and_refuses_different_kinds() {
    let dir = tempfile::tempdir().unwrap();
    for seed in ["1", "2"] {
        assert_code(&run_reduced(dir.path(), &["--out", seed, "--seed", seed]), 0);
    }
    let output = keystorm(dir.path(), &["compare", "1", "2"]);
    assert_code(&output, 0);
    let text = stdout(&output);
    for words in
        ["A  1\nB  2\n", "Scenario: the same", "seed: 1 in A, 2 in B", "messages_sent", "figures are equal"]
    {
        assert!(text.contains(words), "{words} in {text}");
    }
    let output = keystorm(dir.path(), &["compare", "1", "2", "--format", "json"]);
    let json: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(json["facts"]["seed"]["b"], "2");

    sweep(dir.path(), &["--out", "s"]);
    for (a, b, words) in
        [("1", "s", "1 is a run and s is a sweep"), ("1", "nowhere", "nowhere is no directory of keystorm's")]
    {
        let output = keystorm(dir.path(), &["compare", a, b]);
        assert_code(&output, 2);
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    let output = keystorm(dir.path(), &["compare", "s", "s"]);
    assert_code(&output, 0);
    assert!(stdout(&output).contains("\n0 of "), "{}", stdout(&output));
}

#[test]
fn sweeps_whose_values_are_written_in_other_words_have_their_points_in_common() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = "engine = \"events\"\nhorizon = \"1min\"\n[fleet]\ncards = 5\nclients = 5\n[load]\nwindow = \"5s\"\n\
                    [update]\nperiods = [\"30d\"]\n";
    std::fs::write(dir.path().join("five.toml"), scenario).unwrap();
    for (out, window, loss) in
        [("a", "load.window=1s,2s,3s", "2%,0"), ("b", "load.window=2000ms,1000ms,4s", "1/50,0%")]
    {
        let loss = format!("line.loss={loss}");
        let vary =
            ["sweep", "five.toml", "--replications", "1", "--vary", window, "--vary", &loss, "--out", out];
        assert_code(&keystorm(dir.path(), &vary), 0);
    }
    let output = keystorm(dir.path(), &["compare", "a", "b"]);
    assert_code(&output, 0);
    let text = stdout(&output);
    assert!(text.contains("4 points in common, 2 in A only, 2 in B only"), "{text}");
    assert!(text.contains("\n0 of "), "the same runs: {text}");
}

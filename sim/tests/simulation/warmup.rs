//! What is left out at the beginning, and what is not.

use std::collections::BTreeMap;
use std::path::Path;

use crate::campaign::rows as table;
use crate::common::{assert_code, keystorm, stderr, stdout};

/// Cards come every half minute for twenty; each renews at its first visit, so that the sessions of the first two minutes are
/// longer than all others.
const RENEWALS_FIRST: &str = "engine = \"events\"\nhorizon = \"20min\"\n[fleet]\ncards = 300\nclients = 300\n[load]\n\
                              arrivals = \"poisson\"\nevery = \"30s\"\n[update]\nperiods = [\"30d\"]\n[line]\n\
                              delay = { min = \"80ms\", max = \"120ms\" }\n[server.costs]\ncommit = \"5ms\"\n";

/// Columns that a warm-up changes.
fn is_measured(column: &str) -> bool {
    let loads = ["server_cpu_utilization", "server_queue_mean", "warmup_s", "scenario_sha256"];
    let is_part = column.starts_with("server_") && column.ends_with("_s");
    column.contains("_ms_") || is_part || loads.contains(&column)
}

/// The summary of a run with these arguments.
fn run(dir: &Path, out: &str, more: &[&str]) -> BTreeMap<String, String> {
    std::fs::write(dir.join("steady.toml"), RENEWALS_FIRST).unwrap();
    assert_code(&keystorm(dir, &[&["run", "steady.toml", "--out", out], more].concat()), 0);
    table(&dir.join(out).join("summary.csv")).remove(0)
}

fn number(row: &BTreeMap<String, String>, column: &str) -> f64 {
    row[column].parse().unwrap_or_else(|_| panic!("{column} is {:?}", row[column]))
}

#[test]
fn a_fixed_warm_up_is_left_out_of_latencies_and_load_and_of_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let whole = run(dir.path(), "whole", &[]);
    let rest = run(dir.path(), "rest", &["--warmup", "5min"]);
    for (column, cell) in whole.iter().filter(|(column, _)| !is_measured(column)) {
        assert_eq!(*cell, rest[column], "{column}");
    }
    assert_eq!((whole["warmup_s"].as_str(), rest["warmup_s"].as_str()), ("0.000", "300.000"));

    // Of the authentications those whose holder came after it: a session lasts some seconds, and so do the intervals' ends.
    let count =
        |run: &str, phase: usize| number(&table(&dir.path().join(run).join("phases.csv"))[phase], "count");
    let timeline = table(&dir.path().join("rest/timeline.csv"));
    assert_eq!(timeline, table(&dir.path().join("whole/timeline.csv")), "a timeline shows everything");
    let late = || timeline.iter().filter(|row| number(row, "start_s") >= 300.0);
    let arrived: f64 = late().map(|row| number(row, "arrivals")).sum();
    let unfinished = number(&rest, "sessions_in_flight");
    assert!((0.0..=unfinished).contains(&(arrived - count("rest", 0))), "{arrived} arrived");
    assert!(count("rest", 0) < 0.8 * count("whole", 0));
    assert!(count("rest", 2) < 0.05 * count("whole", 2), "nearly all renewals are over by then");

    // The load is that of the intervals after it.
    let busy: f64 = late().map(|row| number(row, "server_utilization")).sum();
    let utilization = number(&rest, "server_cpu_utilization");
    assert!((utilization - busy / late().count() as f64).abs() < 2e-6, "{utilization}");
    assert!(utilization < number(&whole, "server_cpu_utilization"));
    assert!(number(&rest, "session_ms_p99") < number(&whole, "session_ms_p99"));
}

/// The rule alone is tested by hand in statistics.rs; here what it finds is what is left out.
#[test]
fn mser_5_finds_the_end_of_the_renewals() {
    let dir = tempfile::tempdir().unwrap();
    let found = run(dir.path(), "found", &["--warmup", "mser-5"]);
    let warmup = number(&found, "warmup_s");
    assert!((30.0..300.0).contains(&warmup), "renewals are over after some half minutes: {warmup} s");
    let fixed = run(dir.path(), "fixed", &["--warmup", &format!("{warmup}s")]);
    for (column, cell) in found.iter().filter(|(column, _)| *column != "scenario_sha256") {
        assert_eq!(*cell, fixed[column], "{column}");
    }
    let said = keystorm(dir.path(), &["run", "steady.toml", "--warmup", "mser-5", "--out", "said"]);
    assert!(stdout(&said).contains("left out of latencies and the server's load"), "{}", stdout(&said));
    // It is the same on the other engine, whose clients are moved one after the other.
    let turmoil = run(
        dir.path(),
        "turmoil",
        &["--warmup", "mser-5", "--engine", "turmoil", "--set", "turmoil.tick=20ms"],
    );
    assert_eq!(turmoil["warmup_s"], found["warmup_s"]);
}

#[test]
fn a_load_that_never_becomes_steady_is_told_and_kept_whole() {
    let dir = tempfile::tempdir().unwrap();
    // Arrivals of a second, each of which waits for all before it at the one reader.
    let growing = ["--set", "fleet.clients=1", "--set", "load.arrivals=uniform", "--set", "load.window=1s"];
    std::fs::write(dir.path().join("steady.toml"), RENEWALS_FIRST.replace("every = \"30s\"\n", "")).unwrap();
    let mut arguments = vec!["run", "steady.toml", "--warmup", "mser-5", "--out", "growing"];
    arguments.extend(growing);
    let output = keystorm(dir.path(), &arguments);
    assert_code(&output, 0);
    assert!(
        stdout(&output).contains("MSER-5 found no steady state: nothing is left out"),
        "{}",
        stdout(&output)
    );
    let summary = table(&dir.path().join("growing/summary.csv")).remove(0);
    assert_eq!(summary["warmup_s"], "");
    assert!(number(&summary, "server_cpu_utilization") > 0.0);
}

#[test]
fn a_warm_up_that_leaves_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("steady.toml"), RENEWALS_FIRST).unwrap();
    for (warmup, words) in [("20min", "nothing is left to measure"), ("mser", "mser-5"), ("5", "unit")] {
        let output = keystorm(dir.path(), &["run", "steady.toml", "--warmup", warmup, "--out", "none"]);
        assert_code(&output, 2);
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
    }
    assert!(!dir.path().join("none").exists());
}

/// The records of a sweep hold what is measured after the warm-up.
#[test]
fn a_sweep_leaves_the_warm_up_out_of_what_it_pools() {
    let dir = tempfile::tempdir().unwrap();
    let fixed = run(dir.path(), "fixed", &["--warmup", "5min"]);
    let sweep =
        ["sweep", "steady.toml", "--vary", "warmup=1ms,5min,mser-5", "--replications", "1", "--out", "s"];
    assert_code(&keystorm(dir.path(), &sweep), 0);
    let points = table(&dir.path().join("s/sweep.csv"));
    for column in ["session_ms_p50", "session_ms_p99", "auth_ms_p99"] {
        let there = number(&points[1], column);
        // Records keep their latencies in the cells of the histogram, of which three digits hold.
        assert!((there - number(&fixed, column)).abs() <= 0.002 * there, "{column}: {there}");
    }
    assert!(number(&points[0], "session_ms_p99") > number(&points[1], "session_ms_p99"));
    assert!(number(&points[2], "warmup_s_mean") > 30.0);
}

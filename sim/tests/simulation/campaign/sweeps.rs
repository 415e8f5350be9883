//! What the tables of a sweep say, against the runs that they are made of.

use std::path::Path;

use serde_json::{Value, json};

use super::{SMALL, rows, sweep, with_small_scenario};
use crate::common::{assert_code, keystorm, stderr, stdout};

#[test]
fn a_run_of_a_sweep_is_the_run_that_its_row_says() {
    let dir = with_small_scenario();
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "s"])), 0);
    let all = rows(&dir.path().join("s/runs.csv"));
    assert_eq!(all.len(), 4 * 5);
    let row = all.iter().find(|row| row["point"] == "3" && row["replication"] == "2").unwrap();
    assert_eq!((row["line.loss"].as_str(), row["update.recovery"].as_str()), ("5%", "first-contact"));
    let alone = keystorm(
        dir.path(),
        &[
            "run",
            "small.toml",
            "--set",
            "line.loss=5%",
            "--set",
            "update.recovery=first-contact",
            "--seed",
            &row["seed"],
            "--out",
            "r",
        ],
    );
    assert_code(&alone, 0);
    let summary = rows(&dir.path().join("r/summary.csv")).remove(0);
    for (name, cell) in &summary {
        assert_eq!(row[name], *cell, "{name}");
    }
}

/// Means, deviations and intervals against the runs they are made of; percentiles are those of all runs together.
#[test]
fn the_figures_of_a_point_are_those_of_its_runs() {
    let dir = with_small_scenario();
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "s"])), 0);
    let runs = rows(&dir.path().join("s/runs.csv"));
    for point in rows(&dir.path().join("s/sweep.csv")) {
        let mine: Vec<_> = runs.iter().filter(|run| run["point"] == point["point"]).collect();
        let values = |name: &str| mine.iter().map(|run| run[name].parse().unwrap()).collect::<Vec<f64>>();
        let number = |name: &str| point[name].parse::<f64>().unwrap();
        let sent = values("messages_sent");
        let mean = sent.iter().sum::<f64>() / 5.0;
        let sd = (sent.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4.0).sqrt();
        assert!((number("messages_sent_mean") - mean).abs() < 0.001);
        assert!((number("messages_sent_sd") - sd).abs() < 0.001);
        let half = 2.776_445 * sd / 5f64.sqrt();
        assert!((number("messages_sent_ci95_high") - mean - half).abs() < 0.001);
        // The largest value of all runs together is the largest of theirs; a mean of them would not be.
        let largest = values("session_ms_max").into_iter().fold(0.0, f64::max);
        assert_eq!(number("session_ms_max"), largest);
        assert_eq!(point["session_ms_max_ci95_high"], "", "nothing says how far the next run goes");
        for name in ["auth_ms_p50", "auth_ms_p99", "session_ms_p50", "session_ms_p95", "session_ms_p99_9"] {
            let ends = [number(&format!("{name}_ci95_low")), number(&format!("{name}_ci95_high"))];
            assert!(ends[0] <= number(name) && number(name) <= ends[1], "{name}: {} {ends:?}", number(name));
        }
        let stranded: f64 = values("cards_stranded").iter().sum();
        assert!((number("cards_stranded_share") - stranded / 300.0).abs() < 1e-6);
        assert!(number("cards_stranded_share_ci95_high") > number("cards_stranded_share"));
    }
}

/// The object is made of the same rows as sweep.csv, and has what the printed table has besides.
#[test]
fn a_sweep_for_programs_says_what_its_table_says() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), &sweep(&["--format", "json", "--out", "s"]));
    assert_code(&output, 0);
    let json: Value = serde_json::from_str(&stdout(&output)).expect("one JSON document");
    assert_eq!((&json["kind"], &json["directory"]), (&json!("sweep"), &json!("s")));
    assert_eq!(json["varied"], json!(["line.loss", "update.recovery"]));
    assert_eq!(json["points_not_sure_enough"], json!([]));
    let table = rows(&dir.path().join("s/sweep.csv"));
    let runs = rows(&dir.path().join("s/runs.csv"));
    let points = json["points"].as_array().unwrap();
    assert_eq!(points.len(), table.len());
    for (point, row) in points.iter().zip(&table) {
        for (name, cell) in row {
            match &point[name] {
                Value::Null => assert_eq!(cell, "", "{name}"),
                Value::String(words) => assert_eq!(words, cell, "{name}"),
                number => assert_eq!(number.as_f64(), cell.parse().ok(), "{name}"),
            }
        }
        let mine = runs.iter().filter(|run| run["point"] == row["point"]);
        let stranded: u64 = mine.map(|run| run["cards_stranded"].parse::<u64>().unwrap()).sum();
        assert_eq!((&point["cards_stranded_total"], &point["cards_total"]), (&json!(stranded), &json!(300)));
        assert_eq!(point["card_times"], "published");
    }
}

/// comparison.csv against the runs that it is made of.
#[test]
fn a_comparison_follows_from_the_runs() {
    let dir = with_small_scenario();
    let vary = ["--vary", "fleet.suite=aes-128,ml-dsa-44", "--vary", "server.costs.receive=15us,4s"];
    let arguments = [&["sweep", "small.toml"], &vary[..], &["--replications", "2", "--out", "s"]].concat();
    let output = keystorm(dir.path(), &arguments);
    assert_code(&output, 0);
    assert!(
        stdout(&output).contains("* The cards' times for this suite are hypothetical"),
        "{}",
        stdout(&output)
    );
    let runs = rows(&dir.path().join("s/runs.csv"));
    let compared = rows(&dir.path().join("s/comparison.csv"));
    let times: Vec<&str> = compared.iter().map(|point| point["card_times"].as_str()).collect();
    assert_eq!(times, ["published", "published", "hypothetical", "hypothetical"]);
    for point in &compared {
        let mine = || runs.iter().filter(|run| run["point"] == point["point"]);
        let sum = |name: &str| mine().map(|run| run[name].parse::<f64>().unwrap()).sum::<f64>();
        let number = |name: &str| point[name].parse::<f64>().unwrap();
        let close = |name: &str, value: f64| assert!((number(name) - value).abs() < 1e-3, "{name}: {value}");
        close("line_bytes_per_session", sum("line_bytes") / sum("sessions_started"));
        close("nvm_writes_per_card", sum("nvm_writes") / sum("cards"));
        let points = sum("messages_sent") - sum("retransmissions") + sum("apdus") + sum("nvm_writes");
        close("points_of_interruption", points / sum("sessions_started"));
        let busy = sum("server_busy_cores_peak") / 2.0;
        close("server_busy_cores_peak", busy);
        assert_eq!(number("server_cores_needed"), (busy / 0.7).ceil().max(1.0));
    }
    let of = |point: usize, name: &str| compared[point][name].parse::<f64>().unwrap();
    // Figures that sweep.csv has too have its intervals; of the others the interval holds the figure.
    for (point, swept) in compared.iter().zip(rows(&dir.path().join("s/sweep.csv"))) {
        for name in ["session_ms_p99", "update_ms_p50", "server_busy_cores_peak", "cards_stranded"] {
            for end in ["ci95_low", "ci95_high"].map(|end| format!("{name}_{end}")) {
                assert_eq!(point[&end], swept[&end], "{end}");
            }
        }
        for name in
            ["line_bytes_per_session", "nvm_writes_per_card", "points_of_interruption", "server_cores_needed"]
        {
            let number = |name: &str| point[name].parse::<f64>().unwrap();
            let ends = [number(&format!("{name}_ci95_low")), number(&format!("{name}_ci95_high"))];
            assert!(ends[0] <= number(name) && number(name) <= ends[1], "{name}: {ends:?}");
        }
        assert_ne!(point["server_busy_cores_peak_ci95_high"], "", "both runs have it");
    }
    for cost in ["line_bytes_per_session", "nvm_writes_per_card", "points_of_interruption", "session_ms_p50"]
    {
        assert!(of(2, cost) > 2.0 * of(0, cost), "long keys and proofs cost: {cost}");
    }
    assert!(of(1, "server_cores_needed") > 1.0 && of(0, "server_cores_needed") == 1.0, "{compared:?}");
}

#[test]
fn common_random_numbers_make_differences_sharp() {
    let dir = with_small_scenario();
    let base = "line.loss=0%,update.recovery=first-contact";
    assert_code(&keystorm(dir.path(), &sweep(&["--base", base, "--out", "s"])), 0);
    let differences = rows(&dir.path().join("s/differences.csv"));
    let of = |point: &str, measure: &str| {
        let mut found = differences.iter().filter(|row| row["point"] == point && row["measure"] == measure);
        found.next().unwrap_or_else(|| panic!("{point} {measure}"))
    };
    assert!(differences.iter().all(|row| row["point"] != "1"), "the base is not held against itself");
    // The policy changes what becomes of cards that were interrupted, and no arrival or loss.
    let sent = of("2", "sessions_started");
    assert_eq!((sent["difference"].as_str(), sent["significant"].as_str()), ("0.000", "no"));
    let lost = of("3", "messages_lost");
    assert_eq!((lost["pairs"].as_str(), lost["significant"].as_str()), ("5", "yes"));
}

#[test]
fn a_point_stops_when_it_is_sure_enough() {
    let dir = with_small_scenario();
    let arguments = [
        "sweep",
        "small.toml",
        "--vary",
        "line.loss=0%,5%",
        "--until",
        "messages_sent<=2%",
        "--replications",
        "40",
        "--out",
        "s",
    ];
    assert_code(&keystorm(dir.path(), &arguments), 0);
    for row in rows(&dir.path().join("s/sweep.csv")) {
        let number = |name: &str| row[name].parse::<f64>().unwrap();
        let half = (number("messages_sent_ci95_high") - number("messages_sent_ci95_low")) / 2.0;
        assert!(half <= 0.02 * number("messages_sent_mean"), "sure enough");
        assert!(number("replications") < 40.0 && number("replications") % 4.0 == 0.0, "{row:?}");
    }
}

#[test]
fn a_sweep_says_which_points_are_not_as_sure_as_was_asked() {
    let dir = with_small_scenario();
    let until = ["--until", "messages_sent<=0.0001%", "--replications", "4", "--vary", "line.loss=0%,5%"];
    let output = keystorm(dir.path(), &[&["sweep", "small.toml", "--out", "s"], &until[..]].concat());
    assert_code(&output, 0);
    let words = "Not within 0.0001 % of messages_sent after 4 replications: point 1, 2.";
    assert!(stdout(&output).contains(words), "{}", stdout(&output));
    let more = ["sweep", "small.toml", "--out", "s", "--format", "json"];
    let output = keystorm(dir.path(), &[&more, &until[..]].concat());
    assert_code(&output, 0);
    let json: Value = serde_json::from_str(&stdout(&output)).expect("one JSON document");
    assert_eq!(json["points_not_sure_enough"], json!([1, 2]));
}

#[test]
fn the_scenario_may_say_what_a_sweep_does() {
    let dir = with_small_scenario();
    let table =
        "[sweep]\nvary = [\"line.loss=0%,5%\", \"fleet.cards=60,61\"]\nzip = true\nreplications = 2\n";
    std::fs::write(dir.path().join("with.toml"), format!("name = \"small\"\n{SMALL}{table}")).unwrap();
    assert_code(&keystorm(dir.path(), &["sweep", "with.toml", "--out", "s"]), 0);
    let runs = rows(&dir.path().join("s/runs.csv"));
    let said: Vec<_> =
        runs.iter().map(|row| format!("{} {}", row["line.loss"], row["fleet.cards"])).collect();
    assert_eq!(said, ["0% 60", "0% 60", "5% 61", "5% 61"]);
    // It is no part of what is run.
    assert_code(&keystorm(dir.path(), &["run", "with.toml", "--out", "with"]), 0);
    assert_code(&keystorm(dir.path(), &["run", "small.toml", "--out", "without"]), 0);
    let hash =
        |run: &str| rows(&dir.path().join(run).join("summary.csv")).remove(0)["scenario_sha256"].clone();
    assert_eq!(hash("with"), hash("without"));
}

#[test]
fn no_interval_reaches_below_zero() {
    let dir = with_small_scenario();
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "s"])), 0);
    let mut at_zero = 0;
    for (name, cell) in rows(&dir.path().join("s/sweep.csv")).into_iter().flatten() {
        if name.ends_with("_ci95_low") {
            assert!(!cell.starts_with('-'), "{name} is {cell}");
            at_zero += usize::from(!name.contains("share") && cell.parse() == Ok(0.0));
        }
    }
    assert!(at_zero > 0, "no interval is wide enough to be cut");
}

fn assert_no_name_twice(file: &Path) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut names: Vec<&str> = text.lines().next().unwrap().split(',').collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "{}", file.display());
}

#[test]
fn no_table_has_two_columns_of_one_name() {
    let dir = with_small_scenario();
    let vary = ["small.toml", "--vary", "engine=events,turmoil", "--out"];
    assert_code(&keystorm(dir.path(), &[&["sweep"], &vary[..], &["s", "--replications", "1"]].concat()), 0);
    assert_no_name_twice(&dir.path().join("s/runs.csv"));
    let varied: Vec<_> =
        rows(&dir.path().join("s/runs.csv")).iter().map(|run| run["varied_engine"].clone()).collect();
    assert_eq!(varied, ["events", "turmoil"]);
    let slos =
        ["--slo", "messages_sent>=1", "--slo", "messages_sent<=1000000", "--slo", "cards_stranded<=60"];
    let plan = [&["plan", "small.toml", "--vary", "server.cores=1", "--out", "p"], &slos[..]].concat();
    assert_code(&keystorm(dir.path(), &plan), 0);
    assert_no_name_twice(&dir.path().join("p/plan.csv"));
    let row = rows(&dir.path().join("p/plan.csv")).remove(0);
    assert_eq!((row["slo2"].as_str(), row["slo2_verdict"].as_str()), ("messages_sent<=1000000", "met"));
}

/// A fault that never struck makes a sweep fail whole, in parts and put together, and a plan besides its answer.
#[test]
fn a_fault_that_never_struck_is_told_by_every_command() {
    let dir = with_small_scenario();
    let idle = "faults.outage=[{site=0,at='290s',for='1s'}]";
    let fixed = ["small.toml", "--set", idle, "--vary", "server.cores=1,2", "--replications"];
    let sweep = |more: &[&str]| keystorm(dir.path(), &[&["sweep"], &fixed[..], &["2"], more].concat());
    let told = |output: std::process::Output, runs: &str| {
        assert_code(&output, 1);
        assert!(
            stderr(&output).contains(&format!("in {runs} runs a fault of the scenario never struck")),
            "{}",
            stderr(&output)
        );
        stderr(&output)
    };
    told(sweep(&["--out", "whole"]), "4");
    told(sweep(&["--shard", "1/2", "--out", "a"]), "2");
    told(sweep(&["--shard", "2/2", "--out", "b"]), "2");
    let said = told(keystorm(dir.path(), &["merge", "a", "b", "--out", "m"]), "4");
    assert!(said.contains("point 1 (server.cores=1), replication 1"), "{said}");
    let plan = [&["plan"], &fixed[..], &["8", "--slo", "messages_sent<=1", "--out", "p"]].concat();
    let said = told(keystorm(dir.path(), &plan), "16");
    assert!(said.contains("SLO MISSED"), "{said}");
    let run = ["run", "small.toml", "--set", idle, "--slo", "messages_sent<=1", "--out", "r"];
    let output = keystorm(dir.path(), &run);
    assert_code(&output, 1);
    assert!(
        stderr(&output).contains("never struck") && stderr(&output).contains("SLO MISSED"),
        "{}",
        stderr(&output)
    );
}

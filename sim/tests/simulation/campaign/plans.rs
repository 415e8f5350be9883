//! Plans, and runs as gates.

use serde_json::{Value, json};

use super::{rows, with_small_scenario};
use crate::common::{assert_code, keystorm, stderr, stdout};

/// Erlang's queue: with two servers, 1 ms of mean service and 1,600 arrivals a second the mean wait is 1.78 ms; with one
/// it has no end, with three it is 0.196 ms, with four 0.038 ms.
#[test]
fn a_plan_agrees_with_erlang_about_the_servers() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = "engine = \"events\"\nhorizon = \"20s\"\n[fleet]\ncards = 16000\nclients = 16000\n[load]\narrivals = \"poisson\"\n\
                    every = \"10s\"\nsession = \"probe\"\n[update]\nperiods = []\n[server]\nqueue = 1000000\n\
                    [line]\ndelay = { fixed = \"1ms\" }\nretry = { first = \"60s\", factor = 1, tries = 1 }\n";
    std::fs::write(dir.path().join("probe.toml"), scenario).unwrap();
    for (bound, expected) in [
        ("server_wait_ms_mean<=2.5", "2"),
        ("server_wait_ms_mean<=1", "3"),
        ("server_wait_ms_mean<=0.1", "4"),
    ] {
        let arguments = [
            "plan",
            "probe.toml",
            "--slo",
            bound,
            "--vary",
            "server.cores=1..8",
            "--replications",
            "8",
            "--out",
            expected,
        ];
        let output = keystorm(dir.path(), &arguments);
        assert_code(&output, 0);
        let said = stdout(&output);
        assert!(
            said.contains(&format!("The first of server.cores that keeps every bound: {expected}\n")),
            "{said}"
        );
        let tried = rows(&dir.path().join(expected).join("plan.csv"));
        assert!(tried.len() < 8, "bisection leaves some out");
        assert!(
            tried.iter().all(|row| (row["keeps_all"] == "yes") == (row["server.cores"].as_str() >= expected))
        );
    }
    let output = keystorm(
        dir.path(),
        &[
            "plan",
            "probe.toml",
            "--slo",
            "server_wait_ms_mean<=0",
            "--vary",
            "server.cores=1,2",
            "--out",
            "none",
        ],
    );
    assert_code(&output, 4);
    assert!(stderr(&output).contains("SLO MISSED"), "{}", stderr(&output));
    // The other way: the largest fleet that two servers serve. Erlang's mean wait at 1,000 and 1,400 a second: 0.33 and
    // 0.96 ms.
    let output = keystorm(
        dir.path(),
        &[
            "plan",
            "probe.toml",
            "--slo",
            "server_wait_ms_mean<=1.3",
            "--vary",
            "fleet.cards=10000,14000,18000",
            "--largest",
            "--set",
            "server.cores=2",
            "--out",
            "largest",
        ],
    );
    assert_code(&output, 0);
    assert!(
        stdout(&output).contains("The last of fleet.cards that keeps every bound: 14000\n"),
        "{}",
        stdout(&output)
    );
}

/// The mean of the runs' maxima lies below the largest of them: a bound between the two is not kept.
#[test]
fn a_plan_holds_a_maximum_against_its_bound_in_every_run() {
    let dir = with_small_scenario();
    let vary = ["--vary", "line.loss=5%", "--replications"];
    assert_code(
        &keystorm(dir.path(), &[&["sweep", "small.toml", "--out", "s"], &vary[..], &["8"]].concat()),
        0,
    );
    let largest: Vec<f64> = rows(&dir.path().join("s/runs.csv"))
        .iter()
        .map(|run| run["session_ms_max"].parse().unwrap())
        .collect();
    let mean = largest.iter().sum::<f64>() / 8.0;
    let bound = (mean + largest.iter().copied().fold(0.0, f64::max)) / 2.0;
    let slo = format!("session_ms_max<={bound:.3}");
    let plan = ["plan", "small.toml", "--slo", &slo, "--out", "p"];
    let output = keystorm(dir.path(), &[&plan, &vary[..], &["8"]].concat());
    assert_code(&output, 4);
    assert_eq!(rows(&dir.path().join("p/plan.csv"))[0]["keeps_all"], "no", "{}", stdout(&output));
}

/// What the runs do not show is not said to be so: not that a value keeps a bound, nor that none does.
#[test]
fn a_plan_tells_undecided_values_from_those_that_miss() {
    let dir = with_small_scenario();
    let sweep = ["sweep", "small.toml", "--vary", "line.loss=5%", "--replications", "8", "--out", "s"];
    assert_code(&keystorm(dir.path(), &sweep), 0);
    let mean = rows(&dir.path().join("s/sweep.csv"))[0]["messages_sent_mean"].clone();
    let plan = |bound: &str, out: &str| {
        let slo = format!("messages_sent<={bound}");
        let plan = [
            "plan",
            "small.toml",
            "--slo",
            &slo,
            "--vary",
            "line.loss=5%",
            "--replications",
            "8",
            "--out",
            out,
        ];
        let output = keystorm(dir.path(), &plan);
        assert_code(&output, 4);
        (stderr(&output), rows(&dir.path().join(out).join("plan.csv"))[0]["keeps_all"].clone())
    };
    let (said, keeps) = plan(&mean, "undecided");
    let words = "SLO NOT SHOWN: no value of line.loss is shown to keep every bound with 8 replications: 1 undecided, 0 missed";
    assert!(said.contains(words), "{said}");
    assert_eq!(keeps, "undecided");
    let (said, keeps) = plan("1", "missed");
    assert!(said.contains("SLO MISSED: no value of line.loss keeps every bound"), "{said}");
    assert_eq!(keeps, "no");
}

#[test]
fn a_plan_is_continued_with_its_own_bounds_only_and_is_not_finished_without_its_answer() {
    let dir = with_small_scenario();
    let plan = |slo: &str| {
        let plan = ["plan", "small.toml", "--slo", slo, "--vary", "server.cores=1", "--out", "p"];
        keystorm(dir.path(), &plan)
    };
    assert_code(&plan("messages_sent>=1"), 0);
    let other = plan("messages_sent>=2");
    assert_code(&other, 2);
    assert!(stderr(&other).contains("bounds was [\"messages_sent>=1\"]"), "{}", stderr(&other));
    std::fs::remove_file(dir.path().join("p/plan.csv")).unwrap();
    let report = keystorm(dir.path(), &["report", "p"]);
    assert_code(&report, 2);
    assert!(stderr(&report).contains("is not finished: it has no answer yet"), "{}", stderr(&report));
    assert_code(&plan("messages_sent>=1"), 0);
    assert_code(&keystorm(dir.path(), &["report", "p"]), 0);
}

/// The object is made of the same rows as plan.csv; the answer and its absence are in it, and the exit code stays.
#[test]
fn a_plan_for_programs_says_what_its_table_says() {
    let dir = with_small_scenario();
    let plan = |slo: &str, out: &str, code: i32| {
        let vary = ["--vary", "server.cores=1,2", "--replications", "8", "--out", out, "--format", "json"];
        let output = keystorm(dir.path(), &[&["plan", "small.toml", "--slo", slo], &vary[..]].concat());
        assert_code(&output, code);
        serde_json::from_str::<Value>(&stdout(&output)).expect("one JSON document")
    };
    let found = plan("messages_sent>=1", "p", 0);
    assert_eq!((&found["kind"], &found["directory"]), (&json!("plan"), &json!("p")));
    assert_eq!((&found["varied"], &found["bounds"]), (&json!("server.cores"), &json!(["messages_sent>=1"])));
    assert_eq!((&found["answer"], &found["monotone"]), (&json!("1"), &json!(true)));
    assert_eq!((&found["looks"], &found["confidence"]), (&json!([8]), &json!(0.98)));
    assert_eq!(found["undecided_before_answer"], false);
    let table = rows(&dir.path().join("p/plan.csv"));
    let values = found["values"].as_array().unwrap();
    assert_eq!(values.len(), table.len());
    for (value, row) in values.iter().zip(&table) {
        assert_eq!((&value["keeps_all"], &value["slo1_verdict"]), (&json!("yes"), &json!("met")));
        for name in ["messages_sent", "messages_sent_low", "messages_sent_high", "replications"] {
            assert_eq!(value[name].as_f64(), row[name].parse().ok(), "{name}");
        }
    }
    let found = plan("messages_sent<=1", "none", 4);
    assert_eq!((&found["answer"], &found["values"][0]["keeps_all"]), (&Value::Null, &json!("no")));
}

#[test]
fn a_run_can_be_a_gate() {
    let dir = with_small_scenario();
    let run = |slo: &str| keystorm(dir.path(), &["run", "small.toml", "--out", "r", "--slo", slo]);
    assert_code(&run("cards_stranded==0"), 0);
    let missed = run("sessions_completed>=61");
    assert_code(&missed, 4);
    assert!(stderr(&missed).contains("SLO MISSED sessions_completed>=61: it is "), "{}", stderr(&missed));
    assert!(dir.path().join("r/summary.csv").exists(), "the run itself is kept");
    assert_code(&run("sessions_complete>=61"), 2);
}

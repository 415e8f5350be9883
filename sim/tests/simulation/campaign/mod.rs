//! Sweeps, their parts and their ends, and plans, as a user meets them.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crate::common::{assert_code, keystorm, program, stderr, stdout};

const SMALL: &str = "engine = \"events\"\nhorizon = \"5min\"\n[fleet]\ncards = 60\nclients = 15\n[load]\nwindow = \"30s\"\n\
                     [update]\nperiods = [\"30d\"]\n[line]\ndelay = { fixed = \"80ms\" }\n[faults]\npull = \"10%\"\n";
const TABLES: [&str; 2] = ["sweep.csv", "runs.csv"];
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

fn tables(dir: &Path) -> Vec<String> {
    TABLES.iter().map(|table| std::fs::read_to_string(dir.join(table)).unwrap()).collect()
}

/// Rows of a CSV file, each a map from its header.
pub(crate) fn rows(path: &Path) -> Vec<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut lines = text.lines().map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>());
    let header = lines.next().unwrap();
    lines.map(|cells| header.iter().cloned().zip(cells).collect()).collect()
}

/// The runs that are kept, and when each was written.
fn kept(dir: &Path) -> BTreeMap<String, SystemTime> {
    let Ok(entries) = std::fs::read_dir(dir.join("runs")) else { return BTreeMap::new() };
    let entries = entries.map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry));
    let whole = named.filter(|(name, _)| name.ends_with(".json"));
    whole.map(|(name, entry)| (name, entry.metadata().unwrap().modified().unwrap())).collect()
}

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

/// `kill -9` in the middle: the same command goes on, makes no run twice, and ends with the same bytes.
#[test]
fn resume_after_kill() {
    let dir = with_small_scenario();
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "whole", "--jobs", "2"])), 0);
    let mut killed = 0;
    for attempt in 1..=200 {
        let mut child = program(dir.path(), &sweep(&["--out", "killed", "--jobs", "1"]))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let before = kept(&dir.path().join("killed")).len();
        while kept(&dir.path().join("killed")).len() < before + 3 && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            break;
        }
        killed = attempt;
    }
    assert!(killed >= 2, "it was over before it could be killed");
    let there = kept(&dir.path().join("killed"));
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "killed"])), 0);
    assert_eq!(tables(&dir.path().join("killed")), tables(&dir.path().join("whole")));
    let after = kept(&dir.path().join("killed"));
    assert!(there.iter().all(|(name, written)| after[name] == *written), "a finished run was made again");
    println!("killed {killed} times; {} runs, tables equal to those of an undisturbed sweep", after.len());
}

/// Whatever the split and the order of the parts, the tables have the same bytes.
#[test]
fn shards_merge_identically() {
    let dir = with_small_scenario();
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "whole"])), 0);
    let whole = tables(&dir.path().join("whole"));
    for count in [2, 3, 7] {
        let parts: Vec<String> = (1..=count).map(|index| format!("p{index}of{count}")).collect();
        for (index, part) in (1..).zip(&parts) {
            let shard = format!("{index}/{count}");
            let output = keystorm(dir.path(), &sweep(&["--shard", &shard, "--out", part]));
            assert_code(&output, 0);
            assert!(stdout(&output).contains("keystorm merge"), "{}", stdout(&output));
            assert!(!dir.path().join(part).join("sweep.csv").exists(), "a part has no tables");
        }
        let out = format!("merged{count}");
        let mut merge = vec!["merge", "--out", &out];
        merge.extend(parts.iter().rev().map(String::as_str));
        assert_code(&keystorm(dir.path(), &merge), 0);
        assert_eq!(tables(&dir.path().join(&out)), whole, "{count} parts");
        let incomplete = keystorm(dir.path(), &["merge", "--out", "never", &parts[0]]);
        assert_code(&incomplete, 2);
        assert!(stderr(&incomplete).contains("in none of the parts"), "{}", stderr(&incomplete));
        assert!(!dir.path().join("never").exists());
        println!("{count} parts: the same {} bytes", whole.iter().map(String::len).sum::<usize>());
    }
}

#[test]
fn another_campaign_is_refused_and_nothing_changes() {
    let dir = with_small_scenario();
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "s"])), 0);
    let before = tables(&dir.path().join("s"));
    let refused = |arguments: &[&str], said: &str| {
        let output = keystorm(dir.path(), arguments);
        assert_code(&output, 2);
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert_eq!(tables(&dir.path().join("s")), before);
    };
    refused(&sweep(&["--out", "s", "--seed", "9"]), "seed was 1 and is 9 now");
    refused(&sweep(&["--out", "s", "--set", "fleet.cards=61"]), "the scenario has changed");
    refused(&["run", "small.toml", "--out", "s"], "does not replace");
    let manifest = std::fs::read_to_string(dir.path().join("s/manifest.json")).unwrap();
    // Another commit of the same version is another build.
    let build = keystorm::run::build();
    assert!(option_env!("KEYSTORM_COMMIT").is_none_or(|commit| build.contains(commit)), "{build}");
    let other = manifest.replace(&format!("\"version\": \"{build}\""), "\"version\": \"0.0.0\"");
    assert_ne!(manifest, other);
    std::fs::write(dir.path().join("s/manifest.json"), other).unwrap();
    refused(&sweep(&["--out", "s"]), "version was \"0.0.0\"");
    refused(&["sweep", "small.toml", "--out", "t"], "nothing varies");
    refused(&["sweep", "small.toml", "--vary", "line.lsos=0%", "--out", "t"], "line.loss");
    refused(
        &["sweep", "small.toml", "--vary", "line.loss=0%", "--until", "auth_ms_p99<=5", "--out", "t"],
        "percentage",
    );
    assert!(!dir.path().join("t").exists());
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

#[test]
fn one_scenario_in_other_words_is_refused() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), &["sweep", "small.toml", "--vary", "line.loss=0%,0", "--out", "s"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("`0%` and `0` of line.loss are the same"), "{}", stderr(&output));
    assert!(!dir.path().join("s").exists());
}

#[test]
fn a_sweep_says_which_points_are_not_as_sure_as_was_asked() {
    let dir = with_small_scenario();
    let until = ["--until", "messages_sent<=0.0001%", "--replications", "4", "--vary", "line.loss=0%,5%"];
    let output = keystorm(dir.path(), &[&["sweep", "small.toml", "--out", "s"], &until[..]].concat());
    assert_code(&output, 0);
    let words = "Not within 0.0001 % of messages_sent after 4 replications: point 1, 2.";
    assert!(stdout(&output).contains(words), "{}", stdout(&output));
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

//! Campaigns that are stopped, continued, split and put together; and others that are in the way.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::{sweep, with_small_scenario};
use crate::common::{assert_code, keystorm, names_in, program, stderr, stdout};

const TABLES: [&str; 2] = ["sweep.csv", "runs.csv"];

fn tables(dir: &Path) -> Vec<String> {
    TABLES.iter().map(|table| std::fs::read_to_string(dir.join(table)).unwrap()).collect()
}

/// The runs that are kept, and when each was written.
fn kept(dir: &Path) -> BTreeMap<String, SystemTime> {
    let Ok(entries) = std::fs::read_dir(dir.join("runs")) else { return BTreeMap::new() };
    let entries = entries.map(Result::unwrap);
    let named = entries.map(|entry| (entry.file_name().into_string().unwrap(), entry));
    let whole = named.filter(|(name, _)| name.ends_with(".json"));
    whole.map(|(name, entry)| (name, entry.metadata().unwrap().modified().unwrap())).collect()
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
    // What a kill in the middle of a write leaves, of a run and of a table.
    for name in ["runs/.000001-00001.json.tmp-1", "runs/.000004-00005.json.tmp-4194304", ".sweep.csv.tmp-77"]
    {
        std::fs::write(dir.path().join("killed").join(name), "{\"point\":1,").unwrap();
    }
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "killed"])), 0);
    assert_eq!(tables(&dir.path().join("killed")), tables(&dir.path().join("whole")));
    let after = kept(&dir.path().join("killed"));
    assert!(there.iter().all(|(name, written)| after[name] == *written), "a finished run was made again");
    let hidden =
        |dir: &Path| names_in(dir).into_iter().filter(|name| name.starts_with('.')).collect::<Vec<_>>();
    assert_eq!(hidden(&dir.path().join("killed")), [""; 0]);
    assert_eq!(hidden(&dir.path().join("killed/runs")), [""; 0]);
    println!("killed {killed} times; {} runs, tables equal to those of an undisturbed sweep", after.len());
}

/// Another process that works on the same campaign may be about to rename what it has half-written.
#[test]
fn what_a_living_process_may_be_writing_is_left_alone() {
    let dir = with_small_scenario();
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "s"])), 0);
    let unfinished = dir.path().join("s/runs/.000001-00001.json.tmp-1");
    let theirs = dir.path().join("s/runs/.my notes.tmp-1");
    std::fs::write(&unfinished, "{").unwrap();
    std::fs::write(&theirs, "").unwrap();
    // As every process that works on a campaign does.
    let other = std::fs::File::open(dir.path().join("s/manifest.json")).unwrap();
    other.lock_shared().unwrap();
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "s"])), 0);
    assert!(unfinished.exists(), "somebody may be writing it");
    drop(other);
    assert_code(&keystorm(dir.path(), &sweep(&["--out", "s"])), 0);
    assert!(!unfinished.exists(), "nobody can be writing it");
    assert!(theirs.exists(), "keystorm gives no such name");
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
fn parts_and_the_whole_are_told_to_programs() {
    let dir = with_small_scenario();
    let json = |arguments: &[&str]| {
        let output = keystorm(dir.path(), &[arguments, &["--format", "json"]].concat());
        assert_code(&output, 0);
        serde_json::from_str::<Value>(&stdout(&output)).expect("one JSON document")
    };
    let part = json(&sweep(&["--shard", "1/2", "--out", "a"]));
    assert_eq!(
        part,
        json!({ "kind": "part of a sweep", "directory": "a", "part": 1, "parts": 2, "runs_missing": 10 })
    );
    json(&sweep(&["--shard", "2/2", "--out", "b"]));
    let merged = json(&["merge", "a", "b", "--out", "m"]);
    let mut whole = json(&sweep(&["--out", "whole"]));
    whole["directory"] = "m".into();
    assert_eq!(merged, whole);
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
fn one_scenario_in_other_words_is_refused() {
    let dir = with_small_scenario();
    let output = keystorm(dir.path(), &["sweep", "small.toml", "--vary", "line.loss=0%,0", "--out", "s"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("`0%` and `0` of line.loss are the same"), "{}", stderr(&output));
    assert!(!dir.path().join("s").exists());
}

//! What `compare` finds, and what it does not.

use keystorm_reports::html::{StoredCampaign, StoredRun};
use keystorm_reports::results::Manifest;
use keystorm_reports::{compare_campaigns, compare_runs};

use crate::html::{run, sweep};
use crate::sample::{manifest, results};

/// Stands for a version that reads no value of the keys that vary.
fn unread(_: &str, _: &str) -> Option<String> {
    None
}

#[test]
fn two_runs_are_held_against_each_other() {
    let scratch = tempfile::tempdir().unwrap();
    let text = |loss| Manifest { scenario_text: format!("line.loss = {loss}\nname = \"x\"\n"), ..manifest() };
    let mut changed = results();
    changed.run.seed = 8;
    changed.counts.messages_lost = 462;
    let a = StoredRun::read(&run(&scratch, "a", &results(), &text("2%"))).unwrap();
    let b = StoredRun::read(&run(&scratch, "b", &changed, &text("4%"))).unwrap();

    let found = compare_runs(&a, &b);
    for words in
        ["line.loss: 2% in A, 4% in B", "seed: 7 in A, 8 in B", "messages_lost  231  462   +231  +100.0 %"]
    {
        assert!(found.text.contains(words), "{words} in {}", found.text);
    }
    assert!(!found.text.contains("messages_sent"), "equal: {}", found.text);
    assert_eq!(found.json["scenario"]["line.loss"]["b"], "4%");
    let figures = found.json["figures"].as_array().unwrap();
    let lost = figures.iter().find(|figure| figure["figure"] == "messages_lost").unwrap();
    assert_eq!((lost["difference"].as_f64(), lost["relative"].as_f64()), (Some(231.0), Some(1.0)));

    let same = compare_runs(&a, &a);
    assert!(same.text.contains("No key of the scenario and no figure differs"), "{}", same.text);
}

#[test]
fn two_sweeps_differ_where_the_interval_leaves_zero_out() {
    let scratch = tempfile::tempdir().unwrap();
    let stored = |name: &str, more| StoredCampaign::read(&sweep(&scratch.path().join(name), more)).unwrap();
    let (a, b) = (stored("a", 10), stored("b", 5_010));
    let found = compare_campaigns(&a, &b, unread).unwrap();
    let significant: Vec<String> = (found.json["figures"].as_array().unwrap().iter())
        .filter(|figure| figure["significant"] == true)
        .map(|figure| format!("{} {} {}", figure["point"], figure["figure"], figure["difference"]))
        .collect();
    assert_eq!(significant, [r#""5%, a" "line_bytes" 5000.0"#, r#""5%, b" "line_bytes" 5000.0"#]);
    assert!(found.text.contains("2 of "), "{}", found.text);
    assert!(found.text.contains(" 0 by Welch's t"), "the seeds are the same: {}", found.text);
    let same = compare_campaigns(&a, &a, unread).unwrap();
    assert!(same.text.contains("\n0 of "), "{}", same.text);
}

#[test]
fn sweeps_of_other_seeds_are_compared_as_independent_samples() {
    let scratch = tempfile::tempdir().unwrap();
    let stored = |name: &str, more| StoredCampaign::read(&sweep(&scratch.path().join(name), more)).unwrap();
    let (a, mut b) = (stored("a", 10), stored("b", 1_000_010));
    for run in b.points.iter_mut().flat_map(|point| &mut point.runs) {
        run.summary.iter_mut().find(|(name, _)| name == "seed").unwrap().1 += "9";
    }
    let found = compare_campaigns(&a, &b, unread).unwrap();
    assert!(found.text.contains("(0 paired by seed"), "{}", found.text);
    let figures = found.json["figures"].as_array().unwrap();
    let bytes = figures.iter().find(|of| of["figure"] == "line_bytes" && of["point"] == "5%, a").unwrap();
    assert_eq!((bytes["method"].as_str(), bytes["significant"].as_bool()), (Some("welch"), Some(true)));
}

/// Seeds that some runs have in common are no reason to drop the others: B has two
/// more runs, with other seeds and 80,000 bytes more.
#[test]
fn sweeps_with_some_seeds_in_common_are_compared_on_all_their_runs() {
    let scratch = tempfile::tempdir().unwrap();
    let stored = |name: &str, more| StoredCampaign::read(&sweep(&scratch.path().join(name), more)).unwrap();
    let (a, mut b) = (stored("a", 10), stored("b", 5_010));
    for point in &mut b.points {
        let mut more = point.runs.clone();
        more.iter_mut().for_each(|run| {
            run.summary.iter_mut().find(|(name, _)| name == "seed").unwrap().1 += "9";
            let bytes = &mut run.summary.iter_mut().find(|(name, _)| name == "line_bytes").unwrap().1;
            *bytes = (bytes.parse::<u64>().unwrap() + 80_000).to_string();
        });
        point.runs.extend(more);
    }
    let found = compare_campaigns(&a, &b, unread).unwrap();
    let figures = found.json["figures"].as_array().unwrap();
    let bytes = figures.iter().find(|of| of["figure"] == "line_bytes" && of["point"] == "0%, a").unwrap();
    assert_eq!((bytes["method"].as_str(), bytes["difference"].as_f64()), (Some("welch"), Some(40_000.0)));
    assert_eq!(bytes["b"].as_f64().unwrap() - bytes["a"].as_f64().unwrap(), 40_000.0);
}

/// A percentile of two campaigns is that of all their runs, and so is the difference.
#[test]
fn percentiles_are_compared_and_not_averaged() {
    let scratch = tempfile::tempdir().unwrap();
    let stored = |name: &str| StoredCampaign::read(&sweep(&scratch.path().join(name), 10)).unwrap();
    let (a, mut b) = (stored("a"), stored("b"));
    for run in b.points.iter_mut().flat_map(|point| &mut point.runs) {
        // What a run says of its own percentile has no part in it.
        run.summary.iter_mut().find(|(name, _)| name == "auth_ms_p50").unwrap().1 = "1.000".into();
    }
    let found = compare_campaigns(&a, &b, unread).unwrap();
    let figures = found.json["figures"].as_array().unwrap();
    let median = figures.iter().find(|of| of["figure"] == "auth_ms_p50" && of["point"] == "5%, a").unwrap();
    assert_eq!((median["a"].as_f64(), median["difference"].as_f64()), (median["b"].as_f64(), Some(0.0)));
    let largest = figures.iter().find(|of| of["figure"] == "auth_ms_max" && of["point"] == "5%, a").unwrap();
    assert!(largest["ci95_low"].is_null() && largest["significant"] == false, "{largest}");
}

#[test]
fn one_run_of_a_point_says_nothing_of_how_surely() {
    let scratch = tempfile::tempdir().unwrap();
    let stored = |name: &str, more| {
        let mut stored = StoredCampaign::read(&sweep(&scratch.path().join(name), more)).unwrap();
        stored.points.iter_mut().for_each(|point| point.runs.truncate(1));
        stored
    };
    let found = compare_campaigns(&stored("a", 10), &stored("b", 5_010), unread).unwrap();
    assert!(
        found.text.contains("2 of ") && found.text.contains("one run of a point has no interval"),
        "{}",
        found.text
    );
}

#[test]
fn keys_in_another_order_and_values_in_other_words_are_the_same() {
    let scratch = tempfile::tempdir().unwrap();
    let a = StoredCampaign::read(&sweep(&scratch.path().join("a"), 1)).unwrap();
    let mut b = a.clone();
    b.shape.axes.reverse();
    for values in b.points.iter_mut().map(|point| &mut point.values) {
        values.reverse();
        values[1] = if values[1] == "5%" { "0.05".into() } else { "0".into() };
    }
    let found = compare_campaigns(&a, &b, unread).unwrap();
    assert!(found.text.contains("4 points in common, 0 in A only"), "{}", found.text);
}

/// The reader's word goes before that of the numbers.
#[test]
fn values_are_the_same_if_their_meanings_are() {
    let scratch = tempfile::tempdir().unwrap();
    let a = StoredCampaign::read(&sweep(&scratch.path().join("a"), 1)).unwrap();
    let mut b = a.clone();
    for values in b.points.iter_mut().map(|point| &mut point.values) {
        values[0] = if values[0] == "5%" { "five of 100".into() } else { "0.0".into() };
    }
    let meaning = |key: &str, value: &str| match (key, value) {
        ("line.loss", "5%" | "five of 100") => Some("1/20".to_owned()),
        (_, other) => Some(other.to_owned()),
    };
    let found = compare_campaigns(&a, &b, meaning).unwrap();
    assert!(found.text.contains("2 points in common, 2 in A only, 2 in B only"), "{}", found.text);
}

#[test]
fn sweeps_that_vary_other_keys_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let a = StoredCampaign::read(&sweep(&scratch.path().join("a"), 1)).unwrap();
    let mut b = a.clone();
    b.shape.axes[0].0 = "server.cores".into();
    let error = compare_campaigns(&a, &b, unread).unwrap_err();
    assert!(error.contains("B varies server.cores, update.recovery"), "{error}");
    let mut c = a.clone();
    c.points.iter_mut().for_each(|point| point.values[0] = "9%".into());
    assert!(compare_campaigns(&a, &c, unread).unwrap_err().contains("no value"));
}

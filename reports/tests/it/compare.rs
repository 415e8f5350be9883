//! What `compare` finds, and what it does not.

use keystorm_reports::html::{StoredCampaign, StoredRun};
use keystorm_reports::results::Manifest;
use keystorm_reports::{compare_campaigns, compare_runs};

use crate::html::{run, sweep};
use crate::sample::{manifest, results};

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
    let found = compare_campaigns(&a, &b).unwrap();
    let significant: Vec<String> = (found.json["figures"].as_array().unwrap().iter())
        .filter(|figure| figure["significant"] == true)
        .map(|figure| format!("{} {} {}", figure["point"], figure["figure"], figure["difference"]))
        .collect();
    assert_eq!(significant, [r#""5%, a" "line_bytes" 5000.0"#, r#""5%, b" "line_bytes" 5000.0"#]);
    assert!(found.text.contains("2 of "), "{}", found.text);
    assert!(found.text.contains(" 0 by Welch's t"), "the seeds are the same: {}", found.text);
    let same = compare_campaigns(&a, &a).unwrap();
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
    let found = compare_campaigns(&a, &b).unwrap();
    assert!(found.text.contains("(0 paired by seed"), "{}", found.text);
    let figures = found.json["figures"].as_array().unwrap();
    let bytes = figures.iter().find(|of| of["figure"] == "line_bytes" && of["point"] == "5%, a").unwrap();
    assert_eq!((bytes["method"].as_str(), bytes["significant"].as_bool()), (Some("welch"), Some(true)));
}

#[test]
fn sweeps_that_vary_other_keys_are_refused() {
    let scratch = tempfile::tempdir().unwrap();
    let a = StoredCampaign::read(&sweep(&scratch.path().join("a"), 1)).unwrap();
    let mut b = a.clone();
    b.shape.axes[0].0 = "server.cores".into();
    let error = compare_campaigns(&a, &b).unwrap_err();
    assert!(error.contains("B varies server.cores, update.recovery"), "{error}");
    let mut c = a.clone();
    c.points.iter_mut().for_each(|point| point.values[0] = "9%".into());
    assert!(compare_campaigns(&a, &c).unwrap_err().contains("no value"));
}

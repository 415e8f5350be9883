//! report.html: made from the files beside it, whole in itself, and safe whatever a scenario says.

use std::fs;
use std::path::{Path, PathBuf};

use keystorm_reports::campaign::{
    Bound, CampaignDir, PointRows, RunRecord, Standing, Tried, measures, plan_table,
};
use keystorm_reports::html::{REPORT_FILE, StoredCampaign, rewrite_run_page, write_campaign_page};
use keystorm_reports::results::{Manifest, Results};
use keystorm_reports::statistics::Interval;
use keystorm_reports::{PLAN_KIND, RunDir, SWEEP_KIND, write_run};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::sample::{manifest, results};

/// A run directory with these results.
pub(crate) fn run(scratch: &TempDir, name: &str, results: &Results, manifest: &Manifest) -> PathBuf {
    let dir = RunDir::prepare(&scratch.path().join(name)).unwrap();
    write_run(&dir, results, manifest, None).unwrap();
    dir.commit().unwrap()
}

/// A sweep of two keys, four replications at each of four points; the second value of the first key keeps `more` holders.
pub(crate) fn sweep(place: &Path, more: u64) -> CampaignDir {
    let values = [["0%", "a"], ["0%", "b"], ["5%", "a"], ["5%", "b"]];
    let points: Vec<Value> =
        values.iter().map(|values| json!({ "values": values, "engine": "events" })).collect();
    let manifest = json!({
        "keystorm": SWEEP_KIND, "scenario": "month-turn", "version": "0.1.0", "scenario_text": "line.loss = \"0\"\n",
        "set": ["fleet.cards=2_000", "name=a'b"], "zip": false, "without": ["line.loss=9%"], "largest": false,
        "axes": [{ "key": "line.loss", "values": ["0%", "5%"] }, { "key": "update.recovery", "values": ["a", "b"] }],
        "points": points, "seed": 7, "replications": 4, "until": "auth_ms_p99<=0.05", "base": 1, "bounds": [],
    });
    let dir = CampaignDir::open(place, &manifest, |there, wanted| {
        (there != wanted).then(|| "something".to_owned())
    })
    .unwrap();
    for point in 1..=4u32 {
        for replication in 1..=4u32 {
            let mut results = results();
            results.run.seed = 6 + u64::from(replication);
            results.counts.line_bytes += u64::from(replication) * 1_000;
            if point > 2 {
                results.counts.line_bytes += more + u64::from(replication);
            }
            dir.keep(&RunRecord::new(point, replication, &results)).unwrap();
        }
    }
    dir
}

/// A plan that has looked at two of four values, with two bounds.
pub(crate) fn plan(place: &Path) -> CampaignDir {
    let points: Vec<Value> =
        ["1", "2", "3", "4"].iter().map(|value| json!({ "values": [value], "engine": "events" })).collect();
    let manifest = json!({
        "keystorm": PLAN_KIND, "scenario": "month-turn", "version": "0.1.0", "scenario_text": "line.loss = \"0\"\n",
        "axes": [{ "key": "server.cores", "values": ["1", "2", "3", "4"] }], "points": points, "seed": 7,
        "set": [], "zip": false, "without": [], "largest": false, "replications": 8, "until": null, "base": null, "bounds": ["auth_ms_p99<=12000", "cards_stranded<=0"],
    });
    let dir = CampaignDir::open(place, &manifest, |_, _| None).unwrap();
    let all = measures();
    let bound = |name: &str| Bound {
        name: format!("{name}<=0"),
        measure: all.iter().find(|measure| measure.name == name).unwrap().clone(),
    };
    let standing = |verdict| Standing {
        figure: Some(12_345.678),
        interval: Some(Interval { low: 12_000.123, high: 12_999.456 }),
        share: None,
        verdict,
    };
    let tried: Vec<Tried> = (1..=2u32)
        .map(|point| {
            let runs: Vec<RunRecord> = (1..=8).map(|run| RunRecord::new(point, run, &results())).collect();
            runs.iter().for_each(|run| dir.keep(run).unwrap());
            let rows = PointRows { point, values: vec![point.to_string()], runs };
            Tried::new(&rows, vec![standing("undecided"), standing("met")], "undecided")
        })
        .collect();
    let table = plan_table("server.cores", &[bound("auth_ms_p99"), bound("cards_stranded")]);
    dir.file(table.file(), |file| table.write(file, &tried)).unwrap();
    dir
}

fn page(dir: &Path) -> String {
    fs::read_to_string(dir.join(REPORT_FILE)).unwrap()
}

#[test]
fn the_page_that_is_made_again_has_the_same_bytes() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = run(&scratch, "run", &results(), &manifest());
    let before = page(&dir);
    fs::remove_file(dir.join(REPORT_FILE)).unwrap();
    assert_eq!(rewrite_run_page(&dir).unwrap(), dir.join(REPORT_FILE));
    assert!(page(&dir) == before);
}

#[test]
fn what_differs_between_machines_is_not_on_the_page() {
    let scratch = tempfile::tempdir().unwrap();
    let other = Manifest { machine: "other".into(), wall_s: 9.5, command: "x".into(), ..manifest() };
    let dirs = [manifest(), other].map(|manifest| {
        let name = manifest.machine.clone();
        run(&scratch, &name, &results(), &manifest)
    });
    assert!(page(&dirs[0]) == page(&dirs[1]));
}

#[test]
fn a_page_says_what_the_files_say_and_loads_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let page = page(&run(&scratch, "run", &results(), &manifest()));
    for words in [
        "<h1>month-turn</h1>",
        "2,000 cards at 40 clients on 1 site",
        "<td>store internal</td><td>card pulled out</td><td class=\"n\">6</td>",
        "<td>outage site 3 at 20min</td><td>yes</td><td class=\"n\">1</td>",
        "<td class=\"n\">1800</td><td class=\"n\">1785</td>",
        "<td>server_queue_max</td><td>1234</td>",
        "<td>commit</td><td class=\"n\">2.999999999</td><td class=\"n\">0.237624</td>",
        "keystorm run month-turn.toml --seed 7 --engine turmoil",
        "name = &#34;month-turn&#34;",
    ] {
        assert!(page.contains(words), "{words}");
    }
    for loads in ["http:", "https:", "src=", "url(", "@import", "<script"] {
        assert!(!page.contains(loads), "{loads}");
    }
}

#[test]
fn words_of_a_scenario_are_escaped() {
    let scratch = tempfile::tempdir().unwrap();
    let mut results = results();
    results.run.scenario = "<b>&\"it\"'s'</b>".into();
    results.faults[0].fault = "<img>".into();
    let manifest = Manifest { scenario_text: "name = \"</code><script>\"".into(), ..manifest() };
    let page = page(&run(&scratch, "run", &results, &manifest));
    for raw in ["<b>", "<img", "<script", "</b>"] {
        assert!(!page.contains(raw), "{raw}");
    }
    assert!(page.contains("&#60;b&#62;&#38;&#34;it&#34;&#39;s&#39;"));
    assert!(page.contains("keystorm run b---it--s---b-.toml"), "a name that a shell takes as it is");
}

#[test]
fn a_damaged_file_is_named_and_the_older_page_stays() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = run(&scratch, "run", &results(), &manifest());
    let before = page(&dir);
    for (file, content, words) in [
        ("timeline.csv", "a,b\n1\n", "timeline.csv is damaged"),
        ("summary.csv", "scenario\n", "0 rows"),
        ("latency/auth_service.hgrm", "\n\nabc\n", "`abc` is no line"),
        ("faults.csv", "", "faults.csv is damaged: it is empty"),
    ] {
        let whole = fs::read(dir.join(file)).unwrap();
        fs::write(dir.join(file), content).unwrap();
        let error = rewrite_run_page(&dir).unwrap_err();
        assert_eq!(error.exit_code(), 1);
        assert!(error.to_string().contains(words), "{error}");
        fs::write(dir.join(file), whole).unwrap();
    }
    fs::remove_file(dir.join("phases.csv")).unwrap();
    let error = rewrite_run_page(&dir).unwrap_err();
    assert!(error.to_string().contains("phases.csv"), "{error}");
    assert!(page(&dir) == before);
}

#[test]
fn the_page_of_a_sweep_comes_from_its_records() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = sweep(&scratch.path().join("sweep"), 50_000);
    let place = write_campaign_page(&dir).unwrap();
    let first = fs::read_to_string(&place).unwrap();
    for words in [
        "line.loss = 0%, 5%; update.recovery = a, b",
        "update.recovery a",
        "line.loss, %",
        "<td class=\"n\">4</td><td>5%</td><td>b</td><td class=\"n\">4</td>",
        "--set fleet.cards=2_000 ",
        "--set &#39;name=a&#39;\\&#39;&#39;b&#39; ",
        "--vary line.loss=0%,5%",
        "--without line.loss=9%",
        "--until &#39;auth_ms_p99&#60;=5%&#39;",
        "--base line.loss=0%,update.recovery=a",
    ] {
        assert!(first.contains(words), "{words}");
    }
    assert!(!first.contains("--zip"));
    fs::remove_file(&place).unwrap();
    write_campaign_page(&dir).unwrap();
    assert!(fs::read_to_string(&place).unwrap() == first);
}

#[test]
fn a_sweep_that_lacks_runs_has_no_page() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = sweep(&scratch.path().join("sweep"), 1);
    fs::remove_file(dir.place().join("runs/000002-00001.json")).unwrap();
    let error = write_campaign_page(&dir).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("1 runs are missing"), "{error}");
    assert!(!dir.place().join(REPORT_FILE).exists());
}

#[test]
fn a_page_shows_one_point_without_replications_too() {
    let scratch = tempfile::tempdir().unwrap();
    let dir = sweep(&scratch.path().join("sweep"), 1);
    let mut stored = StoredCampaign::read(&dir).unwrap();
    stored.points.truncate(1);
    let PointRows { runs, .. } = &mut stored.points[0];
    runs.truncate(1);
    assert!(keystorm_reports::html::campaign_page(&stored).contains("<svg class=\"plot\""));
}

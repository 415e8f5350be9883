//! Grids, conditions and bounds, and the pairs that runs have in common.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use keystorm_reports::campaign::{CampaignDir, PointRows, RunRecord};
use serde_json::json;

use super::grid::{Axis, Grid};
use super::search::{Keeps, decide};
use super::slo::Slo;
use super::spec::Campaign;
use super::work::{Shard, Surroundings, all_runs, make};
use crate::issue::Stocks;

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn an_axis_lists_values_or_ranges_and_leaves_brackets_whole() {
    let values = |text: &str| Axis::parse(text).unwrap().values;
    assert_eq!(values("line.loss=0%,1%"), ["0%", "1%"]);
    assert_eq!(values("server.cores=1..4,8"), ["1", "2", "3", "4", "8"]);
    assert_eq!(values(r#"update.periods=["30d","360d"],["30d"]"#), [r#"["30d","360d"]"#, r#"["30d"]"#]);
    assert_eq!(values("faults.outage=[{site=0,at='1s',for='2s'}],[]").len(), 2);
}

#[test]
fn a_wrong_axis_is_told_with_what_would_be_right() {
    for (wrong, said) in [
        ("line.loss", "KEY=A,B,C"),
        ("=1,2", "no key"),
        ("server.cores=", "empty value"),
        ("server.cores=1,,2", "empty value"),
        ("server.cores=8..1", "1..8"),
        ("server.cores=1..999999999", "at most"),
        ("server.cores=1,2,1", "twice"),
    ] {
        let error = Axis::parse(wrong).unwrap_err();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}

#[test]
fn a_grid_has_every_combination_or_goes_in_lockstep() {
    let grid = |vary: &[&str], zip, without: &[&str]| Grid::parse(&texts(vary), zip, &texts(without));
    let all = grid(&["a=1..3", "b=x,y"], false, &[]).unwrap().points().unwrap();
    assert_eq!(
        all.iter().map(|point| point.concat()).collect::<Vec<_>>(),
        ["1x", "1y", "2x", "2y", "3x", "3y"]
    );
    let some = grid(&["a=1..3", "b=x,y"], false, &["a=1", "a=3,b=y"]).unwrap().points().unwrap();
    assert_eq!(some.iter().map(|point| point.concat()).collect::<Vec<_>>(), ["2x", "2y", "3x"]);
    let zipped = grid(&["a=1..2", "b=x,y"], true, &[]).unwrap().points().unwrap();
    assert_eq!(zipped.iter().map(|point| point.concat()).collect::<Vec<_>>(), ["1x", "2y"]);
    for (vary, zip, without, said) in [
        (&["a=1..3", "b=x,y"][..], true, &[][..], "equally many"),
        (&["a=1", "a=2"], false, &[], "varies twice"),
        (&["seed=1,2"], false, &[], "`seed` cannot vary"),
        (&["a=1,2"], false, &["c=1"], "does not vary"),
        (&["a=1,2"], false, &["a=7"], "never 7"),
        (&["a=1..1000", "b=1..1000"], false, &[], "more than"),
        (&["a=1,2"], false, &["a=1", "a=2"], "no point is left"),
    ] {
        let error = grid(vary, zip, without).and_then(|grid| grid.points()).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_base_must_name_one_point() {
    let grid = Grid::parse(&texts(&["a=1..3", "b=x,y"]), false, &[]).unwrap();
    assert_eq!(grid.point_named("b=y,a=2"), Ok(4));
    assert!(grid.point_named("a=2").unwrap_err().contains("several"));
    assert!(grid.point_named("a=9,b=x").unwrap_err().contains("never 9"));
}

#[test]
fn a_shard_is_a_part_of_so_many() {
    assert_eq!(Shard::parse("2/3"), Ok(Shard { index: 2, count: 3 }));
    for wrong in ["0/3", "4/3", "1", "1/0", "a/b", "-1/2"] {
        assert!(Shard::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_bound_is_read_and_shown() {
    for text in [
        "auth_ms_p99<=12000",
        "cards_stranded==0",
        "sessions_completed>=5",
        "server_queue_max<7",
        "auth_ok>1",
    ] {
        assert_eq!(Slo::parse(text).unwrap().to_string(), text);
    }
    for (wrong, said) in [
        ("auth_ms_p99", "<="),
        ("auth_ms_p99<=12s", "no number"),
        ("auth_ms_p98<=12", "did you mean `auth_ms_p9"),
        ("cards<=12", "did you mean"),
        ("auth_ms_p99<=inf", "no number"),
    ] {
        let error = Slo::parse(wrong).unwrap_err();
        assert!(error.contains(said), "{wrong}: {error}");
    }
}

#[test]
fn a_point_without_runs_keeps_no_bound() {
    let nothing = PointRows { point: 1, values: vec![], runs: vec![] };
    let verdict = |text: &str| Slo::parse(text).unwrap().judge(&nothing, 0.95).verdict.name();
    assert_eq!(verdict("auth_ms_p99<=1"), "no figure");
}

/// Draws for the plans that follow: splitmix64.
struct Chance(u64);

impl Chance {
    /// Between 0 and 1, both excluded.
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ word >> 31) >> 11) as f64 / (1u64 << 53) as f64 + f64::EPSILON / 4.0
    }

    /// By Box and Muller.
    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * libm::log(self.uniform())).sqrt();
        radius * libm::cos(core::f64::consts::TAU * self.uniform())
    }
}

/// A run whose `server_wait_ms_mean` is this.
fn run_with(figure: f64) -> RunRecord {
    serde_json::from_value(json!({
        "point": 1, "replication": 1, "summary": [["server_wait_ms_mean", format!("{figure:.3}")]],
        "distributions": [[], [], [], []], "idle_faults": [],
    }))
    .unwrap()
}

/// How many of 1,000 plans say `met` of a figure whose true mean breaks the bound by next to nothing.
fn falsely_met(most: u32, slo: &str, mut figure: impl FnMut(&mut Chance) -> f64) -> usize {
    let slo = Slo::parse(slo).unwrap();
    let met = |seed: &u64| {
        let mut chance = Chance(*seed << 32);
        let runs: Vec<RunRecord> = (0..most).map(|_| run_with(figure(&mut chance))).collect();
        let rows = |count: u32| {
            Ok::<_, ()>(PointRows { point: 1, values: vec![], runs: runs[..count as usize].to_vec() })
        };
        decide(most, std::slice::from_ref(&slo), rows).unwrap().keeps() == Keeps::All
    };
    (1..=1_000u64).filter(met).count()
}

/// With the true mean at the bound a plan says `met` in about 5 % of all cases at most: of normal figures, and of skewed ones (a sum
/// of four exponential ones has a skewness of 1, a lognormal one with sigma 0.5 of 1.75). The last is close to 5 %: with other
/// seeds it may be above, since the sampling error is 0.7 %.
#[test]
fn a_plan_is_seldom_wrong_at_the_bound() {
    for most in [8, 20, 60] {
        let normal = falsely_met(most, "server_wait_ms_mean<=100", |chance| 100.0 + 10.0 * chance.normal());
        let sum = |chance: &mut Chance| (0..4).map(|_| -libm::log(chance.uniform())).sum::<f64>();
        let gamma = falsely_met(most, "server_wait_ms_mean<=4", sum);
        let lognormal = |chance: &mut Chance| 100.0 * libm::exp(0.5 * chance.normal() - 0.125);
        let lognormal = falsely_met(most, "server_wait_ms_mean<=100", lognormal);
        println!("{most} runs at most: {normal}, {gamma}, {lognormal} of 1,000");
        assert!(normal > 0, "an interval that holds everything decides nothing");
        for wrong in [normal, gamma, lognormal] {
            assert!(wrong <= 50, "{wrong} of 1,000 with {most} runs at most");
        }
    }
}

/// A figure that is the same in all runs is known to its last digit only, and zeros of few cards do not mean none.
#[test]
fn figures_without_spread_are_not_certain() {
    let judged = |slo: &str, columns: &[(&str, &str)]| {
        let run: RunRecord = serde_json::from_value(json!({
            "point": 1, "replication": 1, "summary": columns, "distributions": [[], [], [], []], "idle_faults": [],
        }))
        .unwrap();
        let rows = PointRows { point: 1, values: vec![], runs: vec![run; 8] };
        Slo::parse(slo).unwrap().judge(&rows, 0.95).verdict.name()
    };
    let utilisation = |slo: &str| judged(slo, &[("server_cpu_utilization", "0.500000")]);
    assert_eq!(utilisation("server_cpu_utilization<=0.5"), "undecided");
    assert_eq!(utilisation("server_cpu_utilization<=0.51"), "met");
    assert_eq!(utilisation("server_cpu_utilization<=0.49"), "missed");
    let stranded = |slo: &str| judged(slo, &[("cards_stranded", "0"), ("cards", "100")]);
    // 0 of 800 cards: the share is below 0.46 %, or 0.46 of 100 cards.
    assert_eq!(stranded("cards_stranded<=0.4"), "undecided");
    assert_eq!(stranded("cards_stranded<=0.5"), "met");
    assert_eq!(stranded("cards_stranded<=0"), "met", "in every run that was made");
}

/// Two cards with four keys each.
const TWO_CARDS: &str = "horizon = \"1min\"\nengine = \"events\"\n[fleet]\nsuite = \"rsa-1024\"\ncards = 2\nclients = 1\n\
                         internal_keys = 2\nexternal_keys = 2\n[load]\nwindow = \"20s\"\n[update]\nperiods = [\"30d\"]\n";

/// Makes two replications of two points of [`TWO_CARDS`] side by side, and says how many pairs were generated for them.
fn generated_for_two_seeds(vary: &str, cache: Option<PathBuf>) -> u64 {
    let scratch = tempfile::tempdir().unwrap();
    let scenario = scratch.path().join("two.toml");
    std::fs::write(&scenario, TWO_CARDS).unwrap();
    let grid = Grid::parse(&texts(&[vary]), false, &[]).unwrap();
    let points = grid.points().unwrap();
    let campaign = Campaign::load(&scenario, &[], grid, points, 2).unwrap();
    let dir =
        CampaignDir::open(&scratch.path().join("out"), &campaign.manifest("sweep"), |_, _| None).unwrap();
    let (generated, stocks) = (AtomicU64::new(0), Stocks::new(cache));
    let count = || {
        generated.fetch_add(1, Ordering::Relaxed);
        true
    };
    let around = Surroundings {
        jobs: 4,
        prepare: &|orders| {
            let all = stocks.missing(orders);
            all.iter().try_for_each(|missing| stocks.complete(missing, 2, &count).map(|_| ()))
        },
        pairs: &|order| stocks.pairs(order, &count),
        go_on: &|_| true,
        done: &|| {},
    };
    make(&campaign, &dir, &all_runs(&campaign), &around).unwrap();
    assert!(
        all_runs(&campaign).into_iter().all(|(point, replication)| dir.run(point, replication).is_some())
    );
    generated.load(Ordering::Relaxed)
}

#[test]
fn points_of_one_seed_have_their_pairs_generated_once() {
    let cache = tempfile::tempdir().unwrap();
    let cached = || Some(cache.path().to_owned());
    assert_eq!(
        generated_for_two_seeds("line.loss=0%,5%", cached()),
        2 * 2 * 4,
        "two seeds, two cards, four keys"
    );
    assert_eq!(generated_for_two_seeds("line.loss=0%,5%", cached()), 0, "the next campaign finds them");
    // Without a cache they are in memory; a smaller fleet has its pairs from a larger one.
    assert_eq!(generated_for_two_seeds("fleet.cards=1,2", None), 2 * 2 * 4);
}

//! Grids, conditions and bounds.

use keystorm_reports::campaign::PointRows;

use super::grid::{Axis, Grid};
use super::slo::Slo;
use super::work::Shard;

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
    let verdict = |text: &str| Slo::parse(text).unwrap().judge(&nothing).verdict.name();
    assert_eq!(verdict("auth_ms_p99<=1"), "no figure");
}

//! What a scenario that is right becomes: which value wins, what the canonical text is, what ships.

use std::path::{Path, PathBuf};

use keystorm::plan::{ArrivalsPlan, DelayPlan, EngineKind, LossPlan, Plan};
use keystorm::scenario::{init_template, load, meaning};
use keystorm_model::suite::SuiteId;
use keystorm_model::{Ratio, SimTime, Span};
use tempfile::TempDir;

const SMALL: &str = "horizon = \"12min\"\n[fleet]\ncards = 20\nclients = 10\n";

fn loaded_from(path: &Path, overrides: &[&str]) -> Plan {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    load(path, &overrides).unwrap_or_else(|error| {
        let all: Vec<String> = error.problems().map(|p| format!("{:?}: {p}", p.place())).collect();
        panic!("{} does not load: {all:#?}", path.display())
    })
}

fn loaded(text: &str, overrides: &[&str]) -> Plan {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("small.toml");
    std::fs::write(&path, text).unwrap();
    std::fs::write(dir.path().join("poor.toml"), POOR).unwrap();
    loaded_from(&path, overrides)
}

/// A preset beside the scenario.
const POOR: &str = r#"
delay = { min = "245ms", mean = "80ms", max = "885ms" }
loss = "2%"
retry.first = "7s"
retry.tries = 9
"#;

fn ratio(numerator: u32, denominator: u32) -> Ratio {
    Ratio::new(numerator, denominator).unwrap()
}

#[test]
fn override_beats_file_beats_preset_beats_default() {
    let text = |loss: &str| format!("{SMALL}[line]\npreset = \"poor\"\n{loss}");
    let loss = |text: &str, overrides: &[&str]| loaded(text, overrides).line.loss;
    assert_eq!(loss(SMALL, &[]), LossPlan::Independent(Ratio::ZERO));
    assert_eq!(loss(&text(""), &[]), LossPlan::Independent(ratio(1, 50)));
    assert_eq!(loss(&text("loss = \"3%\""), &[]), LossPlan::Independent(ratio(3, 100)));
    let chosen = loss(&text("loss = \"3%\""), &["line.loss=4/100"]);
    assert_eq!(chosen, LossPlan::Independent(ratio(1, 25)));
    let last = loss(&text("loss = \"3%\""), &["line.loss=4/100", "line.loss=5%"]);
    assert_eq!(last, LossPlan::Independent(ratio(1, 20)));
}

#[test]
fn a_preset_can_be_named_by_an_override_and_leaves_the_files_own_keys() {
    let plan = loaded(&format!("{SMALL}[line.retry]\ntries = 3\n"), &["line.preset=poor"]);
    assert_eq!(plan.line.loss, LossPlan::Independent(ratio(1, 50)));
    assert_eq!((plan.line.retry.first, plan.line.retry.tries), (Span::from_secs(7), 3));
}

#[test]
fn an_inline_table_replaces_a_presets_table_and_a_dotted_key_changes_one_value() {
    let text = format!("{SMALL}[line]\npreset = \"poor\"\n");
    let min = Span::from_ms(245);
    let longer = loaded(&text, &["line.delay.max=2s"]).line.delay;
    assert_eq!(longer, DelayPlan::Exponential { min, mean: Span::from_ms(80), max: Span::from_secs(2) });
    let uniform = loaded(&format!("{text}delay = {{ min = \"1ms\", max = \"2ms\" }}"), &[]).line.delay;
    assert_eq!(uniform, DelayPlan::Uniform { min: Span::from_ms(1), max: Span::from_ms(2) });
    let fixed = loaded(&text, &["line.delay={fixed='1ms'}"]).line.delay;
    assert_eq!(fixed, DelayPlan::Fixed(Span::from_ms(1)));
    let retry = loaded(&text, &["line.retry={tries=2}"]).line.retry;
    assert_eq!((retry.first, retry.tries), (Span::from_secs(2), 2), "first is the default again");
}

#[test]
fn the_higher_of_two_keys_that_exclude_each_other_stays() {
    let text = format!("{SMALL}[line]\npreset = \"poor\"\nburst = {{ p = \"1/100\", r = \"1/3\" }}\n");
    assert_eq!(loaded(&text, &[]).line.loss, LossPlan::Burst { p: ratio(1, 100), r: ratio(1, 3) });
    assert_eq!(loaded(&text, &["line.loss=0"]).line.loss, LossPlan::Independent(Ratio::ZERO));
    let office = format!("{SMALL}[load]\narrivals = \"office\"\npeak = \"4min\"\n");
    let uniform = ArrivalsPlan::Uniform { from: Span::ZERO, window: Span::from_secs(720) };
    assert_eq!(loaded(&office, &["load.arrivals=uniform"]).load.arrivals, uniform);
}

#[test]
fn overrides_take_toml_and_bare_strings() {
    let plan = loaded(
        SMALL,
        &[
            "engine=turmoil",
            "seed=18446744073709551615",
            "name = tuesday",
            "update.periods=[\"30d\", '60d']",
            "update.embodiment=1",
            "line.up=30kbit/s",
            "line.down=unlimited",
            "faults.outage=[{ site = 3, at = \"1.5min\", for = \"30s\" }]",
            "load.retry_visit.visits=2",
        ],
    );
    assert_eq!((plan.engine, plan.seed, plan.name.as_str()), (EngineKind::Turmoil, u64::MAX, "tuesday"));
    assert_eq!(plan.update.periods, [Span::from_secs(30 * 86_400), Span::from_secs(60 * 86_400)]);
    assert_eq!((plan.line.up_bps, plan.line.down_bps), (Some(30_000), None));
    assert_eq!(plan.faults.outages[0].until, SimTime::ZERO + Span::from_secs(120));
    assert_eq!(plan.load.retry_visit.unwrap().after, Span::from_secs(30));
    assert_eq!(loaded(SMALL, &["update.periods=30d"]).update.periods.len(), 1);
}

#[test]
fn defaults_follow_from_the_rest() {
    let plan = loaded(SMALL, &["fleet.clients=3", "card.speed=9600"]);
    assert_eq!(plan.name, "small", "the file's name");
    assert_eq!(plan.fleet.sites, 3, "no more sites than clients");
    assert_eq!(plan.card.byte, Span::from_us(1_250), "12 bits at 9,600 bit/s");
    assert_eq!(loaded(SMALL, &["card.speed=115200"]).card.byte, Span::from_ns(104_167), "rounded");
    let office = loaded(SMALL, &["load.arrivals=office"]).load.arrivals;
    assert_eq!(
        office,
        ArrivalsPlan::Office { peak: Span::from_secs(360), sigma: Span::from_secs(1_200), share: Ratio::ONE }
    );
    assert!(plan.load.retry_visit.is_none() && plan.update.periods.is_empty());
}

#[test]
fn probabilities_and_durations_are_exact() {
    let pull = |text: &str| loaded(SMALL, &[&format!("faults.pull={text}")]).faults.pull;
    assert_eq!(pull("0.5%"), ratio(1, 200));
    assert_eq!(pull("2/100"), pull("2%"));
    assert_eq!((pull("0"), pull("1"), pull("100%")), (Ratio::ZERO, ratio(1, 1), ratio(1, 1)));
    let reset = |text: &str| loaded(SMALL, &[&format!("card.reset={text}")]).card.reset;
    assert_eq!(reset("1.5us"), Span::from_ns(1_500));
    assert_eq!(reset("0.000000001s"), Span::from_ns(1));
    assert_eq!(reset("'250 ms'"), Span::from_ms(250));
}

#[test]
fn the_canonical_text_does_not_know_how_a_scenario_is_written() {
    let one = "name = \"x\"\nhorizon = \"12min\"\n[fleet]\ncards = 20\nclients = 10\n[line]\nloss = \"2%\"\n\
               [[faults.outage]]\nsite = 1\nat = \"1min\"\nfor = \"1s\"\n\
               [[faults.outage]]\nsite = 0\nat = \"2min\"\nfor = \"1s\"\n";
    let other = "# a comment\nline.loss = '1/50'\nfleet = { clients = 10, cards = 2_0 }\nhorizon = \"0.2h\"\n\
                 faults.outage = [{ at = \"120s\", site = 0, for = \"1s\" }, { for = '1s', site = 1, at = '60s' }]\n";
    let (one, other) = (loaded(one, &[]), loaded(other, &["name=x"]));
    assert_eq!(one.resolved, other.resolved);
    assert_eq!(one.scenario_sha256, other.scenario_sha256);
    insta::assert_snapshot!(one.resolved);
}

#[test]
fn the_hash_changes_with_a_value_but_not_with_seed_or_preset_name() {
    let text = format!("{SMALL}[line]\npreset = \"poor\"\n");
    let plan = loaded(&text, &[]);
    assert_eq!(plan.scenario_sha256.len(), 64);
    assert_eq!(plan.scenario_sha256, loaded(&text, &["seed=7"]).scenario_sha256);
    assert_ne!(plan.scenario_sha256, loaded(&text, &["fleet.cards=21"]).scenario_sha256);
    let written = "line = { delay = { min = \"245ms\", mean = \"80ms\", max = \"885ms\" }, loss = \"2%\", \
                   retry = { first = \"7s\", tries = 9 } }\n";
    assert_eq!(plan.scenario_sha256, loaded(&format!("{written}{SMALL}"), &[]).scenario_sha256);
}

#[test]
fn the_hash_changes_with_what_a_trace_says() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("traced.toml");
    std::fs::write(&path, format!("{SMALL}[load]\narrivals = \"trace\"\ntrace = \"visits.csv\"\n")).unwrap();
    let visits = |lines: &str| {
        std::fs::write(dir.path().join("visits.csv"), format!("time,card,client\n{lines}")).unwrap();
        loaded_from(&path, &[])
    };
    let one = visits("5,3,1\n2s,4,1\n");
    let ArrivalsPlan::Trace(arrivals) = &one.load.arrivals else { panic!("this is a trace") };
    let seen: Vec<(u64, u32)> =
        arrivals.iter().map(|visit| (visit.at.as_ns() / 1_000_000_000, visit.card.0)).collect();
    assert_eq!(seen, [(2, 4), (5, 3)]);
    assert_eq!(visits("5,3,1\n2s,4,1\n").scenario_sha256, one.scenario_sha256);
    assert_ne!(visits("5,3,1\n2s,4,2\n").scenario_sha256, one.scenario_sha256);
    // The resolved text is a scenario that insists on this very file.
    std::fs::write(&path, &one.resolved).unwrap();
    assert_eq!(visits("5,3,1\n2s,4,1\n").scenario_sha256, one.scenario_sha256);
    std::fs::write(dir.path().join("visits.csv"), "time,card,client\n5,3,1\n").unwrap();
    let told = keystorm::scenario::load(&path, &[]).unwrap_err().to_string();
    assert!(told.contains("is not the one that is meant"), "{told}");
}

#[test]
fn a_resolved_scenario_is_a_scenario() {
    for path in shipped("scenarios") {
        let plan = loaded_from(&path, &[]);
        assert_eq!(loaded(&plan.resolved, &[]).scenario_sha256, plan.scenario_sha256);
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn shipped(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "toml"));
    paths.sort();
    assert!(!paths.is_empty(), "{folder} is empty");
    paths
}

#[test]
fn every_shipped_scenario_loads() {
    for path in shipped("scenarios") {
        let plan = loaded_from(&path, &[]);
        assert_eq!(plan.name, path.file_stem().unwrap().to_str().unwrap());
    }
    let quickstart = loaded_from(&root().join("scenarios/quickstart.toml"), &[]);
    assert_eq!(quickstart.line.loss, LossPlan::Independent(ratio(1, 50)));
    assert_eq!(quickstart.line.up_bps, Some(20_000));
}

#[test]
fn every_shipped_preset_loads() {
    for (folder, key) in [("lines", "line"), ("cards", "card"), ("costs", "server.costs")] {
        for path in shipped(&format!("scenarios/{folder}")) {
            let name = path.file_stem().unwrap().to_str().unwrap();
            let quickstart = root().join("scenarios/quickstart.toml");
            let set = format!("{key}.preset={folder}/{name}");
            loaded_from(&quickstart, &[&set]);
            assert_cites_its_sources(&path);
        }
    }
}

#[test]
fn a_preset_beside_the_scenario_beats_one_in_a_scenarios_folder_above() {
    let dir = TempDir::new().unwrap();
    let mine = dir.path().join("scenarios/mine");
    std::fs::create_dir_all(&mine).unwrap();
    std::fs::write(dir.path().join("scenarios/fast.toml"), "up = 2000").unwrap();
    let path = mine.join("run.toml");
    std::fs::write(&path, format!("{SMALL}[line]\npreset = \"fast\"\n")).unwrap();
    assert_eq!(loaded_from(&path, &[]).line.up_bps, Some(2_000));
    std::fs::write(mine.join("fast.toml"), "up = 3000").unwrap();
    assert_eq!(loaded_from(&path, &[]).line.up_bps, Some(3_000));
}

/// Every preset says where its values are from.
fn assert_cites_its_sources(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let cited = [
        "WebPageTest",
        "jcalgtest_results, commit 76b01cf3",
        "measured",
        "general engineering",
        "General engineering",
    ];
    assert!(cited.iter().any(|source| text.contains(source)), "{} cites no source", path.display());
}

/// A scenario that names no costs has those that were measured, whatever its suite.
#[test]
fn the_default_costs_are_the_reference() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/costs/reference.toml");
    let dir = TempDir::new().unwrap();
    std::fs::copy(shipped, dir.path().join("reference.toml")).unwrap();
    let path = dir.path().join("run.toml");
    std::fs::write(&path, SMALL).unwrap();
    for suite in SuiteId::ALL {
        let suite = format!("fleet.suite={}", suite.name());
        let costs = |more: &[&str]| loaded_from(&path, &[&[suite.as_str()], more].concat()).server.costs;
        assert_eq!(costs(&[]), costs(&["server.costs.preset=reference"]), "{suite}");
    }
}

#[test]
fn the_template_needs_no_other_file() {
    let plan = loaded(init_template(), &[]);
    assert!(!init_template().contains("preset"));
    assert_eq!(plan.fleet.cards, 1_000);
    let bare = loaded("horizon = '1s'\n[fleet]\ncards = 1\nclients = 1\n", &[]);
    assert_eq!(plan.server.costs, bare.server.costs, "the figures that it shows are the defaults");
}

#[test]
fn a_value_means_the_same_however_it_is_written() {
    for (key, one, other) in [
        ("load.window", "1s", "1000ms"),
        ("line.loss", "2%", "1/50"),
        ("line.loss", "'2%'", "2/100"),
        ("fleet.cards", "1_000", "1000"),
        ("line.up", "30kbit/s", "30000"),
        ("update.periods", "['30d','360d']", "[\"720h\", \"360d\"]"),
        ("line.delay", "{fixed='80ms'}", "{ fixed = \"0.08s\" }"),
        ("faults.outage", "[{site=0,at='60s',for='2s'}]", "[{for='2s',at='1min',site=0}]"),
    ] {
        let said = meaning(key, one);
        assert!(said.is_some(), "{key}={one}");
        assert_eq!(said, meaning(key, other), "{key}: {one}, {other}");
    }
    assert_ne!(meaning("load.window", "1s"), meaning("load.window", "1ms"));
    for (key, value) in [("load.window", "1"), ("line.loss", "0.02"), ("load.widnow", "1s")] {
        assert_eq!(meaning(key, value), None, "{key}={value}");
    }
}

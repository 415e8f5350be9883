//! Every way in which a scenario can be wrong is told with file, line, key, allowed range and remedy.

use std::path::Path;

use keystorm::scenario::{ScenarioError, load, reference_markdown};
use miette::{GraphicalReportHandler, GraphicalTheme};
use tempfile::TempDir;

/// A scenario that is right, to be spoilt line by line.
const GOOD: &str = r#"
horizon = "12min"
[fleet]
cards = 20
clients = 10
sites = 2
[line]
loss = "2%"
[update]
periods = ["30d"]
"#;

/// What `load` says of `text` and the overrides, as a terminal without colours shows it.
fn complaint(text: &str, overrides: &[&str]) -> String {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("bad.toml");
    std::fs::write(&path, text).unwrap();
    shown(dir.path(), &fails(&path, overrides))
}

fn spoilt(from: &str, to: &str) -> String {
    assert_eq!(GOOD.matches(from).count(), 1, "{from:?} must be in the good scenario once");
    complaint(&GOOD.replace(from, to), &[])
}

fn fails(path: &Path, overrides: &[&str]) -> ScenarioError {
    let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
    load(path, &overrides).expect_err("the scenario is wrong")
}

fn shown(dir: &Path, error: &ScenarioError) -> String {
    let mut text = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::unicode_nocolor())
        .with_wrap_lines(false)
        .render_report(&mut text, error)
        .unwrap();
    text.replace(&dir.display().to_string(), "DIR")
}

#[test]
fn the_scenario_that_is_spoilt_is_good() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("good.toml");
    std::fs::write(&path, GOOD).unwrap();
    load(&path, &[]).unwrap();
}

/// Each complaint under the name of its case.
fn album(cases: &[(&str, String)]) -> String {
    cases.iter().map(|(name, complaint)| format!("# {name}\n{complaint}\n")).collect()
}

#[test]
fn a_wrong_key_is_told_with_the_right_one() {
    let told = album(&[
        ("unknown key", spoilt("sites = 2", "colour = 2")),
        ("misspelt key", spoilt("sites = 2", "stes = 2")),
        ("misspelt key that is a table elsewhere", spoilt("cards = 20", "card = 20")),
        ("misspelt table", spoilt("[fleet]", "[fleat]")),
        ("key in the wrong table", spoilt("horizon = \"12min\"", "horizon = \"12min\"\nclients = 3")),
        (
            "table that is none",
            spoilt("[line]\nloss = \"2%\"", "[line.retry]\nfirst = \"1s\"\n[server]\ncosts = 5"),
        ),
        ("missing keys", spoilt("horizon = \"12min\"\n[fleet]\ncards = 20", "[fleet]")),
        ("empty file", complaint("", &[])),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_wrong_value_is_told_with_the_allowed_ones() {
    let told = album(&[
        ("missing unit", spoilt("\"12min\"", "12")),
        ("wrong unit", spoilt("\"12min\"", "\"12 parsecs\"")),
        ("too fine", spoilt("\"12min\"", "\"1.0000000001s\"")),
        ("negative duration", spoilt("\"12min\"", "\"-12min\"")),
        ("negative count", spoilt("cards = 20", "cards = -20")),
        ("zero clients", spoilt("clients = 10", "clients = 0")),
        ("no cores", spoilt("[line]", "[server]\ncores = 0\n[line]")),
        ("too many cards", spoilt("cards = 20", "cards = 100_000_001")),
        ("wrong type", spoilt("cards = 20", "cards = \"many\"")),
        ("loss above one", spoilt("\"2%\"", "\"3/2\"")),
        ("loss as decimal", spoilt("\"2%\"", "0.02")),
        ("loss over zero", spoilt("\"2%\"", "\"1/0\"")),
        ("unknown name", spoilt("cards = 20", "cards = 20\nsuite = \"aes128\"")),
        ("unknown rate", spoilt("loss", "up = \"30 kbaud\"\nloss")),
        ("bad name", spoilt("horizon", "name = \"../up\"\nhorizon")),
        ("bad period in a list", spoilt("[\"30d\"]", "[\"30d\", 360]")),
        ("tick of half a millisecond", spoilt("[line]", "[turmoil]\ntick = \"1500us\"\n[line]")),
        ("several at once", spoilt("cards = 20\nclients = 10", "cards = 0\nclients = 0")),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn broken_toml_is_told_with_its_place() {
    let told = album(&[
        ("syntax error", spoilt("cards = 20", "cards = = 20")),
        ("duplicate key", spoilt("cards = 20", "cards = 20\ncards = 21")),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn values_that_do_not_go_together_are_told() {
    let told = album(&[
        ("more sites than clients", spoilt("sites = 2", "sites = 11")),
        ("crowded site", spoilt("clients = 10\nsites = 2", "clients = 50_000\nsites = 2")),
        ("update of the root pair", spoilt("[\"30d\"]", "[\"30d\", \"90d\", \"360d\"]")),
        ("update with one pair", spoilt("sites = 2", "internal_keys = 1")),
        (
            "arrivals after the horizon",
            spoilt("[line]", "[load]\nfrom = \"10min\"\nwindow = \"3min\"\n[line]"),
        ),
        ("peak after the horizon", spoilt("[line]", "[load]\narrivals = \"office\"\npeak = \"1h\"\n[line]")),
        (
            "peak of uniform arrivals",
            spoilt("[line]", "[load]\narrivals = \"uniform\"\npeak = \"1min\"\n[line]"),
        ),
        (
            "arrivals after their repetition",
            spoilt("[line]", "[load]\nwindow = \"2min\"\nrepeat = \"1min\"\n[line]"),
        ),
        ("repeated calls", spoilt("[line]", "[load]\narrivals = \"poisson\"\nrepeat = \"1min\"\n[line]")),
        ("probes that renew keys", spoilt("[line]", "[load]\nsession = \"probe\"\n[line]")),
        (
            "probes that are pulled out",
            spoilt("[update]\nperiods = [\"30d\"]", "[load]\nsession = \"probe\"\n[faults]\npull = \"1%\""),
        ),
        ("probes of cards", spoilt("[line]", "[server]\nprobe = { mean = \"1ms\" }\n[line]")),
        ("loss and burst", spoilt("loss", "burst = { p = \"1/9\", r = \"1/3\" }\nloss")),
        ("burst without end", spoilt("loss = \"2%\"", "burst = { p = \"1/9\", r = 0 }")),
        ("half a burst", spoilt("loss = \"2%\"", "burst = { p = \"1/9\" }")),
        ("half a delay", spoilt("loss", "delay = { min = \"1ms\" }\nloss")),
        ("delay upside down", spoilt("loss", "delay = { min = \"2s\", max = \"1s\" }\nloss")),
        ("endless retry", spoilt("loss", "retry = { first = \"1h\", factor = 10, tries = 20 }\nloss")),
        ("waves of what has no period", spoilt("periods = [\"30d\"]", "spread = \"waves\"")),
        ("waves beyond the period", spoilt("[\"30d\"]", "[\"30d\"]\nspread = \"waves\"\nspread_waves = 31")),
        (
            "jitter beyond the period",
            spoilt("[\"30d\"]", "[\"2d\", \"30d\"]\nspread = \"jitter\"\nspread_window = \"3d\""),
        ),
        ("admission without limits", spoilt("[\"30d\"]", "[\"30d\"]\nspread = \"admission\"")),
        ("waves of jitter", spoilt("[\"30d\"]", "[\"30d\"]\nspread = \"jitter\"\nspread_waves = 3")),
        ("reorder by nothing", spoilt("loss", "reorder = \"1%\"\nloss")),
        (
            "a directory too large for a simulated disk",
            complaint(GOOD, &["server.directory=redb", "fleet.suite=rsa-2048", "fleet.cards=1_000_000"]),
        ),
        (
            "a backend that does nothing of the suite",
            spoilt("[line]", "[server]\nbackend = \"dalek\"\n[line]"),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_load_that_does_not_fit_is_told() {
    let told = album(&[
        ("a day beyond the horizon", spoilt("[line]", "[load]\narrivals = \"transit\"\n[line]")),
        (
            "a day beyond the repetition",
            spoilt("[line]", "[load]\narrivals = \"transit\"\nday = \"5min\"\nrepeat = \"4min\"\n[line]"),
        ),
        (
            "a payday without other days",
            spoilt("[line]", "[load]\narrivals = \"payday\"\nday = \"7min\"\n[line]"),
        ),
        (
            "a payday after the last day",
            spoilt("[line]", "[load]\narrivals = \"payday\"\nday = \"4min\"\npayday = 3\n[line]"),
        ),
        ("a trace without a file", spoilt("[line]", "[load]\narrivals = \"trace\"\n[line]")),
        (
            "a trace that is not there",
            spoilt("[line]", "[load]\narrivals = \"trace\"\ntrace = \"visits.csv\"\n[line]"),
        ),
        (
            "a hash that is none",
            spoilt(
                "[line]",
                "[load]\narrivals = \"trace\"\ntrace = \"v.csv\"\ntrace_sha256 = \"0f\"\n[line]",
            ),
        ),
        ("a file for no trace", spoilt("[line]", "[load]\ntrace = \"visits.csv\"\n[line]")),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_wrong_trace_is_told_with_its_line() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("bad.toml");
    std::fs::write(&path, GOOD.replace("[line]", "[load]\narrivals = \"trace\"\ntrace = \"v.csv\"\n[line]"))
        .unwrap();
    std::fs::write(dir.path().join("v.csv"), "time,card,client\n1,2,3\n2,20,3\n3,1,1\n").unwrap();
    insta::assert_snapshot!(shown(dir.path(), &fails(&path, &[])));
    std::fs::write(dir.path().join("v.csv"), "time,card,client\n1,2,3\n").unwrap();
    let wrong = "load.trace_sha256=0000000000000000000000000000000000000000000000000000000000000000";
    insta::assert_snapshot!(shown(dir.path(), &fails(&path, &[wrong])));
}

#[test]
fn a_wrong_outage_is_told() {
    let told = album(&[
        (
            "outage of no site",
            spoilt("[update]", "[[faults.outage]]\nsite = 2\nat = \"1min\"\nfor = \"1s\"\n[update]"),
        ),
        (
            "outage too late",
            spoilt("[update]", "[[faults.outage]]\nsite = 0\nat = \"12min\"\nfor = \"1s\"\n[update]"),
        ),
        ("outage without end", spoilt("[update]", "[[faults.outage]]\nsite = 0\nat = \"1min\"\n[update]")),
        (
            "outage misspelt",
            spoilt("[update]", "[[faults.outage]]\nsite = 0\nat = \"1min\"\nfro = \"1s\"\n[update]"),
        ),
        (
            "outages overlap",
            complaint(GOOD, &["faults.outage=[{site=1,at='2min',for='1min'},{site=1,at='1min',for='90s'}]"]),
        ),
        (
            "an outage of all sites overlaps one of a site",
            complaint(
                GOOD,
                &["faults.outage=[{at='2min',for='1min'},{site=1,at='150s',for='90s',direction='up'}]"],
            ),
        ),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
#[cfg(not(feature = "openssl"))]
fn a_backend_that_was_not_built_is_told() {
    let told = complaint(GOOD, &["server.backend=openssl"]);
    for words in ["keystorm was built without the openssl feature", "build with --features openssl"] {
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_wrong_placed_fault_is_told() {
    let place = |fault: &str| complaint(GOOD, &[&format!("faults.place=[{{card=1,{fault}}}]")]);
    let told = album(&[
        ("step misspelt", place("step='CardProf',kind='lost up'")),
        ("kind misspelt", place("step='CardProof',kind='lost upp'")),
        ("command without its key", place("step='STORE KEY',kind='pulled before'")),
        ("kind that does not suit", place("step='Challenge',kind='lost up'")),
        ("pull without its moment", place("step='STORE KEY Kai[3]',kind='pulled during'")),
        ("crash without its length", place("step='CardProof',kind='server crash before'")),
        ("moment without effect", place("step='GET CHALLENGE',kind='pulled after',moment=2")),
        ("key that no card has", place("step='STORE KEY Kai[9]',kind='pulled before'")),
        ("no such card", complaint(GOOD, &["faults.place=[{card=20,step='Hello',kind='lost up'}]"])),
        ("no such client", complaint(GOOD, &["faults.client_down=[{client=10,at='1s',for='1s'}]"])),
        ("crash after the end", complaint(GOOD, &["faults.server_down=[{at='12min',for='1s'}]"])),
        ("half a crash", complaint(GOOD, &["faults.server_crash.every=5s"])),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn a_wrong_override_is_told() {
    let told = album(&[
        ("set unknown", complaint(GOOD, &["fleet.crads=5"])),
        ("set without table", complaint(GOOD, &["cards=5"])),
        ("set without value", complaint(GOOD, &["fleet.cards="])),
        ("set without equals", complaint(GOOD, &["fleet.cards"])),
        ("set without key", complaint(GOOD, &["=5"])),
        ("set broken list", complaint(GOOD, &["update.periods=[\"30d\""])),
        ("set out of range", complaint(GOOD, &["fleet.cards=10", "line.loss=200%"])),
    ]);
    insta::assert_snapshot!(told);
}

#[test]
fn no_value_of_any_key_makes_it_panic() {
    const ODD: [&str; 20] = [
        "",
        "0",
        "-1",
        "1",
        "true",
        "1.5",
        "nan",
        "''",
        "'0'",
        "[]",
        "{}",
        "[{}]",
        "1979-05-27",
        "'-1%'",
        "'1e9s'",
        "99999999999999999999999999",
        "'999999999999999999999999d'",
        "'1/4294967297'",
        "'3650d'",
        "[['1d'], 2]",
    ];
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("good.toml");
    std::fs::write(&path, GOOD).unwrap();
    let reference = reference_markdown();
    let keys: Vec<&str> =
        reference.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert!(keys.len() > 50, "the reference lists the keys");
    for key in keys {
        for odd in ODD {
            for path_in in [key, key.rsplit_once('.').map_or(key, |(table, _)| table)] {
                let _ = load(&path, &[format!("{path_in}={odd}")]);
            }
        }
    }
}

#[test]
fn a_missing_preset_lists_the_presets_there_are() {
    let dir = TempDir::new().unwrap();
    let (runs, lines) = (dir.path().join("runs"), dir.path().join("scenarios/lines"));
    std::fs::create_dir_all(&runs).unwrap();
    std::fs::create_dir_all(&lines).unwrap();
    std::fs::write(lines.join("gprs-lossy.toml"), "loss = \"2%\"\n").unwrap();
    std::fs::write(lines.join("lan.toml"), "").unwrap();
    let path = runs.join("bad.toml");
    std::fs::write(&path, GOOD.replace("loss", "preset = \"lines/gprs-losy\"\nloss")).unwrap();
    let told = shown(dir.path(), &fails(&path, &[]));
    insta::assert_snapshot!(told);
}

#[test]
fn a_wrong_preset_is_shown_in_its_own_file() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("mine.toml"), "loss = \"2%\"\nlos = 1\npreset = \"lan\"\n").unwrap();
    let path = dir.path().join("bad.toml");
    std::fs::write(&path, GOOD.replace("loss", "preset = \"mine\"\nloss")).unwrap();
    let told = shown(dir.path(), &fails(&path, &[]));
    insta::assert_snapshot!(told);
}

#[test]
fn a_missing_scenario_suggests_its_neighbour() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("quickstart.toml"), GOOD).unwrap();
    let told = shown(dir.path(), &fails(&dir.path().join("quikstart.toml"), &[]));
    insta::assert_snapshot!(told);
}

#[test]
fn an_unreadable_scenario_says_why() {
    let dir = TempDir::new().unwrap();
    let latin1 = dir.path().join("latin1.toml");
    std::fs::write(&latin1, b"# \xe9\n").unwrap();
    let told = shown(dir.path(), &fails(&latin1, &[]));
    insta::assert_snapshot!(told);
    let told = shown(dir.path(), &fails(dir.path(), &[]));
    insta::assert_snapshot!(told);
}

#[test]
fn a_problem_knows_its_line_and_column() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("bad.toml");
    std::fs::write(&path, GOOD.replace("cards = 20", "cards = 0")).unwrap();
    let error = fails(&path, &["line.los=0"]);
    let places: Vec<String> = error.problems().filter_map(|problem| problem.place()).collect();
    assert_eq!(places, ["--set:1:1".to_owned(), format!("{}:4:9", path.display())]);
}

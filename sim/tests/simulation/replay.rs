//! One card's life in a run, or in a row of the matrix: recorded without changing it, the same on both engines, and shown whole.

use std::collections::BTreeMap;

use keystorm::issue::{self, Order};
use keystorm::plan::{EngineKind, Plan};
use keystorm::record::tape::{Entry, Event};
use keystorm::replay::alone::{Contention, parts_at};
use keystorm::replay::steps::{Action, Mark};
use keystorm::replay::{Life, diagram, mermaid, row, steps, svg, table};
use keystorm::run::{self, Finished};
use keystorm::world::World;
use keystorm_model::CardId;
use keystorm_reports::read_interruption;
use keystorm_reports::results::Outcome;

use crate::common::{
    Summary, assert_code, cards, keystorm, names_in, quiet_but, reduced, run, run_reduced, stderr, stdout,
};

/// A life, what it was made of, and the run.
struct Replayed {
    life: Life,
    entries: Vec<Entry>,
    finished: Finished,
}

fn replayed(plan: &Plan, card: u32, alone: bool) -> Replayed {
    let card = CardId(card);
    let pairs =
        if alone { issue::fresh_for_one(&Order::of(plan), card) } else { issue::fresh(&Order::of(plan)) };
    let mut world = World::new(plan.clone(), pairs);
    world.record(card);
    if alone {
        world.alone(card);
    }
    let mut finished = run::run(world, &mut |_| true).expect("nobody stops the run");
    assert_eq!(finished.violations, []);
    let entries = finished.tape.take().expect("the card was recorded").into_entries();
    let row = finished.world.card_rows(|number| number == card.0).next().expect("the card exists");
    Replayed { life: Life::of(plan, card, &entries, &row), entries, finished }
}

/// The first `count` cards with this outcome.
fn with_outcome(finished: &Finished, outcome: Outcome, count: usize) -> Vec<u32> {
    let found: Vec<u32> =
        cards(finished).iter().filter(|row| row.outcome == outcome).map(|row| row.card).take(count).collect();
    assert_eq!(found.len(), count, "the run has so many {} cards", outcome.name());
    found
}

#[test]
fn recording_changes_nothing_and_both_engines_tell_the_same_life() {
    let [turmoil, events] =
        EngineKind::ALL.map(|engine| reduced(&["line.duplicate=5%", &format!("engine={}", engine.name())]));
    let unrecorded = run(turmoil.clone());
    assert_eq!(unrecorded.results.counts.late_deliveries, 0);
    for card in with_outcome(&unrecorded, Outcome::Healed, 3) {
        let [one, other] = [&turmoil, &events].map(|plan| replayed(plan, card, false));
        assert_eq!(one.finished.results.trace_digest, unrecorded.results.trace_digest);
        assert_eq!(other.finished.results.trace_digest, unrecorded.results.trace_digest);
        assert_eq!(one.life.steps, other.life.steps, "card {card}");
    }
}

#[test]
fn a_life_holds_every_command_and_every_write_of_the_card() {
    let plan = reduced(&["engine=events", "faults.pull=30%"]);
    let finished = run(plan.clone());
    for card in with_outcome(&finished, Outcome::Healed, 5) {
        let Replayed { entries, finished, .. } = replayed(&plan, card, false);
        let writes: u32 = entries
            .iter()
            .map(|entry| match entry.event {
                Event::Connects { writes, .. } | Event::Command { writes, .. } => writes,
                _ => 0,
            })
            .sum();
        let row = finished.world.card_rows(|number| number == card).next().unwrap();
        assert_eq!(writes, row.nvm_writes, "card {card}");
        let answers = entries.iter().filter(|entry| matches!(entry.event, Event::Answered(_))).count();
        let commands = entries.iter().filter(|entry| matches!(entry.event, Event::Command { .. })).count();
        let pulls = entries.iter().filter(|entry| matches!(entry.event, Event::Gone)).count();
        assert!(answers > 10 && answers + pulls <= commands, "{answers} answers to {commands} commands");
    }
}

#[test]
fn the_table_of_a_pulled_card_says_where_it_was_cut() {
    let finished = run(reduced(&["engine=events", "faults.pull=30%"]));
    let texts: Vec<String> = with_outcome(&finished, Outcome::Healed, 12)
        .into_iter()
        .map(|card| table::text(&replayed(finished.world.plan(), card, false).life))
        .collect();
    for text in &texts {
        assert!(text.contains("card pulled") && text.contains("the session fails at "), "{text}");
        assert!(
            text.contains("renewal of depth 0 interrupted") && text.contains("the server commits depth 0")
        );
        assert!(text.contains("Outcome   healed"), "{text}");
    }
    assert!(
        texts.iter().any(|text| text.contains("card pulled during it, moment ")),
        "one of them in the middle"
    );
}

#[test]
fn the_diagram_of_a_healed_card() {
    let plan = reduced(&["engine=events"]);
    let card = with_outcome(&run(plan.clone()), Outcome::Healed, 1)[0];
    let life = replayed(&plan, card, false).life;
    let chosen = diagram::choose(&life);
    let items = diagram::items(&life, &chosen);
    insta::assert_snapshot!(mermaid::text(&format!("Card {card}"), &items));
    let picture = svg::text("a < b & c", &items);
    assert!(picture.starts_with("<svg ") && picture.contains("a &lt; b &amp; c"), "{picture}");
    let crosses = items.iter().filter(|item| matches!(item, diagram::Item::Arrow { cut: true, .. })).count();
    assert_eq!(picture.matches("class=\"cross\"").count(), crosses);
    assert_eq!(picture.matches("<line class=\"arrow").count(), {
        items.iter().filter(|item| matches!(item, diagram::Item::Arrow { .. })).count()
    });
}

#[test]
fn alone_a_card_has_the_history_that_it_has_among_others_where_nobody_is_in_its_way() {
    let quiet =
        ["engine=events", "fleet.cards=30", "fleet.clients=3000", "server.cores=64", "faults.pull=30%"];
    let plan = reduced(&quiet);
    let mut pulled = 0;
    for card in 0..plan.fleet.cards {
        let [alone, full] = [true, false].map(|alone| replayed(&plan, card, alone));
        assert_eq!(Contention::of(&full.entries), Contention::default(), "nobody waits");
        assert_eq!(parts_at(&alone.life.steps, &full.life.steps), None, "card {card}");
        assert_eq!(alone.life.end, full.life.end);
        assert_eq!(alone.finished.results.counts.sessions_started, cards_visits(&alone));
        pulled += u32::from(alone.entries.iter().any(|entry| entry.event == Event::Gone));
    }
    assert!(pulled > 3, "the histories are not all of the same kind");
}

/// How often the card's holder came.
fn cards_visits(replayed: &Replayed) -> u64 {
    replayed.entries.iter().filter(|entry| matches!(entry.event, Event::Arrives { .. })).count() as u64
}

#[test]
fn a_card_that_queued_parts_from_its_history_among_others() {
    let plan = reduced(&["engine=events", "fleet.clients=5", "fleet.sites=1"]);
    let queued = |card: &u32| Contention::of(&replayed(&plan, *card, false).entries).queued > 0;
    let card = (0..).find(queued).expect("sixty cards share a client");
    let [alone, full] = [true, false].map(|alone| replayed(&plan, card, alone));
    assert!(parts_at(&alone.life.steps, &full.life.steps).is_some());
    let contention = Contention::of(&full.entries);
    assert!(contention.queued_for > keystorm_model::Span::ZERO);
    assert!(contention.to_string().contains("at the client"), "{contention}");
}

#[test]
fn a_long_life_is_told_whole_and_drawn_in_part() {
    let year = [
        "engine=events",
        "fleet.cards=1",
        "fleet.clients=1",
        "fleet.sites=1",
        "horizon=200d",
        "load.repeat=1d",
        "faults.pull=0",
        "update.periods=[\"30d\"]",
    ];
    let life = replayed(&reduced(&year), 0, false).life;
    let connections =
        life.steps.iter().filter(|step| matches!(step.action, Action::Mark(Mark::Connection, _))).count();
    assert!(connections > 150, "{connections}");
    assert_eq!(table::text(&life).matches(", at client 0\n").count(), connections);
    let chosen = diagram::choose(&life);
    assert!((6..=8).contains(&chosen.connections.len()), "one for each month: {chosen}");
    let drawn = diagram::items(&life, &chosen);
    assert!(
        drawn.iter().any(|item| matches!(item, diagram::Item::Note { text, .. } if text.contains("commits")))
    );
    let asked = diagram::chosen(&life, &(3..=5)).unwrap();
    assert_eq!(asked.connections, [3, 4, 5]);
    assert_eq!(diagram::chosen(&life, &(900..=901)), Err(connections));
}

#[test]
fn the_program_replays_a_run_on_either_engine() {
    let dir = tempfile::tempdir().unwrap();
    for engine in EngineKind::ALL.map(EngineKind::name) {
        assert_code(&run_reduced(dir.path(), &["--engine", engine, "--out", engine]), 0);
        let output = keystorm(dir.path(), &["replay", engine, "--card", "17", "--out", "drawn"]);
        assert_code(&output, 0);
        assert_eq!(stderr(&output), "");
        let shown = stdout(&output);
        assert!(shown.contains("Card      17 of 300") && shown.contains("sequenceDiagram"), "{shown}");
        let drawn = dir.path().join("drawn");
        assert_eq!(names_in(&drawn), ["card-17.mmd", "card-17.svg", "card-17.txt", "manifest.json"]);
        let text = std::fs::read_to_string(drawn.join("card-17.txt")).unwrap();
        assert!(shown.starts_with(&text));
    }
    let output = keystorm(dir.path(), &["replay", "events", "--card", "17", "--format", "json", "--alone"]);
    assert_code(&output, 0);
    let json: serde_json::Value = serde_json::from_str(&stdout(&output)).expect("one JSON value");
    assert_eq!(json["card"], 17);
    assert!(json["steps"].as_array().unwrap().iter().any(|step| step["name"] == "STORE KEY"));
    assert!(json["facts"]["alone"].as_str().unwrap().contains("full run"), "{}", json["facts"]);
}

#[test]
fn what_cannot_be_replayed_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    assert_code(&run_reduced(dir.path(), &["--engine", "events", "--out", "run"]), 0);
    std::fs::create_dir(dir.path().join("thesis")).unwrap();
    std::fs::write(dir.path().join("thesis/1.txt"), "years of work").unwrap();
    for (arguments, said) in [
        (&["thesis", "--card", "1"][..], "not the directory of a run"),
        (&["nowhere", "--card", "1"], "does not exist"),
        (&["run", "--card", "300"], "from 0 to 299"),
        (&["run", "--card", "3", "--connection", "99"], "counted from 1"),
        (&["run", "--card", "3", "--connection", "5..3"], "as in 3 or 3..5"),
        (&["run", "--card", "3", "--out", "thesis"], "in the way"),
        (&["run", "--card", "3", "--out", "run"], "a replay does not replace"),
    ] {
        let output = keystorm(dir.path(), &[&["replay"], arguments].concat());
        assert_code(&output, 2);
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
        assert_eq!(names_in(dir.path()), ["run", "thesis"], "{arguments:?}");
    }
}

#[test]
fn a_run_that_does_not_come_out_again_ends_with_5() {
    let dir = tempfile::tempdir().unwrap();
    assert_code(&run_reduced(dir.path(), &["--engine", "events", "--out", "run"]), 0);
    let change = |file: &str, old: &str, new: &str| {
        let path = dir.path().join("run").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(old), "{text}");
        std::fs::write(&path, text.replace(old, new)).unwrap();
    };
    let digest = Summary::read(&dir.path().join("run")).text("trace_digest").to_owned();
    change("manifest.json", "faults.pull = \\\"1/10\\\"", "faults.pull = \\\"1/9\\\"");
    let output = keystorm(dir.path(), &["replay", "run", "--card", "3"]);
    assert_code(&output, 5);
    let said = stderr(&output);
    assert!(said.contains(&digest) && said.contains("Note: the scenario in the manifest"), "{said}");
    change("manifest.json", "faults.pull = \\\"1/9\\\"", "faults.pull = \\\"1/10\\\"");
    assert_code(&keystorm(dir.path(), &["replay", "run", "--card", "3"]), 0);
    change("summary.csv", &digest, "0123");
    assert_code(&keystorm(dir.path(), &["replay", "run", "--card", "3"]), 5);
    change("summary.csv", "trace_digest", "digest");
    let output = keystorm(dir.path(), &["replay", "run", "--card", "3"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("summary.csv: it has no column trace_digest"), "{}", stderr(&output));
}

/// How many steps of all lives together have a remark that contains `text`.
fn remarked(lives: &[Life], text: &str) -> u64 {
    let steps = lives.iter().flat_map(|life| &life.steps);
    steps.filter(|step| step.remarks.iter().any(|remark| remark.text.contains(text))).count() as u64
}

/// What the run counts as lost is told of one card or another, each message for its own reason, and nothing else is said to
/// be under way.
#[test]
fn every_message_that_a_crash_takes_is_told_of_its_card() {
    let busy = [
        "fleet.cards=16",
        "fleet.clients=16",
        "fleet.sites=1",
        "server.cores=1",
        "server.costs.receive=90ms",
        "load.window=2s",
        "line.retry.tries=9",
        "faults.server_down=[{at='4s',for='300ms'},{at='6s',for='5ms'}]",
        "faults.client_down=[{client=2,at='3s',for='2s'},{client=9,at='5s',for='2s'}]",
    ];
    let plan = |engine: EngineKind| quiet_but(&[&busy[..], &[&format!("engine={}", engine.name())]].concat());
    let told = |engine| -> (Vec<Life>, Finished) {
        let plan = plan(engine);
        let lives = (0..plan.fleet.cards).map(|card| replayed(&plan, card, false).life).collect();
        (lives, run(plan))
    };
    let (lives, finished) = told(EngineKind::Events);
    let counts = &finished.results.counts;
    let [unsent, forgotten] =
        ["before it was sent", "before it was acted on"].map(|what| remarked(&lives, what));
    let [server, client] =
        ["lost: the server is down", "lost: the client is down"].map(|what| remarked(&lives, what));
    assert!(
        unsent > 0 && forgotten > 0 && server > 0 && client > 0,
        "{unsent} {forgotten} {server} {client}"
    );
    assert_eq!(unsent + server + client, counts.messages_lost);
    assert_eq!(forgotten, counts.requests_lost_in_crashes);
    assert_eq!((remarked(&lives, "under way"), counts.messages_in_flight), (0, 0));
    let (other, _) = told(EngineKind::Turmoil);
    for (one, other) in lives.iter().zip(&other) {
        assert_eq!(one.steps, other.steps, "{:?}", one.subject);
    }
}

/// The answer is worked out, and the crash comes before it is on the line; or the request is not acted on at all.
#[test]
fn a_crash_at_a_named_step_tells_of_the_request_or_of_the_answer() {
    for (kind, said, lost) in [
        ("after", "before it was sent", "SessionSeed"),
        ("before", "before it was acted on", "UpdateVerdict"),
    ] {
        let place =
            format!("faults.place=[{{card=17,step='UpdateVerdict',kind='server crash {kind}',for='1s'}}]");
        let life = replayed(&quiet_but(&["engine=events", &place]), 17, false).life;
        let about = |step: &&steps::Step| step.remarks.iter().any(|remark| remark.text.contains(said));
        let step = life.steps.iter().find(about).unwrap_or_else(|| panic!("{}", table::text(&life)));
        let Action::Message { words, .. } = &step.action else { panic!("{step:?}") };
        assert_eq!(words.name, lost, "{}", table::text(&life));
    }
}

/// A small matrix, in `matrix`, and its rows.
pub(crate) fn with_matrix(arguments: &[&str]) -> (tempfile::TempDir, Vec<BTreeMap<String, String>>) {
    let dir = tempfile::tempdir().unwrap();
    let all = [&["interrupt", "--out", "matrix", "--suite", "aes-128", "--depth", "0"], arguments].concat();
    assert_code(&keystorm(dir.path(), &all), 0);
    let matrix = dir.path().join("matrix");
    let count = std::fs::read_to_string(matrix.join("interruptions.csv")).unwrap().lines().count() - 1;
    let rows = (1..=count as u32).map(|row| read_interruption(&matrix, row).unwrap()).collect();
    (dir, rows)
}

#[test]
fn every_row_of_a_matrix_can_be_shown_and_ends_as_it_says() {
    let undo_log =
        ["--recovery", "until-committed", "--nvm", "undo-log", "--layout", "packed", "--embodiment", "1"];
    let in_place =
        ["--recovery", "until-committed", "--nvm", "in-place", "--layout", "packed", "--embodiment", "2a"];
    for (arguments, twice) in [(&[&undo_log[..], &["--single"]].concat(), false), (&in_place.to_vec(), true)]
    {
        let (_dir, rows) = with_matrix(arguments);
        assert_eq!(rows.iter().any(|cells| !cells["cut2_step"].is_empty()), twice);
        for (number, cells) in (1..).zip(&rows) {
            let life = row::life(number, cells).unwrap_or_else(|error| panic!("row {number}: {error:?}"));
            let text = table::text(&life);
            let cut = format!("CUT: {} at {}", cells["cut_kind"], cells["cut_step"]);
            assert!(text.contains(&cut) || text.contains("a cut that is not shown"), "{cut}: {text}");
            assert!(!text.contains("under way"), "{text}");
            let connection = |step: &&steps::Step| step.number.is_some() && step.connection == 0;
            assert_eq!(life.steps.iter().find(connection), None, "each step belongs to a connection");
        }
    }
}

#[test]
fn the_table_of_a_lost_last_verdict() {
    let (_dir, rows) =
        with_matrix(&["--single", "--recovery", "until-committed", "--nvm", "undo-log", "--embodiment", "4"]);
    let wanted = |cells: &BTreeMap<String, String>| {
        cells["cut_step"] == "UpdateVerdict" && cells["cut_kind"] == "lost up"
    };
    let place = rows.iter().position(wanted).expect("the verdict can be lost");
    let life = row::life(place as u32 + 1, &rows[place]).unwrap();
    insta::assert_snapshot!(table::text(&life));
}

#[test]
fn rows_that_cannot_be_shown_are_refused() {
    let (dir, rows) = with_matrix(&[
        "--single",
        "--recovery",
        "until-committed",
        "--nvm",
        "undo-log",
        "--embodiment",
        "2b",
    ]);
    let replay = |arguments: &[&str]| keystorm(dir.path(), &[&["replay", "matrix"], arguments].concat());
    let output = replay(&["--interrupt", "12", "--out", "drawn"]);
    assert_code(&output, 0);
    assert!(stdout(&output).contains("CUT: "), "{}", stdout(&output));
    assert_eq!(
        names_in(&dir.path().join("drawn")),
        ["manifest.json", "row-12.mmd", "row-12.svg", "row-12.txt"]
    );
    let beyond = (rows.len() + 1).to_string();
    for (arguments, said) in [
        (&["--interrupt", &beyond][..], &*format!("from 1 to {}", rows.len())),
        (&["--interrupt", "0"], "0 is not in 1.."),
        (&["--interrupt", "1", "--card", "1"], "cannot be used with"),
        (&["--interrupt", "1", "--alone"], "cannot be used with"),
        (&["--card", "1"], "not the directory of a run"),
        (&[], "--card <N>"),
    ] {
        let output = replay(arguments);
        assert_code(&output, 2);
        assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
    }
    let path = dir.path().join("matrix/interruptions.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(",unharmed,", ",stranded,").replace(",healed,", ",stranded,"))
        .unwrap();
    let output = replay(&["--interrupt", "1"]);
    assert_code(&output, 5);
    assert!(stderr(&output).contains("stranded"), "{}", stderr(&output));
    std::fs::write(&path, text.replace(",2b,", ",2c,")).unwrap();
    let output = replay(&["--interrupt", "1"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("known are: 1, 2a, 2b, 3, 4"), "{}", stderr(&output));
}

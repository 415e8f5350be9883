//! `keystorm replay`.

use keystorm_model::CardId;
use keystorm_reports::results::Manifest;
use keystorm_reports::{Drawn, RunDir, read_digest, read_interruption, read_manifest, write_replay};
use serde_json::{Map, Value};

use crate::issue::{self, Order};
use crate::plan::{EngineKind, Plan};
use crate::record::tape::Entry;
use crate::replay::alone::{Contention, verdict};
use crate::replay::row::{self, RowError};
use crate::replay::{Life, diagram, json, mermaid, svg, table};
use crate::run::{self, VERSION};
use crate::scenario;
use crate::world::World;
use crate::world::load::Arrivals;

use super::args::{Format, Replay};
use super::environment;
use super::progress::{Bar, catch_interrupts};
use super::{Failure, pairs, print, tell};

/// A full run of so many visits is made beside that of a card alone, to compare the two.
const CHEAP_VISITS: usize = 20_000;

pub(super) fn replay(arguments: &Replay) -> Result<(), Failure> {
    match (arguments.card, arguments.interrupt) {
        (Some(card), _) => replay_card(arguments, CardId(card)),
        (None, Some(row)) => replay_row(arguments, row),
        (None, None) => unreachable!("clap demands one of the two"),
    }
}

fn replay_row(arguments: &Replay, row: u32) -> Result<(), Failure> {
    let cells = read_interruption(&arguments.dir, row)?;
    let out = arguments.out.as_deref().map(RunDir::prepare_replay).transpose()?;
    let place = || format!("row {row} of {}", arguments.dir.display());
    let mut life = row::life(row, &cells).map_err(|error| match error {
        RowError::Unknown(what) => Failure::Usage(format!("{} is none of this version's: {what}", place())),
        RowError::Otherwise { said, found } => Failure::NotDeterministic(format!(
            "{} ends otherwise than it says, as with another version of keystorm:\n  {said}  in the row\n  {found}  now",
            place()
        )),
    })?;
    show(arguments, &mut life, out)
}

fn replay_card(arguments: &Replay, card: CardId) -> Result<(), Failure> {
    let manifest = read_manifest(&arguments.dir)?;
    let plan = plan_of(arguments, &manifest)?;
    if card.0 >= plan.fleet.cards {
        return Err(Failure::Usage(format!(
            "there is no card {card} in {}: its cards are numbered from 0 to {}",
            arguments.dir.display(),
            plan.fleet.cards - 1
        )));
    }
    catch_interrupts()?;
    let out = arguments.out.as_deref().map(RunDir::prepare_replay).transpose()?;
    let mut life = if arguments.alone {
        alone(arguments, &manifest, plan, card)?
    } else {
        let (life, _) = among_others(arguments, &manifest, &plan, card)?;
        life
    };
    show(arguments, &mut life, out)
}

/// The plan of the run, from what its manifest says.
fn plan_of(arguments: &Replay, manifest: &Manifest) -> Result<Plan, Failure> {
    let overrides = [format!("seed={}", manifest.seed), format!("engine={}", manifest.engine)];
    let place = arguments.dir.join(keystorm_reports::MANIFEST_FILE);
    let plan = scenario::load_text(&place, manifest.scenario_text.clone(), &overrides)?;
    if !arguments.quiet {
        for difference in differences(manifest, &plan) {
            tell(&format!("Note: {difference}"));
        }
    }
    Ok(plan)
}

/// What may make a replay differ from its run.
fn differences(manifest: &Manifest, plan: &Plan) -> Vec<String> {
    let mut differences = Vec::new();
    if manifest.version != VERSION {
        differences.push(format!("the run was made by keystorm {}, this is {VERSION}.", manifest.version));
    }
    let here = option_env!("KEYSTORM_COMMIT");
    if let (Some(there), Some(here)) = (manifest.commit.as_deref(), here)
        && there != here
    {
        differences.push(format!("the run was made by commit {there}, this is commit {here}."));
    }
    if manifest.scenario_sha256 != plan.scenario_sha256 {
        differences.push(format!(
            "the scenario in the manifest, whose sha256 was {}, is now resolved to one of {}: this version has other keys \
             or defaults, or the manifest has been changed.",
            manifest.scenario_sha256, plan.scenario_sha256
        ));
    }
    differences
}

/// The card's life in the whole run, which must be the run of the directory.
fn among_others(
    arguments: &Replay,
    manifest: &Manifest,
    plan: &Plan,
    card: CardId,
) -> Result<(Life, Vec<Entry>), Failure> {
    let expected = read_digest(&arguments.dir)?;
    let pairs = pairs::of(plan, arguments.quiet)?;
    let mut world = World::new(plan.clone(), pairs);
    world.record(card);
    let (life, entries, digest) = record(arguments, world, card)?;
    if digest != expected {
        let reasons: String = differences(manifest, plan).iter().map(|why| format!("\n  {why}")).collect();
        return Err(Failure::NotDeterministic(format!(
            "the replay of {} is another run than that:\n  {expected:032x}  in summary.csv\n  {digest:032x}  now{reasons}",
            arguments.dir.display()
        )));
    }
    Ok((life, entries))
}

/// The card's life without the others. Where the whole run is cheap, it is made as well and compared.
fn alone(arguments: &Replay, manifest: &Manifest, plan: Plan, card: CardId) -> Result<Life, Failure> {
    let cheap = plan.fleet.cards as usize <= CHEAP_VISITS
        && Arrivals::new(&plan).take(CHEAP_VISITS + 1).count() <= CHEAP_VISITS;
    let pairs = issue::fresh_for_one(&Order::of(&plan), card);
    let mut world = World::new(Plan { engine: EngineKind::Events, ..plan.clone() }, pairs);
    world.record(card);
    world.alone(card);
    let (mut life, _, _) = record(arguments, world, card)?;
    let verdict = if cheap {
        let (full, entries) = among_others(arguments, manifest, &plan, card)?;
        verdict(&life.steps, &full.steps, Contention::of(&entries))
    } else {
        "not compared with the full run, which is large; left out is what the card shares with others: the queue at its \
         client, the state in which they leave the client's line, and the server's cores and queue."
            .into()
    };
    life.facts.push(("Alone".into(), verdict));
    Ok(life)
}

/// Runs the world in which the card is recorded.
fn record(arguments: &Replay, world: World, card: CardId) -> Result<(Life, Vec<Entry>, u128), Failure> {
    let bar = Bar::new(world.plan().horizon, arguments.quiet);
    let mut finished = run::run(world, &mut |progress| bar.show(progress))?;
    drop(bar);
    let tape = finished.tape.take().expect("the card was recorded");
    let row = finished.world.card_rows(|number| number == card.0).next().expect("the card exists");
    let entries = tape.into_entries();
    let life = Life::of(finished.world.plan(), card, &entries, &row);
    Ok((life, entries, finished.results.trace_digest))
}

/// Prints a life, and writes it where it is to be written.
fn show(arguments: &Replay, life: &mut Life, out: Option<RunDir>) -> Result<(), Failure> {
    let (name, number) = life.subject.parts();
    let chosen = match &arguments.connection {
        None => diagram::choose(life),
        Some(range) => diagram::chosen(life, range).map_err(|count| {
            Failure::Usage(format!(
                "{name} {number} has no connection {} to {}: it has {count}, counted from 1",
                range.start(),
                range.end()
            ))
        })?,
    };
    life.facts.push(("Diagram".into(), chosen.to_string()));
    let title = format!("{}{} {number}, {chosen}", name[..1].to_uppercase(), &name[1..]);
    let items = diagram::items(life, &chosen);
    let (table, mermaid) = (table::text(life), mermaid::text(&title, &items));
    if let Some(dir) = out {
        let drawn = Drawn { table: &table, mermaid: &mermaid, svg: &svg::text(&title, &items) };
        write_replay(&dir, &format!("{name}-{number}"), drawn, facts(arguments))?;
        dir.commit()?;
    }
    match arguments.format {
        Format::Text => print(&format!("{table}\n{mermaid}")),
        Format::Json => print(&format!("{:#}\n", json::value(life, &chosen))),
    }
}

/// What the manifest of a replay says.
fn facts(arguments: &Replay) -> Map<String, Value> {
    Map::from_iter([
        ("command".into(), environment::command_line().into()),
        ("of".into(), arguments.dir.display().to_string().into()),
        ("version".into(), VERSION.into()),
        ("commit".into(), option_env!("KEYSTORM_COMMIT").into()),
    ])
}

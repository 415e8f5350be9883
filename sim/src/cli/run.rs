//! `keystorm run` and `keystorm check`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use keystorm_model::Span;
use keystorm_model::draw::{Purpose, Seed};
use keystorm_reports::campaign::RunRecord;
use keystorm_reports::results::Manifest;
use keystorm_reports::{CardRows, RunDir, final_table, summary_json, write_run};
use sha2::{Digest as _, Sha256};

use crate::campaign::slo::Slo;
use crate::plan::Plan;
use crate::run::{Finished, VERSION, simulate_with};
use crate::scenario;
use keystorm_reports::shell::quoted;

use super::args::{CardsCsv, Check, Common, Format, Run};
use super::environment::{self, Stopwatch};
use super::progress::{Bar, catch_interrupts, interrupted, watched};
use super::{Failure, both, pairs, print, print_json, tell};

/// Fleets up to this size have a row for every card in `cards.csv`.
const ALL_CARDS: u32 = 100_000;
/// A sample of a larger fleet has about so many.
const SAMPLE: u32 = 10_000;

pub(super) fn run(arguments: &Run) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let common = &arguments.common;
    let plan = scenario::load(&common.scenario, &common.overrides())?;
    let place = arguments.out.clone().unwrap_or_else(|| default_place(&plan, common));
    catch_interrupts()?;
    let dir = RunDir::prepare(&place)?;
    let pairs = pairs::of(&plan, common.quiet)?;
    let bar = Bar::new(plan.horizon, common.quiet);
    let finished = simulate_with(plan, pairs, &mut |progress| bar.show(progress)).map_err(stopped)?;
    drop(bar);
    judge(&finished, common)?;

    let manifest = manifest(&finished, &watch);
    let plan = finished.world.plan();
    let depths = usize::from(plan.fleet.shape.depths());
    let rows = chosen_rows(&finished, arguments.cards_csv);
    write_run(&dir, &finished.results, &manifest, rows.map(|rows| CardRows::new(depths, rows)))?;
    if interrupted() {
        return Err(stopped(crate::engine::Stopped::Cancelled));
    }
    let place = dir.commit()?;
    match arguments.format {
        Format::Text => print(&final_table(&finished.results, Some(&place)))?,
        Format::Json => print_json(&summary_json(&finished.results))?,
    }
    if watched(common.quiet) {
        tell(&took(&manifest));
    }
    both(idle_faults(&finished), slos(&finished, &arguments.slo))
}

/// What the run took, for whoever watches it. It differs from run to run: programs find it in `manifest.json`.
fn took(manifest: &Manifest) -> String {
    let (seconds, events) = (manifest.wall_s, manifest.events_per_s / 1e6);
    let memory = manifest.bytes_per_card.map(|bytes| format!(", {bytes} bytes of memory per card"));
    format!(
        "Took            {seconds:.1} s, {events:.2} million events/s{}; every rule held",
        memory.unwrap_or_default()
    )
}

/// The bounds of a run are judged by its own figures alone.
fn slos(finished: &Finished, slos: &[Slo]) -> Result<(), Failure> {
    let record = RunRecord::new(1, 1, &finished.results);
    let missed: Vec<String> = slos
        .iter()
        .filter_map(|slo| match record.number(&slo.measure.name) {
            Some(figure) if slo.holds(figure) => None,
            Some(figure) => Some(format!("{slo}: it is {figure}")),
            None => Some(format!("{slo}: the run has no such figure")),
        })
        .collect();
    if missed.is_empty() {
        Ok(())
    } else {
        Err(Failure::Slo(format!("SLO MISSED {}", missed.join("\n           "))))
    }
}

fn stopped(stopped: crate::engine::Stopped) -> Failure {
    match Failure::from(stopped) {
        Failure::Interrupted(what) => {
            Failure::Interrupted(format!("Interrupted: the run {what}, nothing was written."))
        }
        failure => failure,
    }
}

/// Where a run goes if nobody says: below `reports/out`, told apart by scenario, seed, engine and overrides.
fn default_place(plan: &Plan, common: &Common) -> PathBuf {
    let mut name = format!("{}-{}", plan.seed, plan.engine.name());
    if !common.set.is_empty() {
        let hash = Sha256::digest(common.set.join("\n"));
        name.push('-');
        for byte in &hash[..4] {
            let _ = write!(name, "{byte:02x}");
        }
    }
    ["reports", "out", &plan.name, &name].iter().collect()
}

/// Invariants come before everything else: a run that violates one writes nothing.
fn judge(finished: &Finished, common: &Common) -> Result<(), Failure> {
    let Some(first) = finished.violations.first() else { return Ok(()) };
    let mut text = format!("INVARIANT VIOLATED {first}\n");
    for other in finished.violations.iter().skip(1).take(9) {
        let _ = writeln!(text, "                   {other}");
    }
    let more = finished.violations.len().saturating_sub(10);
    if more > 0 {
        let _ = writeln!(text, "                   and {more} more");
    }
    let seed = finished.world.plan().seed;
    let engine = finished.world.plan().engine.name();
    let sets: String = common.set.iter().map(|set| format!(" --set {}", quoted(set))).collect();
    let _ = write!(
        text,
        "This is a bug. The seed is {seed}; to see it again:\n  keystorm run {} --seed {seed} --engine {engine}{sets}",
        quoted(&common.scenario.to_string_lossy())
    );
    Err(Failure::Violated(text))
}

/// A fault that the scenario asks for and that never struck makes the run worthless as a test of it.
fn idle_faults(finished: &Finished) -> Result<(), Failure> {
    let idle: Vec<String> = finished
        .idle_faults()
        .map(|fault| format!("{} (expected {:.0} times)", fault.fault, fault.expected))
        .collect();
    if idle.is_empty() {
        return Ok(());
    }
    Err(Failure::Internal(format!("a fault of the scenario never struck: {}", idle.join(", "))))
}

fn manifest(finished: &Finished, watch: &Stopwatch) -> Manifest {
    let plan = finished.world.plan();
    let wall_s = watch.seconds();
    let peak = environment::peak_memory_bytes();
    Manifest {
        scenario_text: plan.resolved.clone(),
        scenario_sha256: plan.scenario_sha256.clone(),
        command: environment::command_line(),
        seed: plan.seed,
        engine: plan.engine.name().to_owned(),
        crypto: plan.crypto.name().to_owned(),
        version: VERSION.to_owned(),
        commit: option_env!("KEYSTORM_COMMIT").map(str::to_owned),
        machine: environment::machine(),
        started_unix_s: watch.started_unix_s(),
        wall_s,
        peak_memory_bytes: peak,
        bytes_per_card: peak.map(|peak| peak / u64::from(plan.fleet.cards)),
        events_per_s: finished.events as f64 / wall_s,
    }
}

/// The rows that `cards.csv` is to have; `None`: no file.
fn chosen_rows(
    finished: &Finished,
    wanted: Option<CardsCsv>,
) -> Option<impl Iterator<Item = keystorm_reports::results::CardRow> + '_> {
    let plan = finished.world.plan();
    let cards = plan.fleet.cards;
    let default = if cards <= ALL_CARDS { CardsCsv::All } else { CardsCsv::Sample };
    let every = match wanted.unwrap_or(default) {
        CardsCsv::None => return None,
        CardsCsv::Sample => (cards / SAMPLE).max(1),
        CardsCsv::All => 1,
    };
    let seed = Seed(plan.seed);
    let chosen = move |card: u32| every == 1 || seed.open(Purpose::Sample, card.into()).below(0, every) == 0;
    Some(finished.world.card_rows(chosen))
}

pub(super) fn check(arguments: &Check) -> Result<(), Failure> {
    let common = &arguments.common;
    let plan = scenario::load(&common.scenario, &common.overrides())?;
    let mut text = format!(
        "{} is a valid scenario. With presets, overrides and defaults applied it says:\n\n",
        Path::new(&common.scenario).display()
    );
    text.push_str(&plan.resolved);
    let _ = write!(
        text,
        "\nseed = {}\nengine = \"{}\"\nsha256 = \"{}\"\n",
        plan.seed,
        plan.engine.name(),
        plan.scenario_sha256
    );
    for note in notes(&plan) {
        let _ = write!(text, "\nNote: {note}\n");
    }
    print(&text)
}

/// What is legal in a plan, but probably not meant.
fn notes(plan: &Plan) -> Vec<String> {
    let mut notes = Vec::new();
    let shortest = plan.line.delay.shortest();
    if shortest < plan.turmoil.tick * 2 + Span::from_ms(2) {
        notes.push(format!(
            "turmoil.tick = {} is coarse for a line whose shortest delay is {shortest}: messages may be delivered late \
             (the report counts them in late_deliveries). Two ticks and two milliseconds should fit into that delay.",
            plan.turmoil.tick
        ));
    }
    if plan.line.retry.first < shortest * 2 {
        notes.push(format!(
            "line.retry.first = {} is shorter than the shortest round trip, {}: every message will be sent twice.",
            plan.line.retry.first,
            shortest * 2
        ));
    }
    notes
}

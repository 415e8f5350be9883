//! `keystorm interrupt`.

use keystorm_reports::{RunDir, write_matrix};
use serde_json::{Map, Value};

use keystorm_model::suite::SuiteId;

use crate::interrupt::combination::Combination;
use crate::interrupt::findings::Findings;
use crate::interrupt::matrix::{self, Settings};
use crate::interrupt::summary;
use crate::run::VERSION;

use super::args::Interrupt;
use super::environment::{self, Stopwatch};
use super::progress::{CountBar, catch_interrupts, interrupted};
use super::{Failure, print};

pub(super) fn interrupt(arguments: &Interrupt) -> Result<(), Failure> {
    let watch = Stopwatch::start();
    let combinations = chosen(arguments);
    catch_interrupts()?;
    let dir = RunDir::prepare_matrix(&arguments.out)?;
    let jobs = arguments.jobs.map_or_else(environment::cpus, usize::from);
    let bar = CountBar::new(combinations.len() as u64, "combinations", arguments.quiet);
    let found = matrix::run(&combinations, Settings::new(!arguments.single, jobs), |more| bar.done(more));
    drop(bar);
    let stopped = || Failure::Interrupted("Interrupted: nothing was written.".into());
    let findings = found.map_err(Failure::Internal)?.ok_or_else(stopped)?;
    judge(&findings)?;
    let rows = findings.iter().flat_map(Findings::csv_rows);
    write_matrix(&dir, rows, manifest(&findings, &watch))?;
    if interrupted() {
        return Err(stopped());
    }
    let place = dir.commit()?;
    print(&summary::text(&findings, !arguments.single, &place))
}

fn chosen(arguments: &Interrupt) -> Vec<Combination> {
    fn passes<T: PartialEq>(filter: &[T], value: &T) -> bool {
        filter.is_empty() || filter.contains(value)
    }
    let suites = if arguments.suite.is_empty() { SuiteId::of_each_family() } else { arguments.suite.clone() };
    let mut combinations = Combination::all(&suites);
    combinations.retain(|combination| {
        passes(&arguments.embodiment, &combination.embodiment)
            && passes(&arguments.recovery, &combination.recovery)
            && passes(&arguments.nvm, &combination.mode)
            && passes(&arguments.layout, &combination.layout)
            && passes(&arguments.depth, &combination.due)
    });
    combinations
}

/// A matrix that violates an invariant is not written.
fn judge(findings: &[Findings]) -> Result<(), Failure> {
    let violations: Vec<&String> = findings.iter().flat_map(|found| &found.violations).collect();
    if violations.is_empty() {
        return Ok(());
    }
    let shown: String = violations.iter().take(20).map(|what| format!("\n  {what}")).collect();
    Err(Failure::Violated(format!(
        "INVARIANT VIOLATED by {} cuts. This is a bug; the first of them:{shown}",
        violations.len()
    )))
}

fn manifest(findings: &[Findings], watch: &Stopwatch) -> Map<String, Value> {
    let [once, twice] = summary::points(findings);
    Map::from_iter([
        ("command".into(), environment::command_line().into()),
        ("version".into(), VERSION.into()),
        ("commit".into(), option_env!("KEYSTORM_COMMIT").into()),
        ("combinations".into(), findings.len().into()),
        ("single_cuts".into(), once.into()),
        ("double_cuts".into(), twice.into()),
        ("machine".into(), environment::machine().into()),
        ("started_unix_s".into(), watch.started_unix_s().into()),
        ("wall_s".into(), watch.seconds().into()),
    ])
}

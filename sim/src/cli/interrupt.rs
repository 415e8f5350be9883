//! `keystorm interrupt`.

use keystorm_model::suite::Crypto;
use keystorm_reports::{RunDir, write_matrix};
use serde_json::{Map, Value};

use crate::interrupt::combination::{CIPHERS, Combination};
use crate::interrupt::findings::Findings;
use crate::interrupt::matrix::{self, Settings};
use crate::interrupt::summary;
use crate::run::VERSION;

use super::args::{Format, Interrupt};
use super::environment::{self, Stopwatch};
use super::progress::{CountBar, catch_interrupts, interrupted};
use super::{Failure, print, print_json};

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
    let twice = !arguments.single;
    match arguments.format {
        Format::Text => {
            print(&format!("{}Written to {}\n", summary::text(&findings, twice), place.display()))
        }
        Format::Json => print_json(&summary::json(&findings, twice)),
    }
}

fn chosen(arguments: &Interrupt) -> Vec<Combination> {
    fn passes<T: PartialEq>(filter: &[T], value: &T) -> bool {
        filter.is_empty() || filter.contains(value)
    }
    let mut ciphers = if arguments.suite.is_empty() {
        CIPHERS.to_vec()
    } else {
        arguments.suite.iter().map(|&suite| (suite, Crypto::Real)).collect()
    };
    if let Some(asked) = arguments.crypto {
        ciphers.iter_mut().for_each(|(_, crypto)| *crypto = asked);
    }
    let mut combinations = Combination::all(&ciphers);
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
        "INVARIANT VIOLATED: {} times. This is a bug; nothing was written. The first of them, each with the options of \
         `keystorm interrupt` that show it again:{shown}",
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
        ("ciphers".into(), ciphers(findings)),
        ("single_cuts".into(), once.into()),
        ("double_cuts".into(), twice.into()),
        ("machine".into(), environment::machine().into()),
        ("started_unix_s".into(), watch.started_unix_s().into()),
        ("wall_s".into(), watch.seconds().into()),
    ])
}

/// The suites, each with whether it was modelled.
fn ciphers(findings: &[Findings]) -> Value {
    let mut names: Vec<Value> = findings.iter().map(|found| found.combination.cipher_name().into()).collect();
    names.dedup();
    names.into()
}

#[cfg(test)]
mod tests {
    use keystorm_model::planted::{self, Bug};

    use super::*;

    #[test]
    fn a_broken_rule_ends_with_exit_code_3_and_says_how_to_see_it_again() {
        let some = &Combination::all(&CIPHERS)[..1];
        let found = || matrix::run(some, Settings::new(false, 1), |_| true).unwrap().unwrap();
        assert!(judge(&found()).is_ok());
        let (broken, _) = planted::with(Bug::ServerCommitsEarly, found);
        let failure = judge(&broken).unwrap_err();
        assert_eq!(failure.exit_code(), 3);
        let said = failure.to_string();
        assert!(said.starts_with("INVARIANT VIOLATED: "), "{said}");
        assert!(said.contains("committed a key (slot 2) that the card does not hold"), "{said}");
        let options = "--suite aes-128 --crypto real --embodiment 1 --recovery first-contact --nvm in-place --layout packed --depth 0";
        assert!(said.contains(options), "{said}");
    }
}

//! `keystorm swarm`.

use std::fmt::Write as _;

use keystorm_model::draw::Seed;
use rayon::prelude::*;

use crate::swarm::{Broken, Case, Found, run, shrink::shrink};
use keystorm_reports::shell::quoted;

use super::args::Swarm;
use super::environment;
use super::progress::{CountBar, catch_interrupts, interrupted};
use super::{Failure, print, tell};

pub(super) fn swarm(arguments: &Swarm) -> Result<(), Failure> {
    catch_interrupts()?;
    let seed = Seed(arguments.seed);
    let numbers: Vec<u64> = match arguments.run {
        Some(number) => vec![number],
        None => (1..=arguments.runs).collect(),
    };
    let count = numbers.len();
    let bar = CountBar::new(count as u64, "cases", arguments.quiet);
    let go_on = || !interrupted();
    let one = |&number: &u64| {
        let case = Case::draw(seed, number);
        let found = run(&case, &go_on).map_err(|broken| (case, broken))?;
        bar.done(1);
        Ok(found)
    };
    let jobs = arguments.jobs.map_or_else(environment::cpus, usize::from);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs).build();
    let pool = pool.map_err(|error| Failure::Internal(format!("cannot start the threads: {error}")))?;
    // The first failing case in the order of the numbers, whatever the threads.
    let ran: Vec<Result<Option<Found>, (Case, Broken)>> =
        pool.install(|| numbers.par_iter().with_max_len(1).map(one).collect());
    drop(bar);
    let mut sum = Found::default();
    for found in ran {
        match found {
            Ok(Some(found)) => add(&mut sum, &found),
            Ok(None) => return Err(Failure::Interrupted("Interrupted.".into())),
            Err((case, broken)) => return Err(failed(arguments, &case, broken)),
        }
    }
    print(&report(count, &sum))
}

/// Tells a failure: the small case, and the one command that shows it again.
fn failed(arguments: &Swarm, case: &Case, broken: Broken) -> Failure {
    if !arguments.quiet {
        tell(&format!("Case {} failed: {}\nMaking it smaller …", case.number, broken.what));
    }
    let (small, broken) = shrink(case, broken, &|| !interrupted());
    let mut text = format!("INVARIANT VIOLATED in case {}: {}\n", case.number, broken.what);
    let _ = writeln!(text, "Made smaller, the scenario is:");
    for (key, value) in &small.settings {
        let _ = writeln!(text, "  --set {}", quoted(&format!("{key}={value}")));
    }
    let _ = write!(
        text,
        "This is a bug. The seed is {}; to see it again:\n  keystorm swarm --seed {} --run {}",
        arguments.seed, arguments.seed, case.number
    );
    Failure::Violated(text)
}

fn add(sum: &mut Found, found: &Found) {
    sum.counts += found.counts;
    for (fault, (cases, fired)) in &found.faults {
        let sums = sum.faults.entry(fault.clone()).or_default();
        *sums = (sums.0 + cases, sums.1 + fired);
    }
}

fn report(cases: usize, sum: &Found) -> String {
    let counts = &sum.counts;
    let mut text = format!(
        "{cases} cases, no violation\n\n{:>10} sessions\n{:>10} renewals begun: {} committed, {} interrupted; {} of those recovered, {} promoted\n",
        counts.sessions_started,
        counts.updates_started,
        counts.updates_committed,
        counts.updates_interrupted,
        counts.updates_recovered,
        counts.updates_promoted,
    );
    let cards = [
        ("unharmed", counts.cards_unharmed),
        ("healed", counts.cards_healed),
        ("reissued", counts.cards_reissued),
        ("blocked", counts.cards_blocked),
        ("torn", counts.cards_torn),
        ("stranded", counts.cards_stranded),
    ];
    let all: u64 = cards.iter().map(|(_, count)| count).sum();
    let outcomes: Vec<_> = cards.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let _ = writeln!(text, "{all:>10} cards: {}", outcomes.join(", "));
    text.push_str("\nFaults, how often each struck:\n");
    for (fault, (in_cases, fired)) in &sum.faults {
        let _ = writeln!(text, "{fired:>10} {fault} (in {in_cases} cases)");
    }
    text
}

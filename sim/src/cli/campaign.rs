//! What the commands that make many runs have in common.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use keystorm_reports::campaign::RunRecord;
use sha2::{Digest as _, Sha256};

use crate::campaign::Campaign;
use crate::campaign::work::{RunNo, Surroundings, Trouble};
use crate::engine::Stopped;
use crate::issue::Stocks;

use super::args::Common;
use super::progress::{CountBar, interrupted};
use super::{Failure, environment, pairs};

pub(super) use keystorm_reports::{PLAN_KIND as PLAN, SWEEP_KIND as SWEEP};

/// Calls `work` with what a campaign's runs need from outside; `bar` counts the runs.
pub(super) fn with_surroundings<T>(
    common: &Common,
    bar: &CountBar,
    work: impl FnOnce(&Surroundings<'_>) -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let stocks = Stocks::new(environment::cache_dir());
    let jobs = common.jobs.map_or_else(environment::cpus, usize::from);
    work(&Surroundings {
        jobs,
        prepare: &|orders| bar.aside(|| pairs::prepare(&stocks, orders, jobs, common.quiet)),
        pairs: &|order| stocks.pairs(order, &|| !interrupted()),
        go_on: &|_| !interrupted(),
        done: &|| {
            bar.done(1);
        },
    })
}

/// What a trouble means for the command; `place` is where the finished runs are kept.
pub(super) fn failure(campaign: &Campaign, place: &Path, trouble: Trouble) -> Failure {
    match trouble {
        Trouble::Stopped(Stopped::Cancelled) => Failure::Interrupted(format!(
            "Interrupted: the runs that were over are kept in {}; the same command goes on from there.",
            place.display()
        )),
        Trouble::Stopped(stopped) => Failure::from(stopped),
        Trouble::Output(error) => Failure::from(error),
        Trouble::Violated((point, replication), violation) => Failure::Violated(format!(
            "INVARIANT VIOLATED at point {point}, replication {replication}: {violation}\nThis is a bug; to see it again:\n  {}",
            campaign.command(point, replication)
        )),
    }
}

/// Faults that never struck in some of these runs, though they had to: 1, after everything is written. `named` says how to find
/// a run.
pub(super) fn idle_faults<'r>(
    runs: impl IntoIterator<Item = &'r RunRecord>,
    named: impl Fn(RunNo) -> String,
) -> Result<(), Failure> {
    let mut idle = runs.into_iter().filter(|run| !run.idle_faults.is_empty());
    let Some(first) = idle.next() else { return Ok(()) };
    Err(Failure::Internal(format!(
        "in {} runs a fault of the scenario never struck; the first: {}, in\n  {}",
        1 + idle.count(),
        first.idle_faults[0],
        named((first.point, first.replication))
    )))
}

/// Refuses points that are one scenario in other words (`0%` and `0`): their runs would be the same ones twice.
pub(super) fn refuse_twins(campaign: &Campaign) -> Result<(), Failure> {
    let mut known = BTreeMap::new();
    for point in &campaign.points {
        let said = point.values.join(", ");
        let plan = &point.plan;
        if let Some(other) = known.insert((&plan.scenario_sha256, plan.engine.name()), said.clone()) {
            return Err(Failure::Usage(format!(
                "the points `{other}` and `{said}` of {} are the same scenario: leave one out",
                campaign.grid.keys().join(", ")
            )));
        }
    }
    Ok(())
}

/// Where a campaign goes if nobody says: below `reports/out`, told apart by scenario, seed and what it does.
pub(super) fn default_place(kind: &str, campaign: &Campaign, common: &Common, more: &[String]) -> PathBuf {
    let mut said: Vec<String> = common.set.clone();
    let until = campaign.until.as_ref().map(ToString::to_string);
    said.push(format!("{} {until:?} {:?}", campaign.replications, campaign.base));
    said.extend(campaign.grid.axes.iter().map(ToString::to_string));
    said.extend_from_slice(more);
    let seed = campaign.points[0].plan.seed;
    let mut name = format!("{kind}-{seed}-{}-", campaign.points[0].plan.engine.name());
    for byte in &Sha256::digest(said.join("\n"))[..4] {
        let _ = write!(name, "{byte:02x}");
    }
    ["reports", "out", campaign.name(), &name].iter().collect()
}

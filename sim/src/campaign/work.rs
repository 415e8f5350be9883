//! The runs of a campaign, several at the same time, each kept as soon as it is over.

use keystorm_reports::DirError;
use keystorm_reports::campaign::{CampaignDir, PointRows, RunRecord, Until, collect};
use rayon::prelude::*;

use crate::check::Violation;
use crate::engine::{Progress, Stopped};
use crate::issue::Order;
use crate::run::simulate_with;

use super::spec::Campaign;

/// A run of a campaign: its point and its replication, both from 1.
pub type RunNo = (u32, u32);

/// Why a campaign stopped.
#[derive(Debug)]
pub enum Trouble {
    /// A run was stopped, or its engine failed.
    Stopped(Stopped),
    /// A record could not be kept.
    Output(DirError),
    /// A rule did not hold in this run.
    Violated(RunNo, Violation),
}

/// What is the caller's: where pairs come from, and what is told.
pub struct Surroundings<'a> {
    /// Runs at the same time, 1 or more.
    pub jobs: usize,
    /// Makes whatever these orders need and nobody has kept, before the runs that need it begin: points have their seeds in
    /// common, and so runs at the same time their pairs.
    pub prepare: &'a (dyn Fn(&[Order]) -> Result<(), Stopped> + Sync),
    /// Fetches what a run's cards are issued with.
    pub pairs: &'a (dyn Fn(Order) -> Result<Vec<u8>, Stopped> + Sync),
    /// Told of every progress inside a run; `false` stops everything.
    pub go_on: &'a (dyn Fn(Progress) -> bool + Sync),
    /// Told when a run is over.
    pub done: &'a (dyn Fn() + Sync),
}

/// Which runs a part of a campaign makes: the `index`-th of `count` parts, from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shard {
    /// Which part.
    pub index: u32,
    /// Of how many.
    pub count: u32,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Shard = Shard { index: 1, count: 1 };

    /// Reads `2/3`.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(text: &str) -> Result<Shard, String> {
        let parts =
            text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parts {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index, count }),
            _ => Err("write which part of how many, as in 2/3".into()),
        }
    }

    fn has(self, place: usize) -> bool {
        place % self.count as usize == self.index as usize - 1
    }
}

/// Every run of a campaign, replication after replication.
pub fn all_runs(campaign: &Campaign) -> Vec<RunNo> {
    let points = campaign.points.len() as u32;
    (1..=campaign.replications)
        .flat_map(|replication| (1..=points).map(move |point| (point, replication)))
        .collect()
}

/// The runs of `shard` that have not been made.
pub fn missing(campaign: &Campaign, dir: &CampaignDir, shard: Shard) -> Vec<RunNo> {
    let mine =
        all_runs(campaign).into_iter().enumerate().filter(|(place, _)| shard.has(*place)).map(|(_, run)| run);
    mine.filter(|&run| record(campaign, dir, run).is_none()).collect()
}

/// The record of a run, if it has been made of this very plan.
pub fn record(campaign: &Campaign, dir: &CampaignDir, (point, replication): RunNo) -> Option<RunRecord> {
    let plan = &campaign.points[point as usize - 1].plan;
    let seed = campaign.seed(replication).to_string();
    let fits = |record: &RunRecord| {
        record.cell("scenario_sha256") == Some(plan.scenario_sha256.as_str())
            && record.cell("seed") == Some(seed.as_str())
    };
    dir.run(point, replication).filter(fits)
}

/// Makes these runs and keeps each of them.
///
/// # Errors
/// The first trouble; what was kept by then stays.
pub fn make(
    campaign: &Campaign,
    dir: &CampaignDir,
    runs: &[RunNo],
    around: &Surroundings<'_>,
) -> Result<(), Trouble> {
    let one = |&(point, replication): &RunNo| {
        let plan = campaign.plan(point, replication);
        let pairs = (around.pairs)(Order::of(&plan)).map_err(Trouble::Stopped)?;
        let finished =
            simulate_with(plan, pairs, &mut |progress| (around.go_on)(progress)).map_err(Trouble::Stopped)?;
        if let Some(violation) = finished.violations.into_iter().next() {
            return Err(Trouble::Violated((point, replication), violation));
        }
        dir.keep(&RunRecord::new(point, replication, &finished.results)).map_err(Trouble::Output)?;
        (around.done)();
        Ok(())
    };
    let orders: Vec<Order> =
        runs.iter().map(|&(point, replication)| campaign.order(point, replication)).collect();
    (around.prepare)(&orders).map_err(Trouble::Stopped)?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(around.jobs.max(1)).build();
    let pool = pool.map_err(|error| Trouble::Stopped(Stopped::Failed(error.to_string())))?;
    pool.install(|| runs.par_iter().with_max_len(1).try_for_each(one))
}

/// Makes what is missing of a campaign whose points stop when they are sure enough: [`Until::LOOK_EVERY`] replications of each
/// point that is not, then another look. `made` is told how many runs there will be at least.
///
/// # Errors
/// As [`make`].
pub fn make_until(
    campaign: &Campaign,
    dir: &CampaignDir,
    until: &Until,
    around: &Surroundings<'_>,
) -> Result<(), Trouble> {
    let mut replications = Until::LOOK_EVERY.min(campaign.replications);
    loop {
        let open = |&point: &u32| !is_sure(campaign, dir, point, replications, until);
        let points: Vec<u32> = (1..=campaign.points.len() as u32).filter(open).collect();
        let runs =
            points.iter().flat_map(|&point| (1..=replications).map(move |replication| (point, replication)));
        let runs: Vec<RunNo> = runs.filter(|&run| record(campaign, dir, run).is_none()).collect();
        if runs.is_empty() && (points.is_empty() || replications == campaign.replications) {
            return Ok(());
        }
        make(campaign, dir, &runs, around)?;
        if runs.is_empty() {
            replications = (replications + Until::LOOK_EVERY).min(campaign.replications);
        }
    }
}

/// Whether a point was sure enough at one of the looks up to `replications`.
fn is_sure(campaign: &Campaign, dir: &CampaignDir, point: u32, replications: u32, until: &Until) -> bool {
    stopping(campaign, dir, point, until).is_some_and(|enough| enough <= replications)
}

/// After how many replications a point was sure enough for the first time; only looks at what has been made.
fn stopping(campaign: &Campaign, dir: &CampaignDir, point: u32, until: &Until) -> Option<u32> {
    let made =
        (1..=campaign.replications).map_while(|replication| record(campaign, dir, (point, replication)));
    until.stops_after(&made.collect::<Vec<_>>())
}

/// What the tables are made of; `Err`: how many runs are missing, and the first of them.
///
/// # Errors
/// The runs that have not been made.
pub fn rows(campaign: &Campaign, dir: &CampaignDir) -> Result<Vec<PointRows>, Vec<RunNo>> {
    let points = campaign.points.iter().map(|point| point.values.clone());
    collect(points, campaign.replications, campaign.until.as_ref(), |point, replication| {
        record(campaign, dir, (point, replication))
    })
}

//! `keystorm plan`.

use std::collections::BTreeMap;

use keystorm_reports::campaign::{Bound, CampaignDir, Standing, Tried, plan_table, plan_text};
use keystorm_reports::html::write_campaign_page;

use crate::campaign::search::{Answer, Look, first_that, look};
use crate::campaign::slo::Slo;
use crate::campaign::spec::what_differs;
use crate::campaign::{Campaign, Grid};

use super::args::Plan;
use super::campaign::{PLAN, default_place, failure, idle_faults, with_surroundings};
use super::progress::catch_interrupts;
use super::{Failure, print};

pub(super) fn plan(arguments: &Plan) -> Result<(), Failure> {
    let campaign = campaign(arguments)?;
    catch_interrupts()?;
    let asked: Vec<String> = arguments.slo.iter().map(Slo::to_string).collect();
    let place =
        arguments.out.clone().unwrap_or_else(|| default_place(PLAN, &campaign, &arguments.common, &asked));
    let dir = CampaignDir::open(&place, &campaign.manifest(PLAN), what_differs)?;
    let count = campaign.points.len() as u32;
    let mut looks: BTreeMap<u32, Look> = BTreeMap::new();
    let most = count as usize * campaign.replications as usize;
    let found = with_surroundings(&arguments.common, most, |around| {
        first_that(count, |point| {
            let look = look(&campaign, &dir, &arguments.slo, point, around)?;
            let keeps = look.keeps_all();
            looks.insert(point, look);
            Ok(keeps)
        })
    });
    let answer = found.map_err(|trouble| failure(&campaign, dir.place(), trouble))?;
    conclude(arguments, &campaign, &dir, &answer, &looks)
}

/// The points are the values in the order in which they are tried.
fn campaign(arguments: &Plan) -> Result<Campaign, Failure> {
    let mut grid = Grid::parse(std::slice::from_ref(&arguments.vary), false, &[]).map_err(Failure::Usage)?;
    if arguments.largest {
        grid.axes[0].values.reverse();
    }
    let points = grid.points().map_err(Failure::Usage)?;
    let common = &arguments.common;
    let mut campaign =
        Campaign::load(&common.scenario, &common.overrides(), grid, points, arguments.replications)?;
    campaign.largest = arguments.largest;
    Ok(campaign)
}

fn conclude(
    arguments: &Plan,
    campaign: &Campaign,
    dir: &CampaignDir,
    answer: &Answer,
    looks: &BTreeMap<u32, Look>,
) -> Result<(), Failure> {
    let key = campaign.grid.axes[0].key.as_str();
    let bounds: Vec<Bound> = (arguments.slo.iter())
        .map(|slo| Bound { name: slo.to_string(), measure: slo.measure.name.clone() })
        .collect();
    let tried: Vec<Tried> = looks.values().map(tried).collect();
    let table = plan_table(key, &bounds);
    dir.file(table.file(), |file| table.write(file, &tried))?;
    write_campaign_page(dir)?;
    let mut text = plan_text(key, &bounds, &tried);
    text.push_str("± is half the width of the 95 % interval over the runs; a bound is met if the whole interval keeps it.\n");
    text.push_str(&sentence(arguments, campaign, answer));
    text.push_str(&format!("Written to {}\n", dir.place().display()));
    print(&text)?;
    let idle: Vec<_> = looks
        .values()
        .flat_map(|look| &look.rows.runs)
        .filter_map(|run| Some(((run.point, run.replication), run.idle_faults.first()?.clone())))
        .collect();
    idle_faults(campaign, &idle)?;
    match answer.first {
        Some(_) => Ok(()),
        None => Err(Failure::Slo(format!("SLO MISSED: no value of {key} keeps every bound"))),
    }
}

fn tried(look: &Look) -> Tried {
    let standings = look.judgements.iter().map(|judgement| Standing {
        figure: judgement.figure,
        sample: judgement.sample,
        share: judgement.share,
        verdict: judgement.verdict.name(),
    });
    Tried::new(&look.rows, standings.collect(), look.keeps_all())
}

fn sentence(arguments: &Plan, campaign: &Campaign, answer: &Answer) -> String {
    let axis = &campaign.grid.axes[0];
    let mut text = String::new();
    if !answer.monotone {
        text.push_str("Not monotone: some value keeps the bounds although a later one does not, so all of them were tried.\n");
    }
    let which = if arguments.largest { "The last" } else { "The first" };
    match answer.first {
        Some(first) => {
            let value = &axis.values[first as usize - 1];
            text.push_str(&format!("{which} of {} that keeps every bound: {value}\n", axis.key));
        }
        None => text.push_str(&format!("No value of {} keeps every bound.\n", axis.key)),
    }
    text
}

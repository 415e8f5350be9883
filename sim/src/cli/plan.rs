//! `keystorm plan`.

use std::collections::BTreeMap;

use keystorm_reports::campaign::{
    Bound, CampaignDir, Found, Standing, Tried, plan_json, plan_table, plan_text,
};
use keystorm_reports::html::write_campaign_page;

use crate::campaign::search::{Answer, JOINTLY, Keeps, Look, first_that, look, looks as after};
use crate::campaign::slo::Slo;
use crate::campaign::spec::what_differs;
use crate::campaign::{Campaign, Grid};

use super::args::{Format, Plan};
use super::campaign::{PLAN, default_place, failure, idle_faults, refuse_twins, with_surroundings};
use super::progress::{CountBar, catch_interrupts};
use super::{Failure, both, print, print_json};

pub(super) fn plan(arguments: &Plan) -> Result<(), Failure> {
    let campaign = campaign(arguments)?;
    refuse_twins(&campaign)?;
    catch_interrupts()?;
    let place = arguments
        .out
        .clone()
        .unwrap_or_else(|| default_place(PLAN, &campaign, &arguments.common, &campaign.bounds));
    let dir = CampaignDir::open(&place, &campaign.manifest(PLAN), what_differs)?;
    let count = campaign.points.len() as u32;
    let mut looks: BTreeMap<u32, Look> = BTreeMap::new();
    let most = u64::from(count) * u64::from(campaign.replications);
    let bar = CountBar::at_most(most, "runs", arguments.common.quiet);
    let found = with_surroundings(&arguments.common, &bar, |around| {
        first_that(count, |point| {
            let look = look(&campaign, &dir, &arguments.slo, point, around)?;
            let keeps = look.keeps();
            looks.insert(point, look);
            Ok(keeps)
        })
    });
    drop(bar);
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
    campaign.bounds = arguments.slo.iter().map(Slo::to_string).collect();
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
        .map(|slo| Bound { name: slo.to_string(), measure: slo.measure.clone() })
        .collect();
    let tried: Vec<Tried> = looks.values().map(tried).collect();
    let table = plan_table(key, &bounds);
    dir.file(table.file(), |file| table.write(file, &tried))?;
    write_campaign_page(dir)?;
    let found = found(campaign, answer, looks);
    match arguments.format {
        Format::Text => {
            let mut text = plan_text(key, &bounds, &tried);
            let looks: Vec<String> = found.looks.iter().map(u32::to_string).collect();
            text.push_str(&format!(
                "In brackets: the interval over the runs; a bound is met if the whole interval keeps it. All intervals of a value, looked \
                 at after {} runs, are right together with 98 % confidence; of high percentiles with less (docs/planning.md).\n",
                looks.join(", ")
            ));
            text.push_str(&sentence(key, arguments.largest, &found));
            text.push_str(&format!("Written to {}\n", dir.place().display()));
            print(&text)?;
        }
        Format::Json => print_json(&plan_json(key, &bounds, &tried, &found, dir.place()))?,
    }
    let runs = looks.values().flat_map(|look| &look.rows.runs);
    let idle = idle_faults(runs, |run| campaign.command(run.0, run.1));
    let answered = match answer.first {
        Some(_) => Ok(()),
        None if looks.values().all(|look| look.keeps() == Keeps::NotAll) => {
            Err(Failure::Slo(format!("SLO MISSED: {}", nothing(key, campaign.replications, looks))))
        }
        None => Err(Failure::Slo(format!("SLO NOT SHOWN: {}", nothing(key, campaign.replications, looks)))),
    };
    both(idle, answered)
}

fn tried(look: &Look) -> Tried {
    let standings = look.judgements.iter().map(|judgement| Standing {
        figure: judgement.figure,
        interval: judgement.interval,
        share: judgement.share,
        verdict: judgement.verdict.name(),
    });
    Tried::new(&look.rows, standings.collect(), keeps(look))
}

fn keeps(look: &Look) -> &'static str {
    match look.keeps() {
        Keeps::All => "yes",
        Keeps::NotAll => "no",
        Keeps::Undecided => "undecided",
    }
}

/// That nothing was found, and why: values that miss a bound are no matter of replications, undecided ones are.
fn nothing(key: &str, replications: u32, looks: &BTreeMap<u32, Look>) -> String {
    let of = |wanted: Keeps| looks.values().filter(|look| look.keeps() == wanted).count();
    let (undecided, missed, tried) = (of(Keeps::Undecided), of(Keeps::NotAll), looks.len());
    if undecided == 0 {
        return format!("no value of {key} keeps every bound: all {tried} that were tried miss one");
    }
    format!(
        "no value of {key} is shown to keep every bound with {replications} replications: {undecided} undecided, {missed} missed, \
         of {tried} tried; try more --replications"
    )
}

fn found(campaign: &Campaign, answer: &Answer, looks: &BTreeMap<u32, Look>) -> Found {
    let before = |first| looks.range(..first).any(|(_, look)| look.keeps() == Keeps::Undecided);
    let value = |first: u32| campaign.grid.axes[0].values[first as usize - 1].clone();
    Found {
        answer: answer.first.map(value),
        monotone: answer.monotone,
        undecided_before: answer.first.is_some_and(before),
        looks: after(campaign.replications),
        confidence: JOINTLY,
    }
}

fn sentence(key: &str, largest: bool, found: &Found) -> String {
    let mut text = String::new();
    if !found.monotone {
        text.push_str("Not monotone: some value keeps the bounds although a later one breaks one, so all of them were tried.\n");
    }
    let which = if largest { "The last" } else { "The first" };
    if let Some(value) = &found.answer {
        text.push_str(&format!("{which} of {key} that keeps every bound: {value}\n"));
    }
    if found.undecided_before {
        text.push_str("Of values before it some are undecided: with more --replications one of them may keep the bounds.\n");
    }
    text
}

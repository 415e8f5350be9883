//! `keystorm sweep` and `keystorm merge`.

use std::path::Path;

use keystorm_reports::campaign::{CampaignDir, PointRows, Shape, Until, sweep_json, sweep_text};
use keystorm_reports::html::write_campaign_page;
use serde_json::json;

use crate::campaign::slo::known;
use crate::campaign::spec::what_differs;
use crate::campaign::work::{self, RunNo, Shard};
use crate::campaign::{Campaign, Grid};
use crate::scenario;

use super::args::{Format, Merge, Sweep};
use super::campaign::{SWEEP, default_place, failure, idle_faults, refuse_twins, with_surroundings};
use super::progress::{CountBar, catch_interrupts};
use super::{Failure, print, print_json};

pub(super) fn sweep(arguments: &Sweep) -> Result<(), Failure> {
    let campaign = campaign(arguments)?;
    refuse_twins(&campaign)?;
    catch_interrupts()?;
    let more = [format!("{:?} {:?}", campaign.grid.zip, campaign.grid.without)];
    let place =
        arguments.out.clone().unwrap_or_else(|| default_place(SWEEP, &campaign, &arguments.common, &more));
    let dir = CampaignDir::open(&place, &campaign.manifest(SWEEP), what_differs)?;
    let shard = arguments.shard.unwrap_or(Shard::WHOLE);
    let missing = work::missing(&campaign, &dir, shard);
    let (count, quiet) = (missing.len() as u64, arguments.common.quiet);
    let bar = match &campaign.until {
        Some(_) => CountBar::at_most(count, "runs", quiet),
        None => CountBar::new(count, "runs", quiet),
    };
    let made = with_surroundings(&arguments.common, &bar, |around| match &campaign.until {
        Some(until) => work::make_until(&campaign, &dir, until, around),
        None => work::make(&campaign, &dir, &missing, around),
    });
    drop(bar);
    made.map_err(|trouble| failure(&campaign, dir.place(), trouble))?;
    match work::rows(&campaign, &dir) {
        Ok(points) => conclude(&campaign, &dir, &points, arguments.format),
        Err(missing) => {
            say_part(shard, missing.len(), dir.place(), arguments.format)?;
            let made: Vec<_> = work::all_runs(&campaign)
                .into_iter()
                .filter_map(|run| work::record(&campaign, &dir, run))
                .collect();
            idle_faults(&made, |run| campaign.command(run.0, run.1))
        }
    }
}

/// What the command line and the scenario ask for.
fn campaign(arguments: &Sweep) -> Result<Campaign, Failure> {
    let overrides = arguments.common.overrides();
    let scenario = &arguments.common.scenario;
    // A sweep may vary what is required, so that the scenario alone need not be whole.
    let written = || scenario::load(scenario, &overrides).map(|plan| plan.sweep);
    let (vary, zip, without) = if arguments.vary.is_empty() {
        let written = written()?;
        (written.vary, written.zip || arguments.zip, [written.without, arguments.without.clone()].concat())
    } else {
        (arguments.vary.clone(), arguments.zip, arguments.without.clone())
    };
    if vary.is_empty() {
        return Err(Failure::Usage(
            "nothing varies: give --vary KEY=A,B,C, or a [sweep] table in the scenario; for one point use `keystorm run`"
                .into(),
        ));
    }
    let grid = Grid::parse(&vary, zip, &without).map_err(Failure::Usage)?;
    let points = grid.points().map_err(Failure::Usage)?;
    let until = arguments.until.as_deref().map(parse_until).transpose().map_err(Failure::Usage)?;
    let base =
        arguments.base.as_deref().map(|base| grid.point_named(base)).transpose().map_err(Failure::Usage)?;
    let mut campaign = Campaign::load(scenario, &overrides, grid, points, 1)?;
    campaign.replications = arguments.replications.unwrap_or(campaign.points[0].plan.sweep.replications);
    campaign.until = until;
    campaign.base = base;
    Ok(campaign)
}

/// Reads `auth_ms_p99<=5%`.
fn parse_until(text: &str) -> Result<Until, String> {
    let wrong = || {
        format!(
            "`{text}` is no condition: write a column of summary.csv and a percentage, as in 'auth_ms_p99<=5%'"
        )
    };
    let (name, percent) = text.split_once("<=").ok_or_else(wrong)?;
    let percent: f64 =
        percent.trim().strip_suffix('%').and_then(|p| p.trim().parse().ok()).ok_or_else(wrong)?;
    if !(percent > 0.0 && percent <= 100.0) {
        return Err(format!("`{text}` asks for {percent} %: between 0 and 100 % makes sense"));
    }
    Ok(Until { measure: known(name.trim())?, relative: percent / 100.0 })
}

fn say_part(shard: Shard, missing: usize, place: &Path, format: Format) -> Result<(), Failure> {
    match format {
        Format::Text => print(&format!(
            "Part {} of {} is made; {missing} runs of other parts are missing. `keystorm merge` puts the parts together.\nKept in {}\n",
            shard.index,
            shard.count,
            place.display()
        )),
        Format::Json => print_json(&json!({
            "kind": "part of a sweep",
            "directory": place.to_string_lossy(),
            "part": shard.index,
            "parts": shard.count,
            "runs_missing": missing,
        })),
    }
}

fn conclude(
    campaign: &Campaign,
    dir: &CampaignDir,
    points: &[PointRows],
    format: Format,
) -> Result<(), Failure> {
    let axes = campaign.grid.keys();
    dir.write_tables(&axes, points, campaign.base)?;
    write_campaign_page(dir)?;
    let unsure: Vec<u32> = match &campaign.until {
        Some(until) => {
            let unsure = points.iter().filter(|point| until.stops_after(&point.runs).is_none());
            unsure.map(|point| point.point).collect()
        }
        None => Vec::new(),
    };
    match format {
        Format::Text => {
            let mut text = sweep_text(&axes, points);
            text.push_str(&not_reached(campaign, &unsure));
            text.push_str(&format!("Written to {}\n", dir.place().display()));
            print(&text)?;
        }
        Format::Json => print_json(&sweep_json(&axes, points, &unsure, dir.place()))?,
    }
    idle_faults(points.iter().flat_map(|point| &point.runs), |run| campaign.command(run.0, run.1))
}

/// Says which points are not as sure as was asked for, though they have all their replications.
fn not_reached(campaign: &Campaign, unsure: &[u32]) -> String {
    let Some(until) = campaign.until.as_ref().filter(|_| !unsure.is_empty()) else { return String::new() };
    let unsure: Vec<String> = unsure.iter().map(u32::to_string).collect();
    format!(
        "Not within {} % of {} after {} replications: point {}. Give more --replications.\n",
        (until.relative * 1e8).round() / 1e6,
        until.measure.name,
        campaign.replications,
        unsure.join(", ")
    )
}

/// Puts parts together: their manifests must be the same, and every run must be there.
pub(super) fn merge(arguments: &Merge) -> Result<(), Failure> {
    let parts = arguments
        .parts
        .iter()
        .map(|part| CampaignDir::existing(part, SWEEP))
        .collect::<Result<Vec<_>, _>>()?;
    let manifest = parts[0].manifest()?;
    for part in &parts[1..] {
        if let Some(what) = what_differs(&manifest, &part.manifest()?) {
            return Err(Failure::Usage(format!(
                "{} and {} are parts of different campaigns: {what}",
                parts[0].place().display(),
                part.place().display()
            )));
        }
    }
    let campaign = Shape::of(&manifest).ok_or_else(|| unreadable(parts[0].place()))?;
    let points = campaign.collect(&parts).map_err(|missing| missing_runs(&missing))?;
    let axes = campaign.keys();
    let dir = CampaignDir::open(&arguments.out, &manifest, what_differs)?;
    for run in points.iter().flat_map(|point| &point.runs) {
        dir.keep(run)?;
    }
    dir.write_tables(&axes, &points, campaign.base)?;
    write_campaign_page(&dir)?;
    match arguments.format {
        Format::Text => {
            let text = sweep_text(&axes, &points);
            print(&format!("{text}Written to {}\n", dir.place().display()))?;
        }
        Format::Json => print_json(&sweep_json(&axes, &points, &[], dir.place()))?,
    }
    // The scenario's file may be on another machine.
    let named = |(point, replication): RunNo| {
        let values = axes.iter().zip(&campaign.points[point as usize - 1]);
        let values: Vec<String> = values.map(|(key, value)| format!("{key}={value}")).collect();
        format!("point {point} ({}), replication {replication}", values.join(", "))
    };
    idle_faults(points.iter().flat_map(|point| &point.runs), named)
}

fn unreadable(place: &Path) -> Failure {
    Failure::Usage(format!("{} has a manifest that this version cannot read", place.display()))
}

fn missing_runs(missing: &[RunNo]) -> Failure {
    let (point, replication) = missing[0];
    Failure::Usage(format!(
        "{} runs are in none of the parts, the first of them point {point}, replication {replication}: make the missing parts \
         with `keystorm sweep --shard`",
        missing.len()
    ))
}

//! What decides a campaign, and the manifest that keeps it.

use std::path::{Path, PathBuf};

use keystorm_model::draw::Seed;
use keystorm_reports::campaign::Until;
use serde_json::{Map, Value, json};

use crate::issue::Order;
use crate::plan::Plan;
use crate::run::build;
use crate::scenario::{self, ScenarioError};
use keystorm_reports::shell::quoted;

use super::grid::Grid;

/// The layout of a campaign's directory; another one is not read.
const FORMAT: u32 = 2;

/// One point: what the axes say there, and what is run.
#[derive(Clone, Debug)]
pub struct Point {
    /// What each axis says, in the order of the axes.
    pub values: Vec<String>,
    /// The plan, with the campaign's first seed.
    pub plan: Plan,
}

/// All that decides a campaign.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// The scenario's file.
    pub scenario: PathBuf,
    /// Overrides that hold at every point.
    pub overrides: Vec<String>,
    /// What varies.
    pub grid: Grid,
    /// The points, in the order of the grid.
    pub points: Vec<Point>,
    /// Runs of each point; with `until`, at most.
    pub replications: u32,
    /// Whether a point may stop before.
    pub until: Option<Until>,
    /// The point that the others are held against, from 1.
    pub base: Option<u32>,
    /// Whether a plan looks for the last value, so that they are tried from the last one on.
    pub largest: bool,
    /// The bounds of a plan.
    pub bounds: Vec<String>,
}

impl Campaign {
    /// Reads the scenario once for each point of `grid`.
    ///
    /// # Errors
    /// Whatever is wrong with the scenario at the first point where something is.
    pub fn load(
        scenario: &Path,
        overrides: &[String],
        grid: Grid,
        points: Vec<Vec<String>>,
        replications: u32,
    ) -> Result<Campaign, ScenarioError> {
        let point = |values: Vec<String>| {
            let mut all = overrides.to_vec();
            all.extend(grid.axes.iter().zip(&values).map(|(axis, value)| format!("{}={value}", axis.key)));
            Ok(Point { plan: scenario::load(scenario, &all)?, values })
        };
        let points = points.into_iter().map(point).collect::<Result<_, ScenarioError>>()?;
        let (scenario, overrides) = (scenario.to_owned(), overrides.to_vec());
        Ok(Campaign {
            scenario,
            overrides,
            grid,
            points,
            replications,
            until: None,
            base: None,
            largest: false,
            bounds: Vec::new(),
        })
    }

    /// The scenario's name.
    pub fn name(&self) -> &str {
        &self.points[0].plan.name
    }

    /// The plan of a run; both count from 1.
    pub fn plan(&self, point: u32, replication: u32) -> Plan {
        Plan { seed: self.seed(replication), ..self.points[point as usize - 1].plan.clone() }
    }

    /// The seed of a replication, the same at every point.
    pub fn seed(&self, replication: u32) -> u64 {
        self.points[0].plan.seed.wrapping_add(u64::from(replication) - 1)
    }

    /// What the cards of a run are issued with.
    pub fn order(&self, point: u32, replication: u32) -> Order {
        let plan = &self.points[point as usize - 1].plan;
        Order { seed: Seed(self.seed(replication)), ..Order::of(plan) }
    }

    /// The command that makes one run by itself.
    pub fn command(&self, point: u32, replication: u32) -> String {
        let values = &self.points[point as usize - 1].values;
        let axes = self.grid.axes.iter().zip(values).map(|(axis, value)| format!("{}={value}", axis.key));
        let sets: String = self
            .overrides
            .iter()
            .cloned()
            .chain(axes)
            .map(|set| format!(" --set {}", quoted(&set)))
            .collect();
        let seed = self.seed(replication);
        let scenario = self.scenario.to_string_lossy();
        format!("keystorm run {}{sets} --seed {seed}", quoted(&scenario))
    }

    /// The immutable part of the directory's manifest: the same campaign has the same, whatever the machine. `kind` is
    /// the kind of directory.
    pub fn manifest(&self, kind: &str) -> Value {
        let axes: Vec<Value> =
            (self.grid.axes.iter()).map(|axis| json!({ "key": axis.key, "values": axis.values })).collect();
        let points: Vec<Value> = (self.points.iter())
            .map(|point| json!({ "values": point.values, "scenario_sha256": point.plan.scenario_sha256, "engine": point.plan.engine.name(), "crypto": point.plan.crypto.name() }))
            .collect();
        // Seed and engine are below, as they are after all overrides.
        let apart = |set: &&String| !set.starts_with("seed=") && !set.starts_with("engine=");
        let sets: Vec<&String> = self.overrides.iter().filter(apart).collect();
        let until = self.until.as_ref().map(Until::to_string);
        Value::Object(Map::from_iter([
            ("keystorm".into(), kind.into()),
            ("format".into(), FORMAT.into()),
            ("version".into(), build().into()),
            ("scenario".into(), self.name().into()),
            ("scenario_text".into(), self.points[0].plan.resolved.clone().into()),
            ("set".into(), json!(sets)),
            ("axes".into(), axes.into()),
            ("zip".into(), self.grid.zip.into()),
            ("without".into(), json!(self.grid.exclusions())),
            ("largest".into(), self.largest.into()),
            ("points".into(), points.into()),
            ("seed".into(), self.points[0].plan.seed.into()),
            ("replications".into(), self.replications.into()),
            ("until".into(), until.into()),
            ("base".into(), self.base.into()),
            ("bounds".into(), json!(self.bounds)),
        ]))
    }
}

/// What differs between the manifest that a directory has and the one that it would get; `None`: nothing.
pub fn what_differs(there: &Value, wanted: &Value) -> Option<String> {
    if there == wanted {
        return None;
    }
    let (Some(there), Some(wanted)) = (there.as_object(), wanted.as_object()) else {
        return Some("its manifest cannot be read".into());
    };
    let short = |value: Option<&Value>| match value {
        Some(value) if value.to_string().len() <= 60 => value.to_string(),
        Some(_) => "something else".into(),
        None => "nothing".into(),
    };
    let mut differ: Vec<&str> = wanted.keys().map(String::as_str).collect();
    differ.extend(there.keys().map(String::as_str).filter(|key| !wanted.contains_key(*key)));
    differ.retain(|key| there.get(*key) != wanted.get(*key));
    // The points differ with everything else: they are named only where nothing else explains them.
    if differ.len() > 1 {
        differ.retain(|key| *key != "points");
    }
    let said = differ.iter().map(|key| match *key {
        "scenario_text" => "the scenario has changed".to_owned(),
        "points" => "the points of the grid have changed".to_owned(),
        key => format!("{key} was {} and is {} now", short(there.get(key)), short(wanted.get(key))),
    });
    Some(said.collect::<Vec<_>>().join("; "))
}

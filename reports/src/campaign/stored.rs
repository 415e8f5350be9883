//! What a campaign's directory holds, read back without its scenario.

use serde_json::Value;

use super::dir::CampaignDir;
use super::record::RunRecord;
use super::tables::PointRows;
use super::until::Until;

/// What a manifest says of a campaign.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The scenario's name.
    pub scenario: String,
    /// Version of keystorm.
    pub version: String,
    /// Overrides that hold at every point.
    pub set: Vec<String>,
    /// The keys that vary, each with its values, in the order in which they are tried.
    pub axes: Vec<(String, Vec<String>)>,
    /// Whether all keys vary in lockstep.
    pub zip: bool,
    /// Points that agree with one of these are left out.
    pub without: Vec<String>,
    /// Whether a plan looks for the last value.
    pub largest: bool,
    /// What each axis says at each point.
    pub points: Vec<Vec<String>>,
    /// The engine of the first point.
    pub engine: String,
    /// The first seed.
    pub seed: u64,
    /// Runs of each point, or at most so many.
    pub replications: u32,
    /// The condition under which a point may stop before.
    pub until: Option<String>,
    /// The point that the others are held against, from 1.
    pub base: Option<u32>,
    /// The bounds of a plan, as they were asked for.
    pub bounds: Vec<String>,
    /// The resolved scenario of the first point.
    pub scenario_text: String,
}

impl Shape {
    /// Reads a manifest; `None`: this version cannot.
    pub fn of(manifest: &Value) -> Option<Shape> {
        let text = |value: &Value| Some(value.as_str()?.to_owned());
        let texts = |values: &Value| values.as_array()?.iter().map(text).collect::<Option<Vec<_>>>();
        let small = |value: &Value| u32::try_from(value.as_u64()?).ok();
        let axis = |axis: &Value| Some((text(&axis["key"])?, texts(&axis["values"])?));
        let points = manifest["points"].as_array()?;
        Some(Shape {
            scenario: text(&manifest["scenario"])?,
            version: text(&manifest["version"])?,
            set: texts(&manifest["set"])?,
            zip: manifest["zip"].as_bool()?,
            without: texts(&manifest["without"])?,
            largest: manifest["largest"].as_bool()?,
            axes: manifest["axes"].as_array()?.iter().map(axis).collect::<Option<_>>()?,
            points: points.iter().map(|point| texts(&point["values"])).collect::<Option<_>>()?,
            engine: text(&points.first()?["engine"])?,
            seed: manifest["seed"].as_u64()?,
            replications: small(&manifest["replications"])?,
            until: text(&manifest["until"]),
            base: small(&manifest["base"]),
            bounds: texts(&manifest["bounds"])?,
            scenario_text: text(&manifest["scenario_text"])?,
        })
    }

    /// The keys that vary.
    pub fn keys(&self) -> Vec<String> {
        self.axes.iter().map(|(key, _)| key.clone()).collect()
    }

    /// The runs of every point, from whichever of `parts` has them; a point that may stop early has its runs up to there.
    ///
    /// # Errors
    /// The runs that none has, as point and replication.
    pub fn collect(&self, parts: &[CampaignDir]) -> Result<Vec<PointRows>, Vec<(u32, u32)>> {
        let until = self.until.as_deref().and_then(Until::read);
        let made = |point, replication| parts.iter().find_map(|part| part.run(point, replication));
        collect(self.points.iter().cloned(), self.replications, until.as_ref(), made)
    }

    /// Whatever runs there are, and the points that have any: a plan looks at few of its points.
    pub fn collect_made(&self, dir: &CampaignDir) -> Vec<PointRows> {
        let runs = |point| (1..=self.replications).map_while(move |replication| dir.run(point, replication));
        let all = (1u32..).zip(&self.points).map(|(point, values)| PointRows {
            point,
            values: values.clone(),
            runs: runs(point).collect(),
        });
        all.filter(|point| !point.runs.is_empty()).collect()
    }
}

/// The runs of every point, whose varied values are `points`, as far as they have been `made`: so many replications of each, or as many as it
/// took until it was sure.
///
/// # Errors
/// The runs that have not been made, as point and replication.
pub fn collect(
    points: impl Iterator<Item = Vec<String>>,
    replications: u32,
    until: Option<&Until>,
    made: impl Fn(u32, u32) -> Option<RunRecord>,
) -> Result<Vec<PointRows>, Vec<(u32, u32)>> {
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    for (point, values) in (1u32..).zip(points) {
        let mut runs: Vec<_> = (1..=replications).map_while(|replication| made(point, replication)).collect();
        let enough = until.and_then(|until| until.stops_after(&runs)).unwrap_or(replications);
        runs.truncate(enough as usize);
        let later =
            (runs.len() as u32 + 1..=enough).filter(|&replication| made(point, replication).is_none());
        missing.extend(later.map(|replication| (point, replication)));
        rows.push(PointRows { point, values, runs });
    }
    if missing.is_empty() { Ok(rows) } else { Err(missing) }
}

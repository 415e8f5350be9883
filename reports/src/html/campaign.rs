//! The page of a campaign: a sweep or a plan.

use askama::Template;

use super::campaign_plots::Curves;
use super::parts::{Figure, Table, Tile};
use super::run::file_name;
use super::stored::Rows;
use crate::campaign::tables::axis_column;
use crate::campaign::text::modelled;
use crate::campaign::{
    CampaignDir, DISTRIBUTIONS, Measure, PointRows, Shape, comparison_table, differences, differences_table,
    measures, sweep_table,
};
use crate::dir::DirError;
use crate::manifest::{MANIFEST_FILE, PLAN_KIND, kind_of};
use crate::number::{counted, grouped};
use crate::shell::quoted;
use crate::statistics::{CONFIDENCE, Interval, clopper_pearson};

/// The figures that are plotted and listed.
const SHOWN: [(&str, &str); 8] = [
    ("auth_ms_p99", "Authentication: 99th percentile from arrival"),
    ("session_ms_p99", "Session: 99th percentile from arrival"),
    ("server_wait_ms_p99", "Wait at the server: 99th percentile"),
    ("server_cpu_utilization", "Server utilisation"),
    ("updates_committed", "Renewals committed"),
    ("updates_interrupted", "Renewals interrupted"),
    ("cards_stranded", "Cards stranded"),
    ("line_bytes", "Bytes handed to the lines"),
];

/// Where the counts begin among them.
const COUNTS_FROM: usize = 4;

/// A campaign as its directory holds it.
#[derive(Clone, Debug)]
pub struct StoredCampaign {
    /// What the manifest says.
    pub shape: Shape,
    /// The points that have runs.
    pub points: Vec<PointRows>,
    /// `plan.csv`, where it is a plan.
    pub plan: Option<Rows>,
}

impl StoredCampaign {
    /// Reads the directory of a sweep or a plan.
    ///
    /// # Errors
    /// If it is none, is not finished, or a file of it is damaged.
    pub fn read(dir: &CampaignDir) -> Result<StoredCampaign, DirError> {
        let damaged = |what: String| DirError::damaged(&dir.place().join(MANIFEST_FILE), what);
        let shape = Shape::of(&dir.manifest()?)
            .ok_or_else(|| damaged("this version of keystorm cannot read it".into()))?;
        if kind_of(dir.place()).as_deref() == Some(PLAN_KIND) {
            let table = dir.place().join("plan.csv");
            if !table.exists() {
                let missing = "it has no answer yet".to_owned();
                return Err(DirError::Unfinished { path: dir.place().to_owned(), missing });
            }
            let plan = Rows::read(&table)?;
            return Ok(StoredCampaign { points: shape.collect_made(dir), shape, plan: Some(plan) });
        }
        let points = shape.collect(std::slice::from_ref(dir)).map_err(|missing| DirError::Unfinished {
            path: dir.place().to_owned(),
            missing: format!("{} runs are missing", missing.len()),
        })?;
        Ok(StoredCampaign { shape, points, plan: None })
    }

    fn command(&self) -> String {
        let shape = &self.shape;
        let kind = if self.plan.is_some() { "plan" } else { "sweep" };
        let mut words = vec![format!(
            "keystorm {kind} {} --engine {} --seed {}",
            file_name(&shape.scenario),
            shape.engine,
            shape.seed
        )];
        words.extend(shape.set.iter().map(|set| format!("--set {}", quoted(set))));
        words.extend(shape.axes.iter().map(|(key, values)| {
            // A plan for the last value keeps them as it tries them.
            let mut values: Vec<&str> = values.iter().map(String::as_str).collect();
            if shape.largest {
                values.reverse();
            }
            format!("--vary {}", quoted(&format!("{key}={}", values.join(","))))
        }));
        words.extend(shape.without.iter().map(|without| format!("--without {}", quoted(without))));
        if self.plan.is_none() {
            let said = |condition: bool, words: &str| condition.then(|| words.to_owned());
            words.extend(said(shape.zip, "--zip"));
            words.extend(shape.until.as_deref().and_then(until_option));
            words.extend(shape.base.map(|base| {
                let values = shape.keys().into_iter().zip(&shape.points[base as usize - 1]);
                let base: Vec<String> = values.map(|(key, value)| format!("{key}={value}")).collect();
                format!("--base {}", quoted(&base.join(",")))
            }));
        }
        words.extend(shape.bounds.iter().map(|bound| format!("--slo '{bound}'")));
        words.extend(shape.largest.then(|| "--largest".to_owned()));
        words.push(format!("--replications {}", shape.replications));
        words.join(" \\\n  ")
    }

    fn tiles(&self) -> Vec<Tile> {
        let runs: usize = self.points.iter().map(|point| point.runs.len()).sum();
        let total = |column: &str| self.points.iter().map(|point| point.total(column)).sum::<u64>();
        let (stranded, cards) = (total("cards_stranded"), total("cards"));
        let below = clopper_pearson(stranded, cards, CONFIDENCE)
            .map_or(String::new(), |Interval { high, .. }| {
                format!("; the share is below {high:.1e} with 95 % confidence")
            });
        let mut tiles = Vec::new();
        if let Some(plan) = &self.plan {
            let key = &self.shape.axes[0].0;
            let kept = plan.column("keeps_all").position(|kept| kept == "yes");
            tiles.push(match kept {
                Some(row) => Tile {
                    name: "Answer",
                    figure: plan.rows[row][0].clone(),
                    more: format!(
                        "the {} value of {key} that keeps every bound",
                        if self.shape.largest { "last" } else { "first" }
                    ),
                },
                None => Tile {
                    name: "Answer",
                    figure: "none".into(),
                    more: format!("no value of {key} that was tried is shown to keep every bound"),
                },
            });
        }
        tiles.push(Tile {
            name: "Points",
            figure: self.points.len().to_string(),
            more: format!("of {}", self.shape.points.len()),
        });
        tiles.push(Tile {
            name: "Runs",
            figure: grouped(runs as u64),
            more: format!("at most {} of a point, each with a seed of its own", self.shape.replications),
        });
        tiles.push(Tile {
            name: "Cards stranded, all runs",
            figure: grouped(stranded),
            more: format!("of {}{below}", grouped(cards)),
        });
        tiles
    }

    /// `plan.csv`; the bounds are in its title.
    fn plan_table(&self, plan: &Rows) -> Table {
        let bounds: Vec<String> =
            self.shape.bounds.iter().zip(1..).map(|(bound, n)| format!("slo{n}: {bound}")).collect();
        let is_bound =
            |name: &str| name.strip_prefix("slo").is_some_and(|number| number.parse::<u32>().is_ok());
        let shown: Vec<&str> =
            plan.header.iter().map(String::as_str).filter(|name| !is_bound(name)).collect();
        Table::of(format!("Values that were tried; {}", bounds.join(", ")), plan, &shown)
    }

    /// `sweep.csv`, the figures that are shown: some in each table, so that paper is wide enough for it.
    fn points_tables(&self, shown: &[(Measure, &str)]) -> Vec<Table> {
        let rows = Rows::of(&sweep_table(&self.shape.keys()), &self.points);
        let (latency_and_load, counts) = shown.split_at(COUNTS_FROM);
        vec![
            self.points_table("latency and load", &rows, latency_and_load),
            self.points_table("counts, means over the runs", &rows, counts),
        ]
    }

    fn points_table(&self, what: &str, rows: &Rows, shown: &[(Measure, &str)]) -> Table {
        let keys = self.shape.keys();
        let figures = shown.iter().flat_map(|(measure, _)| {
            let name = &measure.name;
            let ends = [format!("{name}_ci95_low"), format!("{name}_ci95_high")];
            [name.clone(), format!("{name}_mean")].into_iter().chain(ends)
        });
        let first = ["point".to_owned()].into_iter().chain(keys.iter().map(|key| axis_column(key)));
        let wanted: Vec<String> = first.chain(["replications".to_owned()]).chain(figures).collect();
        let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
        Table::of(format!("Points, with 95 % intervals: {what}"), rows, &wanted)
    }

    /// `comparison.csv`; a plan varies one key only, and has its own table.
    fn comparison_table(&self) -> Option<Table> {
        let rows = Rows::of(&comparison_table(&self.shape.keys()), &self.points);
        // Their ends would make it twice as wide.
        let figures: Vec<&str> =
            rows.header.iter().map(String::as_str).filter(|name| !name.contains("_ci95_")).collect();
        self.plan.is_none().then(|| Table::of("What the points cost", &rows, &figures))
    }

    fn differences_table(&self, shown: &[(Measure, &str)]) -> Option<Table> {
        let base = self.points.iter().find(|point| Some(point.point) == self.shape.base)?;
        let mut rows = Rows::of(&differences_table(&self.shape.keys()), &differences(&self.points, base));
        let place = rows.header.iter().position(|name| name == "measure")?;
        rows.rows.retain(|row| shown.iter().any(|(measure, _)| measure.name == row[place]));
        Some(Table::of("Differences from the base, run by run with the same seed", &rows, &[]))
    }
}

#[derive(Template)]
#[template(path = "campaign.html")]
struct Page<'c> {
    title: &'c str,
    kind: &'static str,
    facts: String,
    version: &'c str,
    tiles: Vec<Tile>,
    plan: Option<Table>,
    curves: Vec<Figure>,
    curves_note: String,
    percentiles: Vec<Figure>,
    percentiles_note: String,
    comparison: Option<Table>,
    points: Vec<Table>,
    differences: Option<Table>,
    command: String,
    scenario_text: &'c str,
}

/// The page of a campaign, HTML. Equal files give equal bytes.
pub fn campaign_page(campaign: &StoredCampaign) -> String {
    let keys = campaign.shape.keys();
    let curves = Curves::new(&keys, &campaign.points, campaign.shape.zip);
    let all = measures();
    let shown: Vec<(Measure, &str)> = SHOWN
        .iter()
        .map(|(name, title)| {
            (all.iter().find(|measure| measure.name == *name).expect("a column").clone(), *title)
        })
        .collect();
    // A figure that is 0 everywhere is said by the table.
    let plots = shown.iter().map(|(measure, title)| curves.of(measure, title));
    let seen = plots.filter(|plot| plot.series.iter().any(|series| series.highest() > 0.0));
    let (lines, drawn) = curves.lines();
    let few = campaign.points.len();
    let page = Page {
        title: &campaign.shape.scenario,
        kind: if campaign.plan.is_some() { "plan" } else { "sweep" },
        facts: facts(campaign),
        version: &campaign.shape.version,
        tiles: campaign.tiles(),
        plan: campaign.plan.as_ref().map(|plan| campaign.plan_table(plan)),
        curves: seen.filter_map(|plot| Figure::of(&plot, "")).collect(),
        curves_note: first_of(drawn, lines, "lines"),
        percentiles: [("auth", "Authentication by percentile"), ("session", "Session by percentile")]
            .iter()
            .filter_map(|(name, title)| {
                let which = DISTRIBUTIONS.iter().position(|known| known == name)?;
                Figure::of(&curves.percentiles(which, &format!("percentiles-{name}"), title), "")
            })
            .collect(),
        percentiles_note: first_of(few.min(super::plot::INKS), few, "points"),
        comparison: campaign.comparison_table(),
        points: campaign.points_tables(&shown),
        differences: campaign.differences_table(&shown),
        command: campaign.command(),
        scenario_text: &campaign.shape.scenario_text,
    };
    page.render().expect("a string takes everything")
}

fn facts(campaign: &StoredCampaign) -> String {
    let shape = &campaign.shape;
    let axes: Vec<String> =
        shape.axes.iter().map(|(key, values)| format!("{key} = {}", values.join(", "))).collect();
    let until = shape.until.as_ref().map_or(String::new(), |until| format!(", until {until}"));
    format!(
        "{}; at most {} of each point{until}, from seed {} on; engine {}. {}",
        axes.join("; "),
        counted(shape.replications.into(), "run"),
        shape.seed,
        shape.engine,
        modelled(campaign.points.iter().map(PointRows::crypto)).trim_end(),
    )
    .trim_end()
    .to_owned()
}

/// `auth_ms_p99<=0.05` of a manifest as the option that asks for it.
fn until_option(until: &str) -> Option<String> {
    let (measure, share) = until.split_once("<=")?;
    let percent = (share.parse::<f64>().ok()? * 1e8).round() / 1e6;
    Some(format!("--until '{measure}<={percent}%'"))
}

fn first_of(shown: usize, all: usize, what: &str) -> String {
    if shown == all { String::new() } else { format!("The first {shown} of {all} {what} are drawn.") }
}

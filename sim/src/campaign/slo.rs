//! Bounds that figures must keep: `auth_ms_p99<=12000`.

use core::fmt;

use keystorm_reports::campaign::{Aim, Measure, PointRows, measures};
use keystorm_reports::statistics::Interval;

/// How a figure is held against its bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Relation {
    /// At most.
    AtMost,
    /// Less than.
    Below,
    /// At least.
    AtLeast,
    /// More than.
    Above,
    /// Exactly.
    Equal,
}

impl Relation {
    /// Each with its sign; a longer sign before its own beginning.
    const ALL: [(&'static str, Relation); 5] = [
        ("<=", Relation::AtMost),
        (">=", Relation::AtLeast),
        ("==", Relation::Equal),
        ("<", Relation::Below),
        (">", Relation::Above),
    ];

    fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(_, relation)| *relation == self).map_or("", |(sign, _)| sign)
    }

    fn holds(self, figure: f64, bound: f64) -> bool {
        match self {
            Relation::AtMost => figure <= bound,
            Relation::Below => figure < bound,
            Relation::AtLeast => figure >= bound,
            Relation::Above => figure > bound,
            Relation::Equal => figure == bound,
        }
    }
}

/// A bound for a figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Slo {
    /// The figure: a column of summary.csv.
    pub measure: Measure,
    /// How it is held against the bound.
    pub relation: Relation,
    /// The bound, in the column's unit.
    pub bound: f64,
}

impl Slo {
    /// Reads `auth_ms_p99<=12000`.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub fn parse(text: &str) -> Result<Slo, String> {
        let parts =
            Relation::ALL.into_iter().find_map(|(sign, relation)| Some((text.split_once(sign)?, relation)));
        let Some(((name, bound), relation)) = parts else {
            return Err(
                "write a column of summary.csv and a bound, as in auth_ms_p99<=12000 (<= < >= > ==)".into()
            );
        };
        let bound: f64 =
            bound.trim().parse().ok().filter(|bound: &f64| bound.is_finite()).ok_or_else(|| {
                format!(
                    "`{}` is no number; the bound has the unit of the column, without a sign for it",
                    bound.trim()
                )
            })?;
        Ok(Slo { measure: known(name.trim())?, relation, bound })
    }

    /// Whether a figure keeps the bound.
    pub fn holds(&self, figure: f64) -> bool {
        self.relation.holds(figure, self.bound)
    }

    /// Judges a point by all its runs, with intervals of this confidence.
    pub fn judge(&self, point: &PointRows, confidence: f64) -> Judgement {
        let estimate = point.estimate(&self.measure);
        let interval = point.interval(&self.measure, confidence);
        // Counts that are 0 in most runs have hardly any spread: the interval of the share knows better. The wider one holds.
        let share = point.share(&self.measure, confidence);
        let interval = match (interval, share) {
            (Some(Interval { low, high }), Some(share)) => {
                let per_run = |share: f64| share * self.trials_per_run(point);
                Some(Interval { low: low.min(per_run(share.low)), high: high.max(per_run(share.high)) })
            }
            (interval, _) => interval,
        };
        let verdict = match estimate {
            None => Verdict::NoFigure,
            Some(_) if self.asks_every_run() => self.in_every_run(point),
            Some(_) => self.by_interval(interval),
        };
        let figure = estimate.map(|estimate| estimate.figure);
        Judgement { figure, interval, share, verdict }
    }

    fn trials_per_run(&self, point: &PointRows) -> f64 {
        let trials = self.measure.trials.map_or(0, |trials| point.total(trials));
        trials as f64 / point.runs.len() as f64
    }

    /// A figure that must be so exactly (no figure is below 0, so that at most 0 is 0) must be so in every run; of a
    /// maximum nothing says how far another run would go.
    fn asks_every_run(&self) -> bool {
        let exact =
            self.relation == Relation::Equal || self.relation == Relation::AtMost && self.bound == 0.0;
        exact || matches!(self.measure.aim, Aim::Pooled(_, figure) if figure.quantile().is_none())
    }

    fn in_every_run(&self, point: &PointRows) -> Verdict {
        let figures = || point.runs.iter().map(|run| run.number(&self.measure.name));
        if figures().all(|figure| figure.is_some_and(|figure| self.holds(figure))) {
            Verdict::Met
        } else {
            Verdict::Missed
        }
    }

    /// The whole interval on one side of the bound decides; without an interval, or across the bound, nothing does.
    fn by_interval(&self, interval: Option<Interval>) -> Verdict {
        match interval {
            Some(Interval { low, high }) if self.holds(low) && self.holds(high) => Verdict::Met,
            Some(Interval { low, high }) if !self.holds(low) && !self.holds(high) => Verdict::Missed,
            _ => Verdict::Undecided,
        }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.measure.name, self.relation.sign(), self.bound)
    }
}

/// The measure of this name.
///
/// # Errors
/// If there is none: the nearest one, or where they are listed.
pub fn known(name: &str) -> Result<Measure, String> {
    let all = measures();
    if let Some(measure) = all.iter().find(|measure| measure.name == name) {
        return Ok(measure.clone());
    }
    let nearest = all.iter().max_by(|one, other| {
        let likeness = |measure: &Measure| strsim::jaro_winkler(&measure.name, name);
        likeness(one).total_cmp(&likeness(other))
    });
    let nearest = nearest.map_or("", |measure| measure.name.as_str());
    Err(format!(
        "there is no figure `{name}`; did you mean `{nearest}`? docs/reports.md lists the columns of summary.csv"
    ))
}

/// What the runs of a point say about a bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Kept, with the confidence of the interval.
    Met,
    /// Not kept, with the same confidence.
    Missed,
    /// The interval holds the bound, or there are too few runs for one.
    Undecided,
    /// No run has such a figure.
    NoFigure,
}

impl Verdict {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Met => "met",
            Verdict::Missed => "missed",
            Verdict::Undecided => "undecided",
            Verdict::NoFigure => "no figure",
        }
    }
}

/// How a point stands against a bound.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Judgement {
    /// The figure over all runs.
    pub figure: Option<f64>,
    /// Its interval; a maximum has none.
    pub interval: Option<Interval>,
    /// Where the figure counts events: the interval of their share.
    pub share: Option<Interval>,
    /// What that says.
    pub verdict: Verdict,
}

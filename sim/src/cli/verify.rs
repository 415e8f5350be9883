//! `keystorm verify`: the same run several times must give the same results to the last bit.

use std::fmt::Write as _;
use std::process::Command;

use keystorm_model::Span;
use keystorm_reports::summary_json;

use crate::check::Violation;
use crate::plan::Plan;
use crate::replicate::replicate;
use crate::run::{Finished, simulate_with};
use crate::scenario;

use super::args::{Common, Verify};
use super::progress::{Bar, catch_interrupts, interrupted};
use super::{Failure, pairs, print};

/// What two runs are compared by.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Trace {
    digest: u128,
    intervals: Vec<u128>,
    summary: String,
    width: Span,
}

impl Trace {
    fn of(finished: &Finished) -> Self {
        Trace {
            digest: finished.results.trace_digest,
            intervals: finished.interval_digests.clone(),
            summary: summary_json(&finished.results).to_string(),
            width: Span::from_ns(finished.results.bucket_ns),
        }
    }

    /// One line each: digest, width of an interval in nanoseconds, digests of the intervals, summary.
    fn to_text(&self) -> String {
        let mut text = format!("{:032x}\n{}\n", self.digest, self.width.as_ns());
        for interval in &self.intervals {
            let _ = write!(text, "{interval:032x} ");
        }
        let _ = write!(text, "\n{}\n", self.summary);
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let number = |text: &str| u128::from_str_radix(text, 16).ok();
        let digest = number(lines.next()?)?;
        let width = Span::from_ns(lines.next()?.parse().ok()?);
        let intervals = lines.next()?.split_whitespace().map(number).collect::<Option<_>>()?;
        Some(Trace { digest, intervals, width, summary: lines.next()?.to_owned() })
    }

    /// The first interval in which two runs part, as text; `None` if they are equal.
    fn parts_from(&self, other: &Trace) -> Option<String> {
        if self == other {
            return None;
        }
        let differ = self.intervals.iter().zip(&other.intervals).position(|(left, right)| left != right);
        Some(match differ {
            Some(first) => format!(
                "they part between {} and {} of simulated time",
                self.width * first as u64,
                self.width * (first as u64 + 1)
            ),
            None => "their messages and commands are the same, their summaries are not".to_owned(),
        })
    }
}

pub(super) fn verify(arguments: &Verify) -> Result<(), Failure> {
    let common = &arguments.common;
    let plan = scenario::load(&common.scenario, &common.overrides())?;
    catch_interrupts()?;
    let ([first, second], violation) = traces(&plan, common)?;
    let third = trace_elsewhere(common)?;
    for (other, where_) in [(&second, "in the same process"), (&third, "in another process")] {
        if let Some(difference) = first.parts_from(other) {
            return Err(Failure::NotDeterministic(format!(
                "two runs {where_} differ: {difference}\n  {:032x}\n  {:032x}",
                first.digest, other.digest
            )));
        }
    }
    if let Some(violation) = violation {
        return Err(Failure::Violated(format!(
            "INVARIANT VIOLATED in runs that are otherwise equal: {violation}\n`keystorm run` shows all of them."
        )));
    }
    print(&format!(
        "Equal: three runs of {} with seed {} on engine {}\n  {:032x}  first run\n  {:032x}  again in the same \
         process{}\n  {:032x}  in another process\n",
        plan.name,
        plan.seed,
        plan.engine.name(),
        first.digest,
        second.digest,
        if common.jobs() > 1 { ", side by side" } else { "" },
        third.digest,
    ))
}

/// The other process's part: runs once and prints the trace.
pub(super) fn trace(common: &Common) -> Result<(), Failure> {
    let plan = scenario::load(&common.scenario, &common.overrides())?;
    print(&trace_of(plan, true)?.to_text())
}

/// Runs `plan` twice in this process, side by side if there is more than one job. Tells the first rule that did not hold.
fn traces(plan: &Plan, common: &Common) -> Result<([Trace; 2], Option<Violation>), Failure> {
    let issued = pairs::of(plan, common.quiet)?;
    let bar = Bar::new(plan.horizon, common.quiet);
    let side_by_side = common.jobs() > 1;
    let watch = |run, progress| if run == 0 || !side_by_side { bar.show(progress) } else { !interrupted() };
    let keep = |finished: Finished| (Trace::of(&finished), finished.violations.into_iter().next());
    let pairs = |_: &Plan| Ok(issued.clone());
    let runs = replicate(plan, &[plan.seed; 2], common.jobs(), pairs, watch, keep);
    let runs = runs.into_iter().collect::<Result<Vec<_>, _>>()?;
    let (traces, violations): (Vec<_>, Vec<_>) = runs.into_iter().unzip();
    let violation = violations.into_iter().flatten().next();
    Ok((traces.try_into().expect("two runs were asked for"), violation))
}

fn trace_of(plan: Plan, quiet: bool) -> Result<Trace, Failure> {
    let pairs = pairs::of(&plan, quiet)?;
    let bar = Bar::new(plan.horizon, quiet);
    let finished = simulate_with(plan, pairs, &mut |progress| bar.show(progress))?;
    Ok(Trace::of(&finished))
}

fn trace_elsewhere(common: &Common) -> Result<Trace, Failure> {
    let failed = |what: String| Failure::Internal(format!("the run in another process failed: {what}"));
    let program = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
    let mut command = Command::new(program);
    command.arg("trace").arg(&common.scenario);
    for set in common.overrides() {
        command.arg("--set").arg(set);
    }
    let output = command.output().map_err(|error| failed(error.to_string()))?;
    if interrupted() {
        return Err(Failure::Interrupted("Interrupted.".into()));
    }
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Trace::from_text(&text).ok_or_else(|| failed("it printed no trace".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        Trace {
            digest: 7,
            intervals: vec![1, 2, 4],
            summary: r#"{"cards":1}"#.into(),
            width: Span::from_secs(30),
        }
    }

    #[test]
    fn a_trace_survives_the_pipe() {
        assert_eq!(Trace::from_text(&trace().to_text()), Some(trace()));
        assert_eq!(Trace::from_text("nonsense"), None);
    }

    #[test]
    fn the_first_interval_that_differs_is_named() {
        assert_eq!(trace().parts_from(&trace()), None);
        let other = Trace { digest: 8, intervals: vec![1, 3, 4], ..trace() };
        assert_eq!(
            trace().parts_from(&other).as_deref(),
            Some("they part between 30s and 1min of simulated time")
        );
        let other = Trace { summary: "{}".into(), ..trace() };
        assert!(trace().parts_from(&other).unwrap().contains("summaries"));
    }
}

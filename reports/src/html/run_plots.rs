//! The plots of a run.

use super::axis::{Axis, percentile};
use super::plot::{Ink, Plot, Series};
use super::stored::{Percentiles, StoredRun};
use crate::latency::Measure;
use crate::results::Phase;

/// From so many milliseconds on an axis is in seconds.
const IN_SECONDS_MS: f64 = 5_000.0;

/// The intervals of the timeline: beginning and end, seconds.
fn intervals(run: &StoredRun) -> Vec<(f64, f64)> {
    let starts = run.timeline.numbers("start_s");
    let ends = run.timeline.numbers("end_s");
    starts.zip(ends).filter_map(|(start, end)| Some((start?, end?))).collect()
}

fn end_s(run: &StoredRun) -> f64 {
    intervals(run).last().map_or(0.0, |&(_, end)| end)
}

/// A column as steps, one per interval.
fn steps(run: &StoredRun, name: &str, ink: Ink, value: impl Fn(usize) -> f64) -> Series {
    let step = |(at, (start, end)): (usize, (f64, f64))| [(start, value(at)), (end, value(at))].into_iter();
    let points: Vec<_> = intervals(run).into_iter().enumerate().flat_map(step).collect();
    // Where two steps are at the same height, the points between them say nothing.
    let mut needed: Vec<(f64, f64)> = Vec::with_capacity(points.len());
    for point in points {
        match needed[..] {
            [.., before, last] if before.1 == last.1 && last.1 == point.1 => {
                *needed.last_mut().expect("there are two") = point
            }
            _ => needed.push(point),
        }
    }
    Series::line(name, ink, needed)
}

fn stepped(run: &StoredRun, name: &str, ink: Ink, columns: &[&str]) -> Series {
    let sum = sums(run, columns);
    steps(run, name, ink, |at| sum[at])
}

/// The sum of some columns in each interval.
fn sums(run: &StoredRun, columns: &[&str]) -> Vec<f64> {
    let mut sums = vec![0.0; run.timeline.rows.len()];
    for column in columns {
        for (sum, value) in sums.iter_mut().zip(run.timeline.numbers(column)) {
            *sum += value.unwrap_or(0.0);
        }
    }
    sums
}

fn over_time(run: &StoredRun, id: &str, title: &str, unit: String, series: Vec<Series>) -> Plot {
    let highest = series.iter().map(Series::highest).fold(0.0, f64::max);
    let y = Axis::linear(unit, highest);
    Plot { id: id.into(), title: title.into(), x: Axis::time(end_s(run)), y, series }
}

/// How long an interval is, for people.
fn width(run: &StoredRun) -> String {
    let width = intervals(run).first().map_or(0.0, |(start, end)| end - start);
    crate::number::whole_time((width * 1e9) as u64)
}

/// Arrivals and ends of sessions.
pub(super) fn load(run: &StoredRun) -> Plot {
    let series = vec![
        stepped(run, "card holders arrived", Ink::full(1), &["arrivals"]),
        stepped(run, "sessions completed", Ink::dashed(3), &["completed"]),
        stepped(
            run,
            "sessions failed",
            Ink::full(2),
            &["failed_ng", "failed_give_up", "failed_pulled", "failed_other"],
        ),
    ];
    over_time(run, "load", "Load", format!("sessions in {}", width(run)), series)
}

/// Sessions in flight and the server's queue.
pub(super) fn queue(run: &StoredRun) -> Plot {
    let series = vec![
        stepped(run, "sessions in flight", Ink::full(4), &["in_flight"]),
        stepped(run, "longest queue at the server, datagrams", Ink::full(2), &["server_queue_max"]),
    ];
    over_time(run, "queue", "In flight, and waiting", "sessions; datagrams".into(), series)
}

/// The server's utilisation.
pub(super) fn utilisation(run: &StoredRun) -> Plot {
    let busy: Vec<f64> = sums(run, &["server_utilization"]).iter().map(|share| share * 100.0).collect();
    let series = vec![steps(run, "server CPUs busy", Ink::full(1), |at| busy[at])];
    over_time(run, "utilisation", "Server utilisation", "busy, %".into(), series)
}

/// What the line carried.
pub(super) fn line(run: &StoredRun) -> Plot {
    let series = vec![stepped(run, "datagrams sent again", Ink::full(2), &["retransmissions"])];
    over_time(run, "line", "Retransmissions", format!("datagrams in {}", width(run)), series)
}

/// Renewals of the fleet, added up.
pub(super) fn renewals(run: &StoredRun) -> Plot {
    let added = |name: &str, ink, column: &str| {
        let mut sum = 0.0;
        let mut points = vec![(0.0, 0.0)];
        for ((_, end), value) in intervals(run).into_iter().zip(run.timeline.numbers(column)) {
            sum += value.unwrap_or(0.0);
            points.push((end, sum));
        }
        Series::line(name, ink, points)
    };
    let series = vec![
        added("renewals committed", Ink::full(3), "updates_committed"),
        added("renewals interrupted", Ink::full(2), "updates_interrupted"),
    ];
    let mut plot = over_time(run, "renewals", "Renewal progress", "renewals so far".into(), series);
    if run.count("updates_started") == 0 {
        plot.series.clear();
    }
    plot
}

/// Session latency, interval by interval.
pub(super) fn latency_over_time(run: &StoredRun) -> Plot {
    let highest = run.timeline.numbers("session_ms_p99").flatten().fold(0.0, f64::max);
    let (unit, scale) = unit(highest);
    let line = |name: &str, ink, column: &str| {
        // Where no session ended there is no latency: the line has a gap.
        let mut pieces = vec![Vec::new()];
        for ((start, end), value) in intervals(run).into_iter().zip(run.timeline.numbers(column)) {
            match (value, pieces.last_mut()) {
                (Some(ms), Some(piece)) => piece.push(((start + end) / 2.0, ms / scale)),
                _ => pieces.push(Vec::new()),
            }
        }
        Series { pieces, ..Series::line(name, ink, Vec::new()) }
    };
    let series = vec![
        line("99th percentile", Ink::full(4), "session_ms_p99"),
        line("median", Ink::dashed(4), "session_ms_p50"),
    ];
    over_time(run, "latency-time", "Session latency over time", format!("from arrival, {unit}"), series)
}

/// The latency distributions, by the logarithm of the distance to 100 %.
pub(super) fn percentiles(run: &StoredRun) -> Plot {
    let there = || run.percentiles.iter().filter(|of| !of.points.is_empty());
    // An update has no waiting in it: both measures are the same.
    let shown = || there().filter(|of| of.phase != Phase::Update || of.measure == Measure::Intended);
    let all = || shown().flat_map(|of| &of.points);
    let highest = all().map(|&(_, ms)| ms).fold(0.0, f64::max);
    let deepest = all().map(|&(quantile, _)| percentile(quantile)).fold(0.0, f64::max);
    let (unit, scale) = unit(highest);
    let series = shown().map(|of| {
        let points = of.points.iter().map(|&(quantile, ms)| (percentile(quantile), ms / scale));
        Series::line(name(of), ink(of), points.collect())
    });
    Plot {
        id: "percentiles".into(),
        title: "Latency by percentile".into(),
        x: Axis::percentiles(deepest),
        y: Axis::linear(format!("latency, {unit}"), highest / scale),
        series: series.collect(),
    }
}

fn name(of: &Percentiles) -> String {
    match of.phase {
        Phase::Update => of.phase.name().to_owned(),
        phase => format!("{}, {}", phase.name(), of.measure.name()),
    }
}

fn ink(of: &Percentiles) -> Ink {
    let number = match of.phase {
        Phase::Auth => 1,
        Phase::Update => 3,
        Phase::Session => 4,
    };
    match of.measure {
        Measure::Intended => Ink::full(number),
        Measure::Service => Ink::dashed(number),
    }
}

/// The unit of an axis that goes up to so many milliseconds, and its length in milliseconds.
pub(super) fn unit(highest_ms: f64) -> (&'static str, f64) {
    if highest_ms >= IN_SECONDS_MS { ("s", 1_000.0) } else { ("ms", 1.0) }
}

//! Measuring: time on the CPU, and criterion over ratios.
//!
//! Two programs that run in turns on one machine meet the same noise, so that their ratio is steadier than either time.
//! Where Linux tells how long this thread has been on a CPU, that is the time: other processes do not count.

use std::time::{Duration, Instant};

use criterion::measurement::{Measurement, ValueFormatter};
use criterion::{Criterion, Throughput};

/// What `work` returns, and how long it took this thread.
#[expect(clippy::disallowed_methods, reason = "a bench measures the wall clock")]
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let (wall, cpu) = (Instant::now(), on_cpu());
    let done = work();
    let time = match (cpu, on_cpu()) {
        (Some(from), Some(until)) => until - from,
        _ => wall.elapsed(),
    };
    (done, time)
}

/// What `work` returns, and how long it took by the wall clock: for what is short against the milliseconds in which systems
/// count time on the CPU, and of which the fastest of several is taken.
#[expect(clippy::disallowed_methods, reason = "a bench measures the wall clock")]
pub fn by_the_wall<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let wall = Instant::now();
    let done = work();
    (done, wall.elapsed())
}

/// How long this thread has been on a CPU; Linux only.
fn on_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ns = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(ns))
}

/// For benches of which there are dozens: a second and a bit for each, with so many samples. As many resamples as criterion
/// takes by itself would need longer than the measurement.
pub fn short(samples: usize) -> Criterion {
    let [warm_up, measurement] = [300, 1_000].map(Duration::from_millis);
    let criterion = Criterion::default().sample_size(samples).nresamples(5_000);
    criterion.warm_up_time(warm_up).measurement_time(measurement)
}

/// The middle one of `values`, the lower one of two.
pub fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

/// A criterion measurement of ratios, each made by a bench itself with `iter_custom`.
pub struct Ratios;

impl Measurement for Ratios {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}

    fn end(&self, (): ()) -> f64 {
        unreachable!("a ratio is measured by iter_custom")
    }

    fn add(&self, one: &f64, other: &f64) -> f64 {
        one + other
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Times
    }
}

/// Writes a ratio as "1.08 times".
struct Times;

impl ValueFormatter for Times {
    fn scale_values(&self, _: f64, _: &mut [f64]) -> &'static str {
        "times"
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        unreachable!("a ratio has no throughput")
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "times"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0, 1.0]), Some(1.0));
        assert_eq!(median(&[9.0, 1.0, 2.0]), Some(2.0));
    }

    #[test]
    fn work_takes_time() {
        let (sum, time) = timed(|| (0..20_000_000u64).fold(0, |sum, n| sum ^ n.wrapping_mul(sum | 1)));
        assert!(time > Duration::ZERO, "{sum}");
    }
}

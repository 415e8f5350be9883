//! Axes: how far they go, and where their ticks are.

use crate::number::grouped;

/// Ticks of an axis, at most about.
const TICKS: f64 = 6.0;

/// One axis of a plot; it begins at `from`.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Axis {
    /// What is on it, with its unit.
    pub(super) title: String,
    /// Where it begins.
    pub(super) from: f64,
    /// Where it ends.
    pub(super) to: f64,
    /// Where ticks are, and what they say.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Axis {
    /// An axis from 0 to a round number that is not below `max`.
    pub(super) fn linear(title: impl Into<String>, max: f64) -> Axis {
        let (step, decimals) = round_step(max);
        let count = (max / step).ceil().max(1.0) as u32;
        let ticks = (0..=count).map(|n| f64::from(n) * step).map(|at| (at, label(at, decimals))).collect();
        Axis { title: title.into(), from: 0.0, to: f64::from(count) * step, ticks }
    }

    /// An axis for numbers that need not begin near 0.
    pub(super) fn between(title: impl Into<String>, min: f64, max: f64) -> Axis {
        if min <= max / 3.0 || max <= min {
            return Axis::linear(title, max);
        }
        let (step, decimals) = round_step(max - min);
        let (first, last) = ((min / step).floor() as i64, (max / step).ceil() as i64);
        let ticks: Vec<(f64, String)> =
            (first..=last).map(|n| n as f64 * step).map(|at| (at, label(at, decimals))).collect();
        Axis { title: title.into(), from: ticks[0].0, to: last as f64 * step, ticks }
    }

    /// Simulated time from 0, given in seconds, in the unit that fits.
    pub(super) fn time(end_s: f64) -> Axis {
        /// Up to how many seconds a unit fits, its length, its name, and steps between ticks.
        const UNITS: [(f64, f64, &str, [f64; 8]); 4] = [
            (180.0, 1.0, "s", [1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0]),
            (10_800.0, 60.0, "min", [1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0]),
            (259_200.0, 3_600.0, "h", [1.0, 2.0, 3.0, 4.0, 6.0, 12.0, 24.0, 48.0]),
            (f64::INFINITY, 86_400.0, "days", [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0]),
        ];
        let (_, unit, name, steps) =
            UNITS.iter().find(|(up_to, ..)| end_s <= *up_to).expect("the last one fits everything");
        let end = end_s / unit;
        let fitting = steps.iter().copied().find(|step| end / step <= TICKS + 1.0);
        let step = fitting.unwrap_or_else(|| round_step(end).0);
        let ticks =
            (0..=(end / step) as u32).map(|n| f64::from(n) * step).map(|at| (at * unit, label(at, 0)));
        Axis { title: format!("simulated time, {name}"), from: 0.0, to: end_s, ticks: ticks.collect() }
    }

    /// Percentiles by the logarithm of their distance to 100 %, as HdrHistogram plots them; see [`percentile`].
    pub(super) fn percentiles(deepest: f64) -> Axis {
        let nines = deepest.ceil().max(1.0) as u32;
        // There is no room for "0 %" beside "50 %".
        let mut ticks = vec![(0.0, String::new()), (percentile(0.5), "50 %".to_owned())];
        ticks.extend((1..=nines).map(|at| (f64::from(at), nines_label(at, nines))));
        Axis { title: "percentile".to_owned(), from: 0.0, to: f64::from(nines), ticks }
    }

    /// Times in nanoseconds by their logarithm (base 10), from one power of ten to another.
    pub(super) fn decades(title: impl Into<String>, from: u8, to: u8) -> Axis {
        const UNITS: [&str; 4] = ["ns", "µs", "ms", "s"];
        // On a long axis there is room for the units themselves only.
        let is_told = |power: u8| to - from < 7 || power == from || power.is_multiple_of(3);
        let label = |power: u8| match is_told(power) {
            true => format!("{} {}", 10u32.pow(u32::from(power) % 3), UNITS[usize::from(power) / 3]),
            false => String::new(),
        };
        let ticks = (from..=to).map(|power| (f64::from(power), label(power))).collect();
        Axis { title: title.into(), from: from.into(), to: to.into(), ticks }
    }

    /// One place per name, in their order, with half a place on either side.
    pub(super) fn names<'n>(
        title: impl Into<String>,
        names: impl ExactSizeIterator<Item = &'n String>,
    ) -> Axis {
        let to = names.len() as f64 - 0.5;
        let ticks = names.enumerate().map(|(at, name)| (at as f64, name.clone())).collect();
        Axis { title: title.into(), from: -0.5, to, ticks }
    }
}

/// Where a quantile below 1 lies on the axis of percentiles: 0.9 at 1, 0.99 at 2. By `libm`, so that no platform rounds
/// it differently.
pub(super) fn percentile(quantile: f64) -> f64 {
    -libm::log10(1.0 - quantile)
}

/// The label of a percentile with so many nines, on an axis of so many as there is `room` for; the long ones only where
/// they do not touch.
fn nines_label(nines: u32, room: u32) -> String {
    match nines {
        _ if room > 5 && nines > 2 && nines % 2 == 1 => String::new(),
        1 => "90 %".to_owned(),
        2 => "99 %".to_owned(),
        more => format!("99.{} %", "9".repeat(more as usize - 2)),
    }
}

/// A step of 1, 2 or 5 times a power of ten that makes a handful of ticks up to `max`, and its decimals.
fn round_step(max: f64) -> (f64, usize) {
    if !max.is_finite() || max <= 0.0 {
        return (1.0, 0);
    }
    let wanted = max / TICKS;
    let mut exponent = -9i32;
    loop {
        for digit in [1.0, 2.0, 5.0] {
            let step =
                if exponent < 0 { digit / 10f64.powi(-exponent) } else { digit * 10f64.powi(exponent) };
            if step >= wanted {
                return (step, (-exponent).max(0) as usize);
            }
        }
        exponent += 1;
    }
}

fn label(at: f64, decimals: usize) -> String {
    if decimals > 0 {
        return format!("{at:.decimals$}");
    }
    let whole = at.round().abs() as u64;
    let sign = if at < -0.5 { "-" } else { "" };
    match whole {
        0..10_000 => format!("{sign}{}", grouped(whole)),
        10_000..1_000_000 => format!("{sign}{}k", short(whole, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}M", short(whole, 1_000_000)),
        _ => format!("{sign}{}G", short(whole, 1_000_000_000)),
    }
}

fn short(whole: u64, unit: u64) -> String {
    let tenths = (whole * 10 + unit / 2) / unit;
    match tenths % 10 {
        0 => grouped(tenths / 10),
        rest => format!("{}.{rest}", grouped(tenths / 10)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(axis: &Axis) -> Vec<&str> {
        axis.ticks.iter().map(|(_, words)| words.as_str()).collect()
    }

    #[test]
    fn a_linear_axis_ends_at_a_round_number() {
        assert_eq!(words(&Axis::linear("", 45.0)), ["0", "10", "20", "30", "40", "50"]);
        assert_eq!(words(&Axis::linear("", 0.7)), ["0.0", "0.2", "0.4", "0.6", "0.8"]);
        assert_eq!(words(&Axis::linear("", 1_234_567.0)), ["0", "500k", "1M", "1.5M"]);
        assert_eq!(words(&Axis::linear("", 0.0)), ["0", "1"]);
        assert_eq!(Axis::linear("", 45.0).to, 50.0);
    }

    #[test]
    fn an_axis_that_is_far_from_0_begins_there() {
        assert_eq!(words(&Axis::between("", 910.0, 990.0)), ["900", "920", "940", "960", "980", "1,000"]);
        assert_eq!(words(&Axis::between("", 1.0, 5.0)), ["0", "1", "2", "3", "4", "5"]);
    }

    #[test]
    fn time_has_the_unit_that_fits() {
        for (end_s, title, last) in [
            (60.0, "simulated time, s", "60"),
            (720.0, "simulated time, min", "12"),
            (14_400.0, "simulated time, h", "4"),
            (86_400.0, "simulated time, h", "24"),
            (400.0 * 86_400.0, "simulated time, days", "400"),
            (9_999.0 * 86_400.0, "simulated time, days", "8,000"),
        ] {
            let axis = Axis::time(end_s);
            assert_eq!((axis.title.as_str(), words(&axis).last().copied()), (title, Some(last)), "{end_s}");
            assert!(axis.ticks.len() <= 9 && axis.ticks.len() >= 4, "{axis:?}");
        }
    }

    #[test]
    fn decades_have_the_unit_that_fits() {
        assert_eq!(words(&Axis::decades("", 1, 6)), ["10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms"]);
        assert_eq!(words(&Axis::decades("", 1, 9)), ["10 ns", "", "1 µs", "", "", "1 ms", "", "", "1 s"]);
    }

    #[test]
    fn percentiles_are_named_by_their_nines() {
        assert_eq!(words(&Axis::percentiles(2.3)), ["", "50 %", "90 %", "99 %", "99.9 %"]);
        let deep = Axis::percentiles(6.2);
        assert_eq!(words(&deep), ["", "50 %", "90 %", "99 %", "", "99.99 %", "", "99.9999 %", ""]);
        assert_eq!(percentile(0.9), 1.0);
    }
}

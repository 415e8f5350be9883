//! The plots of a campaign: figures over what varies, and latency distributions one upon the other.

use super::axis::{Axis, percentile};
use super::plot::{INKS, Ink, Plot, Series};
use super::run_plots::unit;
use crate::campaign::{Measure, PointRows};
use crate::statistics::{CONFIDENCE, Interval};

/// A campaign as its plots see it.
pub(super) struct Curves<'c> {
    axes: &'c [String],
    points: &'c [PointRows],
    /// Where each point lies on the axis below, and the line that it belongs to.
    places: Vec<(f64, String)>,
    x: Axis,
}

impl<'c> Curves<'c> {
    /// The first key that varies is on the axis below, and there is a line for each combination of the others. Where all
    /// vary in `lockstep`, the points are on the axis below.
    pub(super) fn new(axes: &'c [String], points: &'c [PointRows], lockstep: bool) -> Curves<'c> {
        let below =
            |point: &PointRows| if lockstep { point.values.join(", ") } else { point.values[0].clone() };
        let line = |point: &PointRows| if lockstep { String::new() } else { point.values[1..].join(", ") };
        let mut names: Vec<String> = Vec::new();
        for name in points.iter().map(below) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let title = if lockstep { axes.join(", ") } else { axes[0].clone() };
        let numbers = numbers(&names);
        let place = |name: &String| {
            let at = names.iter().position(|known| known == name).expect("it was put there");
            numbers.as_ref().map_or(at as f64, |(numbers, _)| numbers[at])
        };
        let places = points.iter().map(|point| (place(&below(point)), line(point))).collect();
        let x = match &numbers {
            Some((numbers, unit)) => {
                let (min, max) = (least(numbers), most(numbers));
                let title = if unit.is_empty() { title } else { format!("{title}, {unit}") };
                Axis::between(title, min, max)
            }
            None => Axis::names(title, names.iter()),
        };
        Curves { axes, points, places, x }
    }

    /// How many lines there are, and how many of them are drawn.
    pub(super) fn lines(&self) -> (usize, usize) {
        let all = self.line_names().len();
        (all, all.min(INKS))
    }

    fn line_names(&self) -> Vec<&String> {
        let mut names: Vec<&String> = Vec::new();
        for (_, name) in &self.places {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// A measure over what varies: the figure of all runs with its interval, or the share of a count with its own.
    pub(super) fn of(&self, measure: &Measure, title: &str) -> Plot {
        let values: Vec<Option<Value>> = self.points.iter().map(|point| Value::of(point, measure)).collect();
        let highest = most(values.iter().flatten().map(|value| &value.high));
        let (unit, scale) = match (measure.trials, measure.name.contains("_ms_")) {
            (Some(trials), _) => (format!("% of {trials}"), 0.01),
            (None, true) => {
                let (unit, scale) = unit(highest);
                (unit.to_owned(), scale)
            }
            (None, false) if measure.name.contains("utilization") => ("busy, %".to_owned(), 0.01),
            (None, false) => (measure.name.clone(), 1.0),
        };
        let series = self.line_names().into_iter().take(INKS).zip(1u8..).map(|(name, number)| {
            let mut on_line: Vec<(f64, &Value)> = (self.places.iter().zip(&values))
                .filter(|((_, line), _)| line == name)
                .filter_map(|((x, _), value)| Some((*x, value.as_ref()?)))
                .collect();
            on_line.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            let points = on_line.iter().map(|(x, value)| (*x, value.figure / scale)).collect();
            let band = on_line.iter().map(|(x, value)| (*x, value.low / scale, value.high / scale)).collect();
            let legend = if name.is_empty() { measure.name.clone() } else { self.legend(name) };
            Series { band, marked: true, ..Series::line(legend, Ink::full(number), points) }
        });
        Plot {
            id: measure.name.clone(),
            title: title.into(),
            x: self.x.clone(),
            y: Axis::linear(unit, highest / scale),
            series: widened(series.collect()),
        }
    }

    fn legend(&self, name: &str) -> String {
        if self.axes.len() == 2 { format!("{} {name}", self.axes[1]) } else { name.to_owned() }
    }

    /// One distribution at the first points, one upon the other, all runs of a point together.
    pub(super) fn percentiles(&self, which: usize, id: &str, title: &str) -> Plot {
        let distribution = |point: &PointRows| {
            let merged = point.distribution(which);
            let steps =
                merged.iter_quantiles(8).map(|step| (step.quantile_iterated_to(), step.value_iterated_to()));
            let points: Vec<(f64, f64)> = steps
                .filter(|&(quantile, _)| quantile < 1.0)
                .map(|(quantile, us)| (percentile(quantile), us as f64 / 1_000.0))
                .collect();
            (point.values.join(", "), points)
        };
        let lines: Vec<_> = self.points.iter().take(INKS).map(distribution).collect();
        let all = || lines.iter().flat_map(|(_, points)| points);
        let (unit, scale) = unit(most(all().map(|(_, ms)| ms)));
        let series = lines.iter().zip(1u8..).map(|((name, points), number)| {
            let points = points.iter().map(|&(x, ms)| (x, ms / scale)).collect();
            Series::line(name, Ink::full(number), points)
        });
        Plot {
            id: id.into(),
            title: title.into(),
            x: Axis::percentiles(most(all().map(|(x, _)| x))),
            y: Axis::linear(format!("from arrival, {unit}"), most(all().map(|(_, ms)| ms)) / scale),
            series: widened(series.collect()),
        }
    }
}

/// A figure and its 95 % interval; without one, both ends are the figure.
struct Value {
    figure: f64,
    low: f64,
    high: f64,
}

impl Value {
    fn of(point: &PointRows, measure: &Measure) -> Option<Value> {
        if let Some(trials) = measure.trials {
            let trials = point.total(trials);
            let Interval { low, high } = point.share(measure, CONFIDENCE)?;
            return Some(Value { figure: point.total(&measure.name) as f64 / trials as f64, low, high });
        }
        let figure = point.figure(measure)?;
        let Interval { low, high } =
            point.interval(measure, CONFIDENCE).unwrap_or(Interval { low: figure, high: figure });
        Some(Value { figure, low, high })
    }
}

/// The numbers that `names` are, and their common unit; `None` where one is none, or where some would be too close
/// together to be told apart.
fn numbers(names: &[String]) -> Option<(Vec<f64>, String)> {
    let split = |name: &String| {
        let end = name.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(name.len());
        Some((name[..end].parse::<f64>().ok()?, name[end..].trim().to_owned()))
    };
    let split: Vec<(f64, String)> = names.iter().map(split).collect::<Option<_>>()?;
    let unit = split.first()?.1.clone();
    if split.iter().any(|(_, other)| *other != unit) {
        return None;
    }
    let numbers: Vec<f64> = split.into_iter().map(|(number, _)| number).collect();
    let mut sorted = numbers.clone();
    sorted.sort_by(f64::total_cmp);
    let room = (most(&numbers) - least(&numbers)) / 50.0;
    let apart = numbers.len() > 1 && sorted.windows(2).all(|pair| pair[1] - pair[0] >= room);
    apart.then_some((numbers, unit))
}

/// Lines may lie on each other: the earlier, the wider, so that all can be seen.
fn widened(mut series: Vec<Series>) -> Vec<Series> {
    for (later, series) in series.iter_mut().rev().enumerate() {
        series.wider = 3 * (later as u32).min(4);
    }
    series
}

fn most<'n>(numbers: impl IntoIterator<Item = &'n f64>) -> f64 {
    numbers.into_iter().copied().fold(0.0, f64::max)
}

fn least<'n>(numbers: impl IntoIterator<Item = &'n f64>) -> f64 {
    numbers.into_iter().copied().fold(f64::INFINITY, f64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_numbers_where_all_have_one_unit_and_room() {
        let numbers =
            |names: &[&str]| numbers(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(numbers(&["0%", "5%"]), Some((vec![0.0, 5.0], "%".into())));
        assert_eq!(numbers(&["4", "1"]), Some((vec![4.0, 1.0], String::new())));
        assert_eq!(numbers(&["1h", "1d"]), None, "two units");
        assert_eq!(numbers(&["a", "b"]), None);
        assert_eq!(numbers(&["1", "2", "1000"]), None, "1 and 2 would lie on each other");
    }
}

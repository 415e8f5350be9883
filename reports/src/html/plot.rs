//! A plot as SVG that stands inside a page and takes its colours from there.
//!
//! `plotters` knows fixed colours only, and a page is read in light, in dark and on paper. So everything is drawn in
//! stand-in colours, which are replaced by classes of the page's style sheet: `t` text, `g` grid, `a` axis, `s1` to `s8` the
//! lines and `f1` to `f8` the areas of the series.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::axis::Axis;

/// Width and height. A page shows a plot at about half this size: whole pixels are fine enough so.
const SIZE: (u32, u32) = (1000, 560);
/// Height of the letters, as the page's style sheet sets it; `plotters` only leaves room for them.
const LETTERS: f64 = 30.0;
/// Width of a letter, about.
const LETTER: u32 = 17;
/// `plotters` divides the size of a font by this on its way to the SVG.
const PLOTTERS_FONT_SCALE: f64 = 1.24;
const LINE: u32 = 4;
/// Height of a line of the legend of a plot that is a file of its own, and the style of such a plot: the page's in light.
const LEGEND_LINE: u32 = 40;
const FILE_STYLE: &str = ".t{fill:#1b1f24;font:27px sans-serif}.g{stroke:#d0d7de;stroke-width:2}.a{stroke:#57606a;stroke-width:2}\
    .f1{fill:#0072b2}.f2{fill:#d0490c}.f3{fill:#00805d}.f4{fill:#8e3f97}.f5{fill:#6b7280}.f6{fill:#a86a00}.f7{fill:#0097b0}.f8{fill:#b0255f}";

const TEXT: RGBColor = RGBColor(255, 0, 0);
const GRID: RGBColor = RGBColor(255, 0, 1);
const AXIS: RGBColor = RGBColor(255, 0, 2);
/// Red of a series' stand-in colour, full line and dashed.
const SERIES: [u8; 2] = [254, 253];

/// The colours that a page has for series.
pub(super) const INKS: usize = 8;

/// The colour of a series, and whether its lines are dashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ink {
    /// 1 to [`INKS`].
    pub(super) number: u8,
    /// Whether it is dashed.
    pub(super) dashed: bool,
}

impl Ink {
    /// A full line.
    pub(super) const fn full(number: u8) -> Ink {
        Ink { number, dashed: false }
    }

    /// A dashed line.
    pub(super) const fn dashed(number: u8) -> Ink {
        Ink { number, dashed: true }
    }

    fn stand_in(self) -> RGBColor {
        RGBColor(SERIES[usize::from(self.dashed)], 0, self.number)
    }

    /// The classes of its lines.
    pub(super) fn classes(self) -> String {
        format!("s{}{}", self.number, if self.dashed { " d" } else { "" })
    }
}

/// One line of a plot, or several pieces of it.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Series {
    /// What it is, for the legend.
    pub(super) name: String,
    /// Its colour.
    pub(super) ink: Ink,
    /// Its pieces; between two there are no values.
    pub(super) pieces: Vec<Vec<(f64, f64)>>,
    /// A band about it: x, lower and upper end.
    pub(super) band: Vec<(f64, f64, f64)>,
    /// Whether its points are marked.
    pub(super) marked: bool,
    /// How much wider than others its lines are.
    pub(super) wider: u32,
}

impl Series {
    /// A line through all of `points`.
    pub(super) fn line(name: impl Into<String>, ink: Ink, points: Vec<(f64, f64)>) -> Series {
        Series { name: name.into(), ink, pieces: vec![points], band: Vec::new(), marked: false, wider: 0 }
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.pieces.iter().flatten().copied()
    }

    /// Its largest value, bands included; 0 where it has none.
    pub(super) fn highest(&self) -> f64 {
        let values = self.points().map(|(_, y)| y).chain(self.band.iter().map(|band| band.2));
        values.fold(0.0, f64::max)
    }
}

/// A plot.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Plot {
    /// Names it within its page.
    pub(super) id: String,
    /// What it shows.
    pub(super) title: String,
    /// The axis below.
    pub(super) x: Axis,
    /// The axis at the left.
    pub(super) y: Axis,
    /// What is drawn.
    pub(super) series: Vec<Series>,
}

impl Plot {
    /// Whether there is anything to see.
    pub(super) fn is_empty(&self) -> bool {
        self.series.iter().all(|series| series.points().next().is_none())
    }

    /// The plot as a file of its own, so many units high, with its legend and colours for light paper. `words` say what
    /// it shows.
    pub(super) fn file(&self, height: u32, words: &str) -> String {
        let below = LEGEND_LINE * self.series.len() as u32 + LEGEND_LINE / 2;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {}\" width=\"{}\" role=\"img\">\n\
             <title>{}</title><desc>{}</desc>\n<style>{FILE_STYLE}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n",
            height + below,
            SIZE.0 * 3 / 4,
            escaped(&self.title),
            escaped(words),
            width = SIZE.0,
        );
        svg.push_str(self.drawn((SIZE.0, height)).trim_end_matches("</svg>").trim_end());
        for (number, series) in (1..).zip(&self.series) {
            let (y, ink) = (height + LEGEND_LINE * number, series.ink.number);
            let name = escaped(&series.name);
            let line = format!(
                "\n<circle cx=\"60\" cy=\"{}\" r=\"9\" class=\"f{ink}\"/><text x=\"85\" y=\"{y}\" class=\"t\">{name}</text>",
                y - 10
            );
            svg.push_str(&line);
        }
        svg.push_str("\n</svg>\n");
        svg
    }

    /// All that `plotters` draws, from behind its first tag on, in the classes of the style sheet.
    fn drawn(&self, size: (u32, u32)) -> String {
        let mut drawn = String::new();
        {
            let area = SVGBackend::with_string(&mut drawn, size).into_drawing_area();
            self.draw(&area).expect("a string takes everything");
        }
        let start = drawn.find('>').expect("an SVG has a first tag") + 1;
        with_classes(drawn[start..].trim_end())
    }

    /// The plot as an element of a page.
    pub(super) fn svg(&self) -> String {
        let mut svg = format!(
            "<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\">\
             <title id=\"{id}-t\">{}</title><desc id=\"{id}-d\">{}</desc>",
            SIZE.0,
            SIZE.1,
            escaped(&self.title),
            escaped(&self.words()),
            id = self.id,
        );
        svg.push_str(&self.drawn(SIZE));
        svg
    }

    /// The plot in words, for those who cannot see it.
    fn words(&self) -> String {
        let mut words = format!("{} over {}.", self.y.title, self.x.title);
        for series in &self.series {
            let highest = series.points().fold(None, |best: Option<(f64, f64)>, point| match best {
                Some(best) if best.1 >= point.1 => Some(best),
                _ => Some(point),
            });
            let said = match (highest, series.points().last()) {
                (Some((_, most)), Some((_, last))) => {
                    write!(words, " {}: at most {}, {} at the end.", series.name, plain(most), plain(last))
                }
                _ => write!(words, " {}: nothing.", series.name),
            };
            said.expect("a string takes everything");
        }
        words
    }

    fn draw(&self, area: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn std::error::Error>> {
        let longest = self.y.ticks.iter().map(|(_, words)| words.chars().count()).max().unwrap_or(0) as u32;
        let mut chart = ChartBuilder::on(area)
            .margin_top(14)
            .margin_right(84)
            .margin_bottom(6)
            .margin_left(6)
            .x_label_area_size(94)
            .y_label_area_size(longest * LETTER + 70)
            .build_cartesian_2d(scale(&self.x), scale(&self.y))?;
        let style = ("sans-serif", LETTERS).into_font().color(&TEXT);
        chart
            .configure_mesh()
            .x_labels(self.x.ticks.len())
            .y_labels(self.y.ticks.len())
            .max_light_lines(0)
            .bold_line_style(GRID)
            .axis_style(AXIS)
            .label_style(style.clone())
            .axis_desc_style(style)
            .x_desc(&self.x.title)
            .y_desc(&self.y.title)
            .x_label_formatter(&|at| tick(&self.x, *at))
            .y_label_formatter(&|at| tick(&self.y, *at))
            .draw()?;
        for series in &self.series {
            let color = series.ink.stand_in();
            if series.band.len() > 1 {
                let upper = series.band.iter().map(|&(x, _, high)| (x, high));
                let lower = series.band.iter().rev().map(|&(x, low, _)| (x, low));
                let outline: Vec<_> = upper.chain(lower).collect();
                chart.draw_series([Polygon::new(outline, color.mix(0.18))])?;
            }
            for piece in series.pieces.iter().filter(|piece| piece.len() > 1) {
                let line = PathElement::new(piece.clone(), color.stroke_width(LINE + series.wider));
                chart.draw_series([line])?;
            }
            let lonely = series.pieces.iter().filter(|piece| series.marked || piece.len() == 1).flatten();
            chart.draw_series(lonely.map(|&point| Circle::new(point, 7, color.filled())))?;
            if series.band.len() == 1 || series.marked {
                let bars = series.band.iter();
                chart.draw_series(bars.map(|&(x, low, high)| {
                    PathElement::new(vec![(x, low), (x, high)], color.stroke_width(2))
                }))?;
            }
        }
        area.present()?;
        Ok(())
    }
}

/// An axis for `plotters`: linear, with ticks where the axis says.
struct Scale {
    line: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Ranged for Scale {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.line.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // There is no lighter grid between the ticks.
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.clone() }
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.line.range()
    }
}

fn scale(axis: &Axis) -> Scale {
    Scale { line: (axis.from..axis.to).into(), ticks: axis.ticks.iter().map(|&(at, _)| at).collect() }
}

fn tick(axis: &Axis, at: f64) -> String {
    axis.ticks.iter().find(|(tick, _)| *tick == at).map(|(_, words)| words.clone()).unwrap_or_default()
}

/// A number with at most three decimals, without zeros at its end.
fn plain(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Classes in the place of the stand-in colours, and no fonts of its own.
fn with_classes(drawn: &str) -> String {
    let font_size = format!(" font-size=\"{}\"", LETTERS / PLOTTERS_FONT_SCALE);
    let mut svg = drawn
        .replace(&font_size, "")
        .replace(" font-family=\"sans-serif\"", "")
        .replace(" opacity=\"1\"", "")
        .replace("fill=\"#FF0000\"", "class=\"t\"")
        .replace("stroke=\"#FF0001\"", "class=\"g\"")
        .replace("stroke=\"#FF0002\"", "class=\"a\"");
    for number in 1..=INKS as u8 {
        for ink in [Ink::full(number), Ink::dashed(number)] {
            let RGBColor(red, green, blue) = ink.stand_in();
            let color = format!("#{red:02X}{green:02X}{blue:02X}");
            svg = svg
                .replace(&format!("stroke=\"{color}\""), &format!("class=\"{}\"", ink.classes()))
                .replace(&format!("fill=\"{color}\""), &format!("class=\"f{number}\""));
        }
    }
    svg
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        let mut dashed = Series::line("b", Ink::dashed(8), vec![(0.0, 3.0), (10.0, 1.5)]);
        dashed.band = vec![(0.0, 2.0, 4.0), (10.0, 1.0, 2.0)];
        Plot {
            id: "p".into(),
            title: "a < b".into(),
            x: Axis::time(10.0),
            y: Axis::linear("cards, 1/s", 5.0),
            series: vec![Series::line("a", Ink::full(1), vec![(0.0, 0.0), (5.0, 5.0)]), dashed],
        }
    }

    #[test]
    fn no_colour_of_its_own_is_left_in_a_plot() {
        let svg = plot().svg();
        assert!(!svg.contains('#') && !svg.contains("font-"), "{svg}");
        for class in ["\"t\"", "\"g\"", "\"a\"", "\"s1\"", "\"s8 d\"", "\"f8\""] {
            assert!(svg.contains(&format!("class={class}")), "{class} in {svg}");
        }
    }

    #[test]
    fn a_plot_is_described_in_words() {
        let svg = plot().svg();
        for words in [
            "<title id=\"p-t\">a &lt; b</title>",
            "cards, 1/s over simulated time, s.",
            " a: at most 5, 5 at the end. b: at most 3, 1.5 at the end.",
        ] {
            assert!(svg.contains(words), "{words} in {svg}");
        }
    }
}

//! The plot of docs/validation.md: waiting time against utilisation, theory as curves, replications as points.

use plotters::prelude::*;

use crate::formulas::{md1_wait, mmc_wait};
use crate::queues::{CASES, Service};

const SIZE: (u32, u32) = (720, 440);
const HIGHEST_WAIT: f64 = 5.0;

/// One queue: which cases belong to it, its colour, and its curve.
struct Line {
    service: Service,
    cores: u32,
    color: RGBColor,
}

const LINES: [Line; 5] = [
    Line { service: Service::Exponential, cores: 1, color: RGBColor(0, 114, 178) },
    Line { service: Service::Fixed, cores: 1, color: RGBColor(213, 94, 0) },
    Line { service: Service::Exponential, cores: 2, color: RGBColor(0, 158, 115) },
    Line { service: Service::Exponential, cores: 4, color: RGBColor(204, 121, 167) },
    Line { service: Service::Exponential, cores: 8, color: RGBColor(86, 86, 86) },
];

impl Line {
    fn wait(&self, utilisation: f64) -> f64 {
        match self.service {
            Service::Exponential => mmc_wait(self.cores, utilisation),
            Service::Fixed => md1_wait(utilisation),
        }
    }

    fn curve(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let points = (0..=180).map(|step| f64::from(step) / 200.0);
        points.map(|x| (x, self.wait(x))).take_while(|&(_, wait)| wait <= HIGHEST_WAIT)
    }
}

/// The plot, as SVG.
pub(crate) fn waiting_svg() -> String {
    let mut svg = String::new();
    draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area()).expect("a string takes everything");
    svg
}

type Area<'s> = DrawingArea<SVGBackend<'s>, plotters::coord::Shift>;

fn draw(area: &Area<'_>) -> Result<(), Box<dyn std::error::Error>> {
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(52)
        .build_cartesian_2d(0.0..0.9, 0.0..HIGHEST_WAIT)?;
    chart
        .configure_mesh()
        .x_desc("utilisation")
        .y_desc("mean wait, in mean service times")
        .max_light_lines(1)
        .bold_line_style(RGBColor(225, 225, 225))
        .draw()?;
    for line in &LINES {
        let cases = CASES.iter().filter(|case| case.service == line.service && case.cores == line.cores);
        let points: Vec<_> =
            cases.map(|case| (case.utilisation, case.measured().wait, case.name())).collect();
        let name = points[0].2.clone();
        let color = line.color;
        chart
            .draw_series(LineSeries::new(line.curve(), &color))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
        chart.draw_series(points.iter().map(|&(x, wait, _)| {
            let (low, high) = (wait.mean - wait.half, wait.mean + wait.half);
            ErrorBar::new_vertical(x, low, wait.mean, high, color.filled(), 8)
        }))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK)
        .draw()?;
    area.present()?;
    Ok(())
}

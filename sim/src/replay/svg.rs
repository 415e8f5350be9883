//! The diagram as an SVG picture that needs nothing else, and follows a viewer's light or dark scheme.

use core::fmt::Write as _;

use super::diagram::{Item, Party};
use super::steps::Tone;

/// Width of the picture, and where the times and the three lifelines stand.
const WIDTH: u32 = 1_180;
const TIME_X: u32 = 12;
const LANES: [u32; 3] = [220, 600, 980];
/// Heights of the parts.
const TOP: u32 = 96;
const SECTION: u32 = 44;
const ARROW: u32 = 34;
const NOTE: u32 = 26;
const BOTTOM: u32 = 28;
/// A letter is about so wide.
const LETTER: u32 = 7;
/// So much of the way between two lifelines has room for a label; a longer one is squeezed.
const LABEL: u32 = 360;
/// Half the size of the cross at which an arrow was cut.
const CROSS: u32 = 6;

/// Plain rules, since many converters know no variables; those that know no schemes keep to the light one.
const STYLE: &str = "\
  text { font: 13px system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif; fill: #1c2330; }
  .title { font-size: 16px; font-weight: 600; }
  .party { font-weight: 600; text-anchor: middle; }
  .time { font-size: 11px; fill: #6b7484; }
  .label { text-anchor: middle; }
  .note { font-size: 12px; text-anchor: middle; }
  .paper { fill: #ffffff; }
  .band { fill: #eef1f6; }
  .life, .box { stroke: #b9c0cc; stroke-width: 1.5; }
  .arrow { stroke: #1c2330; stroke-width: 1.5; }
  .head { fill: #1c2330; }
  .answer { stroke-dasharray: 5 4; }
  .lost { stroke: #c62828; }
  .cross { stroke: #c62828; stroke-width: 2.5; }
  .plain { fill: #f2f4f8; }
  .renewal { fill: #dff3e4; }
  .fault { fill: #fdeccf; }
  .harm { fill: #fbdcdc; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e4e8ef; }
    .time { fill: #97a1b2; }
    .paper { fill: #14181f; }
    .band { fill: #222936; }
    .life, .box { stroke: #454e5d; }
    .arrow { stroke: #e4e8ef; }
    .head { fill: #e4e8ef; }
    .lost, .cross { stroke: #ff7a70; }
    .plain { fill: #262d39; }
    .renewal { fill: #1d4029; }
    .fault { fill: #4d3a16; }
    .harm { fill: #562326; }
  }
";

/// The picture of a diagram; `title` stands above it.
pub fn text(title: &str, items: &[Item]) -> String {
    let height = TOP + items.iter().map(height_of).sum::<u32>() + BOTTOM;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n<text class=\"title\" x=\"{TIME_X}\" y=\"28\">{title}</text>\n",
        title = escaped(title)
    );
    for (party, x) in Party::ALL.into_iter().zip(LANES) {
        let _ = writeln!(
            svg,
            "<rect class=\"box band\" x=\"{}\" y=\"48\" width=\"120\" height=\"30\" rx=\"4\"/>\
             <text class=\"party\" x=\"{x}\" y=\"68\">{}</text>\
             <line class=\"life\" x1=\"{x}\" y1=\"78\" x2=\"{x}\" y2=\"{}\"/>",
            x - 60,
            party.name(),
            height - BOTTOM / 2
        );
    }
    let mut y = TOP;
    for item in items {
        draw(&mut svg, y, item);
        y += height_of(item);
    }
    svg.push_str("</svg>\n");
    svg
}

const fn height_of(item: &Item) -> u32 {
    match item {
        Item::Section(_) => SECTION,
        Item::Arrow { .. } => ARROW,
        Item::Note { .. } => NOTE,
    }
}

const fn x_of(party: Party) -> u32 {
    LANES[party as usize]
}

fn draw(svg: &mut String, y: u32, item: &Item) {
    let _ = match item {
        Item::Section(words) => writeln!(
            svg,
            "<rect class=\"band\" x=\"0\" y=\"{}\" width=\"{WIDTH}\" height=\"26\"/>\
             <text x=\"{TIME_X}\" y=\"{}\" font-weight=\"600\">{}</text>",
            y + 8,
            y + 26,
            escaped(words)
        ),
        Item::Arrow { .. } => {
            arrow(svg, y, item);
            Ok(())
        }
        Item::Note { at, tone, text } => {
            let width = text.chars().count() as u32 * LETTER + 18;
            let class = match tone {
                Tone::Plain => "plain",
                Tone::Renewal => "renewal",
                Tone::Fault => "fault",
                Tone::Harm => "harm",
            };
            let left = (x_of(*at)).saturating_sub(width / 2).clamp(4, WIDTH.saturating_sub(width + 4).max(4));
            writeln!(
                svg,
                "<rect class=\"box {class}\" x=\"{left}\" y=\"{}\" width=\"{width}\" height=\"20\" rx=\"3\"/>\
                 <text class=\"note\" x=\"{}\" y=\"{}\">{}</text>",
                y + 3,
                left + width / 2,
                y + 17,
                escaped(text)
            )
        }
    };
}

fn arrow(svg: &mut String, y: u32, item: &Item) {
    let Item::Arrow { number, time, from, to, label, cut } = item else { return };
    let (start, full, line) = (x_of(*from), x_of(*to), y + 26);
    // A cut arrow ends on its way.
    let end = if *cut { (start + 2 * full) / 3 } else { full };
    let dashed = if number.is_none() { " answer" } else { "" };
    let lost = if *cut { " lost" } else { "" };
    let label = number.map(|number| format!("{number} {label}")).unwrap_or_else(|| label.clone());
    let long = label.chars().count() as u32 * LETTER > LABEL;
    let squeezed = if long {
        format!(" textLength=\"{LABEL}\" lengthAdjust=\"spacingAndGlyphs\"")
    } else {
        String::new()
    };
    let _ = writeln!(
        svg,
        "<text class=\"time\" x=\"{TIME_X}\" y=\"{}\">{time}</text>\
         <text class=\"label\" x=\"{}\" y=\"{}\"{squeezed}>{}</text>\
         <line class=\"arrow{dashed}{lost}\" x1=\"{start}\" y1=\"{line}\" x2=\"{end}\" y2=\"{line}\"/>",
        line + 4,
        (start + full) / 2,
        line - 6,
        escaped(&label)
    );
    let _ = if *cut {
        let (left, right, above, below) = (end - CROSS, end + CROSS, line - CROSS, line + CROSS);
        writeln!(
            svg,
            "<path class=\"cross\" d=\"M{left} {above}L{right} {below}M{left} {below}L{right} {above}\"/>"
        )
    } else {
        let back = if end > start { end - 9 } else { end + 9 };
        writeln!(svg, "<path class=\"head\" d=\"M{end} {line}L{back} {}L{back} {}Z\"/>", line - 5, line + 5)
    };
}

fn escaped(words: &str) -> String {
    words.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

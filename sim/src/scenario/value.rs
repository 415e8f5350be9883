//! One value: from TOML to what it means, and back to its canonical text. Integers throughout.

use std::collections::BTreeMap;
use std::fmt;

use keystorm_model::{Ratio, Span};
use toml::de::{DeArray, DeValue};

use super::error::Place;
use super::kind::Kind;
use crate::step::What;

/// A value that its [`Kind`] allows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Value {
    Text(String),
    /// One of a fixed set of names.
    Choice(&'static str),
    /// Some of a fixed set of names.
    Choices(Vec<&'static str>),
    /// Cards by their numbers, in ascending order; `None`: all.
    Cards(Option<Vec<u32>>),
    Flag(bool),
    Count(u64),
    Span(Span),
    Spans(Vec<Span>),
    Texts(Vec<String>),
    /// In lowest terms.
    Chance(Ratio),
    /// Bits per second; `None` is unlimited.
    Rate(Option<u64>),
    /// An array of tables.
    Rows(Vec<Row>),
}

/// One table of an array of tables.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) cells: BTreeMap<&'static str, Value>,
    pub(super) place: Option<Place>,
}

impl PartialEq for Row {
    fn eq(&self, other: &Row) -> bool {
        self.cells == other.cells
    }
}

impl Eq for Row {}

impl fmt::Display for Value {
    /// As TOML, so that a resolved scenario is a scenario.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Choice(name) => write!(f, "\"{name}\""),
            Value::Choices(names) => write!(f, "\"{}\"", names.join("+")),
            Value::Cards(None) => f.write_str("\"all\""),
            Value::Cards(Some(cards)) => write!(f, "{cards:?}"),
            Value::Flag(flag) => write!(f, "{flag}"),
            Value::Count(count) => write!(f, "{count}"),
            Value::Span(span) => write!(f, "\"{span}\""),
            Value::Spans(spans) => {
                let items: Vec<String> = spans.iter().map(|span| format!("\"{span}\"")).collect();
                write!(f, "[{}]", items.join(", "))
            }
            Value::Chance(ratio) => write!(f, "\"{ratio}\""),
            Value::Texts(texts) => write!(f, "{texts:?}"),
            Value::Rate(Some(bps)) => write!(f, "{bps}"),
            Value::Rate(None) => f.write_str("\"unlimited\""),
            Value::Rows(rows) => {
                let tables: Vec<String> = rows.iter().map(Row::to_string).collect();
                write!(f, "[{}]", tables.join(", "))
            }
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells: Vec<String> = self.cells.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        write!(f, "{{ {} }}", cells.join(", "))
    }
}

/// Why a value is refused: completes "`key` …", with what would be right.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) why: String,
    pub(super) help: String,
    /// The part of the value that is meant, if not all of it.
    pub(super) span: Option<std::ops::Range<usize>>,
}

impl Refusal {
    fn new(why: impl Into<String>, help: impl Into<String>) -> Self {
        Refusal { why: why.into(), help: help.into(), span: None }
    }
}

const TIME_UNITS: [(&str, u64); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
const TIME_HELP: &str =
    "write a number and a unit in quotes: ns, us, ms, s, min, h or d, for example \"650ms\" or \"30d\"";

const RATE_UNITS: [(&str, u64); 4] =
    [("bit/s", 1), ("kbit/s", 1_000), ("Mbit/s", 1_000_000), ("Gbit/s", 1_000_000_000)];

const CHANCE_HELP: &str =
    "write a probability between 0 and 1 as a ratio \"2/100\", as a percentage \"2%\", or as 0 or 1";

/// Reads a value of `kind`. Arrays of tables are not read here: their keys belong to the schema.
pub(super) fn read(kind: &Kind, value: &DeValue<'_>) -> Result<Value, Refusal> {
    match kind {
        Kind::Title => read_title(value),
        Kind::Preset(_) | Kind::File => match value.as_str() {
            Some(text) if !text.is_empty() => Ok(Value::Text(text.into())),
            _ => Err(mistyped(kind, value)),
        },
        Kind::Sha256 => match value.as_str() {
            Some(text) if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                Ok(Value::Text(text.to_ascii_lowercase()))
            }
            _ => Err(mistyped(kind, value)),
        },
        Kind::OneOf(names) => read_choice(&names(), kind, value).map(Value::Choice),
        Kind::Mixed(names) => read_choices(&names(), kind, value),
        Kind::Cards => read_cards(kind, value),
        Kind::Flag => value.as_bool().map(Value::Flag).ok_or_else(|| mistyped(kind, value)),
        Kind::Count { min, max } => read_count(*min, *max, kind, value),
        Kind::Span { min, max, step } => read_span(*min, *max, *step, kind, value).map(Value::Span),
        Kind::SpanOr { word, .. } if value.as_str() == Some(word) => Ok(Value::Choice(word)),
        Kind::SpanOr { min, max, .. } => {
            read_span(*min, *max, Span::from_ns(1), kind, value).map(Value::Span)
        }
        Kind::Spans { min, max } => read_spans(*min, *max, kind, value),
        Kind::Texts => read_texts(value).ok_or_else(|| mistyped(kind, value)),
        Kind::Chance => read_chance(kind, value),
        Kind::Rate { min, max, unlimited } => read_rate(*min, *max, *unlimited, kind, value),
        Kind::Step => read_step(kind, value),
        Kind::Rows(_) => Err(mistyped(kind, value)),
    }
}

/// The value as a reader would quote it.
pub(super) fn quoted(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{:?}", text.as_ref()),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(date) => date.to_string(),
        DeValue::Array(_) => "an array".into(),
        DeValue::Table(_) => "a table".into(),
    }
}

/// What a value of this kind is called.
fn noun(kind: &Kind) -> &'static str {
    match kind {
        Kind::Span { .. } | Kind::SpanOr { .. } => "a duration",
        Kind::Chance => "a probability",
        Kind::Spans { .. } => "a list of durations",
        Kind::Texts => "a list of texts",
        Kind::Count { .. } => "a whole number",
        Kind::Rate { .. } => "a bit rate",
        Kind::Flag => "true or false",
        Kind::Step => "a step",
        Kind::Rows(_) => "an array of tables",
        Kind::OneOf(_) | Kind::Title | Kind::Preset(_) | Kind::Mixed(_) => "a name",
        Kind::Cards => "cards",
        Kind::File => "a file's path",
        Kind::Sha256 => "a SHA-256",
    }
}

fn mistyped(kind: &Kind, value: &DeValue<'_>) -> Refusal {
    let help = match kind {
        Kind::Span { .. } => TIME_HELP.to_string(),
        Kind::SpanOr { word, .. } => format!("{TIME_HELP}; or write \"{word}\""),
        Kind::Chance => CHANCE_HELP.to_string(),
        Kind::Spans { .. } => "write durations in brackets, for example [\"30d\", \"360d\"]".into(),
        Kind::Rate { .. } => rate_help(kind),
        Kind::Count { .. } | Kind::Flag => format!("write {} without quotes", kind.allowed()),
        Kind::Rows(_)
        | Kind::OneOf(_)
        | Kind::Title
        | Kind::Preset(_)
        | Kind::File
        | Kind::Sha256
        | Kind::Mixed(_)
        | Kind::Cards
        | Kind::Texts
        | Kind::Step => format!("write {}", kind.allowed()),
    };
    Refusal::new(format!("must be {}, not {}", noun(kind), quoted(value)), help)
}

fn out_of_range(kind: &Kind, value: &DeValue<'_>) -> Refusal {
    let given = quoted(value);
    let problem =
        if given.trim_start_matches('"').starts_with('-') { "is negative" } else { "is out of range" };
    let help = format!("write {} from {}", noun(kind), kind.allowed());
    Refusal::new(format!("is {given}, which {problem}"), help)
}

fn read_title(value: &DeValue<'_>) -> Result<Value, Refusal> {
    let text = value.as_str().ok_or_else(|| mistyped(&Kind::Title, value))?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || text.len() > 64 || text.starts_with('.') || !text.chars().all(plain) {
        let why = format!("is {}, which cannot name a directory", quoted(value));
        return Err(Refusal::new(why, "choose another name, for example \"quickstart\""));
    }
    Ok(Value::Text(text.into()))
}

fn read_choice(names: &[&'static str], kind: &Kind, value: &DeValue<'_>) -> Result<&'static str, Refusal> {
    let text = match value {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(integer) => integer.to_string(),
        _ => return Err(mistyped(kind, value)),
    };
    choice(&text, names, kind, value)
}

fn read_choices(names: &[&'static str], kind: &Kind, value: &DeValue<'_>) -> Result<Value, Refusal> {
    let Some(text) = value.as_str() else {
        return Ok(Value::Choices(vec![read_choice(names, kind, value)?]));
    };
    let parts = text.split('+').map(|part| choice(part.trim(), names, kind, value));
    parts.collect::<Result<_, _>>().map(Value::Choices)
}

/// The one of `names` that `text` is; `value` is what it was written as.
fn choice(
    text: &str,
    names: &[&'static str],
    kind: &Kind,
    value: &DeValue<'_>,
) -> Result<&'static str, Refusal> {
    if let Some(name) = names.iter().find(|name| **name == text) {
        return Ok(name);
    }
    let help = match super::error::nearest(text, names.iter().copied()) {
        Some(name) => format!("did you mean \"{name}\"?"),
        None => format!("write {}", kind.allowed()),
    };
    Err(Refusal::new(format!("is {}, which is not known here", quoted(value)), help))
}

fn read_step(kind: &Kind, value: &DeValue<'_>) -> Result<Value, Refusal> {
    let text = value.as_str().ok_or_else(|| mistyped(kind, value))?;
    if let Some(step) = What::parse(text) {
        return Ok(Value::Text(step.to_string()));
    }
    let examples = What::examples();
    let known = examples.join(", ");
    let help = match super::error::nearest(text, examples.iter().map(String::as_str)) {
        Some(name) => format!("did you mean \"{name}\"? the steps are {known}"),
        None => format!("the steps are {known}"),
    };
    Err(Refusal::new(format!("is {}, which is no step", quoted(value)), help))
}

/// "all", one number, or a list of numbers.
fn read_cards(kind: &Kind, value: &DeValue<'_>) -> Result<Value, Refusal> {
    let number = |value: &DeValue<'_>| integer(value).and_then(|number| u32::try_from(number).ok());
    let cards = match value {
        DeValue::String(text) if text == "all" => return Ok(Value::Cards(None)),
        DeValue::Integer(_) => number(value).map(|card| vec![card]),
        DeValue::Array(items) if !items.is_empty() => {
            items.iter().map(|item| number(item.get_ref())).collect()
        }
        _ => None,
    };
    let mut cards = cards.ok_or_else(|| mistyped(kind, value))?;
    cards.sort_unstable();
    cards.dedup();
    Ok(Value::Cards(Some(cards)))
}

/// An integer of any sign; `None` beyond 128 bits.
fn integer(value: &DeValue<'_>) -> Option<i128> {
    let integer = value.as_integer()?;
    i128::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

fn read_count(min: u64, max: u64, kind: &Kind, value: &DeValue<'_>) -> Result<Value, Refusal> {
    if !value.is_integer() {
        return Err(mistyped(kind, value));
    }
    match integer(value).and_then(|count| u64::try_from(count).ok()) {
        Some(count) if (min..=max).contains(&count) => Ok(Value::Count(count)),
        _ => Err(out_of_range(kind, value)),
    }
}

fn read_span(min: Span, max: Span, step: Span, kind: &Kind, value: &DeValue<'_>) -> Result<Span, Refusal> {
    let text = match value {
        DeValue::String(text) => text.as_ref(),
        DeValue::Integer(number) => {
            let why = format!("is {number} without a unit of time");
            return Err(Refusal::new(why, TIME_HELP));
        }
        _ => return Err(mistyped(kind, value)),
    };
    let ns = match scaled(text, &TIME_UNITS) {
        Ok(ns) => u64::try_from(ns).map_err(|_| out_of_range(kind, value))?,
        Err(Unscaled::Negative) => return Err(out_of_range(kind, value)),
        Err(Unscaled::TooFine) => {
            let why = format!("is {text:?}, which is not a whole number of nanoseconds");
            return Err(Refusal::new(why, "write it with fewer decimals"));
        }
        Err(Unscaled::NotANumber) => {
            return Err(Refusal::new(format!("is {text:?}, which is not a duration"), TIME_HELP));
        }
        Err(Unscaled::Unit(unit)) => {
            let why = if unit.is_empty() {
                format!("is {text:?} without a unit of time")
            } else {
                format!("is {text:?}: there is no unit of time {unit:?}")
            };
            return Err(Refusal::new(why, TIME_HELP));
        }
    };
    let span = Span::from_ns(ns);
    if span < min || span > max || !ns.is_multiple_of(step.as_ns()) {
        return Err(out_of_range(kind, value));
    }
    Ok(span)
}

fn read_spans(min: Span, max: Span, kind: &Kind, value: &DeValue<'_>) -> Result<Value, Refusal> {
    let one = Kind::Span { min, max, step: Span::from_ns(1) };
    let step = Span::from_ns(1);
    let items: &DeArray<'_> = match value {
        DeValue::Array(items) => items,
        DeValue::String(_) => return Ok(Value::Spans(vec![read_span(min, max, step, &one, value)?])),
        _ => return Err(mistyped(kind, value)),
    };
    let mut spans = Vec::with_capacity(items.len());
    for item in items.iter() {
        let span = read_span(min, max, step, &one, item.get_ref())
            .map_err(|refusal| Refusal { span: Some(item.span()), ..refusal })?;
        spans.push(span);
    }
    Ok(Value::Spans(spans))
}

/// One text, or a list of them.
fn read_texts(value: &DeValue<'_>) -> Option<Value> {
    let text = |value: &DeValue<'_>| value.as_str().map(str::to_owned);
    match value {
        DeValue::Array(items) => items.iter().map(|item| text(item.get_ref())).collect::<Option<_>>(),
        value => text(value).map(|text| vec![text]),
    }
    .map(Value::Texts)
}

fn read_chance(kind: &Kind, value: &DeValue<'_>) -> Result<Value, Refusal> {
    let parsed = match value {
        DeValue::Integer(_) => integer(value).map(|n| (n, 1)),
        DeValue::String(text) => ratio_parts(text),
        DeValue::Float(float) => return Err(decimal_chance(float.as_str())),
        _ => return Err(mistyped(kind, value)),
    };
    let Some((numerator, denominator)) = parsed else { return Err(mistyped(kind, value)) };
    if denominator == 0 {
        return Err(Refusal::new(format!("is {}: nothing can be divided by 0", quoted(value)), CHANCE_HELP));
    }
    if numerator < 0 || numerator > denominator {
        return Err(out_of_range(kind, value));
    }
    let shared = gcd(numerator, denominator);
    let (numerator, denominator) = (u32::try_from(numerator / shared), u32::try_from(denominator / shared));
    match (numerator, denominator) {
        (Ok(numerator), Ok(denominator)) => {
            let ratio = Ratio::new(numerator, denominator).expect("checked to lie in 0..=1");
            Ok(Value::Chance(ratio))
        }
        _ => Err(Refusal::new(format!("is {}, which is too fine", quoted(value)), "use fewer decimals")),
    }
}

/// "2/100" as (2, 100), "0.5%" as (5, 1000), "1" as (1, 1).
fn ratio_parts(text: &str) -> Option<(i128, i128)> {
    let text = text.trim();
    if let Some((numerator, denominator)) = text.split_once('/') {
        return Some((small(numerator)?, small(denominator)?));
    }
    if let Some(percent) = text.strip_suffix('%') {
        let (digits, decimals) = decimal(percent.trim())?;
        return Some((digits, 100 * 10_i128.pow(decimals)));
    }
    Some((small(text)?, 1))
}

/// A decimal fraction is refused, with the exact ratio to write instead.
fn decimal_chance(text: &str) -> Refusal {
    let why = format!("is the decimal fraction {text}");
    match decimal(text) {
        Some((digits, decimals)) if decimals <= 9 && (0..=10_i128.pow(decimals)).contains(&digits) => {
            Refusal::new(why, format!("write the exact ratio \"{digits}/{}\"", 10_u64.pow(decimals)))
        }
        _ => Refusal::new(why, CHANCE_HELP),
    }
}

fn read_rate(
    min: u64,
    max: u64,
    unlimited: bool,
    kind: &Kind,
    value: &DeValue<'_>,
) -> Result<Value, Refusal> {
    let bps = match value {
        DeValue::String(text) if unlimited && text == "unlimited" => return Ok(Value::Rate(None)),
        DeValue::Integer(_) => integer(value),
        DeValue::String(text) => match scaled(text, &RATE_UNITS) {
            Ok(bps) => i128::try_from(bps).ok(),
            Err(Unscaled::Negative) => None,
            Err(_) => {
                let why = format!("is {}, which is not a bit rate", quoted(value));
                return Err(Refusal::new(why, rate_help(kind)));
            }
        },
        _ => return Err(mistyped(kind, value)),
    };
    match bps.and_then(|bps| u64::try_from(bps).ok()) {
        Some(bps) if (min..=max).contains(&bps) => Ok(Value::Rate(Some(bps))),
        _ => Err(out_of_range(kind, value)),
    }
}

fn rate_help(kind: &Kind) -> String {
    let unlimited =
        if matches!(kind, Kind::Rate { unlimited: true, .. }) { ", or \"unlimited\"" } else { "" };
    format!(
        "write bits per second (30000), or a number and bit/s, kbit/s, Mbit/s or Gbit/s (\"30kbit/s\"){unlimited}"
    )
}

/// A time in a table: a number of seconds, or a duration with its unit. `Err` says what is wrong with it.
pub(super) fn read_time(text: &str) -> Result<Span, &'static str> {
    const SECONDS: [(&str, u64); 1] = [("", 1_000_000_000)];
    let scaled = match scaled(text, &TIME_UNITS) {
        Err(Unscaled::Unit(unit)) if unit.is_empty() => scaled(text, &SECONDS),
        other => other,
    };
    match scaled {
        Ok(ns) => u64::try_from(ns).map(Span::from_ns).map_err(|_| "is out of range"),
        Err(Unscaled::Negative) => Err("is negative"),
        Err(Unscaled::TooFine) => Err("is not a whole number of nanoseconds"),
        Err(Unscaled::NotANumber | Unscaled::Unit(_)) => Err("is no time"),
    }
}

/// Why a text is not a number with a unit.
enum Unscaled {
    NotANumber,
    Negative,
    TooFine,
    Unit(String),
}

/// Number × unit, exact.
fn scaled(text: &str, units: &[(&str, u64)]) -> Result<u128, Unscaled> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '-' | '+')).unwrap_or(text.len());
    let (number, unit) = (&text[..end], text[end..].trim());
    let (digits, decimals) = decimal(number).ok_or(Unscaled::NotANumber)?;
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(Unscaled::Unit(unit.into()));
    };
    let digits = u128::try_from(digits).map_err(|_| Unscaled::Negative)?;
    let (all, divisor) = (digits * u128::from(*factor), 10_u128.pow(decimals));
    if !all.is_multiple_of(divisor) {
        return Err(Unscaled::TooFine);
    }
    Ok(all / divisor)
}

/// "-1.50" as (-150, 2). At most 24 digits, so that nothing overflows.
fn decimal(text: &str) -> Option<(i128, u32)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let unsigned = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let digits_only = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let short = unsigned.len() + fraction.len() <= 24 && fraction.len() <= 18;
    if unsigned.is_empty() || !short || !digits_only(unsigned) || !digits_only(fraction) {
        return None;
    }
    if text.contains('.') && fraction.is_empty() {
        return None;
    }
    Some((format!("{whole}{fraction}").parse().ok()?, fraction.len() as u32))
}

/// A whole number that leaves room to be multiplied.
fn small(text: &str) -> Option<i128> {
    text.trim().parse::<i64>().ok().map(i128::from)
}

fn gcd(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

//! What a key of a scenario may hold, in which unit it is written, and what holds without it. Which keys there are is in
//! `schema.rs`.

use keystorm_model::Span;

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A name that can be a directory.
    Title,
    /// A preset file, by its path without `.toml`; the folder in which presets of the kind lie.
    Preset(&'static str),
    /// A file, by its path from the scenario's folder.
    File,
    /// A SHA-256 in hexadecimal.
    Sha256,
    /// One of the model's names.
    OneOf(fn() -> Vec<&'static str>),
    /// Some of the model's names, joined by `+`.
    Mixed(fn() -> Vec<&'static str>),
    /// true or false.
    Flag,
    /// Cards by their numbers, or all.
    Cards,
    /// A whole number.
    Count { min: u64, max: u64 },
    /// A duration, in whole `step`s.
    Span { min: Span, max: Span, step: Span },
    /// A duration, or this word.
    SpanOr { min: Span, max: Span, word: &'static str },
    /// A list of durations.
    Spans { min: Span, max: Span },
    /// A probability.
    Chance,
    /// Bits per second.
    Rate { min: u64, max: u64, unlimited: bool },
    /// A list of words.
    Texts,
    /// A step of a connection, in the words of interruptions.csv.
    Step,
    /// An array of tables with these keys.
    Rows(&'static [Key]),
}

impl Kind {
    /// The allowed values, in words.
    pub(super) fn allowed(&self) -> String {
        match self {
            Kind::Title => {
                "a name of 1 to 64 letters, digits, `-`, `_` and `.`, not beginning with `.`".into()
            }
            Kind::Preset(folder) => {
                format!("the path of a preset without `.toml`, for example \"{folder}/…\"")
            }
            Kind::File => "the path of a file, from the scenario's folder".into(),
            Kind::Sha256 => "64 hexadecimal digits".into(),
            Kind::OneOf(names) => {
                let names: Vec<String> = names().iter().map(|name| format!("\"{name}\"")).collect();
                names.join(" or ")
            }
            Kind::Mixed(names) => {
                let names: Vec<String> = names().iter().map(|name| format!("\"{name}\"")).collect();
                format!("{}, or several joined by `+`", names.join(" or "))
            }
            Kind::Flag => "true or false".into(),
            Kind::Cards => "\"all\", a card's number, or a list of numbers".into(),
            Kind::Count { min, max } => format!("{min} to {max}"),
            Kind::Span { min, max, step } if step.as_ns() > 1 => {
                format!("{min} to {max}, in whole multiples of {step}")
            }
            Kind::Span { min, max, .. } => format!("{min} to {max}"),
            Kind::SpanOr { min, max, word } => format!("{min} to {max}, or \"{word}\""),
            Kind::Spans { min, max } => format!("a list of durations, each {min} to {max}"),
            Kind::Texts => "a list of texts in quotes".into(),
            Kind::Chance => "0 to 1".into(),
            Kind::Rate { min, max, unlimited } => {
                let or = if *unlimited { ", or \"unlimited\"" } else { "" };
                format!("{min} to {max} bit/s{or}")
            }
            Kind::Step => {
                "a step as interruptions.csv names it, for example \"CardProof\" or \"STORE KEY Kai[3]\""
                    .into()
            }
            Kind::Rows(keys) => {
                let keys: Vec<&str> = keys.iter().map(|key| key.path).collect();
                format!("tables with the keys {}", keys.join(", "))
            }
        }
    }

    /// The unit or form in which a value is written.
    pub(super) fn unit(&self) -> &'static str {
        match self {
            Kind::Title | Kind::OneOf(_) | Kind::Preset(_) => "name",
            Kind::File => "file",
            Kind::Sha256 => "hash",
            Kind::Mixed(_) => "names",
            Kind::Cards => "cards",
            Kind::Flag => "flag",
            Kind::Count { .. } => "number",
            Kind::Span { .. } | Kind::SpanOr { .. } => "duration",
            Kind::Spans { .. } => "durations",
            Kind::Texts => "texts",
            Kind::Chance => "probability",
            Kind::Rate { .. } => "bit rate",
            Kind::Step => "step",
            Kind::Rows(_) => "tables",
        }
    }
}

/// What holds if a key is not written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fallback {
    /// It must be written.
    Required,
    /// This value, as it would be written after `--set key=`.
    Value(&'static str),
    /// Something that depends on other keys, in words; `build.rs` knows how.
    Derived(&'static str),
    /// Nothing.
    Absent,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// The dotted path; within an array of tables the bare name.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    pub(super) fallback: Fallback,
    pub(super) doc: &'static str,
}

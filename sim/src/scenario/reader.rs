//! From TOML to settings: one [`Layer`] per file or `--set`, each value checked against the schema and
//! kept with its place. What the layers make together is `resolve.rs`.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use miette::NamedSource;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Place, Problem, Source, nearest};
use super::kind::{Fallback, Key, Kind};
use super::resolve::default_value;
use super::sections::SECTIONS;
use super::value::{self, Row, Value};
use super::{relations, schema};

/// Rank of the defaults; a higher rank wins.
pub(super) const DEFAULT: usize = 0;
/// Rank of preset files.
pub(super) const PRESET: usize = 1;
/// Rank of the scenario file.
pub(super) const FILE: usize = 2;
/// Rank of the first `--set`; later ones rank higher.
pub(super) const OVERRIDE: usize = 3;

/// A value, and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    pub(super) value: Value,
    pub(super) rank: usize,
    /// `None` for defaults.
    pub(super) place: Option<Place>,
}

/// All that one text sets.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) rank: usize,
    pub(super) settings: Vec<(&'static Key, Setting)>,
    /// Small tables that were written whole and so replace what lower layers say.
    pub(super) replaced: Vec<String>,
    /// Where each table begins.
    pub(super) tables: BTreeMap<String, Place>,
}

/// Reads a whole file. `table` is the dotted path of the table that the file's keys belong to: empty for
/// a scenario, "line" for a line preset. What is wrong goes to `problems`.
pub(super) fn file(source: &Source, table: &str, rank: usize, problems: &mut Vec<Problem>) -> Layer {
    let mut reader = Reader::new(source.clone(), rank, table, problems);
    reader.layer.tables.insert(table.into(), reader.place(0..0));
    match DeTable::parse(source.inner()) {
        Ok(parsed) => reader.table(table, parsed.get_ref()),
        Err(error) => {
            let end = source.inner().len();
            let span = error.span().unwrap_or(end..end);
            let problem = Problem::new(format!("not valid TOML: {}", error.message()), SYNTAX_HELP);
            reader.problems.push(problem.at(source, span));
        }
    }
    reader.layer
}

const SYNTAX_HELP: &str =
    "a scenario holds lines `key = value` under headers `[table]`; text, durations and ratios are in quotes";

/// Reads one `--set key.path=value`. The right-hand side is TOML, or a bare string where it is none.
pub(super) fn set(text: &str, rank: usize, problems: &mut Vec<Problem>) -> Layer {
    let source: Source = Arc::new(NamedSource::new("--set", text.to_owned()));
    let mut reader = Reader::new(source, rank, "", problems);
    let malformed = |why: &str| Problem::new(format!("malformed override `{text}`: {why}"), OVERRIDE_HELP);
    let Some((path, right)) = text.split_once('=') else {
        let problem = malformed("there is no `=`").label("no `=`");
        reader.report(problem, 0..text.len());
        return reader.layer;
    };
    let key_span = trimmed(path, 0);
    let value_span = trimmed(right, path.len() + 1);
    let (path, right) = (path.trim(), right.trim());
    let bare = |part: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    if !path.split('.').all(bare) {
        let problem = malformed("its left side is not a dotted key").label("not a key");
        reader.report(problem, key_span);
        return reader.layer;
    }
    if right.is_empty() {
        reader.report(malformed("there is no value after `=`").label("no value"), key_span);
        return reader.layer;
    }
    reader.base = value_span.start;
    match DeValue::parse(right) {
        Ok(value) if !value.get_ref().is_datetime() => reader.entry(path, key_span, &value),
        Err(error) if right.starts_with(['[', '{', '"', '\'']) => {
            let why = format!("its value is not valid TOML: {}", error.message());
            reader.report(malformed(&why), value_span);
        }
        _ => {
            let value = Spanned::new(0..right.len(), DeValue::String(right.into()));
            reader.entry(path, key_span, &value);
        }
    }
    reader.layer
}

const OVERRIDE_HELP: &str =
    "write `key.path=value`, for example fleet.cards=500, line.loss=2% or update.periods='[\"30d\"]'";

fn trimmed(part: &str, offset: usize) -> Range<usize> {
    let start = offset + part.len() - part.trim_start().len();
    start..start + part.trim().len()
}

struct Reader<'a> {
    source: Source,
    /// Where the parsed text begins in the source.
    base: usize,
    /// The table that a whole preset file stands for; empty otherwise.
    root: &'a str,
    layer: Layer,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Reader<'a> {
    fn new(source: Source, rank: usize, root: &'a str, problems: &'a mut Vec<Problem>) -> Self {
        let layer = Layer { rank, settings: Vec::new(), replaced: Vec::new(), tables: BTreeMap::new() };
        Reader { source, base: 0, root, layer, problems }
    }

    /// Reports a problem at a place of the whole source.
    fn report(&mut self, problem: Problem, span: Range<usize>) {
        let problem = problem.at(&self.source, span);
        self.problems.push(problem);
    }

    /// A span of the parsed text as a span of the source.
    fn span(&self, span: Range<usize>) -> Range<usize> {
        span.start + self.base..span.end + self.base
    }

    fn place(&self, span: Range<usize>) -> Place {
        Place { source: self.source.clone(), span }
    }

    fn table(&mut self, path: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let full = if path.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{path}.{}", name.get_ref())
            };
            let key_span = self.span(name.span());
            self.entry(&full, key_span, value);
        }
    }

    /// One `path = value`; `key_span` is in the source already.
    fn entry(&mut self, path: &str, key_span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        if let Some(key) = schema::find(path) {
            self.setting(key, key_span, value);
        } else if schema::is_table(path) {
            let span = self.span(value.span());
            let Some(table) = value.get_ref().as_table() else {
                let why = format!("`{path}` is a table, not {}", value::quoted(value.get_ref()));
                let help = format!("its keys are {}", schema::names_in(path).join(", "));
                self.report(Problem::new(why, help).label("not a table"), span);
                return;
            };
            let inline = self.source.inner()[span.start..].starts_with('{');
            if inline && relations::VALUE_TABLES.contains(&path) {
                self.layer.replaced.push(path.into());
            }
            let place = self.place(key_span);
            self.layer.tables.insert(path.into(), place);
            self.table(path, table);
        } else {
            let problem = self.unknown(path);
            self.report(problem, key_span);
        }
    }

    fn setting(&mut self, key: &'static Key, key_span: Range<usize>, value: &Spanned<DeValue<'_>>) {
        if !self.root.is_empty() && matches!(key.kind, Kind::Preset(_)) {
            let problem = Problem::new(
                "a preset cannot refer to another preset",
                "remove this line, and copy the values that are wanted",
            );
            self.report(problem, key_span);
            return;
        }
        let read = match key.kind {
            Kind::Rows(keys) => self.rows(key, keys, value),
            _ => self.value(key.path, &key.kind, value),
        };
        if let Some(value_read) = read {
            let place = Some(self.place(self.span(value.span())));
            self.layer.settings.push((key, Setting { value: value_read, rank: self.layer.rank, place }));
        }
    }

    fn value(&mut self, path: &str, kind: &Kind, value: &Spanned<DeValue<'_>>) -> Option<Value> {
        match value::read(kind, value.get_ref()) {
            Ok(read) => Some(read),
            Err(refusal) => {
                let span = self.span(refusal.span.unwrap_or(value.span()));
                let problem = Problem::new(format!("`{path}` {}", refusal.why), refusal.help);
                self.report(problem.label(format!("allowed: {}", kind.allowed())), span);
                None
            }
        }
    }

    fn rows(&mut self, key: &Key, keys: &'static [Key], value: &Spanned<DeValue<'_>>) -> Option<Value> {
        let Some(items) = value.get_ref().as_array() else {
            return self.value(key.path, &key.kind, value);
        };
        let before = self.problems.len();
        let rows: Vec<Row> = items.iter().map(|item| self.row(key, keys, item)).collect();
        (self.problems.len() == before).then_some(Value::Rows(rows))
    }

    fn row(&mut self, key: &Key, keys: &'static [Key], item: &Spanned<DeValue<'_>>) -> Row {
        let place = self.place(self.span(item.span()));
        let mut row = Row { cells: BTreeMap::new(), place: Some(place.clone()) };
        let Some(table) = item.get_ref().as_table() else {
            self.value(key.path, &key.kind, item);
            return row;
        };
        let mut refused = false;
        for (name, value) in table {
            let full = format!("{}[].{}", key.path, name.get_ref());
            match keys.iter().find(|cell| cell.path == name.get_ref().as_ref()) {
                Some(cell) => match self.value(&full, &cell.kind, value) {
                    Some(value) => drop(row.cells.insert(cell.path, value)),
                    None => refused = true,
                },
                None => {
                    refused = true;
                    let names: Vec<&str> = keys.iter().map(|cell| cell.path).collect();
                    let help = match nearest(name.get_ref(), names.iter().copied()) {
                        Some(name) => format!("did you mean `{name}`? the keys are {}", names.join(", ")),
                        None => format!("the keys are {}", names.join(", ")),
                    };
                    let span = self.span(name.span());
                    self.report(Problem::new(format!("unknown key `{full}`"), help).label("unknown"), span);
                }
            }
        }
        for cell in keys.iter().filter(|cell| !table.contains_key(cell.path)) {
            if let Fallback::Value(text) = cell.fallback {
                row.cells.insert(cell.path, default_value(cell, text));
            }
            if matches!(cell.fallback, Fallback::Required) && !refused {
                let why = format!("`{}[].{}` is missing", key.path, cell.path);
                let help = format!("add `{} = …`: {} Allowed: {}", cell.path, cell.doc, cell.kind.allowed());
                self.report(Problem::new(why, help).label("this table"), place.span.clone());
            }
        }
        row
    }

    fn unknown(&self, path: &str) -> Problem {
        let (table, _) = path.rsplit_once('.').unwrap_or(("", path));
        let names = schema::names_in(table).join(", ");
        let known = match table {
            "" => format!("the keys and tables at the top are {names}"),
            _ if names.is_empty() => "docs/scenarios.md lists every key".into(),
            _ => format!("the keys of [{table}] are {names}"),
        };
        let help = match suggestion(path) {
            Some(full) => {
                let here = self.layer.rank < OVERRIDE;
                let shown = match schema::below(table, full) {
                    Some(name) if here && !name.contains('.') => format!("`{name}`"),
                    _ => match full.rsplit_once('.') {
                        Some((other, name)) if here => format!("`{name}` in [{other}]"),
                        _ => format!("`{full}`"),
                    },
                };
                format!("did you mean {shown}? {known}")
            }
            None => known,
        };
        Problem::new(format!("unknown key `{path}`"), help).label("unknown")
    }
}

/// The key or table that a path is most likely meant for.
fn suggestion(path: &str) -> Option<&'static str> {
    let (table, word) = path.rsplit_once('.').unwrap_or(("", path));
    let paths = || schema::KEYS.iter().map(|key| key.path);
    let sections = || SECTIONS.iter().map(|section| section.path);
    let all = || paths().chain(sections()).filter(|path| !path.is_empty());
    let in_table = || all().filter(|full| schema::below(table, full).is_some_and(|name| !name.contains('.')));
    let last = |full: &'static str| full.rsplit('.').next().unwrap_or(full);

    let near = nearest(word, in_table().map(last));
    let neighbour = near.and_then(|name| in_table().find(|full| last(full) == name));
    // A value was written: only a key can be meant, not a table of that name.
    let elsewhere = || paths().find(|full| last(full) == word);
    elsewhere().or(neighbour).or_else(|| nearest(path, all()))
}

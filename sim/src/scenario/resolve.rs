//! Layers laid over each other: `--set` beats the file, the file beats its presets, presets beat defaults.

use std::collections::BTreeMap;

use keystorm_model::suite::SuiteId;
use toml::Spanned;
use toml::de::DeValue;

use super::error::{Place, Problem};
use super::kind::{Fallback, Key, Kind};
use super::reader::{DEFAULT, FILE, Layer, OVERRIDE, Setting};
use super::value::{self, Value};
use super::{relations, schema};

/// Every key that holds something, by its path.
pub(super) struct Resolved {
    settings: BTreeMap<&'static str, Setting>,
}

/// Lays the layers over the defaults. What does not go together is reported.
pub(super) fn resolve(layers: &[Layer], problems: &mut Vec<Problem>) -> Resolved {
    let mut settings: BTreeMap<&'static str, Setting> = BTreeMap::new();
    let mut ranked: Vec<&Layer> = layers.iter().collect();
    ranked.sort_by_key(|layer| layer.rank);
    for layer in ranked {
        for table in &layer.replaced {
            settings
                .retain(|path, setting| setting.rank == layer.rank || schema::below(table, path).is_none());
        }
        for (key, setting) in &layer.settings {
            settings.insert(key.path, setting.clone());
        }
    }
    for key in schema::KEYS {
        if !settings.contains_key(key.path)
            && let Fallback::Value(text) = key.fallback
        {
            let value = default_value(key, text);
            settings.insert(key.path, Setting { value, rank: DEFAULT, place: None });
        }
    }
    let mut resolved = Resolved { settings };
    resolved.leave_out_other_suites();
    resolved.settle_alternatives(problems);
    resolved.settle_dependents(problems);
    resolved.require(layers, problems);
    resolved
}

/// A default is written in the schema as it would be after `--set key=`.
pub(super) fn default_value(key: &Key, text: &'static str) -> Value {
    if matches!(key.kind, Kind::Rows(_)) {
        return Value::Rows(Vec::new());
    }
    let bare = || Spanned::new(0..text.len(), DeValue::String(text.into()));
    let parsed = DeValue::parse(text).unwrap_or_else(|_| bare());
    value::read(&key.kind, parsed.get_ref()).expect("a default is in its own range")
}

impl Resolved {
    pub(super) fn get(&self, path: &str) -> Option<&Setting> {
        self.settings.get(path)
    }

    pub(super) fn has(&self, path: &str) -> bool {
        self.settings.contains_key(path)
    }

    /// Fills in a value that is derived from others.
    pub(super) fn derive(&mut self, path: &'static str, value: Value) {
        self.settings.entry(path).or_insert(Setting { value, rank: DEFAULT, place: None });
    }

    /// Changes a value in place, for instance to sort it.
    pub(super) fn edit(&mut self, path: &str, change: impl FnOnce(&mut Value)) {
        if let Some(setting) = self.settings.get_mut(path) {
            change(&mut setting.value);
        }
    }

    /// The place of the first of `paths` that was written somewhere.
    pub(super) fn place(&self, paths: &[&str]) -> Option<Place> {
        paths.iter().find_map(|path| self.get(path)?.place.clone())
    }

    /// Every `key = value`, sorted. The text is a scenario itself; the seed, the engine, what only a sweep reads, and the
    /// names of the presets, whose values are here, are left out.
    pub(super) fn canonical(&self) -> String {
        let mut text = String::new();
        for (path, setting) in &self.settings {
            let preset = schema::find(path).is_some_and(|key| matches!(key.kind, Kind::Preset(_)));
            let apart = *path == "seed" || *path == "engine" || path.starts_with("sweep.");
            if !preset && !apart {
                text.push_str(&format!("{path} = {}\n", setting.value));
            }
        }
        text
    }

    /// Times and costs of suites that the fleet does not have mean nothing.
    fn leave_out_other_suites(&mut self) {
        let Some(Value::Choice(fleet)) = self.get("fleet.suite").map(|setting| setting.value.clone()) else {
            return;
        };
        let others = || SuiteId::ALL.iter().map(|suite| suite.name()).filter(|name| *name != fleet);
        self.settings.retain(|path, _| {
            let of = |table: &&str, name| schema::below(&format!("{table}.{name}"), path).is_some();
            !relations::BY_SUITE.iter().any(|table| others().any(|name| of(table, name)))
        });
    }

    /// Of two ways to say the same the higher layer's stays; both in one layer is an error.
    fn settle_alternatives(&mut self, problems: &mut Vec<Problem>) {
        for &(one, other) in relations::EITHER_OR {
            let (Some((rank_one, _)), Some((rank_other, clash))) = (self.highest(one), self.highest(other))
            else {
                continue;
            };
            if rank_one == rank_other {
                let why = format!("`{}` and `{clash}` exclude each other", one[0]);
                let problem = Problem::new(why, "keep one of the two").label("this, or the other");
                problems.push(problem.at_place(self.place(&[clash])));
                continue;
            }
            for path in if rank_one > rank_other { other } else { one } {
                self.settings.remove(path);
            }
        }
    }

    /// Keys whose selector has another value go if they come from below it; else they are an error.
    fn settle_dependents(&mut self, problems: &mut Vec<Problem>) {
        for &(selector, wanted, paths) in relations::ONLY_WITH {
            let Some(chosen) = self.get(selector) else { continue };
            let Value::Choice(name) = chosen.value else { continue };
            if wanted.contains(&name) {
                continue;
            }
            let rank = chosen.rank.min(OVERRIDE);
            for path in paths {
                match self.settings.remove(path) {
                    Some(setting) if setting.rank > DEFAULT && setting.rank.min(OVERRIDE) >= rank => {
                        let why = format!("`{path}` has no effect with {selector} = \"{name}\"");
                        let help = format!("remove it, or set {selector} = \"{}\"", wanted.join("\" or \""));
                        problems.push(Problem::new(why, help).label("no effect").at_place(setting.place));
                    }
                    _ => {}
                }
            }
        }
    }

    fn highest(&self, paths: &[&'static str]) -> Option<(usize, &'static str)> {
        paths.iter().filter_map(|path| Some((self.get(path)?.rank, *path))).max_by_key(|(rank, _)| *rank)
    }

    fn require(&self, layers: &[Layer], problems: &mut Vec<Problem>) {
        let file = layers.iter().find(|layer| layer.rank == FILE);
        for key in schema::KEYS {
            if !matches!(key.fallback, Fallback::Required) || self.has(key.path) {
                continue;
            }
            let (table, name) = key.path.rsplit_once('.').unwrap_or(("", key.path));
            let whereto = if table.is_empty() { "at the top".into() } else { format!("under [{table}]") };
            let help = format!("add `{name} = …` {whereto}: {} Allowed: {}", key.doc, key.kind.allowed());
            let place = file.and_then(|file| file.tables.get(table).or_else(|| file.tables.get("")).cloned());
            let problem = Problem::new(format!("`{}` is missing", key.path), help);
            let label = if place.as_ref().is_some_and(|place| place.span.is_empty()) {
                format!("no `{}` in this file", key.path)
            } else {
                format!("no `{name}` here")
            };
            problems.push(problem.label(label).at_place(place));
        }
    }
}

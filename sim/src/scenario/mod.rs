//! Scenarios: TOML files and `--set` overrides, read once into a validated [`Plan`].
//!
//! It owns what a scenario may say (`schema.rs`, `sections.rs`, `relations.rs`, `kind.rs`), how it is written (`value.rs`, `reader.rs`), where
//! presets lie (`preset.rs`), which value wins (`resolve.rs`), what goes together (`check.rs`), traces of
//! visits (`trace.rs`) and the reference (`reference.rs`). What a plan means it does not know.

mod build;
mod check;
mod error;
mod kind;
mod preset;
mod reader;
mod reference;
mod relations;
mod resolve;
mod schema;
mod sections;
mod trace;
mod value;

use std::path::Path;
use std::sync::Arc;

use miette::NamedSource;

pub use error::{Problem, ScenarioError};
pub use reference::reference_markdown;

use crate::plan::Plan;
use error::Source;
use kind::Kind;
use reader::{FILE, Layer, OVERRIDE, PRESET};
use value::Value;

/// Reads a scenario, its presets and the overrides (`key.path=value`, later ones win) into a plan.
///
/// The command line's `--seed` and `--engine` are the overrides `seed=…` and `engine=…`.
///
/// # Errors
///
/// Everything that is wrong, with file, line, key, allowed range and remedy; a file that cannot be read too.
pub fn load(path: &Path, overrides: &[String]) -> Result<Plan, ScenarioError> {
    let text = std::fs::read_to_string(path).map_err(|error| unreadable(path, &error))?;
    load_text(path, text, overrides)
}

/// The same of a text that was read from `path`, or from a part of it.
///
/// # Errors
///
/// As with [`load`].
pub fn load_text(path: &Path, text: String, overrides: &[String]) -> Result<Plan, ScenarioError> {
    let source: Source = Arc::new(NamedSource::new(path.display().to_string(), text));
    let mut problems = Vec::new();
    let mut layers = vec![reader::file(&source, "", FILE, &mut problems)];
    for (i, text) in overrides.iter().enumerate() {
        layers.push(reader::set(text, OVERRIDE + i, &mut problems));
    }
    ScenarioError::check(std::mem::take(&mut problems))?;

    let dir = path.parent().unwrap_or(Path::new(""));
    let presets = presets(dir, &layers)?;
    layers.extend(presets);
    let resolved = resolve::resolve(&layers, &mut problems);
    ScenarioError::check(problems)?;
    build::plan(resolved, &stem(path), dir)
}

/// What `key=value` says, in one of all the ways in which it can be written (`1s` as `1000ms`); `None` where there is no such
/// key, or it cannot have that value. A preset's name stands for itself.
pub fn meaning(key: &str, value: &str) -> Option<String> {
    let mut problems = Vec::new();
    let layer = reader::set(&format!("{key}={value}"), OVERRIDE, &mut problems);
    let mut said: Vec<String> =
        layer.settings.iter().map(|(key, setting)| format!("{} = {}", key.path, setting.value)).collect();
    said.sort();
    problems.is_empty().then(|| said.join(", "))
}

/// A commented scenario that needs no other file, for `keystorm init`.
pub fn init_template() -> &'static str {
    include_str!("template.toml")
}

/// The presets that the topmost layers name, as layers.
fn presets(dir: &Path, layers: &[Layer]) -> Result<Vec<Layer>, ScenarioError> {
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for key in schema::KEYS {
        let Kind::Preset(folder) = key.kind else { continue };
        let named =
            layers.iter().flat_map(|layer| &layer.settings).filter(|(named, _)| named.path == key.path);
        let Some((_, setting)) = named.max_by_key(|(_, setting)| setting.rank) else { continue };
        let Value::Text(name) = &setting.value else { continue };
        let (table, _) = key.path.rsplit_once('.').expect("a preset belongs to a table");
        match preset::read(dir, folder, name, setting.place.clone()) {
            Ok(source) => found.push(reader::file(&source, table, PRESET, &mut problems)),
            Err(problem) => problems.push(problem),
        }
    }
    ScenarioError::check(problems)?;
    Ok(found)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Problem {
    let why = format!("cannot read the scenario `{}`: {error}", path.display());
    let dir = path.parent().unwrap_or(Path::new(""));
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let here = preset::toml_files(dir);
    let help = match error::nearest(&stem(path), here.iter().map(String::as_str)) {
        Some(name) if !path.exists() => {
            format!("did you mean `{}`?", path.with_file_name(format!("{name}.toml")).display())
        }
        _ if path.is_dir() => "name a file, not a folder".into(),
        _ if !path.exists() => "check the path, or write a scenario with `keystorm init`".into(),
        _ => "check the file's permissions and that it is text in UTF-8".into(),
    };
    Problem::new(why, help)
}

/// The file's name without its ending, with a dash for what a directory's name should not hold.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let name: String = stem.chars().map(plain).take(64).collect();
    let name = name.trim_start_matches('.');
    if name.is_empty() { "scenario".into() } else { name.into() }
}

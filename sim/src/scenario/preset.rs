//! Preset files: where they are looked for, and what to say when there is none.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use miette::NamedSource;

use super::error::{Place, Problem, Source, nearest};

/// Reads the preset `name` ("lines/gprs-lossy") of the scenario in `dir`: beside the scenario first, then in
/// the folder `scenarios` of each folder above it. `folder` is where presets of its kind lie; `place` is
/// where the scenario names it.
pub(super) fn read(dir: &Path, folder: &str, name: &str, place: Option<Place>) -> Result<Source, Problem> {
    let roots = roots(dir);
    let candidates: Vec<PathBuf> = roots.iter().map(|root| root.join(format!("{name}.toml"))).collect();
    let Some(path) = candidates.iter().find(|path| path.is_file()) else {
        return Err(missing(&roots, &candidates, folder, name).at_place(place));
    };
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Arc::new(NamedSource::new(path.display().to_string(), text))),
        Err(error) => {
            let why = format!("cannot read the preset `{}`: {error}", path.display());
            Err(Problem::new(why, "check the file's permissions and that it is text in UTF-8")
                .at_place(place))
        }
    }
}

/// The scenario's own folder, then every `scenarios` folder above it.
fn roots(dir: &Path) -> Vec<PathBuf> {
    let mut roots = vec![dir.to_path_buf()];
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
    for above in absolute.ancestors() {
        let root = above.join("scenarios");
        if root.is_dir() && root != absolute {
            roots.push(root);
        }
    }
    roots
}

fn missing(roots: &[PathBuf], candidates: &[PathBuf], folder: &str, name: &str) -> Problem {
    let looked: Vec<String> = candidates.iter().map(|path| path.display().to_string()).collect();
    let mut present: Vec<String> = Vec::new();
    for root in roots {
        for found in toml_files(&root.join(folder)) {
            let found = format!("{folder}/{found}");
            if !present.contains(&found) {
                present.push(found);
            }
        }
    }
    present.sort();
    let mut help = match nearest(name, present.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"? "),
        None => String::new(),
    };
    help.push_str(&format!("looked for {}; ", looked.join(" and ")));
    if present.is_empty() {
        help.push_str(&format!("there are no presets in a folder {folder}/ there"));
    } else {
        help.push_str(&format!("presets there: {}", present.join(", ")));
    }
    Problem::new(format!("there is no preset \"{name}\""), help).label("not found")
}

/// The names of the TOML files in a folder, without `.toml`.
pub(super) fn toml_files(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    names
}

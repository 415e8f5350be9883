//! The directory that `keystorm replay` writes: one card's life as a table, as Mermaid text and as a picture.

use std::io::Write as _;

use serde_json::{Map, Value};

use crate::dir::{DirError, RunDir};
use crate::manifest::{REPLAY_KIND, write_facts};

/// The endings of its files besides `manifest.json`.
pub(crate) const ENDINGS: [&str; 3] = ["txt", "mmd", "svg"];

/// A card's life in the three forms.
#[derive(Clone, Copy, Debug)]
pub struct Drawn<'a> {
    /// The table.
    pub table: &'a str,
    /// The diagram as Mermaid text.
    pub mermaid: &'a str,
    /// The diagram as a picture.
    pub svg: &'a str,
}

/// Writes `<stem>.txt`, `.mmd` and `.svg`, and a manifest that holds `facts`, into `dir`. [`RunDir::commit`] is left to
/// the caller.
pub fn write_replay(
    dir: &RunDir,
    stem: &str,
    drawn: Drawn<'_>,
    facts: Map<String, Value>,
) -> Result<(), DirError> {
    for (ending, text) in ENDINGS.into_iter().zip([drawn.table, drawn.mermaid, drawn.svg]) {
        dir.file(&format!("{stem}.{ending}"), |file| file.write_all(text.as_bytes()))?;
    }
    write_facts(dir, REPLAY_KIND, facts)
}

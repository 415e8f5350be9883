//! The diagram as Mermaid text (`sequenceDiagram`), which many viewers of Markdown draw.

use core::fmt::Write as _;

use super::diagram::{Item, Party};

/// The text of a diagram; `title` stands above it.
pub fn text(title: &str, items: &[Item]) -> String {
    let mut text = format!("---\ntitle: \"{}\"\n---\nsequenceDiagram\n", plain(title).replace('"', "'"));
    for party in Party::ALL {
        let _ = writeln!(text, "    participant {}", party.name());
    }
    for item in items {
        let _ = match item {
            Item::Section(words) => writeln!(text, "    Note over card,server: {}", plain(words)),
            Item::Arrow { number, from, to, label, cut, .. } => {
                // An answer of the card is dashed; what never arrives ends in a cross.
                let arrow = match (number, cut) {
                    (Some(_), false) => "->>",
                    (Some(_), true) => "-x",
                    (None, false) => "-->>",
                    (None, true) => "--x",
                };
                let number = number.map(|number| format!("{number} ")).unwrap_or_default();
                writeln!(text, "    {}{arrow}{}: {number}{}", from.name(), to.name(), plain(label))
            }
            Item::Note { at, text: words, .. } => {
                let side = if *at == Party::Server { "right of server" } else { at.over() };
                writeln!(text, "    Note {side}: {}", plain(words))
            }
        };
    }
    text
}

impl Party {
    const fn over(self) -> &'static str {
        match self {
            Party::Card => "left of card",
            Party::Client => "over client",
            Party::Server => "right of server",
        }
    }
}

/// Mermaid ends a line at `;` and begins an entity with `#`.
fn plain(words: &str) -> String {
    words.replace(';', ",").replace('#', "no. ")
}

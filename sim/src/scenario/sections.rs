//! The sections of a scenario as the reference shows them: docs/scenarios.md has a heading for each.

use super::schema::below;

/// A table that has a heading of its own in the reference.
pub(super) struct Section {
    pub(super) path: &'static str,
    pub(super) doc: &'static str,
}

/// The sections, in the order of the reference.
pub(super) static SECTIONS: &[Section] = &[
    Section { path: "", doc: "What the run is called, which engine drives it, and how long it lasts." },
    Section { path: "fleet", doc: "How many there are of each party, and their keys." },
    Section {
        path: "card",
        doc: "What the card enforces, and how long it takes. The default times of `prove`, `check`, `random`, `nvm_write` and `nvm_plain_write` are medians over 54 cards (crocs-muni/jcalgtest_results, commit 76b01cf3; AES-128 key set-up and 16 B, 16 B, atomic and plain write of 16 B); `endurance` is the least that data sheets of EEPROM promise (100,000 to 500,000 cycles); `reset`, `command` and `page` are general engineering knowledge without a source. docs/protocol.md says what the memory's modes and layouts are.",
    },
    Section {
        path: "line",
        doc: "The line between a client and the server. Each client has its own. The default is a made-up one that loses nothing.",
    },
    Section {
        path: "load",
        doc: "Who comes when, and what a session exchanges. A card always comes to the same client, except in a trace. docs/load.md shows the patterns, with their sources. A visit that falls due while the last one is not over (its holder is being served, queues or is about to come back) is left out and counted.",
    },
    Section { path: "update", doc: "Key renewal." },
    Section {
        path: "reissue",
        doc: "Cards that get new keys from their issuer, since no renewal can help them: it goes back to the issuer and is missing meanwhile, or is replaced.",
    },
    Section { path: "server", doc: "The server machine." },
    Section {
        path: "server.costs",
        doc: "Server time per part of the work. The defaults are those of the preset `costs/reference`, which `keystorm calibrate` measured on one core of a 2-core x86-64 machine (docs/ciphers.md says how, and what is in each). They are what this program's code takes for the work: measure your own server, and its disk. `server.backend` does not change them: a table that `keystorm calibrate --backend NAME` wrote has the costs of that backend.",
    },
    Section { path: "faults", doc: "What goes wrong besides the line's own losses." },
    Section { path: "turmoil", doc: "Settings of the turmoil engine." },
    Section {
        path: "sweep",
        doc: "What `keystorm sweep` does with the scenario, if the command line does not say. No run depends on it, and it does not count in the scenario's hash.",
    },
];

/// The section that a key is listed in: the longest that contains it.
pub(super) fn section_of(path: &str) -> &'static str {
    let holders =
        SECTIONS.iter().map(|section| section.path).filter(|section| below(section, path).is_some());
    holders.max_by_key(|section| section.len()).unwrap_or("")
}

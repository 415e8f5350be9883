//! docs/scenarios.md, generated from the schema.

use super::kind::{Fallback, Key, Kind};
use super::schema::KEYS;
use super::sections::{SECTIONS, section_of};

/// The whole of docs/scenarios.md.
pub fn reference_markdown() -> String {
    let mut text = String::from(INTRODUCTION);
    for section in SECTIONS {
        let title =
            if section.path.is_empty() { "At the top".into() } else { format!("`[{}]`", section.path) };
        text.push_str(&format!("\n### {title}\n\n{}\n\n", section.doc));
        text.push_str("| Key | Unit | Allowed | Default | Meaning |\n|---|---|---|---|---|\n");
        for key in KEYS.iter().filter(|key| section_of(key.path) == section.path) {
            text.push_str(&line(key.path, key));
            if let Kind::Rows(cells) = key.kind {
                for cell in cells {
                    text.push_str(&line(&format!("{}[].{}", key.path, cell.path), cell));
                }
            }
        }
    }
    text
}

fn line(path: &str, key: &Key) -> String {
    let default = match key.fallback {
        Fallback::Required => "required".into(),
        Fallback::Absent => "none".into(),
        Fallback::Derived(words) => words.into(),
        Fallback::Value(text) => format!("`{text}`"),
    };
    let allowed = match key.kind {
        Kind::Rows(_) => "see below".into(),
        kind => kind.allowed(),
    };
    format!("| `{path}` | {} | {allowed} | {default} | {} |\n", key.kind.unit(), key.doc)
}

const INTRODUCTION: &str = r#"<!-- Generated from sim/src/scenario/schema.rs. To write it anew: KEYSTORM_BLESS=1 cargo test -p keystorm --test scenario_reference -->

# Scenarios

A scenario is a TOML file that says what is simulated. `keystorm init` writes one to start from, and `keystorm check FILE`
checks one without running it. An unknown key, a missing unit or a value out of range is an error that names the
place and the remedy: nothing is guessed, and nothing is written.

```toml
horizon = "12min"

[fleet]
cards = 2_000
clients = 200

[line]
preset = "lines/gprs-lossy"
loss = "5%"                     # instead of the preset's

[update]
periods = ["30d"]

[[faults.outage]]
site = 0
at = "4min"
for = "90s"
```

## How values are written

| Unit | Written as | Examples |
|---|---|---|
| duration | a number and one of `ns us ms s min h d`, in quotes; decimals are fine where they make whole nanoseconds | `"650ms"`, `"1.5s"`, `"30d"` |
| probability | a ratio or a percentage in quotes, or 0 or 1; kept exact | `"2/100"`, `"0.5%"`, `0` |
| bit rate | bits per second, or a number and one of `bit/s kbit/s Mbit/s Gbit/s` in quotes, or `"unlimited"` | `9600`, `"30kbit/s"` |
| durations | a list | `["30d", "360d"]` |
| number, flag, name | as TOML has them | `2_000`, `true`, `"aes-128"` |

## Presets

`[line]`, `[card]` and `[server.costs]` can name a preset: a file that holds keys of that table, one `key = value` per line. The other keys
of the table override it. `preset = "lines/gprs-lossy"` is looked for as `lines/gprs-lossy.toml` beside the scenario, then in the folder
`scenarios` of each folder above it. `scenarios/` has presets for lines, cards and server costs, each value with its source.

`line.delay`, `line.burst`, `line.retry` and `load.retry_visit` are small tables. Written inline, as in `delay = { fixed = "1ms" }`, they replace the preset's
table whole. A dotted key, as in `retry.tries = 3`, changes that one value.

## Overrides

`--set key.path=value` overrides any key for one run. The value is read as TOML, and as a bare string where it is none, so that quotes are rarely needed:

```console
$ keystorm run scenarios/quickstart.toml --set fleet.cards=500 --set line.loss=5% --set 'update.periods=["30d", "360d"]'
$ keystorm run scenarios/quickstart.toml --set line.preset=lines/lte --set 'line.delay={ min = "5ms", max = "40ms" }'
```

Overrides beat the file, the file beats its presets, presets beat the defaults; among overrides the last one wins. Where two keys exclude each other, as
`line.loss` and `line.burst` do, the higher one removes the lower one.

## Identity

`scenario_sha256` in the reports is the SHA-256 of the resolved scenario: every key that holds something, presets, overrides and defaults applied, sorted, one `key = value` per line.
Comments, the order of keys and the way a value is written do not change it; neither do the seed and the engine, which have columns of their own.

## Every key
"#;

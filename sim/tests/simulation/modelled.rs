//! Stand-ins for the ciphers against the ciphers: what a run with them says of a fleet.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::common::{Summary, assert_code, names_in, run_reduced, stdout};

/// What depends on the bytes of keys and proofs: the hash of what was delivered, and names of the setting itself.
const MAY_DIFFER: [&str; 3] = ["scenario_sha256", "trace_digest", "crypto"];

/// Everything at once, with torn keys, on a line that cuts long proofs.
const FAULTS: [&str; 16] = [
    "fleet.cards=40",
    "update.periods=['30d','365d']",
    "update.escalation=true",
    "card.nvm=in-place",
    "line.loss=5%",
    "line.duplicate=5%",
    "line.reorder=5%",
    "line.reorder_by=900ms",
    "line.datagram_bytes=576",
    "faults.pull=30%",
    "faults.client_crash=5%",
    "faults.lose=5%",
    "faults.late=10%",
    "faults.late_by=4s",
    "faults.reinsert=5%",
    "faults.server_down=[{at='70s',for='2s'}]",
];

/// Runs a fleet and returns the files of its directory: without manifest and page, and the summary by columns.
fn directory(
    dir: &Path,
    suite: &str,
    (engine, recovery): (&str, &str),
    crypto: &str,
) -> (BTreeMap<String, Vec<u8>>, Summary) {
    let place = format!("{suite}-{engine}-{crypto}");
    let mut arguments = vec!["--quiet", "--engine", engine, "--out", &place];
    arguments.extend(FAULTS.iter().flat_map(|set| ["--set", set]));
    let more =
        [format!("fleet.suite={suite}"), format!("update.recovery={recovery}"), format!("crypto={crypto}")];
    arguments.extend(more.iter().flat_map(|set| ["--set", set]));
    let output = run_reduced(dir, &arguments);
    assert_code(&output, 0);
    let place = dir.join(place);
    says(crypto, &stdout(&output), &place);
    let mut files = BTreeMap::new();
    for folder in ["", "latency"] {
        for name in names_in(&place.join(folder)) {
            let path = place.join(folder).join(&name);
            if path.is_file() && !["manifest.json", "report.html", "summary.csv"].contains(&name.as_str()) {
                files.insert(format!("{folder}/{name}"), std::fs::read(path).unwrap());
            }
        }
    }
    (files, Summary::read(&place))
}

/// Whoever reads any report of a run must see what it was made with.
fn says(crypto: &str, text: &str, place: &Path) {
    let read = |name: &str| std::fs::read_to_string(place.join(name)).unwrap();
    let modelled = crypto == "modelled";
    assert_eq!(text.contains("(modelled)"), modelled, "{text}");
    assert_eq!(read("report.html").contains("(modelled)"), modelled);
    let manifest: Value = serde_json::from_str(&read("manifest.json")).unwrap();
    assert_eq!(manifest["crypto"], crypto);
    assert_eq!(Summary::read(place).text("crypto"), crypto);
}

#[test]
fn a_modelled_run_differs_from_the_real_one_in_the_bytes_of_keys_alone() {
    let dir = TempDir::new().unwrap();
    let (mut lost, mut interrupted) = (0, 0);
    for suite in ["3des", "aes-256", "rsa-1024", "p256", "ed25519", "ml-dsa-44"] {
        // Under first-contact what was torn stays torn.
        for way in [("events", "first-contact"), ("turmoil", "until-committed")] {
            let (engine, _) = way;
            let [(real, summary), (modelled, modelled_summary)] =
                ["real", "modelled"].map(|crypto| directory(dir.path(), suite, way, crypto));
            assert!(real.contains_key("/cards.csv") && real.contains_key("/timeline.csv") && real.len() > 6);
            assert!(real.keys().eq(modelled.keys()));
            for (name, bytes) in &real {
                let texts = [bytes, &modelled[name]].map(|bytes| String::from_utf8_lossy(bytes));
                assert_eq!(texts[0], texts[1], "{suite} on {engine}: {name}");
            }
            for (name, cell) in summary.cells() {
                let equal = cell == modelled_summary.text(name);
                assert_eq!(equal, !MAY_DIFFER.contains(&name), "{suite} on {engine}: {name}");
            }
            lost += summary.count("cards_torn") + summary.count("cards_stranded");
            interrupted += summary.count("updates_interrupted");
        }
    }
    assert!(lost > 10 && interrupted > 50, "{lost} lost, {interrupted} interrupted: too little to compare");
}

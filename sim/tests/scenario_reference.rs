//! docs/scenarios.md is what the schema says.

use std::path::Path;

use keystorm::scenario::reference_markdown;

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    let expected = reference_markdown();
    if std::env::var_os("KEYSTORM_BLESS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == expected,
        "docs/scenarios.md differs from the schema; write it anew with: \
         KEYSTORM_BLESS=1 cargo test -p keystorm --test scenario_reference"
    );
}

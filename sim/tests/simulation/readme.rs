//! The README shows what the program says.

use std::collections::BTreeSet;
use std::path::Path;

use crate::common::{Summary, assert_code, keystorm, shipped, stdout};

fn words(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// All that a run of the quickstart prints and writes, line by line; of cards.csv without the columns of `d1` and `d2`.
fn lines_of_a_run(dir: &Path) -> BTreeSet<String> {
    let scenario = shipped("quickstart");
    let output = keystorm(dir, &["run", scenario.to_str().unwrap(), "--out", "q"]);
    assert_code(&output, 0);
    let read = |file: &str| std::fs::read_to_string(dir.join("q").join(file)).unwrap();
    let mut lines: BTreeSet<String> = stdout(&output).lines().map(words).collect();
    for file in ["phases.csv", "failures.csv", "faults.csv"] {
        lines.extend(read(file).lines().map(words));
    }
    let cards = read("cards.csv");
    let header: Vec<&str> = cards.lines().next().unwrap().split(',').collect();
    let kept = |(name, _): &(&&str, &str)| !name.starts_with("d1_") && !name.starts_with("d2_");
    let row = |line: &str| {
        header.iter().zip(line.split(',')).filter(kept).map(|(_, cell)| cell).collect::<Vec<_>>().join(",")
    };
    lines.extend(cards.lines().map(row));
    let summary = read("summary.csv");
    let mut rows = summary.lines().map(|line| line.split(','));
    let pairs = rows.next().unwrap().zip(rows.next().unwrap());
    lines.extend(pairs.map(|(name, cell)| format!("{name} {cell}")));
    lines
}

#[test]
fn the_blocks_of_the_readme_are_what_a_run_says() {
    let dir = tempfile::tempdir().unwrap();
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let said = lines_of_a_run(dir.path());
    let quickstart = readme.split("## Vary, repeat, plan").next().unwrap();
    let mut seen = 0;
    for block in quickstart.split("```text\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for line in
            block.lines().map(words).filter(|line| !line.is_empty() && !line.starts_with("Written to"))
        {
            assert!(said.contains(&line), "the README says `{line}`, and a run does not");
            seen += 1;
        }
    }
    assert!(seen > 40, "{seen} lines were found");

    let scenario = shipped("quickstart");
    let first_contact = ["--set", "update.recovery=first-contact", "--out", "f"];
    assert_code(
        &keystorm(dir.path(), &[&["run", scenario.to_str().unwrap()], &first_contact[..]].concat()),
        0,
    );
    let number = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight"];
    let stranded = number[Summary::read(&dir.path().join("f")).count("cards_stranded") as usize];
    assert!(words(&readme).contains(&format!("ends with {stranded} stranded cards")), "{stranded}");
}

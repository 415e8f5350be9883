//! A run directory is whole or not there, and replaces nothing but its like.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use keystorm_reports::{CardRows, DirError, MANIFEST_FILE, RUN_KIND, RunDir, kind_of, write_run};
use tempfile::TempDir;

use crate::sample::{card, manifest, results};

fn scratch() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Every file under `dir`, relative, sorted.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    let mut names: Vec<String> = found
        .iter()
        .map(|path| path.strip_prefix(dir).unwrap().to_string_lossy().replace('\\', "/"))
        .collect();
    names.sort();
    names
}

fn write(place: &Path) -> Result<PathBuf, DirError> {
    let dir = RunDir::prepare(place)?;
    let cards = CardRows::new(2, (0..3).map(|number| card(number, 2)));
    write_run(&dir, &results(), &manifest(), Some(cards))?;
    dir.commit()
}

#[track_caller]
fn refused(place: &Path, words: &str) {
    let error = RunDir::prepare(place).unwrap_err();
    assert!(matches!(error, DirError::InTheWay { .. }), "{error}");
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains(words), "{error}");
}

#[test]
fn a_run_has_all_its_files_and_leaves_nothing_beside_them() {
    let scratch = scratch();
    let place = scratch.path().join("a/b/run");
    assert_eq!(write(&place).unwrap(), place);
    let expected = [
        "cards.csv",
        "failures.csv",
        "faults.csv",
        "latency.hlog",
        "latency/auth_intended.hgrm",
        "latency/auth_service.hgrm",
        "latency/session_intended.hgrm",
        "latency/session_service.hgrm",
        "latency/update_intended.hgrm",
        "latency/update_service.hgrm",
        "manifest.json",
        "phases.csv",
        "renewals.csv",
        "report.html",
        "summary.csv",
        "timeline.csv",
    ];
    assert_eq!(files(&place), expected);
    assert_eq!(files(scratch.path()).len(), expected.len());
    assert_eq!(fs::read_to_string(place.join("cards.csv")).unwrap().lines().count(), 4);
    assert_eq!(kind_of(&place).as_deref(), Some(RUN_KIND));
}

#[test]
fn equal_results_give_equal_bytes() {
    let scratch = scratch();
    let places = ["one", "two"].map(|name| write(&scratch.path().join(name)).unwrap());
    for name in files(&places[0]) {
        let [one, two] = [0, 1].map(|at| fs::read(places[at].join(&name)).unwrap());
        assert!(one == two, "{name}");
    }
}

#[test]
fn without_cards_there_is_no_cards_csv() {
    let scratch = scratch();
    let dir = RunDir::prepare(&scratch.path().join("run")).unwrap();
    write_run(&dir, &results(), &manifest(), None).unwrap();
    assert!(!dir.commit().unwrap().join("cards.csv").exists());
}

#[test]
fn a_run_replaces_an_older_run_and_an_empty_directory() {
    let scratch = scratch();
    let place = scratch.path().join("run");
    fs::create_dir(&place).unwrap();
    write(&place).unwrap();
    fs::write(place.join("cards.csv"), "old").unwrap();
    write(&place).unwrap();
    assert_ne!(fs::read_to_string(place.join("cards.csv")).unwrap(), "old");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing is left aside");
}

#[test]
fn a_run_in_which_somebody_keeps_a_file_is_not_replaced() {
    let scratch = scratch();
    let place = scratch.path().join("run");
    write(&place).unwrap();
    fs::write(place.join("notes.txt"), "mine").unwrap();
    refused(&place, "also holds notes.txt");
    assert_eq!(fs::read_to_string(place.join("notes.txt")).unwrap(), "mine");
}

#[test]
fn what_keystorm_did_not_write_is_refused_before_the_run() {
    let scratch = scratch();
    let place = scratch.path().join("run");
    fs::write(&place, "a letter").unwrap();
    refused(&place, "a file that keystorm did not write");
    refused(&place.join("inside"), "this is a file");
    assert_eq!(fs::read_to_string(&place).unwrap(), "a letter");

    let folder = scratch.path().join("folder");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("thesis.txt"), "years").unwrap();
    refused(&folder, "not a run of keystorm");
    for (manifest, words) in [
        ("{\"name\": \"a web page\"}", "not a run of keystorm"),
        ("no json", "not a run of keystorm"),
        ("{\"keystorm\": \"sweep\"}", "\"sweep\""),
    ] {
        fs::write(folder.join(MANIFEST_FILE), manifest).unwrap();
        refused(&folder, words);
    }
    assert!(folder.join("thesis.txt").exists());
    refused(Path::new(".."), "name of its own");
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 2, "a refusal leaves nothing behind");
}

#[test]
fn what_gets_in_the_way_during_the_run_is_refused_at_its_end() {
    let scratch = scratch();
    let place = scratch.path().join("run");
    let dir = RunDir::prepare(&place).unwrap();
    fs::write(&place, "a letter").unwrap();
    assert_eq!(dir.commit().unwrap_err().exit_code(), 2);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1);
    assert_eq!(fs::read_to_string(&place).unwrap(), "a letter");
}

#[test]
fn an_unfinished_run_leaves_nothing_behind() {
    let scratch = scratch();
    let place = scratch.path().join("a/b/run");
    let dir = RunDir::prepare(&place).unwrap();
    dir.file("summary.csv", |file| io::Write::write_all(file, b"half")).unwrap();
    assert_eq!(files(scratch.path()).len(), 1);
    drop(dir);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn an_unfinished_run_leaves_the_older_one_alone() {
    let scratch = scratch();
    let place = write(&scratch.path().join("run")).unwrap();
    let before = files(&place);
    drop(RunDir::prepare(&place).unwrap());
    assert_eq!(files(&place), before);
}

#[test]
fn the_older_run_is_put_back_when_the_new_one_cannot_take_its_place() {
    let scratch = scratch();
    let place = write(&scratch.path().join("run")).unwrap();
    let before = files(&place);
    let dir = RunDir::prepare(&place).unwrap();
    fs::remove_dir(scratch.path().join(format!(".run.tmp-{}", std::process::id()))).unwrap();
    assert_eq!(dir.commit().unwrap_err().exit_code(), 1);
    assert_eq!(files(&place), before);
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 1, "nothing is left aside");
}

#[test]
fn a_full_disk_ends_with_exit_code_1_and_says_what_to_do() {
    let scratch = scratch();
    let dir = RunDir::prepare(&scratch.path().join("run")).unwrap();
    let error = dir.file("cards.csv", |_| Err(io::ErrorKind::StorageFull.into())).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    for words in ["cannot write", "run/cards.csv", "free some space"] {
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[test]
fn a_name_left_over_by_a_killed_run_is_not_taken() {
    let scratch = scratch();
    let leftover = scratch.path().join(format!(".run.tmp-{}", std::process::id()));
    fs::create_dir(&leftover).unwrap();
    write(&scratch.path().join("run")).unwrap();
    assert!(leftover.exists());
}

#[cfg(unix)]
#[test]
fn a_symbolic_link_stands_for_what_it_leads_to() {
    let scratch = scratch();
    let real = write(&scratch.path().join("real")).unwrap();
    let link = scratch.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    write(&link).unwrap();
    assert!(link.is_symlink() && real.join("summary.csv").exists());
    fs::remove_dir_all(&real).unwrap();
    refused(&link, "leads nowhere");
}

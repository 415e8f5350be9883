//! `keystorm interrupt` as a user meets it.

use std::io::Read as _;
use std::process::{Command, Stdio};

use crate::cli::{signal, within_a_minute};
use crate::common::{SMALL_MATRIX, assert_code, keystorm, names_in, stderr, stdout};

const HEADER: &str = "suite,embodiment,recovery,nvm,layout,cut_step,cut_kind,card_state,server_state,outcome,\
                      connections_to_heal,depth,cut2_step,cut2_kind,crypto";

#[test]
fn the_matrix_is_written_shown_and_replaced_and_keeps_off_what_is_not_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [&SMALL_MATRIX[..], &["--out", "m"]].concat();
    for _ in 0..2 {
        let output = keystorm(dir.path(), &arguments);
        assert_code(&output, 0);
        assert_eq!(stderr(&output), "");
        assert!(stdout(&output).contains("3 combinations"), "{}", stdout(&output));
        assert!(stdout(&output).contains("first-contact: stranded"), "{}", stdout(&output));
    }
    assert_eq!(names_in(&dir.path().join("m")), ["interruptions.csv", "manifest.json"]);
    let csv = std::fs::read_to_string(dir.path().join("m/interruptions.csv")).unwrap();
    assert_eq!(csv.lines().next(), Some(HEADER));
    std::fs::write(dir.path().join("m/notes"), "mine").unwrap();
    assert_code(&keystorm(dir.path(), &arguments), 2);
    assert_code(&keystorm(dir.path(), &["interrupt", "--recovery", "hope"]), 2);
    let help = keystorm(dir.path(), &["interrupt", "--help"]);
    assert!(stdout(&help).contains("Examples:") && stdout(&help).contains("--single"));
}

#[test]
fn filters_choose_and_the_object_has_the_names_of_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let arguments = [
        "interrupt",
        "--single",
        "--quiet",
        "--suite",
        "rsa-1024",
        "--embodiment",
        "2b",
        "--embodiment",
        "4",
        "--recovery",
        "stage-and-flip",
        "--nvm",
        "shadow-page",
        "--layout",
        "page-per-key",
        "--depth",
        "1",
        "--format",
        "json",
        "--out",
        "m",
        "--jobs",
        "2",
    ];
    let output = keystorm(dir.path(), &arguments);
    assert_code(&output, 0);
    let said: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((&said["combinations"], &said["double_cuts"]), (&2.into(), &0.into()));
    let lines = said["lines"].as_array().unwrap();
    let named: Vec<_> = lines.iter().map(|line| line["embodiment"].as_str().unwrap()).collect();
    assert_eq!(named, ["2b", "4"]);
    assert_eq!(lines[0]["single"]["stranded"], 0);
    let csv = std::fs::read_to_string(dir.path().join("m/interruptions.csv")).unwrap();
    assert_eq!(said["single_cuts"], csv.lines().count() - 1);
    for row in csv.lines().skip(1) {
        assert!(row.starts_with("rsa-1024,"), "{row}");
        assert!(row.contains(",stage-and-flip,shadow-page,page-per-key,"), "{row}");
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_said_before_anything_is_run() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), "mine").unwrap();
    let output = keystorm(dir.path(), &["interrupt", "--quiet", "--out", "file/m"]);
    assert_code(&output, 2);
    assert!(stderr(&output).contains("file"), "{}", stderr(&output));
    assert_eq!(names_in(dir.path()), ["file"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    // A file of more than 4 KiB is what the limit does not let through.
    let dir = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_keystorm");
    let script = format!(
        "trap '' XFSZ; ulimit -f 8; exec {program} interrupt --single --quiet --suite aes-128 --depth 0 --embodiment 1 --out m"
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(dir.path()).output().unwrap();
    assert_code(&output, 1);
    assert!(stderr(&output).contains("cannot write m/interruptions.csv"), "{}", stderr(&output));
    assert!(names_in(dir.path()).is_empty(), "{:?}", names_in(dir.path()));
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_the_matrix_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_keystorm"))
        .args(["interrupt", "--quiet", "--suite", "aes-128", "--out", "m"])
        .current_dir(dir.path())
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    within_a_minute(|| names_in(dir.path()).iter().any(|name| name.starts_with(".m.tmp-")).then_some(()))
        .expect("the directory is prepared at once");
    signal(&child, "-INT");
    let Some(status) = within_a_minute(|| child.try_wait().unwrap()) else {
        child.kill().unwrap();
        panic!("it went on");
    };
    assert_eq!(status.code(), Some(130));
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("Interrupted: nothing was written."), "{said}");
    assert!(names_in(dir.path()).is_empty(), "{:?}", names_in(dir.path()));
}

//! One seed decides a run, to the last byte, in every build of the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::common::{REDUCED, Summary, assert_code, keystorm, reduced, run, run_reduced, shipped, stdout};

/// Digest of the reduced quickstart with its own seed. If a change of behaviour is meant, put the new one here.
const REDUCED_DIGEST: &str = "067440a59a443f02e00f0954f1c34eac";

/// Every file of a run directory but `manifest.json`, by name.
fn deterministic_files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                files.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    files.remove(Path::new("manifest.json")).expect("a run has a manifest");
    files
}

#[test]
fn one_seed_gives_the_same_bytes_and_another_gives_others() {
    let dir = tempfile::tempdir().unwrap();
    let mut runs = Vec::new();
    for (place, seed) in [("first", "7"), ("again", "7"), ("other", "8")] {
        assert_code(&run_reduced(dir.path(), &["--seed", seed, "--out", place]), 0);
        Summary::read(&dir.path().join(place)).assert_conserved();
        runs.push(deterministic_files(&dir.path().join(place)));
    }
    let [first, again, other] = &runs[..] else { panic!("three runs were made") };
    let names: Vec<_> = first.keys().map(|name| name.to_str().unwrap()).collect();
    for expected in ["summary.csv", "timeline.csv", "cards.csv", "latency.hlog", "latency/auth_service.hgrm"]
    {
        assert!(names.contains(&expected), "{names:?}");
    }
    for (name, bytes) in first {
        assert_eq!(Some(bytes), again.get(name), "{} differs between two runs of one seed", name.display());
    }
    assert_eq!(first.len(), again.len());
    for name in ["summary.csv", "timeline.csv", "cards.csv"] {
        let name = Path::new(name);
        assert_ne!(first.get(name), other.get(name), "{} is the same for two seeds", name.display());
    }
}

#[test]
fn another_seed_gives_another_digest() {
    let digest = |seed: &str| run(reduced(&[seed])).results.trace_digest;
    assert_eq!(digest("seed=1"), digest("seed=1"));
    assert_ne!(digest("seed=1"), digest("seed=2"));
}

/// What `trace` prints of the reduced quickstart: digests of the run and of its intervals, and the summary.
fn trace(program: &Path) -> String {
    let mut command = Command::new(program);
    command.arg("trace").arg(shipped("quickstart"));
    for set in REDUCED {
        command.args(["--set", set]);
    }
    let output = command.output().expect("the program starts");
    assert_code(&output, 0);
    stdout(&output)
}

/// Builds the program in the other profile, in the same target directory, and returns where it is.
fn build_other_profile() -> PathBuf {
    let this = Path::new(env!("CARGO_BIN_EXE_keystorm"));
    let profile = this.parent().expect("the program is in the folder of its profile");
    let target = profile.parent().expect("the profile is in the target directory");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let mut build = Command::new(cargo);
    build.args(["build", "--offline", "--quiet", "--package", "keystorm", "--bin", "keystorm"]);
    build.arg("--manifest-path").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    build.arg("--target-dir").arg(target);
    let other = if cfg!(debug_assertions) {
        build.arg("--release");
        "release"
    } else {
        "debug"
    };
    assert_ne!(profile.file_name(), Some(other.as_ref()), "the folder's name says which profile is tested");
    let output = build.output().expect("cargo starts");
    assert_code(&output, 0);
    target.join(other).join(this.file_name().expect("the program has a name"))
}

/// Optimised or not, with checks of overflow or without: the same run.
#[test]
fn digest_debug_release() {
    let here = trace(Path::new(env!("CARGO_BIN_EXE_keystorm")));
    let there = trace(&build_other_profile());
    assert_eq!(here, there, "debug and release builds differ");
    assert_eq!(here.lines().next(), Some(REDUCED_DIGEST), "the run is not what it was");
}

#[test]
fn verify_finds_equal_digests() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = shipped("quickstart");
    let mut arguments = vec!["verify", scenario.to_str().unwrap(), "--jobs", "2"];
    arguments.extend(REDUCED.iter().flat_map(|set| ["--set", set]));
    let output = keystorm(dir.path(), &arguments);
    assert_code(&output, 0);
    let said = stdout(&output);
    assert!(said.starts_with("Equal: three runs of quickstart"), "{said}");
    assert_eq!(said.matches(REDUCED_DIGEST).count(), 3, "{said}");
    assert!(crate::common::names_in(dir.path()).is_empty(), "verify writes nothing");
}

//! Tells the program which commit it was built from, where git knows; `manifest.json` names it. Where the sources are not those
//! of the commit, a hash of what differs stands behind it.

use std::io::Write as _;
use std::process::{Command, Stdio};

fn main() {
    for watched in ["../.git/HEAD", "../.git/refs/heads", "src", "build.rs", "../model/src", "../reports"] {
        println!("cargo:rerun-if-changed={watched}");
    }
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"], b"") else { return };
    let commit = String::from_utf8_lossy(&commit).trim().to_owned();
    let changes = git(&["diff", "HEAD", "--", "src", "../model/src", "../reports"], b"").unwrap_or_default();
    let changed = (!changes.is_empty()).then(|| git(&["hash-object", "--stdin"], &changes)).flatten();
    let mark = changed.map(|hash| format!("-dirty-{}", String::from_utf8_lossy(&hash[..hash.len().min(8)])));
    println!("cargo:rustc-env=KEYSTORM_COMMIT={commit}{}", mark.unwrap_or_default());
}

/// What git says; `None`: there is none, or it refuses.
fn git(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut git = Command::new("git");
    let child =
        git.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.ok()?;
    child.stdin.take()?.write_all(input).ok()?;
    let output = child.wait_with_output().ok()?;
    output.status.success().then_some(output.stdout)
}

//! Bugs planted in the real machines, one at a time, each with the checker that must notice it.
//!
//! A bug is caught if the named checker reports it. It fails the test if nothing does, if only another checker does, or
//! if it never took effect. Each trial is run without a bug first: the checkers must then be silent.

mod card;
mod fleet;
mod list;
mod server;

use std::process::Command;

use keystorm_model::planted;

use list::BUGS;

#[test]
fn planted_bugs_are_all_caught() {
    let mut missed = Vec::new();
    for (bug, trial, checker) in BUGS {
        let (found, effects) = planted::with(bug, || trial.run());
        let caught = found.iter().any(|what| what.contains(checker));
        println!("{bug:?}: took effect {effects} times; {} reports, caught: {caught}", found.len());
        if effects == 0 || !caught {
            let seen: Vec<_> = found.iter().take(3).collect();
            missed
                .push(format!("{bug:?}: took effect {effects} times, \"{checker}\" expected, saw {seen:#?}"));
        }
    }
    assert!(missed.is_empty(), "{} of {} bugs are missed:\n{}", missed.len(), BUGS.len(), missed.join("\n"));
    println!("planted_bugs: {} planted, all caught", BUGS.len());
}

#[test]
fn planted_bugs_are_the_only_thing_that_the_checkers_see() {
    let mut tried = Vec::new();
    for (_, trial, _) in BUGS {
        if !tried.contains(&trial) {
            assert_eq!(trial.run(), Vec::<String>::new(), "{trial:?}");
            tried.push(trial);
        }
    }
}

/// What is built to be used has no hook in it: the feature comes with the tests alone.
#[test]
fn planted_bugs_do_not_ship() {
    let features = |edges: &str| {
        let mut tree = Command::new(env!("CARGO"));
        tree.args([
            "tree",
            "--offline",
            "--package",
            "keystorm",
            "--edges",
            edges,
            "--invert",
            "keystorm-model",
        ]);
        let tree = tree.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
        assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
        String::from_utf8(tree.stdout).expect("cargo writes text")
    };
    assert!(features("features,normal,build,dev").contains("planted-bugs"), "as the tests have it");
    assert!(!features("features,normal,build").contains("planted-bugs"));
}

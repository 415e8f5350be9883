//! The client directory in a database: the same results as in memory, whatever crashes.

use keystorm::directory::{DirectoryKind, ServerDirectory};
use keystorm::plan::Plan;
use keystorm::run::Finished;
use keystorm::scenario;
use tempfile::TempDir;

use crate::common::{Summary, assert_code, cards, fired, reduced, run, run_reduced, shipped};

/// Runs a plan with either kind of directory: nothing may differ. Returns the run over the database.
fn same_with_both(about: &str, plan: &Plan) -> Finished {
    let [memory, redb] = DirectoryKind::ALL.map(|directory| {
        let mut plan = plan.clone();
        plan.server.directory = directory;
        run(plan)
    });
    assert_eq!(memory.results.trace_digest, redb.results.trace_digest, "{about}");
    assert_eq!(memory.results.counts, redb.results.counts, "{about}");
    assert_eq!(cards(&memory), cards(&redb), "{about}");
    redb
}

#[test]
fn the_kind_of_directory_changes_no_result() {
    let crashes = "faults.server_crash={every='7s',for='400ms'}";
    let cases: [&[&str]; 8] = [
        &["engine=turmoil"],
        &["engine=turmoil", crashes],
        &["engine=events", crashes, "update.recovery=stage-and-flip", "update.embodiment=\"1+2a+2b+3+4\""],
        &["engine=events", crashes, "update.recovery=first-contact", "update.periods=['30d','365d']"],
        &["engine=events", crashes, "fleet.server_keys=common", "update.periods=['30d','365d']"],
        &["engine=events", crashes, "fleet.suite=ml-dsa-44", "fleet.cards=20", "fleet.clients=4"],
        &[
            "engine=events",
            crashes,
            "card.nvm=in-place",
            "update.escalation=true",
            "update.root=itself",
            "update.periods=['30d','30d','30d']",
            "reissue.after_refusals=1",
            "reissue.takes=20s",
            "faults.pull=45%",
        ],
        &[
            "engine=events",
            crashes,
            "update.spread=admission",
            "update.spread_admits=9",
            "update.spread_interval=10s",
        ],
    ];
    for set in cases {
        let finished = same_with_both(&format!("{set:?}"), &reduced(set));
        if set.contains(&crashes) {
            assert!(fired(&finished, "server crash") > 10, "{set:?}");
        }
    }
}

#[test]
fn the_worst_month_is_the_same_over_a_database() {
    let set = ["fleet.cards=240", "fleet.clients=20"].map(str::to_owned);
    let finished = same_with_both("worst-month", &scenario::load(&shipped("worst-month"), &set).unwrap());
    assert!(fired(&finished, "server crash") > 10);
    assert_eq!(finished.results.counts.cards_stranded, 0);
}

/// One sync for each request that changed anything, one at each start, and those that opening a database takes.
#[test]
fn the_server_syncs_before_it_answers_and_not_otherwise() {
    let finished = run(reduced(&["engine=events", "server.directory=redb", "line.loss=0", "faults.pull=0"]));
    let ServerDirectory::Redb(directory) = finished.world.directory() else { panic!("that was asked for") };
    let syncs = directory.disk().syncs();
    let commits = finished.results.counts.updates_committed;
    assert_eq!(commits, 300);
    assert!((commits..commits + 20).contains(&syncs), "{syncs} syncs for {commits} commits");
}

#[test]
fn the_program_loses_no_commit_when_its_server_over_a_database_crashes() {
    let dir = TempDir::new().unwrap();
    let out = dir.path().join("redb");
    let out = out.to_str().unwrap();
    let crashes = "faults.server_crash={every='10s',for='1s'}";
    let output = run_reduced(dir.path(), &["--set", "server.directory=redb", "--set", crashes, "--out", out]);
    assert_code(&output, 0);
    let summary = Summary::read(out.as_ref());
    summary.assert_conserved();
    assert!(summary.count("updates_interrupted") > 0 && summary.count("updates_recovered") > 0);
    assert_eq!(summary.count("cards_stranded"), 0);
}

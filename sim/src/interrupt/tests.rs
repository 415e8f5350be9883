//! The matrix of single cuts against what the protocol promises.

use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::server::{Embodiment, Recovery};
use keystorm_reports::results::{Outcome, PairState};

use super::matrix::{Findings, Row, run};
use super::party::{Combination, DueDepths};
use crate::step::{Kind, What};

fn all() -> Vec<Findings> {
    let findings = run(&Combination::all(), false, 2, |_| true).unwrap().unwrap();
    assert_eq!(findings.len(), 270);
    findings
}

fn harmed(row: &Row) -> bool {
    !matches!(row.verdict.outcome, Outcome::Unharmed | Outcome::Healed)
}

#[test]
fn single_cuts_break_no_rule_and_harm_as_the_policies_say() {
    let all = all();
    let violations: Vec<_> = all.iter().flat_map(|found| &found.violations).collect();
    assert!(violations.is_empty(), "{violations:?}");
    for found in &all {
        let Combination { recovery, mode, layout, embodiment, due } = found.combination;
        let first_contact = recovery == Recovery::FirstContact;
        let count = |outcome| found.rows.iter().filter(|row| row.verdict.outcome == outcome).count();
        if mode != WriteMode::InPlace && !first_contact {
            assert!(!found.rows.iter().any(harmed), "{:?}", found.combination);
            assert!(found.rows.iter().all(|row| row.verdict.connections.is_some()));
        }
        if mode == WriteMode::InPlace && layout == PageLayout::Packed {
            assert!(count(Outcome::Torn) > 0 && count(Outcome::Blocked) > 0, "{:?}", found.combination);
        }
        if first_contact && due != DueDepths::One && embodiment != Embodiment::TwoA {
            assert!(count(Outcome::Stranded) > 0, "{:?}", found.combination);
        }
        if first_contact && due != DueDepths::One && embodiment == Embodiment::TwoA {
            assert!(count(Outcome::Blocked) > 0, "a try is burnt at each connection");
        }
    }
}

/// The state at depth 0 by how many keys have been stored and whether the server has committed.
#[test]
fn a_cut_leaves_old_split_ahead_or_new_keys() {
    for found in all() {
        let Combination { mode, embodiment, due, .. } = found.combination;
        let pairs = |row: &Row| row.standing.pairs;
        if matches!(embodiment, Embodiment::TwoA | Embodiment::TwoB) {
            assert!(found.rows.iter().all(|row| !pairs(row).contains(&PairState::Split)));
        }
        if mode == WriteMode::InPlace || due != DueDepths::Zero {
            continue;
        }
        let keys = embodiment.rings().len();
        let (mut stored, mut committed) = (0, false);
        for row in &found.rows {
            let stores = matches!(row.cut.step.what, What::Command("STORE KEY" | "DERIVE KEY", _));
            // Within a store it depends on the moment, and the others show both ends.
            if stores && matches!(row.cut.kind, Kind::PulledDuring(_)) {
                continue;
            }
            stored += usize::from(stores && row.cut.kind == Kind::PulledAfter);
            committed |=
                row.cut.step.what == What::Message("UpdateVerdict") && row.cut.kind == Kind::CrashAfter;
            let expected = match stored {
                _ if committed => PairState::New,
                0 => PairState::Old,
                some if some < keys => PairState::Split,
                _ => PairState::CardAhead,
            };
            assert_eq!(pairs(row)[0], expected, "{:?}: {} {}", found.combination, row.cut.step, row.cut.kind);
        }
        assert!(committed && stored == keys);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let some: Vec<_> = Combination::all().into_iter().step_by(37).collect();
    let rows = |jobs| {
        let found = run(&some, false, jobs, |_| true).unwrap().unwrap();
        found.iter().flat_map(Findings::csv_rows).map(|row| format!("{row:?}")).collect::<Vec<_>>()
    };
    assert_eq!(rows(1), rows(3));
}

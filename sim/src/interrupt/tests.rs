//! The matrix against what the protocol promises, and against itself.

use std::collections::BTreeSet;

use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::message;
use keystorm_model::planted::{self, Bug};
use keystorm_model::server::{Embodiment, Recovery};
use keystorm_model::suite::{Crypto, Family, SuiteId};
use keystorm_reports::results::{Interruption, Outcome, PairState};

use super::combination::{CIPHERS, Combination, DueDepths};
use super::findings::{Findings, Row};
use super::matrix::{Settings, run};
use super::rerun::{Event, RowName, rerun};
use super::summary;
use crate::step::{Kind, Remnant, What};

fn run_all(combinations: &[Combination], settings: Settings) -> Vec<Findings> {
    run(combinations, settings, |_| true).unwrap().unwrap()
}

/// Every single cut with AES.
fn singles() -> Vec<Findings> {
    let findings = run_all(&Combination::all(&CIPHERS[..1]), Settings::new(false, 2));
    assert_eq!(findings.len(), 270);
    findings
}

fn one(suite: SuiteId, recovery: Recovery, mode: WriteMode, embodiment: Embodiment) -> Combination {
    Combination {
        suite,
        crypto: Crypto::Real,
        recovery,
        mode,
        layout: PageLayout::Packed,
        embodiment,
        due: DueDepths::Zero,
    }
}

fn harmed(row: &Row) -> bool {
    !matches!(row.verdict.outcome, Outcome::Unharmed | Outcome::Healed)
}

fn assert_no_violation(findings: &[Findings]) {
    let violations: Vec<_> = findings.iter().flat_map(|found| &found.violations).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn single_cuts_break_no_rule_and_harm_as_the_policies_say() {
    let all = singles();
    assert_no_violation(&all);
    for found in &all {
        let Combination { recovery, mode, layout, embodiment, due, .. } = found.combination;
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
    for found in singles() {
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
            let at_once = matches!(
                row.cut.kind,
                Kind::LostUp | Kind::LostDown | Kind::PulledBefore | Kind::PulledAfter
            );
            let stores = matches!(row.cut.step.what, What::Command("STORE KEY" | "DERIVE KEY", _));
            stored += usize::from(stores && row.cut.kind == Kind::PulledAfter);
            committed |=
                row.cut.step.what == What::Message("UpdateVerdict") && row.cut.kind == Kind::CrashAfter;
            // Within a store it depends on the moment, and the others show both ends.
            if !at_once {
                continue;
            }
            let expected = match stored {
                _ if committed => PairState::New,
                0 => PairState::Old,
                some if some < keys => PairState::Split,
                _ => PairState::CardAhead,
            };
            let Row { cut, .. } = row;
            assert_eq!(pairs(row)[0], expected, "{:?}: {} {}", found.combination, cut.step, cut.kind);
        }
        assert!(committed && stored == keys);
    }
}

/// Every kind of fault strikes wherever it can: at each message, or at each command.
#[test]
fn every_kind_of_fault_strikes() {
    let found = run_all(
        &[one(SuiteId::Aes128, Recovery::UntilCommitted, WriteMode::InPlace, Embodiment::One)],
        Settings::new(false, 1),
    );
    let rows = &found[0].rows;
    let at = |what: What| -> BTreeSet<&str> {
        rows.iter().filter(|row| row.cut.step.what == what).map(|row| row.cut.kind.name()).collect()
    };
    let request = at(What::Message("CardProof"));
    let expected = [
        "client crash",
        "duplicated",
        "late copy",
        "lost up",
        "lost up alone",
        "second connection",
        "second connection interleaved",
        "server crash after",
        "server crash before",
    ];
    assert_eq!(request.into_iter().collect::<Vec<_>>(), expected);
    let answer = at(What::Message("Verdict"));
    let expected = ["client crash", "duplicated", "late answers", "lost down", "lost down alone"];
    assert_eq!(answer.into_iter().collect::<Vec<_>>(), expected);
    let store = at(What::Command("STORE KEY", Some((true, 3))));
    let expected = [
        "client crash after",
        "client crash before",
        "client crash during",
        "pulled after",
        "pulled before",
        "pulled during",
    ];
    assert_eq!(store.into_iter().collect::<Vec<_>>(), expected);
    for remnant in Remnant::ALL {
        let left = |row: &Row| matches!(row.cut.kind, Kind::PulledDuring(_, left) if left == remnant);
        assert!(rows.iter().any(left), "{remnant:?}");
    }
    let names: BTreeSet<_> =
        rows.iter().map(|row| (row.cut.step.to_string(), row.cut.kind.to_string())).collect();
    assert_eq!(names.len(), rows.len(), "a name means one cut");
}

fn text(findings: &[Findings]) -> Vec<String> {
    findings.iter().flat_map(Findings::csv_rows).map(|row| format!("{row:?}")).collect()
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let some: Vec<_> = Combination::all(&CIPHERS[..2]).into_iter().step_by(67).collect();
    let rows = |jobs| text(&run_all(&some, Settings::new(false, jobs)));
    assert_eq!(rows(1), rows(3));
}

#[test]
fn there_is_a_suite_of_each_family_and_one_whose_proofs_are_many_commands() {
    let families = CIPHERS.map(|(suite, _)| suite.family());
    assert!(families.contains(&Family::Symmetric) && families.contains(&Family::Asymmetric));
    let most = CIPHERS.map(|(suite, _)| suite.sizes().proof / 255).into_iter().max();
    assert!(most > Some(5), "{most:?}");
}

/// With stand-ins every cut has the same name, and does the same.
#[test]
fn a_modelled_matrix_is_the_real_one() {
    let in_place = |suite, embodiment| one(suite, Recovery::FirstContact, WriteMode::InPlace, embodiment);
    let logged = |suite, embodiment| one(suite, Recovery::StageAndFlip, WriteMode::UndoLog, embodiment);
    let mut real: Vec<_> = Combination::all(&CIPHERS[1..2]).into_iter().step_by(53).collect();
    real.push(in_place(SuiteId::P256, Embodiment::One));
    real.push(logged(SuiteId::Ed25519, Embodiment::Three));
    real.push(in_place(SuiteId::MlDsa44, Embodiment::TwoB));
    real.push(logged(SuiteId::Aes256, Embodiment::Four));
    compare_with_modelled(&real, false);
    compare_with_modelled(&[logged(SuiteId::Aes128, Embodiment::TwoA)], true);
}

fn compare_with_modelled(real: &[Combination], twice: bool) {
    let modelled: Vec<_> = real.iter().map(|one| Combination { crypto: Crypto::Modelled, ..*one }).collect();
    let [real, modelled] = [real, &modelled].map(|some| run_all(some, Settings::new(twice, 2)));
    for (real, modelled) in real.iter().zip(&modelled) {
        assert_eq!((real.once, real.twice), (modelled.once, modelled.twice), "{:?}", real.combination);
        let rows = |found: &Findings| -> Vec<String> {
            found.csv_rows().map(|row| format!("{:?}", Interruption { crypto: "", ..row })).collect()
        };
        let (real_rows, modelled_rows) = (rows(real), rows(modelled));
        assert!(real_rows.len() > 100);
        for (real_row, modelled_row) in real_rows.iter().zip(&modelled_rows) {
            assert_eq!(real_row, modelled_row, "{:?}", real.combination);
        }
        assert_eq!(real_rows.len(), modelled_rows.len());
    }
}

/// Without memory, each world is healed by itself and each key generated anew.
#[test]
fn memory_changes_no_result() {
    for (recovery, mode, embodiment) in [
        (Recovery::StageAndFlip, WriteMode::UndoLog, Embodiment::TwoA),
        (Recovery::FirstContact, WriteMode::InPlace, Embodiment::TwoB),
    ] {
        compare_with_fresh(one(SuiteId::Aes128, recovery, mode, embodiment), true);
    }
    let rsa = one(SuiteId::Rsa1024, Recovery::StageAndFlip, WriteMode::ShadowPage, Embodiment::TwoB);
    compare_with_fresh(rsa, false);
}

fn compare_with_fresh(combination: Combination, twice: bool) {
    let with = |memory| {
        let settings = Settings { memory, ..Settings::new(twice, 1) };
        run_all(&[combination], settings).remove(0)
    };
    let (remembered, fresh) = (with(true), with(false));
    assert_eq!((remembered.once, remembered.twice), (fresh.once, fresh.twice), "{combination:?}");
    // Where first cuts leave worlds with one future, the rows name the first of them only.
    let rows: BTreeSet<_> = text(&[fresh]).into_iter().collect();
    let kept = text(&[remembered]);
    assert!(!kept.is_empty() && kept.iter().all(|row| rows.contains(row)), "{combination:?}");
}

/// The mistakes that show in the life of one card, and what the matrix says of them.
const MISTAKES: [(Bug, Recovery, &str); 8] = [
    (Bug::CardAnswersBeforeWriting, Recovery::UntilCommitted, "that the card does not hold"),
    (Bug::CardNeverRestoresTries, Recovery::UntilCommitted, "a try was lost"),
    (Bug::CardStoresUnderWrongNumber, Recovery::UntilCommitted, "that the card does not hold"),
    (Bug::ServerCommitsEarly, Recovery::UntilCommitted, "that the card does not hold"),
    (Bug::ServerClosesNothing, Recovery::UntilCommitted, "that the card does not hold"),
    (Bug::ServerGuessesAgain, Recovery::StageAndFlip, "promises"),
    (Bug::ServerRepeatsRo, Recovery::UntilCommitted, "the same Ro twice"),
    (Bug::ServerKeepsStage, Recovery::StageAndFlip, "promises"),
];

#[test]
fn each_mistake_breaks_a_rule() {
    for (bug, recovery, expected) in MISTAKES {
        let combination = one(SuiteId::Aes128, recovery, WriteMode::UndoLog, Embodiment::One);
        let run = || run_all(&[combination], Settings::new(true, 1)).remove(0);
        let (found, effects) = planted::with(bug, run);
        let said: Vec<_> = found.violations.iter().take(3).collect();
        assert!(effects > 0, "{bug:?} took no effect");
        assert!(found.violations.iter().any(|violation| violation.contains(expected)), "{bug:?}: {said:#?}");
    }
}

fn name_of(row: &Interruption) -> RowName {
    let second = row.cut2_step.clone().zip(row.cut2_kind.clone());
    RowName {
        suite: row.suite.into(),
        crypto: row.crypto.into(),
        embodiment: row.embodiment.into(),
        recovery: row.recovery.into(),
        nvm: row.nvm.into(),
        layout: row.layout.into(),
        depth: row.depth.into(),
        cut: [row.cut_step.clone(), row.cut_kind.clone()],
        second: second.map(|(step, kind)| [step, kind]),
    }
}

#[test]
fn a_rerun_of_a_row_comes_to_the_same_end_and_shows_its_cuts() {
    let combination = one(SuiteId::Aes128, Recovery::FirstContact, WriteMode::InPlace, Embodiment::One);
    let found = run_all(&[combination], Settings::new(true, 1)).remove(0);
    let rows: Vec<_> = found.rows.iter().zip(found.csv_rows()).collect();
    let (doubles, singles): (Vec<_>, Vec<_>) = rows.iter().partition(|(row, _)| row.second.is_some());
    assert!(doubles.len() > 10 && singles.len() > 100);
    for (row, csv) in singles.iter().copied().chain(doubles.into_iter().step_by(101)) {
        let mut cuts = Vec::new();
        let mut connections = 0;
        let verdict = rerun(&name_of(csv), &mut |event: &Event| match event {
            Event::Cut(cut) => cuts.push(*cut),
            Event::Connected { .. } => connections += 1,
            _ => {}
        });
        assert_eq!(verdict.unwrap(), row.verdict, "{csv:?}");
        // A late copy that changes nothing is not looked at any more.
        let silent = |cut: &super::cuts::Cut| matches!(cut.kind, Kind::LateCopy { .. });
        let expected: Vec<_> = [Some(row.cut), row.second].into_iter().flatten().collect();
        if !expected.iter().any(silent) {
            assert_eq!(cuts, expected);
        }
        assert!(connections >= 1);
    }
}

#[test]
fn a_rerun_shows_the_messages_in_their_order() {
    let combination = one(SuiteId::Aes128, Recovery::UntilCommitted, WriteMode::UndoLog, Embodiment::Four);
    let found = run_all(&[combination], Settings::new(false, 1)).remove(0);
    let lost = found
        .csv_rows()
        .find(|row| (row.cut_step.as_str(), row.cut_kind.as_str()) == ("UpdateVerdict", "lost up"));
    let mut seen = Vec::new();
    let name = name_of(&lost.unwrap());
    rerun(&name, &mut |event: &Event| {
        let of = |datagram: &[u8]| message::decode(datagram).map(|(_, message)| message.name()).unwrap();
        match event {
            Event::Sent { datagram } => seen.push(format!("sent {}", of(datagram))),
            Event::AtServer { datagram } => seen.push(format!("at server {}", of(datagram))),
            Event::Cut(cut) => seen.push(format!("{} {}", cut.step, cut.kind)),
            Event::Committed { depth } => seen.push(format!("committed depth {}", depth.0)),
            _ => {}
        }
    })
    .unwrap();
    let place =
        |what: &str| seen.iter().position(|one| one == what).unwrap_or_else(|| panic!("{what}: {seen:?}"));
    let cut = place("UpdateVerdict lost up");
    assert_eq!(seen[cut - 1], "sent UpdateVerdict");
    assert_eq!(seen[cut + 1], "sent Hello", "the next connection");
    assert!(place("committed depth 0") > cut);
    let unknown = RowName { cut: ["Hello".into(), "lost sideways".into()], ..name.clone() };
    let error = rerun(&unknown, &mut |_: &Event| {}).unwrap_err();
    assert!(error.contains("lost sideways at Hello"), "{error}");
    let unknown = RowName { nvm: "stone".into(), ..name };
    let error = rerun(&unknown, &mut |_: &Event| {}).unwrap_err();
    assert!(error.contains("column nvm") && error.contains("undo-log"), "{error}");
}

/// What the documentation says of single cuts is what a run says, and the summary names causes.
#[test]
fn the_documentation_shows_the_table_of_a_run() {
    const DOCUMENT: &str = include_str!("../../../docs/interruptions.md");
    let all = singles();
    let text = summary::text(&all, false);
    let shown: BTreeSet<&str> =
        DOCUMENT.lines().map(|line| line.split(" | ").next().unwrap_or(line).trim_end()).collect();
    let table: Vec<&str> = text.lines().skip(2).take_while(|line| !line.starts_with("missed")).collect();
    assert_eq!(table.len(), 90);
    for line in table {
        assert!(shown.contains(line), "docs/interruptions.md has no line\n{line}\nbut should show\n{text}");
    }
    assert!(text.contains("first-contact: stranded with"), "{text}");
    assert!(text.contains("and does not renew again"), "{text}");
    assert!(text.contains("a counter of tries was erased"), "{text}");
}

/// Two cuts in a row: with an undo log or shadow pages nobody is harmed under the policies that renew again.
#[test]
fn two_cuts_harm_nobody_whose_memory_is_whole_and_whose_policy_renews_again() {
    let mut harmed = 0;
    for recovery in Recovery::ALL {
        for mode in WriteMode::ALL {
            let combination = one(SuiteId::Aes128, recovery, mode, Embodiment::One);
            let found = run_all(&[combination], Settings::new(true, 2)).remove(0);
            assert_no_violation(std::slice::from_ref(&found));
            let harm =
                [Outcome::Stranded, Outcome::Blocked, Outcome::Torn].map(|outcome| found.twice.of(outcome));
            let safe = recovery != Recovery::FirstContact && mode != WriteMode::InPlace;
            assert_eq!(harm.iter().sum::<u64>() == 0, safe, "{combination:?}: {harm:?}");
            harmed += u64::from(!safe);
            assert_eq!(harm[0] > 0, recovery == Recovery::FirstContact, "only first-contact strands");
        }
    }
    assert_eq!(harmed, 5);
}

#[test]
fn another_suite_is_told_by_its_differences() {
    let both = [SuiteId::Aes128, SuiteId::Rsa1024];
    let combinations: Vec<_> = both
        .iter()
        .map(|&suite| one(suite, Recovery::UntilCommitted, WriteMode::UndoLog, Embodiment::TwoB))
        .collect();
    let text = summary::text(&run_all(&combinations, Settings::new(false, 2)), false);
    let said = "rsa-1024: the same outcomes and connections to heal as with aes-128, in other numbers\n";
    assert!(text.contains(said) && text.contains("2 combinations"), "{text}");
}

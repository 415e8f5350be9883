//! Every fault strikes when it is asked for, and all that it breaks heals, except where a policy does not promise it.

use keystorm::world::load::arrivals;
use keystorm::world::site_of;
use keystorm_reports::results::{CardRow, Outcome, PairState};

use crate::common::{
    assert_all_renewed, assert_binomial, assert_code, cards, fired, keystorm, names_in, quiet_but, reduced,
    run, run_reduced, stderr,
};

#[test]
fn without_faults_nothing_fails() {
    let finished = run(quiet_but(&[]));
    let counts = &finished.results.counts;
    assert_eq!((counts.sessions_completed, counts.sessions_failed), (300, 0));
    assert_eq!((counts.messages_lost, counts.retransmissions, counts.updates_interrupted), (0, 0, 0));
    assert_eq!((counts.updates_committed, counts.cards_unharmed), (300, 300));
    assert_eq!(finished.results.faults, [], "nothing was asked for");
    assert_all_renewed(&finished);
}

#[test]
fn independent_losses_come_at_their_rate_and_are_sent_again() {
    let finished = run(quiet_but(&["line.loss=10%"]));
    let counts = &finished.results.counts;
    assert_eq!(fired(&finished, "message loss"), counts.messages_lost);
    assert_binomial(counts.messages_lost, counts.messages_sent, 0.1);
    assert!(counts.retransmissions > 300, "{}", counts.retransmissions);
    assert!(counts.sessions_completed > 290, "{}", counts.sessions_completed);
    assert_all_renewed(&finished);
}

#[test]
fn bursts_make_clients_give_up_where_single_losses_do_not() {
    let give_ups = |overrides: &[&str]| {
        let finished = run(quiet_but(overrides));
        assert!(fired(&finished, "message loss") > 100);
        assert_all_renewed(&finished);
        finished.results.timeline.iter().map(|bucket| bucket.failed_give_up).sum::<u64>()
    };
    // Both lose a ninth of all messages; bursts have eight in a row on average, and a client tries five times.
    let single = give_ups(&["line.loss=1/9"]);
    let bursts = give_ups(&["line.burst={p='1/64',r='1/8'}"]);
    assert!(bursts > single + 20, "{bursts} in bursts, {single} alone");
}

#[test]
fn duplicates_come_at_their_rate_and_do_nothing() {
    let plain = run(quiet_but(&[]));
    let doubled = run(quiet_but(&["line.duplicate=30%"]));
    let counts = &doubled.results.counts;
    assert_eq!(fired(&doubled, "message duplication"), counts.messages_duplicated);
    assert_binomial(counts.messages_duplicated, counts.messages_sent, 0.3);
    assert!(counts.messages_delivered > plain.results.counts.messages_delivered);
    assert_eq!(counts.apdus, plain.results.counts.apdus, "no copy makes a card do anything twice");
    assert_eq!((counts.updates_started, counts.updates_committed, counts.auth_ok), (300, 300, 300));
    assert_all_renewed(&doubled);
}

#[test]
fn messages_held_back_are_overtaken_by_their_repeats() {
    let finished = run(quiet_but(&["line.reorder=20%", "line.reorder_by=4s"]));
    let counts = &finished.results.counts;
    assert_binomial(fired(&finished, "message reordering"), counts.messages_sent, 0.2);
    assert!(counts.retransmissions > 300, "the first repeat comes after two seconds");
    assert_eq!(counts.messages_lost, 0);
    assert_eq!((counts.sessions_failed, counts.updates_interrupted), (0, 0));
    assert_all_renewed(&finished);
}

#[test]
fn pulled_cards_are_interrupted_and_healed() {
    let finished = run(quiet_but(&["faults.pull=40%"]));
    let counts = &finished.results.counts;
    let pulls = fired(&finished, "card pulled out");
    let connections = finished.results.faults.iter().find(|fault| fault.fault == "card pulled out").unwrap();
    // A connection that is still under way at the end, or that fails before its pull, does not count.
    assert_binomial(pulls, connections.chances, 0.4);
    let failed = finished.results.failures.iter().map(|failure| failure.count).sum::<u64>();
    assert_eq!(failed, counts.sessions_failed);
    assert_eq!(pulls, counts.sessions_failed, "nothing else makes a session fail here");
    assert!(counts.updates_interrupted > 20 && counts.updates_recovered > 20, "{counts:?}");
    assert!(counts.cards_healed > 20, "{}", counts.cards_healed);
    let phases: Vec<_> = finished.results.failures.iter().map(|failure| failure.phase).collect();
    assert!(phases.contains(&"auth") && phases.contains(&"update"), "{phases:?}");
    assert!(counts.sessions_started > 380, "holders come back: {}", counts.sessions_started);
    assert_all_renewed(&finished);
}

const OUTAGE: &str = "faults.outage=[{site=1,at='30s',for='40s'}]";
const OUTAGE_NS: [u64; 2] = [30 * SECOND, 70 * SECOND];
const SECOND: u64 = 1_000_000_000;

/// What can be seen of one card, without the versions, which count attempts.
fn traces(card: &CardRow) -> (u32, u32, Option<u64>) {
    (card.sessions, card.nvm_writes, card.last_success_ns)
}

#[test]
fn an_outage_cuts_its_own_site_only_and_the_site_recovers() {
    // A core for everyone: sites meet nowhere but at the server.
    let overrides = ["server.cores=300"];
    let calm = run(quiet_but(&overrides));
    let plan = quiet_but(&[&overrides[..], &[OUTAGE]].concat());
    let visits = arrivals(&plan);
    let cut = run(plan);
    assert!(fired(&cut, "outage of site 1") > 20);
    assert_eq!(fired(&cut, "outage of site 1"), cut.results.counts.messages_lost);

    let (before, after) = (cards(&calm), cards(&cut));
    let (mut elsewhere, mut done_later) = (0, 0);
    for visit in visits {
        let (before, after) = (&before[visit.card.index()], &after[visit.card.index()]);
        if site_of(visit.client, 30, 4).0 != 1 {
            assert_eq!(traces(before), traces(after));
            elsewhere += 1;
        } else if let Some(at) = after.last_success_ns {
            assert!(
                !(OUTAGE_NS[0] + 1..=OUTAGE_NS[1]).contains(&at),
                "card {} was done at {at} ns",
                after.card
            );
            done_later += u32::from(at > OUTAGE_NS[1]);
        }
    }
    assert!(elsewhere > 150 && done_later > 30, "{elsewhere} elsewhere, {done_later} later");
    assert_all_renewed(&cut);
}

#[test]
fn what_an_outage_interrupts_is_recovered() {
    // Patience of 6 seconds against outages of 15: whoever is cut off gives up. One connection in six is in its update.
    let begins = [20, 40, 60, 80, 100];
    let outages = begins.map(|at| format!("{{site=1,at='{at}s',for='15s'}}")).join(",");
    let outages = format!("faults.outage=[{outages}]");
    let plan = quiet_but(&[&outages, "fleet.sites=2", "line.retry.tries=2"]);
    let visits = arrivals(&plan);
    let finished = run(plan);
    let counts = &finished.results.counts;
    let give_ups: u64 = finished.results.timeline.iter().map(|bucket| bucket.failed_give_up).sum();
    assert!(give_ups > 20 && give_ups == counts.sessions_failed, "{give_ups} of {}", counts.sessions_failed);
    assert!(counts.updates_interrupted > 0);
    assert_eq!(counts.updates_recovered, counts.cards_healed);
    let rows = cards(&finished);
    for visit in visits.iter().filter(|visit| site_of(visit.client, 30, 2).0 == 1) {
        let Some(at) = rows[visit.card.index()].last_success_ns else { continue };
        let in_outage = |begin| (begin * SECOND + 1..=(begin + 15) * SECOND).contains(&at);
        assert!(
            !begins.into_iter().any(in_outage),
            "card {} was done at {at} ns: no answer came then",
            visit.card
        );
    }
    assert_all_renewed(&finished);
}

#[test]
fn two_outages_of_one_site_may_follow_each_other_at_once() {
    let both = "faults.outage=[{site=1,at='30s',for='20s'},{site=1,at='50s',for='20s'}]";
    let finished = run(quiet_but(&[both]));
    assert!(finished.results.faults.iter().all(|fault| fault.fired > 0), "{:?}", finished.results.faults);
    let once = run(quiet_but(&[OUTAGE]));
    assert_eq!(finished.results.trace_digest, once.results.trace_digest, "as one of the same length");
}

#[test]
fn an_outage_in_a_quiet_time_ends_the_run_with_1_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let outage = "faults.outage=[{site=0,at='235s',for='2s'}]";
    let output = run_reduced(dir.path(), &["--set", outage, "--out", "run"]);
    assert_code(&output, 1);
    let said = stderr(&output);
    assert!(said.contains("never struck") && said.contains("outage of site 0"), "{said}");
    assert_eq!(names_in(dir.path()), ["run"], "what was found is kept");
}

#[test]
fn all_faults_together_break_nothing_that_does_not_heal() {
    let everything = [
        "line.burst={p='1/20',r='1/3'}",
        "line.duplicate=15%",
        "line.reorder=15%",
        "line.reorder_by=6s",
        "faults.pull=20%",
        OUTAGE,
        "line.retry.tries=3",
        "line.retry.first=1s",
    ];
    for seed in ["seed=1", "seed=2", "seed=3", "seed=4"] {
        let finished = run(reduced(&[&everything[..], &[seed]].concat()));
        assert_eq!(finished.idle_faults().count(), 0);
        assert_eq!(finished.results.faults.len(), 5, "{:?}", finished.results.faults);
        assert!(finished.results.counts.updates_interrupted > 20);
        assert_all_renewed(&finished);
    }
}

#[test]
fn a_line_that_loses_everything_leaves_all_to_the_epilogue() {
    let finished = run(reduced(&["line.loss=100%"]));
    let counts = &finished.results.counts;
    assert_eq!((counts.messages_delivered, counts.messages_lost), (0, counts.messages_sent));
    assert_eq!((counts.sessions_completed, counts.updates_started), (0, 0));
    assert_all_renewed(&finished);
}

#[test]
fn first_contact_strands_cards_and_that_is_no_violation() {
    let finished = run(reduced(&["update.recovery=first-contact", "faults.pull=30%"]));
    let counts = &finished.results.counts;
    assert!(counts.cards_stranded > 5, "{}", counts.cards_stranded);
    for card in cards(&finished) {
        let apart = matches!(card.depths[0].state, PairState::Split | PairState::CardAhead);
        assert_eq!(card.outcome == Outcome::Stranded, apart, "{card:?}");
    }
    let healed = run(reduced(&["faults.pull=30%"]));
    assert_eq!(healed.results.counts.cards_stranded, 0, "until-committed strands nobody");
}

/// The card takes a try before it compares: one that is pulled out there has lost it.
#[test]
fn a_card_with_one_try_is_blocked_if_it_is_pulled_out_in_external_authenticate() {
    let finished = run(quiet_but(&["card.tries=1", "faults.pull=100%"]));
    let counts = &finished.results.counts;
    assert!(counts.cards_blocked > 0, "{counts:?}");
    assert_eq!(counts.cards_blocked + counts.cards_healed + counts.cards_unharmed, 300);
    for card in cards(&finished).iter().filter(|card| card.outcome == Outcome::Blocked) {
        // The upper pair's key as long as the renewal is due, the working key afterwards.
        let needed = usize::from(card.depths[0].state != PairState::New);
        assert_eq!(card.tries_left[needed], 0, "{card:?}");
    }
    let patient = run(quiet_but(&["card.tries=15", "faults.pull=100%"]));
    assert_eq!(patient.results.counts.cards_blocked, 0);
}

/// Only a card that writes in place loses keys, and those of one page are lost together. A key with a page of its own is
/// torn only by its own renewal, and the next one makes it whole.
#[test]
fn pulls_tear_what_the_memory_does_not_protect() {
    let pulled = |mode: &str, layout: &str| {
        let overrides = ["faults.pull=100%", &format!("card.nvm={mode}"), &format!("card.layout={layout}")];
        run(quiet_but(&overrides)).results.counts
    };
    let shared = pulled("in-place", "packed");
    assert!(shared.cards_torn > 5, "{shared:?}");
    let apart = pulled("in-place", "page-per-key");
    assert_eq!(apart.cards_torn, 0, "{apart:?}");
    for counts in [&shared, &apart] {
        assert!(counts.cards_blocked > 5, "a torn counter has no tries: {counts:?}");
        let others = counts.cards_torn + counts.cards_blocked;
        assert_eq!(counts.cards_healed + counts.cards_unharmed + others, 300, "{counts:?}");
    }
    for mode in ["undo-log", "shadow-page"] {
        for layout in ["packed", "page-per-key"] {
            let counts = pulled(mode, layout);
            assert_eq!(counts.cards_healed + counts.cards_unharmed, 300, "{mode} {layout}: {counts:?}");
        }
    }
}

/// A worn-out page is refused; the card stays with its old keys, and nobody with others.
#[test]
fn cards_whose_memory_wears_out_cannot_be_renewed() {
    let finished = run(quiet_but(&["card.endurance=2"]));
    for card in cards(&finished) {
        assert!(matches!(card.depths[0].state, PairState::Old | PairState::Split), "{card:?}");
    }
}

/// A swarm found it: a connection that is opened while the root is under way is followed by what the server then offers, to
/// the end of its renewal.
#[test]
fn a_renewal_that_was_begun_while_the_root_was_under_way_is_followed_to_its_commit() {
    let dir = tempfile::tempdir().unwrap();
    let scenario = r#"
        seed = 297945763
        horizon = "18s"
        [fleet]
        cards = 28
        clients = 1
        suite = "ml-dsa-65"
        [line]
        delay = { fixed = "289ms" }
        reorder = "11%"
        reorder_by = "9128ms"
        down = "58kbit/s"
        retry = { first = "1490ms" }
        [load]
        arrivals = "office"
        sigma = "6s"
        exchanges = 0
        [update]
        recovery = "stage-and-flip"
        root = "itself"
        periods = ["30d", "30d", "30d"]
        spread = "waves"
        spread_waves = 2
        [faults]
        reinsert = "40%"
    "#;
    std::fs::write(dir.path().join("root.toml"), scenario).unwrap();
    assert_code(&keystorm(dir.path(), &["run", "root.toml", "--out", "root"]), 0);
}

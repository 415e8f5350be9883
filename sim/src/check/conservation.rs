//! What is started ends, or is still under way: sessions, updates and messages add up.

use keystorm_model::SimTime;
use keystorm_reports::results::Counts;

use super::Violation;

/// The sums that do not come out. `in_flight` datagrams were counted by the engine, independently of `counts`.
pub fn check(counts: &Counts, cards: u64, in_flight: u64, at: SimTime) -> Vec<Violation> {
    let c = counts;
    let sums = [
        (
            "sessions started = completed + failed + in flight",
            c.sessions_started,
            c.sessions_completed + c.sessions_failed + c.sessions_in_flight,
        ),
        (
            "updates started = committed + interrupted + in flight",
            c.updates_started,
            c.updates_committed + c.updates_interrupted + c.updates_in_flight,
        ),
        (
            "messages sent + duplicated = delivered + lost + in flight",
            c.messages_sent + c.messages_duplicated,
            c.messages_delivered + c.messages_lost + in_flight,
        ),
        (
            "cards = unharmed + healed + reissued + blocked + torn + stranded",
            cards,
            c.cards_unharmed
                + c.cards_healed
                + c.cards_reissued
                + c.cards_blocked
                + c.cards_torn
                + c.cards_stranded,
        ),
    ];
    sums.into_iter()
        .filter(|(_, left, right)| left != right)
        .map(|(rule, left, right)| Violation {
            at,
            card: None,
            what: format!("conservation: {rule} does not hold: {left} is not {right}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balanced() -> Counts {
        Counts {
            sessions_started: 6,
            sessions_completed: 3,
            sessions_failed: 2,
            sessions_in_flight: 1,
            updates_started: 4,
            updates_committed: 2,
            updates_interrupted: 1,
            updates_in_flight: 1,
            messages_sent: 10,
            messages_duplicated: 1,
            messages_delivered: 7,
            messages_lost: 3,
            messages_in_flight: 1,
            cards_unharmed: 4,
            cards_healed: 1,
            ..Counts::default()
        }
    }

    #[test]
    fn balanced_counts_pass_and_each_sum_is_checked() {
        let at = SimTime::ZERO;
        assert_eq!(check(&balanced(), 5, 1, at), []);
        for (spoil, rule) in [
            ((|c: &mut Counts| c.sessions_failed += 1) as fn(&mut Counts), "sessions"),
            (|c| c.updates_started += 1, "updates"),
            (|c| c.messages_lost -= 1, "messages"),
            (|c| c.cards_torn += 1, "cards"),
        ] {
            let mut counts = balanced();
            spoil(&mut counts);
            let violations = check(&counts, 5, 1, at);
            assert_eq!(violations.len(), 1);
            assert!(violations[0].what.contains(rule), "{}", violations[0]);
        }
    }
}

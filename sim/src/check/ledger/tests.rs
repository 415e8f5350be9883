//! Timelines of one card's keys.

use keystorm_model::suite::SuiteId;

use super::*;

const CARD: CardId = CardId(0);
const AT: SimTime = SimTime::ZERO;
const ONE: ConnectionNo = ConnectionNo(1);
const DUE: Due = Due { depth: Depth(0), since: Stamp::at(AT), escalated: false };

/// Keys of AES-128, three internal and four external: slot 2 is Kai[3], slot 6 is Kae[4].
struct Two {
    ledger: Ledger,
    card: Vec<u8>,
    server: Vec<u8>,
}

fn two() -> Two {
    let shape = RingShape::new(3, 4).unwrap();
    Two {
        ledger: Ledger::new(SuiteId::Aes128.real(), shape, 1),
        card: vec![0; 7 * 16],
        server: vec![0; 7 * 16],
    }
}

impl Two {
    fn offer(&mut self, connection: u64, value: u8) {
        self.ledger.update_started(AT, CARD, ConnectionNo(connection));
        self.ledger.offered(CARD, 2, &[value; 16]);
        self.ledger.offered(CARD, 6, &[value; 16]);
    }

    fn store(&mut self, slot: usize, value: u8) {
        self.card[slot * 16..][..16].fill(value);
        self.ledger.stored(AT, CARD, slot, &[value; 16]);
    }

    fn commit(&mut self, value: u8) {
        self.server[2 * 16..][..16].fill(value);
        self.server[6 * 16..][..16].fill(value);
        self.ledger.committed(AT, CARD, ONE, DUE, &self.card);
    }

    fn state(&self) -> PairState {
        self.ledger.pair(CARD, Depth(0), &self.card, 0, |slot| &self.server[slot * 16..][..16]).state
    }
}

#[test]
fn states_follow_an_update() {
    let mut two = two();
    assert_eq!(two.state(), PairState::Old);
    two.offer(1, 7);
    two.store(2, 7);
    assert_eq!(two.state(), PairState::Split);
    two.store(6, 7);
    assert_eq!(two.state(), PairState::CardAhead);
    two.ledger.judge_pair(AT, CARD, Depth(0), PairState::CardAhead);
    two.commit(7);
    assert_eq!(two.state(), PairState::New);
    assert_eq!(two.ledger.violations(), []);
}

#[test]
fn a_commit_that_the_card_does_not_hold_is_a_violation() {
    let mut two = two();
    two.offer(1, 7);
    two.store(2, 7);
    two.commit(7);
    assert_eq!(two.state(), PairState::ServerAhead);
    assert!(two.ledger.violations()[0].what.contains("server ahead"));
}

#[test]
fn a_commit_without_a_start_is_a_violation() {
    let mut two = two();
    two.commit(7);
    assert!(two.ledger.violations()[0].what.contains("had not started"));
}

#[test]
fn a_stored_key_that_was_not_offered_is_a_violation() {
    let mut two = two();
    two.offer(1, 7);
    two.store(2, 8);
    assert!(two.ledger.violations()[0].what.contains("diverged"));
    assert_eq!(two.state(), PairState::Diverged);
}

#[test]
fn a_difference_without_an_open_update_is_a_violation() {
    let mut two = two();
    two.ledger.judge_pair(AT, CARD, Depth(0), PairState::Split);
    assert!(two.ledger.violations()[0].what.contains("without an open update"));
}

/// One update was interrupted, and the card holds the keys of the next.
fn renewed_after_an_interruption() -> Two {
    let mut two = two();
    two.offer(9, 5);
    two.ledger.interrupted(CARD, DUE);
    two.offer(1, 7);
    two.store(2, 7);
    two.store(6, 7);
    two
}

#[test]
fn a_commit_after_an_interruption_is_a_recovery() {
    let mut two = renewed_after_an_interruption();
    let committed = two.ledger.committed(AT, CARD, ONE, DUE, &two.card.clone());
    assert_eq!(committed, Some((AT, true)));
    assert!(two.ledger.was_interrupted(CARD));
}

#[test]
fn a_pair_of_which_one_key_is_renewed_is_never_split() {
    let mut two = two();
    two.ledger.update_started(AT, CARD, ONE);
    two.ledger.offered(CARD, 6, &[7; 16]);
    two.store(6, 7);
    let server = two.server.clone();
    let state = two.ledger.pair(CARD, Depth(0), &two.card, 0, |slot| &server[slot * 16..][..16]).state;
    assert_eq!(state, PairState::CardAhead);
}

#[test]
fn a_card_that_is_issued_anew_starts_afresh() {
    let mut two = two();
    two.offer(1, 7);
    two.store(2, 7);
    two.ledger.reissued(CARD);
    two.card.fill(9);
    two.server.fill(9);
    assert_eq!(two.state(), PairState::Old);
    two.commit(7);
    assert!(two.ledger.violations()[0].what.contains("had not started"), "its offers are gone");
}

#[test]
fn a_commit_in_a_later_period_recovers_nothing() {
    let mut two = renewed_after_an_interruption();
    let later = Due { since: Stamp::at(SimTime::from_ns(9)), ..DUE };
    let committed = two.ledger.committed(AT, CARD, ONE, later, &two.card.clone());
    assert_eq!(committed, Some((AT, false)));
}

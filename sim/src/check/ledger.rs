//! Follows every key by value: which attempt made it, and whether card and server may differ in it.
//!
//! The ledger knows what the server offered, what the card stored and what the server committed, and holds
//! that against the contents of both. Versions number the update attempts of a card and depth from 1; 0 is
//! the value at issue.

use std::collections::{BTreeMap, BTreeSet};

use keystorm_model::rings::RingShape;
use keystorm_model::{CardId, ConnectionNo, Depth, SimTime};
use keystorm_reports::results::PairState;

use super::Violation;

/// An update attempt that has not been committed: what the server would store.
struct Offer {
    connection: ConnectionNo,
    depth: Depth,
    attempt: u16,
    started: SimTime,
    /// Key slots and their new values.
    values: Vec<(usize, Vec<u8>)>,
}

/// The ledger of a fleet.
pub struct Ledger {
    shape: RingShape,
    key_length: usize,
    depths: usize,
    attempts: Vec<u16>,
    card_versions: Vec<u16>,
    server_versions: Vec<u16>,
    offers: BTreeMap<CardId, Vec<Offer>>,
    interrupted: BTreeSet<(CardId, Depth)>,
    ever_interrupted: BTreeSet<CardId>,
    /// Session randoms of the cards that are watched for repeats.
    session_randoms: BTreeSet<(CardId, Vec<u8>)>,
    watch_every: u32,
    violations: Vec<Violation>,
}

/// At most so many violations are kept; the first ones tell most.
const KEPT: usize = 100;
/// About so many cards are watched for a repeated Ro.
const WATCHED: u32 = 10_000;

/// Versions and state of the pair at one depth.
pub struct PairView {
    /// On the card: internal, external.
    pub card: [u16; 2],
    /// On the server: internal, external.
    pub server: [u16; 2],
    /// Card against server, by value.
    pub state: PairState,
}

impl Ledger {
    /// The ledger of `cards` cards at issue.
    pub fn new(shape: RingShape, key_length: usize, cards: u32) -> Self {
        let count = cards as usize;
        let depths = usize::from(shape.depths());
        Ledger {
            shape,
            key_length,
            depths,
            attempts: vec![0; count * depths],
            card_versions: vec![0; count * shape.keys()],
            server_versions: vec![0; count * shape.keys()],
            offers: BTreeMap::new(),
            interrupted: BTreeSet::new(),
            ever_interrupted: BTreeSet::new(),
            session_randoms: BTreeSet::new(),
            watch_every: cards.div_ceil(WATCHED).max(1),
            violations: Vec::new(),
        }
    }

    /// The violations found so far, the first of them first.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Notes a violation.
    pub fn violation(&mut self, at: SimTime, card: CardId, what: String) {
        if self.violations.len() < KEPT {
            self.violations.push(Violation { at, card: Some(card), what });
        }
    }

    /// Notes violations that other checkers found.
    pub fn add(&mut self, violations: Vec<Violation>) {
        self.violations.extend(violations);
    }

    /// The server has sent Rk for the first time in `connection`.
    pub fn update_started(&mut self, at: SimTime, card: CardId, connection: ConnectionNo, depth: Depth) {
        let attempt = &mut self.attempts[card.index() * self.depths + depth.index()];
        *attempt = attempt.saturating_add(1);
        let offer = Offer { connection, depth, attempt: *attempt, started: at, values: Vec::new() };
        self.offers.entry(card).or_default().push(offer);
    }

    /// The server expects the key at `slot` to become `value` in the update that has just started.
    pub fn offered(&mut self, card: CardId, slot: usize, value: &[u8]) {
        let offer = self.offers.get_mut(&card).and_then(|offers| offers.last_mut());
        offer.expect("an offer follows the start of its update").values.push((slot, value.to_vec()));
    }

    /// The card's key at `slot` has been overwritten by `value`.
    pub fn stored(&mut self, at: SimTime, card: CardId, slot: usize, value: &[u8]) {
        let matching = |offer: &&Offer| offer.values.iter().any(|(s, v)| *s == slot && v == value);
        let offers = self.offers.get(&card);
        match offers.and_then(|offers| offers.iter().rev().find(matching)).map(|offer| offer.attempt) {
            Some(attempt) => self.card_versions[card.index() * self.shape.keys() + slot] = attempt,
            None => self.violation(
                at,
                card,
                format!("the card stored a key (slot {slot}) that no open update offered: diverged"),
            ),
        }
    }

    /// The server has committed the update of `connection`; `card_keys` is what the card holds at this moment.
    /// Returns when the update started, and whether the depth had been interrupted before.
    pub fn committed(
        &mut self,
        at: SimTime,
        card: CardId,
        connection: ConnectionNo,
        depth: Depth,
        card_keys: &[u8],
    ) -> Option<(SimTime, bool)> {
        let mut offers = self.offers.remove(&card).unwrap_or_default();
        let Some(place) = offers.iter().position(|offer| offer.connection == connection) else {
            self.violation(at, card, "the server committed an update that it had not started".into());
            return None;
        };
        let offer = offers.swap_remove(place);
        for (slot, value) in &offer.values {
            if card_keys[slot * self.key_length..][..self.key_length] != **value {
                self.violation(
                    at,
                    card,
                    format!(
                        "the server committed a key (slot {slot}) that the card does not hold: server ahead"
                    ),
                );
            }
            self.server_versions[card.index() * self.shape.keys() + slot] = offer.attempt;
        }
        offers.retain(|other| other.depth != depth);
        if !offers.is_empty() {
            self.offers.insert(card, offers);
        }
        Some((offer.started, self.interrupted.remove(&(card, depth))))
    }

    /// The connection of an update ended before the commit.
    pub fn interrupted(&mut self, card: CardId, depth: Depth) {
        self.interrupted.insert((card, depth));
        self.ever_interrupted.insert(card);
    }

    /// Whether an update of the card was ever interrupted.
    pub fn was_interrupted(&self, card: CardId) -> bool {
        self.ever_interrupted.contains(&card)
    }

    /// The server has drawn Ro for a new session of the card.
    pub fn session_opened(&mut self, at: SimTime, card: CardId, ro: &[u8]) {
        let watched = card.0.is_multiple_of(self.watch_every);
        if watched && !self.session_randoms.insert((card, ro.to_vec())) {
            self.violation(at, card, "the server sent the same Ro twice".into());
        }
    }

    /// Versions and state of the card's pair at `depth`, where the two parties hold `card_keys` and, at each slot,
    /// `server_key`.
    pub fn pair<'s>(
        &self,
        card: CardId,
        depth: Depth,
        card_keys: &[u8],
        server_key: impl Fn(usize) -> &'s [u8],
    ) -> PairView {
        let slots = self.slots(depth);
        let version = |versions: &[u16], slot: usize| versions[card.index() * self.shape.keys() + slot];
        let card_side = slots.map(|slot| version(&self.card_versions, slot));
        let server_side = slots.map(|slot| version(&self.server_versions, slot));
        let mut newer_on_card = 0;
        let mut state = None;
        for (index, slot) in slots.into_iter().enumerate() {
            let equal = card_keys[slot * self.key_length..][..self.key_length] == *server_key(slot);
            match (equal, card_side[index].cmp(&server_side[index])) {
                (true, core::cmp::Ordering::Equal) => {}
                (false, core::cmp::Ordering::Greater) => newer_on_card += 1,
                (false, core::cmp::Ordering::Less) => state = Some(PairState::ServerAhead),
                _ => state = Some(PairState::Diverged),
            }
        }
        let state = state.unwrap_or(match newer_on_card {
            0 if card_side == [0, 0] => PairState::Old,
            0 => PairState::New,
            1 => PairState::Split,
            _ => PairState::CardAhead,
        });
        PairView { card: card_side, server: server_side, state }
    }

    /// Judges a pair outside of any connection: it may differ only through an update that was started and not
    /// committed.
    pub fn judge_pair(&mut self, at: SimTime, card: CardId, depth: Depth, state: PairState) {
        let open =
            self.offers.get(&card).is_some_and(|offers| offers.iter().any(|offer| offer.depth == depth));
        match state {
            PairState::Old | PairState::New => {}
            PairState::Split | PairState::CardAhead if open => {}
            state => self.violation(
                at,
                card,
                format!("card and server differ at depth {depth} ({}) without an open update", state.name()),
            ),
        }
    }

    fn slots(&self, depth: Depth) -> [usize; 2] {
        use keystorm_model::rings::{KeyRef, Ring};
        let pair = self.shape.pair(depth).expect("the depth exists");
        [
            KeyRef { ring: Ring::Internal, no: pair.internal },
            KeyRef { ring: Ring::External, no: pair.external },
        ]
        .map(|key| self.shape.slot(key).expect("the pair's keys exist"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: CardId = CardId(0);
    const AT: SimTime = SimTime::ZERO;
    const ONE: ConnectionNo = ConnectionNo(1);

    /// Keys of two bytes, three internal and four external: slot 2 is Kai[3], slot 6 is Kae[4].
    struct Two {
        ledger: Ledger,
        card: Vec<u8>,
        server: Vec<u8>,
    }

    fn two() -> Two {
        let shape = RingShape::new(3, 4).unwrap();
        Two { ledger: Ledger::new(shape, 2, 1), card: vec![0; 14], server: vec![0; 14] }
    }

    impl Two {
        fn offer(&mut self, connection: u64, value: u8) {
            self.ledger.update_started(AT, CARD, ConnectionNo(connection), Depth(0));
            self.ledger.offered(CARD, 2, &[value; 2]);
            self.ledger.offered(CARD, 6, &[value; 2]);
        }

        fn store(&mut self, slot: usize, value: u8) {
            self.card[slot * 2..][..2].fill(value);
            self.ledger.stored(AT, CARD, slot, &[value; 2]);
        }

        fn commit(&mut self, value: u8) {
            self.server[4..6].fill(value);
            self.server[12..14].fill(value);
            self.ledger.committed(AT, CARD, ONE, Depth(0), &self.card);
        }

        fn state(&self) -> PairState {
            self.ledger.pair(CARD, Depth(0), &self.card, |slot| &self.server[slot * 2..][..2]).state
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

    #[test]
    fn a_repeated_session_random_is_a_violation() {
        let mut two = two();
        two.ledger.session_opened(AT, CARD, &[1; 16]);
        two.ledger.session_opened(AT, CARD, &[2; 16]);
        assert_eq!(two.ledger.violations(), []);
        two.ledger.session_opened(AT, CARD, &[1; 16]);
        assert!(two.ledger.violations()[0].what.contains("Ro twice"));
    }

    #[test]
    fn a_commit_after_an_interruption_is_a_recovery() {
        let mut two = two();
        two.offer(9, 5);
        two.ledger.interrupted(CARD, Depth(0));
        two.offer(1, 7);
        two.store(2, 7);
        two.store(6, 7);
        let committed = two.ledger.committed(AT, CARD, ONE, Depth(0), &two.card.clone());
        assert_eq!(committed, Some((AT, true)));
        assert!(two.ledger.was_interrupted(CARD));
    }
}

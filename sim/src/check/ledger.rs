//! Follows every key by value: which attempt made it, and whether card and server may differ in it.
//!
//! The ledger knows what the server offered, what the card stored and what the server committed, and holds
//! that against the contents of both. Versions number the update attempts of a card from 1; 0 is the value at issue.

use std::collections::BTreeSet;

use keystorm_model::layout::KeyLayout;
use keystorm_model::rings::{Ring, RingShape};
use keystorm_model::server::{Due, Stamp};
use keystorm_model::suite::Cipher;
use keystorm_model::{CardId, ConnectionNo, Depth, SimTime};
use keystorm_reports::results::PairState;
use xxhash_rust::xxh3::xxh3_64;

use super::Violation;

/// An update attempt that has not been committed: what the server would store.
#[derive(Default)]
struct Offer {
    connection: ConnectionNo,
    attempt: u16,
    started: SimTime,
    /// Key slots and the hashes of their new values.
    values: Vec<(usize, u64)>,
    /// The card's older offer.
    older: u32,
}

/// No offer.
const NONE: u32 = u32::MAX;

/// The ledger of a fleet.
pub struct Ledger {
    cipher: Cipher,
    shape: RingShape,
    layout: KeyLayout,
    /// For each card, its attempts, then the versions of its keys on the card, then on the server.
    numbers: Vec<u16>,
    /// For each card, its newest open offer.
    newest: Vec<u32>,
    offers: Vec<Offer>,
    free: Vec<u32>,
    interrupted: BTreeSet<(CardId, Due)>,
    ever_interrupted: BTreeSet<CardId>,
    violations: Vec<Violation>,
}

/// Values are compared by hash: keys differ in all their bits or in none.
fn hash(value: &[u8]) -> u64 {
    xxh3_64(value)
}

/// At most so many violations are kept; the first ones tell most.
const KEPT: usize = 100;

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
    pub fn new(cipher: Cipher, shape: RingShape, cards: u32) -> Self {
        let count = cards as usize;
        let mut ledger = Ledger {
            cipher,
            shape,
            layout: KeyLayout::on_card(shape, cipher.kept()),
            numbers: Vec::new(),
            newest: vec![NONE; count],
            offers: Vec::new(),
            free: Vec::new(),
            interrupted: BTreeSet::new(),
            ever_interrupted: BTreeSet::new(),
            violations: Vec::new(),
        };
        ledger.numbers = vec![0; count * ledger.stride()];
        ledger
    }

    fn stride(&self) -> usize {
        1 + 2 * self.shape.keys()
    }

    fn attempts(&mut self, card: CardId) -> &mut u16 {
        let place = card.index() * self.stride();
        &mut self.numbers[place]
    }

    fn card_version(&mut self, card: CardId, slot: usize) -> &mut u16 {
        let place = card.index() * self.stride() + 1 + slot;
        &mut self.numbers[place]
    }

    fn server_version(&mut self, card: CardId, slot: usize) -> &mut u16 {
        let place = card.index() * self.stride() + 1 + self.shape.keys() + slot;
        &mut self.numbers[place]
    }

    /// The card's open offers, the newest first.
    fn open(&self, card: CardId) -> impl Iterator<Item = (u32, &Offer)> {
        let mut next = self.newest[card.index()];
        std::iter::from_fn(move || {
            let place = next;
            let offer = (place != NONE).then(|| &self.offers[place as usize])?;
            next = offer.older;
            Some((place, offer))
        })
    }

    /// Removes the card's open offers that `gone` chooses.
    fn close(&mut self, card: CardId, gone: impl Fn(u32, &Offer) -> bool) {
        let mut next = std::mem::replace(&mut self.newest[card.index()], NONE);
        let mut kept_last = NONE;
        while next != NONE {
            let place = next;
            let offer = &mut self.offers[place as usize];
            next = std::mem::replace(&mut offer.older, NONE);
            if gone(place, offer) {
                self.free.push(place);
                continue;
            }
            match kept_last {
                NONE => self.newest[card.index()] = place,
                last => self.offers[last as usize].older = place,
            }
            kept_last = place;
        }
    }

    /// Reads one number of each place where something is kept of a card; see [`crate::world::World::preload`].
    pub fn preload(&self, card: CardId) -> u32 {
        let (first, stride) = (card.index() * self.stride(), self.stride());
        self.newest[card.index()] ^ u32::from(self.numbers[first] ^ self.numbers[first + stride - 1])
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
    pub fn update_started(&mut self, at: SimTime, card: CardId, connection: ConnectionNo) {
        let attempt = self.attempts(card);
        *attempt = attempt.saturating_add(1);
        let attempt = *attempt;
        let place = self.free.pop().unwrap_or_else(|| {
            self.offers.push(Offer::default());
            (self.offers.len() - 1) as u32
        });
        let offer = &mut self.offers[place as usize];
        (offer.connection, offer.attempt, offer.started) = (connection, attempt, at);
        offer.values.clear();
        offer.older = std::mem::replace(&mut self.newest[card.index()], place);
    }

    /// The server expects the key at `slot` to become `value` in the update that has just started.
    pub fn offered(&mut self, card: CardId, slot: usize, value: &[u8]) {
        let newest = self.newest[card.index()];
        let offer = self.offers.get_mut(newest as usize).expect("an offer follows the start of its update");
        offer.values.push((slot, hash(value)));
    }

    /// The card's key at `slot` has been overwritten by `value`.
    pub fn stored(&mut self, at: SimTime, card: CardId, slot: usize, value: &[u8]) {
        let stored = (slot, hash(value));
        let offered = self.open(card).find(|(_, offer)| offer.values.contains(&stored));
        match offered.map(|(_, offer)| offer.attempt) {
            Some(attempt) => *self.card_version(card, slot) = attempt,
            None => self.violation(
                at,
                card,
                format!("the card stored a key (slot {slot}) that no open update offered: diverged"),
            ),
        }
    }

    /// The card has answered OK to a command that stores the key at `slot`, and its memory holds `value` there.
    pub fn answered_ok(&mut self, at: SimTime, card: CardId, slot: usize, value: &[u8]) {
        let held = (slot, hash(value));
        if !self.open(card).any(|(_, offer)| offer.values.contains(&held)) {
            self.violation(
                at,
                card,
                format!("the card answered OK and its memory does not hold the new key (slot {slot})"),
            );
        }
    }

    /// The server has committed the update of `connection`; `card_keys` is what the card holds at this moment.
    /// Returns when the update started, and whether an earlier one for the same period had been interrupted.
    pub fn committed(
        &mut self,
        at: SimTime,
        card: CardId,
        connection: ConnectionNo,
        due: Due,
        card_keys: &[u8],
    ) -> Option<(SimTime, bool)> {
        let Some((place, _)) = self.open(card).find(|(_, offer)| offer.connection == connection) else {
            self.violation(at, card, "the server committed an update that it had not started".into());
            return None;
        };
        let Offer { attempt, started, .. } = self.offers[place as usize];
        let values = std::mem::take(&mut self.offers[place as usize].values);
        for &(slot, value) in &values {
            // A value that was offered twice keeps the number of the attempt in which the card stored it.
            let mut version = *self.card_version(card, slot);
            if hash(&card_keys[self.layout.range(slot)]) != value {
                version = attempt;
                self.violation(
                    at,
                    card,
                    format!(
                        "the server committed a key (slot {slot}) that the card does not hold: server ahead"
                    ),
                );
            }
            *self.server_version(card, slot) = version;
        }
        // What was offered for these keys before can no longer come.
        let replaced = |slot| values.iter().any(|&(committed, _)| committed == slot);
        self.close(card, |closed, offer| {
            closed == place || offer.values.iter().all(|&(slot, _)| replaced(slot))
        });
        self.offers[place as usize].values = values;
        Some((started, self.recovered(card, due)))
    }

    /// Whether a renewal that this one makes good had been interrupted.
    fn recovered(&mut self, card: CardId, due: Due) -> bool {
        // Most runs interrupt few updates: an empty set answers at once.
        if self.interrupted.is_empty() {
            return false;
        }
        let mut recovered = self.interrupted.remove(&(card, due));
        if due.escalated {
            // It renews what is above it too, whatever was tried there before.
            let covered: Vec<_> = {
                let deepest = Due { depth: Depth(due.depth.0 + 1), since: Stamp::NEVER, escalated: false };
                let shallowest = Due { depth: Depth(0), ..deepest };
                self.interrupted.range((card, shallowest)..(card, deepest)).copied().collect()
            };
            for interrupted in covered {
                recovered |= self.interrupted.remove(&interrupted);
            }
        }
        recovered
    }

    /// The connection of an update ended before the commit.
    pub fn interrupted(&mut self, card: CardId, due: Due) {
        self.interrupted.insert((card, due));
        self.ever_interrupted.insert(card);
    }

    /// Whether an update of the card was ever interrupted.
    pub fn was_interrupted(&self, card: CardId) -> bool {
        self.ever_interrupted.contains(&card)
    }

    /// The card has been issued anew.
    pub fn reissued(&mut self, card: CardId) {
        self.close(card, |_, _| true);
        let (start, stride) = (card.index() * self.stride(), self.stride());
        self.numbers[start..][..stride].fill(0);
    }

    /// Whether the versions of all keys on the card are those on the server.
    pub fn versions_agree(&self, card: CardId) -> bool {
        let numbers = &self.numbers[card.index() * self.stride()..][1..self.stride()];
        let (on_card, at_server) = numbers.split_at(self.shape.keys());
        on_card == at_server
    }

    /// Versions and state of the card's pair at `depth`, where the two parties hold `card_keys` and, at each slot,
    /// the pair `server_key`. A key that is `torn` (a bit per slot) has no value, and is judged by its version.
    pub fn pair<'s>(
        &self,
        card: CardId,
        depth: Depth,
        card_keys: &[u8],
        torn: u64,
        server_key: impl Fn(usize) -> &'s [u8],
    ) -> PairView {
        let slots = self.slots(depth);
        let numbers = &self.numbers[card.index() * self.stride() + 1..];
        let card_side = slots.map(|slot| numbers[slot]);
        let server_side = slots.map(|slot| numbers[self.shape.keys() + slot]);
        let mut newer_on_card = 0;
        let mut state = None;
        for (index, slot) in slots.into_iter().enumerate() {
            let half = self.cipher.half_on_card(self.layout.ring(slot), server_key(slot));
            let equal = if torn & 1 << slot == 0 {
                card_keys[self.layout.range(slot)] == *half
            } else {
                card_side[index] == server_side[index]
            };
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
            newer if newer < self.renewed(card, slots) => PairState::Split,
            _ => PairState::CardAhead,
        });
        PairView { card: card_side, server: server_side, state }
    }

    /// How many of these keys the card's open update replaces that replaces most of them.
    fn renewed(&self, card: CardId, slots: [usize; 2]) -> usize {
        let replaced = |offer: &Offer| offer.values.iter().filter(|(slot, _)| slots.contains(slot)).count();
        self.open(card).map(|(_, offer)| replaced(offer)).max().unwrap_or(slots.len())
    }

    /// Judges a pair outside of any connection: it may differ only through an update that was started and not
    /// committed.
    pub fn judge_pair(&mut self, at: SimTime, card: CardId, depth: Depth, state: PairState) {
        let slots = self.slots(depth);
        let touches = |offer: &Offer| offer.values.iter().any(|(slot, _)| slots.contains(slot));
        let open = || self.open(card).any(|(_, offer)| touches(offer));
        match state {
            PairState::Old | PairState::New => {}
            PairState::Split | PairState::CardAhead if open() => {}
            state => self.violation(
                at,
                card,
                format!("card and server differ at depth {depth} ({}) without an open update", state.name()),
            ),
        }
    }

    fn slots(&self, depth: Depth) -> [usize; 2] {
        let pair = self.shape.pair(depth).expect("the depth exists");
        [Ring::Internal, Ring::External]
            .map(|ring| self.shape.slot(pair.key(ring)).expect("the pair's keys exist"))
    }
}

#[cfg(test)]
mod tests;

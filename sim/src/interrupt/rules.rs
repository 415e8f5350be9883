//! What may never happen, whatever is cut: the rules that each connection is held against as it goes on.
//!
//! The server holds nothing that the card does not: at each commit, and after each connection. It draws no Ro twice. The
//! card stores nothing that the authentication before did not permit, and holds nothing that nobody gave it. No try is lost in a connection that nobody
//! disturbs, but by a card whose keys the policy has given up or guesses at. A card that was never interrupted agrees
//! with the server. How a card heals in the end is judged in `matrix`.

use keystorm_model::server::{Directory as _, Due, Embodiment, Recovery};

use super::combination::{CARD, Setup};
use super::party::{World, hash};

/// What is remembered from the beginning of an undisturbed connection, to judge it at its end.
pub(super) struct Beginning {
    tries: Vec<u8>,
    guess: bool,
}

impl World {
    /// The server has just replaced keys by what a renewal offered: the card must hold each of them.
    pub(super) fn judge_commit(&mut self, setup: &Setup, due: Due) {
        let chip = self.settled(setup);
        for slot in setup.renewed_slots(due.depth) {
            let on_card = &chip.keys(&setup.kind)[setup.kind.layout().range(slot)];
            let on_server = setup.half(slot, self.server.directory().key(CARD, slot));
            if chip.marks().torn() & 1 << slot == 0 && on_card != on_server {
                self.broken
                    .push(format!("the server committed a key (slot {slot}) that the card does not hold"));
            }
        }
    }

    /// The server has drawn Ro for a session.
    pub(super) fn judge_session(&mut self, ro: &[u8]) {
        let ro = hash(ro);
        if self.session_randoms.contains(&ro) {
            self.broken.push("the server sent the same Ro twice".into());
        }
        self.session_randoms.push(ro);
    }

    /// An undisturbed connection begins.
    pub(super) fn begin_undisturbed(&self, setup: &Setup) -> Beginning {
        let next = self.server.next_assignment(CARD, self.now());
        Beginning { tries: self.settled(setup).tries(&setup.kind).to_vec(), guess: next.guess }
    }

    /// It has ended.
    pub(super) fn judge_undisturbed(&mut self, setup: &Setup, beginning: &Beginning) {
        let standing = self.standing(setup);
        if standing.is_forbidden() {
            self.broken.push(format!("card and server hold {}", standing.card()));
        }
        if !self.interrupted && !standing.agrees() {
            self.broken
                .push(format!("nothing was interrupted, yet card and server hold {}", standing.card()));
        }
        let chip = self.settled(setup);
        for slot in 0..setup.kind.shape.keys() {
            let key = &chip.keys(&setup.kind)[setup.kind.layout().range(slot)];
            if chip.marks().torn() & 1 << slot == 0 && self.version(setup, slot, key).is_none() {
                self.broken.push(format!("the card holds a key (slot {slot}) that nobody gave it"));
            }
        }
        let after = chip.tries(&setup.kind).to_vec();
        let lost: u8 =
            after.iter().zip(&beginning.tries).map(|(after, before)| before.saturating_sub(*after)).sum();
        // A guess that the card holds both new keys is wrong where it holds one: the server's answer costs a try.
        let expected = match setup.combination.recovery {
            Recovery::FirstContact => self.interrupted,
            Recovery::UntilCommitted => false,
            Recovery::StageAndFlip => {
                lost == 1 && beginning.guess && setup.combination.embodiment != Embodiment::TwoB
            }
        };
        let lost = lost > 0;
        if lost && !expected {
            self.broken.push(format!(
                "a try was lost in an undisturbed connection: {:?} became {after:?}",
                beginning.tries
            ));
        }
    }
}

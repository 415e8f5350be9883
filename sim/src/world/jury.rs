//! The checkers of a card's commands: they see what a command and its answer were, and what the command
//! did to the card's memory.

use keystorm_model::apdu::{self, Command, StatusWord};
use keystorm_model::card::CardType;
use keystorm_model::server::ServerRules;
use keystorm_model::{CardId, SimTime};

use crate::check::ledger::Ledger;
use crate::check::memory;
use crate::check::witness::Witness;

use super::cards::{Before, Cards};

/// The checkers of one command. It borrows the parts of a world that they need, beside those that they do not.
pub(super) struct Jury<'w> {
    pub(super) at: SimTime,
    pub(super) card: CardId,
    pub(super) kind: &'w CardType,
    pub(super) cards: &'w Cards,
    /// The card's memory before the command, if the command [concerns](memory::concerns) it.
    pub(super) before: &'w Before,
    pub(super) rules: &'w ServerRules,
    pub(super) ledger: &'w mut Ledger,
}

impl Jury<'_> {
    /// Judges a command and what it did to the card's memory; `None`: the card was pulled out before it answered.
    pub(super) fn judge(&mut self, witness: &mut Witness, command: &[u8], answer: Option<&[u8]>) {
        if memory::concerns(command) {
            self.judge_memory(witness, command, answer);
        }
        if let Err(what) = witness.see(self.kind, command, answer) {
            self.ledger.violation(self.at, self.card, what);
        }
    }

    /// Judges a card's keys and counters by those before a command and after it. After a power loss those count that
    /// the next power-up will find, and a torn key has no value to be judged.
    fn judge_memory(&mut self, witness: &Witness, command: &[u8], answer: Option<&[u8]>) {
        let (at, card) = (self.at, self.card);
        let layout = self.kind.layout();
        let unsettled = self.cards.marks(card).is_unsettled();
        let settled = unsettled.then(|| self.cards.chip(card).settled(self.kind));
        let (after, tries, torn) = match &settled {
            Some(chip) => (chip.keys(self.kind), chip.tries(self.kind), chip.marks().torn()),
            None => (self.cards.keys(card), self.cards.tries(card), self.cards.marks(card).torn()),
        };
        let state = memory::State { tries, torn };
        if let Err(what) = memory::judge(self.kind, command, answer, self.before.state(), state) {
            self.ledger.violation(at, card, what);
        }
        // Most commands leave all keys as they were, which one comparison tells.
        let before = &self.before.keys[..];
        let changed = if before == after { 0 } else { layout.slots() };
        for slot in 0..changed {
            let new = &after[layout.range(slot)];
            if before[layout.range(slot)] == *new || torn & 1 << slot != 0 {
                continue;
            }
            self.ledger.stored(at, card, slot, new);
            let inside = self.rules.embodiment(card).inside();
            if let Err(what) = witness.judge_store(self.kind, inside, command, new) {
                self.ledger.violation(at, card, what);
            }
        }
        // What the card has said OK to must be there.
        let ok = answer.and_then(apdu::split_answer).is_some_and(|(_, status)| status == StatusWord::OK);
        if let (true, Some(slot)) = (ok, stored_slot(self.kind, command)) {
            self.ledger.answered_ok(at, card, slot, &after[layout.range(slot)]);
        }
    }
}

/// The slot of the key that a whole STORE KEY or DERIVE KEY names.
fn stored_slot(kind: &CardType, command: &[u8]) -> Option<usize> {
    let command = Command::parse(command).ok().filter(|command| command.cla & apdu::CLA_CHAINED == 0)?;
    let names_one = matches!(command.ins, apdu::INS_STORE_KEY | apdu::INS_DERIVE_KEY);
    let key = apdu::stored_key(&command).ok().filter(|_| names_one)?;
    kind.shape.slot(key)
}

//! Cards that no renewal can help get new keys from their issuer [0058-0059]: they go back to it, or are replaced.

use keystorm_model::card::CardType;
use keystorm_model::draw::Seed;
use keystorm_model::{CardId, ClientId, SimTime, Span};

use crate::issue;
use crate::plan::ReissueWay;
use crate::record::tape::Event;

use super::{Holder, Out, Return, Why, World};

/// A new card whose holder is using the old one is taken into use so much later.
const LATER: Span = Span::from_secs(10);

impl World {
    /// Whether the card has to be issued anew: the server says so, or it has been refused too often.
    pub(super) fn is_wanted_back(&self, at: SimTime, card: CardId) -> bool {
        let refused =
            self.plan.reissue.after_refusals.is_some_and(|most| self.cards.life(card).refusals >= most);
        refused || self.server.wants_back(card, at)
    }

    /// At the end of a visit: sends the card to its issuer, or orders a new one, if that has to be.
    pub(super) fn send_back(&mut self, at: SimTime, client: ClientId, card: CardId, out: &mut Out) {
        if self.cards.life(card).recalled || !self.is_wanted_back(at, card) {
            return;
        }
        self.cards.life_mut(card).recalled = true;
        if let Some(tape) = self.recorder.tape(card) {
            tape.push(at, Event::Recalled);
        }
        if self.plan.reissue.way == ReissueWay::Return {
            self.present.insert(card); // its holder has no card until it comes back
        }
        let holder = Holder { arrived: at + self.plan.reissue.takes, card, visits_left: 0 };
        out.returns.push(Return { holder, client, why: Why::Reissued });
    }

    /// The card comes back from its issuer, or a new one comes.
    pub(super) fn issue_anew(&mut self, back: Return, out: &mut Out) {
        let Holder { arrived: at, card, .. } = back.holder;
        match self.plan.reissue.way {
            ReissueWay::Return => self.present.remove(card),
            ReissueWay::Replacement if self.present.contains(card) => {
                let holder = Holder { arrived: at + LATER, ..back.holder };
                return out.returns.push(Return { holder, ..back });
            }
            ReissueWay::Replacement => {}
        }
        let life = self.cards.life_mut(card);
        life.reissues = life.reissues.saturating_add(1);
        (life.refusals, life.recalled) = (0, false);
        let CardType { cipher, shape, .. } = self.kind;
        let count = self.cards.life(card).reissues.into();
        let pairs = issue::reissued(cipher, shape, Seed(self.plan.seed), card, count);
        if self.plan.reissue.way == ReissueWay::Replacement {
            self.cards.replace(card);
        }
        self.cards.personalise(card, &pairs);
        if let Some(tape) = self.recorder.tape(card) {
            tape.push(at, Event::Reissued);
        }
        let mut effects = std::mem::take(&mut self.server_out);
        self.server.reissue(card, &pairs, at, &mut effects);
        if let Some(durable) = &mut self.durable {
            durable.answered(card, self.server.directory());
        }
        for &effect in &effects.effects {
            self.note(at, true, effect, &effects);
        }
        effects.clear();
        self.server_out = effects;
        self.ledger.reissued(card);
        self.dialogues.reissued(self.server.rules(), card, at);
        self.recorder.counts.reissues += 1;
    }
}

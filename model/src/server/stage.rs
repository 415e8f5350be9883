//! Stage-and-flip: what the server makes ready before it sends randoms, and how it finds out later whether the card has
//! stored it.

use super::connections::{Guess, Phase};
use super::directory::{Commit, Directory, Stage};
use super::effect::ServerEffect;
use super::policy::{Due, Recovery, Stamp};
use super::renewal::MOST_KEYS;
use super::{RS, Server, answer, key_of};
use crate::ids::{CardId, Depth};
use crate::message::{Header, Message};
use crate::outbox::Outbox;
use crate::planted::{self, Bug};
use crate::rings::{KeyRef, RingShape};
use crate::suite::MAX_RANDOM;
use crate::time::SimTime;

impl<D: Directory> Server<D> {
    /// Whether a renewal of `depth` is staged before it is offered: under stage-and-flip, and only where a pair above
    /// remains to do it again.
    pub(super) fn stages(&self, depth: Depth) -> bool {
        self.rules.recovery == Recovery::StageAndFlip && depth.0 + 1 < self.rules.shape.depths()
    }

    /// Makes a renewal ready, durably. One that is staged already is only offered once more.
    pub(super) fn put_on_stage(&mut self, place: usize, randoms: &[u8], pairs: &[u8]) {
        let connection = self.volatile.connections.at(place);
        let (card, opened, connection_no) = (connection.card, connection.opened, connection.no);
        let due = connection.assignment.renew.expect("a renewal is about to be offered");
        let stage = match self.durable.staged(card).filter(|stage| stage.due.replaces_the_same(due)) {
            Some(stage) => Stage { connection: connection_no, ..stage.clone() },
            None => Stage {
                due,
                opened,
                connection: connection_no,
                randoms: randoms.to_vec(),
                pairs: pairs.to_vec(),
                tried: false,
            },
        };
        self.durable.stage(card, stage);
        self.volatile.work.commits = 1;
    }

    /// The pair that is staged for `key`; the one in the directory, if the staged renewal leaves that key alone.
    fn staged_pair(&self, card: CardId, key: KeyRef) -> &[u8] {
        let length = self.rules.cipher.kept().pair;
        let staged = self.durable.staged(card).and_then(|stage| {
            let index = self.rules.renewed_keys(card, stage.due).position(|renewed| renewed == key)?;
            stage.pairs.get(index * length..(index + 1) * length)
        });
        staged.unwrap_or_else(|| key_of(&self.durable, self.rules.shape, card, key))
    }

    /// The pair that the server answers a challenge with in the connection at `place`.
    pub(super) fn answering_pair(&mut self, place: usize) -> &[u8] {
        let shape = self.rules.shape;
        let connection = self.volatile.connections.at(place);
        let (card, guess) = (connection.card, connection.guess);
        let key = connection.assignment.pair.key(crate::rings::Ring::External);
        match guess {
            Guess::Staged => self.staged_pair(card, key),
            Guess::None | Guess::Open | Guess::Promoted => key_of(&self.durable, shape, card, key),
        }
    }

    /// Checks Cai, which may have been made with a staged key. Returns whether it is right.
    pub(super) fn check_card(&mut self, place: usize, proof: &[u8]) -> bool {
        let (cipher, comparison) = (self.rules.cipher, self.rules.comparison);
        let mut rs = [0; MAX_RANDOM];
        let rs = &mut rs[..cipher.sizes().challenge];
        let first_word = self.volatile.first_word;
        let connection = self.volatile.connections.at(place);
        connection.draws.bytes(first_word + RS, rs);
        let (card, guess) = (connection.card, connection.guess);
        let key = connection.assignment.pair.key(crate::rings::Ring::Internal);
        let by_directory = |server: &Self| {
            let pair = key_of(&server.durable, server.rules.shape, card, key);
            cipher.check(cipher.public_half(pair), rs, proof, comparison)
        };
        self.volatile.work.checks += 1;
        if guess != Guess::Open || self.durable.staged(card).is_none() {
            return by_directory(self);
        }
        self.durable.try_stage(card);
        self.volatile.work.commits = 1;
        let staged = cipher.public_half(self.staged_pair(card, key));
        if cipher.check(staged, rs, proof, comparison) {
            self.volatile.connections.at(place).guess = Guess::Staged;
            return true;
        }
        self.volatile.connections.at(place).guess = Guess::None;
        self.volatile.work.checks += 1;
        by_directory(self)
    }

    /// The client leaves before the card has proved itself: perhaps the card cannot use the key that was guessed at, since
    /// half of it was written. The renewal is done again.
    pub(super) fn give_up_guess(&mut self, place: usize) {
        let connection = self.volatile.connections.at(place);
        let (card, guess, phase) = (connection.card, connection.guess, connection.phase);
        if guess == Guess::Open && phase == Phase::Challenged && self.durable.staged(card).is_some() {
            self.durable.try_stage(card);
            self.volatile.work.commits = 1;
        }
    }

    /// Promotes what the card has proved itself with, if nothing else was to be stored: then the proof says all.
    pub(super) fn promote_if_that_is_all(&mut self, place: usize, out: &mut Outbox<ServerEffect>) {
        let connection = self.volatile.connections.at(place);
        let (card, guess) = (connection.card, connection.guess);
        let only_internal =
            |stage: &Stage| self.rules.renewal(card, stage.due).0.rings() == [crate::rings::Ring::Internal];
        if guess == Guess::Staged && self.durable.staged(card).is_some_and(only_internal) {
            self.promote(place, out);
        }
    }

    /// The card holds what is staged: it becomes what the directory holds.
    pub(super) fn promote(&mut self, place: usize, out: &mut Outbox<ServerEffect>) {
        let connection = self.volatile.connections.at(place);
        connection.guess = Guess::Promoted;
        let card = connection.card;
        let Some(stage) = self.durable.staged(card).cloned() else { return };
        self.write(card, stage.due, stage.opened, &stage.pairs);
        out.effects.push(ServerEffect::Promoted { card, offered_in: stage.connection, due: stage.due });
    }

    /// Replaces the keys of a renewal of `due` that was assigned at `opened` by `pairs`.
    pub(super) fn write(&mut self, card: CardId, due: Due, opened: SimTime, pairs: &[u8]) {
        let mut slots = [0; MOST_KEYS];
        let mut count = 0;
        for key in self.rules.renewed_keys(card, due) {
            slots[count] = self.rules.shape.slot(key).expect("a renewed key exists");
            count += 1;
        }
        let schedule = &self.rules.schedule;
        let mut renewed = [(Depth(0), Stamp::NEVER); RingShape::MAX as usize];
        let mut depths = 0;
        for depth in self.rules.renewed_depths(card, due).filter(|depth| depth.0 < schedule.depths()) {
            renewed[depths] = (depth, schedule.due_since(card, depth, opened));
            depths += 1;
        }
        if planted::is(Bug::ServerCommitsHalf) {
            count = 1;
        }
        let commit = Commit { slots: &slots[..count], pairs, renewed: &renewed[..depths] };
        self.durable.commit(card, &commit);
        self.volatile.work.commits = 1;
    }

    /// Goes on after an authentication or a commit: to the session, or to the next connection if more is due.
    pub(super) fn go_on(&mut self, place: usize, header: Header, out: &mut Outbox<ServerEffect>) {
        let connection = self.volatile.connections.at(place);
        let (card, opened) = (connection.card, connection.opened);
        if self.next_assignment(card, opened).renew.is_none() {
            return self.open_session(place, header, out);
        }
        let connection = self.volatile.connections.at(place);
        connection.phase = Phase::Closed;
        answer(connection, header, Message::Done { again: true }, out);
    }
}

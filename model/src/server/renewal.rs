//! Renewals: what the server offers, commits and gives up [0049-0059].

use super::connections::{Connection, Phase};
use super::directory::Directory;
use super::effect::ServerEffect;
use super::policy::{Assignment, Due, Embodiment, Recovery, RootRenewal, Stamp, is_due};
use super::spread::{Limits, Spread};
use super::{RK, Server, ServerRules, answer, key_of};
use crate::ids::{CardId, Depth};
use crate::message::{Header, Message};
use crate::orders::{Orders, Way};
use crate::outbox::Outbox;
use crate::planted::{self, Bug};
use crate::rings::{KeyRef, Ring, RingShape};
use crate::suite::{Family, MAX_RANDOM};
use crate::time::SimTime;

/// A renewal covers at most so many keys: both rings whole.
pub(super) const MOST_KEYS: usize = 2 * RingShape::MAX as usize;
/// Words between two randoms of a connection.
const WORDS_PER_RANDOM: u64 = 8;

impl ServerRules {
    /// What a renewal of `due` consists of for `card`. The root pair renews itself one key of each ring at most. One that
    /// was escalated renews as embodiment 3 does, inside the card where that is the card's way.
    pub fn renewal(&self, card: CardId, due: Due) -> (Embodiment, Way) {
        let embodiment = self.embodiment(card);
        let root = due.depth.0 + 1 == self.shape.depths();
        match (root, embodiment) {
            (false, Embodiment::Four) if due.escalated => (Embodiment::Three, Way::InsideCard),
            (false, _) if due.escalated => (Embodiment::Three, Way::ThroughClient),
            (false, Embodiment::Four) => (embodiment, Way::InsideCard),
            (false, _) => (embodiment, Way::ThroughClient),
            (true, Embodiment::Four) => (embodiment, Way::RootInsideCard),
            (true, Embodiment::Three) => (Embodiment::One, Way::RootThroughClient),
            (true, _) => (embodiment, Way::RootThroughClient),
        }
    }

    /// The keys that a renewal of `due` replaces, in the order in which they are derived.
    pub fn renewed_keys(&self, card: CardId, due: Due) -> impl Iterator<Item = KeyRef> + use<> {
        self.renewal(card, due).0.keys(self.shape, due.depth)
    }

    /// The depths that a renewal of `due` covers.
    pub fn renewed_depths(&self, card: CardId, due: Due) -> impl Iterator<Item = Depth> + use<> {
        self.renewal(card, due).0.depths(due.depth)
    }
}

impl<D: Directory> Server<D> {
    /// What the server admits, if it limits that.
    fn limits(&self) -> Option<Limits> {
        match self.rules.schedule.spread {
            Spread::Admission(limits) => Some(limits),
            Spread::None | Spread::Jitter { .. } | Spread::Waves { .. } => None,
        }
    }

    /// Admits every renewal that is due from now on.
    pub fn admit_all(&mut self) {
        if self.limits().is_some() {
            self.rules.schedule.spread = Spread::None;
        }
    }

    /// The assignment of a connection that is opened at `now`, and whether a renewal that is due has to wait. Changes
    /// nothing.
    pub fn admissible(&self, card: CardId, now: SimTime) -> (Assignment, bool) {
        let due = self.next_assignment(card, now);
        let (Some(_), Some(limits)) = (due.renew, self.limits()) else { return (due, false) };
        let open = self.volatile.connections.renewals_open();
        if self.volatile.admitted.has_room(limits, now, open) || self.has_begun(card) {
            return (due, false);
        }
        (Assignment { pair: self.rules.shape.working(), renew: None, guess: false }, true)
    }

    /// The assignment of a connection that is being opened; a renewal that is admitted is counted.
    pub(super) fn admit(&mut self, card: CardId, now: SimTime, out: &mut Outbox<ServerEffect>) -> Assignment {
        let (assignment, deferred) = self.admissible(card, now);
        if deferred {
            out.effects.push(ServerEffect::Deferred(card));
        } else if let (Some(_), Some(limits)) = (assignment.renew, self.limits()) {
            self.volatile.admitted.count(limits, now);
        }
        assignment
    }

    /// Whether the card may hold keys of a renewal that is not committed, or was refused with an upper pair, so that its
    /// working pair may be of no use.
    fn has_begun(&self, card: CardId) -> bool {
        let mut depths = (0..self.rules.schedule.depths()).map(Depth);
        self.durable.staged(card).is_some()
            || self.durable.refused(card).is_some()
            || depths.any(|depth| self.durable.renewal(card, depth).has_begun())
    }

    /// Notes durably that a renewal is about to begin, where it could not be told later from one that has not: the card
    /// must be admitted again. A stage says so itself, a spent chance and a refusal too; and half a root leaves the working
    /// pair alone.
    fn note_beginning(&mut self, place: usize, due: Due) {
        let root = due.depth.0 + 1 == self.rules.shape.depths();
        let told = due.escalated || root || self.rules.recovery != Recovery::UntilCommitted;
        if self.limits().is_none() || told {
            return;
        }
        let connection = self.volatile.connections.at(place);
        let (card, opened) = (connection.card, connection.opened);
        if self.durable.renewal(card, due.depth).spent < due.since {
            self.spend(card, opened, due);
        }
    }

    /// Notes that what is due at `now` has had its chance.
    pub(super) fn spend(&mut self, card: CardId, now: SimTime, due: Due) {
        if planted::is(Bug::ServerSpendsNothing) {
            return;
        }
        let (depths, most) = (self.rules.renewed_depths(card, due), self.rules.schedule.depths());
        for depth in depths.filter(|depth| depth.0 < most) {
            let since = self.rules.schedule.due_since(card, depth, now);
            self.durable.spend(card, depth, since);
        }
        self.volatile.work.commits = 1;
    }

    /// An authentication that was to be followed by a renewal ended with an NG, be it the card's or the server's: with
    /// escalation the next connection uses the pair one deeper. Below the root there is none; if the root can be due at
    /// all, the card goes to its issuer, who alone can still renew it.
    pub(super) fn escalate(&mut self, place: usize) {
        let connection = self.volatile.connections.at(place);
        let (card, Assignment { pair, renew, .. }) = (connection.card, connection.assignment);
        if !self.rules.escalation || renew.is_none() {
            return;
        }
        let shape = self.rules.shape;
        let depth = Depth(shape.internal() - pair.internal.0);
        if depth.0 + 1 < shape.depths() {
            let deepest = self.durable.refused(card).map_or(depth, |refused| refused.max(depth));
            self.durable.refuse(card, deepest);
        } else if self.rules.schedule.root.is_some() {
            self.durable.recall(card, true);
        } else {
            return;
        }
        self.volatile.work.commits = 1;
    }

    /// Sends the randoms and computes the new keys, without storing them yet (Fig. 6, 11).
    pub(super) fn offer(&mut self, place: usize, header: Header, due: Due, out: &mut Outbox<ServerEffect>) {
        let (cipher, shape) = (self.rules.cipher, self.rules.shape);
        let length = cipher.sizes().renewal_random;
        let connection = self.volatile.connections.at(place);
        let (card, no, upper) = (connection.card, connection.no, connection.assignment.pair.internal);
        let (embodiment, way) = self.rules.renewal(card, due);
        let mut keys = std::mem::take(&mut self.volatile.plain);
        keys.clear();
        embodiment.keys(shape, due.depth).for_each(|key| Orders::push_key(&mut keys, key));
        let count = keys.len() / 2;
        self.note_beginning(place, due);
        let complement = self.rules.complement && count == 2 && !embodiment.runs();

        let mut randoms = [0; MOST_KEYS * MAX_RANDOM];
        let sent = if complement { 1 } else { count };
        let randoms = &mut randoms[..sent * length];
        let first_word = self.volatile.first_word + RK;
        let staged = self.durable.staged(card).filter(|stage| stage.due.replaces_the_same(due));
        if let Some(stage) = staged {
            randoms.copy_from_slice(&stage.randoms); // done again, with the same randoms
        } else {
            let draws = &mut self.volatile.connections.at(place).draws;
            for (index, random) in (0..).zip(randoms.chunks_mut(length)) {
                draws.bytes(first_word + index * WORDS_PER_RANDOM, random);
            }
        }
        let orders = Orders::new(way, &keys, randoms).expect("the server orders existing keys");
        out.effects.push(ServerEffect::UpdateStarted { card, connection: no, due });
        if way.root() {
            // Half a renewal of the root by itself leaves nothing to renew it with: unless it is committed, the card has
            // to be issued anew.
            self.durable.recall(card, true);
            self.volatile.work.commits = 1;
        }

        let mut offered = std::mem::take(&mut self.volatile.connections.at(place).offered);
        let mut random = std::mem::take(&mut self.volatile.random);
        let upper_key = KeyRef { ring: Ring::Internal, no: upper };
        for index in 0..count {
            let key = orders.key(index).expect("there are so many");
            random.clear();
            orders.random(index, length, &mut random);
            let upper = cipher.private_half(key_of(&self.durable, shape, card, upper_key));
            self.volatile.seed.clear();
            cipher.prove(upper, &random, &mut self.volatile.seed);
            let start = offered.len();
            cipher.grow(&self.volatile.seed, &mut offered);
            let half = cipher.half_on_card(key.ring, &offered[start..]);
            let value = out.put(|bytes| bytes.extend_from_slice(half));
            out.effects.push(ServerEffect::Offered { card, key, value });
        }
        self.volatile.work.derives += count as u32;
        if cipher.family() == Family::Asymmetric {
            self.volatile.work.generates += count as u32;
        }
        if self.stages(due.depth) && !planted::is(Bug::ServerStagesNothing) {
            self.put_on_stage(place, orders.parts().1, &offered);
        }
        if planted::is(Bug::ServerCommitsEarly) {
            let opened = self.volatile.connections.at(place).opened;
            self.write(card, due, opened, &offered);
            out.effects.push(ServerEffect::Committed { card, connection: no, due });
        }
        let connection = self.volatile.connections.at(place);
        connection.offered = offered;
        connection.phase = Phase::Offered;
        answer(connection, header, Message::UpdateRandoms { upper, orders }, out);
        self.volatile.plain = keys;
        self.volatile.random = random;
    }

    /// Stores the new keys (Fig. 6, 14) and goes on to the session, or to the next renewal.
    pub(super) fn commit(&mut self, place: usize, header: Header, out: &mut Outbox<ServerEffect>) {
        let connection = self.volatile.connections.at(place);
        let (card, no, opened) = (connection.card, connection.no, connection.opened);
        let due = connection.assignment.renew.expect("an offer has been made");
        let offered = std::mem::take(&mut connection.offered);
        self.write(card, due, opened, &offered);
        if due.depth.0 + 1 == self.rules.shape.depths() {
            self.durable.recall(card, false);
        }
        out.effects.push(ServerEffect::Committed { card, connection: no, due });
        self.volatile.connections.renewal_over(place);
        self.volatile.connections.at(place).offered = offered;
        self.go_on(place, header, out);
    }

    /// Whether the card can only be issued anew at `now`: its root is due and cannot be renewed otherwise, or a
    /// renewal of the root by itself was interrupted.
    pub fn wants_back(&self, card: CardId, now: SimTime) -> bool {
        let ServerRules { shape, recovery, ref schedule, .. } = self.rules;
        let root = Depth(shape.depths() - 1);
        let due = || {
            let since = schedule.due_since(card, root, now);
            is_due(recovery, since, self.durable.renewal(card, root))
        };
        let reissued = schedule.root == Some(RootRenewal::Reissue) && root.0 < schedule.depths();
        // While an update of the card is open, nobody knows yet how its root stands.
        let recalled = self.durable.is_recalled(card) && !self.volatile.connections.is_offered(card);
        recalled || (reissued && due())
    }

    /// Issues the card anew with `pairs`, slot after slot. Every connection of the card is over, and nothing that was
    /// due until `now` is due any more.
    pub fn reissue(&mut self, card: CardId, pairs: &[u8], now: SimTime, out: &mut Outbox<ServerEffect>) {
        self.volatile.connections.close_all(card, |connection| note_interruption(connection, out));
        self.durable.reissue(card, pairs, Stamp::ordered_at(now));
        self.durable.sync();
    }
}

/// Reports an update that ends with its connection.
pub(super) fn note_interruption(connection: &Connection, out: &mut Outbox<ServerEffect>) {
    let (Phase::Offered, Some(due)) = (connection.phase, connection.assignment.renew) else { return };
    if planted::is(Bug::ServerHidesInterruptions) {
        return;
    }
    let Connection { card, no, .. } = *connection;
    out.effects.push(ServerEffect::Interrupted { card, connection: no, due });
}

//! When two worlds have the same future.
//!
//! A run draws other randoms in every connection, but nothing depends on what they are: only on which party holds the
//! same value as another, and which of them is newer. So a world is described by that, with what is durable at the
//! server and in the card. Worlds of the same description heal in the same way, and need be healed only once; if they
//! also agree in what is left of earlier connections (those that are alive at the server, and the datagrams that may
//! come once more) they can be cut in the same ways with the same results.
//!
//! Left out is what no later connection looks at: the numbers and randoms of dead connections, when something happened,
//! and the wear of pages, since no page comes near the end of its life here.

use keystorm_model::server::{Assignment, Directory as _};
use keystorm_model::{ConnectionId, Depth};

use super::combination::{CARD, Setup};
use super::cuts::LATEST;
use super::party::{World, hash, powered_up};
use crate::step::message_name;

/// A description of a world.
pub(super) type State = Vec<u8>;

/// The version of a value that nobody gave.
const NOBODYS: usize = usize::MAX;

impl World {
    /// What the undisturbed connections to come depend on.
    pub(super) fn state(&self, setup: &Setup) -> State {
        self.describe(setup, &[])
    }

    /// What disturbed ones depend on too.
    pub(super) fn whole_state(&self, setup: &Setup) -> State {
        let offered: Vec<&[u8]> = self.server.live(CARD).map(|live| live.offered).collect();
        let mut state = self.describe(setup, &offered);
        for live in self.server.live(CARD) {
            state.extend([0xfe, self.age(live.id)]);
            state.extend(live.sequence.to_le_bytes());
            state.extend(live.phase);
            push_assignment(live.assignment, &mut state);
        }
        if self.chip.marks().is_unsettled() {
            // What an erasure leaves depends on what it finds.
            state.extend(hash(self.chip.keys(&setup.kind)).to_le_bytes());
        }
        state.extend([0xfd, self.server.last_opened(CARD).map_or(u8::MAX, |id| self.age(id))]);
        for sent in self.sent().take_while(|sent| self.connections - sent.connection < u32::from(LATEST)) {
            state.push((self.connections - sent.connection) as u8);
            state.extend(message_name(&sent.datagram).as_bytes());
            // What the datagram says of itself: the verdicts' flag is their last byte.
            state.push(if sent.datagram.len() == keystorm_model::message::HEADER + 1 {
                sent.datagram[16]
            } else {
                2
            });
        }
        state
    }

    /// How many connections ago the connection began.
    fn age(&self, id: ConnectionId) -> u8 {
        (u64::from(self.connections) - (id.0 & u64::from(u32::MAX))) as u8
    }

    fn describe(&self, setup: &Setup, offered: &[&[u8]]) -> State {
        let chip = self.settled(setup);
        let directory = self.server.directory();
        let stage = directory.staged(CARD);
        let pair = setup.kind.cipher.kept().pair;
        let mut state = Vec::with_capacity(64);
        for slot in 0..setup.kind.shape.keys() {
            // Which pair of a renewal's is this key's, if it renews it.
            let of = |depth: Depth, pairs: &[u8]| {
                let index = setup.renewed_slots(depth).position(|renewed| renewed == slot);
                let value = index.and_then(|index| pairs.get(index * pair..(index + 1) * pair));
                value.map(|value| self.version(setup, slot, setup.half(slot, value)))
            };
            let mut versions = [Some(NOBODYS); 8];
            let on_card = &chip.keys(&setup.kind)[setup.kind.layout().range(slot)];
            let torn = chip.marks().torn() & 1 << slot != 0;
            versions[0] = if torn { None } else { self.version(setup, slot, on_card) };
            versions[1] = self.version_on_server(setup, slot);
            if let Some(stage) = stage {
                versions[2] = of(stage.due.depth, &stage.pairs).unwrap_or(Some(NOBODYS));
            }
            let live = self.server.live(CARD).zip(offered).filter(|(_, offered)| !offered.is_empty());
            for ((live, offered), version) in live.zip(&mut versions[3..]) {
                let due = live.assignment.renew.expect("a renewal has been offered");
                *version = of(due.depth, offered).unwrap_or(Some(NOBODYS));
            }
            state.extend(ranks(versions));
            if versions[0].is_none() {
                // Nobody's value, or a torn one: it counts as it is.
                state.push(u8::from(torn));
                state.extend(hash(on_card).to_le_bytes());
            }
        }
        state.extend(chip.tries(&setup.kind));
        state.push(self.moments_to_recover(setup));
        for depth in (0..setup.server.schedule.depths()).map(Depth) {
            let since = setup.server.schedule.due_since(CARD, depth, self.now());
            let known = directory.renewal(CARD, depth);
            let facts = [known.committed < since, known.spent < since, known.spent > known.committed];
            state.extend(facts.map(u8::from));
        }
        state.push(stage.map_or(u8::MAX, |stage| stage.due.depth.0 << 1 | u8::from(stage.tried)));
        state.push(u8::from(directory.is_recalled(CARD)) << 1 | u8::from(self.interrupted));
        state
    }

    /// Through how many moments the next power-up restores the memory; what it makes of it is in the settled memory.
    fn moments_to_recover(&self, setup: &Setup) -> u8 {
        if !self.chip.marks().is_unsettled() {
            return 0;
        }
        powered_up(setup, &mut self.chip.clone()).1 as u8
    }
}

/// Versions by rank: 0 is the one at issue, the others count from 1; 255 is nobody's.
fn ranks(versions: [Option<usize>; 8]) -> [u8; 8] {
    let rank = |version: Option<usize>| match version {
        None => u8::MAX - 1,
        Some(NOBODYS) => u8::MAX,
        Some(0) => 0,
        Some(version) => {
            let older = |other: usize| {
                let other = versions[other]?;
                (0 < other && other < version).then_some(other)
            };
            // Distinct older ones: each counts where it stands first.
            let counts = |&place: &usize| {
                older(place)
                    .is_some_and(|other| versions[..place].iter().all(|&before| before != Some(other)))
            };
            1 + (0..versions.len()).filter(counts).count() as u8
        }
    };
    versions.map(rank)
}

fn push_assignment(assignment: Assignment, state: &mut State) {
    let Assignment { pair, renew, guess } = assignment;
    let depth = renew.map_or(u8::MAX, |due| due.depth.0);
    state.extend([pair.internal.0, pair.external.0, depth, u8::from(guess)]);
}

#[cfg(test)]
mod tests {
    use super::ranks;

    #[test]
    fn ranks_tell_order_and_equality_and_nothing_else() {
        let all = |head: [Option<usize>; 4]| {
            let mut versions = [Some(super::NOBODYS); 8];
            versions[..4].copy_from_slice(&head);
            ranks(versions)[..4].to_vec()
        };
        assert_eq!(all([Some(0), Some(7), Some(3), Some(7)]), [0, 2, 1, 2]);
        assert_eq!(all([Some(0), Some(9), Some(4), Some(9)]), all([Some(0), Some(7), Some(3), Some(7)]));
        assert_ne!(all([Some(1), Some(0), Some(0), Some(0)]), all([Some(0), Some(1), Some(0), Some(0)]));
        assert_eq!(all([None, Some(5), Some(0), Some(5)]), [254, 1, 0, 1]);
    }
}

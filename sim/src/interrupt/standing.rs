//! How card and server stand between two connections, by value, and what became of the card.

use core::fmt;

use keystorm_model::Depth;
use keystorm_model::card::Chip;
use keystorm_model::rings::Ring;
use keystorm_model::server::Directory as _;
use keystorm_reports::results::{Outcome, PairState};

use super::combination::{CARD, Setup};
use super::party::{World, hash};

/// How card and server stand, by value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Standing {
    /// Card against server at depth 0 and at depth 1.
    pub pairs: [PairState; 2],
    /// Whether a key on the card is unreadable.
    pub torn: bool,
    /// Whether the server has a renewed key at depth 0, and at depth 1.
    pub renewed: [bool; 2],
    /// What the server keeps of an uncommitted renewal.
    pub kept: Kept,
}

/// What the server durably keeps of a renewal that it has not committed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// Under first-contact: that its chance is gone.
    Spent,
    /// Under stage-and-flip: the new values.
    Staged,
    /// The same, and that the card has been met since.
    Tried,
}

impl Standing {
    /// The card's side, depth 0 first: `card ahead/old`, and `torn` where it is.
    pub fn card(&self) -> String {
        let [zero, one] = self.pairs.map(PairState::name);
        format!("{zero}/{one}{}", if self.torn { ", torn" } else { "" })
    }

    /// Whether the server holds what the card never had.
    pub fn is_forbidden(&self) -> bool {
        self.pairs.iter().any(|pair| matches!(pair, PairState::ServerAhead | PairState::Diverged))
    }

    /// Whether card and server hold the same keys at both depths.
    pub fn agrees(&self) -> bool {
        self.pairs.iter().all(|pair| matches!(pair, PairState::Old | PairState::New))
    }
}

/// The server's side, depth 0 first: `new/old`, and what is kept of an uncommitted renewal.
pub struct ServerSide<'a>(pub &'a Standing);

impl fmt::Display for ServerSide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [zero, one] = self.0.renewed.map(|renewed| if renewed { "new" } else { "old" });
        let kept = match self.0.kept {
            Kept::Nothing => "",
            Kept::Spent => ", spent",
            Kept::Staged => ", staged",
            Kept::Tried => ", tried",
        };
        write!(f, "{zero}/{one}{kept}")
    }
}

impl World {
    /// The card's memory as the next power-up makes it.
    pub(super) fn settled(&self, setup: &Setup) -> Chip {
        self.chip.clone().settled(&setup.kind)
    }

    /// Which of the values of a key this half is: 0 at issue, then the offers; `None`: nobody ever gave it.
    pub(super) fn version(&self, setup: &Setup, slot: usize, half: &[u8]) -> Option<usize> {
        if setup.half(slot, &setup.issued[setup.at_server().range(slot)]) == half {
            return Some(0);
        }
        let known = (slot as u8, hash(half));
        self.offers.iter().position(|&offer| offer == known).map(|place| place + 1)
    }

    /// The version of the key that the server holds.
    pub(super) fn version_on_server(&self, setup: &Setup, slot: usize) -> Option<usize> {
        self.version(setup, slot, setup.half(slot, self.server.directory().key(CARD, slot)))
    }

    fn pair(&self, setup: &Setup, chip: &Chip, depth: Depth) -> (PairState, bool) {
        let renewed_keys = setup.server.embodiment(CARD).rings().len();
        let (mut newer, mut renewed, mut bad) = (0, false, None);
        for ring in [Ring::Internal, Ring::External] {
            let slot = setup.slot(depth, ring);
            let on_server = self.version_on_server(setup, slot);
            renewed |= on_server != Some(0);
            if chip.marks().torn() & 1 << slot != 0 {
                continue;
            }
            let on_card = self.version(setup, slot, &chip.keys(&setup.kind)[setup.kind.layout().range(slot)]);
            match (on_card, on_server) {
                (Some(card), Some(server)) if card == server => {}
                (Some(card), Some(server)) if card > server => newer += 1,
                (Some(_), Some(_)) => bad = Some(PairState::ServerAhead),
                _ => bad = Some(PairState::Diverged),
            }
        }
        let state = bad.unwrap_or(match newer {
            0 if renewed => PairState::New,
            0 => PairState::Old,
            newer if newer < renewed_keys => PairState::Split,
            _ => PairState::CardAhead,
        });
        (state, renewed)
    }

    /// How card and server stand between two connections.
    pub(super) fn standing(&self, setup: &Setup) -> Standing {
        let chip = self.settled(setup);
        let [zero, one] = [0, 1].map(|depth| self.pair(setup, &chip, Depth(depth)));
        let directory = self.server.directory();
        let spent = |depth| directory.renewal(CARD, depth).spent > directory.renewal(CARD, depth).committed;
        let kept = match directory.staged(CARD) {
            Some(stage) if stage.tried => Kept::Tried,
            Some(_) => Kept::Staged,
            None if (0..setup.server.schedule.depths()).map(Depth).any(spent) => Kept::Spent,
            None => Kept::Nothing,
        };
        Standing { pairs: [zero.0, one.0], torn: chip.marks().torn() != 0, renewed: [zero.1, one.1], kept }
    }

    /// The depths that are due and not committed.
    fn due(&self, setup: &Setup) -> impl Iterator<Item = Depth> {
        let schedule = &setup.server.schedule;
        let due = |depth: &Depth| {
            let since = schedule.due_since(CARD, *depth, self.now());
            self.server.directory().renewal(CARD, *depth).committed < since
        };
        (0..schedule.depths()).map(Depth).filter(due)
    }

    /// How many undisturbed connections the policy may take from here until everything is renewed: one for each depth
    /// that is due, one for all in embodiment 3, and one to find out about a stage. A depth that is staged is due: two
    /// connections at once can leave it staged although one of them has committed it.
    pub(super) fn allowed(&self, setup: &Setup) -> usize {
        let staged = self.server.directory().staged(CARD).map(|stage| stage.due.depth);
        let due = self.due(setup).chain(staged.filter(|&staged| self.due(setup).all(|due| due != staged)));
        let due = due.count();
        let runs = setup.server.embodiment(CARD).runs();
        usize::from(staged.is_some()) + if runs { due.min(1) } else { due }
    }

    /// Whether everything is renewed, on both sides.
    pub(super) fn is_up_to_date(&self, setup: &Setup) -> bool {
        self.due(setup).next().is_none() && self.standing(setup).agrees()
    }

    /// Whether every key on the card can be read, and used at least once more.
    pub(super) fn is_intact(&self, setup: &Setup) -> bool {
        let chip = self.settled(setup);
        chip.marks().torn() == 0 && chip.tries(&setup.kind).iter().all(|&tries| tries > 0)
    }

    /// What became of the card: as `keystorm run` judges it at the end.
    pub(super) fn outcome(&self, setup: &Setup) -> Outcome {
        let chip = self.settled(setup);
        let next = self.server.next_assignment(CARD, self.now()).pair;
        let agrees = |ring| {
            let slot = setup.kind.shape.slot(next.key(ring)).expect("the policy names existing keys");
            let on_card = &chip.keys(&setup.kind)[setup.kind.layout().range(slot)];
            on_card == setup.half(slot, self.server.directory().key(CARD, slot))
        };
        if chip.marks().torn() != 0 {
            Outcome::Torn
        } else if chip.tries(&setup.kind)[next.external.index() - 1] == 0 {
            Outcome::Blocked
        } else if !agrees(Ring::Internal) || !agrees(Ring::External) {
            Outcome::Stranded
        } else if self.interrupted {
            Outcome::Healed
        } else {
            Outcome::Unharmed
        }
    }
}

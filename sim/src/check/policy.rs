//! Which pair the server must name next, and what it must renew: worked out from what it said and did before, by arithmetic
//! of its own (claim 1, and the recovery policies).

use keystorm_model::server::{RootRenewal, ServerRules};
use keystorm_model::{CardId, Depth, SimTime};

use keystorm_model::server::{OrderedCards, Recovery};

/// A point in time, doubled: an order counts as given after a period that turns at the same instant.
type Moment = u64;

const fn turned(at: u64) -> Moment {
    2 * at + 1
}

const fn ordered(at: u64) -> Moment {
    2 * at + 2
}

/// A renewal that the server has made ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stage {
    pub(super) due: Renewed,
    /// When the connection began that was the first to renew it.
    pub(super) opened: SimTime,
    /// Whether the card has been met since.
    pub(super) tried: bool,
}

/// A depth to be renewed, and whether that is an escalation, which renews every depth above it too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Renewed {
    pub(super) depth: u8,
    pub(super) escalated: bool,
}

/// What a connection must be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Expected {
    /// The depth of the pair that is named.
    pub(super) pair: u8,
    pub(super) renew: Option<Renewed>,
    pub(super) guess: bool,
}

/// When the last thing fell due at `depth` until `now`; 0: nothing ever did. A card whose turn comes later than others'
/// is due from then on, for the period that turned before.
fn fell_due(rules: &ServerRules, card: CardId, depth: u8, now: SimTime) -> Moment {
    let schedule = &rules.schedule;
    let own = now.as_ns().checked_sub(schedule.spread.offset(card).as_ns());
    let turn = schedule.periods.get(usize::from(depth)).zip(own).map_or(0, |(period, own)| {
        let length = period.as_ns().max(1);
        turned(own - own % length)
    });
    let concerns = |cards: &OrderedCards| match cards {
        OrderedCards::All => true,
        OrderedCards::Listed(cards) => cards.contains(&card),
    };
    let orders = schedule.orders.iter();
    let given = orders.filter(|it| it.depth == Depth(depth) && it.at <= now && concerns(&it.cards));
    given.map(|order| ordered(order.at.as_ns())).max().unwrap_or(0).max(turn)
}

/// What is known of one card's renewals.
#[derive(Clone, Default, Debug)]
pub(super) struct Known {
    /// For each depth, until when everything that fell due is done, or has had its only chance.
    covered: Vec<Moment>,
    spent: Vec<Moment>,
    pub(super) stage: Option<Stage>,
    /// The deepest depth whose pair was refused since the last commit.
    pub(super) refused: Option<u8>,
    /// Its root may be half renewed, or was refused: it depends on the issuer what comes next.
    pub(super) recalled: bool,
}

impl Known {
    /// A card for which everything is due that ever was, or that was issued at the beginning.
    pub(super) fn new(depths: u8, issued_now: bool) -> Self {
        let covered = if issued_now { turned(0) } else { 0 };
        let depths = depths.into();
        Known { covered: vec![covered; depths], spent: vec![0; depths], ..Known::default() }
    }

    /// The card has been issued anew at `at`.
    pub(super) fn reissued(&mut self, at: SimTime) {
        let covered = vec![ordered(at.as_ns()); self.covered.len()];
        *self = Known { spent: vec![0; covered.len()], covered, ..Known::default() };
    }

    fn cover(rules: &ServerRules, card: CardId, renewed: Renewed, opened: SimTime, which: &mut [Moment]) {
        let runs = renewed.escalated || rules.embodiment(card).runs();
        let root = renewed.depth + 1 == rules.shape.depths();
        let shallowest = if runs && !root { 0 } else { renewed.depth };
        for depth in shallowest..=renewed.depth {
            let Some(covered) = which.get_mut(usize::from(depth)) else { continue };
            *covered = (*covered).max(fell_due(rules, card, depth, opened));
        }
    }

    /// A renewal has been committed that was assigned at `opened`.
    pub(super) fn committed(&mut self, rules: &ServerRules, card: CardId, renewed: Renewed, opened: SimTime) {
        Self::cover(rules, card, renewed, opened, &mut self.covered);
        (self.stage, self.refused) = (None, None);
        if renewed.depth + 1 == rules.shape.depths() {
            self.recalled = false;
        }
    }

    /// The server has drawn its first Rs for a renewal.
    pub(super) fn contacted(&mut self, rules: &ServerRules, card: CardId, renewed: Renewed, opened: SimTime) {
        if rules.recovery == Recovery::FirstContact {
            Self::cover(rules, card, renewed, opened, &mut self.spent);
            if renewed.escalated {
                self.refused = None;
            }
        }
    }

    /// The pair at `depth` was refused where a renewal was to follow.
    pub(super) fn refused(&mut self, rules: &ServerRules, depth: u8) {
        if !rules.escalation {
            return;
        }
        if depth + 1 < rules.shape.depths() {
            self.refused = self.refused.max(Some(depth));
        } else if rules.schedule.root.is_some() {
            self.recalled = true;
        }
    }

    /// Whether something fell due at `depth` and is not done.
    fn is_due(&self, rules: &ServerRules, card: CardId, depth: u8, now: SimTime) -> bool {
        let last = fell_due(rules, card, depth, now);
        last > self.covered[usize::from(depth)].max(self.spent[usize::from(depth)])
    }

    /// Whether a renewal that was due at `opened` has not been committed since.
    pub(super) fn is_still_due(
        &self,
        rules: &ServerRules,
        card: CardId,
        renewed: Renewed,
        opened: SimTime,
    ) -> bool {
        let covered = |depth: u8| self.covered.get(usize::from(depth)).copied().unwrap_or(0);
        renewed.escalated || fell_due(rules, card, renewed.depth, opened) > covered(renewed.depth)
    }

    /// What a connection that begins at `now` must be told; `None`: that depends on more than is known here.
    pub(super) fn expected(&self, rules: &ServerRules, card: CardId, now: SimTime) -> Option<Expected> {
        if self.recalled {
            return None;
        }
        let root = rules.shape.depths() - 1;
        let due = |depth: &u8| self.is_due(rules, card, *depth, now);
        let below =
            |renewed: Renewed| Some(Expected { pair: renewed.depth + 1, renew: Some(renewed), guess: false });
        let depths = self.covered.len() as u8;
        let deepest = (0..depths.min(root)).filter(due).max();
        if let Some(refused) = self.refused {
            return below(Renewed { depth: refused.max(deepest.unwrap_or(0)), escalated: true });
        }
        if let Some(stage) = self.stage {
            if stage.tried {
                return below(stage.due);
            }
            let runs = stage.due.escalated || rules.embodiment(card).runs();
            let pair = if runs { 0 } else { stage.due.depth };
            return Some(Expected { pair, renew: None, guess: true });
        }
        let itself = rules.schedule.root == Some(RootRenewal::Itself) && depths > root && due(&root);
        if itself {
            let renew = Some(Renewed { depth: root, escalated: false });
            return Some(Expected { pair: root, renew, guess: false });
        }
        match deepest {
            Some(depth) => below(Renewed { depth, escalated: false }),
            None => Some(Expected { pair: 0, renew: None, guess: false }),
        }
    }
}

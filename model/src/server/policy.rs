//! Which pair of keys the next connection of a card uses, and what it renews [0049, 0056].
//!
//! The recovery policies differ here and in what the server notes durably, and nowhere else.

use crate::ids::{CardId, Depth};
use crate::planted::{self, Bug};
use crate::rings::{KeyRef, Pair, Ring, RingShape};
use crate::server::spread::Spread;
use crate::time::{SimTime, Span};

/// How a renewal is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Embodiment {
    /// Fig. 6: `Kai[m]` and `Kae[n]` together; the new keys pass through the client.
    One,
    /// Fig. 7: `Kae[n]` alone.
    TwoA,
    /// Fig. 8: `Kai[m]` alone.
    TwoB,
    /// Fig. 9: `Kai[m]`, `Kae[n]`, `Kai[m+1]`, `Kae[n+1]` and so on up to the working pair, all derived with one upper key.
    Three,
    /// Fig. 10: as the first, but the card derives and stores inside (claim 10).
    Four,
}

impl Embodiment {
    /// Every embodiment, in the order of the documentation.
    pub const ALL: [Embodiment; 5] =
        [Embodiment::One, Embodiment::TwoA, Embodiment::TwoB, Embodiment::Three, Embodiment::Four];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Embodiment::One => "1",
            Embodiment::TwoA => "2a",
            Embodiment::TwoB => "2b",
            Embodiment::Three => "3",
            Embodiment::Four => "4",
        }
    }

    /// The rings in which it renews a key at each depth, in this order.
    pub const fn rings(self) -> &'static [Ring] {
        match self {
            Embodiment::One | Embodiment::Three | Embodiment::Four => &[Ring::Internal, Ring::External],
            Embodiment::TwoA => &[Ring::External],
            Embodiment::TwoB => &[Ring::Internal],
        }
    }

    /// Whether the card derives and stores the keys itself, so that none passes through the client.
    pub const fn inside(self) -> bool {
        matches!(self, Embodiment::Four)
    }

    /// Whether a renewal of one depth renews every depth above it too.
    pub const fn runs(self) -> bool {
        matches!(self, Embodiment::Three)
    }

    /// The depths that a renewal of `deepest` covers, the deepest first.
    pub fn depths(self, deepest: Depth) -> impl Iterator<Item = Depth> + use<> {
        let shallowest = if self.runs() { 0 } else { deepest.0 };
        (shallowest..=deepest.0).rev().map(Depth)
    }

    /// The keys that a renewal of `deepest` replaces, in the order in which they are derived.
    pub fn keys(self, shape: RingShape, deepest: Depth) -> impl Iterator<Item = KeyRef> + use<> {
        self.depths(deepest).flat_map(move |depth| {
            let pair = shape.pair(depth).expect("a depth that is renewed exists");
            self.rings().iter().map(move |&ring| pair.key(ring))
        })
    }
}

/// What becomes of an interrupted renewal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovery {
    /// The literal reading of \[0049\]: the period's only chance is spent when the server draws its first Rs for the card.
    FirstContact,
    /// A renewal stays due until the server has committed it.
    UntilCommitted,
    /// The server durably stages the randoms and the new keys before it sends the randoms. After an interruption the
    /// next connection names the pair that would have been stored; if the card proves itself with the staged keys, the
    /// stage is promoted, else the renewal is done again with the same randoms.
    StageAndFlip,
}

impl Recovery {
    /// Every policy, in the order of the documentation.
    pub const ALL: [Recovery; 3] = [Recovery::FirstContact, Recovery::UntilCommitted, Recovery::StageAndFlip];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Recovery::FirstContact => "first-contact",
            Recovery::UntilCommitted => "until-committed",
            Recovery::StageAndFlip => "stage-and-flip",
        }
    }
}

/// What happens when the root pair is due, which no key above it can renew [0058-0059].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RootRenewal {
    /// It renews itself: authenticated with, and derived from, itself. Pointless after a leak.
    Itself,
    /// The card is issued anew: it goes back to the issuer, or is replaced.
    Reissue,
}

/// When something fell due, or was done about it: a point in time, or never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Stamp(u64);

impl Stamp {
    /// Before everything.
    pub const NEVER: Stamp = Stamp(0);

    /// At a point in time: when a period turned, or a card was issued.
    pub const fn at(time: SimTime) -> Self {
        Stamp(time.as_ns().saturating_mul(2).saturating_add(1))
    }

    /// At the same point in time, but after everything else of that instant: when an order was given.
    pub const fn ordered_at(time: SimTime) -> Self {
        Stamp(time.as_ns().saturating_mul(2).saturating_add(2))
    }

    /// A number for it, of the same order.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// What [`Stamp::number`] gave this number.
    pub const fn numbered(number: u64) -> Self {
        Stamp(number)
    }
}

/// An operator's order to renew keys irregularly (claim 1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// When it is given.
    pub at: SimTime,
    /// The depth to renew.
    pub depth: Depth,
    /// Whose keys.
    pub cards: OrderedCards,
}

/// The cards that an order is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum OrderedCards {
    /// All of them.
    All,
    /// These, in ascending order.
    Listed(Vec<CardId>),
}

impl OrderedCards {
    fn contain(&self, card: CardId) -> bool {
        match self {
            OrderedCards::All => true,
            OrderedCards::Listed(cards) => cards.binary_search(&card).is_ok(),
        }
    }
}

/// When which depth falls due.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Schedule {
    /// How long the keys of each depth live, from depth 0 on.
    pub periods: Vec<Span>,
    /// The operator's orders, in the order of their times.
    pub orders: Vec<Order>,
    /// What happens at the root; `None`: it is never due.
    pub root: Option<RootRenewal>,
    /// How the renewals of a period are spread.
    pub spread: Spread,
}

impl Schedule {
    /// How many depths, from 0 on, can ever be due.
    pub fn depths(&self) -> u8 {
        let ordered = self.orders.iter().map(|order| order.depth.0 + 1).max().unwrap_or(0);
        (self.periods.len() as u8).max(ordered)
    }

    /// Since when the keys of `card` at `depth` would be due at `now` if nothing had been done about it: since the
    /// period turned, or since an order if that came later. Never, if there has been neither.
    ///
    /// A card whose periods turn later than others' is due from then on, but since the period itself turned: an order that
    /// was carried out in between has renewed it for that period, and a card that is issued with fresh keys at time 0 has
    /// nothing due in the first one.
    pub fn due_since(&self, card: CardId, depth: Depth, now: SimTime) -> Stamp {
        let turned = match self.periods.get(depth.index()) {
            Some(&length) => {
                let length = length.as_ns().max(1);
                let own = now.as_ns().checked_sub(self.spread.offset(card).as_ns());
                own.map_or(Stamp::NEVER, |own| Stamp::at(SimTime::from_ns(own / length * length)))
            }
            None => Stamp::NEVER,
        };
        let given = |order: &&Order| order.at <= now && order.depth == depth && order.cards.contain(card);
        let ordered =
            self.orders.iter().rev().find(given).map_or(Stamp::NEVER, |order| Stamp::ordered_at(order.at));
        turned.max(ordered)
    }
}

/// What the server durably knows of one card's renewals at one depth.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Renewal {
    /// Since when that was due which was committed last.
    pub committed: Stamp,
    /// Under first-contact: since when that was due whose chance was spent last. Where the server admits renewals: since
    /// when that was due whose renewal was begun last.
    pub spent: Stamp,
}

impl Renewal {
    /// Whether a renewal has been begun, or its chance spent, and nothing been committed since.
    pub fn has_begun(self) -> bool {
        self.spent > self.committed
    }
}

/// What a connection is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// The pair that authenticates.
    pub pair: Pair,
    /// What is renewed after that.
    pub renew: Option<Due>,
    /// Whether the pair is named in the hope that the card has stored what is staged for it.
    pub guess: bool,
}

/// A renewal that is due.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Due {
    /// The depth to renew; the deepest one where an embodiment renews several.
    pub depth: Depth,
    /// Since when it is due.
    pub since: Stamp,
    /// Whether an upper pair was refused, so that every depth from this one up is renewed, in both rings, whatever the
    /// card's embodiment.
    pub escalated: bool,
}

impl Due {
    /// Whether both replace the same keys of a card.
    pub fn replaces_the_same(self, other: Due) -> bool {
        (self.depth, self.escalated) == (other.depth, other.escalated)
    }
}

/// Whether a depth is due, given since when and what was done about it.
pub fn is_due(recovery: Recovery, since: Stamp, known: Renewal) -> bool {
    let spent = recovery == Recovery::FirstContact && known.spent >= since;
    known.committed < since && !spent
}

/// The assignment of the next connection of a card of which the pair at `refused` was refused: everything from that
/// depth up is renewed under the pair one deeper, and from deeper still if something below it is `due`. `None` if that
/// pair cannot be used.
pub fn assign_escalated(
    shape: RingShape,
    schedule: &Schedule,
    card: CardId,
    now: SimTime,
    refused: Depth,
    recalled: bool,
    due: impl Fn(Depth) -> bool,
) -> Option<Assignment> {
    let root = shape.depths() - 1;
    let deepest = (refused.0..root.min(schedule.depths())).rev().map(Depth).find(|&depth| due(depth));
    let depth = deepest.unwrap_or(refused).max(refused);
    if depth.0 >= root || recalled && depth.0 + 1 == root {
        return None;
    }
    let since = schedule.due_since(card, depth, now);
    let due = Due { depth, since, escalated: true };
    Some(Assignment { pair: shape.pair(Depth(depth.0 + 1))?, renew: Some(due), guess: false })
}

/// The assignment of the next connection of a card for which a renewal of `due` by `embodiment` is staged. A stage that
/// has been `tried` is not guessed at again: the renewal is done once more.
pub fn assign_staged(shape: RingShape, embodiment: Embodiment, due: Due, tried: bool) -> Assignment {
    if tried {
        let pair = shape.pair(Depth(due.depth.0 + 1)).expect("only what lies above the root is staged");
        return Assignment { pair, renew: Some(due), guess: false };
    }
    // Of a run of depths the last to be stored tells most.
    let last = embodiment.depths(due.depth).last().expect("a renewal covers a depth");
    Assignment { pair: shape.pair(last).expect("a depth that is renewed exists"), renew: None, guess: true }
}

/// The assignment of a card's next connection at `now`; `recalled` says that it can only be issued anew. `renewal` tells what is known of each depth that can be due; the
/// deepest one due comes first, since a half-renewed depth 1 could not serve depth 0.
pub fn assign(
    shape: RingShape,
    recovery: Recovery,
    schedule: &Schedule,
    card: CardId,
    now: SimTime,
    recalled: bool,
    renewal: impl Fn(Depth) -> Renewal,
) -> Assignment {
    // The root pair of a card that is recalled may be half renewed: it neither renews nor is renewed.
    let usable = if recalled { shape.depths().saturating_sub(2) } else { shape.depths() };
    let depths = schedule.depths().min(usable);
    for depth in (0..depths).rev().map(Depth) {
        let depth =
            if planted::is(Bug::ServerGoesShallowFirst) { Depth(depths - 1 - depth.0) } else { depth };
        let since = schedule.due_since(card, depth, now);
        if !is_due(recovery, since, renewal(depth)) {
            continue;
        }
        // The root pair has none above it.
        let pair = match (shape.pair(Depth(depth.0 + 1)), schedule.root) {
            (Some(_), _) if planted::is(Bug::ServerRenewsWithWorkingPair) => shape.working(),
            (Some(above), _) => above,
            (None, Some(RootRenewal::Itself)) => shape.root(),
            (None, _) => continue,
        };
        return Assignment { pair, renew: Some(Due { depth, since, escalated: false }), guess: false };
    }
    Assignment { pair: shape.working(), renew: None, guess: false }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::KeyNo;

    const SHAPE: RingShape = RingShape::new(3, 4).unwrap();
    const CARD: CardId = CardId(7);
    const MONTH: Span = Span::from_secs(30 * 86_400);
    const YEAR: Span = Span::from_secs(365 * 86_400);

    fn pair(m: u8, n: u8) -> Pair {
        Pair { internal: KeyNo(m), external: KeyNo(n) }
    }

    fn time(span: Span) -> SimTime {
        SimTime::ZERO + span
    }

    fn stamp(span: Span) -> Stamp {
        Stamp::at(time(span))
    }

    fn schedule() -> Schedule {
        Schedule { periods: vec![MONTH, YEAR], ..Schedule::default() }
    }

    fn assigned(schedule: &Schedule, recovery: Recovery, now: Span, known: &[Renewal]) -> Assignment {
        assign(SHAPE, recovery, schedule, CARD, time(now), false, |depth| known[depth.index()])
    }

    fn at(recovery: Recovery, now: Span, known: [Renewal; 2]) -> Assignment {
        assigned(&schedule(), recovery, now, &known)
    }

    fn committed(since: Stamp) -> Renewal {
        Renewal { committed: since, spent: Stamp::NEVER }
    }

    #[test]
    fn the_deepest_due_depth_comes_first_under_the_pair_below_it() {
        let (never, now) = (committed(Stamp::NEVER), committed(stamp(Span::ZERO)));
        let both = at(Recovery::UntilCommitted, Span::ZERO, [never, never]);
        assert_eq!(both.pair, pair(1, 2));
        assert_eq!(both.renew, Some(Due { depth: Depth(1), since: stamp(Span::ZERO), escalated: false }));
        let shallow = at(Recovery::UntilCommitted, Span::ZERO, [never, now]);
        assert_eq!(shallow.pair, pair(2, 3));
        let none = at(Recovery::UntilCommitted, Span::ZERO, [now, now]);
        assert_eq!(none, Assignment { pair: pair(3, 4), renew: None, guess: false });
    }

    #[test]
    fn a_depth_is_due_again_when_its_period_turns() {
        let known = [committed(stamp(Span::ZERO)); 2];
        assert_eq!(at(Recovery::UntilCommitted, MONTH - Span::from_ns(1), known).renew, None);
        let due = at(Recovery::UntilCommitted, MONTH, known).renew;
        assert_eq!(due, Some(Due { depth: Depth(0), since: stamp(MONTH), escalated: false }));
    }

    #[test]
    fn first_contact_has_one_chance_a_period() {
        let (start, done) = (stamp(Span::ZERO), committed(stamp(Span::ZERO)));
        let spent = Renewal { committed: Stamp::NEVER, spent: start };
        assert_eq!(at(Recovery::FirstContact, Span::ZERO, [spent, done]).pair, pair(3, 4));
        assert_eq!(at(Recovery::FirstContact, MONTH, [spent, done]).pair, pair(2, 3));
        assert_eq!(at(Recovery::UntilCommitted, Span::ZERO, [spent, done]).pair, pair(2, 3));
    }

    #[test]
    fn an_order_makes_its_cards_due_once() {
        let day = Span::from_secs(86_400);
        let order = |cards| Order { at: time(day), depth: Depth(0), cards };
        let known = [committed(stamp(Span::ZERO)); 2];
        for (cards, due) in [
            (OrderedCards::All, true),
            (OrderedCards::Listed(vec![CardId(3), CARD]), true),
            (OrderedCards::Listed(vec![CardId(3), CardId(8)]), false),
        ] {
            let schedule = Schedule { orders: vec![order(cards)], ..schedule() };
            let now = |now, known: &[Renewal]| {
                assigned(&schedule, Recovery::UntilCommitted, now, known).renew.is_some()
            };
            assert!(!now(day - Span::from_ns(1), &known), "not before it is given");
            assert_eq!(now(day, &known), due);
            let done = committed(Stamp::ordered_at(time(day)));
            assert!(!now(day * 2, &[done, known[1]]), "done");
        }
    }

    #[test]
    fn an_order_at_the_very_beginning_is_one_too() {
        let order = Order { at: SimTime::ZERO, depth: Depth(0), cards: OrderedCards::All };
        let schedule = Schedule { orders: vec![order], ..Schedule::default() };
        let issued = [committed(stamp(Span::ZERO))];
        assert!(assigned(&schedule, Recovery::UntilCommitted, Span::ZERO, &issued).renew.is_some());
    }

    #[test]
    fn a_card_whose_turn_comes_later_is_due_from_then_on_for_the_period_that_has_turned() {
        let day = Span::from_secs(86_400);
        let spread = Spread::Waves { waves: 5, interval: day }; // card 7 is in wave 2
        let schedule = Schedule { spread, ..schedule() };
        let due = |now, known: &[Renewal]| assigned(&schedule, Recovery::UntilCommitted, now, known).renew;
        let (never, issued) = (committed(Stamp::NEVER), committed(stamp(Span::ZERO)));
        let moment = Span::from_ns(1);
        // All are due at the start: this one from the third day on, at both depths.
        assert_eq!(due(day * 2 - moment, &[never; 2]), None);
        assert_eq!(
            due(day * 2, &[never; 2]),
            Some(Due { depth: Depth(1), since: stamp(Span::ZERO), escalated: false })
        );
        // None is: this one from the third day of the second month on.
        assert_eq!(due(day * 2, &[issued; 2]), None);
        assert_eq!(due(MONTH + day * 2 - moment, &[issued; 2]), None);
        let second = Some(Due { depth: Depth(0), since: stamp(MONTH), escalated: false });
        assert_eq!(due(MONTH + day * 2, &[issued; 2]), second);
        assert_eq!(due(MONTH * 2 + day * 2 - moment, &[issued; 2]), second, "until its next turn");
        assert_eq!(due(MONTH * 2 + day, &[committed(stamp(MONTH)), issued]), None);
    }

    #[test]
    fn an_order_does_not_wait_for_a_cards_turn_and_serves_for_the_period() {
        let day = Span::from_secs(86_400);
        let order = Order { at: time(MONTH + day), depth: Depth(0), cards: OrderedCards::All };
        let spread = Spread::Waves { waves: 5, interval: day };
        let schedule = Schedule { orders: vec![order], spread, ..schedule() };
        let due = |now, depth0| {
            let known = [depth0, committed(stamp(Span::ZERO))];
            assigned(&schedule, Recovery::UntilCommitted, now, &known).renew.map(|due| due.since)
        };
        let ordered = Stamp::ordered_at(time(MONTH + day));
        assert_eq!(due(MONTH + day, committed(stamp(Span::ZERO))), Some(ordered));
        assert_eq!(due(MONTH + day * 3, committed(ordered)), None, "renewed since the month turned");
        assert_eq!(due(MONTH * 2 + day * 2, committed(ordered)), Some(stamp(MONTH * 2)));
    }

    #[test]
    fn a_recalled_card_goes_on_with_what_does_not_need_its_root() {
        let never = [committed(Stamp::NEVER); 3];
        let schedule = Schedule {
            periods: vec![MONTH, YEAR, YEAR],
            root: Some(RootRenewal::Itself),
            ..Schedule::default()
        };
        let due = |recalled| {
            let known = |depth: Depth| never[depth.index()];
            assign(SHAPE, Recovery::UntilCommitted, &schedule, CARD, SimTime::ZERO, recalled, known)
        };
        assert_eq!(due(false).renew.unwrap().depth, Depth(2));
        assert_eq!((due(true).pair, due(true).renew.unwrap().depth), (pair(2, 3), Depth(0)));
    }

    #[test]
    fn the_root_is_due_for_itself_or_for_the_issuer() {
        let schedule = |root| Schedule { periods: vec![MONTH, YEAR, YEAR], root, ..Schedule::default() };
        let done = committed(stamp(Span::ZERO));
        let known = [done, done, committed(Stamp::NEVER)];
        let assigned = |root| assigned(&schedule(root), Recovery::UntilCommitted, Span::ZERO, &known);
        let itself = assigned(Some(RootRenewal::Itself));
        assert_eq!((itself.pair, itself.renew.unwrap().depth), (pair(1, 2), Depth(2)));
        assert_eq!(assigned(Some(RootRenewal::Reissue)).renew, None, "no connection can do it");
    }

    #[test]
    fn an_escalation_takes_the_pair_one_deeper_or_the_one_below_the_deepest_due_depth() {
        let shape = RingShape::new(5, 5).unwrap();
        let schedule = Schedule { periods: vec![MONTH, YEAR, YEAR, YEAR], ..Schedule::default() };
        let assigned = |refused, recalled, deepest_due: u8| {
            let due = |depth: Depth| depth.0 <= deepest_due;
            let now = SimTime::ZERO;
            assign_escalated(shape, &schedule, CARD, now, Depth(refused), recalled, due)
                .map(|it| (it.pair, it.renew.unwrap().depth, it.renew.unwrap().escalated))
        };
        assert_eq!(assigned(1, false, 0), Some((pair(3, 3), Depth(1), true)));
        assert_eq!(assigned(1, false, 2), Some((pair(2, 2), Depth(2), true)));
        assert_eq!(assigned(3, false, 0), Some((pair(1, 1), Depth(3), true)));
        assert_eq!(assigned(3, true, 0), None, "the root of a recalled card renews nothing");
        assert_eq!(assigned(4, false, 0), None, "nothing lies below the root");
    }

    #[test]
    fn embodiments_renew_what_their_figures_show() {
        let keys = |embodiment: Embodiment| -> Vec<(Ring, u8)> {
            embodiment.keys(SHAPE, Depth(1)).map(|key| (key.ring, key.no.0)).collect()
        };
        let (internal, external) = (Ring::Internal, Ring::External);
        assert_eq!(keys(Embodiment::One), [(internal, 2), (external, 3)]);
        assert_eq!(keys(Embodiment::TwoA), [(external, 3)]);
        assert_eq!(keys(Embodiment::TwoB), [(internal, 2)]);
        assert_eq!(keys(Embodiment::Three), [(internal, 2), (external, 3), (internal, 3), (external, 4)]);
        assert_eq!(keys(Embodiment::Four), [(internal, 2), (external, 3)]);
    }
}

//! Which pair of keys the next connection of a card uses, and what it renews [0049, 0056].
//!
//! The recovery policies differ here and in what the server notes durably, and nowhere else.

use crate::ids::Depth;
use crate::rings::{Pair, RingShape};
use crate::time::{SimTime, Span};

/// How a renewal is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Embodiment {
    /// Fig. 6: `Kai[m]` and `Kae[n]` together; the new keys pass through the client.
    One,
}

impl Embodiment {
    /// Every embodiment, in the order of the documentation.
    pub const ALL: [Embodiment; 1] = [Embodiment::One];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Embodiment::One => "1",
        }
    }

    /// How many keys one renewal replaces.
    pub const fn keys_renewed(self) -> u32 {
        match self {
            Embodiment::One => 2,
        }
    }
}

/// What becomes of an interrupted renewal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovery {
    /// The literal reading of \[0049\]: the period's only chance is spent when the server draws its first Rs for the card.
    FirstContact,
    /// A renewal stays due until the server has committed it.
    UntilCommitted,
}

impl Recovery {
    /// Every policy, in the order of the documentation.
    pub const ALL: [Recovery; 2] = [Recovery::FirstContact, Recovery::UntilCommitted];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Recovery::FirstContact => "first-contact",
            Recovery::UntilCommitted => "until-committed",
        }
    }
}

/// A renewal period of one depth: 0 is before the first, 1 begins at time 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Period(pub u32);

impl Period {
    /// The period of length `length` that `now` lies in.
    pub fn at(now: SimTime, length: Span) -> Self {
        let number = now.as_ns() / length.as_ns().max(1) + 1;
        Period(u32::try_from(number).unwrap_or(u32::MAX))
    }
}

/// What the server durably knows of one card's renewals at one depth.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Renewal {
    /// The last period in which a renewal was committed.
    pub committed: Period,
    /// Under first-contact: the last period whose chance has been spent.
    pub spent: Period,
}

/// What a connection is to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Assignment {
    /// The pair that authenticates.
    pub pair: Pair,
    /// What is renewed after that.
    pub renew: Option<Due>,
}

/// A renewal that is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Due {
    /// The depth to renew.
    pub depth: Depth,
    /// The period that it is for.
    pub period: Period,
}

/// The assignment of a card's next connection at `now`. `renewal` tells what is known of each depth that has a
/// period; the deepest one due comes first, since a half-renewed depth 1 could not serve depth 0.
pub fn assign(
    shape: RingShape,
    recovery: Recovery,
    periods: &[Span],
    now: SimTime,
    renewal: impl Fn(Depth) -> Renewal,
) -> Assignment {
    for (index, &length) in periods.iter().enumerate().rev() {
        let depth = Depth(index as u8);
        let period = Period::at(now, length);
        let known = renewal(depth);
        let spent = recovery == Recovery::FirstContact && known.spent >= period;
        if known.committed < period && !spent {
            let pair = shape.pair(Depth(depth.0 + 1)).expect("a depth with a period has one below it");
            return Assignment { pair, renew: Some(Due { depth, period }) };
        }
    }
    Assignment { pair: shape.pair(Depth(0)).expect("every shape has a working pair"), renew: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::KeyNo;

    const SHAPE: RingShape = RingShape::new(3, 4).unwrap();
    const MONTH: Span = Span::from_secs(30 * 86_400);
    const YEAR: Span = Span::from_secs(365 * 86_400);

    fn pair(m: u8, n: u8) -> Pair {
        Pair { internal: KeyNo(m), external: KeyNo(n) }
    }

    fn at(recovery: Recovery, now: Span, known: [Renewal; 2]) -> Assignment {
        let now = SimTime::ZERO + now;
        assign(SHAPE, recovery, &[MONTH, YEAR], now, |depth| known[depth.index()])
    }

    fn committed(period: u32) -> Renewal {
        Renewal { committed: Period(period), spent: Period(0) }
    }

    #[test]
    fn the_deepest_due_depth_comes_first_under_the_pair_below_it() {
        let both = at(Recovery::UntilCommitted, Span::ZERO, [committed(0), committed(0)]);
        assert_eq!(both.pair, pair(1, 2));
        assert_eq!(both.renew, Some(Due { depth: Depth(1), period: Period(1) }));
        let shallow = at(Recovery::UntilCommitted, Span::ZERO, [committed(0), committed(1)]);
        assert_eq!(shallow.pair, pair(2, 3));
        let none = at(Recovery::UntilCommitted, Span::ZERO, [committed(1), committed(1)]);
        assert_eq!(none, Assignment { pair: pair(3, 4), renew: None });
    }

    #[test]
    fn a_depth_is_due_again_when_its_period_turns() {
        let known = [committed(1), committed(1)];
        assert_eq!(at(Recovery::UntilCommitted, MONTH - Span::from_ns(1), known).renew, None);
        let due = at(Recovery::UntilCommitted, MONTH, known).renew;
        assert_eq!(due, Some(Due { depth: Depth(0), period: Period(2) }));
    }

    #[test]
    fn first_contact_has_one_chance_a_period() {
        let spent = Renewal { committed: Period(0), spent: Period(1) };
        assert_eq!(at(Recovery::FirstContact, Span::ZERO, [spent, committed(1)]).pair, pair(3, 4));
        assert_eq!(at(Recovery::FirstContact, MONTH, [spent, committed(1)]).pair, pair(2, 3));
        assert_eq!(at(Recovery::UntilCommitted, Span::ZERO, [spent, committed(1)]).pair, pair(2, 3));
    }
}

//! What goes wrong besides the line's own losses.

use core::fmt;

use keystorm_model::secure::Direction;
use keystorm_model::{Ratio, SimTime, SiteId, Span};

/// What goes wrong besides the line's own losses.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    /// Probability per connection that the card is pulled out at one of its commands.
    pub pull: Ratio,
    /// Line outages.
    pub outages: Vec<OutagePlan>,
    /// Times at which the server is down, the earliest first.
    pub server_downs: Vec<DownPlan>,
    /// The server crashes at random.
    pub server_crash: Option<RandomCrashPlan>,
}

/// A machine crashes, and starts again after some time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DownPlan {
    /// When it crashes.
    pub at: SimTime,
    /// For how long it is down.
    pub length: Span,
}

/// A machine crashes at the times of a Poisson process that stands still while it is down.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RandomCrashPlan {
    /// Mean time from a start to the next crash.
    pub every: Span,
    /// For how long it is down each time.
    pub down: Span,
}

/// A line outage: what is in flight when it begins, and what is sent while it lasts, is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutagePlan {
    /// The site, 0-based; `None`: all of them.
    pub site: Option<SiteId>,
    /// Which way nothing passes.
    pub ways: Ways,
    /// Its beginning.
    pub from: SimTime,
    /// Its end.
    pub until: SimTime,
}

impl OutagePlan {
    /// Whether it is one of the line of `site` in this direction.
    pub fn covers(&self, site: SiteId, direction: Direction) -> bool {
        self.site.is_none_or(|cut| cut == site) && self.ways.contain(direction)
    }
}

impl fmt::Display for OutagePlan {
    /// As reports name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.site {
            Some(site) => write!(f, "outage of site {site}")?,
            None => f.write_str("outage of all sites")?,
        }
        write!(f, " at {}", self.from.since(SimTime::ZERO))?;
        if self.ways == Ways::Both { Ok(()) } else { write!(f, ", {} only", self.ways.name()) }
    }
}

/// Directions of a line.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Ways {
    /// Both.
    Both,
    /// From client to server.
    Up,
    /// From server to client.
    Down,
}

impl Ways {
    /// All, in the order of the documentation.
    pub const ALL: [Ways; 3] = [Ways::Both, Ways::Up, Ways::Down];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Ways::Both => "both",
            Ways::Up => "up",
            Ways::Down => "down",
        }
    }

    /// Whether `direction` is among them.
    pub const fn contain(self, direction: Direction) -> bool {
        matches!(
            (self, direction),
            (Ways::Both, _) | (Ways::Up, Direction::Up) | (Ways::Down, Direction::Down)
        )
    }

    /// Whether some direction is among both.
    pub const fn meet(self, other: Ways) -> bool {
        !matches!((self, other), (Ways::Up, Ways::Down) | (Ways::Down, Ways::Up))
    }
}

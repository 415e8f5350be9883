//! What goes wrong besides the line's own losses.

use core::fmt;

use keystorm_model::secure::Direction;
use keystorm_model::{CardId, ClientId, Ratio, SimTime, SiteId, Span};

use crate::step::{Kind, Remnant, What};

/// What goes wrong besides the line's own losses.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    /// Probability per connection that the card is pulled out at one of its commands.
    pub pull: Ratio,
    /// Probability per connection that the client crashes at one of its steps, and for how long it is down.
    pub client_crash: Ratio,
    /// For how long a client is down after a random crash.
    pub client_crash_for: Span,
    /// Times at which a client is down, the earliest first.
    pub client_downs: Vec<(ClientId, DownPlan)>,
    /// Probability per connection that one of its messages is lost for good, with all its repeats.
    pub lose: Ratio,
    /// Probability per connection that a copy of one of its messages comes again, `late_by` later.
    pub late: Ratio,
    /// How much later.
    pub late_by: Span,
    /// Probability per connection that the card is taken out while the client waits for the server, and put in again.
    pub reinsert: Ratio,
    /// Faults at a certain step of a certain connection.
    pub placed: Vec<PlacedPlan>,
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

/// A fault at a certain step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PlacedPlan {
    /// Whose connection.
    pub card: CardId,
    /// Which one of the card's, from 1.
    pub connection: u32,
    /// At which step.
    pub step: What,
    /// At which one of its name in that connection, from 1.
    pub nth: u8,
    /// What happens.
    pub mishap: Mishap,
}

impl fmt::Display for PlacedPlan {
    /// As reports name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlacedPlan { card, connection, step, nth, mishap } = self;
        write!(f, "{} {step}", mishap.name())?;
        if *nth > 1 {
            write!(f, " #{nth}")?;
        }
        if let Mishap::Pull(PullMoment::During(Some(moment))) = mishap {
            write!(f, ", moment {moment}")?;
        }
        write!(f, ", card {card}, connection {connection}")
    }
}

/// What can happen at a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mishap {
    /// The card is pulled out.
    Pull(PullMoment),
    /// The client crashes: at a card command while the card works on it, at a message once it has been sent.
    ClientCrash {
        /// For how long it is down.
        down: Span,
    },
    /// The server crashes.
    ServerCrash {
        /// When it has acted on the request, rather than before.
        after: bool,
        /// For how long it is down.
        down: Span,
    },
    /// A message is lost, and so is every repeat of it.
    Lose(Direction),
    /// A copy of a message comes again, so much later.
    Late(Direction, Span),
    /// Once the request has been sent, the card is taken out and put in again.
    Reinsert,
}

impl Mishap {
    /// The names of all, as scenarios write them: those of the matrix of interruptions first.
    pub fn names() -> Vec<&'static str> {
        let cuts = [
            Kind::LostUp,
            Kind::CrashBefore,
            Kind::CrashAfter,
            Kind::LostDown,
            Kind::PulledBefore,
            Kind::PulledDuring(0, Remnant::Ones),
            Kind::PulledAfter,
        ];
        cuts.map(Kind::name).into_iter().chain([CLIENT_CRASH, LATE, REINSERTED]).collect()
    }

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Mishap::Pull(PullMoment::Before) => Kind::PulledBefore.name(),
            Mishap::Pull(PullMoment::During(_)) => Kind::PulledDuring(0, Remnant::Ones).name(),
            Mishap::Pull(PullMoment::After) => Kind::PulledAfter.name(),
            Mishap::ClientCrash { .. } => CLIENT_CRASH,
            Mishap::ServerCrash { after: false, .. } => Kind::CrashBefore.name(),
            Mishap::ServerCrash { after: true, .. } => Kind::CrashAfter.name(),
            Mishap::Lose(Direction::Up) => Kind::LostUp.name(),
            Mishap::Lose(Direction::Down) => Kind::LostDown.name(),
            Mishap::Late(..) => LATE,
            Mishap::Reinsert => REINSERTED,
        }
    }
}

const CLIENT_CRASH: &str = Kind::ClientCrash.name();
const LATE: &str = "late";
const REINSERTED: &str = "reinserted";

/// When a card is pulled out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PullMoment {
    /// Before the command reaches it.
    Before,
    /// While it works on it: at this one of the moments at which power can fail, or at one that is drawn.
    During(Option<u32>),
    /// As soon as it has answered.
    After,
}

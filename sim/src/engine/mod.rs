//! Engines move time and bytes through a [`World`], and decide nothing else.

pub mod events;
pub mod queue;
pub mod turmoil;

use core::fmt;

use keystorm_model::SimTime;

use crate::world::World;

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Simulated time.
    pub now: SimTime,
    /// Sessions ended, well or not.
    pub sessions_ended: u64,
}

impl Progress {
    /// How far `world` has come at `now`.
    fn of(world: &World, now: SimTime) -> Self {
        let counts = &world.recorder().counts;
        Progress { now, sessions_ended: counts.sessions_completed + counts.sessions_failed }
    }
}

/// What a run reports to while it lasts. Returning `false` stops it.
pub type Watch<'a> = &'a mut dyn FnMut(Progress) -> bool;

/// A world that has come to its end.
pub struct Ended {
    /// The world, its epilogue over.
    pub world: World,
    /// How many events were handled: arrivals, deliveries, card commands, timers.
    pub events: u64,
}

/// Why an engine stopped before the end.
#[derive(Debug)]
pub enum Stopped {
    /// The watch asked for it.
    Cancelled,
    /// The engine itself failed: a bug or a lack of resources.
    Failed(String),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Stopped::Cancelled => f.write_str("stopped before its end"),
            Stopped::Failed(what) => write!(f, "the engine failed: {what}"),
        }
    }
}

impl std::error::Error for Stopped {}

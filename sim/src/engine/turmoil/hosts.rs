//! What happens to turmoil's hosts and links between its steps: outages of the line, crashes of the server.

use std::time::Duration;

use keystorm_model::secure::Direction;
use keystorm_model::{SimTime, SiteId, Span};

use crate::plan::OutagePlan;

use super::{CARRIAGE, Handle, SERVER, site_name};

/// Ticks by which a partition begins after its outage does, so that turmoil drops nothing sent before it, and a host
/// crashes after its server has.
const SETTLING_TICKS: u32 = 3;

/// The server's host: takes it down after the world's server has crashed, and starts it again in time.
pub(super) enum ServerHost {
    Up,
    /// The server is down since this time, but something may still be on its way to its host.
    Halting(Duration),
    /// The host has crashed.
    Down,
}

impl ServerHost {
    /// Called before each step, which covers the time from `sim.elapsed()` to one tick later.
    pub(super) fn advance(&mut self, sim: &mut turmoil::Sim<'_>, tick: Duration, shared: &Handle) {
        let now = sim.elapsed();
        let until = Duration::from_nanos(shared.borrow().world.server_down_until().as_ns());
        match *self {
            ServerHost::Up if now < until => *self = ServerHost::Halting(now),
            ServerHost::Halting(_) if now + tick > until => *self = ServerHost::Up, // too short to be a crash here
            ServerHost::Halting(since) if now >= since + tick * SETTLING_TICKS + 2 * CARRIAGE => {
                sim.crash(SERVER);
                *self = ServerHost::Down;
            }
            ServerHost::Down if now + tick > until => {
                sim.bounce(SERVER);
                *self = ServerHost::Up;
            }
            ServerHost::Up | ServerHost::Halting(_) | ServerHost::Down => {}
        }
        self.lose_what_arrives(sim, shared);
    }

    /// Nobody handles what is due at a host that is down.
    pub(super) fn lose_what_arrives(&self, sim: &turmoil::Sim<'_>, shared: &Handle) {
        if matches!(self, ServerHost::Down) {
            let now = SimTime::ZERO + Span::from_ns(sim.elapsed().as_nanos() as u64);
            shared.borrow_mut().serve(now, |_, _| {});
        }
    }
}

/// Puts a scheduled outage into force as a partition, and lifts it.
pub(super) struct Outage {
    plan: OutagePlan,
    state: OutageState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum OutageState {
    Ahead,
    InForce,
    Over,
}

impl Outage {
    pub(super) fn new(plan: OutagePlan) -> Self {
        Outage { plan, state: OutageState::Ahead }
    }

    /// Called before each step, which covers the time from `sim.elapsed()` to one tick later.
    pub(super) fn advance(&mut self, sim: &turmoil::Sim<'_>, tick: Duration, shared: &Handle) {
        let now = sim.elapsed();
        let from = Duration::from_nanos(self.plan.from.as_ns()) + tick * SETTLING_TICKS + 2 * CARRIAGE;
        let until = Duration::from_nanos(self.plan.until.as_ns());
        if self.state == OutageState::Ahead && now >= from {
            self.each_way(shared, true, |from, to| sim.partition_oneway(from, to));
            self.state = OutageState::InForce;
        }
        if self.state == OutageState::InForce && now + tick > until {
            self.each_way(shared, false, |from, to| sim.repair_oneway(from, to));
            self.state = OutageState::Over;
        }
    }

    pub(super) fn is_in_force(&self) -> bool {
        self.state == OutageState::InForce
    }

    /// Notes for each line and direction of the outage whether it is cut, and does so.
    fn each_way(&self, shared: &Handle, cut: bool, act: impl Fn(&str, &str)) {
        for (site, partitioned) in (0..).map(SiteId).zip(&mut shared.borrow_mut().partitioned) {
            for direction in [Direction::Up, Direction::Down] {
                if self.plan.covers(site, direction) {
                    partitioned[direction as usize] = cut;
                    let name = site_name(site);
                    match direction {
                        Direction::Up => act(&name, SERVER),
                        Direction::Down => act(SERVER, &name),
                    }
                }
            }
        }
    }
}

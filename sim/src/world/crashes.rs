//! When the server crashes, for how long it is down, and what a crash takes with it.
//!
//! A crash leaves nothing but the directory. What waits for a core is lost with it, and so is every answer whose service
//! has not ended yet; what arrives while the server is down is lost too. A datagram is acted on at the moment when its
//! service starts, so that of one in service what was to be durable is, and its answer is not given.

use std::collections::{BTreeSet, VecDeque};

use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::secure::Direction;
use keystorm_model::{ClientId, SimTime, Span};

use crate::plan::{Mishap, Plan, RandomCrashPlan};

use super::World;
use super::sample::exponential;

/// Crashes ahead, and what a crash would take with it.
pub(super) struct Crashes {
    /// Whether the server can crash at all: if not, nothing is kept of its answers.
    possible: bool,
    /// Those at a certain time, the earliest first, each with its number in the plan.
    scheduled: VecDeque<(SimTime, Span, usize)>,
    /// When the next random one comes, and how many came before.
    random: Option<(SimTime, u64)>,
    down_until: SimTime,
    /// Answers whose service had not ended when they were noted: its end, and which of its client's datagrams it is.
    in_service: VecDeque<(SimTime, ClientId, u32)>,
    /// Answers on the line that were never given.
    recalled: BTreeSet<(ClientId, u32)>,
}

/// The time from `from` to the `count`-th random crash.
fn gap(plan: RandomCrashPlan, seed: Seed, from: SimTime, count: u64) -> SimTime {
    from + exponential(plan.every, &mut seed.open(Purpose::Crash, count), 0)
}

impl Crashes {
    pub(super) fn new(plan: &Plan) -> Self {
        let faults = &plan.faults;
        let scheduled = faults.server_downs.iter().enumerate();
        let random = faults.server_crash.map(|random| (gap(random, Seed(plan.seed), SimTime::ZERO, 0), 0));
        let placed = faults.placed.iter().any(|fault| matches!(fault.mishap, Mishap::ServerCrash { .. }));
        Crashes {
            possible: random.is_some() || !faults.server_downs.is_empty() || placed,
            scheduled: scheduled.map(|(number, down)| (down.at, down.length, number)).collect(),
            random,
            down_until: SimTime::ZERO,
            in_service: VecDeque::new(),
            recalled: BTreeSet::new(),
        }
    }

    /// Whether the server can crash at all.
    pub(super) const fn are_possible(&self) -> bool {
        self.possible
    }

    /// When the next crash comes.
    pub(super) fn due(&self) -> Option<SimTime> {
        let scheduled = self.scheduled.front().map(|&(at, ..)| at);
        [scheduled, self.random.map(|(at, _)| at)].into_iter().flatten().min()
    }

    /// Whether the server is down.
    pub(super) fn is_down(&self, at: SimTime) -> bool {
        at < self.down_until
    }

    /// An answer to `client` leaves at `finish`, if the server is still up then.
    pub(super) fn answered(&mut self, start: SimTime, finish: SimTime, client: ClientId, order: u64) {
        if !self.possible {
            return;
        }
        while self.in_service.front().is_some_and(|&(finish, ..)| finish <= start) {
            self.in_service.pop_front();
        }
        self.in_service.push_back((finish, client, order as u32));
    }

    /// Whether a datagram that arrives at a client is an answer that was never given.
    pub(super) fn is_recalled(&mut self, client: ClientId, order: u64) -> bool {
        !self.recalled.is_empty() && self.recalled.remove(&(client, order as u32))
    }

    fn crash(&mut self, at: SimTime, until: SimTime) {
        self.down_until = self.down_until.max(until);
        let unfinished = self.in_service.drain(..).filter(|&(finish, ..)| finish > at);
        self.recalled.extend(unfinished.map(|(_, client, order)| (client, order)));
    }
}

impl World {
    /// Until when the server is down; in the past, if it is up.
    pub fn server_down_until(&self) -> SimTime {
        self.crashes.down_until
    }

    /// Lets the server crash if that is due at `at`; whether it was.
    pub(super) fn crash_server_if_due(&mut self, at: SimTime) -> bool {
        if self.crashes.due().is_none_or(|due| due > at) {
            return false;
        }
        if let Some(&(_, length, number)) = self.crashes.scheduled.front().filter(|&&(due, ..)| due <= at) {
            self.crashes.scheduled.pop_front();
            self.tally.server_downs[number] += 1;
            self.crash_server(at, length);
        } else if let (Some(plan), Some((_, count))) = (self.plan.faults.server_crash, self.crashes.random) {
            let next = gap(plan, Seed(self.plan.seed), at + plan.down, count + 1);
            self.crashes.random = Some((next, count + 1));
            self.tally.server_crashes += 1;
            self.crash_server(at, plan.down);
        }
        true
    }

    /// The server crashes at `at`, and is up again after `down`.
    pub(super) fn crash_server(&mut self, at: SimTime, down: Span) {
        let until = at + down;
        self.crashes.crash(at, until);
        let recorder = &mut self.recorder;
        self.station.crash(at, until, |datagram| recorder.forgotten(at, datagram));
        let mut effects = std::mem::take(&mut self.server_out);
        self.server.restart(&mut effects);
        self.dialogues.restarted();
        let lost = self.durable.as_mut().map(|durable| durable.restarted(self.server.directory()));
        for (card, what) in lost.into_iter().flatten() {
            self.ledger.violation(at, card, what);
        }
        self.assemblies.retain(|&(_, direction), _| direction == Direction::Down);
        self.recorder.server_crashes(at, until);
        for &effect in &effects.effects {
            self.note(at, true, effect, &effects);
        }
        effects.clear();
        self.server_out = effects;
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use keystorm_model::secure::Direction;

    use crate::run::simulate;
    use crate::scenario;

    /// The crash comes with the last part of the card's proof, and nothing reaches the server after that.
    #[test]
    fn a_crash_takes_what_has_arrived_of_long_messages_with_it() {
        let quickstart = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/quickstart.toml");
        let set = [
            "engine=events",
            "fleet.cards=1",
            "fleet.clients=1",
            "fleet.sites=1",
            "horizon=2min",
            "load.window=1s",
            "line.loss=0",
            "faults.pull=0",
            "fleet.suite=ml-dsa-44",
            "crypto=modelled",
            "faults.place=[{card=0,step='CardProof',kind='server crash after',for='5min'}]",
        ];
        let plan = scenario::load(&quickstart, &set.map(str::to_owned)).unwrap();
        let finished = simulate(plan, &mut |_| true).unwrap();
        assert_eq!(finished.results.counts.server_crashes, 1);
        let kept = finished.world.assemblies.keys().filter(|(_, direction)| *direction == Direction::Up);
        assert_eq!(kept.count(), 0);
    }
}

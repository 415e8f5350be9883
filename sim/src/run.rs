//! From a plan to its results: chooses the engine, runs it, and judges what it found.

use keystorm_model::Span;
use keystorm_reports::results::{CardTimes, FaultCount, Results, RunFacts, ServerFigures};

use crate::check::Violation;
use crate::engine::{self, Stopped, Watch};
use crate::issue::{self, Order};
use crate::plan::{EngineKind, Plan, WarmupPlan};
use crate::record::Recorder;
use crate::record::tape::Tape;
use crate::world::World;

/// Version of this program, as reports name it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The build: the version, and the commit where it is known. Two builds of one version may give different figures.
pub fn build() -> String {
    option_env!("KEYSTORM_COMMIT").map_or(VERSION.to_owned(), |commit| format!("{VERSION} ({commit})"))
}

/// A run that has come to its end.
pub struct Finished {
    /// What it found.
    pub results: Results,
    /// Rules that did not hold; empty in a good run.
    pub violations: Vec<Violation>,
    /// The digest of each interval of the timeline.
    pub interval_digests: Vec<u128>,
    /// The fleet, for the rows of `cards.csv`.
    pub world: World,
    /// How many events the engine handled.
    pub events: u64,
    /// What happened to the card that was recorded, if one was.
    pub tape: Option<Tape>,
}

impl Finished {
    /// The faults that the scenario asks for and that never struck though they had to.
    pub fn idle_faults(&self) -> impl Iterator<Item = &FaultCount> {
        self.results.faults.iter().filter(|fault| fault.never_fired())
    }
}

/// Makes the pairs that `plan` needs, and runs it. `watch` is told how far the run has come, and may stop it.
///
/// With an asymmetric suite the pairs may take longer than the run: see [`issue::Stock`] and [`simulate_with`].
pub fn simulate(plan: Plan, watch: Watch<'_>) -> Result<Finished, Stopped> {
    let pairs = issue::fresh(&Order::of(&plan));
    simulate_with(plan, pairs, watch)
}

/// Runs `plan` with the pairs that have been made for it; twice if its warm-up is to be found first.
pub fn simulate_with(mut plan: Plan, pairs: Vec<u8>, watch: Watch<'_>) -> Result<Finished, Stopped> {
    if plan.warmup == WarmupPlan::Mser5 {
        let mut pilot = drive(World::new(plan.clone(), pairs.clone()), watch)?;
        let found = pilot.world.recorder.warmup_found();
        drop(pilot);
        plan.warmup = found.map_or(WarmupPlan::Mser5, WarmupPlan::Fixed);
    }
    run(World::new(plan, pairs), watch)
}

/// Runs a world from its beginning to its end.
pub fn run(world: World, watch: Watch<'_>) -> Result<Finished, Stopped> {
    let engine::Ended { mut world, events } = drive(world, watch)?;
    let faults = world.fault_counts();
    let plan = world.plan().clone();
    let mut recorder = std::mem::replace(&mut world.recorder, Recorder::new(Span::from_secs(1), plan.warmup));
    let tape = recorder.take_tape();
    let recorded = recorder.into_parts();
    let results = Results {
        run: facts(&plan),
        counts: recorded.counts,
        server: ServerFigures {
            busy_ns: recorded.server_busy.as_ns(),
            cores: plan.server.cores.into(),
            queue_max: recorded.queue_max,
            queued_ns: world.station.queued(),
            waited_ns: world.station.waited(),
            wait_us: recorded.server_wait_us,
        },
        phases: recorded.phases,
        warmup_ns: plan.warmup.fixed().map(Span::as_ns),
        bucket_ns: recorded.bucket.as_ns(),
        timeline: recorded.timeline,
        failures: recorded.failures,
        renewals: recorded.renewals,
        reissue_cost: plan.reissue.cost,
        faults,
        trace_digest: recorded.trace_digest,
    };
    let violations = world.ledger.violations().to_vec();
    let interval_digests = recorded.interval_digests;
    Ok(Finished { results, violations, interval_digests, world, events, tape })
}

fn drive(world: World, watch: Watch<'_>) -> Result<engine::Ended, Stopped> {
    match world.plan().engine {
        EngineKind::Turmoil => engine::turmoil::run(world, watch),
        EngineKind::Events => engine::events::run(world, watch),
    }
}

fn facts(plan: &Plan) -> RunFacts {
    RunFacts {
        scenario: plan.name.clone(),
        scenario_sha256: plan.scenario_sha256.clone(),
        seed: plan.seed,
        engine: plan.engine.name(),
        version: VERSION,
        suite: plan.fleet.suite.name(),
        crypto: plan.crypto.name(),
        card_times: if plan.card.hypothetical { CardTimes::Hypothetical } else { CardTimes::Published },
        embodiment: plan.update.embodiments.iter().map(|one| one.name()).collect::<Vec<_>>().join("+"),
        recovery: plan.update.recovery.name(),
        cards: plan.fleet.cards.into(),
        clients: plan.fleet.clients.into(),
        sites: plan.fleet.sites.into(),
        horizon_ns: plan.horizon.as_ns(),
    }
}

//! Which scenarios are compared.

use std::collections::BTreeMap;
use std::path::PathBuf;

use keystorm::engine::Progress;
use keystorm::plan::{DelayPlan, EngineKind, FaultPlan, LinePlan, LossPlan, Plan};
use keystorm::replicate::replicate;
use keystorm::run::Finished;
use keystorm::scenario;
use keystorm_model::server::{Embodiment, Recovery};
use keystorm_model::suite::SuiteId;
use tempfile::TempDir;

/// Something that goes wrong, or is tight, in a scenario.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    /// The overrides that bring it about.
    pub(crate) set: &'static [&'static str],
    /// Whether its effect hangs on the instant at which something happens, so that a message a tick later may meet
    /// another fate: an outage or a period has its edges, a full queue its last place, and an impatient client
    /// races with the answer. Such faults are compared card by card only where no message is late.
    pub(crate) by_clock: bool,
}

const fn fault(name: &'static str, set: &'static [&'static str]) -> Fault {
    Fault { name, set, by_clock: false }
}

const fn by_clock(name: &'static str, set: &'static [&'static str]) -> Fault {
    Fault { name, set, by_clock: true }
}

/// Every fault. [`exercised`] sees to it that none is missing.
pub(crate) const FAULTS: [Fault; 13] = [
    fault("none", &[]),
    fault("message loss", &["line.loss=12%"]),
    fault("bursts of loss", &["line.burst.p=5%", "line.burst.r=40%"]),
    fault("duplication", &["line.duplicate=30%"]),
    fault("reordering", &["line.reorder=20%", "line.reorder_by=1100ms"]),
    fault("narrow band", &["line.up=19200bit/s", "line.down=38400bit/s"]),
    fault("cards pulled out", &["faults.pull=35%"]),
    fault("depth 0 alone due", &["update.periods=['30d']"]),
    by_clock("outages", &["faults.outage=[{site=0,at='2s',for='4s'},{site=1,at='3s',for='300ms'}]"]),
    by_clock("periods that turn", &["update.periods=['3s','5s']", "update.due=none"]),
    by_clock("impatient clients", &["line.retry.first=7100us", "line.retry.tries=9"]),
    by_clock("a full queue", &["server.cores=1", "server.queue=2", "server.costs.datagram=9ms"]),
    by_clock(
        "all at once",
        &[
            "line.loss=4%",
            "line.duplicate=5%",
            "line.reorder=5%",
            "line.reorder_by=1100ms",
            "faults.pull=15%",
            "faults.outage=[{site=1,at='2500ms',for='1500ms'}]",
        ],
    ),
];

/// One combination of the tables.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) embodiment: Embodiment,
    pub(crate) recovery: Recovery,
    pub(crate) suite: SuiteId,
    pub(crate) fault: &'static Fault,
}

impl Case {
    /// Every combination.
    pub(crate) fn all() -> Vec<Case> {
        let mut all = Vec::new();
        for suite in SuiteId::ALL {
            for embodiment in Embodiment::ALL {
                for recovery in Recovery::ALL {
                    all.extend(FAULTS.iter().map(|fault| Case { embodiment, recovery, suite, fault }));
                }
            }
        }
        all
    }

    /// Every fault with every entry of every other table, but not with every combination of them.
    pub(crate) fn covering() -> Vec<Case> {
        let longest = Embodiment::ALL.len().max(Recovery::ALL.len()).max(SuiteId::ALL.len());
        let case = |fault, i: usize| Case {
            embodiment: Embodiment::ALL[i % Embodiment::ALL.len()],
            recovery: Recovery::ALL[i % Recovery::ALL.len()],
            suite: SuiteId::ALL[i % SuiteId::ALL.len()],
            fault,
        };
        FAULTS.iter().flat_map(|fault| (0..longest).map(move |i| case(fault, i))).collect()
    }

    pub(crate) fn name(&self) -> String {
        let (embodiment, recovery) = (self.embodiment.name(), self.recovery.name());
        format!("embodiment {embodiment}, {recovery}, {}, {}", self.suite.name(), self.fault.name)
    }

    /// The overrides of this case.
    pub(crate) fn set(&self) -> Vec<String> {
        let mut set = vec![
            format!("update.embodiment=\"{}\"", self.embodiment.name()),
            format!("update.recovery={}", self.recovery.name()),
            format!("fleet.suite={}", self.suite.name()),
        ];
        set.extend(self.fault.set.iter().map(|&text| text.to_owned()));
        set
    }
}

/// A scenario file in a directory that lives as long as this.
pub(crate) struct Scenario {
    path: PathBuf,
    _dir: TempDir,
}

impl Scenario {
    pub(crate) fn new(text: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let path = dir.path().join("agree.toml");
        std::fs::write(&path, text).unwrap();
        Scenario { path, _dir: dir }
    }

    /// The plan with `set`; `None`: the scenario's check refuses the combination.
    pub(crate) fn plan(&self, set: &[String]) -> Option<Plan> {
        scenario::load(&self.path, set).ok()
    }
}

/// What the comparisons have covered so far.
#[derive(Default)]
pub(crate) struct Coverage {
    entries: BTreeMap<String, bool>,
    pub(crate) scenarios: u64,
    pub(crate) cards: u64,
    pub(crate) refused: u64,
}

impl Coverage {
    /// Notes that a case was compared, and what its plan exercises.
    pub(crate) fn add(&mut self, case: &Case, plan: &Plan) {
        let Case { embodiment, recovery, suite, fault } = case;
        for name in [embodiment.name(), recovery.name(), suite.name(), fault.name] {
            self.entries.insert(name.to_owned(), true);
        }
        for (name, yes) in exercised(plan) {
            *self.entries.entry(name.to_owned()).or_default() |= yes;
        }
    }

    /// Notes how often a fault struck.
    pub(crate) fn struck(&mut self, finished: &[Summary]) {
        for (name, fired) in finished.iter().flat_map(|run| &run.faults) {
            *self.entries.entry(format!("{name} strikes")).or_default() |= *fired > 0;
        }
    }

    /// Everything in every table has been compared, and has had its effect.
    pub(crate) fn assert_complete(&self) {
        let tables =
            Embodiment::ALL.map(Embodiment::name).into_iter().chain(Recovery::ALL.map(Recovery::name));
        let tables =
            tables.chain(SuiteId::ALL.map(SuiteId::name)).chain(FAULTS.iter().map(|fault| fault.name));
        for name in tables {
            assert!(self.entries.contains_key(name), "{name} was not compared");
        }
        for (name, &yes) in &self.entries {
            assert!(yes, "no scenario had this: {name}");
        }
        assert!(self.scenarios > 0 && self.cards > 0);
    }
}

/// What a plan exercises of all that can go wrong. A new field of these plans does not compile until it is named
/// here, and then fails the test until a row of [`FAULTS`] has it.
fn exercised(plan: &Plan) -> Vec<(&'static str, bool)> {
    let FaultPlan { pull, outages } = &plan.faults;
    let LinePlan {
        delay,
        loss,
        duplicate,
        reorder,
        reorder_by,
        up_bps,
        down_bps,
        overhead_bytes: _,
        retry: _,
    } = &plan.line;
    let [mut fixed, mut uniform, mut exponential] = [false; 3];
    *match delay {
        DelayPlan::Fixed(_) => &mut fixed,
        DelayPlan::Uniform { .. } => &mut uniform,
        DelayPlan::Exponential { .. } => &mut exponential,
    } = true;
    let (independent, burst) = match loss {
        LossPlan::Independent(loss) => (!loss.is_zero(), false),
        LossPlan::Burst { p, .. } => (false, !p.is_zero()),
    };
    vec![
        ("faults.pull", !pull.is_zero()),
        ("faults.outage", !outages.is_empty()),
        ("line.loss", independent),
        ("line.burst", burst),
        ("line.duplicate", !duplicate.is_zero()),
        ("line.reorder", !reorder.is_zero() && !reorder_by.is_zero()),
        ("line.up", up_bps.is_some()),
        ("line.down", down_bps.is_some()),
        ("fixed delay", fixed),
        ("uniform delay", uniform),
        ("exponential delay", exponential),
    ]
}

/// What is kept of a run.
pub(crate) struct Summary {
    pub(crate) finished: Finished,
    pub(crate) faults: Vec<(String, u64)>,
}

/// Runs `plan` on `engine` with every seed, on all cores.
pub(crate) fn runs(plan: &Plan, engine: EngineKind, seeds: &[u64]) -> Vec<Summary> {
    let plan = Plan { engine, ..plan.clone() };
    let jobs = std::thread::available_parallelism().map_or(1, usize::from);
    let keep = |finished: Finished| {
        let faults = &finished.results.faults;
        let faults = faults.iter().map(|fault| (fault.fault.clone(), fault.fired)).collect();
        Summary { finished, faults }
    };
    let results = replicate(&plan, seeds, jobs, |_, _: Progress| true, keep);
    results.into_iter().map(|run| run.expect("nobody stops these runs")).collect()
}

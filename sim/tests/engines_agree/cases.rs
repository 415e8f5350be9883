//! Which scenarios are compared.

use std::collections::BTreeMap;
use std::path::PathBuf;

use keystorm::engine::Progress;
use keystorm::issue::{Order, fresh};
use keystorm::plan::{
    DelayPlan, EngineKind, FaultPlan, LinePlan, LossPlan, Plan, ReissueWay, ServerKeys, UpdatePlan,
};
use keystorm::replicate::replicate;
use keystorm::run::Finished;
use keystorm::scenario;
use keystorm_model::card::transport::Protocol;
use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::server::{Embodiment, Recovery, RootRenewal};
use keystorm_model::suite::{Family, Sizes, SuiteId};
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
pub(crate) const FAULTS: [Fault; 21] = [
    fault("none", &[]),
    fault("message loss", &["line.loss=12%"]),
    fault("bursts of loss", &["line.burst.p=5%", "line.burst.r=40%"]),
    fault("duplication", &["line.duplicate=30%"]),
    fault("reordering", &["line.reorder=20%", "line.reorder_by=1100ms"]),
    fault("narrow band", &["line.up=19200bit/s", "line.down=38400bit/s"]),
    fault(
        "messages in fragments",
        &[
            "line.datagram_bytes=576",
            "load.response_bytes=1500",
            "line.loss=5%",
            "line.reorder=20%",
            "line.reorder_by=7ms",
        ],
    ),
    fault("cards pulled out", &["faults.pull=35%"]),
    fault("depth 0 alone due", &["update.periods=['30d']"]),
    fault("cards without a log", &["faults.pull=35%", "card.nvm=in-place"]),
    fault(
        "shadow pages, one for each key",
        &["faults.pull=35%", "card.nvm=shadow-page", "card.layout=page-per-key"],
    ),
    fault("cards that speak T=0", &["faults.pull=20%", "card.protocol=T=0", "card.implicit_df=false"]),
    fault(
        "the root by itself",
        &["faults.pull=20%", "update.root=itself", "update.periods=['30d','30d','30d']"],
    ),
    fault("common server keys", &["fleet.server_keys=common", "update.complement=true"]),
    fault(
        "cards that are refused",
        &["card.tries=1", "faults.pull=35%", "reissue.after_refusals=1", "reissue.takes=2s"],
    ),
    by_clock(
        "orders",
        &[
            "update.order=[{at='3s'},{at='4s',depth=2,cards=[1,5,9,13]}]",
            "update.root=reissue",
            "reissue.way=replacement",
            "reissue.takes=3s",
        ],
    ),
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
    /// Every combination with the first suite. What a key is decides no message, so that the others meet every fault, but
    /// not with each embodiment and policy; and the slower it is to make keys, the fewer of the faults.
    pub(crate) fn all() -> Vec<Case> {
        let [first, others @ ..] = SuiteId::ALL;
        let mut all = Vec::new();
        for embodiment in Embodiment::ALL {
            for recovery in Recovery::ALL {
                all.extend(FAULTS.iter().map(|fault| Case { embodiment, recovery, suite: first, fault }));
            }
        }
        for (number, suite) in others.into_iter().enumerate() {
            let step = match suite.sizes() {
                Sizes { private: 960.., .. } => FAULTS.len(),
                Sizes { proof: 129.., .. } => 5,
                _ => 1,
            };
            let cases = FAULTS.iter().enumerate().skip(number % step).step_by(step);
            all.extend(cases.map(|(i, fault)| Case { suite, ..Case::mixed(fault, i) }));
        }
        all
    }

    /// Every fault, and every entry of every other table, but not every combination of them: with KEYSTORM_FULL=1 every
    /// fault with every entry of the longest table. Only with symmetric suites: a crowd of cards with asymmetric keys takes minutes to issue, and no queue depends on what a key is.
    pub(crate) fn covering() -> Vec<Case> {
        let longest = Embodiment::ALL.len().max(Recovery::ALL.len());
        let rounds = if std::env::var_os("KEYSTORM_FULL").is_some() { longest } else { 1 };
        let faults = FAULTS.iter().enumerate();
        faults.flat_map(|(i, fault)| (0..rounds).map(move |round| Case::mixed(fault, i + round))).collect()
    }

    /// The `i`-th entry of each table.
    fn mixed(fault: &'static Fault, i: usize) -> Case {
        let symmetric: Vec<SuiteId> = symmetric().collect();
        Case {
            embodiment: Embodiment::ALL[i % Embodiment::ALL.len()],
            recovery: Recovery::ALL[i % Recovery::ALL.len()],
            suite: symmetric[i % symmetric.len()],
            fault,
        }
    }

    /// Whether keys take long to grow, so that a few cards and runs must do.
    pub(crate) fn is_slow(&self) -> bool {
        self.suite.family() == Family::Asymmetric
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
        if self.is_slow() {
            // The cards that an order of the table names.
            let cards = if self.suite.sizes().proof > 128 { 2 } else { 6 };
            set.push(format!("fleet.cards={cards}"));
            set.push(format!("card.{}.generate=40ms", self.suite.name()));
            set.push(format!("server.costs.{}.generate=0s", self.suite.name()));
        }
        set
    }
}

fn symmetric() -> impl Iterator<Item = SuiteId> {
    SuiteId::ALL.into_iter().filter(|suite| suite.family() == Family::Symmetric)
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
    let UpdatePlan { embodiments: _, complement, periods: _, orders, root, due: _, recovery: _ } =
        &plan.update;
    let (reissue, rules) = (&plan.reissue, &plan.card.rules);
    let LinePlan {
        delay,
        loss,
        duplicate,
        reorder,
        reorder_by,
        up_bps,
        down_bps,
        overhead_bytes: _,
        datagram_bytes,
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
        ("update.order", !orders.is_empty()),
        ("update.complement", *complement),
        ("the root by itself", *root == Some(RootRenewal::Itself)),
        ("the root by its issuer", *root == Some(RootRenewal::Reissue)),
        ("cards that go back", reissue.after_refusals.is_some() && reissue.way == ReissueWay::Return),
        ("cards that are replaced", !orders.is_empty() && reissue.way == ReissueWay::Replacement),
        ("common server keys", plan.fleet.server_keys == ServerKeys::Common),
        ("memory in place", rules.nvm.mode == WriteMode::InPlace),
        ("an undo log", rules.nvm.mode == WriteMode::UndoLog),
        ("shadow pages", rules.nvm.mode == WriteMode::ShadowPage),
        ("a page for each key", rules.nvm.layout == PageLayout::PagePerKey),
        ("T=0", rules.protocol == Protocol::T0),
        ("SELECT", !rules.implicit_df),
        ("faults.pull", !pull.is_zero()),
        ("faults.outage", !outages.is_empty()),
        ("line.loss", independent),
        ("line.burst", burst),
        ("line.duplicate", !duplicate.is_zero()),
        ("line.reorder", !reorder.is_zero() && !reorder_by.is_zero()),
        ("line.up", up_bps.is_some()),
        ("line.down", down_bps.is_some()),
        ("line.datagram_bytes", *datagram_bytes < u32::from(plan.load.response_bytes)),
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
    let pairs = |plan: &Plan| Ok(fresh(&Order::of(plan)));
    let results = replicate(&plan, seeds, jobs, pairs, |_, _: Progress| true, keep);
    results.into_iter().map(|run| run.expect("nobody stops these runs")).collect()
}

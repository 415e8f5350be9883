//! Which scenarios are compared.

use std::collections::BTreeMap;
use std::path::PathBuf;

use keystorm::directory::DirectoryKind;
use keystorm::engine::Progress;
use keystorm::issue::{Order, fresh};
use keystorm::plan::{
    ArrivalsPlan, DelayPlan, EngineKind, FaultPlan, LinePlan, LossPlan, Mishap, Plan, ReissueWay, ServerKeys,
    UpdatePlan, Ways,
};
use keystorm::replicate::replicate;
use keystorm::run::Finished;
use keystorm::scenario;
use keystorm_model::card::transport::Protocol;
use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::server::{Embodiment, Recovery, RootRenewal, Spread};
use keystorm_model::suite::{Crypto, Family, Sizes, SuiteId};
use keystorm_reports::results::PairState;
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
pub(crate) const FAULTS: &[Fault] = &[
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
    fault(
        "upper pairs that are torn, with escalation",
        &["faults.pull=45%", "card.nvm=in-place", "update.escalation=true", "load.retry_visit.visits=6"],
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
    fault(
        "an office's morning",
        &["load.arrivals=office", "load.peak=3s", "load.sigma=1s", "load.share=60%"],
    ),
    fault("a trace of visits", &["load.arrivals=trace", "load.trace=visits.csv"]),
    by_clock(
        "turns at any time on a day with two peaks",
        &[
            "load.arrivals=transit",
            "load.day=12s",
            "load.repeat=12s",
            "update.periods=['6s','11s']",
            "update.spread=jitter",
            "update.spread_window=6s",
        ],
    ),
    by_clock(
        "waves about a payday",
        &[
            "load.arrivals=payday",
            "load.day=4s",
            "load.repeat=12s",
            "update.periods=['12s','12s']",
            "update.spread=waves",
            "update.spread_waves=3",
            "update.spread_interval=3s",
            "faults.pull=15%",
        ],
    ),
    by_clock(
        "a server that says later",
        &[
            "load.arrivals=poisson",
            "load.every=7s",
            "update.spread=admission",
            "update.spread_admits=4",
            "update.spread_interval=3s",
            "update.spread_open=2",
            "line.loss=4%",
            "faults.pull=15%",
        ],
    ),
    by_clock("outages", &["faults.outage=[{site=0,at='2s',for='4s'},{site=1,at='3s',for='300ms'}]"]),
    by_clock(
        "outages of one direction and of all sites",
        &[
            "faults.outage=[{at='2s',for='400ms'},{at='3s',for='1s',direction='up'},{site=1,at='3s',for='2s',direction='down'}]",
        ],
    ),
    fault("clients that crash", &["faults.client_crash=35%", "faults.client_crash_for=900ms"]),
    fault("messages lost for good", &["faults.lose=35%"]),
    fault("late messages", &["faults.late=50%", "faults.late_by=4s"]),
    fault("cards put in again", &["faults.reinsert=35%"]),
    fault(
        "pulls at a named step",
        &[
            "faults.place=[{card=0,step='INTERNAL AUTHENTICATE Kai[1]',kind='pulled before'},{card=1,step='GET CHALLENGE',kind='pulled after'},{card=2,connection=2,step='EXTERNAL AUTHENTICATE Kae[2]',kind='pulled during',moment=0},{card=2,step='GET CHALLENGE',kind='pulled before'}]",
        ],
    ),
    fault(
        "messages at a named step",
        &[
            "faults.place=[{card=0,step='CardProof',kind='lost up'},{card=1,step='ServerProof',kind='lost down'},{card=2,step='ServerVerdict',kind='late',by='3s'},{card=3,step='Verdict',kind='late',by='3s'},{card=4,step='CardProof',kind='reinserted'},{card=5,step='ServerChallenge',kind='client crash',for='1s'}]",
        ],
    ),
    by_clock(
        "crashes at a named step",
        &[
            "faults.place=[{card=3,step='ServerVerdict',kind='server crash before',for='300ms'},{card=4,step='CardProof',kind='server crash after',for='20ms'}]",
        ],
    ),
    by_clock(
        "clients that are down",
        &[
            "faults.client_down=[{client=3,at='2s',for='700ms'},{client=17,at='3s',for='1s'},{client=20,at='3100ms',for='5s'}]",
        ],
    ),
    by_clock("a server that is down", &["faults.server_down=[{at='2s',for='700ms'},{at='4s',for='9ms'}]"]),
    by_clock(
        "a server that crashes",
        &["faults.server_crash={every='2s',for='300ms'}", "server.costs.receive=3ms"],
    ),
    by_clock("periods that turn", &["update.periods=['3s','5s']", "update.due=none"]),
    by_clock("impatient clients", &["line.retry.first=7100us", "line.retry.tries=9"]),
    by_clock("a full queue", &["server.cores=1", "server.queue=2", "server.costs.receive=9ms"]),
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
    by_clock(
        "a server over a database",
        &[
            "server.directory=redb",
            "faults.server_crash={every='2s',for='300ms'}",
            "faults.pull=20%",
            "server.costs.commit=1ms",
        ],
    ),
    by_clock(
        "torn upper pairs and cards put in again, at a server that says later",
        &[
            "fleet.internal_keys=4",
            "fleet.external_keys=4",
            "card.nvm=in-place",
            "card.page=32",
            "faults.pull=45%",
            "faults.reinsert=25%",
            "update.periods=['30d']",
            "update.escalation=true",
            "update.spread=admission",
            "update.spread_admits=4",
            "update.spread_interval=3s",
            "update.spread_open=2",
            "load.repeat=7s",
            "load.retry_visit.visits=6",
        ],
    ),
];

/// One combination of the tables.
#[derive(Clone, Copy)]
pub(crate) struct Case {
    pub(crate) embodiment: Embodiment,
    pub(crate) recovery: Recovery,
    pub(crate) suite: SuiteId,
    pub(crate) crypto: Crypto,
    pub(crate) fault: &'static Fault,
}

impl Case {
    /// With the first suite every fault with every embodiment and with every recovery; with KEYSTORM_FULL=1 every combination
    /// of the three. What a key is decides how long messages are and nothing else, so that every fault meets a third of the
    /// other suites, or all: asymmetric ones, whose keys are slow to make, most of them with stand-ins.
    pub(crate) fn all() -> Vec<Case> {
        let full = std::env::var_os("KEYSTORM_FULL").is_some();
        let [first, others @ ..] = SuiteId::ALL;
        let mut all = Vec::new();
        for (e, embodiment) in Embodiment::ALL.into_iter().enumerate() {
            for (r, recovery) in Recovery::ALL.into_iter().enumerate() {
                // A Latin square: in each row and column every fault is there once in as many recoveries.
                let chosen = |f: &usize| full || (e + r + f).is_multiple_of(Recovery::ALL.len());
                let faults = FAULTS.iter().enumerate().filter(|(f, _)| chosen(f));
                let crypto = Crypto::Real;
                all.extend(faults.map(|(_, fault)| Case {
                    embodiment,
                    recovery,
                    suite: first,
                    crypto,
                    fault,
                }));
            }
        }
        for (number, suite) in others.into_iter().enumerate() {
            let real_each = match suite.sizes() {
                Sizes { private: 960.., .. } => FAULTS.len(),
                _ if suite.family() == Family::Asymmetric => 5,
                _ => 1,
            };
            let faults = FAULTS.iter().enumerate().filter(|(i, _)| full || (number + i).is_multiple_of(3));
            all.extend(faults.map(|(i, fault)| {
                let real = i % real_each == number % real_each;
                let crypto = if real { Crypto::Real } else { Crypto::Modelled };
                // A third of the rows is left, so that the other tables go on by one per row that is left.
                Case { suite, crypto, ..Case::mixed(fault, i / 3) }
            }));
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
            crypto: Crypto::Real,
            fault,
        }
    }

    /// Whether keys take long to grow, so that a few cards must do.
    pub(crate) fn is_slow(&self) -> bool {
        self.suite.family() == Family::Asymmetric && self.crypto == Crypto::Real
    }

    pub(crate) fn name(&self) -> String {
        let (embodiment, recovery) = (self.embodiment.name(), self.recovery.name());
        let (suite, crypto) = (self.suite.name(), self.crypto.name());
        format!("embodiment {embodiment}, {recovery}, {crypto} {suite}, {}", self.fault.name)
    }

    /// The overrides of this case.
    pub(crate) fn set(&self) -> Vec<String> {
        let mut set = vec![
            format!("update.embodiment=\"{}\"", self.embodiment.name()),
            format!("update.recovery={}", self.recovery.name()),
            format!("fleet.suite={}", self.suite.name()),
            format!("crypto={}", self.crypto.name()),
        ];
        set.extend(self.fault.set.iter().map(|&text| text.to_owned()));
        if self.is_slow() {
            // The cards that an order of the table names.
            let cards = if self.suite.sizes().proof > 128 { 2 } else { 6 };
            set.push(format!("fleet.cards={cards}"));
        }
        if self.suite.family() == Family::Asymmetric {
            set.push(format!("card.{}.generate=40ms", self.suite.name()));
            set.push(format!("server.costs.{}.generate=0s", self.suite.name()));
        }
        set
    }
}

fn symmetric() -> impl Iterator<Item = SuiteId> {
    SuiteId::ALL.into_iter().filter(|suite| suite.family() == Family::Symmetric)
}

/// A trace: each of two dozen cards comes twice, to another client the second time.
fn visits() -> String {
    let visit = |no: u32| {
        let (card, again) = (no % 24, no / 24);
        format!("{}ms,{card},{}\n", 241 * card + 12_007 * again, (5 * card + again) % 12)
    };
    (0..48).map(visit).fold("time,card,client\n".into(), |text, line| text + &line)
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
        std::fs::write(dir.path().join("visits.csv"), visits()).unwrap();
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
        let Case { embodiment, recovery, suite, crypto, fault } = case;
        let suite = format!("{} {}", crypto.name(), suite.name());
        let under = format!("{suite} under {}", recovery.name());
        for name in [embodiment.name(), recovery.name(), &suite, &under, fault.name] {
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
        let escalated_late = finished.iter().any(|run| meets_escalation_and_admission(&run.finished));
        *self.entries.entry("escalation, admission and reinsertion meet".into()).or_default() |=
            escalated_late;
    }

    /// A case that the scenario's own checks refuse is compared with nothing: there is next to none.
    pub(crate) fn assert_hardly_any_is_refused(&self) {
        let (refused, scenarios) = (self.refused, self.scenarios);
        assert!(
            refused * 50 <= scenarios,
            "{refused} combinations are refused, {scenarios} scenarios compared"
        );
    }

    /// Everything in every table has been compared, and has had its effect.
    pub(crate) fn assert_complete(&self) {
        let tables =
            Embodiment::ALL.map(Embodiment::name).into_iter().chain(Recovery::ALL.map(Recovery::name));
        let tables = tables.chain(FAULTS.iter().map(|fault| fault.name)).map(str::to_owned);
        let suites = SuiteId::ALL.into_iter().flat_map(|suite| {
            let slow = suite.family() == Family::Asymmetric;
            let cryptos = if slow { &Crypto::ALL[..] } else { &[Crypto::Real] };
            cryptos.iter().map(move |crypto| format!("{} {}", crypto.name(), suite.name()))
        });
        let meets_all = |suite: &SuiteId| {
            let crypto = if suite.family() == Family::Asymmetric { Crypto::Modelled } else { Crypto::Real };
            Recovery::ALL
                .map(|recovery| format!("{} {} under {}", crypto.name(), suite.name(), recovery.name()))
        };
        let suites = suites.chain(SuiteId::ALL.iter().flat_map(meets_all));
        for name in tables.chain(suites) {
            assert!(self.entries.contains_key(&name), "{name} was not compared");
        }
        for (name, &yes) in &self.entries {
            assert!(yes, "no scenario had this: {name}");
        }
        assert!(self.scenarios > 0 && self.cards > 0);
    }
}

/// Whether a server that told cards "later" renewed a pair which was not due, and cards were put in again meanwhile.
fn meets_escalation_and_admission(run: &Finished) -> bool {
    let plan = run.world.plan();
    let one_depth = plan.update.periods.len() == 1 && plan.update.orders.is_empty();
    let reinserted =
        run.results.faults.iter().any(|fault| fault.fault == "card put in again" && fault.fired > 0);
    let mut cards = run.world.card_rows(|_| true);
    plan.update.escalation
        && one_depth
        && reinserted
        && run.results.counts.updates_deferred > 0
        && cards.any(|card| card.depths[1].state == PairState::New)
}

/// What a plan exercises of all that can go wrong. A new field of these plans does not compile until it is named
/// here, and then fails the test until a row of [`FAULTS`] has it.
fn exercised(plan: &Plan) -> Vec<(&'static str, bool)> {
    let FaultPlan {
        pull,
        client_crash,
        client_crash_for: _,
        client_downs,
        lose,
        late,
        late_by: _,
        reinsert,
        placed,
        outages,
        server_downs,
        server_crash,
    } = &plan.faults;
    let UpdatePlan {
        embodiments: _,
        complement,
        periods: _,
        orders,
        root,
        due: _,
        recovery: _,
        escalation,
        spread,
    } = &plan.update;
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
    let arrivals = match &plan.load.arrivals {
        ArrivalsPlan::Uniform { .. } => "uniform arrivals",
        ArrivalsPlan::Office { .. } => "an office",
        ArrivalsPlan::Transit { .. } => "transit",
        ArrivalsPlan::Payday { .. } => "payday",
        ArrivalsPlan::Poisson { .. } => "calls",
        ArrivalsPlan::Trace(_) => "a trace",
    };
    let spread = match spread {
        Spread::None => "no spreading",
        Spread::Jitter { .. } => "jitter",
        Spread::Waves { .. } => "waves",
        Spread::Admission(_) => "admission",
    };
    let kinds = Mishap::names().into_iter();
    let placed = kinds.map(|kind| (kind, placed.iter().any(|fault| fault.mishap.name() == kind)));
    let mut exercised = vec![
        (arrivals, true),
        (spread, true),
        ("update.order", !orders.is_empty()),
        ("update.complement", *complement),
        ("update.escalation", *escalation),
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
        ("faults.outage of one site", outages.iter().any(|outage| outage.site.is_some())),
        ("faults.outage of all sites", outages.iter().any(|outage| outage.site.is_none())),
        ("faults.outage both ways", outages.iter().any(|outage| outage.ways == Ways::Both)),
        ("faults.outage upward", outages.iter().any(|outage| outage.ways == Ways::Up)),
        ("faults.outage downward", outages.iter().any(|outage| outage.ways == Ways::Down)),
        ("faults.client_crash", !client_crash.is_zero()),
        ("faults.client_down", !client_downs.is_empty()),
        ("faults.lose", !lose.is_zero()),
        ("faults.late", !late.is_zero()),
        ("faults.reinsert", !reinsert.is_zero()),
        ("faults.server_down", !server_downs.is_empty()),
        ("faults.server_crash", server_crash.is_some()),
        ("server.directory", plan.server.directory == DirectoryKind::Redb),
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
    ];
    exercised.extend(placed);
    exercised
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

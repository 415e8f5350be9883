//! From resolved settings to the [`Plan`]. Everything is in range already.

use std::path::Path;
use std::sync::Arc;

use keystorm_model::card::transport::{BitRate, Protocol};
use keystorm_model::card::{CardRules, Nvm, PageLayout, WriteMode};
use keystorm_model::draw::Seed;
use keystorm_model::rings::{RenewalRule, RingShape};
use keystorm_model::server::spread::Limits as Admission;
use keystorm_model::server::{Embodiment, Order, OrderedCards, Recovery, RootRenewal, Spread};
use keystorm_model::suite::{Backend, Comparison, Crypto, SuiteId};
use keystorm_model::{CardId, Depth, Ratio, SimTime, Span};
use sha2::{Digest, Sha256};

use super::check::{client, cross_check, down, order, outage, placed};
use super::error::{Problem, ScenarioError};
use super::resolve::Resolved;
use super::schema::{DUE, ROOT, SERVICES, SESSIONS};
use super::trace::{self, Limits};
use super::value::Value;
use crate::plan::{
    Arrival, ArrivalsPlan, CardPlan, CostTable, DelayPlan, DueAtStart, EngineKind, FaultPlan, FleetPlan,
    LinePlan, LoadPlan, LossPlan, OutagePlan, Plan, RandomCrashPlan, ReissuePlan, ReissueWay, RetryPlan,
    RetryVisit, ServerKeys, ServerPlan, ServicePlan, SessionPlan, SweepPlan, TurmoilPlan, UpdatePlan,
    WarmupPlan,
};

/// Sites of a fleet whose scenario does not say. Measured on a 2-core x86-64 machine, turmoil's idle step
/// takes 4 to 9 us at 4 hosts and 25 to 47 us at 16.
const DEFAULT_SITES: u64 = 4;

/// The plan. `stem` names a scenario that has no name; the files that it names are looked for from `dir`.
pub(super) fn plan(mut r: Resolved, stem: &str, dir: &Path) -> Result<Plan, ScenarioError> {
    fill_in(&mut r, stem);
    ScenarioError::check(cross_check(&r))?;
    let traced = read_trace(&mut r, dir)?;
    let resolved = r.canonical();
    Ok(Plan {
        name: r.text("name"),
        scenario_sha256: hex(&Sha256::digest(resolved.as_bytes())),
        resolved,
        engine: named(&EngineKind::ALL, EngineKind::name, r.choice("engine")),
        crypto: named(&Crypto::ALL, Crypto::name, r.choice("crypto")),
        seed: r.count("seed"),
        horizon: r.span("horizon"),
        warmup: match r.has("warmup") {
            true => r.span_if("warmup").map_or(WarmupPlan::Mser5, WarmupPlan::Fixed),
            false => WarmupPlan::Fixed(Span::ZERO),
        },
        fleet: fleet(&r),
        card: card(&r),
        line: line(&r),
        load: load(&r, traced),
        update: update(&r),
        reissue: reissue(&r),
        server: server(&r),
        faults: faults(&r),
        turmoil: TurmoilPlan { tick: r.span("turmoil.tick") },
        sweep: SweepPlan {
            vary: r.texts("sweep.vary"),
            zip: r.flag("sweep.zip"),
            without: r.texts("sweep.without"),
            replications: r.small("sweep.replications"),
        },
    })
}

/// Defaults that depend on other keys, and an order for what has none.
fn fill_in(r: &mut Resolved, stem: &str) {
    r.derive("name", Value::Text(stem.into()));
    r.derive("fleet.sites", Value::Count(r.count("fleet.clients").min(DEFAULT_SITES)));
    r.derive("card.root_self_renewal", Value::Flag(r.choice("update.root") == ROOT[1]));
    let extent = r.extent();
    match r.choice("load.arrivals") {
        "uniform" => r.derive("load.window", Value::Span(extent - r.span("load.from"))),
        "office" => r.derive("load.peak", Value::Span(extent / 2)),
        "payday" => r.derive("load.payday", Value::Count(r.whole_days().clamp(1, 25) - 1)),
        _ => {}
    }
    match r.choice("update.spread") {
        "waves" => r.derive("update.spread_interval", Value::Span(Span::from_secs(86_400))),
        "admission" => r.derive("update.spread_interval", Value::Span(Span::from_secs(60))),
        _ => {}
    }
    r.edit("faults.outage", |value| {
        if let Value::Rows(rows) = value {
            rows.sort_by_key(|row| {
                let OutagePlan { site, from, until, ways } = outage(row);
                (site, from, until, ways)
            });
        }
    });
    for downs in ["faults.server_down", "faults.client_down"] {
        r.edit(downs, |value| {
            if let Value::Rows(rows) = value {
                rows.sort_by_key(|row| down(row).at);
            }
        });
    }
    r.edit("update.order", |value| {
        if let Value::Rows(rows) = value {
            rows.sort_by_key(|row| order(row).0);
        }
    });
}

/// The visits of the scenario's trace, if it has one. What the file holds is part of what the scenario says, so that
/// its hash becomes one of the settings.
fn read_trace(r: &mut Resolved, dir: &Path) -> Result<Option<Vec<Arrival>>, Problem> {
    if !r.has("load.trace") {
        return Ok(None);
    }
    let limits = Limits {
        horizon: r.span("horizon"),
        cards: r.small("fleet.cards"),
        clients: r.small("fleet.clients"),
    };
    let place = || r.place(&["load.trace"]);
    let read = trace::read(&dir.join(r.text("load.trace")), limits);
    let (arrivals, hash) = read.map_err(|problem| problem.label("this trace").at_place(place()))?;
    let hash = hex(&hash);
    if r.has("load.trace_sha256") && r.text("load.trace_sha256") != hash {
        let why = format!("the trace `{}` is not the one that is meant", r.text("load.trace"));
        let help = format!("bring the old file back, or set load.trace_sha256 = \"{hash}\", or leave it out");
        return Err(Problem::new(why, help).at_place(r.place(&["load.trace_sha256"])));
    }
    r.derive("load.trace_sha256", Value::Text(hash));
    Ok(Some(arrivals))
}

fn fleet(r: &Resolved) -> FleetPlan {
    let shape = RingShape::new(r.small("fleet.internal_keys"), r.small("fleet.external_keys"));
    FleetPlan {
        cards: r.small("fleet.cards"),
        clients: r.small("fleet.clients"),
        sites: r.small("fleet.sites"),
        shape: shape.expect("1 to 31 keys of each kind"),
        suite: named(&SuiteId::ALL, SuiteId::name, r.choice("fleet.suite")),
        server_keys: named(&ServerKeys::ALL, ServerKeys::name, r.choice("fleet.server_keys")),
        comparison: named(&Comparison::ALL, Comparison::name, r.choice("fleet.comparison")),
    }
}

fn card(r: &Resolved) -> CardPlan {
    let speed =
        BitRate(r.rate("card.speed").and_then(|rate| u32::try_from(rate).ok()).expect("a limited speed"));
    CardPlan {
        rules: CardRules {
            tries: r.small("card.tries"),
            only_own_answers: r.flag("card.only_own_answers"),
            renewal: named(&RenewalRule::ALL, RenewalRule::name, r.choice("card.renewal")),
            root_self_renewal: r.flag("card.root_self_renewal"),
            implicit_df: r.flag("card.implicit_df"),
            protocol: named(&Protocol::ALL, Protocol::name, r.choice("card.protocol")),
            nvm: Nvm {
                mode: named(&WriteMode::ALL, WriteMode::name, r.choice("card.nvm")),
                layout: named(&PageLayout::ALL, PageLayout::name, r.choice("card.layout")),
                page: r.small("card.page"),
                endurance: r.small("card.endurance"),
            },
        },
        reset: r.span("card.reset"),
        speed,
        byte: CardPlan::byte_time(speed),
        command: r.span("card.command"),
        prove: r.of_suite("card", "prove").expect("every suite has it"),
        check: r.of_suite("card", "check").expect("every suite has it"),
        generate: r.of_suite("card", "generate").unwrap_or(Span::ZERO),
        hypothetical: hypothetical(r),
        random: r.span("card.random"),
        nvm_write: r.span("card.nvm_write"),
        nvm_plain_write: r.span("card.nvm_plain_write"),
    }
}

/// Whether the times of the fleet's suite have no source.
fn hypothetical(r: &Resolved) -> bool {
    let path = format!("card.{}.hypothetical", r.choice("fleet.suite"));
    r.has(&path) && r.flag(&path)
}

fn line(r: &Resolved) -> LinePlan {
    let delay = match r.span_if("line.delay.fixed") {
        Some(fixed) => DelayPlan::Fixed(fixed),
        None => {
            let (min, max) = (r.span("line.delay.min"), r.span("line.delay.max"));
            match r.span_if("line.delay.mean") {
                Some(mean) => DelayPlan::Exponential { min, mean, max },
                None => DelayPlan::Uniform { min, max },
            }
        }
    };
    let loss = if r.has("line.burst.p") {
        LossPlan::Burst { p: r.chance("line.burst.p"), r: r.chance("line.burst.r") }
    } else {
        LossPlan::Independent(r.chance("line.loss"))
    };
    LinePlan {
        delay,
        loss,
        duplicate: r.chance("line.duplicate"),
        reorder: r.chance("line.reorder"),
        reorder_by: r.span("line.reorder_by"),
        up_bps: r.rate("line.up"),
        down_bps: r.rate("line.down"),
        overhead_bytes: r.small("line.overhead_bytes"),
        datagram_bytes: r.small("line.datagram_bytes"),
        retry: RetryPlan {
            first: r.span("line.retry.first"),
            factor: r.small("line.retry.factor"),
            tries: r.small("line.retry.tries"),
        },
    }
}

fn load(r: &Resolved, traced: Option<Vec<Arrival>>) -> LoadPlan {
    let arrivals = match r.choice("load.arrivals") {
        "uniform" => ArrivalsPlan::Uniform { from: r.span("load.from"), window: r.span("load.window") },
        "office" => ArrivalsPlan::Office {
            peak: r.span("load.peak"),
            sigma: r.span("load.sigma"),
            share: r.chance("load.share"),
        },
        "transit" => ArrivalsPlan::Transit { day: r.span("load.day") },
        "payday" => ArrivalsPlan::Payday { day: r.span("load.day"), payday: r.small("load.payday") },
        "trace" => ArrivalsPlan::Trace(Arc::new(traced.expect("a trace has been read"))),
        "poisson" => ArrivalsPlan::Poisson { every: r.span("load.every") },
        other => panic!("arrivals {other} are in the schema only"),
    };
    let data = |path| if r.has(path) { r.small(path) } else { 0 };
    let visits: u8 = r.small("load.retry_visit.visits");
    LoadPlan {
        arrivals,
        repeat: r.span_if("load.repeat"),
        session: session(r),
        exchanges: data("load.exchanges"),
        request_bytes: data("load.request_bytes"),
        response_bytes: data("load.response_bytes"),
        retry_visit: (visits > 0).then(|| RetryVisit { after: r.span("load.retry_visit.after"), visits }),
    }
}

fn session(r: &Resolved) -> SessionPlan {
    if r.choice("load.session") == SESSIONS[0] {
        return SessionPlan::Cards;
    }
    let mean = r.span("server.probe.mean");
    let exponential = r.choice("server.probe.distribution") == SERVICES[0];
    SessionPlan::Probe(if exponential { ServicePlan::Exponential(mean) } else { ServicePlan::Fixed(mean) })
}

fn update(r: &Resolved) -> UpdatePlan {
    UpdatePlan {
        embodiments: (r.choices("update.embodiment").iter())
            .map(|name| named(&Embodiment::ALL, Embodiment::name, name))
            .collect(),
        complement: r.flag("update.complement"),
        periods: r.spans("update.periods").to_vec(),
        orders: orders(r),
        root: root(r),
        due: if r.choice("update.due") == DUE[0] { DueAtStart::All } else { DueAtStart::None },
        escalation: r.flag("update.escalation"),
        recovery: named(&Recovery::ALL, Recovery::name, r.choice("update.recovery")),
        spread: spread(r),
    }
}

fn spread(r: &Resolved) -> Spread {
    let interval = || r.span("update.spread_interval");
    match r.choice("update.spread") {
        "none" => Spread::None,
        "jitter" => Spread::Jitter { window: r.span("update.spread_window"), seed: Seed(r.count("seed")) },
        "waves" => Spread::Waves { waves: r.small("update.spread_waves"), interval: interval() },
        "admission" => {
            let (admits, open): (u32, u32) = (r.small("update.spread_admits"), r.small("update.spread_open"));
            let rate = (admits > 0).then(|| (admits, interval()));
            Spread::Admission(Admission { rate, open: (open > 0).then_some(open) })
        }
        other => panic!("spread {other} is in the schema only"),
    }
}

fn orders(r: &Resolved) -> Vec<Order> {
    let orders = r.rows("update.order").iter().map(order).map(|(at, depth, cards)| {
        let cards = match cards {
            None => OrderedCards::All,
            Some(cards) => OrderedCards::Listed(cards.iter().copied().map(CardId).collect()),
        };
        Order { at: SimTime::ZERO + at, depth: Depth(depth as u8), cards }
    });
    orders.collect()
}

fn root(r: &Resolved) -> Option<RootRenewal> {
    let [never, itself, _] = ROOT;
    match r.choice("update.root") {
        name if name == never => None,
        name if name == itself => Some(RootRenewal::Itself),
        _ => Some(RootRenewal::Reissue),
    }
}

fn reissue(r: &Resolved) -> ReissuePlan {
    let refusals: u8 = r.small("reissue.after_refusals");
    ReissuePlan {
        after_refusals: (refusals > 0).then_some(refusals),
        way: named(&ReissueWay::ALL, ReissueWay::name, r.choice("reissue.way")),
        takes: r.span("reissue.takes"),
        cost: r.count("reissue.cost"),
    }
}

fn server(r: &Resolved) -> ServerPlan {
    ServerPlan {
        cores: r.small("server.cores"),
        queue: r.small("server.queue"),
        backend: Backend::ALL.into_iter().find(|backend| backend.name() == r.choice("server.backend")),
        costs: CostTable {
            datagram: r.span("server.costs.datagram"),
            prove: r.of_suite("server.costs", "prove").expect("every suite has it"),
            check: r.of_suite("server.costs", "check").expect("every suite has it"),
            generate: r.of_suite("server.costs", "generate").unwrap_or(Span::ZERO),
            aead: r.span("server.costs.aead"),
            commit: r.span("server.costs.commit"),
        },
    }
}

fn faults(r: &Resolved) -> FaultPlan {
    let outages = r.rows("faults.outage").iter().map(outage);
    let random = r.span_if("faults.server_crash.every").zip(r.span_if("faults.server_crash.for"));
    FaultPlan {
        pull: r.chance("faults.pull"),
        outages: outages.collect(),
        client_crash: r.chance("faults.client_crash"),
        client_crash_for: r.span("faults.client_crash_for"),
        client_downs: r.rows("faults.client_down").iter().map(|row| (client(row), down(row))).collect(),
        lose: r.chance("faults.lose"),
        late: r.chance("faults.late"),
        late_by: r.span("faults.late_by"),
        reinsert: r.chance("faults.reinsert"),
        placed: r.rows("faults.place").iter().filter_map(|row| placed(row).ok()).collect(),
        server_downs: r.rows("faults.server_down").iter().map(down).collect(),
        server_crash: random.map(|(every, down)| RandomCrashPlan { every, down }),
    }
}

/// The one of `all` that has this name; the schema offers no other.
fn named<T: Copy>(all: &[T], name_of: impl Fn(T) -> &'static str, name: &str) -> T {
    let found = all.iter().copied().find(|item| name_of(*item) == name);
    found.unwrap_or_else(|| panic!("{name} is in the schema only"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Resolved {
    /// A count that the schema keeps within `T`.
    fn small<T: TryFrom<u64>>(&self, path: &str) -> T {
        T::try_from(self.count(path)).unwrap_or_else(|_| panic!("the range of {path} is wider than its type"))
    }

    /// A duration that `table` has for the fleet's suite.
    fn of_suite(&self, table: &str, name: &str) -> Option<Span> {
        self.span_if(&format!("{table}.{}.{name}", self.choice("fleet.suite")))
    }

    fn text(&self, path: &str) -> String {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Text(text)) => text.clone(),
            other => panic!("{path} is no text: {other:?}"),
        }
    }

    fn texts(&self, path: &str) -> Vec<String> {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Texts(texts)) => texts.clone(),
            other => panic!("{path} is no list of texts: {other:?}"),
        }
    }

    fn flag(&self, path: &str) -> bool {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Flag(flag)) => *flag,
            other => panic!("{path} is no flag: {other:?}"),
        }
    }

    fn rate(&self, path: &str) -> Option<u64> {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Rate(bps)) => *bps,
            other => panic!("{path} is no bit rate: {other:?}"),
        }
    }

    pub(super) fn chance(&self, path: &str) -> Ratio {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Chance(ratio)) => *ratio,
            other => panic!("{path} is no probability: {other:?}"),
        }
    }
}

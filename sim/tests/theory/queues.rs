//! Queues: probes that arrive in a Poisson process, at a server whose service time is drawn.

use std::sync::OnceLock;

use keystorm::run::{Finished, simulate};

use crate::formulas::{md1_wait, mmc_wait};
use crate::statistics::{Interval, REPLICATIONS};

/// Mean service time.
const SERVICE_NS: f64 = 1e6;
/// Cards whose visits make up the Poisson process. A card that is present does not arrive: with L cards in the system on
/// average the rate falls short by L / CARDS, here less than 0.05 %.
const CARDS: u32 = 20_000;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    Exponential,
    Fixed,
}

/// A queue that theory knows.
pub(crate) struct Case {
    pub(crate) cores: u32,
    pub(crate) service: Service,
    pub(crate) utilisation: f64,
    /// Customers per replication, on average. A run begins empty, and its first customers wait less. The whole
    /// shortfall is about that of L / (1 - utilisation) customers or fewer: less than a thousandth of these.
    customers: u32,
    measured: OnceLock<Measured>,
}

/// What the replications gave.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// Mean wait, in mean service times.
    pub(crate) wait: Interval,
    pub(crate) utilisation: Interval,
    /// Mean number waiting.
    pub(crate) queue: Interval,
}

const fn case(cores: u32, service: Service, utilisation: f64, customers: u32) -> Case {
    Case { cores, service, utilisation, customers, measured: OnceLock::new() }
}

pub(crate) static CASES: [Case; 11] = [
    case(1, Service::Exponential, 0.3, 20_000),
    case(1, Service::Exponential, 0.5, 30_000),
    case(1, Service::Exponential, 0.7, 40_000),
    case(1, Service::Exponential, 0.8, 60_000),
    case(2, Service::Exponential, 0.5, 30_000),
    case(2, Service::Exponential, 0.8, 60_000),
    case(4, Service::Exponential, 0.8, 60_000),
    case(8, Service::Exponential, 0.8, 60_000),
    case(1, Service::Fixed, 0.5, 20_000),
    case(1, Service::Fixed, 0.7, 30_000),
    case(1, Service::Fixed, 0.8, 40_000),
];

impl Case {
    pub(crate) fn name(&self) -> String {
        let letter = if self.service == Service::Exponential { 'M' } else { 'D' };
        format!("M/{letter}/{}", self.cores)
    }

    pub(crate) fn customers(&self) -> u64 {
        u64::from(self.customers) * REPLICATIONS
    }

    pub(crate) fn wait(&self) -> f64 {
        match self.service {
            Service::Exponential => mmc_wait(self.cores, self.utilisation),
            Service::Fixed => md1_wait(self.utilisation),
        }
    }

    /// Little's law: arrivals per mean service time times the wait.
    pub(crate) fn queue(&self) -> f64 {
        self.utilisation * f64::from(self.cores) * self.wait()
    }

    /// Runs the replications, once per process.
    pub(crate) fn measured(&self) -> Measured {
        *self.measured.get_or_init(|| {
            let runs: Vec<[f64; 3]> = (1..=REPLICATIONS).map(|seed| self.replication(seed)).collect();
            let figure = |index: usize| Interval::of(&runs.iter().map(|run| run[index]).collect::<Vec<_>>());
            Measured { wait: figure(0), utilisation: figure(1), queue: figure(2) }
        })
    }

    /// Wait, utilisation and queue of one run.
    fn replication(&self, seed: u64) -> [f64; 3] {
        let gap = SERVICE_NS / (self.utilisation * f64::from(self.cores));
        let distribution = if self.service == Service::Exponential { "exponential" } else { "fixed" };
        let horizon = (gap * f64::from(self.customers)) as u64;
        let Finished { results, violations, .. } = run(
            seed,
            &[
                &format!("horizon={horizon}ns"),
                &format!("load.every={}ns", (gap * f64::from(CARDS)) as u64),
                &format!("fleet.cards={CARDS}"),
                &format!("fleet.clients={CARDS}"),
                "load.arrivals=poisson",
                &format!("server.cores={}", self.cores),
                &format!("server.probe={{ mean = \"1ms\", distribution = \"{distribution}\" }}"),
                "line.delay.fixed=0s",
                "line.retry={ first = \"1h\", tries = 1 }",
            ],
        );
        assert!(violations.is_empty());
        let (server, counts) = (&results.server, &results.counts);
        let seen = counts.sessions_started as f64 / f64::from(self.customers);
        assert!((seen - 1.0).abs() < 0.05, "the load is as planned, give or take: {seen}");
        assert!(counts.arrivals_skipped < counts.sessions_started / 1_000);
        assert_eq!(counts.messages_lost, 0, "the queue has room for all");
        // The two are measured in different ways: queue length over time, and the wait of each.
        let (queued, waited) = (server.queued_ns as f64, server.waited_ns as f64);
        assert!(waited <= queued && queued <= waited * 1.01, "only those left at the end may differ");
        let horizon = horizon as f64;
        [
            waited / server.wait_us.len() as f64 / SERVICE_NS,
            server.busy.total() as f64 / horizon / f64::from(self.cores),
            queued / horizon,
        ]
    }
}

/// Runs probes with these settings on the events engine.
pub(crate) fn run(seed: u64, settings: &[&str]) -> Finished {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("theory.toml");
    std::fs::write(&path, "engine = \"events\"\nload.session = \"probe\"\n").unwrap();
    let mut settings: Vec<String> = settings.iter().map(|&setting| setting.into()).collect();
    settings.push(format!("seed={seed}"));
    let plan = keystorm::scenario::load(&path, &settings).unwrap_or_else(|error| {
        panic!("{:#?}", error.problems().map(ToString::to_string).collect::<Vec<_>>())
    });
    simulate(plan, &mut |_| true).expect("nobody stops it")
}

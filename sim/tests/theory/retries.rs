//! Retransmission: probes over a line that loses messages both ways.

use std::sync::OnceLock;

use crate::formulas::{give_up, transmissions};
use crate::queues::run;
use crate::statistics::{Interval, REPLICATIONS};

/// Probes per replication: each card sends one.
const CARDS: u32 = 20_000;

/// A line, and a client's patience.
pub(crate) struct Case {
    loss_percent: u32,
    pub(crate) tries: u32,
    measured: OnceLock<Measured>,
}

/// What the replications gave.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) give_up: Interval,
    pub(crate) transmissions: Interval,
}

const fn case(loss_percent: u32, tries: u32) -> Case {
    Case { loss_percent, tries, measured: OnceLock::new() }
}

pub(crate) static CASES: [Case; 4] = [case(5, 2), case(10, 3), case(30, 3), case(50, 5)];

impl Case {
    pub(crate) fn loss(&self) -> f64 {
        f64::from(self.loss_percent) / 100.0
    }

    pub(crate) fn sent(&self) -> u64 {
        u64::from(CARDS) * REPLICATIONS
    }

    pub(crate) fn give_up(&self) -> f64 {
        give_up(self.loss(), self.tries)
    }

    pub(crate) fn transmissions(&self) -> f64 {
        transmissions(self.loss(), self.tries)
    }

    /// Runs the replications, once per process.
    pub(crate) fn measured(&self) -> Measured {
        *self.measured.get_or_init(|| {
            let runs: Vec<[f64; 2]> = (1..=REPLICATIONS).map(|seed| self.replication(seed)).collect();
            let figure = |index: usize| Interval::of(&runs.iter().map(|run| run[index]).collect::<Vec<_>>());
            Measured { give_up: figure(0), transmissions: figure(1) }
        })
    }

    /// Share of probes given up, and transmissions per probe, of one run.
    fn replication(&self, seed: u64) -> [f64; 2] {
        let finished = run(
            seed,
            &[
                "horizon=10min",
                "load.window=5min",
                &format!("fleet.cards={CARDS}"),
                &format!("fleet.clients={CARDS}"),
                "server.probe={ mean = \"1us\", distribution = \"fixed\" }",
                "line.delay.fixed=10ms",
                &format!("line.loss={}%", self.loss_percent),
                &format!("line.retry={{ first = \"1s\", factor = 2, tries = {} }}", self.tries),
            ],
        );
        let counts = &finished.results.counts;
        assert_eq!((counts.sessions_started, counts.sessions_in_flight), (CARDS.into(), 0));
        let probes = f64::from(CARDS);
        [
            counts.sessions_failed as f64 / probes,
            (counts.sessions_started + counts.retransmissions) as f64 / probes,
        ]
    }
}

//! The one table of faults: how often each that the scenario asks for could have struck, and did.

use keystorm_model::{Ratio, SimTime};
use keystorm_reports::results::FaultCount;

use crate::plan::{FaultPlan, LossPlan};

use super::World;

/// How often each fault struck; the lists follow those of the plan.
#[derive(Clone, Debug, Default)]
pub(crate) struct FaultTally {
    pub(crate) lost: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    pub(crate) connections: u64,
    pub(crate) pulls: u64,
    pub(crate) client_crashes: u64,
    pub(crate) messages_lost_for_good: u64,
    pub(crate) late_copies: u64,
    pub(crate) reinsertions: u64,
    pub(crate) server_crashes: u64,
    /// How many messages each outage swallowed.
    pub(crate) cut_by_outage: Vec<u64>,
    pub(crate) server_downs: Vec<u64>,
    pub(crate) client_downs: Vec<u64>,
    pub(crate) placed: Vec<u64>,
}

impl FaultTally {
    /// Nothing has struck yet.
    pub(crate) fn new(plan: &FaultPlan) -> Self {
        FaultTally {
            cut_by_outage: vec![0; plan.outages.len()],
            server_downs: vec![0; plan.server_downs.len()],
            client_downs: vec![0; plan.client_downs.len()],
            placed: vec![0; plan.placed.len()],
            ..FaultTally::default()
        }
    }
}

fn share(ratio: Ratio) -> f64 {
    let (numerator, denominator) = ratio.parts();
    f64::from(numerator) / f64::from(denominator)
}

/// A fault that strikes each of so many chances with the same probability.
fn random(fault: &str, chances: u64, fired: u64, rate: f64) -> Option<FaultCount> {
    let expected = chances as f64 * rate;
    (rate > 0.0).then(|| FaultCount {
        fault: fault.into(),
        chances,
        fired,
        expected,
        scheduled: false,
        messages: false,
    })
}

/// A fault at a certain time, or at a certain step.
fn scheduled(fault: String, fired: u64) -> FaultCount {
    FaultCount { fault, chances: 1, fired, expected: 1.0, scheduled: true, messages: false }
}

impl World {
    /// How often each fault that the scenario asks for struck.
    pub fn fault_counts(&self) -> Vec<FaultCount> {
        let (plan, tally, counts) = (&self.plan, &self.tally, &self.recorder.counts);
        let (sent, doubled, faults) = (counts.messages_sent, tally.duplicated, &plan.faults);
        let loss = match plan.line.loss {
            LossPlan::Independent(loss) => share(loss),
            LossPlan::Burst { p, r } if p.is_zero() && r.is_zero() => 0.0,
            LossPlan::Burst { p, r } => share(p) / (share(p) + share(r)),
        };
        let rows = [
            random("message loss", sent, tally.lost, loss),
            random("message duplication", sent, doubled, share(plan.line.duplicate)),
            random("message reordering", sent, tally.reordered, share(plan.line.reorder)),
            random("card pulled out", tally.connections, tally.pulls, share(faults.pull)),
            random("client crash", tally.connections, tally.client_crashes, share(faults.client_crash)),
            random(
                "message lost for good",
                tally.connections,
                tally.messages_lost_for_good,
                share(faults.lose),
            ),
            random("late message", tally.connections, tally.late_copies, share(faults.late)),
            random("card put in again", tally.connections, tally.reinsertions, share(faults.reinsert)),
        ];
        let mut rows: Vec<FaultCount> = rows.into_iter().flatten().collect();
        if let Some(crash) = faults.server_crash {
            // A crash may come at any moment: what can be counted are the times that it takes on average.
            let expected =
                plan.horizon.as_ns() as f64 / (crash.every.as_ns() as f64 + crash.down.as_ns() as f64);
            let row = random("server crash", expected as u64, tally.server_crashes, 1.0);
            rows.extend(row.map(|row| FaultCount { expected, ..row }));
        }
        for (outage, &cut) in faults.outages.iter().zip(&tally.cut_by_outage) {
            rows.push(FaultCount { messages: true, ..scheduled(outage.to_string(), cut) });
        }
        for (down, &fired) in faults.server_downs.iter().zip(&tally.server_downs) {
            let at = down.at.since(SimTime::ZERO);
            rows.push(scheduled(format!("server crash at {at}"), fired));
        }
        for ((client, down), &fired) in faults.client_downs.iter().zip(&tally.client_downs) {
            let at = down.at.since(SimTime::ZERO);
            rows.push(scheduled(format!("crash of client {client} at {at}"), fired));
        }
        for (placed, &fired) in faults.placed.iter().zip(&tally.placed) {
            rows.push(scheduled(placed.to_string(), fired));
        }
        rows
    }
}

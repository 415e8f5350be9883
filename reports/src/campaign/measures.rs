//! The figures of `summary.csv` that a campaign sums up.

use crate::latency::Figure;
use crate::results::Phase;
use crate::summary::summary_table;

/// Columns of `summary.csv` that say what was run, not what came of it.
const FACTS: [&str; 14] = [
    "scenario",
    "scenario_sha256",
    "seed",
    "engine",
    "version",
    "suite",
    "embodiment",
    "recovery",
    "cards",
    "clients",
    "sites",
    "horizon_s",
    "crypto",
    "card_times",
];

/// Counts of independent trials, as nearly as the model has any: the event, and the column that counts its trials.
const SHARES: [(&str, &str); 8] = [
    ("cards_stranded", "cards"),
    ("cards_torn", "cards"),
    ("cards_blocked", "cards"),
    ("cards_reissued", "cards"),
    ("cards_healed", "cards"),
    ("sessions_failed", "sessions_started"),
    ("updates_interrupted", "updates_started"),
    ("messages_lost", "messages_sent"),
];

/// How the figures of several runs become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Aim {
    /// Their mean.
    Mean,
    /// The figure of the distribution that all runs make together: its place in
    /// [`DISTRIBUTIONS`](super::DISTRIBUTIONS), and which figure.
    Pooled(usize, Figure),
}

/// A figure that is measured in every run.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Measure {
    /// Its column in `summary.csv`.
    pub name: String,
    /// How the figures of several runs become one.
    pub aim: Aim,
    /// The column that counts the trials of which this counts the events.
    pub trials: Option<&'static str>,
}

impl Measure {
    /// Decimals of its statistics.
    pub fn decimals(&self) -> usize {
        if self.name.contains("utilization") || self.name.contains("cores") { 6 } else { 3 }
    }
}

/// Every measure, in the order of `summary.csv`.
pub fn measures() -> Vec<Measure> {
    let table = summary_table();
    let names = table.header().filter(|name| !FACTS.contains(name) && *name != "trace_digest");
    names
        .map(|name| Measure {
            name: name.to_owned(),
            aim: pooled(name).map_or(Aim::Mean, |(which, figure)| Aim::Pooled(which, figure)),
            trials: SHARES.iter().find(|(event, _)| *event == name).map(|&(_, trials)| trials),
        })
        .collect()
}

fn pooled(name: &str) -> Option<(usize, Figure)> {
    let (what, figure) = name.split_once("_ms_")?;
    let figure = Figure::SUMMARY.into_iter().find(|known| known.name() == figure)?;
    let phase = Phase::ALL.into_iter().position(|phase| phase.name() == what);
    match (phase, what) {
        (Some(phase), _) => Some((phase, figure)),
        (None, "server_wait") => Some((Phase::ALL.len(), figure)),
        (None, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_pooled_and_counts_are_averaged() {
        let all = measures();
        let aim = |name: &str| all.iter().find(|measure| measure.name == name).map(|measure| measure.aim);
        assert_eq!(aim("auth_ms_p99"), Some(Aim::Pooled(0, Figure::P99)));
        assert_eq!(aim("session_ms_max"), Some(Aim::Pooled(2, Figure::Max)));
        assert_eq!(aim("server_wait_ms_p99"), Some(Aim::Pooled(3, Figure::P99)));
        assert_eq!(aim("server_wait_ms_mean"), Some(Aim::Mean));
        assert_eq!(aim("cards_stranded"), Some(Aim::Mean));
        assert_eq!(aim("cards"), None, "a fact");
    }

    #[test]
    fn every_fact_and_every_share_is_a_column() {
        let table = summary_table();
        let header: Vec<&str> = table.header().collect();
        let named = FACTS.into_iter().chain(SHARES.into_iter().flat_map(|(event, trials)| [event, trials]));
        for name in named {
            assert!(header.contains(&name), "{name}");
        }
    }
}

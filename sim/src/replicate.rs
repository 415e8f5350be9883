//! Several runs of one plan at the same time: one run per core, in whatever order, with results in the order asked for.
//!
//! A run shares nothing with the others, and no draw depends on a thread, so that the number of threads changes the
//! time it all takes and nothing else.

use rayon::prelude::*;

use crate::engine::{Progress, Stopped};
use crate::plan::Plan;
use crate::run::{Finished, simulate_with};

/// Runs `plan` once with each of `seeds`, at most `jobs` at the same time (0 counts as 1).
///
/// `pairs` makes or fetches what a run's cards are issued with, from any thread; it should keep to that thread.
/// `watch` is told which run (its place in `seeds`) has come how far, from any thread; `false` stops that run. `keep`
/// takes from each finished run what is wanted: a run's world is dropped with the rest, so that no more than `jobs`
/// worlds are in memory unless `keep` returns them. The results are in the order of `seeds`.
pub fn replicate<T: Send>(
    plan: &Plan,
    seeds: &[u64],
    jobs: usize,
    pairs: impl Fn(&Plan) -> Result<Vec<u8>, Stopped> + Sync,
    watch: impl Fn(usize, Progress) -> bool + Sync,
    keep: impl Fn(Finished) -> T + Sync,
) -> Vec<Result<T, Stopped>> {
    let one = |(place, &seed): (usize, &u64)| {
        let plan = Plan { seed, ..plan.clone() };
        let pairs = pairs(&plan)?;
        simulate_with(plan, pairs, &mut |progress| watch(place, progress)).map(&keep)
    };
    if jobs <= 1 || seeds.len() <= 1 {
        return seeds.iter().enumerate().map(one).collect();
    }
    match rayon::ThreadPoolBuilder::new().num_threads(jobs.min(seeds.len())).build() {
        Ok(pool) => pool.install(|| seeds.par_iter().enumerate().with_max_len(1).map(one).collect()),
        Err(error) => seeds.iter().map(|_| Err(Stopped::Failed(error.to_string()))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystorm_reports::summary_json;
    use std::sync::atomic::{AtomicU64, Ordering};

    use crate::issue::{Order, fresh};
    use crate::plan::EngineKind;

    const SCENARIO: &str = "horizon = \"25s\"\n[fleet]\ncards = 60\nclients = 20\nsites = 2\n[update]\nperiods = [\"30d\"]\n\
        [line]\nloss = \"5%\"\n[faults]\npull = \"5%\"\n";

    fn plan(engine: EngineKind) -> Plan {
        let dir = tempfile::TempDir::new().unwrap();
        let path = dir.path().join("small.toml");
        std::fs::write(&path, SCENARIO).unwrap();
        Plan { engine, ..crate::scenario::load(&path, &[]).unwrap() }
    }

    fn issued(plan: &Plan) -> Result<Vec<u8>, Stopped> {
        Ok(fresh(&Order::of(plan)))
    }

    /// All that a run found, in the order of the seeds.
    fn found(plan: &Plan, seeds: &[u64], jobs: usize) -> Vec<(u128, Vec<u128>, String)> {
        let keep = |finished: Finished| {
            let summary = summary_json(&finished.results).to_string();
            (finished.results.trace_digest, finished.interval_digests, summary)
        };
        let runs = replicate(plan, seeds, jobs, issued, |_, _| true, keep);
        runs.into_iter().map(|run| run.expect("nobody stops these runs")).collect()
    }

    #[test]
    fn the_number_of_threads_changes_no_result() {
        for engine in EngineKind::ALL {
            let (plan, seeds) = (plan(engine), [4, 1, 3, 2]);
            let one = found(&plan, &seeds, 1);
            for jobs in [0, 2, 8] {
                assert_eq!(found(&plan, &seeds, jobs), one, "{jobs} jobs");
            }
            for (place, &seed) in seeds.iter().enumerate() {
                assert_eq!(found(&plan, &[seed], 1)[0], one[place], "a lone run");
            }
            assert_ne!(one[0].0, one[1].0);
        }
    }

    #[test]
    fn a_run_that_is_told_to_stop_leaves_the_others_alone() {
        let plan = plan(EngineKind::Turmoil);
        let reports = AtomicU64::new(0);
        let watch = |place, _| {
            reports.fetch_add(1, Ordering::Relaxed);
            place != 1
        };
        let runs = replicate(&plan, &[5, 6, 7], 2, issued, watch, |finished| finished.results.run.seed);
        assert!(matches!(runs[..], [Ok(5), Err(Stopped::Cancelled), Ok(7)]));
        assert!(reports.into_inner() > 0);
    }

    #[test]
    fn no_seeds_give_no_runs() {
        assert!(found(&plan(EngineKind::Events), &[], 2).is_empty());
    }
}

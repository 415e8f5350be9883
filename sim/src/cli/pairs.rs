//! The pairs of a fleet, which may take longer than its run: told beforehand, shown while it lasts, kept afterwards.

use std::path::Path;

use indicatif::HumanCount;
use keystorm_model::suite::SuiteId;

use crate::engine::Stopped;
use crate::issue::{Order, Stock, Stocks};
use crate::plan::Plan;

use super::environment::{Stopwatch, cache_dir, cpus};
use super::progress::CountBar;
use super::{Failure, tell};

/// What `plan`'s cards are issued with: what is kept of it, and the rest made now.
pub(super) fn of(plan: &Plan, quiet: bool) -> Result<Vec<u8>, Failure> {
    let order = Order::of(plan);
    let cache = cache_dir();
    let stock = Stock::open(order, cache.as_deref());
    let (missing, threads) = (stock.missing(), cpus());
    if missing > 0 && !quiet {
        announce(order.suite, missing, 1, threads, &kept(cache.as_deref()));
    }
    let bar = CountBar::new(missing, "key pairs", quiet);
    let issued = stock.complete(threads, &|| bar.done(1)).map_err(|stopped| match stopped {
        Stopped::Cancelled => Failure::Interrupted(
            "Interrupted while key pairs were being generated: nothing was written but finished pairs, for the next run."
                .into(),
        ),
        Stopped::Failed(_) => stopped.into(),
    })?;
    drop(bar);
    if let Some(reason) = issued.not_kept.filter(|_| !quiet) {
        tell(&format!(
            "Note: the key pairs are not kept, and the next run will generate them again: {reason}"
        ));
    }
    Ok(issued.pairs)
}

/// Makes what the runs of a campaign need and nobody has kept, on as many threads as runs go on at the same time.
pub(super) fn prepare(stocks: &Stocks, orders: &[Order], jobs: usize, quiet: bool) -> Result<(), Stopped> {
    let threads = jobs.min(cpus());
    for missing in stocks.missing(orders) {
        if !quiet {
            let kept = match stocks.cache() {
                None => {
                    "they are in memory until the campaign ends, since there is no cache directory".into()
                }
                cache => kept(cache),
            };
            announce(missing.suite, missing.pairs, missing.orders.len(), threads, &kept);
        }
        let bar = CountBar::new(missing.pairs, "key pairs", quiet);
        let not_kept = stocks.complete(&missing, threads, &|| bar.done(1))?;
        drop(bar);
        if let Some(reason) = not_kept.filter(|_| !quiet) {
            tell(&format!(
                "Note: the key pairs are in memory until the campaign ends, and the next one will generate them again: {reason}"
            ));
        }
    }
    Ok(())
}

/// Says that so many pairs will be generated now; `stocks` is for how many seeds, or for fleets that differ in more.
fn announce(suite: SuiteId, pairs: u64, stocks: usize, threads: usize, kept: &str) {
    let seconds = seconds_per_pair(suite, pairs) * pairs as f64 / threads as f64;
    tell(&announcement(suite, pairs, stocks, seconds, threads, kept));
}

/// What becomes of pairs.
fn kept(cache: Option<&Path>) -> String {
    match cache {
        Some(cache) => format!("they are kept in {} for the next run", cache.display()),
        None => "they are not kept, since there is no cache directory".to_owned(),
    }
}

/// About how long one pair takes on one thread, from a few that are thrown away. They cost a twentieth of the whole at
/// most, and hardly more than a quarter of a second.
fn seconds_per_pair(suite: SuiteId, missing: u64) -> f64 {
    let most = (missing / 20).clamp(1, 64);
    let (watch, mut pair, mut tried) = (Stopwatch::start(), Vec::new(), 0);
    while tried < most && watch.seconds() < 0.25 {
        pair.clear();
        suite.issue(&vec![tried as u8; suite.sizes().issue_random], &mut pair);
        tried += 1;
    }
    watch.seconds() / tried as f64
}

fn announcement(
    suite: SuiteId,
    pairs: u64,
    stocks: usize,
    seconds: f64,
    threads: usize,
    kept: &str,
) -> String {
    let time = match seconds {
        ..1.0 => "less than a second".to_owned(),
        ..100.0 => format!("about {seconds:.0} s"),
        ..6_000.0 => format!("about {:.0} min", seconds / 60.0),
        _ => format!("about {:.0} h", seconds / 3_600.0),
    };
    let cpus = if threads == 1 { "1 CPU".to_owned() } else { format!("{threads} CPUs") };
    let fleets =
        if stocks == 1 { String::new() } else { format!(" of {} fleets", HumanCount(stocks as u64)) };
    format!(
        "Generating {} {} key pairs{fleets} ({time} on {cpus}); {kept}.",
        HumanCount(pairs),
        suite.name().to_uppercase()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_announcement_says_how_many_how_long_and_where() {
        let said = |stocks, seconds, threads, cache: Option<&str>| {
            announcement(SuiteId::Rsa1024, 1_400, stocks, seconds, threads, &kept(cache.map(Path::new)))
        };
        assert_eq!(
            said(1, 8.7, 2, Some("/home/a/.cache/keystorm")),
            "Generating 1,400 RSA-1024 key pairs (about 9 s on 2 CPUs); they are kept in /home/a/.cache/keystorm for the \
             next run."
        );
        assert_eq!(
            said(20, 0.2, 1, None),
            "Generating 1,400 RSA-1024 key pairs of 20 fleets (less than a second on 1 CPU); they are not kept, since there \
             is no cache directory."
        );
        assert!(said(1, 610.0, 1, None).contains("about 10 min"));
        assert!(said(1, 10_800.0, 1, None).contains("about 3 h"));
    }
}

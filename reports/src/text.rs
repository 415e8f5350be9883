//! What a person reads on the terminal when a run has ended. Plain text, at most about 90 columns.

use std::path::Path;

use crate::faults::thousandths;
use crate::latency::Figure;
use crate::number::{bytes, counted, decimal, duration, grouped, percent, whole_time};
use crate::results::{CardTimes, Failure, FaultCount, Phase, Results};
use crate::table::divide;

/// Width of the words at the left.
const LABEL: usize = 16;
/// Failures that are listed before the rest is summed up.
const FAILURES_SHOWN: usize = 12;

/// The final table of a run; `out_dir` is where its files are, if any were written.
pub fn final_table(results: &Results, out_dir: Option<&Path>) -> String {
    let mut page = Page::default();
    headline(&mut page, results);
    people(&mut page, results);
    latency(&mut page, results);
    machines(&mut page, results);
    faults(&mut page, &results.faults);
    failures(&mut page, &results.failures, results.counts.sessions_failed);
    page.gap();
    page.line("Trace digest", format!("{:032x}", results.trace_digest));
    if let Some(dir) = out_dir {
        page.line("Files", dir.display());
        page.line("", "summary.csv first; docs/reports.md says what each column means");
    }
    page.0
}

/// Lines with a label at the left.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, label: &str, words: impl std::fmt::Display) {
        let line = format!("{label:LABEL$}{words}");
        self.0.push_str(line.trim_end());
        self.gap();
    }

    fn gap(&mut self) {
        self.0.push('\n');
    }

    /// Aligned rows; with `right`, all columns but the first are flush right.
    fn rows(&mut self, label: &str, rows: &[Vec<String>], right: bool) {
        let columns = rows.first().map_or(0, Vec::len);
        let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in rows.iter().enumerate() {
            let mut words = String::new();
            for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
                let cell =
                    if right && at > 0 { format!("{cell:>width$}  ") } else { format!("{cell:width$}  ") };
                words.push_str(&cell);
            }
            self.line(if number == 0 { label } else { "" }, words);
        }
    }
}

fn headline(page: &mut Page, results: &Results) {
    let run = &results.run;
    page.line("Scenario", &run.scenario);
    page.line(
        "Run",
        format_args!("seed {}, engine {}, {} simulated", run.seed, run.engine, whole_time(run.horizon_ns)),
    );
    page.line(
        "Fleet",
        format_args!(
            "{} at {} on {}, suite {}{}{}",
            counted(run.cards, "card"),
            counted(run.clients, "client"),
            counted(run.sites, "site"),
            run.suite,
            modelled(run.crypto),
            match run.card_times {
                CardTimes::Published => "",
                CardTimes::Hypothetical => " (hypothetical card times)",
            }
        ),
    );
    page.line("Renewal", format_args!("embodiment {}, recovery {}", run.embodiment, run.recovery));
    match results.warmup_ns {
        Some(0) => {}
        Some(warmup) => {
            let left_out = whole_time(warmup);
            page.line("Warm-up", format_args!("{left_out} left out of latencies and the server's load"));
        }
        None => page.line("Warm-up", "MSER-5 found no steady state: nothing is left out"),
    }
    page.gap();
}

/// What is said behind the suite: stand-ins must not be taken for the true operations.
pub(crate) fn modelled(crypto: &str) -> &'static str {
    if crypto == "modelled" { " (modelled)" } else { "" }
}

/// `1,985 unharmed, 15 healed`; of the parts that are 0 only those marked as always of interest.
fn parts(all: &[(u64, &str, bool)]) -> String {
    let shown = all.iter().filter(|(n, _, always)| *always || *n > 0);
    shown.map(|(n, what, _)| format!("{} {what}", grouped(*n))).collect::<Vec<_>>().join(", ")
}

fn people(page: &mut Page, results: &Results) {
    let c = &results.counts;
    let outcomes = parts(&[
        (c.cards_unharmed, "unharmed", true),
        (c.cards_healed, "healed", true),
        (c.cards_reissued, "reissued", false),
        (c.cards_blocked, "blocked", false),
        (c.cards_torn, "torn", false),
        (c.cards_stranded, "stranded", true),
    ]);
    page.line("Cards", format_args!("{}: {outcomes}", counted(results.run.cards, "card")));
    let sessions = parts(&[
        (c.sessions_completed, "completed", true),
        (c.sessions_failed, "failed", true),
        (c.sessions_in_flight, "unfinished at the end", false),
    ]);
    page.line("Sessions", format_args!("{} started: {sessions}", grouped(c.sessions_started)));
    page.line(
        "Authentication",
        format_args!("{} succeeded, {} refused", grouped(c.auth_ok), grouped(c.auth_failed)),
    );
    let updates = parts(&[
        (c.updates_committed, "committed", true),
        (c.updates_interrupted, "interrupted", true),
        (c.updates_in_flight, "unfinished at the end", false),
    ]);
    page.line("Key updates", format_args!("{} started: {updates}", grouped(c.updates_started)));
    if c.updates_interrupted > 0 {
        page.line("", format_args!("{} recovered after an interruption", grouped(c.updates_recovered)));
    }
    if c.updates_deferred > 0 {
        let sessions = counted(c.updates_deferred, "session");
        page.line("", format_args!("{sessions} told to renew later, since the server admits only so many"));
    }
    if results.renewals.len() > 1 {
        let depths = results.renewals.iter().enumerate();
        let committed = depths.map(|(depth, of)| format!("{} at depth {depth}", grouped(of.committed)));
        page.line("", format_args!("committed: {}", committed.collect::<Vec<_>>().join(", ")));
    }
    if c.reissues > 0 {
        let cost = match results.reissue_cost {
            0 => String::new(),
            cost => format!(", at a cost of {}", grouped(c.reissues * cost)),
        };
        page.line("Issuer", format_args!("{} issued anew{cost}", counted(c.reissues, "card")));
    }
    page.gap();
}

fn latency(page: &mut Page, results: &Results) {
    let header = ["", "count", "p50", "p90", "p95", "p99", "p99.9", "max"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for (phase, latency) in Phase::ALL.into_iter().zip(&results.phases) {
        let mut row = vec![phase.name().to_owned(), grouped(latency.intended_us.len())];
        row.extend(
            Figure::SUMMARY.map(|figure| figure.of(&latency.intended_us).map_or("-".to_owned(), duration)),
        );
        rows.push(row);
    }
    page.rows("Latency", &rows, true);
    page.line("", "from the holder's arrival, queueing included; an update from its own start");
    page.gap();
}

fn machines(page: &mut Page, results: &Results) {
    let (c, server) = (&results.counts, &results.server);
    let capacity = u128::from(server.cores) * u128::from(results.measured_ns());
    let waited = match Figure::P99.of(&server.wait_us) {
        _ if server.queue_max == 0 => "nobody waited".to_owned(),
        wait => {
            let wait = wait.map_or("-".to_owned(), duration);
            format!("longest queue {}, 99 % waited at most {wait}", grouped(server.queue_max))
        }
    };
    page.line(
        "Server",
        format_args!("{} busy {}, {waited}", counted(server.cores, "CPU"), percent(server.busy_ns, capacity)),
    );
    let messages = parts(&[
        (c.messages_delivered, "delivered", true),
        (c.messages_lost, "lost", true),
        (c.messages_duplicated, "duplicated", false),
        (c.messages_in_flight, "on the way at the end", false),
    ]);
    page.line("Line", format_args!("{} sent: {messages}", counted(c.messages_sent, "message")));
    page.line("", format_args!("{}, {}", counted(c.retransmissions, "retransmission"), bytes(c.line_bytes)));
    page.line(
        "Card work",
        format_args!("{}, {}", counted(c.apdus, "command"), counted(c.nvm_writes, "memory write")),
    );
    if c.rejects > 0 {
        page.line("Rejects", format_args!("{} malformed, unknown or out of order", grouped(c.rejects)));
    }
    page.gap();
}

fn faults(page: &mut Page, faults: &[FaultCount]) {
    if faults.is_empty() {
        page.line("Faults", "none asked for");
    }
    let row = |fault: &FaultCount| {
        let struck = match (fault.scheduled, fault.messages) {
            (true, true) => format!("hit {}", counted(fault.fired, "message")),
            (true, false) => if fault.fired > 0 { "struck" } else { "" }.to_owned(),
            (false, _) => format!("{} of {}", grouped(fault.fired), counted(fault.chances, "chance")),
        };
        let note = match (fault.never_fired(), fault.scheduled) {
            (true, _) => "NEVER STRUCK".to_owned(),
            (false, true) => "as scheduled".to_owned(),
            (false, false) => {
                format!("{} expected", decimal(divide(thousandths(fault.expected).into(), 100), 1))
            }
        };
        vec![fault.fault.clone(), struck, note]
    };
    page.rows("Faults", &faults.iter().map(row).collect::<Vec<_>>(), false);
}

fn failures(page: &mut Page, failures: &[Failure], sessions_failed: u64) {
    if failures.is_empty() {
        page.line("Failures", if sessions_failed == 0 { "none" } else { "not recorded" });
        return;
    }
    let mut most_first: Vec<&Failure> = failures.iter().collect();
    most_first.sort_by_key(|failure| std::cmp::Reverse(failure.count));
    let row = |failure: &&Failure| {
        let count = grouped(failure.count);
        vec![count, failure.phase.to_owned(), failure.step.to_owned(), failure.cause.to_owned()]
    };
    let shown = &most_first[..most_first.len().min(FAILURES_SHOWN)];
    page.rows("Failures", &shown.iter().map(row).collect::<Vec<_>>(), false);
    let rest = &most_first[shown.len()..];
    if !rest.is_empty() {
        let sum: u64 = rest.iter().map(|failure| failure.count).sum();
        page.line("", format_args!("and {} in {} more ways: failures.csv", grouped(sum), rest.len()));
    }
}

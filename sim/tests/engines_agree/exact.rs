//! Without contention and at a tick of 1 ms: the same outcome, the same keys on both sides, the same counts for every
//! card; and the same messages at the same nanoseconds, where the line is slow enough for turmoil to keep up.

use std::sync::Mutex;

use keystorm::plan::{EngineKind, Plan};
use keystorm::run::Finished;
use keystorm_model::CardId;
use keystorm_reports::results::{CardRow, Counts};
use rayon::prelude::*;

use crate::cases::{Case, Coverage, Scenario, Summary, runs};

/// Cards meet at a client now and then, which is harmless: nothing depends on how long a holder waits. No datagram
/// waits for a core, and no timer equals a sum of delays.
const QUIET: &str = r#"
horizon = "24s"
[fleet]
cards = 24
clients = 40
sites = 2
[card]
reset = "37ms"
aes-128 = { prove = "11ms", check = "11ms" }
[line.retry]
first = "733137us"
tries = 3
[load]
window = "6s"
exchanges = 2
request_bytes = 16
response_bytes = 24
retry_visit = { after = "1711ms", visits = 2 }
[update]
periods = ["30d", "365d"]
[server]
cores = 64
[turmoil]
tick = "1ms"
"#;

/// A line, and whether its shortest delay exceeds two ticks and 2 ms, so that nothing can be late.
const LINES: [(&[&str], bool); 5] = [
    (&["line.delay.fixed=5ms"], true),
    (&["line.delay.fixed=1ms"], false),
    (&["line.delay.min=5ms", "line.delay.max=40ms"], true),
    (&["line.delay.min=1ms", "line.delay.max=12ms"], false),
    (&["line.delay.min=6ms", "line.delay.mean=9ms", "line.delay.max=90ms"], true),
];

/// On how many lines each combination is compared: two neighbours of [`LINES`], of which one at least is punctual, with
/// KEYSTORM_FULL=1 or where only a punctual one will do; else one.
fn lines_each(case: &Case) -> usize {
    if case.fault.by_clock || std::env::var_os("KEYSTORM_FULL").is_some() { 2 } else { 1 }
}

#[test]
fn engines_agree_card_by_card_without_contention() {
    let scenario = Scenario::new(QUIET);
    let cases = Case::all();
    let on_lines = cases.iter().enumerate().flat_map(|(number, case)| {
        let lines = (number..).map(|line| LINES[line % LINES.len()]).take(lines_each(case));
        lines.map(move |line| (case, line, [1 + number as u64]))
    });
    let compared: Vec<_> =
        on_lines.filter(|(case, (_, punctual), _)| *punctual || !case.fault.by_clock).collect();
    let found = Mutex::new(Found::default());
    compared.par_iter().for_each(|(case, (line, punctual), seeds)| {
        let mut set = case.set();
        set.extend(line.iter().map(|&text| text.to_owned()));
        let Some(plan) = scenario.plan(&set) else {
            found.lock().unwrap().coverage.refused += 1;
            return;
        };
        let events = runs(&plan, EngineKind::Events, seeds);
        let turmoil = runs(&plan, EngineKind::Turmoil, seeds);
        for ((events, turmoil), seed) in events.iter().zip(&turmoil).zip(seeds) {
            let context = format!("{}, {line:?}, seed {seed}", case.name());
            compare(&events.finished, &turmoil.finished, *punctual, &context);
        }
        found.lock().unwrap().add(case, &plan, &events, &turmoil);
    });
    let Found { coverage, equal_digests, late, harmed } = found.into_inner().unwrap();
    coverage.assert_complete();
    coverage.assert_hardly_any_is_refused();
    println!(
        "engines_agree: {} scenarios, {} cards compared ({harmed} of them interrupted, stranded or blocked), {} \
         combinations refused; {equal_digests} scenarios with equal digests, {late} deliveries late",
        coverage.scenarios, coverage.cards, coverage.refused
    );
}

/// What all comparisons together have found.
#[derive(Default)]
struct Found {
    coverage: Coverage,
    equal_digests: u64,
    late: u64,
    harmed: u64,
}

impl Found {
    /// Adds runs of one case that agree.
    fn add(&mut self, case: &Case, plan: &Plan, events: &[Summary], turmoil: &[Summary]) {
        self.coverage.add(case, plan);
        for (events, turmoil) in events.iter().zip(turmoil) {
            let (events, turmoil) = (&events.finished.results, &turmoil.finished.results);
            self.equal_digests += u64::from(events.trace_digest == turmoil.trace_digest);
            self.late += turmoil.counts.late_deliveries;
            self.harmed += u64::from(plan.fleet.cards) - events.counts.cards_unharmed;
            self.coverage.scenarios += 1;
            self.coverage.cards += u64::from(plan.fleet.cards);
        }
        self.coverage.struck(events);
    }
}

fn compare(events: &Finished, turmoil: &Finished, punctual: bool, context: &str) {
    assert_eq!(events.violations.len() + turmoil.violations.len(), 0, "{context}");
    let rows = [events, turmoil].map(|run| rows(run, punctual));
    for (left, right) in rows[0].iter().zip(&rows[1]) {
        assert_eq!(left, right, "events and turmoil: {context}");
    }
    assert_eq!(rows[0].len(), rows[1].len());
    for card in (0..events.world.plan().fleet.cards).map(CardId) {
        let [left, right] = [&events.world, &turmoil.world];
        assert_eq!(left.keys_on_card(card), right.keys_on_card(card), "card {card}: {context}");
        assert_eq!(left.keys_at_server(card), right.keys_at_server(card), "card {card}: {context}");
    }
    let counts = turmoil.results.counts;
    assert_eq!(events.results.counts, Counts { late_deliveries: 0, ..counts }, "{context}");
    assert_eq!(events.results.failures, turmoil.results.failures, "{context}");
    if punctual {
        assert_eq!(counts.late_deliveries, 0, "{context}");
        let digests = [events, turmoil].map(|run| run.results.trace_digest);
        assert_eq!(digests[0], digests[1], "the digests differ: {context}");
    }
}

/// The rows of `cards.csv`; without the times, where they may differ by ticks.
fn rows(run: &Finished, punctual: bool) -> Vec<CardRow> {
    let timeless =
        |row: CardRow| CardRow { last_success_ns: row.last_success_ns.filter(|_| punctual), ..row };
    run.world.card_rows(|_| true).map(timeless).collect()
}

#[test]
fn engines_agree_at_any_tick_that_the_line_outlasts() {
    let scenario = Scenario::new(QUIET);
    let set: Vec<String> = [
        "line.delay.min=23ms",
        "line.delay.max=200ms",
        "line.loss=5%",
        "faults.pull=10%",
        "turmoil.tick=10ms",
    ]
    .map(str::to_owned)
    .into();
    let plan: Plan = scenario.plan(&set).expect("the scenario is valid");
    let seeds = [3, 4];
    let events = runs(&plan, EngineKind::Events, &seeds);
    let turmoil = runs(&plan, EngineKind::Turmoil, &seeds);
    for (events, turmoil) in events.iter().zip(&turmoil) {
        compare(&events.finished, &turmoil.finished, true, "tick of 10 ms");
    }
}

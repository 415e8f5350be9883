//! Without contention and at a tick of 1 ms: the same outcome, the same keys on both sides, the same counts for every
//! card; and the same messages at the same nanoseconds, where the line is slow enough for turmoil to keep up.

use keystorm::plan::{EngineKind, Plan};
use keystorm::run::Finished;
use keystorm_model::CardId;
use keystorm_reports::results::{CardRow, Counts};

use crate::cases::{Case, Coverage, Scenario, runs};

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

/// About so many runs of each engine; every combination has its share of lines and seeds, at least [`FEWEST`].
const RUNS: usize = 260;
const FEWEST: usize = 2;

/// Every line once before any a second time, beginning at another one for each case.
fn lines_and_seeds(number: usize, each: usize) -> impl Iterator<Item = (usize, Vec<u64>)> {
    let seeds = move |turn: usize| {
        let rounds = each / LINES.len() + usize::from(turn < each % LINES.len());
        (0..rounds as u64).map(|round| 1 + number as u64 + 1_000 * round).collect()
    };
    (0..LINES.len()).map(move |turn| ((number + turn) % LINES.len(), seeds(turn)))
}

#[test]
fn engines_agree_card_by_card_without_contention() {
    let scenario = Scenario::new(QUIET);
    let cases = Case::all();
    let each = (RUNS / cases.iter().filter(|case| !case.is_slow()).count()).max(FEWEST);
    let mut coverage = Coverage::default();
    let (mut equal_digests, mut late, mut harmed) = (0, 0, 0);
    for (number, case) in cases.iter().enumerate() {
        let each = if case.is_slow() { FEWEST } else { each };
        for (line, seeds) in lines_and_seeds(number, each) {
            let (line, punctual) = LINES[line];
            if seeds.is_empty() || case.fault.by_clock && !punctual {
                continue;
            }
            let mut set = case.set();
            set.extend(line.iter().map(|&text| text.to_owned()));
            let Some(plan) = scenario.plan(&set) else {
                coverage.refused += 1;
                continue;
            };
            coverage.add(case, &plan);
            let events = runs(&plan, EngineKind::Events, &seeds);
            let turmoil = runs(&plan, EngineKind::Turmoil, &seeds);
            for ((events, turmoil), seed) in events.iter().zip(&turmoil).zip(&seeds) {
                let context = format!("{}, {line:?}, seed {seed}", case.name());
                let (events, turmoil) = (&events.finished, &turmoil.finished);
                compare(events, turmoil, punctual, &context);
                let digests = [events, turmoil].map(|run| run.results.trace_digest);
                equal_digests += u64::from(digests[0] == digests[1]);
                late += turmoil.results.counts.late_deliveries;
                harmed += u64::from(plan.fleet.cards) - events.results.counts.cards_unharmed;
                coverage.scenarios += 1;
                coverage.cards += u64::from(plan.fleet.cards);
            }
            coverage.struck(&events);
        }
    }
    coverage.assert_complete();
    println!(
        "engines_agree: {} scenarios, {} cards compared ({harmed} of them interrupted, stranded or blocked), {} \
         combinations refused; {equal_digests} scenarios with equal digests, {late} deliveries late",
        coverage.scenarios, coverage.cards, coverage.refused
    );
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

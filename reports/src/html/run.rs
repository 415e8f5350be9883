//! The page of a run.

use askama::Template;

use super::parts::{Figure, Shares, Table, Tile};
use super::run_plots;
use super::stored::{Rows, StoredRun};
use crate::number::{bytes, counted, duration, grouped, percent, whole_time};
use crate::results::CardTimes;
use crate::summary::summary_table;
use crate::text::modelled;

/// What may become of a card: words, column of `summary.csv`, colour.
const OUTCOMES: [(&str, &str, u8); 6] = [
    ("unharmed", "cards_unharmed", 3),
    ("healed", "cards_healed", 1),
    ("reissued", "cards_reissued", 4),
    ("blocked", "cards_blocked", 6),
    ("torn", "cards_torn", 5),
    ("stranded", "cards_stranded", 2),
];

#[derive(Template)]
#[template(path = "run.html")]
struct Page<'r> {
    title: String,
    facts: String,
    version: &'r str,
    tiles: Vec<Tile>,
    shares: Shares,
    cards: Table,
    renewals_plot: Option<Figure>,
    renewals: Table,
    load: Vec<Figure>,
    percentiles: Option<Figure>,
    latency_over_time: Option<Figure>,
    phases: Table,
    failures: Option<Table>,
    faults: Option<Table>,
    scenario_file: String,
    seed: &'r str,
    engine: &'r str,
    digest: &'r str,
    scenario_sha256: &'r str,
    scenario_text: &'r str,
    timeline: Table,
    summary: Table,
}

/// The page of a run, HTML. Equal files give equal bytes.
pub fn run_page(run: &StoredRun) -> String {
    let cell = |column: &str| run.summary.first(column);
    let cards = cards(run);
    let page = Page {
        title: cell("scenario").to_owned(),
        facts: facts(run),
        version: cell("version"),
        tiles: tiles(run),
        shares: shares(run),
        cards: Table::of("What became of the cards", &cards, &[]),
        renewals_plot: Figure::of(&run_plots::renewals(run), ""),
        renewals: Table::of("Renewals by depth", &run.renewals, &[]),
        load: load(run),
        percentiles: Figure::of(
            &run_plots::percentiles(run),
            "Intended: from the holder's arrival, queueing included. Service: from the card's insertion.",
        ),
        latency_over_time: Figure::of(&run_plots::latency_over_time(run), ""),
        phases: Table::of("Latency, ms", &run.phases, &[]),
        failures: failures(run),
        faults: (!run.faults.rows.is_empty())
            .then(|| Table::of("Faults that the scenario asks for", &run.faults, &[])),
        scenario_file: file_name(cell("scenario")),
        seed: cell("seed"),
        engine: cell("engine"),
        digest: cell("trace_digest"),
        scenario_sha256: cell("scenario_sha256"),
        scenario_text: &run.scenario_text,
        timeline: Table::of("Timeline", &run.timeline, &[]),
        summary: Table::of("Summary", &summary(run), &[]),
    };
    page.render().expect("a string takes everything")
}

fn facts(run: &StoredRun) -> String {
    let cell = |column: &str| run.summary.first(column);
    let horizon_ns = cell("horizon_s").parse::<f64>().map_or(0, |seconds| (seconds * 1e9).round() as u64);
    let hypothetical = cell("card_times") == CardTimes::Hypothetical.name();
    format!(
        "{} at {} on {}, suite {}{}{}; renewal by embodiment {}, recovery {}; {} simulated, engine {}, seed {}.",
        counted(run.count("cards"), "card"),
        counted(run.count("clients"), "client"),
        counted(run.count("sites"), "site"),
        cell("suite"),
        modelled(cell("crypto")),
        if hypothetical { " with hypothetical card times" } else { "" },
        cell("embodiment"),
        cell("recovery"),
        whole_time(horizon_ns),
        cell("engine"),
        cell("seed"),
    )
}

fn tiles(run: &StoredRun) -> Vec<Tile> {
    let n = |column: &str| run.count(column);
    let g = |column: &str| grouped(n(column));
    let ms = |column: &str| {
        let ms: Option<f64> = run.summary.first(column).parse().ok();
        ms.map_or("-".to_owned(), |ms| duration((ms * 1_000.0).round() as u64))
    };
    let busy = run.summary.first("server_cpu_utilization").parse::<f64>().unwrap_or(0.0);
    let in_step = n("cards_unharmed") + n("cards_healed");
    let lost = n("cards").saturating_sub(in_step + n("cards_reissued"));
    vec![
        Tile {
            name: "Cards in step with the server",
            figure: grouped(in_step),
            more: format!("of {}; {} of them healed", g("cards"), g("cards_healed")),
        },
        Tile {
            name: "Cards lost",
            figure: grouped(lost),
            more: format!(
                "{} stranded, {} blocked, {} torn; {} reissued",
                g("cards_stranded"),
                g("cards_blocked"),
                g("cards_torn"),
                g("cards_reissued")
            ),
        },
        Tile {
            name: "Renewals committed",
            figure: g("updates_committed"),
            more: format!("{} interrupted, {} recovered", g("updates_interrupted"), g("updates_recovered")),
        },
        Tile {
            name: "Sessions completed",
            figure: g("sessions_completed"),
            more: format!("of {}; {} failed", g("sessions_started"), g("sessions_failed")),
        },
        Tile {
            name: "Authentication, 99\u{a0}% within",
            figure: ms("auth_ms_p99"),
            more: format!("half within {}, from arrival", ms("auth_ms_p50")),
        },
        Tile {
            name: "Session, 99\u{a0}% within",
            figure: ms("session_ms_p99"),
            more: format!("half within {}, from arrival", ms("session_ms_p50")),
        },
        Tile {
            name: "Server busy",
            figure: percent((busy * 1e6).round() as u64, 1_000_000),
            more: format!("longest queue {}", counted(n("server_queue_max"), "datagram")),
        },
        Tile {
            name: "Messages",
            figure: g("messages_sent"),
            more: format!(
                "{} lost, {} sent again, {}",
                g("messages_lost"),
                g("retransmissions"),
                bytes(n("line_bytes"))
            ),
        },
    ]
}

fn shares(run: &StoredRun) -> Shares {
    let parts = OUTCOMES.map(|(name, column, ink)| (name, run.count(column), ink));
    Shares::of(run.count("cards"), &parts)
}

fn cards(run: &StoredRun) -> Rows {
    let cards = run.count("cards");
    let row = |(name, column, _): (&str, &str, u8)| {
        let count = run.count(column);
        let share = if cards == 0 { 0.0 } else { count as f64 / cards as f64 };
        vec![name.to_owned(), count.to_string(), format!("{share:.6}")]
    };
    let header = ["outcome", "cards", "share"].map(str::to_owned).to_vec();
    Rows { header, rows: OUTCOMES.map(row).to_vec() }
}

fn load(run: &StoredRun) -> Vec<Figure> {
    let plots = [
        (run_plots::load(run), ""),
        (run_plots::queue(run), "Cards that wait for a reader count as in flight."),
        (run_plots::utilisation(run), ""),
        (run_plots::line(run), ""),
    ];
    plots.iter().filter_map(|(plot, note)| Figure::of(plot, note)).collect()
}

/// Most frequent first.
fn failures(run: &StoredRun) -> Option<Table> {
    if run.failures.rows.is_empty() {
        return None;
    }
    let counts: Vec<u64> =
        run.failures.column("count").map(|count| count.parse().unwrap_or_default()).collect();
    let mut order: Vec<usize> = (0..counts.len()).collect();
    order.sort_by_key(|&row| std::cmp::Reverse(counts[row]));
    let rows = Rows {
        header: run.failures.header.clone(),
        rows: order.into_iter().map(|row| run.failures.rows[row].clone()).collect(),
    };
    Some(Table::of("Failed sessions by step and cause", &rows, &[]).barred(&rows, "count"))
}

/// Every column of the summary with its meaning, one below the other.
fn summary(run: &StoredRun) -> Rows {
    let table = summary_table();
    let meaning = |column: &str| {
        let known = table.meanings().find(|(name, _)| *name == column);
        known.map_or(String::new(), |(_, meaning)| meaning.replace('`', ""))
    };
    let row = |column: &String| vec![column.clone(), run.summary.first(column).to_owned(), meaning(column)];
    let header = ["figure", "value", "meaning"].map(str::to_owned).to_vec();
    Rows { header, rows: run.summary.header.iter().map(row).collect() }
}

/// A file name for a scenario of this name, which needs no quotes in a shell.
pub(super) fn file_name(scenario: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let name: String = scenario.chars().map(plain).collect();
    format!("{}.toml", name.trim_start_matches(['-', '.']))
}

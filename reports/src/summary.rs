//! `summary.csv`: the one row that says how a run went. The order of its columns is fixed; new ones go to the end.

use std::path::Path;

use crate::latency::Figure;
use crate::manifest::ReadError;
use crate::results::{Phase, Results, ServerPart};
use crate::table::{Cell, Column, Table};

/// The column that tells runs apart.
const DIGEST: &str = "trace_digest";

/// The table of `summary.csv`, whose only row is the run.
pub fn summary_table() -> Table<Results> {
    let mut columns = run_columns();
    columns.extend(session_columns());
    columns.extend(line_columns());
    columns.extend(server_columns());
    for phase in Phase::ALL {
        columns.extend(Figure::SUMMARY.map(|figure| latency_column(phase, figure)));
    }
    columns.push(Column::new(
        DIGEST,
        "128-bit hash over every delivered message and card command, 32 hex digits. \
         Equal for equal scenario, seed, engine and version.",
        |run: &Results| Cell::text(format!("{:032x}", run.trace_digest)),
    ));
    columns.extend(appended_columns());
    columns.extend(ServerPart::ALL.map(part_column));
    Table::new("summary.csv", "One row: the run. `run --format json` prints the same names.", columns)
}

/// The `trace_digest` in the `summary.csv` of the run in `dir`.
pub fn read_digest(dir: &Path) -> Result<u128, ReadError> {
    let path = dir.join("summary.csv");
    let read = || -> Result<u128, String> {
        let mut rows = csv::Reader::from_path(&path).map_err(|error| error.to_string())?;
        let names = rows.headers().map_err(|error| error.to_string())?;
        let place = names.iter().position(|name| name == DIGEST).ok_or("it has no column trace_digest")?;
        let row = rows.records().next().ok_or("it has no row")?.map_err(|error| error.to_string())?;
        u128::from_str_radix(&row[place], 16).map_err(|error| format!("trace_digest: {error}"))
    };
    read().map_err(|what| ReadError::Damaged { path: path.clone(), what })
}

fn text(name: &'static str, doc: &'static str, words: fn(&Results) -> &str) -> Column<Results> {
    Column::new(name, doc, move |run| Cell::text(words(run)))
}

macro_rules! count {
    ($name:ident, $doc:literal) => {
        Column::int(stringify!($name), $doc, |run: &Results| run.counts.$name)
    };
}

fn run_columns() -> Vec<Column<Results>> {
    vec![
        text("scenario", "The scenario's name.", |r| &r.run.scenario),
        text(
            "scenario_sha256",
            "SHA-256 of the resolved scenario (presets and overrides applied), hex.",
            |r| &r.run.scenario_sha256,
        ),
        Column::int("seed", "The seed.", |r: &Results| r.run.seed),
        text("engine", "`turmoil` or `events`.", |r| r.run.engine),
        text("version", "Version of keystorm.", |r| r.run.version),
        text("suite", "Cipher suite of the cards.", |r| r.run.suite),
        text("embodiment", "How keys are renewed.", |r| &r.run.embodiment),
        text("recovery", "What becomes of an interrupted renewal.", |r| r.run.recovery),
        Column::int("cards", "Cards in the fleet.", |r: &Results| r.run.cards),
        Column::int("clients", "Client machines, each with one card reader.", |r: &Results| r.run.clients),
        Column::int("sites", "Sites over which the clients are spread.", |r: &Results| r.run.sites),
        Column::new("horizon_s", "Length of the run proper, simulated seconds.", |r: &Results| {
            Cell::seconds(r.run.horizon_ns)
        }),
    ]
}

fn session_columns() -> Vec<Column<Results>> {
    vec![
        count!(
            sessions_started,
            "Card holders that arrived. The sum of the three next: completed, failed, in flight."
        ),
        count!(sessions_completed, "Sessions whose data answers all arrived."),
        count!(sessions_failed, "Sessions ended by an NG, a give-up, a pulled card or a crash."),
        count!(sessions_in_flight, "Sessions unfinished at the horizon, queueing holders included."),
        count!(auth_ok, "Mutual authentications: the server accepted message 10."),
        count!(
            auth_failed,
            "Authentications refused (NG) by either side. Silence counts as a failed session only."
        ),
        count!(
            updates_started,
            "Update attempts: the server sent Rk for the first time in a connection. \
             The sum of the three next: committed, interrupted, in flight."
        ),
        count!(
            updates_committed,
            "Update attempts that the server committed, even if the client never learnt it."
        ),
        count!(updates_interrupted, "Update attempts whose connection ended before the commit."),
        count!(updates_in_flight, "Update attempts open at the horizon."),
        count!(
            updates_recovered,
            "(card, depth, period) interrupted at least once and committed later, the epilogue included."
        ),
        count!(cards_stranded, "Cards for which no pair that the policy would choose authenticates."),
        count!(cards_torn, "Cards with an unreadable key."),
        count!(cards_blocked, "Cards with no tries left on a key that they need."),
        count!(cards_reissued, "Cards that went back to the issuer."),
    ]
}

fn line_columns() -> Vec<Column<Results>> {
    vec![
        count!(
            messages_sent,
            "Datagrams handed to the line, retransmissions included. \
             Sent + duplicated = delivered + lost + in flight."
        ),
        count!(messages_duplicated, "Extra copies that the line made."),
        count!(messages_delivered, "Datagrams that arrived."),
        count!(messages_lost, "Datagrams that the line, an outage or a full queue swallowed."),
        count!(messages_in_flight, "Datagrams on the line at the horizon."),
        count!(retransmissions, "Datagrams that a client sent again."),
        count!(line_bytes, "Bytes handed to the lines, lower layers' headers included."),
        count!(apdus, "Commands that a card received whole."),
        count!(nvm_writes, "Page writes to the cards' non-volatile memory."),
    ]
}

fn server_columns() -> Vec<Column<Results>> {
    vec![
        Column::new(
            "server_cpu_utilization",
            "Busy CPU time divided by CPUs times horizon, 0 to 1.",
            |r: &Results| {
                Cell::ratio(
                    r.server.busy.total().into(),
                    u128::from(r.server.cores) * u128::from(r.measured_ns()),
                )
            },
        ),
        Column::int("server_queue_max", "Longest queue at the server, datagrams.", |r: &Results| {
            r.server.queue_max
        }),
        Figure::P99.column("server_wait_ms_p99".into(), "the wait in the server's queue", |r: &Results| {
            Some(&r.server.wait_us)
        }),
    ]
}

fn latency_column(phase: Phase, figure: Figure) -> Column<Results> {
    figure.column(
        format!("{}_ms_{}", phase.name(), figure.name()),
        &format!("the {} latency, intended measure", phase.name()),
        move |run: &Results| Some(&run.phases[phase as usize].intended_us),
    )
}

/// The server's time for one part of its work.
fn part_column(part: ServerPart) -> Column<Results> {
    Column::new(part.column(), part_doc(part), move |run: &Results| Cell::Fixed {
        units: run.server.busy.of(part).into(),
        decimals: 9,
    })
}

const fn part_doc(part: ServerPart) -> &'static str {
    match part {
        ServerPart::Receive => {
            "Busy CPU time by part, s, over all CPUs; all `server_*_s` together are the CPU time that the server was busy. \
             This one: receiving datagrams."
        }
        ServerPart::Check => "Checking proofs, s.",
        ServerPart::Prove => "Answering challenges and making session keys, s.",
        ServerPart::Derive => "Answering the randoms from which new keys grow, s.",
        ServerPart::Generate => "Generating pairs of keys, s; with a symmetric suite that is no work.",
        ServerPart::Channel => "Setting session channels up, s.",
        ServerPart::Aead => "Sealing and opening session data, s.",
        ServerPart::Commit => "Changing the directory, s.",
        ServerPart::Send => "Sending datagrams, s.",
        ServerPart::Probe => "Serving probes (`load.session` = \"probe\"), s.",
    }
}

/// Columns newer than the fixed order.
fn appended_columns() -> Vec<Column<Results>> {
    vec![
        count!(cards_unharmed, "Cards that were never interrupted and hold the server's keys."),
        count!(cards_healed, "Cards that were interrupted and hold the server's keys again."),
        count!(rejects, "Datagrams and card commands refused as malformed, unknown or out of order."),
        count!(
            late_deliveries,
            "Datagrams that a tick of the turmoil engine delivered after their due time."
        ),
        count!(
            arrivals_skipped,
            "Visits that fell due while the card's last one was not over, and did not take place."
        ),
        Column::new(
            "server_queue_mean",
            "Datagrams waiting at the server, mean over the horizon.",
            |r: &Results| Cell::ratio(r.server.queued_ns, r.measured_ns().into()),
        ),
        Column::new(
            "server_wait_ms_mean",
            "Mean of the wait in the server's queue, those that did not wait included, ms; \
             empty where there was none.",
            |r: &Results| Cell::ms_mean(r.server.waited_ns, r.server.wait_us.len()),
        ),
        count!(reissues, "Cards that were issued anew; a card counts each time."),
        Column::int(
            "reissue_cost",
            "What they cost together, in the unit of the scenario's `reissue.cost`.",
            |r: &Results| r.counts.reissues * r.reissue_cost,
        ),
        count!(
            updates_promoted,
            "Interrupted updates that a later proof under the staged keys completed (recovery stage-and-flip), \
             the epilogue included. They are among the recovered, not among the committed."
        ),
        count!(
            updates_deferred,
            "Connections in which a renewal was due and the server, which admits only so many at a time, said \"later\": \
             the session went on with the old keys (`update.spread` = \"admission\")."
        ),
        count!(server_crashes, "Crashes of the server."),
        count!(
            requests_lost_in_crashes,
            "Datagrams that had reached the server and were lost in its crashes before their service began. \
             What arrives while it is down, and answers that a crash cuts off, are among messages_lost."
        ),
        count!(client_crashes, "Crashes of clients."),
        text(
            "card_times",
            "`hypothetical`: the times that the cards take for their suite were assumed, since no source gives them. \
             Otherwise `published`.",
            |r| r.run.card_times.name(),
        ),
        Column::new(
            "server_busy_cores_peak",
            "Busy CPU time of the busiest interval of timeline.csv divided by the interval's length: so many cores were busy in it, \
             on average.",
            |r: &Results| {
                let (busy, length) = r.busiest();
                Cell::ratio(busy.into(), length.into())
            },
        ),
        Column::new(
            "warmup_s",
            "Simulated seconds at the beginning that latencies, waits, `server_cpu_utilization`, `server_queue_mean` and `server_*_s` leave out; \
             empty where MSER-5 found no end of the warm-up, and nothing was left out.",
            |r: &Results| r.warmup_ns.map_or(Cell::Empty, Cell::seconds),
        ),
        text(
            "crypto",
            "`real`, or `modelled`: stand-ins took the place of the cipher's operations, whose times come from the \
             tables of costs either way.",
            |r| r.run.crypto,
        ),
    ]
}

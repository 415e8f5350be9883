//! One run's results, made by hand.

use hdrhistogram::Histogram;
use keystorm_reports::results::{
    Bucket, CardRow, CardTimes, Counts, DepthRow, Failure, FaultCount, Manifest, Outcome, PairState,
    PhaseLatency, Renewals, Results, RunFacts, ServerFigures,
};

pub(crate) const SECOND: u64 = 1_000_000_000;

pub(crate) fn histogram(values_us: impl IntoIterator<Item = u64>) -> Histogram<u64> {
    let mut histogram = Histogram::new(3).unwrap();
    for value in values_us {
        histogram.record(value).unwrap();
    }
    histogram
}

/// Two buckets and a half, sessions in the first only, no updates at all.
pub(crate) fn results() -> Results {
    let session_us = || histogram((1..=1_990).map(|n| n * 2_500));
    Results {
        run: run_facts(),
        counts: counts(),
        server: ServerFigures {
            busy_ns: 12_625_000_000,
            cores: 4,
            queue_max: 1_234,
            queued_ns: 3_333_333,
            waited_ns: 3_500_400,
            wait_us: histogram([100, 200, 3_200]),
        },
        phases: [
            PhaseLatency {
                intended_us: histogram((1..=1_995).map(|n| n * 1_000)),
                service_us: histogram((1..=1_995).map(|n| n * 900)),
            },
            PhaseLatency { intended_us: histogram([]), service_us: histogram([]) },
            PhaseLatency { intended_us: session_us(), service_us: session_us() },
        ],
        warmup_ns: Some(0),
        bucket_ns: 4 * SECOND,
        timeline: vec![
            bucket([None, None, Some(session_us())]),
            bucket([None, None, None]),
            bucket([None, None, None]),
        ],
        failures: vec![
            Failure { phase: "auth", step: "message 4", cause: "gave up", count: 2 },
            Failure { phase: "update", step: "store internal", cause: "card pulled out", count: 6 },
        ],
        renewals: vec![
            Renewals { started: 1_800, committed: 1_785, interrupted: 15, in_flight: 0, recovered: 13 },
            Renewals { started: 210, committed: 208, interrupted: 2, in_flight: 0, recovered: 2 },
        ],
        reissue_cost: 15,
        faults: vec![
            fault("loss", 11_500, 231, 230.04, false),
            fault("pull", 100, 0, 2.0, false),
            fault("outage site 3 at 20min", 1, 1, 1.0, true),
            fault("server crash at 30min", 1, 0, 1.0, true),
        ],
        trace_digest: 0x0123_4567_89ab_cdef,
    }
}

fn run_facts() -> RunFacts {
    RunFacts {
        scenario: "month-turn".into(),
        scenario_sha256: "ab".repeat(32),
        seed: 7,
        engine: "turmoil",
        version: "0.1.0",
        suite: "aes-128",
        crypto: "real",
        card_times: CardTimes::Published,
        embodiment: "1".into(),
        recovery: "until-committed",
        cards: 2_000,
        clients: 40,
        sites: 1,
        horizon_ns: 10 * SECOND,
    }
}

fn counts() -> Counts {
    Counts {
        sessions_started: 2_000,
        reissues: 3,
        sessions_completed: 1_990,
        sessions_failed: 8,
        sessions_in_flight: 2,
        auth_ok: 1_995,
        auth_failed: 1,
        updates_started: 2_010,
        updates_committed: 1_993,
        updates_interrupted: 17,
        updates_recovered: 15,
        cards_unharmed: 1_985,
        cards_healed: 15,
        messages_sent: 12_345,
        messages_delivered: 12_114,
        messages_lost: 231,
        retransmissions: 240,
        line_bytes: 1_234_567,
        apdus: 1,
        nvm_writes: 4_020,
        ..Counts::default()
    }
}

fn bucket(latency_us: [Option<Histogram<u64>>; 3]) -> Bucket {
    Bucket {
        arrivals: 1_000,
        completed: 995,
        failed_ng: 1,
        failed_give_up: 2,
        failed_pulled: 3,
        failed_other: 4,
        updates_committed: 5,
        updates_interrupted: 6,
        in_flight: 7,
        queue_max: 8,
        busy_ns: 4 * SECOND,
        retransmissions: 9,
        line_bytes: 10,
        latency_us,
    }
}

fn fault(name: &str, chances: u64, fired: u64, expected: f64, scheduled: bool) -> FaultCount {
    FaultCount { fault: name.into(), chances, fired, expected, scheduled, messages: scheduled }
}

pub(crate) fn card(card: u32, depths: usize) -> CardRow {
    let pair = DepthRow {
        card_internal: 1,
        card_external: 2,
        server_internal: 3,
        server_external: 4,
        state: PairState::CardAhead,
    };
    CardRow {
        card,
        outcome: Outcome::Healed,
        depths: vec![pair; depths],
        nvm_writes: 12,
        tries_left: vec![3; depths],
        sessions: 2,
        last_success_ns: (card > 0).then_some(1_500_400_000),
    }
}

pub(crate) fn manifest() -> Manifest {
    Manifest {
        scenario_text: "name = \"month-turn\"\n".into(),
        scenario_sha256: "ab".repeat(32),
        command: "keystorm run month-turn.toml --seed 7".into(),
        seed: 7,
        engine: "turmoil".into(),
        crypto: "real".into(),
        version: "0.1.0".into(),
        commit: None,
        machine: "some".into(),
        started_unix_s: 1,
        wall_s: 0.5,
        peak_memory_bytes: Some(1_000),
        bytes_per_card: None,
        events_per_s: 2.0,
    }
}

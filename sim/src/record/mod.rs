//! What a run counts and measures, until it becomes a [`Results`](keystorm_reports::results::Results).
//!
//! Everything is attributed to the simulated time at which it happened, so that an engine may handle events in
//! different places in any order.

pub mod digest;
pub mod tape;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use keystorm_model::client::{Cause, Step};
use keystorm_model::message;
use keystorm_model::server::ServerEffect;
use keystorm_model::{CardId, Depth, SimTime, Span};
use keystorm_reports::results::{Bucket, Counts, Failure, Phase, PhaseLatency, Renewals, ServerTime};
use keystorm_reports::statistics::mser5;

use crate::plan::WarmupPlan;

use digest::{Digest, Parties, Trace};
use tape::{Event, Tape};

/// The timeline has about so many buckets.
const BUCKETS: u64 = 60;
/// Widths that a bucket may have, seconds.
const WIDTHS_S: [u64; 16] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400];
/// Significant digits of the histograms of a run, and of one bucket.
const DIGITS: u8 = 3;
const BUCKET_DIGITS: u8 = 2;

/// Counters and histograms of a run.
pub struct Recorder {
    /// What is counted over the whole run.
    pub counts: Counts,
    /// Waiting time of datagrams at the server, microseconds, after the warm-up.
    pub server_wait_us: Histogram<u64>,
    /// Server CPU time spent after the warm-up.
    pub server_busy: ServerTime,
    /// Longest queue at the server.
    pub queue_max: u64,
    digest: Digest,
    /// Datagrams that the server served at once: the waits of 0 that are not in the histogram yet.
    unwaited: u64,
    /// The bucket that was asked for last, and the time that it covers.
    current: Current,
    phases: [PhaseLatency; 3],
    bucket: Span,
    buckets: Vec<Bucket>,
    failures: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    renewals: Vec<Renewals>,
    horizon: SimTime,
    /// Latencies, waits and busy time count from here on.
    measured: SimTime,
    /// When the holder of each completed session arrived, and its latency, where the warm-up is to be found.
    series: Option<Vec<(SimTime, u64)>>,
    /// The one card that is recorded, in a replay.
    tape: Option<Box<Tape>>,
}

/// A bucket and the time that it covers.
#[derive(Clone, Copy, Default)]
struct Current {
    from: SimTime,
    until: SimTime,
    index: usize,
}

/// Start and insertion of what a latency is measured from.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    /// When the card holder arrived.
    pub intended: SimTime,
    /// When the card was inserted.
    pub service: SimTime,
}

fn histogram(digits: u8) -> Histogram<u64> {
    Histogram::new(digits).expect("the number of digits is in range")
}

fn empty_bucket() -> Bucket {
    Bucket {
        arrivals: 0,
        completed: 0,
        failed_ng: 0,
        failed_give_up: 0,
        failed_pulled: 0,
        failed_other: 0,
        updates_committed: 0,
        updates_interrupted: 0,
        in_flight: 0,
        queue_max: 0,
        busy_ns: 0,
        retransmissions: 0,
        line_bytes: 0,
        latency_us: [None, None, None],
    }
}

impl Recorder {
    /// A recorder for a run of length `horizon`.
    pub fn new(horizon: Span, warmup: WarmupPlan) -> Self {
        let wanted = horizon.as_ns() / BUCKETS / 1_000_000_000;
        let width = WIDTHS_S.iter().copied().find(|&width| width >= wanted).unwrap_or(86_400);
        let bucket = Span::from_secs(width);
        let count = horizon.as_ns().div_ceil(bucket.as_ns()) as usize;
        let latency = || PhaseLatency { intended_us: histogram(DIGITS), service_us: histogram(DIGITS) };
        Recorder {
            counts: Counts::default(),
            server_wait_us: histogram(DIGITS),
            server_busy: ServerTime::default(),
            queue_max: 0,
            digest: Digest::new(count),
            unwaited: 0,
            current: Current::default(),
            phases: [latency(), latency(), latency()],
            bucket,
            buckets: (0..count).map(|_| empty_bucket()).collect(),
            failures: BTreeMap::new(),
            renewals: Vec::new(),
            horizon: SimTime::ZERO + horizon,
            measured: SimTime::ZERO + warmup.fixed().unwrap_or(Span::ZERO),
            series: (warmup == WarmupPlan::Mser5).then(Vec::new),
            tape: None,
        }
    }

    /// Width of the timeline's buckets.
    pub fn bucket_width(&self) -> Span {
        self.bucket
    }

    /// Whether `at` belongs to the run proper, not to its epilogue.
    pub fn is_load(&self, at: SimTime) -> bool {
        at < self.horizon
    }

    /// Index of the bucket that `at` lies in.
    fn index(&mut self, at: SimTime) -> usize {
        let Current { from, until, index } = self.current;
        if from <= at && at < until {
            return index;
        }
        let number = at.as_ns() / self.bucket.as_ns();
        let index = (number as usize).min(self.buckets.len() - 1);
        let from = SimTime::ZERO + self.bucket * number;
        self.current = Current { from, until: from + self.bucket, index };
        index
    }

    /// The bucket that `at` lies in; what comes later counts in the last one.
    pub fn bucket(&mut self, at: SimTime) -> &mut Bucket {
        let index = self.index(at);
        &mut self.buckets[index]
    }

    /// Something was delivered to, or done by, one of the parties.
    pub fn trace(&mut self, at: SimTime, trace: Trace, parties: Parties, bytes: &[u8]) {
        let index = self.index(at);
        self.digest.add(index, at, trace, parties, bytes);
        if let Some(tape) = &mut self.tape {
            tape.trace(at, trace, parties, bytes);
        }
    }

    /// From now on, keeps what happens to `card`.
    pub fn record(&mut self, card: CardId) {
        self.tape = Some(Box::new(Tape::of(card)));
    }

    /// The tape of `card`, if it is the one that is recorded.
    pub fn tape(&mut self, card: CardId) -> Option<&mut Tape> {
        self.tape.as_deref_mut().filter(|tape| tape.card() == card)
    }

    /// The tape of the card that a datagram is about, if it is the one that is recorded.
    pub fn tape_about(&mut self, datagram: &[u8]) -> Option<&mut Tape> {
        self.tape.as_deref_mut().filter(|tape| message::card(datagram) == Some(tape.card()))
    }

    /// The server crashes at `at`, and is up again at `until`.
    pub fn server_crashes(&mut self, at: SimTime, until: SimTime) {
        self.counts.server_crashes += 1;
        if let Some(tape) = self.tape.as_deref_mut() {
            tape.crash(at, until);
        }
    }

    /// A crash of the server takes a request that has arrived and has not been acted on.
    pub fn forgotten(&mut self, at: SimTime, datagram: &[u8]) {
        self.counts.requests_lost_in_crashes += 1;
        if let Some(tape) = self.tape_about(datagram) {
            tape.push(at, Event::Forgotten { datagram: datagram.to_vec() });
        }
    }

    /// The server did something.
    pub fn server_did(&mut self, at: SimTime, effect: ServerEffect) {
        let tape = self.tape.as_deref_mut().filter(|tape| tape::concerned(effect) == Some(tape.card()));
        if let Some(tape) = tape {
            tape.push(at, Event::Server(effect));
        }
    }

    /// The run is over at `at`, and its epilogue begins.
    pub fn epilogue(&mut self, at: SimTime) {
        if let Some(tape) = &mut self.tape {
            tape.push(at, Event::Epilogue);
        }
    }

    /// What was recorded of the one card.
    pub fn take_tape(&mut self) -> Option<Tape> {
        self.tape.take().map(|tape| *tape)
    }

    /// A card holder arrived.
    pub fn session_started(&mut self, at: SimTime) {
        self.counts.sessions_started += 1;
        self.bucket(at).arrivals += 1;
    }

    /// A session ended well.
    pub fn session_completed(&mut self, at: SimTime, origin: Origin) {
        self.counts.sessions_completed += 1;
        self.bucket(at).completed += 1;
        self.latency(at, Phase::Session, origin);
        if let Some(series) = &mut self.series {
            series.push((origin.intended, at.since(origin.intended).as_us()));
        }
    }

    /// A session failed.
    pub fn session_failed(&mut self, at: SimTime, step: Step, cause: Cause) {
        self.counts.sessions_failed += 1;
        let bucket = self.bucket(at);
        match cause {
            Cause::ServerSaidNo | Cause::CardSaidNo(_) => bucket.failed_ng += 1,
            Cause::GaveUp => bucket.failed_give_up += 1,
            Cause::CardPulled => bucket.failed_pulled += 1,
            Cause::Stale | Cause::ClientCrashed => bucket.failed_other += 1,
        }
        *self.failures.entry((step.phase(), step.name(), cause.name())).or_default() += 1;
    }

    /// A phase ended at `at`.
    pub fn latency(&mut self, at: SimTime, phase: Phase, origin: Origin) {
        let intended = at.since(origin.intended).as_us();
        if origin.intended >= self.measured {
            let measured = &mut self.phases[phase as usize];
            measured.intended_us.record(intended).expect("auto-resizing");
            measured.service_us.record(at.since(origin.service).as_us()).expect("auto-resizing");
        }
        let slot = &mut self.bucket(at).latency_us[phase as usize];
        slot.get_or_insert_with(|| histogram(BUCKET_DIGITS)).record(intended).expect("auto-resizing");
    }

    /// A datagram was handed to the line.
    pub fn sent(&mut self, at: SimTime, bytes: u64, retransmission: bool) {
        self.counts.messages_sent += 1;
        self.counts.line_bytes += bytes;
        self.counts.retransmissions += u64::from(retransmission);
        let bucket = self.bucket(at);
        bucket.line_bytes += bytes;
        bucket.retransmissions += u64::from(retransmission);
    }

    /// The server served a datagram from `start` on, which had waited since `arrived`.
    pub fn served(&mut self, arrived: SimTime, start: SimTime, service: ServerTime) {
        if arrived < self.measured {
            // It belongs to the warm-up.
        } else if start == arrived {
            self.unwaited += 1;
        } else {
            self.server_wait_us.record(start.since(arrived).as_us()).expect("auto-resizing");
        }
        if start >= self.measured {
            self.server_busy += service;
        }
        self.bucket(start).busy_ns += service.total();
    }

    /// So many datagrams wait at the server.
    pub fn queue(&mut self, at: SimTime, waiting: u64) {
        self.queue_max = self.queue_max.max(waiting);
        let bucket = self.bucket(at);
        bucket.queue_max = bucket.queue_max.max(waiting);
    }

    /// What was counted of the renewals of `depth`.
    pub fn renewal(&mut self, depth: Depth) -> &mut Renewals {
        if self.renewals.len() <= depth.index() {
            self.renewals.resize(depth.index() + 1, Renewals::default());
        }
        &mut self.renewals[depth.index()]
    }

    /// The digest of what has happened so far.
    pub fn trace_digest(&self) -> u128 {
        self.digest.total()
    }

    /// How much of the beginning is warm-up by the rule MSER-5, in the order in which the holders arrived, in whole
    /// milliseconds, so that reports can say it; `None`: the sessions do not show, or no series was kept.
    pub fn warmup_found(&mut self) -> Option<Span> {
        let mut series = self.series.take()?;
        series.sort_unstable();
        let latencies: Vec<u64> = series.iter().map(|&(_, us)| us).collect();
        match mser5(&latencies)? {
            0 => Some(Span::ZERO),
            first => Some(Span::from_ms(series.get(first)?.0.as_ns() / 1_000_000)),
        }
    }

    /// Hands over what was measured: phases, timeline, failures.
    pub fn into_parts(mut self) -> Recorded {
        self.server_wait_us.record_n(0, self.unwaited).expect("auto-resizing");
        let mut in_flight = 0u64;
        for bucket in &mut self.buckets {
            let failed =
                bucket.failed_ng + bucket.failed_give_up + bucket.failed_pulled + bucket.failed_other;
            in_flight = (in_flight + bucket.arrivals).saturating_sub(bucket.completed + failed);
            bucket.in_flight = in_flight;
        }
        let failures = self
            .failures
            .into_iter()
            .map(|((phase, step, cause), count)| Failure { phase, step, cause, count })
            .collect();
        Recorded {
            counts: self.counts,
            server_wait_us: self.server_wait_us,
            server_busy: self.server_busy,
            queue_max: self.queue_max,
            phases: self.phases,
            bucket: self.bucket,
            timeline: self.buckets,
            failures,
            renewals: self.renewals,
            trace_digest: self.digest.total(),
            interval_digests: self.digest.intervals().to_vec(),
        }
    }
}

/// What a recorder holds at the end.
pub struct Recorded {
    /// See [`Recorder::counts`].
    pub counts: Counts,
    /// See [`Recorder::server_wait_us`].
    pub server_wait_us: Histogram<u64>,
    /// See [`Recorder::server_busy`].
    pub server_busy: ServerTime,
    /// See [`Recorder::queue_max`].
    pub queue_max: u64,
    /// Latencies by phase.
    pub phases: [PhaseLatency; 3],
    /// Width of a bucket.
    pub bucket: Span,
    /// The timeline.
    pub timeline: Vec<Bucket>,
    /// Failures by step and cause.
    pub failures: Vec<Failure>,
    /// Renewals by depth, from 0 on.
    pub renewals: Vec<Renewals>,
    /// The digest of the run.
    pub trace_digest: u128,
    /// The digest of each bucket.
    pub interval_digests: Vec<u128>,
}

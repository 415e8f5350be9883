//! What a run found, as plain data: the only thing that this crate knows of a simulation.
//!
//! Times are integer nanoseconds of simulated time, histograms hold microseconds.

use hdrhistogram::Histogram;

/// Everything that one run found, except the rows of `cards.csv`, which are streamed.
pub struct Results {
    /// What was run.
    pub run: RunFacts,
    /// What was counted.
    pub counts: Counts,
    /// The server's load.
    pub server: ServerFigures,
    /// Latencies by phase, in the order of [`Phase::ALL`].
    pub phases: [PhaseLatency; 3],
    /// What latencies, waits and utilisation leave out at the beginning; `None`: MSER-5 was to find it and did not, and
    /// nothing is left out.
    pub warmup_ns: Option<u64>,
    /// Width of a timeline bucket.
    pub bucket_ns: u64,
    /// One entry per bucket over the horizon.
    pub timeline: Vec<Bucket>,
    /// What failed, where and why; sorted, no two alike.
    pub failures: Vec<Failure>,
    /// Renewals by depth, from 0 to the deepest that was started.
    pub renewals: Vec<Renewals>,
    /// What one reissue costs, in the scenario's unit.
    pub reissue_cost: u64,
    /// Each fault that the scenario asks for, and how often it struck.
    pub faults: Vec<FaultCount>,
    /// Sum modulo 2^128 of the xxh3-128 hashes of everything delivered.
    pub trace_digest: u128,
}

impl Results {
    /// The time that utilisation and the queue's mean are taken over, nanoseconds.
    pub fn measured_ns(&self) -> u64 {
        self.run.horizon_ns - self.warmup_ns.unwrap_or(0)
    }

    /// Server CPU time spent in the busiest interval of the timeline, and an interval's length, nanoseconds.
    pub fn busiest(&self) -> (u64, u64) {
        let busy = self.timeline.iter().map(|bucket| bucket.busy_ns).max();
        (busy.unwrap_or(0), self.bucket_ns.min(self.run.horizon_ns))
    }
}

/// What was run: the first columns of `summary.csv`.
#[derive(Clone, Debug)]
pub struct RunFacts {
    /// The scenario's name.
    pub scenario: String,
    /// SHA-256 of the resolved scenario, hex.
    pub scenario_sha256: String,
    /// The seed.
    pub seed: u64,
    /// `turmoil` or `events`.
    pub engine: &'static str,
    /// Version of this program.
    pub version: &'static str,
    /// Cipher suite of the cards.
    pub suite: &'static str,
    /// `real`, or `modelled` if stand-ins took the place of the cipher's operations.
    pub crypto: &'static str,
    /// Where the cards' times for the suite come from.
    pub card_times: CardTimes,
    /// Update embodiment.
    pub embodiment: String,
    /// Recovery policy.
    pub recovery: &'static str,
    /// Cards in the fleet.
    pub cards: u64,
    /// Client machines.
    pub clients: u64,
    /// Sites.
    pub sites: u64,
    /// Length of the run proper.
    pub horizon_ns: u64,
}

/// Where the times that cards take for their suite come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CardTimes {
    /// Measured on some card, or stated in the scenario as if they were.
    Published,
    /// Assumed: no source gives them for any card.
    Hypothetical,
}

impl CardTimes {
    /// The name in every report.
    pub const fn name(self) -> &'static str {
        match self {
            CardTimes::Published => "published",
            CardTimes::Hypothetical => "hypothetical",
        }
    }
}

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What was counted. Load figures cover `[0, horizon)`; `cards_*` are taken after the epilogue.
        #[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
        pub struct Counts {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl std::ops::AddAssign for Counts {
            fn add_assign(&mut self, other: Counts) {
                $(self.$name += other.$name;)*
            }
        }
    };
}

counts! {
    /// Card holders that arrived.
    sessions_started,
    /// Sessions whose data answers all arrived.
    sessions_completed,
    /// Sessions ended by an NG, a give-up, a pulled card or a crash.
    sessions_failed,
    /// Sessions unfinished at the horizon, queueing holders included.
    sessions_in_flight,
    /// Message 10 with OK accepted by the server.
    auth_ok,
    /// An NG from either side.
    auth_failed,
    /// Update attempts: the server sent Rk for the first time in a connection.
    updates_started,
    /// Update attempts that the server committed.
    updates_committed,
    /// Update attempts whose connection ended before the commit.
    updates_interrupted,
    /// Update attempts open at the horizon.
    updates_in_flight,
    /// (card, depth, period) interrupted at least once and committed later, the epilogue included.
    updates_recovered,
    /// Cards for which no pair that the policy would choose authenticates.
    cards_stranded,
    /// Cards with an unreadable key.
    cards_torn,
    /// Cards with no tries left on a key that they need.
    cards_blocked,
    /// Cards that went back to the issuer.
    cards_reissued,
    /// Cards that were never interrupted and hold the server's keys.
    cards_unharmed,
    /// Cards that were interrupted and hold the server's keys again.
    cards_healed,
    /// Datagrams handed to the line, retransmissions included.
    messages_sent,
    /// Extra copies that the line made.
    messages_duplicated,
    /// Datagrams that arrived.
    messages_delivered,
    /// Datagrams that the line, an outage or a full queue swallowed.
    messages_lost,
    /// Datagrams on the line at the horizon.
    messages_in_flight,
    /// Datagrams that a client sent again.
    retransmissions,
    /// Bytes handed to the lines, lower layers' headers included.
    line_bytes,
    /// Commands that a card received whole.
    apdus,
    /// Atomic writes to cards' non-volatile memory.
    nvm_writes,
    /// Datagrams and APDUs refused as malformed, unknown or out of order.
    rejects,
    /// Datagrams that a turmoil tick delivered after their due time.
    late_deliveries,
    /// Visits left out because the card's last one was not over.
    arrivals_skipped,
    /// Cards that were issued anew, each time counted.
    reissues,
    /// Interrupted updates that a later proof under the staged keys completed, the epilogue included.
    updates_promoted,
    /// Connections whose renewal was due and not admitted.
    updates_deferred,
    /// Crashes of the server.
    server_crashes,
    /// Datagrams that had reached the server and were lost in its crashes before their service began.
    requests_lost_in_crashes,
    /// Crashes of clients.
    client_crashes,
}

/// The server's load over the horizon, without the warm-up.
pub struct ServerFigures {
    /// CPU time spent, over all cores.
    pub busy_ns: u64,
    /// CPUs.
    pub cores: u64,
    /// Longest queue seen, datagrams; the warm-up counts.
    pub queue_max: u64,
    /// Datagrams waiting, integrated over the same time, datagram-nanoseconds.
    pub queued_ns: u128,
    /// Waiting time of all datagrams served, nanoseconds.
    pub waited_ns: u128,
    /// Waiting time before service, microseconds.
    pub wait_us: Histogram<u64>,
}

/// A part of a session whose latency is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Phase {
    /// To the client's message 10.
    Auth,
    /// From the first sending of Rk to the commit.
    Update,
    /// To the last data answer.
    Session,
}

impl Phase {
    /// In the order of every report.
    pub const ALL: [Phase; 3] = [Phase::Auth, Phase::Update, Phase::Session];

    /// The name in every report.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Auth => "auth",
            Phase::Update => "update",
            Phase::Session => "session",
        }
    }
}

/// Latency of one phase, microseconds, of those who arrived after the warm-up.
pub struct PhaseLatency {
    /// From the card holder's arrival (an update: from the first sending of Rk).
    pub intended_us: Histogram<u64>,
    /// From the card's insertion (an update: as intended).
    pub service_us: Histogram<u64>,
}

/// One interval of the timeline. Counts are of what happened in it.
pub struct Bucket {
    /// Card holders that arrived.
    pub arrivals: u64,
    /// Sessions completed.
    pub completed: u64,
    /// Sessions failed because an NG was given.
    pub failed_ng: u64,
    /// Sessions failed because the client gave up.
    pub failed_give_up: u64,
    /// Sessions failed because the card was pulled.
    pub failed_pulled: u64,
    /// Sessions failed for any other reason.
    pub failed_other: u64,
    /// Updates committed.
    pub updates_committed: u64,
    /// Updates interrupted.
    pub updates_interrupted: u64,
    /// Sessions in flight at the bucket's end.
    pub in_flight: u64,
    /// Longest queue at the server seen in the bucket.
    pub queue_max: u64,
    /// Server CPU time spent, over all cores.
    pub busy_ns: u64,
    /// Datagrams sent again.
    pub retransmissions: u64,
    /// Bytes handed to the lines.
    pub line_bytes: u64,
    /// Intended latencies of what ended in the bucket, microseconds, by phase; `None` where nothing ended.
    pub latency_us: [Option<Histogram<u64>>; 3],
}

/// So many sessions failed in this way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Failure {
    /// `connect`, `auth`, `update` or `session`.
    pub phase: &'static str,
    /// The message or card command at which it happened.
    pub step: &'static str,
    /// Why.
    pub cause: &'static str,
    /// How many.
    pub count: u64,
}

/// The renewals of one depth; where a renewal covers several, of the deepest one.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Renewals {
    /// Attempts.
    pub started: u64,
    /// Attempts that were committed.
    pub committed: u64,
    /// Attempts whose connection ended before the commit.
    pub interrupted: u64,
    /// Attempts open at the horizon.
    pub in_flight: u64,
    /// Interrupted ones that were committed later, the epilogue included.
    pub recovered: u64,
}

/// A fault that the scenario asks for.
#[derive(Clone, PartialEq, Debug)]
pub struct FaultCount {
    /// `message loss`, `card pulled out`, `outage of site 3 at 20min` …
    pub fault: String,
    /// How often it could have struck.
    pub chances: u64,
    /// How often it struck: of an outage, how many messages it swallowed.
    pub fired: u64,
    /// How often it was expected to: chances times probability; a scheduled fault: 1.
    pub expected: f64,
    /// Whether it is placed or scheduled, so that not striking at all is an error.
    pub scheduled: bool,
    /// Whether `fired` counts the messages that it swallowed.
    pub messages: bool,
}

impl FaultCount {
    /// Whether the run must be judged failed, since a fault that it was to exercise never struck:
    /// a scheduled one, or a random one expected at least 20 times.
    pub fn never_fired(&self) -> bool {
        self.fired == 0 && (self.scheduled || self.expected >= 20.0)
    }
}

/// One card at the end of the run: a row of `cards.csv`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardRow {
    /// The card's number.
    pub card: u32,
    /// What became of it.
    pub outcome: Outcome,
    /// Per depth, from 0.
    pub depths: Vec<DepthRow>,
    /// Writes to its non-volatile memory.
    pub nvm_writes: u32,
    /// Tries left on the external key of each depth, from 0.
    pub tries_left: Vec<u8>,
    /// Sessions completed.
    pub sessions: u32,
    /// End of its last completed session.
    pub last_success_ns: Option<u64>,
}

/// The pair of keys at one depth. A version is the number of the update attempt that made the value;
/// 0 is the value at issue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DepthRow {
    /// Version of Kai on the card.
    pub card_internal: u32,
    /// Version of Kae on the card.
    pub card_external: u32,
    /// Version of Kse on the server.
    pub server_internal: u32,
    /// Version of Ksi on the server.
    pub server_external: u32,
    /// Card against server, by value.
    pub state: PairState,
}

/// Card against server at one depth, judged by value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum PairState {
    /// Equal, and not renewed in this run.
    Old,
    /// Equal, and renewed.
    New,
    /// One key of the pair is newer on the card.
    Split,
    /// Both keys are newer on the card.
    CardAhead,
    /// The server holds a newer value: a violation between honest parties.
    ServerAhead,
    /// The values have nothing to do with each other: a violation between honest parties.
    Diverged,
}

impl PairState {
    /// The name in every report.
    pub const fn name(self) -> &'static str {
        match self {
            PairState::Old => "old",
            PairState::New => "new",
            PairState::Split => "split",
            PairState::CardAhead => "card ahead",
            PairState::ServerAhead => "server ahead",
            PairState::Diverged => "diverged",
        }
    }
}

/// What became of a card.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Outcome {
    /// Never interrupted, in step with the server.
    Unharmed,
    /// Interrupted, in step with the server again.
    Healed,
    /// Went back to the issuer.
    Reissued,
    /// No tries left on a key that it needs.
    Blocked,
    /// A key is unreadable.
    Torn,
    /// No pair that the policy would choose authenticates.
    Stranded,
}

impl Outcome {
    /// The name in every report.
    pub const fn name(self) -> &'static str {
        match self {
            Outcome::Unharmed => "unharmed",
            Outcome::Healed => "healed",
            Outcome::Reissued => "reissued",
            Outcome::Blocked => "blocked",
            Outcome::Torn => "torn",
            Outcome::Stranded => "stranded",
        }
    }
}

/// A cut in the matrix of interruptions, or two in a row, and what came of it: a row of `interruptions.csv`.
#[derive(Clone, Debug)]
pub struct Interruption {
    /// Cipher suite.
    pub suite: &'static str,
    /// Embodiment.
    pub embodiment: &'static str,
    /// Recovery policy.
    pub recovery: &'static str,
    /// How the card writes its memory.
    pub nvm: &'static str,
    /// Where the keys lie in it.
    pub layout: &'static str,
    /// Where it was cut.
    pub cut_step: String,
    /// How.
    pub cut_kind: String,
    /// Card against server after the last cut.
    pub card_state: String,
    /// What the server holds after the last cut.
    pub server_state: String,
    /// What became of the card.
    pub outcome: Outcome,
    /// Undisturbed connections until all was renewed.
    pub connections_to_heal: Option<u8>,
    /// What was due.
    pub depth: &'static str,
    /// Where a following connection was cut.
    pub cut2_step: Option<String>,
    /// How.
    pub cut2_kind: Option<String>,
}

/// How and where the run was made: `manifest.json` alone holds what may differ between two runs of one seed.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Manifest {
    /// The resolved scenario, canonical form.
    pub scenario_text: String,
    /// SHA-256 of it, hex.
    pub scenario_sha256: String,
    /// The command that reproduces the run.
    pub command: String,
    /// The seed.
    pub seed: u64,
    /// The engine.
    pub engine: String,
    /// `real`, or `modelled` if stand-ins took the place of the cipher's operations.
    pub crypto: String,
    /// Version of this program.
    pub version: String,
    /// Commit that the program was built from, where known.
    pub commit: Option<String>,
    /// Machine: operating system and architecture, CPUs.
    pub machine: String,
    /// Wall-clock time at the start, seconds since 1970.
    pub started_unix_s: u64,
    /// Wall-clock duration of the run, seconds.
    pub wall_s: f64,
    /// Peak resident memory, bytes, where known.
    pub peak_memory_bytes: Option<u64>,
    /// Peak resident memory divided by cards.
    pub bytes_per_card: Option<u64>,
    /// Events (arrivals, deliveries, card commands, timers) per second of wall time.
    pub events_per_s: f64,
}

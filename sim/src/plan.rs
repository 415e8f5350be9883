//! A validated scenario: every value in range, every preset applied, nothing left to look up.
//!
//! `scenario/` builds a [`Plan`] from TOML; the world and the engines read it and nothing else.

mod costs;
mod faults;

pub use costs::CostTable;
pub use faults::*;

use std::sync::Arc;

use keystorm_model::card::transport::{self, BitRate};
use keystorm_model::card::{CardRules, CardWork, WriteMode};
use keystorm_model::rings::RingShape;
use keystorm_model::server::{Embodiment, Order, Recovery, RootRenewal, Spread};
use keystorm_model::suite::{Backend, Cipher, Comparison, Crypto, SuiteId};
use keystorm_model::{CardId, ClientId, Ratio, SimTime, Span};

use crate::directory::DirectoryKind;

/// All that decides a run, besides the program itself.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The scenario's name, used for the default output directory.
    pub name: String,
    /// SHA-256 of the resolved scenario in canonical form, lower-case hex.
    pub scenario_sha256: String,
    /// The resolved scenario in canonical form, one `key = value` per line.
    pub resolved: String,
    /// Which engine moves time and bytes.
    pub engine: EngineKind,
    /// Whether the ciphers are carried out.
    pub crypto: Crypto,
    /// The seed of every draw.
    pub seed: u64,
    /// Load arrives in `[0, horizon)`; the run proper ends there.
    pub horizon: Span,
    /// What is left out of latencies and utilisation at the beginning.
    pub warmup: WarmupPlan,
    /// How many there are of each party, and their keys.
    pub fleet: FleetPlan,
    /// The card's rules and speed.
    pub card: CardPlan,
    /// The line between a client and the server.
    pub line: LinePlan,
    /// Who comes when, and what a session exchanges.
    pub load: LoadPlan,
    /// Key renewal.
    pub update: UpdatePlan,
    /// Cards that are issued anew.
    pub reissue: ReissuePlan,
    /// The server machine.
    pub server: ServerPlan,
    /// What goes wrong besides the line's own losses.
    pub faults: FaultPlan,
    /// Settings of the turmoil engine.
    pub turmoil: TurmoilPlan,
    /// What a sweep does, if the command line does not say; no run depends on it.
    pub sweep: SweepPlan,
}

/// What latencies and utilisation leave out at the beginning.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WarmupPlan {
    /// So much; 0: nothing.
    Fixed(Span),
    /// What the rule MSER-5 says of the sessions' latencies.
    Mser5,
}

impl WarmupPlan {
    /// How much, where that is known beforehand.
    pub fn fixed(self) -> Option<Span> {
        match self {
            WarmupPlan::Fixed(span) => Some(span),
            WarmupPlan::Mser5 => None,
        }
    }
}

impl Plan {
    /// The cipher of the fleet, carried out by `backend`, if that is of any meaning.
    pub fn cipher(&self, backend: Option<Backend>) -> Cipher {
        self.crypto.cipher(self.fleet.suite, backend)
    }
}

/// The two ways to move time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EngineKind {
    /// Async programs on turmoil's simulated network.
    Turmoil,
    /// A loop that jumps from event to event.
    Events,
}

impl EngineKind {
    /// Every engine, in the order of the documentation.
    pub const ALL: [EngineKind; 2] = [EngineKind::Turmoil, EngineKind::Events];

    /// The name on the command line, in scenarios and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Turmoil => "turmoil",
            EngineKind::Events => "events",
        }
    }
}

/// How many there are of each party, and their keys.
#[derive(Clone, Debug)]
pub struct FleetPlan {
    /// Cards in the fleet, 1 or more.
    pub cards: u32,
    /// Client machines, 1 or more.
    pub clients: u32,
    /// Sites over which the clients are spread evenly, 1..=clients.
    pub sites: u16,
    /// M internal and N external keys.
    pub shape: RingShape,
    /// The cipher suite of every card.
    pub suite: SuiteId,
    /// How card and server judge a symmetric proof.
    pub comparison: Comparison,
    /// Whose the server's own keys are.
    pub server_keys: ServerKeys,
}

/// Whose the server's own keys Ksi are at issue \[0035\].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerKeys {
    /// Each user has some of their own.
    PerUser,
    /// All users have the same.
    Common,
}

impl ServerKeys {
    /// Both, in the order of the documentation.
    pub const ALL: [ServerKeys; 2] = [ServerKeys::PerUser, ServerKeys::Common];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            ServerKeys::PerUser => "per-user",
            ServerKeys::Common => "common",
        }
    }
}

/// The card's rules and speed.
#[derive(Clone, Debug)]
pub struct CardPlan {
    /// What the card enforces, and what it is made of.
    pub rules: CardRules,
    /// Time from power-up to the last byte of the answer to reset.
    pub reset: Span,
    /// The interface's speed, once reader and card have agreed on it.
    pub speed: BitRate,
    /// Time to move one byte over the interface, either way.
    pub byte: Span,
    /// The operating system's own time per command.
    pub command: Span,
    /// Time of one challenge answered with an internal key, key set-up included.
    pub prove: Span,
    /// Time of one Rk answered, from which a new key grows.
    pub derive: Span,
    /// Time of one check with an external key, key set-up included.
    pub check: Span,
    /// Time to generate a pair of keys from a seed.
    pub generate: Span,
    /// Whether no source gives the last three for any card: whoever wrote them assumed them.
    pub hypothetical: bool,
    /// Time to draw a challenge.
    pub random: Span,
    /// Time of one atomic page write to non-volatile memory.
    pub nvm_write: Span,
    /// Time of one page write that is not atomic.
    pub nvm_plain_write: Span,
}

/// Bit times of a byte on a contact interface: start, eight data bits, parity, and two of guard time.
pub const BITS_PER_BYTE: u64 = 12;

impl CardPlan {
    /// How long the interface takes for a byte at `speed`, rounded to 1 ns.
    pub const fn byte_time(speed: BitRate) -> Span {
        let speed = speed.0 as u64;
        Span::from_ns((BITS_PER_BYTE * 1_000_000_000 + speed / 2) / speed)
    }

    /// From power-up until the card can be given a command, if its memory had so much to restore. Reader and card agree
    /// on the speed at the default one.
    pub fn reset_time(&self, recovery: CardWork) -> Span {
        let agreement = transport::pps_bytes(self.rules.protocol, self.speed);
        self.reset + Self::byte_time(transport::DEFAULT_SPEED) * agreement as u64 + self.write_time(recovery)
    }

    /// How long the card takes for a command: interface, operating system, ciphers, random numbers and memory.
    pub fn command_time(&self, work: CardWork, command: usize, answer: usize) -> Span {
        self.command
            + self.byte * transport::wire_bytes(self.rules.protocol, command, answer) as u64
            + self.prove * u64::from(work.proves)
            + self.check * u64::from(work.checks)
            + self.derive * u64::from(work.derives)
            + self.generate * u64::from(work.generates)
            + self.random * u64::from(work.randoms)
            + self.write_time(work)
    }

    fn write_time(&self, work: CardWork) -> Span {
        let each = match self.rules.nvm.mode {
            WriteMode::InPlace => self.nvm_plain_write,
            WriteMode::UndoLog | WriteMode::ShadowPage => self.nvm_write,
        };
        each * u64::from(work.writes)
    }
}

/// The line between a client and the server; each client has its own, all lines have these properties.
#[derive(Clone, Debug)]
pub struct LinePlan {
    /// How long a message travels, besides its serialisation.
    pub delay: DelayPlan,
    /// Whether a message vanishes.
    pub loss: LossPlan,
    /// Probability that a message arrives twice.
    pub duplicate: Ratio,
    /// Probability that a message is held back by `reorder_by`, so that later ones overtake it.
    pub reorder: Ratio,
    /// By how much a reordered message is held back.
    pub reorder_by: Span,
    /// From client to server, bits per second; `None` is unlimited.
    pub up_bps: Option<u64>,
    /// From server to client, bits per second; `None` is unlimited.
    pub down_bps: Option<u64>,
    /// Bytes that the layers below add to each message (IPv4 and UDP: 28).
    pub overhead_bytes: u32,
    /// The longest datagram, without those bytes; a longer message travels in fragments.
    pub datagram_bytes: u32,
    /// The client's retransmission of an unanswered message.
    pub retry: RetryPlan,
}

/// One-way travel time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DelayPlan {
    /// Always the same.
    Fixed(Span),
    /// Uniform in `[min, max]`.
    Uniform {
        /// Shortest.
        min: Span,
        /// Longest.
        max: Span,
    },
    /// `min` plus an exponential of mean `mean`, cut at `max` in all.
    Exponential {
        /// Shortest.
        min: Span,
        /// Mean of the part above `min`.
        mean: Span,
        /// Longest.
        max: Span,
    },
}

impl DelayPlan {
    /// The shortest delay that can be drawn.
    pub const fn shortest(self) -> Span {
        match self {
            DelayPlan::Fixed(min) | DelayPlan::Uniform { min, .. } | DelayPlan::Exponential { min, .. } => {
                min
            }
        }
    }
}

/// How messages vanish.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LossPlan {
    /// Each message independently.
    Independent(Ratio),
    /// Gilbert-Elliott: everything is lost while the line is bad; the state moves once per message.
    Burst {
        /// From good to bad.
        p: Ratio,
        /// From bad to good.
        r: Ratio,
    },
}

/// Retransmission of an unanswered request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryPlan {
    /// Wait before the first retransmission.
    pub first: Span,
    /// Each further wait is this many times longer.
    pub factor: u32,
    /// How often a request is sent in all before the client gives up, 1 or more.
    pub tries: u8,
}

/// Who comes when, and what a session exchanges.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// When card holders arrive.
    pub arrivals: ArrivalsPlan,
    /// A pattern of arrivals is repeated after this long; `None`: every card arrives once.
    pub repeat: Option<Span>,
    /// What a session is.
    pub session: SessionPlan,
    /// Encrypted request/answer pairs per session.
    pub exchanges: u16,
    /// Plain bytes of each request.
    pub request_bytes: u16,
    /// Plain bytes of each answer.
    pub response_bytes: u16,
    /// The holder of a failed session comes back; `None`: does not.
    pub retry_visit: Option<RetryVisit>,
}

/// What a session is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SessionPlan {
    /// A card connects and exchanges data.
    Cards,
    /// One datagram that is answered, without a card, after a service time of this distribution.
    Probe(ServicePlan),
}

/// The distribution of a service time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServicePlan {
    /// Exponential with this mean.
    Exponential(Span),
    /// Always the same.
    Fixed(Span),
}

/// A card holder's arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Arrival {
    /// When.
    pub at: SimTime,
    /// Whose card.
    pub card: CardId,
    /// At which client.
    pub client: ClientId,
}

/// When card holders arrive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ArrivalsPlan {
    /// Uniformly in `[from, from + window)`.
    Uniform {
        /// Start of the window.
        from: Span,
        /// Length of the window.
        window: Span,
    },
    /// Normally distributed about `peak`, cut at both ends of the horizon; who does not belong to the peak comes at
    /// any time.
    Office {
        /// The busiest moment.
        peak: Span,
        /// Standard deviation.
        sigma: Span,
        /// Probability that a holder belongs to the peak.
        share: Ratio,
    },
    /// As at the gates of a city's public transport: a day with two peaks.
    Transit {
        /// Length of the day.
        day: Span,
    },
    /// As at cash machines: on any day at the hours of cash machines, on payday more often than on another.
    Payday {
        /// Length of a day.
        day: Span,
        /// The busiest day, counted from 0.
        payday: u32,
    },
    /// Every card again and again, at the times of a Poisson process of its own.
    Poisson {
        /// Mean time between two visits of one card.
        every: Span,
    },
    /// These, in order of time, card and client.
    Trace(Arc<Vec<Arrival>>),
}

/// The holder of a failed session comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetryVisit {
    /// After this long.
    pub after: Span,
    /// So many times at most.
    pub visits: u8,
}

/// Key renewal.
#[derive(Clone, Debug)]
pub struct UpdatePlan {
    /// How a renewal is done: card `c` follows the entry `c` modulo their number.
    pub embodiments: Vec<Embodiment>,
    /// Whether the second random is the complement of the first, and not sent.
    pub complement: bool,
    /// The period of each depth, from depth 0 on; empty: no periodic renewals.
    pub periods: Vec<Span>,
    /// The operator's orders, in the order of their times.
    pub orders: Vec<Order>,
    /// What happens when the root pair is due; `None`: it never is.
    pub root: Option<RootRenewal>,
    /// Which cards are due at time 0.
    pub due: DueAtStart,
    /// What becomes of an interrupted renewal.
    pub recovery: Recovery,
    /// Whether an upper pair that was refused is renewed by the pair one deeper, with everything above it.
    pub escalation: bool,
    /// How the renewals of a period are spread. The world keys it with the seed of its run.
    pub spread: Spread,
}

/// Cards that are issued anew.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReissuePlan {
    /// After so many sessions in a row that failed with an NG; `None`: only where the root demands it.
    pub after_refusals: Option<u8>,
    /// How a card gets its new keys.
    pub way: ReissueWay,
    /// How long that takes.
    pub takes: Span,
    /// What one costs, in a unit of the scenario's choice.
    pub cost: u64,
}

/// How a card gets new keys from its issuer [0058-0059].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReissueWay {
    /// The card goes back to the issuer, and is missing meanwhile.
    Return,
    /// A new card comes, and the old one is used until then.
    Replacement,
}

impl ReissueWay {
    /// Both, in the order of the documentation.
    pub const ALL: [ReissueWay; 2] = [ReissueWay::Return, ReissueWay::Replacement];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            ReissueWay::Return => "return",
            ReissueWay::Replacement => "replacement",
        }
    }
}

/// Which cards are due at time 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DueAtStart {
    /// Every card, at every depth that has a period.
    All,
    /// None: the first renewals fall due when a period turns.
    None,
}

/// The server machine.
#[derive(Clone, Debug)]
pub struct ServerPlan {
    /// CPUs, 1 or more.
    pub cores: u16,
    /// Datagrams that may wait for a core; more are dropped.
    pub queue: u32,
    /// Who carries out its operations with keys; `None`: for each operation its default.
    pub backend: Option<Backend>,
    /// Where it keeps its directory.
    pub directory: DirectoryKind,
    /// What each part of the service costs.
    pub costs: CostTable,
}

/// Settings of the turmoil engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TurmoilPlan {
    /// Step of turmoil's clock: whole milliseconds.
    pub tick: Span,
}

/// What a sweep does, if the command line does not say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SweepPlan {
    /// Keys that vary and their values; see [`crate::campaign::Axis::parse`].
    pub vary: Vec<String>,
    /// In lockstep.
    pub zip: bool,
    /// Points that are left out.
    pub without: Vec<String>,
    /// Runs of each point, 1 or more.
    pub replications: u32,
}

//! What can be said on the command line.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::server::{Embodiment, Recovery};
use keystorm_model::suite::{Backend, Crypto, SuiteId};

use crate::campaign::slo::Slo;
use crate::campaign::work::Shard;
use crate::interrupt::combination::DueDepths;
use crate::plan::EngineKind;

/// Simulates fleets of IC cards that renew their authentication keys over bad networks (JP H11-122238).
#[derive(Parser, Debug)]
#[command(name = "keystorm", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

const AFTER_HELP: &str = "\
Exit codes:
  0    done
  1    internal or I/O error, or a fault that the scenario asks for never struck
  2    bad scenario or usage; nothing was written
  3    an invariant of the protocol was violated
  4    a bound (--slo) is not kept, or no value of `plan` is shown to keep them all
  5    two runs of one seed differ, or a replay and its run
  130  stopped by Ctrl-C or SIGTERM: a run writes nothing then, a sweep or a plan keeps the runs that were over

Environment:
  KEYSTORM_CACHE_DIR  where asymmetric key pairs are kept for later runs, instead of the user's cache
                      directory; empty: nowhere

Start here:
  keystorm run scenarios/quickstart.toml";

#[derive(Subcommand, Debug)]
pub(super) enum Command {
    /// Run a scenario and write its reports
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Read a scenario, and show it with presets and overrides applied; run nothing
    #[command(after_help = CHECK_EXAMPLES)]
    Check(Check),
    /// Write a commented scenario to start from
    #[command(after_help = INIT_EXAMPLES)]
    Init(Init),
    /// Run a scenario twice in this process and once in another, and compare the digests
    #[command(after_help = VERIFY_EXAMPLES)]
    Verify(Verify),
    /// Cut a key renewal at every point at which it can be cut, and show what becomes of the card
    #[command(after_help = INTERRUPT_EXAMPLES)]
    Interrupt(Interrupt),
    /// Run a scenario at every point of a grid, with replications, and sum up with confidence intervals
    #[command(after_help = SWEEP_EXAMPLES)]
    Sweep(Sweep),
    /// Put the parts of a sweep (see --shard) together, and write its tables
    #[command(after_help = MERGE_EXAMPLES)]
    Merge(Merge),
    /// Find the smallest (or largest) value of a key that keeps every bound, with confidence
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(Plan),
    /// List the cipher suites: what they handle, and who can carry out what
    Suites,
    /// Measure what the server's work costs on this machine, and write a table of costs for [server.costs]
    #[command(after_help = CALIBRATE_EXAMPLES)]
    Calibrate(Calibrate),
    /// Draw whole scenarios at random, and run them with all checkers
    #[command(after_help = SWARM_EXAMPLES)]
    Swarm(Swarm),
    /// Make a run again, and show one card's life as a table and a sequence diagram
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),
    /// Make report.html and the tables of a directory again, from the results that are stored in it
    #[command(after_help = REPORT_EXAMPLES)]
    Report(Report),
    /// Show what differs between two runs, or between two campaigns and how surely
    #[command(after_help = COMPARE_EXAMPLES)]
    Compare(Compare),
    /// Print the digests of one run (the other process of `verify`)
    #[command(hide = true)]
    Trace(Common),
}

const RUN_EXAMPLES: &str = "\
Examples:
  keystorm run scenarios/quickstart.toml
  keystorm run scenarios/quickstart.toml --seed 7 --out /tmp/seven
  keystorm run scenarios/quickstart.toml --set update.recovery=first-contact --set line.loss=5%
  keystorm run scenarios/month-turn.toml --format json --quiet | jq .auth_ms_p99";

const CHECK_EXAMPLES: &str = "\
Examples:
  keystorm check my.toml
  keystorm check my.toml --set line.preset=lines/lte";

const INIT_EXAMPLES: &str = "\
Examples:
  keystorm init
  keystorm init fleets/tram.toml";

const VERIFY_EXAMPLES: &str = "\
Examples:
  keystorm verify scenarios/quickstart.toml
  keystorm verify scenarios/month-turn.toml --seed 7 --jobs 2";

const INTERRUPT_EXAMPLES: &str = "\
What is run:
  Every combination of suite, embodiment, recovery policy, way to write memory, layout and due
  depth, with one suite of each family and one whose proofs are long. The last is modelled, since
  its own operations would take hours. In each, every message, card command, moment of a write and
  power-up of a renewal without faults is cut with every fault that can strike there: lost
  (for good, in one direction, or with all that follows), duplicated, a late or reordered copy,
  client or server crashed, card pulled, a second connection of the card at the same time. The
  connections that follow are cut in the same way, with all suites.

What is not:
  Escalation: update.escalation is off, and a card whose upper pair is torn or blocked stays so.
  Parts of messages: a message is lost, late or doubled as a whole. What is too long for a datagram
  travels in fragments, but neither client nor server sees one: as long as one is missing, the
  message has not arrived. docs/interruptions.md says more.

Examples:
  keystorm interrupt
  keystorm interrupt --single --recovery first-contact --nvm undo-log
  keystorm interrupt --suite rsa-2048 --crypto modelled
  keystorm interrupt --embodiment 1 --embodiment 4 --depth both --out /tmp/matrix";

const SWEEP_EXAMPLES: &str = "\
A sweep that was stopped, by Ctrl-C or by kill -9, goes on where it stopped when the same command is
given again. Its directory also has runs.csv (a row per run) and, with --base, differences.csv.

Examples:
  keystorm sweep scenarios/month-turn.toml --engine events --vary line.loss=0%,1%,2%,5% --replications 20
  keystorm sweep fleet.toml --vary server.cores=1..8 --until 'auth_ms_p99<=5%' --replications 100
  keystorm sweep fleet.toml --vary update.recovery=first-contact,until-committed \\
    --base update.recovery=first-contact
  keystorm sweep fleet.toml --vary line.preset=lines/lte,lines/dsl --vary fleet.cards=1000,5000 --zip
  keystorm sweep fleet.toml --vary server.cores=1..4 --vary line.loss=0%,5% \\
    --without server.cores=4,line.loss=0%
  keystorm sweep fleet.toml --vary server.cores=1..8 --shard 1/2 --out part1
  keystorm sweep fleet.toml --vary server.cores=1..8 --format json --quiet \\
    | jq '.points[] | [.\"server.cores\", .auth_ms_p99, .auth_ms_p99_ci95_high]'";

const MERGE_EXAMPLES: &str = "\
Examples:
  keystorm merge part1 part2 --out whole
  keystorm merge part1 part2 --out whole --format json | jq '.points[].updates_committed_mean'";

const PLAN_EXAMPLES: &str = "\
A bound is kept if the whole 95 % interval over the runs keeps it (== : if every run does). Values
are tried in the order given, by bisection; if what is found contradicts that, all of them are tried.

Examples:
  keystorm plan scenarios/million.toml --slo 'auth_ms_p99<=12000' --slo cards_stranded==0 \\
    --vary server.cores=1..64
  keystorm plan fleet.toml --slo 'server_wait_ms_p99<=50' --vary fleet.cards=1000,2000,5000,10000 --largest
  keystorm plan fleet.toml --slo 'auth_ms_p99<=3000' --vary load.window=1h,2h,4h,8h,1d
  keystorm plan fleet.toml --slo 'auth_ms_p99<=3000' --vary server.cores=1..64 --format json --quiet | jq .answer";

const REPLAY_EXAMPLES: &str = "\
Examples:
  keystorm replay reports/out/quickstart/1-turmoil --card 17
  keystorm replay /tmp/year --card 4711 --connection 3..5 --out /tmp/card-4711
  keystorm replay /tmp/million --card 123456 --alone
  keystorm replay reports/out/interrupt --interrupt 12
  keystorm replay /tmp/year --card 4711 --format json | jq '.steps[] | select(.name == \"STORE KEY\")'";

const SWARM_EXAMPLES: &str = "\
A case that breaks a rule is made smaller (fewer settings, cards, seconds) before it is shown.

Examples:
  keystorm swarm --runs 2000 --seed 1
  keystorm swarm --seed 1 --run 1234";

const REPORT_EXAMPLES: &str = "\
Examples:
  keystorm report reports/out/quickstart/1-turmoil";

const COMPARE_EXAMPLES: &str = "\
Two runs: the keys of the scenario that differ, and the figures side by side. Two campaigns: the figures
that differ significantly at the points that they have in common; paired by seed where the seeds are the
same, by Welch's t otherwise; 95 % confidence.

Examples:
  keystorm compare reports/out/quickstart/1-turmoil reports/out/quickstart/2-turmoil
  keystorm compare before/sweep after/sweep --format json";

const CALIBRATE_EXAMPLES: &str = "\
Examples:
  keystorm calibrate --out costs.toml
  keystorm calibrate --out costs.toml --csv ciphers.csv --suite rsa-2048 --suite p256
  keystorm calibrate --out rustcrypto.toml --backend rustcrypto";

/// What every command that runs a scenario takes.
#[derive(Args, Debug)]
pub(super) struct Common {
    /// The scenario file
    pub(super) scenario: PathBuf,
    /// Seed of every draw; overrides the scenario's
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(super) seed: Option<u64>,
    /// Engine that moves time and bytes; overrides the scenario's
    #[arg(long, value_parser = engine)]
    pub(super) engine: Option<EngineKind>,
    /// Leave out so much at the beginning, of latencies and of the server's load: a duration, or mser-5 to find it
    #[arg(long, value_name = "TIME")]
    pub(super) warmup: Option<String>,
    /// Override one key of the scenario, as in line.loss=5% (repeatable; docs/scenarios.md lists the keys)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// How many runs go on at the same time, where a command makes several
    /// [default: 1; of sweep and plan as many as there are CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Show no progress
    #[arg(long)]
    pub(super) quiet: bool,
}

/// Arguments of `run`.
#[derive(Args, Debug)]
pub(super) struct Run {
    #[command(flatten)]
    pub(super) common: Common,
    /// Directory of the run; replaced if keystorm wrote it
    /// [default: reports/out/<scenario>/<seed>-<engine>, and a short hash of the overrides]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// What to print when it is over
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Exit with 4 if this column of summary.csv does not keep its bound, as in 'auth_ms_p99<=12000' (repeatable)
    #[arg(long, value_name = "COLUMN<=BOUND", value_parser = Slo::parse)]
    pub(super) slo: Vec<Slo>,
    /// Which cards get a row in cards.csv [default: all of up to 100,000 cards, else a sample]
    #[arg(long, value_enum, value_name = "WHICH")]
    pub(super) cards_csv: Option<CardsCsv>,
}

/// Arguments of `check`.
#[derive(Args, Debug)]
pub(super) struct Check {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Arguments of `init`.
#[derive(Args, Debug)]
pub(super) struct Init {
    /// The file to write; it must not exist
    #[arg(default_value = "scenario.toml")]
    pub(super) path: PathBuf,
}

/// Arguments of `verify`.
#[derive(Args, Debug)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Arguments of `sweep`.
#[derive(Args, Debug)]
pub(super) struct Sweep {
    #[command(flatten)]
    pub(super) common: Common,
    /// A key that varies and its values, as in line.loss=0%,1% or server.cores=1..8 (repeatable: every combination
    /// is a point; these replace those of the scenario's [sweep] table)
    #[arg(long, value_name = "KEY=A,B,C")]
    pub(super) vary: Vec<String>,
    /// Vary all keys in lockstep: first values together, then second values
    #[arg(long)]
    pub(super) zip: bool,
    /// Leave out the points that agree with this in all its keys (repeatable)
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub(super) without: Vec<String>,
    /// Runs of each point, with the seeds S, S+1, …; with --until, at most
    /// [default: the scenario's sweep.replications]
    #[arg(long, value_name = "R", value_parser = clap::value_parser!(u32).range(1..=99_999))]
    pub(super) replications: Option<u32>,
    /// Stop a point as soon as half the 95 % interval of a column of summary.csv is so small against the figure,
    /// as in 'auth_ms_p99<=5%'; looked at after every 4 runs
    #[arg(long, value_name = "COLUMN<=P%", conflicts_with = "shard")]
    pub(super) until: Option<String>,
    /// Hold every point against this one, run by run, in differences.csv
    #[arg(long, value_name = "KEY=VALUE,…")]
    pub(super) base: Option<String>,
    /// Make only one part of the runs, for `keystorm merge`
    #[arg(long, value_name = "I/N", value_parser = Shard::parse)]
    pub(super) shard: Option<Shard>,
    /// Directory of the sweep; continued if it is there
    /// [default: reports/out/<scenario>/sweep-<seed>-<a short hash of what varies>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// What to print when it is over
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// Arguments of `plan`.
#[derive(Args, Debug)]
pub(super) struct Plan {
    #[command(flatten)]
    pub(super) common: Common,
    /// A bound for a column of summary.csv, as in 'auth_ms_p99<=12000' or cards_stranded==0 (repeatable)
    #[arg(long, required = true, value_name = "COLUMN<=BOUND", value_parser = Slo::parse)]
    pub(super) slo: Vec<Slo>,
    /// The key that varies and its values, as in server.cores=1..64: the first one that keeps every bound is wanted
    #[arg(long, value_name = "KEY=A,B,C")]
    pub(super) vary: String,
    /// The last value that keeps every bound is wanted, not the first
    #[arg(long)]
    pub(super) largest: bool,
    /// Runs of a value at most; there are 8 at least, then half as many more until every bound is decided: all the
    /// intervals that are looked at hold the figure with 98 % confidence
    #[arg(long, value_name = "R", default_value_t = 20, value_parser = clap::value_parser!(u32).range(8..=99_999))]
    pub(super) replications: u32,
    /// Directory of the plan; continued if it is there
    /// [default: reports/out/<scenario>/plan-<seed>-<a short hash of what is asked>]
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// What to print when it is over
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// Arguments of `merge`.
#[derive(Args, Debug)]
pub(super) struct Merge {
    /// Directories of the parts
    #[arg(required = true, value_name = "DIR")]
    pub(super) parts: Vec<PathBuf>,
    /// Directory of the whole
    #[arg(long, value_name = "DIR")]
    pub(super) out: PathBuf,
    /// What to print when it is over
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// Arguments of `swarm`.
#[derive(Args, Debug)]
pub(super) struct Swarm {
    /// How many scenarios
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(super) runs: u64,
    /// The seed that they are drawn from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
    /// Only the scenario of this number, from 1
    #[arg(long, value_name = "I", conflicts_with = "runs", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(super) run: Option<u64>,
    /// How many go on at the same time [default: as many as there are CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Show no progress
    #[arg(long)]
    pub(super) quiet: bool,
}

/// Arguments of `report`.
#[derive(Args, Debug)]
pub(super) struct Report {
    /// Directory of a run, a sweep or a plan
    #[arg(value_name = "DIR")]
    pub(super) dir: PathBuf,
}

/// Arguments of `compare`.
#[derive(Args, Debug)]
pub(super) struct Compare {
    /// The directory that the other is held against
    #[arg(value_name = "A")]
    pub(super) a: PathBuf,
    /// The other directory, of the same kind
    #[arg(value_name = "B")]
    pub(super) b: PathBuf,
    /// What to print
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

/// Arguments of `interrupt`. A filter that is not given lets everything through; one may be given several times.
#[derive(Args, Debug)]
pub(super) struct Interrupt {
    /// Only this cipher suite, which can be any [default: aes-128, rsa-1024, and ml-dsa-44 modelled]
    #[arg(long, value_name = "NAME", value_parser = |name: &str| named(name, &SuiteId::ALL, SuiteId::name))]
    pub(super) suite: Vec<SuiteId>,
    /// Whether ciphers are carried out, or stand-ins of the same outcomes: real, modelled
    #[arg(long, value_name = "HOW", value_parser = |name: &str| named(name, &Crypto::ALL, Crypto::name))]
    pub(super) crypto: Option<Crypto>,
    /// Only this embodiment: 1, 2a, 2b, 3, 4
    #[arg(long, value_name = "NAME", value_parser = |name: &str| named(name, &Embodiment::ALL, Embodiment::name))]
    pub(super) embodiment: Vec<Embodiment>,
    /// Only this recovery policy: first-contact, until-committed, stage-and-flip
    #[arg(long, value_name = "NAME", value_parser = |name: &str| named(name, &Recovery::ALL, Recovery::name))]
    pub(super) recovery: Vec<Recovery>,
    /// Only this way to write memory: in-place, undo-log, shadow-page
    #[arg(long, value_name = "NAME", value_parser = |name: &str| named(name, &WriteMode::ALL, WriteMode::name))]
    pub(super) nvm: Vec<WriteMode>,
    /// Only this layout of the keys in memory: packed, page-per-key
    #[arg(long, value_name = "NAME", value_parser = |name: &str| named(name, &PageLayout::ALL, PageLayout::name))]
    pub(super) layout: Vec<PageLayout>,
    /// Only with this depth due: 0, 1, both
    #[arg(long, value_name = "WHICH", value_parser = |name: &str| named(name, &DueDepths::ALL, DueDepths::name))]
    pub(super) depth: Vec<DueDepths>,
    /// Cut once only: leave out the second cuts
    #[arg(long)]
    pub(super) single: bool,
    /// What to print when it is over
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Directory of the matrix; replaced if keystorm wrote one there
    #[arg(long, value_name = "DIR", default_value = "reports/out/interrupt")]
    pub(super) out: PathBuf,
    /// How many combinations are gone through at the same time [default: as many as there are CPUs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: Option<u16>,
    /// Show no progress
    #[arg(long)]
    pub(super) quiet: bool,
}

/// Arguments of `calibrate`.
#[derive(Args, Debug)]
pub(super) struct Calibrate {
    /// The table of costs to write, which a scenario names as server.costs.preset
    #[arg(long, value_name = "FILE.toml")]
    pub(super) out: PathBuf,
    /// Where to write every figure
    #[arg(long, value_name = "FILE.csv")]
    pub(super) csv: Option<PathBuf>,
    /// Only this suite (repeatable); `keystorm suites` lists them
    #[arg(long, value_name = "NAME", value_parser = |name: &str| named(name, &SuiteId::ALL, SuiteId::name))]
    pub(super) suite: Vec<SuiteId>,
    /// Write what a server with this server.backend pays, instead of the default of each operation
    #[arg(long, value_name = "NAME", value_parser = |name: &str| named(name, &Backend::ALL, Backend::name))]
    pub(super) backend: Option<Backend>,
    /// Samples of each figure, which take turns
    #[arg(long, value_name = "N", default_value_t = 31, value_parser = clap::value_parser!(u16).range(3..=1001))]
    pub(super) samples: u16,
    /// Show no progress
    #[arg(long)]
    pub(super) quiet: bool,
}

/// Arguments of `replay`.
#[derive(Args, Debug)]
pub(super) struct Replay {
    /// Directory of the run, or of the matrix that `keystorm interrupt` wrote
    #[arg(value_name = "RUN_DIR")]
    pub(super) dir: PathBuf,
    /// The card to show, counted from 0
    #[arg(long, value_name = "N", required_unless_present = "interrupt", conflicts_with = "interrupt")]
    pub(super) card: Option<u32>,
    /// The row of interruptions.csv to show, counted from 1 without the header
    #[arg(long, value_name = "ROW", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) interrupt: Option<u32>,
    /// Run this card only, without the others that it queues with
    #[arg(long, conflicts_with = "interrupt")]
    pub(super) alone: bool,
    /// Connections that the diagram shows, as in 3 or 3..5 [default: those with a renewal or a fault]
    #[arg(long, value_name = "A..B", value_parser = connections)]
    pub(super) connection: Option<RangeInclusive<u32>>,
    /// Write the table, and the diagram as Mermaid text and as SVG, into this directory; replaced if a replay wrote it
    #[arg(long, value_name = "DIR")]
    pub(super) out: Option<PathBuf>,
    /// What to print: the table and the diagram, or the steps as one JSON object
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
    /// Show no progress and no notes
    #[arg(long)]
    pub(super) quiet: bool,
}

/// `3`, or `3..5` with both ends.
fn connections(text: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str| text.parse::<u32>().ok().filter(|&number| number > 0);
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => Err("connections are counted from 1, as in 3 or 3..5".into()),
    }
}

/// The one of `all` that is called `name`.
fn named<T: Copy>(name: &str, all: &[T], name_of: fn(T) -> &'static str) -> Result<T, String> {
    let known = || all.iter().map(|&one| name_of(one)).collect::<Vec<_>>().join(", ");
    all.iter().copied().find(|&one| name_of(one) == name).ok_or_else(|| format!("known are: {}", known()))
}

/// What to print at the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    /// A table for people
    Text,
    /// One object; of a run with the names of summary.csv, of others with those of their CSV files
    Json,
}

/// Which cards get a row in `cards.csv`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum CardsCsv {
    /// No file
    None,
    /// About 10,000 cards, chosen by the seed
    Sample,
    /// Every card
    All,
}

fn engine(name: &str) -> Result<EngineKind, String> {
    let known = || EngineKind::ALL.map(EngineKind::name).join(", ");
    EngineKind::ALL
        .into_iter()
        .find(|engine| engine.name() == name)
        .ok_or_else(|| format!("the engines are: {}", known()))
}

impl Common {
    /// Runs at the same time, for a command that makes few.
    pub(super) fn jobs(&self) -> usize {
        self.jobs.map_or(1, usize::from)
    }

    /// All overrides, those with an option of their own last, since the last one wins.
    pub(super) fn overrides(&self) -> Vec<String> {
        let mut overrides = self.set.clone();
        overrides.extend(self.seed.map(|seed| format!("seed={seed}")));
        overrides.extend(self.engine.map(|engine| format!("engine={}", engine.name())));
        overrides.extend(self.warmup.iter().map(|warmup| format!("warmup={warmup}")));
        overrides
    }
}

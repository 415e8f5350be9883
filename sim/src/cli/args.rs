//! What can be said on the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::server::{Embodiment, Recovery};

use crate::interrupt::party::DueDepths;
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
  5    two runs of one seed differ
  130  stopped by Ctrl-C; nothing was written

Environment:
  KEYSTORM_CACHE_DIR  where RSA key pairs are kept for later runs, instead of the user's cache
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
Examples:
  keystorm interrupt
  keystorm interrupt --single --recovery first-contact --nvm undo-log
  keystorm interrupt --embodiment 1 --embodiment 4 --depth both --out /tmp/matrix";

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
    /// Override one key of the scenario, as in line.loss=5% (repeatable; docs/scenarios.md lists the keys)
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,
    /// How many runs go on at the same time, where a command makes several
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(super) jobs: u16,
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

/// Arguments of `interrupt`. A filter that is not given lets everything through; one may be given several times.
#[derive(Args, Debug)]
pub(super) struct Interrupt {
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
    /// One object with the names of summary.csv
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
    /// All overrides, those with an option of their own last, since the last one wins.
    pub(super) fn overrides(&self) -> Vec<String> {
        let mut overrides = self.set.clone();
        overrides.extend(self.seed.map(|seed| format!("seed={seed}")));
        overrides.extend(self.engine.map(|engine| format!("engine={}", engine.name())));
        overrides
    }
}

//! The command line: arguments, progress, exit codes. The only place that reads the wall clock or the environment.

mod args;
mod calibrate;
mod campaign;
mod compare;
mod environment;
mod init;
mod interrupt;
mod pairs;
mod plan;
mod progress;
mod replay;
mod report;
mod run;
mod suites;
mod swarm;
mod sweep;
mod verify;

use core::fmt;
use std::process::ExitCode;

use clap::Parser;
use keystorm_reports::{DirError, ReadError};

use crate::engine::Stopped;
use crate::scenario::ScenarioError;

use args::{Arguments, Command};

/// Why a command did not do what it was asked for. Each kind has its exit code.
#[derive(Debug)]
enum Failure {
    /// The scenario or its overrides: 2.
    Scenario(ScenarioError),
    /// Arguments that clap cannot judge: 2.
    Usage(String),
    /// The output directory: 2 if something else is in the way, 1 otherwise.
    Output(DirError),
    /// Anything else that could not be read or written, or a bug: 1.
    Internal(String),
    /// A rule did not hold: 3.
    Violated(String),
    /// A bound is not kept: 4.
    Slo(String),
    /// Two runs of one seed differ: 5.
    NotDeterministic(String),
    /// Ctrl-C: 130, as shells report it.
    Interrupted(String),
}

impl Failure {
    fn exit_code(&self) -> u8 {
        match self {
            Failure::Internal(_) => 1,
            Failure::Scenario(_) | Failure::Usage(_) => 2,
            Failure::Output(error) => error.exit_code(),
            Failure::Violated(_) => 3,
            Failure::Slo(_) => 4,
            Failure::NotDeterministic(_) => 5,
            Failure::Interrupted(_) => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Scenario(error) => write!(f, "{:?}", miette::Report::new(error.clone())),
            Failure::Output(error) => write!(f, "error: {error}"),
            Failure::Usage(what) | Failure::Internal(what) | Failure::NotDeterministic(what) => {
                write!(f, "error: {what}")
            }
            Failure::Violated(what) | Failure::Slo(what) | Failure::Interrupted(what) => f.write_str(what),
        }
    }
}

impl From<ScenarioError> for Failure {
    fn from(error: ScenarioError) -> Self {
        Failure::Scenario(error)
    }
}

impl From<DirError> for Failure {
    fn from(error: DirError) -> Self {
        Failure::Output(error)
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        Failure::Usage(error.to_string())
    }
}

impl From<Stopped> for Failure {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Cancelled => Failure::Interrupted(stopped.to_string()),
            Stopped::Failed(_) => Failure::Internal(stopped.to_string()),
        }
    }
}

/// Two things that are judged by themselves: where both went wrong, both are told, with the exit code of the first.
fn both(first: Result<(), Failure>, second: Result<(), Failure>) -> Result<(), Failure> {
    match (first, second) {
        (Err(Failure::Internal(what)), Err(second)) => Err(Failure::Internal(format!("{what}\n{second}"))),
        (first, second) => first.and(second),
    }
}

/// Parses the arguments, carries the command out, and says how it went.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Check(arguments) => run::check(&arguments),
        Command::Init(arguments) => init::init(&arguments),
        Command::Verify(arguments) => verify::verify(&arguments),
        Command::Interrupt(arguments) => interrupt::interrupt(&arguments),
        Command::Sweep(arguments) => sweep::sweep(&arguments),
        Command::Merge(arguments) => sweep::merge(&arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Suites => suites::suites(),
        Command::Calibrate(arguments) => calibrate::calibrate(&arguments),
        Command::Swarm(arguments) => swarm::swarm(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Compare(arguments) => compare::compare(&arguments),
        Command::Report(arguments) => report::report(&arguments),
        Command::Trace(arguments) => verify::trace(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            tell(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Writes a line to standard error; if that is closed or full, there is nobody to tell.
fn tell(what: &impl fmt::Display) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// Writes to standard output; a closed pipe ends the program quietly, as it does for other filters.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::Internal(format!("cannot write to standard output: {error}"))),
        Ok(()) => Ok(()),
    }
}

/// Writes one JSON document to standard output, as [`print`] does.
fn print_json(json: &serde_json::Value) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(json).map_err(|error| Failure::Internal(error.to_string()))?;
    print(&format!("{text}\n"))
}

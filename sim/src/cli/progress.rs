//! Progress on a terminal, and Ctrl-C.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keystorm_model::Span;

use crate::engine::Progress;

use super::Failure;

static STOP: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C, SIGTERM and SIGHUP ask the run to stop instead of ending the process. A second one ends it at once; what is
/// half-written goes with it.
pub(super) fn catch_interrupts() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            keystorm_reports::remove_unfinished();
            std::process::exit(130);
        }
    })
    .map_err(|error| Failure::Internal(format!("cannot catch Ctrl-C: {error}")))
}

/// Whether Ctrl-C was pressed.
pub(super) fn interrupted() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// A progress bar on standard error, and only if that is a terminal.
fn bar(length: u64, style: &str, quiet: bool) -> ProgressBar {
    let show = !quiet && std::io::stderr().is_terminal();
    let target = if show { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(length), target);
    bar.set_style(ProgressStyle::with_template(style).expect("the template is valid"));
    bar
}

/// A progress bar over things that are counted.
pub(super) struct CountBar {
    bar: ProgressBar,
}

impl CountBar {
    /// `what` names the things, in the plural.
    pub(super) fn new(length: u64, what: &str, quiet: bool) -> Self {
        CountBar {
            bar: bar(
                length,
                &format!("{{bar:32}} {{percent:>3}} %  {{human_pos}} {what}  {{eta}} left"),
                quiet,
            ),
        }
    }

    /// Shows that so many more are done; `false` asks to stop.
    pub(super) fn done(&self, more: u64) -> bool {
        self.bar.inc(more);
        !interrupted()
    }
}

impl Drop for CountBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A progress bar over simulated time.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new(horizon: Span, quiet: bool) -> Self {
        Bar { bar: bar(horizon.as_ns() / 1_000_000, "{bar:32} {percent:>3} %  {msg}  {eta} left", quiet) }
    }

    /// Shows how far the run has come; `false` asks it to stop.
    pub(super) fn show(&self, progress: Progress) -> bool {
        let seconds = progress.now.as_ns() / 1_000_000_000;
        let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        self.bar.set_position(progress.now.as_ns() / 1_000_000);
        self.bar.set_message(format!(
            "{hours:02}:{minutes:02}:{seconds:02} simulated, {} sessions",
            progress.sessions_ended
        ));
        !interrupted()
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

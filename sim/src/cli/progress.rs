//! Progress on a terminal, and Ctrl-C.

use std::io::IsTerminal as _;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keystorm_model::Span;

use crate::engine::Progress;

use super::Failure;

static STOP: AtomicBool = AtomicBool::new(false);

/// Lets Ctrl-C ask the run to stop instead of ending the process. A second one ends it at once.
pub(super) fn catch_interrupts() -> Result<(), Failure> {
    ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    })
    .map_err(|error| Failure::Internal(format!("cannot catch Ctrl-C: {error}")))
}

/// Whether Ctrl-C was pressed.
pub(super) fn interrupted() -> bool {
    STOP.load(Ordering::Relaxed)
}

/// A progress bar over simulated time, on standard error and only if that is a terminal.
pub(super) struct Bar {
    bar: ProgressBar,
}

impl Bar {
    pub(super) fn new(horizon: Span, quiet: bool) -> Self {
        let show = !quiet && std::io::stderr().is_terminal();
        let target = if show { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(horizon.as_ns() / 1_000_000), target);
        let style = "{bar:32} {percent:>3} %  {msg}  {eta} left";
        bar.set_style(ProgressStyle::with_template(style).expect("the template is valid"));
        Bar { bar }
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

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

/// Whether someone watches: standard error is a terminal.
pub(super) fn watched(quiet: bool) -> bool {
    !quiet && std::io::stderr().is_terminal()
}

/// A progress bar on standard error, and only if that is a terminal.
fn bar(length: u64, style: &str, quiet: bool) -> ProgressBar {
    let target = if watched(quiet) { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    drawn_on(target, length, style)
}

fn drawn_on(target: ProgressDrawTarget, length: u64, style: &str) -> ProgressBar {
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
        let style = format!("{{bar:32}} {{percent:>3}} %  {{human_pos}} {what}  {{eta}} left");
        CountBar { bar: bar(length, &style, quiet) }
    }

    /// The same where there may be fewer in the end: it counts, and promises no share and no time.
    pub(super) fn at_most(most: u64, what: &str, quiet: bool) -> Self {
        CountBar { bar: bar(most, &Self::up_to(what), quiet) }
    }

    fn up_to(what: &str) -> String {
        format!("{{human_pos}} {what} made, of {{human_len}} at most")
    }

    /// Shows that so many more are done; `false` asks to stop.
    pub(super) fn done(&self, more: u64) -> bool {
        self.bar.inc(more);
        !interrupted()
    }

    /// Does something that tells for itself how far it is, and whose time does not count here.
    pub(super) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        let done = self.bar.suspend(work);
        self.bar.reset_eta();
        done
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use indicatif::TermLike;

    use super::*;

    /// What was written since the line was cleared last.
    #[derive(Clone, Debug, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn shows(&self) -> String {
            self.0.lock().unwrap().trim().to_owned()
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            self.0.lock().unwrap().clear();
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn on(screen: &Screen, most: u64, style: &str) -> CountBar {
        CountBar { bar: drawn_on(ProgressDrawTarget::term_like(Box::new(screen.clone())), most, style) }
    }

    #[test]
    fn what_may_be_fewer_is_counted_without_a_share_and_gone_at_the_end() {
        let screen = Screen::default();
        let bar = on(&screen, 1_600, &CountBar::up_to("runs"));
        bar.done(8);
        assert_eq!(screen.shows(), "8 runs made, of 1,600 at most");
        bar.done(1_000);
        assert_eq!(screen.shows(), "1,008 runs made, of 1,600 at most");
        drop(bar);
        assert_eq!(screen.shows(), "");
    }

    #[test]
    fn a_bar_steps_aside_and_comes_back() {
        let screen = Screen::default();
        let bar = on(&screen, 4, &CountBar::up_to("runs"));
        bar.done(1);
        bar.aside(|| assert_eq!(screen.shows(), ""));
        assert_eq!(screen.shows(), "1 runs made, of 4 at most");
    }
}

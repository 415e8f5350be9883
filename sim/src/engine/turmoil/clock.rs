//! A program's clock and timer.

use std::pin::Pin;
use std::time::Duration;

use keystorm_model::{SimTime, Span};
use tokio::time::{Instant, Sleep};

/// Simulated time, as a program on a host reads it from tokio's clock.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
    /// What the time was then: 0, unless the host has been started again.
    begun: SimTime,
}

impl Clock {
    /// The clock of a program that begins now.
    pub(super) fn new() -> Self {
        let begun = turmoil::sim_elapsed().expect("a program runs on a host");
        Clock { start: Instant::now(), begun: SimTime::from_ns(begun.as_nanos() as u64) }
    }

    /// The time.
    pub(super) fn now(self) -> SimTime {
        self.begun + Span::from_ns((Instant::now() - self.start).as_nanos() as u64)
    }
}

/// A program's timer. Setting it to the time that it has already costs nothing.
pub(super) struct Alarm {
    clock: Clock,
    at: Option<SimTime>,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    pub(super) fn new(clock: Clock) -> Self {
        Alarm { clock, at: None, sleep: Box::pin(tokio::time::sleep_until(clock.start)) }
    }

    /// Goes off at `at`, or never.
    pub(super) fn set(&mut self, at: Option<SimTime>) {
        if let Some(time) = at.filter(|_| at != self.at) {
            let wait = Duration::from_nanos(time.since(self.clock.begun).as_ns());
            self.sleep.as_mut().reset(self.clock.start + wait);
        }
        self.at = at;
    }

    /// Waits until it goes off.
    pub(super) async fn rings(&mut self) {
        match self.at {
            Some(_) => self.sleep.as_mut().await,
            None => std::future::pending().await,
        }
    }
}

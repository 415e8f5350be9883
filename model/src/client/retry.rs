//! How often, and when, a client repeats itself.

use crate::time::Span;

/// Retransmission of an unanswered request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    /// Wait before the first retransmission.
    pub first: Span,
    /// Each further wait is this many times longer.
    pub factor: u32,
    /// How often a request is sent in all before the client gives up.
    pub tries: u8,
}

impl Retry {
    /// How long a client waits for one answer in all.
    pub fn patience(&self) -> Span {
        let mut wait = self.first;
        let mut total = Span::ZERO;
        for _ in 0..self.tries {
            total += wait;
            wait = wait * u64::from(self.factor);
        }
        total
    }
}

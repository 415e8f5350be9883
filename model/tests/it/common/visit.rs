//! One connection of a card, with what is to go wrong in it.

use keystorm_model::client::{Cause, Ending, Step};
use keystorm_model::{CardId, ConnectionId, Span};

use super::Bench;
use super::line::{Dir, Fate, Pick, Which};

/// When the card is pulled out, seen from one command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pull {
    /// Before the card sees it.
    Before,
    /// At this moment of its writes to non-volatile memory (see [`keystorm_model::card::Power`]).
    During(u32),
    /// When it is done and has not been answered.
    After,
}

#[must_use = "a visit happens when it is run"]
pub(crate) struct Visit<'a> {
    bench: &'a mut Bench,
    desk: usize,
    card: CardId,
    connection: ConnectionId,
    pull: Option<(usize, Pull)>,
}

impl<'a> Visit<'a> {
    pub(crate) fn new(bench: &'a mut Bench, desk: usize, card: CardId, connection: ConnectionId) -> Self {
        bench.line.desks.insert(connection, desk);
        Visit { bench, desk, card, connection, pull: None }
    }

    pub(crate) fn with(self, dir: Dir, which: Which, copies_below: u8, fate: Fate) -> Self {
        let pick = Pick { connection: self.connection, dir, which, copies_below };
        self.bench.line.rules.push((pick, fate));
        self
    }

    /// Every copy of a message is lost.
    pub(crate) fn loses(self, dir: Dir, name: &'static str) -> Self {
        self.with(dir, Which::Named(name), u8::MAX, Fate::Lost)
    }

    /// Every copy of a message is held until [`Bench::release`].
    pub(crate) fn holds(self, dir: Dir, name: &'static str) -> Self {
        self.with(dir, Which::Named(name), u8::MAX, Fate::Held)
    }

    /// Every message arrives twice, the second time later by `span`.
    pub(crate) fn doubles_all(self, span: Span) -> Self {
        self.with(Dir::Up, Which::All, u8::MAX, Fate::Twice(span)).with(
            Dir::Down,
            Which::All,
            u8::MAX,
            Fate::Twice(span),
        )
    }

    /// The card is pulled out at its `nth` command, from 0.
    pub(crate) fn pulls(mut self, nth: usize, pull: Pull) -> Self {
        self.pull = Some((nth, pull));
        self
    }

    /// Begins, and runs until a message or a command of this name has been sent; returns the connection's number.
    #[track_caller]
    pub(crate) fn until(self, name: &str) -> ConnectionId {
        let (bench, desk) = (self.bench, self.desk);
        bench.insert(desk, self.card, self.connection, self.pull);
        while !bench.trace.lines(self.connection).iter().any(|line| line.contains(name)) {
            assert!(bench.advance() && bench.desks[desk].client.connection().is_some(), "\n{}", bench.trace);
        }
        self.connection
    }

    /// Runs to its end.
    pub(crate) fn ends(self) -> Ending {
        self.ends_with_trace().0
    }

    /// Runs to its end, whatever it is, and returns the connection's number.
    pub(crate) fn ends_somehow(self) -> ConnectionId {
        let connection = self.connection;
        self.ends_with_trace();
        connection
    }

    #[track_caller]
    pub(crate) fn completes(self) -> ConnectionId {
        let connection = self.connection;
        let ending = self.ends_with_trace();
        assert_eq!(ending.0, Ending::Completed, "\n{}", ending.1);
        connection
    }

    #[track_caller]
    pub(crate) fn wants_another(self) -> ConnectionId {
        let connection = self.connection;
        let ending = self.ends_with_trace();
        assert_eq!(ending.0, Ending::Again, "\n{}", ending.1);
        connection
    }

    #[track_caller]
    pub(crate) fn fails(self, step: Step, cause: Cause) -> ConnectionId {
        let connection = self.connection;
        let ending = self.ends_with_trace();
        assert_eq!(ending.0, Ending::Failed { step, cause }, "\n{}", ending.1);
        connection
    }

    fn ends_with_trace(self) -> (Ending, String) {
        self.bench.insert(self.desk, self.card, self.connection, self.pull);
        self.bench.run(self.desk);
        (self.bench.trace.ending(self.connection), self.bench.trace.to_string())
    }
}

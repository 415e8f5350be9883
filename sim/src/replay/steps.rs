//! From a tape to steps: a message and its arrival are one, a command and its answer are one, and what the server did
//! with a message stands beside it.

use keystorm_model::apdu::split_answer;
use keystorm_model::client::{Cause, Ending};
use keystorm_model::fragment;
use keystorm_model::message;
use keystorm_model::secure::Direction;
use keystorm_model::server::ServerEffect;
use keystorm_model::suite::Sizes;
use keystorm_model::{ConnectionId, Depth, SimTime, Span};

use crate::record::tape::{Dropped, Entry, Event, Pulled};
use crate::world::line::{Arrival, Fate};

use super::words::{self, Names, Words, clock, span};

/// One thing in a card's life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Its number, from 1; marks have none.
    pub number: Option<u32>,
    /// The card's connection that it belongs to, from 1; 0: to none.
    pub connection: u32,
    /// Whether it belongs to the epilogue.
    pub epilogue: bool,
    /// When it began.
    pub at: SimTime,
    /// How long it took until the message was there, or the answer; `None`: it never was.
    pub took: Option<Span>,
    /// What it is.
    pub action: Action,
    /// What is to be said of it.
    pub remarks: Vec<Remark>,
}

/// What a step is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// A boundary: a visit, the beginning or the end of a connection.
    Mark(Mark, String),
    /// A message between client and server.
    Message {
        /// Which way.
        direction: Direction,
        /// What it says.
        words: Words,
    },
    /// A command of the client's to the card.
    Command {
        /// What it asks for.
        words: Words,
        /// The status word and what else the card answered; `None`: nothing.
        answer: Option<Answer>,
        /// Page writes to the card's memory.
        writes: u32,
        /// When the card was pulled out, if it was.
        pulled: Option<Pulled>,
    },
}

/// A kind of boundary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mark {
    /// Before a connection.
    Visit,
    /// The beginning of a connection.
    Connection,
    /// The end of a connection.
    End,
    /// A cut that was placed here.
    Cut,
    /// Something else in the card's life: it is issued anew, the run is over.
    Other,
}

/// A card's answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status word.
    pub status: u16,
    /// What it carries, by the patent's name.
    pub content: String,
}

/// What is to be said of a step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remark {
    /// Of which kind.
    pub kind: Tone,
    /// In words.
    pub text: String,
}

/// Kinds of remarks, the more telling one greater.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Tone {
    /// Worth knowing.
    Plain,
    /// A fault struck a message, and the protocol's repetitions may mend that.
    Fault,
    /// A renewal goes a step on.
    Renewal,
    /// A fault ended the connection, or something was refused.
    Harm,
}

impl Step {
    fn remark(&mut self, kind: Tone, text: impl Into<String>) {
        self.remarks.push(Remark { kind, text: text.into() });
    }
}

/// The steps of what was recorded, in order of time. `sizes` are those of the fleet's suite.
pub fn steps(entries: &[Entry], sizes: Sizes) -> Vec<Step> {
    let mut builder = Builder::new(sizes);
    for entry in entries {
        builder.add(entry);
    }
    builder.finish()
}

/// The time of an event, and whether it belongs to the epilogue.
#[derive(Clone, Copy)]
pub(super) struct When {
    pub(super) at: SimTime,
    pub(super) epilogue: bool,
}

/// A message that is on its way.
struct Way {
    direction: Direction,
    datagram: Vec<u8>,
    /// When it, or its second copy, is going to arrive.
    due: SimTime,
    step: usize,
}

/// Makes steps of events that are told in order.
pub(super) struct Builder {
    sizes: Sizes,
    steps: Vec<Step>,
    names: Names,
    ways: Vec<Way>,
    /// The card's connection that is under way.
    connection: u32,
    /// The command that awaits its answer.
    command: Option<usize>,
    /// The message that the server was given last.
    at_server: Option<usize>,
    /// Every message that has arrived at the server since it crashed last.
    arrived: Vec<(Vec<u8>, usize)>,
}

impl Builder {
    /// Of nothing yet.
    pub(super) fn new(sizes: Sizes) -> Self {
        Builder {
            sizes,
            steps: Vec::new(),
            names: Names::default(),
            ways: Vec::new(),
            connection: 0,
            command: None,
            at_server: None,
            arrived: Vec::new(),
        }
    }

    /// Says something of the last step.
    pub(super) fn remark(&mut self, tone: Tone, text: impl Into<String>) {
        self.last().remark(tone, text);
    }

    /// Says something of the message that the server was given last.
    pub(super) fn at_server(&mut self, at: SimTime, tone: Tone, text: String) {
        self.beside(When { at, epilogue: false }, self.at_server, tone, text);
    }

    /// Whether what follows belongs to this connection.
    pub(super) fn is_at(&self, connection: ConnectionId) -> bool {
        self.connection == connection.0 as u32
    }

    /// What follows belongs to this connection.
    pub(super) fn turn_to(&mut self, connection: ConnectionId) {
        self.connection = connection.0 as u32;
    }

    /// Adds what happened.
    pub(super) fn add(&mut self, entry: &Entry) {
        let when = When { at: entry.at, epilogue: entry.epilogue };
        match &entry.event {
            Event::Arrives { client, queued } => {
                let waits = if *queued { ", and has to wait" } else { "" };
                self.mark(when, Mark::Visit, format!("the holder comes to client {client}{waits}"));
            }
            Event::Skipped => {
                self.mark(when, Mark::Visit, "a visit falls due while the last one is not over".into());
            }
            Event::Connects { client, connection, writes } => {
                (self.connection, self.command) = (connection.0 as u32, None);
                let place = match client {
                    Some(client) => format!(", at client {client}"),
                    None if when.epilogue => ", of the epilogue".into(),
                    None => String::new(),
                };
                self.mark(when, Mark::Connection, format!("connection {}{place}", self.connection));
                if *writes > 0 {
                    let text = format!("the card restores its memory: {}", pages(*writes));
                    self.last().remark(Tone::Plain, text);
                }
            }
            Event::Sent { direction, copy, fate, datagram } => {
                self.sent(when, *direction, *copy, *fate, datagram);
            }
            Event::Delivered { direction, datagram } => self.delivered(when, *direction, datagram),
            Event::Dropped { why, datagram } => {
                let (direction, why) = match why {
                    Dropped::ServerDown => (Direction::Up, "lost: the server is down"),
                    Dropped::QueueFull => (Direction::Up, "lost: the server's queue is full"),
                    Dropped::ClientDown => (Direction::Down, "lost: the client is down"),
                };
                if let Some(step) = self.landed(entry.at, direction, datagram) {
                    self.steps[step].remark(Tone::Fault, why);
                }
            }
            Event::Forgotten { datagram } => {
                let place = self.arrived.iter().rposition(|(arrived, _)| arrived == datagram);
                // Of a message in parts it is the whole that is forgotten, when its last part has arrived.
                let step = place.map(|place| self.arrived.remove(place).1).or(self.at_server);
                self.beside(when, step, Tone::Fault, crash(entry.at, "before it was acted on"));
            }
            Event::Unsent { copy, datagram } => {
                self.message(when, Direction::Down, datagram);
                self.repeats(*copy);
                self.remark(Tone::Fault, crash(entry.at, "before it was sent"));
            }
            Event::Waited(waited) => {
                let text = format!("waits {} for the server", span(*waited));
                self.beside(when, self.at_server, Tone::Plain, text);
            }
            Event::Server(effect) => self.server(when, *effect),
            Event::Command { command, writes, pulled } => {
                let words = words::command(command, &mut self.names);
                let action = Action::Command { words, answer: None, writes: *writes, pulled: *pulled };
                self.command = Some(self.push(when, self.connection, action));
                if let Some(pulled) = pulled {
                    self.last().remark(Tone::Harm, moment(*pulled));
                }
            }
            Event::Answered(answer) => self.answered(when, answer),
            Event::Gone => self.command = None,
            Event::Ended(ending) => self.ended(when, *ending),
            Event::Recalled => self.mark(when, Mark::Other, "the card has to be issued anew".into()),
            Event::Reissued => self.mark(when, Mark::Other, "the card is issued anew".into()),
            Event::ServerDown { until } => {
                self.mark(
                    when,
                    Mark::Other,
                    format!("the server crashes, and is up again at {}", clock(*until)),
                );
                self.arrived.clear();
            }
            Event::Epilogue => {
                self.mark(
                    when,
                    Mark::Other,
                    "the run is over; undisturbed connections follow, if any are due".into(),
                );
                self.connection = 0;
                self.at_server = None;
            }
        }
    }

    fn push(&mut self, when: When, connection: u32, action: Action) -> usize {
        let When { at, epilogue } = when;
        let step = Step { number: None, connection, epilogue, at, took: None, action, remarks: Vec::new() };
        self.steps.push(step);
        self.steps.len() - 1
    }

    /// A boundary, or a cut.
    pub(super) fn mark(&mut self, when: When, mark: Mark, text: String) {
        let connection = if matches!(mark, Mark::Visit | Mark::Other) { 0 } else { self.connection };
        self.push(when, connection, Action::Mark(mark, text));
    }

    fn last(&mut self) -> &mut Step {
        self.steps.last_mut().expect("one has just been added")
    }

    /// A remark beside `step`, or a line of its own.
    fn beside(&mut self, when: When, step: Option<usize>, tone: Tone, text: String) {
        match step {
            Some(step) => self.steps[step].remark(tone, text),
            None => self.mark(when, Mark::Other, text),
        }
    }

    fn message(&mut self, when: When, direction: Direction, datagram: &[u8]) -> usize {
        let (connection, words) = match message::decode(datagram) {
            Ok((header, message)) => {
                let words = words::message(&message, self.sizes, &mut self.names);
                (header.connection.0 as u32, words)
            }
            Err(_) => {
                let part = fragment::describe(datagram).filter(|_| fragment::is_fragment(datagram));
                let (connection, name) = match part {
                    Some((connection, number, count)) => {
                        (connection.0 as u32, format!("part {number} of {count}"))
                    }
                    None => (self.connection, "unreadable message".into()),
                };
                (connection, Words { name, ..Words::default() })
            }
        };
        let step = self.push(when, connection, Action::Message { direction, words });
        if connection != self.connection {
            self.last().remark(Tone::Fault, format!("of connection {connection}"));
        }
        step
    }

    fn sent(&mut self, when: When, direction: Direction, copy: u8, fate: Fate, datagram: &[u8]) {
        let step = self.message(when, direction, datagram);
        self.repeats(copy);
        let lost = |arrival| match arrival {
            Arrival::At(_) => None,
            Arrival::Lost => Some("lost".to_owned()),
            Arrival::Cut(..) => Some("lost: the line of the site is down".to_owned()),
        };
        if let Some(text) = lost(fate.first) {
            self.last().remark(Tone::Fault, text);
        } else if fate.reordered {
            self.last().remark(Tone::Fault, "held back on the line");
        }
        if let Some(copy) = fate.duplicate {
            let text =
                lost(copy).map_or("doubled by the line".into(), |lost| format!("doubled, the copy {lost}"));
            self.last().remark(Tone::Fault, text);
        }
        for arrival in [Some(fate.first), fate.duplicate].into_iter().flatten() {
            if let Arrival::At(due) = arrival {
                self.ways.push(Way { direction, datagram: datagram.to_vec(), due, step });
            }
        }
    }

    /// Says of the last step that it is a repeat, if it is.
    fn repeats(&mut self, copy: u8) {
        if (1..0x80).contains(&copy) {
            self.remark(Tone::Plain, format!("repeat {copy}"));
        }
    }

    /// Takes a message that arrives at `at` off its way, and returns its step.
    fn landed(&mut self, at: SimTime, direction: Direction, datagram: &[u8]) -> Option<usize> {
        let is_it = |way: &&Way| way.direction == direction && way.datagram == datagram;
        // A coarse tick may deliver late; two copies of one message are told apart by their times.
        let exact = self.ways.iter().find(|way| is_it(way) && way.due == at);
        let due = exact.or_else(|| self.ways.iter().filter(is_it).min_by_key(|way| way.due))?.due;
        let place = self.ways.iter().position(|way| is_it(&way) && way.due == due)?;
        let step = self.ways.remove(place).step;
        let step_at = self.steps[step].at;
        match self.steps[step].took {
            None => self.steps[step].took = Some(at.since(step_at)),
            Some(_) => self.steps[step].remark(Tone::Plain, format!("arrives again at {}", clock(at))),
        }
        Some(step)
    }

    fn delivered(&mut self, when: When, direction: Direction, datagram: &[u8]) {
        let step = self.landed(when.at, direction, datagram).unwrap_or_else(|| {
            let step = self.message(when, direction, datagram);
            // In the epilogue nothing is handed to a line; elsewhere it has arrived before.
            if !when.epilogue {
                self.remark(Tone::Fault, "comes again");
            }
            self.steps[step].took = Some(Span::ZERO);
            step
        });
        if direction == Direction::Up {
            self.at_server = Some(step);
            self.arrived.push((datagram.to_vec(), step));
        }
    }

    fn answered(&mut self, when: When, answer: &[u8]) {
        let Some(step) = self.command.take() else { return };
        let Some((data, status)) = split_answer(answer) else { return };
        let said = Answer { status: status.0, content: self.names.answered(data) };
        let step = &mut self.steps[step];
        step.took = Some(when.at.since(step.at));
        if let Action::Command { answer, .. } = &mut step.action {
            *answer = Some(said);
        }
        if let Some(text) = words::refusal(status) {
            step.remark(Tone::Harm, text);
        }
    }

    fn server(&mut self, when: When, effect: ServerEffect) {
        let (tone, text) = match effect {
            ServerEffect::CardRefused(_) => (Tone::Harm, "the server refuses the card".to_owned()),
            ServerEffect::Authenticated(_) => (Tone::Plain, "mutual authentication holds".to_owned()),
            ServerEffect::Deferred(_) => {
                (Tone::Plain, "a renewal is due, and the server says later".to_owned())
            }
            ServerEffect::UpdateStarted { due, .. } => {
                (Tone::Renewal, format!("the server starts the renewal of {}", depth(due.depth)))
            }
            ServerEffect::Committed { due, .. } => {
                (Tone::Renewal, format!("the server commits {}", depth(due.depth)))
            }
            ServerEffect::Promoted { due, .. } => (
                Tone::Renewal,
                format!("the server finds the stage of {} stored, and commits it", depth(due.depth)),
            ),
            ServerEffect::Interrupted { due, .. } => {
                (Tone::Harm, format!("the server notes: renewal of {} interrupted", depth(due.depth)))
            }
            ServerEffect::SessionOpened { .. } => (Tone::Plain, "session opened".to_owned()),
            // The message that follows says what was offered.
            ServerEffect::Offered { .. } => return,
            ServerEffect::Answer { .. }
            | ServerEffect::Stale { .. }
            | ServerEffect::ProbeAnswer { .. }
            | ServerEffect::Rejected(_) => return,
        };
        self.beside(when, self.at_server, tone, text);
    }

    fn ended(&mut self, when: When, ending: Ending) {
        match ending {
            Ending::Completed => self.mark(when, Mark::End, "the session is completed".into()),
            Ending::Again => {
                self.mark(when, Mark::End, "more is due: the client connects again".into());
            }
            Ending::Failed { step, cause } => {
                let why = match cause {
                    Cause::GaveUp => "the client gives up",
                    Cause::ServerSaidNo => "the server says no",
                    Cause::CardSaidNo(_) => "the card says no",
                    Cause::CardPulled => "the card is gone",
                    Cause::ClientCrashed => "the client crashes",
                    Cause::Stale => "the server no longer knows the connection",
                };
                self.mark(when, Mark::End, "the session fails".into());
                self.last().remark(Tone::Harm, format!("at {}: {why}", step.name()));
                if let (Cause::CardPulled, Some(command)) = (cause, self.command.take()) {
                    self.steps[command].remark(Tone::Harm, "no answer: the card is gone");
                }
            }
        }
    }

    /// All steps, numbered; of a message that is under way they say so.
    pub(super) fn finish(mut self) -> Vec<Step> {
        for way in std::mem::take(&mut self.ways) {
            if self.steps[way.step].took.is_none() {
                self.steps[way.step].remark(Tone::Plain, "under way at the end of the run");
            }
        }
        let numbered = self.steps.iter_mut().filter(|step| !matches!(step.action, Action::Mark(..)));
        for (number, step) in (1..).zip(numbered) {
            step.number = Some(number);
        }
        self.steps
    }
}

/// `1 page`, `2 pages`.
pub(super) fn pages(count: u32) -> String {
    if count == 1 { "1 page written".into() } else { format!("{count} pages written") }
}

/// That a crash of the server at `at` took a message.
fn crash(at: SimTime, before: &str) -> String {
    format!("lost in the server's crash at {}, {before}", clock(at))
}

fn depth(depth: Depth) -> String {
    format!("depth {depth}")
}

fn moment(pulled: Pulled) -> String {
    match pulled {
        Pulled::Before => "card pulled before it".into(),
        Pulled::During { moment, moments } if moment == moments => {
            "card pulled when it was done, before it answered".into()
        }
        Pulled::During { moment, moments } => {
            format!("card pulled during it, moment {moment} of 0 to {moments}")
        }
        Pulled::After => "card pulled after it".into(),
    }
}

#[cfg(test)]
mod tests;

//! A row of the matrix of interruptions as a life: the renewal with its cuts, and the way back to health.
//!
//! The matrix has no line and no clock: what happens is in order, and has no times.

use std::collections::BTreeMap;

use keystorm_model::secure::Direction;
use keystorm_model::suite::{Sizes, SuiteId};
use keystorm_model::{ConnectionId, SimTime, message};

use crate::interrupt::combination::cipher_name;
use crate::interrupt::{Event as Seen, RowName, rerun};
use crate::record::tape::{Entry, Event};
use crate::world::line::{Arrival, Fate};

use super::steps::{Builder, Mark, Step, Tone, When};
use super::{Fact, Life, Subject};

/// The life of the card of a row, whose cells are given by their columns. The row is run once more.
///
/// # Errors
/// If the row is none of this program's, or ends otherwise than it says.
pub fn life(number: u32, cells: &BTreeMap<String, String>) -> Result<Life, RowError> {
    let cell = |name: &str| cells.get(name).cloned().unwrap_or_default();
    let pair = |step: &str, kind: &str| [cell(step), cell(kind)];
    let second = pair("cut2_step", "cut2_kind");
    let name = RowName {
        suite: cell("suite"),
        crypto: cell("crypto"),
        embodiment: cell("embodiment"),
        recovery: cell("recovery"),
        nvm: cell("nvm"),
        layout: cell("layout"),
        depth: cell("depth"),
        cut: pair("cut_step", "cut_kind"),
        second: Some(second.clone()).filter(|second| !second[0].is_empty()),
    };
    let mut seen = Vec::new();
    let verdict = rerun(&name, &mut |event: &Seen| seen.push(event.clone())).map_err(RowError::Unknown)?;
    let connections = verdict.connections.map_or(String::new(), |connections| connections.to_string());
    let (said, found) =
        ([cell("outcome"), cell("connections_to_heal")], [verdict.outcome.name().into(), connections]);
    if said != found {
        return Err(RowError::Otherwise { said: said.join(" "), found: found.join(" ") });
    }
    let suite = SuiteId::ALL.into_iter().find(|suite| suite.name() == name.suite);
    let sizes = suite.expect("the row has been run").sizes();
    let [_, connections] = found;
    Ok(Life {
        subject: Subject::Row(number),
        timed: false,
        facts: facts(&name, second, &seen),
        steps: steps(&seen, sizes),
        end: vec![
            ("Outcome".into(), verdict.outcome.name().into()),
            (
                "Healed".into(),
                match connections.as_str() {
                    "" => "not before something falls due anew".into(),
                    "0" => "everything was renewed when it was cut".into(),
                    "1" => "after 1 connection without faults".into(),
                    count => format!("after {count} connections without faults"),
                },
            ),
        ],
    })
}

fn facts(name: &RowName, [step, kind]: [String; 2], seen: &[Seen]) -> Vec<Fact> {
    let RowName {
        suite, crypto, embodiment, recovery, nvm, layout, depth, cut: [cut_step, cut_kind], ..
    } = name;
    let mut facts = vec![
        (
            "Renewal".to_owned(),
            format!(
                "embodiment {embodiment}, {recovery}, {}; depth due: {depth}",
                cipher_name(suite, crypto)
            ),
        ),
        ("Memory".into(), format!("{nvm}, {layout}")),
        ("Cut".into(), format!("{cut_kind} at {cut_step}")),
    ];
    if !step.is_empty() {
        facts.push(("Then".into(), format!("{kind} at {step}")));
    }
    let cuts = seen.iter().filter(|event| matches!(event, Seen::Cut(_))).count();
    if cuts < 1 + usize::from(name.second.is_some()) {
        facts.push(("Note".into(), "a cut that is not shown has changed nothing in either party".into()));
    }
    facts
}

/// Why a row cannot be shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RowError {
    /// It names something that does not exist.
    Unknown(String),
    /// It ends otherwise.
    Otherwise {
        /// Outcome and connections that the row says.
        said: String,
        /// Those that were found.
        found: String,
    },
}

/// The steps of what an observer has seen of a row. `sizes` are those of its suite.
fn steps(seen: &[Seen], sizes: Sizes) -> Vec<Step> {
    let mut builder = Builder::new(sizes);
    for (place, event) in seen.iter().enumerate() {
        add(&mut builder, seen, place, event);
    }
    builder.finish()
}

/// Stands for the time of the `place`-th event.
fn moment(place: usize) -> SimTime {
    SimTime::from_ns(place as u64)
}

fn add(builder: &mut Builder, seen: &[Seen], place: usize, event: &Seen) {
    let at = moment(place);
    if let Some(connection) = speaks(seen, place, event).filter(|&connection| !builder.is_at(connection)) {
        builder.turn_to(connection);
        let text = format!("connection {} goes on", connection.0 as u32);
        builder.mark(When { at, epilogue: false }, Mark::Connection, text);
    }
    let mut tell = |event| builder.add(&Entry { at, epilogue: false, event });
    let delivered = |direction, datagram: &[u8]| Event::Delivered { direction, datagram: datagram.to_vec() };
    match event {
        Seen::Connected { connection, moments } => {
            tell(Event::Connects { client: None, connection: *connection, writes: 0 });
            if *moments > 0 {
                builder.remark(Tone::Plain, format!("the card restores its memory in {}", counted(*moments)));
            }
        }
        Seen::Sent { datagram } => tell(sent(seen, place, Direction::Up, datagram)),
        Seen::Answered { datagram } => tell(sent(seen, place, Direction::Down, datagram)),
        Seen::AtServer { datagram } => tell(delivered(Direction::Up, datagram)),
        Seen::AtClient { datagram } => tell(delivered(Direction::Down, datagram)),
        Seen::Command { command, answer, moments } => {
            tell(Event::Command { command: command.clone(), writes: 0, pulled: None });
            tell(answer.clone().map_or(Event::Gone, Event::Answered));
            if *moments > 0 {
                builder.remark(Tone::Plain, format!("{} of writing to memory", counted(*moments)));
            }
            if answer.is_none() {
                builder.remark(Tone::Harm, "no answer");
            }
        }
        Seen::Committed { depth } => {
            builder.at_server(at, Tone::Renewal, format!("the server commits depth {depth}"));
        }
        Seen::ServerRestarts => {
            builder.mark(
                When { at, epilogue: false },
                Mark::Cut,
                "the server crashes, and starts again".into(),
            );
        }
        Seen::Cut(cut) => {
            builder.mark(
                When { at, epilogue: false },
                Mark::Cut,
                format!("CUT: {} at {}", cut.kind, cut.step),
            );
        }
        Seen::Ended { connection, ending } => {
            builder.turn_to(*connection);
            builder.add(&Entry { at, epilogue: false, event: Event::Ended(*ending) });
        }
    }
}

/// `1 moment`, `2 moments`.
fn counted(moments: u32) -> String {
    if moments == 1 { "1 moment".into() } else { format!("{moments} moments") }
}

/// The connection whose client is at work: it sends, or is given an answer that it has not had before.
fn speaks(seen: &[Seen], place: usize, event: &Seen) -> Option<ConnectionId> {
    let new_answer =
        || carried(event, Direction::Down, End::Receiver).filter(|_| !seen[..place].contains(event));
    let datagram = carried(event, Direction::Up, End::Sender).or_else(new_answer)?;
    message::decode(datagram).ok().map(|(header, _)| header.connection)
}

/// A message that is sent at `place`, and what becomes of it. An arrival belongs to the copy that was sent last.
fn sent(seen: &[Seen], place: usize, direction: Direction, datagram: &[u8]) -> Event {
    let leaves = |event: &Seen| carried(event, direction, End::Sender) == Some(datagram);
    let arrives = |event: &Seen| carried(event, direction, End::Receiver) == Some(datagram);
    let copy = seen[..place].iter().filter(|event| leaves(event)).count() as u8;
    let later = (place + 1..).zip(&seen[place + 1..]);
    let first = match later.into_iter().find(|(_, event)| leaves(event) || arrives(event)) {
        Some((arrival, event)) if arrives(event) => Arrival::At(moment(arrival)),
        _ => Arrival::Lost,
    };
    let fate = Fate { first, duplicate: None, reordered: false };
    Event::Sent { direction, copy, fate, datagram: datagram.to_vec() }
}

/// An end of a message's way.
#[derive(Clone, Copy)]
enum End {
    Sender,
    Receiver,
}

/// The message that the event is about, if it goes that way and is at that end.
fn carried(event: &Seen, direction: Direction, end: End) -> Option<&[u8]> {
    match (event, direction, end) {
        (Seen::Sent { datagram }, Direction::Up, End::Sender)
        | (Seen::AtServer { datagram }, Direction::Up, End::Receiver)
        | (Seen::Answered { datagram }, Direction::Down, End::Sender)
        | (Seen::AtClient { datagram }, Direction::Down, End::Receiver) => Some(datagram),
        _ => None,
    }
}

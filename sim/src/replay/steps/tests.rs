//! What is said of messages that arrive twice, late or never.

use keystorm_model::message::{Header, Message, encode};
use keystorm_model::suite::SuiteId;
use keystorm_model::{CardId, ClientId};

use super::*;
use crate::record::tape::Tape;

fn ms(ms: u64) -> SimTime {
    SimTime::ZERO + Span::from_ms(ms)
}

fn hello(connection: u64) -> Vec<u8> {
    let mut datagram = Vec::new();
    let header = Header { card: CardId(7), connection: ConnectionId(connection), sequence: 0 };
    encode(header, Message::Hello, &mut datagram);
    datagram
}

fn told(events: Vec<(u64, Event)>) -> Vec<Step> {
    let entry = |(at, event)| Entry { at: ms(at), epilogue: false, event };
    steps(&events.into_iter().map(entry).collect::<Vec<_>>(), SuiteId::Aes128.sizes())
}

fn remarks(step: &Step) -> Vec<&str> {
    step.remarks.iter().map(|remark| remark.text.as_str()).collect()
}

fn sent(copy: u8, first: Arrival, duplicate: Option<Arrival>) -> Event {
    let fate = Fate { first, duplicate, reordered: false };
    Event::Sent { direction: Direction::Up, copy, fate, datagram: hello(1) }
}

#[test]
fn copies_of_one_message_are_told_apart_by_their_times() {
    let arrives = |connection| Event::Delivered { direction: Direction::Up, datagram: hello(connection) };
    let (client, connection) = (Some(ClientId(0)), ConnectionId(1));
    let steps = told(vec![
        (0, Event::Connects { client, connection, writes: 0 }),
        (0, sent(0, Arrival::At(ms(30)), Some(Arrival::At(ms(60))))),
        (10, sent(1, Arrival::At(ms(20)), None)),
        (15, sent(2, Arrival::Lost, None)),
        (16, sent(3, Arrival::Cut(0, ms(40)), None)),
        (17, sent(4, Arrival::At(ms(90)), None)),
        (20, arrives(1)),
        (30, arrives(1)),
        (60, arrives(1)),
    ]);
    let took: Vec<Option<Span>> = steps.iter().map(|step| step.took).collect();
    assert_eq!(took, [None, Some(Span::from_ms(30)), Some(Span::from_ms(10)), None, None, None]);
    assert_eq!(remarks(&steps[1]), ["doubled by the line", "arrives again at 00:00:00.060"]);
    assert_eq!(remarks(&steps[2]), ["repeat 1"]);
    assert_eq!(remarks(&steps[3]), ["repeat 2", "lost"]);
    assert_eq!(remarks(&steps[4]), ["repeat 3", "lost: the line of the site is down"]);
    assert_eq!(remarks(&steps[5]), ["repeat 4", "under way at the end of the run"]);
}

#[test]
fn what_belongs_to_an_earlier_connection_is_late() {
    let (client, connection) = (Some(ClientId(0)), ConnectionId(2));
    let steps =
        told(vec![(0, Event::Connects { client, connection, writes: 1 }), (5, sent(0, Arrival::Lost, None))]);
    assert_eq!((steps[0].connection, steps[1].connection), (2, 1));
    assert_eq!(remarks(&steps[0]), ["the card restores its memory: 1 page written"]);
    assert_eq!(remarks(&steps[1]), ["of connection 1", "lost"]);
}

fn verdict() -> Vec<u8> {
    let mut datagram = Vec::new();
    let header = Header { card: CardId(7), connection: ConnectionId(1), sequence: 0 };
    encode(header, Message::Verdict(true), &mut datagram);
    datagram
}

/// The server is at work on one answer when it crashes, another has left it, and a request waits.
#[test]
fn a_crash_takes_what_the_server_had_not_sent_and_nothing_else() {
    let mut tape = Tape::of(CardId(7));
    let (client, connection) = (Some(ClientId(0)), ConnectionId(1));
    let arrives = || Event::Delivered { direction: Direction::Up, datagram: hello(1) };
    let answer = |copy| {
        let fate = Fate { first: Arrival::At(ms(90)), duplicate: None, reordered: false };
        Event::Sent { direction: Direction::Down, copy, fate, datagram: verdict() }
    };
    tape.push(ms(0), Event::Connects { client, connection, writes: 0 });
    tape.push(ms(1), sent(0, Arrival::At(ms(10)), None));
    tape.push(ms(10), arrives());
    tape.push(ms(20), answer(0));
    tape.push(ms(21), sent(1, Arrival::At(ms(22)), None));
    tape.push(ms(22), arrives());
    tape.push(ms(80), answer(1));
    tape.push(ms(23), sent(2, Arrival::At(ms(24)), None));
    tape.push(ms(24), arrives());
    // The end of a service at the very moment of the crash is before it.
    tape.push(ms(30), answer(3));
    tape.push(ms(30), Event::Forgotten { datagram: hello(1) });
    tape.crash(ms(30), ms(50));
    tape.push(ms(60), answer(4));
    let steps = steps(&tape.into_entries(), SuiteId::Aes128.sizes());
    let said: Vec<(u64, String)> =
        steps.iter().skip(1).map(|step| (step.at.as_ns() / 1_000_000, remarks(step).join("; "))).collect();
    let crash = "lost in the server's crash at 00:00:00.030";
    let expected = [
        (1, String::new()),
        (20, "under way at the end of the run".into()),
        (21, "repeat 1".into()),
        (23, format!("repeat 2; {crash}, before it was acted on")),
        (30, format!("repeat 1; {crash}, before it was sent")),
        (30, "repeat 3; under way at the end of the run".into()),
        (30, String::new()),
        (60, "repeat 4; under way at the end of the run".into()),
    ];
    assert_eq!(said, expected);
    assert_eq!(steps[5].took, None);
    assert!(
        matches!(&steps[7].action, Action::Mark(Mark::Other, text) if text.starts_with("the server crashes"))
    );
}

#[test]
fn a_message_is_lost_where_nobody_takes_it() {
    let (client, connection) = (Some(ClientId(0)), ConnectionId(1));
    let down = |first| {
        let fate = Fate { first, duplicate: None, reordered: false };
        Event::Sent { direction: Direction::Down, copy: 0, fate, datagram: verdict() }
    };
    let dropped = |why, datagram| Event::Dropped { why, datagram };
    let steps = told(vec![
        (0, Event::Connects { client, connection, writes: 0 }),
        (1, sent(0, Arrival::At(ms(5)), None)),
        (5, dropped(Dropped::ServerDown, hello(1))),
        (6, sent(1, Arrival::At(ms(7)), None)),
        (7, dropped(Dropped::QueueFull, hello(1))),
        (8, down(Arrival::At(ms(9)))),
        (9, dropped(Dropped::ClientDown, verdict())),
    ]);
    let said: Vec<Vec<&str>> = steps.iter().skip(1).map(remarks).collect();
    assert_eq!(
        said,
        [
            &["lost: the server is down"][..],
            &["repeat 1", "lost: the server's queue is full"],
            &["lost: the client is down"]
        ]
    );
}

//! What messages and commands are called, which keys they name, and the patent's names of what they carry.

use keystorm_model::apdu::{self, Command, StatusWord};
use keystorm_model::message::Message;
use keystorm_model::orders::Orders;
use keystorm_model::rings::{KeyRef, Pair, Ring};
use keystorm_model::suite::Sizes;
use keystorm_model::{KeyNo, SimTime, Span};

/// Values that have crossed in a connection, and the patent's names for them: Rs, Cai, Rk1, Ca1, …
#[derive(Default)]
pub(super) struct Names {
    known: Vec<(Vec<u8>, String)>,
    /// What the card's answer to the command at hand will be called.
    awaited: Option<String>,
}

impl Names {
    /// The name of `value`; empty: it has none.
    fn of(&self, value: &[u8]) -> &str {
        // The latest comes first: in a run that repeats randoms, the name of this repetition.
        self.known.iter().rev().find(|(known, _)| known == value).map_or("", |(_, name)| name)
    }

    fn learn(&mut self, value: &[u8], name: impl Into<String>) {
        self.known.push((value.to_vec(), name.into()));
    }

    /// The card has answered a command with `data`: what that is called.
    pub(super) fn answered(&mut self, data: &[u8]) -> String {
        match self.awaited.take() {
            Some(name) if !data.is_empty() => {
                self.learn(data, name.clone());
                name
            }
            _ => String::new(),
        }
    }
}

/// A message or a command in words.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Words {
    /// Its name.
    pub name: String,
    /// What it carries, or answers.
    pub content: String,
    /// The keys that it names.
    pub keys: String,
}

/// A key as the patent writes it, seen from the card: `Kai[2]`, `Kae[3]`.
pub(super) fn key(key: KeyRef) -> String {
    match key.ring {
        Ring::Internal => format!("Kai[{}]", key.no),
        Ring::External => format!("Kae[{}]", key.no),
    }
}

fn internal(no: KeyNo) -> String {
    key(KeyRef { ring: Ring::Internal, no })
}

fn external(no: KeyNo) -> String {
    key(KeyRef { ring: Ring::External, no })
}

fn verdict(ok: bool) -> String {
    if ok { "OK" } else { "NG" }.into()
}

/// What a message says. What it carries gets its name.
pub(super) fn message(message: &Message<'_>, sizes: Sizes, names: &mut Names) -> Words {
    let (mut content, mut keys) = (String::new(), String::new());
    match message {
        Message::Hello | Message::Bye | Message::Stale | Message::Probe | Message::ProbeAnswer => {}
        Message::CardProof(value) => content = named(names, value, "Cai"),
        Message::ServerChallenge(value) => content = named(names, value, "Ra"),
        Message::ServerProof(value) => content = named(names, value, "Csi"),
        Message::ServerVerdict(ok) | Message::UpdateVerdict(ok) | Message::Verdict(ok) => {
            content = verdict(*ok)
        }
        Message::Data(sealed) | Message::DataAnswer(sealed) => content = format!("{} bytes", sealed.len()),
        Message::Challenge { update, pair: Pair { internal: m, external: n }, rs } => {
            names.learn(rs, "Rs");
            content = if *update { "Rs, renewal" } else { "Rs" }.into();
            keys = format!("m={m}, n={n}");
        }
        Message::UpdateRandoms { upper, orders } => {
            content = randoms(orders, sizes, names);
            let renewed: Vec<String> = (0..orders.len()).filter_map(|i| orders.key(i)).map(key).collect();
            keys = format!("{} by {}", renewed.join(", "), internal(*upper));
        }
        Message::SessionSeed { internal: m, ro } => {
            names.learn(ro, "Ro");
            content = "Ro".into();
            keys = format!("m={m}");
        }
        Message::Done { again } => content = if *again { "connect again" } else { "" }.into(),
    }
    Words { name: message.name().into(), content, keys }
}

/// The name of a value that crosses; what is met for the first time gets `name`.
fn named(names: &mut Names, value: &[u8], name: &str) -> String {
    if names.of(value).is_empty() {
        names.learn(value, name);
    }
    name.into()
}

/// Names the randoms of an update as they are sent: a complement is not.
fn randoms(orders: &Orders<'_>, sizes: Sizes, names: &mut Names) -> String {
    if !orders.fit(sizes.renewal_random) {
        return "Rk".into();
    }
    let mut sent = Vec::new();
    for index in 0..orders.len() {
        let mut random = Vec::new();
        orders.random(index, sizes.renewal_random, &mut random);
        let name = format!("Rk{}", index + 1);
        let complement =
            index == 1 && names.known.last().is_some_and(|(first, _)| is_complement(first, &random));
        names.learn(&random, name.clone());
        if !complement {
            sent.push(name);
        }
    }
    sent.join(", ")
}

fn is_complement(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| *one == !other)
}

/// What a command asks for.
pub(super) fn command(bytes: &[u8], names: &mut Names) -> Words {
    let name = apdu::name(bytes).to_owned();
    names.awaited = None;
    let Ok(command) = Command::parse(bytes) else { return Words { name, ..Words::default() } };
    let mut content = names.of(command.data).to_owned();
    let no = KeyNo(command.p2 & 0x1f);
    let keys = match command.ins {
        apdu::INS_INTERNAL_AUTHENTICATE => {
            names.awaited = Some(answer_to(&content));
            internal(no)
        }
        apdu::INS_EXTERNAL_AUTHENTICATE => external(no),
        apdu::INS_STORE_KEY | apdu::INS_DERIVE_KEY => apdu::stored_key(&command).map(key).unwrap_or_default(),
        apdu::INS_GET_CHALLENGE => {
            names.awaited = Some("Ra".into());
            String::new()
        }
        _ => String::new(),
    };
    if command.cla & apdu::CLA_CHAINED != 0 {
        content = "first part".into();
    }
    Words { name, content, keys }
}

/// What INTERNAL AUTHENTICATE makes of a value.
fn answer_to(value: &str) -> String {
    match value {
        "Ro" => "session key".into(),
        _ => match value.strip_prefix("Rk") {
            Some(number) => format!("Ca{number}"),
            None => "Cai".into(),
        },
    }
}

/// What a status word says, beyond its number.
pub(super) fn refusal(status: StatusWord) -> Option<String> {
    let says = match status {
        StatusWord::OK => return None,
        StatusWord::MEMORY_FAILURE => "the memory is worn out",
        StatusWord::SECURITY => "the authentication before it does not allow that",
        StatusWord::BLOCKED => "the key is blocked",
        StatusWord::KEY_UNUSABLE => "the key is torn",
        StatusWord::CONDITIONS => "no challenge is alive",
        StatusWord::NO_KEY => "there is no such key",
        StatusWord(sw) if sw & 0xfff0 == 0x63c0 => {
            return Some(format!("wrong proof, {} tries left", sw & 0xf));
        }
        StatusWord(sw) if sw & 0xff00 == 0x6100 || sw & 0xff00 == 0x6c00 => return None,
        StatusWord(_) => "refused",
    };
    Some(says.into())
}

/// A time of day as a stop-watch shows it: `01:02:03.456`, with days before it where there are any.
pub fn clock(at: SimTime) -> String {
    let ms = at.as_ns() / 1_000_000;
    let (days, hours) = (ms / 86_400_000, ms / 3_600_000 % 24);
    let rest = format!("{hours:02}:{:02}:{:02}.{:03}", ms / 60_000 % 60, ms / 1_000 % 60, ms % 1_000);
    if days == 0 { rest } else { format!("{days}d {rest}") }
}

/// A length of time with about three digits: `350 us`, `41.2 ms`, `3.50 s`, `2.0 h`.
pub fn span(span: Span) -> String {
    let us = span.as_us();
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{}.{} ms", us / 1_000, us / 100 % 10),
        1_000_000..600_000_000 => format!("{}.{:02} s", us / 1_000_000, us / 10_000 % 100),
        600_000_000..36_000_000_000 => format!("{}.{} min", us / 60_000_000, us / 6_000_000 % 10),
        _ => format!("{}.{} h", us / 3_600_000_000, us / 360_000_000 % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_a_stop_watch_shows_them() {
        assert_eq!(clock(SimTime::from_ns(3_723_456_999_999)), "01:02:03.456");
        assert_eq!(clock(SimTime::ZERO + Span::from_secs(2 * 86_400 + 59)), "2d 00:00:59.000");
        let shown = [7, 41_234, 3_504_000, 90_000_000, 1_200_000_000, 40_000_000_000]
            .map(|us| span(Span::from_us(us)));
        assert_eq!(shown, ["7 us", "41.2 ms", "3.50 s", "90.00 s", "20.0 min", "11.1 h"]);
    }

    #[test]
    fn a_card_s_answers_are_called_as_in_the_figures() {
        let mut names = Names::default();
        let (rk2, ca2) = ([7; 16], [8; 16]);
        names.learn(&rk2, "Rk2");
        let mut bytes = Vec::new();
        apdu::internal_authenticate(KeyNo(2), &rk2, &mut bytes);
        let asked = command(&bytes, &mut names);
        assert_eq!((asked.content.as_str(), asked.keys.as_str()), ("Rk2", "Kai[2]"));
        assert_eq!(names.answered(&ca2), "Ca2");
        bytes.clear();
        apdu::store_key(KeyRef { ring: Ring::External, no: KeyNo(4) }, &ca2, &mut bytes);
        let stored = command(&bytes, &mut names);
        assert_eq!((stored.name.as_str(), stored.content.as_str()), ("STORE KEY", "Ca2"));
        assert_eq!(stored.keys, "Kae[4]");
    }
}

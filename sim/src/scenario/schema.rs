//! The one table of every key of a scenario: its kind, range, default and meaning.
//!
//! Reading, checking, defaults, the canonical form and docs/scenarios.md all follow this table. A new
//! key is one line here and one in `build.rs`.

use keystorm_model::Span;
use keystorm_model::card::transport::Protocol;
use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::rings::RenewalRule;
use keystorm_model::server::{Embodiment, Recovery};
use keystorm_model::suite::{Backend, Comparison, Crypto, SuiteId};

use super::kind::{Fallback, Key, Kind};
use crate::directory::DirectoryKind;
use crate::plan::{EngineKind, Mishap, ReissueWay, ServerKeys, Ways};

/// The names of [`crate::plan::ArrivalsPlan`]'s variants.
pub(super) const ARRIVALS: [&str; 6] = ["uniform", "office", "transit", "payday", "poisson", "trace"];
/// The names of [`crate::plan::SessionPlan`]'s variants.
pub(super) const SESSIONS: [&str; 2] = ["cards", "probe"];
/// The names of [`crate::plan::ServicePlan`]'s variants.
pub(super) const SERVICES: [&str; 2] = ["exponential", "fixed"];
/// The names of [`keystorm_model::server::Spread`]'s variants.
pub(super) const SPREADS: [&str; 4] = ["none", "jitter", "waves", "admission"];
/// The word for a warm-up that the rule MSER-5 finds.
pub(super) const MSER5: &str = "mser-5";
/// The names of what happens at the root: nothing, and [`keystorm_model::server::RootRenewal`]'s variants.
pub(super) const ROOT: [&str; 3] = ["never", "itself", "reissue"];
/// The names of [`crate::plan::DueAtStart`]'s variants: all, none.
pub(super) const DUE: [&str; 2] = ["all", "none"];

/// The name of the choice of no [`Backend`] in particular.
pub(super) const AUTO: &str = "auto";

fn backends() -> Vec<&'static str> {
    std::iter::once(AUTO).chain(Backend::ALL.iter().map(|backend| backend.name())).collect()
}

/// The step of turmoil's clock unless a scenario says otherwise.
const DEFAULT_TICK: &str = "1ms";

const NS: Span = Span::from_ns(1);
const MS: Span = Span::from_ms(1);
const SECOND: Span = Span::from_secs(1);
const HOUR: Span = Span::from_secs(3_600);
const DAY: Span = Span::from_secs(86_400);
/// Ten years: far below the 584 years at which a u64 of nanoseconds ends.
const LONGEST: Span = Span::from_secs(3_650 * 86_400);

const fn span(min: Span, max: Span) -> Kind {
    Kind::Span { min, max, step: NS }
}

/// Up to a minute.
const MINUTE: Kind = span(Span::ZERO, Span::from_secs(60));

/// Up to an hour.
const HOUR_AT_MOST: Kind = span(Span::ZERO, HOUR);

const fn count(min: u64, max: u64) -> Kind {
    Kind::Count { min, max }
}

const fn key(path: &'static str, kind: Kind, fallback: Fallback, doc: &'static str) -> Key {
    Key { path, kind, fallback, doc }
}

use Fallback::{Absent, Derived, Required, Value};

/// Every key, section by section.
#[rustfmt::skip]
pub(super) static KEYS: &[Key] = &[
    key("name", Kind::Title, Derived("the file's name without `.toml`"), "Name of the scenario and of its output directory."),
    key("engine", Kind::OneOf(|| EngineKind::ALL.iter().map(|e| e.name()).collect()), Value("turmoil"), "What moves time and bytes. `--engine` sets it too."),
    key("seed", count(0, u64::MAX), Value("1"), "Decides every draw. `--seed` sets it too."),
    key("crypto", Kind::OneOf(|| Crypto::ALL.iter().map(|c| c.name()).collect()), Value("real"), "Whether the operations of the cipher suite are carried out, or stand-ins of the same lengths and outcomes take their place: for fleets whose keys take too long to make. The simulated time of an operation comes from the tables of costs either way. docs/ciphers.md says what the same is, and what is not."),
    key("horizon", span(MS, LONGEST), Required, "The run lasts this long; card holders arrive before it ends."),
    key("warmup", Kind::SpanOr { min: MS, max: LONGEST, word: MSER5 }, Absent, "What latencies, waits at the server and its utilisation leave out at the beginning: those who arrive in that time, and what the server does in it. \"mser-5\" finds it by the series of the sessions' latencies, and runs the simulation twice. For a load that becomes steady, and for no other. `--warmup` sets it too; docs/planning.md says more."),

    key("fleet.cards", count(1, 100_000_000), Required, "Cards."),
    key("fleet.clients", count(1, 1_000_000), Required, "Client machines: one reader each, one card at a time. Card holders queue at them."),
    key("fleet.sites", count(1, 1_000), Derived("4, or as many as clients if fewer"), "Sites over which the clients are spread evenly; an outage hits one site. With engine turmoil at most 256, of at most 16000 clients each."),
    key("fleet.internal_keys", count(1, 31), Value("3"), "M: keys with which a card proves itself. Number M is the working key."),
    key("fleet.external_keys", count(1, 31), Value("4"), "N: keys with which a card checks the server. There are min(M, N) pairs: depth 0 is the working pair, the deepest one the root."),
    key("fleet.suite", Kind::OneOf(|| SuiteId::ALL.iter().map(|s| s.name()).collect()), Value("aes-128"), "Cipher suite of every card."),
    key("fleet.server_keys", Kind::OneOf(|| ServerKeys::ALL.iter().map(|k| k.name()).collect()), Value("per-user"), "Whether each card's server keys Ksi are its own at issue, or one set is common to all cards [0035]. A card's first external renewal gives it a key of its own; the common record is never overwritten."),
    key("fleet.comparison", Kind::OneOf(|| Comparison::ALL.iter().map(|c| c.name()).collect()), Value("encryption"), "How card and server judge a symmetric proof: the random is encrypted and compared with the proof [0087], or the proof decrypted and compared with the random [0044]. Both accept the same proofs."),

    key("card.preset", Kind::Preset("cards"), Absent, "Preset with the other keys of this table."),
    key("card.tries", count(1, 15), Value("5"), "Failed EXTERNAL AUTHENTICATEs in a row that block a key."),
    key("card.only_own_answers", Kind::Flag, Value("true"), "Whether the card stores a key only if it equals its own last INTERNAL AUTHENTICATE answer."),
    key("card.renewal", Kind::OneOf(|| RenewalRule::ALL.iter().map(|r| r.name()).collect()), Value("below"), "Which keys must have authenticated before a key is renewed: ones numbered below it in both rings (claims 6 to 9), or another one in its own ring (claims 3 to 5)."),
    key("card.root_self_renewal", Kind::Flag, Derived("true with `update.root` = \"itself\", else false"), "Whether an authentication with the root pair may renew the root pair itself [0058]."),
    key("card.nvm", Kind::OneOf(|| WriteMode::ALL.iter().map(|m| m.name()).collect()), Value("undo-log"), "How the card writes to its memory: what a power loss in the middle of it leaves."),
    key("card.layout", Kind::OneOf(|| PageLayout::ALL.iter().map(|l| l.name()).collect()), Value("packed"), "Whether keys share the pages of the memory, or each has its own."),
    key("card.page", count(16, 256), Value("64"), "Bytes of a page of the memory."),
    key("card.endurance", count(1, 0xffff_ffff), Value("100_000"), "How often a page can be erased and written; after that the card refuses to (6581)."),
    key("card.protocol", Kind::OneOf(|| Protocol::ALL.iter().map(|p| p.name()).collect()), Value("T=1"), "How commands reach the card (ISO 7816-3): T=1 in blocks, T=0 byte by byte, whose answers to commands with data must be fetched."),
    key("card.implicit_df", Kind::Flag, Value("true"), "Whether a reset selects the DF that the keys belong to (ISO 7816-4, 8.2.1.1). If not, the client selects it by name at the start of each connection, and reads the card's number from the answer."),
    key("card.reset", MINUTE, Value("100ms"), "From power-up to the last byte of the answer to reset. Above 9600 bit/s the agreement on the speed follows: 8 bytes at 9600 bit/s."),
    key("card.speed", Kind::Rate { min: 100, max: 1_000_000_000, unlimited: false }, Value("115200"), "Interface speed. A byte takes 12 bit times (T=0: start, 8 data, parity, guard), rounded to 1 ns."),
    key("card.command", MINUTE, Value("1ms"), "The operating system's own time per command."),
    key("card.aes-128.prove", MINUTE, Value("30ms"), "One challenge answered with an internal key, key set-up included; an Rk too, where it is no longer than a challenge. Of the tables `card.<suite>` only the one of the fleet's suite counts."),
    key("card.aes-128.check", MINUTE, Value("30ms"), "One check of a proof with an external key, key set-up included."),
    key("card.aes-128.hypothetical", Kind::Flag, Absent, "Whether no source gives these times: reports say so (`card_times`)."),
    key("card.aes-192.prove", MINUTE, Value("31ms"), "The same with AES-192: two rounds more. The default is general engineering knowledge without a source."),
    key("card.aes-192.check", MINUTE, Value("31ms"), "The same."),
    key("card.aes-192.derive", MINUTE, Value("62ms"), "An Rk, which is two blocks. The default is hypothetical: two proofs, an upper bound."),
    key("card.aes-192.hypothetical", Kind::Flag, Value("true"), "The same."),
    key("card.aes-256.prove", MINUTE, Value("32ms"), "The same with AES-256: four rounds more. The default is general engineering knowledge without a source."),
    key("card.aes-256.check", MINUTE, Value("32ms"), "The same."),
    key("card.aes-256.derive", MINUTE, Value("64ms"), "An Rk, which is two blocks. The default is hypothetical: two proofs, an upper bound."),
    key("card.aes-256.hypothetical", Kind::Flag, Value("true"), "The same."),
    key("card.3des.prove", MINUTE, Value("5100us"), "The same with 3DES: the median for 16 B, its key set-up not listed apart."),
    key("card.3des.check", MINUTE, Value("5100us"), "The same."),
    key("card.3des.derive", MINUTE, Value("7650us"), "An Rk, which is three blocks. The default is hypothetical: half as much again as the 16 B of `prove`, an upper bound."),
    key("card.3des.hypothetical", Kind::Flag, Absent, "The same."),
    key("card.camellia-128.prove", MINUTE, Value("30ms"), "The same with Camellia. The default is hypothetical: that of AES-128."),
    key("card.camellia-128.check", MINUTE, Value("30ms"), "The same."),
    key("card.camellia-128.hypothetical", Kind::Flag, Value("true"), "The same."),
    key("card.rsa-1024.prove", MINUTE, Value("67ms"), "The same with RSA-1024: a signature (CRT)."),
    key("card.rsa-1024.check", MINUTE, Value("5ms"), "A verification. The default is general engineering knowledge without a source."),
    key("card.rsa-1024.generate", HOUR_AT_MOST, Value("2s"), "Generating a pair of keys. The default is general engineering knowledge without a source."),
    key("card.rsa-1024.hypothetical", Kind::Flag, Absent, "The same."),
    key("card.rsa-2048.prove", MINUTE, Value("185ms"), "The same with RSA-2048: a signature (CRT)."),
    key("card.rsa-2048.check", MINUTE, Value("13ms"), "A verification."),
    key("card.rsa-2048.generate", HOUR_AT_MOST, Value("11986ms"), "Generating a pair of keys."),
    key("card.rsa-2048.hypothetical", Kind::Flag, Absent, "The same."),
    key("card.rsa-3072.prove", MINUTE, Value("624ms"), "The same with RSA-3072. The defaults are hypothetical: those of RSA-2048, and the third, second and fourth power of 1.5."),
    key("card.rsa-3072.check", MINUTE, Value("29ms"), "A verification."),
    key("card.rsa-3072.generate", HOUR_AT_MOST, Value("60s"), "Generating a pair of keys."),
    key("card.rsa-3072.hypothetical", Kind::Flag, Value("true"), "The same."),
    key("card.p256.prove", MINUTE, Value("59ms"), "The same with ECDSA on P-256: a signature."),
    key("card.p256.check", MINUTE, Value("66ms"), "A verification."),
    key("card.p256.generate", HOUR_AT_MOST, Value("156ms"), "Generating a pair of keys."),
    key("card.p256.hypothetical", Kind::Flag, Absent, "The same."),
    key("card.ed25519.prove", MINUTE, Value("59ms"), "The same with Ed25519. The defaults are hypothetical: those of P-256."),
    key("card.ed25519.check", MINUTE, Value("66ms"), "A verification."),
    key("card.ed25519.generate", HOUR_AT_MOST, Value("156ms"), "Generating a pair of keys."),
    key("card.ed25519.hypothetical", Kind::Flag, Value("true"), "The same."),
    key("card.ml-dsa-44.prove", MINUTE, Value("250ms"), "The same with ML-DSA-44. The defaults are hypothetical: no card's time is published."),
    key("card.ml-dsa-44.check", MINUTE, Value("60ms"), "A verification."),
    key("card.ml-dsa-44.generate", HOUR_AT_MOST, Value("60ms"), "Generating a pair of keys."),
    key("card.ml-dsa-44.hypothetical", Kind::Flag, Value("true"), "The same."),
    key("card.ml-dsa-65.prove", MINUTE, Value("400ms"), "The same with ML-DSA-65. The defaults are hypothetical: no card's time is published."),
    key("card.ml-dsa-65.check", MINUTE, Value("100ms"), "A verification."),
    key("card.ml-dsa-65.generate", HOUR_AT_MOST, Value("100ms"), "Generating a pair of keys."),
    key("card.ml-dsa-65.hypothetical", Kind::Flag, Value("true"), "The same."),
    key("card.random", MINUTE, Value("1500us"), "Drawing a challenge."),
    key("card.nvm_write", MINUTE, Value("6ms"), "One atomic page write to the memory: with `nvm` \"undo-log\" or \"shadow-page\"."),
    key("card.nvm_plain_write", MINUTE, Value("1ms"), "One page write that is not atomic: with `nvm` \"in-place\"."),

    key("line.preset", Kind::Preset("lines"), Absent, "Preset with the other keys of this table."),
    key("line.delay.fixed", span(Span::ZERO, HOUR), Value("10ms"), "One way, besides serialisation: always the same. Not together with the other `line.delay` keys."),
    key("line.delay.min", span(Span::ZERO, HOUR), Absent, "Shortest delay, one way. With `max` alone: uniform between the two."),
    key("line.delay.mean", span(NS, HOUR), Absent, "Mean of an exponential that is added to `min` and cut at `max`."),
    key("line.delay.max", span(Span::ZERO, HOUR), Absent, "Longest delay, one way."),
    key("line.loss", Kind::Chance, Value("0"), "Each message is lost independently. Not together with `line.burst`."),
    key("line.burst.p", Kind::Chance, Absent, "Gilbert-Elliott bursts: from good to bad, per message. All is lost in bad: the loss is p/(p+r)."),
    key("line.burst.r", Kind::Chance, Absent, "From bad to good, per message, above 0. A burst has 1/r messages on average."),
    key("line.duplicate", Kind::Chance, Value("0"), "A message arrives twice."),
    key("line.reorder", Kind::Chance, Value("0"), "A message is held back by `reorder_by`, so that later ones overtake it."),
    key("line.reorder_by", span(Span::ZERO, HOUR), Value("0s"), "How long it is held back."),
    key("line.up", Kind::Rate { min: 100, max: 1_000_000_000_000, unlimited: true }, Value("unlimited"), "Bandwidth from client to server."),
    key("line.down", Kind::Rate { min: 100, max: 1_000_000_000_000, unlimited: true }, Value("unlimited"), "Bandwidth from server to client."),
    key("line.overhead_bytes", count(0, 1_000), Value("28"), "Bytes that the layers below add to each message: 20 for IPv4 and 8 for UDP."),
    key("line.datagram_bytes", count(576, 65_507), Value("1472"), "The longest datagram, its own bytes without `overhead_bytes`; a longer message travels in fragments, each of which can be lost. 1472 is what an Ethernet frame holds, 576 what every host takes."),
    key("line.retry.first", span(MS, HOUR), Value("2s"), "The client's wait before it sends an unanswered message again."),
    key("line.retry.factor", count(1, 10), Value("2"), "Each further wait is this many times longer."),
    key("line.retry.tries", count(1, 20), Value("5"), "How often a message is sent in all before the client gives up."),

    key("load.arrivals", Kind::OneOf(|| ARRIVALS.to_vec()), Value("uniform"), "When card holders arrive: evenly over a window; as at an office's opening, normally distributed about a peak; as at the gates of public transport, on a day with two peaks; as at cash machines, which are busiest on payday; each again and again at the times of a Poisson process; or as a trace says."),
    key("load.from", span(Span::ZERO, LONGEST), Value("0s"), "Beginning of the window. With arrivals = \"uniform\" only."),
    key("load.window", span(NS, LONGEST), Derived("up to the end of the repetition or the horizon"), "Length of the window. With arrivals = \"uniform\" only."),
    key("load.peak", span(Span::ZERO, LONGEST), Derived("half the repetition or horizon"), "The busiest moment. With arrivals = \"office\" only."),
    key("load.sigma", span(NS, LONGEST), Value("20min"), "Standard deviation about the peak. With arrivals = \"office\" only. The default is general engineering knowledge without a source."),
    key("load.share", Kind::Chance, Value("1"), "Share of the holders who belong to the peak; the others come at any time of the repetition or horizon. With arrivals = \"office\" only."),
    key("load.day", span(SECOND, DAY), Value("1d"), "Length of a day; a shorter one is the same day in less time. With arrivals = \"transit\" or \"payday\" only."),
    key("load.payday", count(0, 3_649), Derived("the 25th day, which is 24, or the last one if there are fewer"), "The busiest day of the repetition or horizon, counted from 0. With arrivals = \"payday\" only."),
    key("load.repeat", span(SECOND, LONGEST), Absent, "The pattern is repeated every so often over the horizon, and every card comes once in each repetition, at new times. Not with arrivals = \"poisson\" or \"trace\". Without it every card comes once."),
    key("load.every", span(MS, LONGEST), Value("1d"), "Mean time between two visits of one card. With arrivals = \"poisson\" only."),
    key("load.trace", Kind::File, Absent, "A CSV file with the header `time,card,client` and a line for each visit, in any order: when, in seconds or as a duration, which card and which client, both counted from 0. With arrivals = \"trace\" only, and needed there."),
    key("load.trace_sha256", Kind::Sha256, Derived("the file's"), "SHA-256 of that file. Where it is given, another file is refused."),
    key("load.session", Kind::OneOf(|| SESSIONS.to_vec()), Value("cards"), "What a session is: a card that connects, or a probe, which is one datagram and its answer without a card, to hold line and server against queueing theory. Probes go with empty `update.periods` and without `faults.pull`."),
    key("load.exchanges", count(0, 10_000), Value("2"), "Encrypted requests per session, each with an answer. With session = \"cards\" only, as the next two."),
    key("load.request_bytes", count(0, 32_768), Value("64"), "Plain bytes of a request."),
    key("load.response_bytes", count(0, 32_768), Value("256"), "Plain bytes of an answer."),
    key("load.retry_visit.after", span(Span::ZERO, LONGEST), Value("30s"), "The holder of a failed session comes back after this long."),
    key("load.retry_visit.visits", count(0, 255), Value("0"), "How often at most; 0: never comes back."),

    key("update.embodiment", Kind::Mixed(|| Embodiment::ALL.iter().map(|e| e.name()).collect()), Value("1"), "How a renewal is done. 1: both keys of a pair together, through the client (Fig. 6). 2a, 2b: the external or the internal key alone (Fig. 7, 8). 3: the pair and every pair above it, all derived with one key (Fig. 9). 4: as 1, but inside the card (Fig. 10). In a mixed fleet, as `\"1+4\"`, card c follows the entry c modulo their number."),
    key("update.complement", Kind::Flag, Value("false"), "The second of two keys is derived from the complement of the first one's random, which saves sending another [0088]. Not with embodiment 3; without effect in 2a and 2b, which send one random."),
    key("update.periods", Kind::Spans { min: SECOND, max: LONGEST }, Value("[]"), "How long a pair of keys lives, from depth 0 on; empty: no periodic renewals. The root pair, which is the deepest, has one only with `update.root`."),
    key("update.order", Kind::Rows(ORDER), Value("[]"), "Orders of the operator's to renew keys irregularly (claim 1)."),
    key("update.root", Kind::OneOf(|| ROOT.to_vec()), Value("never"), "What happens when the root pair is due, by its period or by an order [0058-0059]: it renews itself, or the card is issued anew (see `[reissue]`). \"never\": it is never due."),
    key("update.due", Kind::OneOf(|| DUE.to_vec()), Value("all"), "Which cards are due at time 0; the others wait until a period turns."),
    key("update.recovery", Kind::OneOf(|| Recovery::ALL.iter().map(|r| r.name()).collect()), Value("until-committed"), "What becomes of an interrupted renewal: its only chance is spent at the first contact, or it stays due until the server has committed it."),
    key("update.escalation", Kind::Flag, Value("false"), "After an NG in the authentication with an upper pair, the next connection uses the pair one deeper and renews everything above it, as embodiment 3 does; a card that cannot use its root pair either goes to its issuer, if `update.root` knows one."),

    key("update.spread", Kind::OneOf(|| SPREADS.to_vec()), Value("none"), "How the renewals of a period are spread, so that they do not all come at the first contact. Jitter: each card's periods turn later by an offset of its own. Waves: card c belongs to wave c modulo their number, and one wave falls due after the other. Admission: all fall due at once, but the server admits only so many, and says \"later\" to the others, whose sessions go on with the old keys. Orders do not wait for a card's turn, only for admission."),
    key("update.spread_window", span(NS, LONGEST), Value("5d"), "How far the offsets reach; at most the shortest period. With spread = \"jitter\" only."),
    key("update.spread_waves", count(2, 10_000), Value("5"), "How many waves; the last one must begin before the shortest period is over. With spread = \"waves\" only."),
    key("update.spread_interval", span(MS, LONGEST), Derived("1d with spread = \"waves\", 1min with \"admission\""), "From one wave to the next; or the time in which so many are admitted. With spread = \"waves\" or \"admission\" only."),
    key("update.spread_admits", count(0, 1_000_000_000), Value("0"), "Renewals that the server admits in each interval; 0: as many as there are. Of this and `spread_open` at least one must be set. A card whose renewal was interrupted is always admitted. With spread = \"admission\" only."),
    key("update.spread_open", count(0, 1_000_000_000), Value("0"), "Renewals that may be open at once: assigned to a connection, and neither committed nor over; 0: as many as there are. With spread = \"admission\" only."),

    key("reissue.after_refusals", count(0, 100), Value("0"), "After so many sessions in a row that failed with an NG of card or server; 0: only where the root demands it."),
    key("reissue.way", Kind::OneOf(|| ReissueWay::ALL.iter().map(|w| w.name()).collect()), Value("return"), "The card goes back to the issuer and is missing meanwhile, or a new one comes and the old one is used until then."),
    key("reissue.takes", span(Span::ZERO, LONGEST), Value("5d"), "How long it takes. The default is general engineering knowledge without a source."),
    key("reissue.cost", count(0, 1_000_000_000), Value("0"), "What one costs, in a unit of your choice: `reissue_cost` in the reports is the sum."),

    key("server.cores", count(1, 4_096), Value("4"), "CPUs, which take datagrams from one queue in order."),
    key("server.queue", count(1, 10_000_000), Value("10000"), "Datagrams that may wait for a CPU; more are dropped."),

    key("server.backend", Kind::OneOf(backends), Value("auto"), "Which library carries out the server's operations with keys: \"auto\" the fastest for each, any other one where it can, and \"auto\" otherwise (`keystorm suites` lists them). It changes no result, only how long a run takes; what the simulated server's work takes says `server.costs` alone, and `keystorm calibrate --backend NAME` writes such a table for a backend."),
    key("server.directory", Kind::OneOf(|| DirectoryKind::ALL.iter().map(|d| d.name()).collect()), Value("memory"), "Where the server keeps its client directory: in flat tables in memory, or in a redb database on a simulated disk that loses what was not synced when the server crashes. It changes no result. A database may have 512 MiB of rows."),

    key("server.probe.mean", span(NS, Span::from_secs(60)), Value("1ms"), "Mean service time of a probe, in place of `server.costs`. With session = \"probe\" only."),
    key("server.probe.distribution", Kind::OneOf(|| SERVICES.to_vec()), Value("exponential"), "Its distribution. A repeat of a probe takes as long as the first. With session = \"probe\" only."),

    key("server.costs.preset", Kind::Preset("costs"), Absent, "Preset with the other keys of this table."),
    key("server.costs.receive", MINUTE, Value("661ns"), "Receiving one datagram, also one that is only a fragment of a message."),
    key("server.costs.send", MINUTE, Value("2506ns"), "Sending one datagram."),
    key("server.costs.aes-128.prove", MINUTE, Value("25ns"), "Answering one challenge, key set-up included. Of the tables `server.costs.<suite>` only the one of the fleet's suite counts."),
    key("server.costs.aes-128.check", MINUTE, Value("21ns"), "Checking one proof, key set-up included."),
    key("server.costs.aes-128.derive", MINUTE, Value("25ns"), "Answering an Rk, from which a new key grows: it is as long as the key, which can be more than a challenge."),
    key("server.costs.aes-192.prove", MINUTE, Value("28ns"), "The same with AES-192."),
    key("server.costs.aes-192.check", MINUTE, Value("22ns"), "A check."),
    key("server.costs.aes-192.derive", MINUTE, Value("28ns"), "An Rk."),
    key("server.costs.aes-256.prove", MINUTE, Value("30ns"), "The same with AES-256."),
    key("server.costs.aes-256.check", MINUTE, Value("36ns"), "A check."),
    key("server.costs.aes-256.derive", MINUTE, Value("31ns"), "An Rk."),
    key("server.costs.3des.prove", MINUTE, Value("989ns"), "The same with 3DES."),
    key("server.costs.3des.check", MINUTE, Value("996ns"), "A check."),
    key("server.costs.3des.derive", MINUTE, Value("2258ns"), "An Rk."),
    key("server.costs.camellia-128.prove", MINUTE, Value("148ns"), "The same with Camellia."),
    key("server.costs.camellia-128.check", MINUTE, Value("148ns"), "A check."),
    key("server.costs.camellia-128.derive", MINUTE, Value("149ns"), "An Rk."),
    key("server.costs.rsa-1024.prove", MINUTE, Value("332us"), "The same with RSA-1024: a signature."),
    key("server.costs.rsa-1024.check", MINUTE, Value("6237ns"), "A verification."),
    key("server.costs.rsa-1024.derive", MINUTE, Value("332us"), "An Rk."),
    key("server.costs.rsa-1024.generate", MINUTE, Value("5556us"), "Generating a pair of keys."),
    key("server.costs.rsa-2048.prove", MINUTE, Value("671us"), "The same with RSA-2048: a signature."),
    key("server.costs.rsa-2048.check", MINUTE, Value("17801ns"), "A verification."),
    key("server.costs.rsa-2048.derive", MINUTE, Value("658us"), "An Rk."),
    key("server.costs.rsa-2048.generate", MINUTE, Value("64579us"), "Generating a pair of keys."),
    key("server.costs.rsa-3072.prove", MINUTE, Value("1532us"), "The same with RSA-3072."),
    key("server.costs.rsa-3072.check", MINUTE, Value("36944ns"), "A verification."),
    key("server.costs.rsa-3072.derive", MINUTE, Value("1506us"), "An Rk."),
    key("server.costs.rsa-3072.generate", MINUTE, Value("282092us"), "Generating a pair of keys."),
    key("server.costs.p256.prove", MINUTE, Value("570us"), "The same with ECDSA on P-256."),
    key("server.costs.p256.check", MINUTE, Value("56311ns"), "A verification."),
    key("server.costs.p256.derive", MINUTE, Value("573us"), "An Rk."),
    key("server.costs.p256.generate", MINUTE, Value("16904ns"), "Generating a pair of keys."),
    key("server.costs.ed25519.prove", MINUTE, Value("15871ns"), "The same with Ed25519."),
    key("server.costs.ed25519.check", MINUTE, Value("36080ns"), "A verification."),
    key("server.costs.ed25519.derive", MINUTE, Value("15840ns"), "An Rk."),
    key("server.costs.ed25519.generate", MINUTE, Value("7562ns"), "Generating a pair of keys."),
    key("server.costs.ml-dsa-44.prove", MINUTE, Value("828us"), "The same with ML-DSA-44."),
    key("server.costs.ml-dsa-44.check", MINUTE, Value("22329ns"), "A verification."),
    key("server.costs.ml-dsa-44.derive", MINUTE, Value("825us"), "An Rk."),
    key("server.costs.ml-dsa-44.generate", MINUTE, Value("24440ns"), "Generating a pair of keys."),
    key("server.costs.ml-dsa-65.prove", MINUTE, Value("1348us"), "The same with ML-DSA-65."),
    key("server.costs.ml-dsa-65.check", MINUTE, Value("36173ns"), "A verification."),
    key("server.costs.ml-dsa-65.derive", MINUTE, Value("1343us"), "An Rk."),
    key("server.costs.ml-dsa-65.generate", MINUTE, Value("41893ns"), "Generating a pair of keys."),
    key("server.costs.channel", MINUTE, Value("94ns"), "Setting up one session's channel: the session key, and the cipher of the session data under it."),
    key("server.costs.aead", MINUTE, Value("98ns"), "Sealing or opening one message of session data, however short."),
    key("server.costs.aead_kib", MINUTE, Value("325ns"), "The same, for every 1,024 plain bytes of it."),
    key("server.costs.commit", MINUTE, Value("510us"), "Making what a request changes in the client directory durable. The default is one transaction of the database with its sync, alone on a virtual disk: measure your own."),

    key("faults.pull", Kind::Chance, Value("0"), "Per connection: the card is pulled out at one of its commands."),
    key("faults.outage", Kind::Rows(OUTAGE), Value("[]"), "Line outages, also one-way: what is in flight when one begins, and what is sent while it lasts, is lost."),

    key("faults.client_crash", Kind::Chance, Value("0"), "Per connection: the client crashes at one of its steps (a request or a card command). It forgets everything, takes leave of nobody, and the card in its reader loses power."),
    key("faults.client_crash_for", span(MS, DAY.saturating_mul(365)), Value("30s"), "For how long it is down. Its queue waits."),
    key("faults.client_down", Kind::Rows(CLIENT_DOWN), Value("[]"), "A client crashes at a certain time, whatever it does then."),
    key("faults.lose", Kind::Chance, Value("0"), "Per connection: one of its messages, a request or an answer, is lost for good, with all its repeats."),
    key("faults.late", Kind::Chance, Value("0"), "Per connection: a copy of one of its messages comes again much later."),
    key("faults.late_by", span(MS, LONGEST), Value("10min"), "How much later."),
    key("faults.reinsert", Kind::Chance, Value("0"), "Per connection: while the client waits for the server, the card is taken out and put in again, so that two connections of the card run at once."),
    key("faults.place", Kind::Rows(PLACE), Value("[]"), "Faults at a certain step of a certain connection."),
    key("faults.server_down", Kind::Rows(SERVER_DOWN), Value("[]"), "The server crashes: its directory is all that is left, and what waits or is being served is lost. While it is down nothing reaches it. Then it starts again."),
    key("faults.server_crash.every", span(MS, LONGEST), Absent, "The server crashes at random: mean time from a start to the next crash, exponentially distributed. Together with `for`."),
    key("faults.server_crash.for", span(MS, DAY.saturating_mul(365)), Absent, "For how long it is down each time."),

    key("turmoil.tick", Kind::Span { min: MS, max: SECOND, step: MS }, Value(DEFAULT_TICK), "Step of turmoil's clock. A longer step runs faster, and changes nothing while two steps and 2 ms fit into the line's shortest delay; what comes late is counted in late_deliveries."),

    key("sweep.vary", Kind::Texts, Value("[]"), "Keys that vary and their values, as `[\"line.loss=0%,1%\", \"server.cores=1..8\"]`: every combination is a point."),
    key("sweep.zip", Kind::Flag, Value("false"), "All keys vary in lockstep: their first values together, then their second ones."),
    key("sweep.without", Kind::Texts, Value("[]"), "Points that agree with one of these in all its keys are left out, as `[\"server.cores=1,line.loss=5%\"]`."),
    key("sweep.replications", count(1, 99_999), Value("10"), "Runs of each point, with the seeds S, S+1 and so on."),
];

/// The keys of one `[[update.order]]`.
#[rustfmt::skip]
static ORDER: &[Key] = &[
    key("at", span(Span::ZERO, LONGEST), Required, "When it is given."),
    key("depth", count(0, 30), Value("0"), "The depth to renew."),
    key("cards", Kind::Cards, Value("all"), "Whose keys."),
];

/// The keys of one `[[faults.outage]]`.
#[rustfmt::skip]
static OUTAGE: &[Key] = &[
    key("site", count(0, 999), Absent, "The site, counted from 0; without it all sites at once."),
    key("direction", Kind::OneOf(|| Ways::ALL.iter().map(|w| w.name()).collect()), Value("both"), "Which way nothing passes: up is from client to server."),
    key("at", span(Span::ZERO, LONGEST), Required, "Its beginning."),
    key("for", span(MS, DAY.saturating_mul(365)), Required, "How long it lasts."),
];

/// The keys of one `[[faults.client_down]]`.
#[rustfmt::skip]
static CLIENT_DOWN: &[Key] = &[
    key("client", count(0, 99_999_999), Required, "The client, counted from 0."),
    key("at", span(Span::ZERO, LONGEST), Required, "When it crashes."),
    key("for", span(MS, DAY.saturating_mul(365)), Required, "For how long it is down."),
];

/// The keys of one `[[faults.place]]`.
#[rustfmt::skip]
static PLACE: &[Key] = &[
    key("card", count(0, 99_999_999), Required, "Whose connection."),
    key("connection", count(1, 0xffff_ffff), Value("1"), "Which one of the card's, counted from 1."),
    key("step", Kind::Step, Required, "At which step."),
    key("nth", count(1, 255), Value("1"), "At which one of that name in the connection."),
    key("kind", Kind::OneOf(Mishap::names), Required, "What happens there."),
    key("moment", count(0, 0xffff_ffff), Absent, "At which of the moments at which power can fail, from 0. With \"pulled during\" only."),
    key("for", span(MS, DAY.saturating_mul(365)), Absent, "For how long the machine is down. With crashes only."),
    key("by", span(MS, LONGEST), Absent, "How much later the copy comes. With \"late\" only."),
];

/// The keys of one `[[faults.server_down]]`.
#[rustfmt::skip]
static SERVER_DOWN: &[Key] = &[
    key("at", span(Span::ZERO, LONGEST), Required, "When it crashes."),
    key("for", span(MS, DAY.saturating_mul(365)), Required, "For how long it is down."),
];

/// The key at a dotted path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// Whether there are keys below a dotted path.
pub(super) fn is_table(path: &str) -> bool {
    KEYS.iter().any(|key| below(path, key.path).is_some())
}

/// The part of `path` below `table`; the whole path below the root.
pub(super) fn below<'a>(table: &str, path: &'a str) -> Option<&'a str> {
    if table.is_empty() {
        return Some(path);
    }
    path.strip_prefix(table)?.strip_prefix('.')
}

/// The names directly in a table: its keys and its tables.
pub(super) fn names_in(table: &str) -> Vec<&'static str> {
    let mut names: Vec<&'static str> = Vec::new();
    for key in KEYS {
        let Some(rest) = below(table, key.path) else { continue };
        let name = rest.split('.').next().unwrap_or(rest);
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

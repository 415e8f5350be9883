//! What is drawn: each feature of the scenario language, with the values that it may get.
//!
//! Sizes are small, so that thousands of cases run in minutes; chances are large, so that everything happens in them.

use keystorm_model::card::transport::Protocol;
use keystorm_model::card::{PageLayout, WriteMode};
use keystorm_model::rings::RenewalRule;
use keystorm_model::server::{Embodiment, Recovery};
use keystorm_model::suite::{Comparison, Crypto, Family, SuiteId};

use crate::directory::DirectoryKind;
use crate::plan::{EngineKind, ReissueWay, ServerKeys};

use super::{Dice, Setting};

/// A part of the scenario that a case may have or not.
pub struct Feature {
    /// What it is.
    pub name: &'static str,
    /// Draws its settings.
    pub draw: fn(&mut Dice, &mut Vec<Setting>),
}

const fn feature(name: &'static str, draw: fn(&mut Dice, &mut Vec<Setting>)) -> Feature {
    Feature { name, draw }
}

/// Seconds of the longest horizon.
const LONGEST_S: u32 = 90;

/// What every case has.
pub fn base(dice: &mut Dice) -> Vec<Setting> {
    let mut all = Vec::new();
    set(&mut all, "seed", dice.below(1 << 30));
    set(&mut all, "engine", dice.one(&EngineKind::ALL).name());
    set(&mut all, "horizon", format!("{}s", dice.between(20, LONGEST_S)));
    let clients = dice.between(1, 20);
    set(&mut all, "fleet.cards", dice.between(1, 60));
    set(&mut all, "fleet.clients", clients);
    set(&mut all, "fleet.sites", dice.between(1, clients.min(4)));
    set(&mut all, "line.delay.fixed", format!("{}ms", dice.between(1, 400)));
    set(&mut all, "turmoil.tick", format!("{}ms", dice.one(&[1, 2, 5, 20])));
    set(&mut all, "update.recovery", dice.one(&Recovery::ALL).name());
    let embodiments: Vec<_> = (0..dice.between(1, 3)).map(|_| dice.one(&Embodiment::ALL).name()).collect();
    set(&mut all, "update.embodiment", format!("\"{}\"", embodiments.join("+")));
    set(
        &mut all,
        "update.periods",
        dice.one(&["['30d']", "['30d','30d']", "['10s']", "['15s','40s']", "['1d','20s']"]),
    );
    all
}

/// Every feature. A new key of the scenario language that can go wrong belongs here.
pub const FEATURES: &[Feature] = &[
    feature("card pulled out", |dice, all| set(all, "faults.pull", percent(dice, 60))),
    feature("message loss", |dice, all| set(all, "line.loss", percent(dice, 30))),
    feature("bursts of loss", |dice, all| {
        all.retain(|(key, _)| key != "line.loss");
        set(all, "line.burst.p", percent(dice, 20));
        set(all, "line.burst.r", percent(dice, 80));
    }),
    feature("duplication", |dice, all| set(all, "line.duplicate", percent(dice, 40))),
    feature("reordering", |dice, all| {
        set(all, "line.reorder", percent(dice, 40));
        set(all, "line.reorder_by", format!("{}ms", dice.between(1, 20_000)));
    }),
    feature("jitter", |dice, all| {
        all.retain(|(key, _)| key != "line.delay.fixed");
        let min = dice.between(1, 300);
        set(all, "line.delay.min", format!("{min}ms"));
        set(all, "line.delay.max", format!("{}ms", min + dice.between(1, 2_000)));
        set(all, "line.delay.mean", format!("{}ms", dice.between(1, 300)));
    }),
    feature("narrow band", |dice, all| {
        set(all, "line.up", format!("{}kbit/s", dice.between(5, 60)));
        set(all, "line.down", format!("{}kbit/s", dice.between(5, 60)));
    }),
    feature("impatient clients", |dice, all| {
        set(all, "line.retry.first", format!("{}ms", dice.between(1, 1_500)));
        set(all, "line.retry.factor", dice.between(1, 3));
        set(all, "line.retry.tries", dice.between(1, 7));
    }),
    feature("outages", |dice, all| {
        let sites = number(all, "fleet.sites");
        let rows = rows(dice, |dice| {
            let direction = dice.one(&["both", "up", "down"]);
            let (at, lasts) = (dice.between(0, 19_000), dice.between(1, 15_000));
            let site = if dice.once_in(3) { String::new() } else { format!("site={},", dice.below(sites)) };
            format!("{{{site}direction='{direction}',at='{at}ms',for='{lasts}ms'}}")
        });
        set(all, "faults.outage", rows);
    }),
    feature("client crashes", |dice, all| {
        set(all, "faults.client_crash", percent(dice, 50));
        set(all, "faults.client_crash_for", format!("{}ms", dice.between(1, 15_000)));
    }),
    feature("clients that are down", |dice, all| {
        let clients = number(all, "fleet.clients");
        let rows = rows(dice, |dice| {
            let (client, at, lasts) = (dice.below(clients), dice.between(0, 19_000), dice.between(1, 9_000));
            format!("{{client={client},at='{at}ms',for='{lasts}ms'}}")
        });
        set(all, "faults.client_down", rows);
    }),
    feature("a server that is down", |dice, all| {
        let rows = rows(dice, |dice| {
            let (at, lasts) = (dice.between(0, 19_000), dice.between(1, 9_000));
            format!("{{at='{at}ms',for='{lasts}ms'}}")
        });
        set(all, "faults.server_down", rows);
    }),
    feature("a server that crashes", |dice, all| {
        set(all, "faults.server_crash.every", format!("{}s", dice.between(2, 30)));
        set(all, "faults.server_crash.for", format!("{}ms", dice.between(1, 5_000)));
    }),
    feature("messages lost for good", |dice, all| set(all, "faults.lose", percent(dice, 50))),
    feature("late messages", |dice, all| {
        set(all, "faults.late", percent(dice, 60));
        set(all, "faults.late_by", format!("{}ms", dice.between(1, 60_000)));
    }),
    feature("cards put in again", |dice, all| set(all, "faults.reinsert", percent(dice, 50))),
    feature("faults at named steps", |dice, all| {
        let cards = number(all, "fleet.cards");
        let rows = rows(dice, |dice| {
            let (card, connection) = (dice.below(cards), dice.between(1, 3));
            let (step, kind) = dice.one(&PLACED);
            let key = format!("{}", dice.between(1, 4));
            format!("{{card={card},connection={connection},step='{}',{kind}}}", step.replace('?', &key))
        });
        set(all, "faults.place", rows);
    }),
    feature("escalation", |_, all| set(all, "update.escalation", "true")),
    feature("rings", |dice, all| {
        set(all, "fleet.internal_keys", dice.between(3, 6));
        set(all, "fleet.external_keys", dice.between(3, 6));
    }),
    feature("suite", |dice, all| {
        // Asymmetric pairs take long to make: few cards, and not often.
        let symmetric: Vec<_> =
            SuiteId::ALL.into_iter().filter(|suite| suite.family() == Family::Symmetric).collect();
        set(all, "fleet.suite", dice.one(&symmetric).name());
        if dice.once_in(24) {
            let quickest = [SuiteId::Rsa1024, SuiteId::P256, SuiteId::Ed25519, SuiteId::MlDsa44];
            set(all, "fleet.suite", dice.one(&quickest).name());
            set(all, "fleet.cards", dice.between(1, 4));
        }
    }),
    feature("fragments", |dice, all| {
        set(all, "line.datagram_bytes", 576);
        set(all, "load.response_bytes", dice.between(600, 3_000));
    }),
    feature("common server keys", |_, all| set(all, "fleet.server_keys", ServerKeys::Common.name())),
    feature("comparison", |dice, all| set(all, "fleet.comparison", dice.one(&Comparison::ALL).name())),
    feature("complement", |_, all| set(all, "update.complement", "true")),
    feature("root", |dice, all| {
        set(all, "update.root", dice.one(&["itself", "reissue"]));
        set(all, "update.periods", "['30d','30d','30d']");
        all.retain(|(key, _)| key != "fleet.internal_keys" && key != "fleet.external_keys");
    }),
    feature("not due at once", |_, all| set(all, "update.due", "none")),
    feature("orders", |dice, all| {
        let cards = number(all, "fleet.cards");
        let rows = rows(dice, |dice| {
            let (at, depth) = (dice.between(0, 19), dice.below(2));
            let cards = if dice.once_in(2) { "'all'".to_owned() } else { dice.below(cards).to_string() };
            format!("{{at='{at}s',depth={depth},cards={cards}}}")
        });
        set(all, "update.order", rows);
    }),
    feature("memory", |dice, all| {
        set(all, "card.nvm", dice.one(&WriteMode::ALL).name());
        set(all, "card.layout", dice.one(&PageLayout::ALL).name());
    }),
    feature("few tries", |dice, all| set(all, "card.tries", dice.between(1, 3))),
    feature("worn memory", |dice, all| set(all, "card.endurance", dice.between(10, 60))),
    feature("reader dialogue", |dice, all| {
        set(all, "card.protocol", dice.one(&Protocol::ALL).name());
        set(all, "card.implicit_df", dice.once_in(2));
    }),
    feature("what the card checks", |dice, all| {
        set(all, "card.renewal", dice.one(&RenewalRule::ALL).name());
        set(all, "card.only_own_answers", dice.once_in(2));
    }),
    feature("holders come back", |dice, all| {
        set(all, "load.retry_visit.after", format!("{}ms", dice.between(1, 20_000)));
        set(all, "load.retry_visit.visits", dice.between(1, 5));
    }),
    feature("arrivals", |dice, all| match dice.below(3) {
        0 => set(all, "load.repeat", format!("{}s", dice.between(5, 19))),
        1 => {
            set(all, "load.arrivals", "poisson");
            set(all, "load.every", format!("{}s", dice.between(2, 40)));
        }
        _ => {
            set(all, "load.arrivals", "office");
            set(all, "load.sigma", format!("{}s", dice.between(1, 10)));
        }
    }),
    feature("session data", |dice, all| {
        set(all, "load.exchanges", dice.between(0, 6));
        set(all, "load.request_bytes", dice.between(0, 300));
        set(all, "load.response_bytes", dice.between(0, 300));
    }),
    feature("spread renewals", |dice, all| match dice.below(3) {
        0 => {
            set(all, "update.spread", "jitter");
            set(all, "update.spread_window", format!("{}s", dice.between(1, 10)));
        }
        1 => {
            set(all, "update.spread", "waves");
            set(all, "update.spread_waves", dice.between(2, 4));
            set(all, "update.spread_interval", format!("{}ms", dice.between(100, 2_000)));
        }
        _ => {
            set(all, "update.spread", "admission");
            set(all, "update.spread_admits", dice.between(1, 20));
            set(all, "update.spread_open", dice.below(5));
            set(all, "update.spread_interval", format!("{}ms", dice.between(100, 10_000)));
        }
    }),
    feature("reissue", |dice, all| {
        set(all, "reissue.after_refusals", dice.between(1, 3));
        set(all, "reissue.way", dice.one(&ReissueWay::ALL).name());
        set(all, "reissue.takes", format!("{}s", dice.between(0, 15)));
    }),
    feature("slow server", |dice, all| {
        set(all, "server.cores", dice.between(1, 2));
        set(all, "server.queue", dice.between(1, 40));
        set(all, "server.costs.receive", format!("{}ms", dice.between(1, 60)));
        set(all, "server.costs.commit", format!("{}ms", dice.between(0, 200)));
    }),
    feature("a directory in a database", |_, all| set(all, "server.directory", DirectoryKind::Redb.name())),
];

/// Decides whether stand-ins take the place of a suite's operations, where that makes a difference. Asymmetric pairs that are
/// modelled are made in no time, so that a case which leaves the suite open may get any of them, with all its cards.
///
/// It has draws of its own: what else a seed's cases are does not depend on it.
pub(super) fn crypto(dice: &mut Dice, all: &mut Vec<Setting>) {
    let said = all.iter().find(|(key, _)| key == "fleet.suite").map(|(_, name)| name.as_str());
    let asymmetric: Vec<_> =
        SuiteId::ALL.into_iter().filter(|suite| suite.family() == Family::Asymmetric).collect();
    match said {
        None if dice.once_in(4) => set(all, "fleet.suite", dice.one(&asymmetric).name()),
        Some(name) if asymmetric.iter().any(|suite| suite.name() == name) && dice.once_in(2) => {}
        _ => return,
    }
    set(all, "crypto", Crypto::Modelled.name());
}

/// Faults at named steps: the step, in which a question mark stands for the number of a key, and the rest of the row.
const PLACED: [(&str, &str); 16] = [
    ("power-up", "kind='pulled during',moment=0"),
    ("INTERNAL AUTHENTICATE Kai[?]", "kind='pulled before'"),
    ("EXTERNAL AUTHENTICATE Kae[?]", "kind='pulled during',moment=0"),
    ("EXTERNAL AUTHENTICATE Kae[?]", "kind='pulled after'"),
    ("STORE KEY Kai[?]", "kind='pulled during',moment=1"),
    ("STORE KEY Kae[?]", "kind='pulled after'"),
    ("DERIVE KEY Kai[?]", "kind='pulled during',moment=2"),
    ("CardProof", "kind='lost up'"),
    ("UpdateVerdict", "kind='lost up'"),
    ("UpdateRandoms", "kind='lost down'"),
    ("UpdateVerdict", "kind='server crash before',for='300ms'"),
    ("UpdateVerdict", "kind='server crash after',for='2s'"),
    ("ServerVerdict", "kind='server crash after',for='20ms'"),
    ("UpdateVerdict", "kind='late',by='9s'"),
    ("CardProof", "kind='reinserted'"),
    ("UpdateVerdict", "kind='client crash',for='1s'"),
];

/// One to three rows of an array of tables.
fn rows(dice: &mut Dice, row: impl Fn(&mut Dice) -> String) -> String {
    let rows: Vec<String> = (0..dice.between(1, 3)).map(|_| row(dice)).collect();
    format!("[{}]", rows.join(","))
}

/// Sets a key; what was said of it before is forgotten.
fn set(all: &mut Vec<Setting>, key: &str, value: impl ToString) {
    all.retain(|(other, _)| other != key);
    all.push((key.to_owned(), value.to_string()));
}

/// A percentage up to `most`, small ones more often.
fn percent(dice: &mut Dice, most: u32) -> String {
    let scale = dice.between(1, most);
    format!("{}%", dice.between(1, scale))
}

/// A number that has been set.
fn number(all: &[Setting], key: &str) -> u32 {
    let value = all.iter().find(|(known, _)| known == key).and_then(|(_, value)| value.parse().ok());
    value.unwrap_or_else(|| panic!("the base sets {key} to a number"))
}

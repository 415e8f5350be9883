//! Rules between the keys of `[faults]` and others, and what a row of its tables says.

use keystorm_model::secure::Direction;
use keystorm_model::{CardId, ClientId, SimTime, SiteId, Span};

use crate::plan::{DownPlan, Mishap, OutagePlan, PlacedPlan, PullMoment, Ways};
use crate::scenario::error::Problem;
use crate::scenario::resolve::Resolved;
use crate::scenario::value::{Row, Value};
use crate::step::{ANSWERS, REQUESTS, What};

/// Everything about faults that does not go together.
pub(super) fn check(r: &Resolved, problems: &mut Vec<Problem>) {
    outages(r, problems);
    downs(r, problems);
    places(r, problems);
}

/// Faults of a connection are no faults of a probe.
pub(super) fn probes(r: &Resolved, problems: &mut Vec<Problem>) {
    for path in ["faults.client_crash", "faults.lose", "faults.late", "faults.reinsert"] {
        if !r.chance(path).is_zero() {
            let why = format!("`{path}` strikes a card's connection, but a probe has no card");
            let help = format!("set {path} to 0, or load.session to \"cards\"");
            problems.push(r.clash(&[path, "load.session"], why, help));
        }
    }
    if !r.rows("faults.place").is_empty() {
        let why = "`faults.place` strikes a card's connection, but a probe has no card".into();
        let help = "leave faults.place out, or set load.session to \"cards\"";
        problems.push(r.clash(&["faults.place", "load.session"], why, help));
    }
}

fn downs(r: &Resolved, problems: &mut Vec<Problem>) {
    let horizon = r.span("horizon");
    for row in r.rows("faults.server_down") {
        before_horizon("the server crashes", down(row).at, horizon, row, problems);
    }
    let clients = r.count("fleet.clients");
    for row in r.rows("faults.client_down") {
        before_horizon("a client crashes", down(row).at, horizon, row, problems);
        let client = client(row);
        if u64::from(client.0) >= clients {
            let why = format!("client {client} crashes, but there are {clients} clients, counted from 0");
            let problem = Problem::new(why, format!("allowed: 0 to {}", clients - 1)).label("this row");
            problems.push(problem.at_place(row.place.clone()));
        }
    }
    const RANDOM: [&str; 2] = ["faults.server_crash.every", "faults.server_crash.for"];
    if r.has(RANDOM[0]) != r.has(RANDOM[1]) {
        let why = "`faults.server_crash` needs both `every` and `for`".into();
        problems.push(r.clash(&RANDOM, why, "write server_crash = { every = \"10d\", for = \"30s\" }"));
    }
}

/// Reports what would happen after the horizon.
fn before_horizon(what: &str, at: SimTime, horizon: Span, row: &Row, problems: &mut Vec<Problem>) {
    let at = at.since(SimTime::ZERO);
    if at >= horizon {
        let why = format!("{what} at {at}, but the horizon is {horizon}");
        let problem = Problem::new(why, "let it be before the horizon").label("this row");
        problems.push(problem.at_place(row.place.clone()));
    }
}

/// When a machine is down.
pub(in crate::scenario) fn down(row: &Row) -> DownPlan {
    let (Value::Span(at), Value::Span(length)) = (&row.cells["at"], &row.cells["for"]) else {
        panic!("a machine is down from a time on for a duration: {row}")
    };
    DownPlan { at: SimTime::ZERO + *at, length: *length }
}

/// Whose crash a row is about.
pub(in crate::scenario) fn client(row: &Row) -> ClientId {
    ClientId(whole(row, "client").expect("the schema demands it"))
}

/// A whole number of a row, if it is there.
fn whole(row: &Row, name: &str) -> Option<u32> {
    match row.cells.get(name)? {
        Value::Count(count) => Some(u32::try_from(*count).expect("the schema's ranges fit into 32 bits")),
        other => panic!("{name} is no count: {other}"),
    }
}

fn length(row: &Row, name: &str) -> Option<Span> {
    match row.cells.get(name)? {
        Value::Span(span) => Some(*span),
        other => panic!("{name} is no duration: {other}"),
    }
}

fn places(r: &Resolved, problems: &mut Vec<Problem>) {
    let cards = r.count("fleet.cards");
    for row in r.rows("faults.place") {
        let mut report = |why: String, help: String| {
            problems.push(Problem::new(why, help).label("this fault").at_place(row.place.clone()));
        };
        let fault = match placed(row) {
            Ok(fault) => fault,
            Err((why, help)) => {
                report(why, help);
                continue;
            }
        };
        if u64::from(fault.card.0) >= cards {
            let why = format!(
                "a fault is placed at card {}, but there are {cards} cards, counted from 0",
                fault.card
            );
            report(why, format!("allowed: 0 to {}", cards - 1));
        }
        if let What::Command(_, Some((internal, no))) = fault.step {
            let path = if internal { "fleet.internal_keys" } else { "fleet.external_keys" };
            let keys = r.count(path);
            if u64::from(no) > keys {
                let why = format!("a fault is placed at {}, but {path} is {keys}", fault.step);
                report(why, format!("allowed: key numbers 1 to {keys}"));
            }
        }
    }
}

/// A placed fault; or why its kind cannot strike at its step, and what could.
pub(in crate::scenario) fn placed(row: &Row) -> Result<PlacedPlan, (String, String)> {
    let (Value::Text(step), Value::Choice(kind)) = (&row.cells["step"], &row.cells["kind"]) else {
        panic!("a placed fault has a step and a kind: {row}")
    };
    let step = What::parse(step).expect("a step was checked when it was read");
    let unfit = |help: &str| Err((format!("\"{kind}\" cannot strike at {step}"), help.to_owned()));
    let wanted =
        |name: &str| (format!("\"{kind}\" at {step} needs `{name}`"), format!("add `{name}` to this table"));
    let down = || length(row, "for").ok_or_else(|| wanted("for"));
    let goes_on = step.direction() == Some(Direction::Up) && step != What::Message("Bye");
    let is_command = matches!(step, What::Command(..));
    const COMMANDS: &str = "choose a card command, for example \"STORE KEY Kai[3]\"";
    let mishap = match *kind {
        "lost up" | "server crash before" | "server crash after"
            if step.direction() != Some(Direction::Up) =>
        {
            return unfit(&format!("choose a request: {}", REQUESTS.join(", ")));
        }
        "lost down" if step.direction() != Some(Direction::Down) => {
            return unfit(&format!("choose an answer: {}", ANSWERS.join(", ")));
        }
        "lost up" => Mishap::Lose(Direction::Up),
        "lost down" => Mishap::Lose(Direction::Down),
        "server crash before" => Mishap::ServerCrash { after: false, down: down()? },
        "server crash after" => Mishap::ServerCrash { after: true, down: down()? },
        "pulled during" if is_command || step == What::PowerUp => {
            let moment = whole(row, "moment").ok_or_else(|| wanted("moment"))?;
            Mishap::Pull(PullMoment::During(Some(moment)))
        }
        "pulled before" if is_command => Mishap::Pull(PullMoment::Before),
        "pulled after" if is_command => Mishap::Pull(PullMoment::After),
        "pulled before" | "pulled during" | "pulled after" => return unfit(COMMANDS),
        "client crash" if is_command || goes_on => Mishap::ClientCrash { down: down()? },
        "client crash" => return unfit("choose a request other than Bye, or a card command"),
        "late" => match step.direction() {
            Some(direction) => Mishap::Late(direction, length(row, "by").ok_or_else(|| wanted("by"))?),
            None => return unfit("choose a message"),
        },
        "reinserted" if goes_on => Mishap::Reinsert,
        "reinserted" => return unfit("choose a request other than Bye"),
        other => panic!("{other} is in the schema only"),
    };
    let has_effect = |name: &str| match (name, mishap) {
        ("moment", Mishap::Pull(PullMoment::During(_))) | ("by", Mishap::Late(..)) => true,
        ("for", mishap) => matches!(mishap, Mishap::ClientCrash { .. } | Mishap::ServerCrash { .. }),
        _ => false,
    };
    for name in ["moment", "for", "by"] {
        if row.cells.contains_key(name) && !has_effect(name) {
            return Err((format!("`{name}` has no effect with \"{kind}\""), "remove it".into()));
        }
    }
    let count = |name: &str| whole(row, name).expect("it has a default or is demanded");
    let nth = u8::try_from(count("nth")).expect("the schema keeps it within 8 bits");
    Ok(PlacedPlan { card: CardId(count("card")), connection: count("connection"), step, nth, mishap })
}

fn outages(r: &Resolved, problems: &mut Vec<Problem>) {
    let (sites, horizon) = (r.count("fleet.sites"), r.span("horizon"));
    let mut earlier: Vec<OutagePlan> = Vec::new();
    for row in r.rows("faults.outage") {
        let this = outage(row);
        let at = this.from.since(SimTime::ZERO);
        let mut report = |why: String, help: String| {
            problems.push(Problem::new(why, help).label("this outage").at_place(row.place.clone()));
        };
        if let Some(site) = this.site.filter(|site| u64::from(site.0) >= sites) {
            let why = format!("an outage hits site {site}, but there are {sites} sites, counted from 0");
            report(why, format!("allowed: 0 to {}", sites - 1));
        }
        if at >= horizon {
            let why = format!("an outage begins at {at}, but the horizon is {horizon}");
            report(why, "let it begin before the horizon".into());
        }
        let overlaps = |other: &&OutagePlan| {
            let one_line = this.site.is_none() || other.site.is_none() || this.site == other.site;
            one_line && this.ways.meet(other.ways) && this.from < other.until && other.from < this.until
        };
        if let Some(other) = earlier.iter().find(overlaps) {
            let (first, second) = if other.from <= this.from { (other, &this) } else { (&this, other) };
            let whose = match (first.site, second.site) {
                (Some(site), Some(_)) => format!("of site {site}"),
                _ => "of all sites".into(),
            };
            let begins = second.from.since(SimTime::ZERO);
            let ends = first.until.since(SimTime::ZERO);
            let why = format!("an outage {whose} begins at {begins}, while another lasts until {ends}");
            report(why, "join the two, or let one end before the other begins".into());
        }
        earlier.push(this);
    }
}

/// One outage.
pub(in crate::scenario) fn outage(row: &Row) -> OutagePlan {
    let site = match row.cells.get("site") {
        Some(Value::Count(site)) => {
            Some(SiteId(u16::try_from(*site).expect("sites are numbered in 16 bits")))
        }
        _ => None,
    };
    let (Value::Choice(ways), Value::Span(at), Value::Span(length)) =
        (&row.cells["direction"], &row.cells["at"], &row.cells["for"])
    else {
        panic!("an outage has a direction and two durations: {row}")
    };
    let from = SimTime::ZERO + *at;
    let ways = Ways::ALL.into_iter().find(|one| one.name() == *ways).expect("the schema offers no other");
    OutagePlan { site, ways, from, until: from + *length }
}

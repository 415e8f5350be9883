//! Rules between the keys of `[faults]` and others, and what a row of its tables says.

use keystorm_model::{SimTime, SiteId, Span};

use crate::plan::{DownPlan, OutagePlan, Ways};
use crate::scenario::error::Problem;
use crate::scenario::resolve::Resolved;
use crate::scenario::value::{Row, Value};

/// Everything about faults that does not go together.
pub(super) fn check(r: &Resolved, problems: &mut Vec<Problem>) {
    outages(r, problems);
    downs(r, problems);
}

fn downs(r: &Resolved, problems: &mut Vec<Problem>) {
    let horizon = r.span("horizon");
    for row in r.rows("faults.server_down") {
        before_horizon("the server crashes", down(row).at, horizon, row, problems);
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

//! Rules that tie several keys together. Each names the keys, what is wrong between them, and a way out.

mod faults;

pub(super) use faults::{client, down, outage, placed};

use keystorm_model::Span;
use keystorm_model::server::Embodiment;
use keystorm_model::suite::{Operation, SuiteId};

use super::error::Problem;
use super::resolve::Resolved;
use super::schema::{AUTO, ROOT, SESSIONS};
use super::value::{Row, Value};
use crate::plan::EngineKind;

/// Clients that one turmoil host can have: it has 16,384 ports.
const TURMOIL_CLIENTS_PER_SITE: u64 = 16_000;
/// turmoil's step is cubic in the number of hosts: measured on a 2-core x86-64 machine, an idle step takes
/// 9 us at 4 hosts, 0.5 ms at 64 and 31 ms at 256.
const TURMOIL_SITES: u64 = 256;
/// A client that waits longer than this for an answer is a mistake in the scenario.
const LONGEST_PATIENCE: Span = Span::from_secs(365 * 86_400);

impl Resolved {
    pub(super) fn count(&self, path: &str) -> u64 {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Count(count)) => *count,
            other => panic!("{path} is no count: {other:?}"),
        }
    }

    pub(super) fn span(&self, path: &str) -> Span {
        self.span_if(path).unwrap_or_else(|| panic!("{path} is no duration"))
    }

    pub(super) fn span_if(&self, path: &str) -> Option<Span> {
        match self.get(path)?.value {
            Value::Span(span) => Some(span),
            _ => None,
        }
    }

    pub(super) fn choice(&self, path: &str) -> &'static str {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Choice(name)) => name,
            other => panic!("{path} is no name: {other:?}"),
        }
    }

    pub(super) fn choices(&self, path: &str) -> &[&'static str] {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Choices(names)) => names,
            other => panic!("{path} is no list of names: {other:?}"),
        }
    }

    pub(super) fn spans(&self, path: &str) -> &[Span] {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Spans(spans)) => spans,
            other => panic!("{path} is no list of durations: {other:?}"),
        }
    }

    pub(super) fn rows(&self, path: &str) -> &[Row] {
        match self.get(path).map(|setting| &setting.value) {
            Some(Value::Rows(rows)) => rows,
            other => panic!("{path} is no array of tables: {other:?}"),
        }
    }

    /// The time into which a pattern of arrivals must fit: a repetition, or the horizon.
    pub(super) fn extent(&self) -> Span {
        let horizon = self.span("horizon");
        self.span_if("load.repeat").map_or(horizon, |repeat| repeat.min(horizon))
    }

    /// How many whole days of a pattern fit into it.
    pub(super) fn whole_days(&self) -> u64 {
        self.extent().as_ns() / self.span("load.day").as_ns()
    }

    fn chosen(&self, path: &str) -> bool {
        matches!(self.get(path).map(|setting| &setting.value), Some(Value::Flag(true)))
    }

    /// How many depths can be renewed: all but the root, unless it has a way of its own.
    fn renewable_depths(&self) -> u64 {
        let depths = self.count("fleet.internal_keys").min(self.count("fleet.external_keys"));
        if self.choice("update.root") == ROOT[0] { depths - 1 } else { depths }
    }

    fn clash(&self, paths: &[&str], why: String, help: impl Into<String>) -> Problem {
        Problem::new(why, help).at_place(self.place(paths))
    }
}

/// Everything that does not go together. All derived values are filled in.
pub(super) fn cross_check(r: &Resolved) -> Vec<Problem> {
    let mut problems = Vec::new();
    sites(r, &mut problems);
    arrivals(r, &mut problems);
    probes(r, &mut problems);
    line(r, &mut problems);
    update(r, &mut problems);
    spread(r, &mut problems);
    orders(r, &mut problems);
    faults::check(r, &mut problems);
    backend(r, &mut problems);
    warmup(r, &mut problems);
    problems
}

fn warmup(r: &Resolved, problems: &mut Vec<Problem>) {
    let (Some(warmup), horizon) = (r.span_if("warmup"), r.span("horizon")) else { return };
    if warmup >= horizon {
        let why = format!("`warmup` is {warmup}, and the run ends at {horizon}: nothing is left to measure");
        let help = "make it shorter than `horizon`".to_owned();
        problems.push(Problem::new(why, help).at_place(r.place(&["warmup"])));
    }
}

fn backend(r: &Resolved, problems: &mut Vec<Problem>) {
    let (chosen, fleet) = (r.choice("server.backend"), r.choice("fleet.suite"));
    let suite = SuiteId::ALL.into_iter().find(|suite| suite.name() == fleet).expect("the schema's own");
    let mut able: Vec<&str> = Vec::new();
    for backend in Operation::ALL.into_iter().flat_map(|operation| suite.backends(operation)) {
        if !able.contains(&backend.name()) {
            able.push(backend.name());
        }
    }
    if chosen != AUTO && !able.contains(&chosen) {
        let why = format!("`server.backend` is \"{chosen}\", which does nothing of {fleet}");
        let help = format!("allowed with it: \"{AUTO}\" or \"{}\"", able.join("\" or \""));
        problems.push(r.clash(&["server.backend", "fleet.suite"], why, help));
    }
}

fn sites(r: &Resolved, problems: &mut Vec<Problem>) {
    let (clients, sites) = (r.count("fleet.clients"), r.count("fleet.sites"));
    if sites > clients {
        let why =
            format!("`fleet.sites` is {sites}, but there are only {clients} clients to spread over them");
        let help = format!("allowed: 1 to {clients} sites, or more clients");
        problems.push(r.clash(&["fleet.sites", "fleet.clients"], why, help));
    }
    if r.choice("engine") != EngineKind::Turmoil.name() {
        return;
    }
    if sites > TURMOIL_SITES {
        let why = format!("`fleet.sites` is {sites}: the turmoil engine takes at most {TURMOIL_SITES}");
        problems.push(r.clash(
            &["fleet.sites"],
            why,
            "use fewer sites: turmoil's step is cubic in their number",
        ));
    }
    if clients.div_ceil(sites) > TURMOIL_CLIENTS_PER_SITE {
        let why = format!(
            "{clients} clients on {sites} sites: the turmoil engine takes at most {TURMOIL_CLIENTS_PER_SITE} per site"
        );
        let help = format!("set fleet.sites to {} or more", clients.div_ceil(TURMOIL_CLIENTS_PER_SITE));
        problems.push(r.clash(&["fleet.sites", "fleet.clients"], why, help));
    }
}

fn arrivals(r: &Resolved, problems: &mut Vec<Problem>) {
    let extent = r.extent();
    let (what, key) =
        if extent < r.span("horizon") { ("a repetition", "load.repeat") } else { ("the horizon", "horizon") };
    if let (Some(from), Some(window)) = (r.span_if("load.from"), r.span_if("load.window"))
        && (window.is_zero() || from + window > extent)
    {
        let end = from + window;
        let why = format!("card holders arrive from {from} to {end}, but {what} is {extent}");
        let help = format!("shorten `load.window`, or set {key} to more than {end}");
        problems.push(r.clash(&["load.window", "load.from", key], why, help));
    }
    if let Some(peak) = r.span_if("load.peak")
        && peak >= extent
    {
        let why = format!("`load.peak` is {peak}, but {what} is {extent}");
        let help = format!("choose a peak before that, or a longer {key}");
        problems.push(r.clash(&["load.peak", key], why, help));
    }
    if let Some(day) = r.span_if("load.day") {
        let (days, payday) = (r.whole_days(), r.has("load.payday").then(|| r.count("load.payday")));
        let least = if payday.is_some() { 2 } else { 1 };
        if days < least {
            let why = format!("`load.day` is {day}, and {what} only {extent}");
            let help = format!("set {key} to {} or more, or choose a shorter load.day", day * least);
            problems.push(r.clash(&[key, "load.day"], why, help));
        } else if let Some(payday) = payday.filter(|&payday| payday >= days) {
            let why = format!("`load.payday` is {payday}, but {what} has {days} days, counted from 0");
            problems.push(r.clash(&["load.payday", key], why, format!("allowed: 0 to {}", days - 1)));
        }
    }
    if r.choice("load.arrivals") == "trace" && !r.has("load.trace") {
        let why = "`load.trace` is missing: arrivals = \"trace\" takes the visits from a file".into();
        let help = "add load.trace = \"FILE.csv\", or choose other arrivals";
        problems.push(r.clash(&["load.arrivals"], why, help));
    }
}

fn probes(r: &Resolved, problems: &mut Vec<Problem>) {
    if r.choice("load.session") == SESSIONS[0] {
        return;
    }
    if !r.spans("update.periods").is_empty() {
        let why = "`update.periods` renews keys, but a probe has no card".into();
        let help = "leave update.periods empty, or set load.session to \"cards\"";
        problems.push(r.clash(&["update.periods", "load.session"], why, help));
    }
    if !r.rows("update.order").is_empty() {
        let why = "`update.order` renews keys, but a probe has no card".into();
        let help = "leave update.order out, or set load.session to \"cards\"";
        problems.push(r.clash(&["update.order", "load.session"], why, help));
    }
    if !r.chance("faults.pull").is_zero() {
        let why = "`faults.pull` pulls cards out, but a probe has no card".into();
        let help = "set faults.pull to 0, or load.session to \"cards\"";
        problems.push(r.clash(&["faults.pull", "load.session"], why, help));
    }
    faults::probes(r, problems);
}

fn line(r: &Resolved, problems: &mut Vec<Problem>) {
    const DELAY: [&str; 3] = ["line.delay.max", "line.delay.min", "line.delay.mean"];
    if !r.has("line.delay.fixed") {
        match (r.span_if("line.delay.min"), r.span_if("line.delay.max")) {
            (Some(min), Some(max)) if min > max => {
                let why = format!("`line.delay.min` is {min}, above `line.delay.max`, which is {max}");
                problems.push(r.clash(&DELAY, why, "min must not be above max"));
            }
            (Some(_), Some(_)) => {}
            _ => {
                let why = "`line.delay` needs both `min` and `max`".into();
                let help = "write { fixed = … }, { min = …, max = … } or { min = …, mean = …, max = … }";
                problems.push(r.clash(&DELAY, why, help));
            }
        }
    }
    const BURST: [&str; 2] = ["line.burst.p", "line.burst.r"];
    match (r.has(BURST[0]), r.has(BURST[1])) {
        (false, false) => {}
        (true, true) => {
            if r.chance(BURST[1]).is_zero() {
                let why = "`line.burst.r` is 0: a line that goes bad would never recover".into();
                problems.push(r.clash(&["line.burst.r"], why, "choose r above 0; a burst has 1/r messages"));
            }
        }
        _ => {
            let why = "`line.burst` needs both `p` and `r`".into();
            problems.push(r.clash(&BURST, why, "write burst = { p = \"1/100\", r = \"1/3\" }"));
        }
    }
    if !r.chance("line.reorder").is_zero() && r.span("line.reorder_by").is_zero() {
        let why = "`line.reorder` has no effect: `line.reorder_by` is 0".into();
        let help = "set line.reorder_by to how long a message is held back, or reorder to 0";
        problems.push(r.clash(&["line.reorder"], why, help));
    }
    retry(r, problems);
}

fn retry(r: &Resolved, problems: &mut Vec<Problem>) {
    let (mut wait, mut patience) = (r.span("line.retry.first"), Span::ZERO);
    for _ in 0..r.count("line.retry.tries") {
        patience += wait;
        wait = wait * r.count("line.retry.factor");
    }
    if patience > LONGEST_PATIENCE {
        let why = "a client would wait more than 365d for one answer".into();
        let help = "lower line.retry.first, factor or tries";
        problems.push(r.clash(&["line.retry.tries", "line.retry.factor", "line.retry.first"], why, help));
    }
}

fn update(r: &Resolved, problems: &mut Vec<Problem>) {
    let periods = r.spans("update.periods").len() as u64;
    let (internal, external) = (r.count("fleet.internal_keys"), r.count("fleet.external_keys"));
    let depths = internal.min(external);
    if r.chosen("update.complement") && r.choices("update.embodiment").contains(&Embodiment::Three.name()) {
        let why =
            "`update.complement` does not go with embodiment 3, which has a random for each of its keys"
                .into();
        let help = "set update.complement to false, or choose other embodiments";
        problems.push(r.clash(&["update.complement", "update.embodiment"], why, help));
    }
    let renewable = r.renewable_depths();
    if periods <= renewable {
        return;
    }
    let why = format!(
        "`update.periods` renews {periods} of {depths} pairs of keys (the smaller of {internal} internal and \
         {external} external keys): the root pair has none above it to renew it with"
    );
    if periods > depths {
        let why = format!("`update.periods` has {periods} entries, but there are {depths} pairs of keys");
        let help = format!("give at most {renewable} periods, or the card more keys of both kinds");
        problems.push(r.clash(&["update.periods", "fleet.internal_keys", "fleet.external_keys"], why, help));
        return;
    }
    let help = if renewable == 0 {
        "set fleet.internal_keys and fleet.external_keys to 2 or more, or leave update.periods empty".into()
    } else {
        format!(
            "give at most {renewable} periods, the card more keys of both kinds, or the root a way in update.root"
        )
    };
    problems.push(r.clash(&["update.periods", "fleet.internal_keys", "fleet.external_keys"], why, help));
}

/// Every card's turn must come within its period.
fn spread(r: &Resolved, problems: &mut Vec<Problem>) {
    let spread = r.choice("update.spread");
    let moment = Span::from_ns(1);
    // All turns come before this, and the key that says so.
    let (end, key) = match spread {
        "jitter" => (r.span("update.spread_window"), "update.spread_window"),
        "waves" => {
            let steps = r.count("update.spread_waves") - 1;
            (r.span("update.spread_interval") * steps + moment, "update.spread_interval")
        }
        "admission" if r.count("update.spread_admits") == 0 && r.count("update.spread_open") == 0 => {
            let why = "`update.spread` = \"admission\" limits nothing".into();
            let help = "set update.spread_admits to how many renewals an interval takes, or spread_open";
            return problems.push(r.clash(&["update.spread"], why, help));
        }
        _ => return,
    };
    match r.spans("update.periods").iter().min() {
        None => {
            let why = format!("`update.spread` = \"{spread}\" spreads periods, and there are none");
            let help = "set update.periods, or spread to \"none\" or \"admission\"";
            problems.push(r.clash(&["update.spread"], why, help));
        }
        Some(&shortest) if end > shortest => {
            let last = if spread == "waves" { end - moment } else { end };
            let why = format!(
                "turns come up to {last} after a period has turned, but the shortest period lasts {shortest}"
            );
            let paths = [key, "update.spread_waves", "update.spread", "update.periods"];
            problems.push(r.clash(&paths, why, "let all turns come within the shortest period"));
        }
        Some(_) => {}
    }
}

fn orders(r: &Resolved, problems: &mut Vec<Problem>) {
    let (cards, horizon) = (r.count("fleet.cards"), r.span("horizon"));
    let renewable = r.renewable_depths();
    for row in r.rows("update.order") {
        let (at, depth, ordered) = order(row);
        let mut report = |why: String, help: String| {
            problems.push(Problem::new(why, help).label("this order").at_place(row.place.clone()));
        };
        if at >= horizon {
            let why = format!("an order is given at {at}, but the horizon is {horizon}");
            report(why, "let it be given before the horizon".into());
        }
        if depth >= renewable {
            let why = format!(
                "an order is to renew depth {depth}, but {renewable} depths can be renewed, from 0 on"
            );
            let help = "choose a smaller depth, give the card more keys, or the root a way in update.root";
            report(why, help.into());
        }
        if let Some(&card) = ordered.and_then(|ordered| ordered.last())
            && u64::from(card) >= cards
        {
            let why = format!("an order is for card {card}, but there are {cards} cards, counted from 0");
            report(why, format!("allowed: 0 to {}", cards - 1));
        }
    }
}

/// Time, depth and cards of one order.
pub(super) fn order(row: &Row) -> (Span, u64, Option<&[u32]>) {
    match (&row.cells["at"], &row.cells["depth"], &row.cells["cards"]) {
        (Value::Span(at), Value::Count(depth), Value::Cards(cards)) => (*at, *depth, cards.as_deref()),
        other => panic!("an order is a duration, a count and cards: {other:?}"),
    }
}

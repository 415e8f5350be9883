//! Time per session on keystorm, nexosim and naive turmoil; the crate's documentation says what each of them does.
//!
//! Ratios are taken between the fastest of several passes of each, which alternate in one process.

mod naive;
mod nexo;
mod party;

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keystorm::engine::queue::{Event, Kind, Queue};
use keystorm::plan::Plan;
use keystorm::run::{Finished, simulate};
use keystorm::world::load::arrivals;
use keystorm_model::Span;

use nexo::Style;
use party::Common;

/// Cards of the comparison with nexosim; KEYSTORM_BENCH_CARDS overrides it.
const CARDS: u32 = 200_000;
/// Cards of the comparison with naive turmoil.
const FEW: u32 = 64;
/// Passes of each side; the fastest counts.
const PASSES: usize = 5;

/// The scenario with so many cards, fifty to a terminal, within ten minutes.
fn many(cards: u32) -> Plan {
    plan(&[format!("fleet.cards={cards}"), format!("fleet.clients={}", (cards / 50).max(1))])
}

/// The scenario with few cards, each at a terminal of its own or nearly so, within a second.
fn few(cards: u32) -> Plan {
    let cards = [format!("fleet.cards={cards}"), format!("fleet.clients={cards}")];
    let [cards, clients] = cards;
    plan(&[cards, clients, "load.window=1s".into(), "horizon=10s".into()])
}

fn plan(set: &[String]) -> Plan {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "scenario.toml"].iter().collect();
    keystorm::scenario::load(&path, set).expect("the scenario is valid")
}

fn keystorm(plan: &Plan) -> Finished {
    let finished = simulate(plan.clone(), &mut |_| true).expect("the engine runs");
    assert!(finished.violations.is_empty(), "{}", finished.violations[0]);
    let counts = &finished.results.counts;
    let cards = u64::from(plan.fleet.cards);
    assert_eq!((counts.auth_ok, counts.sessions_completed), (cards, cards));
    finished
}

fn nexosim(plan: &Plan, style: Style, watched: bool) -> Arc<Common> {
    let common = Common::new(plan.clone(), watched);
    nexo::run(&common, style);
    all_completed(&common);
    common
}

fn machines_alone(plan: &Plan) -> Arc<Common> {
    let common = Common::new(plan.clone(), false);
    party::run_alone(&common);
    all_completed(&common);
    common
}

fn turmoil(plan: &Plan, watched: bool) -> Arc<Common> {
    let common = Common::new(plan.clone(), watched);
    naive::run(&common);
    all_completed(&common);
    common
}

fn all_completed(common: &Common) {
    let cards = u64::from(common.plan.fleet.cards);
    assert_eq!(common.outcome(), (cards, cards));
}

/// Every engine authenticates every card, and the same bytes cross the line and the cards' contacts.
fn agree(plan: &Plan, with_turmoil: bool) {
    let expected = keystorm(plan).results.trace_digest;
    for style in [Style::Documented, Style::Tuned] {
        let (timed, untimed) = nexosim(plan, style, true).digests().expect("it was watched");
        assert_eq!(timed, expected, "nexosim, {style:?}");
        if with_turmoil {
            let (_, naive) = turmoil(plan, true).digests().expect("it was watched");
            assert_eq!(naive, untimed, "naive turmoil");
        }
    }
}

/// Time that this thread has had a CPU, if the system tells: Linux does.
fn cpu_time() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    Some(Duration::from_nanos(text.split_whitespace().next()?.parse().ok()?))
}

/// CPU time of this thread, on which all engines do all of their work; wall time where there is no such clock.
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
fn time<T>(work: impl FnOnce() -> T) -> Duration {
    let (start, cpu) = (Instant::now(), cpu_time());
    black_box(work());
    let wall = start.elapsed();
    cpu.zip(cpu_time()).map_or(wall, |(before, after)| after - before)
}

/// The fastest of several passes of each piece of work, alternating.
fn fastest<const N: usize>(passes: usize, mut work: [&mut dyn FnMut(); N]) -> [Duration; N] {
    let mut fastest = [Duration::MAX; N];
    for _ in 0..passes {
        for (fastest, work) in fastest.iter_mut().zip(&mut work) {
            *fastest = time(work).min(*fastest);
        }
    }
    fastest
}

fn show(name: &str, took: Duration, sessions: u32) {
    println!("  {name:<44} {:>12.0} ns per session", took.as_nanos() as f64 / f64::from(sessions));
}

fn against_nexosim(cards: u32) -> [f64; 2] {
    let plan = many(cards);
    agree(&many(cards.min(10_000)), false);
    let finished = keystorm(&plan);
    let (events, crypto) = (finished.events, finished.world.crypto());
    drop(finished);
    let per_card = |count: u64| count as f64 / f64::from(cards);
    println!("{cards} cards at {} terminals, fastest of {PASSES} passes:", plan.fleet.clients);
    println!(
        "  per session: {:.1} events of keystorm, {:.1} block operations, {:.1} AEAD operations",
        per_card(events),
        per_card(crypto.ciphers),
        per_card(crypto.aeads)
    );
    let [machines, here, documented, tuned] = fastest(
        PASSES,
        [
            &mut || drop(machines_alone(&plan)),
            &mut || drop(keystorm(&plan)),
            &mut || drop(nexosim(&plan, Style::Documented, false)),
            &mut || drop(nexosim(&plan, Style::Tuned, false)),
        ],
    );
    show("the machines alone, session after session", machines, cards);
    show("keystorm", here, cards);
    show("nexosim, as documented", documented, cards);
    show("nexosim, tuned", tuned, cards);
    let rest = |took: Duration| took.saturating_sub(machines).as_secs_f64();
    let engine = |took: Duration| rest(took) / rest(here);
    let at_most = |took: Duration| took.as_secs_f64() / machines.as_secs_f64();
    println!(
        "  what the machines leave, keystorm vs nexosim: {:.1} times as documented, {:.1} times tuned",
        engine(documented),
        engine(tuned)
    );
    println!(
        "  an engine that cost nothing would reach {:.1} times as documented, {:.1} times tuned",
        at_most(documented),
        at_most(tuned)
    );
    [documented, tuned].map(|took| took.as_secs_f64() / here.as_secs_f64())
}

/// The engines alone: as many events as the sessions have, which carry a number and do nothing.
fn engines_alone(cards: u32) -> f64 {
    let plan = many(cards);
    let hops = (keystorm(&plan).events / u64::from(cards)) as u32 - 1;
    let sorted = arrivals(&plan);
    let mut by_client = vec![Vec::new(); plan.fleet.clients as usize];
    for arrival in &sorted {
        by_client[arrival.client.index()].push(arrival.at.as_ns());
    }
    let delay = Span::from_ms(50);
    let queue = || {
        let mut queue = Queue::default();
        let mut people = sorted.iter().peekable();
        let mut done = 0u64;
        loop {
            let next = queue.peek().map(|event| event.at);
            let (at, client, left) = match people.peek() {
                Some(person) if next.is_none_or(|next| person.at <= next) => {
                    let person = people.next().expect("it has been seen");
                    (person.at, person.client, hops)
                }
                _ => match queue.pop() {
                    Some(event) => (event.at, event.client(), event.slot),
                    None => break,
                },
            };
            done += 1;
            if left > 0 {
                queue.push(Event::new(at + delay, Kind::AtClient, client, left, left - 1));
            }
        }
        assert_eq!(done, sorted.len() as u64 * u64::from(hops + 1));
    };
    let nexosim = || nexo::relay(&by_client, hops, Duration::from_nanos(delay.as_ns()));
    let [here, there] = fastest(PASSES, [&mut { queue }, &mut { nexosim }]);
    println!("the engines alone, {} events of 50 ms for each of {cards} sessions:", hops + 1);
    show("keystorm's queue, arrivals merged", here, cards);
    show("nexosim, events without content", there, cards);
    there.as_secs_f64() / here.as_secs_f64()
}

fn against_turmoil() -> f64 {
    let plan = few(FEW);
    agree(&plan, true);
    let rounds = 200;
    let [here, there] = fastest(
        PASSES,
        [
            &mut || {
                for _ in 0..rounds {
                    drop(keystorm(&plan));
                }
            },
            &mut || drop(turmoil(&plan, false)),
        ],
    );
    let here = here / rounds;
    println!("{FEW} cards within a second, fastest of {PASSES} passes:");
    show("keystorm", here, FEW);
    show("turmoil, one host per card", there, FEW);
    there.as_secs_f64() / here.as_secs_f64()
}

fn main() {
    let cards = std::env::var("KEYSTORM_BENCH_CARDS").ok().and_then(|text| text.parse().ok());
    let cards = cards.unwrap_or(CARDS);
    let [documented, tuned] = against_nexosim(cards);
    let alone = engines_alone(cards);
    let turmoil = against_turmoil();
    println!(
        "keystorm vs nexosim {documented:.1} times (at least 4), and {tuned:.1} times when nexosim is tuned"
    );
    println!("keystorm's queue vs nexosim, events without content {alone:.1} times");
    println!("keystorm vs naive turmoil {turmoil:.0} times (at least 100)");
}

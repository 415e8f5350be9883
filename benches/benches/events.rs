//! The events engine against the least that such a run can cost, and its growth with the fleet.
//!
//! *floor* is a bare loop with as many heap events, block operations and AEAD operations as the measured run, arrivals
//! sorted and merged from beside the heap, and one histogram; nothing else: no messages, no APDUs, no randomness,
//! no checks. *fixed loop* is the same with 24 events and the ten block operations of one renewal per session, and
//! no session data. The run is everything that `keystorm run` does, from reading the scenario to writing the reports.
//!
//! Ratios are taken between the fastest of several passes of each, which alternate in one process. Time is this thread's
//! time on the CPU.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use aes::Aes128Enc;
use aes::cipher::BlockCipherEncrypt;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AesGcm, KeyInit, Nonce};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use hdrhistogram::Histogram;
use keystorm::engine::queue::{Event, Kind, Queue};
use keystorm::run::{Finished, simulate};
use keystorm::world::CryptoTally;
use keystorm_benches::measure::timed;
use keystorm_model::{ClientId, SimTime};
use keystorm_reports::results::Manifest;
use keystorm_reports::{RunDir, write_run};

/// Cards of the compared runs; KEYSTORM_BENCH_CARDS overrides it.
const CARDS: u32 = 1_000_000;
/// Passes of each side; the fastest counts.
const PASSES: usize = 3;
/// One pass of the growth bench runs about so many cards or more.
const TIMED_CARDS: u32 = 200_000;
const SECOND: u64 = 1_000_000_000;

fn scenario() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "scenarios", "million.toml"].iter().collect()
}

/// The million-card scenario with another number of cards, and clients in proportion.
fn plan(cards: u32) -> keystorm::plan::Plan {
    let set = [format!("fleet.cards={cards}"), format!("fleet.clients={}", (cards / 50).max(50))];
    keystorm::scenario::load(&scenario(), &set).expect("the scenario is valid")
}

fn run(cards: u32) -> Finished {
    let finished = simulate(plan(cards), &mut |_| true).expect("the engine runs");
    assert!(finished.violations.is_empty(), "{}", finished.violations[0]);
    finished
}

/// What `keystorm run --cards-csv none` does.
fn run_and_report(cards: u32, dir: &std::path::Path) -> Finished {
    let dir = RunDir::prepare(&dir.join("run")).expect("the temporary directory is writable");
    let finished = run(cards);
    let manifest = Manifest {
        scenario_text: String::new(),
        scenario_sha256: String::new(),
        command: String::new(),
        seed: 1,
        engine: "events".into(),
        crypto: "real".into(),
        version: String::new(),
        commit: None,
        machine: String::new(),
        started_unix_s: 0,
        wall_s: 0.0,
        peak_memory_bytes: None,
        bytes_per_card: None,
        events_per_s: 0.0,
    };
    write_run(&dir, &finished.results, &manifest, None).expect("the reports are written");
    dir.commit().expect("the directory takes its place");
    finished
}

/// What a bare loop is to do.
#[derive(Clone, Copy)]
struct Load {
    sessions: u64,
    events: u64,
    crypto: CryptoTally,
}

/// Splits `total` over `parts` as evenly as integers allow: how many fall on part `index`.
fn share(total: u64, parts: u64, index: u64) -> u64 {
    total * (index + 1) / parts - total * index / parts
}

/// The bare loop. Returns something that depends on all of its work.
fn floor(load: Load) -> u64 {
    let Load { sessions, events, crypto } = load;
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 20
    };
    let mut arrivals: Vec<u64> = (0..sessions).map(|_| random() % (18 * 3_600 * SECOND)).collect();
    arrivals.sort_unstable();
    let mut keys = vec![[7u8; 16]; sessions as usize];
    let mut latency = Histogram::<u64>::new(3).expect("three digits are allowed");
    // (time, session, events left)
    let mut heap: BinaryHeap<Reverse<(u64, u32, u32)>> = BinaryHeap::new();
    let mut arrivals_left = (0u64..).zip(arrivals.iter().copied()).peekable();
    let mut sum = 0u64;
    let mut data = [3u8; 64];
    loop {
        let next = heap.peek().map(|Reverse(event)| event.0);
        let (now, session, left) = match arrivals_left.peek() {
            Some(&(session, at)) if next.is_none_or(|next| at <= next) => {
                arrivals_left.next();
                (at, session as u32, share(events, sessions, session) as u32)
            }
            _ => match heap.pop() {
                Some(Reverse(event)) => event,
                None => break,
            },
        };
        let id = u64::from(session);
        let blocks = share(crypto.ciphers, sessions, id) as u32;
        if left <= blocks {
            let key = &mut keys[session as usize];
            let mut block = (now as u128).to_le_bytes();
            Aes128Enc::new_from_slice(key).expect("16 bytes").encrypt_block((&mut block).into());
            *key = block;
        }
        if left == 1 {
            let mut ciphers = [None, None];
            for (slot, _) in ciphers.iter_mut().zip(0..share(crypto.channels, sessions, id)) {
                *slot = Some(
                    AesGcm::<Aes128Enc, U12>::new_from_slice(&keys[session as usize]).expect("16 bytes"),
                );
            }
            for count in 0..share(crypto.aeads, sessions, id) {
                let Some(cipher) = &ciphers[count as usize % 2] else { continue };
                let nonce = Nonce::from([count as u8; 12]);
                let tag = cipher.encrypt_inout_detached(&nonce, &[0; 16], data.as_mut_slice().into());
                sum = sum.wrapping_add(tag.expect("64 bytes are sealed")[0].into());
            }
            latency.record((now - arrivals[session as usize]) / 1_000).expect("auto-resizing");
        } else {
            heap.push(Reverse((now + 50_000_000 + now % 400_000_000, session, left - 1)));
        }
    }
    sum.wrapping_add(latency.value_at_quantile(0.5))
}

fn ratios(cards: u32) {
    let dir = tempfile::tempdir().expect("a temporary directory can be made");
    let [mut engine, mut bare, mut fixed] = [Duration::MAX; 3];
    let mut digest = None;
    let mut load = None;
    for _ in 0..PASSES {
        let (finished, took) = timed(|| run_and_report(cards, dir.path()));
        assert_eq!(*digest.get_or_insert(finished.results.trace_digest), finished.results.trace_digest);
        engine = engine.min(took);
        let (events, crypto) = (finished.events, finished.world.crypto());
        let sessions = finished.results.counts.sessions_started;
        drop(finished);
        load = Some(Load { sessions, events, crypto });
        bare = bare.min(timed(|| black_box(floor(Load { sessions, events, crypto }))).1);
        let crypto = CryptoTally { ciphers: 10 * sessions, aeads: 0, channels: 0 };
        let load = Load { sessions, events: 24 * sessions, crypto };
        fixed = fixed.min(timed(|| black_box(floor(load))).1);
    }
    let load = load.expect("there was a pass");
    let per_session = |took: Duration| took.as_nanos() as f64 / load.sessions as f64;
    let each = |total: u64| total as f64 / load.sessions as f64;
    println!("{cards} cards, fastest of {PASSES} passes:");
    println!(
        "  per session: {:.1} events, {:.1} block operations, {:.1} AEAD operations",
        each(load.events),
        each(load.crypto.ciphers),
        each(load.crypto.aeads)
    );
    println!("  events engine  {:7.3} s  {:6.0} ns per session", engine.as_secs_f64(), per_session(engine));
    println!("  floor          {:7.3} s  {:6.0} ns per session", bare.as_secs_f64(), per_session(bare));
    println!("  fixed loop     {:7.3} s  {:6.0} ns per session", fixed.as_secs_f64(), per_session(fixed));
    let ratio = |to: Duration| engine.as_secs_f64() / to.as_secs_f64();
    println!("ratio to floor      {:.2} (at most 2.0, aim 1.5)", ratio(bare));
    println!("ratio to fixed loop {:.2} (at most 3)", ratio(fixed));
}

/// Cost per session from a thousand cards to a million.
fn growth() {
    println!("growth, fastest of {PASSES} passes:");
    let mut at_ten_thousand = None;
    for cards in [1_000, 10_000, 100_000, 1_000_000] {
        // Linux counts time on the CPU in steps of a few milliseconds: a small fleet runs many times in one pass.
        let runs = (TIMED_CARDS / cards).max(1);
        let passes = if cards <= TIMED_CARDS { PASSES } else { 2 };
        let fastest = (0..passes)
            .map(|_| {
                let sessions = || run(cards).results.counts.sessions_started;
                let (sessions, took) = timed(|| (0..runs).map(|_| sessions()).sum::<u64>());
                took.as_nanos() as f64 / sessions as f64
            })
            .fold(f64::INFINITY, f64::min);
        if cards == 10_000 {
            at_ten_thousand = Some(fastest);
        }
        println!("  {cards:>9} cards  {fastest:6.0} ns per session");
        if let (1_000_000, Some(base)) = (cards, at_ten_thousand) {
            println!("ratio of a million to ten thousand cards {:.2} (at most 1.5)", fastest / base);
        }
    }
}

/// The queue alone: one event out, one in, with so many pending.
fn queue(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("queue, one event out and one in");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for pending in [100u32, 10_000, 1_000_000] {
        let full = || {
            let mut queue = Queue::default();
            for slot in 0..pending {
                let at = SimTime::from_ns(u64::from(slot.wrapping_mul(2_654_435_761)));
                queue.push(Event::new(at, Kind::AtClient, ClientId(slot % 1_000), slot, slot));
            }
            queue
        };
        let mut kept = full();
        group.bench_function(BenchmarkId::from_parameter(pending), |bencher| {
            bencher.iter_batched(
                || (),
                |()| {
                    let event = kept.pop().expect("the queue is full");
                    let at = SimTime::from_ns(event.at.as_ns() + 1 + event.at.as_ns() % 4_000_000_000);
                    kept.push(Event::new(at, event.kind(), event.client(), event.slot, event.slot));
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

fn main() {
    let cards = std::env::var("KEYSTORM_BENCH_CARDS").ok().and_then(|text| text.parse().ok());
    ratios(cards.unwrap_or(CARDS));
    growth();
    let mut criterion = Criterion::default().configure_from_args();
    queue(&mut criterion);
    criterion.final_summary();
}

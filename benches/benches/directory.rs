//! The client directory: what a server looks up for one authentication, and the commit of one renewal, in memory and in a
//! redb database; that on the simulated disk, and on a file with its real syncs.
//!
//! Cards come from all over the directory. In the database each look-up reads the card's row anew, and each commit is a
//! transaction of its own; the server in a simulation keeps the rows that it has read.
//!
//! KEYSTORM_BENCH_CARDS=10000 leaves the larger directories out, and takes a minute.

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, criterion_group, criterion_main};
use keystorm::directory::disk::Disk;
use keystorm::directory::store::Store;
use keystorm_model::rings::{Pair, Ring, RingShape};
use keystorm_model::server::{Commit, Directory as _, MemoryDirectory, Row, Stamp};
use keystorm_model::suite::SuiteId;
use keystorm_model::{CardId, Depth, SimTime};

const CARDS: [u32; 3] = [10_000, 100_000, 1_000_000];
const SUITE: SuiteId = SuiteId::Aes128;
const PAIR: usize = SUITE.sizes().pair;
const WORKING: Depth = Depth(0);

/// Fig. 3's rings.
fn shape() -> RingShape {
    RingShape::new(3, 4).expect("Fig. 3 has such rings")
}

/// The pairs of a card.
fn pairs(card: u32) -> Vec<u8> {
    card.to_le_bytes().repeat(shape().keys() * PAIR / 4)
}

/// The `number`-th card of a walk that comes everywhere before it comes anywhere twice.
fn card(number: u64, cards: u32) -> CardId {
    // A prime that divides none of the sizes.
    CardId((number * 7_919 % u64::from(cards)) as u32)
}

fn slots() -> [usize; 2] {
    let Pair { internal, external } = shape().working();
    let slot = |ring, no| shape().slot(keystorm_model::rings::KeyRef { ring, no }).expect("it exists");
    [slot(Ring::Internal, internal), slot(Ring::External, external)]
}

/// A renewal of the working pair.
fn with_commit<T>(number: u64, take: impl FnOnce(&Commit<'_>) -> T) -> T {
    let pairs = [number as u8; 2 * PAIR];
    let renewed = &[(WORKING, Stamp::at(SimTime::from_ns(number)))];
    take(&Commit { slots: &slots(), pairs: &pairs, renewed })
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn memory(group: &mut Group<'_>, cards: u32) {
    let all = (0..cards).flat_map(pairs).collect();
    let mut directory = MemoryDirectory::new(all, shape().keys(), PAIR, 1, Stamp::NEVER);
    let (mut number, [internal, external]) = (0, slots());
    group.bench_function(BenchmarkId::new("memory/look-up", cards), |bencher| {
        bencher.iter(|| {
            number += 1;
            let card = card(number, cards);
            let keys =
                u32::from(directory.key(card, internal)[0]) + u32::from(directory.key(card, external)[0]);
            black_box((keys, directory.renewal(card, WORKING)));
        });
    });
    group.bench_function(BenchmarkId::new("memory/commit", cards), |bencher| {
        bencher.iter(|| {
            number += 1;
            with_commit(number, |commit| directory.commit(card(number, cards), commit));
        });
    });
}

fn database(group: &mut Group<'_>, name: &str, cards: u32, store: &Store) {
    let (mut number, [internal, external]) = (0, slots());
    group.bench_function(BenchmarkId::new(format!("{name}/look-up"), cards), |bencher| {
        bencher.iter(|| {
            number += 1;
            let row = store.row(card(number, cards)).expect("the disk is sound").expect("the card is there");
            let keys = u32::from(row.pair(internal, PAIR)[0]) + u32::from(row.pair(external, PAIR)[0]);
            black_box((keys, row.renewal(WORKING)));
        });
    });
    let mut row = Row::issued(&pairs(0), 1, Stamp::NEVER);
    group.bench_function(BenchmarkId::new(format!("{name}/commit"), cards), |bencher| {
        bencher.iter(|| {
            number += 1;
            with_commit(number, |commit| row.commit(commit, PAIR));
            store.put([(card(number, cards), &row)].into_iter(), None).expect("the disk is sound");
        });
    });
    let stored = store.row(card(number, cards)).expect("the disk is sound");
    assert_eq!(stored, Some(row), "the last commit is there");
}

fn directories(criterion: &mut Criterion) {
    let most = std::env::var("KEYSTORM_BENCH_CARDS").ok().and_then(|text| text.parse().ok());
    let mut group = criterion.benchmark_group("directory");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4)).sample_size(20);
    for cards in CARDS.into_iter().filter(|&cards| most.is_none_or(|most| cards <= most)) {
        memory(&mut group, cards);
        let rows = || (0..cards).map(|card| Row::issued(&pairs(card), 1, Stamp::NEVER));
        let disk = Disk::default();
        let store = Store::create(disk.connect(), rows()).expect("the disk is sound");
        println!("{cards} cards: {} bytes of disk a card", disk.length() / cards as usize);
        database(&mut group, "redb, simulated disk", cards, &store);
        drop((store, disk));
        let dir = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))
            .expect("the target directory is there");
        let store = Store::create_in(&dir.path().join("directory.redb"), rows()).expect("there is room");
        database(&mut group, "redb, file", cards, &store);
    }
    group.finish();
}

criterion_group!(benches, directories);
criterion_main!(benches);

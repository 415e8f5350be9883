use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::server::{Due, Row};
use keystorm_model::{ConnectionNo, SimTime};
use proptest::prelude::*;
use redb::StorageBackend as _;

use super::disk::{Disk, SECTOR};
use super::store::Store;
use super::*;

const CARDS: usize = 40;
const KEYS: usize = 7;
const PAIR: usize = 16;
const DEPTHS: usize = 2;
/// The first external key's slot.
const EXTERNAL: usize = 3;

fn stamp(ns: u64) -> Stamp {
    Stamp::at(SimTime::from_ns(ns))
}

fn both(common: bool, seed: u64) -> (MemoryDirectory, RedbDirectory) {
    let pairs: Vec<u8> = (0..CARDS * KEYS * PAIR).map(|i| (i / PAIR) as u8).collect();
    let memory = MemoryDirectory::new(pairs.clone(), KEYS, PAIR, DEPTHS, Stamp::NEVER);
    let redb = RedbDirectory::new(&pairs, KEYS, PAIR, DEPTHS, Stamp::NEVER, Seed(seed));
    if !common {
        return (memory, redb);
    }
    let shared = vec![0xcc; (KEYS - EXTERNAL) * PAIR];
    (memory.with_common(EXTERNAL, shared.clone()), redb.with_common(EXTERNAL, shared))
}

/// Everything that can be asked of every card is answered the same.
fn assert_same(memory: &MemoryDirectory, redb: &RedbDirectory, about: &str) {
    for card in (0..CARDS as u32).map(CardId) {
        for slot in 0..KEYS {
            assert_eq!(memory.key(card, slot), redb.key(card, slot), "{about}: card {card}, slot {slot}");
        }
        for depth in (0..DEPTHS as u8).map(Depth) {
            assert_eq!(memory.renewal(card, depth), redb.renewal(card, depth), "{about}: card {card}");
        }
        assert_eq!(memory.staged(card), redb.staged(card), "{about}: card {card}");
        assert_eq!(memory.refused(card), redb.refused(card), "{about}: card {card}");
        assert_eq!(memory.is_recalled(card), redb.is_recalled(card), "{about}: card {card}");
    }
    assert!(!memory.contains(CardId(CARDS as u32)) && !redb.contains(CardId(CARDS as u32)));
}

#[derive(Clone, Debug)]
enum Change {
    Spend(u8, u64),
    Commit { slots: Vec<usize>, byte: u8, depth: u8, since: u64 },
    Stage { depth: u8, since: u64, bytes: usize },
    TryStage,
    DropStage,
    Refuse(u8),
    ForgetRefusal,
    Recall(bool),
    Reissue(u8, u64),
}

#[derive(Clone, Debug)]
enum Step {
    Change(u32, Change),
    Sync,
    Crash,
}

fn change() -> impl Strategy<Value = Change> {
    let (depth, since) = (0..DEPTHS as u8, 0..1_000u64);
    let slots = proptest::collection::btree_set(0..KEYS, 1..4).prop_map(|slots| slots.into_iter().collect());
    prop_oneof![
        (depth.clone(), since.clone()).prop_map(|(depth, since)| Change::Spend(depth, since)),
        (slots, any::<u8>(), depth.clone(), since.clone())
            .prop_map(|(slots, byte, depth, since)| Change::Commit { slots, byte, depth, since }),
        (depth.clone(), since.clone(), 0..5_000usize).prop_map(|(depth, since, bytes)| Change::Stage {
            depth,
            since,
            bytes
        }),
        Just(Change::TryStage),
        Just(Change::DropStage),
        depth.prop_map(Change::Refuse),
        Just(Change::ForgetRefusal),
        any::<bool>().prop_map(Change::Recall),
        (any::<u8>(), since).prop_map(|(byte, now)| Change::Reissue(byte, now)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..CARDS as u32, change()).prop_map(|(card, change)| Step::Change(card, change)),
        3 => Just(Step::Sync),
        1 => Just(Step::Crash),
    ]
}

fn apply(directory: &mut impl Directory, card: CardId, change: &Change) {
    match *change {
        Change::Spend(depth, since) => directory.spend(card, Depth(depth), stamp(since)),
        Change::Commit { ref slots, byte, depth, since } => {
            let pairs = vec![byte; slots.len() * PAIR];
            let renewed = &[(Depth(depth), stamp(since))];
            directory.commit(card, &Commit { slots, pairs: &pairs, renewed });
        }
        Change::Stage { depth, since, bytes } => directory.stage(
            card,
            Stage {
                due: Due { depth: Depth(depth), since: stamp(since), escalated: since % 2 == 0 },
                opened: SimTime::from_ns(since),
                connection: ConnectionNo(since),
                randoms: vec![1; 32],
                pairs: vec![2; bytes],
                tried: false,
            },
        ),
        Change::TryStage => directory.try_stage(card),
        Change::DropStage => directory.drop_stage(card),
        Change::Refuse(depth) => directory.refuse(card, Depth(depth)),
        Change::ForgetRefusal => directory.forget_refusal(card),
        Change::Recall(recalled) => directory.recall(card, recalled),
        Change::Reissue(byte, now) => directory.reissue(card, &[byte; KEYS * PAIR], stamp(now)),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The database answers as the tables in memory do, and after a crash as they did at the last sync.
    #[test]
    fn a_crash_takes_what_was_not_synced_and_nothing_else(
        common: bool,
        seed: u64,
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        let (mut memory, mut redb) = both(common, seed);
        prop_assert_eq!((memory.start(), redb.start()), (0, 0));
        let mut synced = memory.clone();
        for step in &steps {
            match step {
                Step::Change(card, change) => {
                    apply(&mut memory, CardId(*card), change);
                    apply(&mut redb, CardId(*card), change);
                }
                Step::Sync => {
                    redb.sync();
                    synced = memory.clone();
                }
                Step::Crash => {
                    memory = synced.clone();
                    prop_assert_eq!(memory.start(), redb.start());
                    synced = memory.clone();
                    assert_same(&memory, &redb, "after a crash");
                }
            }
        }
        assert_same(&memory, &redb, "at the end");
    }
}

fn rows(version: u8) -> Vec<(CardId, Row)> {
    let row = |card: u32| (CardId(card), Row::issued(&[version; KEYS * PAIR], DEPTHS, Stamp::NEVER));
    (0..CARDS as u32).map(row).collect()
}

/// redb's own promise, on a disk that keeps any part of what it was writing: the last transaction is there whole or not
/// at all, and the one before it is never touched.
#[test]
fn a_transaction_that_a_crash_cuts_is_there_whole_or_not_at_all() {
    let disk = Disk::default();
    let mut store = Store::create(disk.connect(), rows(0).into_iter().map(|(_, row)| row)).unwrap();
    let (mut version, mut outcomes) = (0u8, [0, 0]);
    for crash in 0..200 {
        let next = version.wrapping_add(1);
        disk.fail_during_sync(Seed(3).open(Purpose::Disk, crash));
        let cut = store.put(rows(next).iter().map(|(card, row)| (*card, row)), None);
        assert!(cut.is_err());
        drop(store);
        store = Store::open(disk.connect()).unwrap();
        let held =
            |version| rows(version).into_iter().all(|(card, row)| store.row(card).unwrap() == Some(row));
        let survived = held(next);
        assert!(survived || held(version), "crash {crash}: neither the old rows nor the new ones");
        outcomes[usize::from(survived)] += 1;
        if survived {
            version = next;
        }
        // And it goes on from there.
        version = version.wrapping_add(1);
        store.put(rows(version).iter().map(|(card, row)| (*card, row)), None).unwrap();
    }
    assert!(outcomes.iter().all(|&count| count > 10), "both happen: {outcomes:?}");
}

#[test]
fn a_disk_keeps_what_was_synced_and_some_sectors_of_the_rest() {
    let (mut kept, mut lost) = (0, 0);
    for number in 0..40 {
        let disk = Disk::default();
        let connection = disk.connect();
        connection.set_len(8 * SECTOR as u64).unwrap();
        connection.write(0, &[1; 8 * SECTOR]).unwrap();
        connection.sync_data().unwrap();
        assert_eq!(disk.syncs(), 1);
        // Over the ends of sectors, and one of them twice.
        connection.write(700, &[2; 2_000]).unwrap();
        connection.write(1_000, &[3; 10]).unwrap();
        disk.fail(Seed(9).open(Purpose::Disk, number));
        assert!(connection.len().is_err() && connection.write(0, &[4]).is_err(), "the power has failed");
        assert!(connection.sync_data().is_err() && connection.set_len(0).is_err());

        let mut bytes = [0; 8 * SECTOR];
        disk.connect().read(0, &mut bytes).unwrap();
        let mut written = [1; 8 * SECTOR];
        written[700..2_700].fill(2);
        written[1_000..1_010].fill(3);
        for (sector, (found, new)) in bytes.chunks(SECTOR).zip(written.chunks(SECTOR)).enumerate() {
            let old = found.iter().all(|&byte| byte == 1);
            assert!(old || found == new, "sector {sector} is neither old nor new");
            if (1..6).contains(&sector) {
                *if old { &mut lost } else { &mut kept } += 1;
            }
        }
    }
    assert!(kept > 50 && lost > 50, "{kept} kept, {lost} lost");
}

#[test]
fn what_a_disk_has_been_cut_off_is_zero_when_it_grows_again() {
    let (disk, mut bytes) = (Disk::default(), [9; 2 * SECTOR]);
    let connection = disk.connect();
    connection.set_len(2 * SECTOR as u64).unwrap();
    connection.write(0, &[5; 2 * SECTOR]).unwrap();
    connection.set_len(SECTOR as u64).unwrap();
    assert!(connection.read(0, &mut bytes).is_err() && connection.write(SECTOR as u64, &[1]).is_err());
    connection.set_len(2 * SECTOR as u64).unwrap();
    assert_eq!(disk.length(), 2 * SECTOR);
    connection.read(0, &mut bytes).unwrap();
    assert_eq!((bytes[0], bytes[SECTOR]), (5, 0));
    assert!(connection.set_len(3).is_err(), "a disk has whole sectors");
}

#[test]
fn a_sector_that_is_new_is_written_or_zero_after_a_crash() {
    let (mut written, mut zero) = (0, 0);
    for number in 0..40 {
        let disk = Disk::default();
        let connection = disk.connect();
        connection.set_len(SECTOR as u64).unwrap();
        connection.write(0, &[1; SECTOR]).unwrap();
        connection.sync_data().unwrap();
        connection.set_len(5 * SECTOR as u64).unwrap();
        connection.write(SECTOR as u64, &[2; 4 * SECTOR]).unwrap();
        disk.fail(Seed(11).open(Purpose::Disk, number));
        let mut bytes = [9; 5 * SECTOR];
        disk.connect().read(0, &mut bytes).unwrap();
        assert_eq!(bytes[..SECTOR], [1; SECTOR], "it was synced");
        for sector in bytes[SECTOR..].chunks(SECTOR) {
            assert!(sector == [2; SECTOR] || sector == [0; SECTOR]);
            *if sector[0] == 2 { &mut written } else { &mut zero } += 1;
        }
    }
    assert!(written > 40 && zero > 40, "{written} written, {zero} zero");
}

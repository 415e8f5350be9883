use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use keystorm_model::card::{CardRules, CardType};
use keystorm_model::rings::Ring;
use keystorm_model::suite::{Comparison, GENERATOR};
use xxhash_rust::xxh3::xxh3_128;

use super::*;
use crate::engine::Stopped;
use crate::world::cards::Cards;

/// Two files' worth of cards with one pair for each ring.
const FLEET: Order = Order {
    suite: SuiteId::Rsa1024,
    crypto: Crypto::Real,
    seed: Seed(7),
    shape: RingShape::new(1, 1).unwrap(),
    cards: 66,
};
/// Cards in the first file.
const FIRST: u32 = 64;
/// The fleet's first cards.
const FEW: Order = Order { cards: 3, ..FLEET };

/// All pairs of [`FLEET`], made once for all tests.
fn fleet() -> &'static [u8] {
    static PAIRS: OnceLock<Vec<u8>> = OnceLock::new();
    PAIRS.get_or_init(|| fresh(&FLEET))
}

fn of_few() -> &'static [u8] {
    &fleet()[..FEW.bytes()]
}

/// A directory in which a fleet's pairs are kept.
struct Cache {
    dir: tempfile::TempDir,
}

impl Cache {
    fn empty() -> Self {
        Cache { dir: tempfile::tempdir().unwrap() }
    }

    fn with(order: Order) -> Self {
        let cache = Cache::empty();
        let kept = Stock::open(order, Some(cache.path())).complete(2, &|| true).unwrap();
        assert_eq!(kept.not_kept, None);
        cache
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn missing(&self, order: Order) -> u64 {
        Stock::open(order, Some(self.path())).missing()
    }

    /// The files, by name.
    fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = fs::read_dir(self.path().join("pairs"))
            .into_iter()
            .flatten()
            .flat_map(|order| fs::read_dir(order.unwrap().path()).unwrap())
            .map(|file| file.unwrap().path())
            .collect();
        files.sort();
        files
    }
}

fn pairs(order: Order) -> u64 {
    u64::from(order.cards) * order.shape.keys() as u64
}

#[test]
fn what_is_kept_is_what_would_be_made_anew() {
    let cache = Cache::empty();
    let stock = Stock::open(FLEET, Some(cache.path()));
    assert_eq!(stock.missing(), pairs(FLEET));
    let made = AtomicU64::new(0);
    let count = || {
        made.fetch_add(1, Ordering::Relaxed);
        true
    };
    let first = stock.complete(2, &count).unwrap();
    assert_eq!((&first.pairs[..], first.not_kept), (fleet(), None));
    assert_eq!(made.load(Ordering::Relaxed), pairs(FLEET));
    assert_eq!(cache.files().len(), 2, "{:?}", cache.files());

    let again = Stock::open(FLEET, Some(cache.path()));
    assert_eq!(again.missing(), 0);
    let again = again.complete(2, &|| panic!("nothing is left to be made")).unwrap();
    assert_eq!((&again.pairs[..], again.not_kept), (fleet(), None));
}

#[test]
fn the_number_of_threads_changes_no_pair() {
    for threads in [0, 1, 2, 7] {
        let issued = Stock::open(FEW, None).complete(threads, &|| true).unwrap();
        assert_eq!(issued.pairs, of_few(), "{threads} threads");
    }
}

#[test]
fn every_pair_has_randoms_of_its_own() {
    let length = FLEET.suite.sizes().pair;
    let mut all: Vec<&[u8]> = fleet().chunks(length).collect();
    let other = fresh(&Order { seed: Seed(8), cards: 1, ..FLEET });
    all.extend(other.chunks(length));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn a_larger_fleet_adds_to_what_a_smaller_one_has_left() {
    let cache = Cache::with(FEW);
    let five = Order { cards: 5, ..FEW };
    assert_eq!(cache.missing(five), 2 * five.shape.keys() as u64);
    let grown = Stock::open(five, Some(cache.path())).complete(1, &|| true).unwrap();
    assert_eq!(grown.pairs, fleet()[..five.bytes()]);
    let smaller = Stock::open(FEW, Some(cache.path()));
    assert_eq!(smaller.missing(), 0);
    assert_eq!(smaller.complete(1, &|| true).unwrap().pairs, of_few());
    assert_eq!(cache.missing(five), 0, "the smaller fleet has left the larger one's file alone");
}

#[test]
fn another_seed_shape_or_suite_finds_nothing() {
    let cache = Cache::with(FEW);
    for other in [
        Order { seed: Seed(8), ..FEW },
        Order { shape: RingShape::new(1, 2).unwrap(), ..FEW },
        Order { shape: RingShape::new(2, 1).unwrap(), ..FEW },
        Order { suite: SuiteId::Rsa2048, ..FEW },
    ] {
        assert_eq!(cache.missing(other), pairs(other), "{other:?}");
    }
    assert_eq!(cache.missing(FEW), 0);
}

/// Where another file, or another version, differs in the header; see `files.rs`.
const HEADER_FIELDS: [(&str, usize); 9] = [
    ("magic", 0),
    ("format", 8),
    ("generator", 12),
    ("seed", 16),
    ("chunk", 24),
    ("count", 28),
    ("M", 32),
    ("N", 33),
    ("suite", 34),
];

#[test]
fn a_damaged_or_foreign_file_is_made_anew() {
    let cache = Cache::with(FEW);
    let [file] = &cache.files()[..] else { panic!("one file") };
    let good = fs::read(file).unwrap();
    let numbers =
        [&1u32.to_le_bytes()[..], &GENERATOR.to_le_bytes(), &7u64.to_le_bytes(), &[0, 0, 0, 0, 3, 0, 0, 0]];
    assert_eq!(good[..48], [b"KSPAIRS\0", &numbers.concat()[..], b"\x01\x01rsa-1024\0\0\0\0\0\0"].concat());
    let untrusted = |what: &str, bytes: &[u8]| {
        fs::write(file, bytes).unwrap();
        assert_eq!(cache.missing(FEW), pairs(FEW), "{what}");
    };
    for length in [0, 1, 31, 48, 49, good.len() / 2, good.len() - 16, good.len() - 1] {
        untrusted(&format!("cut to {length} bytes"), &good[..length]);
    }
    untrusted("one byte more", &[&good[..], &[0]].concat());
    for at in (0..good.len()).step_by(37).chain([good.len() - 1]) {
        let mut spoilt = good.clone();
        spoilt[at] ^= 0x10;
        untrusted(&format!("byte {at} flipped"), &spoilt);
    }
    for (field, at) in HEADER_FIELDS {
        let mut foreign = good.clone();
        foreign[at] ^= 1;
        let content = good.len() - 16;
        let checksum = xxh3_128(&foreign[..content]);
        foreign[content..].copy_from_slice(&checksum.to_le_bytes());
        untrusted(&format!("another {field}, and the checksum for it"), &foreign);
    }
    let repaired = Stock::open(FEW, Some(cache.path())).complete(2, &|| true).unwrap();
    assert_eq!((&repaired.pairs[..], repaired.not_kept), (of_few(), None));
    assert_eq!(fs::read(file).unwrap(), good);
}

#[test]
fn a_directory_in_the_place_of_a_file_is_in_nobodys_way() {
    let cache = Cache::with(FEW);
    let [file] = &cache.files()[..] else { panic!("one file") };
    fs::remove_file(file).unwrap();
    fs::create_dir(file).unwrap();
    let issued = Stock::open(FEW, Some(cache.path())).complete(2, &|| true).unwrap();
    assert_eq!(issued.pairs, of_few());
    assert!(issued.not_kept.is_some());
    assert_eq!(cache.files(), std::slice::from_ref(file), "no unfinished file is left behind");
}

#[test]
fn a_place_that_cannot_be_written_costs_a_note_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("a file");
    fs::write(&place, "of somebody's").unwrap();
    let issued = Stock::open(FEW, Some(&place)).complete(2, &|| true).unwrap();
    assert_eq!(issued.pairs, of_few());
    let note = issued.not_kept.expect("a reason");
    assert!(note.contains("a file"), "{note}");
    assert_eq!(fs::read_to_string(&place).unwrap(), "of somebody's");
}

#[test]
fn who_writes_at_the_same_time_does_no_harm() {
    let cache = Cache::empty();
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| Stock::open(FEW, Some(cache.path())).complete(1, &|| true).unwrap()))
            .collect();
        while !writers.iter().all(|writer| writer.is_finished()) {
            let missing = cache.missing(FEW);
            assert!(missing == 0 || missing == pairs(FEW), "all of a file or nothing");
        }
        for writer in writers {
            let issued = writer.join().unwrap();
            assert_eq!((&issued.pairs[..], issued.not_kept), (of_few(), None));
        }
    });
    assert_eq!(cache.missing(FEW), 0);
    assert_eq!(cache.files().len(), 1, "{:?}", cache.files());
}

#[test]
fn whoever_stops_loses_the_unfinished_file_only() {
    let first = u64::from(FIRST) * FLEET.shape.keys() as u64;
    for threads in [1, 2] {
        let cache = Cache::empty();
        let made = AtomicU64::new(0);
        let stop = || made.fetch_add(1, Ordering::Relaxed) < first;
        let stopped = Stock::open(FLEET, Some(cache.path())).complete(threads, &stop);
        assert!(matches!(stopped, Err(Stopped::Cancelled)));
        assert_eq!(cache.missing(FLEET), pairs(FLEET) - first);
        let rest = Stock::open(FLEET, Some(cache.path())).complete(threads, &|| true).unwrap();
        assert_eq!(rest.pairs, fleet());
    }
}

#[test]
fn symmetric_and_modelled_keys_are_never_kept() {
    for order in [Order { suite: SuiteId::Aes128, ..FLEET }, Order { crypto: Crypto::Modelled, ..FLEET }] {
        let cache = Cache::empty();
        let stock = Stock::open(order, Some(cache.path()));
        assert_eq!(stock.missing(), 0);
        let issued = stock.complete(2, &|| panic!("nothing is left to be made")).unwrap();
        assert_eq!(issued.pairs, fresh(&order));
        assert_eq!(issued.pairs.len(), 66 * 2 * if order.crypto == Crypto::Real { 16 } else { 32 });
        assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0);
    }
}

/// The places of an issuer's randoms are part of every run, and of what is kept.
#[test]
fn golden_pairs() {
    let shape = RingShape::new(3, 4).unwrap();
    for (suite, issue, reissue) in [
        (SuiteId::Aes128, 0xbe7d96f7_cc386e48_c08943be_427f234c, 0xa49b5af8_82bccd75_a07627de_588c27d5),
        (SuiteId::Rsa1024, 0x1170f53c_61220d1f_f0d6a4a4_5bea9424, 0xc4ad0186_fe96078c_60d1f488_d92f0129),
    ] {
        let order = Order { suite, crypto: Crypto::Real, seed: Seed(1), shape, cards: 2 };
        let again = reissued(order.cipher(), shape, Seed(1), CardId(1), 1);
        assert_eq!([xxh3_128(&fresh(&order)), xxh3_128(&again)], [issue, reissue], "{}", suite.name());
    }
}

#[test]
fn every_reissue_of_every_card_brings_other_pairs() {
    let shape = RingShape::new(2, 3).unwrap();
    for suite in [SuiteId::Aes128, SuiteId::Rsa1024] {
        let order = Order { suite, crypto: Crypto::Real, seed: Seed(1), shape, cards: 1 };
        let again = |card, count| reissued(order.cipher(), shape, Seed(1), CardId(card), count);
        let all = [fresh(&order), again(0, 1), again(0, 2), again(1, 1)];
        for (index, pairs) in all.iter().enumerate() {
            assert_eq!(pairs.len(), order.layout().len());
            assert!(!all[..index].contains(pairs), "{} {index}", suite.name());
        }
        assert_eq!(again(0, 1), all[1]);
    }
}

#[test]
fn common_pairs_take_the_place_of_every_cards_own_external_ones() {
    let shape = RingShape::new(2, 3).unwrap();
    let suite = SuiteId::Aes128;
    let order = Order { suite, crypto: Crypto::Real, seed: Seed(1), shape, cards: 3 };
    let (own, common) = (fresh(&order), common(order.cipher(), shape, Seed(1)));
    let mut pairs = own.clone();
    share(shape, &common, &mut pairs);
    for (card, own) in pairs.chunks(order.layout().len()).zip(own.chunks(order.layout().len())) {
        assert_eq!((&card[..2 * 16], &card[2 * 16..]), (&own[..2 * 16], &common[..]));
    }
}

/// What a card is handed proves what the server can check, and checks what the server can prove.
#[test]
fn cards_get_their_halves() {
    let (suite, shape) = (FEW.suite, FEW.shape);
    let rules = CardRules::standard(5);
    let kind = CardType { cipher: FEW.cipher(), shape, comparison: Comparison::Encryption, rules };
    let cards = Cards::issue(&kind, of_few());
    assert_eq!(cards.len(), FEW.cards);
    let challenge = vec![3; suite.sizes().challenge];
    for (card, pairs) in (0..).zip(of_few().chunks(FEW.layout().len())) {
        let keys = cards.keys(CardId(card));
        assert_eq!(keys.len(), kind.layout().len());
        for slot in 0..kind.layout().slots() {
            let (on_card, pair) = (&keys[kind.layout().range(slot)], &pairs[FEW.layout().range(slot)]);
            let (prover, checker) = match kind.layout().ring(slot) {
                Ring::Internal => (on_card, suite.public_half(pair)),
                Ring::External => (suite.private_half(pair), on_card),
            };
            let mut proof = Vec::new();
            suite.prove(prover, &challenge, &mut proof);
            assert!(suite.check(checker, &challenge, &proof, kind.comparison), "card {card}, slot {slot}");
        }
        assert_eq!(cards.tries(CardId(card)), [5]);
    }
}

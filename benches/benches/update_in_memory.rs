//! A full renewal in memory, card, client and server included, against the bare cipher operations that it contains.
//!
//! *Bare* sets up as many AES-128 keys and encrypts one block with each, and sets up, seals and opens as many AES-GCM
//! messages of the same lengths. Ratios are taken between the fastest of several passes, which alternate. For the
//! asymmetric suites only the time of a renewal is printed: it consists of key generation.

use std::hint::black_box;
use std::time::Duration;

use aes::Aes128Enc;
use aes::cipher::BlockCipherEncrypt;
use aes_gcm::KeyInit;
use criterion::Criterion;
use keystorm_benches::measure::timed;
use keystorm_benches::party::{Operations, Party};
use keystorm_model::secure::{Channel, Direction};
use keystorm_model::server::Embodiment;
use keystorm_model::suite::{Family, SuiteId};

const PASSES: usize = 7;
const RENEWALS: u32 = 100_000;

/// As many cipher operations as a renewal takes, and nothing else.
fn bare(operations: Operations, keys: &mut [[u8; 16]; 3], data: &mut Vec<u8>) {
    for index in 0..operations.ciphers as usize {
        let key = &mut keys[index % 3];
        let mut block = [index as u8; 16];
        Aes128Enc::new((&*key).into()).encrypt_block((&mut block).into());
        *key = block;
    }
    let channels = [Channel::new(keys[0]), Channel::new(keys[0])];
    for count in 0..u64::from(operations.aeads) / 2 {
        data.clear();
        data.resize(if count == 0 { 32 } else { 64 }, 7);
        channels[0].seal(Direction::Up, count, data, 0, 0);
        let mut plain = Vec::with_capacity(data.len());
        assert!(channels[1].open(Direction::Up, count, &[], data, &mut plain));
        black_box(plain);
    }
}

fn ratio() {
    for embodiment in Embodiment::ALL {
        let mut party = Party::new(SuiteId::Aes128, embodiment);
        let operations = party.renew();
        let (mut keys, mut data) = ([[1; 16]; 3], Vec::new());
        let [mut renewal, mut floor] = [Duration::MAX; 2];
        for _ in 0..PASSES {
            renewal = renewal.min(
                timed(|| {
                    for _ in 0..RENEWALS {
                        black_box(party.renew());
                    }
                })
                .1,
            );
            floor = floor.min(timed(|| (0..RENEWALS).for_each(|_| bare(operations, &mut keys, &mut data))).1);
        }
        println!(
            "embodiment {:<2}  {:>5} ns a renewal, {:>5} ns its cipher operations ({} blocks, {} seals): {:.2} times (at most 8)",
            embodiment.name(),
            (renewal / RENEWALS).as_nanos(),
            (floor / RENEWALS).as_nanos(),
            operations.ciphers,
            operations.aeads,
            renewal.as_secs_f64() / floor.as_secs_f64()
        );
    }
    for suite in SuiteId::ALL.into_iter().filter(|suite| suite.family() == Family::Asymmetric) {
        let mut party = Party::new(suite, Embodiment::One);
        let renewals = 20;
        let (operations, took) =
            timed(|| (0..renewals).map(|_| party.renew()).last().expect("there are some"));
        let each = (took / renewals).as_secs_f64() * 1e3;
        println!(
            "{}: {each:.1} ms a renewal, mean of {renewals}, {} pairs generated in each",
            suite.name(),
            operations.generates
        );
    }
}

fn main() {
    ratio();
    let mut criterion = Criterion::default().configure_from_args();
    let mut party = Party::new(SuiteId::Aes128, Embodiment::One);
    criterion.bench_function("update_in_memory, aes-128", |bencher| bencher.iter(|| party.renew()));
    criterion.final_summary();
}

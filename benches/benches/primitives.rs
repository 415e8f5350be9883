//! The operations of each suite by each backend, from keys as they are stored: with one key again and again, and with
//! many in turn, as a server meets them. Growing a pair of RSA takes a different time from each seed, so that every iteration
//! has another.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use keystorm_model::suite::{Cipher, Comparison, Operation, SuiteId};

/// Keys in turn.
const BATCHES: [usize; 2] = [1, 16];

/// A pair that `number` decides.
fn issued(suite: SuiteId, number: usize) -> Vec<u8> {
    let mut pair = Vec::new();
    let random: Vec<u8> =
        number.to_le_bytes().iter().copied().cycle().take(suite.sizes().issue_random).collect();
    suite.issue(&random, &mut pair);
    pair
}

fn suites(criterion: &mut Criterion) {
    for suite in SuiteId::ALL {
        let sizes = suite.sizes();
        let pairs: Vec<Vec<u8>> = (0..BATCHES[1]).map(|number| issued(suite, number)).collect();
        let mut group = criterion.benchmark_group(suite.name());
        for operation in Operation::ALL {
            for backend in suite.backends(operation) {
                let cipher = suite.with(Some(backend));
                let id = |batch| BenchmarkId::new(format!("{}/{}", operation.name(), backend.name()), batch);
                group.throughput(Throughput::Elements(1));
                match operation {
                    Operation::Prove => {
                        group.throughput(Throughput::Bytes(sizes.proof as u64));
                        for batch in BATCHES {
                            prove(&mut group, id(batch), cipher, &pairs[..batch]);
                        }
                    }
                    Operation::Check => {
                        for batch in BATCHES {
                            check(&mut group, id(batch), cipher, &pairs[..batch]);
                        }
                    }
                    Operation::Generate => generate(&mut group, id(1), cipher),
                }
            }
        }
        group.finish();
    }
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn prove(group: &mut Group<'_>, id: BenchmarkId, cipher: Cipher, pairs: &[Vec<u8>]) {
    let (suite, mut proof) = (cipher.suite(), Vec::new());
    let challenge = vec![2; suite.sizes().challenge];
    let mut turn = pairs.iter().cycle();
    group.bench_function(id, |bencher| {
        bencher.iter(|| {
            proof.clear();
            let pair = turn.next().expect("a cycle has no end");
            cipher.prove(black_box(suite.private_half(pair)), &challenge, &mut proof);
        });
    });
}

fn check(group: &mut Group<'_>, id: BenchmarkId, cipher: Cipher, pairs: &[Vec<u8>]) {
    let suite = cipher.suite();
    let challenge = vec![2; suite.sizes().challenge];
    let proofs = pairs.iter().map(|pair| {
        let mut proof = Vec::new();
        suite.prove(suite.private_half(pair), &challenge, &mut proof);
        (suite.public_half(pair), proof)
    });
    let proofs: Vec<(&[u8], Vec<u8>)> = proofs.collect();
    let mut turn = proofs.iter().cycle();
    group.bench_function(id, |bencher| {
        bencher.iter(|| {
            let (public, proof) = turn.next().expect("a cycle has no end");
            assert!(cipher.check(black_box(public), &challenge, proof, Comparison::Encryption));
        });
    });
}

fn generate(group: &mut Group<'_>, id: BenchmarkId, cipher: Cipher) {
    let mut seed = vec![0; cipher.suite().sizes().seed];
    let (mut grown, mut count) = (Vec::new(), 0u64);
    group.bench_function(id, |bencher| {
        bencher.iter(|| {
            count += 1;
            seed[..8].copy_from_slice(&count.to_le_bytes());
            grown.clear();
            cipher.grow(black_box(&seed), &mut grown);
        });
    });
}

criterion_group!(benches, suites);
criterion_main!(benches);

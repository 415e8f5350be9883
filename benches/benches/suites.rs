//! The operations of each suite, from keys as they are stored. Growing a pair of RSA takes a different time from each
//! seed, so that every iteration has another.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use keystorm_model::suite::{Comparison, SuiteId};

fn suites(criterion: &mut Criterion) {
    for suite in SuiteId::ALL {
        let sizes = suite.sizes();
        let mut pair = Vec::new();
        suite.issue(&vec![1; sizes.issue_random], &mut pair);
        let challenge = vec![2; sizes.challenge];
        let mut proof = Vec::new();
        suite.prove(suite.private_half(&pair), &challenge, &mut proof);

        let mut group = criterion.benchmark_group(suite.name());
        group.bench_function("prove", |bencher| {
            bencher.iter(|| {
                proof.clear();
                suite.prove(black_box(suite.private_half(&pair)), &challenge, &mut proof);
            });
        });
        group.bench_function("check", |bencher| {
            let public = suite.public_half(&pair);
            bencher.iter(|| suite.check(black_box(public), &challenge, &proof, Comparison::Encryption));
        });
        let mut count = 0u64;
        group.bench_function("grow", |bencher| {
            let mut seed = vec![0; sizes.seed];
            let mut grown = Vec::new();
            bencher.iter(|| {
                count += 1;
                seed[..8].copy_from_slice(&count.to_le_bytes());
                grown.clear();
                suite.grow(black_box(&seed), &mut grown);
            });
        });
        group.finish();
    }
}

criterion_group!(benches, suites);
criterion_main!(benches);

//! The operations of each suite by each backend, from keys as they are stored: with one key again and again, and with
//! several in turn. A signature of ML-DSA and a pair of RSA take a different time with each random, so that every iteration has
//! another. What the filter leaves out costs nothing.

use std::cell::OnceCell;
use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use keystorm_benches::measure::short;
use keystorm_model::suite::{Backend, Cipher, Comparison, Operation, SuiteId};

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

/// What an operation is carried out on, another one each time.
struct Numbers {
    bytes: Vec<u8>,
    count: u64,
}

impl Numbers {
    fn of(length: usize) -> Numbers {
        Numbers { bytes: vec![2; length], count: 0 }
    }

    fn next(&mut self) -> &[u8] {
        self.count += 1;
        self.bytes[..8].copy_from_slice(&self.count.to_le_bytes());
        &self.bytes
    }
}

fn suites(criterion: &mut Criterion) {
    for suite in SuiteId::ALL {
        let sizes = suite.sizes();
        let pairs = OnceCell::new();
        let pairs = || pairs.get_or_init(|| (0..BATCHES[1]).map(|number| issued(suite, number)).collect());
        let mut group = criterion.benchmark_group(suite.name());
        let id = |name: &str, backend: Backend, batch: usize| {
            BenchmarkId::new(format!("{name}/{}", backend.name()), batch)
        };
        for backend in suite.backends(Operation::Prove) {
            let cipher = suite.with(Some(backend));
            let answers =
                [("prove", sizes.challenge, sizes.proof), ("derive", sizes.renewal_random, sizes.seed)];
            for (name, random, answer) in answers {
                for batch in BATCHES {
                    group.throughput(both(answer));
                    prove(&mut group, id(name, backend, batch), cipher, random, batch, pairs);
                }
            }
        }
        for backend in suite.backends(Operation::Check) {
            for batch in BATCHES {
                group.throughput(both(sizes.proof));
                check(&mut group, id("check", backend, batch), suite.with(Some(backend)), batch, pairs);
            }
        }
        for backend in suite.backends(Operation::Generate) {
            group.throughput(both(sizes.pair));
            generate(&mut group, id("generate", backend, 1), suite.with(Some(backend)));
        }
        group.finish();
    }
}

/// Operations per second, and bytes per second: of the proof that is made or checked, of the pair that is generated.
fn both(bytes: usize) -> Throughput {
    Throughput::ElementsAndBytes { elements: 1, bytes: bytes as u64 }
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

fn prove<'p>(
    group: &mut Group<'_>,
    id: BenchmarkId,
    cipher: Cipher,
    random: usize,
    batch: usize,
    pairs: impl Fn() -> &'p Vec<Vec<u8>>,
) {
    let (suite, mut proof, mut randoms) = (cipher.suite(), Vec::new(), Numbers::of(random));
    group.bench_function(id, |bencher| {
        let mut turn = pairs()[..batch].iter().cycle();
        bencher.iter(|| {
            proof.clear();
            let pair = turn.next().expect("a cycle has no end");
            cipher.prove(black_box(suite.private_half(pair)), randoms.next(), &mut proof);
        });
    });
}

fn check<'p>(
    group: &mut Group<'_>,
    id: BenchmarkId,
    cipher: Cipher,
    batch: usize,
    pairs: impl Fn() -> &'p Vec<Vec<u8>>,
) {
    let suite = cipher.suite();
    group.bench_function(id, |bencher| {
        let mut challenges = Numbers::of(suite.sizes().challenge);
        let proofs = pairs()[..batch].iter().map(|pair| {
            let (challenge, mut proof) = (challenges.next().to_vec(), Vec::new());
            suite.prove(suite.private_half(pair), &challenge, &mut proof);
            (suite.public_half(pair), challenge, proof)
        });
        let proofs: Vec<(&[u8], Vec<u8>, Vec<u8>)> = proofs.collect();
        let mut turn = proofs.iter().cycle();
        bencher.iter(|| {
            let (public, challenge, proof) = turn.next().expect("a cycle has no end");
            assert!(cipher.check(black_box(public), challenge, proof, Comparison::Encryption));
        });
    });
}

fn generate(group: &mut Group<'_>, id: BenchmarkId, cipher: Cipher) {
    let (mut seeds, mut grown) = (Numbers::of(cipher.suite().sizes().seed), Vec::new());
    group.bench_function(id, |bencher| {
        bencher.iter(|| {
            grown.clear();
            cipher.grow(black_box(seeds.next()), &mut grown);
        });
    });
}

criterion_group! { name = benches; config = short(20); targets = suites }
criterion_main!(benches);

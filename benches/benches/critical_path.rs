//! The server's share of one connection: with an authentication and a session alone, and with a renewal in each embodiment.
//!
//! Cards all over the directory come once, and what they send is kept; then copies of the server as it was before are sent
//! it again, and that is what is timed: decoding, look-up, random draws, keys from as they are stored, ciphers, codec and
//! the directory's commit in memory, but no socket, no card and no client. Beside it stands the time of the bare operations
//! with keys that it contains, by the same functions on keys at hand.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use keystorm_benches::measure::by_the_wall;
use keystorm_benches::party::Party;
use keystorm_model::SimTime;
use keystorm_model::outbox::Outbox;
use keystorm_model::server::{Embodiment, MemoryDirectory, Server, ServerWork};
use keystorm_model::suite::{Comparison, Family, SuiteId};

/// Cards that come: more than would stay in a processor's caches where the cipher is quick.
const VISITS: u32 = 2_000;
/// Cards in the directory, where the cipher is quick.
const FLEET: u32 = 1_000_000;
/// The same where it is slow and all else is small beside it.
const FEW: u32 = 8;

/// Replays, of which the fastest counts.
const PASSES: u32 = 9;

/// What is replayed.
struct Path {
    server: Server<MemoryDirectory>,
    requests: Vec<(SimTime, Vec<u8>)>,
    visits: u32,
}

impl Path {
    fn new(suite: SuiteId, embodiment: Option<Embodiment>) -> Path {
        let (visits, fleet) = if suite == SuiteId::Aes128 {
            (VISITS, FLEET)
        } else if suite.family() == Family::Symmetric {
            (VISITS, VISITS)
        } else {
            (FEW, FEW)
        };
        let mut party = Party::of_fleet(suite, embodiment, fleet as usize);
        let server = party.server();
        let requests = party.visits(visits, fleet / visits);
        Path { server, requests, visits }
    }

    /// Serves every visit once; what it consisted of, and how long it took.
    fn replay(&self) -> (ServerWork, Duration) {
        let (mut server, mut out) = (self.server.clone(), Outbox::default());
        by_the_wall(|| {
            let mut sum = ServerWork::default();
            for (now, request) in &self.requests {
                let work = server.step(*now, request, &mut out);
                sum.proves += work.proves;
                sum.checks += work.checks;
                sum.generates += work.generates;
                sum.aeads += work.aeads;
                sum.commits += work.commits;
                black_box(&out);
                out.clear();
            }
            sum
        })
    }
}

/// As many operations as `work` has, by the suite's own functions.
fn bare(suite: SuiteId, work: ServerWork) -> Duration {
    let sizes = suite.sizes();
    let (mut pair, mut proof, mut grown) = (Vec::new(), Vec::new(), Vec::new());
    suite.issue(&vec![1; sizes.issue_random], &mut pair);
    let challenge = vec![2; sizes.challenge];
    suite.prove(suite.private_half(&pair), &challenge, &mut proof);
    let answer = proof.clone();
    let operations = || {
        for _ in 0..work.checks {
            let public = black_box(suite.public_half(&pair));
            assert!(suite.check(public, &challenge, &answer, Comparison::Encryption));
        }
        for _ in 0..work.proves {
            proof.clear();
            suite.prove(black_box(suite.private_half(&pair)), &challenge, &mut proof);
        }
        let mut seed = vec![0; sizes.seed];
        for count in 0..work.generates {
            seed[..4].copy_from_slice(&count.to_le_bytes());
            grown.clear();
            suite.grow(black_box(&seed), &mut grown);
        }
    };
    by_the_wall(operations).1
}

fn path(criterion: &mut Criterion, suite: SuiteId, name: &str, embodiment: Option<Embodiment>) {
    let path = Path::new(suite, embodiment);
    let (mut whole, mut floor) = (Duration::MAX, Duration::MAX);
    let mut work = ServerWork::default();
    for _ in 0..PASSES {
        let (done, took) = path.replay();
        (work, whole) = (done, whole.min(took));
        floor = floor.min(bare(suite, done));
    }
    println!(
        "{} {name}: {} ns a connection in {} requests, {} ns its {} proofs, {} checks and {} pairs: {:.2} times; {} seals beside them",
        suite.name(),
        (whole / path.visits).as_nanos(),
        path.requests.len() / path.visits as usize,
        (floor / path.visits).as_nanos(),
        work.proves / path.visits,
        work.checks / path.visits,
        work.generates / path.visits,
        whole.as_secs_f64() / floor.as_secs_f64(),
        work.aeads / path.visits,
    );
    criterion.bench_function(&format!("{}/{name}", suite.name()), |bencher| {
        bencher.iter_custom(|connections| {
            let rounds = connections.div_ceil(path.visits.into());
            let took: Duration = (0..rounds).map(|_| path.replay().1).sum();
            took.mul_f64(connections as f64 / (rounds * u64::from(path.visits)) as f64)
        });
    });
}

fn server(criterion: &mut Criterion) {
    for suite in SuiteId::ALL {
        path(criterion, suite, "authentication", None);
        let embodiments = if suite == SuiteId::Aes128 { &Embodiment::ALL[..] } else { &[Embodiment::One] };
        for &embodiment in embodiments {
            path(criterion, suite, &format!("renewal, embodiment {}", embodiment.name()), Some(embodiment));
        }
    }
}

criterion_group! { name = benches; config = Criterion::default().sample_size(10); targets = server }
criterion_main!(benches);

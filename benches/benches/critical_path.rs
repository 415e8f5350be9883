//! The server's and the card's share of one authentication, with and without a renewal in each embodiment.
//!
//! The server's is what it does from a Hello to the session key: challenge, check, proof, the renewal if there is one,
//! session key and channel, with decoding, look-up and commit in a directory in memory, and encoding; but no socket, no
//! session data and no Bye. Cards all over the directory come once, and what they send is kept; then copies of the server
//! as it was before are sent it again, and that is timed. The card's is what it does from power-up on for the same, without
//! the time that a real card needs for it.
//!
//! Beside each stands the time of the bare operations with keys that it contains, by the same functions on keys at hand; beside
//! the server's also that of all its ciphers, with the draws of Rs and Ro and the set-up of the session's channel.
//! `parts` are what else an authentication with AES-128 consists of.

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use keystorm_benches::measure::{by_the_wall, short};
use keystorm_benches::party::{CardVisit, Party, SHAPE};
use keystorm_model::card::CardWork;
use keystorm_model::draw::{Purpose, Seed, owner};
use keystorm_model::message::{self, Header, Message};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::{Ring, RingShape};
use keystorm_model::secure::Channel;
use keystorm_model::server::{Directory, Embodiment, MemoryDirectory, Server, ServerEffect, ServerWork};
use keystorm_model::suite::{Comparison, Family, SuiteId};
use keystorm_model::{CardId, Depth, SimTime};

/// Cards that come: more than would stay in a processor's caches where the cipher is quick.
const VISITS: u32 = 2_000;
/// Cards in the directory, where the cipher is quick.
const FLEET: u32 = 1_000_000;
/// The same where it is slow and all else is small beside it.
const FEW: u32 = 16;
/// The same where pairs of keys take very long.
const VERY_FEW: u32 = 4;
/// Connections that are open at once.
const OPEN: usize = 16;

/// What one party is sent, as often as it is timed.
trait Share {
    /// Whether each authentication opens draws and sets a session channel up, besides its operations with keys. The card draws Ra
    /// from its visit's draws, and the channel is its client's.
    const DRAWS_AND_CHANNEL: bool;

    /// Does all of it once.
    fn replay(&self) -> (Operations, Duration);
}

/// What it consisted of, so many authentications together.
#[derive(Clone, Copy, Default)]
struct Operations {
    visits: u32,
    proves: u32,
    checks: u32,
    derives: u32,
    generates: u32,
}

/// A request, and when it comes.
type Request = (SimTime, Vec<u8>);

struct ServerShare {
    server: Server<MemoryDirectory>,
    /// Of so many cards at a time: the requests that are timed, and those that end the connections.
    portions: Vec<[Vec<Request>; 2]>,
    visits: u32,
    expected: ServerWork,
}

fn visits_of(suite: SuiteId) -> u32 {
    if suite.family() == Family::Symmetric { VISITS } else { cards_of(suite) }
}

/// How many cards' shares are timed, each of them as often as it takes.
fn cards_of(suite: SuiteId) -> u32 {
    if matches!(suite, SuiteId::Rsa1024 | SuiteId::Rsa2048 | SuiteId::Rsa3072) { VERY_FEW } else { FEW }
}

/// Replays, of which the fastest counts.
fn passes_of(suite: SuiteId) -> u32 {
    if suite.family() == Family::Symmetric { 9 } else { 3 }
}

/// What a renewal of depth 0 derives.
fn derived(embodiment: Option<Embodiment>) -> u32 {
    embodiment.map_or(0, |embodiment| embodiment.keys(SHAPE, Depth(0)).count() as u32)
}

impl ServerShare {
    fn new(suite: SuiteId, embodiment: Option<Embodiment>) -> ServerShare {
        let fleet = if suite == SuiteId::Aes128 { FLEET } else { visits_of(suite) };
        ServerShare::of_fleet(suite, embodiment, fleet)
    }

    fn of_fleet(suite: SuiteId, embodiment: Option<Embodiment>, fleet: u32) -> ServerShare {
        let visits = visits_of(suite);
        let mut party = Party::of_fleet(suite, embodiment, fleet as usize);
        let server = party.server();
        let all: Vec<Vec<Request>> =
            (0..visits).map(|number| party.requests_of(CardId(number * (fleet / visits)))).collect();
        let portions = all.chunks(OPEN).map(|cards| {
            let of_kind = |timed: bool| {
                let wanted = |(_, datagram): &&Request| is_part(datagram) == timed;
                // Connections take turns, as they do at a server: all Hellos, then all proofs …
                let longest = cards.iter().map(Vec::len).max().unwrap_or(0);
                let turns = (0..longest).flat_map(|turn| cards.iter().filter_map(move |card| card.get(turn)));
                turns.filter(wanted).cloned().collect::<Vec<Request>>()
            };
            [of_kind(true), of_kind(false)]
        });
        let derives = derived(embodiment);
        let generates = if suite.family() == Family::Asymmetric { derives } else { 0 };
        let commits = u32::from(embodiment.is_some());
        let each = ServerWork {
            proves: 2,
            checks: 1,
            derives,
            generates,
            channels: 1,
            commits,
            ..ServerWork::default()
        };
        ServerShare { server, portions: portions.collect(), visits, expected: each }
    }
}

/// Whether a request belongs to authentication and renewal, and neither to the session nor to its end.
fn is_part(datagram: &[u8]) -> bool {
    let (_, message) = message::decode(datagram).expect("a client sends messages");
    !matches!(message, Message::Data(_) | Message::Bye)
}

impl Share for ServerShare {
    const DRAWS_AND_CHANNEL: bool = true;

    fn replay(&self) -> (Operations, Duration) {
        let (mut server, mut out) = (self.server.clone(), Outbox::default());
        let (mut sum, mut took) = (ServerWork::default(), Duration::ZERO);
        for [timed, rest] in &self.portions {
            let done = by_the_wall(|| {
                for (now, request) in timed {
                    let work = server.step(*now, request, &mut out);
                    add(&mut sum, work);
                    black_box(&out);
                    out.bytes.clear();
                }
            });
            took += done.1;
            let refused = |effect: &&ServerEffect| {
                matches!(
                    effect,
                    ServerEffect::Rejected(_) | ServerEffect::CardRefused(_) | ServerEffect::Stale { .. }
                )
            };
            assert_eq!(out.effects.iter().find(refused), None, "what is replayed is what was sent");
            for (now, request) in rest {
                server.step(*now, request, &mut out);
            }
            out.clear();
        }
        let each = self.expected;
        for (done, expected) in [
            (sum.proves, each.proves),
            (sum.checks, each.checks),
            (sum.derives, each.derives),
            (sum.generates, each.generates),
            (sum.channels, each.channels),
            (sum.commits, each.commits),
            (sum.aeads, 0),
        ] {
            assert_eq!(done, expected * self.visits, "{sum:?}");
        }
        let ServerWork { proves, checks, derives, generates, .. } = sum;
        (Operations { visits: self.visits, proves, checks, derives, generates }, took)
    }
}

fn add(sum: &mut ServerWork, work: ServerWork) {
    sum.proves += work.proves;
    sum.checks += work.checks;
    sum.derives += work.derives;
    sum.generates += work.generates;
    sum.channels += work.channels;
    sum.aeads += work.aeads;
    sum.commits += work.commits;
}

struct CardShare {
    visits: Vec<CardVisit>,
    rounds: u32,
    expected: CardWork,
}

impl CardShare {
    fn new(suite: SuiteId, embodiment: Option<Embodiment>) -> CardShare {
        let cards = cards_of(suite);
        let rounds = visits_of(suite) / cards;
        let mut party = Party::of_fleet(suite, embodiment, cards as usize);
        let visits: Vec<CardVisit> = (0..cards).map(|number| party.commands_of(CardId(number))).collect();
        let mut expected = CardWork::default();
        for visit in &visits {
            let work = visit.replay(1).0;
            expected.proves += work.proves;
            expected.checks += work.checks;
            expected.derives += work.derives;
            expected.generates += work.generates;
        }
        // Where a challenge is as long as an Rk, a card that is asked to answer cannot tell what it answers.
        let keys = derived(embodiment);
        assert_eq!(expected.proves + expected.derives, (2 + keys) * cards);
        assert_eq!(expected.checks, cards);
        CardShare { visits, rounds, expected }
    }
}

impl Share for CardShare {
    const DRAWS_AND_CHANNEL: bool = false;

    fn replay(&self) -> (Operations, Duration) {
        let took = self.visits.iter().map(|visit| visit.replay(self.rounds).1).sum();
        let CardWork { proves, checks, derives, generates, .. } = self.expected;
        let times = |count: u32| count * self.rounds;
        let operations = Operations {
            visits: self.visits.len() as u32 * self.rounds,
            proves: times(proves),
            checks: times(checks),
            derives: times(derives),
            generates: times(generates),
        };
        (operations, took)
    }
}

/// As many openings of a connection's draws, and session channels, as `done` has authentications.
fn draws_and_channels(done: Operations) -> Duration {
    let mut random = [0; 32];
    let operations = || {
        for number in 0..done.visits {
            Seed(1).open(Purpose::Server, owner(CardId(number), 1)).bytes(0, &mut random);
            let key = random.first_chunk().expect("it is longer than a session key");
            black_box(Channel::new(*key));
        }
    };
    by_the_wall(operations).1
}

/// As many operations as `done` has, by the suite's own functions, with another random each time.
fn bare(suite: SuiteId, done: Operations) -> Duration {
    let sizes = suite.sizes();
    let (mut pair, mut answer, mut proof, mut grown) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    suite.issue(&vec![1; sizes.issue_random], &mut pair);
    let mut challenge = vec![2; sizes.challenge];
    let mut random = vec![2; sizes.renewal_random];
    suite.prove(suite.private_half(&pair), &challenge, &mut answer);
    let operations = || {
        for _ in 0..done.checks {
            let public = black_box(suite.public_half(&pair));
            assert!(suite.check(public, &challenge, &answer, Comparison::Encryption));
        }
        for (count, random) in [(done.proves, &mut challenge), (done.derives, &mut random)] {
            for number in 0..count {
                random[..4].copy_from_slice(&number.to_le_bytes());
                proof.clear();
                suite.prove(black_box(suite.private_half(&pair)), random, &mut proof);
            }
        }
        let mut seed = vec![0; sizes.seed];
        for count in 0..done.generates {
            seed[..4].copy_from_slice(&count.to_le_bytes());
            grown.clear();
            suite.grow(black_box(&seed), &mut grown);
        }
    };
    by_the_wall(operations).1
}

/// Prints a share against its bare operations, and lets criterion measure it. What the filter leaves out costs nothing.
fn share<S: Share>(criterion: &mut Criterion, suite: SuiteId, name: &str, new: impl Fn() -> S) {
    let id = format!("{}/{name}", suite.name());
    let ready = OnceCell::new();
    criterion.bench_function(&id, |bencher| {
        let share = ready.get_or_init(|| {
            let share = new();
            let (mut whole, mut floor, mut besides) = (Duration::MAX, Duration::MAX, Duration::MAX);
            let mut operations = Operations::default();
            for _ in 0..passes_of(suite) {
                let (done, took) = share.replay();
                (operations, whole) = (done, whole.min(took));
                floor = floor.min(bare(suite, done));
                besides = besides.min(draws_and_channels(done));
            }
            let visits = operations.visits;
            println!(
                "\n{id}: {} ns, of which {} ns its operations with keys ({} proofs, {} checks, {} derivations, {} pairs): {:.2} times",
                (whole / visits).as_nanos(),
                (floor / visits).as_nanos(),
                operations.proves / visits,
                operations.checks / visits,
                operations.derives / visits,
                operations.generates / visits,
                whole.as_secs_f64() / floor.as_secs_f64(),
            );
            if S::DRAWS_AND_CHANNEL {
                println!(
                    "{id}: {} ns all its ciphers, draws and session channel included: {:.2} times",
                    ((floor + besides) / visits).as_nanos(),
                    whole.as_secs_f64() / (floor + besides).as_secs_f64(),
                );
            }
            share
        });
        bencher.iter_custom(|wanted| {
            let (mut done, mut took) = (0, Duration::ZERO);
            while done < wanted {
                let (operations, time) = share.replay();
                done += u64::from(operations.visits);
                took += time;
            }
            took.mul_f64(wanted as f64 / done as f64)
        });
    });
}

fn shares(criterion: &mut Criterion) {
    for suite in SuiteId::ALL {
        let embodiments = if suite == SuiteId::Aes128 { &Embodiment::ALL[..] } else { &[Embodiment::One] };
        let renewals = embodiments.iter().copied().map(Some);
        for embodiment in std::iter::once(None).chain(renewals) {
            let what = match embodiment {
                None => "authentication".to_owned(),
                Some(embodiment) => format!("with renewal, embodiment {}", embodiment.name()),
            };
            share(criterion, suite, &format!("server, {what}"), || ServerShare::new(suite, embodiment));
            if (suite, embodiment) == (SuiteId::Aes128, None) {
                // What memory costs is the difference.
                let few = visits_of(suite);
                let name = format!("server, {what}, {few} cards in the directory");
                share(criterion, suite, &name, || ServerShare::of_fleet(suite, embodiment, few));
            }
            share(criterion, suite, &format!("card, {what}"), || CardShare::new(suite, embodiment));
        }
    }
}

/// What an authentication with AES-128 consists of besides its operations with keys.
fn parts(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parts");
    let mut count = 0u32;
    group.bench_function("open the keyed draws of a connection, and draw Rs, 1 of 1", |bencher| {
        let mut rs = [0; 16];
        bencher.iter(|| {
            count = count.wrapping_add(1);
            Seed(1).open(Purpose::Server, owner(CardId(count), 1)).bytes(0, &mut rs);
            rs
        });
    });
    group.bench_function("set a session channel up, 1 of 1", |bencher| {
        bencher.iter(|| {
            count = count.wrapping_add(1);
            Channel::new(black_box(u128::from(count).to_le_bytes()))
        });
    });
    group.bench_function("decode a request and encode an answer, 1 of 4", |bencher| {
        let header = Header { card: CardId(1), connection: keystorm_model::ConnectionId(1), sequence: 1 };
        let (mut request, mut answer) = (Vec::new(), Vec::new());
        message::encode(header, Message::CardProof(&[7; 16]), &mut request);
        bencher.iter(|| {
            let (header, message) = message::decode(black_box(&request)).expect("it is one");
            answer.clear();
            black_box(message);
            message::encode(header, Message::ServerProof(&[8; 16]), &mut answer);
            black_box(&answer);
        });
    });
    let keys = RingShape::keys(SHAPE);
    let fleet = OnceCell::new();
    group.bench_function("one key of a directory of a million cards, in no cache", |bencher| {
        let server = fleet.get_or_init(|| Party::of_fleet(SuiteId::Aes128, None, FLEET as usize).server());
        let slot = SHAPE.slot(SHAPE.working().key(Ring::Internal)).expect("it is one of the keys");
        assert!(slot < keys);
        let mut card = 0u32;
        bencher.iter(|| {
            // Each look-up waits for the one before. All keys are alike, and an odd step that 5 does not divide comes everywhere.
            let found = server.directory().key(CardId(card), slot)[0];
            card = (card + 619_999 + 10 * u32::from(found)) % FLEET;
            card
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = short(10); targets = shares, parts }
criterion_main!(benches);

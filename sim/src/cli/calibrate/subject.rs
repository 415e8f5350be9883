//! What `keystorm calibrate` measures: one operation by one backend, and what it needs to be carried out again and again.

use std::hint::black_box;
use std::net::UdpSocket;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use keystorm_model::message::{self, Header, Message};
use keystorm_model::rings::Pair;
use keystorm_model::secure::{Channel, Direction, TAG};
use keystorm_model::server::{Commit, Directory as _, MemoryDirectory, Stamp};
use keystorm_model::suite::{Backend, Cipher, Comparison, Operation, SuiteId};
use keystorm_model::{CardId, ConnectionId, Depth, KeyNo};
use keystorm_reports::CipherRow;

use super::commits;
use crate::directory::DirectoryKind;

use super::super::environment::{CpuWatch, Stopwatch, machine};

/// The shortest sample, nanoseconds.
const SAMPLE_NS: u64 = 500_000;
/// What takes another time with other numbers is carried out so often in each sample, as long as that takes no longer than
/// [`LONGEST_NS`].
const MANY: u64 = 64;
const LONGEST_NS: u64 = 400_000_000;

/// Keys that take turns: one, and several. All lie in the processor's caches.
pub(super) const BATCHES: [u64; 2] = [1, 16];
/// Plain bytes of the two messages of session data that are sealed. The second is longer by [`KIB`].
pub(super) const MESSAGES: [u64; 2] = [64, 64 + KIB];
pub(super) const KIB: u64 = 1_024;
/// Who makes commits durable.
pub(super) const REDB: &str = DirectoryKind::Redb.name();

/// Cards in the directory that renewals are committed to, and the keys of each.
const CARDS: u32 = 1 << 16;
const KEYS: usize = 7;
/// Datagrams that a socket takes before somebody receives them: far fewer than a system has room for.
const DATAGRAMS: u64 = 64;

/// Carries the operation out so many times, from this number on. Returns how many nanoseconds that took.
pub(super) type Run = Box<dyn FnMut(u64, u64) -> std::io::Result<u64>>;

/// What a suite's operations are measured with. Both examples and operations are made from numbers, so that no two
/// measurements differ in them.
pub(super) struct Example {
    pair: Vec<u8>,
    challenge: Vec<u8>,
    proof: Vec<u8>,
}

impl Example {
    pub(super) fn new(suite: SuiteId, number: u64) -> Example {
        let sizes = suite.sizes();
        let (mut pair, mut proof) = (Vec::new(), Vec::new());
        suite.issue(&numbered(sizes.issue_random, number), &mut pair);
        let challenge = numbered(sizes.challenge, number);
        suite.prove(suite.private_half(&pair), &challenge, &mut proof);
        Example { pair, challenge, proof }
    }
}

/// So many bytes: other ones for each number.
fn numbered(length: usize, number: u64) -> Vec<u8> {
    number.to_le_bytes().iter().copied().cycle().take(length).collect()
}

/// An operation of a suite, as the server charges it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Charged {
    Prove,
    Check,
    Derive,
    Generate,
}

impl Charged {
    /// In the order of every table.
    pub(super) const ALL: [Charged; 4] = [Charged::Prove, Charged::Check, Charged::Derive, Charged::Generate];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Charged::Prove => "prove",
            Charged::Check => "check",
            Charged::Derive => "derive",
            Charged::Generate => "generate",
        }
    }

    /// What carries it out.
    pub(super) const fn operation(self) -> Operation {
        match self {
            Charged::Prove | Charged::Derive => Operation::Prove,
            Charged::Check => Operation::Check,
            Charged::Generate => Operation::Generate,
        }
    }

    /// Whether it takes another time with other numbers: ML-DSA tries signatures until one will do, RSA numbers until one
    /// is prime.
    const fn varies(self, suite: SuiteId) -> bool {
        match self {
            Charged::Prove | Charged::Derive => matches!(suite, SuiteId::MlDsa44 | SuiteId::MlDsa65),
            Charged::Check => false,
            Charged::Generate => matches!(suite, SuiteId::Rsa1024 | SuiteId::Rsa2048 | SuiteId::Rsa3072),
        }
    }
}

/// One row of the table, being measured.
pub(super) struct Subject {
    suite: &'static str,
    backend: &'static str,
    operation: &'static str,
    batch: u64,
    bytes_out: u64,
    varies: bool,
    run: Run,
    /// Operations so far.
    count: u64,
    /// Operations in a sample; 0 before the first.
    each: u64,
    /// Picoseconds of one operation, one of each sample.
    samples: Vec<u64>,
}

impl Subject {
    fn new(
        suite: &'static str,
        backend: &'static str,
        operation: &'static str,
        bytes_out: u64,
        run: Run,
    ) -> Subject {
        let (count, each, samples) = (0, 0, Vec::new());
        Subject { suite, backend, operation, batch: 1, bytes_out, varies: false, run, count, each, samples }
    }

    /// Every operation of `suite` by everybody who can.
    pub(super) fn of(suite: SuiteId, examples: &Rc<[Example]>) -> Vec<Subject> {
        let mut subjects = Vec::new();
        for charged in Charged::ALL {
            for backend in suite.backends(charged.operation()) {
                // Every pair is generated from another seed as it is.
                let batches = if charged == Charged::Generate { &BATCHES[1..] } else { &BATCHES };
                for &batch in batches {
                    subjects.push(Subject::operation(suite, backend, charged, batch, examples));
                }
            }
        }
        subjects
    }

    fn operation(
        suite: SuiteId,
        backend: Backend,
        charged: Charged,
        batch: u64,
        examples: &Rc<[Example]>,
    ) -> Subject {
        let (cipher, sizes, examples) = (suite.with(Some(backend)), suite.sizes(), Rc::clone(examples));
        let example = move |count: u64| (count % batch) as usize;
        let (bytes_out, run) = match charged {
            Charged::Prove => (sizes.proof, answering(cipher, sizes.challenge, examples, example)),
            Charged::Derive => (sizes.seed, answering(cipher, sizes.renewal_random, examples, example)),
            Charged::Check => {
                let run = repeated(move |count| {
                    let Example { pair, challenge, proof } = &examples[example(count)];
                    let public = suite.public_half(pair);
                    assert!(
                        cipher.check(public, challenge, proof, Comparison::Encryption),
                        "proofs are good"
                    );
                });
                (0, run)
            }
            Charged::Generate => {
                let (mut seed, mut pair) = (vec![0; sizes.issue_random], Vec::new());
                let run = repeated(move |count| {
                    seed[..8].copy_from_slice(&count.to_le_bytes());
                    pair.clear();
                    cipher.issue(&seed, &mut pair);
                    black_box(&pair);
                });
                (sizes.pair, run)
            }
        };
        let subject = Subject::new(suite.name(), backend.name(), charged.name(), bytes_out as u64, run);
        Subject { batch, varies: charged.varies(suite), ..subject }
    }

    /// What all suites have in common; durable commits beside `out`.
    pub(super) fn in_common(out: &Path) -> std::io::Result<Vec<Subject>> {
        let rustcrypto = Backend::RustCrypto.name();
        let channel = repeated(|count| {
            black_box(Channel::new(black_box(u128::from(count).to_le_bytes())));
        });
        let mut subjects = vec![Subject::new("", rustcrypto, "channel", 0, channel)];
        subjects.extend(
            MESSAGES.map(|length| Subject::new("", rustcrypto, "seal", length, sealing(length as usize))),
        );
        subjects.push(Subject::new("", "memory", "commit", 0, committing()));
        subjects.push(Subject::new("", REDB, "commit", 0, commits::durable(out)?));
        let [receive, send] = datagrams()?;
        let length = example_datagram().len() as u64;
        subjects.push(Subject::new("", "udp", "receive", 0, receive));
        subjects.push(Subject::new("", "udp", "send", length, send));
        Ok(subjects)
    }

    /// Takes one sample more. Before the first one it finds out how many operations make a sample.
    pub(super) fn sample(&mut self) -> std::io::Result<()> {
        if self.each == 0 {
            self.each = 1;
            let mut took = self.time()?;
            while took < SAMPLE_NS || (self.varies && self.each < MANY && took < LONGEST_NS) {
                self.each *= 2;
                took = self.time()?;
            }
        }
        let ns = self.time()?;
        self.samples.push(ns * 1_000 / self.each);
        Ok(())
    }

    /// Nanoseconds of one sample.
    fn time(&mut self) -> std::io::Result<u64> {
        let first = self.count;
        self.count += self.each;
        (self.run)(first, self.each)
    }

    pub(super) fn row(mut self) -> CipherRow {
        self.samples.sort_unstable();
        let last = self.samples.len() - 1;
        let sum: u128 = self.samples.iter().copied().map(u128::from).sum();
        let mean_ps = (sum / self.samples.len() as u128) as u64;
        let ps = [1, 2, 3].map(|quarter| self.samples[last * quarter / 4]);
        CipherRow {
            suite: self.suite.into(),
            backend: self.backend.into(),
            operation: self.operation.into(),
            batch: self.batch,
            ps,
            mean_ps,
            cost_ps: if self.varies { mean_ps } else { ps[1] },
            bytes_out: self.bytes_out,
            machine: machine().into(),
            commit: option_env!("KEYSTORM_COMMIT").map(Into::into),
        }
    }
}

/// Carries `once` out again and again, by the time that this thread is on a CPU.
fn repeated(mut once: impl FnMut(u64) + 'static) -> Run {
    Box::new(move |first, each| {
        let watch = CpuWatch::start();
        (first..first + each).for_each(&mut once);
        Ok(watch.ns())
    })
}

/// Answers randoms of so many bytes, each time another one.
fn answering(
    cipher: Cipher,
    length: usize,
    examples: Rc<[Example]>,
    example: impl Fn(u64) -> usize + 'static,
) -> Run {
    let (suite, mut random, mut out) = (cipher.suite(), vec![0x5a; length], Vec::new());
    repeated(move |count| {
        random[..8].copy_from_slice(&count.to_le_bytes());
        out.clear();
        cipher.prove(suite.private_half(&examples[example(count)].pair), &random, &mut out);
        black_box(&out);
    })
}

/// Seals messages of session data of so many plain bytes; no backend but one does. Opening one takes as long.
fn sealing(length: usize) -> Run {
    let (channel, mut buffer) = (Channel::new([7; 16]), Vec::new());
    buffer.resize(message::HEADER + length, 7);
    buffer.reserve(TAG);
    repeated(move |count| {
        buffer.truncate(message::HEADER + length);
        channel.seal(Direction::Up, count, &mut buffer, message::HEADER, message::HEADER);
        black_box(&buffer);
    })
}

/// Commits renewals of a pair of keys, of cards all over the directory.
fn committing() -> Run {
    const PAIR: usize = 16;
    let keys = vec![0; CARDS as usize * KEYS * PAIR];
    let mut directory = MemoryDirectory::new(keys, KEYS, PAIR, 1, Stamp::NEVER);
    let pairs = [3; 2 * PAIR];
    repeated(move |count| {
        let card = CardId((count as u32).wrapping_mul(0x9e37_79b1) % CARDS);
        let commit = Commit { slots: &[2, 6], pairs: &pairs, renewed: &[(Depth(0), Stamp::NEVER)] };
        directory.commit(card, &commit);
    })
}

fn example_message(header: Header, out: &mut Vec<u8>) {
    let pair = Pair { internal: KeyNo(3), external: KeyNo(4) };
    message::encode(header, Message::Challenge { update: false, pair, rs: &[7; 16] }, out);
}

fn example_datagram() -> Vec<u8> {
    let (mut bytes, header) =
        (Vec::new(), Header { card: CardId(1), connection: ConnectionId(1), sequence: 0 });
    example_message(header, &mut bytes);
    bytes
}

/// Receives datagrams that are there already and decodes them; and encodes datagrams and sends them. By the wall clock: what
/// the system does for them need not count as this thread's time.
fn datagrams() -> std::io::Result<[Run; 2]> {
    let pair = || -> std::io::Result<[UdpSocket; 2]> {
        let [from, to] = [UdpSocket::bind("127.0.0.1:0")?, UdpSocket::bind("127.0.0.1:0")?];
        from.connect(to.local_addr()?)?;
        // What should be there, and is not, was lost: an error, and no wait for ever.
        to.set_read_timeout(Some(Duration::from_secs(2)))?;
        Ok([from, to])
    };
    let portions =
        |each: u64| (0..each).step_by(DATAGRAMS as usize).map(move |done| DATAGRAMS.min(each - done));
    let [sender, receiver] = pair()?;
    let datagram = example_datagram();
    let mut buffer = [0; 2_048];
    let receive: Run = Box::new(move |_, each| {
        let mut ns = 0;
        for portion in portions(each) {
            for _ in 0..portion {
                sender.send(&datagram)?;
            }
            let watch = Stopwatch::start();
            for _ in 0..portion {
                let length = receiver.recv(&mut buffer)?;
                assert!(message::decode(black_box(&buffer[..length])).is_ok(), "what was sent is a message");
            }
            ns += watch.ns();
        }
        Ok(ns)
    });
    let [sender, receiver] = pair()?;
    let mut bytes = Vec::new();
    let send: Run = Box::new(move |first, each| {
        let (mut ns, mut count) = (0, first);
        for portion in portions(each) {
            let watch = Stopwatch::start();
            for _ in 0..portion {
                bytes.clear();
                let header = Header { card: CardId(1), connection: ConnectionId(count), sequence: 0 };
                example_message(header, &mut bytes);
                sender.send(&bytes)?;
                count += 1;
            }
            ns += watch.ns();
            for _ in 0..portion {
                receiver.recv(&mut buffer)?;
            }
        }
        Ok(ns)
    });
    Ok([receive, send])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_makes_other_bytes() {
        assert_eq!(numbered(20, 3).len(), 20);
        assert_ne!(numbered(32, 3), numbered(32, 4));
    }

    /// A median would leave out the signatures that take long.
    #[test]
    fn what_varies_costs_its_mean_and_all_else_its_median() {
        let mut samples = [1_000, 1_000, 7_000].into_iter();
        let run: Run = Box::new(|_, _| Ok(0));
        let mut subject = Subject::new("ml-dsa-44", "rustcrypto", "prove", 0, run);
        subject.samples.extend(&mut samples);
        subject.varies = true;
        assert_eq!(subject.row().cost_ps, 3_000);
        let mut subject = Subject::new("aes-128", "rustcrypto", "prove", 0, Box::new(|_, _| Ok(0)));
        subject.samples.extend([1_000, 1_000, 7_000]);
        let row = subject.row();
        assert_eq!((row.cost_ps, row.mean_ps), (1_000, 3_000));
    }

    #[test]
    fn samples_of_what_varies_hold_many_operations_with_randoms_of_their_own() {
        let seen = Rc::new(std::cell::RefCell::new(Vec::new()));
        let numbers = Rc::clone(&seen);
        let run: Run = Box::new(move |first, each| {
            numbers.borrow_mut().extend(first..first + each);
            Ok(each * SAMPLE_NS)
        });
        let mut subject = Subject { varies: true, ..Subject::new("", "", "", 0, run) };
        subject.sample().unwrap();
        subject.sample().unwrap();
        assert_eq!(subject.each, MANY);
        let seen = seen.borrow();
        assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "no number comes twice");
    }
}

//! `keystorm calibrate`: measures what ciphers cost on this machine, and writes a table of costs from it.
//!
//! Every figure is sampled several times, and the samples of all figures take turns, so that a machine that is busy for a
//! while slows them all and not one of them. Most samples last a fraction of a millisecond by the wall clock: another process
//! seldom comes between, and the median does not see the sample in which it did. Longer ones count the time on the CPU.

use std::path::Path;

use keystorm_model::secure::{Channel, Direction};
use keystorm_model::suite::{Backend, Cipher, Comparison, Operation, SuiteId};
use keystorm_reports::{CipherRow, ciphers_table};

use super::args::Calibrate;
use super::commits::Commits;
use super::environment::{CpuWatch, Stopwatch, machine};
use super::progress::{CountBar, catch_interrupts};
use super::suites::aligned;
use super::{Failure, print};

/// The shortest sample, nanoseconds.
const SAMPLE_NS: u64 = 250_000;
/// From here on a sample outlasts a time slice, and the ticks in which a system counts time on the CPU are short against it.
const LONG_NS: u64 = 40_000_000;
/// Keys that take turns: one, and enough that none stays where the last one was.
const BATCHES: [u64; 2] = [1, 16];
/// Plain bytes of a message of session data: half a request and an answer of the default load.
const MESSAGE: usize = 160;
/// What a table of costs says of what is not measured here.
const ASSUMED: &str = "\
datagram = \"15us\"               # receive, decode, look up, encode, send: general engineering assumption, no source
commit = \"100us\"                # one group-committed, fsynced write on a server SSD: general engineering assumption, no source
";

pub(super) fn calibrate(arguments: &Calibrate) -> Result<(), Failure> {
    catch_interrupts()?;
    let chosen = |suite: &SuiteId| arguments.suite.is_empty() || arguments.suite.contains(suite);
    let suites: Vec<SuiteId> = SuiteId::ALL.into_iter().filter(chosen).collect();
    let mut subjects: Vec<Subject> = suites.iter().flat_map(|&suite| Subject::of(suite)).collect();
    subjects.push(Subject::session_data());
    let rounds = u64::from(arguments.samples);
    let mut disk = Commits::beside(&arguments.out)?;
    let bar = CountBar::new(rounds * (subjects.len() as u64 + 1), "samples", arguments.quiet);
    let interrupted = || Failure::Interrupted("Interrupted: nothing was written.".into());
    for _ in 0..rounds {
        for subject in &mut subjects {
            subject.sample();
            if !bar.done(1) {
                return Err(interrupted());
            }
        }
        disk.sample()?;
        if !bar.done(1) {
            return Err(interrupted());
        }
    }
    drop(bar);
    let mut rows: Vec<CipherRow> = subjects.iter_mut().map(Subject::row).collect();
    rows.push(disk.row());
    write(&arguments.out, costs(&suites, &rows).as_bytes())?;
    if let Some(path) = &arguments.csv {
        let mut bytes = Vec::new();
        let written = ciphers_table().write(&mut bytes, &rows);
        written.map_err(|error| Failure::Internal(error.to_string()))?;
        write(path, &bytes)?;
    }
    print(&text(&rows, &arguments.out))
}

/// Writes a file beside its name, and then renames it.
fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(".tmp");
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let done = parent
        .map_or(Ok(()), std::fs::create_dir_all)
        .and_then(|()| std::fs::write(&unfinished, bytes))
        .and_then(|()| std::fs::rename(&unfinished, path));
    done.map_err(|error| {
        let _ = std::fs::remove_file(&unfinished);
        Failure::Internal(format!("cannot write {}: {error}", path.display()))
    })
}

/// What is measured: one operation by one backend, with so many keys in turn.
struct Subject {
    suite: Option<SuiteId>,
    backend: Backend,
    operation: &'static str,
    batch: u64,
    bytes_out: u64,
    /// Carries out the operation with the key of this number.
    run: Box<dyn FnMut(u64)>,
    /// Operations so far.
    count: u64,
    /// Operations in a sample.
    each: u64,
    /// Picoseconds of one operation, one of each sample.
    samples: Vec<u64>,
}

/// A key and what goes with it.
struct Example {
    pair: Vec<u8>,
    proof: Vec<u8>,
}

impl Subject {
    /// Every operation of `suite` by everybody who can.
    fn of(suite: SuiteId) -> Vec<Subject> {
        let mut subjects = Vec::new();
        for operation in Operation::ALL {
            for backend in suite.backends(operation) {
                // Every pair is generated from another seed as it is.
                let batches = if operation == Operation::Generate { &BATCHES[1..] } else { &BATCHES };
                for &batch in batches {
                    subjects.push(Subject::operation(suite, backend, operation, batch));
                }
            }
        }
        subjects
    }

    fn operation(suite: SuiteId, backend: Backend, operation: Operation, batch: u64) -> Subject {
        let (cipher, sizes) = (suite.with(Some(backend)), suite.sizes());
        let challenge = vec![0x5a; sizes.challenge];
        let keys = if operation == Operation::Generate { 0 } else { batch };
        let examples: Vec<Example> = (0..keys).map(|key| example(cipher, &challenge, key)).collect();
        let (bytes_out, mut out) = match operation {
            Operation::Prove => (sizes.proof, Vec::new()),
            Operation::Check => (0, Vec::new()),
            Operation::Generate => (sizes.pair, Vec::new()),
        };
        let run = move |count: u64| match operation {
            Operation::Prove => {
                out.clear();
                let Example { pair, .. } = &examples[(count % batch) as usize];
                cipher.prove(suite.private_half(pair), &challenge, &mut out);
                std::hint::black_box(&out);
            }
            Operation::Check => {
                let Example { pair, proof } = &examples[(count % batch) as usize];
                let public = suite.public_half(pair);
                assert!(cipher.check(public, &challenge, proof, Comparison::Encryption), "proofs are good");
            }
            // Some seeds take longer than others: every sample has others.
            Operation::Generate => {
                out.clear();
                cipher.issue(&seed(sizes.issue_random, count), &mut out);
                std::hint::black_box(&out);
            }
        };
        let name = operation.name();
        Subject::new(Some(suite), backend, name, batch, bytes_out as u64, Box::new(run))
    }

    /// Sealing a message of session data, which no backend but one does.
    fn session_data() -> Subject {
        let (channel, mut buffer) = (Channel::new([7; 16]), Vec::new());
        let run = move |count: u64| {
            buffer.clear();
            buffer.resize(16 + MESSAGE, 7);
            channel.seal(Direction::Up, count, &mut buffer, 16, 16);
            std::hint::black_box(&buffer);
        };
        Subject::new(None, Backend::RustCrypto, "seal", 1, MESSAGE as u64, Box::new(run))
    }

    /// Finds out how many operations make a sample.
    fn new(
        suite: Option<SuiteId>,
        backend: Backend,
        operation: &'static str,
        batch: u64,
        bytes_out: u64,
        run: Box<dyn FnMut(u64)>,
    ) -> Subject {
        let mut subject = Subject {
            suite,
            backend,
            operation,
            batch,
            bytes_out,
            run,
            count: 0,
            each: 1,
            samples: Vec::new(),
        };
        let mut took = subject.time();
        while took < SAMPLE_NS && subject.each < 1 << 24 {
            subject.each *= 2;
            took = subject.time();
        }
        // An operation that lasts about as long as a time slice would have another process in most of its samples.
        if subject.each == 1 && took > 4 * SAMPLE_NS {
            subject.each = LONG_NS / took + 1;
        }
        subject
    }

    /// Nanoseconds of one sample.
    fn time(&mut self) -> u64 {
        let (cpu, wall) = (CpuWatch::start(), Stopwatch::start());
        for _ in 0..self.each {
            (self.run)(self.count);
            self.count += 1;
        }
        let ns = wall.ns();
        if ns < LONG_NS { ns } else { cpu.ns().filter(|&ns| ns > 0).unwrap_or(ns) }
    }

    fn sample(&mut self) {
        let ns = self.time();
        self.samples.push(ns * 1_000 / self.each);
    }

    fn row(&mut self) -> CipherRow {
        self.samples.sort_unstable();
        let last = self.samples.len() - 1;
        CipherRow {
            suite: self.suite.map_or("", SuiteId::name),
            backend: self.backend.name(),
            operation: self.operation,
            batch: self.batch,
            ps: [1, 2, 3].map(|quarter| self.samples[last * quarter / 4]),
            bytes_out: self.bytes_out,
            machine: machine(),
            commit: option_env!("KEYSTORM_COMMIT"),
        }
    }
}

/// Random bytes of a kind: other ones for each number.
fn seed(length: usize, number: u64) -> Vec<u8> {
    number.to_le_bytes().iter().copied().cycle().take(length).collect()
}

fn example(cipher: Cipher, challenge: &[u8], key: u64) -> Example {
    let (suite, mut pair, mut proof) = (cipher.suite(), Vec::new(), Vec::new());
    suite.issue(&seed(suite.sizes().issue_random, key), &mut pair);
    suite.prove(suite.private_half(&pair), challenge, &mut proof);
    Example { pair, proof }
}

/// The row of an operation that a server meets: with the keys of many cards.
fn of_server<'r>(
    rows: &'r [CipherRow],
    suite: &str,
    operation: &str,
) -> impl Iterator<Item = &'r CipherRow> + use<'r> {
    let (suite, operation) = (suite.to_owned(), operation.to_owned());
    rows.iter().filter(move |row| {
        row.suite == suite && row.operation == operation && (row.batch == BATCHES[1] || suite.is_empty())
    })
}

/// The table of costs: of each operation the default's, since that is what `server.backend = "auto"` runs.
fn costs(suites: &[SuiteId], rows: &[CipherRow]) -> String {
    let commit = option_env!("KEYSTORM_COMMIT").map_or(String::new(), |commit| format!(", commit {commit}"));
    let mut text = format!(
        "# Server time per part of the work, measured by `keystorm calibrate` on one core of {}{commit}.\n",
        machine()
    );
    for row in of_server(rows, "", "seal") {
        let line = format!("aead = \"{}ns\"", rounded(row.ps[1]));
        text.push_str(&format!("{line:<32}# sealing or opening {MESSAGE} bytes\n"));
    }
    text.push_str(ASSUMED);
    for suite in suites {
        text.push_str(&format!("\n[{}]\n", suite.name()));
        for operation in Operation::ALL {
            let Some(row) = of_server(rows, suite.name(), operation.name()).next() else { continue };
            let line = format!("{} = \"{}ns\"", operation.name(), rounded(row.ps[1]));
            text.push_str(&format!("{line:<32}# {}\n", row.backend));
        }
    }
    for row in of_server(rows, "", "commit") {
        let line = format!("commit = \"{}ns\"", rounded(row.ps[1]));
        text.push_str(&format!(
            "\n[{}]\n{line:<32}# one transaction with its sync, on a disk\n",
            row.backend
        ));
    }
    text
}

/// Picoseconds as whole nanoseconds, 1 at least.
const fn rounded(ps: u64) -> u64 {
    let ns = (ps + 500) / 1_000;
    if ns == 0 { 1 } else { ns }
}

/// Medians side by side, the fastest marked, and how much slower the default is where it is not that.
fn text(rows: &[CipherRow], out: &Path) -> String {
    let mut table = vec![["suite", "operation", "backend", "ns", "per s", ""].map(str::to_owned)];
    for row in rows.iter().filter(|row| row.batch == BATCHES[1] || row.suite.is_empty()) {
        let rivals: Vec<&CipherRow> = of_server(rows, row.suite, row.operation).collect();
        let best = rivals.iter().map(|rival| rival.ps[1]).min().unwrap_or(row.ps[1]).max(1);
        let is_default = rivals.first().is_some_and(|first| first.backend == row.backend);
        let note = match (rivals.len(), row.ps[1] == best || row.ps[1] == 0, is_default) {
            (1, ..) => String::new(),
            (_, true, true) => "fastest, default".into(),
            (_, true, false) => "fastest".into(),
            (_, false, default) => {
                let times = row.ps[1] as f64 / best as f64;
                format!("{times:.2} times{}", if default { ", default" } else { "" })
            }
        };
        let suite = match (row.suite, row.operation) {
            ("", "commit") => "directory",
            ("", _) => "session data",
            (suite, _) => suite,
        };
        let per_second = 1_000_000_000_000 / row.ps[1].max(1);
        table.push([
            suite.to_owned(),
            row.operation.to_owned(),
            row.backend.to_owned(),
            rounded(row.ps[1]).to_string(),
            per_second.to_string(),
            note,
        ]);
    }
    format!(
        "{}\nMedians, {} keys in turn, each operation from keys as they are stored.\n\nWrote {}. A scenario names it, without its\nending, as server.costs.preset.\n",
        aligned(&table, 3..5),
        BATCHES[1],
        out.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario;

    #[test]
    fn the_table_of_costs_has_the_defaults_figures_and_is_a_preset() {
        let suites = [SuiteId::TripleDes, SuiteId::P256];
        let mut subjects: Vec<Subject> = suites.iter().flat_map(|&suite| Subject::of(suite)).collect();
        subjects.push(Subject::session_data());
        subjects.iter_mut().for_each(Subject::sample);
        let mut rows: Vec<CipherRow> = subjects.iter_mut().map(Subject::row).collect();
        let dir = tempfile::tempdir().unwrap();
        let mut disk = Commits::beside(&dir.path().join("new/costs.toml")).unwrap();
        (0..3).for_each(|_| disk.sample().unwrap());
        rows.push(disk.row());
        assert_eq!(std::fs::read_dir(dir.path().join("new")).unwrap().count(), 0, "the database is gone");
        let text = costs(&suites, &rows);
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["3des"].as_table().unwrap().len(), 2, "nothing is generated");
        let p256 = table["p256"].as_table().unwrap();
        assert_eq!(p256.len(), 3);
        let check = of_server(&rows, "p256", "check").next().unwrap();
        assert_eq!(check.backend, SuiteId::P256.backends(Operation::Check)[0].name());
        assert_eq!(p256["check"].as_str(), Some(format!("{}ns", rounded(check.ps[1])).as_str()));
        let commit = of_server(&rows, "", "commit").next().unwrap();
        std::fs::write(dir.path().join("mine.toml"), &text).unwrap();
        for (directory, expected) in [("redb", rounded(commit.ps[1])), ("memory", 100_000)] {
            let scenario = "name = 's'\nhorizon = '1s'\n[fleet]\ncards = 1\nclients = 1\n[server.costs]\npreset = 'mine'";
            let set = [format!("server.directory={directory}"), "fleet.suite=p256".to_owned()];
            let plan = scenario::load_text(&dir.path().join("s.toml"), scenario.to_owned(), &set);
            let costs = plan.expect("the table is a preset").server.costs;
            assert_eq!(costs.commit.as_ns(), expected);
            assert_eq!(costs.check.as_ns(), rounded(check.ps[1]));
        }
        assert!(rows.iter().all(|row| row.ps[0] > 0 && row.ps.is_sorted()), "{rows:?}");
    }

    #[test]
    fn every_seed_is_another() {
        assert_eq!(seed(20, 3).len(), 20);
        assert_ne!(seed(32, 3), seed(32, 4));
    }
}

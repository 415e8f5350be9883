//! `keystorm calibrate`: measures what the server's work costs on this machine, and writes a table of costs from it.
//!
//! Every figure is sampled several times, and the samples of all figures take turns, so that a machine that is busy for a
//! while slows them all and not one of them. They count the time that this process is on a CPU, where the system tells.

mod commits;
mod subject;

use std::path::{Path, PathBuf};
use std::rc::Rc;

use keystorm_model::suite::{Backend, SuiteId};
use keystorm_reports::{CipherRow, ciphers_table};

use super::args::Calibrate;
use super::environment::machine;
use super::progress::{CountBar, catch_interrupts};
use super::suites::aligned;
use super::{Failure, print};
use subject::{BATCHES, Charged, Example, KIB, MESSAGES, REDB, Subject};

pub(super) fn calibrate(arguments: &Calibrate) -> Result<(), Failure> {
    catch_interrupts()?;
    let chosen = |suite: &SuiteId| arguments.suite.is_empty() || arguments.suite.contains(suite);
    let suites: Vec<SuiteId> = SuiteId::ALL.into_iter().filter(chosen).collect();
    if let Some(backend) = arguments.backend
        && !suites.iter().any(|&suite| can(suite, backend))
    {
        let what = format!("no operation of the chosen suites is carried out by {}", backend.name());
        return Err(Failure::Usage(format!("{what}: `keystorm suites` lists who can do what")));
    }
    let out = Output::begin(&arguments.out)?;
    let csv = arguments.csv.as_deref().map(Output::begin).transpose()?;
    let rows = measured(&suites, &arguments.out, u64::from(arguments.samples), arguments.quiet)?;
    out.write(costs(&suites, arguments.backend, &rows).as_bytes())?;
    if let Some(csv) = &csv {
        let mut bytes = Vec::new();
        let written = ciphers_table().write(&mut bytes, &rows);
        written.map_err(|error| Failure::Internal(error.to_string()))?;
        csv.write(&bytes)?;
    }
    out.keep()?;
    csv.map_or(Ok(()), Output::keep)?;
    print(&text(&rows, arguments.backend, &arguments.out))
}

/// Whether `backend` carries out any operation of `suite`.
fn can(suite: SuiteId, backend: Backend) -> bool {
    Charged::ALL.iter().any(|charged| suite.backends(charged.operation()).contains(&backend))
}

/// Measures everything, so many samples of each figure; durable commits beside `out`.
fn measured(suites: &[SuiteId], out: &Path, samples: u64, quiet: bool) -> Result<Vec<CipherRow>, Failure> {
    let lost = |error| Failure::Internal(format!("cannot measure datagrams and commits here: {error}"));
    let interrupted = || Failure::Interrupted("Interrupted: nothing was written.".into());
    let common = Subject::in_common(out).map_err(lost)?;
    let mut subjects = Vec::new();
    let examples = BATCHES[1] * suites.len() as u64;
    let bar = CountBar::new(examples, "keys", quiet);
    for &suite in suites {
        let mut examples = Vec::new();
        for number in 0..BATCHES[1] {
            examples.push(Example::new(suite, number));
            if !bar.done(1) {
                return Err(interrupted());
            }
        }
        subjects.extend(Subject::of(suite, &Rc::from(examples)));
    }
    drop(bar);
    subjects.extend(common);
    let bar = CountBar::new(samples * subjects.len() as u64, "samples", quiet);
    for _ in 0..samples {
        for subject in &mut subjects {
            subject.sample().map_err(lost)?;
            if !bar.done(1) {
                return Err(interrupted());
            }
        }
    }
    Ok(subjects.into_iter().map(Subject::row).collect())
}

/// A file that is written beside its name, and gets it when all is done. It is begun before anything is measured, so that
/// one that cannot be written is told at once.
struct Output<'p> {
    path: &'p Path,
    unfinished: PathBuf,
}

impl<'p> Output<'p> {
    fn begin(path: &'p Path) -> Result<Self, Failure> {
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            return Err(Failure::Internal(format!(
                "cannot write {}: it is a directory; name a file",
                path.display()
            )));
        };
        let unfinished = format!(".{}.tmp-{}", name.to_string_lossy(), std::process::id());
        let output = Output { path, unfinished: path.with_file_name(unfinished) };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.map_or(Ok(()), std::fs::create_dir_all).map_err(|error| output.failure(&error))?;
        output.write(b"")?;
        Ok(output)
    }

    fn write(&self, bytes: &[u8]) -> Result<(), Failure> {
        std::fs::write(&self.unfinished, bytes).map_err(|error| self.failure(&error))
    }

    fn keep(self) -> Result<(), Failure> {
        let synced = std::fs::File::open(&self.unfinished).and_then(|file| file.sync_all());
        let kept = synced.and_then(|()| std::fs::rename(&self.unfinished, self.path));
        kept.map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &std::io::Error) -> Failure {
        Failure::Internal(format!("cannot write {}: {error}", self.path.display()))
    }
}

impl Drop for Output<'_> {
    fn drop(&mut self) {
        // Where it got its name there is nothing left to remove.
        let _ = std::fs::remove_file(&self.unfinished);
    }
}

/// The rows of an operation with many keys in turn, that of the default backend first.
fn rivals<'r>(
    rows: &'r [CipherRow],
    suite: &'r str,
    operation: &'r str,
) -> impl Iterator<Item = &'r CipherRow> {
    rows.iter().filter(move |row| {
        row.suite == suite && row.operation == operation && (row.batch == BATCHES[1] || suite.is_empty())
    })
}

/// The one of them that a server with this backend runs: `None` is "auto".
fn taken<'r>(
    rows: &'r [CipherRow],
    suite: &'r str,
    operation: &'r str,
    backend: Option<Backend>,
) -> Option<&'r CipherRow> {
    let mut named = rivals(rows, suite, operation);
    named
        .find(|row| Some(&*row.backend) == backend.map(Backend::name))
        .or_else(|| rivals(rows, suite, operation).next())
}

/// The table of costs.
fn costs(suites: &[SuiteId], backend: Option<Backend>, rows: &[CipherRow]) -> String {
    let commit = option_env!("KEYSTORM_COMMIT").map_or(String::new(), |commit| format!(", commit {commit}"));
    let by = backend.map_or(String::new(), |backend| {
        format!("# For server.backend = \"{}\", and the default wherever that cannot.\n", backend.name())
    });
    let mut text = format!(
        "# Server time per part of the work, measured by `keystorm calibrate` on one core of {}{commit}.\n{by}",
        machine()
    );
    let mut put = |name: &str, ps: u64, what: &str| {
        let line = format!("{name} = \"{}\"", duration(ps));
        text.push_str(&format!("{line:<32}# {what}\n"));
    };
    let common = |operation| taken(rows, "", operation, None).map_or(0, |row| row.cost_ps);
    put(
        "receive",
        common("receive"),
        "a datagram that is there already, by a UDP socket on localhost; decoded",
    );
    put("send", common("send"), "encoded, and sent to a UDP socket on localhost");
    put("channel", common("channel"), "AES-128-GCM under a new session key");
    let [short, long] = sealed(rows);
    let kib = long.saturating_sub(short);
    put(
        "aead",
        short.saturating_sub(kib * MESSAGES[0] / KIB),
        "sealing or opening a message without its bytes",
    );
    put("aead_kib", kib, "1,024 bytes of it");
    let durable = rivals(rows, "", "commit").find(|row| row.backend == REDB).map_or(0, |row| row.cost_ps);
    put("commit", durable, "one transaction with its sync, of a database on the disk of this file");
    for suite in suites {
        text.push_str(&format!("\n[{}]\n", suite.name()));
        for charged in Charged::ALL {
            let Some(row) = taken(rows, suite.name(), charged.name(), backend) else { continue };
            let line = format!("{} = \"{}\"", charged.name(), duration(row.cost_ps));
            text.push_str(&format!("{line:<32}# {}\n", row.backend));
        }
    }
    text
}

/// Picoseconds of the short and of the long message of session data.
fn sealed(rows: &[CipherRow]) -> [u64; 2] {
    MESSAGES.map(|length| {
        let row = rivals(rows, "", "seal").find(|row| row.bytes_out == length);
        row.map_or(0, |row| row.cost_ps)
    })
}

/// Picoseconds as a scenario writes them: whole nanoseconds, 1 at least; whole microseconds where three digits are left.
fn duration(ps: u64) -> String {
    match ((ps + 500) / 1_000).max(1) {
        ns @ 0..100_000 => format!("{ns}ns"),
        ns => format!("{}us", (ns + 500) / 1_000),
    }
}

/// The figures side by side, the fastest marked, and how much slower the others are.
fn text(rows: &[CipherRow], backend: Option<Backend>, out: &Path) -> String {
    let mut table = vec![["suite", "operation", "backend", "ns", "per s", ""].map(str::to_owned)];
    for row in rows.iter().filter(|row| row.batch == BATCHES[1] || row.suite.is_empty()) {
        let rivals: Vec<&CipherRow> = rivals(rows, &row.suite, &row.operation).collect();
        let best = rivals.iter().map(|rival| rival.cost_ps).min().unwrap_or(row.cost_ps).max(1);
        let chosen = taken(rows, &row.suite, &row.operation, backend);
        let is_taken = chosen.is_some_and(|chosen| chosen.backend == row.backend);
        let speed = match row.cost_ps {
            _ if rivals.len() == 1 || row.suite.is_empty() => String::new(),
            ps if ps <= best => "fastest".into(),
            ps => format!("{:.2} times", ps as f64 / best as f64),
        };
        let note = match (speed.is_empty(), is_taken) {
            (false, true) => format!("{speed}, taken"),
            _ => speed,
        };
        let suite = match (&*row.suite, &*row.operation) {
            ("", "seal") => format!("any, {} bytes", row.bytes_out),
            ("", _) => "any".to_owned(),
            (suite, _) => suite.to_owned(),
        };
        table.push([
            suite,
            row.operation.to_string(),
            row.backend.to_string(),
            ((row.cost_ps + 500) / 1_000).to_string(),
            (1_000_000_000_000 / row.cost_ps.max(1)).to_string(),
            note,
        ]);
    }
    format!(
        "{}\nMedians; means of signatures of ML-DSA and of pairs of RSA, which take another time with other numbers. {} keys in\nturn, each operation from keys as they are stored.\n\nWrote {}. A scenario names it, without its ending, as server.costs.preset.\n",
        aligned(&table, 3..5),
        BATCHES[1],
        out.display()
    )
}

#[cfg(test)]
mod tests {
    use keystorm_model::Span;

    use super::*;
    use crate::plan::CostTable;
    use crate::scenario;

    #[test]
    fn a_time_is_written_with_three_digits_at_least() {
        let written = [0, 400, 1_499, 22_500, 99_999_400, 855_400_000, 63_200_400_000].map(duration);
        assert_eq!(written, ["1ns", "1ns", "1ns", "23ns", "99999ns", "855us", "63200us"]);
    }

    /// A scenario whose costs come from `table`.
    fn loaded(table: &str, suite: SuiteId) -> CostTable {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("mine.toml"), table).unwrap();
        let text = "name = \"s\"\nhorizon = \"1s\"\n[fleet]\ncards = 1\nclients = 1\n[server.costs]\npreset = \"mine\"\n";
        let set = [format!("fleet.suite={}", suite.name())];
        let plan = scenario::load_text(&dir.path().join("s.toml"), text.into(), &set);
        plan.expect("the table is a preset").server.costs
    }

    #[test]
    fn the_table_of_costs_has_the_figures_of_the_chosen_backend_and_is_a_preset() {
        let suites = [SuiteId::TripleDes, SuiteId::P256];
        let dir = tempfile::tempdir().unwrap();
        let rows = measured(&suites, &dir.path().join("new/costs.toml"), 3, true).unwrap();
        assert_eq!(std::fs::read_dir(dir.path().join("new")).unwrap().count(), 0, "the database is gone");
        assert!(rows.iter().all(|row| row.ps[0] > 0 && row.ps.is_sorted()), "{rows:?}");
        let figure = |suite: SuiteId, operation, backend: &str| {
            let mut rows = rivals(&rows, suite.name(), operation);
            Span::from_ns((rows.find(|row| row.backend == backend).unwrap().cost_ps + 500) / 1_000)
        };
        let auto = costs(&suites, None, &rows);
        let chosen = costs(&suites, Some(Backend::RustCrypto), &rows);
        for (table, check) in [(&auto, "aws-lc-rs"), (&chosen, "rustcrypto")] {
            let costs = loaded(table, SuiteId::P256);
            // Of long times three digits are kept.
            let (written, measured) =
                (costs.check.as_ns() as f64, figure(SuiteId::P256, "check", check).as_ns() as f64);
            assert!((written / measured - 1.0).abs() < 0.01, "{written} {measured}");
            assert!(costs.generate > Span::ZERO && costs.send > Span::ZERO && costs.aead_kib > Span::ZERO);
            assert!(costs.commit > Span::from_us(1), "{costs:?}: it is durable");
        }
        assert!(loaded(&chosen, SuiteId::P256).check > loaded(&auto, SuiteId::P256).check);
        let costs = loaded(&auto, SuiteId::TripleDes);
        assert_eq!(costs.derive, figure(SuiteId::TripleDes, "derive", "rustcrypto"));
        assert!(costs.derive > costs.prove * 2, "an Rk is three blocks: {costs:?}");
        assert_eq!(costs.generate, Span::ZERO);
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_before_anything_is_measured() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, b"kept").unwrap();
        for path in [dir.path().to_owned(), file.join("below.toml")] {
            assert!(matches!(Output::begin(&path), Err(Failure::Internal(_))), "{path:?}");
        }
        drop(Output::begin(&file).unwrap());
        assert_eq!(std::fs::read(&file).unwrap(), b"kept", "an interruption leaves what was there");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "and nothing beside it");
    }
}

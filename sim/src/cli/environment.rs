//! Facts about this machine and this process, for `manifest.json` alone.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A stop-watch over the wall clock.
pub(super) struct Stopwatch {
    started: Instant,
    started_unix_s: u64,
}

impl Stopwatch {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub(super) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Stopwatch { started: Instant::now(), started_unix_s: since_1970.as_secs() }
    }

    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    pub(super) fn started_unix_s(&self) -> u64 {
        self.started_unix_s
    }
}

/// Operating system, architecture and CPUs.
pub(super) fn machine() -> String {
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{}-{}, {cpus} CPUs", std::env::consts::OS, std::env::consts::ARCH)
}

/// The most memory that this process has used so far, bytes; Linux only.
pub(super) fn peak_memory_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// The command line of this process, quoted where a shell needs it.
pub(super) fn command_line() -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./%:,+".contains(c);
    let quote = |argument: String| {
        if !argument.is_empty() && argument.chars().all(plain) {
            argument
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    };
    let arguments = std::env::args().skip(1).map(quote);
    std::iter::once("keystorm".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

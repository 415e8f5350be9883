//! Facts about this machine, this process and its user.

use std::path::PathBuf;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use etcetera::BaseStrategy as _;

use keystorm_reports::shell::quoted;

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

    pub(super) fn ns(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    pub(super) fn started_unix_s(&self) -> u64 {
        self.started_unix_s
    }
}

/// A stop-watch over the time that this thread has been on a CPU, so that other processes do not count; where the system
/// does not tell, over the wall clock.
pub(super) struct CpuWatch {
    cpu_ns: Option<u64>,
    wall: Stopwatch,
}

impl CpuWatch {
    pub(super) fn start() -> Self {
        CpuWatch { wall: Stopwatch::start(), cpu_ns: on_cpu_ns() }
    }

    pub(super) fn ns(&self) -> u64 {
        match (self.cpu_ns, on_cpu_ns()) {
            (Some(from), Some(until)) => until - from,
            _ => self.wall.ns(),
        }
    }
}

/// How long this thread has been on a CPU.
#[cfg(target_os = "linux")]
fn on_cpu_ns() -> Option<u64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(u64::try_from(time.tv_sec).ok()? * 1_000_000_000 + u64::try_from(time.tv_nsec).ok()?)
}

#[cfg(not(target_os = "linux"))]
const fn on_cpu_ns() -> Option<u64> {
    None
}

/// How many threads can run at the same time.
pub(super) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Operating system, architecture and CPUs.
pub(super) fn machine() -> String {
    format!("{}-{}, {} CPUs", std::env::consts::OS, std::env::consts::ARCH, cpus())
}

/// Where files are kept that can be made again: what KEYSTORM_CACHE_DIR says, or the user's cache directory. `None` if
/// there is none, or if the variable is empty.
pub(super) fn cache_dir() -> Option<PathBuf> {
    match std::env::var_os("KEYSTORM_CACHE_DIR") {
        Some(dir) => (!dir.is_empty()).then(|| dir.into()),
        None => Some(etcetera::base_strategy::choose_native_strategy().ok()?.cache_dir().join("keystorm")),
    }
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
    let arguments = std::env::args().skip(1).map(|argument| quoted(&argument).into_owned());
    std::iter::once("keystorm".to_owned()).chain(arguments).collect::<Vec<_>>().join(" ")
}

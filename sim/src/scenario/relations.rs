//! Which keys belong together: those that replace each other, that need another key's value, or that are one value.

/// Small tables that are one value: written inline, `{ … }`, they replace those of a preset or file whole.
pub(super) static VALUE_TABLES: &[&str] =
    &["line.delay", "line.burst", "line.retry", "load.retry_visit", "server.probe", "faults.server_crash"];

/// Keys that say the same in two ways: of each row, one side only.
pub(super) static EITHER_OR: &[(&[&str], &[&str])] = &[
    (&["line.loss"], &["line.burst.p", "line.burst.r"]),
    (&["line.delay.fixed"], &["line.delay.min", "line.delay.mean", "line.delay.max"]),
];

/// Keys that mean something only if another key has a certain value.
pub(super) static ONLY_WITH: &[(&str, &[&str], &[&str])] = &[
    ("load.arrivals", &["uniform"], &["load.from", "load.window"]),
    ("load.arrivals", &["office"], &["load.peak", "load.sigma", "load.share"]),
    ("load.arrivals", &["transit", "payday"], &["load.day"]),
    ("load.arrivals", &["payday"], &["load.payday"]),
    ("load.arrivals", &["uniform", "office", "transit", "payday"], &["load.repeat"]),
    ("load.arrivals", &["poisson"], &["load.every"]),
    ("load.arrivals", &["trace"], &["load.trace", "load.trace_sha256"]),
    ("update.spread", &["jitter"], &["update.spread_window"]),
    ("update.spread", &["waves"], &["update.spread_waves"]),
    ("update.spread", &["waves", "admission"], &["update.spread_interval"]),
    ("update.spread", &["admission"], &["update.spread_admits", "update.spread_open"]),
    ("load.session", &["cards"], &["load.exchanges", "load.request_bytes", "load.response_bytes"]),
    ("load.session", &["probe"], &["server.probe.mean", "server.probe.distribution"]),
];

/// Tables that have a table for each suite: only the fleet's counts.
pub(super) static BY_SUITE: &[&str] = &["card", "server.costs"];

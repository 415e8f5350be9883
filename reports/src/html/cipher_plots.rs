//! The plots of docs/ciphers.md, from the figures of `keystorm calibrate`.

use super::axis::Axis;
use super::plot::{Ink, Plot, Series};
use crate::ciphers::CipherRow;

/// The rows that a server meets: several keys in turn.
fn met(rows: &[CipherRow]) -> impl Iterator<Item = &CipherRow> {
    let most = rows.iter().map(|row| row.batch).max().unwrap_or(1);
    rows.iter().filter(move |row| row.batch == most && !row.suite.is_empty())
}

/// The suites in the order of the rows, each once.
fn suites(rows: &[CipherRow]) -> Vec<String> {
    let mut names: Vec<String> = met(rows).map(|row| row.suite.to_string()).collect();
    names.dedup();
    names
}

/// One mark at each (suite, nanoseconds). The first suite is at the top; `shift` keeps marks of equal times apart.
fn marks(
    suites: &[String],
    name: impl Into<String>,
    ink: u8,
    shift: f64,
    times: impl Iterator<Item = (String, f64)>,
) -> Series {
    let place = |suite: &str| suites.iter().rev().position(|name| name == suite).map(|at| at as f64 + shift);
    let mark = |(suite, ns): (String, f64)| Some(vec![(libm::log10(ns), place(&suite)?)]);
    let pieces = times.filter_map(mark).collect();
    Series { pieces, marked: true, ..Series::line(name, Ink::full(ink), Vec::new()) }
}

fn by_suite(id: &str, title: &str, [from, to]: [u8; 2], suites: &[String], series: Vec<Series>) -> Plot {
    let upwards: Vec<String> = suites.iter().rev().cloned().collect();
    let x = Axis::decades("time on one CPU", from, to);
    Plot { id: id.into(), title: title.into(), x, y: Axis::names("", upwards.iter()), series }
}

fn ns(row: &CipherRow) -> f64 {
    row.cost_ps.max(1) as f64 / 1_000.0
}

/// Of each operation the backend that stands first, which is the default.
fn default(rows: &[CipherRow], suite: &str, operation: &str) -> Option<f64> {
    met(rows).find(|row| row.suite == suite && row.operation == operation).map(ns)
}

/// The operations of each suite by their default backends.
fn operations(rows: &[CipherRow], suites: &[String]) -> String {
    let series = [("prove", 1, 0.27), ("check", 2, 0.09), ("derive", 3, -0.09), ("generate", 4, -0.27)];
    let series = series.map(|(operation, ink, shift)| {
        let times = suites.iter().filter_map(|suite| Some((suite.clone(), default(rows, suite, operation)?)));
        marks(suites, operation, ink, shift, times)
    });
    let title = "The operations of each suite by the default backend";
    by_suite("operations", title, [1, 9], suites, series.into())
        .file(900, "One mark for each operation of each suite, by the logarithm of its time.")
}

/// Proofs and checks by every backend.
fn backends(rows: &[CipherRow], suites: &[String]) -> String {
    let mut names: Vec<&str> = met(rows).map(|row| &*row.backend).collect();
    names.sort_unstable();
    names.dedup();
    let mut series = Vec::new();
    for (operation, shift) in [("prove", 0.18), ("check", -0.18)] {
        for name in &names {
            let ink = series.len() as u8 + 1;
            let wanted = |row: &&CipherRow| row.operation == operation && row.backend == *name;
            let times = met(rows).filter(wanted).map(|row| (row.suite.to_string(), ns(row)));
            series.push(marks(suites, format!("{operation}, {name}"), ink, shift, times));
        }
    }
    by_suite("backends", "Proofs and checks by every backend", [1, 7], suites, series).file(
        900,
        "One mark for each backend of each suite, proofs above checks, by the logarithm of its time.",
    )
}

/// What a connection costs the server in ciphers, and beside it what its datagrams cost.
fn connections(rows: &[CipherRow], suites: &[String]) -> String {
    let of = |suite: &str, operation| default(rows, suite, operation).unwrap_or(0.0);
    // Fig. 4 and 5: Cai is checked, Csi and the session key are made. Fig. 6: two keys are derived.
    let session = |suite: &str| of(suite, "check") + 2.0 * of(suite, "prove");
    let renewal = |suite: &str| session(suite) + 2.0 * of(suite, "derive") + 2.0 * of(suite, "generate");
    let common = |operation: &str| rows.iter().find(|row| row.operation == operation).map_or(0.0, ns);
    // Hello, CardProof, ServerChallenge, ServerVerdict; each is answered.
    let datagrams = 4.0 * (common("receive") + common("send"));
    let all = |time: &dyn Fn(&str) -> f64| -> Vec<(String, f64)> {
        suites.iter().map(|suite| (suite.clone(), time(suite))).collect()
    };
    let series = vec![
        marks(suites, "ciphers of an authentication", 1, 0.2, all(&session).into_iter()),
        marks(suites, "ciphers of a renewal in embodiment 1", 2, 0.0, all(&renewal).into_iter()),
        marks(suites, "four requests and their answers over UDP", 5, -0.2, all(&|_| datagrams).into_iter()),
    ];
    by_suite("connections", "What a connection costs the server", [1, 9], suites, series).file(
        900,
        "For each suite the server's time for an authentication, for a renewal and for their datagrams.",
    )
}

/// The plots, as SVG files with their names.
pub fn cipher_plots(rows: &[CipherRow]) -> [(&'static str, String); 3] {
    let suites = suites(rows);
    [
        ("ciphers-operations.svg", operations(rows, &suites)),
        ("ciphers-backends.svg", backends(rows, &suites)),
        ("ciphers-connections.svg", connections(rows, &suites)),
    ]
}

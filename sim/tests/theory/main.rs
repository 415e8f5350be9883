//! The events engine against what can be calculated: queues and retransmission in closed form.
//!
//! Every figure is the mean of 10 replications with the seeds 1 to 10, and the theoretical value must lie in its 99.9 %
//! interval of confidence by Student's t with 9 degrees of freedom. There are 41 intervals, so that seeds drawn at random
//! would fail one of them in about 4 of 100 cases; these seeds are fixed. Each test also bounds the width of its
//! interval, so that it cannot pass by knowing nothing. Runs begin empty and no warm-up is cut off: see
//! [`queues::Case`] for why that is negligible.
//!
//! `cargo test -p keystorm --test theory -- --nocapture` prints the figures; docs/validation.md shows them.

mod document;
mod formulas;
mod plot;
mod queues;
mod retries;
mod statistics;

use queues::Service;
use statistics::Interval;

/// Holds one figure against theory; the interval may be at most `width` of the figure to either side.
fn holds(what: &str, measured: Interval, theory: f64, width: f64) {
    let Interval { mean, half } = measured;
    println!("{what}: {mean:.4} +- {half:.4}, theory {theory:.4}");
    assert!(measured.contains(theory), "{what}: {mean} +- {half} does not contain {theory}");
    assert!(half <= width * theory, "{what}: +- {half} says little about {theory}");
}

fn queues_hold(service: Service, cores: impl Fn(u32) -> bool) {
    let mut held = 0;
    for case in queues::CASES.iter().filter(|case| case.service == service && cores(case.cores)) {
        let what = |figure| format!("{} at {}: {figure}", case.name(), case.utilisation);
        let measured = case.measured();
        holds(&what("wait"), measured.wait, case.wait(), 0.15);
        holds(&what("utilisation"), measured.utilisation, case.utilisation, 0.02);
        holds(&what("queue"), measured.queue, case.queue(), 0.15);
        held += 1;
    }
    assert!(held > 1);
}

#[test]
fn mm1() {
    queues_hold(Service::Exponential, |cores| cores == 1);
}

#[test]
fn mmc() {
    queues_hold(Service::Exponential, |cores| cores > 1);
}

#[test]
fn md1() {
    queues_hold(Service::Fixed, |_| true);
}

#[test]
fn retries() {
    for case in &retries::CASES {
        let what = |figure| format!("loss {}, {} tries: {figure}", case.loss(), case.tries);
        let measured = case.measured();
        holds(&what("given up"), measured.give_up, case.give_up(), 0.2);
        holds(&what("transmissions"), measured.transmissions, case.transmissions(), 0.01);
    }
}

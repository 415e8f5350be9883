//! What queueing theory and probability say, in closed form. Times are in mean service times.

/// Probability that a customer of an M/M/c queue must wait (Erlang C), by the recursion of Erlang B.
pub(crate) fn erlang_c(cores: u32, utilisation: f64) -> f64 {
    let load = utilisation * f64::from(cores);
    let blocked = (1..=cores).fold(1.0, |b, k| load * b / (f64::from(k) + load * b));
    blocked / (1.0 - utilisation * (1.0 - blocked))
}

/// Mean wait of an M/M/c queue.
pub(crate) fn mmc_wait(cores: u32, utilisation: f64) -> f64 {
    erlang_c(cores, utilisation) / (f64::from(cores) * (1.0 - utilisation))
}

/// Mean wait of an M/D/1 queue (Pollaczek and Khinchine).
pub(crate) fn md1_wait(utilisation: f64) -> f64 {
    utilisation / (2.0 * (1.0 - utilisation))
}

/// Probability that a request sent up to `tries` times over a line that loses `loss` each way stays unanswered.
pub(crate) fn give_up(loss: f64, tries: u32) -> f64 {
    let fails = 1.0 - (1.0 - loss) * (1.0 - loss);
    (0..tries).fold(1.0, |all, _| all * fails)
}

/// How often it is sent on average, if every answer comes before the next repeat.
pub(crate) fn transmissions(loss: f64, tries: u32) -> f64 {
    (1.0 - give_up(loss, tries)) / ((1.0 - loss) * (1.0 - loss))
}

#[test]
fn formulas_agree_with_known_values() {
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
    near(mmc_wait(1, 0.8), 4.0); // rho / (1 - rho)
    near(mmc_wait(2, 0.5), 1.0 / 3.0); // rho^2 / (1 - rho^2)
    near(erlang_c(2, 0.5), 1.0 / 3.0);
    near(md1_wait(0.5), 0.5);
    near(give_up(0.5, 2), 0.562_5);
    near(transmissions(0.5, 2), 1.0 + 0.75);
}

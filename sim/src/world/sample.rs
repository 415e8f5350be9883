//! Random times. `libm` computes in software, so that every platform gets the same bits.

use keystorm_model::Span;
use keystorm_model::draw::Draws;

use crate::plan::ServicePlan;

/// An exponentially distributed span of mean `mean`, by inversion, from the two words at `word`. Unlike the line's
/// delays it is used over long spans too, so that one word would leave visible steps between its values.
pub(super) fn exponential(mean: Span, draws: &mut Draws, word: u64) -> Span {
    let uniform = ((draws.double(word) >> 11) + 1) as f64 / (1u64 << 53) as f64;
    Span::from_ns((-libm::log(uniform) * mean.as_ns() as f64) as u64)
}

/// A normally distributed time in nanoseconds, by Box and Muller's method, from the two words at `word`.
pub(super) fn normal(mean: Span, sigma: Span, draws: &mut Draws, word: u64) -> f64 {
    let uniform = |draw: u32| (f64::from(draw) + 1.0) / 4_294_967_296.0;
    let (u, v) = (uniform(draws.word(word)), uniform(draws.word(word + 1)));
    let standard = libm::sqrt(-2.0 * libm::log(u)) * libm::cos(core::f64::consts::TAU * v);
    mean.as_ns() as f64 + standard * sigma.as_ns() as f64
}

/// How long a probe takes, from the words at 0.
pub(super) fn service(plan: ServicePlan, draws: &mut Draws) -> Span {
    match plan {
        ServicePlan::Exponential(mean) => exponential(mean, draws, 0),
        ServicePlan::Fixed(time) => time,
    }
}

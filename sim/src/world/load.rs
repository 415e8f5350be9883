//! Who comes when: every card's holder arrives once, at a client and a time that depend on the card alone.

use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::{CardId, ClientId, SimTime, Span};

use crate::plan::{ArrivalsPlan, Plan};

/// A card holder's arrival.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Arrival {
    /// When.
    pub at: SimTime,
    /// Whose card.
    pub card: CardId,
    /// At which client.
    pub client: ClientId,
}

/// Words of one try at an office arrival; tries follow one another.
const TRY_WORDS: u64 = 2;
/// So many tries to fall inside the horizon, before the time is clamped.
const TRIES: u64 = 24;

/// All arrivals inside the horizon, in order of time and card.
pub fn arrivals(plan: &Plan) -> Vec<Arrival> {
    let seed = Seed(plan.seed);
    let mut all: Vec<Arrival> = (0..plan.fleet.cards)
        .map(|card| {
            let mut draws = seed.open(Purpose::Arrival, card.into());
            let client = ClientId(draws.below(0, plan.fleet.clients));
            let at = time(plan, &mut draws);
            Arrival { at, card: CardId(card), client }
        })
        .filter(|arrival| arrival.at < SimTime::ZERO + plan.horizon)
        .collect();
    all.sort_unstable();
    all
}

fn time(plan: &Plan, draws: &mut Draws) -> SimTime {
    match plan.load.arrivals {
        ArrivalsPlan::Uniform { from, window } => {
            let offset = (u128::from(draws.double(2)) * u128::from(window.as_ns())) >> 64;
            SimTime::ZERO + from + Span::from_ns(offset as u64)
        }
        ArrivalsPlan::Office { peak, sigma } => {
            let last = plan.horizon.as_ns() - 1;
            let mut at = 0.0;
            for round in 0..TRIES {
                at = normal(peak, sigma, draws, 2 + round * TRY_WORDS);
                if at >= 0.0 && at <= last as f64 {
                    break;
                }
            }
            SimTime::from_ns((at.max(0.0) as u64).min(last))
        }
    }
}

/// A normally distributed time in nanoseconds, by Box and Muller's method; `libm` gives every platform the same bits.
fn normal(mean: Span, sigma: Span, draws: &mut Draws, word: u64) -> f64 {
    let uniform = |draw: u32| (f64::from(draw) + 1.0) / 4_294_967_296.0;
    let (u, v) = (uniform(draws.word(word)), uniform(draws.word(word + 1)));
    let standard = libm::sqrt(-2.0 * libm::log(u)) * libm::cos(core::f64::consts::TAU * v);
    mean.as_ns() as f64 + standard * sigma.as_ns() as f64
}

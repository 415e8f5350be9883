//! The line between a client and the server: what becomes of each message.
//!
//! Every message attempt has its own place among the draws of its connection, named by direction, sequence number
//! and copy. Raising the loss rate therefore changes which messages vanish, but neither when the others
//! arrive nor anything else.

use keystorm_model::draw::Draws;
use keystorm_model::fragment;
use keystorm_model::secure::Direction;
use keystorm_model::{SimTime, SiteId, Span};

use crate::plan::{DelayPlan, LinePlan, LossPlan, OutagePlan};

/// Words per message attempt in the first group of draws: loss, delay.
const FATE_WORDS: u64 = 2;
/// Where the second group begins: duplication, its delay, reordering.
const EXTRA: u64 = 1 << 40;
const EXTRA_WORDS: u64 = 4;

/// One message attempt of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// Which way it goes.
    pub direction: Direction,
    /// Sequence number of the request, also of an answer.
    pub sequence: u16,
    /// How often the same message was sent before.
    pub copy: u8,
    /// Which fragment of the message it is; 0 for a message in one datagram.
    pub fragment: u8,
}

impl Attempt {
    fn number(self) -> u64 {
        let message = (u64::from(self.copy) << 16 | u64::from(self.sequence)) << 1 | self.direction as u64;
        u64::from(self.fragment) << 25 | message
    }
}

/// The state of one client's line in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Wire {
    /// Until when earlier messages occupy the line.
    busy_until: SimTime,
    /// Gilbert-Elliott: whether the line is in its bad state.
    bad: bool,
}

/// What becomes of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fate {
    /// What becomes of the message itself.
    pub first: Arrival,
    /// When a second copy that the line made arrives.
    pub duplicate: Option<Arrival>,
    /// Whether the message was held back.
    pub reordered: bool,
}

impl Fate {
    /// Nothing of it arrives.
    pub const LOST: Fate = Fate { first: Arrival::Lost, duplicate: None, reordered: false };
}

/// What becomes of one copy of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// The line swallows it.
    Lost,
    /// The outage of this number swallows it; without the outage it would have arrived at this time.
    Cut(usize, SimTime),
    /// It arrives.
    At(SimTime),
}

/// The line's properties and outages.
pub struct Line {
    plan: LinePlan,
    exponential: Option<Exponential>,
    outages: Vec<OutagePlan>,
}

impl Line {
    /// A line as planned.
    pub fn new(plan: LinePlan, outages: Vec<OutagePlan>) -> Self {
        let exponential = match plan.delay {
            DelayPlan::Exponential { mean, .. } => Some(Exponential::new(mean)),
            DelayPlan::Fixed(_) | DelayPlan::Uniform { .. } => None,
        };
        Line { plan, exponential, outages }
    }

    /// Bytes that a datagram of `length` bytes occupies on the line.
    pub fn size(&self, length: usize) -> u64 {
        length as u64 + u64::from(self.plan.overhead_bytes)
    }

    /// How many datagrams a message of `length` bytes takes.
    pub fn fragments(&self, length: usize) -> usize {
        fragment::count(length, self.plan.datagram_bytes as usize)
    }

    /// What becomes of a message of `length` bytes that is handed to the line at `now`.
    pub fn fate(
        &self,
        now: SimTime,
        site: SiteId,
        attempt: Attempt,
        length: usize,
        wire: &mut Wire,
        draws: &mut Draws,
    ) -> Fate {
        let bps = match attempt.direction {
            Direction::Up => self.plan.up_bps,
            Direction::Down => self.plan.down_bps,
        };
        let start = now.max(wire.busy_until);
        let sent = start + bps.map_or(Span::ZERO, |bps| serialisation(self.size(length), bps));
        wire.busy_until = sent;

        let at = attempt.number() * FATE_WORDS;
        let lost = match self.plan.loss {
            LossPlan::Independent(loss) => loss.hit(draws.word(at)),
            LossPlan::Burst { p, r } => {
                let draw = draws.word(at);
                wire.bad = if wire.bad { !r.hit(draw) } else { p.hit(draw) };
                wire.bad
            }
        };
        let arrival = sent + self.delay(draws.word(at + 1));
        let extra = EXTRA + attempt.number() * EXTRA_WORDS;
        let reordered = !self.plan.reorder.is_zero() && self.plan.reorder.hit(draws.word(extra));
        let arrival = if reordered { arrival + self.plan.reorder_by } else { arrival };
        let twice = !self.plan.duplicate.is_zero() && self.plan.duplicate.hit(draws.word(extra + 1));
        let duplicate = twice.then(|| {
            let arrival = sent + self.delay(draws.word(extra + 2));
            self.arrival(now, site, attempt.direction, arrival)
        });
        let first = if lost { Arrival::Lost } else { self.arrival(now, site, attempt.direction, arrival) };
        Fate { first, duplicate, reordered }
    }

    /// What becomes of a copy that is on its way again from `at` on.
    pub fn late(&self, at: SimTime, site: SiteId, direction: Direction) -> Arrival {
        self.arrival(at, site, direction, at + self.plan.delay.shortest())
    }

    /// A message on the line when an outage begins, or sent while it lasts, is lost.
    fn arrival(&self, sent: SimTime, site: SiteId, direction: Direction, arrival: SimTime) -> Arrival {
        let cut = |outage: &OutagePlan| {
            outage.covers(site, direction) && sent < outage.until && arrival > outage.from
        };
        match self.outages.iter().position(cut) {
            Some(outage) => Arrival::Cut(outage, arrival),
            None => Arrival::At(arrival),
        }
    }

    fn delay(&self, draw: u32) -> Span {
        match self.plan.delay {
            DelayPlan::Fixed(delay) => delay,
            DelayPlan::Uniform { min, max } => {
                let width = u128::from((max - min).as_ns()) + 1;
                min + Span::from_ns(((u128::from(draw) * width) >> 32) as u64)
            }
            DelayPlan::Exponential { min, max, .. } => {
                let above = self.exponential.as_ref().map_or(Span::ZERO, |table| table.draw(draw));
                (min + above).min(max)
            }
        }
    }
}

/// Time to put `bytes` on a line of `bps` bits per second.
fn serialisation(bytes: u64, bps: u64) -> Span {
    Span::from_ns(bytes * 8_000_000_000 / bps)
}

/// Exponentially distributed spans by inversion, from a table of quantiles with linear interpolation between them.
///
/// `libm` computes the table in software, so that every platform gets the same bits. Interpolation makes the mean too long
/// by 0.013 %, and no quantile by more than 6 % of the mean; the tail beyond the first entry is computed exactly.
pub struct Exponential {
    mean: Span,
    /// `-ln(i / 1024)` times the mean, in nanoseconds, for i = 0..=1024; the first is never used.
    quantiles: Box<[u64]>,
}

/// A draw is 10 bits of place in the table and 22 bits between two entries.
const BETWEEN_BITS: u32 = 22;

impl Exponential {
    /// Spans of mean `mean`.
    pub fn new(mean: Span) -> Self {
        let entry = |index: u32| quantile(mean, f64::from(index.max(1)) / 1_024.0);
        Exponential { mean, quantiles: (0..=1_024).map(entry).collect() }
    }

    /// The span that a uniform draw stands for.
    pub fn draw(&self, draw: u32) -> Span {
        let place = (draw >> BETWEEN_BITS) as usize;
        if place == 0 {
            return Span::from_ns(quantile(self.mean, (f64::from(draw) + 1.0) / 4_294_967_296.0));
        }
        let (above, below) = (self.quantiles[place], self.quantiles[place + 1]);
        let between = u64::from(draw & ((1 << BETWEEN_BITS) - 1));
        let step = u128::from(above - below) * u128::from(between);
        Span::from_ns(above - (step >> BETWEEN_BITS) as u64)
    }
}

/// The span that an exponential of mean `mean` exceeds with probability `exceeded`, nanoseconds.
fn quantile(mean: Span, exceeded: f64) -> u64 {
    (-libm::log(exceeded) * mean.as_ns() as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Ways;
    use keystorm_model::Ratio;
    use keystorm_model::draw::{Purpose, Seed};

    fn plan() -> LinePlan {
        LinePlan {
            delay: DelayPlan::Exponential {
                min: Span::from_ms(100),
                mean: Span::from_ms(50),
                max: Span::from_ms(400),
            },
            loss: LossPlan::Independent(Ratio::new(2, 100).unwrap()),
            duplicate: Ratio::ZERO,
            reorder: Ratio::ZERO,
            reorder_by: Span::ZERO,
            up_bps: None,
            down_bps: None,
            overhead_bytes: 28,
            datagram_bytes: 1_472,
            retry: crate::plan::RetryPlan { first: Span::from_secs(2), factor: 2, tries: 5 },
        }
    }

    fn fates(plan: LinePlan, outages: Vec<OutagePlan>, count: u64) -> Vec<Fate> {
        let line = Line::new(plan, outages);
        let mut wire = Wire::default();
        (0..count)
            .map(|owner| {
                let mut draws = Seed(5).open(Purpose::Line, owner);
                let attempt = Attempt { direction: Direction::Up, sequence: 3, copy: 1, fragment: 0 };
                line.fate(SimTime::from_ns(1_000), SiteId(0), attempt, 60, &mut wire, &mut draws)
            })
            .collect()
    }

    fn arrivals(fates: &[Fate]) -> Vec<Option<SimTime>> {
        fates
            .iter()
            .map(|fate| match fate.first {
                Arrival::At(at) => Some(at),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn raising_the_loss_rate_moves_no_surviving_message() {
        let few = arrivals(&fates(plan(), vec![], 5_000));
        let lossy = LinePlan { loss: LossPlan::Independent(Ratio::new(30, 100).unwrap()), ..plan() };
        let many = arrivals(&fates(lossy, vec![], 5_000));
        for (few, many) in few.iter().zip(&many) {
            assert!(many.is_none() || many == few);
        }
        assert!(many.iter().filter(|at| at.is_none()).count() > 1_000);
    }

    /// 20,000 draws at 2 %: mean 400, standard deviation 19.8; the bound is five of them.
    #[test]
    fn losses_come_at_the_planned_rate() {
        let lost = arrivals(&fates(plan(), vec![], 20_000)).iter().filter(|at| at.is_none()).count();
        assert!((301..=499).contains(&lost), "{lost}");
    }

    /// 4,000 draws of two halves: each of the four pairs of fates has mean 1,000 and standard deviation 27.4; the bound is
    /// five of them.
    #[test]
    fn fragments_of_one_attempt_have_fates_of_their_own() {
        let line = Line::new(
            LinePlan { loss: LossPlan::Independent(Ratio::new(1, 2).unwrap()), ..plan() },
            Vec::new(),
        );
        let mut pairs = [0; 4];
        let (mut alike, both) = (0, [0, 1]);
        for owner in 0..4_000 {
            let fates = both.map(|fragment| {
                let mut draws = Seed(5).open(Purpose::Line, owner);
                let attempt = Attempt { direction: Direction::Up, sequence: 3, copy: 1, fragment };
                let mut wire = Wire::default();
                line.fate(SimTime::ZERO, SiteId(0), attempt, 60, &mut wire, &mut draws).first
            });
            let lost = fates.map(|fate| usize::from(fate == Arrival::Lost));
            pairs[2 * lost[0] + lost[1]] += 1;
            alike += usize::from(lost == [0, 0] && fates[0] == fates[1]);
        }
        assert!(pairs.iter().all(|count| (863..=1_137).contains(count)), "{pairs:?}");
        assert_eq!(alike, 0, "and delays of their own");
    }

    /// A message in one datagram is drawn for where it always was.
    #[test]
    fn the_first_fragment_is_drawn_for_like_a_whole_message() {
        let attempt =
            |copy, fragment| Attempt { direction: Direction::Down, sequence: 0xffff, copy, fragment };
        assert_eq!((attempt(0, 0).number(), attempt(1, 0).number()), (0x1_ffff, 0x3_ffff));
        assert_eq!(attempt(0xff, 0).number(), 0x1ff_ffff);
        assert_eq!(attempt(0, 1).number(), 0x201_ffff, "beyond every whole one");
    }

    /// Gilbert-Elliott with p = 1/20, r = 1/2 loses p/(p+r) = 1/11 of 50,000: 4,545. Bursts of mean 2 widen the standard
    /// deviation to below 130; the bound is five of them.
    #[test]
    fn bursts_lose_their_share_in_runs() {
        let burst = LossPlan::Burst { p: Ratio::new(1, 20).unwrap(), r: Ratio::new(1, 2).unwrap() };
        let arrivals = arrivals(&fates(LinePlan { loss: burst, ..plan() }, vec![], 50_000));
        let lost = arrivals.iter().filter(|at| at.is_none()).count();
        assert!((3_895..=5_195).contains(&lost), "{lost}");
        let runs = arrivals.windows(2).filter(|pair| pair[0].is_none() && pair[1].is_some()).count();
        let mean_run = lost as f64 / runs as f64;
        assert!((1.8..2.2).contains(&mean_run), "{mean_run}");
    }

    /// Mean of 20,000 exponentials of mean 50 ms: standard error 0.35 ms; the bound is five of them.
    #[test]
    fn delays_have_their_mean_and_bounds() {
        let at: Vec<u64> =
            arrivals(&fates(plan(), vec![], 20_000)).iter().flatten().map(|at| at.as_ns() - 1_000).collect();
        assert!(at.iter().all(|&ns| (100_000_000..=400_000_000).contains(&ns)));
        let mean_ms = at.iter().sum::<u64>() as f64 / at.len() as f64 / 1e6;
        assert!((148.1..151.9).contains(&mean_ms), "{mean_ms}");
    }

    #[test]
    fn the_table_of_quantiles_is_close_to_the_logarithm_and_falls() {
        let mean = Span::from_ms(80);
        let table = Exponential::new(mean);
        let mut last = u64::MAX;
        for draw in (0..=u32::MAX).step_by(99_991) {
            let (drawn, exact) =
                (table.draw(draw).as_ns(), quantile(mean, (f64::from(draw) + 1.0) / 4_294_967_296.0));
            assert!(drawn <= last, "longer draws are rarer");
            last = drawn;
            // Linear interpolation over a step h at u errs by at most h^2 / (8 u^2) of the mean, and least at u = 1.5 h.
            let bound = mean.as_ns() as f64 / 16.0;
            assert!(drawn.abs_diff(exact) as f64 <= bound, "{draw}: {drawn} {exact}");
        }
    }

    #[test]
    fn messages_share_the_bandwidth_of_their_line() {
        let slow = LinePlan { up_bps: Some(8_000), delay: DelayPlan::Fixed(Span::from_ms(10)), ..plan() };
        let at = arrivals(&fates(slow, vec![], 3));
        let expected = |position: u64| Some(SimTime::from_ns(1_000 + position * 88_000_000 + 10_000_000));
        assert_eq!(at, [expected(1), expected(2), expected(3)], "88 bytes at 1 kB/s, one after another");
    }

    #[test]
    fn an_outage_cuts_what_is_on_the_line_and_what_is_sent() {
        let outage = |from: u64, until: u64| OutagePlan {
            site: Some(SiteId(0)),
            ways: Ways::Both,
            from: SimTime::from_ns(from),
            until: SimTime::from_ns(until),
        };
        let fixed = || LinePlan {
            delay: DelayPlan::Fixed(Span::from_ns(500)),
            loss: LossPlan::Independent(Ratio::ZERO),
            ..plan()
        };
        let first = |outage: OutagePlan| fates(fixed(), vec![outage], 1)[0].first;
        let arrives = SimTime::from_ns(1_500);
        assert_eq!(first(outage(1_400, 9_000)), Arrival::Cut(0, arrives), "on the line when it begins");
        assert_eq!(first(outage(500, 1_001)), Arrival::Cut(0, arrives), "sent while it lasts");
        assert_eq!(first(outage(1_500, 9_000)), Arrival::At(arrives), "arrived as it begins");
        assert_eq!(first(outage(500, 1_000)), Arrival::At(arrives), "sent when it is over");
        for (site, ways, cut) in [
            (Some(SiteId(1)), Ways::Both, false),
            (None, Ways::Both, true),
            (None, Ways::Up, true),
            (Some(SiteId(0)), Ways::Down, false),
        ] {
            let is_cut = first(OutagePlan { site, ways, ..outage(0, 9_000) }) != Arrival::At(arrives);
            assert_eq!(is_cut, cut, "{site:?} {ways:?}");
        }
    }

    #[test]
    fn duplicates_and_reordered_messages_come_at_their_rate() {
        let half = Ratio::new(1, 2).unwrap();
        let plan = LinePlan {
            duplicate: half,
            reorder: half,
            reorder_by: Span::from_secs(9),
            loss: LossPlan::Independent(Ratio::ZERO),
            ..plan()
        };
        let fates = fates(plan, vec![], 1_000);
        let doubled = fates.iter().filter(|fate| fate.duplicate.is_some()).count();
        let late = fates.iter().filter(|fate| fate.reordered).count();
        assert!((420..=580).contains(&doubled) && (420..=580).contains(&late), "{doubled} {late}");
        for fate in fates {
            let Arrival::At(at) = fate.first else { panic!("nothing is lost here") };
            assert_eq!(at > SimTime::from_ns(9_000_000_000), fate.reordered);
        }
    }
}

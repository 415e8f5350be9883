//! Power that fails: when, what it leaves, and a client whose crash takes it from the card in its reader.

use keystorm_model::card::{Power, Remains};
use keystorm_model::client::{Cause, Client, Ending, Step};
use keystorm_model::draw::Draws;
use keystorm_model::secure::Direction;
use keystorm_model::{ClientId, SimTime, Span};

use crate::plan::Mishap;
use crate::record::digest::{Parties, Trace};

use super::desk::{Reader, Visit};
use super::trouble::{Source, Strike, moment};
use super::{Out, World};

/// Word of a visit's draws that decides at which moment power fails.
const MOMENT_WORD: u64 = 3;
/// Words that decide what an erased page is left as: of which kind, and two of a pattern.
const REMAINS_WORDS: [u64; 2] = [4, 5];

/// When the card loses power while it works.
#[derive(Clone, Copy)]
pub(super) enum CutAt {
    /// At a moment drawn uniformly from those at which power can fail, and the one when all is done.
    Drawn,
    /// At this one of them.
    Moment(u32),
    /// At a certain time.
    Time(SimTime),
}

impl CutAt {
    /// At which moment power fails, and how long after the beginning, in work that would take `whole` and passes so many
    /// moments; `None`: the work is over before. Past the last moment everything has been done and only the answer is
    /// lost.
    pub(super) fn resolve(
        self,
        begun: SimTime,
        whole: Span,
        moments: u32,
        draws: &mut Draws,
    ) -> Option<(u32, Span)> {
        let parts = u64::from(moments) + 2;
        let moment = match self {
            CutAt::Drawn => draws.below(MOMENT_WORD, moments + 1),
            CutAt::Moment(moment) if moment < moments => moment,
            CutAt::Moment(_) => return None,
            CutAt::Time(at) => {
                let lasted = at.since(begun);
                if lasted >= whole {
                    return None;
                }
                let passed = u128::from(lasted.as_ns()) * u128::from(parts) / u128::from(whole.as_ns());
                return Some(((passed as u32).min(moments), lasted));
            }
        };
        Some((moment, whole * u64::from(moment + 1) / parts))
    }
}

/// What an erased page is left as.
pub(super) fn draw_remains(draws: &mut Draws) -> Remains {
    match draws.below(REMAINS_WORDS[0], 3) {
        0 => Remains::Ones,
        1 => Remains::Zeros,
        _ => Remains::Mixed(draws.double(REMAINS_WORDS[1])),
    }
}

impl World {
    /// Powers a card up that loses power again before it is ready, if that is going to happen.
    pub(super) fn power_up_cut_short(
        &mut self,
        at: SimTime,
        client: ClientId,
        visit: &mut Visit,
    ) -> Option<Reader> {
        let strike = self.troubles.at_power_up(visit.connection);
        let pulled = match strike {
            Some(Strike { source: Source::Placed(number), mishap, .. }) => Some((number, moment(mishap)?)),
            _ => None,
        };
        let when = match (pulled, self.troubles.client_down(client)) {
            (Some((_, moment)), _) => CutAt::Moment(moment),
            (None, Some(crash)) => CutAt::Time(crash),
            (None, None) => return None,
        };
        let card = visit.holder.card;
        let mut copy = self.cards.chip(card);
        let mut power = Power::steady();
        let work = visit.card.clone().power_up(&self.kind, &mut copy.memory(&self.kind), &mut power);
        let whole = self.plan.card.reset_time(work.expect("steady power lasts"));
        let (moment, lasted) = when.resolve(at, whole, power.moments_passed(), &mut visit.draws)?;
        let mut power = Power::fails_at(moment).leaving(draw_remains(&mut visit.draws));
        let before = self.cards.writes(card);
        let _ = visit.card.power_up(&self.kind, &mut self.cards.memory(card), &mut power);
        self.powered_up(at, client, visit, self.cards.writes(card) - before);
        Some(Reader::Resetting { until: at + lasted, pulled: pulled.map(|(number, _)| number) })
    }

    /// Something happens to a client that has just sent a request.
    pub(super) fn strike_client(&mut self, at: SimTime, client: ClientId, strike: Strike, out: &mut Out) {
        if self.desks[client.index()].visit.is_none() {
            return;
        }
        self.count_strike(strike.source);
        match strike.mishap {
            Mishap::ClientCrash { down } => self.crash_client(at, client, down, out),
            _ => self.reinsert(at, client),
        }
    }

    /// Lets the client crash if that is due at `at`; whether it was.
    pub(super) fn crash_client_if_due(&mut self, at: SimTime, client: ClientId, out: &mut Out) -> bool {
        if self.troubles.client_down(client).is_none_or(|due| due > at) {
            return false;
        }
        let downs = self.troubles.client_downs.get_mut(&client);
        let (down, number) = downs.and_then(|downs| downs.pop_front()).expect("a crash is due");
        self.tally.client_downs[number] += 1;
        self.crash_client(at, client, down.length, out);
        true
    }

    /// The client crashes at `at` and is up again after `down`: what it knows is gone, the card in its reader is without
    /// power, and the queue waits.
    pub(super) fn crash_client(&mut self, at: SimTime, client: ClientId, down: Span, out: &mut Out) {
        self.recorder.counts.client_crashes += 1;
        self.troubles.lay_ghosts(client);
        let desk = &mut self.desks[client.index()];
        let before = std::mem::replace(&mut desk.reader, Reader::Idle);
        let until = match before {
            Reader::Down { until } => until.max(at + down),
            _ => at + down,
        };
        desk.reader = Reader::Down { until };
        self.assemblies.remove(&(client, Direction::Down));
        let Some(visit) = &mut desk.visit else { return };
        let mut step = visit.client.at();
        match before {
            Reader::Executing { .. } => {
                let parties = Parties { client, card: Some(visit.holder.card) };
                self.recorder.trace(at, Trace::Command, parties, &visit.command);
                self.recorder.trace(at, Trace::Pulled, parties, &[]);
            }
            Reader::Resetting { .. } => step = Step::PowerUp,
            Reader::Idle | Reader::Down { .. } => {}
        }
        visit.client = Client::default();
        self.ended(at, client, Ending::Failed { step, cause: Cause::ClientCrashed }, out);
    }
}

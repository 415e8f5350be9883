//! What is going to happen to a connection besides the line's own losses and a pulled card: drawn for it, or placed at one
//! of its steps. Here it is decided where; what then happens is told where the desks, the line and the server are.

use std::collections::{BTreeMap, VecDeque};

use keystorm_model::client::{commands_in_connection, requests_in_connection};
use keystorm_model::draw::{Purpose, Seed, owner};
use keystorm_model::message;
use keystorm_model::secure::Direction;
use keystorm_model::{CardId, ClientId, ConnectionId, SimTime};

use crate::plan::{DownPlan, FaultPlan, Mishap, PullMoment};
use crate::step::{What, command_name, message_name};

use super::World;
use super::ghosts::Ghost;

/// Words of a connection's draws: of each fault whether, at which step, and in which direction.
const CLIENT_CRASH_WORDS: [u64; 2] = [0, 1];
const LOSE_WORDS: [u64; 3] = [2, 3, 4];
const LATE_WORDS: [u64; 3] = [5, 6, 7];
const REINSERT_WORDS: [u64; 2] = [8, 9];

/// Where a fault comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Source {
    ClientCrash,
    Lose,
    Late,
    Reinsert,
    /// The placed fault of this number.
    Placed(usize),
}

/// Where in its connection a fault strikes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Place {
    /// At a step by its name, and at which one of them.
    Step(What, u8),
    /// At the request of this sequence number, or its answer.
    Exchange(u16),
    /// At this one of the client's requests and card commands, from 1.
    ClientStep(u32),
}

/// A fault that is going to strike.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Strike {
    pub(super) mishap: Mishap,
    pub(super) source: Source,
    place: Place,
    /// The sequence number of the message that it strikes, once that has been sent.
    message: Option<u16>,
    struck: bool,
}

/// A step that a connection has come to.
struct Here {
    what: What,
    nth: u8,
    exchange: Option<u16>,
    client_step: Option<u32>,
}

impl Strike {
    fn new(mishap: Mishap, source: Source, place: Place) -> Self {
        Strike { mishap, source, place, message: None, struck: false }
    }

    fn is_at(&self, here: &Here) -> bool {
        match self.place {
            Place::Step(what, nth) => (what, nth) == (here.what, here.nth),
            Place::Exchange(sequence) => here.exchange == Some(sequence),
            Place::ClientStep(step) => here.client_step == Some(step),
        }
    }
}

/// What is going to happen to one connection.
#[derive(Default)]
pub(super) struct Trouble {
    strikes: Vec<Strike>,
    /// Steps so far, by name.
    seen: Vec<What>,
    client_steps: u32,
}

impl Trouble {
    fn come_to(&mut self, what: What, exchange: Option<u16>, by_client: bool) -> Here {
        self.seen.push(what);
        self.client_steps += u32::from(by_client);
        let nth = self.seen.iter().filter(|&&seen| seen == what).count();
        let client_step = by_client.then_some(self.client_steps);
        Here { what, nth: u8::try_from(nth).unwrap_or(u8::MAX), exchange, client_step }
    }

    fn find(&self, here: &Here, wanted: impl Fn(Mishap) -> bool) -> Option<Strike> {
        self.strikes.iter().find(|strike| wanted(strike.mishap) && strike.is_at(here)).copied()
    }

    /// The card is powered up.
    fn at_power_up(&mut self) -> Option<Strike> {
        let here = self.come_to(What::PowerUp, None, false);
        self.find(&here, |mishap| matches!(mishap, Mishap::Pull(_)))
    }

    /// The card is given a command.
    fn at_command(&mut self, command: &[u8]) -> Option<Strike> {
        let here = self.come_to(command_name(command), None, true);
        self.find(&here, |mishap| matches!(mishap, Mishap::Pull(_) | Mishap::ClientCrash { .. }))
    }

    /// A request or an answer is sent for the first time. Returns what strikes once a request has been sent.
    fn at_message(&mut self, direction: Direction, datagram: &[u8], sequence: u16) -> Option<Strike> {
        let by_client = direction == Direction::Up;
        let here = self.come_to(What::Message(message_name(datagram)), Some(sequence), by_client);
        for strike in &mut self.strikes {
            let strikes_it = match strike.mishap {
                Mishap::Lose(way) | Mishap::Late(way, _) => way == direction,
                Mishap::ServerCrash { .. } => by_client,
                Mishap::Pull(_) | Mishap::ClientCrash { .. } | Mishap::Reinsert => false,
            };
            if strikes_it && strike.is_at(&here) {
                strike.message = Some(sequence);
            }
        }
        // With its Bye a connection is over, and another card may be in the reader already.
        if !by_client || here.what == What::Message("Bye") {
            return None;
        }
        self.find(&here, |mishap| matches!(mishap, Mishap::ClientCrash { .. } | Mishap::Reinsert))
    }

    /// The fault of this message that `wanted` chooses, and whether it is the first time that it strikes.
    fn of_message(
        &mut self,
        sequence: u16,
        wanted: impl Fn(Mishap) -> bool,
    ) -> Option<(Mishap, Source, bool)> {
        let strike = self
            .strikes
            .iter_mut()
            .find(|strike| strike.message == Some(sequence) && wanted(strike.mishap))?;
        let first = !std::mem::replace(&mut strike.struck, true);
        Some((strike.mishap, strike.source, first))
    }
}

/// What is going to happen to the connections that are alive, and to the clients.
pub(super) struct Troubles {
    /// Whether anything can happen to a connection.
    pub(super) possible: bool,
    drawn: bool,
    placed: BTreeMap<ConnectionId, Vec<usize>>,
    live: BTreeMap<ConnectionId, Trouble>,
    /// When each client crashes, the earliest first, with the number in the plan.
    pub(super) client_downs: BTreeMap<ClientId, VecDeque<(DownPlan, usize)>>,
    /// Connections of cards that were taken out and put in again, which go on beside the new ones.
    pub(super) ghosts: BTreeMap<ClientId, Vec<Ghost>>,
}

impl Troubles {
    pub(super) fn new(plan: &FaultPlan) -> Self {
        let mut placed: BTreeMap<ConnectionId, Vec<usize>> = BTreeMap::new();
        for (number, fault) in plan.placed.iter().enumerate() {
            let connection = ConnectionId(owner(fault.card, fault.connection));
            placed.entry(connection).or_default().push(number);
        }
        let mut client_downs: BTreeMap<ClientId, VecDeque<(DownPlan, usize)>> = BTreeMap::new();
        for (number, &(client, down)) in plan.client_downs.iter().enumerate() {
            client_downs.entry(client).or_default().push_back((down, number));
        }
        let drawn =
            [plan.client_crash, plan.lose, plan.late, plan.reinsert].iter().any(|chance| !chance.is_zero());
        Troubles {
            possible: drawn || !placed.is_empty(),
            drawn,
            placed,
            live: BTreeMap::new(),
            client_downs,
            ghosts: BTreeMap::new(),
        }
    }

    /// The connection is over.
    pub(super) fn forget(&mut self, connection: ConnectionId) {
        if !self.live.is_empty() {
            self.live.remove(&connection);
        }
    }

    fn of(&mut self, connection: ConnectionId) -> Option<&mut Trouble> {
        if self.live.is_empty() { None } else { self.live.get_mut(&connection) }
    }

    /// See [`Trouble::at_power_up`].
    pub(super) fn at_power_up(&mut self, connection: ConnectionId) -> Option<Strike> {
        self.of(connection)?.at_power_up()
    }

    /// See [`Trouble::at_command`].
    pub(super) fn at_command(&mut self, connection: ConnectionId, command: &[u8]) -> Option<Strike> {
        self.of(connection)?.at_command(command)
    }

    /// A request or answer is sent for the first time: what strikes the client once it has sent a request.
    pub(super) fn at_message(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
        datagram: &[u8],
        sequence: u16,
    ) -> Option<Strike> {
        self.of(connection)?.at_message(direction, datagram, sequence)
    }

    /// Whether a message is lost for good: the fault, and whether this is the first time.
    pub(super) fn loses(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
        sequence: u16,
    ) -> Option<(Source, bool)> {
        let lost = |mishap| mishap == Mishap::Lose(direction);
        let (_, source, first) = self.of(connection)?.of_message(sequence, lost)?;
        Some((source, first))
    }

    /// Whether a copy of a message that is sent for the first time comes again: the fault, and how much later.
    pub(super) fn repeats(
        &mut self,
        connection: ConnectionId,
        direction: Direction,
        sequence: u16,
    ) -> Option<(Source, keystorm_model::Span)> {
        let late = |mishap| matches!(mishap, Mishap::Late(way, _) if way == direction);
        match self.of(connection)?.of_message(sequence, late)? {
            (Mishap::Late(_, by), source, true) => Some((source, by)),
            _ => None,
        }
    }

    /// Whether the server crashes at this request, which it is about to act on.
    pub(super) fn crashes_server(&mut self, datagram: &[u8]) -> Option<(Mishap, Source)> {
        if self.live.is_empty() {
            return None;
        }
        let (header, _) = message::decode(datagram).ok()?;
        let crash = |mishap| matches!(mishap, Mishap::ServerCrash { .. });
        let (mishap, source, first) = self.of(header.connection)?.of_message(header.sequence, crash)?;
        first.then_some((mishap, source))
    }

    /// When the client crashes next.
    pub(super) fn client_down(&self, client: ClientId) -> Option<SimTime> {
        if self.client_downs.is_empty() {
            return None;
        }
        self.client_downs.get(&client)?.front().map(|(down, _)| down.at)
    }
}

impl World {
    /// Clients that something is going to happen to whether or not anybody comes.
    pub fn clients_to_watch(&self) -> impl Iterator<Item = ClientId> + '_ {
        self.troubles.client_downs.keys().copied()
    }

    /// Decides what is going to happen to a connection of `card` that begins at `at`.
    pub(super) fn expect_trouble(&mut self, at: SimTime, card: CardId, connection: ConnectionId) {
        if !self.troubles.possible {
            return;
        }
        let mut strikes =
            if self.troubles.drawn { self.draw_trouble(at, card, connection) } else { Vec::new() };
        for &number in self.troubles.placed.get(&connection).into_iter().flatten() {
            let fault = self.plan.faults.placed[number];
            let place = Place::Step(fault.step, fault.nth);
            strikes.push(Strike::new(fault.mishap, Source::Placed(number), place));
        }
        if !strikes.is_empty() {
            self.troubles.live.insert(connection, Trouble { strikes, ..Trouble::default() });
        }
    }

    fn draw_trouble(&self, at: SimTime, card: CardId, connection: ConnectionId) -> Vec<Strike> {
        let faults = &self.plan.faults;
        let mut draws = Seed(self.plan.seed).open(Purpose::Fault, connection.0);
        // What other cards have been admitted by now is not asked: within a tick of turmoil's it depends on who comes first.
        let renewed = self.server.next_assignment(card, at).renew.map(|due| {
            let (embodiment, way) = self.server.rules().renewal(card, due);
            (way, embodiment.keys(self.kind.shape, due.depth).count() as u32)
        });
        let requests = requests_in_connection(&self.rules, renewed.is_some());
        let mut strikes = Vec::new();
        let [whether, which] = CLIENT_CRASH_WORDS;
        if faults.client_crash.hit(draws.word(whether)) {
            let steps = requests + commands_in_connection(&self.rules, renewed);
            let place = Place::ClientStep(1 + draws.below(which, steps));
            let mishap = Mishap::ClientCrash { down: faults.client_crash_for };
            strikes.push(Strike::new(mishap, Source::ClientCrash, place));
        }
        for (chance, [whether, which, way], source) in
            [(faults.lose, LOSE_WORDS, Source::Lose), (faults.late, LATE_WORDS, Source::Late)]
        {
            if chance.hit(draws.word(whether)) {
                let place = Place::Exchange(draws.below(which, requests) as u16);
                let way = if draws.below(way, 2) == 0 { Direction::Up } else { Direction::Down };
                let mishap = match source {
                    Source::Lose => Mishap::Lose(way),
                    _ => Mishap::Late(way, faults.late_by),
                };
                strikes.push(Strike::new(mishap, source, place));
            }
        }
        let [whether, which] = REINSERT_WORDS;
        if faults.reinsert.hit(draws.word(whether)) {
            let place = Place::Exchange(draws.below(which, requests) as u16);
            strikes.push(Strike::new(Mishap::Reinsert, Source::Reinsert, place));
        }
        strikes
    }

    /// Counts that a fault has struck.
    pub(super) fn count_strike(&mut self, source: Source) {
        let tally = &mut self.tally;
        *match source {
            Source::ClientCrash => &mut tally.client_crashes,
            Source::Lose => &mut tally.messages_lost_for_good,
            Source::Late => &mut tally.late_copies,
            Source::Reinsert => &mut tally.reinsertions,
            Source::Placed(number) => &mut tally.placed[number],
        } += 1;
    }
}

/// The moment of a pull, as far as it is given.
pub(super) const fn moment(mishap: Mishap) -> Option<u32> {
    match mishap {
        Mishap::Pull(PullMoment::During(moment)) => moment,
        _ => None,
    }
}

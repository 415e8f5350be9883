//! The simulated world: everything but the movement of time and bytes.
//!
//! A [`World`] holds the fleet, the desks with their clients, the lines and the server. An engine tells it what
//! arrives and when ([`World::arrive`], [`World::client_receive`], [`World::server_receive`]) and wakes it when something is due
//! ([`World::client_due`], [`World::server_due`]); the world answers with [`Out`]: datagrams with their arrival
//! times, and card holders who come back later. An engine decides nothing.
//!
//! | To read about | open |
//! |---|---|
//! | who comes when | [`load`] |
//! | a client, its reader and its queue | `desk` |
//! | the card in a reader: commands, pulls | `reader` |
//! | what the checkers say to a card's command | `jury` |
//! | how a message is lost or delayed | [`mod@line`] |
//! | the server's cores and queue | [`station`] |
//! | when the server crashes | `crashes` |
//! | which faults are counted | `tally` |
//! | what is going to happen to a connection | `trouble` |
//! | how power fails, and clients crash | `power` |
//! | two connections of one card at once | `ghosts` |
//! | how a card gets new keys from its issuer | `reissue` |
//! | the end of a run | `epilogue` |

pub mod cards;
mod clients;
mod crashes;
mod desk;
mod epilogue;
mod ghosts;
mod jury;
pub mod line;
pub mod load;
mod power;
mod present;
mod reader;
mod reissue;
mod sample;
mod servers;
pub mod station;
mod tally;
mod trouble;

pub use desk::Holder;

use std::collections::BTreeMap;
use std::ops::Range;

use keystorm_model::card::{CardType, CardWork};
use keystorm_model::client::{Client, ClientEffect, ClientRules, Retry};
use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::fragment::{self, Assembly};
use keystorm_model::outbox::Outbox;
use keystorm_model::secure::Direction;
use keystorm_model::server::{MemoryDirectory, Schedule, Server, ServerEffect, ServerRules, Stamp};
use keystorm_model::{CardId, ClientId, ConnectionId, SimTime, SiteId, Span};

use crate::check::Violation;
use crate::check::dialogue::Dialogues;
use crate::check::durable::Durable;
use crate::check::ledger::Ledger;
use crate::directory::{DirectoryKind, RedbDirectory, ServerDirectory};
use crate::issue::{self, Order};
use crate::plan::{DueAtStart, Plan, ServerKeys};
use crate::record::Recorder;
use crate::record::tape::Event;

use cards::{Before, Cards};
use crashes::Crashes;
use desk::{Desk, Visit};
use line::{Arrival, Attempt, Fate, Line};
use present::Present;
use station::Station;
use tally::FaultTally;
use trouble::{Strike, Troubles};

/// What the world hands to the engine. The engine drains and reuses it.
#[derive(Default)]
pub struct Out {
    /// Datagrams on their way.
    pub flights: Vec<Flight>,
    /// Card holders who come back.
    pub returns: Vec<Return>,
    /// The bytes of the flights, until the engine gives them back.
    pub datagrams: Datagrams,
}

/// A datagram on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flight {
    /// The client at one end of the line.
    pub client: ClientId,
    /// Which way it goes.
    pub direction: Direction,
    /// When it arrives, or would.
    pub at: SimTime,
    /// Orders what arrives from one client at one instant.
    pub order: u64,
    /// An outage swallows it: an engine must not deliver it.
    pub doomed: bool,
    /// Where its bytes are kept.
    pub slot: u32,
}

/// Datagrams in flight, in buffers that are used again.
#[derive(Default)]
pub struct Datagrams {
    buffers: Vec<Vec<u8>>,
    free: Vec<u32>,
}

impl Datagrams {
    fn put(&mut self, datagram: &[u8]) -> u32 {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Vec::with_capacity(datagram.len().max(128)));
            (self.buffers.len() - 1) as u32
        });
        let buffer = &mut self.buffers[slot as usize];
        buffer.clear();
        buffer.extend_from_slice(datagram);
        slot
    }

    /// The datagram in `slot`.
    pub fn get(&self, slot: u32) -> &[u8] {
        &self.buffers[slot as usize]
    }

    /// Takes the datagram out of `slot`; [`Datagrams::give_back`] must follow.
    pub fn take(&mut self, slot: u32) -> Vec<u8> {
        std::mem::take(&mut self.buffers[slot as usize])
    }

    /// Gives the buffer of `slot` back.
    pub fn give_back(&mut self, slot: u32, buffer: Vec<u8>) {
        self.buffers[slot as usize] = buffer;
        self.free.push(slot);
    }

    /// Gives up the datagram in `slot`.
    pub fn release(&mut self, slot: u32) {
        self.free.push(slot);
    }
}

/// A card holder who comes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Return {
    /// When, and with which card.
    pub holder: Holder,
    /// To which client.
    pub client: ClientId,
    /// What for.
    pub why: Why,
}

/// Why a card holder comes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Why {
    /// To try once more.
    Again,
    /// They have got their card back from the issuer, or a new one.
    Reissued,
}

/// How much cryptography the load of a run took, on both sides. What a card did before power failed it is left out, as is
/// the epilogue, so that a floor made of it is never too high.
#[derive(Clone, Copy, Debug, Default)]
pub struct CryptoTally {
    /// Operations with ring keys, key set-up included: `prove`, `check`, `derive`.
    pub ciphers: u64,
    /// Messages sealed or opened.
    pub aeads: u64,
    /// Session channels set up.
    pub channels: u64,
}

/// The world of one run.
pub struct World {
    pub(crate) plan: Plan,
    kind: CardType,
    rules: ClientRules,
    pub(crate) cards: Cards,
    desks: Vec<Desk>,
    /// Whose holders are at a client, in its queue, or about to come back.
    present: Present,
    pub(crate) server: Server<ServerDirectory>,
    pub(crate) station: Station,
    crashes: Crashes,
    troubles: Troubles,
    /// Whether something may be due at a client besides what its desk is at.
    has_more_than_desks: bool,
    line: Line,
    pub(crate) recorder: Recorder,
    pub(crate) ledger: Ledger,
    dialogues: Dialogues,
    /// Where a directory can lose anything.
    durable: Option<Durable>,
    pub(crate) tally: FaultTally,
    crypto: CryptoTally,
    client_out: Outbox<ClientEffect>,
    server_out: Outbox<ServerEffect>,
    /// Visits that are over, to be used again.
    #[expect(clippy::vec_box, reason = "a desk holds its visit in a box, and takes one of these as it is")]
    spare_visits: Vec<Box<Visit>>,
    /// Receives what comes to a desk where nobody is.
    idle_client: Client,
    /// The answer that a client is being given.
    answer: Vec<u8>,
    /// What has arrived of messages that travel in fragments, by receiver: those of a client go down.
    assemblies: BTreeMap<(ClientId, Direction), Assembly>,
    /// The fragment that is being sent.
    fragment: Vec<u8>,
    /// A card's memory before the command that it is given.
    before: Before,
    /// The card that has just answered has been pulled out since.
    card_is_out: bool,
    /// The cards that take part: all of them, or a single one.
    cast: Range<u32>,
    /// How long the reset of a card takes that has nothing to restore.
    reset_time: Span,
}

impl World {
    /// The world of `plan` at time 0: cards issued with `pairs` (see [`crate::issue`]), everyone idle.
    pub fn new(plan: Plan, mut pairs: Vec<u8>) -> Self {
        assert_eq!(pairs.len(), Order::of(&plan).bytes(), "every card has its pairs");
        let seed = Seed(plan.seed);
        let shape = plan.fleet.shape;
        let cipher = plan.cipher(None);
        let kind = CardType { cipher, shape, comparison: plan.fleet.comparison, rules: plan.card.rules };
        let common =
            (plan.fleet.server_keys == ServerKeys::Common).then(|| issue::common(cipher, shape, seed));
        if let Some(common) = &common {
            issue::share(shape, common, &mut pairs);
        }
        let cards = Cards::issue(&kind, &pairs);
        let schedule = Schedule {
            periods: plan.update.periods.clone(),
            orders: plan.update.orders.clone(),
            root: plan.update.root,
            spread: plan.update.spread.seeded(seed),
        };
        let retry = Retry {
            first: plan.line.retry.first,
            factor: plan.line.retry.factor,
            tries: plan.line.retry.tries,
        };
        let committed = match plan.update.due {
            DueAtStart::All => Stamp::NEVER,
            DueAtStart::None => Stamp::at(SimTime::ZERO),
        };
        let depths = schedule.depths();
        let directory = directory(&plan, pairs, common, depths, committed);
        let server_rules = ServerRules {
            cipher: plan.cipher(plan.server.backend),
            shape,
            comparison: plan.fleet.comparison,
            embodiments: plan.update.embodiments.clone(),
            complement: plan.update.complement,
            recovery: plan.update.recovery,
            escalation: plan.update.escalation,
            schedule,
            response_bytes: plan.load.response_bytes,
            idle: retry.patience() * 2 + Span::from_secs(60),
        };
        let rules = ClientRules {
            suite: plan.fleet.suite,
            protocol: plan.card.rules.protocol,
            implicit_df: plan.card.rules.implicit_df,
            retry,
            exchanges: plan.load.exchanges,
            request_bytes: plan.load.request_bytes,
            reports_refusals: plan.update.escalation,
        };
        let (clients, sites) = (plan.fleet.clients, plan.fleet.sites);
        let desks = (0..clients).map(|client| Desk::new(site_of(ClientId(client), clients, sites))).collect();
        let (troubles, crashes) = (Troubles::new(&plan.faults), Crashes::new(&plan));
        World {
            kind,
            rules,
            desks,
            present: Present::new(plan.fleet.cards),
            server: Server::start(server_rules, seed, directory, plan.fleet.cards as usize),
            station: Station::new(plan.server.cores, plan.server.queue)
                .measured_from(SimTime::ZERO + plan.warmup.fixed().unwrap_or(Span::ZERO)),
            line: Line::new(plan.line.clone(), plan.faults.outages.clone()),
            recorder: Recorder::new(plan.horizon, plan.warmup),
            ledger: Ledger::new(cipher, shape, plan.fleet.cards),
            dialogues: Dialogues::new(plan.fleet.cards, plan.update.due == DueAtStart::None),
            durable: (plan.server.directory == DirectoryKind::Redb && crashes.are_possible())
                .then(|| Durable::new(shape.keys(), depths)),
            crashes,
            has_more_than_desks: troubles.possible || !troubles.client_downs.is_empty(),
            troubles,
            tally: FaultTally::new(&plan.faults),
            crypto: CryptoTally::default(),
            client_out: Outbox::default(),
            server_out: Outbox::default(),
            spare_visits: Vec::new(),
            idle_client: Client::default(),
            answer: Vec::new(),
            assemblies: BTreeMap::new(),
            fragment: Vec::new(),
            before: Before::default(),
            card_is_out: false,
            cast: 0..plan.fleet.cards,
            reset_time: plan.card.reset_time(CardWork::default()),
            cards,
            plan,
        }
    }

    /// From now on, records what happens to `card`.
    pub fn record(&mut self, card: CardId) {
        self.recorder.record(card);
    }

    /// Leaves all cards but `card` at home: they neither arrive nor are judged.
    pub fn alone(&mut self, card: CardId) {
        self.cast = card.0..card.0 + 1;
    }

    /// The cards that take part.
    pub fn cast(&self) -> Range<u32> {
        self.cast.clone()
    }

    /// The plan of this world.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The server's client directory.
    pub fn directory(&self) -> &ServerDirectory {
        self.server.directory()
    }

    /// What has been counted so far.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The rules that have not held so far, the first of them first.
    pub fn violations(&self) -> &[Violation] {
        self.ledger.violations()
    }

    /// How much cryptography has been done so far.
    pub fn crypto(&self) -> CryptoTally {
        self.crypto
    }

    /// Counts datagrams that an engine delivered after their time.
    pub fn count_late_delivery(&mut self) {
        self.recorder.counts.late_deliveries += 1;
    }

    /// Reads something of each place where something is kept of `card` and of its client. A large fleet is in no cache, and a
    /// processor fetches independent places at the same time: whoever touches the next few cards before their sessions waits
    /// for memory about once, where each session would wait a dozen times.
    pub fn preload(&self, client: ClientId, card: CardId) -> u32 {
        let here = self.desks[client.index()].preload() ^ self.present.preload(card);
        self.cards.preload(card) ^ self.server.preload(card) ^ self.ledger.preload(card) ^ here
    }

    /// Hands a message to the line of `client` at `now`, in as many datagrams as it takes. Nothing is sent any more once the
    /// horizon is reached. Returns what is going to strike the client now that it has sent this.
    fn send(
        &mut self,
        now: SimTime,
        client: ClientId,
        attempt: Attempt,
        message: &[u8],
        out: &mut Out,
    ) -> Option<Strike> {
        if !self.recorder.is_load(now) {
            return None;
        }
        let Attempt { direction, sequence, copy, .. } = attempt;
        let connection = connection_of(message);
        let after =
            (copy == 0).then(|| self.troubles.at_message(connection, direction, message, sequence)).flatten();
        let (count, mut late_by) = (self.line.fragments(message.len()), None);
        if count == 1 {
            self.send_datagram(now, client, attempt, message, &mut late_by, out);
            return after;
        }
        let mut datagram = std::mem::take(&mut self.fragment);
        for number in 0..count {
            fragment::write(message, number, count, &mut datagram);
            let attempt = Attempt { fragment: number as u8, ..attempt };
            self.send_datagram(now, client, attempt, &datagram, &mut late_by, out);
        }
        self.fragment = datagram;
        after
    }

    /// Hands a datagram to the line of `client` at `now`. Whether a copy of its message comes late is decided with the first
    /// of its datagrams.
    fn send_datagram(
        &mut self,
        now: SimTime,
        client: ClientId,
        attempt: Attempt,
        datagram: &[u8],
        late_by: &mut Option<Span>,
        out: &mut Out,
    ) {
        let Attempt { direction, sequence, copy, fragment } = attempt;
        let connection = connection_of(datagram);
        let desk = &mut self.desks[client.index()];
        let site = desk.site;
        let wire = match direction {
            Direction::Up => &mut desk.up,
            Direction::Down => &mut desk.down,
        };
        let mut opened;
        let draws = match &mut desk.visit {
            Some(visit) if visit.connection == connection => &mut visit.line,
            _ => {
                opened = Seed(self.plan.seed).open(Purpose::Line, connection.0);
                &mut opened
            }
        };
        let fate = self.line.fate(now, site, attempt, datagram.len(), wire, draws);
        let retransmission = direction == Direction::Up && copy > 0;
        self.recorder.sent(now, self.line.size(datagram.len()), retransmission);
        let lost_for_good = self.troubles.loses(connection, direction, sequence);
        if let Some(tape) = self.recorder.tape_about(datagram) {
            let fate = if lost_for_good.is_some() { Fate::LOST } else { fate };
            tape.push(now, Event::Sent { direction, copy, fate, datagram: datagram.to_vec() });
        }
        if let Some((source, first)) = lost_for_good {
            self.recorder.counts.messages_lost += 1;
            if first {
                self.count_strike(source);
            }
            return;
        }
        if (copy, fragment) == (0, 0)
            && !matches!(fate.first, Arrival::Cut(..))
            && let Some((source, by)) = self.troubles.repeats(connection, direction, sequence)
        {
            *late_by = Some(by);
            self.count_strike(source);
        }
        self.tally.reordered += u64::from(fate.reordered);
        self.launch(client, direction, fate.first, datagram, out);
        if let Some(duplicate) = fate.duplicate {
            self.tally.duplicated += 1;
            self.recorder.counts.messages_duplicated += 1;
            self.launch(client, direction, duplicate, datagram, out);
        }
        if let Some(by) = *late_by {
            self.recorder.counts.messages_duplicated += 1;
            self.launch(client, direction, self.line.late(now + by, site, direction), datagram, out);
        }
    }

    /// What has arrived of the message that a client, or the server from it, is receiving in fragments.
    fn assembly(&mut self, client: ClientId, direction: Direction) -> Assembly {
        std::mem::take(self.assemblies.entry((client, direction)).or_default())
    }

    /// Puts it back, unless the receiver has crashed meanwhile and has forgotten it.
    fn put_back(&mut self, client: ClientId, direction: Direction, assembly: Assembly) {
        if let Some(place) = self.assemblies.get_mut(&(client, direction)) {
            *place = assembly;
        }
    }

    /// Puts a copy of a datagram on its way, or counts it as lost.
    fn launch(
        &mut self,
        client: ClientId,
        direction: Direction,
        arrival: Arrival,
        datagram: &[u8],
        out: &mut Out,
    ) {
        let (at, doomed) = match arrival {
            Arrival::At(at) => (at, false),
            Arrival::Cut(outage, at) => {
                self.tally.cut_by_outage[outage] += 1;
                self.recorder.counts.messages_lost += 1;
                (at, true)
            }
            Arrival::Lost => {
                self.tally.lost += 1;
                self.recorder.counts.messages_lost += 1;
                return;
            }
        };
        let desk = &mut self.desks[client.index()];
        desk.sent += 1;
        let (order, slot) = (desk.sent, out.datagrams.put(datagram));
        out.flights.push(Flight { client, direction, at, order, doomed, slot });
    }
}

/// The directory of a server that knows `pairs`, and `common` ones instead of those that all cards have alike.
fn directory(
    plan: &Plan,
    pairs: Vec<u8>,
    common: Option<Vec<u8>>,
    depths: u8,
    committed: Stamp,
) -> ServerDirectory {
    let (keys, pair, depths) = (plan.fleet.shape.keys(), plan.cipher(None).kept().pair, depths.into());
    let first = plan.fleet.shape.internal().into();
    match plan.server.directory {
        DirectoryKind::Memory => {
            let directory = MemoryDirectory::new(pairs, keys, pair, depths, committed);
            ServerDirectory::Memory(match common {
                Some(common) => directory.with_common(first, common),
                None => directory,
            })
        }
        DirectoryKind::Redb => {
            let directory = RedbDirectory::new(&pairs, keys, pair, depths, committed, Seed(plan.seed));
            ServerDirectory::Redb(Box::new(match common {
                Some(common) => directory.with_common(first, common),
                None => directory,
            }))
        }
    }
}

/// The site of a client: clients are spread evenly, in blocks.
pub fn site_of(client: ClientId, clients: u32, sites: u16) -> SiteId {
    SiteId((u64::from(client.0) * u64::from(sites) / u64::from(clients)) as u16)
}

/// The connection that a datagram of ours belongs to.
fn connection_of(datagram: &[u8]) -> ConnectionId {
    let bytes = datagram[6..14].try_into().expect("every datagram has a header");
    ConnectionId(u64::from_be_bytes(bytes))
}

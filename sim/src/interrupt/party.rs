//! The card, the server and what is remembered of them between two connections.

use core::fmt;

use keystorm_model::card::{Card, CardRules, CardType, Chip, Nvm, PageLayout, Power, WriteMode};
use keystorm_model::client::{ClientRules, Retry};
use keystorm_model::draw::{Purpose, Seed};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::{KeyRef, Ring, RingShape};
use keystorm_model::server::{
    Directory, Embodiment, MemoryDirectory, Order, OrderedCards, Recovery, Schedule, Server, ServerEffect,
    ServerRules, Stamp,
};
use keystorm_model::suite::{Comparison, SuiteId};
use keystorm_model::{CardId, Depth, SimTime, Span};
use keystorm_reports::results::{Outcome, PairState};

/// The card.
pub(super) const CARD: CardId = CardId(0);
/// Of every draw; no result depends on it.
pub(super) const SEED: Seed = Seed(1);
/// The suite of the matrix. With the others the same messages and commands cross.
pub const SUITE: SuiteId = SuiteId::Aes128;
/// Failed attempts that block an external key.
const TRIES: u8 = 3;
/// From the beginning of a connection to that of the next: more than a client tries for, so that it has given up, and
/// less than the server waits, so that it still has the old connection.
const BETWEEN: Span = Span::from_secs(100);
const IDLE: Span = Span::from_secs(600);
const RETRY: Retry = Retry { first: Span::from_secs(2), factor: 2, tries: 5 };
/// Bytes of each message of session data.
const DATA_BYTES: u16 = 16;

/// Which depths are due at the beginning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DueDepths {
    /// The working pair.
    Zero,
    /// The pair above it.
    One,
    /// Both.
    Both,
}

impl DueDepths {
    /// Every choice, in the order of the reports.
    pub const ALL: [DueDepths; 3] = [DueDepths::Zero, DueDepths::One, DueDepths::Both];

    /// The name in reports and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            DueDepths::Zero => "0",
            DueDepths::One => "1",
            DueDepths::Both => "both",
        }
    }

    const fn depths(self) -> &'static [u8] {
        match self {
            DueDepths::Zero => &[0],
            DueDepths::One => &[1],
            DueDepths::Both => &[0, 1],
        }
    }
}

/// One combination of the settings that the matrix goes through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Combination {
    /// What becomes of an interrupted renewal.
    pub recovery: Recovery,
    /// How the card writes its memory.
    pub mode: WriteMode,
    /// Where the keys lie in it.
    pub layout: PageLayout,
    /// How keys are renewed.
    pub embodiment: Embodiment,
    /// What is due.
    pub due: DueDepths,
}

impl Combination {
    /// All of them, in the order of the reports.
    pub fn all() -> Vec<Combination> {
        let mut all = Vec::new();
        for recovery in Recovery::ALL {
            for mode in WriteMode::ALL {
                for layout in PageLayout::ALL {
                    for embodiment in Embodiment::ALL {
                        for due in DueDepths::ALL {
                            all.push(Combination { recovery, mode, layout, embodiment, due });
                        }
                    }
                }
            }
        }
        all
    }
}

/// What all worlds of a combination share.
pub(super) struct Setup {
    pub(super) combination: Combination,
    pub(super) kind: CardType,
    pub(super) client: ClientRules,
    pub(super) server: ServerRules,
    issued: Vec<u8>,
}

impl Setup {
    pub(super) fn new(combination: Combination) -> Self {
        let Combination { recovery, mode, layout, embodiment, due } = combination;
        let shape = RingShape::new(3, 4).expect("Fig. 3 has such rings");
        let nvm = Nvm { mode, layout, ..Nvm::standard() };
        let rules = CardRules { nvm, ..CardRules::standard(TRIES) };
        let kind = CardType { suite: SUITE, shape, comparison: Comparison::Encryption, rules };
        let order = |&depth: &u8| Order { at: SimTime::ZERO, depth: Depth(depth), cards: OrderedCards::All };
        let orders = due.depths().iter().map(order).collect();
        let server = ServerRules {
            suite: SUITE,
            backend: None,
            shape,
            comparison: Comparison::Encryption,
            embodiments: vec![embodiment],
            complement: false,
            recovery,
            schedule: Schedule { periods: Vec::new(), orders, root: None },
            response_bytes: DATA_BYTES,
            idle: IDLE,
        };
        let mut issued = vec![0; kind.layout().len()];
        SEED.open(Purpose::Issue, 0).bytes(0, &mut issued);
        Setup { combination, kind, client: ClientRules::new(SUITE, RETRY, 1, DATA_BYTES), server, issued }
    }

    /// The card and the server on the day on which the renewal falls due.
    pub(super) fn world(&self) -> World {
        let depths = usize::from(self.server.schedule.depths());
        let pair = SUITE.sizes().pair;
        let slots = self.server.shape.keys();
        let directory = MemoryDirectory::new(self.issued.clone(), slots, pair, depths, Stamp::NEVER);
        World {
            chip: Chip::issued(&self.kind, CARD, &self.issued),
            server: Server::start(self.server.clone(), SEED, directory, 1),
            connections: 0,
            offers: Vec::new(),
            open: false,
            interrupted: false,
        }
    }

    fn slot(&self, depth: Depth, ring: Ring) -> usize {
        let pair = self.server.shape.pair(depth).expect("the depth exists");
        self.server.shape.slot(pair.key(ring)).expect("the pair's keys exist")
    }

    fn issued(&self, slot: usize) -> &[u8] {
        &self.issued[self.kind.layout().range(slot)]
    }
}

/// How card and server stand, by value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Standing {
    /// Card against server at depth 0 and at depth 1.
    pub pairs: [PairState; 2],
    /// Whether a key on the card is unreadable.
    pub torn: bool,
    /// Whether the server has a renewed key at depth 0, and at depth 1.
    pub renewed: [bool; 2],
    /// What the server keeps of an uncommitted renewal.
    pub kept: Kept,
}

/// What the server durably keeps of a renewal that it has not committed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// Under first-contact: that its chance is gone.
    Spent,
    /// Under stage-and-flip: the new values.
    Staged,
    /// The same, and that the card has been met since.
    Tried,
}

impl Standing {
    /// The card's side, depth 0 first: `card ahead/old`, and `torn` where it is.
    pub fn card(&self) -> String {
        let [zero, one] = self.pairs.map(PairState::name);
        format!("{zero}/{one}{}", if self.torn { ", torn" } else { "" })
    }

    /// Whether the server holds what the card never had.
    pub fn is_forbidden(&self) -> bool {
        self.pairs.iter().any(|pair| matches!(pair, PairState::ServerAhead | PairState::Diverged))
    }
}

/// The server's side, depth 0 first: `new/old`, and what is kept of an uncommitted renewal.
pub struct ServerSide<'a>(pub &'a Standing);

impl fmt::Display for ServerSide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [zero, one] = self.0.renewed.map(|renewed| if renewed { "new" } else { "old" });
        let kept = match self.0.kept {
            Kept::Nothing => "",
            Kept::Spent => ", spent",
            Kept::Staged => ", staged",
            Kept::Tried => ", tried",
        };
        write!(f, "{zero}/{one}{kept}")
    }
}

/// What survives a connection: the card's memory and the server.
#[derive(Clone)]
pub(super) struct World {
    pub(super) chip: Chip,
    pub(super) server: Server<MemoryDirectory>,
    pub(super) connections: u32,
    /// Every value that the server ever offered, in order: slot and value.
    offers: Vec<(u8, [u8; 16])>,
    /// Rk has been sent, and nothing committed since.
    open: bool,
    /// A connection ended while that was so.
    interrupted: bool,
}

impl World {
    /// The time of the current connection.
    pub(super) fn now(&self) -> SimTime {
        SimTime::ZERO + BETWEEN * u64::from(self.connections)
    }

    /// Hands the server a datagram, and keeps what it offers and commits.
    pub(super) fn serve(&mut self, datagram: &[u8], out: &mut Outbox<ServerEffect>) {
        out.clear();
        self.server.step(self.now(), datagram, out);
        for &effect in &out.effects {
            match effect {
                ServerEffect::UpdateStarted { .. } => self.open = true,
                ServerEffect::Offered { key, value, .. } => self.offered(key, out.get(value)),
                ServerEffect::Committed { .. } => self.open = false,
                _ => {}
            }
        }
    }

    fn offered(&mut self, key: KeyRef, value: &[u8]) {
        let slot = self.server.rules().shape.slot(key).expect("offered keys exist");
        let offer = (slot as u8, value.try_into().expect("a key of AES-128"));
        if !self.offers.contains(&offer) {
            self.offers.push(offer);
        }
    }

    /// The connection is over for everybody.
    pub(super) fn end(&mut self) {
        self.interrupted |= std::mem::take(&mut self.open);
    }

    /// The same of a copy.
    pub(super) fn over(mut self) -> Self {
        self.end();
        self
    }

    /// A copy in which the card's memory is another.
    pub(super) fn with_chip(&self, chip: Chip) -> Self {
        World { chip, ..self.clone() }
    }

    /// The server crashes and starts again from its directory.
    pub(super) fn restarted(self, setup: &Setup) -> Self {
        let server = Server::start(setup.server.clone(), SEED, self.server.stop(), 1);
        World { server, ..self }
    }

    /// The card's memory as the next power-up makes it.
    fn settled(&self, setup: &Setup) -> Chip {
        self.chip.clone().settled(&setup.kind)
    }

    /// Which of the values of a key this is: 0 at issue, then the offers; `None`: nobody ever gave it.
    fn version(&self, setup: &Setup, slot: usize, value: &[u8]) -> Option<usize> {
        if setup.issued(slot) == value {
            return Some(0);
        }
        let known = |offer: &(u8, [u8; 16])| usize::from(offer.0) == slot && offer.1 == value;
        self.offers.iter().position(known).map(|place| place + 1)
    }

    fn pair(&self, setup: &Setup, chip: &Chip, depth: Depth) -> (PairState, bool) {
        let renewed_keys = setup.server.embodiment(CARD).rings().len();
        let (mut newer, mut renewed, mut bad) = (0, false, None);
        for ring in [Ring::Internal, Ring::External] {
            let slot = setup.slot(depth, ring);
            let at_server = self.server.directory().key(CARD, slot);
            let on_server = self.version(setup, slot, at_server);
            renewed |= on_server != Some(0);
            if chip.marks().torn() & 1 << slot != 0 {
                continue;
            }
            let on_card = self.version(setup, slot, &chip.keys(&setup.kind)[setup.kind.layout().range(slot)]);
            match (on_card, on_server) {
                (Some(card), Some(server)) if card == server => {}
                (Some(card), Some(server)) if card > server => newer += 1,
                (Some(_), Some(_)) => bad = Some(PairState::ServerAhead),
                _ => bad = Some(PairState::Diverged),
            }
        }
        let state = bad.unwrap_or(match newer {
            0 if renewed => PairState::New,
            0 => PairState::Old,
            newer if newer < renewed_keys => PairState::Split,
            _ => PairState::CardAhead,
        });
        (state, renewed)
    }

    /// How card and server stand between two connections.
    pub(super) fn standing(&self, setup: &Setup) -> Standing {
        let chip = self.settled(setup);
        let [zero, one] = [0, 1].map(|depth| self.pair(setup, &chip, Depth(depth)));
        let directory = self.server.directory();
        let spent = |depth| directory.renewal(CARD, depth).spent > directory.renewal(CARD, depth).committed;
        let kept = match directory.staged(CARD) {
            Some(stage) if stage.tried => Kept::Tried,
            Some(_) => Kept::Staged,
            None if (0..setup.server.schedule.depths()).map(Depth).any(spent) => Kept::Spent,
            None => Kept::Nothing,
        };
        Standing { pairs: [zero.0, one.0], torn: chip.marks().torn() != 0, renewed: [zero.1, one.1], kept }
    }

    /// How many depths are due and not committed.
    pub(super) fn depths_due(&self, setup: &Setup) -> usize {
        let schedule = &setup.server.schedule;
        let due = |depth: &Depth| {
            let since = schedule.due_since(CARD, *depth, self.now());
            self.server.directory().renewal(CARD, *depth).committed < since
        };
        (0..schedule.depths()).map(Depth).filter(due).count()
    }

    /// How many undisturbed connections the policy may take from here until everything is renewed: one for each depth
    /// that is due, one for all in embodiment 3, and one to find out about a stage.
    pub(super) fn allowed(&self, setup: &Setup) -> usize {
        let due = self.depths_due(setup);
        let runs = setup.server.embodiment(CARD).runs();
        usize::from(self.server.directory().staged(CARD).is_some()) + if runs { due.min(1) } else { due }
    }

    /// What became of the card: as `keystorm run` judges it at the end.
    pub(super) fn outcome(&self, setup: &Setup) -> Outcome {
        let chip = self.settled(setup);
        let next = self.server.next_assignment(CARD, self.now()).pair;
        let agrees = |ring| {
            let slot = setup.server.shape.slot(next.key(ring)).expect("the policy names existing keys");
            let on_card = &chip.keys(&setup.kind)[setup.kind.layout().range(slot)];
            on_card == self.server.directory().key(CARD, slot)
        };
        if chip.marks().torn() != 0 {
            Outcome::Torn
        } else if chip.tries(&setup.kind)[next.external.index() - 1] == 0 {
            Outcome::Blocked
        } else if !agrees(Ring::Internal) || !agrees(Ring::External) {
            Outcome::Stranded
        } else if self.interrupted {
            Outcome::Healed
        } else {
            Outcome::Unharmed
        }
    }
}

/// A card in the reader.
pub(super) fn powered_up(setup: &Setup, chip: &mut Chip) -> Card {
    let mut card = Card::unpowered();
    card.power_up(&setup.kind, &mut chip.memory(&setup.kind), &mut Power::steady())
        .expect("steady power lasts");
    card
}

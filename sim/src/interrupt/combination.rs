//! Which settings the matrix goes through, and what all connections of one combination share.

use keystorm_model::card::{CardRules, CardType, Nvm, PageLayout, WriteMode};
use keystorm_model::client::{ClientRules, Retry};
use keystorm_model::draw::Seed;
use keystorm_model::layout::KeyLayout;
use keystorm_model::rings::{Ring, RingShape};
use keystorm_model::server::{Embodiment, Order, OrderedCards, Recovery, Schedule, ServerRules};
use keystorm_model::suite::{Comparison, Crypto, SuiteId};
use keystorm_model::{CardId, Depth, SimTime, Span};

use crate::issue;

/// The card.
pub(super) const CARD: CardId = CardId(0);
/// Of every draw; no result depends on it.
pub(super) const SEED: Seed = Seed(1);
/// Failed attempts that block an external key.
pub(super) const TRIES: u8 = 3;
/// From the beginning of a connection to that of the next: more than a client tries for, so that it has given up, and
/// less than the server waits, so that it still has the old connection.
pub(super) const BETWEEN: Span = Span::from_secs(100);
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
    /// The cipher suite.
    pub suite: SuiteId,
    /// Whether its operations are carried out.
    pub crypto: Crypto,
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

/// A suite by name, for people: stand-ins must not be taken for it.
pub fn cipher_name(suite: &str, crypto: &str) -> String {
    let modelled = if crypto == Crypto::Modelled.name() { " (modelled)" } else { "" };
    format!("{suite}{modelled}")
}

/// The suites of the matrix, unless others are asked for: one of each family, and one whose proofs are many card commands,
/// each a point at which the card can be pulled out.
pub const CIPHERS: [(SuiteId, Crypto); 3] =
    [(SuiteId::Aes128, Crypto::Real), (SuiteId::Rsa1024, Crypto::Real), (SuiteId::MlDsa44, Crypto::Modelled)];

impl Combination {
    /// The suite's name, and whether it is modelled.
    pub fn cipher_name(&self) -> String {
        cipher_name(self.suite.name(), self.crypto.name())
    }

    /// All of them with these suites, in the order of the reports.
    pub fn all(ciphers: &[(SuiteId, Crypto)]) -> Vec<Combination> {
        let mut all = Vec::new();
        for &(suite, crypto) in ciphers {
            for recovery in Recovery::ALL {
                for mode in WriteMode::ALL {
                    for layout in PageLayout::ALL {
                        for embodiment in Embodiment::ALL {
                            for due in DueDepths::ALL {
                                all.push(Combination {
                                    suite,
                                    crypto,
                                    recovery,
                                    mode,
                                    layout,
                                    embodiment,
                                    due,
                                });
                            }
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
    /// The pairs at issue, by slot, as the server keeps them.
    pub(super) issued: Vec<u8>,
}

impl Setup {
    pub(super) fn new(combination: Combination) -> Self {
        let Combination { suite, crypto, recovery, mode, layout, embodiment, due } = combination;
        let shape = RingShape::new(3, 4).expect("Fig. 3 has such rings");
        let nvm = Nvm { mode, layout, ..Nvm::standard() };
        let rules = CardRules { nvm, ..CardRules::standard(TRIES) };
        let cipher = crypto.cipher(suite, None);
        let kind = CardType { cipher, shape, comparison: Comparison::Encryption, rules };
        let order = |&depth: &u8| Order { at: SimTime::ZERO, depth: Depth(depth), cards: OrderedCards::All };
        let orders = due.depths().iter().map(order).collect();
        let server = ServerRules {
            cipher,
            shape,
            comparison: Comparison::Encryption,
            embodiments: vec![embodiment],
            complement: false,
            recovery,
            escalation: false,
            schedule: Schedule { orders, ..Schedule::default() },
            response_bytes: DATA_BYTES,
            idle: IDLE,
        };
        let issued = issue::fresh(&issue::Order { suite, crypto, seed: SEED, shape, cards: 1 });
        let client = ClientRules::new(suite, RETRY, 1, DATA_BYTES);
        Setup { combination, kind, client, server, issued }
    }

    /// Whether the card makes its keys inside (claim 10).
    pub(super) fn inside(&self) -> bool {
        self.combination.embodiment.inside()
    }

    /// Where the server's pairs lie among themselves.
    pub(super) const fn at_server(&self) -> KeyLayout {
        KeyLayout::at_server(self.kind.shape, self.kind.cipher.kept())
    }

    /// The card's half of a pair.
    pub(super) fn half<'p>(&self, slot: usize, pair: &'p [u8]) -> &'p [u8] {
        self.kind.cipher.half_on_card(self.at_server().ring(slot), pair)
    }

    /// The slot of the key at `depth` in `ring`.
    pub(super) fn slot(&self, depth: Depth, ring: Ring) -> usize {
        let pair = self.kind.shape.pair(depth).expect("the depth exists");
        self.kind.shape.slot(pair.key(ring)).expect("the pair's keys exist")
    }

    /// The slots that a renewal of `depth` replaces.
    pub(super) fn renewed_slots(&self, depth: Depth) -> impl Iterator<Item = usize> + '_ {
        let keys = self.combination.embodiment.keys(self.kind.shape, depth);
        keys.map(|key| self.kind.shape.slot(key).expect("a renewed key exists"))
    }
}

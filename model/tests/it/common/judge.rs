//! Oracles: what must hold after every event, and how a pair of keys stands, by value.

use std::collections::{BTreeMap, BTreeSet};

use keystorm_model::outbox::Outbox;
use keystorm_model::rings::{KeyRef, Ring};
use keystorm_model::server::{Directory, Server, ServerEffect};
use keystorm_model::{CardId, ConnectionNo, Depth};

use super::fleet::{Plastic, Watched};
use super::{KEY, SHAPE};

/// How card and server stand at one depth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Both hold the keys of the issue.
    Old,
    /// The card's internal key is newer than the server's, the external one is not.
    Split,
    /// Both of the card's keys are newer.
    CardAhead,
    /// Both hold the same newer keys.
    New,
}

/// Keeps every value that a key was ever to have, and what each connection did.
pub(crate) struct Judge {
    versions: BTreeMap<(CardId, usize), Vec<Vec<u8>>>,
    updating: Option<CardId>,
    open: BTreeMap<(CardId, ConnectionNo), Depth>,
    started: BTreeSet<(CardId, ConnectionNo)>,
    pub commits: usize,
    pub interruptions: usize,
    ros: BTreeSet<(CardId, Vec<u8>)>,
    blind: bool,
}

impl Judge {
    pub(crate) fn new(keys: &[Vec<u8>]) -> Self {
        let mut versions = BTreeMap::new();
        for (card, block) in (0..).map(CardId).zip(keys) {
            for (slot, key) in block.chunks(KEY).enumerate() {
                versions.insert((card, slot), vec![key.to_vec()]);
            }
        }
        Judge {
            versions,
            updating: None,
            open: BTreeMap::new(),
            started: BTreeSet::new(),
            commits: 0,
            interruptions: 0,
            ros: BTreeSet::new(),
            blind: false,
        }
    }

    /// Notes an effect: each connection starts one update at most and ends it once, and no Ro comes twice.
    pub(crate) fn server_did(&mut self, effect: ServerEffect, out: &Outbox<ServerEffect>) {
        match effect {
            ServerEffect::UpdateStarted { card, connection, depth } => {
                self.updating = Some(card);
                assert!(self.started.insert((card, connection)), "an update started twice");
                self.open.insert((card, connection), depth);
            }
            ServerEffect::Offered { card, key, value } => {
                assert_eq!(self.updating, Some(card), "an offer belongs to the update that has just started");
                let slot = SHAPE.slot(key).unwrap();
                self.versions.get_mut(&(card, slot)).unwrap().push(out.get(value).to_vec());
            }
            ServerEffect::Committed { card, connection, depth, .. } => {
                assert_eq!(
                    self.open.remove(&(card, connection)),
                    Some(depth),
                    "a commit without an open update"
                );
                self.commits += 1;
            }
            ServerEffect::Interrupted { card, connection, depth, .. } => {
                assert_eq!(
                    self.open.remove(&(card, connection)),
                    Some(depth),
                    "an interruption without an open update"
                );
                self.interruptions += 1;
            }
            ServerEffect::SessionOpened { card, ro } => {
                assert!(self.ros.insert((card, out.get(ro).to_vec())), "the same Ro twice");
            }
            _ => {}
        }
    }

    /// Looks at no keys any more: the test spoils one.
    pub(crate) fn looks_away(&mut self) {
        self.blind = true;
    }

    fn version(&self, card: CardId, slot: usize, value: &[u8]) -> usize {
        let known = self.versions[&(card, slot)].iter().rposition(|known| known == value);
        known.unwrap_or_else(|| panic!("key {slot} of card {card} has a value that nobody ever gave it"))
    }

    fn both(&self, server: &Server<Watched>, cards: &[Plastic], card: CardId, slot: usize) -> (usize, usize) {
        let on_card = &cards[card.index()].keys[slot * KEY..][..KEY];
        let on_server = server.directory().key(card, slot);
        (self.version(card, slot, on_card), self.version(card, slot, on_server))
    }

    /// No key of the server's is ever newer than the card's, and open updates are the ones that the server lists.
    pub(crate) fn check(&self, server: &Server<Watched>, cards: &[Plastic]) {
        if self.blind {
            return;
        }
        for &(card, slot) in self.versions.keys() {
            let (on_card, on_server) = self.both(server, cards, card, slot);
            assert!(on_card >= on_server, "the server is ahead at key {slot} of card {card}");
        }
        assert_eq!(server.open_updates().count(), self.open.len());
        assert_eq!(server.directory().commits, self.commits);
    }

    /// Whether card and server hold the same keys everywhere.
    pub(crate) fn agree(&self, server: &Server<Watched>, cards: &[Plastic]) -> bool {
        let same = |&(card, slot)| {
            let (on_card, on_server) = self.both(server, cards, card, slot);
            on_card == on_server
        };
        self.versions.keys().all(same)
    }

    pub(crate) fn state(
        &self,
        server: &Server<Watched>,
        cards: &[Plastic],
        card: CardId,
        depth: Depth,
    ) -> State {
        let pair = SHAPE.pair(depth).unwrap();
        let at = |ring, no| self.both(server, cards, card, SHAPE.slot(KeyRef { ring, no }).unwrap());
        let (internal, internal_there) = at(Ring::Internal, pair.internal);
        let (external, external_there) = at(Ring::External, pair.external);
        assert_eq!(internal_there, external_there, "both are committed at once");
        match (internal > internal_there, external > external_there) {
            (false, false) if internal == 0 => State::Old,
            (false, false) => State::New,
            (true, false) => State::Split,
            (true, true) => State::CardAhead,
            (false, true) => panic!("the external key alone was stored"),
        }
    }
}

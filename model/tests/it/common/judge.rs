//! Oracles: what must hold after every event, and how a pair of keys stands, by value.

use std::collections::{BTreeMap, BTreeSet};

use keystorm_model::card::{CardType, Chip};
use keystorm_model::outbox::Outbox;
use keystorm_model::rings::Ring;
use keystorm_model::server::{Directory, Due, Server, ServerEffect};
use keystorm_model::{CardId, ConnectionNo, Depth};

use super::KEY;
use super::fleet::Watched;

/// How card and server stand at one depth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    /// Both hold the keys of the issue.
    Old,
    /// The card's internal key is newer than the server's, the external one is not.
    Split,
    /// All of the card's keys that are renewed are newer.
    CardAhead,
    /// Both hold the same newer keys.
    New,
}

/// Keeps every value that a key was ever to have, and what each connection did.
pub(crate) struct Judge {
    kind: CardType,
    versions: BTreeMap<(CardId, usize), Vec<Vec<u8>>>,
    updating: Option<CardId>,
    open: BTreeMap<(CardId, ConnectionNo), Due>,
    started: BTreeSet<(CardId, ConnectionNo)>,
    pub commits: usize,
    pub interruptions: usize,
    pub promotions: usize,
    ros: BTreeSet<(CardId, Vec<u8>)>,
    blind: bool,
}

impl Judge {
    pub(crate) fn new(kind: CardType, keys: &[Vec<u8>]) -> Self {
        let mut versions = BTreeMap::new();
        for (card, block) in (0..).map(CardId).zip(keys) {
            for (slot, key) in block.chunks(KEY).enumerate() {
                versions.insert((card, slot), vec![key.to_vec()]);
            }
        }
        Judge {
            kind,
            versions,
            updating: None,
            open: BTreeMap::new(),
            started: BTreeSet::new(),
            commits: 0,
            interruptions: 0,
            promotions: 0,
            ros: BTreeSet::new(),
            blind: false,
        }
    }

    /// Notes an effect: each connection starts one update at most and ends it once, and no Ro comes twice.
    pub(crate) fn server_did(&mut self, effect: ServerEffect, out: &Outbox<ServerEffect>) {
        match effect {
            ServerEffect::UpdateStarted { card, connection, due } => {
                self.updating = Some(card);
                assert!(self.started.insert((card, connection)), "an update started twice");
                self.open.insert((card, connection), due);
            }
            ServerEffect::Offered { card, key, value } => {
                assert_eq!(self.updating, Some(card), "an offer belongs to the update that has just started");
                let slot = self.kind.shape.slot(key).unwrap();
                self.versions.get_mut(&(card, slot)).unwrap().push(out.get(value).to_vec());
            }
            ServerEffect::Committed { card, connection, due } => {
                assert_eq!(
                    self.open.remove(&(card, connection)),
                    Some(due),
                    "a commit without an open update"
                );
                self.commits += 1;
            }
            ServerEffect::Interrupted { card, connection, due } => {
                assert_eq!(
                    self.open.remove(&(card, connection)),
                    Some(due),
                    "an interruption without an open update"
                );
                self.interruptions += 1;
            }
            ServerEffect::Promoted { .. } => self.promotions += 1,
            ServerEffect::SessionOpened { card, ro } => {
                assert!(self.ros.insert((card, out.get(ro).to_vec())), "the same Ro twice");
            }
            _ => {}
        }
    }

    /// The server has crashed: what it had not committed is lost.
    pub(crate) fn forgets_open_updates(&mut self) {
        self.interruptions += self.open.len();
        self.open.clear();
        self.started.clear();
    }

    /// Looks at no keys any more: the test spoils one.
    pub(crate) fn looks_away(&mut self) {
        self.blind = true;
    }

    fn version(&self, card: CardId, slot: usize, value: &[u8]) -> usize {
        let known = self.versions[&(card, slot)].iter().rposition(|known| known == value);
        known.unwrap_or_else(|| panic!("key {slot} of card {card} has a value that nobody ever gave it"))
    }

    fn both(&self, server: &Server<Watched>, cards: &[Chip], card: CardId, slot: usize) -> (usize, usize) {
        let chip = &cards[card.index()];
        let settled = chip.marks().is_unsettled().then(|| chip.clone().settled(&self.kind));
        let on_card = &settled.as_ref().unwrap_or(chip).keys(&self.kind)[slot * KEY..][..KEY];
        let on_server = server.directory().key(card, slot);
        (self.version(card, slot, on_card), self.version(card, slot, on_server))
    }

    /// No key of the server's is ever newer than the card's, and open updates are the ones that the server lists.
    pub(crate) fn check(&self, server: &Server<Watched>, cards: &[Chip]) {
        if self.blind {
            return;
        }
        for &(card, slot) in self.versions.keys() {
            let (on_card, on_server) = self.both(server, cards, card, slot);
            assert!(on_card >= on_server, "the server is ahead at key {slot} of card {card}");
        }
        assert_eq!(server.open_updates().count(), self.open.len());
        assert_eq!(server.directory().commits, self.commits + self.promotions);
    }

    /// Whether card and server hold the same keys everywhere.
    pub(crate) fn agree(&self, server: &Server<Watched>, cards: &[Chip]) -> bool {
        let same = |&(card, slot)| {
            let (on_card, on_server) = self.both(server, cards, card, slot);
            on_card == on_server
        };
        self.versions.keys().all(same)
    }

    pub(crate) fn state(
        &self,
        server: &Server<Watched>,
        cards: &[Chip],
        card: CardId,
        depth: Depth,
    ) -> State {
        let pair = self.kind.shape.pair(depth).unwrap();
        let rings = server.rules().embodiment(card).rings();
        let at = |ring: &Ring| self.both(server, cards, card, self.kind.shape.slot(pair.key(*ring)).unwrap());
        let versions: Vec<(usize, usize)> = rings.iter().map(at).collect();
        assert!(versions.iter().all(|&(_, there)| there == versions[0].1), "all are committed at once");
        let newer: Vec<bool> = versions.iter().map(|&(here, there)| here > there).collect();
        match newer.iter().filter(|&&newer| newer).count() {
            0 if versions[0].0 == 0 => State::Old,
            0 => State::New,
            all if all == rings.len() => State::CardAhead,
            _ => {
                assert!(newer[0], "the external key alone was stored");
                State::Split
            }
        }
    }
}

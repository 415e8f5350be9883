//! The client directory: what the server keeps of every card [0033-0035], and survives its crashes.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::ConnectionNo;
use crate::ids::{CardId, Depth};
use crate::layout::touch;
use crate::planted::{self, Bug};
use crate::server::policy::{Due, Renewal, Stamp};
use crate::time::SimTime;

/// A database of every card's keys and renewals. A change is durable when [`Directory::sync`] has returned.
pub trait Directory {
    /// Notes durably that the server starts, and returns how often it had started before. What was not durable when it
    /// stopped is gone.
    fn start(&mut self) -> u32;

    /// Makes every change so far durable. The server does so before anybody is told of it; nothing is to be done where
    /// changes are durable by themselves.
    fn sync(&mut self) {}

    /// Whether the card has been issued.
    fn contains(&self, card: CardId) -> bool;

    /// The pair of the card's key at `slot` (see [`crate::rings::RingShape::slot`]): Kse for the internal ring, Ksi for
    /// the external one.
    fn key(&self, card: CardId, slot: usize) -> &[u8];

    /// All pairs of the card, slot after slot; `None`: they do not lie together.
    fn pairs_of(&self, card: CardId) -> Option<&[u8]>;

    /// Reads something of each place in memory where something is kept of the card: see [`super::Server::preload`].
    fn preload(&self, card: CardId) -> u8;

    /// What is known of the card's renewals at `depth`.
    fn renewal(&self, card: CardId, depth: Depth) -> Renewal;

    /// Notes that the chance of what is due since `since` has been spent.
    fn spend(&mut self, card: CardId, depth: Depth, since: Stamp);

    /// Replaces keys and notes renewals, all at once.
    fn commit(&mut self, card: CardId, commit: &Commit<'_>);

    /// Stages a renewal, in place of one that is staged.
    fn stage(&mut self, card: CardId, stage: Stage);

    /// The renewal that is staged for the card.
    fn staged(&self, card: CardId) -> Option<&Stage>;

    /// Notes that the card has been met with its stage.
    fn try_stage(&mut self, card: CardId);

    /// Drops the card's stage. A commit does that too.
    fn drop_stage(&mut self, card: CardId);

    /// Notes that the card's pair at `depth` was refused, in place of what was noted.
    fn refuse(&mut self, card: CardId, depth: Depth);

    /// The depth whose pair was refused since the last commit.
    fn refused(&self, card: CardId) -> Option<Depth>;

    /// Forgets what was refused. A commit does that too.
    fn forget_refusal(&mut self, card: CardId);

    /// Notes whether the card can only be issued anew.
    fn recall(&mut self, card: CardId, recalled: bool);

    /// Whether the card can only be issued anew.
    fn is_recalled(&self, card: CardId) -> bool;

    /// Replaces all keys of the card by `pairs`, slot after slot, and notes that nothing that was due until `now` is
    /// due any more.
    fn reissue(&mut self, card: CardId, pairs: &[u8], now: Stamp);
}

/// A committed renewal.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// Whose keys are replaced.
    pub slots: &'a [usize],
    /// The new pairs, one behind the other.
    pub pairs: &'a [u8],
    /// The depths that have been renewed, and since when each was due.
    pub renewed: &'a [(Depth, Stamp)],
}

/// A renewal that the server has made ready, durably, before it sends its randoms.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stage {
    /// What is renewed.
    pub due: Due,
    /// When the connection was assigned the renewal.
    pub opened: SimTime,
    /// The connection that the randoms were sent in last.
    pub connection: ConnectionNo,
    /// The randoms, one behind the other.
    pub randoms: Vec<u8>,
    /// The new pairs, one behind the other.
    pub pairs: Vec<u8>,
    /// Whether the card has been met since.
    pub tried: bool,
}

/// External keys that all users have in common \[0035\].
///
/// The common values are those at issue. A card's first external renewal gives that card a value of its own; the common
/// record is never overwritten, since it is every other card's too.
#[derive(Clone, PartialEq, Eq)]
struct Common {
    /// The first slot of the external ring.
    first: usize,
    /// Its pairs, one behind the other.
    pairs: Vec<u8>,
    /// For each card, one bit for each external key that has become its own.
    own: Vec<u32>,
}

/// The directory in memory, which never fails: flat tables.
#[derive(Clone, PartialEq, Eq)]
pub struct MemoryDirectory {
    pair_length: usize,
    keys_per_card: usize,
    depths: usize,
    pairs: Vec<u8>,
    renewals: Vec<Renewal>,
    common: Option<Common>,
    stages: BTreeMap<CardId, Stage>,
    recalled: BTreeSet<CardId>,
    refused: BTreeMap<CardId, Depth>,
    starts: u32,
}

impl MemoryDirectory {
    /// A directory over `pairs` (`keys_per_card` pairs of `pair_length` bytes for each card), in which every card's last
    /// renewal at each of `depths` depths was in `committed`.
    pub fn new(
        pairs: Vec<u8>,
        keys_per_card: usize,
        pair_length: usize,
        depths: usize,
        committed: Stamp,
    ) -> Self {
        let cards = pairs.len() / (keys_per_card * pair_length);
        let renewal = Renewal { committed, spent: Stamp::NEVER };
        MemoryDirectory {
            pair_length,
            keys_per_card,
            depths,
            pairs,
            renewals: vec![renewal; cards * depths],
            common: None,
            stages: BTreeMap::new(),
            recalled: BTreeSet::new(),
            refused: BTreeMap::new(),
            starts: 0,
        }
    }

    /// The same, with external keys that all cards have in common: their pairs lie in `common`, from slot `first` on.
    pub fn with_common(mut self, first: usize, common: Vec<u8>) -> Self {
        let cards = self.pairs.len() / (self.keys_per_card * self.pair_length);
        self.common = Some(Common { first, pairs: common, own: vec![0; cards] });
        self
    }

    fn offset(&self, card: CardId, slot: usize) -> usize {
        (card.index() * self.keys_per_card + slot) * self.pair_length
    }

    fn renewal_mut(&mut self, card: CardId, depth: Depth) -> &mut Renewal {
        &mut self.renewals[card.index() * self.depths + depth.index()]
    }

    fn replace(&mut self, card: CardId, slot: usize, pair: &[u8]) {
        let offset = self.offset(card, slot);
        self.pairs[offset..][..self.pair_length].copy_from_slice(pair);
        if let Some(common) = &mut self.common
            && let Some(external) = slot.checked_sub(common.first)
        {
            if planted::is(Bug::ServerOverwritesCommon) {
                common.pairs[external * self.pair_length..][..self.pair_length].copy_from_slice(pair);
            }
            common.own[card.index()] |= 1 << external;
        }
    }
}

impl Directory for MemoryDirectory {
    fn start(&mut self) -> u32 {
        if self.starts > 0 && planted::is(Bug::ServerForgetsRefusals) {
            self.refused.clear();
        }
        if self.starts > 0 && planted::is(Bug::ServerForgetsStarts) {
            return 0;
        }
        self.starts += 1;
        self.starts - 1
    }

    fn contains(&self, card: CardId) -> bool {
        self.offset(card, 0) < self.pairs.len()
    }

    fn key(&self, card: CardId, slot: usize) -> &[u8] {
        if let Some(Common { first, pairs, own }) = &self.common
            && let Some(external) = slot.checked_sub(*first)
            && own[card.index()] & 1 << external == 0
        {
            return &pairs[external * self.pair_length..][..self.pair_length];
        }
        &self.pairs[self.offset(card, slot)..][..self.pair_length]
    }

    fn pairs_of(&self, card: CardId) -> Option<&[u8]> {
        let length = self.keys_per_card * self.pair_length;
        self.common.is_none().then(|| &self.pairs[card.index() * length..][..length])
    }

    fn preload(&self, card: CardId) -> u8 {
        let length = self.keys_per_card * self.pair_length;
        let renewal = self.renewals.get(card.index() * self.depths);
        touch(&self.pairs[card.index() * length..][..length])
            ^ u8::from(renewal.is_some_and(|renewal| renewal.committed == Stamp::NEVER))
    }

    fn renewal(&self, card: CardId, depth: Depth) -> Renewal {
        self.renewals[card.index() * self.depths + depth.index()]
    }

    fn spend(&mut self, card: CardId, depth: Depth, since: Stamp) {
        self.renewal_mut(card, depth).spent = since;
    }

    fn commit(&mut self, card: CardId, commit: &Commit<'_>) {
        for (&slot, pair) in commit.slots.iter().zip(commit.pairs.chunks(self.pair_length)) {
            self.replace(card, slot, pair);
        }
        for &(depth, since) in commit.renewed {
            // A card whose own turn has not come yet may be renewed with a deeper pair before.
            let known = self.renewal_mut(card, depth);
            known.committed = known.committed.max(since);
        }
        if !planted::is(Bug::ServerKeepsStage) {
            self.drop_stage(card);
        }
        self.forget_refusal(card);
    }

    fn stage(&mut self, card: CardId, stage: Stage) {
        self.stages.insert(card, stage);
    }

    fn staged(&self, card: CardId) -> Option<&Stage> {
        if self.stages.is_empty() { None } else { self.stages.get(&card) }
    }

    fn try_stage(&mut self, card: CardId) {
        if let Some(stage) = self.stages.get_mut(&card) {
            stage.tried = true;
        }
    }

    fn drop_stage(&mut self, card: CardId) {
        if !self.stages.is_empty() {
            self.stages.remove(&card);
        }
    }

    fn refuse(&mut self, card: CardId, depth: Depth) {
        self.refused.insert(card, depth);
    }

    fn refused(&self, card: CardId) -> Option<Depth> {
        if self.refused.is_empty() { None } else { self.refused.get(&card).copied() }
    }

    fn forget_refusal(&mut self, card: CardId) {
        if !self.refused.is_empty() {
            self.refused.remove(&card);
        }
    }

    fn recall(&mut self, card: CardId, recalled: bool) {
        if recalled {
            self.recalled.insert(card);
        } else {
            self.recalled.remove(&card);
        }
    }

    fn is_recalled(&self, card: CardId) -> bool {
        !self.recalled.is_empty() && self.recalled.contains(&card)
    }

    fn reissue(&mut self, card: CardId, pairs: &[u8], now: Stamp) {
        for (slot, pair) in pairs.chunks(self.pair_length).enumerate() {
            self.replace(card, slot, pair);
        }
        let renewals = &mut self.renewals[card.index() * self.depths..][..self.depths];
        renewals.fill(Renewal { committed: now, spent: Stamp::NEVER });
        self.recalled.remove(&card);
        self.drop_stage(card);
        self.forget_refusal(card);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: usize = 2;

    fn directory() -> MemoryDirectory {
        MemoryDirectory::new(vec![0; 2 * 3 * PAIR], 3, PAIR, 1, Stamp::NEVER).with_common(1, vec![7, 7, 8, 8])
    }

    #[test]
    fn a_commit_gives_one_card_a_key_of_its_own_and_leaves_the_common_one() {
        let mut directory = directory();
        let (one, other) = (CardId(0), CardId(1));
        assert_eq!(directory.key(one, 0), [0, 0], "internal keys are never common");
        assert_eq!(directory.key(one, 2), [8, 8]);
        let commit = Commit { slots: &[0, 2], pairs: &[1, 1, 2, 2], renewed: &[(Depth(0), Stamp::NEVER)] };
        directory.commit(one, &commit);
        assert_eq!(
            (directory.key(one, 0), directory.key(one, 1), directory.key(one, 2)),
            (&[1, 1][..], &[7, 7][..], &[2, 2][..])
        );
        assert_eq!((directory.key(other, 0), directory.key(other, 2)), (&[0, 0][..], &[8, 8][..]));
    }

    #[test]
    fn a_card_that_is_issued_anew_is_no_longer_recalled_and_owes_nothing() {
        let mut directory = directory();
        directory.recall(CardId(1), true);
        assert!(directory.is_recalled(CardId(1)) && !directory.is_recalled(CardId(0)));
        let now = Stamp::at(crate::SimTime::from_ns(5));
        directory.reissue(CardId(1), &[1, 1, 2, 2, 3, 3], now);
        assert!(!directory.is_recalled(CardId(1)));
        assert_eq!(directory.key(CardId(1), 2), [3, 3]);
        assert_eq!(directory.renewal(CardId(1), Depth(0)).committed, now);
        assert_eq!(directory.renewal(CardId(0), Depth(0)).committed, Stamp::NEVER);
    }

    #[test]
    fn starts_are_counted() {
        let mut directory = directory();
        assert_eq!((directory.start(), directory.start()), (0, 1));
    }
}

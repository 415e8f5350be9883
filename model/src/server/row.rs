//! All that a client directory keeps of one card, as a value and as bytes: what a database stores.
//!
//! [`super::MemoryDirectory`] keeps the same in flat tables. Which changes are asked for, and when, is the server's
//! business.

use super::directory::{Commit, Stage};
use super::policy::{Due, Renewal, Stamp};
use crate::ids::{ConnectionNo, Depth};
use crate::time::SimTime;

/// A card's row in a client directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The pairs of its keys, slot after slot.
    pairs: Vec<u8>,
    /// One bit for each slot whose pair has replaced the one at issue.
    replaced: u64,
    renewals: Vec<Renewal>,
    stage: Option<Stage>,
    refused: Option<Depth>,
    recalled: bool,
}

/// How a row begins: version, flags, refused depth, depths, replaced slots, bytes of all pairs.
const HEAD: usize = 1 + 1 + 1 + 1 + 8 + 4;
/// How a stage begins: depth, flags, since, opened, connection, bytes of its randoms.
const STAGE: usize = 1 + 1 + 8 + 8 + 8 + 4;
/// The version of the coding.
const VERSION: u8 = 1;
/// No depth was refused.
const NONE: u8 = 0xff;

const RECALLED: u8 = 1;
const STAGED: u8 = 2;
const TRIED: u8 = 1;
const ESCALATED: u8 = 2;

impl Row {
    /// The row of a card that is issued with `pairs`, whose last renewal at each of `depths` depths was in `committed`.
    pub fn issued(pairs: &[u8], depths: usize, committed: Stamp) -> Self {
        let renewal = Renewal { committed, spent: Stamp::NEVER };
        Row {
            pairs: pairs.to_vec(),
            replaced: 0,
            renewals: vec![renewal; depths],
            stage: None,
            refused: None,
            recalled: false,
        }
    }

    /// Bytes of the coding of a row with so many bytes of pairs and so many depths, and nothing on stage.
    pub const fn bytes(pairs: usize, depths: usize) -> usize {
        HEAD + pairs + 16 * depths
    }

    /// The pair at `slot`, if each has `length` bytes.
    pub fn pair(&self, slot: usize, length: usize) -> &[u8] {
        &self.pairs[slot * length..][..length]
    }

    /// Whether the pair at `slot` is another one than at issue.
    pub const fn is_replaced(&self, slot: usize) -> bool {
        self.replaced & 1 << slot != 0
    }

    /// What is known of the renewals at `depth`.
    pub fn renewal(&self, depth: Depth) -> Renewal {
        self.renewals[depth.index()]
    }

    /// What is staged.
    pub const fn staged(&self) -> Option<&Stage> {
        self.stage.as_ref()
    }

    /// The depth whose pair was refused since the last commit.
    pub const fn refused(&self) -> Option<Depth> {
        self.refused
    }

    /// Whether the card can only be issued anew.
    pub const fn is_recalled(&self) -> bool {
        self.recalled
    }

    /// See [`super::Directory::spend`].
    pub fn spend(&mut self, depth: Depth, since: Stamp) {
        self.renewals[depth.index()].spent = since;
    }

    /// See [`super::Directory::commit`].
    pub fn commit(&mut self, commit: &Commit<'_>, length: usize) {
        for (&slot, pair) in commit.slots.iter().zip(commit.pairs.chunks(length)) {
            self.replace(slot, pair);
        }
        for &(depth, since) in commit.renewed {
            let known = &mut self.renewals[depth.index()].committed;
            *known = (*known).max(since);
        }
        self.stage = None;
        self.refused = None;
    }

    /// Stages a renewal, or drops what is staged.
    pub fn stage(&mut self, stage: Option<Stage>) {
        self.stage = stage;
    }

    /// Notes that the card has been met with its stage, if it has one.
    pub const fn try_stage(&mut self) {
        if let Some(stage) = &mut self.stage {
            stage.tried = true;
        }
    }

    /// Notes which depth was refused, if any.
    pub const fn refuse(&mut self, depth: Option<Depth>) {
        self.refused = depth;
    }

    /// Notes whether the card can only be issued anew.
    pub const fn recall(&mut self, recalled: bool) {
        self.recalled = recalled;
    }

    /// See [`super::Directory::reissue`].
    pub fn reissue(&mut self, pairs: &[u8], length: usize, now: Stamp) {
        for (slot, pair) in pairs.chunks(length).enumerate() {
            self.replace(slot, pair);
        }
        self.renewals.fill(Renewal { committed: now, spent: Stamp::NEVER });
        (self.stage, self.refused, self.recalled) = (None, None, false);
    }

    fn replace(&mut self, slot: usize, pair: &[u8]) {
        self.pairs[slot * pair.len()..][..pair.len()].copy_from_slice(pair);
        self.replaced |= 1 << slot;
    }

    /// Appends the coding of the row.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let flags = if self.recalled { RECALLED } else { 0 } | if self.stage.is_some() { STAGED } else { 0 };
        let refused = self.refused.map_or(NONE, |depth| depth.0);
        out.extend_from_slice(&[VERSION, flags, refused, self.renewals.len() as u8]);
        out.extend_from_slice(&self.replaced.to_le_bytes());
        out.extend_from_slice(&(self.pairs.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.pairs);
        for Renewal { committed, spent } in &self.renewals {
            out.extend_from_slice(&committed.number().to_le_bytes());
            out.extend_from_slice(&spent.number().to_le_bytes());
        }
        let Some(Stage { due, opened, connection, randoms, pairs, tried }) = &self.stage else { return };
        let flags = if *tried { TRIED } else { 0 } | if due.escalated { ESCALATED } else { 0 };
        out.extend_from_slice(&[due.depth.0, flags]);
        for number in [due.since.number(), opened.as_ns(), connection.0] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&(randoms.len() as u32).to_le_bytes());
        out.extend_from_slice(randoms);
        out.extend_from_slice(pairs);
    }

    /// The row that has been coded as `bytes`; `None`: they are the coding of none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (&[version, flags, refused, depths], rest) = bytes.split_first_chunk()?;
        let (replaced, rest) = rest.split_first_chunk()?;
        let (pairs, rest) = counted(rest)?;
        let (renewals, rest) = rest.split_at_checked(16 * usize::from(depths))?;
        let staged = flags & STAGED != 0;
        if version != VERSION || flags & !(RECALLED | STAGED) != 0 || staged == rest.is_empty() {
            return None;
        }
        let stamp = |bytes: &[u8]| Some(Stamp::numbered(u64::from_le_bytes(bytes.try_into().ok()?)));
        let renewals = renewals.chunks_exact(16).map(|both| {
            let (committed, spent) = both.split_at(8);
            Some(Renewal { committed: stamp(committed)?, spent: stamp(spent)? })
        });
        Some(Row {
            pairs: pairs.to_vec(),
            replaced: u64::from_le_bytes(*replaced),
            renewals: renewals.collect::<Option<_>>()?,
            stage: if staged { Some(decode_stage(rest)?) } else { None },
            refused: (refused != NONE).then_some(Depth(refused)),
            recalled: flags & RECALLED != 0,
        })
    }
}

fn decode_stage(bytes: &[u8]) -> Option<Stage> {
    if bytes.len() < STAGE {
        return None;
    }
    let (&[depth, flags], rest) = bytes.split_first_chunk()?;
    let (since, rest) = rest.split_first_chunk()?;
    let (opened, rest) = rest.split_first_chunk()?;
    let (connection, rest) = rest.split_first_chunk()?;
    let (randoms, pairs) = counted(rest)?;
    if flags & !(TRIED | ESCALATED) != 0 {
        return None;
    }
    let since = Stamp::numbered(u64::from_le_bytes(*since));
    Some(Stage {
        due: Due { depth: Depth(depth), since, escalated: flags & ESCALATED != 0 },
        opened: SimTime::from_ns(u64::from_le_bytes(*opened)),
        connection: ConnectionNo(u64::from_le_bytes(*connection)),
        randoms: randoms.to_vec(),
        pairs: pairs.to_vec(),
        tried: flags & TRIED != 0,
    })
}

/// As many bytes as the first four say, and what lies behind them.
fn counted(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> [Row; 3] {
        let plain = Row::issued(&[7; 6], 2, Stamp::at(SimTime::from_ns(3)));
        let mut changed = plain.clone();
        changed.spend(Depth(1), Stamp::at(SimTime::from_ns(8)));
        let renewed = &[(Depth(0), Stamp::ordered_at(SimTime::from_ns(9)))];
        changed.commit(&Commit { slots: &[2], pairs: &[1, 2], renewed }, 2);
        changed.refuse(Some(Depth(1)));
        changed.recall(true);
        let mut staged = plain.clone();
        staged.stage(Some(Stage {
            due: Due { depth: Depth(1), since: Stamp::at(SimTime::from_ns(5)), escalated: true },
            opened: SimTime::from_ns(6),
            connection: ConnectionNo(1 << 40),
            randoms: vec![4; 3],
            pairs: vec![5; 4],
            tried: false,
        }));
        [plain, changed, staged]
    }

    #[test]
    fn a_row_is_what_its_coding_says() {
        for row in rows() {
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            assert_eq!(Row::decode(&bytes).as_ref(), Some(&row));
            if row.staged().is_none() {
                assert_eq!(bytes.len(), Row::bytes(6, 2));
            }
            let mut tried = row.clone();
            tried.try_stage();
            let mut coded = Vec::new();
            tried.encode(&mut coded);
            assert_eq!(Row::decode(&coded), Some(tried));
        }
    }

    #[test]
    fn what_is_cut_short_or_of_another_version_is_no_row() {
        for row in rows() {
            let mut bytes = Vec::new();
            row.encode(&mut bytes);
            let end = if row.staged().is_some() { bytes.len() - 4 } else { bytes.len() };
            for length in (0..end).filter(|&length| length != Row::bytes(6, 2)) {
                assert_eq!(Row::decode(&bytes[..length]), None, "{length} bytes");
            }
            bytes[0] += 1;
            assert_eq!(Row::decode(&bytes), None);
        }
    }
}

//! The card's files (Fig. 3 of the patent, \[0038\]), and what SELECT and READ BINARY say of them (ISO 7816-4, 11.2 and
//! 11.3).
//!
//! ```text
//! MF 3F00
//!  ├─ DF1 DF01, named DF1_NAME
//!  │   ├─ IEF1 0001, which holds Kai[1]
//!  │   ├─ …
//!  │   └─ IEF7 0007, which holds Kae[4]
//!  ├─ DF2 DF02
//!  └─ DF3 DF03
//! ```
//!
//! An internal EF holds what only the card itself reads: there is one per key, in slot order. Keys belong to DF1.

use crate::apdu::{Command, StatusWord};
use crate::ids::CardId;

/// Identifier of the master file.
pub const MF: FileId = FileId(0x3f00);
/// Identifier of DF1, below which the keys lie.
pub const DF1: FileId = FileId(0xdf01);
/// Identifier of DF2, which is empty.
pub const DF2: FileId = FileId(0xdf02);
/// Identifier of DF3, which is empty.
pub const DF3: FileId = FileId(0xdf03);
/// The name of DF1: proprietary (its first half byte is F, ISO 7816-4, 12.2.3), and then "KEYSTORM".
pub const DF1_NAME: [u8; 9] = *b"\xf0KEYSTORM";
/// Tag of the card's number, four bytes, in the control information of DF1.
pub const TAG_CARD_NUMBER: u8 = 0xc0;

/// A file identifier.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId(pub u16);

/// The identifier of the internal EF that holds the key in `slot`.
pub const fn ief(slot: usize) -> FileId {
    FileId(1 + slot as u16)
}

/// A dedicated file, or the master file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Df {
    Mf,
    Df1,
    Df2,
    Df3,
}

/// What is selected: a DF, and perhaps an internal EF in it, by its slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Selected {
    pub(super) df: Df,
    pub(super) ef: Option<usize>,
}

const CHILDREN: [Df; 3] = [Df::Df1, Df::Df2, Df::Df3];

impl Df {
    const fn id(self) -> FileId {
        match self {
            Df::Mf => MF,
            Df::Df1 => DF1,
            Df::Df2 => DF2,
            Df::Df3 => DF3,
        }
    }

    /// The DF with that identifier directly below this one.
    fn child(self, id: FileId) -> Option<Df> {
        CHILDREN.into_iter().find(|child| self == Df::Mf && child.id() == id)
    }

    /// The slot of the internal EF with that identifier directly below this DF, in a card of so many keys.
    fn internal_ef(self, id: FileId, keys: usize) -> Option<usize> {
        (0..keys).find(|&slot| self == Df::Df1 && ief(slot) == id)
    }

    const fn alone(self) -> Selected {
        Selected { df: self, ef: None }
    }
}

impl Selected {
    /// What is selected after a reset.
    pub(super) const fn after_reset(implicit_df: bool) -> Self {
        if implicit_df { Df::Df1.alone() } else { Df::Mf.alone() }
    }

    /// The file that a SELECT means, in a card of so many keys.
    pub(super) fn find(self, command: &Command<'_>, keys: usize) -> Result<Selected, StatusWord> {
        let id = || match *command.data {
            [high, low] => Ok(FileId(u16::from_be_bytes([high, low]))),
            _ => Err(StatusWord::WRONG_LENGTH),
        };
        let found = match command.p1 {
            0x00 if command.data.is_empty() => Some(Df::Mf.alone()),
            0x00 => self.by_id(id()?, keys),
            0x01 => self.df.child(id()?).map(Df::alone),
            0x02 => {
                let slot = self.df.internal_ef(id()?, keys);
                slot.map(|slot| Selected { df: self.df, ef: Some(slot) })
            }
            0x03 if !command.data.is_empty() => return Err(StatusWord::WRONG_LENGTH),
            0x03 => (self.df != Df::Mf).then_some(Df::Mf.alone()),
            0x04 if !(1..=16).contains(&command.data.len()) => return Err(StatusWord::WRONG_LENGTH),
            0x04 => (command.data == DF1_NAME).then_some(Df::Df1.alone()),
            0x08 => by_path(command.data, keys)?,
            _ => return Err(StatusWord::WRONG_P1_P2),
        };
        found.ok_or(StatusWord::NO_FILE)
    }

    /// The master file, a file below the current DF, its parent, or a sibling of it: in this order.
    fn by_id(self, id: FileId, keys: usize) -> Option<Selected> {
        if id == MF {
            return Some(Df::Mf.alone());
        }
        if let Some(slot) = self.df.internal_ef(id, keys) {
            return Some(Selected { df: self.df, ef: Some(slot) });
        }
        Df::Mf.child(id).map(Df::alone)
    }

    /// Appends the control information of what is selected.
    pub(super) fn control_information(self, card: CardId, out: &mut Vec<u8>) {
        let start = out.len();
        let id = self.ef.map_or(self.df.id(), ief);
        out.extend_from_slice(&[0x6f, 0, 0x83, 2]);
        out.extend_from_slice(&id.0.to_be_bytes());
        if self == Df::Df1.alone() {
            out.extend_from_slice(&[0x84, DF1_NAME.len() as u8]);
            out.extend_from_slice(&DF1_NAME);
            out.extend_from_slice(&[0xa5, 6, TAG_CARD_NUMBER, 4]);
            out.extend_from_slice(&card.0.to_be_bytes());
        }
        out[start + 1] = (out.len() - start - 2) as u8;
    }

    /// How long that is.
    pub(super) const fn control_length(self) -> usize {
        let is_df1 = matches!(self, Selected { df: Df::Df1, ef: None });
        if is_df1 { 6 + 2 + DF1_NAME.len() + 8 } else { 6 }
    }
}

/// The file at the end of a path that begins below the master file.
fn by_path(path: &[u8], keys: usize) -> Result<Option<Selected>, StatusWord> {
    let (ids, []) = path.as_chunks() else { return Err(StatusWord::WRONG_LENGTH) };
    if ids.is_empty() {
        return Err(StatusWord::WRONG_LENGTH);
    }
    let mut at = Df::Mf.alone();
    for &id in ids {
        let id = FileId(u16::from_be_bytes(id));
        let below = match at.df.child(id) {
            Some(df) => Some(df.alone()),
            None => at.df.internal_ef(id, keys).map(|slot| Selected { df: at.df, ef: Some(slot) }),
        };
        match below {
            Some(next) if at.ef.is_none() => at = next,
            _ => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// The number of a card in the control information of its DF1.
pub fn card_number(control_information: &[u8]) -> Option<CardId> {
    let number = |(tag, value): (u8, &[u8])| {
        let value = <[u8; 4]>::try_from(value).ok().filter(|_| tag == TAG_CARD_NUMBER)?;
        Some(CardId(u32::from_be_bytes(value)))
    };
    let template = objects(control_information).find(|&(tag, _)| tag == 0x6f)?.1;
    let own = objects(template).find(|&(tag, _)| tag == 0xa5)?.1;
    objects(own).find_map(number)
}

/// The data objects of a template, each with a tag and a length of one byte.
fn objects(mut bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    core::iter::from_fn(move || {
        let (&[tag, length], rest) = bytes.split_first_chunk()?;
        let (value, rest) = rest.split_at_checked(length.into())?;
        bytes = rest;
        Some((tag, value))
    })
}

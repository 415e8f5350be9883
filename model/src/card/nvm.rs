//! The card's non-volatile memory: keys and retry counters in pages, how a value gets there, and what is left of it
//! when power fails on the way.
//!
//! A page is erased, then written. A write of a page passes three moments at which power can fail: before the erasure
//! (the old contents stand), erased (the whole page is lost, and with it every key and counter that overlaps it), and
//! written (the new contents are durable). [`WriteMode`] says what a card does about that.
//!
//! A real card keeps a checksum with each key. The simulator keeps the result of the comparison in its place: a bit per
//! key that says "its checksum does not match". The bytes of such a torn key are what the erasure left.

use core::ops::Range;

use crate::ids::CardId;
use crate::layout::KeyLayout;
use crate::planted::{self, Bug};

use super::CardType;
use super::pages::{Bank, Pages, Value};
use super::power::{Power, PowerLost, Remains};

/// How a value is written, and what a power loss in the middle of it leaves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WriteMode {
    /// Its pages one after another. A page that is lost in between stays lost.
    InPlace,
    /// The old pages and a valid flag are written to a log first, then the pages in place, then the flag is cleared. While
    /// the flag is valid, the next power-up restores the old pages.
    UndoLog,
    /// The new pages are written to spare ones, then one byte is flipped, which puts them in the place of the old ones.
    ShadowPage,
}

impl WriteMode {
    /// Every mode, in the order of the documentation.
    pub const ALL: [WriteMode; 3] = [WriteMode::InPlace, WriteMode::UndoLog, WriteMode::ShadowPage];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            WriteMode::InPlace => "in-place",
            WriteMode::UndoLog => "undo-log",
            WriteMode::ShadowPage => "shadow-page",
        }
    }

    /// Moments at which power can fail while a value of so many pages is written.
    const fn moments(self, pages: u32) -> u32 {
        match self {
            WriteMode::InPlace => PAGE_MOMENTS * pages,
            WriteMode::UndoLog => LOG_MOMENTS + PAGE_MOMENTS * pages + FLIP_MOMENTS,
            WriteMode::ShadowPage => PAGE_MOMENTS * pages + FLIP_MOMENTS,
        }
    }
}

/// Moments of a page write: before erase, erased, written.
const PAGE_MOMENTS: u32 = 3;
/// Moments in which the log is written, its valid flag included: before, erased, valid.
const LOG_MOMENTS: u32 = 3;
/// Moments of a change of one byte, which cannot be seen half done: before it, after it.
const FLIP_MOMENTS: u32 = 2;

/// Where keys and counters lie in pages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PageLayout {
    /// Keys one behind the other in slot order, through the pages; all counters together in one page of their own.
    Packed,
    /// Every key begins a page of its own, and every counter has one.
    PagePerKey,
}

impl PageLayout {
    /// Both, in the order of the documentation.
    pub const ALL: [PageLayout; 2] = [PageLayout::Packed, PageLayout::PagePerKey];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            PageLayout::Packed => "packed",
            PageLayout::PagePerKey => "page-per-key",
        }
    }
}

/// What a card's memory is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nvm {
    /// How values are written.
    pub mode: WriteMode,
    /// Where they lie.
    pub layout: PageLayout,
    /// Bytes of a page, 16..=256. A counter takes half a byte, so that the 31 of a card fit into the smallest page.
    pub page: u16,
    /// How often a page can be erased and written. Past that the card refuses to write it.
    pub endurance: u32,
}

impl Nvm {
    /// An undo log over packed pages of 64 bytes that last 100,000 cycles, the least that data sheets of EEPROM promise.
    pub const fn standard() -> Self {
        Nvm { mode: WriteMode::UndoLog, layout: PageLayout::Packed, page: 64, endurance: 100_000 }
    }
}

/// What a card's memory holds besides its block: which keys are torn, and the undo log while it is valid.
#[derive(Clone, Default, Debug)]
pub struct Marks {
    /// A bit per slot; 62 keys at most.
    torn: u64,
    log: Option<Box<UndoLog>>,
}

const _: () = assert!(size_of::<Marks>() == 16, "every card of a fleet has them");

impl Marks {
    /// Whether the next power-up has something to restore.
    pub const fn is_unsettled(&self) -> bool {
        self.log.is_some()
    }

    /// Which keys are torn, a bit per slot.
    pub const fn torn(&self) -> u64 {
        self.torn
    }
}

/// The old pages of a value that was being written.
#[derive(Clone, Debug)]
struct UndoLog {
    value: Value,
    images: Vec<u8>,
    torn: u64,
}

/// Why a value was not written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unwritten {
    PowerLost,
    /// A page of it is worn out; nothing has changed.
    WornOut,
}

/// One card's non-volatile memory, borrowed from wherever the fleet's is kept.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The card's number, which never changes.
    pub number: CardId,
    /// The keys, as [`KeyLayout::on_card`] lays them out.
    pub keys: &'a mut [u8],
    /// Tries left, one byte per external key, `Kae[1]` first.
    pub tries: &'a mut [u8],
    /// How often each page was erased and written, little-endian.
    wear: &'a mut [[u8; 4]],
    marks: &'a mut Marks,
}

impl<'a> Memory<'a> {
    /// The memory of the card with that number whose block and marks these are. The block has
    /// [`CardType::memory_bytes`] bytes: the keys, the tries left, and four bytes of wear for each page.
    pub fn over(kind: &CardType, number: CardId, block: &'a mut [u8], marks: &'a mut Marks) -> Self {
        let (keys, rest) = block.split_at_mut(kind.layout().len());
        let (tries, wear) = rest.split_at_mut(usize::from(kind.shape.external()));
        let (wear, _) = wear.as_chunks_mut();
        Memory { number, keys, tries, wear, marks }
    }

    /// Whether the checksum of the key in `slot` does not match.
    pub fn is_torn(&self, slot: usize) -> bool {
        self.marks.torn & bit(slot) != 0
    }

    /// Whether a log waits for the next power-up.
    pub fn is_unsettled(&self) -> bool {
        self.marks.is_unsettled()
    }

    /// How often `page` was erased and written.
    pub fn wear(&self, page: usize) -> u32 {
        u32::from_le_bytes(self.wear[page])
    }

    /// Page writes so far, of all pages.
    pub fn writes(&self) -> u32 {
        total_wear(self.wear)
    }

    fn wear_out(&mut self, page: usize) {
        self.wear[page] = self.wear(page).saturating_add(1).to_le_bytes();
    }

    /// The key at `slot`, torn or not.
    pub fn key(&self, layout: KeyLayout, slot: usize) -> &[u8] {
        &self.keys[layout.range(slot)]
    }

    /// Whether no page of `values` is too worn to be written as often as they take.
    pub(super) fn lasts(&self, kind: &CardType, values: &[Value]) -> bool {
        let pages = kind.pages();
        let endurance = kind.rules.nvm.endurance;
        let most = values.len() as u32;
        values.iter().flat_map(|&value| pages.of(value)).all(|page| {
            let wear = self.wear(page);
            let writes = || values.iter().filter(|&&value| pages.of(value).contains(&page)).count();
            // Only a page that is nearly worn out has to be looked at closely.
            wear.saturating_add(most) <= endurance || wear.saturating_add(writes() as u32) <= endurance
        })
    }

    /// Replaces a value; returns how many pages were written. A key that is stored is whole again.
    pub(super) fn write(
        &mut self,
        kind: &CardType,
        value: Value,
        new: &[u8],
        power: &mut Power,
    ) -> Result<u32, Unwritten> {
        let pages = kind.pages();
        let range = pages.of(value);
        let count = range.len() as u32;
        if range.clone().any(|page| self.wear(page) >= kind.rules.nvm.endurance) {
            return Err(Unwritten::WornOut);
        }
        if let Some(moment) = power.spend(kind.rules.nvm.mode.moments(count)) {
            self.write_until(kind, value, new, moment, power.remains());
            return Err(Unwritten::PowerLost);
        }
        for page in range {
            self.wear_out(page);
        }
        match value {
            Value::Key(slot) => {
                self.keys[pages.keys.range(slot)].copy_from_slice(new);
                self.marks.torn &= !bit(slot);
            }
            Value::Counter(index) => self.tries[index] = new[0],
        }
        Ok(count)
    }

    /// Restores the old pages that a valid log holds, and clears its flag; returns how many pages were written. Worn
    /// pages are written too: a card finishes what it has begun. If power fails, the log stays for the next power-up.
    pub(super) fn recover(&mut self, kind: &CardType, power: &mut Power) -> Result<u32, PowerLost> {
        let Some(log) = self.marks.log.take() else { return Ok(0) };
        let pages = kind.pages();
        let count = pages.of(log.value).len() as u32;
        let moment = power.spend(PAGE_MOMENTS * count + FLIP_MOMENTS);
        let program = Program { pages, value: log.value, images: &log.images, torn_after: log.torn };
        self.program(&program, moment.unwrap_or(u32::MAX), power.remains());
        match moment {
            None => Ok(count),
            Some(moment) => {
                let flag_is_valid = moment <= PAGE_MOMENTS * count;
                self.marks.log = flag_is_valid.then_some(log);
                Err(PowerLost)
            }
        }
    }

    /// Writes a value until power fails at `moment` of those that its write passes.
    fn write_until(&mut self, kind: &CardType, value: Value, new: &[u8], moment: u32, remains: Remains) {
        let pages = kind.pages();
        let (bank, span) = pages.span(value);
        let old = self.bank(bank)[span.clone()].to_vec();
        let mut images = old.clone();
        let place = pages.place(value);
        images[place.start - span.start..place.end - span.start].copy_from_slice(new);
        let torn_after = self.marks.torn & !value.slot().map_or(0, bit);
        let program = Program { pages, value, images: &images, torn_after };
        let in_place = PAGE_MOMENTS * pages.of(value).len() as u32;
        match kind.rules.nvm.mode {
            WriteMode::InPlace => self.program(&program, moment, remains),
            WriteMode::UndoLog => {
                // Before its last moment the log is not valid, and nothing else has been touched.
                let Some(moment) = (moment + 1).checked_sub(LOG_MOMENTS) else { return };
                let torn = self.marks.torn;
                let log = Box::new(UndoLog { value, images: old, torn });
                // `moment` counts from the end of the log's own moments, 0 being that end.
                if let Some(moment) = moment.checked_sub(1) {
                    self.program(&program, moment, remains);
                }
                let flag_is_cleared = moment == in_place + FLIP_MOMENTS;
                self.marks.log = (!flag_is_cleared && !planted::is(Bug::CardDropsLogEarly)).then_some(log);
            }
            WriteMode::ShadowPage => {
                let flipped = moment == in_place + FLIP_MOMENTS - 1;
                if flipped {
                    self.program(&program, u32::MAX, remains);
                    return;
                }
                // The spare page that is written for a page wears for it.
                for (number, page) in (0..).zip(pages.of(value)) {
                    if moment > PAGE_MOMENTS * number {
                        self.wear_out(page);
                    }
                }
            }
        }
    }

    /// Erases and writes the pages of a value in place, until power fails at `moment`.
    fn program(&mut self, program: &Program<'_>, moment: u32, remains: Remains) {
        let Program { pages, value, images, torn_after } = *program;
        let (bank, span) = pages.span(value);
        let range = pages.of(value);
        let last = range.end - 1;
        for (number, page) in (0..).zip(range) {
            let Some(phase) = moment.checked_sub(PAGE_MOMENTS * number).filter(|&phase| phase > 0) else {
                return;
            };
            let contents = pages.contents(page);
            self.wear_out(page);
            if phase == 1 {
                self.lose(pages, bank, contents, remains);
                return;
            }
            let image = &images[contents.start - span.start..contents.end - span.start];
            self.bank_mut(bank)[contents.clone()].copy_from_slice(image);
            let written = |slot: usize| if page < last && value.slot() == Some(slot) { bit(slot) } else { 0 };
            for slot in pages.keys_in(bank, &contents) {
                self.marks.torn = self.marks.torn & !bit(slot) | torn_after & bit(slot) | written(slot);
            }
        }
    }

    /// What an erased page has lost.
    fn lose(&mut self, pages: Pages, bank: Bank, contents: Range<usize>, remains: Remains) {
        for slot in pages.keys_in(bank, &contents) {
            self.marks.torn |= bit(slot);
        }
        match bank {
            Bank::Keys => remains.fill(&mut self.keys[contents]),
            // A counter that cannot be read counts as spent.
            Bank::Counters => self.tries[contents].fill(0),
        }
    }

    fn bank(&self, bank: Bank) -> &[u8] {
        match bank {
            Bank::Keys => self.keys,
            Bank::Counters => self.tries,
        }
    }

    fn bank_mut(&mut self, bank: Bank) -> &mut [u8] {
        match bank {
            Bank::Keys => self.keys,
            Bank::Counters => self.tries,
        }
    }
}

/// Pages to be written in place: those of `value`, with what they and which torn bits are to be.
#[derive(Clone, Copy)]
struct Program<'a> {
    pages: Pages,
    value: Value,
    images: &'a [u8],
    torn_after: u64,
}

const fn bit(slot: usize) -> u64 {
    1 << slot
}

fn total_wear(wear: &[[u8; 4]]) -> u32 {
    wear.iter().map(|&wear| u32::from_le_bytes(wear)).fold(0, u32::saturating_add)
}

/// A card's memory that belongs to nobody's table: for tests, for trials on a copy, for small fleets.
#[derive(Clone, Debug)]
pub struct Chip {
    number: CardId,
    block: Vec<u8>,
    marks: Marks,
}

impl Chip {
    /// The memory of a card that is issued with these keys.
    pub fn issued(kind: &CardType, number: CardId, keys: &[u8]) -> Self {
        let mut chip = Chip { number, block: vec![0; kind.memory_bytes()], marks: Marks::default() };
        let memory = chip.memory(kind);
        memory.keys.copy_from_slice(keys);
        memory.tries.fill(kind.rules.tries);
        chip
    }

    /// A copy of the memory that a table holds.
    pub fn copy_of(number: CardId, block: &[u8], marks: &Marks) -> Self {
        Chip { number, block: block.to_vec(), marks: marks.clone() }
    }

    /// The memory, to be used by a card.
    pub fn memory(&mut self, kind: &CardType) -> Memory<'_> {
        Memory::over(kind, self.number, &mut self.block, &mut self.marks)
    }

    /// What a power-up makes of it.
    pub fn settled(mut self, kind: &CardType) -> Self {
        self.memory(kind).recover(kind, &mut Power::steady()).expect("steady power lasts");
        self
    }

    /// All keys.
    pub fn keys(&self, kind: &CardType) -> &[u8] {
        &self.block[..kind.layout().len()]
    }

    /// Tries left, `Kae[1]` first.
    pub fn tries(&self, kind: &CardType) -> &[u8] {
        &self.block[kind.layout().len()..][..usize::from(kind.shape.external())]
    }

    /// Torn keys and log.
    pub const fn marks(&self) -> &Marks {
        &self.marks
    }

    /// Page writes so far, of all pages.
    pub fn writes(&self, kind: &CardType) -> u32 {
        writes_of(kind, &self.block)
    }
}

/// Page writes so far of the card whose memory `block` is.
pub fn writes_of(kind: &CardType, block: &[u8]) -> u32 {
    total_wear(wear_in(kind, block))
}

/// How often the page was written that was written most, of the card whose memory `block` is.
pub fn most_worn(kind: &CardType, block: &[u8]) -> u32 {
    wear_in(kind, block).iter().map(|&wear| u32::from_le_bytes(wear)).max().unwrap_or(0)
}

fn wear_in<'b>(kind: &CardType, block: &'b [u8]) -> &'b [[u8; 4]] {
    block[kind.layout().len() + usize::from(kind.shape.external())..].as_chunks().0
}

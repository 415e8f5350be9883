//! A second card, as simple as can be, that predicts the first: whatever commands, resets and power failures come.
//!
//! It knows values where the card knows bytes and pages, a torn key as no value, and a power failure by counting
//! moments. It takes the card's challenges as they come.

use super::*;
use crate::card::files::{DF1_NAME, ief};

/// A short APDU in parts.
#[derive(Clone, Debug)]
pub(super) struct Apdu {
    pub(super) head: [u8; 4],
    pub(super) data: Vec<u8>,
    pub(super) le: Option<u8>,
}

impl Apdu {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.to_vec();
        if !self.data.is_empty() {
            bytes.push(self.data.len() as u8);
            bytes.extend_from_slice(&self.data);
        }
        bytes.extend(self.le);
        bytes
    }
}

/// What the card is to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Says {
    This(Vec<u8>, u16),
    /// A challenge.
    Anything,
    /// Nothing: power failed.
    Nothing,
}

type Key = [u8; KEY];

/// A write that power has failed in, whose old pages come back at the next power-up.
#[derive(Clone, Debug)]
struct Pending(Vec<usize>);

pub(super) struct Reference {
    kind: CardType,
    /// Slot after slot; `None`: torn.
    pub(super) keys: Vec<Option<Key>>,
    pub(super) tries: Vec<u8>,
    pub(super) wear: Vec<u32>,
    pending: Option<Pending>,
    /// 0 is the master file, 1 to 3 are DFs.
    pub(super) df: u8,
    pub(super) ef: Option<usize>,
    pub(super) challenge: Option<Vec<u8>>,
    answers: Vec<(u8, Vec<u8>)>,
    pub(super) server: Option<(Option<u8>, u8)>,
    chain: Option<([u8; 4], Vec<u8>)>,
    waiting: Vec<u8>,
    /// Moments until power fails.
    budget: Option<u32>,
    pub(super) moments: u32,
}

/// Why a command ends before its end.
enum Stop {
    Refused(u16),
    Cut,
}

use Stop::{Cut, Refused};

#[derive(Clone, Copy)]
enum What {
    Key(usize),
    Tries(usize),
}

impl Reference {
    pub(super) fn new(kind: CardType, keys: &[u8]) -> Self {
        let keys: Vec<_> = keys.chunks(KEY).map(|key| Some(key.try_into().unwrap())).collect();
        let mut reference = Reference {
            tries: vec![kind.rules.tries; kind.shape.external().into()],
            wear: Vec::new(),
            kind,
            keys,
            pending: None,
            df: 0,
            ef: None,
            challenge: None,
            answers: Vec::new(),
            server: None,
            chain: None,
            waiting: Vec::new(),
            budget: None,
            moments: 0,
        };
        let last = reference.pages(What::Tries(reference.tries.len() - 1));
        reference.wear = vec![0; last[0] + 1];
        reference.reset();
        reference
    }

    pub(super) fn reset(&mut self) {
        (self.df, self.ef) = (u8::from(self.kind.rules.implicit_df), None);
        (self.chain, self.waiting) = (None, Vec::new());
        self.forget();
    }

    fn forget(&mut self) {
        (self.challenge, self.server) = (None, None);
        self.answers.clear();
    }

    /// Whether the power-up comes to its end.
    pub(super) fn power_up(&mut self, fails_at: Option<u32>) -> bool {
        self.reset();
        let Some(Pending(pages)) = self.pending.take() else { return true };
        let moments = 3 * pages.len() as u32 + 2;
        for (number, &page) in pages.iter().enumerate() {
            if fails_at.is_none_or(|at| at > 3 * number as u32) {
                self.wear[page] += 1;
            }
        }
        let Some(at) = fails_at.filter(|&at| at < moments) else { return true };
        if at < moments - 1 {
            self.pending = Some(Pending(pages));
        }
        false
    }

    /// Pages of a value: every byte of the keys has its place.
    fn pages(&self, what: What) -> Vec<usize> {
        let Nvm { layout, page, .. } = self.kind.rules.nvm;
        let page = usize::from(page);
        let key_pages = |slot: usize| match layout {
            PageLayout::Packed => (slot * KEY / page..=(slot * KEY + KEY - 1) / page).collect::<Vec<_>>(),
            PageLayout::PagePerKey => vec![slot],
        };
        let behind_keys = key_pages(self.keys.len() - 1).last().unwrap() + 1;
        match (what, layout) {
            (What::Key(slot), _) => key_pages(slot),
            (What::Tries(_), PageLayout::Packed) => vec![behind_keys],
            (What::Tries(index), PageLayout::PagePerKey) => vec![behind_keys + index],
        }
    }

    fn lasts(&self, values: &[What]) -> Result<(), Stop> {
        let mut wear = self.wear.clone();
        values.iter().flat_map(|&value| self.pages(value)).for_each(|page| wear[page] += 1);
        let pages = values.iter().flat_map(|&value| self.pages(value));
        let worn = pages.into_iter().any(|page| wear[page] > self.kind.rules.nvm.endurance);
        if worn { Err(Refused(0x6581)) } else { Ok(()) }
    }

    fn set(&mut self, what: What, new: &[u8]) {
        match what {
            What::Key(slot) => self.keys[slot] = Some(new.try_into().unwrap()),
            What::Tries(index) => self.tries[index] = new[0],
        }
    }

    fn write(&mut self, what: What, new: &[u8]) -> Result<(), Stop> {
        self.lasts(&[what])?;
        let pages = self.pages(what);
        let in_place = 3 * pages.len() as u32;
        let (before, after) = match self.kind.rules.nvm.mode {
            WriteMode::InPlace => (0, 0),
            WriteMode::UndoLog => (3, 2),
            WriteMode::ShadowPage => (0, 2),
        };
        let moments = before + in_place + after;
        let cut = self.budget.filter(|&budget| budget < moments);
        self.budget = self.budget.map(|budget| budget.saturating_sub(moments));
        self.moments += cut.unwrap_or(moments);
        let at = cut.unwrap_or(moments);
        for (number, &page) in pages.iter().enumerate() {
            self.wear[page] += u32::from(at > before + 3 * number as u32);
        }
        let last = at + 1 >= moments;
        match self.kind.rules.nvm.mode {
            _ if last => self.set(what, new),
            WriteMode::InPlace => self.tear(what, at, &pages),
            WriteMode::UndoLog if at + 1 >= before => self.pending = Some(Pending(pages)),
            WriteMode::UndoLog | WriteMode::ShadowPage => {}
        }
        if cut.is_some() { Err(Cut) } else { Ok(()) }
    }

    /// Power failed at a moment of a write in place that is not the last.
    fn tear(&mut self, what: What, at: u32, pages: &[usize]) {
        if at == 0 {
            return;
        }
        if let What::Key(slot) = what {
            self.keys[slot] = None;
        }
        if at % 3 != 1 {
            return;
        }
        let lost = pages[at as usize / 3];
        for slot in 0..self.keys.len() {
            if self.pages(What::Key(slot)).contains(&lost) {
                self.keys[slot] = None;
            }
        }
        for index in 0..self.tries.len() {
            if self.pages(What::Tries(index)).contains(&lost) {
                self.tries[index] = 0;
            }
        }
    }

    /// Bytes that are no APDU.
    pub(super) fn malformed(&mut self) -> Says {
        (self.chain, self.waiting) = (None, Vec::new());
        Says::This(vec![], 0x6700)
    }

    /// What the card says to a command in which power fails after so many moments, if at all.
    pub(super) fn command(&mut self, apdu: &Apdu, fails_at: Option<u32>) -> Says {
        (self.budget, self.moments) = (fails_at, 0);
        match self.exchange(apdu) {
            Ok(says) => says,
            Err(Refused(status)) => Says::This(vec![], status),
            Err(Cut) => {
                self.reset();
                Says::Nothing
            }
        }
    }

    fn exchange(&mut self, apdu: &Apdu) -> Result<Says, Stop> {
        let is_t0 = self.kind.rules.protocol == Protocol::T0;
        if is_t0 && !apdu.data.is_empty() && apdu.le.is_some() {
            return Ok(self.malformed());
        }
        let [cla, ins, p1, p2] = apdu.head;
        let head = [cla & 0xef, ins, p1, p2];
        let before = self.chain.take().filter(|(begun, _)| *begun == head).map(|(_, data)| data);
        let fetches = (cla, ins) == (0, 0xc0);
        if !fetches {
            self.waiting.clear();
        }
        if !matches!(head[0], 0x00 | 0x80) {
            return Err(Refused(0x6e00));
        }
        if fetches {
            return self.get_response(apdu);
        }
        let with_data = match (head[0], ins) {
            (0x00, 0xa4 | 0x88 | 0x82) | (0x80, 0xd8 | 0xda | 0xde) => true,
            (0x00, 0xb0 | 0x84 | 0xc0) => false,
            _ => return Err(Refused(0x6d00)),
        };
        let mut data = before.unwrap_or_default();
        if cla & 0x10 == 0 {
            data.extend_from_slice(&apdu.data);
            let whole = Apdu { head, data, le: apdu.le };
            return self.whole(&whole, is_t0 && !whole.data.is_empty());
        }
        if !with_data {
            return Err(Refused(0x6884));
        }
        if apdu.data.is_empty() || apdu.le.is_some() || data.len() + apdu.data.len() > 2 * KEY {
            return Err(Refused(0x6700));
        }
        data.extend_from_slice(&apdu.data);
        self.chain = Some((head, data));
        Ok(Says::This(vec![], 0x9000))
    }

    fn get_response(&mut self, apdu: &Apdu) -> Result<Says, Stop> {
        let left = self.waiting.len();
        let wanted = apdu.le.map(|le| if le == 0 { left } else { usize::from(le) });
        match wanted {
            _ if apdu.head[2..] != [0, 0] => Err(Refused(0x6a86)),
            _ if !apdu.data.is_empty() => Err(Refused(0x6700)),
            _ if left == 0 => Err(Refused(0x6985)),
            Some(wanted) if wanted <= left => {
                let rest = self.waiting.split_off(wanted);
                let piece = std::mem::replace(&mut self.waiting, rest);
                let status = if wanted < left { 0x6100 + (left - wanted) as u16 } else { 0x9000 };
                Ok(Says::This(piece, status))
            }
            _ => Err(Refused(0x6c00 + left as u16)),
        }
    }

    fn whole(&mut self, apdu: &Apdu, must_be_fetched: bool) -> Result<Says, Stop> {
        let [_, ins, ..] = apdu.head;
        let wrong_le = |length: usize| {
            let fits = matches!(apdu.le, Some(le) if le == 0 || usize::from(le) == length);
            if fits || must_be_fetched { Ok(()) } else { Err(Refused(0x6c00 + length as u16)) }
        };
        let answer = match ins {
            0xa4 => self.select(apdu, must_be_fetched, wrong_le)?,
            0xb0 => return Err(Refused(self.read(apdu))),
            0x84 => {
                if apdu.head[2..] != [0, 0] {
                    return Err(Refused(0x6a86));
                }
                if !apdu.data.is_empty() {
                    return Err(Refused(0x6700));
                }
                wrong_le(KEY)?;
                return Ok(Says::Anything);
            }
            0x88 => self.prove(apdu, wrong_le)?,
            0x82 => self.check(apdu)?,
            0xd8 | 0xda => self.renew(apdu)?,
            _ => self.renew_root(apdu)?,
        };
        if must_be_fetched && !answer.is_empty() {
            let waiting = 0x6100 + answer.len() as u16;
            self.waiting = answer;
            return Ok(Says::This(vec![], waiting));
        }
        Ok(Says::This(answer, 0x9000))
    }

    fn select(
        &mut self,
        apdu: &Apdu,
        must_be_fetched: bool,
        wrong_le: impl Fn(usize) -> Result<(), Stop>,
    ) -> Result<Vec<u8>, Stop> {
        let [_, _, p1, p2] = apdu.head;
        if !matches!(p2, 0 | 0x0c) {
            return Err(Refused(0x6a86));
        }
        let (df, ef) = self.find(p1, &apdu.data)?;
        let mut answer = Vec::new();
        if p2 == 0 && (apdu.le.is_some() || must_be_fetched) {
            let id = ef.map_or([0x3f00, 0xdf01, 0xdf02, 0xdf03][usize::from(df)], |slot| ief(slot).0);
            let mut inner = vec![0x83, 2, (id >> 8) as u8, id as u8];
            if (df, ef) == (1, None) {
                inner.extend([&[0x84, 9][..], &DF1_NAME, &[0xa5, 6, 0xc0, 4, 1, 2, 3, 4]].concat());
            }
            answer = [&[0x6f, inner.len() as u8][..], &inner].concat();
            wrong_le(answer.len())?;
        }
        if df != self.df {
            self.forget();
        }
        (self.df, self.ef) = (df, ef);
        Ok(answer)
    }

    fn find(&self, p1: u8, data: &[u8]) -> Result<(u8, Option<usize>), Stop> {
        let ids: Vec<u16> =
            data.chunks(2).map(|id| id.iter().fold(0, |id, &byte| id << 8 | u16::from(byte))).collect();
        let child = |id: u16| (0xdf01..=0xdf03).contains(&id).then(|| ((id - 0xdf00) as u8, None));
        let below = |df: u8, id: u16| match df {
            0 => child(id),
            1 if id >= 1 && usize::from(id) <= self.keys.len() => Some((1, Some(usize::from(id) - 1))),
            _ => None,
        };
        let found = match p1 {
            0 if data.is_empty() => Some((0, None)),
            0..=2 if data.len() != 2 => return Err(Refused(0x6700)),
            0 if ids[0] == 0x3f00 => Some((0, None)),
            0 => below(self.df, ids[0]).or(child(ids[0])),
            1 => below(self.df, ids[0]).filter(|(_, ef)| ef.is_none()),
            2 => below(self.df, ids[0]).filter(|(_, ef)| ef.is_some()),
            3 if !data.is_empty() => return Err(Refused(0x6700)),
            3 => (self.df != 0).then_some((0, None)),
            4 if data.is_empty() || data.len() > 16 => return Err(Refused(0x6700)),
            4 => (data == DF1_NAME).then_some((1, None)),
            8 if data.is_empty() || data.len() % 2 == 1 => return Err(Refused(0x6700)),
            8 => match ids[..] {
                [df] => below(0, df),
                [df, ef] => below(0, df).and_then(|(df, _)| below(df, ef)),
                _ => None,
            },
            _ => return Err(Refused(0x6a86)),
        };
        found.ok_or(Refused(0x6a82))
    }

    fn read(&self, apdu: &Apdu) -> u16 {
        match self.ef {
            _ if !apdu.data.is_empty() => 0x6700,
            _ if apdu.head[2] >= 0x80 => 0x6a82,
            Some(_) => 0x6982,
            None => 0x6986,
        }
    }

    /// The slot that P2 names in a ring.
    fn slot(&self, ring: Ring, p2: u8) -> Result<usize, Stop> {
        let no = usize::from(p2 & 0x1f);
        let (m, n) = (usize::from(self.kind.shape.internal()), usize::from(self.kind.shape.external()));
        let (first, count) = if ring == Ring::Internal { (0, m) } else { (m, n) };
        if self.df != 1 || no == 0 || no > count {
            return Err(Refused(0x6a88));
        }
        Ok(first + no - 1)
    }

    fn encrypt(&self, slot: usize, block: &[u8]) -> Result<Vec<u8>, Stop> {
        let key = self.keys[slot].ok_or(Refused(0x6984))?;
        let mut out = Vec::new();
        self.kind.cipher.prove(&key, block, &mut out);
        Ok(out)
    }

    fn prove(&mut self, apdu: &Apdu, wrong_le: impl Fn(usize) -> Result<(), Stop>) -> Result<Vec<u8>, Stop> {
        let [_, _, p1, p2] = apdu.head;
        if p2 & 0xe0 != 0x80 || p1 != 0 {
            return Err(Refused(0x6a86));
        }
        let slot = self.slot(Ring::Internal, p2)?;
        if apdu.data.len() != KEY {
            return Err(Refused(0x6700));
        }
        wrong_le(KEY)?;
        let answer = self.encrypt(slot, &apdu.data)?;
        self.answers.push((p2 & 0x1f, answer.clone()));
        Ok(answer)
    }

    fn check(&mut self, apdu: &Apdu) -> Result<Vec<u8>, Stop> {
        let [_, _, p1, p2] = apdu.head;
        if !apdu.data.is_empty() {
            self.server = None;
        }
        if p2 & 0xe0 != 0x80 || p1 != 0 {
            return Err(Refused(0x6a86));
        }
        let (slot, index) = (self.slot(Ring::External, p2)?, usize::from(p2 & 0x1f) - 1);
        let tries = self.tries[index];
        let left = |tries: u8| Refused(0x63c0 + u16::from(tries));
        if apdu.data.is_empty() {
            return Err(if tries == 0 { Refused(0x6983) } else { left(tries) });
        }
        if tries == 0 {
            return Err(Refused(0x6983));
        }
        let expected = self.encrypt(slot, &[0; KEY]).map(|_| ());
        expected?;
        if apdu.data.len() != KEY {
            return Err(Refused(0x6700));
        }
        let challenge = self.challenge.take().ok_or(Refused(0x6985))?;
        self.write(What::Tries(index), &[tries - 1])?;
        if self.encrypt(slot, &challenge)? != apdu.data {
            return Err(left(tries - 1));
        }
        self.write(What::Tries(index), &[self.kind.rules.tries])?;
        self.server = Some((self.answers.last().map(|(under, _)| *under), p2 & 0x1f));
        Ok(vec![])
    }

    /// The root pair, (internal, external).
    fn root(&self) -> (u8, u8) {
        let (m, n) = (self.kind.shape.internal(), self.kind.shape.external());
        (m - m.min(n) + 1, n - m.min(n) + 1)
    }

    fn renew(&mut self, apdu: &Apdu) -> Result<Vec<u8>, Stop> {
        let [_, ins, p1, p2] = apdu.head;
        let ring = match p1 {
            1 => Ring::Internal,
            2 => Ring::External,
            _ => return Err(Refused(0x6a86)),
        };
        if p2 & 0xe0 != 0x80 {
            return Err(Refused(0x6a86));
        }
        let slot = self.slot(ring, p2)?;
        if apdu.data.len() != KEY {
            return Err(Refused(0x6700));
        }
        let Some((Some(u), w)) = self.server else { return Err(Refused(0x6982)) };
        let no = p2 & 0x1f;
        let partner = no + self.kind.shape.external();
        let below = match ring {
            Ring::Internal => u < no && w + self.kind.shape.internal() < partner,
            Ring::External => w < no && u + self.kind.shape.external() < no + self.kind.shape.internal(),
        };
        let other = if ring == Ring::Internal { u != no } else { w != no };
        let root = self.root();
        let of_root = no == if ring == Ring::Internal { root.0 } else { root.1 };
        let itself = self.kind.rules.root_self_renewal && (u, w) == root && of_root;
        let by_rule = if self.kind.rules.renewal == RenewalRule::Below { below } else { other };
        if !by_rule && !itself {
            return Err(Refused(0x6982));
        }
        let remembered = if itself { 2 } else { 1 };
        let mut own = self.answers.iter().rev().take(remembered);
        let is_own = own.any(|(under, answer)| *under == u && *answer == apdu.data);
        if ins == 0xd8 && self.kind.rules.only_own_answers && !is_own {
            return Err(Refused(0x6982));
        }
        let index = usize::from(no) - 1;
        let values = [What::Key(slot), What::Tries(index)];
        let values = if ring == Ring::Internal { &values[..1] } else { &values };
        self.lasts(values)?;
        let new = if ins == 0xd8 { apdu.data.clone() } else { self.encrypt(usize::from(u) - 1, &apdu.data)? };
        self.install(values, &new)?;
        Ok(vec![])
    }

    /// Stores a key, and gives an external one its tries back.
    fn install(&mut self, values: &[What], new: &[u8]) -> Result<(), Stop> {
        let tries = [self.kind.rules.tries];
        values.iter().try_for_each(|&value| {
            let new = if matches!(value, What::Key(_)) { new } else { &tries };
            self.write(value, new)
        })
    }

    fn renew_root(&mut self, apdu: &Apdu) -> Result<Vec<u8>, Stop> {
        if apdu.head[2..] != [0, 0] {
            return Err(Refused(0x6a86));
        }
        if apdu.data.len() != 2 * KEY {
            return Err(Refused(0x6700));
        }
        let root = self.root();
        if !self.kind.rules.root_self_renewal || self.server != Some((Some(root.0), root.1)) {
            return Err(Refused(0x6982));
        }
        let internal = usize::from(root.0) - 1;
        let index = usize::from(root.1) - 1;
        let external = usize::from(self.kind.shape.internal()) + index;
        self.lasts(&[What::Key(internal), What::Key(external), What::Tries(index)])?;
        let first = self.encrypt(internal, &apdu.data[..KEY])?;
        let second = self.encrypt(internal, &apdu.data[KEY..])?;
        self.install(&[What::Key(external), What::Tries(index)], &second)?;
        self.install(&[What::Key(internal)], &first)?;
        Ok(vec![])
    }
}

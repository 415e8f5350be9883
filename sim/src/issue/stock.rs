//! Pairs that are kept from run to run, and those that are still to be made.

use std::path::Path;

use keystorm_model::draw::Purpose;
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;

use crate::engine::Stopped;

use super::files::{CHUNK_CARDS, Files};
use super::{Maker, Order, fresh};

/// The pairs of a fleet, some of them not made yet.
pub struct Stock {
    order: Order,
    /// `None`: nothing is kept.
    files: Option<Files>,
    /// All of them; zeros where they have not been made.
    pairs: Vec<u8>,
    /// For each chunk, how many of its cards have theirs, from its first card on.
    ready: Vec<u32>,
}

/// The pairs of a fleet.
pub struct Issued {
    /// As [`fresh`] makes them.
    pub pairs: Vec<u8>,
    /// Why those that were made now could not be kept.
    pub not_kept: Option<String>,
}

impl Stock {
    /// Takes what the directory `cache` has of `order`; where pairs cost nothing, makes everything at once.
    ///
    /// A file that is missing, damaged or written by another version counts as empty, and never as an error.
    pub fn open(order: Order, cache: Option<&Path>) -> Self {
        if !order.is_slow() {
            return Stock { order, files: None, pairs: fresh(&order), ready: Vec::new() };
        }
        let mut stock = Stock {
            order,
            files: cache.map(|cache| Files::new(cache, order)),
            pairs: vec![0; order.bytes()],
            ready: vec![0; order.cards.div_ceil(CHUNK_CARDS) as usize],
        };
        let Some(files) = &stock.files else { return stock };
        let chunks = stock.pairs.chunks_mut(CHUNK_CARDS as usize * order.layout().len());
        for ((chunk, pairs), ready) in (0..).zip(chunks).zip(&mut stock.ready) {
            let Some(kept) = files.read(chunk) else { continue };
            let length = kept.len().min(pairs.len());
            pairs[..length].copy_from_slice(&kept[..length]);
            *ready = (length / order.layout().len()) as u32;
        }
        stock
    }

    /// How many pairs are still to be made.
    pub fn missing(&self) -> u64 {
        if self.ready.is_empty() {
            return 0;
        }
        let ready: u64 = self.ready.iter().map(|&cards| u64::from(cards)).sum();
        (u64::from(self.order.cards) - ready) * self.order.shape.keys() as u64
    }

    /// Makes what is missing, `threads` pairs at the same time (0 counts as 1), and keeps it.
    ///
    /// `made` is called after each pair, from any thread; `false` stops. What has been kept by then, a few dozen cards at
    /// a time, need not be made again.
    pub fn complete(mut self, threads: usize, made: &(dyn Fn() -> bool + Sync)) -> Result<Issued, Stopped> {
        let mut not_kept = None;
        let pool = if threads > 1 && self.missing() > 0 {
            let pool = ThreadPoolBuilder::new().num_threads(threads).build();
            Some(pool.map_err(|error| Stopped::Failed(error.to_string()))?)
        } else {
            None
        };
        let card_length = self.order.layout().len();
        let chunks = self.pairs.chunks_mut(CHUNK_CARDS as usize * card_length);
        for ((chunk, pairs), &ready) in (0u32..).zip(chunks).zip(&self.ready) {
            let missing = &mut pairs[ready as usize * card_length..];
            if missing.is_empty() {
                continue;
            }
            let first_card = chunk * CHUNK_CARDS + ready;
            match &pool {
                Some(pool) => pool.install(|| make_side_by_side(&self.order, first_card, missing, made))?,
                None => make(&self.order, first_card, missing, made)?,
            }
            if let (Some(files), None) = (&self.files, &not_kept) {
                let written = files.write(chunk, pairs);
                not_kept = written.err().map(|error| format!("{}: {error}", files.directory().display()));
            }
        }
        Ok(Issued { pairs: self.pairs, not_kept })
    }
}

/// Makes the pairs of the cards from `first_card` on that fit into `out`.
fn make(
    order: &Order,
    first_card: u32,
    out: &mut [u8],
    made: &(dyn Fn() -> bool + Sync),
) -> Result<(), Stopped> {
    let mut pairs = out.chunks_mut(order.cipher().kept().pair).enumerate();
    pairs.try_for_each(|(index, pair)| make_one(order, first_card, index, pair, made))
}

/// The same on the threads of the pool that this runs in.
fn make_side_by_side(
    order: &Order,
    first_card: u32,
    out: &mut [u8],
    made: &(dyn Fn() -> bool + Sync),
) -> Result<(), Stopped> {
    let pairs = out.par_chunks_mut(order.cipher().kept().pair).enumerate().with_max_len(1);
    pairs.try_for_each(|(index, pair)| make_one(order, first_card, index, pair, made))
}

/// Makes the `index`-th pair from the first one of `first_card` on.
fn make_one(
    order: &Order,
    first_card: u32,
    index: usize,
    out: &mut [u8],
    made: &(dyn Fn() -> bool + Sync),
) -> Result<(), Stopped> {
    let keys = order.shape.keys();
    let card = u64::from(first_card) + (index / keys) as u64;
    let mut maker = Maker::new(order.cipher(), order.shape);
    maker.turn_to(order.seed, Purpose::Issue, card);
    let mut pair = Vec::with_capacity(out.len());
    maker.one(index % keys, &mut pair);
    out.copy_from_slice(&pair);
    if made() { Ok(()) } else { Err(Stopped::Cancelled) }
}

//! The stocks of many runs: what several of them need is made once, before the first of them begins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use keystorm_model::suite::SuiteId;

use super::{Order, Stock};
use crate::engine::Stopped;

/// The stocks of a campaign. The pairs of a smaller fleet are the first ones of a larger one with the same seed, so that the
/// two share a stock.
pub struct Stocks {
    cache: Option<PathBuf>,
    ready: Mutex<BTreeMap<Name, Ready>>,
}

/// What tells stocks apart: suite, seed, M and N.
type Name = (&'static str, u64, [u8; 2]);

/// A stock that is whole.
struct Ready {
    cards: u32,
    /// Its pairs, where they could not be kept in files.
    held: Option<Vec<u8>>,
}

/// Stocks of one suite of which pairs are missing.
pub struct Missing {
    /// The suite.
    pub suite: SuiteId,
    /// One order for each stock, that of the largest fleet.
    pub orders: Vec<Order>,
    /// How many pairs are missing in all of them.
    pub pairs: u64,
}

impl Stocks {
    /// Stocks that are kept in the directory `cache`; without one, in memory and as long as this.
    pub fn new(cache: Option<PathBuf>) -> Self {
        Stocks { cache, ready: Mutex::default() }
    }

    /// Where they are kept.
    pub fn cache(&self) -> Option<&Path> {
        self.cache.as_deref()
    }

    /// What is missing for these orders, suite by suite. Orders whose pairs cost nothing are left out.
    pub fn missing(&self, orders: &[Order]) -> Vec<Missing> {
        let mut largest: BTreeMap<Name, Order> = BTreeMap::new();
        for order in orders.iter().filter(|order| order.is_slow() && !self.is_ready(order)) {
            let known = largest.entry(name(order)).or_insert(*order);
            known.cards = known.cards.max(order.cards);
        }
        let mut all: Vec<Missing> = Vec::new();
        for (stock, order) in largest {
            let pairs = Stock::open(order, self.cache()).missing();
            if pairs == 0 {
                self.ready().insert(stock, Ready { cards: order.cards, held: None });
                continue;
            }
            match all.last_mut().filter(|last| last.suite == order.suite) {
                Some(last) => {
                    last.orders.push(order);
                    last.pairs += pairs;
                }
                None => all.push(Missing { suite: order.suite, orders: vec![order], pairs }),
            }
        }
        all
    }

    /// Makes what is missing, as [`Stock::complete`] does, one stock after the other. Says why pairs could not be kept in
    /// files, if so; they are held in memory then.
    ///
    /// # Errors
    /// If `made` stops it; what has been kept by then need not be made again.
    pub fn complete(
        &self,
        missing: &Missing,
        threads: usize,
        made: &(dyn Fn() -> bool + Sync),
    ) -> Result<Option<String>, Stopped> {
        let mut why = None;
        for &order in &missing.orders {
            let issued = Stock::open(order, self.cache()).complete(threads, made)?;
            let kept = self.cache.is_some() && issued.not_kept.is_none();
            let held = (!kept).then_some(issued.pairs);
            self.ready().insert(name(&order), Ready { cards: order.cards, held });
            why = why.or(issued.not_kept);
        }
        Ok(why)
    }

    /// The pairs of a run. What should be there and is not, since somebody has emptied the cache meanwhile, is made on this
    /// thread; `made` is as in [`Stock::complete`].
    ///
    /// # Errors
    /// If `made` stops it.
    pub fn pairs(&self, order: Order, made: &(dyn Fn() -> bool + Sync)) -> Result<Vec<u8>, Stopped> {
        if order.is_slow()
            && let Some(Ready { cards, held: Some(pairs) }) = self.ready().get(&name(&order))
            && *cards >= order.cards
        {
            return Ok(pairs[..order.bytes()].to_vec());
        }
        Ok(Stock::open(order, self.cache()).complete(1, made)?.pairs)
    }

    fn is_ready(&self, order: &Order) -> bool {
        self.ready().get(&name(order)).is_some_and(|ready| ready.cards >= order.cards)
    }

    fn ready(&self) -> MutexGuard<'_, BTreeMap<Name, Ready>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(order: &Order) -> Name {
    (order.suite.name(), order.seed.0, [order.shape.internal(), order.shape.external()])
}

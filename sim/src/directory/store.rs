//! A client directory in a redb database: one table with a row for each card, another with what concerns the server.
//!
//! It knows nothing of crashes, and keeps no row in memory: that is [`super::durable`]'s. Each [`Store::put`] is one
//! transaction, and durable when it returns, if the medium is.

use std::fs::File;
use std::path::Path;

use keystorm_model::CardId;
use keystorm_model::server::Row;
use redb::backends::FileBackend;
use redb::{Database, Durability, Error, ReadableDatabase as _, StorageBackend, TableDefinition};

/// Coded rows, by card.
const CARDS: TableDefinition<'_, u32, &[u8]> = TableDefinition::new("cards");
/// What concerns the server.
const SERVER: TableDefinition<'_, &str, u32> = TableDefinition::new("server");
/// How often the server has started.
const STARTS: &str = "starts";
/// The database's own cache. Its default, a gigabyte, is meant for a disk that is slower than this one.
const CACHE: usize = 16 << 20;

/// A directory in a database.
pub struct Store {
    database: Database,
}

impl Store {
    /// A new directory on `medium`, which is empty: `rows` are those of the cards, from number 0 on.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn create(medium: impl StorageBackend, rows: impl Iterator<Item = Row>) -> Result<Self, Error> {
        let store = Store::open(medium)?;
        let transaction = store.database.begin_write()?;
        {
            let (mut cards, mut bytes) = (transaction.open_table(CARDS)?, Vec::new());
            for (card, row) in (0..).zip(rows) {
                bytes.clear();
                row.encode(&mut bytes);
                cards.insert(card, bytes.as_slice())?;
            }
            transaction.open_table(SERVER)?.insert(STARTS, 0)?;
        }
        transaction.commit()?;
        Ok(store)
    }

    /// A new directory in a file that is not there yet.
    ///
    /// # Errors
    /// If the file is there or cannot be written.
    pub fn create_in(path: &Path, rows: impl Iterator<Item = Row>) -> Result<Self, Error> {
        let file = File::options().read(true).write(true).create_new(true).open(path)?;
        Store::create(FileBackend::new(file)?, rows)
    }

    /// The directory on `medium`. If whoever had it opened last did not close it, redb looks for what was committed.
    ///
    /// # Errors
    /// If the medium fails or holds something else.
    pub fn open(medium: impl StorageBackend) -> Result<Self, Error> {
        let database = Database::builder().set_cache_size(CACHE).create_with_backend(medium)?;
        Ok(Store { database })
    }

    /// The row of `card`; `None`: there is no such card.
    ///
    /// # Errors
    /// If the medium fails, or holds something else than a row.
    pub fn row(&self, card: CardId) -> Result<Option<Row>, Error> {
        let cards = self.database.begin_read()?.open_table(CARDS)?;
        let Some(bytes) = cards.get(card.0)? else { return Ok(None) };
        let row = Row::decode(bytes.value());
        row.map(Some).ok_or_else(|| Error::Corrupted(format!("the row of card {card} is no row")))
    }

    /// How often the server has started.
    ///
    /// # Errors
    /// If the medium fails.
    pub fn starts(&self) -> Result<u32, Error> {
        let server = self.database.begin_read()?.open_table(SERVER)?;
        Ok(server.get(STARTS)?.map_or(0, |starts| starts.value()))
    }

    /// Replaces rows, and how often the server has started if that is given, all or nothing.
    ///
    /// # Errors
    /// If the medium fails; the store is of no use then.
    pub fn put<'r>(
        &self,
        rows: impl Iterator<Item = (CardId, &'r Row)>,
        starts: Option<u32>,
    ) -> Result<(), Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        {
            let (mut cards, mut bytes) = (transaction.open_table(CARDS)?, Vec::new());
            for (card, row) in rows {
                bytes.clear();
                row.encode(&mut bytes);
                cards.insert(card.0, bytes.as_slice())?;
            }
            if let Some(starts) = starts {
                transaction.open_table(SERVER)?.insert(STARTS, starts)?;
            }
        }
        Ok(transaction.commit()?)
    }
}

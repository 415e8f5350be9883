//! Files with the pairs of a few dozen cards each.
//!
//! | Offset | Bytes | Content; numbers are little-endian |
//! |---|---|---|
//! | 0 | 8 | `KSPAIRS` and a zero |
//! | 8 | 4 | version of this format |
//! | 12 | 4 | version of what makes the pairs ([`GENERATOR`]) |
//! | 16 | 8 | seed |
//! | 24 | 4 | number of the chunk |
//! | 28 | 4 | how many cards |
//! | 32 | 2 | M and N |
//! | 34 | 14 | name of the suite, zeros behind it |
//! | 48 | | the pairs, card by card |
//! | | 16 | XXH3-128 of everything before |
//!
//! A file is written under another name and then renamed, so that a reader sees all of it or nothing. Processes that
//! write the same one at the same time write the same bytes. The number of cards is not part of a file's name: a larger
//! fleet with the same seed finds what a smaller one has left, and adds to it.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use keystorm_model::suite::GENERATOR;
use xxhash_rust::xxh3::xxh3_128;

use super::Order;

/// Cards in a file, except in a fleet's last one: for `rsa-2048` about half a megabyte and half a minute of work.
pub(super) const CHUNK_CARDS: u32 = 64;

const MAGIC: [u8; 8] = *b"KSPAIRS\0";
const FORMAT: u32 = 1;
const COUNT_AT: usize = 28;
const HEADER: usize = 48;
const CHECKSUM: usize = 16;

/// The files of one seed, suite and shape.
pub(super) struct Files {
    directory: PathBuf,
    order: Order,
}

impl Files {
    /// The files of `order` below `cache`.
    pub(super) fn new(cache: &Path, order: Order) -> Self {
        let (suite, shape) = (order.suite.name(), order.shape);
        let name = format!("{suite}-{}x{}-seed-{}", shape.internal(), shape.external(), order.seed.0);
        Files { directory: cache.join("pairs").join(name), order }
    }

    /// Where they are.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    fn path(&self, chunk: u32) -> PathBuf {
        self.directory.join(format!("{chunk:06}.pairs"))
    }

    fn header(&self, chunk: u32, count: u32) -> [u8; HEADER] {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&MAGIC);
        header[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        header[12..16].copy_from_slice(&GENERATOR.to_le_bytes());
        header[16..24].copy_from_slice(&self.order.seed.0.to_le_bytes());
        header[24..COUNT_AT].copy_from_slice(&chunk.to_le_bytes());
        header[COUNT_AT..32].copy_from_slice(&count.to_le_bytes());
        header[32..34].copy_from_slice(&[self.order.shape.internal(), self.order.shape.external()]);
        let name = self.order.suite.name().as_bytes();
        header[34..34 + name.len()].copy_from_slice(name);
        header
    }

    /// The pairs that the file of `chunk` holds; `None` unless every byte is as it was written.
    pub(super) fn read(&self, chunk: u32) -> Option<Vec<u8>> {
        let card_length = self.order.layout().len();
        let longest = HEADER + CHUNK_CARDS as usize * card_length + CHECKSUM;
        let mut bytes = Vec::new();
        File::open(self.path(chunk)).ok()?.take(longest as u64 + 1).read_to_end(&mut bytes).ok()?;
        let count = u32::from_le_bytes(*bytes.get(COUNT_AT..)?.first_chunk()?);
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
        let pairs = content.strip_prefix(&self.header(chunk, count))?;
        let whole = (1..=CHUNK_CARDS).contains(&count)
            && pairs.len() == count as usize * card_length
            && xxh3_128(content).to_le_bytes() == *checksum;
        whole.then(|| pairs.to_vec())
    }

    /// Writes the file of `chunk`.
    pub(super) fn write(&self, chunk: u32, pairs: &[u8]) -> io::Result<()> {
        static WRITTEN: AtomicU64 = AtomicU64::new(0);
        let count = (pairs.len() / self.order.layout().len()) as u32;
        let mut bytes = Vec::with_capacity(HEADER + pairs.len() + CHECKSUM);
        bytes.extend_from_slice(&self.header(chunk, count));
        bytes.extend_from_slice(pairs);
        let checksum = xxh3_128(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());

        fs::create_dir_all(&self.directory)?;
        let (process, number) = (std::process::id(), WRITTEN.fetch_add(1, Ordering::Relaxed));
        let unfinished = self.directory.join(format!(".{chunk:06}.tmp-{process}-{number}"));
        let written = File::create(&unfinished)
            .and_then(|mut file| file.write_all(&bytes))
            .and_then(|()| fs::rename(&unfinished, self.path(chunk)));
        if written.is_err() {
            let _ = fs::remove_file(&unfinished);
        }
        written
    }
}

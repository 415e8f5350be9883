//! The buffer that a machine appends its effects to. The caller owns, drains and reuses it.

/// Effects in order, and the bytes that they refer to.
#[derive(Clone, Debug)]
pub struct Outbox<E> {
    /// The effects of the steps since the last [`Outbox::clear`].
    pub effects: Vec<E>,
    /// What the effects' [`Slice`]s point into.
    pub bytes: Vec<u8>,
}

/// A run of bytes in an [`Outbox`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slice {
    start: u32,
    end: u32,
}

impl<E> Default for Outbox<E> {
    fn default() -> Self {
        Outbox { effects: Vec::new(), bytes: Vec::new() }
    }
}

impl<E> Outbox<E> {
    /// Empties the buffer, keeping its memory.
    pub fn clear(&mut self) {
        self.effects.clear();
        self.bytes.clear();
    }

    /// The bytes of `slice`.
    pub fn get(&self, slice: Slice) -> &[u8] {
        &self.bytes[slice.start as usize..slice.end as usize]
    }

    /// Appends bytes with `write` and names them.
    pub fn put(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Slice {
        let start = self.bytes.len() as u32;
        write(&mut self.bytes);
        Slice { start, end: self.bytes.len() as u32 }
    }
}

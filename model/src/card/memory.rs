//! The card's non-volatile memory, and the moments at which power can leave it.
//!
//! Every change is one atomic write, as an undo log gives it: power lost before it leaves the old contents,
//! power lost after it the new ones.

use crate::layout::KeyLayout;
use crate::rings::{KeyRef, Ring, RingShape};

/// Power left the card in the middle of a command. The card answers nothing, and forgets all that is volatile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PowerLost;

/// The card's power supply during one command.
///
/// Each write passes two moments at which power can fail: before it and after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Power {
    moments_left: Option<u32>,
    moments_passed: u32,
}

impl Power {
    /// Power that lasts.
    pub const fn steady() -> Self {
        Power { moments_left: None, moments_passed: 0 }
    }

    /// Power that fails at the `moment`-th moment, from 0.
    pub const fn fails_at(moment: u32) -> Self {
        Power { moments_left: Some(moment), moments_passed: 0 }
    }

    /// How many moments have been survived.
    pub const fn moments_passed(&self) -> u32 {
        self.moments_passed
    }

    fn pass(&mut self) -> Result<(), PowerLost> {
        match &mut self.moments_left {
            Some(0) => return Err(PowerLost),
            Some(left) => *left -= 1,
            None => {}
        }
        self.moments_passed += 1;
        Ok(())
    }
}

/// One card's non-volatile memory, borrowed from wherever the fleet's is kept.
#[derive(Debug)]
pub struct Memory<'a> {
    /// The keys, as [`KeyLayout::on_card`] lays them out.
    pub keys: &'a mut [u8],
    /// Tries left, one byte per external key, `Kae[1]` first.
    pub tries: &'a mut [u8],
    /// Writes so far.
    pub writes: &'a mut u32,
}

impl Memory<'_> {
    /// The key at `slot`.
    pub fn key(&self, layout: KeyLayout, slot: usize) -> &[u8] {
        &self.keys[layout.range(slot)]
    }

    /// Sets the tries left of external key number `index + 1`.
    pub(super) fn write_tries(
        &mut self,
        index: usize,
        tries: u8,
        power: &mut Power,
    ) -> Result<(), PowerLost> {
        power.pass()?;
        self.tries[index] = tries;
        *self.writes += 1;
        power.pass()
    }

    /// Replaces a key; an external key's tries are restored with it.
    pub(super) fn write_key(
        &mut self,
        layout: KeyLayout,
        shape: RingShape,
        key: KeyRef,
        value: &[u8],
        tries: u8,
        power: &mut Power,
    ) -> Result<(), PowerLost> {
        let slot = shape.slot(key).expect("the card has looked the key up");
        power.pass()?;
        self.keys[layout.range(slot)].copy_from_slice(value);
        if key.ring == Ring::External {
            self.tries[usize::from(key.no.0) - 1] = tries;
        }
        *self.writes += 1;
        power.pass()
    }
}

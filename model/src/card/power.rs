//! The card's power supply during one command: how a test or the world says when it fails.

/// Power left the card in the middle of a command. The card answers nothing, and forgets all that is volatile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PowerLost;

/// What an erasure that was cut short leaves in a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Remains {
    /// Bytes FF.
    Ones,
    /// Bytes 00.
    Zeros,
    /// Some bits erased to 1, the others still what they were, as this number decides.
    Mixed(u64),
}

impl Remains {
    /// Does that to `bytes`.
    pub(super) fn fill(self, bytes: &mut [u8]) {
        match self {
            Remains::Ones => bytes.fill(0xff),
            Remains::Zeros => bytes.fill(0),
            Remains::Mixed(mut state) => {
                for chunk in bytes.chunks_mut(8) {
                    let (word, next) = split_mix(state);
                    state = next;
                    for (byte, mask) in chunk.iter_mut().zip(word.to_le_bytes()) {
                        *byte |= mask;
                    }
                }
            }
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): the next number and the next state.
const fn split_mix(state: u64) -> (u64, u64) {
    let next = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (word ^ (word >> 31), next)
}

/// The card's power supply during one command. How many moments a write passes at which power can fail is said at
/// [`WriteMode`](super::WriteMode).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Power {
    moments_left: Option<u32>,
    moments_passed: u32,
    remains: Remains,
}

impl Power {
    /// Power that lasts.
    pub const fn steady() -> Self {
        Power { moments_left: None, moments_passed: 0, remains: Remains::Ones }
    }

    /// Power that fails at the `moment`-th moment, from 0. An erased page is then left all ones.
    pub const fn fails_at(moment: u32) -> Self {
        Power { moments_left: Some(moment), moments_passed: 0, remains: Remains::Ones }
    }

    /// The same, leaving something else in an erased page.
    pub const fn leaving(self, remains: Remains) -> Self {
        Power { remains, ..self }
    }

    /// How many moments have been survived.
    pub const fn moments_passed(&self) -> u32 {
        self.moments_passed
    }

    pub(super) const fn remains(&self) -> Remains {
        self.remains
    }

    /// Passes so many moments. If power fails within them: at which of them, from 0.
    pub(super) fn spend(&mut self, moments: u32) -> Option<u32> {
        let failure = match &mut self.moments_left {
            Some(left) if *left < moments => Some(*left),
            Some(left) => {
                *left -= moments;
                None
            }
            None => None,
        };
        self.moments_passed += failure.unwrap_or(moments);
        failure
    }
}

//! Cipher suites: what the protocol needs of an algorithm, and nothing more.
//!
//! Everything else is written against three operations. `prove` answers a challenge, `check` judges an answer,
//! `derive` makes a new key from a random. With a symmetric cipher all three are one block encryption \[0060\].
//! Adding a suite is one file here and one line in [`SuiteId::ALL`] and the tables below it.

mod aes128;

/// The longest proof of any suite, bytes.
pub const MAX_PROOF: usize = 16;

/// A cipher suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SuiteId {
    /// AES-128; every key, challenge and proof is one block of 16 bytes.
    Aes128,
}

/// Lengths of what a suite handles, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// A stored key.
    pub key: usize,
    /// Rs, Ra and Ro.
    pub challenge: usize,
    /// Rk.
    pub renewal_random: usize,
    /// The answer of `prove`.
    pub proof: usize,
    /// The session key.
    pub session_key: usize,
}

impl SuiteId {
    /// Every suite, in the order of the documentation.
    pub const ALL: [SuiteId; 1] = [SuiteId::Aes128];

    /// The name on the command line, in scenarios and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            SuiteId::Aes128 => "aes-128",
        }
    }

    /// Lengths of keys, challenges and proofs.
    pub const fn sizes(self) -> Sizes {
        match self {
            SuiteId::Aes128 => aes128::SIZES,
        }
    }

    /// Appends the proof of knowing `key` for `challenge`: C = E(K, R).
    pub fn prove(self, key: &[u8], challenge: &[u8], out: &mut Vec<u8>) {
        match self {
            SuiteId::Aes128 => aes128::encrypt(key, challenge, out),
        }
    }

    /// Whether `proof` answers `challenge` under the partner of `key`. A proof of the wrong length does not.
    pub fn check(self, key: &[u8], challenge: &[u8], proof: &[u8]) -> bool {
        match self {
            SuiteId::Aes128 => aes128::check(key, challenge, proof),
        }
    }

    /// Appends the key derived from `random` under `key` \[0051\].
    pub fn derive(self, key: &[u8], random: &[u8], out: &mut Vec<u8>) {
        match self {
            SuiteId::Aes128 => aes128::encrypt(key, random, out),
        }
    }
}

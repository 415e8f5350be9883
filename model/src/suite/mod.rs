//! Cipher suites: what the protocol needs of an algorithm, and nothing more.
//!
//! Everything else is written against a few operations. `prove` answers a challenge, `check` judges an answer, `grow`
//! makes a new key from what `prove` answered to a random; together with `prove` it is the derivation of \[0051\]. With a
//! symmetric cipher a proof is an encryption, and the new key is that proof \[0060\]. With an asymmetric one a proof is a
//! deterministic signature, and its hash is the seed from which a new pair of keys grows: the patent says only
//! "likewise" \[0065\].
//!
//! A *pair* is what the server keeps of a key: with an asymmetric cipher the public half and behind it the private one
//! \[0061\], with a symmetric one the key itself, which is both halves at once. A card holds one half of each.
//!
//! Adding a suite is one file here, one name in [`SuiteId::ALL`] and one line in `SuiteId::suite`.

mod aes128;
mod memo;
mod rsa;

pub use memo::memoise;

use crate::rings::Ring;

use memo::{Operation, recall};

/// The longest challenge or renewal random of any suite, bytes.
pub const MAX_RANDOM: usize = 32;
/// Version of the way from a seed to a pair. It must be raised whenever a suite makes another pair from the same seed,
/// because pairs that were made once are kept in files; golden values in the suites' tests tell when that is.
pub const GENERATOR: u32 = 1;
/// Bytes of a session key.
pub const SESSION_KEY: usize = 16;

/// A cipher suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SuiteId {
    /// AES-128; every key, challenge and proof is one block of 16 bytes.
    Aes128,
    /// RSA with a modulus of 1024 bits; proofs are PKCS#1 v1.5 signatures of 128 bytes.
    Rsa1024,
    /// RSA with a modulus of 2048 bits; proofs are PKCS#1 v1.5 signatures of 256 bytes.
    Rsa2048,
}

/// Whether both parties of a proof hold the same key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// They do.
    Symmetric,
    /// One holds a private key, the other its public half.
    Asymmetric,
}

/// How a symmetric proof is judged; of no meaning with an asymmetric suite.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Comparison {
    /// D(K, C) is compared with R \[0044\].
    Decryption,
    /// E(K, R) is compared with C: the variant of \[0087\], which accepts the same proofs.
    Encryption,
}

impl Comparison {
    /// Both, in the order of the documentation.
    pub const ALL: [Comparison; 2] = [Comparison::Encryption, Comparison::Decryption];

    /// The name in scenarios.
    pub const fn name(self) -> &'static str {
        match self {
            Comparison::Decryption => "decryption",
            Comparison::Encryption => "encryption",
        }
    }
}

/// Lengths of what a suite handles, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// What the server keeps of a key: both halves.
    pub pair: usize,
    /// The half that proves.
    pub private: usize,
    /// The half that checks.
    pub public: usize,
    /// Rs, Ra and Ro.
    pub challenge: usize,
    /// Rk.
    pub renewal_random: usize,
    /// The answer of `prove` to a challenge.
    pub proof: usize,
    /// The answer of `prove` to an Rk, from which a new key grows.
    pub seed: usize,
    /// The random bytes that a pair is issued from.
    pub issue_random: usize,
}

/// What a suite consists of.
struct Suite {
    name: &'static str,
    family: Family,
    sizes: Sizes,
    prove: fn(private: &[u8], random: &[u8], out: &mut Vec<u8>),
    check: fn(public: &[u8], challenge: &[u8], proof: &[u8], comparison: Comparison) -> bool,
    grow: fn(seed: &[u8], out: &mut Vec<u8>),
    issue: fn(random: &[u8], out: &mut Vec<u8>),
    session_key: fn(proof: &[u8]) -> [u8; SESSION_KEY],
}

impl SuiteId {
    /// Every suite, in the order of the documentation.
    pub const ALL: [SuiteId; 3] = [SuiteId::Aes128, SuiteId::Rsa1024, SuiteId::Rsa2048];

    const fn suite(self) -> &'static Suite {
        match self {
            SuiteId::Aes128 => &aes128::SUITE,
            SuiteId::Rsa1024 => &rsa::RSA_1024,
            SuiteId::Rsa2048 => &rsa::RSA_2048,
        }
    }

    /// The first suite of each family, in the order of [`SuiteId::ALL`]: enough where only the family matters.
    pub fn of_each_family() -> Vec<SuiteId> {
        let mut first: Vec<SuiteId> = Vec::new();
        for suite in SuiteId::ALL {
            if first.iter().all(|known| known.family() != suite.family()) {
                first.push(suite);
            }
        }
        first
    }

    /// The name on the command line, in scenarios and in reports.
    pub const fn name(self) -> &'static str {
        self.suite().name
    }

    /// Symmetric or asymmetric.
    pub const fn family(self) -> Family {
        self.suite().family
    }

    /// Lengths of keys, challenges and proofs.
    pub const fn sizes(self) -> Sizes {
        self.suite().sizes
    }

    /// Appends the proof of knowing the private key for `random`, a challenge or an Rk: C = E(K, R).
    pub fn prove(self, private: &[u8], random: &[u8], out: &mut Vec<u8>) {
        let prove = self.suite().prove;
        match self.family() {
            Family::Symmetric => prove(private, random, out),
            Family::Asymmetric => {
                recall(Operation::Prove, self, &[random, private], out, |out| prove(private, random, out));
            }
        }
    }

    /// Whether `proof` answers `challenge` under the private half of `public`. A proof of the wrong length does not.
    pub fn check(self, public: &[u8], challenge: &[u8], proof: &[u8], comparison: Comparison) -> bool {
        let check = self.suite().check;
        if self.family() == Family::Symmetric {
            return check(public, challenge, proof, comparison);
        }
        let mut right = Vec::new();
        recall(Operation::Check, self, &[challenge, proof, public], &mut right, |out| {
            out.push(u8::from(check(public, challenge, proof, comparison)));
        });
        right == [1]
    }

    /// Appends the pair that grows from `seed`, which is what `prove` answered to an Rk.
    pub fn grow(self, seed: &[u8], out: &mut Vec<u8>) {
        let grow = self.suite().grow;
        match self.family() {
            Family::Symmetric => grow(seed, out),
            Family::Asymmetric => recall(Operation::Grow, self, &[seed], out, |out| grow(seed, out)),
        }
    }

    /// Appends the pair that a key is issued with, made from as many random bytes as [`Sizes::issue_random`] says.
    pub fn issue(self, random: &[u8], out: &mut Vec<u8>) {
        (self.suite().issue)(random, out);
    }

    /// The session key that lies in the card's answer to Ro \[0048\]: the first bytes of the answer, or of its hash if
    /// that is longer than a session key.
    pub fn session_key(self, proof: &[u8]) -> [u8; SESSION_KEY] {
        (self.suite().session_key)(proof)
    }

    /// The half of a pair that proves.
    pub fn private_half(self, pair: &[u8]) -> &[u8] {
        &pair[pair.len() - self.sizes().private..]
    }

    /// The half of a pair that checks.
    pub fn public_half(self, pair: &[u8]) -> &[u8] {
        &pair[..self.sizes().public]
    }

    /// The half of a pair that a card holds of a key in `ring`: it proves with internal keys and checks with external
    /// ones \[0061\].
    pub fn half_on_card(self, ring: Ring, pair: &[u8]) -> &[u8] {
        match ring {
            Ring::Internal => self.private_half(pair),
            Ring::External => self.public_half(pair),
        }
    }
}

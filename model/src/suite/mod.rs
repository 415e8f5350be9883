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
//! | Suite | File | Private half | Public half | Challenge | Rk | Proof |
//! |---|---|---|---|---|---|---|
//! | `aes-128`, `aes-192`, `aes-256`, `3des`, `camellia-128` | `block` | 16, 24, 32, 24, 16 | the same key | 16 (`3des`: 8) | 16, 32, 32, 24, 16 | 16 (`3des`: 8) |
//! | `rsa-1024`, `rsa-2048`, `rsa-3072` | `rsa` | 320, 640, 960 | 128, 256, 384 | 32 | 32 | 128, 256, 384 |
//! | `p256` | `p256` | 32 | 65 | 32 | 32 | 64 |
//! | `ed25519` | `ed25519` | 32 | 32 | 32 | 32 | 64 |
//! | `ml-dsa-44`, `ml-dsa-65` | `ml_dsa` | 32 | 1,312, 1,952 | 32 | 32 | 2,420, 3,309 |
//!
//! A [`Cipher`] is a suite that can be used: with its true operations, or with the stand-ins of `modelled`.
//!
//! Adding a suite is one file here and one line in the table `suites!`.

mod backend;
mod block;
mod ed25519;
mod memo;
mod ml_dsa;
mod modelled;
#[cfg(feature = "openssl")]
mod openssl;
mod p256;
mod rsa;
#[cfg(test)]
mod tests;

pub use backend::{Backend, Operation};

pub use memo::memoise;
use sha2::{Digest as _, Sha256};

use crate::rings::Ring;
use backend::{Check, Choices, Generate, Prove, chosen};
use memo::recall;

/// The longest challenge or renewal random of any suite, bytes.
pub const MAX_RANDOM: usize = 32;
/// Version of the way from a seed to a pair. It must be raised whenever a suite makes another pair from the same seed,
/// because pairs that were made once are kept in files; golden values in the suites' tests tell when that is.
pub const GENERATOR: u32 = 1;
/// Bytes of a session key.
pub const SESSION_KEY: usize = 16;

/// Names the suites, and says where each is.
macro_rules! suites {
    ($($(#[$doc:meta])+ $id:ident => $suite:path;)+) => {
        /// A cipher suite.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum SuiteId {
            $($(#[$doc])+ $id,)+
        }

        impl SuiteId {
            /// Every suite, in the order of the documentation.
            pub const ALL: [SuiteId; [$(SuiteId::$id),+].len()] = [$(SuiteId::$id),+];

            const fn suite(self) -> &'static Suite {
                match self {
                    $(SuiteId::$id => &$suite,)+
                }
            }
        }
    };
}

suites! {
    /// AES with keys of 128 bits; every key, challenge and proof is one block of 16 bytes.
    Aes128 => block::AES_128;
    /// AES with keys of 192 bits.
    Aes192 => block::AES_192;
    /// AES with keys of 256 bits.
    Aes256 => block::AES_256;
    /// DES three times over with three keys, the heir of what cards had in 1997.
    TripleDes => block::TRIPLE_DES;
    /// Camellia with keys of 128 bits.
    Camellia128 => block::CAMELLIA_128;
    /// RSA with a modulus of 1024 bits; proofs are PKCS#1 v1.5 signatures of 128 bytes.
    Rsa1024 => rsa::RSA_1024;
    /// RSA with a modulus of 2048 bits; proofs are PKCS#1 v1.5 signatures of 256 bytes.
    Rsa2048 => rsa::RSA_2048;
    /// RSA with a modulus of 3072 bits; proofs are PKCS#1 v1.5 signatures of 384 bytes.
    Rsa3072 => rsa::RSA_3072;
    /// ECDSA on P-256 with SHA-256 and the nonces of RFC 6979.
    P256 => p256::SUITE;
    /// Ed25519.
    Ed25519 => ed25519::SUITE;
    /// ML-DSA-44, deterministic.
    MlDsa44 => ml_dsa::ML_DSA_44_SUITE;
    /// ML-DSA-65, deterministic.
    MlDsa65 => ml_dsa::ML_DSA_65_SUITE;
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
    prove: Choices<Prove>,
    check: Choices<Check>,
    /// Makes a pair from a seed of 32 bytes; nothing with a symmetric suite, whose new keys are proofs as they are.
    generate: Choices<Generate>,
}

/// The seed of an asymmetric pair, and every random of such a suite, bytes.
const SEED: usize = 32;

/// An asymmetric suite with halves and proofs of so many bytes; what it does is still to be filled in.
const fn asymmetric(name: &'static str, private: usize, public: usize, proof: usize) -> Suite {
    let sizes = Sizes {
        pair: public + private,
        private,
        public,
        challenge: SEED,
        renewal_random: SEED,
        proof,
        seed: proof,
        issue_random: SEED,
    };
    Suite { name, family: Family::Asymmetric, sizes, prove: &[], check: &[], generate: &[] }
}

/// Whether the operations of a suite are carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crypto {
    /// They are.
    Real,
    /// Stand-ins of the same lengths and outcomes take their place.
    Modelled,
}

impl Crypto {
    /// Both, in the order of the documentation.
    pub const ALL: [Crypto; 2] = [Crypto::Real, Crypto::Modelled];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Crypto::Real => "real",
            Crypto::Modelled => "modelled",
        }
    }

    /// `suite`, carried out like this. `backend` is of no meaning to stand-ins; see [`SuiteId::with`].
    pub fn cipher(self, suite: SuiteId, backend: Option<Backend>) -> Cipher {
        match self {
            Crypto::Real => suite.with(backend),
            Crypto::Modelled => suite.modelled(),
        }
    }
}

/// A suite that can be used: carried out by chosen backends, or by stand-ins. Operations of an asymmetric one are looked
/// up where the thread keeps them (see [`memoise`]); all backends give the same.
#[derive(Clone, Copy, Debug)]
pub struct Cipher {
    suite: SuiteId,
    work: Work,
}

/// Who does the work of a cipher.
#[derive(Clone, Copy, Debug)]
enum Work {
    /// Backends.
    Real { prove: Prove, check: Check, generate: Option<Generate> },
    /// The stand-ins.
    Modelled,
}

impl Cipher {
    /// The suite.
    pub const fn suite(&self) -> SuiteId {
        self.suite
    }

    /// Whether its operations are carried out.
    pub const fn crypto(&self) -> Crypto {
        match self.work {
            Work::Real { .. } => Crypto::Real,
            Work::Modelled => Crypto::Modelled,
        }
    }

    /// Symmetric or asymmetric.
    pub const fn family(&self) -> Family {
        self.suite.family()
    }

    /// Lengths of keys, challenges and proofs, as they are in truth.
    pub const fn sizes(&self) -> Sizes {
        self.suite.sizes()
    }

    /// The same, but with the lengths in which keys are kept here: stand-ins keep short ones.
    pub const fn kept(&self) -> Sizes {
        match self.work {
            Work::Real { .. } => self.suite.sizes(),
            Work::Modelled => modelled::kept(self.suite),
        }
    }

    /// Appends the proof of knowing the private key for `random`, a challenge or an Rk: C = E(K, R).
    pub fn prove(&self, private: &[u8], random: &[u8], out: &mut Vec<u8>) {
        match self.work {
            Work::Real { prove, generate: None, .. } => prove(private, random, out),
            Work::Real { prove, .. } => {
                let inputs = [random, private];
                recall(Operation::Prove, self.suite, &inputs, out, |out| prove(private, random, out));
            }
            Work::Modelled => modelled::prove(self.suite, private, random, out),
        }
    }

    /// Whether `proof` answers `challenge` under the private half of `public`. A proof of the wrong length does not.
    pub fn check(&self, public: &[u8], challenge: &[u8], proof: &[u8], comparison: Comparison) -> bool {
        match self.work {
            Work::Real { check, generate: None, .. } => check(public, challenge, proof, comparison),
            Work::Real { check, .. } => {
                let (inputs, mut right) = ([challenge, proof, public], Vec::new());
                recall(Operation::Check, self.suite, &inputs, &mut right, |out| {
                    out.push(u8::from(check(public, challenge, proof, comparison)));
                });
                right == [1]
            }
            Work::Modelled => modelled::check(self.suite, public, challenge, proof),
        }
    }

    /// Appends the pair that grows from `seed`, which is what `prove` answered to an Rk.
    pub fn grow(&self, seed: &[u8], out: &mut Vec<u8>) {
        match self.work {
            Work::Real { generate: None, .. } => out.extend_from_slice(&seed[..self.suite.sizes().pair]),
            Work::Real { generate: Some(generate), .. } => {
                let grow = |out: &mut Vec<u8>| generate(&Sha256::digest(seed), out);
                recall(Operation::Generate, self.suite, &[seed], out, grow);
            }
            Work::Modelled => modelled::grow(self.suite, seed, out),
        }
    }

    /// Appends the pair that a key is issued with, made from as many random bytes as [`Sizes::issue_random`] says.
    pub fn issue(&self, random: &[u8], out: &mut Vec<u8>) {
        match self.work {
            Work::Real { generate: None, .. } => out.extend_from_slice(random),
            Work::Real { generate: Some(generate), .. } => generate(random, out),
            Work::Modelled => modelled::issue(self.suite, random, out),
        }
    }

    /// The half of a pair that proves.
    pub fn private_half<'p>(&self, pair: &'p [u8]) -> &'p [u8] {
        &pair[pair.len() - self.kept().private..]
    }

    /// The half of a pair that checks.
    pub fn public_half<'p>(&self, pair: &'p [u8]) -> &'p [u8] {
        &pair[..self.kept().public]
    }

    /// The half of a pair that a card holds of a key in `ring`: it proves with internal keys and checks with external
    /// ones \[0061\].
    pub fn half_on_card<'p>(&self, ring: Ring, pair: &'p [u8]) -> &'p [u8] {
        match ring {
            Ring::Internal => self.private_half(pair),
            Ring::External => self.public_half(pair),
        }
    }
}

impl SuiteId {
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

    /// Who can carry out `operation`, the default first; nobody where it is no work.
    pub fn backends(self, operation: Operation) -> Vec<Backend> {
        fn named<F>(choices: Choices<F>) -> Vec<Backend> {
            choices.iter().map(|&(backend, _)| backend).collect()
        }
        match operation {
            Operation::Prove => named(self.suite().prove),
            Operation::Check => named(self.suite().check),
            Operation::Generate => named(self.suite().generate),
        }
    }

    /// The suite with its operations carried out by their default backends.
    pub const fn real(self) -> Cipher {
        let Suite { prove, check, generate, .. } = *self.suite();
        let generate = if generate.is_empty() { None } else { Some(generate[0].1) };
        Cipher { suite: self, work: Work::Real { prove: prove[0].1, check: check[0].1, generate } }
    }

    /// The suite with its operations carried out by stand-ins.
    pub const fn modelled(self) -> Cipher {
        Cipher { suite: self, work: Work::Modelled }
    }

    /// The suite with its operations carried out by `backend` wherever it can, and by their defaults otherwise. `None`:
    /// by their defaults.
    pub fn with(self, backend: Option<Backend>) -> Cipher {
        let Suite { prove, check, generate, .. } = *self.suite();
        let work = Work::Real {
            prove: chosen(prove, backend),
            check: chosen(check, backend),
            generate: (!generate.is_empty()).then(|| chosen(generate, backend)),
        };
        Cipher { suite: self, work }
    }

    /// [`Cipher::prove`] by the default backend.
    pub fn prove(self, private: &[u8], random: &[u8], out: &mut Vec<u8>) {
        self.real().prove(private, random, out);
    }

    /// [`Cipher::check`] by the default backend.
    pub fn check(self, public: &[u8], challenge: &[u8], proof: &[u8], comparison: Comparison) -> bool {
        self.real().check(public, challenge, proof, comparison)
    }

    /// [`Cipher::grow`] by the default backend.
    pub fn grow(self, seed: &[u8], out: &mut Vec<u8>) {
        self.real().grow(seed, out);
    }

    /// [`Cipher::issue`] by the default backend.
    pub fn issue(self, random: &[u8], out: &mut Vec<u8>) {
        self.real().issue(random, out);
    }

    /// The session key that lies in the card's answer to Ro \[0048\]: the answer itself if it is as long as one, or the
    /// first bytes of its hash. With `3des` the answer is one block of 8 bytes, and no hash makes more of it.
    pub fn session_key(self, proof: &[u8]) -> [u8; SESSION_KEY] {
        <[u8; SESSION_KEY]>::try_from(proof).unwrap_or_else(|_| {
            let hash = Sha256::digest(proof);
            *hash.first_chunk().expect("a hash is longer than a session key")
        })
    }

    /// The half of a pair that proves.
    pub fn private_half(self, pair: &[u8]) -> &[u8] {
        &pair[pair.len() - self.sizes().private..]
    }

    /// The half of a pair that checks.
    pub fn public_half(self, pair: &[u8]) -> &[u8] {
        &pair[..self.sizes().public]
    }
}

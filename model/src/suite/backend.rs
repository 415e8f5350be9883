//! Which library carries out an operation of a suite.
//!
//! All backends of an operation give the same bytes, or accept the same proofs, so that a choice among them changes how
//! long a run takes and nothing else. The first one in an operation's list is its default: the fastest that builds with
//! a C compiler alone (docs/ciphers.md has the measurements). A library that signs with random numbers of its own makes
//! proofs that nobody could reproduce: it is listed for `check` only.

use super::Comparison;

/// A library.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    /// The crates of the RustCrypto project: `aes`, `des`, `camellia`, `rsa`, `p256`, `ml-dsa`.
    RustCrypto,
    /// `ed25519-dalek`.
    Dalek,
    /// AWS-LC, through `aws-lc-rs`.
    AwsLcRs,
    /// The system's OpenSSL, where keystorm is built with the feature `openssl`.
    OpenSsl,
}

impl Backend {
    /// Every backend, in the order of the documentation.
    pub const ALL: [Backend; 4] = [Backend::RustCrypto, Backend::Dalek, Backend::AwsLcRs, Backend::OpenSsl];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Backend::RustCrypto => "rustcrypto",
            Backend::Dalek => "dalek",
            Backend::AwsLcRs => "aws-lc-rs",
            Backend::OpenSsl => "openssl",
        }
    }

    /// The cargo feature that this build would need for it; `None`: it is there.
    pub const fn missing_feature(self) -> Option<&'static str> {
        match self {
            Backend::OpenSsl if !cfg!(feature = "openssl") => Some("openssl"),
            _ => None,
        }
    }
}

/// What a suite does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Operation {
    /// Answers a random: a challenge, or an Rk from which a new key is derived.
    Prove,
    /// Judges an answer.
    Check,
    /// Makes a pair of keys from a seed; with a symmetric suite that is no work.
    Generate,
}

impl Operation {
    /// Every operation, in the order of the documentation.
    pub const ALL: [Operation; 3] = [Operation::Prove, Operation::Check, Operation::Generate];

    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Operation::Prove => "prove",
            Operation::Check => "check",
            Operation::Generate => "generate",
        }
    }
}

/// Appends the proof of `random` under a private key.
pub(super) type Prove = fn(private: &[u8], random: &[u8], out: &mut Vec<u8>);
/// Whether a proof answers a challenge under the private half of a public key.
pub(super) type Check = fn(public: &[u8], challenge: &[u8], proof: &[u8], comparison: Comparison) -> bool;
/// Appends the pair that a seed stands for.
pub(super) type Generate = fn(seed: &[u8], out: &mut Vec<u8>);

/// The backends of one operation, the default first.
pub(super) type Choices<F> = &'static [(Backend, F)];

/// The implementation of `backend`; the default where it has none, or none is named.
pub(super) fn chosen<F: Copy>(choices: Choices<F>, backend: Option<Backend>) -> F {
    let named = choices.iter().find(|(offered, _)| Some(*offered) == backend);
    named.unwrap_or(&choices[0]).1
}

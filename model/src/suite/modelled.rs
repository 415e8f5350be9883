//! Stand-ins for the suites, for fleets whose true operations would take too long to compute.
//!
//! What is seen of a suite from outside is that of the true one: the lengths of challenges and proofs, which half of a key
//! proves and which one checks, that a proof answers one challenge under one key and no other, that a proof of which a byte
//! is another answers nothing, and that the same seed makes the same pair. What is inside is a hash (XXH3-128), which
//! costs some ten nanoseconds and protects nothing.
//!
//! ```text
//! symmetric     a block of the proof = first bytes of H(key, block of the random)
//! asymmetric    private = H(seed)    public = H(private)    proof = H(public, random), stretched to its length
//! ```
//!
//! The halves of an asymmetric key are kept in 16 bytes each, since they cross no line: a fleet of a million cards with
//! `rsa-2048` would take 9 GB of keys. Cards write them to as many pages as the true ones fill.

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::{Family, SEED, Sizes, SuiteId};

/// Bytes that are kept of each half of an asymmetric key.
const HALF: usize = 16;
/// What is hashed at most: the longest key and the longest random.
const LONGEST: usize = 32 + super::MAX_RANDOM;
const BLOCK: usize = 16;

/// What a hash is for, so that none is taken for another.
#[derive(Clone, Copy)]
enum Use {
    Proof = 1,
    Private = 2,
    Public = 3,
}

fn hash(what: Use, bytes: &[u8]) -> u128 {
    xxh3_128_with_seed(bytes, what as u64)
}

/// The sizes of `suite`, but with the lengths in which its keys are kept.
pub(super) const fn kept(suite: SuiteId) -> Sizes {
    let sizes = suite.sizes();
    match suite.family() {
        Family::Symmetric => sizes,
        Family::Asymmetric => Sizes { pair: 2 * HALF, private: HALF, public: HALF, ..sizes },
    }
}

/// The hash that a proof of `random` is made of, under the half of the key that checks.
fn tag(key: &[u8], random: &[u8]) -> u128 {
    let mut bytes = [0; LONGEST];
    bytes[..key.len()].copy_from_slice(key);
    bytes[key.len()..][..random.len()].copy_from_slice(random);
    hash(Use::Proof, &bytes[..key.len() + random.len()])
}

fn public_of(private: &[u8]) -> [u8; HALF] {
    hash(Use::Public, private).to_le_bytes()
}

/// The blocks that a hash is stretched to. Each is of the whole hash and of its place, so that none can be left out or
/// stand for another.
fn stretched(tag: u128) -> impl Iterator<Item = [u8; BLOCK]> {
    const ODD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;
    std::iter::successors(Some(tag), |block| Some(block.wrapping_add(ODD))).map(u128::to_le_bytes)
}

pub(super) fn prove(suite: SuiteId, private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    let sizes = suite.sizes();
    if suite.family() == Family::Symmetric {
        for block in random.chunks(sizes.challenge) {
            out.extend_from_slice(&tag(private, block).to_le_bytes()[..block.len()]);
        }
        return;
    }
    let start = out.len();
    out.resize(start + sizes.proof, 0);
    for (place, block) in out[start..].chunks_mut(BLOCK).zip(stretched(tag(&public_of(private), random))) {
        place.copy_from_slice(&block[..place.len()]);
    }
}

pub(super) fn check(suite: SuiteId, public: &[u8], challenge: &[u8], proof: &[u8]) -> bool {
    let sizes = suite.sizes();
    if proof.len() != sizes.proof || challenge.len() != sizes.challenge {
        return false;
    }
    // With a symmetric suite a proof is one block.
    let blocks = stretched(tag(public, challenge));
    proof.chunks(BLOCK).zip(blocks).all(|(part, block)| *part == block[..part.len()])
}

/// Appends the pair that grows from `seed`, which is what `prove` answered to an Rk.
pub(super) fn grow(suite: SuiteId, seed: &[u8], out: &mut Vec<u8>) {
    match suite.family() {
        Family::Symmetric => out.extend_from_slice(&seed[..suite.sizes().pair]),
        Family::Asymmetric => generate(seed, out),
    }
}

/// Appends the pair that a key is issued with.
pub(super) fn issue(suite: SuiteId, random: &[u8], out: &mut Vec<u8>) {
    match suite.family() {
        Family::Symmetric => out.extend_from_slice(random),
        Family::Asymmetric => generate(&random[..SEED], out),
    }
}

fn generate(seed: &[u8], out: &mut Vec<u8>) {
    let private = hash(Use::Private, seed).to_le_bytes();
    out.extend_from_slice(&public_of(&private));
    out.extend_from_slice(&private);
}

#[cfg(test)]
mod tests;

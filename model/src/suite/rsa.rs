//! RSA (RFC 8017): a proof is a deterministic signature, and a new pair grows from the hash of one.
//!
//! | What | Bytes |
//! |---|---|
//! | public half | the modulus n, big-endian; the exponent is 65537 |
//! | private half | p, q, dP, dQ and qInv, each half as long as n, as a card holds them (RFC 8017, 3.2, second form) |
//! | challenge, Rk | 32 |
//! | proof, seed | RSASSA-PKCS1-v1_5 with SHA-256 over the random as the message (RFC 8017, 8.2), as long as n |
//!
//! All of it is the `rsa` crate's, fed by ChaCha20; `sha2` and the exact version of that crate are thereby part of every
//! run, and the tests pin them by value. Nothing is blinded, so that a proof is reproducible and no random number is
//! taken from the system: these keys guard nothing.
//!
//! Measured, each from the stored bytes, on one core of a 2-core x86-64 virtual machine (AMD EPYC), in microseconds, with
//! `cargo bench -p keystorm-benches --bench suites`:
//!
//! | | `prove` | `check` | `grow` |
//! |---|---|---|---|
//! | `rsa-1024` | 323 | 21 | 5,400 |
//! | `rsa-2048` | 1,640 | 71 | 75,000 |
//!
//! Four tenths of a signature's time go into building the crate's key from its stored bytes. `grow` is a mean over some hundred seeds: the search for primes ends sooner or later.

use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use ::rsa::{BoxedUint, Pkcs1v15Sign, PrivateKey, PublicKey};
use crypto_bigint::{U512, U1024, U2048, Uint};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest as _, Sha256};

use super::{Family, SESSION_KEY, Sizes, Suite};

pub(super) static RSA_1024: Suite = suite::<{ U512::LIMBS }, { U1024::LIMBS }>("rsa-1024");
pub(super) static RSA_2048: Suite = suite::<{ U1024::LIMBS }, { U2048::LIMBS }>("rsa-2048");

/// Bytes of a challenge, of an Rk, and of what a pair is issued from: a seed of ChaCha20.
const RANDOM: usize = 32;
/// Bytes of a SHA-256 hash.
const HASH: usize = 32;
/// The public exponent.
const EXPONENT: u64 = 65_537;

/// What stands before the hash in a signature: the DER of DigestInfo for SHA-256 (RFC 8017, 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// The suite whose primes have `HALF` limbs and whose moduli `WHOLE`.
const fn suite<const HALF: usize, const WHOLE: usize>(name: &'static str) -> Suite {
    let modulus = Uint::<WHOLE>::BYTES;
    let private = 5 * Uint::<HALF>::BYTES;
    Suite {
        name,
        family: Family::Asymmetric,
        sizes: Sizes {
            pair: modulus + private,
            private,
            public: modulus,
            challenge: RANDOM,
            renewal_random: RANDOM,
            proof: modulus,
            seed: modulus,
            issue_random: RANDOM,
        },
        prove: prove::<HALF>,
        check: |public, challenge, proof, _| check::<WHOLE>(public, challenge, proof),
        grow: |seed, out| generate::<HALF, WHOLE>(Sha256::digest(seed).into(), out),
        issue: |random, out| {
            let seed = random.try_into().expect("a pair is issued from 32 bytes");
            generate::<HALF, WHOLE>(seed, out);
        },
        session_key: |proof| {
            let hash = Sha256::digest(proof);
            *hash.first_chunk::<SESSION_KEY>().expect("a hash is longer than a session key")
        },
    }
}

/// Appends the pair that the `rsa` crate makes from `seed`.
fn generate<const HALF: usize, const WHOLE: usize>(seed: [u8; 32], out: &mut Vec<u8>) {
    let mut random = ChaCha20Rng::from_seed(seed);
    let bits = Uint::<WHOLE>::BITS as usize;
    let key = PrivateKey::new(&mut random, bits).expect("the size is allowed, and ChaCha20 never fails");
    let (Some(d_p), Some(d_q), Some(q_inv)) = (key.dp(), key.dq(), key.qinv()) else {
        unreachable!("a new key has its CRT values");
    };
    let [p, q] = key.primes() else { unreachable!("a new key has two primes") };
    let start = out.len();
    out.extend_from_slice(&key.n_bytes());
    for part in [p.as_ref(), q.as_ref(), d_p, d_q, &q_inv.retrieve()] {
        out.extend_from_slice(&part.to_be_bytes());
    }
    assert_eq!(
        out.len() - start,
        Uint::<WHOLE>::BYTES + 5 * Uint::<HALF>::BYTES,
        "every part has its full length"
    );
}

/// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, 8.2).
fn scheme() -> Pkcs1v15Sign {
    Pkcs1v15Sign { hash_len: Some(HASH), prefix: DIGEST_INFO.into() }
}

/// An integer of `bytes`, which are big-endian.
fn integer(bytes: &[u8]) -> BoxedUint {
    BoxedUint::from_be_slice(bytes, 8 * bytes.len() as u32).expect("as many bits as the bytes have")
}

/// Appends the signature of `random`.
fn prove<const HALF: usize>(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    assert_eq!(random.len(), RANDOM, "randoms of this suite have 32 bytes");
    let (p, rest) = private.split_at(Uint::<HALF>::BYTES);
    let primes = (integer(p), integer(&rest[..p.len()]));
    let key = PrivateKey::from_p_q(primes.0, primes.1, EXPONENT.into()).expect("the halves are two primes");
    let signature = key.sign(scheme(), &Sha256::digest(random)).expect("a hash fits under the modulus");
    out.extend_from_slice(&signature);
}

/// Whether `proof` is the signature of `challenge` under the modulus `public`.
fn check<const WHOLE: usize>(public: &[u8], challenge: &[u8], proof: &[u8]) -> bool {
    let bytes = Uint::<WHOLE>::BYTES;
    if challenge.len() != RANDOM || proof.len() != bytes || public.len() != bytes {
        return false;
    }
    let key = PublicKey::new(integer(public), EXPONENT.into());
    key.is_ok_and(|key| key.verify(scheme(), &Sha256::digest(challenge), proof).is_ok())
}

#[cfg(test)]
mod tests;

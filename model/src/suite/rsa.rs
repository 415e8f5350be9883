//! RSA (RFC 8017): a proof is a deterministic signature, and a new pair grows from the hash of one.
//!
//! | What | Bytes |
//! |---|---|
//! | public half | the modulus n, big-endian; the exponent is 65537 |
//! | private half | p, q, dP, dQ and qInv, each half as long as n, as a card holds them (RFC 8017, 3.2, second form) |
//! | challenge, Rk | 32 |
//! | proof, seed | RSASSA-PKCS1-v1_5 with SHA-256 over the random as the message (RFC 8017, 8.2), as long as n |
//!
//! Pairs are made by the `rsa` crate, fed by ChaCha20, which alone takes a generator of ours; `sha2` and the exact version
//! of that crate are thereby part of every run, and the tests pin them by value. Nothing that it does here is blinded, and it
//! takes no random number from the system: these keys guard nothing. AWS-LC signs several times as fast, and is the default
//! from 2048 bits on. It blinds its work with random numbers of its own, and is handed the system's; in this scheme a proof
//! is the same whatever they are.

use ::rsa::traits::{PrivateKeyParts, PublicKeyParts};
use ::rsa::{BoxedUint, Pkcs1v15Sign, PrivateKey, PublicKey};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeyPairComponents, PublicKeyComponents};
use aws_lc_rs::signature::{
    RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY as VERIFYING, RSA_PKCS1_SHA256 as SIGNING,
};
use crypto_bigint::{ConcatenatingMul, Limb, NonZero, U512, U1024, U1536, U2048, U3072, Uint};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use sha2::{Digest as _, Sha256};

use super::backend::Backend::{AwsLcRs, RustCrypto};
use super::backend::{Choices, Prove};
use super::{Comparison, Suite, asymmetric};
#[cfg(feature = "openssl")]
use super::{backend::Backend::OpenSsl, openssl};

pub(super) static RSA_1024: Suite = suite::<{ U512::LIMBS }, { U1024::LIMBS }>(
    "rsa-1024",
    // AWS-LC does not sign with so short a modulus.
    &[
        (RustCrypto, prove::<{ U512::LIMBS }>),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::rsa_prove::<{ U512::LIMBS }>),
    ],
);
pub(super) static RSA_2048: Suite = suite::<{ U1024::LIMBS }, { U2048::LIMBS }>(
    "rsa-2048",
    &[
        (AwsLcRs, prove_aws::<{ U1024::LIMBS }>),
        (RustCrypto, prove::<{ U1024::LIMBS }>),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::rsa_prove::<{ U1024::LIMBS }>),
    ],
);
pub(super) static RSA_3072: Suite = suite::<{ U1536::LIMBS }, { U3072::LIMBS }>(
    "rsa-3072",
    &[
        (AwsLcRs, prove_aws::<{ U1536::LIMBS }>),
        (RustCrypto, prove::<{ U1536::LIMBS }>),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::rsa_prove::<{ U1536::LIMBS }>),
    ],
);

/// Bytes of a challenge, of an Rk, and of what a pair is issued from: a seed of ChaCha20.
const RANDOM: usize = 32;
/// Bytes of a SHA-256 hash.
const HASH: usize = 32;
/// The public exponent.
pub(super) const EXPONENT: u64 = 65_537;
const EXPONENT_BYTES: usize = 3;

/// What stands before the hash in a signature: the DER of DigestInfo for SHA-256 (RFC 8017, 9.2, note 1).
const DIGEST_INFO: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0x04, 0x20,
];

/// The suite whose primes have `HALF` limbs and whose moduli `WHOLE`.
const fn suite<const HALF: usize, const WHOLE: usize>(name: &'static str, prove: Choices<Prove>) -> Suite {
    let modulus = Uint::<WHOLE>::BYTES;
    Suite {
        prove,
        check: &[
            (AwsLcRs, check_aws::<WHOLE>),
            (RustCrypto, check::<WHOLE>),
            #[cfg(feature = "openssl")]
            (OpenSsl, openssl::rsa_check::<WHOLE>),
        ],
        generate: &[(RustCrypto, generate::<HALF, WHOLE>)],
        ..asymmetric(name, 5 * Uint::<HALF>::BYTES, modulus, modulus)
    }
}

/// Appends the pair that the `rsa` crate makes from `seed`.
fn generate<const HALF: usize, const WHOLE: usize>(seed: &[u8], out: &mut Vec<u8>) {
    let mut random = ChaCha20Rng::from_seed(seed.try_into().expect("a pair grows from 32 bytes"));
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

/// The same by AWS-LC. It wants the modulus and the private exponent too, and refuses parts that do not fit together.
fn prove_aws<const HALF: usize>(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    assert_eq!(random.len(), RANDOM, "randoms of this suite have 32 bytes");
    let Parts { n, d, halves: [p, q, d_p, d_q, q_inv] } = Parts::of::<HALF>(private);
    let e = EXPONENT.to_be_bytes();
    let public_key = PublicKeyComponents { n: &n[..], e: &e[e.len() - EXPONENT_BYTES..] };
    let key = KeyPairComponents { public_key, d: &d[..], p, q, dP: d_p, dQ: d_q, qInv: q_inv };
    let key = KeyPair::from_components(&key).expect("the parts fit together");
    let start = out.len();
    out.resize(start + n.len(), 0);
    // PKCS#1 v1.5 has no use for random numbers.
    let signed = key.sign(&SIGNING, &SystemRandom::new(), random, &mut out[start..]);
    signed.expect("a hash fits under the modulus");
}

/// What a library wants of a private key, all of it big-endian.
pub(super) struct Parts<'k> {
    /// The modulus.
    pub(super) n: Box<[u8]>,
    /// The private exponent.
    pub(super) d: Box<[u8]>,
    /// p, q, dP, dQ and qInv.
    pub(super) halves: [&'k [u8]; 5],
}

impl<'k> Parts<'k> {
    /// Those of a private half whose primes have `HALF` limbs.
    pub(super) fn of<const HALF: usize>(private: &'k [u8]) -> Self {
        let mut parts = private.chunks_exact(Uint::<HALF>::BYTES);
        let halves = std::array::from_fn(|_| parts.next().expect("a key has five parts"));
        let (p, q) = (integer(halves[0]), integer(halves[1]));
        let n = p.concatenating_mul(&q).to_be_bytes();
        Parts { n, d: private_exponent(&p, &q).to_be_bytes(), halves }
    }
}

/// d = 1/e modulo (p-1)(q-1). As e is a small prime, d is the only multiple of it, plus 1, among the first e values of
/// 1 + k(p-1)(q-1): k = -1/((p-1)(q-1)) modulo e, by Fermat's theorem.
fn private_exponent(p: &BoxedUint, q: &BoxedUint) -> BoxedUint {
    let one = BoxedUint::one_with_precision(p.bits_precision());
    let phi = p.wrapping_sub(&one).concatenating_mul(&q.wrapping_sub(&one));
    let e = NonZero::new(Limb::from(EXPONENT)).expect("the exponent is not 0");
    let residue = phi.rem_limb(e).0;
    let inverse = (0..EXPONENT.ilog2()).fold((1, residue), |(power, square), bit| {
        let power = if (EXPONENT - 2) >> bit & 1 == 1 { power * square % EXPONENT } else { power };
        (power, square * square % EXPONENT)
    });
    let k = EXPONENT - inverse.0;
    let multiple = phi.concatenating_mul(&BoxedUint::from(k));
    let one = BoxedUint::one_with_precision(multiple.bits_precision());
    let (d, rest) = multiple.wrapping_add(&one).div_rem_limb(e);
    assert_eq!(rest, Limb::ZERO, "k has been chosen for that");
    d
}

/// Whether all of them have the lengths that they have with moduli of `WHOLE` limbs.
pub(super) const fn fits<const WHOLE: usize>(public: &[u8], challenge: &[u8], proof: &[u8]) -> bool {
    let bytes = Uint::<WHOLE>::BYTES;
    challenge.len() == RANDOM && proof.len() == bytes && public.len() == bytes
}

/// Whether `proof` is the signature of `challenge` under the modulus `public`.
fn check<const WHOLE: usize>(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    if !fits::<WHOLE>(public, challenge, proof) {
        return false;
    }
    let key = PublicKey::new(integer(public), EXPONENT.into());
    key.is_ok_and(|key| key.verify(scheme(), &Sha256::digest(challenge), proof).is_ok())
}

/// The same by AWS-LC.
fn check_aws<const WHOLE: usize>(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    if !fits::<WHOLE>(public, challenge, proof) {
        return false;
    }
    let e = EXPONENT.to_be_bytes();
    let key = PublicKeyComponents { n: public, e: &e[e.len() - EXPONENT_BYTES..] };
    key.verify(&VERIFYING, challenge, proof).is_ok()
}

#[cfg(test)]
mod tests;

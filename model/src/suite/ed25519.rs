//! Ed25519 (RFC 8032): pure, not prehashed. The private half is the seed of 32 bytes that the scalar and the nonces come
//! from, the public half the point of 32, and a proof has 64 bytes.
//!
//! A verifier follows RFC 8032, 5.1.7, without the cofactor: it refuses an S that is not below the order, and compares R
//! byte by byte. A public key has one encoding (5.1.3): others of the same point are refused before a library sees them,
//! since not all libraries do so.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};

use super::backend::Backend::{AwsLcRs, Dalek};
use super::{Comparison, Suite, asymmetric};
#[cfg(feature = "openssl")]
use super::{backend::Backend::OpenSsl, openssl};

const PRIVATE: usize = 32;
const PUBLIC: usize = 32;
const PROOF: usize = 64;

pub(super) static SUITE: Suite = Suite {
    prove: &[
        (AwsLcRs, prove_aws),
        (Dalek, prove),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::ed25519_prove),
    ],
    check: &[
        (AwsLcRs, check_aws),
        (Dalek, check),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::ed25519_check),
    ],
    generate: &[
        (AwsLcRs, generate_aws),
        (Dalek, generate),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::ed25519_generate),
    ],
    ..asymmetric("ed25519", PRIVATE, PUBLIC, PROOF)
};

fn signing(private: &[u8]) -> SigningKey {
    SigningKey::from_bytes(private.try_into().expect("a private key has 32 bytes"))
}

fn prove(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&signing(private).sign(random).to_bytes());
}

/// The public key, if it can be the encoding of a point: y is below the prime 2^255 - 19, and where x is 0, that is
/// where y is 1 or -1, the bit of x's sign is not set. Of the points on the curve there is no other condition.
pub(super) fn canonical(public: &[u8]) -> Option<&[u8; PUBLIC]> {
    const SIGN: u8 = 0x80;
    let public: &[u8; PUBLIC] = public.try_into().ok()?;
    let [low, middle @ .., high] = public;
    let middle_is = |byte: u8| middle.iter().all(|&other| other == byte);
    let reduced = *low < 0xed || !middle_is(0xff) || high & !SIGN != 0x7f;
    let one = *low == 0x01 && middle_is(0x00) && high & !SIGN == 0x00;
    let minus_one = *low == 0xec && middle_is(0xff) && high & !SIGN == 0x7f;
    let signed = high & SIGN != 0;
    (reduced && !(signed && (one || minus_one))).then_some(public)
}

fn check(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    let Some(public) = canonical(public) else { return false };
    let Ok(key) = VerifyingKey::from_bytes(public) else { return false };
    Signature::from_slice(proof).is_ok_and(|signature| key.verify(challenge, &signature).is_ok())
}

fn generate(seed: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(signing(seed).verifying_key().as_bytes());
    out.extend_from_slice(seed);
}

fn signing_aws(private: &[u8]) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(private).expect("a private key has 32 bytes")
}

fn prove_aws(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(signing_aws(private).sign(random).as_ref());
}

fn check_aws(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    // It would take a key wrapped in DER too.
    canonical(public)
        .is_some_and(|public| UnparsedPublicKey::new(&ED25519, public).verify(challenge, proof).is_ok())
}

fn generate_aws(seed: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(signing_aws(seed).public_key().as_ref());
    out.extend_from_slice(seed);
}

#[cfg(test)]
mod tests;

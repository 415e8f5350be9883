//! Ed25519 (RFC 8032): pure, not prehashed. The private half is the seed of 32 bytes that the scalar and the nonces come
//! from, the public half the point of 32, and a proof has 64 bytes.
//!
//! A verifier follows RFC 8032, 5.1.7, without the cofactor: it refuses an S that is not below the order, and compares R
//! byte by byte.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use ed25519_dalek::{Signature, Signer as _, SigningKey, Verifier as _, VerifyingKey};

use super::backend::Backend::{AwsLcRs, Dalek};
use super::{Comparison, Suite, asymmetric};

const PRIVATE: usize = 32;
const PUBLIC: usize = 32;
const PROOF: usize = 64;

pub(super) static SUITE: Suite = Suite {
    prove: &[(AwsLcRs, prove_aws), (Dalek, prove)],
    check: &[(AwsLcRs, check_aws), (Dalek, check)],
    generate: &[(AwsLcRs, generate_aws), (Dalek, generate)],
    ..asymmetric("ed25519", PRIVATE, PUBLIC, PROOF)
};

fn signing(private: &[u8]) -> SigningKey {
    SigningKey::from_bytes(private.try_into().expect("a private key has 32 bytes"))
}

fn prove(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&signing(private).sign(random).to_bytes());
}

fn check(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    let Ok(public) = public.try_into() else { return false };
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
    UnparsedPublicKey::new(&ED25519, public).verify(challenge, proof).is_ok()
}

fn generate_aws(seed: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(signing_aws(seed).public_key().as_ref());
    out.extend_from_slice(seed);
}

#[cfg(test)]
mod tests;

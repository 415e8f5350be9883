//! ECDSA on P-256 with SHA-256 (FIPS 186-5), its nonces by RFC 6979, so that a proof is reproducible.
//!
//! | What | Bytes |
//! |---|---|
//! | private half | 32: the scalar d, big-endian |
//! | public half | 65: the point, uncompressed (SEC 1, 2.3.3), as cards hold it |
//! | proof | 64: r and s, big-endian; an s above half the order is as good as one below |
//!
//! d is the first 32 bytes of ChaCha20 under the seed that lie in 1 to n - 1: rejection, so that no scalar is likelier
//! than another (FIPS 186-5, A.2.2).

use ::p256::ecdsa::signature::{Signer as _, Verifier as _};
use ::p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use aws_lc_rs::agreement::{self, ECDH_P256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

use super::backend::Backend::{AwsLcRs, RustCrypto};
use super::{Comparison, Suite, asymmetric};
#[cfg(feature = "openssl")]
use super::{backend::Backend::OpenSsl, openssl};

const PRIVATE: usize = 32;
const PUBLIC: usize = 65;
const PROOF: usize = 64;

pub(super) static SUITE: Suite = Suite {
    prove: &[(RustCrypto, prove)],
    // AWS-LC and OpenSSL draw their nonces themselves: they cannot prove.
    check: &[
        (AwsLcRs, check_aws),
        (RustCrypto, check),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::p256_check),
    ],
    generate: &[(AwsLcRs, generate_aws), (RustCrypto, generate)],
    ..asymmetric("p256", PRIVATE, PUBLIC, PROOF)
};

fn prove(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    let key = SigningKey::from_slice(private).expect("a private key is a scalar in range");
    let signature: Signature = key.sign(random);
    out.extend_from_slice(&signature.to_bytes());
}

/// Whether a point has the one form in which it is held here. Some libraries read others too, and not the same ones.
pub(super) fn is_uncompressed(public: &[u8]) -> bool {
    public.len() == PUBLIC && public[0] == 0x04
}

fn check(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    let Ok(key) = VerifyingKey::from_sec1_bytes(public) else { return false };
    let Ok(signature) = Signature::from_slice(proof) else { return false };
    is_uncompressed(public) && key.verify(challenge, &signature).is_ok()
}

/// r and s of a proof.
#[cfg(feature = "openssl")]
pub(super) fn halves(proof: &[u8]) -> Option<(&[u8], &[u8])> {
    (proof.len() == PROOF).then(|| proof.split_at(PROOF / 2))
}

fn check_aws(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    is_uncompressed(public)
        && UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public).verify(challenge, proof).is_ok()
}

/// The scalar that `seed` stands for.
fn scalar(seed: &[u8]) -> SigningKey {
    let mut random = ChaCha20Rng::from_seed(seed.try_into().expect("a seed has 32 bytes"));
    let mut candidate = [0; PRIVATE];
    loop {
        random.fill_bytes(&mut candidate);
        if let Ok(key) = SigningKey::from_slice(&candidate) {
            return key;
        }
    }
}

fn generate(seed: &[u8], out: &mut Vec<u8>) {
    let key = scalar(seed);
    out.extend_from_slice(key.verifying_key().to_sec1_point(false).as_bytes());
    out.extend_from_slice(&key.to_bytes());
}

fn generate_aws(seed: &[u8], out: &mut Vec<u8>) {
    let mut random = ChaCha20Rng::from_seed(seed.try_into().expect("a seed has 32 bytes"));
    let mut candidate = [0; PRIVATE];
    loop {
        random.fill_bytes(&mut candidate);
        // It refuses 0 and what is not below the order, as the other backend does.
        let Ok(key) = agreement::PrivateKey::from_private_key(&ECDH_P256, &candidate) else { continue };
        let public = key.compute_public_key().expect("a scalar in range has its point");
        out.extend_from_slice(public.as_ref());
        return out.extend_from_slice(&candidate);
    }
}

#[cfg(test)]
mod tests;

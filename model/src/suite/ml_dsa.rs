//! ML-DSA (FIPS 204) in its deterministic variant, with an empty context.
//!
//! | What | `ml-dsa-44` | `ml-dsa-65` |
//! |---|---|---|
//! | private half | 32: the seed xi of the key generation, which expands to all the rest | 32 |
//! | public half | 1,312 | 1,952 |
//! | proof | 2,420 | 3,309 |
//!
//! A signer expands its key from the seed for each proof, as it would have to that keeps 32 bytes of each of a million
//! keys. AWS-LC hedges its signatures with random numbers: it cannot prove.

use ::ml_dsa::{
    EncodedVerifyingKey, ExpandedSigningKey, Keypair as _, MlDsa44, MlDsa65, MlDsaParams, Seed, Signature,
    SigningKey, VerifyingKey,
};
use aws_lc_rs::signature::{
    KeyPair as _, ML_DSA_44, ML_DSA_44_SIGNING, ML_DSA_65, ML_DSA_65_SIGNING, PqdsaKeyPair,
    PqdsaSigningAlgorithm, PqdsaVerificationAlgorithm, UnparsedPublicKey,
};

use super::backend::Backend::{AwsLcRs, RustCrypto};
use super::{Comparison, Suite, asymmetric};

const PRIVATE: usize = 32;

pub(super) static ML_DSA_44_SUITE: Suite = suite::<MlDsa44>("ml-dsa-44", 1_312, 2_420);
pub(super) static ML_DSA_65_SUITE: Suite = suite::<MlDsa65>("ml-dsa-65", 1_952, 3_309);

/// The two parameter sets, as both libraries call them.
trait Parameters: MlDsaParams {
    const VERIFYING: &'static PqdsaVerificationAlgorithm;
    const SIGNING: &'static PqdsaSigningAlgorithm;
}

impl Parameters for MlDsa44 {
    const VERIFYING: &'static PqdsaVerificationAlgorithm = &ML_DSA_44;
    const SIGNING: &'static PqdsaSigningAlgorithm = &ML_DSA_44_SIGNING;
}

impl Parameters for MlDsa65 {
    const VERIFYING: &'static PqdsaVerificationAlgorithm = &ML_DSA_65;
    const SIGNING: &'static PqdsaSigningAlgorithm = &ML_DSA_65_SIGNING;
}

const fn suite<P: Parameters>(name: &'static str, public: usize, proof: usize) -> Suite {
    Suite {
        prove: &[(RustCrypto, prove::<P>)],
        check: &[(AwsLcRs, check_aws::<P>), (RustCrypto, check::<P>)],
        generate: &[(AwsLcRs, generate_aws::<P>), (RustCrypto, generate::<P>)],
        ..asymmetric(name, PRIVATE, public, proof)
    }
}

fn xi(private: &[u8]) -> Seed {
    Seed::try_from(private).expect("a private key has 32 bytes")
}

fn prove<P: Parameters>(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    let key = ExpandedSigningKey::<P>::from_seed(&xi(private));
    let signature = key.sign_deterministic(random, &[]).expect("an empty context is short enough");
    out.extend_from_slice(&signature.encode());
}

fn check<P: Parameters>(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    let Ok(public) = EncodedVerifyingKey::<P>::try_from(public) else { return false };
    let Ok(signature) = Signature::<P>::try_from(proof) else { return false };
    VerifyingKey::<P>::decode(&public).verify_with_context(challenge, &[], &signature)
}

fn check_aws<P: Parameters>(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    // It would take a key wrapped in DER too.
    public.len() == size_of::<EncodedVerifyingKey<P>>()
        && UnparsedPublicKey::new(P::VERIFYING, public).verify(challenge, proof).is_ok()
}

fn generate<P: Parameters>(seed: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&SigningKey::<P>::from_seed(&xi(seed)).verifying_key().encode());
    out.extend_from_slice(seed);
}

fn generate_aws<P: Parameters>(seed: &[u8], out: &mut Vec<u8>) {
    let key = PqdsaKeyPair::from_seed(P::SIGNING, seed).expect("a seed has 32 bytes");
    out.extend_from_slice(key.public_key().as_ref());
    out.extend_from_slice(seed);
}

#[cfg(test)]
mod tests;

//! The operations of every suite that OpenSSL can carry out, where keystorm is built with the feature `openssl`: that takes
//! the system's headers.
//!
//! It is listed for `check` alone where it signs with random numbers of its own (ECDSA); it knows no ML-DSA before version
//! 3.5, and makes no pair from a generator of ours.

use ::openssl::bn::{BigNum, BigNumContext};
use ::openssl::ec::{EcGroup, EcKey, EcPoint};
use ::openssl::ecdsa::EcdsaSig;
use ::openssl::error::ErrorStack;
use ::openssl::hash::MessageDigest;
use ::openssl::nid::Nid;
use ::openssl::pkey::{Id, PKey, Private};
use ::openssl::rsa::{Rsa, RsaPrivateKeyBuilder};
use ::openssl::sign::{Signer, Verifier};
use ::openssl::symm::{Cipher, Crypter, Mode};
use sha2::{Digest as _, Sha256};

use super::{Comparison, ed25519, p256, rsa};

const SOUND: &str = "keys of this suite are sound";

/// Block ciphers: setting a key up means fetching the cipher too.
pub(super) mod block {
    use super::*;

    /// A block cipher in the mode ECB.
    pub(in super::super) trait Mechanism {
        fn cipher() -> Cipher;
    }

    macro_rules! mechanisms {
        ($($name:ident => $cipher:ident;)+) => {
            $(
                pub(in super::super) struct $name;

                impl Mechanism for $name {
                    fn cipher() -> Cipher {
                        Cipher::$cipher()
                    }
                }
            )+
        };
    }

    mechanisms! {
        Aes128 => aes_128_ecb;
        Aes192 => aes_192_ecb;
        Aes256 => aes_256_ecb;
        TripleDes => des_ede3_ecb;
        Camellia128 => camellia_128_ecb;
    }

    fn run<M: Mechanism>(mode: Mode, key: &[u8], blocks: &[u8], out: &mut Vec<u8>) {
        let cipher = M::cipher();
        let mut crypter = Crypter::new(cipher, mode, key, None).expect("keys have their length");
        crypter.pad(false);
        let start = out.len();
        // It asks for room for one block more than it fills.
        out.resize(start + blocks.len() + cipher.block_size(), 0);
        let length = crypter.update(blocks, &mut out[start..]).expect("whole blocks go through");
        assert_eq!(length, blocks.len(), "randoms of this suite are whole blocks");
        out.truncate(start + length);
    }

    pub(in super::super) fn prove<M: Mechanism>(key: &[u8], random: &[u8], out: &mut Vec<u8>) {
        run::<M>(Mode::Encrypt, key, random, out);
    }

    pub(in super::super) fn check<M: Mechanism>(
        key: &[u8],
        challenge: &[u8],
        proof: &[u8],
        comparison: Comparison,
    ) -> bool {
        if proof.len() != challenge.len() {
            return false;
        }
        let (mode, given, wanted) = match comparison {
            Comparison::Encryption => (Mode::Encrypt, challenge, proof),
            Comparison::Decryption => (Mode::Decrypt, proof, challenge),
        };
        let mut found = Vec::with_capacity(2 * given.len());
        run::<M>(mode, key, given, &mut found);
        found == wanted
    }
}

/// RSA; a prime has `HALF` limbs.
pub(super) fn rsa_prove<const HALF: usize>(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    let key = PKey::from_rsa(rsa_key::<HALF>(private).expect(SOUND)).expect(SOUND);
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect(SOUND);
    out.extend_from_slice(&signer.sign_oneshot_to_vec(random).expect("a hash fits under the modulus"));
}

fn rsa_key<const HALF: usize>(private: &[u8]) -> Result<Rsa<Private>, ErrorStack> {
    let rsa::Parts { n, d, halves } = rsa::Parts::of::<HALF>(private);
    let [p, q, d_p, d_q, q_inv] = halves.map(BigNum::from_slice);
    let e = BigNum::from_u32(rsa::EXPONENT as u32)?;
    let key = RsaPrivateKeyBuilder::new(BigNum::from_slice(&n)?, e, BigNum::from_slice(&d)?)?;
    Ok(key.set_factors(p?, q?)?.set_crt_params(d_p?, d_q?, q_inv?)?.build())
}

/// RSA; a modulus has `WHOLE` limbs.
pub(super) fn rsa_check<const WHOLE: usize>(
    public: &[u8],
    challenge: &[u8],
    proof: &[u8],
    _: Comparison,
) -> bool {
    let check = || {
        let e = BigNum::from_u32(rsa::EXPONENT as u32)?;
        let key = PKey::from_rsa(Rsa::from_public_components(BigNum::from_slice(public)?, e)?)?;
        Verifier::new(MessageDigest::sha256(), &key)?.verify_oneshot(proof, challenge)
    };
    rsa::fits::<WHOLE>(public, challenge, proof) && yes(check())
}

std::thread_local! {
    /// P-256, which takes longer to set up than a proof to check.
    static P_256: EcGroup = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).expect("OpenSSL has P-256");
}

/// ECDSA on P-256.
pub(super) fn p256_check(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    let Some((r, s)) = p256::halves(proof) else { return false };
    let check = |group: &EcGroup| {
        let point = EcPoint::from_bytes(group, public, &mut *BigNumContext::new()?)?;
        let key = EcKey::from_public_key(group, &point)?;
        let signature = EcdsaSig::from_private_components(BigNum::from_slice(r)?, BigNum::from_slice(s)?)?;
        signature.verify(&Sha256::digest(challenge), &key)
    };
    p256::is_uncompressed(public) && yes(P_256.with(check))
}

/// Ed25519.
pub(super) fn ed25519_prove(private: &[u8], random: &[u8], out: &mut Vec<u8>) {
    let key = ed25519_key(private);
    let mut signer = Signer::new_without_digest(&key).expect(SOUND);
    out.extend_from_slice(&signer.sign_oneshot_to_vec(random).expect(SOUND));
}

/// The same.
pub(super) fn ed25519_check(public: &[u8], challenge: &[u8], proof: &[u8], _: Comparison) -> bool {
    let check = |public: &[u8; 32]| {
        let key = PKey::public_key_from_raw_bytes(public, Id::ED25519)?;
        Verifier::new_without_digest(&key)?.verify_oneshot(proof, challenge)
    };
    ed25519::canonical(public).is_some_and(|public| yes(check(public)))
}

/// The same.
pub(super) fn ed25519_generate(seed: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&ed25519_key(seed).raw_public_key().expect(SOUND));
    out.extend_from_slice(seed);
}

fn ed25519_key(private: &[u8]) -> PKey<Private> {
    PKey::private_key_from_raw_bytes(private, Id::ED25519).expect("a private key has 32 bytes")
}

/// What OpenSSL makes no sense of is no proof.
fn yes(verdict: Result<bool, ErrorStack>) -> bool {
    verdict.unwrap_or(false)
}

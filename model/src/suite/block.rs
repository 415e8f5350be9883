//! Block ciphers. A challenge is one block, E(K, R) is the encryption of R block by block (ECB), and a new key is the
//! encryption of an Rk as long as the key, rounded up to whole blocks and then cut to the key's length.
//!
//! | Suite | Source | Key | Block | Rk |
//! |---|---|---|---|---|
//! | `aes-128`, `aes-192`, `aes-256` | FIPS 197 | 16, 24, 32 bytes | 16 | 16, 32, 32 |
//! | `3des` | SP 800-67, three keys | 24, of which 3 are parity bits that nobody looks at | 8 | 24 |
//! | `camellia-128` | RFC 3713 | 16 | 16 | 16 |

use aes::cipher::{Block, BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Dec, Aes128Enc, Aes192Dec, Aes192Enc, Aes256Dec, Aes256Enc};
use camellia::Camellia128;
use des::TdesEde3;

use super::backend::{Backend, Check, Choices, Prove};
use super::{Comparison, Family, Sizes, Suite};
#[cfg(feature = "openssl")]
use super::{backend::Backend::OpenSsl, openssl::block as openssl};

use Backend::{AwsLcRs, RustCrypto};

pub(super) static AES_128: Suite = suite(
    "aes-128",
    [16, 16],
    &[
        (RustCrypto, prove::<Aes128Enc>),
        (AwsLcRs, aws::prove),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::prove::<openssl::Aes128>),
    ],
    &[
        (RustCrypto, check::<Aes128Enc, Aes128Dec>),
        (AwsLcRs, aws::check),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::check::<openssl::Aes128>),
    ],
);
pub(super) static AES_192: Suite = suite(
    "aes-192",
    [24, 16],
    &[
        (RustCrypto, prove::<Aes192Enc>),
        (AwsLcRs, aws::prove),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::prove::<openssl::Aes192>),
    ],
    &[
        (RustCrypto, check::<Aes192Enc, Aes192Dec>),
        (AwsLcRs, aws::check),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::check::<openssl::Aes192>),
    ],
);
pub(super) static AES_256: Suite = suite(
    "aes-256",
    [32, 16],
    &[
        (RustCrypto, prove::<Aes256Enc>),
        (AwsLcRs, aws::prove),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::prove::<openssl::Aes256>),
    ],
    &[
        (RustCrypto, check::<Aes256Enc, Aes256Dec>),
        (AwsLcRs, aws::check),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::check::<openssl::Aes256>),
    ],
);
pub(super) static TRIPLE_DES: Suite = suite(
    "3des",
    [24, 8],
    &[
        (RustCrypto, prove::<TdesEde3>),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::prove::<openssl::TripleDes>),
    ],
    &[
        (RustCrypto, check::<TdesEde3, TdesEde3>),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::check::<openssl::TripleDes>),
    ],
);
pub(super) static CAMELLIA_128: Suite = suite(
    "camellia-128",
    [16, 16],
    &[
        (RustCrypto, prove::<Camellia128>),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::prove::<openssl::Camellia128>),
    ],
    &[
        (RustCrypto, check::<Camellia128, Camellia128>),
        #[cfg(feature = "openssl")]
        (OpenSsl, openssl::check::<openssl::Camellia128>),
    ],
);

/// The suite of a cipher with keys and blocks of so many bytes.
const fn suite(
    name: &'static str,
    [key, block]: [usize; 2],
    prove: Choices<Prove>,
    check: Choices<Check>,
) -> Suite {
    let renewal_random = key.next_multiple_of(block);
    let sizes = Sizes {
        pair: key,
        private: key,
        public: key,
        challenge: block,
        renewal_random,
        proof: block,
        seed: renewal_random,
        issue_random: key,
    };
    Suite { name, family: Family::Symmetric, sizes, prove, check, generate: &[] }
}

fn encrypted<C: KeyInit + BlockCipherEncrypt>(key: &[u8], block: &[u8]) -> Block<C> {
    let mut block = Block::<C>::try_from(block).expect("randoms of this suite are whole blocks");
    C::new_from_slice(key).expect("keys have their length").encrypt_block(&mut block);
    block
}

fn prove<C: KeyInit + BlockCipherEncrypt>(key: &[u8], random: &[u8], out: &mut Vec<u8>) {
    if random.len() == C::block_size() {
        return out.extend_from_slice(&encrypted::<C>(key, random));
    }
    let cipher = C::new_from_slice(key).expect("keys have their length");
    for block in random.chunks(C::block_size()) {
        let mut block = Block::<C>::try_from(block).expect("randoms of this suite are whole blocks");
        cipher.encrypt_block(&mut block);
        out.extend_from_slice(&block);
    }
}

fn check<E, D>(key: &[u8], challenge: &[u8], proof: &[u8], comparison: Comparison) -> bool
where
    E: KeyInit + BlockCipherEncrypt,
    D: KeyInit + BlockCipherDecrypt,
{
    match comparison {
        Comparison::Encryption => encrypted::<E>(key, challenge)[..] == *proof,
        Comparison::Decryption => {
            let Ok(mut block) = Block::<D>::try_from(proof) else { return false };
            D::new_from_slice(key).expect("keys have their length").decrypt_block(&mut block);
            block[..] == *challenge
        }
    }
}

/// AES by AWS-LC. Setting a key up, which every proof here does, costs it several times as much as the block.
mod aws {
    use aws_lc_rs::cipher::{AES_128, AES_192, AES_256, Algorithm};
    use aws_lc_rs::cipher::{DecryptingKey, DecryptionContext, EncryptingKey, UnboundCipherKey};

    use super::super::Comparison;

    const BLOCK: usize = 16;

    fn unbound(key: &[u8]) -> UnboundCipherKey {
        let algorithm: &'static Algorithm = match key.len() {
            16 => &AES_128,
            24 => &AES_192,
            _ => &AES_256,
        };
        UnboundCipherKey::new(algorithm, key).expect("keys have their length")
    }

    fn encrypt(key: &[u8], blocks: &mut [u8]) {
        let key = EncryptingKey::ecb(unbound(key)).expect("AES has this mode");
        key.encrypt(blocks).expect("whole blocks are encrypted");
    }

    pub(super) fn prove(key: &[u8], random: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(random);
        encrypt(key, &mut out[start..]);
    }

    pub(super) fn check(key: &[u8], challenge: &[u8], proof: &[u8], comparison: Comparison) -> bool {
        match comparison {
            Comparison::Encryption => {
                let mut block: [u8; BLOCK] = challenge.try_into().expect("a challenge is one block");
                encrypt(key, &mut block);
                block == *proof
            }
            Comparison::Decryption => {
                let Ok(mut block) = <[u8; BLOCK]>::try_from(proof) else { return false };
                let key = DecryptingKey::ecb(unbound(key)).expect("AES has this mode");
                let plain =
                    key.decrypt(&mut block, DecryptionContext::None).expect("a whole block is decrypted");
                *plain == *challenge
            }
        }
    }
}

#[cfg(test)]
mod tests;

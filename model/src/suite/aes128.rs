//! AES-128 (FIPS 197): E(K, R) is one block.
//!
//! Every operation encrypts, `check` too, by comparing E(K, R) with C as [0087] allows: it accepts the same proofs as
//! decryption would, and needs no decryption key schedule.

use aes::Aes128Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};

use super::Sizes;

pub(super) const SIZES: Sizes =
    Sizes { key: 16, challenge: 16, renewal_random: 16, proof: 16, session_key: 16 };

fn encrypted(key: &[u8], block: &[u8]) -> [u8; 16] {
    let key: &[u8; 16] = key.try_into().expect("ring keys of this suite are 16 bytes");
    let mut block: [u8; 16] = block.try_into().expect("challenges of this suite are 16 bytes");
    Aes128Enc::new(key.into()).encrypt_block((&mut block).into());
    block
}

/// Appends E(key, block).
pub(super) fn encrypt(key: &[u8], block: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&encrypted(key, block));
}

/// E(key, challenge) == proof.
pub(super) fn check(key: &[u8], challenge: &[u8], proof: &[u8]) -> bool {
    encrypted(key, challenge) == *proof
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    /// FIPS 197 appendix C.1, and NIST SP 800-38A F.1.1 (ECB-AES128), blocks 1 to 4.
    #[test]
    fn nist_vectors() {
        let sp800_38a = "2b7e151628aed2a6abf7158809cf4f3c";
        for (key, plain, coded) in [
            (
                "000102030405060708090a0b0c0d0e0f",
                "00112233445566778899aabbccddeeff",
                "69c4e0d86a7b0430d8cdb78070b4c55a",
            ),
            (sp800_38a, "6bc1bee22e409f96e93d7e117393172a", "3ad77bb40d7a3660a89ecaf32466ef97"),
            (sp800_38a, "ae2d8a571e03ac9c9eb76fac45af8e51", "f5d3d58503b9699de785895a96fdbaaf"),
            (sp800_38a, "30c81c46a35ce411e5fbc1191a0a52ef", "43b1cd7f598ece23881b00e3ed030688"),
            (sp800_38a, "f69f2445df4f9b17ad2b417be66c3710", "7b0c785e27e8ad3f8223207104725dd4"),
        ] {
            let mut out = Vec::new();
            encrypt(&hex(key), &hex(plain), &mut out);
            assert_eq!(out, hex(coded));
            assert!(check(&hex(key), &hex(plain), &hex(coded)));
        }
    }

    #[test]
    fn a_wrong_or_short_proof_does_not_check() {
        let key = [7; 16];
        let mut proof = Vec::new();
        encrypt(&key, &[1; 16], &mut proof);
        assert!(!check(&key, &[2; 16], &proof));
        assert!(!check(&[8; 16], &[1; 16], &proof));
        assert!(!check(&key, &[1; 16], &proof[..15]));
    }
}

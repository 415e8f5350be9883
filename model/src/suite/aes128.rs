//! AES-128 (FIPS 197): E(K, R) is one block, and so is everything else.

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128Dec, Aes128Enc};

use super::{Comparison, Family, SESSION_KEY, Sizes, Suite};

const BLOCK: usize = 16;

pub(super) static SUITE: Suite = Suite {
    name: "aes-128",
    family: Family::Symmetric,
    sizes: Sizes {
        pair: BLOCK,
        private: BLOCK,
        public: BLOCK,
        challenge: BLOCK,
        renewal_random: BLOCK,
        proof: BLOCK,
        seed: BLOCK,
        issue_random: BLOCK,
    },
    prove: |key, block, out| out.extend_from_slice(&encrypted(key, block)),
    check,
    grow: |seed, out| out.extend_from_slice(seed),
    issue: |random, out| out.extend_from_slice(random),
    session_key: |proof| <[u8; SESSION_KEY]>::try_from(proof).expect("a proof is one block"),
};

fn key(key: &[u8]) -> &[u8; BLOCK] {
    key.try_into().expect("keys of this suite are one block")
}

fn encrypted(with: &[u8], block: &[u8]) -> [u8; BLOCK] {
    let mut block: [u8; BLOCK] = block.try_into().expect("randoms of this suite are one block");
    Aes128Enc::new(key(with).into()).encrypt_block((&mut block).into());
    block
}

fn check(with: &[u8], challenge: &[u8], proof: &[u8], comparison: Comparison) -> bool {
    match comparison {
        Comparison::Encryption => encrypted(with, challenge) == *proof,
        Comparison::Decryption => {
            let Ok(mut block) = <[u8; BLOCK]>::try_from(proof) else { return false };
            Aes128Dec::new(key(with).into()).decrypt_block((&mut block).into());
            block == *challenge
        }
    }
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
            assert_eq!(encrypted(&hex(key), &hex(plain))[..], hex(coded));
            for comparison in Comparison::ALL {
                assert!(check(&hex(key), &hex(plain), &hex(coded), comparison));
            }
        }
    }

    #[test]
    fn a_wrong_or_short_proof_does_not_check() {
        let key = [7; 16];
        let proof = encrypted(&key, &[1; 16]);
        for comparison in Comparison::ALL {
            assert!(!check(&key, &[2; 16], &proof, comparison));
            assert!(!check(&[8; 16], &[1; 16], &proof, comparison));
            assert!(!check(&key, &[1; 16], &proof[..15], comparison));
        }
    }
}

use super::super::tests::{checks, hex};
use super::super::{Operation, SuiteId};

struct Vector {
    suite: SuiteId,
    key: &'static str,
    plain: &'static str,
    coded: &'static str,
}

const COUNTING: &str = "00112233445566778899aabbccddeeff";
const SP800_38A: &str = "2b7e151628aed2a6abf7158809cf4f3c";
/// The plain text of SP 800-38A, four blocks.
const FOUR_BLOCKS: &str = concat!(
    "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51",
    "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710",
);

/// FIPS 197 appendix C; NIST SP 800-38A F.1.1, F.1.3 and F.1.5 (ECB), blocks 1 to 4; NIST SP 800-67 appendix B.1, three
/// blocks; RFC 3713 appendix A, and the key and plain text of SP 800-38A as OpenSSL 3.0.19 encrypts them with
/// `openssl enc -camellia-128-ecb -nopad`.
const VECTORS: [Vector; 9] = [
    Vector {
        suite: SuiteId::Aes128,
        key: "000102030405060708090a0b0c0d0e0f",
        plain: COUNTING,
        coded: "69c4e0d86a7b0430d8cdb78070b4c55a",
    },
    Vector {
        suite: SuiteId::Aes128,
        key: SP800_38A,
        plain: FOUR_BLOCKS,
        coded: concat!(
            "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf",
            "43b1cd7f598ece23881b00e3ed0306887b0c785e27e8ad3f8223207104725dd4",
        ),
    },
    Vector {
        suite: SuiteId::Aes192,
        key: "000102030405060708090a0b0c0d0e0f1011121314151617",
        plain: COUNTING,
        coded: "dda97ca4864cdfe06eaf70a0ec0d7191",
    },
    Vector {
        suite: SuiteId::Aes192,
        key: "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
        plain: FOUR_BLOCKS,
        coded: concat!(
            "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef",
            "ef7afd2270e2e60adce0ba2face6444e9a4b41ba738d6c72fb16691603c18e0e",
        ),
    },
    Vector {
        suite: SuiteId::Aes256,
        key: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
        plain: COUNTING,
        coded: "8ea2b7ca516745bfeafc49904b496089",
    },
    Vector {
        suite: SuiteId::Aes256,
        key: "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        plain: FOUR_BLOCKS,
        coded: concat!(
            "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870",
            "b6ed21b99ca6f4f9f153e7b1beafed1d23304b7a39f9f3ff067d8d8f9e24ecc7",
        ),
    },
    Vector {
        suite: SuiteId::TripleDes,
        key: "0123456789abcdef23456789abcdef01456789abcdef0123",
        plain: "5468652071756663 6b2062726f776e20 666f78206a756d70",
        coded: "a826fd8ce53b855f cce21c8112256fe6 68d5c05dd9b6b900",
    },
    Vector {
        suite: SuiteId::Camellia128,
        key: "0123456789abcdeffedcba9876543210",
        plain: "0123456789abcdeffedcba9876543210",
        coded: "67673138549669730857065648eabe43",
    },
    Vector {
        suite: SuiteId::Camellia128,
        key: SP800_38A,
        plain: FOUR_BLOCKS,
        coded: concat!(
            "432fc5dcd628115b7c388d770b270c960be1f14023782a22e8384c5abb7fab2b",
            "a0a1abcd1893ab6fe0fe5b65df5f8636e61925e0d5dfaa9bb29f815b3076e51a",
        ),
    },
];

#[test]
fn known_answers_of_the_standards() {
    for Vector { suite, key, plain, coded } in VECTORS {
        let [key, plain, coded] = [key, plain, coded].map(|text| hex(&text.replace(' ', "")));
        for backend in suite.backends(Operation::Prove) {
            let mut out = Vec::new();
            suite.with(Some(backend)).prove(&key, &plain, &mut out);
            assert_eq!(out, coded, "{} by {}", suite.name(), backend.name());
        }
        let block = suite.sizes().challenge;
        for (plain, coded) in plain.chunks(block).zip(coded.chunks(block)) {
            assert!(checks(suite, &key, plain, coded), "{}", suite.name());
        }
    }
}

/// DES looks at 56 of 64 bits.
#[test]
fn parity_bits_of_des_keys_do_not_count() {
    let suite = SuiteId::TripleDes;
    let key = [0x42; 24];
    let flipped = key.map(|byte| byte ^ 1);
    let mut proof = Vec::new();
    suite.prove(&key, &[7; 8], &mut proof);
    assert!(checks(suite, &flipped, &[7; 8], &proof));
    assert!(!checks(suite, &key.map(|byte| byte ^ 2), &[7; 8], &proof));
}

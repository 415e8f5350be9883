use super::super::backend::Operation;
use super::super::tests::{checks, hex, issued, proof};
use super::super::{Comparison, SuiteId};

const SUITE: SuiteId = SuiteId::Ed25519;

/// RFC 8032, 7.1, tests 1 to 3.
#[test]
fn known_answers_of_rfc_8032() {
    for (private, public, message, signature) in [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            concat!(
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155",
                "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            concat!(
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da",
                "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
        ),
        (
            "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
            "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "af82",
            concat!(
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac",
                "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ),
    ] {
        let [private, public, message, signature] = [private, public, message, signature].map(hex);
        for backend in SUITE.backends(Operation::Prove) {
            let (cipher, mut out) = (SUITE.with(Some(backend)), Vec::new());
            cipher.prove(&private, &message, &mut out);
            assert_eq!(out, signature, "{}", backend.name());
            out.clear();
            cipher.issue(&private, &mut out);
            assert_eq!(out, [&public[..], &private].concat());
        }
        assert!(checks(SUITE, &[&public[..], &private].concat(), &message, &signature));
    }
}

/// S + L is the same scalar as S, and no signature (RFC 8032, 5.1.7, step 1): else anybody could make a second one.
#[test]
fn a_scalar_not_below_the_order_does_not_check() {
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let (pair, challenge) = (issued(SUITE, 5), [6; 32]);
    let good = proof(SUITE, &pair, &challenge);
    let (mut raised, mut carry) = (good.clone(), 0);
    for i in 0..32 {
        let sum = u16::from(good[32 + i]) + u16::from(order[i]) + carry;
        (raised[32 + i], carry) = (sum as u8, sum >> 8);
    }
    assert_eq!(carry, 0, "little-endian, and there is room for it");
    assert!(checks(SUITE, &pair, &challenge, &good) && !checks(SUITE, &pair, &challenge, &raised));
    for scalar in [&order[..], &[0; 32], &[0xff; 32]] {
        assert!(!checks(SUITE, &pair, &challenge, &[&good[..32], scalar].concat()));
    }
}

/// A y that is not reduced, one that no point has, and the neutral element for R.
#[test]
fn an_r_that_is_no_encoding_of_the_point_does_not_check() {
    let (pair, challenge) = (issued(SUITE, 5), [6; 32]);
    let good = proof(SUITE, &pair, &challenge);
    let (unreduced, neutral) = (
        hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
        hex(&format!("01{:062x}", 0)),
    );
    for r in [unreduced, neutral, vec![2; 32]] {
        assert!(!checks(SUITE, &pair, &challenge, &[&r[..], &good[32..]].concat()));
    }
}

/// With the neutral element for the key and for R, every challenge is answered by S = 0: the group's equation holds, and
/// only the key's encoding decides. y = 1 is encoded as 1 alone, not as p + 1, and -0 is no x (RFC 8032, 5.1.3).
#[test]
fn a_public_key_has_one_encoding() {
    let neutral = hex(&format!("01{:062x}", 0));
    let answers = |public: &str| {
        let pair = [hex(public), vec![0; 32]].concat();
        checks(SUITE, &pair, &[6; 32], &[&neutral[..], &[0; 32]].concat())
    };
    assert!(answers(&format!("01{:062x}", 0)), "the neutral element as it should be");
    assert!(!answers("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"), "p + 1");
    assert!(!answers("0100000000000000000000000000000000000000000000000000000000000080"), "x is -0");
    assert!(!answers("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"), "both");
}

/// -1 has order 2: with R and S as above, it is the key of every second challenge's answer.
#[test]
fn the_point_with_y_minus_one_has_one_encoding_too() {
    let neutral = hex(&format!("01{:062x}", 0));
    let mut minus_one = hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    let mut answered = |sign: u8| {
        minus_one[31] = 0x7f | sign;
        let pair = [&minus_one[..], &[0; 32]].concat();
        let proof = [&neutral[..], &[0; 32]].concat();
        (0..16).filter(|&byte| checks(SUITE, &pair, &[byte; 32], &proof)).count()
    };
    assert!(answered(0) > 0);
    assert_eq!(answered(0x80), 0);
}

/// The same key as SubjectPublicKeyInfo (RFC 8410, 4): as good a key, and not what is held here.
#[test]
fn a_key_wrapped_in_der_checks_nothing() {
    let (pair, challenge) = (issued(SUITE, 5), [6; 32]);
    let good = proof(SUITE, &pair, &challenge);
    let wrapped = [&hex("302a300506032b6570032100")[..], SUITE.public_half(&pair)].concat();
    for backend in SUITE.backends(Operation::Check) {
        let cipher = SUITE.with(Some(backend));
        assert!(!cipher.check(&wrapped, &challenge, &good, Comparison::Encryption), "{}", backend.name());
    }
}

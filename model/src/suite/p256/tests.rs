use super::super::SuiteId;
use super::super::tests::{checks, hex, issued, proof};

const SUITE: SuiteId = SuiteId::P256;
/// The order n of the group (SEC 2, 2.4.2).
const ORDER: &str = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";

/// RFC 6979, A.2.5, with SHA-256.
#[test]
fn known_answers_of_rfc_6979() {
    let private = hex("c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721");
    let public = hex(concat!(
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6",
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
    ));
    for (message, signature) in [
        (
            "sample",
            concat!(
                "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
                "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
            ),
        ),
        (
            "test",
            concat!(
                "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
                "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
            ),
        ),
    ] {
        let mut out = Vec::new();
        SUITE.prove(&private, message.as_bytes(), &mut out);
        assert_eq!(out, hex(signature), "{message}");
        assert!(checks(SUITE, &[&public[..], &private].concat(), message.as_bytes(), &out));
    }
}

/// `a` - `b` of 32 big-endian bytes.
fn minus(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut difference, mut borrow) = (vec![0; 32], 0);
    for i in (0..32).rev() {
        let byte = i16::from(a[i]) - i16::from(b[i]) - borrow;
        borrow = i16::from(byte < 0);
        difference[i] = byte.rem_euclid(256) as u8;
    }
    difference
}

/// Wycheproof's special values of r and s: 0, n, n + 1 and their like are no signatures, and neither is one with the two
/// exchanged. The other s of the pair s, n - s is (FIPS 186-5 does not ask for the smaller one).
#[test]
fn r_and_s_lie_between_zero_and_the_order() {
    let (pair, challenge) = (issued(SUITE, 5), [6; 32]);
    let good = proof(SUITE, &pair, &challenge);
    let (r, s) = good.split_at(32);
    let order = hex(ORDER);
    let other_s = minus(&order, s);
    assert!(checks(SUITE, &pair, &challenge, &[r, &other_s].concat()), "either s");

    let above = hex(&ORDER.replace("2551", "2552"));
    let (zero, one, ones) = (vec![0; 32], hex(&format!("{:064x}", 1)), vec![0xff; 32]);
    for special in [&zero, &one, &order, &above, &ones] {
        assert!(!checks(SUITE, &pair, &challenge, &[special, s].concat()), "r is {special:02x?}");
        assert!(!checks(SUITE, &pair, &challenge, &[r, special].concat()), "s is {special:02x?}");
        for other in [&zero, &one, &order, &above, &ones] {
            assert!(!checks(SUITE, &pair, &challenge, &[&special[..], other].concat()));
        }
    }
    assert!(!checks(SUITE, &pair, &challenge, &[s, r].concat()), "exchanged");
}

#[test]
fn a_point_off_the_curve_or_in_another_form_checks_nothing() {
    let (pair, challenge) = (issued(SUITE, 5), [6; 32]);
    let good = proof(SUITE, &pair, &challenge);
    for (index, bit) in [(0, 1), (0, 4), (32, 1), (64, 1)] {
        let mut off = pair.clone();
        off[index] ^= bit;
        assert!(!checks(SUITE, &off, &challenge, &good), "byte {index}");
    }
    // The hybrid form: whole as the uncompressed one, with y's parity in its first byte (X9.62).
    let hybrid = [&[0x06 | pair[64] & 1], &pair[1..]].concat();
    assert!(!checks(SUITE, &hybrid, &challenge, &good));
}

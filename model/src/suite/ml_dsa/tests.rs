use sha2::{Digest as _, Sha256};

use super::super::backend::Operation;
use super::super::tests::{checks, hex, issued, proof};
use super::super::{Comparison, SuiteId};

fn hash(bytes: &[u8]) -> Vec<u8> {
    Sha256::digest(bytes).to_vec()
}

/// Keys: NIST's ACVP server, ML-DSA-keyGen-FIPS204, test case 1 of `ml-dsa-44`; otherwise, as the signatures:
/// Wycheproof's `mldsa_*_sign_seed_test.json`, test case 1. Long values by their SHA-256.
#[test]
fn known_answers_of_nist_and_wycheproof() {
    let nist = hex("d71361c000f9a7bc99dfb425bcb6bb27c32c36ab444ff3708b2d93b4e66d5b5b");
    let wycheproof = vec![0x2a; 32];
    for (suite, seed, public) in [
        (SuiteId::MlDsa44, &nist, "451a808c522218fadbdab146fc12004b0741c7d069f238f43ad77216159f6a34"),
        (SuiteId::MlDsa44, &wycheproof, "d87f8ca136ac1aa55e2d6c4521680efb3a378cbb9bc0bfb446e9c60893931ea3"),
        (SuiteId::MlDsa65, &wycheproof, "b7acce2ddb11f8cc1aa46e2bafac6eacfa2b732ef192bd636ad8d3a56d649c66"),
    ] {
        for backend in suite.backends(Operation::Generate) {
            let mut pair = Vec::new();
            suite.with(Some(backend)).issue(seed, &mut pair);
            assert_eq!(hash(suite.public_half(&pair)), hex(public), "{} by {}", suite.name(), backend.name());
            assert_eq!(suite.private_half(&pair), *seed);
        }
    }
    for (suite, start, end) in [
        (
            SuiteId::MlDsa44,
            "1aa69cb5ed35204534f25f40a17eb0d767f8981f5e7cec46d3bf3252bfc78e09d02ef0c82da6dde973611c849472890106158cb1",
            "cfc0227484957595badbcbfc8fa000000000000000000000000000000000000121f323e",
        ),
        (
            SuiteId::MlDsa65,
            "69da5aec6d5f58fbf29439c520bd68b966e3dd2ca633b68351c2862344713a1e9c086a44f9a870a3ccc14de62d6c12b278c354d7",
            "716244a5a7fb7cee40e1d565e6566697e8f9300000000000000000000000005101318212b",
        ),
    ] {
        let pair = issued(suite, 0x2a);
        let signature = proof(suite, &pair, b"Hello world");
        let text: String = signature.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(text.starts_with(start), "{}: {text}", suite.name());
        assert!(text.ends_with(end), "{}: {text}", suite.name());
        assert!(checks(suite, &pair, b"Hello world", &signature));
    }
}

/// A signature ends in its hints: positions in rising order, and behind them how many there are of each polynomial. Any
/// other coding of the same hints would be a second signature (FIPS 204, algorithm 21).
#[test]
fn hints_have_one_coding() {
    for (suite, omega, polynomials) in [(SuiteId::MlDsa44, 80, 4), (SuiteId::MlDsa65, 55, 6)] {
        let (pair, challenge) = (issued(suite, 1), [2; 32]);
        let good = proof(suite, &pair, &challenge);
        let hints = good.len() - omega - polynomials;
        let used = usize::from(good[good.len() - 1]);
        let of_first = usize::from(good[hints + omega]);
        assert!(of_first >= 2 && used < omega, "the example has hints, and room for more");
        let spoilt = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut signature = good.clone();
            change(&mut signature);
            checks(suite, &pair, &challenge, &signature)
        };
        assert!(spoilt(&|_| ()), "{}: as it is", suite.name());
        assert!(!spoilt(&|signature| signature.swap(hints, hints + 1)), "falling order");
        assert!(!spoilt(&|signature| signature[hints + 1] = signature[hints]), "one of them twice");
        assert!(!spoilt(&|signature| signature[hints + used] = 1), "behind the last one");
        assert!(
            !spoilt(&|signature| *signature.last_mut().unwrap() = omega as u8 + 1),
            "more than there may be"
        );
    }
}

/// The response z has coefficients of 18 or 20 bits, of which the largest are too large.
#[test]
fn a_response_out_of_range_does_not_check() {
    for (suite, commitment) in [(SuiteId::MlDsa44, 32), (SuiteId::MlDsa65, 48)] {
        let (pair, challenge) = (issued(suite, 1), [2; 32]);
        for byte in [0x00, 0xff] {
            let mut signature = proof(suite, &pair, &challenge);
            signature[commitment..commitment + 64].fill(byte);
            assert!(!checks(suite, &pair, &challenge, &signature), "{}", suite.name());
        }
    }
}

/// The same key as SubjectPublicKeyInfo (RFC 9881, 4): as good a key, and not what is held here.
#[test]
fn a_key_wrapped_in_der_checks_nothing() {
    for (suite, header) in [
        (SuiteId::MlDsa44, "30820532300b06096086480165030403110382052100"),
        (SuiteId::MlDsa65, "308207b2300b0609608648016503040312038207a100"),
    ] {
        let (pair, challenge) = (issued(suite, 1), [2; 32]);
        let good = proof(suite, &pair, &challenge);
        let wrapped = [&hex(header)[..], suite.public_half(&pair)].concat();
        for backend in suite.backends(Operation::Check) {
            let cipher = suite.with(Some(backend));
            assert!(!cipher.check(&wrapped, &challenge, &good, Comparison::Encryption), "{}", backend.name());
        }
    }
}

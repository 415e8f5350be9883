//! What holds of every suite, whichever backend carries it out. Known answers are with the suites themselves.

use super::*;

pub(super) fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// A pair that `random` alone decides.
pub(super) fn issued(suite: SuiteId, random: u8) -> Vec<u8> {
    let mut pair = Vec::new();
    suite.issue(&vec![random; suite.sizes().issue_random], &mut pair);
    pair
}

pub(super) fn proof(suite: SuiteId, pair: &[u8], random: &[u8]) -> Vec<u8> {
    let mut proof = Vec::new();
    suite.prove(suite.private_half(pair), random, &mut proof);
    proof
}

/// Whether `proof` checks: by every backend and either comparison the same.
pub(super) fn checks(suite: SuiteId, pair: &[u8], challenge: &[u8], proof: &[u8]) -> bool {
    let judge = |backend| {
        Comparison::ALL.map(|comparison| {
            suite.with(Some(backend)).check(suite.public_half(pair), challenge, proof, comparison)
        })
    };
    let verdicts: Vec<bool> = suite.backends(Operation::Check).into_iter().flat_map(judge).collect();
    let agree = verdicts.iter().all(|&verdict| verdict == verdicts[0]);
    assert!(agree, "{} disagrees about {proof:02x?}: {verdicts:?}", suite.name());
    verdicts[0]
}

fn by_every_backend(suite: SuiteId, operation: Operation, run: impl Fn(Cipher, &mut Vec<u8>)) -> Vec<u8> {
    let outputs = suite.backends(operation).into_iter().map(|backend| {
        let mut out = b"before".to_vec();
        run(suite.with(Some(backend)), &mut out);
        (backend, out)
    });
    let outputs: Vec<_> = outputs.collect();
    for (backend, out) in &outputs {
        assert_eq!(*out, outputs[0].1, "{} of {} by {}", operation.name(), suite.name(), backend.name());
    }
    outputs[0].1.strip_prefix(b"before").expect("outputs are appended").to_vec()
}

#[test]
fn all_backends_make_the_same_pairs_and_proofs_and_accept_them() {
    for suite in SuiteId::ALL {
        let sizes = suite.sizes();
        let slow = matches!(suite, SuiteId::Rsa2048 | SuiteId::Rsa3072);
        for random in 0..if slow { 2 } else { 12 } {
            let pair = issued(suite, random);
            if suite.family() == Family::Asymmetric {
                let seed = [random; SEED];
                let made =
                    by_every_backend(suite, Operation::Generate, |cipher, out| cipher.issue(&seed, out));
                assert_eq!(made, pair);
            }
            let private = suite.private_half(&pair);
            let challenge = vec![!random; sizes.challenge];
            for message in [&challenge, &vec![random ^ 0x55; sizes.renewal_random]] {
                let proved = by_every_backend(suite, Operation::Prove, |cipher, out| {
                    cipher.prove(private, message, out)
                });
                let length = if message.len() == sizes.challenge { sizes.proof } else { sizes.seed };
                assert_eq!(proved.len(), length, "{}", suite.name());
            }
            assert!(checks(suite, &pair, &challenge, &proof(suite, &pair, &challenge)), "{}", suite.name());
        }
    }
}

#[test]
fn a_proof_answers_its_own_challenge_under_its_own_key_alone() {
    for suite in SuiteId::ALL {
        let sizes = suite.sizes();
        let (pair, other) = (issued(suite, 1), issued(suite, 2));
        let challenge = vec![7; sizes.challenge];
        let good = proof(suite, &pair, &challenge);
        let refused = |pair: &[u8], challenge: &[u8], proof: &[u8], why: &str| {
            assert!(!checks(suite, pair, challenge, proof), "{}: {why}", suite.name());
        };
        assert!(checks(suite, &pair, &challenge, &good));
        refused(&pair, &vec![8; sizes.challenge], &good, "another challenge");
        refused(&other, &challenge, &good, "another key");
        for index in (0..good.len()).step_by(good.len().div_ceil(16)).chain([good.len() - 1]) {
            for bit in [0x01, 0x80] {
                let mut spoilt = good.clone();
                spoilt[index] ^= bit;
                refused(&pair, &challenge, &spoilt, &format!("byte {index} with bit {bit:#x} flipped"));
            }
        }
        refused(&pair, &challenge, &good[1..], "cut short in front");
        refused(&pair, &challenge, &good[..good.len() - 1], "cut short behind");
        refused(&pair, &challenge, &[&good[..], &[0]].concat(), "a byte more");
        refused(&pair, &challenge, &[&good[..], &good[..]].concat(), "twice");
        refused(&pair, &challenge, &[], "nothing");
        refused(&pair, &challenge, &vec![0; good.len()], "zeros");
        refused(&pair, &challenge, &vec![0xff; good.len()], "ones");
        if suite.family() == Family::Asymmetric {
            refused(&pair, &challenge[1..], &good, "a shorter challenge");
            let public = suite.public_half(&pair);
            for other in [&public[1..], &[public, &[0]].concat(), &[]] {
                for backend in suite.backends(Operation::Check) {
                    let checks =
                        suite.with(Some(backend)).check(other, &challenge, &good, Comparison::Encryption);
                    assert!(!checks, "{}: a key of another length, by {}", suite.name(), backend.name());
                }
            }
            for byte in [0x00, 0xff] {
                let mut no_key = pair.clone();
                no_key[..sizes.public].fill(byte);
                refused(&no_key, &challenge, &good, "no key at all");
            }
        }
    }
}

#[test]
fn card_and_server_grow_the_same_pair_each_from_its_own_copy() {
    for suite in SuiteId::ALL {
        let sizes = suite.sizes();
        let mut pair = issued(suite, 9);
        for renewal in 0..if suite == SuiteId::Rsa3072 { 1 } else { 3 } {
            let (at_server, on_card) = (pair.clone(), suite.private_half(&pair).to_vec());
            let random = vec![renewal; sizes.renewal_random];
            let grown = [suite.private_half(&at_server), &on_card].map(|private| {
                let (mut seed, mut pair) = (Vec::new(), Vec::new());
                suite.prove(private, &random, &mut seed);
                suite.grow(&seed, &mut pair);
                pair
            });
            let [server, card] = grown;
            assert_eq!(server, card);
            assert_eq!(server.len(), sizes.pair);
            assert_ne!(server, pair, "a new pair");
            let challenge = vec![!renewal; sizes.challenge];
            let answer = proof(suite, &card, &challenge);
            assert!(checks(suite, &server, &challenge, &answer), "the new pair of {} works", suite.name());
            pair = server;
        }
    }
}

/// A key longer than a block is encrypted block by block, and its last block may be cut.
#[test]
fn a_symmetric_key_grows_from_whole_blocks_cut_to_its_length() {
    for (suite, key, random) in [
        (SuiteId::Aes128, 16, 16),
        (SuiteId::Aes192, 24, 32),
        (SuiteId::Aes256, 32, 32),
        (SuiteId::TripleDes, 24, 24),
        (SuiteId::Camellia128, 16, 16),
    ] {
        let sizes = suite.sizes();
        assert_eq!((sizes.pair, sizes.private, sizes.public), (key, key, key));
        assert_eq!((sizes.renewal_random, sizes.seed), (random, random));
        let rk: Vec<u8> = (0..random as u8).collect();
        let pair = issued(suite, 3);
        let seed = proof(suite, &pair, &rk);
        let blocks: Vec<u8> =
            rk.chunks(sizes.challenge).flat_map(|block| proof(suite, &pair, block)).collect();
        assert_eq!(seed, blocks, "{}: each block by itself", suite.name());
        let mut grown = Vec::new();
        suite.grow(&seed, &mut grown);
        assert_eq!(grown, blocks[..key]);
    }
}

#[test]
fn session_keys_are_answers_or_their_hashes() {
    for suite in SuiteId::ALL {
        let sizes = suite.sizes();
        let answer = proof(suite, &issued(suite, 4), &vec![5; sizes.challenge]);
        let hash = Sha256::digest(&answer);
        let expected = if answer.len() == SESSION_KEY { &answer[..] } else { &hash[..SESSION_KEY] };
        assert_eq!(suite.session_key(&answer), expected);
    }
}

#[test]
fn sizes_fit_the_buffers_and_names_are_unique() {
    let mut names: Vec<_> = SuiteId::ALL.map(SuiteId::name).to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), SuiteId::ALL.len());
    for suite in SuiteId::ALL {
        let sizes = suite.sizes();
        assert!(sizes.challenge <= MAX_RANDOM && sizes.renewal_random <= MAX_RANDOM);
        let pair = issued(suite, 0);
        assert_eq!(pair.len(), sizes.pair);
        assert_eq!(suite.public_half(&pair).len(), sizes.public);
        assert_eq!(suite.private_half(&pair).len(), sizes.private);
        if suite.family() == Family::Asymmetric {
            assert_eq!([suite.public_half(&pair), suite.private_half(&pair)].concat(), pair);
        }
    }
}

#[test]
fn a_backend_that_cannot_do_an_operation_leaves_it_to_the_default() {
    // AWS-LC draws its own nonces.
    for suite in [SuiteId::P256, SuiteId::MlDsa44, SuiteId::MlDsa65] {
        assert!(!suite.backends(Operation::Prove).contains(&Backend::AwsLcRs));
        assert!(suite.backends(Operation::Check).contains(&Backend::AwsLcRs));
        let pair = issued(suite, 1);
        let mut proved = Vec::new();
        suite.with(Some(Backend::AwsLcRs)).prove(suite.private_half(&pair), &[1; SEED], &mut proved);
        assert_eq!(proved, proof(suite, &pair, &[1; SEED]));
    }
    assert!(SuiteId::ALL.iter().all(|suite| {
        let generate = suite.backends(Operation::Generate);
        generate.is_empty() == (suite.family() == Family::Symmetric)
    }));
}

/// The tests above go through every backend that is listed: what is listed is what was built.
#[test]
fn openssl_takes_part_where_it_is_built() {
    let built = cfg!(feature = "openssl");
    assert_eq!(Backend::OpenSsl.missing_feature().is_none(), built);
    for suite in SuiteId::ALL {
        let [prove, check, generate] =
            Operation::ALL.map(|operation| suite.backends(operation).contains(&Backend::OpenSsl));
        let expected = match suite {
            SuiteId::MlDsa44 | SuiteId::MlDsa65 => [false; 3],
            SuiteId::P256 => [false, built, false],
            SuiteId::Ed25519 => [built; 3],
            _ => [built, built, false],
        };
        assert_eq!([prove, check, generate], expected, "{}", suite.name());
    }
}

/// Pins the whole way from a seed to a pair: SHA-256, ChaCha20, the search for primes in `rsa`, `crypto-primes` and
/// `crypto-bigint`, the rejection of scalars, and what the other crates make of 32 bytes. If one of them changes it, every
/// run with that suite changes, and [`GENERATOR`] must be raised with these values, since the pairs that users keep in files
/// are those of the old way.
#[test]
fn golden_pairs() {
    assert_eq!(GENERATOR, 1, "new values below, new version");
    let golden = [
        (
            SuiteId::Rsa1024,
            "e574ffab6b32eb1cc6fd2269c3d26cea382b17e5e885ae9954cbc907a3010e25",
            "cafc9dc2a5fdbe1907ebef242e3d02587fa2e21221666de939b252ba6be6a945",
        ),
        (
            SuiteId::Rsa2048,
            "03da5d9c6dfd2df6ef107e430c40298f7b437c47390c381e53b6862521390c25",
            "9e5435e255421ca5306c5cec859234accd46cb36d4480f596a28eb9941841386",
        ),
        (
            SuiteId::Rsa3072,
            "c1d9f65dbd1bd2699fabd3513f3ea54f792e27cb9c653771bf0f9a798d98b4aa",
            "c93e2a9fdea9a1be54160c109ba9e6964e350d65ea65666a58c934bbbbf1a473",
        ),
        (
            SuiteId::P256,
            "2886a77ce64653e23f3e498478a13d0e045c4483f9415fbc3d355b2f04567aa5",
            "a776ddd7db96ce088568d581fd3a0dcbe0fd2bda001f136be0ece7bdd99a8a5c",
        ),
        (
            SuiteId::Ed25519,
            "4923f4c5c1d8e9092fc9e32912cce83bb26d6bd79bd3e8c2cf524a9fed38f3f9",
            "e1c7d69ce471a881a7435dbd442064499856fe125336d317eedafb704f7a9e54",
        ),
        (
            SuiteId::MlDsa44,
            "188ae1c5a416f2f50f3d05b136c87781dfed3cfcb318be4a01d7ffebed59f1a8",
            "3069216a65fa8fb9a379bd8558d01f277a4e65a3c61b59aa36a0e2f14f5c93f8",
        ),
        (
            SuiteId::MlDsa65,
            "c7e4367ea0930e26c6ad16df3534f6ef5f9f67a15ba73e754844777ccea139be",
            "27269e2312a743e2244884952498fffeb80c6ccd6d884d1068c45fae410f6844",
        ),
    ];
    let asymmetric = SuiteId::ALL.into_iter().filter(|suite| suite.family() == Family::Asymmetric);
    assert!(asymmetric.eq(golden.map(|(suite, ..)| suite)), "one row each");
    let hash =
        |pair: &[u8]| Sha256::digest(pair).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let made = golden.map(|(suite, ..)| {
        let mut grown = Vec::new();
        suite.grow(&vec![1; suite.sizes().seed], &mut grown);
        (suite, hash(&issued(suite, 1)), hash(&grown))
    });
    assert_eq!(made, golden.map(|(suite, issued, grown)| (suite, issued.to_owned(), grown.to_owned())));
}

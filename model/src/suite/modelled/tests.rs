use super::super::{Comparison, MAX_RANDOM, tests::hex};
use super::*;
use crate::suite::{Cipher, Crypto};

const COMPARISON: Comparison = Comparison::Encryption;

fn all() -> impl Iterator<Item = Cipher> {
    SuiteId::ALL.into_iter().map(SuiteId::modelled)
}

fn issued(cipher: Cipher, random: u8) -> Vec<u8> {
    let mut pair = b"before".to_vec();
    cipher.issue(&vec![random; cipher.sizes().issue_random], &mut pair);
    pair.strip_prefix(b"before").expect("outputs are appended").to_vec()
}

fn proof(cipher: Cipher, pair: &[u8], random: &[u8]) -> Vec<u8> {
    let mut proof = b"before".to_vec();
    cipher.prove(cipher.private_half(pair), random, &mut proof);
    proof.strip_prefix(b"before").expect("outputs are appended").to_vec()
}

#[test]
fn what_crosses_a_line_has_its_true_length_and_what_is_kept_is_short() {
    for cipher in all() {
        let (true_, kept) = (cipher.suite().sizes(), cipher.kept());
        assert_eq!((cipher.sizes(), cipher.crypto()), (true_, Crypto::Modelled));
        let pair = issued(cipher, 1);
        assert_eq!(pair.len(), kept.pair);
        assert_eq!(proof(cipher, &pair, &vec![1; true_.challenge]).len(), true_.proof);
        assert_eq!(proof(cipher, &pair, &vec![1; true_.renewal_random]).len(), true_.seed);
        let halves = [cipher.public_half(&pair), cipher.private_half(&pair)];
        match cipher.family() {
            Family::Symmetric => assert!(kept == true_ && halves[0] == halves[1]),
            Family::Asymmetric => {
                assert!(kept.pair == 32 && halves[0] != halves[1]);
                assert_eq!(halves.concat(), pair);
            }
        }
    }
}

#[test]
fn a_proof_answers_its_own_challenge_under_its_own_key_alone() {
    for cipher in all() {
        let (pair, other) = (issued(cipher, 1), issued(cipher, 2));
        let challenge: Vec<u8> = (0..cipher.sizes().challenge as u8).collect();
        let good = proof(cipher, &pair, &challenge);
        let checks = |pair: &[u8], challenge: &[u8], proof: &[u8]| {
            cipher.check(cipher.public_half(pair), challenge, proof, COMPARISON)
        };
        let name = cipher.suite().name();
        assert!(checks(&pair, &challenge, &good), "{name}");
        assert!(!checks(&other, &challenge, &good), "{name}: another key");
        for index in 0..challenge.len() {
            let mut another = challenge.clone();
            another[index] ^= 0x10;
            assert!(!checks(&pair, &another, &good), "{name}: byte {index} of the challenge");
        }
        for index in 0..good.len() {
            let mut spoilt = good.clone();
            spoilt[index] ^= 0x01;
            assert!(!checks(&pair, &challenge, &spoilt), "{name}: byte {index}");
        }
        for wrong in [&good[1..], &good[..good.len() - 1], &[&good[..], &[0]].concat(), &[]] {
            assert!(!checks(&pair, &challenge, wrong), "{name}: {} bytes", wrong.len());
        }
        if cipher.family() == Family::Asymmetric {
            // Whoever holds the half that checks cannot prove with it.
            let mut forged = Vec::new();
            cipher.prove(cipher.public_half(&pair), &challenge, &mut forged);
            assert!(!checks(&pair, &challenge, &forged), "{name}");
        }
    }
}

/// Fragments that were put together in another order make another proof.
#[test]
fn no_part_of_a_proof_stands_for_another() {
    for cipher in all().filter(|cipher| cipher.family() == Family::Asymmetric) {
        let (pair, challenge) = (issued(cipher, 3), [7; SEED]);
        let good = proof(cipher, &pair, &challenge);
        let blocks: Vec<&[u8]> = good.chunks(BLOCK).collect();
        for (place, block) in blocks.iter().enumerate() {
            assert!(!blocks[..place].contains(block), "{} {place}", cipher.suite().name());
        }
    }
}

#[test]
fn card_and_server_grow_the_same_pair_and_every_byte_of_the_seed_counts() {
    for cipher in all() {
        let pair = issued(cipher, 9);
        let random: Vec<u8> = (0..cipher.sizes().renewal_random as u8).collect();
        let seed = proof(cipher, &pair, &random);
        let grown = |seed: &[u8]| {
            let mut pair = Vec::new();
            cipher.grow(seed, &mut pair);
            pair
        };
        let new = grown(&seed);
        assert_eq!((new.len(), &new), (cipher.kept().pair, &grown(&seed)));
        assert_ne!(new, pair);
        let challenge = vec![1; cipher.sizes().challenge];
        let answer = proof(cipher, &new, &challenge);
        assert!(
            cipher.check(cipher.public_half(&new), &challenge, &answer, COMPARISON),
            "the new pair works"
        );
        // What is cut off a symmetric seed is no part of the key in truth either.
        let counted = if cipher.family() == Family::Symmetric { cipher.sizes().pair } else { seed.len() };
        for index in 0..counted {
            let mut spoilt = seed.clone();
            spoilt[index] ^= 0x80;
            assert_ne!(grown(&spoilt), new, "{} {index}", cipher.suite().name());
        }
    }
}

/// As with the true ciphers, an Rk is encrypted block by block.
#[test]
fn a_symmetric_seed_is_the_proofs_of_its_blocks() {
    for cipher in all().filter(|cipher| cipher.family() == Family::Symmetric) {
        let (pair, sizes) = (issued(cipher, 3), cipher.sizes());
        let rk: Vec<u8> = (0..sizes.renewal_random as u8).collect();
        let blocks = rk.chunks(sizes.challenge).flat_map(|block| proof(cipher, &pair, block));
        assert_eq!(proof(cipher, &pair, &rk), blocks.collect::<Vec<_>>());
    }
}

#[test]
fn what_is_hashed_fits() {
    for cipher in all() {
        assert!(cipher.kept().public + cipher.sizes().renewal_random.max(MAX_RANDOM) <= LONGEST);
    }
}

/// Pins the stand-ins on every machine.
#[test]
fn golden_proofs() {
    let short = |cipher: Cipher| proof(cipher, &issued(cipher, 1), &vec![2; cipher.sizes().challenge]);
    assert_eq!(short(SuiteId::Aes128.modelled()), hex("0f33ce4039ccc74d9c0dacf6ea7f62b9"));
    assert_eq!(short(SuiteId::MlDsa44.modelled())[2404..], hex("74433d6ccf441681c511caab93a8f618"));
}

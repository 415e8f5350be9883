//! INTERNAL and EXTERNAL AUTHENTICATE, challenges and tries.

use super::*;

#[test]
fn internal_authenticate_encrypts_the_challenge() {
    let mut desk = Desk::new();
    assert_eq!(desk.internal(3, &[9; 16]), desk.encrypt(Ring::Internal, 3, &[9; 16]));
}

#[test]
fn challenges_differ_and_survive_no_reset() {
    let mut desk = Desk::new();
    let first = desk.challenge();
    let second = desk.challenge();
    assert_ne!(first, second);
    let proof = desk.encrypt(Ring::External, 4, &first);
    assert_eq!(desk.external(4, &proof), 0x63c2, "only the last challenge counts");
    let third = desk.challenge();
    desk.card.reset(&KIND);
    let proof = desk.encrypt(Ring::External, 4, &third);
    assert_eq!(desk.external(4, &proof), 0x6985);
    assert_ne!(desk.challenge(), first, "a reset does not rewind the generator");
}

#[test]
fn a_challenge_serves_one_attempt() {
    let mut desk = Desk::new();
    let ra = desk.challenge();
    let proof = desk.encrypt(Ring::External, 4, &ra);
    assert_eq!(desk.external(4, &proof), 0x9000);
    assert_eq!(desk.external(4, &proof), 0x6985);
    assert_eq!(desk.tries(), [3; 4], "no try is lost without a challenge");
}

#[test]
fn tries_are_counted_per_key_and_block_it() {
    let mut desk = Desk::new();
    for left in [0x63c2, 0x63c1, 0x63c0] {
        desk.challenge();
        assert_eq!(desk.external(4, &[0; 16]), left);
    }
    let ra = desk.challenge();
    let proof = desk.encrypt(Ring::External, 4, &ra);
    assert_eq!(desk.external(4, &proof), 0x6983, "blocked for the right proof too");
    assert_eq!(desk.external(3, &[]), 0x63c3, "the neighbour has all its tries");
    let proof = desk.encrypt(Ring::External, 3, &ra);
    assert_eq!(desk.external(3, &proof), 0x9000, "a refusal at a blocked key leaves the challenge");
}

#[test]
fn success_restores_the_tries() {
    let mut desk = Desk::new();
    desk.challenge();
    assert_eq!(desk.external(4, &[0; 16]), 0x63c2);
    desk.authenticate(3, 4);
    assert_eq!(desk.external(4, &[]), 0x63c3);
}

#[test]
fn malformed_commands_get_their_status_words() {
    let mut desk = Desk::new();
    for (bytes, status) in [
        (&[0x00, 0x84][..], 0x6700),
        (&[0x00, 0x84, 1, 0, 16], 0x6a86),
        (&[0x00, 0x84, 0, 0, 8], 0x6c10),
        (&[0x00, 0x84, 0, 0], 0x6c10),
        (&[0x00, 0x84, 0, 0, 1, 9], 0x6700),
        (&[0x00, 0x88, 0, 0x03, 1, 9], 0x6a86),
        (&[0x00, 0x88, 1, 0x83, 1, 9], 0x6a86),
        (&[0x00, 0x88, 0, 0x84, 1, 9], 0x6a88),
        (&[0x00, 0x88, 0, 0x83, 1, 9], 0x6700),
        (&[0x00, 0x82, 0, 0x85], 0x6a88),
        (&[0x00, 0x82, 2, 0x84], 0x6a86),
        (&[0x00, 0x82, 0, 0x84, 1, 9], 0x6700),
        (&[0x80, 0xd8, 3, 0x83, 1, 9], 0x6a86),
        (&[0x80, 0xd8, 1, 0x84, 1, 9], 0x6a88),
        (&[0x80, 0xd8, 1, 0x83, 1, 9], 0x6700),
        (&[0x80, 0xda, 3, 0x83, 1, 9], 0x6a86),
        (&[0x80, 0xda, 2, 0x85, 1, 9], 0x6a88),
        (&[0x80, 0xda, 2, 0x84, 1, 9], 0x6700),
        (&[0x80, 0xde, 0, 1, 1, 9], 0x6a86),
        (&[0x80, 0xde, 0, 0, 1, 9], 0x6700),
        (&[0x80, 0x84, 0, 0, 16], 0x6d00),
        (&[0x00, 0xd8, 1, 0x83, 1, 9], 0x6d00),
        (&[0x00, 0xff, 0, 0], 0x6d00),
        (&[0xff, 0x84, 0, 0], 0x6e00),
    ] {
        assert_eq!(desk.status(bytes), status, "{bytes:02x?}");
    }
    assert_eq!(desk.chip.writes(&KIND), 0);
}

#[test]
fn each_command_says_what_work_it_was() {
    let none = CardWork::default();
    let mut desk = Desk::new();
    assert_eq!(
        desk.work_of(Instruction::internal_authenticate(KeyNo(2), &[1; 16])),
        CardWork { proves: 1, ..none }
    );
    assert_eq!(desk.work_of(Instruction::get_challenge(16)), CardWork { randoms: 1, ..none });
    let wrong = Instruction::external_authenticate(KeyNo(3), &[0; 16]);
    assert_eq!(desk.work_of(wrong), CardWork { checks: 1, writes: 1, ..none });
    let ra = desk.challenge();
    let proof = desk.encrypt(Ring::External, 3, &ra);
    let right = Instruction::external_authenticate(KeyNo(3), &proof);
    assert_eq!(desk.work_of(right), CardWork { checks: 1, writes: 2, ..none });
    let value = desk.internal(2, &[5; 16]);
    let store = Instruction::store_key(key(Ring::Internal, 3), &value);
    assert_eq!(desk.work_of(store), CardWork { writes: 1, ..none });
    let store = Instruction::store_key(key(Ring::External, 4), &value);
    assert_eq!(desk.work_of(store), CardWork { writes: 2, ..none }, "the key and its counter");
    let derive = Instruction::derive_key(key(Ring::External, 4), &[7; 16]);
    assert_eq!(desk.work_of(derive), CardWork { derives: 1, writes: 2, ..none });
    assert_eq!(desk.chip.writes(&KIND), 1 + 2 + 1 + 2 + 2);
}

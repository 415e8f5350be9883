//! What may renew a key, and what may not (claims 3 to 10).

use super::*;

#[test]
fn a_key_below_in_both_rings_renews() {
    let mut desk = Desk::new();
    desk.authenticate(2, 3);
    let value = desk.internal(2, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x9000);
    assert_eq!(desk.key(Ring::Internal, 3), value);
    let value = desk.internal(2, &[6; 16]);
    assert_eq!(desk.store(Ring::External, 4, &value), 0x9000);
    assert_eq!(desk.key(Ring::External, 4), value);
}

#[test]
fn nothing_is_stored_without_external_authentication() {
    let mut desk = Desk::new();
    let value = desk.internal(2, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6982);
    let derive = Instruction::derive_key(key(Ring::Internal, 3), &[5; 16]);
    assert_eq!(desk.give(derive).1, 0x6982);
    assert_eq!(desk.chip.writes(&KIND), 0);
}

#[test]
fn nothing_is_stored_after_an_external_authentication_alone() {
    let mut desk = Desk::new();
    let ra = desk.challenge();
    let proof = desk.encrypt(Ring::External, 3, &ra);
    assert_eq!(desk.external(3, &proof), 0x9000);
    let value = desk.internal(2, &[5; 16]);
    assert_eq!(
        desk.store(Ring::Internal, 3, &value),
        0x6982,
        "the card had proved itself with no key before"
    );
}

#[test]
fn nothing_is_stored_after_a_failed_attempt_or_a_reset() {
    for spoil in [
        (|desk: &mut Desk| {
            desk.challenge();
            assert_eq!(desk.external(3, &[0; 16]), 0x63c2);
        }) as fn(&mut Desk),
        |desk| assert_eq!(desk.external(3, &[0; 16]), 0x6985),
        |desk| assert_eq!(desk.external(3, &[0; 15]), 0x6700),
        |desk| {
            desk.chip.memory(&KIND).tries[3] = 0;
            assert_eq!(desk.external(4, &[0; 16]), 0x6983);
        },
        |desk| desk.card.reset(&KIND),
        |desk| assert_eq!(desk.power_up(), CardWork::default()),
    ] {
        let mut desk = Desk::new();
        desk.authenticate(2, 3);
        spoil(&mut desk);
        let value = desk.internal(2, &[5; 16]);
        assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6982);
        assert_eq!(desk.give(Instruction::derive_key(key(Ring::Internal, 3), &[5; 16])).1, 0x6982);
    }
}

#[test]
fn asking_for_the_tries_left_ends_no_authentication() {
    let mut desk = Desk::new();
    desk.authenticate(2, 3);
    assert_eq!(desk.external(3, &[]), 0x63c3);
    let value = desk.internal(2, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x9000);
}

#[test]
fn nothing_is_stored_under_a_key_that_is_not_below() {
    for (m, n, ring, no) in [
        (3, 4, Ring::Internal, 3),
        (3, 4, Ring::Internal, 2),
        (2, 3, Ring::Internal, 2),
        (2, 3, Ring::External, 3),
        (2, 4, Ring::External, 4),
        (3, 3, Ring::Internal, 3),
        (1, 1, Ring::External, 2),
        (1, 2, Ring::Internal, 1),
        (1, 2, Ring::External, 1),
    ] {
        let mut desk = Desk::new();
        desk.authenticate(m, n);
        let value = desk.internal(m, &[5; 16]);
        assert_eq!(desk.store(ring, no, &value), 0x6982, "({m}, {n}) must not renew {ring:?} {no}");
        let derive = Instruction::derive_key(key(ring, no), &[5; 16]);
        assert_eq!(desk.give(derive).1, 0x6982, "({m}, {n}) must not derive {ring:?} {no}");
    }
}

#[test]
fn any_other_key_of_the_ring_renews_under_claims_3_to_5() {
    for (m, n, ring, no, status) in [
        (3, 4, Ring::Internal, 2, 0x9000),
        (3, 4, Ring::External, 1, 0x9000),
        (2, 4, Ring::Internal, 3, 0x9000),
        (3, 3, Ring::External, 4, 0x9000),
        (3, 4, Ring::Internal, 3, 0x6982),
        (3, 4, Ring::External, 4, 0x6982),
    ] {
        let mut desk = Desk::ruled(|rules| rules.renewal = RenewalRule::OtherThan);
        desk.authenticate(m, n);
        let value = desk.internal(m, &[5; 16]);
        assert_eq!(desk.store(ring, no, &value), status, "({m}, {n}) and {ring:?} {no}");
    }
}

#[test]
fn the_internal_key_that_counts_is_the_last_before_external_authenticate() {
    let mut desk = Desk::new();
    desk.authenticate(3, 3);
    let value = desk.internal(2, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6982);
}

#[test]
fn only_its_own_last_answer_under_the_upper_key_is_stored() {
    let mut desk = Desk::new();
    desk.authenticate(2, 3);
    assert_eq!(desk.store(Ring::Internal, 3, &[0; 16]), 0x6982, "a value of the client's own");
    let older = desk.internal(2, &[5; 16]);
    desk.internal(2, &[6; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &older), 0x6982, "an older answer");
    let other = desk.internal(1, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &other), 0x6982, "an answer under another key");
}

#[test]
fn a_card_without_that_rule_stores_what_it_is_given() {
    let mut desk = Desk::ruled(|rules| rules.only_own_answers = false);
    desk.authenticate(2, 3);
    assert_eq!(desk.store(Ring::Internal, 3, &[7; 16]), 0x9000);
    assert_eq!(desk.key(Ring::Internal, 3), [7; 16]);
}

#[test]
fn storing_a_blocked_key_unblocks_it() {
    let mut desk = Desk::new();
    for _ in 0..3 {
        desk.challenge();
        desk.external(4, &[0; 16]);
    }
    assert_eq!(desk.external(4, &[]), 0x6983);
    desk.authenticate(2, 3);
    let value = desk.internal(2, &[6; 16]);
    assert_eq!(desk.store(Ring::External, 4, &value), 0x9000);
    assert_eq!(desk.external(4, &[]), 0x63c3);
}

#[test]
fn a_derived_key_is_the_one_that_the_server_expects_and_never_leaves_the_card() {
    let mut desk = Desk::new();
    desk.authenticate(2, 3);
    for (ring, no, random) in [(Ring::Internal, 3, [5; 16]), (Ring::External, 4, [6; 16])] {
        let expected = desk.encrypt(Ring::Internal, 2, &random);
        let answer = desk.give(Instruction::derive_key(key(ring, no), &random));
        assert_eq!(answer, (vec![], 0x9000), "a status word only");
        assert_eq!(desk.key(ring, no), expected);
    }
}

#[test]
fn deriving_needs_no_answer_of_the_cards_and_takes_the_key_of_the_authentication() {
    let mut desk = Desk::new();
    desk.authenticate(2, 3);
    desk.internal(1, &[5; 16]);
    assert_eq!(desk.give(Instruction::derive_key(key(Ring::Internal, 3), &[5; 16])).1, 0x9000);
    assert_eq!(desk.key(Ring::Internal, 3), desk.encrypt(Ring::Internal, 2, &[5; 16]), "key 2, not key 1");
}

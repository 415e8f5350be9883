//! The root pair renews itself: the one exception to the rule, where it is allowed \[0058\].

use super::*;

fn self_renewing() -> Desk {
    Desk::ruled(|rules| rules.root_self_renewal = true)
}

const RANDOMS: [u8; 32] = {
    let mut randoms = [5; 32];
    let mut i = 16;
    while i < 32 {
        randoms[i] = 6;
        i += 1;
    }
    randoms
};

#[test]
fn the_root_stores_both_of_its_answers_the_external_key_first() {
    let mut desk = self_renewing();
    desk.authenticate(1, 2);
    let first = desk.internal(1, &[5; 16]);
    let second = desk.internal(1, &[6; 16]);
    assert_eq!(desk.store(Ring::External, 2, &second), 0x9000);
    assert_eq!(desk.store(Ring::Internal, 1, &first), 0x9000, "the answer before the last one");
    assert_eq!((desk.key(Ring::Internal, 1), desk.key(Ring::External, 2)), (first, second));
}

#[test]
fn an_answer_older_than_the_last_two_is_refused() {
    let mut desk = self_renewing();
    desk.authenticate(1, 2);
    let first = desk.internal(1, &[5; 16]);
    desk.internal(1, &[6; 16]);
    desk.internal(1, &[7; 16]);
    assert_eq!(desk.store(Ring::Internal, 1, &first), 0x6982);
}

#[test]
fn an_answer_under_another_key_than_the_root_is_refused() {
    let mut desk = self_renewing();
    desk.authenticate(1, 2);
    let other = desk.internal(2, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 1, &other), 0x6982);
}

#[test]
fn only_the_last_answer_counts_for_other_keys_even_so() {
    let mut desk = self_renewing();
    desk.authenticate(1, 2);
    let first = desk.internal(1, &[5; 16]);
    let second = desk.internal(1, &[6; 16]);
    assert_eq!(desk.store(Ring::Internal, 2, &first), 0x6982);
    assert_eq!(desk.store(Ring::Internal, 2, &second), 0x9000);
}

#[test]
fn renew_root_derives_both_keys_from_the_old_root() {
    let mut desk = self_renewing();
    desk.authenticate(1, 2);
    let [internal, external] = [5, 6].map(|byte| desk.encrypt(Ring::Internal, 1, &[byte; 16]));
    let (data, status, work) =
        desk.execute(&mut Power::steady(), &short(Instruction::renew_root(&RANDOMS))).unwrap();
    assert_eq!((data, status), (vec![], 0x9000));
    assert_eq!(work, CardWork { derives: 2, writes: 3, ..CardWork::default() });
    assert_eq!((desk.key(Ring::Internal, 1), desk.key(Ring::External, 2)), (internal, external));
    assert_eq!(desk.torn(), 0);
}

#[test]
fn a_renewal_of_the_root_that_is_cut_has_the_external_key_first() {
    let mut seen = Vec::new();
    for moment in 0.. {
        let mut desk = self_renewing();
        desk.authenticate(1, 2);
        let [internal, external] = [5, 6].map(|byte| desk.encrypt(Ring::Internal, 1, &[byte; 16]));
        let command = short(Instruction::renew_root(&RANDOMS));
        if desk.execute(&mut Power::fails_at(moment), &command).is_ok() {
            break;
        }
        desk.power_up();
        let stored = (desk.key(Ring::Internal, 1) == internal, desk.key(Ring::External, 2) == external);
        seen.push(stored);
    }
    seen.dedup();
    assert_eq!(seen, [(false, false), (false, true), (true, true)]);
}

#[test]
fn the_root_does_not_renew_itself_unless_it_may_and_has_authenticated() {
    let renew = Instruction::renew_root(&RANDOMS);
    let mut desk = Desk::new();
    desk.authenticate(1, 2);
    assert_eq!(desk.give(renew).1, 0x6982, "not allowed");
    let answer = desk.internal(1, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 1, &answer), 0x6982, "not allowed");

    let mut desk = self_renewing();
    assert_eq!(desk.give(renew).1, 0x6982, "no authentication");
    for (m, n) in [(2, 3), (3, 4), (1, 1), (1, 3), (2, 2)] {
        desk.authenticate(m, n);
        assert_eq!(desk.give(renew).1, 0x6982, "({m}, {n}) is not the root");
        let answer = desk.internal(m, &[5; 16]);
        assert_eq!(desk.store(Ring::External, 2, &answer), 0x6982);
    }
    desk.authenticate(1, 2);
    desk.card.reset(&desk.kind);
    assert_eq!(desk.give(renew).1, 0x6982, "after a reset");
    desk.authenticate(1, 2);
    let answer = desk.internal(1, &[5; 16]);
    assert_eq!(desk.store(Ring::External, 1, &answer), 0x6982, "a spare key is no part of the root");
    assert_eq!(desk.give(renew).1, 0x9000);
}

//! Power that fails in the middle of a write: every moment, every mode, every layout, and the neighbours.

use super::*;

/// Slots of `Kai[1]`, …, `Kae[4]`, a bit each.
const fn slots(list: &[usize]) -> u64 {
    let (mut bits, mut i) = (0, 0);
    while i < list.len() {
        bits |= 1 << list[i];
        i += 1;
    }
    bits
}

fn in_memory(mode: WriteMode, layout: PageLayout, page: u16) -> Desk {
    Desk::ruled(|rules| rules.nvm = Nvm { mode, layout, page, ..Nvm::standard() })
}

/// Every mode and layout.
fn memories() -> impl Iterator<Item = (WriteMode, PageLayout)> {
    WriteMode::ALL.into_iter().flat_map(|mode| PageLayout::ALL.map(|layout| (mode, layout)))
}

/// What a store leaves if power fails in it, as its card is powered up again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    Old,
    New,
    Torn(u64),
}

/// Cuts STORE KEY of `Kai[no]` under (m, n) at every moment, and looks at what is left after the next power-up.
fn cut_stores(fresh: impl Fn() -> Desk, [m, n]: [u8; 2], no: u8) -> Vec<Left> {
    let mut left = Vec::new();
    let moments = {
        let mut desk = fresh();
        desk.authenticate(m, n);
        let value = desk.internal(m, &[5; 16]);
        desk.moments(Instruction::store_key(key(Ring::Internal, no), &value))
    };
    for moment in 0..moments {
        let mut desk = fresh();
        let old = desk.chip.keys(&desk.kind).to_vec();
        desk.authenticate(m, n);
        let value = desk.internal(m, &[5; 16]);
        desk.cut(Instruction::store_key(key(Ring::Internal, no), &value), Power::fails_at(moment));
        desk.power_up();
        let slot = usize::from(no) - 1;
        for (other, key) in desk.chip.keys(&desk.kind).chunks(KEY).enumerate() {
            let is_torn = desk.torn() & 1 << other != 0;
            let is_old = *key == old[other * KEY..][..KEY];
            assert!(is_torn || is_old || other == slot, "moment {moment}, slot {other}");
        }
        left.push(match desk.key(Ring::Internal, no) {
            _ if desk.torn() != 0 => Left::Torn(desk.torn()),
            key if key == value => Left::New,
            key if key == old[slot * KEY..][..KEY] => Left::Old,
            key => panic!("neither torn nor old nor new: {key:02x?}"),
        });
        let again = desk.give(Instruction::store_key(key(Ring::Internal, no), &value));
        assert_eq!(again.1, 0x6982, "the authentication is gone");
    }
    left
}

#[test]
fn a_cut_store_in_one_page_leaves_what_its_mode_says() {
    for (mode, layout) in memories() {
        let left = cut_stores(|| in_memory(mode, layout, 64), [2, 3], 3);
        let page = match layout {
            PageLayout::Packed => slots(&[0, 1, 2, 3]),
            PageLayout::PagePerKey => slots(&[2]),
        };
        let expected = match mode {
            WriteMode::InPlace => vec![Left::Old, Left::Torn(page), Left::New],
            WriteMode::UndoLog => [vec![Left::Old; 7], vec![Left::New]].concat(),
            WriteMode::ShadowPage => [vec![Left::Old; 4], vec![Left::New]].concat(),
        };
        assert_eq!(left, expected, "{mode:?} {layout:?}");
    }
}

/// With pages of 24 bytes `Kai[2]` begins in the page in which `Kai[1]` ends, and ends in that of `Kai[3]`.
#[test]
fn a_cut_store_over_two_pages_leaves_what_its_mode_says() {
    for mode in WriteMode::ALL {
        let left = cut_stores(|| in_memory(mode, PageLayout::Packed, 24), [1, 2], 2);
        let expected = match mode {
            WriteMode::InPlace => vec![
                Left::Old,
                Left::Torn(slots(&[0, 1])),
                Left::Torn(slots(&[1])),
                Left::Torn(slots(&[1])),
                Left::Torn(slots(&[1, 2])),
                Left::New,
            ],
            WriteMode::UndoLog => [vec![Left::Old; 3 + 6 + 1], vec![Left::New]].concat(),
            WriteMode::ShadowPage => [vec![Left::Old; 6 + 1], vec![Left::New]].concat(),
        };
        assert_eq!(left, expected, "{mode:?}");
    }
}

#[test]
fn an_erased_page_is_left_as_the_test_says() {
    let value_over = |remains| {
        let mut desk = in_memory(WriteMode::InPlace, PageLayout::PagePerKey, 64);
        let old = desk.key(Ring::Internal, 3);
        desk.authenticate(2, 3);
        let value = desk.internal(2, &[5; 16]);
        let power = Power::fails_at(1).leaving(remains);
        desk.cut(Instruction::store_key(key(Ring::Internal, 3), &value), power);
        assert_eq!(desk.torn(), slots(&[2]));
        (old, desk.key(Ring::Internal, 3))
    };
    assert_eq!(value_over(Remains::Ones).1, [0xff; 16]);
    assert_eq!(value_over(Remains::Zeros).1, [0; 16]);
    let (old, mixed) = value_over(Remains::Mixed(7));
    assert!(old.iter().zip(&mixed).all(|(old, mixed)| old & mixed == *old), "bits are only erased");
    assert_ne!(mixed, old);
    assert_ne!(mixed, value_over(Remains::Mixed(8)).1);
}

#[test]
fn a_recovery_may_itself_be_cut_at_any_moment_and_as_often_as_you_like() {
    for page in [64, 24] {
        let mut desk = in_memory(WriteMode::UndoLog, PageLayout::Packed, page);
        let old = desk.chip.keys(&desk.kind).to_vec();
        desk.authenticate(1, 2);
        let value = desk.internal(1, &[5; 16]);
        let store = Instruction::store_key(key(Ring::Internal, 2), &value);
        let pages = if page == 24 { 2 } else { 1 };
        for cut in 2..3 + 3 * pages + 1 {
            let mut desk =
                Desk { chip: desk.chip.clone(), card: desk.card.clone(), draws: desk.draws.clone(), ..desk };
            desk.cut(store, Power::fails_at(cut));
            let moments = 3 * pages + 2;
            for first in 0..moments {
                for second in 0..moments {
                    let mut desk = Desk { chip: desk.chip.clone(), ..Desk::of(desk.kind) };
                    assert_eq!(desk.power_up_with(&mut Power::fails_at(first)), Err(PowerLost));
                    let restored = first == moments - 1;
                    assert_eq!(desk.chip.marks().is_unsettled(), !restored, "{first}");
                    let again = desk.power_up_with(&mut Power::fails_at(second).leaving(Remains::Zeros));
                    assert_eq!(again.is_ok(), restored, "nothing is left to do");
                    let work = desk.power_up();
                    let done = restored || second == moments - 1;
                    assert_eq!(work.writes, if done { 0 } else { pages });
                    assert_eq!((desk.chip.keys(&desk.kind), desk.torn()), (&old[..], 0));
                }
            }
        }
    }
}

#[test]
fn the_recovery_of_a_counter_page_restores_all_counters() {
    for layout in PageLayout::ALL {
        let mut desk = in_memory(WriteMode::UndoLog, layout, 64);
        desk.challenge();
        let wrong = Instruction::external_authenticate(KeyNo(4), &[0; 16]);
        desk.cut(wrong, Power::fails_at(4));
        let lost: &[u8] = match layout {
            PageLayout::Packed => &[0; 4],
            PageLayout::PagePerKey => &[3, 3, 3, 0],
        };
        assert_eq!(desk.tries(), lost, "the page is erased");
        assert_eq!(desk.power_up().writes, 1);
        assert_eq!(desk.tries(), [3; 4]);
    }
}

#[test]
fn a_torn_key_answers_6984_and_storing_it_makes_it_whole() {
    let mut desk = in_memory(WriteMode::InPlace, PageLayout::PagePerKey, 64);
    for (ring, no) in [(Ring::Internal, 3), (Ring::External, 4)] {
        desk.authenticate(2, 3);
        let value = desk.internal(2, &[5; 16]);
        desk.cut(Instruction::store_key(key(ring, no), &value), Power::fails_at(1));
        desk.power_up();
    }
    assert_eq!(desk.torn(), slots(&[2, 6]));
    let prove = Instruction::internal_authenticate(KeyNo(3), &[0; 16]);
    assert_eq!(desk.give(prove).1, 0x6984);
    let ra = desk.challenge();
    assert_eq!(desk.external(4, &ra), 0x6984);
    assert_eq!(desk.tries(), [3; 4], "no try is lost by it");
    assert_eq!(desk.external(4, &[]), 0x63c3, "nor is one needed to ask");
    desk.authenticate(2, 3);
    for (ring, no) in [(Ring::Internal, 3), (Ring::External, 4)] {
        assert_eq!(desk.give(Instruction::derive_key(key(ring, no), &[6; 16])).1, 0x9000);
    }
    assert_eq!(desk.torn(), 0);
    desk.authenticate(3, 4);
}

#[test]
fn all_keys_of_a_lost_page_are_unusable() {
    let mut desk = in_memory(WriteMode::InPlace, PageLayout::Packed, 64);
    desk.authenticate(2, 3);
    let value = desk.internal(2, &[5; 16]);
    desk.cut(Instruction::store_key(key(Ring::Internal, 3), &value), Power::fails_at(1));
    desk.power_up();
    for no in 1..=3 {
        assert_eq!(desk.give(Instruction::internal_authenticate(KeyNo(no), &[1; 16])).1, 0x6984);
    }
    let ra = desk.challenge();
    let proof = desk.encrypt(Ring::External, 2, &ra);
    assert_eq!(desk.external(2, &proof), 0x9000, "the external keys lie in another page, all but the first");
    assert_eq!(desk.give(Instruction::derive_key(key(Ring::Internal, 2), &[6; 16])).1, 0x6982);
}

#[test]
fn a_torn_counter_blocks_its_key_and_in_a_shared_page_all_of_them() {
    for (layout, left) in [(PageLayout::Packed, [0; 4]), (PageLayout::PagePerKey, [3, 3, 3, 0])] {
        let mut desk = in_memory(WriteMode::InPlace, layout, 64);
        let ra = desk.challenge();
        let proof = desk.encrypt(Ring::External, 4, &ra);
        desk.cut(Instruction::external_authenticate(KeyNo(4), &proof), Power::fails_at(1));
        desk.power_up();
        assert_eq!((desk.tries(), desk.torn()), (&left[..], 0));
        for no in 1..=4 {
            let status = desk.external(no, &[]);
            assert_eq!(status, if left[usize::from(no) - 1] == 0 { 0x6983 } else { 0x63c3 });
        }
    }
}

#[test]
fn power_lost_in_external_authenticate_may_cost_a_try() {
    for (mode, layout) in memories() {
        let each = match mode {
            WriteMode::InPlace => 3,
            WriteMode::UndoLog => 8,
            WriteMode::ShadowPage => 5,
        };
        for moment in 0..2 * each {
            let mut desk = in_memory(mode, layout, 64);
            let ra = desk.challenge();
            let proof = desk.encrypt(Ring::External, 4, &ra);
            let right = Instruction::external_authenticate(KeyNo(4), &proof);
            assert_eq!(desk.moments(right), 2 * each);
            desk.cut(right, Power::fails_at(moment));
            desk.power_up();
            let torn = mode == WriteMode::InPlace && moment % each == 1;
            let left = match moment + 1 {
                _ if torn => 0,
                written if written == 2 * each => 3,
                written if written >= each => 2,
                _ => 3,
            };
            assert_eq!(desk.tries()[3], left, "{mode:?} {layout:?}, cut at moment {moment}");
        }
    }
}

#[test]
fn a_store_of_an_external_key_writes_the_key_before_its_counter() {
    for (mode, layout) in memories() {
        let mut desk = in_memory(mode, layout, 64);
        for _ in 0..3 {
            desk.challenge();
            desk.external(4, &[0; 16]);
        }
        desk.authenticate(2, 3);
        let value = desk.internal(2, &[5; 16]);
        let store = Instruction::store_key(key(Ring::External, 4), &value);
        let mut states = Vec::new();
        for moment in 0..desk.moments(store) {
            let mut desk =
                Desk { chip: desk.chip.clone(), card: desk.card.clone(), draws: desk.draws.clone(), ..desk };
            desk.cut(store, Power::fails_at(moment));
            desk.power_up();
            states.push((desk.torn() != 0, desk.key(Ring::External, 4) == value, desk.tries()[3]));
        }
        states.dedup();
        let (before, between, after) = ((false, false, 0), (false, true, 0), (false, true, 3));
        let expected = match mode {
            WriteMode::InPlace => vec![before, (true, false, 0), between, after],
            _ => vec![before, between, after],
        };
        assert_eq!(states, expected, "{mode:?} {layout:?}");
    }
}

#[test]
fn power_lost_answers_nothing_and_forgets_everything() {
    let mut desk = Desk::new();
    desk.authenticate(2, 3);
    let value = desk.internal(2, &[5; 16]);
    let command = short(Instruction::store_key(key(Ring::Internal, 3), &value));
    let (mut answer, mut power) = (vec![0xaa], Power::fails_at(0));
    let memory = &mut desk.chip.memory(&KIND);
    let done = desk.card.execute(&KIND, memory, &mut desk.draws, &command, &mut power, &mut answer);
    assert_eq!((done, &answer[..], power.moments_passed()), (Err(PowerLost), &[0xaa][..], 0));
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6982);
}

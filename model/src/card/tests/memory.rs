//! Pages, their wear, and what becomes of a card whose pages are worn out.

use super::*;

fn wearing(endurance: u32, layout: PageLayout) -> Desk {
    Desk::ruled(|rules| {
        rules.nvm = Nvm { endurance, layout, ..Nvm::standard() };
        rules.root_self_renewal = true;
    })
}

impl Desk {
    fn wear(&mut self) -> Vec<u32> {
        let pages = self.kind.pages().count();
        let memory = self.chip.memory(&self.kind);
        (0..pages).map(|page| memory.wear(page)).collect()
    }
}

#[test]
fn a_card_of_the_default_kind_takes_128_bytes_and_its_marks() {
    assert_eq!(KIND.memory_bytes(), 7 * 16 + 4 + 3 * 4);
}

#[test]
fn every_page_counts_its_writes() {
    for (layout, wear) in
        [(PageLayout::Packed, vec![1, 1, 3]), (PageLayout::PagePerKey, vec![0, 0, 1, 0, 0, 0, 1, 0, 0, 2, 1])]
    {
        let mut desk = wearing(100, layout);
        desk.authenticate(2, 3);
        let value = desk.internal(2, &[5; 16]);
        assert_eq!(desk.store(Ring::Internal, 3, &value), 0x9000);
        assert_eq!(desk.store(Ring::External, 4, &value), 0x9000);
        assert_eq!(desk.wear(), wear, "{layout:?}");
        assert_eq!(desk.chip.writes(&desk.kind), wear.iter().sum());
    }
}

#[test]
fn a_cut_write_wears_the_pages_that_were_erased() {
    for (mode, wear) in [
        (WriteMode::InPlace, &[0, 1, 1][..]),
        (WriteMode::UndoLog, &[0, 0, 0, 0, 1, 1, 1, 1]),
        (WriteMode::ShadowPage, &[0, 1, 1, 1, 1]),
    ] {
        for (moment, &worn) in (0..).zip(wear) {
            let mut desk = Desk::ruled(|rules| rules.nvm.mode = mode);
            desk.authenticate(2, 3);
            let value = desk.internal(2, &[5; 16]);
            desk.cut(Instruction::store_key(key(Ring::Internal, 3), &value), Power::fails_at(moment));
            assert_eq!(desk.wear()[0], worn, "{mode:?}, moment {moment}");
        }
    }
}

#[test]
fn a_recovery_wears_the_pages_that_it_restores_even_worn_out_ones() {
    let mut desk = wearing(1, PageLayout::PagePerKey);
    desk.challenge();
    let wrong = Instruction::external_authenticate(KeyNo(4), &[0; 16]);
    desk.cut(wrong, Power::fails_at(4));
    assert_eq!(desk.power_up(), CardWork { writes: 1, ..CardWork::default() });
    assert_eq!(*desk.wear().last().unwrap(), 2);
    assert_eq!(desk.tries(), [3; 4]);
}

#[test]
fn a_worn_out_page_is_not_written_and_nothing_changes() {
    for layout in PageLayout::ALL {
        let mut desk = wearing(3, layout);
        desk.authenticate(2, 3);
        for round in 0..3 {
            let value = desk.internal(2, &[round; 16]);
            assert_eq!(desk.store(Ring::Internal, 3, &value), 0x9000);
        }
        let before = desk.chip.keys(&desk.kind).to_vec();
        let value = desk.internal(2, &[9; 16]);
        assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6581);
        assert_eq!(desk.give(Instruction::derive_key(key(Ring::Internal, 3), &[9; 16])).1, 0x6581);
        assert_eq!((desk.chip.keys(&desk.kind), desk.torn()), (&before[..], 0));
        let neighbour = desk.store(Ring::Internal, 2, &value);
        assert_eq!(neighbour, 0x6982, "whose permission is judged first");
        assert_eq!(desk.wear()[desk.kind.pages().of(Value::Key(2)).start], 3);
    }
}

#[test]
fn a_store_is_refused_if_the_counter_behind_it_cannot_be_written() {
    let mut desk = wearing(2, PageLayout::Packed);
    desk.authenticate(2, 3);
    let (before, value) = (desk.key(Ring::External, 4), desk.internal(2, &[5; 16]));
    assert_eq!(desk.store(Ring::External, 4, &value), 0x6581);
    assert_eq!(desk.key(Ring::External, 4), before);
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x9000, "whose pages are another matter");
}

/// `Kai[1]` and `Kae[2]` share a page of 256 bytes, which is then written twice; pages of 16 bytes keep them apart.
#[test]
fn the_root_is_not_renewed_by_half_when_its_page_wears_out() {
    for (page, endurance, status) in [(256, 5, 0x6581), (256, 6, 0x6581), (256, 7, 0x9000), (16, 6, 0x9000)] {
        let mut desk = Desk::ruled(|rules| {
            rules.nvm = Nvm { page, endurance, ..Nvm::standard() };
            rules.root_self_renewal = true;
        });
        desk.authenticate(2, 3);
        for round in 0..5 {
            let random = [round; 16];
            assert_eq!(desk.give(Instruction::derive_key(key(Ring::Internal, 3), &random)).1, 0x9000);
        }
        desk.authenticate(1, 2);
        let before = desk.chip.keys(&desk.kind).to_vec();
        let (_, given) = desk.give(Instruction::renew_root(&[7; 32]));
        assert_eq!(given, status, "pages of {page} bytes, {endurance} cycles");
        assert_eq!(desk.chip.keys(&desk.kind) == before, status != 0x9000);
    }
}

#[test]
fn no_proof_is_checked_once_the_try_cannot_be_taken() {
    let mut desk = wearing(2, PageLayout::Packed);
    desk.authenticate(2, 3);
    let ra = desk.challenge();
    let proof = desk.encrypt(Ring::External, 3, &ra);
    let right = Instruction::external_authenticate(KeyNo(3), &proof);
    assert_eq!(desk.work_of(right), CardWork::default());
    let value = desk.internal(2, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6982, "and nobody is authenticated");
}

#[test]
fn a_try_that_cannot_be_given_back_is_lost_and_authenticates_nobody() {
    let mut desk = wearing(1, PageLayout::Packed);
    desk.internal(2, &[1; 16]);
    let ra = desk.challenge();
    let proof = desk.encrypt(Ring::External, 3, &ra);
    assert_eq!(desk.external(3, &proof), 0x6581);
    assert_eq!(desk.tries(), [3, 3, 2, 3]);
    let value = desk.internal(2, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6982);
}

#[test]
fn sixty_two_keys_in_the_smallest_pages_are_kept_apart() {
    let shape = RingShape::new(31, 31).unwrap();
    for (mode, layout) in
        WriteMode::ALL.into_iter().flat_map(|mode| PageLayout::ALL.map(|layout| (mode, layout)))
    {
        let nvm = Nvm { mode, layout, page: 16, ..Nvm::standard() };
        let mut desk =
            Desk::of(CardType { shape, rules: CardRules { nvm, ..CardRules::standard(15) }, ..KIND });
        desk.authenticate(30, 30);
        let value = desk.internal(30, &[5; 16]);
        let store = Instruction::store_key(key(Ring::External, 31), &value);
        let mut erased = desk.chip.clone();
        assert_eq!(desk.give(store).1, 0x9000);
        assert_eq!(desk.key(Ring::External, 31), value);
        desk.authenticate(31, 31);
        if mode == WriteMode::InPlace {
            std::mem::swap(&mut erased, &mut desk.chip);
            desk.authenticate(30, 30);
            desk.internal(30, &[5; 16]);
            desk.cut(store, Power::fails_at(1));
            assert_eq!(desk.torn(), 1 << 61);
        }
    }
}

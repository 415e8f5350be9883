//! The file tree: what SELECT finds, what it ends, and what cannot be read.

use super::*;
use crate::card::files::{DF1, DF1_NAME, DF2, DF3, FileId, MF, card_number, ief};

fn explicit() -> Desk {
    Desk::ruled(|rules| rules.implicit_df = false)
}

impl Desk {
    /// SELECT with P1, without control information.
    fn select(&mut self, p1: u8, data: &[u8]) -> u16 {
        self.give(Instruction { head: [0, 0xa4, p1, 0x0c], data, answer: None }).1
    }

    fn select_id(&mut self, FileId(id): FileId) -> u16 {
        self.select(0, &id.to_be_bytes())
    }

    fn control_information(&mut self, p1: u8, data: &[u8]) -> Vec<u8> {
        let (information, status) =
            self.give(Instruction { head: [0, 0xa4, p1, 0], data, answer: Some(256) });
        assert_eq!(status, 0x9000);
        information
    }

    /// The identifier of what is selected, by selecting it once more.
    fn selected(&mut self) -> FileId {
        match self.card.selected {
            Selected { ef: Some(slot), .. } => ief(slot),
            Selected { df, ef: None } => match df {
                Df::Mf => MF,
                Df::Df1 => DF1,
                Df::Df2 => DF2,
                Df::Df3 => DF3,
            },
        }
    }
}

#[test]
fn the_master_file_is_current_after_a_reset_and_keys_need_df1() {
    let mut desk = explicit();
    assert_eq!(desk.selected(), MF);
    let proof = [0; 16];
    for instruction in [
        Instruction::internal_authenticate(KeyNo(3), &proof),
        Instruction::external_authenticate(KeyNo(4), &proof),
        Instruction::external_authenticate(KeyNo(4), &[]),
        Instruction::store_key(key(Ring::Internal, 3), &proof),
        Instruction::derive_key(key(Ring::Internal, 3), &proof),
    ] {
        assert_eq!(desk.give(instruction).1, 0x6a88, "{instruction:02x?}");
    }
    desk.challenge();
    assert_eq!(desk.give(Instruction::select_name(&DF1_NAME)), (vec![], 0x9000));
    desk.authenticate(2, 3);
    let value = desk.internal(2, &[5; 16]);
    assert_eq!(desk.store(Ring::Internal, 3, &value), 0x9000);
    desk.card.reset(&desk.kind);
    assert_eq!(desk.selected(), MF);
}

#[test]
fn an_implicit_df_is_current_after_a_reset() {
    let mut desk = Desk::new();
    assert_eq!(desk.selected(), DF1);
    assert_eq!(desk.select_id(MF), 0x9000);
    assert_eq!(desk.give(Instruction::internal_authenticate(KeyNo(3), &[0; 16])).1, 0x6a88);
    desk.power_up();
    assert_eq!(desk.selected(), DF1);
}

#[test]
fn files_are_found_by_identifier_below_the_current_df_and_beside_it() {
    let mut desk = explicit();
    for (id, status, selected) in [
        (ief(0), 0x6a82, MF),
        (DF1, 0x9000, DF1),
        (ief(0), 0x9000, ief(0)),
        (ief(6), 0x9000, ief(6)),
        (ief(7), 0x6a82, ief(6)),
        (DF1, 0x9000, DF1),
        (DF2, 0x9000, DF2),
        (ief(0), 0x6a82, DF2),
        (DF3, 0x9000, DF3),
        (FileId(0xdf04), 0x6a82, DF3),
        (MF, 0x9000, MF),
    ] {
        assert_eq!((desk.select_id(id), desk.selected()), (status, selected), "{id:04x?}");
    }
    desk.select_id(DF1);
    assert_eq!((desk.select(0, &[]), desk.selected()), (0x9000, MF), "no identifier: the master file");
}

#[test]
fn children_parents_names_and_paths_are_found() {
    let mut desk = explicit();
    for (p1, data, status, selected) in [
        (0x03, &[][..], 0x6a82, MF),
        (0x01, &[0x00, 0x01], 0x6a82, MF),
        (0x01, &[0xdf, 0x01], 0x9000, DF1),
        (0x01, &[0xdf, 0x02], 0x6a82, DF1),
        (0x02, &[0xdf, 0x02], 0x6a82, DF1),
        (0x02, &[0x00, 0x07], 0x9000, ief(6)),
        (0x03, &[], 0x9000, MF),
        (0x04, &DF1_NAME, 0x9000, DF1),
        (0x04, b"KEYSTORM", 0x6a82, DF1),
        (0x08, &[0xdf, 0x02], 0x9000, DF2),
        (0x08, &[0xdf, 0x01, 0x00, 0x03], 0x9000, ief(2)),
        (0x08, &[0xdf, 0x01, 0x00, 0x03, 0x00, 0x01], 0x6a82, ief(2)),
        (0x08, &[0xdf, 0x02, 0x00, 0x03], 0x6a82, ief(2)),
        (0x08, &[0x3f, 0x00], 0x6a82, ief(2)),
    ] {
        assert_eq!((desk.select(p1, data), desk.selected()), (status, selected), "{p1:02x} {data:02x?}");
    }
}

#[test]
fn malformed_selections_get_their_status_words() {
    let mut desk = explicit();
    for (bytes, status) in [
        (&[0x00, 0xa4, 0x05, 0x0c, 2, 0x3f, 0x00][..], 0x6a86),
        (&[0x00, 0xa4, 0x09, 0x0c, 2, 0xdf, 0x01], 0x6a86),
        (&[0x00, 0xa4, 0x00, 0x04, 2, 0x3f, 0x00], 0x6a86),
        (&[0x00, 0xa4, 0x00, 0x0c, 1, 0x3f], 0x6700),
        (&[0x00, 0xa4, 0x01, 0x0c], 0x6700),
        (&[0x00, 0xa4, 0x02, 0x0c, 3, 0, 1, 2], 0x6700),
        (&[0x00, 0xa4, 0x03, 0x0c, 2, 0x3f, 0x00], 0x6700),
        (&[0x00, 0xa4, 0x04, 0x0c], 0x6700),
        (&[0x00, 0xa4, 0x08, 0x0c], 0x6700),
        (&[0x00, 0xa4, 0x08, 0x0c, 3, 0xdf, 1, 0], 0x6700),
        (&[0x00, 0xa4, 0x00, 0x00, 2, 0x3f, 0x00, 7], 0x6c06),
    ] {
        assert_eq!(desk.status(bytes), status, "{bytes:02x?}");
        assert_eq!(desk.selected(), MF);
    }
}

#[test]
fn control_information_names_the_file_and_the_card() {
    let mut desk = explicit();
    assert_eq!(desk.control_information(0x00, &[0x3f, 0x00]), [0x6f, 4, 0x83, 2, 0x3f, 0x00]);
    let df1 = desk.control_information(0x04, &DF1_NAME);
    let start = [&[0x6f, 23, 0x83, 2, 0xdf, 0x01, 0x84, 9][..], &DF1_NAME].concat();
    assert_eq!(df1, [&start[..], &[0xa5, 6, 0xc0, 4, 1, 2, 3, 4]].concat());
    assert_eq!(card_number(&df1), Some(NUMBER));
    assert_eq!(desk.control_information(0x02, &[0x00, 0x01]), [0x6f, 4, 0x83, 2, 0x00, 0x01]);
    let df2 = desk.control_information(0x00, &[0xdf, 0x02]);
    assert_eq!((df2.len(), card_number(&df2)), (6, None), "the number is that of DF1");
    let without_le = [0x00, 0xa4, 0x00, 0x00, 2, 0xdf, 0x01];
    assert_eq!(desk.raw(&without_le), (vec![], 0x9000), "without Le nothing is answered");
}

#[test]
fn no_bytes_make_the_card_number_panic() {
    let mut desk = Desk::new();
    let whole = desk.control_information(0x04, &DF1_NAME);
    for length in 0..whole.len() {
        assert_eq!(card_number(&whole[..length]), None);
    }
    assert_eq!(card_number(&[0x6f, 200, 0xa5]), None);
}

#[test]
fn selecting_another_df_ends_the_authentication_and_the_same_does_not() {
    let go_on = |desk: &mut Desk| {
        let value = desk.internal(2, &[5; 16]);
        desk.store(Ring::Internal, 3, &value)
    };
    let mut desk = Desk::new();
    desk.authenticate(2, 3);
    assert_eq!(desk.select_id(DF1), 0x9000);
    assert_eq!(desk.select(0x02, &[0, 1]), 0x9000, "a file in it");
    assert_eq!(desk.select_id(FileId(0x4711)), 0x6a82, "nothing at all");
    assert_eq!(go_on(&mut desk), 0x9000);
    for (p1, data) in [(0x03, &[][..]), (0x00, &[0xdf, 0x02]), (0x08, &[0xdf, 0x03]), (0x00, &[0x3f, 0x00])] {
        desk.authenticate(2, 3);
        desk.challenge();
        assert_eq!(desk.select(p1, data), 0x9000);
        assert_eq!(desk.select_id(DF1), 0x9000);
        assert_eq!(desk.external(3, &[0; 16]), 0x6985, "the challenge is gone too");
        desk.authenticate(2, 3);
        assert_eq!(desk.select(p1, data), 0x9000);
        assert_eq!(desk.select_id(DF1), 0x9000);
        assert_eq!(go_on(&mut desk), 0x6982, "{p1:02x} {data:02x?}");
    }
}

#[test]
fn nothing_can_be_read() {
    let mut desk = explicit();
    let read = [0x00, 0xb0, 0, 0, 0];
    assert_eq!(desk.status(&read), 0x6986, "no elementary file is selected");
    assert_eq!(desk.select(0x08, &[0xdf, 0x01, 0x00, 0x07]), 0x9000);
    assert_eq!(desk.status(&read), 0x6982, "it is internal");
    assert_eq!(desk.status(&[0x00, 0xb0, 0x81, 0, 0]), 0x6a82, "short identifiers name nothing");
    assert_eq!(desk.status(&[0x00, 0xb0, 0, 0, 1, 7, 0]), 0x6700);
    assert_eq!(desk.select_id(DF1), 0x9000);
    assert_eq!(desk.status(&read), 0x6986, "selecting a DF leaves no file selected");
}

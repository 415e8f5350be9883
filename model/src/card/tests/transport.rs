//! Chains of commands, answers in pieces, and the wire.

use super::*;
use crate::card::transport::{
    AnswerToReset, BitRate, DEFAULT_SPEED, Factors, IFS, pps_answer, pps_bytes, pps_request, wire_bytes,
};
use crate::reader::{Dialogue, Turn};

fn over(protocol: Protocol) -> Desk {
    Desk::ruled(|rules| {
        rules.protocol = protocol;
        rules.root_self_renewal = true;
        rules.only_own_answers = false;
    })
}

/// Lets a reader carry out an instruction; also how many APDUs it took.
fn carry_out(desk: &mut Desk, reader: &mut Dialogue, instruction: Instruction<'_>) -> (Vec<u8>, u16, usize) {
    let mut apdu = reader.begin(instruction).to_vec();
    for count in 1.. {
        let (mut answer, status) = desk.raw(&apdu);
        answer.extend_from_slice(&status.to_be_bytes());
        match reader.answered(&answer).expect("the card answers as a card does") {
            Turn::Apdu(next) => apdu = next.to_vec(),
            Turn::Done(data, status) => return (data.to_vec(), status.0, count),
        }
    }
    unreachable!("the loop ends by itself")
}

#[test]
fn a_reader_gets_the_same_from_a_card_under_either_protocol() {
    for (protocol, fetched) in [(Protocol::T1, 0), (Protocol::T0, 1)] {
        let (mut desk, mut reader) = (over(protocol), Dialogue::new(protocol));
        let expected = desk.encrypt(Ring::Internal, 1, &[9; 16]);
        let prove = Instruction::internal_authenticate(KeyNo(1), &[9; 16]);
        assert_eq!(carry_out(&mut desk, &mut reader, prove), (expected, 0x9000, 1 + fetched));
        let (challenge, status, count) = carry_out(&mut desk, &mut reader, Instruction::get_challenge(16));
        assert_eq!((challenge.len(), status, count), (16, 0x9000, 1));
        let proof = desk.encrypt(Ring::External, 2, &challenge);
        let check = Instruction::external_authenticate(KeyNo(2), &proof);
        assert_eq!(carry_out(&mut desk, &mut reader, check), (vec![], 0x9000, 1));
        let (information, status, count) =
            carry_out(&mut desk, &mut reader, Instruction::select_name_fci(&crate::card::files::DF1_NAME));
        assert_eq!((information.len(), status, count), (25, 0x9000, 1 + fetched));
        let renew = Instruction::renew_root(&[7; 32]);
        assert_eq!(carry_out(&mut desk, &mut reader, renew), (vec![], 0x9000, 1));
    }
}

#[test]
fn under_t0_the_answer_to_a_command_with_data_waits() {
    let mut desk = over(Protocol::T0);
    let expected = desk.encrypt(Ring::Internal, 3, &[9; 16]);
    let prove = [&[0x00, 0x88, 0, 0x83, 16][..], &[9; 16]].concat();
    let get = |length: u8| [0x00, 0xc0, 0, 0, length];
    assert_eq!(desk.raw(&get(16)), (vec![], 0x6985), "nothing waits");
    assert_eq!(desk.raw(&prove), (vec![], 0x6110));
    assert_eq!(desk.raw(&get(17)), (vec![], 0x6c10), "more than there is");
    assert_eq!(desk.raw(&get(6)), (expected[..6].to_vec(), 0x610a), "in pieces");
    assert_eq!(desk.raw(&get(0)), (expected[6..].to_vec(), 0x9000), "as many as there are");
    assert_eq!(desk.raw(&get(0)), (vec![], 0x6985), "fetched");
    desk.raw(&prove);
    assert_eq!(desk.status(&[0x00, 0xc0, 1, 0, 16]), 0x6a86);
    assert_eq!(desk.status(&[0x00, 0xc0, 0, 0, 1, 9]), 0x6700);
    desk.challenge();
    assert_eq!(desk.status(&get(16)), 0x6985, "another command came in between");
    desk.raw(&prove);
    desk.card.reset(&desk.kind);
    assert_eq!(desk.status(&get(16)), 0x6985, "a reset came in between");
}

#[test]
fn t0_has_neither_le_beside_data_nor_extended_lengths() {
    let mut desk = over(Protocol::T0);
    for command in [
        &[&[0x00, 0x88, 0, 0x83, 16][..], &[9; 16], &[0]].concat()[..],
        &[&[0x00, 0x88, 0, 0x83, 0, 0, 16][..], &[9; 16]].concat(),
        &[0x00, 0x84, 0, 0, 0, 0, 16],
    ] {
        assert_eq!(desk.status(command), 0x6700, "{command:02x?}");
    }
}

#[test]
fn a_wrong_le_is_refused_with_the_right_one_and_nothing_is_done() {
    let mut desk = over(Protocol::T1);
    let prove = |le: &[u8]| [&[0x00, 0x88, 0, 0x83, 16][..], &[9; 16], le].concat();
    for le in [&[15][..], &[17], &[]] {
        let (data, status, work) = desk.execute(&mut Power::steady(), &prove(le)).unwrap();
        assert_eq!((data, status, work.proves), (vec![], 0x6c10, 0));
    }
    assert_eq!(desk.status(&prove(&[16])), 0x9000);
    assert_eq!(desk.status(&[&[0x00, 0x88, 0, 0x83, 0, 0, 16][..], &[9; 16], &[0, 0]].concat()), 0x9000);
}

#[test]
fn an_answer_above_256_bytes_comes_in_pieces() {
    let whole: Vec<u8> = (0..600_u32).map(|i| i as u8).collect();
    for protocol in Protocol::ALL {
        let mut desk = over(protocol);
        let mut first = [&[0xaa][..], &whole].concat();
        let status = desk.card.waiting.keep(&mut first, 1, 256);
        assert_eq!((&first[1..], status.0), (&whole[..256], 0x6100), "256 or more wait");
        let get = [0x00, 0xc0, 0, 0, 0];
        assert_eq!(desk.raw(&get), (whole[256..512].to_vec(), 0x6158));
        assert_eq!(desk.raw(&get), (whole[512..].to_vec(), 0x9000));
    }
}

/// The parts of a STORE KEY, the last one without the chaining bit.
fn chained(parts: &[&[u8]]) -> Vec<Vec<u8>> {
    let last = parts.len() - 1;
    let class = |number| if number < last { 0x90 } else { 0x80 };
    let part = |(number, part): (usize, &&[u8])| {
        [&[class(number), 0xd8, 1, 0x83, part.len() as u8][..], part].concat()
    };
    parts.iter().enumerate().map(part).collect()
}

#[test]
fn a_command_in_a_chain_is_one_command() {
    for protocol in Protocol::ALL {
        let mut desk = over(protocol);
        let ra = {
            let prove =
                [&[0x00, 0x88, 0, 0x82, 16][..], &[9; 16], if protocol == Protocol::T1 { &[0] } else { &[] }];
            desk.raw(&prove.concat());
            desk.challenge()
        };
        let proof = desk.encrypt(Ring::External, 3, &ra);
        assert_eq!(desk.external(3, &proof), 0x9000);
        for (number, part) in chained(&[&[1; 5], &[2; 10], &[3]]).iter().enumerate() {
            assert_ne!(desk.key(Ring::Internal, 3)[..5], [1; 5], "before part {number}");
            assert_eq!(desk.status(part), 0x9000, "part {number}");
        }
        assert_eq!(desk.key(Ring::Internal, 3), [&[1; 5][..], &[2; 10], &[3]].concat());
    }
}

#[test]
fn a_chain_that_is_not_continued_is_dropped() {
    type Break = fn(&mut Desk);
    let breaks: [Break; 6] = [
        |desk| drop(desk.challenge()),
        |desk| assert_eq!(desk.status(&[0x90, 0xda, 1, 0x83, 1, 9]), 0x9000),
        |desk| assert_eq!(desk.status(&[0x90, 0xd8, 1, 0x82, 1, 9]), 0x9000),
        |desk| assert_eq!(desk.status(&[0x00, 0xc0, 0, 0, 0]), 0x6985),
        |desk| assert_eq!(desk.status(&[0x00]), 0x6700),
        |desk| desk.card.reset(&desk.kind),
    ];
    for broken in breaks {
        let mut desk = over(Protocol::T1);
        desk.authenticate(2, 3);
        let parts = chained(&[&[1; 8], &[2; 8]]);
        assert_eq!(desk.status(&parts[0]), 0x9000);
        broken(&mut desk);
        assert_eq!(desk.status(&parts[1]), 0x6700, "half a key");
        assert_ne!(desk.key(Ring::Internal, 3), [[1; 8], [2; 8]].concat());
    }
}

#[test]
fn a_whole_command_after_half_a_chain_of_the_same_is_its_end() {
    let mut desk = over(Protocol::T1);
    desk.authenticate(2, 3);
    assert_eq!(desk.status(&chained(&[&[1; 8], &[]])[0]), 0x9000);
    assert_eq!(desk.store(Ring::Internal, 3, &[7; 16]), 0x6700, "24 bytes");
    assert_eq!(desk.store(Ring::Internal, 3, &[7; 16]), 0x9000, "the chain is over");
}

#[test]
fn a_chain_is_bounded_and_only_for_commands_with_data() {
    let mut desk = over(Protocol::T1);
    desk.authenticate(1, 2);
    assert_eq!(
        desk.status(&[&[0x90, 0xde, 0, 0, 33][..], &[7; 33]].concat()),
        0x6700,
        "more than any command has"
    );
    let half = [&[0x90, 0xde, 0, 0, 20][..], &[7; 20]].concat();
    assert_eq!(desk.status(&half), 0x9000);
    assert_eq!(desk.status(&half), 0x6700);
    assert_eq!(desk.status(&[&[0x80, 0xde, 0, 0, 12][..], &[7; 12]].concat()), 0x6700, "it has been dropped");
    for (bytes, status) in [
        (&[0x10, 0x84, 0, 0][..], 0x6884),
        (&[0x10, 0xb0, 0, 0], 0x6884),
        (&[0x10, 0xc0, 0, 0], 0x6884),
        (&[0x90, 0x88, 0, 0x83, 1, 9], 0x6d00),
        (&[0x50, 0x88, 0, 0x83, 1, 9], 0x6e00),
        (&[0x90, 0xd8, 1, 0x83], 0x6700),
        (&[0x90, 0xd8, 1, 0x83, 1, 9, 0], 0x6700),
    ] {
        assert_eq!(desk.status(bytes), status, "{bytes:02x?}");
    }
}

#[test]
fn t0_takes_as_long_as_published_at_9600_bit_per_second() {
    let us = |bytes: usize| bytes * 12 * 1_000_000 / DEFAULT_SPEED.0 as usize;
    let t0 = |command, answer| wire_bytes(Protocol::T0, command, answer);
    assert_eq!(us(t0(5, 8 + 2)), 20_000, "GET CHALLENGE of 8 bytes");
    assert_eq!(us(t0(5 + 8, 2) + t0(5, 8 + 2)), 40_000, "INTERNAL AUTHENTICATE of 8 bytes with GET RESPONSE");
    assert_eq!(us(t0(5 + 32, 2)), 50_000, "a key command of 32 bytes");
    assert_eq!(t0(4, 2), 7, "no data, no procedure byte");
}

#[test]
fn t1_adds_four_bytes_to_each_block_and_acknowledges_all_but_the_last() {
    let t1 = |command, answer| wire_bytes(Protocol::T1, command, answer);
    assert_eq!(t1(5, 18), 5 + 4 + 18 + 4);
    assert_eq!(t1(IFS, 2), IFS + 4 + 2 + 4);
    assert_eq!(t1(IFS + 1, 2), IFS + 1 + 2 * 4 + 4 + 2 + 4);
    assert_eq!(t1(5, 258), 5 + 4 + 258 + 2 * 4 + 4, "256 bytes and a status word take two blocks");
}

#[test]
fn the_answer_to_reset_says_protocol_and_speed() {
    let atr = |protocol, speed| {
        let mut bytes = Vec::new();
        let factors = Factors::for_speed(BitRate(speed));
        AnswerToReset { protocol, factors, implicit_df: false }.encode(&mut bytes);
        bytes
    };
    let historical = [0x80, 0x73, 0xb0, 0x01, 0x80];
    assert_eq!(atr(Protocol::T0, 9_600), [&[0x3b, 0x05][..], &historical].concat(), "neither TA1 nor TCK");
    assert_eq!(atr(Protocol::T0, 115_200), [&[0x3b, 0x15, 0x18][..], &historical].concat());
    let t1 = [&[0x3b, 0x95, 0x96, 0x81, 0x11, 0xfe][..], &historical].concat();
    let checksum = t1[1..].iter().fold(0, |sum, byte| sum ^ byte);
    assert_eq!(atr(Protocol::T1, 223_200), [&t1[..], &[checksum]].concat());
}

#[test]
fn an_answer_to_reset_is_read_as_it_was_written_and_no_part_of_it() {
    for protocol in Protocol::ALL {
        for speed in [100, 9_600, 19_200, 115_200, 223_200, 848_000] {
            for implicit_df in [false, true] {
                let factors = Factors::for_speed(BitRate(speed));
                let atr = AnswerToReset { protocol, factors, implicit_df };
                let mut bytes = Vec::new();
                atr.encode(&mut bytes);
                assert_eq!(AnswerToReset::parse(&bytes), Some(atr));
                for length in 0..bytes.len() {
                    assert_eq!(AnswerToReset::parse(&bytes[..length]), None, "cut at {length}");
                }
                bytes.push(0);
                assert_eq!(AnswerToReset::parse(&bytes), None, "something after it");
            }
        }
    }
    assert_eq!(
        AnswerToReset::parse(b"\x3b\x95\x96\x81\x11\xfe\x80\x73\xb0\x01\x80\x00"),
        None,
        "its checksum"
    );
}

#[test]
fn the_speed_offered_is_the_fastest_that_the_card_can() {
    for (speed, offered) in [
        (100, 9_600),
        (9_599, 9_600),
        (19_199, 13_950),
        (19_200, 19_200),
        (115_200, 115_200),
        (223_200, 223_200),
        (223_199, 192_000),
        (u32::MAX, 614_400),
    ] {
        assert_eq!(Factors::for_speed(BitRate(speed)).speed(), BitRate(offered), "{speed}");
    }
}

#[test]
fn reader_and_card_agree_on_a_speed_above_the_default() {
    let atr = |protocol, speed| AnswerToReset {
        protocol,
        factors: Factors::for_speed(BitRate(speed)),
        implicit_df: true,
    };
    let slow = atr(Protocol::T0, 9_600);
    assert_eq!(pps_request(&slow), None);
    let fast = atr(Protocol::T1, 115_200);
    let request = pps_request(&fast).unwrap();
    assert_eq!(request, [0xff, 0x11, 0x18, 0xff ^ 0x11 ^ 0x18]);
    assert_eq!(pps_answer(&fast, &request), Some(request), "an echo");
    assert_eq!(pps_answer(&slow, &request), None);
    let mut spoilt = request;
    spoilt[3] ^= 1;
    assert_eq!(pps_answer(&fast, &spoilt), None);
    assert_eq!(pps_bytes(Protocol::T1, BitRate(115_200)), 8);
    assert_eq!(pps_bytes(Protocol::T1, BitRate(9_600)), 0);
}

//! A message that is too long for one datagram travels in several, and arrives when all of them have.
//!
//! A fragment is the header of its message with the kind [`FRAGMENT`], its number and how many there are, one byte each, the
//! length of the message in two, and a part of it, its own header included. All parts but the last are equally long, so that
//! a fragment that has been cut or added to is known as such. Client and server know
//! nothing of it: a fragment that is lost costs the whole message, which its sender sends again, and what has arrived of it
//! by then counts, since a repeat is the same bytes.
//!
//! Below it, a network would do the same to a datagram that is too long (RFC 791, 3.2), but out of the sender's sight; so
//! what is sent here fits.

use core::cmp::Ordering;
use core::ops::Range;

use crate::ids::ConnectionId;
use crate::message::{HEADER, VERSION, WireError};

/// The kind of a datagram that holds part of a message.
pub const FRAGMENT: u8 = 0x40;
/// Bytes of a fragment before its part.
pub const FRAGMENT_HEADER: usize = HEADER + 4;
/// The most fragments of a message.
pub const MOST_FRAGMENTS: usize = 64;

/// How many datagrams of at most `limit` bytes a message of `length` bytes takes.
///
/// # Panics
/// If it is longer than [`MOST_FRAGMENTS`] of them hold: whoever chooses the limit sees to it.
pub fn count(length: usize, limit: usize) -> usize {
    if length <= limit {
        return 1;
    }
    let fragments = length.div_ceil(limit - FRAGMENT_HEADER);
    assert!(fragments <= MOST_FRAGMENTS, "{length} bytes in datagrams of {limit}: {fragments} fragments");
    fragments
}

/// Writes fragment `number` of `count` of `message` to `out`, in place of what is there.
pub fn write(message: &[u8], number: usize, count: usize, out: &mut Vec<u8>) {
    let length = u16::try_from(message.len()).expect("messages are below 64 KiB");
    out.clear();
    out.extend_from_slice(&message[..HEADER]);
    out[1] = FRAGMENT;
    out.extend_from_slice(&[number as u8, count as u8]);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&message[part(message.len(), number, count)]);
}

/// Which bytes of a message of `length` bytes fragment `number` of `count` has.
fn part(length: usize, number: usize, count: usize) -> Range<usize> {
    let each = length.div_ceil(count);
    (number * each).min(length)..((number + 1) * each).min(length)
}

/// Whether a datagram says that it is a fragment.
pub fn is_fragment(datagram: &[u8]) -> bool {
    matches!(datagram, [VERSION, FRAGMENT, ..])
}

/// The connection that a fragment belongs to, its number, counted from 1, and how many there are; for people. `None`: it
/// is too short to say.
pub fn describe(fragment: &[u8]) -> Option<(ConnectionId, u16, u16)> {
    let header = fragment.first_chunk::<FRAGMENT_HEADER>()?;
    let id = header[6..14].try_into().expect("eight bytes");
    let (number, count) = (header[HEADER], header[HEADER + 1]);
    Some((ConnectionId(u64::from_be_bytes(id)), u16::from(number) + 1, u16::from(count)))
}

/// What has arrived of one message.
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    /// The message's connection and sequence number, as in its header.
    message: Option<[u8; 10]>,
    /// Its length.
    length: usize,
    /// Bit `i`: fragment `i` is here.
    arrived: u64,
    count: u8,
    parts: Vec<Vec<u8>>,
    whole: Vec<u8>,
}

impl Assembly {
    /// Takes a datagram that [`is_fragment`]; returns the message, if it was the last one that was missing. A fragment of
    /// another message than the last one's begins anew, unless it comes late: of an earlier message of the same connection.
    pub fn take(&mut self, datagram: &[u8]) -> Result<Option<&[u8]>, WireError> {
        let (header, part) = datagram.split_at_checked(FRAGMENT_HEADER).ok_or(WireError::Truncated)?;
        let (number, count) = (header[HEADER], header[HEADER + 1]);
        if number >= count || usize::from(count) > MOST_FRAGMENTS {
            return Err(WireError::Value);
        }
        let length = usize::from(u16::from_be_bytes([header[HEADER + 2], header[HEADER + 3]]));
        match part.len().cmp(&self::part(length, number.into(), count.into()).len()) {
            Ordering::Less => return Err(WireError::Truncated),
            Ordering::Greater => return Err(WireError::Trailing),
            Ordering::Equal => {}
        }
        let message: [u8; 10] = header[6..HEADER].try_into().expect("connection and sequence number");
        if (self.message, self.count, self.length) != (Some(message), count, length) {
            let late = |old: [u8; 10]| old[..8] == message[..8] && old[8..] > message[8..];
            if self.message.is_some_and(late) {
                return Ok(None);
            }
            self.message = Some(message);
            (self.count, self.length) = (count, length);
            self.arrived = 0;
            self.parts.resize(usize::from(count), Vec::new());
        }
        let place = &mut self.parts[usize::from(number)];
        place.clear();
        place.extend_from_slice(part);
        self.arrived |= 1 << number;
        if self.arrived.count_ones() < u32::from(count) {
            return Ok(None);
        }
        self.arrived = 0;
        self.whole.clear();
        self.parts.iter().for_each(|part| self.whole.extend_from_slice(part));
        Ok(Some(&self.whole))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::CardId;
    use crate::message::{Header, Message, encode};

    fn message(sequence: u16, length: usize) -> Vec<u8> {
        let header = Header { card: CardId(7), connection: ConnectionId(9), sequence };
        let mut bytes = Vec::new();
        encode(header, Message::ServerProof(&vec![sequence as u8; length]), &mut bytes);
        bytes
    }

    fn fragments(message: &[u8], limit: usize) -> Vec<Vec<u8>> {
        let count = count(message.len(), limit);
        let fragment = |number| {
            let mut out = Vec::new();
            write(message, number, count, &mut out);
            out
        };
        (0..count).map(fragment).collect()
    }

    #[test]
    fn a_message_that_fits_is_one_datagram() {
        assert_eq!((count(1_472, 1_472), count(1_473, 1_472)), (1, 2));
        assert_eq!(count(2_438, 1_472), 2, "a proof of ML-DSA-44");
        assert_eq!(count(32_786, 576), 59, "the longest session data in the shortest datagrams");
    }

    #[test]
    fn no_fragment_is_longer_than_the_limit() {
        for length in [600, 1_000, 2_420, 3_309, 32_768] {
            for limit in [576, 1_000, 1_472] {
                let message = message(1, length);
                let longest = fragments(&message, limit).iter().map(Vec::len).max();
                assert!(longest <= Some(limit), "{length} in {limit}: {longest:?}");
            }
        }
    }

    #[test]
    fn a_fragment_is_described_if_it_is_long_enough_to_say() {
        let piece = &fragments(&message(4, 2_420), 1_000)[1];
        assert_eq!(describe(piece), Some((ConnectionId(9), 2, 3)));
        assert!(describe(&piece[..FRAGMENT_HEADER]).is_some());
        assert!((0..FRAGMENT_HEADER).all(|length| describe(&piece[..length]).is_none()));
    }

    #[test]
    fn a_repeat_fills_the_gaps_of_the_first() {
        let (first, mut assembly) = (message(4, 2_420), Assembly::default());
        let pieces = fragments(&first, 1_000);
        assert_eq!(pieces.len(), 3);
        assert_eq!(assembly.take(&pieces[2]), Ok(None));
        assert_eq!(assembly.take(&pieces[2]), Ok(None), "twice the same");
        assert_eq!(assembly.take(&pieces[0]), Ok(None));
        assert_eq!(assembly.take(&pieces[1]), Ok(Some(&first[..])));
        for piece in &pieces[..2] {
            assert_eq!(assembly.take(piece), Ok(None));
        }
        assert_eq!(assembly.take(&pieces[2]), Ok(Some(&first[..])), "a whole repeat is a repeat");
    }

    #[test]
    fn the_next_message_displaces_an_unfinished_one_and_late_fragments_displace_nothing() {
        let (first, second) = (message(4, 2_420), message(5, 3_309));
        let (old, new) = (fragments(&first, 1_472), fragments(&second, 1_472));
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&old[0]), Ok(None));
        assert_eq!(assembly.take(&new[0]), Ok(None));
        assert_eq!(assembly.take(&old[1]), Ok(None), "late");
        assert_eq!(assembly.take(&new[1]), Ok(None));
        assert_eq!(assembly.take(&new[2]), Ok(Some(&second[..])));
    }

    #[test]
    fn a_fragment_that_cannot_be_one_is_refused_and_disturbs_nothing() {
        let (whole, mut assembly) = (message(4, 2_420), Assembly::default());
        let pieces = fragments(&whole, 1_472);
        assert!(is_fragment(&pieces[0]) && !is_fragment(&whole) && !is_fragment(&[0xff, FRAGMENT]));
        assert_eq!(assembly.take(&pieces[0]), Ok(None));
        for length in [FRAGMENT_HEADER - 1, FRAGMENT_HEADER, pieces[1].len() - 1] {
            assert_eq!(assembly.take(&pieces[1][..length]), Err(WireError::Truncated));
        }
        assert_eq!(assembly.take(&[&pieces[1][..], &[0]].concat()), Err(WireError::Trailing));
        for (number, count) in [(0, 0), (2, 2), (0, MOST_FRAGMENTS as u8 + 1), (255, 255)] {
            let mut odd = pieces[1].clone();
            (odd[HEADER], odd[HEADER + 1]) = (number, count);
            assert_eq!(assembly.take(&odd), Err(WireError::Value));
        }
        assert_eq!(assembly.take(&pieces[1]), Ok(Some(&whole[..])));
    }

    proptest! {
        #[test]
        fn fragments_in_any_order_make_the_message(length in 1_500usize..9_000, limit in 576usize..1_473, seed: u64) {
            let message = message(3, length);
            let mut pieces = fragments(&message, limit);
            let count = pieces.len();
            for index in (1..count).rev() {
                pieces.swap(index, (seed >> (index % 32)) as usize % (index + 1));
            }
            let mut assembly = Assembly::default();
            for piece in &pieces[..count - 1] {
                prop_assert_eq!(assembly.take(piece), Ok(None));
            }
            prop_assert_eq!(assembly.take(&pieces[count - 1]), Ok(Some(&message[..])));
        }

        /// Which parts of a message, and of its repeat, are lost: bit `i` is part `i`.
        #[test]
        fn a_message_is_lost_if_a_part_of_it_is_lost_in_every_copy(length in 1_500usize..5_000, first: u16, again: u16) {
            let message = message(3, length);
            let pieces = fragments(&message, 576);
            let all = (1u16 << pieces.len()) - 1;
            let (first, again) = (first & all, again & all);
            let mut assembly = Assembly::default();
            let mut whole = 0;
            for lost in [first, again] {
                for (number, piece) in pieces.iter().enumerate().filter(|(number, _)| lost >> number & 1 == 0) {
                    if let Some(arrived) = assembly.take(piece).unwrap() {
                        prop_assert_eq!(arrived, &message[..], "with part {}", number);
                        whole += 1;
                    }
                }
            }
            let expected = if first == 0 { 1 + u32::from(again == 0) } else { u32::from(first & again == 0) };
            prop_assert_eq!(whole, expected);
        }

        /// Of two messages of one connection and one of another, whose parts come in any number and any order.
        #[test]
        fn only_whole_messages_come_out_and_no_oftener_than_their_rarest_part(
            coming in prop::collection::vec((0usize..3, any::<prop::sample::Index>()), 0..80),
        ) {
            let mut messages = [message(3, 1_500), message(4, 1_500), message(3, 1_600)];
            messages[2][6..14].fill(1);
            let pieces = messages.each_ref().map(|message| fragments(message, 576));
            let mut taken = pieces.each_ref().map(|pieces| vec![0u32; pieces.len()]);
            let mut whole = [0u32; 3];
            let mut assembly = Assembly::default();
            for (of, which) in coming {
                let number = which.index(pieces[of].len());
                taken[of][number] += 1;
                if let Some(arrived) = assembly.take(&pieces[of][number]).unwrap() {
                    prop_assert_eq!(arrived, &messages[of][..]);
                    whole[of] += 1;
                }
            }
            for (whole, taken) in whole.iter().zip(&taken) {
                prop_assert!(whole <= taken.iter().min().unwrap(), "{} of {:?}", whole, taken);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut assembly = Assembly::default();
            for mut piece in pieces {
                if piece.len() > FRAGMENT_HEADER {
                    piece[HEADER] %= 4;
                    piece[HEADER + 1] %= 4;
                    // Of a length that such parts may well add up to.
                    let length = (piece.len() - FRAGMENT_HEADER) * usize::from(piece[HEADER + 1]);
                    piece[HEADER + 2..FRAGMENT_HEADER].copy_from_slice(&(length as u16).to_be_bytes());
                }
                let _ = assembly.take(&piece);
            }
        }
    }
}

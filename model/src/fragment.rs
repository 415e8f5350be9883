//! A message that is too long for one datagram travels in several, and arrives when all of them have.
//!
//! A fragment is the header of its message with the kind [`FRAGMENT`], its number and how many there are, one byte each,
//! and a part of the message, its own header included. All parts but the last are equally long. Client and server know
//! nothing of it: a fragment that is lost costs the whole message, which its sender sends again, and what has arrived of it
//! by then counts, since a repeat is the same bytes.
//!
//! Below it, a network would do the same to a datagram that is too long (RFC 791, 3.2), but out of the sender's sight; so
//! what is sent here fits.

use crate::message::HEADER;

/// The kind of a datagram that holds part of a message.
pub const FRAGMENT: u8 = 0x40;
/// Bytes of a fragment before its part.
pub const FRAGMENT_HEADER: usize = HEADER + 2;
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
    let each = message.len().div_ceil(count);
    out.clear();
    out.extend_from_slice(&message[..HEADER]);
    out[1] = FRAGMENT;
    out.extend_from_slice(&[number as u8, count as u8]);
    out.extend_from_slice(&message[number * each..((number + 1) * each).min(message.len())]);
}

/// Whether a datagram is a fragment.
pub fn is_fragment(datagram: &[u8]) -> bool {
    datagram.get(1) == Some(&FRAGMENT)
}

/// What has arrived of one message.
#[derive(Clone, Debug, Default)]
pub struct Assembly {
    /// The message's connection and sequence number, as in its header.
    message: Option<[u8; 10]>,
    /// Bit `i`: fragment `i` is here.
    arrived: u64,
    count: u8,
    parts: Vec<Vec<u8>>,
    whole: Vec<u8>,
}

impl Assembly {
    /// Takes a fragment; the message, if it was the last that was missing. A fragment of another message than the last one's
    /// begins anew, unless it comes late: of an earlier message of the same connection. What is no fragment is ignored.
    pub fn take(&mut self, datagram: &[u8]) -> Option<&[u8]> {
        let (header, part) = datagram.split_at_checked(FRAGMENT_HEADER)?;
        let (number, count) = (header[HEADER], header[HEADER + 1]);
        let message: [u8; 10] = header[6..HEADER].try_into().expect("connection and sequence number");
        if number >= count || usize::from(count) > MOST_FRAGMENTS {
            return None;
        }
        if self.message != Some(message) || self.count != count {
            let late = |old: [u8; 10]| old[..8] == message[..8] && old[8..] > message[8..];
            if self.message.is_some_and(late) {
                return None;
            }
            self.message = Some(message);
            self.count = count;
            self.arrived = 0;
            self.parts.resize(usize::from(count), Vec::new());
        }
        let place = &mut self.parts[usize::from(number)];
        place.clear();
        place.extend_from_slice(part);
        self.arrived |= 1 << number;
        if self.arrived.count_ones() < u32::from(count) {
            return None;
        }
        self.arrived = 0;
        self.whole.clear();
        self.parts.iter().for_each(|part| self.whole.extend_from_slice(part));
        Some(&self.whole)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::{CardId, ConnectionId};
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
    fn a_repeat_fills_the_gaps_of_the_first() {
        let (first, mut assembly) = (message(4, 2_420), Assembly::default());
        let pieces = fragments(&first, 1_000);
        assert_eq!(pieces.len(), 3);
        assert_eq!(assembly.take(&pieces[2]), None);
        assert_eq!(assembly.take(&pieces[2]), None, "twice the same");
        assert_eq!(assembly.take(&pieces[0]), None);
        assert_eq!(assembly.take(&pieces[1]), Some(&first[..]));
        for piece in &pieces[..2] {
            assert_eq!(assembly.take(piece), None);
        }
        assert_eq!(assembly.take(&pieces[2]), Some(&first[..]), "a whole repeat is a repeat");
    }

    #[test]
    fn the_next_message_displaces_an_unfinished_one_and_late_fragments_displace_nothing() {
        let (first, second) = (message(4, 2_420), message(5, 3_309));
        let (old, new) = (fragments(&first, 1_472), fragments(&second, 1_472));
        let mut assembly = Assembly::default();
        assert_eq!(assembly.take(&old[0]), None);
        assert_eq!(assembly.take(&new[0]), None);
        assert_eq!(assembly.take(&old[1]), None, "late");
        assert_eq!(assembly.take(&new[1]), None);
        assert_eq!(assembly.take(&new[2]), Some(&second[..]));
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
                prop_assert_eq!(assembly.take(piece), None);
            }
            prop_assert_eq!(assembly.take(&pieces[count - 1]), Some(&message[..]));
        }

        #[test]
        fn no_bytes_make_it_panic(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..20)) {
            let mut assembly = Assembly::default();
            for mut piece in pieces {
                if piece.len() > FRAGMENT_HEADER {
                    piece[HEADER] %= 4;
                    piece[HEADER + 1] %= 4;
                }
                let _ = assembly.take(&piece);
            }
        }
    }
}

//! Encrypted session data: AES-128-GCM under the session key \[0048\].
//!
//! The nonce is the direction and a counter, so that none is used twice under one session key.

use aes::Aes128Enc;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::consts::U12;
use aes_gcm::{AesGcm, KeyInit, Nonce, Tag};

use crate::suite::SESSION_KEY;

/// Bytes by which sealed data is longer than plain data.
pub const TAG: usize = 16;

/// Who sealed a message.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Direction {
    /// Client to server.
    Up,
    /// Server to client.
    Down,
}

/// One end of an encrypted session.
#[derive(Clone)]
pub struct Channel {
    /// GCM only ever encrypts with its block cipher.
    cipher: AesGcm<Aes128Enc, U12>,
}

impl Channel {
    /// The channel under a session key.
    pub fn new(session_key: [u8; SESSION_KEY]) -> Self {
        Channel { cipher: AesGcm::new(&session_key.into()) }
    }

    fn nonce(direction: Direction, counter: u64) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce[0] = direction as u8;
        nonce[4..].copy_from_slice(&counter.to_be_bytes());
        nonce
    }

    /// Seals `buffer[start..]` in place and appends the tag. `buffer[..aad]` is authenticated with it.
    pub fn seal(&self, direction: Direction, counter: u64, buffer: &mut Vec<u8>, aad: usize, start: usize) {
        let nonce = Nonce::from(Self::nonce(direction, counter));
        let (head, plain) = buffer.split_at_mut(start);
        let tag = self
            .cipher
            .encrypt_inout_detached(&nonce, &head[..aad], plain.into())
            .expect("a datagram is far below the cipher's limit");
        buffer.extend_from_slice(&tag);
    }

    /// Appends the plain data of `sealed` to `out`; `false`, and nothing appended, if it was not sealed so.
    pub fn open(
        &self,
        direction: Direction,
        counter: u64,
        aad: &[u8],
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> bool {
        let Some(length) = sealed.len().checked_sub(TAG) else { return false };
        let nonce = Nonce::from(Self::nonce(direction, counter));
        let tag = Tag::try_from(&sealed[length..]).expect("the tag has its length");
        let start = out.len();
        out.extend_from_slice(&sealed[..length]);
        let plain = out[start..].as_mut();
        if self.cipher.decrypt_inout_detached(&nonce, aad, plain.into(), &tag).is_err() {
            out.truncate(start);
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(channel: &Channel) -> Vec<u8> {
        let mut buffer = b"head".to_vec();
        buffer.extend_from_slice(b"four score");
        channel.seal(Direction::Up, 5, &mut buffer, 4, 4);
        buffer
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_direction_counter_and_header() {
        let channel = Channel::new([3; 16]);
        let buffer = sealed(&channel);
        let (head, body) = buffer.split_at(4);
        let mut plain = Vec::new();
        assert!(channel.open(Direction::Up, 5, head, body, &mut plain));
        assert_eq!(plain, b"four score");
        for (direction, counter, aad) in
            [(Direction::Down, 5, head), (Direction::Up, 6, head), (Direction::Up, 5, b"HEAD".as_slice())]
        {
            let mut plain = Vec::new();
            assert!(!channel.open(direction, counter, aad, body, &mut plain));
            assert!(plain.is_empty());
        }
        assert!(!Channel::new([4; 16]).open(Direction::Up, 5, head, body, &mut Vec::new()));
        assert!(!channel.open(Direction::Up, 5, head, &body[..3], &mut Vec::new()));
    }

    /// The GCM specification's test case 2 (McGrew and Viega): key and plaintext zero, nonce zero.
    #[test]
    fn gcm_vector() {
        let channel = Channel::new([0; 16]);
        let mut buffer = vec![0; 16];
        channel.seal(Direction::Up, 0, &mut buffer, 0, 0);
        let expected = [
            0x03, 0x88, 0xda, 0xce, 0x60, 0xb6, 0xa3, 0x92, 0xf3, 0x28, 0xc2, 0xb9, 0x71, 0xb2, 0xfe, 0x78,
            0xab, 0x6e, 0x47, 0xd4, 0x2c, 0xec, 0x13, 0xbd, 0xf5, 0x3a, 0x67, 0xb2, 0x12, 0x57, 0xbd, 0xdf,
        ];
        assert_eq!(buffer, expected);
    }
}

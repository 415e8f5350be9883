//! The card's refusals one by one, and what a power loss leaves.

use super::*;
use crate::draw::{Purpose, Seed};

const KIND: CardType = CardType {
    suite: SuiteId::Aes128,
    shape: RingShape::new(3, 4).unwrap(),
    comparison: Comparison::Encryption,
    rules: CardRules { tries: 3, only_own_answers: true },
};

/// A card in a reader.
struct Desk {
    card: Card,
    keys: Vec<u8>,
    tries: Vec<u8>,
    writes: u32,
    draws: Draws,
}

impl Desk {
    fn new() -> Self {
        let mut keys = vec![0; 7 * 16];
        Seed(1).open(Purpose::Issue, 0).bytes(0, &mut keys);
        let draws = Seed(1).open(Purpose::Visit, 0);
        Desk { card: Card::powered_up(), keys, tries: vec![3; 4], writes: 0, draws }
    }

    fn send_with(
        &mut self,
        power: &mut Power,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(Vec<u8>, u16), PowerLost> {
        let (mut command, mut answer) = (Vec::new(), Vec::new());
        write(&mut command);
        let mut memory = Memory { keys: &mut self.keys, tries: &mut self.tries, writes: &mut self.writes };
        self.card.execute(&KIND, &mut memory, &mut self.draws, &command, power, &mut answer)?;
        let (data, status) = apdu::split_answer(&answer).unwrap();
        Ok((data.to_vec(), status.0))
    }

    fn send(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> (Vec<u8>, u16) {
        self.send_with(&mut Power::steady(), write).unwrap()
    }

    fn raw(&mut self, bytes: &[u8]) -> u16 {
        self.send(|out| out.extend_from_slice(bytes)).1
    }

    fn key(&self, ring: Ring, no: u8) -> Vec<u8> {
        let slot = KIND.shape.slot(KeyRef { ring, no: KeyNo(no) }).unwrap();
        self.keys[slot * 16..][..16].to_vec()
    }

    fn encrypt(&self, ring: Ring, no: u8, block: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        KIND.suite.prove(&self.key(ring, no), block, &mut out);
        out
    }

    fn internal(&mut self, no: u8, challenge: &[u8]) -> Vec<u8> {
        let (data, status) = self.send(|out| apdu::internal_authenticate(KeyNo(no), challenge, out));
        assert_eq!(status, 0x9000);
        data
    }

    fn challenge(&mut self) -> Vec<u8> {
        let (data, status) = self.send(|out| apdu::get_challenge(16, out));
        assert_eq!(status, 0x9000);
        data
    }

    fn external(&mut self, no: u8, proof: &[u8]) -> u16 {
        self.send(|out| apdu::external_authenticate(KeyNo(no), proof, out)).1
    }

    /// Authenticates both sides with the pair (m, n).
    fn authenticate(&mut self, m: u8, n: u8) {
        self.internal(m, &[1; 16]);
        let ra = self.challenge();
        let proof = self.encrypt(Ring::External, n, &ra);
        assert_eq!(self.external(n, &proof), 0x9000);
    }

    fn store(&mut self, ring: Ring, no: u8, value: &[u8]) -> u16 {
        self.send(|out| apdu::store_key(KeyRef { ring, no: KeyNo(no) }, value, out)).1
    }
}

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
    desk.card.reset();
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
    assert_eq!(desk.tries, [3; 4], "no try is lost without a challenge");
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
        (&[0x00, 0xff, 0, 0], 0x6d00),
        (&[0xff, 0x84, 0, 0], 0x6e00),
    ] {
        assert_eq!(desk.raw(bytes), status, "{bytes:02x?}");
    }
    assert_eq!(desk.writes, 0);
}

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
            desk.tries[3] = 0;
            assert_eq!(desk.external(4, &[0; 16]), 0x6983);
        },
        |desk| desk.card.reset(),
    ] {
        let mut desk = Desk::new();
        desk.authenticate(2, 3);
        spoil(&mut desk);
        let value = desk.internal(2, &[5; 16]);
        assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6982);
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
    ] {
        let mut desk = Desk::new();
        desk.authenticate(m, n);
        let value = desk.internal(m, &[5; 16]);
        assert_eq!(desk.store(ring, no, &value), 0x6982, "({m}, {n}) must not renew {ring:?} {no}");
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
fn power_lost_in_a_store_leaves_the_old_or_the_new_key() {
    for (moment, stored) in [(0, false), (1, true)] {
        let mut desk = Desk::new();
        desk.authenticate(2, 3);
        let value = desk.internal(2, &[5; 16]);
        let key = KeyRef { ring: Ring::Internal, no: KeyNo(3) };
        let cut = desk.send_with(&mut Power::fails_at(moment), |out| apdu::store_key(key, &value, out));
        assert_eq!(cut, Err(PowerLost));
        assert_eq!(desk.key(Ring::Internal, 3) == value, stored);
        let value = desk.internal(2, &[5; 16]);
        assert_eq!(desk.store(Ring::Internal, 3, &value), 0x6982, "the authentication is gone");
    }
}

#[test]
fn power_lost_in_external_authenticate_may_cost_a_try() {
    for (moment, left) in [(0, 3), (1, 2), (2, 2), (3, 3)] {
        let mut desk = Desk::new();
        let ra = desk.challenge();
        let proof = desk.encrypt(Ring::External, 4, &ra);
        let cut = desk.send_with(&mut Power::fails_at(moment), |out| {
            apdu::external_authenticate(KeyNo(4), &proof, out);
        });
        assert_eq!(cut, Err(PowerLost));
        assert_eq!(desk.tries[3], left, "cut at moment {moment}");
    }
}

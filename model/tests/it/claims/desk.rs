//! One card at a reader, without client and server: whoever holds it may give it any command.

use keystorm_model::apdu::{self, Instruction, StatusWord};
use keystorm_model::card::{Card, CardType, Chip, Power};
use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::rings::{KeyRef, RenewalRule, Ring, RingShape};
use keystorm_model::{CardId, KeyNo};

use crate::common::{KEY, KIND};

/// The random of every renewal here.
pub(super) const RK: [u8; KEY] = [0x5c; KEY];

#[derive(Clone)]
pub(super) struct Desk {
    kind: CardType,
    card: Card,
    chip: Chip,
    draws: Draws,
}

pub(super) fn shape(internal: u8, external: u8) -> RingShape {
    RingShape::new(internal, external).unwrap()
}

pub(super) fn internal(no: u8) -> KeyRef {
    KeyRef { ring: Ring::Internal, no: KeyNo(no) }
}

pub(super) fn external(no: u8) -> KeyRef {
    KeyRef { ring: Ring::External, no: KeyNo(no) }
}

/// A card with M and N keys that follows `rule`.
pub(super) fn card(internal: u8, external: u8, rule: RenewalRule) -> Desk {
    let mut kind = CardType { shape: shape(internal, external), ..KIND };
    kind.rules.renewal = rule;
    Desk::of(kind)
}

impl Desk {
    /// Issues a card and puts it into the reader.
    pub(super) fn of(kind: CardType) -> Self {
        let mut keys = vec![0; kind.layout().len()];
        Seed(11).open(Purpose::Issue, 0).bytes(0, &mut keys);
        let chip = Chip::issued(&kind, CardId(0), &keys);
        let draws = Seed(11).open(Purpose::Visit, 0);
        let mut desk = Desk { kind, card: Card::unpowered(), chip, draws };
        desk.inserts();
        desk
    }

    /// Powers the card up, which resets it.
    pub(super) fn inserts(&mut self) {
        let mut memory = self.chip.memory(&self.kind);
        self.card.power_up(&self.kind, &mut memory, &mut Power::steady()).expect("steady power lasts");
    }

    pub(super) fn resets(&mut self) {
        self.card.reset(&self.kind);
    }

    pub(super) fn raw(&mut self, command: &[u8]) -> (Vec<u8>, StatusWord) {
        let (mut memory, mut power) = (self.chip.memory(&self.kind), Power::steady());
        let mut answer = Vec::new();
        self.card
            .execute(&self.kind, &mut memory, &mut self.draws, command, &mut power, &mut answer)
            .expect("steady power lasts");
        let (data, status) = apdu::split_answer(&answer).unwrap();
        (data.to_vec(), status)
    }

    pub(super) fn gives(&mut self, instruction: Instruction<'_>) -> (Vec<u8>, StatusWord) {
        let mut command = Vec::new();
        instruction.write_short(&mut command);
        self.raw(&command)
    }

    /// The value of a key, as the issuer knows it.
    pub(super) fn value(&self, key: KeyRef) -> Vec<u8> {
        let slot = self.kind.shape.slot(key).unwrap();
        self.chip.keys(&self.kind)[slot * KEY..][..KEY].to_vec()
    }

    /// E(key, random).
    pub(super) fn encrypted(&self, key: KeyRef, random: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.kind.cipher.prove(&self.value(key), random, &mut out);
        out
    }

    /// INTERNAL AUTHENTICATE with internal key `m`.
    pub(super) fn proves(&mut self, m: u8, random: &[u8]) -> (Vec<u8>, StatusWord) {
        self.gives(Instruction::internal_authenticate(KeyNo(m), random))
    }

    /// GET CHALLENGE, and EXTERNAL AUTHENTICATE with number `n` by a server that knows key `known` alone.
    pub(super) fn checks(&mut self, n: u8, known: KeyRef) -> StatusWord {
        let (ra, status) = self.gives(Instruction::get_challenge(KEY));
        assert_eq!(status, StatusWord::OK);
        let csi = self.encrypted(known, &ra);
        self.gives(Instruction::external_authenticate(KeyNo(n), &csi)).1
    }

    /// Mutual authentication with internal key `m` and external key `n`, between honest parties.
    pub(super) fn authenticates(&mut self, m: u8, n: u8) {
        let rs = [0x2a; KEY];
        assert_eq!(self.proves(m, &rs), (self.encrypted(internal(m), &rs), StatusWord::OK));
        assert_eq!(self.checks(n, external(n)), StatusWord::OK);
    }

    /// Renews `key` through the client, with what the card itself derives under internal key `u`, and on another card of
    /// the same state inside the card. Both say the same, and change this key or nothing.
    pub(super) fn renews(&mut self, u: u8, key: KeyRef) -> StatusWord {
        let before = self.keys();
        let exists = self.kind.shape.slot(key).is_some();
        let mut inside = self.clone();
        let new = self.proves(u, &RK).0;
        let status = self.gives(Instruction::store_key(key, &new)).1;
        assert_eq!(inside.gives(Instruction::derive_key(key, &RK)), (Vec::new(), status));
        let expected = match (status, exists) {
            (StatusWord::OK, true) => {
                let mut expected = before;
                let slot = self.kind.shape.slot(key).unwrap();
                expected[slot * KEY..][..KEY].copy_from_slice(&new);
                expected
            }
            _ => before,
        };
        assert!(
            self.keys() == expected && inside.keys() == expected,
            "{key:?} and nothing else: {status:x?}"
        );
        status
    }

    fn keys(&self) -> Vec<u8> {
        self.chip.keys(&self.kind).to_vec()
    }

    /// Whether `key` may be renewed after an authentication with (m, n), on a card of the same state.
    pub(super) fn permits(&self, (m, n): (u8, u8), key: KeyRef) -> bool {
        let mut desk = self.clone();
        desk.authenticates(m, n);
        match desk.renews(m, key) {
            StatusWord::OK => true,
            StatusWord::SECURITY => false,
            other => panic!("{key:?} after ({m}, {n}): {other:x?}"),
        }
    }
}

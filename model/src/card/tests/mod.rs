//! The card from outside: commands in, answers out, and what is left in its memory.

mod authentication;
mod files;
mod memory;
mod prediction;
mod reference;
mod renewal;
mod root;
mod tears;
mod transport;

use super::*;
use crate::apdu::Instruction;
use crate::draw::{Purpose, Seed};
use crate::ids::CardId;
use crate::suite::SuiteId;

const KIND: CardType = CardType {
    cipher: SuiteId::Aes128.real(),
    shape: RingShape::new(3, 4).unwrap(),
    comparison: Comparison::Encryption,
    rules: CardRules::standard(3),
};
const KEY: usize = 16;
const NUMBER: CardId = CardId(0x0102_0304);

/// A card in a reader.
struct Desk {
    kind: CardType,
    card: Card,
    chip: Chip,
    draws: Draws,
}

impl Desk {
    fn new() -> Self {
        Desk::of(KIND)
    }

    /// A card of its own kind, powered up.
    fn of(kind: CardType) -> Self {
        let mut keys = vec![0; kind.layout().len()];
        Seed(1).open(Purpose::Issue, 0).bytes(0, &mut keys);
        let draws = Seed(1).open(Purpose::Visit, 0);
        let chip = Chip::issued(&kind, NUMBER, &keys);
        let mut desk = Desk { kind, card: Card::unpowered(), chip, draws };
        desk.power_up();
        desk
    }

    /// A card with other rules than [`KIND`]'s.
    fn ruled(change: impl FnOnce(&mut CardRules)) -> Self {
        let mut kind = KIND;
        change(&mut kind.rules);
        Desk::of(kind)
    }

    fn power_up(&mut self) -> CardWork {
        self.power_up_with(&mut Power::steady()).unwrap()
    }

    fn power_up_with(&mut self, power: &mut Power) -> Result<CardWork, PowerLost> {
        self.card.power_up(&self.kind, &mut self.chip.memory(&self.kind), power)
    }

    /// Gives the card these bytes; its answer, and the work that it was.
    fn execute(&mut self, power: &mut Power, command: &[u8]) -> Result<(Vec<u8>, u16, CardWork), PowerLost> {
        let mut answer = Vec::new();
        let mut memory = self.chip.memory(&self.kind);
        let work =
            self.card.execute(&self.kind, &mut memory, &mut self.draws, command, power, &mut answer)?;
        let (data, status) = apdu::split_answer(&answer).unwrap();
        Ok((data.to_vec(), status.0, work))
    }

    fn raw(&mut self, bytes: &[u8]) -> (Vec<u8>, u16) {
        let (data, status, _) = self.execute(&mut Power::steady(), bytes).unwrap();
        (data, status)
    }

    fn status(&mut self, bytes: &[u8]) -> u16 {
        self.raw(bytes).1
    }

    /// Gives the card an instruction as one short APDU.
    fn give(&mut self, instruction: Instruction<'_>) -> (Vec<u8>, u16) {
        self.raw(&short(instruction))
    }

    fn work_of(&mut self, instruction: Instruction<'_>) -> CardWork {
        self.execute(&mut Power::steady(), &short(instruction)).unwrap().2
    }

    /// Gives the card an instruction in which power fails; it is not powered up again.
    fn cut(&mut self, instruction: Instruction<'_>, power: Power) {
        let done = self.execute(&mut power.clone(), &short(instruction));
        assert_eq!(done, Err(PowerLost), "{instruction:02x?} {power:?}");
    }

    /// Moments at which power can fail in an instruction.
    fn moments(&self, instruction: Instruction<'_>) -> u32 {
        let mut power = Power::steady();
        let (mut chip, mut draws, mut answer) = (self.chip.clone(), self.draws.clone(), Vec::new());
        let memory = &mut chip.memory(&self.kind);
        let done = self.card.clone().execute(
            &self.kind,
            memory,
            &mut draws,
            &short(instruction),
            &mut power,
            &mut answer,
        );
        assert!(done.is_ok());
        power.moments_passed()
    }

    fn key(&self, ring: Ring, no: u8) -> Vec<u8> {
        let slot = self.kind.shape.slot(key(ring, no)).unwrap();
        self.chip.keys(&self.kind)[slot * KEY..][..KEY].to_vec()
    }

    fn tries(&self) -> &[u8] {
        self.chip.tries(&self.kind)
    }

    fn torn(&self) -> u64 {
        self.chip.marks().torn()
    }

    fn encrypt(&self, ring: Ring, no: u8, block: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.kind.cipher.prove(&self.key(ring, no), block, &mut out);
        out
    }

    fn internal(&mut self, no: u8, challenge: &[u8]) -> Vec<u8> {
        let (data, status) = self.give(Instruction::internal_authenticate(KeyNo(no), challenge));
        assert_eq!(status, 0x9000);
        data
    }

    fn challenge(&mut self) -> Vec<u8> {
        let (data, status) = self.give(Instruction::get_challenge(16));
        assert_eq!(status, 0x9000);
        data
    }

    fn external(&mut self, no: u8, proof: &[u8]) -> u16 {
        self.give(Instruction::external_authenticate(KeyNo(no), proof)).1
    }

    /// Authenticates both sides with the pair (m, n).
    fn authenticate(&mut self, m: u8, n: u8) {
        self.internal(m, &[1; 16]);
        let ra = self.challenge();
        let proof = self.encrypt(Ring::External, n, &ra);
        assert_eq!(self.external(n, &proof), 0x9000);
    }

    fn store(&mut self, ring: Ring, no: u8, value: &[u8]) -> u16 {
        self.give(Instruction::store_key(key(ring, no), value)).1
    }
}

fn key(ring: Ring, no: u8) -> KeyRef {
    KeyRef { ring, no: KeyNo(no) }
}

fn short(instruction: Instruction<'_>) -> Vec<u8> {
    let mut apdu = Vec::new();
    instruction.write_short(&mut apdu);
    apdu
}

//! A card alone, given commands by somebody who knows all its keys and follows no protocol: proofs right and wrong and
//! twice, resets and other DFs in between, keys of every number, values of its own and others.

use keystorm::check::memory::{self, State};
use keystorm::check::witness::Witness;
use keystorm_model::apdu::{self, INS_SELECT, Instruction};
use keystorm_model::card::{Card, CardRules, CardType, Chip, Power};
use keystorm_model::draw::{Draws, Purpose, Seed};
use keystorm_model::rings::{KeyRef, Ring, RingShape};
use keystorm_model::suite::{Comparison, SuiteId};
use keystorm_model::{CardId, KeyNo};

const SUITE: SuiteId = SuiteId::Aes128;
const KEY: usize = 16;
const KIND: CardType = CardType {
    cipher: SUITE.real(),
    shape: RingShape::new(3, 4).unwrap(),
    comparison: Comparison::Encryption,
    rules: CardRules::standard(3),
};

/// Cards that are probed, and commands that each is given.
const CARDS: u32 = 40;
const COMMANDS: u64 = 400;
/// Words of a card's draws that each command may use.
const WORDS: u64 = 8;

/// A card, what its prober knows, and who watches.
struct Desk {
    chip: Chip,
    card: Card,
    draws: Draws,
    witness: Witness,
    /// The card's last challenge, and its last answer to INTERNAL AUTHENTICATE.
    challenge: Vec<u8>,
    own: Vec<u8>,
    proof: Vec<u8>,
    found: Vec<String>,
}

/// What the checkers report of all cards.
pub(crate) fn probe() -> Vec<String> {
    (0..CARDS).flat_map(|card| Desk::new(card).run(card)).collect()
}

impl Desk {
    fn new(card: u32) -> Self {
        let mut keys = vec![0; KIND.layout().len()];
        Seed(4).open(Purpose::Issue, card.into()).bytes(0, &mut keys);
        let mut desk = Desk {
            chip: Chip::issued(&KIND, CardId(card), &keys),
            card: Card::unpowered(),
            draws: Seed(4).open(Purpose::Visit, card.into()),
            witness: Witness::default(),
            challenge: vec![0; KEY],
            own: vec![0; KEY],
            proof: vec![0; KEY],
            found: Vec::new(),
        };
        desk.reset();
        desk
    }

    fn reset(&mut self) {
        let mut memory = self.chip.memory(&KIND);
        self.card.power_up(&KIND, &mut memory, &mut Power::steady()).expect("steady power lasts");
        self.witness.reset();
    }

    fn run(mut self, card: u32) -> Vec<String> {
        let mut draws = Seed(4).open(Purpose::Sample, card.into());
        for command in 0..COMMANDS {
            let mut word = command * WORDS;
            let mut below = |most: u32| {
                word += 1;
                draws.below(word - 1, most)
            };
            let (internal, external) = (KeyNo(1 + below(3) as u8), KeyNo(1 + below(4) as u8));
            let ring = if below(2) == 0 { Ring::Internal } else { Ring::External };
            let no = if ring == Ring::Internal { internal } else { external };
            // Mostly what leads on to a stored key, in its order; now and then something else.
            match below(20) {
                0 => self.reset(),
                1..=3 => self.wrong_proof(external),
                4 => self.again(external),
                5..=7 => self.store(KeyRef { ring, no }),
                8 => self.give(Instruction::store_key(KeyRef { ring, no }, &[9; KEY])),
                _ => self.renew(internal, external, KeyRef { ring, no }, below(2) == 0, below(12)),
            }
        }
        self.found
    }

    /// Authenticates with a pair and stores a key. Now and then something comes in between.
    fn renew(&mut self, internal: KeyNo, external: KeyNo, key: KeyRef, derive: bool, between: u32) {
        self.internal(internal);
        self.prove(external);
        match between {
            0 => self.reset(),
            1 => [2, 1].into_iter().for_each(|df| self.select(df)),
            2 => self.select(1),
            3 => self.wrong_proof(external),
            _ => {}
        }
        if derive {
            self.give(Instruction::derive_key(key, &[6; KEY]));
        } else {
            self.internal(internal);
            self.store(key);
        }
    }

    fn internal(&mut self, no: KeyNo) {
        let (_, answer) = self.give_for(Instruction::internal_authenticate(no, &[5; KEY]));
        if answer.len() == KEY {
            self.own = answer;
        }
    }

    fn prove(&mut self, no: KeyNo) {
        self.fetch_challenge();
        let slot = KIND.shape.slot(KeyRef { ring: Ring::External, no }).expect("it exists");
        let mut proof = Vec::new();
        SUITE.prove(&self.chip.keys(&KIND)[KIND.layout().range(slot)], &self.challenge, &mut proof);
        self.proof = proof;
        self.again(no);
    }

    fn fetch_challenge(&mut self) {
        let (_, challenge) = self.give_for(Instruction::get_challenge(KEY));
        if challenge.len() == KEY {
            self.challenge = challenge;
        }
    }

    /// Gives the last proof once more.
    fn again(&mut self, no: KeyNo) {
        let proof = self.proof.clone();
        self.give(Instruction::external_authenticate(no, &proof));
    }

    fn wrong_proof(&mut self, no: KeyNo) {
        self.fetch_challenge();
        self.give(Instruction::external_authenticate(no, &[8; KEY]));
    }

    fn store(&mut self, key: KeyRef) {
        let own = self.own.clone();
        self.give(Instruction::store_key(key, &own));
    }

    fn select(&mut self, df: u8) {
        self.execute(&[0, INS_SELECT, 0, 0x0c, 2, 0xdf, df]);
    }

    fn give(&mut self, instruction: Instruction<'_>) {
        self.give_for(instruction);
    }

    fn give_for(&mut self, instruction: Instruction<'_>) -> (u16, Vec<u8>) {
        let mut command = Vec::new();
        instruction.write_short(&mut command);
        self.execute(&command)
    }

    /// Gives the card a command, and lets the checkers judge it. Returns status and data.
    fn execute(&mut self, command: &[u8]) -> (u16, Vec<u8>) {
        let before = self.chip.clone();
        let mut answer = Vec::new();
        let mut memory = self.chip.memory(&KIND);
        self.card
            .execute(&KIND, &mut memory, &mut self.draws, command, &mut Power::steady(), &mut answer)
            .expect("steady power lasts");
        self.judge(command, &answer, &before);
        let (data, status) = apdu::split_answer(&answer).expect("every answer has a status");
        (status.0, data.to_vec())
    }

    fn judge(&mut self, command: &[u8], answer: &[u8], before: &Chip) {
        let state = |chip: &Chip| (chip.tries(&KIND).to_vec(), chip.marks().torn());
        let ((tries, torn), (tries_after, torn_after)) = (state(before), state(&self.chip));
        let (old, new) = (State { tries: &tries, torn }, State { tries: &tries_after, torn: torn_after });
        self.found.extend(memory::judge(&KIND, command, Some(answer), old, new).err());
        for slot in 0..KIND.layout().slots() {
            let (old, new) = (
                &before.keys(&KIND)[KIND.layout().range(slot)],
                &self.chip.keys(&KIND)[KIND.layout().range(slot)],
            );
            if old != new {
                self.found.extend(self.witness.judge_store(&KIND, false, command, new).err());
            }
        }
        self.found.extend(self.witness.see(&KIND, command, Some(answer)).err());
    }
}

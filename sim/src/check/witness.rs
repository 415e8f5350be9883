//! Watches the interface of one card in one connection, and judges what it sees there: whether a key that was stored
//! might be (claims 3 to 10), and whether a server was accepted that may not be.
//!
//! It knows the card only by what goes in and out, and applies the claims by its own arithmetic. What a command does to
//! the card's memory is judged in [`super::memory`].

use keystorm_model::apdu::{self, Command, StatusWord};
use keystorm_model::card::{CardType, files};
use keystorm_model::rings::{RenewalRule, Ring};
use xxhash_rust::xxh3::xxh3_64;

/// What an observer of the card's interface knows.
#[derive(Clone, Default, Debug)]
pub struct Witness {
    /// The DF that is selected; `None`: the one that a reset selects.
    df: Option<u16>,
    /// Whether a challenge waits for the server's proof.
    challenge: bool,
    /// The last two answers to INTERNAL AUTHENTICATE by key number and hash, the later one first.
    answers: [Option<(u8, u64)>; 2],
    /// Numbers of the internal and external keys of the authentication that is alive.
    proved: Option<(u8, u8)>,
    /// Data of a command whose end is still to come.
    chain: Vec<u8>,
    /// The key under which an answer was made that is being fetched, and what has come of it.
    fetching: Option<u8>,
    fetched: Vec<u8>,
    /// Hashes of all answers to INTERNAL AUTHENTICATE since the reset.
    given: Vec<u64>,
}

/// Stands for the hash of an answer that has not been fetched.
const NOT_FETCHED: u64 = 0;

impl Witness {
    /// The card has been reset, or has lost its power.
    pub fn reset(&mut self) {
        self.forget();
        self.df = None;
        self.chain.clear();
        self.fetching = None;
        self.given.clear();
    }

    /// What the card must have forgotten when another DF is selected.
    fn forget(&mut self) {
        (self.challenge, self.answers, self.proved) = (false, [None; 2], None);
    }

    /// Takes note of a command and its answer; `None`: the card was pulled out before it answered. `Err` says what was
    /// wrong with the answer.
    pub fn see(&mut self, kind: &CardType, command: &[u8], answer: Option<&[u8]>) -> Result<(), String> {
        let Some((data, status)) = answer.and_then(apdu::split_answer) else {
            self.reset();
            return Ok(());
        };
        let Ok(command) = Command::parse(command) else { return Ok(()) };
        if command.cla & apdu::CLA_CHAINED != 0 {
            if status == StatusWord::OK {
                self.chain.extend_from_slice(command.data);
            }
            return Ok(()); // the rest of the command is still to come
        }
        let whole = !self.chain.is_empty() || !command.data.is_empty();
        self.chain.clear();
        // An answer may wait to be fetched (61XX).
        let more = status.0 >> 8 == 0x61;
        let answered = status == StatusWord::OK || more;
        let number = apdu::referenced_key(command.p2).map(|no| no.0);
        match (command.ins, number) {
            (apdu::INS_INTERNAL_AUTHENTICATE, Some(number)) if answered => {
                self.fetched.clear();
                self.fetching = Some(number);
                self.fetch(data, more);
            }
            (apdu::INS_GET_RESPONSE, _) if answered => self.fetch(data, more),
            (apdu::INS_GET_CHALLENGE, _) if answered => self.challenge = true,
            (apdu::INS_EXTERNAL_AUTHENTICATE, number) if whole => return self.attempt(number, status),
            (apdu::INS_SELECT, _) if answered => self.select(kind, &command),
            (ins, _) if apdu::renews(ins) && !data.is_empty() => {
                return Err("a command that stores a key was answered with data (claim 10)".into());
            }
            _ => {}
        }
        Ok(())
    }

    /// The server's proof was judged. A challenge serves one attempt, and any failure ends what was proved before.
    fn attempt(&mut self, number: Option<u8>, status: StatusWord) -> Result<(), String> {
        let compared = status == StatusWord::OK || status.0 & 0xfff0 == 0x63c0;
        let challenge = if compared { core::mem::take(&mut self.challenge) } else { true };
        self.proved = None;
        if status == StatusWord::OK {
            let internal = self.answers[0].map(|(number, _)| number);
            self.proved = internal.zip(number);
        }
        if challenge { Ok(()) } else { Err("a proof was judged without a challenge of its own".into()) }
    }

    /// A piece of an answer to INTERNAL AUTHENTICATE has come.
    fn fetch(&mut self, data: &[u8], more: bool) {
        let Some(number) = self.fetching else { return };
        self.fetched.extend_from_slice(data);
        if !more {
            let hash = xxh3_64(&self.fetched);
            let before = if self.answers[0] == Some((number, NOT_FETCHED)) { 1 } else { 0 };
            self.answers = [Some((number, hash)), self.answers[before]];
            self.given.push(hash);
            self.fetching = None;
        } else if self.fetched.is_empty() {
            // The key has been used, whether its answer is fetched or not.
            self.answers = [Some((number, NOT_FETCHED)), self.answers[0]];
        }
    }

    /// Another DF than the current one was selected, perhaps.
    fn select(&mut self, kind: &CardType, command: &Command<'_>) {
        let identifier = |bytes: &[u8]| Some(u16::from_be_bytes(bytes.try_into().ok()?));
        let is_df = |&id: &u16| id == files::MF.0 || id >> 8 == files::DF1.0 >> 8;
        let found = match (command.p1, command.data) {
            (0, []) | (3, _) => Some(files::MF.0),
            (0 | 1, data) => identifier(data).filter(is_df),
            (4, _) => Some(files::DF1.0),
            (8, path) => path.chunks(2).filter_map(identifier).rfind(is_df),
            _ => None,
        };
        let current = self.df.unwrap_or(if kind.rules.implicit_df { files::DF1.0 } else { files::MF.0 });
        if let Some(df) = found.filter(|&df| df != current) {
            self.forget();
            self.df = Some(df);
        }
    }

    /// Whether a command that put `new` into the card's memory was covered by what came before it: `Err` says what was
    /// wrong. `inside` says that the card's keys are made inside it (claim 10).
    pub fn judge_store(
        &self,
        kind: &CardType,
        inside: bool,
        command: &[u8],
        new: &[u8],
    ) -> Result<(), String> {
        let Ok(command) = Command::parse(command) else { return Err("no command stored a key".into()) };
        if inside && (command.ins == apdu::INS_STORE_KEY || self.given.contains(&xxh3_64(new))) {
            return Err(
                "a new key crossed the interface of a card that makes its keys inside (claim 10)".into()
            );
        }
        let (m, n) = (i32::from(kind.shape.internal()), i32::from(kind.shape.external()));
        let root_depth = m.min(n) - 1;
        let root = (m - root_depth, n - root_depth);
        let proved = self.proved.map(|(internal, external)| (i32::from(internal), i32::from(external)));
        let itself = kind.rules.root_self_renewal && proved == Some(root);
        if command.ins == apdu::INS_RENEW_ROOT {
            let why = "the root pair was renewed by another authentication than its own";
            return if itself { Ok(()) } else { Err(why.into()) };
        }
        let Ok(key) = apdu::stored_key(&command) else {
            return Err("a key was stored by a command that names none".into());
        };
        let Some((internal, external)) = proved else {
            return Err(format!("{:?} key {} was stored without mutual authentication", key.ring, key.no));
        };
        let no = i32::from(key.no.0);
        let (depth, other, is_root) = match key.ring {
            Ring::Internal => (m - no, internal != no, no == root.0),
            Ring::External => (n - no, external != no, no == root.1),
        };
        let (covered, claims) = match kind.rules.renewal {
            RenewalRule::Below => {
                (internal < m - depth && external < n - depth, "both below it (claims 6 to 9)")
            }
            RenewalRule::OtherThan => (other, "other than it in its ring (claims 3 to 5)"),
        };
        let itself = itself && is_root;
        if !covered && !itself {
            return Err(format!(
                "{:?} key {} was stored after an authentication with internal key {internal} and external key \
                 {external}, which are not {claims}",
                key.ring, key.no
            ));
        }
        if command.ins == apdu::INS_STORE_KEY && kind.rules.only_own_answers {
            return self.is_own_answer(internal as u8, itself, command.data);
        }
        Ok(())
    }

    /// Whether the data of a STORE KEY are the card's last answer under `internal`, or, where the root renews itself,
    /// the one before.
    fn is_own_answer(&self, internal: u8, itself: bool, data: &[u8]) -> Result<(), String> {
        let hash = if self.chain.is_empty() { xxh3_64(data) } else { xxh3_64(&[&self.chain, data].concat()) };
        let remembered = if itself { 2 } else { 1 };
        if self.answers[..remembered].contains(&Some((internal, hash))) {
            return Ok(());
        }
        Err(format!("a key was stored that is not the card's last answer under internal key {internal}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystorm_model::KeyNo;
    use keystorm_model::card::CardRules;
    use keystorm_model::rings::{KeyRef, RingShape};
    use keystorm_model::suite::{Comparison, SuiteId};

    const BELOW: CardType = CardType {
        cipher: SuiteId::Aes128.real(),
        shape: RingShape::new(3, 4).unwrap(),
        comparison: Comparison::Encryption,
        rules: CardRules::standard(3),
    };
    const OTHER_THAN: CardType =
        CardType { rules: CardRules { renewal: RenewalRule::OtherThan, ..CardRules::standard(3) }, ..BELOW };
    const SELF_RENEWING: CardType =
        CardType { rules: CardRules { root_self_renewal: true, ..CardRules::standard(3) }, ..BELOW };

    /// Sixteen bytes of data, all of them 7, and OK.
    const ANSWER: [u8; 18] = {
        let mut answer = [7; 18];
        [answer[16], answer[17]] = [0x90, 0];
        answer
    };

    fn judged(witness: &Witness, kind: &CardType, command: &[u8]) -> Result<(), String> {
        witness.judge_store(kind, false, command, &[7; 16])
    }

    fn seen(internal: u8, external: u8, status: u16) -> Witness {
        let mut witness = Witness::default();
        let mut command = Vec::new();
        apdu::internal_authenticate(KeyNo(internal), &[0; 16], &mut command);
        witness.see(&BELOW, &command, Some(&ANSWER)).unwrap();
        command.clear();
        apdu::get_challenge(16, &mut command);
        witness.see(&BELOW, &command, Some(&ANSWER)).unwrap();
        command.clear();
        apdu::external_authenticate(KeyNo(external), &[0; 16], &mut command);
        witness.see(&BELOW, &command, Some(&status.to_be_bytes())).unwrap();
        command.clear();
        apdu::internal_authenticate(KeyNo(internal), &[1; 16], &mut command);
        witness.see(&BELOW, &command, Some(&ANSWER)).unwrap();
        witness
    }

    fn store(ring: Ring, no: u8) -> Vec<u8> {
        let mut command = Vec::new();
        apdu::store_key(KeyRef { ring, no: KeyNo(no) }, &[7; 16], &mut command);
        command
    }

    #[test]
    fn a_store_below_both_keys_passes() {
        let witness = seen(2, 3, 0x9000);
        assert_eq!(judged(&witness, &BELOW, &store(Ring::Internal, 3)), Ok(()));
        assert_eq!(judged(&witness, &BELOW, &store(Ring::External, 4)), Ok(()));
    }

    #[test]
    fn a_store_that_the_claims_forbid_is_reported() {
        for (witness, ring, no) in [
            (seen(2, 3, 0x63c2), Ring::Internal, 3),
            (seen(3, 4, 0x9000), Ring::Internal, 3),
            (seen(2, 4, 0x9000), Ring::External, 4),
            (seen(2, 3, 0x9000), Ring::Internal, 2),
            (Witness::default(), Ring::External, 4),
        ] {
            assert!(judged(&witness, &BELOW, &store(ring, no)).is_err(), "{witness:?} {ring:?} {no}");
        }
    }

    #[test]
    fn a_piece_of_a_chained_proof_is_no_proof_and_an_answer_that_waits_is_one() {
        let mut witness = Witness::default();
        let mut command = Vec::new();
        apdu::internal_authenticate(KeyNo(2), &[0; 16], &mut command);
        witness.see(&BELOW, &command, Some(&[0x61, 16])).unwrap();
        let fetch = [0, apdu::INS_GET_RESPONSE, 0, 0, 16];
        witness.see(&BELOW, &fetch, Some(&ANSWER)).unwrap();
        command.clear();
        apdu::get_challenge(16, &mut command);
        witness.see(&BELOW, &command, Some(&ANSWER)).unwrap();
        command.clear();
        apdu::external_authenticate(KeyNo(3), &[0; 16], &mut command);
        command[0] |= apdu::CLA_CHAINED;
        witness.see(&BELOW, &command, Some(&[0x90, 0])).unwrap();
        assert!(judged(&witness, &BELOW, &store(Ring::Internal, 3)).is_err());
        command[0] &= !apdu::CLA_CHAINED;
        witness.see(&BELOW, &command, Some(&[0x90, 0])).unwrap();
        assert_eq!(judged(&witness, &BELOW, &store(Ring::Internal, 3)), Ok(()));
    }

    #[test]
    fn a_pulled_card_has_forgotten_the_authentication() {
        let mut witness = seen(2, 3, 0x9000);
        witness.see(&BELOW, &store(Ring::Internal, 3), None).unwrap();
        assert!(judged(&witness, &BELOW, &store(Ring::Internal, 3)).is_err());
    }

    #[test]
    fn claims_3_to_5_ask_for_another_key_only() {
        let witness = seen(3, 4, 0x9000);
        assert!(judged(&witness, &OTHER_THAN, &store(Ring::Internal, 2)).is_ok());
        assert!(judged(&witness, &OTHER_THAN, &store(Ring::Internal, 3)).is_err());
        assert!(judged(&witness, &OTHER_THAN, &store(Ring::External, 4)).is_err());
    }

    #[test]
    fn the_root_renews_itself_only_where_it_may_and_by_its_own_authentication() {
        let mut renew = Vec::new();
        apdu::Instruction::renew_root(&[0; 32]).write_short(&mut renew);
        for command in [store(Ring::Internal, 1), store(Ring::External, 2), renew] {
            assert!(judged(&seen(1, 2, 0x9000), &SELF_RENEWING, &command).is_ok());
            assert!(judged(&seen(2, 3, 0x9000), &SELF_RENEWING, &command).is_err());
            assert!(judged(&seen(1, 2, 0x9000), &BELOW, &command).is_err());
        }
        assert!(judged(&seen(1, 2, 0x9000), &SELF_RENEWING, &store(Ring::External, 1)).is_err());
    }

    #[test]
    fn every_failed_proof_and_every_other_df_ends_what_was_proved() {
        let mut blocked = seen(2, 3, 0x9000);
        let mut command = Vec::new();
        apdu::external_authenticate(KeyNo(3), &[0; 16], &mut command);
        blocked.see(&BELOW, &command, Some(&[0x69, 0x83])).unwrap();
        let mut elsewhere = seen(2, 3, 0x9000);
        elsewhere.see(&BELOW, &[0, apdu::INS_SELECT, 0, 0x0c, 2, 0xdf, 2], Some(&[0x90, 0])).unwrap();
        let mut same = seen(2, 3, 0x9000);
        same.see(&BELOW, &[0, apdu::INS_SELECT, 0, 0x0c, 2, 0xdf, 1], Some(&[0x90, 0])).unwrap();
        let passes = |witness: &Witness| judged(witness, &BELOW, &store(Ring::Internal, 3)).is_ok();
        assert_eq!((passes(&blocked), passes(&elsewhere), passes(&same)), (false, false, true));
    }

    #[test]
    fn a_challenge_serves_one_proof() {
        let mut witness = seen(2, 3, 0x9000);
        let mut command = Vec::new();
        apdu::external_authenticate(KeyNo(3), &[0; 16], &mut command);
        assert!(witness.see(&BELOW, &command, Some(&[0x90, 0])).is_err());
    }

    #[test]
    fn only_the_cards_own_last_answer_is_stored_and_in_embodiment_4_nothing_that_was_seen() {
        let witness = seen(2, 3, 0x9000);
        let mut foreign = Vec::new();
        apdu::store_key(KeyRef { ring: Ring::Internal, no: KeyNo(3) }, &[8; 16], &mut foreign);
        assert!(judged(&witness, &BELOW, &foreign).is_err());
        assert!(witness.judge_store(&BELOW, true, &store(Ring::Internal, 3), &[7; 16]).is_err());
        let mut derive = Vec::new();
        let key = KeyRef { ring: Ring::Internal, no: KeyNo(3) };
        apdu::Instruction::derive_key(key, &[1; 16]).write_short(&mut derive);
        assert!(witness.judge_store(&BELOW, true, &derive, &[7; 16]).is_err(), "it was answered before");
        assert_eq!(witness.judge_store(&BELOW, true, &derive, &[9; 16]), Ok(()));
        assert!(seen(2, 3, 0x9000).see(&BELOW, &derive, Some(&ANSWER)).is_err());
    }
}

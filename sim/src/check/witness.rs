//! Watches the commands of one card in one visit, and judges whether a key that was stored might be (claims 3 to 9).
//!
//! It knows the card only by what goes in and out, and applies the claims by its own arithmetic.

use keystorm_model::apdu::{self, Command, StatusWord};
use keystorm_model::card::CardType;
use keystorm_model::rings::{RenewalRule, Ring};

/// What an observer of the card's interface knows.
#[derive(Clone, Copy, Default, Debug)]
pub struct Witness {
    last_internal: Option<u8>,
    /// Numbers of the internal and external keys of the authentication that is alive.
    proved: Option<(u8, u8)>,
}

impl Witness {
    /// Takes note of a command and its answer; `None`: the card was pulled out before it answered.
    pub fn see(&mut self, command: &[u8], answer: Option<&[u8]>) {
        let Some((_, status)) = answer.and_then(apdu::split_answer) else {
            *self = Witness::default();
            return;
        };
        let Ok(command) = Command::parse(command) else { return };
        let Some(number) = apdu::referenced_key(command.p2).map(|no| no.0) else { return };
        if command.cla & apdu::CLA_CHAINED != 0 {
            return; // the rest of the command is still to come
        }
        // An answer may wait to be fetched (61XX).
        let answered = status == StatusWord::OK || status.0 >> 8 == 0x61;
        match command.ins {
            apdu::INS_INTERNAL_AUTHENTICATE if answered => {
                self.last_internal = Some(number);
            }
            apdu::INS_EXTERNAL_AUTHENTICATE if status == StatusWord::OK => {
                self.proved = self.last_internal.map(|internal| (internal, number));
            }
            apdu::INS_EXTERNAL_AUTHENTICATE if status.0 & 0xfff0 == 0x63c0 && !command.data.is_empty() => {
                self.proved = None;
            }
            _ => {}
        }
    }

    /// Whether a command that changed a key in the card's memory was covered by the authentication before it: `Err` says
    /// what was wrong.
    pub fn judge_store(&self, kind: &CardType, command: &[u8]) -> Result<(), String> {
        let Ok(command) = Command::parse(command) else { return Err("no command stored a key".into()) };
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
        if covered || itself && is_root {
            return Ok(());
        }
        Err(format!(
            "{:?} key {} was stored after an authentication with internal key {internal} and external key {external}, \
             which are not {claims}",
            key.ring, key.no
        ))
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
        suite: SuiteId::Aes128,
        shape: RingShape::new(3, 4).unwrap(),
        comparison: Comparison::Encryption,
        rules: CardRules::standard(3),
    };
    const OTHER_THAN: CardType =
        CardType { rules: CardRules { renewal: RenewalRule::OtherThan, ..CardRules::standard(3) }, ..BELOW };
    const SELF_RENEWING: CardType =
        CardType { rules: CardRules { root_self_renewal: true, ..CardRules::standard(3) }, ..BELOW };

    fn seen(internal: u8, external: u8, status: u16) -> Witness {
        let mut witness = Witness::default();
        let mut command = Vec::new();
        apdu::internal_authenticate(KeyNo(internal), &[0; 16], &mut command);
        witness.see(&command, Some(&[0x90, 0]));
        command.clear();
        apdu::external_authenticate(KeyNo(external), &[0; 16], &mut command);
        witness.see(&command, Some(&status.to_be_bytes()));
        witness
    }

    fn store(ring: Ring, no: u8) -> Vec<u8> {
        let mut command = Vec::new();
        apdu::store_key(KeyRef { ring, no: KeyNo(no) }, &[0; 16], &mut command);
        command
    }

    #[test]
    fn a_store_below_both_keys_passes() {
        let witness = seen(2, 3, 0x9000);
        assert_eq!(witness.judge_store(&BELOW, &store(Ring::Internal, 3)), Ok(()));
        assert_eq!(witness.judge_store(&BELOW, &store(Ring::External, 4)), Ok(()));
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
            assert!(witness.judge_store(&BELOW, &store(ring, no)).is_err(), "{witness:?} {ring:?} {no}");
        }
    }

    #[test]
    fn a_piece_of_a_chained_proof_is_no_proof_and_an_answer_that_waits_is_one() {
        let mut witness = Witness::default();
        let mut command = Vec::new();
        apdu::internal_authenticate(KeyNo(2), &[0; 16], &mut command);
        witness.see(&command, Some(&[0x61, 16]));
        command.clear();
        apdu::external_authenticate(KeyNo(3), &[0; 16], &mut command);
        command[0] |= apdu::CLA_CHAINED;
        witness.see(&command, Some(&[0x90, 0]));
        assert!(witness.judge_store(&BELOW, &store(Ring::Internal, 3)).is_err());
        command[0] &= !apdu::CLA_CHAINED;
        witness.see(&command, Some(&[0x90, 0]));
        assert_eq!(witness.judge_store(&BELOW, &store(Ring::Internal, 3)), Ok(()));
    }

    #[test]
    fn a_pulled_card_has_forgotten_the_authentication() {
        let mut witness = seen(2, 3, 0x9000);
        witness.see(&store(Ring::Internal, 3), None);
        assert!(witness.judge_store(&BELOW, &store(Ring::Internal, 3)).is_err());
    }

    #[test]
    fn claims_3_to_5_ask_for_another_key_only() {
        let witness = seen(3, 4, 0x9000);
        assert!(witness.judge_store(&OTHER_THAN, &store(Ring::Internal, 2)).is_ok());
        assert!(witness.judge_store(&OTHER_THAN, &store(Ring::Internal, 3)).is_err());
        assert!(witness.judge_store(&OTHER_THAN, &store(Ring::External, 4)).is_err());
    }

    #[test]
    fn the_root_renews_itself_only_where_it_may_and_by_its_own_authentication() {
        let mut renew = Vec::new();
        apdu::Instruction::renew_root(&[0; 32]).write_short(&mut renew);
        for command in [store(Ring::Internal, 1), store(Ring::External, 2), renew] {
            assert!(seen(1, 2, 0x9000).judge_store(&SELF_RENEWING, &command).is_ok());
            assert!(seen(2, 3, 0x9000).judge_store(&SELF_RENEWING, &command).is_err());
            assert!(seen(1, 2, 0x9000).judge_store(&BELOW, &command).is_err());
        }
        assert!(seen(1, 2, 0x9000).judge_store(&SELF_RENEWING, &store(Ring::External, 1)).is_err());
    }
}

//! Watches the commands of one card in one visit, and judges whether a key that was stored might be (claims 3 to 9).
//!
//! It knows the card only by what goes in and out, and applies the claims by its own arithmetic.

use keystorm_model::apdu::{self, Command, StatusWord};
use keystorm_model::rings::{Ring, RingShape};

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
        match command.ins {
            apdu::INS_INTERNAL_AUTHENTICATE if status == StatusWord::OK => {
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

    /// Whether a STORE KEY command that changed the card's memory was covered by the authentication before it:
    /// `Err` says what was wrong.
    pub fn judge_store(&self, shape: RingShape, command: &[u8]) -> Result<(), String> {
        let key = Command::parse(command).and_then(|command| apdu::stored_key(&command));
        let Ok(key) = key else { return Err("a key was stored by a command that names none".into()) };
        let Some((internal, external)) = self.proved else {
            return Err(format!("{:?} key {} was stored without mutual authentication", key.ring, key.no));
        };
        let (m, n) = (i32::from(shape.internal()), i32::from(shape.external()));
        let depth = match key.ring {
            Ring::Internal => m - i32::from(key.no.0),
            Ring::External => n - i32::from(key.no.0),
        };
        let below = i32::from(internal) < m - depth && i32::from(external) < n - depth;
        if below {
            return Ok(());
        }
        Err(format!(
            "{:?} key {} was stored after an authentication with internal key {internal} and external key {external}, \
             which are not both below it (claims 6 to 9)",
            key.ring, key.no
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystorm_model::KeyNo;
    use keystorm_model::rings::KeyRef;

    const SHAPE: RingShape = RingShape::new(3, 4).unwrap();

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
        assert_eq!(witness.judge_store(SHAPE, &store(Ring::Internal, 3)), Ok(()));
        assert_eq!(witness.judge_store(SHAPE, &store(Ring::External, 4)), Ok(()));
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
            assert!(witness.judge_store(SHAPE, &store(ring, no)).is_err(), "{witness:?} {ring:?} {no}");
        }
    }

    #[test]
    fn a_pulled_card_has_forgotten_the_authentication() {
        let mut witness = seen(2, 3, 0x9000);
        witness.see(&store(Ring::Internal, 3), None);
        assert!(witness.judge_store(SHAPE, &store(Ring::Internal, 3)).is_err());
    }
}

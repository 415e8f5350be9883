//! INTERNAL AUTHENTICATE, GET CHALLENGE and EXTERNAL AUTHENTICATE.

use super::*;
use crate::planted::{self, Bug};

impl Execution<'_, '_> {
    /// Draws Ra. It serves one EXTERNAL AUTHENTICATE and replaces an earlier one.
    pub(super) fn get_challenge(
        &mut self,
        command: &Command<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let length = self.kind.cipher.sizes().challenge;
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::WRONG_P1_P2.into());
        }
        if !command.data.is_empty() {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        self.expects(command, length)?;
        let word = RANDOM_WORDS + u64::from(self.card.challenges_drawn) * WORDS_PER_CHALLENGE;
        self.card.challenges_drawn += 1;
        let mut challenge = [0; MAX_RANDOM];
        self.draws.bytes(word, &mut challenge[..length]);
        self.work.randoms += 1;
        self.card.challenge = Some(challenge);
        answer.extend_from_slice(&challenge[..length]);
        Ok(())
    }

    /// Answers a challenge with an internal key. Free for everyone: it comes before the server is authenticated.
    pub(super) fn internal_authenticate(
        &mut self,
        command: &Command<'_>,
        answer: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let sizes = self.kind.cipher.sizes();
        let no = apdu::referenced_key(command.p2).ok_or(StatusWord::WRONG_P1_P2)?;
        if command.p1 != 0 {
            return Err(StatusWord::WRONG_P1_P2.into());
        }
        let slot = self.slot(KeyRef { ring: Ring::Internal, no })?;
        // Where a challenge is as long as an Rk, so are the answers to them.
        let length = match command.data.len() {
            length if length == sizes.challenge => sizes.proof,
            length if length == sizes.renewal_random => sizes.seed,
            _ => return Err(StatusWord::WRONG_LENGTH.into()),
        };
        self.expects(command, length)?;
        self.whole(slot)?;
        let start = answer.len();
        self.kind.cipher.prove(self.memory.key(self.kind.layout(), slot), command.data, answer);
        if command.data.len() == sizes.challenge {
            self.work.proves += 1;
        } else {
            self.work.derives += 1;
        }
        self.card.own_answers.swap(0, 1);
        let own = &mut self.card.own_answers[0];
        own.under = Some(no);
        own.bytes.clear();
        own.bytes.extend_from_slice(&answer[start..]);
        Ok(())
    }

    /// Checks the server's answer to the last challenge. An attempt that fails for any reason ends the
    /// authentication that was alive; asking for the tries left is no attempt. The try is taken before the
    /// comparison and given back on success, so that pulling the card out gains nothing.
    pub(super) fn external_authenticate(&mut self, command: &Command<'_>) -> Result<(), Failure> {
        let sizes = self.kind.cipher.sizes();
        if !command.data.is_empty() && !planted::is(Bug::CardKeepsProofOverFailure) {
            self.card.server = None;
        }
        let no = apdu::referenced_key(command.p2).ok_or(StatusWord::WRONG_P1_P2)?;
        if command.p1 != 0 {
            return Err(StatusWord::WRONG_P1_P2.into());
        }
        let slot = self.slot(KeyRef { ring: Ring::External, no })?;
        let index = no.index() - 1;
        let tries = self.memory.tries[index];
        if command.data.is_empty() {
            let left = if tries == 0 { StatusWord::BLOCKED } else { StatusWord::tries_left(tries) };
            return Err(left.into());
        }
        if tries == 0 && !planted::is(Bug::CardIgnoresBlocking) {
            return Err(StatusWord::BLOCKED.into());
        }
        self.whole(slot)?;
        if command.data.len() != sizes.proof {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let challenge = self.card.challenge.take().ok_or(StatusWord::CONDITIONS)?;
        if planted::is(Bug::CardKeepsChallenge) {
            self.card.challenge = Some(challenge);
        }
        let left = tries.saturating_sub(1);
        if !planted::is(Bug::CardTakesNoTry) {
            self.write(Value::Counter(index), &[left])?;
        }
        if planted::is(Bug::CardRestoresTryEarly) {
            self.write(Value::Counter(index), &[tries])?;
        }
        self.work.checks += 1;
        let key = self.memory.key(self.kind.layout(), slot);
        let challenge = &challenge[..sizes.challenge];
        if !self.kind.cipher.check(key, challenge, command.data, self.kind.comparison) {
            return Err(StatusWord::tries_left(left).into());
        }
        if !planted::is(Bug::CardNeverRestoresTries) {
            self.write(Value::Counter(index), &[self.kind.rules.tries])?;
        }
        self.card.server = Some(ServerProof { under: self.card.own_answers[0].under, with: no });
        Ok(())
    }
}

//! STORE KEY, DERIVE KEY and RENEW ROOT: what may renew a key (claims 3 to 10, \[0058\]), and how it is done.

use crate::planted::{self, Bug};
use crate::suite::Family;

use super::*;

impl Execution<'_, '_> {
    /// Stores what grows from the command's data, which embodiments 1 to 3 let the card itself compute before.
    pub(super) fn store_key(&mut self, command: &Command<'_>) -> Result<(), Failure> {
        let key = apdu::stored_key(command)?;
        self.slot(key)?;
        if command.data.len() != self.kind.cipher.sizes().seed {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let used = self.authority(key)?;
        let foreign = self.kind.rules.only_own_answers && !self.is_own_answer(used, key, command.data);
        if foreign && !planted::is(Bug::CardStoresForeignValues) {
            return Err(StatusWord::SECURITY.into());
        }
        self.room(&[key])?;
        self.install(key, command.data)
    }

    /// Derives a new key from Rk under the internal key of the authentication, and stores it: it never leaves the card
    /// (embodiment 4, claim 10).
    pub(super) fn derive_key(&mut self, command: &Command<'_>) -> Result<(), Failure> {
        let key = apdu::stored_key(command)?;
        self.slot(key)?;
        if command.data.len() != self.kind.cipher.sizes().renewal_random {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let used = self.authority(key)?;
        self.room(&[key])?;
        let mut seed = core::mem::take(&mut self.card.scratch[0]);
        seed.clear();
        let done =
            self.derive(used.internal, command.data, &mut seed).and_then(|()| self.install(key, &seed));
        self.card.scratch[0] = seed;
        done
    }

    /// Lets the root pair renew itself: both keys are derived under the root's internal key, then the external one is
    /// stored, then the internal one, since what is derived after that would come from another root.
    pub(super) fn renew_root(&mut self, command: &Command<'_>) -> Result<(), Failure> {
        let length = self.kind.cipher.sizes().renewal_random;
        if (command.p1, command.p2) != (0, 0) {
            return Err(StatusWord::WRONG_P1_P2.into());
        }
        if command.data.len() != 2 * length {
            return Err(StatusWord::WRONG_LENGTH.into());
        }
        let root = self.kind.shape.root();
        if !self.kind.rules.root_self_renewal || self.used() != Some(root) {
            return Err(StatusWord::SECURITY.into());
        }
        let internal = KeyRef { ring: Ring::Internal, no: root.internal };
        let external = KeyRef { ring: Ring::External, no: root.external };
        self.room(&[internal, external])?;
        let mut seeds = core::mem::take(&mut self.card.scratch[0]);
        seeds.clear();
        let done = self.renew_root_with(command.data.split_at(length), [internal, external], &mut seeds);
        self.card.scratch[0] = seeds;
        done
    }

    fn renew_root_with(
        &mut self,
        randoms: (&[u8], &[u8]),
        [internal, external]: [KeyRef; 2],
        seeds: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        self.derive(internal.no, randoms.0, seeds)?;
        let first = seeds.len();
        self.derive(internal.no, randoms.1, seeds)?;
        self.install(external, &seeds[first..])?;
        self.install(internal, &seeds[..first])
    }

    /// The pair that card and server have authenticated each other with.
    fn used(&self) -> Option<Pair> {
        let ServerProof { under, with } = self.card.server?;
        Some(Pair { internal: under?, external: with })
    }

    /// The pair of the authentication that is alive, if it may renew `key`.
    fn authority(&self, key: KeyRef) -> Result<Pair, StatusWord> {
        let used = self.used().ok_or(StatusWord::SECURITY)?;
        let by_rule = self.kind.shape.permits(self.kind.rules.renewal, used, key);
        let below_in_ring = || used.key(key.ring).no < key.no && planted::is(Bug::CardSkipsOtherRing);
        let planted = || below_in_ring() || planted::is(Bug::CardSkipsClaims);
        if by_rule || self.renews_itself(used, key) || planted() {
            Ok(used)
        } else {
            Err(StatusWord::SECURITY)
        }
    }

    /// Whether `key` belongs to the root pair, which has authenticated and may renew itself.
    fn renews_itself(&self, used: Pair, key: KeyRef) -> bool {
        let root = self.kind.shape.root();
        let belongs = match key.ring {
            Ring::Internal => key.no == root.internal,
            Ring::External => key.no == root.external,
        };
        self.kind.rules.root_self_renewal && used == root && belongs
    }

    /// Whether the card itself has given `data`, under the internal key of the authentication: as its last answer, or, as
    /// self-renewal obtains both of its values before it stores one, as the one before that.
    fn is_own_answer(&self, used: Pair, key: KeyRef, data: &[u8]) -> bool {
        let remembered = if self.renews_itself(used, key) { 2 } else { 1 };
        let answers = &self.card.own_answers[..remembered];
        answers.iter().any(|answer| answer.under == Some(used.internal) && answer.bytes == data)
    }

    /// Refuses before anything is changed, if a page that is going to be written is worn out.
    fn room(&self, keys: &[KeyRef]) -> Result<(), StatusWord> {
        let mut values = [Value::Counter(0); 4];
        let mut count = 0;
        for &key in keys {
            values[count] = Value::Key(self.slot(key)?);
            count += 1;
            if key.ring == Ring::External {
                values[count] = Value::Counter(key.no.index() - 1);
                count += 1;
            }
        }
        if self.memory.lasts(self.kind, &values[..count]) { Ok(()) } else { Err(StatusWord::MEMORY_FAILURE) }
    }

    /// Appends the seed of a new key.
    fn derive(&mut self, under: KeyNo, random: &[u8], seed: &mut Vec<u8>) -> Result<(), Failure> {
        let slot = self.slot(KeyRef { ring: Ring::Internal, no: under })?;
        self.whole(slot)?;
        self.kind.cipher.prove(self.memory.key(self.kind.layout(), slot), random, seed);
        self.work.derives += 1;
        Ok(())
    }

    /// Grows the pair from its seed and keeps the card's half. An external key gets all its tries back, behind it.
    fn install(&mut self, key: KeyRef, seed: &[u8]) -> Result<(), Failure> {
        let mut slot = self.slot(key)?;
        if planted::is(Bug::CardAnswersBeforeWriting) {
            return Ok(());
        }
        if planted::is(Bug::CardStoresUnderWrongNumber) {
            slot = slot.saturating_sub(1);
        }
        let cipher = self.kind.cipher;
        let mut pair = core::mem::take(&mut self.card.scratch[1]);
        pair.clear();
        cipher.grow(seed, &mut pair);
        self.work.generates += u32::from(cipher.family() == Family::Asymmetric);
        let stored = self.write(Value::Key(slot), cipher.half_on_card(key.ring, &pair));
        self.card.scratch[1] = pair;
        stored?;
        if key.ring == Ring::External {
            self.write(Value::Counter(key.no.index() - 1), &[self.kind.rules.tries])?;
        }
        Ok(())
    }
}

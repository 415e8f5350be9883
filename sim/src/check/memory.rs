//! Judges what one command did to a card's retry counters and torn keys, by the memory before it and after it.
//!
//! Tries are per external key. One is taken before a proof is compared and given back if it is right, so that a card that
//! is pulled out there may lose one; storing a key gives it all its tries. Nothing else raises a counter. A card that has
//! a log or shadow pages never tears a key.

use keystorm_model::apdu::{self, Command, StatusWord};
use keystorm_model::card::{CardType, WriteMode};
use keystorm_model::rings::Ring;

/// The part of a card's memory that is judged here.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// Tries left, `Kae[1]` first.
    pub tries: &'a [u8],
    /// Which keys are torn, a bit per slot.
    pub torn: u64,
}

/// Whether a command touches counters or keys, so that it has to be judged.
pub fn concerns(command: &[u8]) -> bool {
    command.get(1).is_some_and(|&ins| ins == apdu::INS_EXTERNAL_AUTHENTICATE || apdu::renews(ins))
}

/// Judges a command and its answer; `None`: power was lost in it, and `after` is what the next power-up finds.
pub fn judge(
    kind: &CardType,
    command: &[u8],
    answer: Option<&[u8]>,
    before: State<'_>,
    after: State<'_>,
) -> Result<(), String> {
    let status = answer.and_then(apdu::split_answer).map(|(_, status)| status);
    let lost = status.is_none();
    let may_tear = lost && kind.rules.nvm.mode == WriteMode::InPlace;
    if !may_tear && after.torn & !before.torn != 0 {
        return Err(format!("a key was torn by a card that writes through {}", kind.rules.nvm.mode.name()));
    }
    let (attempted, stored) = external_keys(kind, command);
    for (index, (&before, &after)) in before.tries.iter().zip(after.tries).enumerate() {
        let no = index + 1;
        let attempt = attempted == Some(no);
        if before == after && !attempt && stored != Some(no) {
            continue; // untouched, as it must be
        }
        let done = status == Some(StatusWord::OK);
        if attempt && done && before == 0 {
            return Err(format!("external key {no} was used though it is blocked"));
        }
        let raised = after > before;
        let may_rise = (done || lost) && (attempt && before > 0 || stored == Some(no));
        if raised && !may_rise {
            return Err(format!("external key {no} got tries back, {before} to {after}, for nothing"));
        }
        if done && (attempt || stored == Some(no)) && after != kind.rules.tries {
            return Err(format!("external key {no} has {after} tries after a success"));
        }
        let wrong = status.filter(|status| attempt && status.0 & 0xfff0 == 0x63c0);
        if wrong.is_some_and(|status| after + 1 != before || status != StatusWord::tries_left(after)) {
            return Err(format!("a wrong proof left external key {no} at {after} tries of {before}"));
        }
        if after < before && !attempt && !may_tear {
            return Err(format!("external key {no} lost tries without an attempt"));
        }
    }
    Ok(())
}

/// The number of the external key that a command tries, and of the one that it stores.
fn external_keys(kind: &CardType, command: &[u8]) -> (Option<usize>, Option<usize>) {
    let Ok(command) = Command::parse(command) else { return (None, None) };
    if command.cla & apdu::CLA_CHAINED != 0 {
        return (None, None);
    }
    match command.ins {
        apdu::INS_EXTERNAL_AUTHENTICATE if !command.data.is_empty() => {
            (apdu::referenced_key(command.p2).map(|no| no.index()), None)
        }
        apdu::INS_RENEW_ROOT => (None, Some(kind.shape.root().external.index())),
        ins if apdu::renews(ins) => {
            let key = apdu::stored_key(&command).ok().filter(|key| key.ring == Ring::External);
            (None, key.map(|key| key.no.index()))
        }
        _ => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keystorm_model::KeyNo;
    use keystorm_model::card::CardRules;
    use keystorm_model::rings::{KeyRef, RingShape};
    use keystorm_model::suite::{Comparison, SuiteId};

    const KIND: CardType = CardType {
        suite: SuiteId::Aes128,
        shape: RingShape::new(2, 2).unwrap(),
        comparison: Comparison::Encryption,
        rules: CardRules::standard(3),
    };

    fn judged(command: &[u8], answer: Option<u16>, before: [u8; 2], after: [u8; 2]) -> bool {
        let answer = answer.map(u16::to_be_bytes);
        let state = |tries| State { tries, torn: 0 };
        let answer = answer.as_ref().map(|answer| &answer[..]);
        judge(&KIND, command, answer, state(&before), state(&after)).is_ok()
    }

    #[test]
    fn tries_are_taken_by_wrong_proofs_and_come_back_by_right_ones() {
        let mut attempt = Vec::new();
        apdu::external_authenticate(KeyNo(2), &[0; 16], &mut attempt);
        assert!(judged(&attempt, Some(0x9000), [3, 1], [3, 3]));
        assert!(!judged(&attempt, Some(0x9000), [3, 1], [3, 1]), "never given back");
        assert!(!judged(&attempt, Some(0x9000), [3, 0], [3, 3]), "blocked");
        assert!(judged(&attempt, Some(0x63c1), [3, 2], [3, 1]));
        assert!(!judged(&attempt, Some(0x63c1), [3, 2], [3, 2]), "not taken");
        assert!(!judged(&attempt, Some(0x63c1), [3, 2], [2, 1]), "another's");
        assert!(judged(&attempt, Some(0x6985), [3, 2], [3, 2]), "no challenge, no try");
        assert!(judged(&attempt, None, [3, 2], [3, 1]) && judged(&attempt, None, [3, 2], [3, 3]));
        assert!(!judged(&attempt, None, [3, 0], [3, 3]), "a blocked key stays blocked");
    }

    #[test]
    fn storing_a_key_gives_it_its_tries_and_no_other() {
        let mut store = Vec::new();
        apdu::store_key(KeyRef { ring: Ring::External, no: KeyNo(2) }, &[0; 16], &mut store);
        assert!(judged(&store, Some(0x9000), [1, 0], [1, 3]));
        assert!(!judged(&store, Some(0x9000), [1, 0], [3, 3]));
        assert!(!judged(&store, Some(0x6982), [1, 0], [1, 3]), "refused");
    }

    #[test]
    fn a_log_lets_no_key_be_torn() {
        let tries = &[3, 3][..];
        let (whole, torn) = (State { tries, torn: 0 }, State { tries, torn: 1 });
        assert!(judge(&KIND, &[0; 5], None, whole, torn).is_err());
        let mut in_place = KIND;
        in_place.rules.nvm.mode = WriteMode::InPlace;
        assert!(judge(&in_place, &[0; 5], None, whole, torn).is_ok());
        assert!(judge(&in_place, &[0; 5], Some(&[0x90, 0]), whole, torn).is_err());
    }
}

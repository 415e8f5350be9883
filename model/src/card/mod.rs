//! The card (stub, being written).
/// What the card enforces beyond the fixed rules of ISO 7816-4 and the claims.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CardRules {
    /// Failed EXTERNAL AUTHENTICATEs in a row that block an external key, 1..=15 (SW 63CX has one digit).
    pub tries: u8,
    /// Whether a key is stored only if it equals the card's last INTERNAL AUTHENTICATE response under the upper key.
    pub only_own_answers: bool,
}

//! The server (stub, being written).
/// How a renewal is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Embodiment {
    /// Fig. 6: Kai[m] and Kae[n] together; the new keys pass through the client.
    One,
}
impl Embodiment {
    /// Every embodiment.
    pub const ALL: [Embodiment; 1] = [Embodiment::One];
    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Embodiment::One => "1",
        }
    }
}
/// What becomes of an interrupted renewal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovery {
    /// The period's only chance is spent when the server draws its first Rs for the card.
    FirstContact,
    /// A renewal stays due until the server has committed it.
    UntilCommitted,
}
impl Recovery {
    /// Every policy.
    pub const ALL: [Recovery; 2] = [Recovery::FirstContact, Recovery::UntilCommitted];
    /// The name in scenarios and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Recovery::FirstContact => "first-contact",
            Recovery::UntilCommitted => "until-committed",
        }
    }
}

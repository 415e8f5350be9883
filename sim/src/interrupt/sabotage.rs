//! Mistakes that a test lets a party make, to see that the matrix notices them.
//!
//! They are made at the parties' edges: in what reaches the machines and in what they leave behind. The machines
//! themselves stay as they are.

/// A mistake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sabotage {
    /// The server commits as soon as it has sent the randoms.
    CommitsEarly,
    /// The server takes the OK of an update although its connection is dead.
    TakesALateOk,
    /// The server does not keep that a stage has been tried.
    ForgetsTheTry,
    /// The card says that it has stored a key, and has not.
    StoresNothing,
    /// The card stores what it computes before it knows the server.
    StoresUnasked,
    /// The card does not give back the try that it takes before it compares.
    KeepsTheTry,
}

impl Sabotage {
    /// Every one.
    pub const ALL: [Sabotage; 6] = [
        Sabotage::CommitsEarly,
        Sabotage::TakesALateOk,
        Sabotage::ForgetsTheTry,
        Sabotage::StoresNothing,
        Sabotage::StoresUnasked,
        Sabotage::KeepsTheTry,
    ];
}

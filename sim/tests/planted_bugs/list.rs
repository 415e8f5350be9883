//! The list: each bug, where it is tried, and what the checker that catches it says.

use keystorm_model::planted::Bug;

use crate::fleet::Setting;

/// Where a bug is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Trial {
    /// A card is given commands in every order, and is cut off in between.
    Card,
    /// The server is sent what is needed, message by message, and restarted.
    Server,
    /// A fleet of a few hundred cards runs through a bad day.
    Fleet(Setting),
}

impl Trial {
    /// What the checkers report.
    pub(crate) fn run(self) -> Vec<String> {
        match self {
            Trial::Card => crate::card::probe(),
            Trial::Server => crate::server::script(),
            Trial::Fleet(setting) => crate::fleet::run(setting),
        }
    }
}

const CARD: Trial = Trial::Card;
const SERVER: Trial = Trial::Server;
const ORDINARY: Trial = Trial::Fleet(Setting::UntilCommitted);
const FIRST: Trial = Trial::Fleet(Setting::FirstContact);
const STAGED: Trial = Trial::Fleet(Setting::Staged);
const INSIDE: Trial = Trial::Fleet(Setting::InsideCard);
const WORN: Trial = Trial::Fleet(Setting::WornOut);
const COMMON: Trial = Trial::Fleet(Setting::CommonKeys);
const DATABASE: Trial = Trial::Fleet(Setting::Database);

/// Each bug with its trial, and words of the report that must come.
pub(crate) const BUGS: [(Bug, Trial, &str); 40] = [
    (Bug::CardSkipsClaims, CARD, "which are not both below it"),
    (Bug::CardSkipsOtherRing, CARD, "which are not both below it"),
    (Bug::CardKeepsProofOverReset, CARD, "stored without mutual authentication"),
    (Bug::CardKeepsProofOverFailure, CARD, "stored without mutual authentication"),
    (Bug::CardKeepsProofOverSelect, CARD, "stored without mutual authentication"),
    (Bug::CardTakesNoTry, CARD, "a wrong proof left external key"),
    (Bug::CardRestoresTryEarly, CARD, "a wrong proof left external key"),
    (Bug::CardNeverRestoresTries, CARD, "tries after a success"),
    (Bug::CardIgnoresBlocking, CARD, "though it is blocked"),
    (Bug::CardKeepsChallenge, CARD, "without a challenge of its own"),
    (Bug::CardStoresForeignValues, CARD, "not the card's last answer"),
    (Bug::CardStoresUnderWrongNumber, ORDINARY, "that no open update offered"),
    (Bug::CardAnswersBeforeWriting, ORDINARY, "its memory does not hold the new key"),
    (Bug::CardDropsLogEarly, ORDINARY, "was torn by a card that writes through undo-log"),
    (Bug::CardShowsKey, INSIDE, "answered with data (claim 10)"),
    (Bug::ServerCommitsEarly, ORDINARY, "without the card's OK"),
    (Bug::ServerCommitsHalf, ORDINARY, "without an open update"),
    (Bug::ServerAcceptsLateOk, SERVER, "a connection that is dead"),
    (Bug::ServerClosesNothing, SERVER, "a connection that is dead"),
    (Bug::ServerKeepsStage, STAGED, "a stage is left by its commit"),
    (Bug::ServerDropsStageAtBye, STAGED, "a stage was dropped"),
    (Bug::ServerGuessesAgain, STAGED, "the server named the pair"),
    (Bug::ServerStagesNothing, STAGED, "is not durable"),
    (Bug::ServerAnswersBeforeSync, DATABASE, "has lost what it had answered for"),
    (Bug::ServerForgetsStarts, SERVER, "the same random twice"),
    (Bug::ServerForgetsRefusals, SERVER, "the server named the pair"),
    (Bug::ServerRepeatsRo, ORDINARY, "the same random twice, the second time as Ro"),
    (Bug::ServerOverwritesCommon, COMMON, "without an open update"),
    (Bug::ServerSpendsNothing, FIRST, "the server named the pair"),
    (Bug::ServerCommitsOnNg, SERVER, "the server named the pair"),
    (Bug::ServerActsTwice, ORDINARY, "acted twice on a Hello"),
    (Bug::ServerGoesShallowFirst, ORDINARY, "the server named the pair"),
    (Bug::ServerRenewsWithWorkingPair, ORDINARY, "the server named the pair"),
    (Bug::ServerHidesInterruptions, ORDINARY, "conservation: updates started"),
    (Bug::ServerTakesWrongSessionKey, ORDINARY, "session data came under another key"),
    (Bug::ServerIgnoresNg, SERVER, "out of its order"),
    (Bug::ClientRepeatsCommand, ORDINARY, "a command that it had given already"),
    (Bug::ClientHidesNg, WORN, "server ahead"),
    (Bug::ClientHidesLoss, ORDINARY, "server ahead"),
    (Bug::ClientSwapsRandoms, ORDINARY, "that no open update offered"),
];

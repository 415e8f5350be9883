//! Where a connection can stand, and how it can end.

use crate::apdu::StatusWord;

/// How a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// Every data answer arrived.
    Completed,
    /// Something was renewed and more is due: connect again.
    Again,
    /// It failed.
    Failed {
        /// Where.
        step: Step,
        /// Why.
        cause: Cause,
    },
}

/// Why a connection failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// No answer after the last try.
    GaveUp,
    /// The server did not accept the card's proof.
    ServerSaidNo,
    /// The card refused a command.
    CardSaidNo(StatusWord),
    /// The card was pulled out.
    CardPulled,
    /// The server no longer knows the connection.
    Stale,
    /// The client machine crashed. It does not say so itself.
    ClientCrashed,
}

impl Cause {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Cause::GaveUp => "gave up",
            Cause::ServerSaidNo => "server said no",
            Cause::CardSaidNo(_) => "card said no",
            Cause::CardPulled => "card pulled",
            Cause::Stale => "stale",
            Cause::ClientCrashed => "client crashed",
        }
    }
}

/// Where a connection stands: the request that awaits its answer, or the command that the card is at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The card is being reset; the connection has not begun.
    PowerUp,
    /// SELECT of the DF that the keys belong to.
    Select,
    /// Hello awaits Challenge.
    Hello,
    /// INTERNAL AUTHENTICATE with Rs.
    ProveCard,
    /// CardProof awaits Verdict.
    CardProof,
    /// GET CHALLENGE.
    GetChallenge,
    /// ServerChallenge awaits ServerProof.
    ServerChallenge,
    /// EXTERNAL AUTHENTICATE.
    CheckServer,
    /// ServerVerdict awaits what comes next.
    ServerVerdict,
    /// INTERNAL AUTHENTICATE with Rk.
    ObtainKey,
    /// STORE KEY.
    StoreKey,
    /// DERIVE KEY.
    DeriveKey,
    /// RENEW ROOT.
    RenewRoot,
    /// UpdateVerdict awaits what comes next.
    UpdateVerdict,
    /// INTERNAL AUTHENTICATE with Ro.
    SessionKey,
    /// Data awaits its answer.
    Data,
    /// Probe awaits ProbeAnswer.
    Probe,
}

impl Step {
    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Step::PowerUp => "power-up",
            Step::Select => "SELECT",
            Step::Hello => "Hello",
            Step::ProveCard => "INTERNAL AUTHENTICATE Rs",
            Step::CardProof => "CardProof",
            Step::GetChallenge => "GET CHALLENGE",
            Step::ServerChallenge => "ServerChallenge",
            Step::CheckServer => "EXTERNAL AUTHENTICATE",
            Step::ServerVerdict => "ServerVerdict",
            Step::ObtainKey => "INTERNAL AUTHENTICATE Rk",
            Step::StoreKey => "STORE KEY",
            Step::DeriveKey => "DERIVE KEY",
            Step::RenewRoot => "RENEW ROOT",
            Step::UpdateVerdict => "UpdateVerdict",
            Step::SessionKey => "INTERNAL AUTHENTICATE Ro",
            Step::Data => "Data",
            Step::Probe => "Probe",
        }
    }

    /// The part of a session that the step belongs to, as reports name it.
    pub const fn phase(self) -> &'static str {
        match self {
            Step::PowerUp | Step::Select | Step::Hello => "connect",
            Step::ProveCard
            | Step::CardProof
            | Step::GetChallenge
            | Step::ServerChallenge
            | Step::CheckServer
            | Step::ServerVerdict => "auth",
            Step::ObtainKey | Step::StoreKey | Step::DeriveKey | Step::RenewRoot | Step::UpdateVerdict => {
                "update"
            }
            Step::SessionKey | Step::Data | Step::Probe => "session",
        }
    }
}

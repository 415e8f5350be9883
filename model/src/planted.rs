//! Mistakes that can be planted in the machines, to see that the checkers notice each of them.
//!
//! A hook is one call of [`is`] at the place where the mistake would be made. Without the feature `planted-bugs` it is
//! a constant `false`, and the compiler leaves nothing of it. The feature is off by default, and only the
//! dev-dependencies of the `keystorm` crate switch it on, for its tests: by resolver 3 a dev-dependency's features reach
//! no build that makes no tests, so that `cargo build`, `cargo run`, `cargo install` and `cargo bench -p keystorm-benches`
//! never have it. (`cargo bench --workspace` would: it builds the tests' dependencies too.)
//!
//! With the feature, at most one bug is planted at a time, in the thread that plants it, and each time that the
//! mistake is about to be made is counted.

/// A mistake of the card, the server, its directory or the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Bug {
    /// The card stores a key whatever pair was authenticated.
    CardSkipsClaims,
    /// The card looks at the authentication in the renewed key's own ring only.
    CardSkipsOtherRing,
    /// A reset does not clear the authentication.
    CardKeepsProofOverReset,
    /// A failed EXTERNAL AUTHENTICATE does not clear the one before it.
    CardKeepsProofOverFailure,
    /// Selecting another DF does not clear the authentication.
    CardKeepsProofOverSelect,
    /// The new key gets the number below its own.
    CardStoresUnderWrongNumber,
    /// The card answers OK, and has written nothing.
    CardAnswersBeforeWriting,
    /// The try that an attempt costs is not written.
    CardTakesNoTry,
    /// The try is given back before the comparison.
    CardRestoresTryEarly,
    /// The try is never given back.
    CardNeverRestoresTries,
    /// A challenge serves more than one attempt.
    CardKeepsChallenge,
    /// Any value is stored, be it the card's own answer or not.
    CardStoresForeignValues,
    /// DERIVE KEY answers with the key.
    CardShowsKey,
    /// The undo log is dropped while its pages are being written.
    CardDropsLogEarly,
    /// A blocked key is tried like any other.
    CardIgnoresBlocking,
    /// The new keys are committed as soon as Rk is sent.
    ServerCommitsEarly,
    /// Only the first key of a renewal is committed.
    ServerCommitsHalf,
    /// A connection with an open update is not closed by a later one that has proved itself.
    ServerAcceptsLateOk,
    /// No connection is closed by a later one.
    ServerClosesNothing,
    /// A commit leaves the stage.
    ServerKeepsStage,
    /// Bye drops the stage.
    ServerDropsStageAtBye,
    /// A stage that was tried is guessed at again.
    ServerGuessesAgain,
    /// Rk is sent and nothing staged.
    ServerStagesNothing,
    /// The answer leaves before the directory has made durable what it tells of.
    ServerAnswersBeforeSync,
    /// A start does not count those before it.
    ServerForgetsStarts,
    /// A start forgets which pairs were refused.
    ServerForgetsRefusals,
    /// Ro is always the same.
    ServerRepeatsRo,
    /// A card's own key is written over the common one.
    ServerOverwritesCommon,
    /// A first contact spends nothing.
    ServerSpendsNothing,
    /// An NG to a renewal counts as its commit.
    ServerCommitsOnNg,
    /// A repeated Hello opens another connection.
    ServerActsTwice,
    /// The shallowest due depth comes first.
    ServerGoesShallowFirst,
    /// The working pair authenticates a renewal.
    ServerRenewsWithWorkingPair,
    /// An interruption is not reported.
    ServerHidesInterruptions,
    /// The session key comes from another key than the working one.
    ServerTakesWrongSessionKey,
    /// A session follows though the card refused the server.
    ServerIgnoresNg,
    /// A repeated answer makes the client give its command again.
    ClientRepeatsCommand,
    /// The client reports OK though the card said NG.
    ClientHidesNg,
    /// The client reports OK when the card is gone.
    ClientHidesLoss,
    /// Rk1 and Rk2 change places.
    ClientSwapsRandoms,
}

#[cfg(feature = "planted-bugs")]
mod planting {
    use super::Bug;
    use core::cell::Cell;

    std::thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
        static EFFECTS: Cell<u64> = const { Cell::new(0) };
    }

    /// Whether `bug` is planted in this thread. Asking counts as its taking effect: hooks ask last.
    pub fn is(bug: Bug) -> bool {
        let planted = PLANTED.get() == Some(bug);
        if planted {
            EFFECTS.set(EFFECTS.get() + 1);
        }
        planted
    }

    /// Runs `test` with `bug` planted in this thread; returns what it returns, and how often the bug took effect.
    pub fn with<T>(bug: Bug, test: impl FnOnce() -> T) -> (T, u64) {
        struct Removed;
        impl Drop for Removed {
            fn drop(&mut self) {
                PLANTED.set(None);
            }
        }
        EFFECTS.set(0);
        PLANTED.set(Some(bug));
        let removed = Removed;
        let result = test();
        drop(removed);
        (result, EFFECTS.get())
    }
}

#[cfg(feature = "planted-bugs")]
pub use planting::{is, with};

/// Whether `bug` is planted: never, without the feature `planted-bugs`.
#[cfg(not(feature = "planted-bugs"))]
#[inline(always)]
pub const fn is(_bug: Bug) -> bool {
    false
}

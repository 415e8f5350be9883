//! keystorm beside two other ways to simulate the same thing: nexosim and naive turmoil.
//!
//! `cargo bench -p keystorm-peers` prints the time per session of each, and the ratios. The workload is `scenario.toml`:
//! every card comes once, authenticates with its working pair, exchanges one message of session data and leaves. That is
//! 5 round trips and a farewell (Hello, CardProof, ServerChallenge, ServerVerdict, Data, Bye), 4 card commands after a
//! reset, 50 ms one way, card times as everywhere; nothing is renewed, lost or queued at the server.
//!
//! | | keystorm | nexosim | naive turmoil |
//! |---|---|---|---|
//! | machines of `keystorm-model`, ciphers, APDUs and message bytes | the same | the same | the same |
//! | a terminal | an entry of a table | a model with a mailbox | a host for each card, with a socket |
//! | delays | queue of the events engine | scheduler of nexosim | latency of turmoil and timers of tokio |
//! | resolution of time | 1 ns | 1 ns | a tick of 1 ms |
//! | timers of the clients | put back when too early | cancelled (as documented), put back (tuned) | tokio's |
//! | card holders | sorted once, merged | each terminal schedules its next one | each host sleeps until its own |
//! | fates of messages drawn, outages looked up, bandwidth | yes | no | no |
//! | cores and queue of the server | yes | no | no |
//! | digest, histograms, timeline, counts | yes | no | no |
//! | rules checked: ledger, witness, conservation, epilogue | yes | no | no |
//!
//! So keystorm does more for each session than the others, and its ratios are lower than those of the engines alone.
//! The machines themselves take most of keystorm's time and are the same everywhere, so that the ratio to nexosim has a
//! ceiling: the bench shows the machines alone, what they leave to the engines, and the engines without them.
//!
//! nexosim runs in two styles. *As documented*: messages through ports, timers as keyed events that are cancelled. *Tuned*:
//! with what keystorm's engine does, as far as nexosim lets it: messages straight into the scheduler, timers left standing.
//! The target of 4 times is for the first; both are printed, and `docs/performance.md` says why it is missed.
//!
//! Before anything is timed, all three run the workload with a digest of every message, command and answer: nexosim's
//! equals the one that keystorm reports, times in nanoseconds and session keys included; naive turmoil's equals nexosim's but for
//! the times, which it rounds.
//!
//! All times are from plan to end, set-up included, on one thread, and CPU times where the system tells them (Linux).

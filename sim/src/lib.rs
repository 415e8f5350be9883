//! keystorm: a deterministic discrete-event simulation of key renewal in fleets of IC cards.
//!
//! A run goes from left to right:
//!
//! ```text
//! scenario ──► plan ──► world + engine ──► record, check ──► run ──► keystorm-reports
//!  (TOML)   (validated)  (what happens)     (what is seen)  (results)      (files)
//! ```
//!
//! The parties of the protocol are in `keystorm-model`; nothing here knows how a card or the server decides.

pub mod campaign;
pub mod check;
pub mod cli;
pub mod directory;
pub mod engine;
pub mod interrupt;
pub mod issue;
pub mod plan;
pub mod record;
pub mod replay;
pub mod replicate;
pub mod run;
pub mod scenario;
pub mod step;
pub mod swarm;
pub mod world;

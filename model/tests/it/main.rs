//! The protocol as timelines: cards, clients and server in memory, on a line that does what a test says.

mod authentication;
mod claims;
mod common;
mod escalation;
mod garbage;
mod interleavings;
mod late;
mod losses;
mod order;
mod probe;
mod pulls;
mod restart;
mod spread;
mod stages;
mod timing;
mod update;

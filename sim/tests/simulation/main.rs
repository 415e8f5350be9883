//! The simulation as a whole, in this process and as the program that users run.
//!
//! Every run goes through [`common::run`] or [`common::Summary::assert_conserved`]: no violation, and all sums come out.

mod campaign;
mod cli;
mod common;
mod common_random_numbers;
mod crashes;
mod csv_loads;
mod determinism;
mod directory;
mod escalation;
mod faults;
mod fragments;
mod garbage;
mod interrupt;
mod interruptions_page;
mod issuing;
mod load;
mod mishaps;
mod modelled;
mod outages;
mod placed;
mod readme;
mod renewals;
mod replay;
mod report;
mod spread;
mod tick;
mod warmup;

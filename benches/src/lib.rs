//! What the benches in `benches/benches/` have in common: programs to compare keystorm with, and how time is measured.

pub mod bare;
pub mod measure;
pub mod party;

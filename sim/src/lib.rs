//! keystorm
pub mod plan;

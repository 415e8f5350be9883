//! keystorm-reports
pub mod results;

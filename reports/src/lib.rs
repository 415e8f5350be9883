//! From what a run found to what a person or another program reads.
//!
//! Everything here is a pure function from [`results::Results`] (and a stream of [`results::CardRow`]s) to text
//! and files. No engine, clock or machine is known here, and equal results give equal bytes, `manifest.json` apart.
//!
//! One file per report; a column's name, meaning and value stand side by side in one [`table::Table`], from
//! which come the CSV files, the JSON and the documentation.

pub mod campaign;
mod cards;
mod ciphers;
mod columns;
mod compare;
mod dir;
mod failures;
mod faults;
mod hdr;
pub mod html;
mod interruptions;
mod json;
mod latency;
mod manifest;
mod number;
mod phases;
mod renewals;
mod replay;
pub mod results;
mod run;
pub mod shell;
pub mod statistics;
mod summary;
pub mod table;
mod text;
mod timeline;

pub use cards::CardsCsv;
pub use ciphers::{CipherRow, ciphers_table};
pub use columns::columns_markdown;
pub use compare::{Comparison, compare_campaigns, compare_runs};
pub use dir::{DirError, RunDir, RunFile, remove_unfinished};
pub use failures::failures_table;
pub use faults::faults_table;
pub use hdr::{write_hgrm, write_hlog};
pub use interruptions::{interruptions_table, read_interruption, write_matrix};
pub use json::summary_json;
pub use latency::{Figure, Measure};
pub use manifest::{
    MANIFEST_FILE, MATRIX_KIND, PLAN_KIND, REPLAY_KIND, RUN_KIND, ReadError, SWEEP_KIND, expect_kind,
    kind_of, read_manifest, write_manifest,
};
pub use phases::{PhaseRow, phases_table};
pub use renewals::{RenewalRow, renewal_rows, renewals_table};
pub use replay::{Drawn, write_replay};
pub use run::{CardRows, write_run};
pub use summary::{read_digest, summary_table};
pub use text::final_table;
pub use timeline::{BucketRow, timeline_table};

//! The files of a run, judged from outside the crate.

mod final_text;
mod latency_files;
mod run_dir;
mod sample;
mod tables;

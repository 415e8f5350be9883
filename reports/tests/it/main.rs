//! The files of a run, judged from outside the crate.

mod browser;
mod ciphers;
mod compare;
mod final_text;
mod html;
mod latency_files;
mod run_dir;
mod sample;
mod tables;

//! `keystorm report`: the tables and the page of a directory, made again from what is stored in it.

use keystorm_reports::html::rewrite_run_page;
use keystorm_reports::{RUN_KIND, kind_of};

use super::args::Report;
use super::{Failure, print};

pub(super) fn report(arguments: &Report) -> Result<(), Failure> {
    let dir = &arguments.dir;
    match kind_of(dir).as_deref() {
        Some(RUN_KIND) => print(&format!("Written to {}\n", rewrite_run_page(dir)?.display())),
        Some(other) => Err(Failure::Usage(format!(
            "{} is a directory of the kind {other:?}: there are reports of a run, a sweep and a plan",
            dir.display()
        ))),
        None => Err(Failure::Usage(format!(
            "{} is no directory of keystorm's: name the directory of a run, a sweep or a plan",
            dir.display()
        ))),
    }
}

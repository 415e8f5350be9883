//! `keystorm compare`.

use std::path::Path;

use keystorm_reports::campaign::CampaignDir;
use keystorm_reports::html::{StoredCampaign, StoredRun};
use keystorm_reports::{PLAN_KIND, RUN_KIND, SWEEP_KIND, compare_campaigns, compare_runs, kind_of};

use crate::scenario;

use super::args::{Compare, Format};
use super::{Failure, print, print_json};

pub(super) fn compare(arguments: &Compare) -> Result<(), Failure> {
    let (a, b) = (arguments.a.as_path(), arguments.b.as_path());
    let [kind, other] = [kind(a)?, kind(b)?];
    if kind != other {
        return Err(Failure::Usage(format!(
            "{} is a {kind} and {} is a {other}: only two directories of one kind can be compared",
            a.display(),
            b.display()
        )));
    }
    let comparison = if kind == RUN_KIND {
        compare_runs(&StoredRun::read(a)?, &StoredRun::read(b)?)
    } else {
        let stored = |dir: &Path| StoredCampaign::read(&CampaignDir::existing(dir, &kind)?);
        compare_campaigns(&stored(a)?, &stored(b)?, scenario::meaning).map_err(Failure::Usage)?
    };
    match arguments.format {
        Format::Text => print(&format!("A  {}\nB  {}\n\n{}", a.display(), b.display(), comparison.text)),
        Format::Json => print_json(&comparison.json),
    }
}

/// The kind of a directory that can be compared.
fn kind(dir: &Path) -> Result<String, Failure> {
    match kind_of(dir) {
        Some(kind) if [RUN_KIND, SWEEP_KIND, PLAN_KIND].contains(&kind.as_str()) => Ok(kind),
        Some(kind) => Err(Failure::Usage(format!(
            "{} is a directory of the kind {kind:?}: runs, sweeps and plans can be compared",
            dir.display()
        ))),
        None => Err(Failure::Usage(format!(
            "{} is no directory of keystorm's: name the directories of two runs, sweeps or plans",
            dir.display()
        ))),
    }
}

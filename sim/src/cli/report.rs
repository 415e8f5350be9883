//! `keystorm report`: the tables and the page of a directory, made again from what is stored in it.

use keystorm_reports::campaign::CampaignDir;
use keystorm_reports::html::{StoredCampaign, rewrite_run_page, write_campaign_page};
use keystorm_reports::{PLAN_KIND, RUN_KIND, SWEEP_KIND, kind_of};

use super::args::Report;
use super::{Failure, print};

pub(super) fn report(arguments: &Report) -> Result<(), Failure> {
    let dir = &arguments.dir;
    let page = match kind_of(dir).as_deref() {
        // The tables of a run are what it is stored in.
        Some(RUN_KIND) => rewrite_run_page(dir)?,
        Some(SWEEP_KIND) => {
            let sweep = CampaignDir::existing(dir, SWEEP_KIND)?;
            let StoredCampaign { shape, points, .. } = StoredCampaign::read(&sweep)?;
            sweep.write_tables(&shape.keys(), &points, shape.base)?;
            write_campaign_page(&sweep)?
        }
        Some(PLAN_KIND) => write_campaign_page(&CampaignDir::existing(dir, PLAN_KIND)?)?,
        Some(other) => {
            return Err(Failure::Usage(format!(
                "{} is a directory of the kind {other:?}: there are reports of a run, a sweep and a plan",
                dir.display()
            )));
        }
        None => {
            return Err(Failure::Usage(format!(
                "{} is no directory of keystorm's: name the directory of a run, a sweep or a plan",
                dir.display()
            )));
        }
    };
    print(&format!("Written to {}\n", page.display()))
}

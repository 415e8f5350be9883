//! `report.html`: one page that needs nothing beside it, for a run and for a campaign.
//!
//! A page is a pure function of the files that it stands beside: [`StoredRun`] reads them back, and `run` makes its page
//! from them as `report` does, so that both write the same bytes. No wall-clock time and no machine gets in here.
//!
//! | To read about | open |
//! |---|---|
//! | what is read of a run directory | `stored.rs` |
//! | the page of a run, and its plots | `run.rs`, `run_plots.rs` |
//! | the page of a campaign, and its plots | `campaign.rs`, `campaign_plots.rs` |
//! | tables, figures and the like in HTML | `parts.rs`, and `templates/` |
//! | the plots of docs/ciphers.md | `cipher_plots.rs` |
//! | axes and their ticks | `axis.rs` |
//! | a plot as SVG that follows the page's colours | `plot.rs` |

mod axis;
mod campaign;
mod campaign_plots;
mod cipher_plots;
mod parts;
mod plot;
mod run;
mod run_plots;
mod stored;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use crate::campaign::{CampaignDir, write_whole};
use crate::dir::DirError;

pub use campaign::{StoredCampaign, campaign_page};
pub use cipher_plots::cipher_plots;
pub use run::run_page;
pub use stored::{Rows, StoredRun};

/// The page's file.
pub const REPORT_FILE: &str = "report.html";

/// Makes the page of a run directory again from its other files, and says where it is.
///
/// # Errors
/// If it is no run directory, a file of it is missing or damaged, or the page cannot be written; then an older page stays.
pub fn rewrite_run_page(dir: &Path) -> Result<PathBuf, DirError> {
    let page = run_page(&StoredRun::read(dir)?);
    let path = dir.join(REPORT_FILE);
    write_whole(&path, |file| file.write_all(page.as_bytes()))?;
    Ok(path)
}

/// Makes the page of a finished campaign from its manifest and its runs, and says where it is.
///
/// # Errors
/// If runs are missing, a file is damaged, or the page cannot be written; then an older page stays.
pub fn write_campaign_page(dir: &CampaignDir) -> Result<PathBuf, DirError> {
    let page = campaign_page(&StoredCampaign::read(dir)?);
    dir.file(REPORT_FILE, |file| file.write_all(page.as_bytes()))?;
    Ok(dir.place().join(REPORT_FILE))
}

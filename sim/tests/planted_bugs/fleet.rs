//! Fleets on the events engine, with everything going wrong that can.

use std::path::Path;

use keystorm::run::simulate;
use keystorm::scenario;

/// Which fleet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Setting {
    UntilCommitted,
    FirstContact,
    Staged,
    InsideCard,
    /// Cards that cannot be written often.
    WornOut,
    CommonKeys,
    /// A server over a database, which crashes.
    Database,
}

/// Losses, repeats, pulls; the holders come back; both depths are due.
const BAD_DAY: [&str; 13] = [
    "engine=events",
    "fleet.cards=300",
    "fleet.clients=30",
    "horizon=10min",
    "load.window=2min",
    "load.retry_visit.after=20s",
    "load.retry_visit.visits=3",
    "update.periods=['30d','365d']",
    "line.loss=6%",
    "line.duplicate=20%",
    "line.reorder=10%",
    "line.reorder_by=1500ms",
    "faults.pull=35%",
];

impl Setting {
    fn set(self) -> &'static [&'static str] {
        match self {
            Setting::UntilCommitted => &["update.recovery=until-committed"],
            Setting::FirstContact => &["update.recovery=first-contact"],
            Setting::Staged => &["update.recovery=stage-and-flip"],
            Setting::InsideCard => &["update.embodiment=4"],
            Setting::WornOut => &[
                "card.layout=page-per-key",
                "card.endurance=6",
                "faults.pull=0%",
                "load.repeat=1min",
                "load.window=50s",
                "update.due=none",
                "update.periods=[]",
                "update.order=[{at='4min'}]",
            ],
            Setting::Database => {
                &["server.directory=redb", "faults.server_crash.every=40s", "faults.server_crash.for=1s"]
            }
            Setting::CommonKeys => {
                &["fleet.server_keys=common", "update.due=none", "update.order=[{at='1s',cards=[3,5,8]}]"]
            }
        }
    }
}

/// Runs the fleet; what the checkers report.
pub(crate) fn run(setting: Setting) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/quickstart.toml");
    let set: Vec<String> = BAD_DAY.iter().chain(setting.set()).map(|&set| set.to_owned()).collect();
    let plan = scenario::load(&path, &set).unwrap_or_else(|error| {
        panic!("{setting:?}: {:#?}", error.problems().map(ToString::to_string).collect::<Vec<_>>())
    });
    let finished = simulate(plan, &mut |_| true).expect("nobody stops the run");
    finished.violations.iter().map(ToString::to_string).collect()
}

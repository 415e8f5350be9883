//! Outages of one direction, and of all sites at once.

use keystorm::plan::EngineKind;

use crate::common::{assert_all_renewed, fired, quiet_but, run};

/// Nothing is answered while the way up is cut, and nothing is sent twice for want of an answer while nothing is.
#[test]
fn a_one_way_outage_cuts_one_direction_only() {
    for engine in EngineKind::ALL {
        let with = |direction: &str| {
            let outage = format!("faults.outage=[{{at='30s',for='20s',direction='{direction}'}}]");
            let finished = run(quiet_but(&[&outage, &format!("engine={}", engine.name())]));
            assert_all_renewed(&finished);
            assert_eq!(finished.results.counts.messages_lost, fired(&finished, "outage of all sites"));
            finished.results
        };
        let [both, up, down] = ["both", "up", "down"].map(with);
        let names = [&both, &up, &down].map(|results| results.faults[0].fault.as_str());
        assert_eq!(
            names,
            [
                "outage of all sites at 30s",
                "outage of all sites at 30s, up only",
                "outage of all sites at 30s, down only"
            ]
        );
        for results in [&both, &up, &down] {
            assert!(results.counts.messages_lost > 50, "{}", results.counts.messages_lost);
        }
        // What reached the server during an outage of the other direction only was answered in vain.
        let [both_busy, up_busy, down_busy] = [&both, &up, &down].map(|results| results.server.busy.total());
        assert!(down_busy > up_busy && up_busy >= both_busy / 2);
        assert!(down.counts.messages_sent > up.counts.messages_sent, "vain answers count");
    }
}

#[test]
fn an_outage_of_all_sites_is_one_of_each() {
    let each = "faults.outage=[{site=0,at='30s',for='9s'},{site=1,at='30s',for='9s'},{site=2,at='30s',for='9s'},{site=3,at='30s',for='9s'}]";
    let (each, all) = (run(quiet_but(&[each])), run(quiet_but(&["faults.outage=[{at='30s',for='9s'}]"])));
    assert_eq!(each.results.trace_digest, all.results.trace_digest);
    assert_eq!(each.results.counts.messages_lost, fired(&all, "outage of all sites"));
}

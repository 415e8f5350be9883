//! Two scenarios can be compared card by card: what one setting changes moves no draw of anything else.

use keystorm::run::Finished;
use keystorm::world::load::arrivals;

use crate::common::{cards, reduced, run};

/// Nobody comes back, since those who do count as arrivals too.
const ONCE: &str = "load.retry_visit.visits=0";

fn arrivals_per_bucket(finished: &Finished) -> Vec<u64> {
    finished.results.timeline.iter().map(|bucket| bucket.arrivals).collect()
}

#[test]
fn neither_loss_nor_faults_nor_recovery_move_an_arrival() {
    let base = reduced(&[ONCE]);
    let who_when_where = arrivals(&base);
    assert_eq!(who_when_where.len(), 300);
    let timeline = arrivals_per_bucket(&run(base));
    for changed in [
        "line.loss=0",
        "line.loss=30%",
        "line.burst={p='1/10',r='1/5'}",
        "line.duplicate=20%",
        "faults.pull=60%",
        "update.recovery=first-contact",
        "card.aes-128.prove=1s",
        "server.cores=1",
    ] {
        let plan = reduced(&[ONCE, changed]);
        assert_eq!(arrivals(&plan), who_when_where, "{changed}");
        assert_eq!(arrivals_per_bucket(&run(plan)), timeline, "{changed}");
    }
    assert_ne!(arrivals(&reduced(&[ONCE, "seed=2"])), who_when_where);
}

/// With a desk for everyone and a core for everyone no card waits for another. The first retry comes after the slowest
/// round trip, so that a lost message always costs time. Then a higher loss rate, whose losses include those of the
/// lower one, can only delay a card, and leaves those alone whose messages all survive.
#[test]
fn a_higher_loss_rate_delays_some_cards_and_leaves_the_others_to_the_nanosecond() {
    let ends = |loss: &str| {
        let alone = ["fleet.clients=3000", "fleet.sites=1", "server.cores=300", "faults.pull=0"];
        let mut overrides = vec![ONCE, loss, "line.retry.first=5s", "load.window=1min"];
        overrides.extend(alone);
        let finished = run(reduced(&overrides));
        assert_eq!(finished.results.server.queue_max, 0);
        cards(&finished).into_iter().map(|card| card.last_success_ns.unwrap_or(u64::MAX)).collect::<Vec<_>>()
    };
    let (few, many) = (ends("line.loss=1%"), ends("line.loss=4%"));
    let (mut equal, mut later) = (0, 0);
    for (card, (few, many)) in few.into_iter().zip(many).enumerate() {
        assert!(many >= few, "card {card} was done at {few} ns, and with more losses at {many} ns");
        if many == few { equal += 1 } else { later += 1 }
    }
    // About 16 messages a card, of which 3 % are lost in the second run alone: 61 % of the cards lose none of them.
    assert!(equal > 100 && later > 50, "{equal} equal, {later} later");
}

//! What a person reads.

use std::path::Path;

use keystorm_reports::final_table;
use keystorm_reports::results::Failure;

use crate::sample::{histogram, results};

#[test]
fn the_final_table_reads_well() {
    insta::assert_snapshot!(final_table(&results(), Some(Path::new("reports/out/month-turn/7-turmoil"))), @r#"
    Scenario        month-turn
    Run             seed 7, engine turmoil, 10 s simulated
    Fleet           2,000 cards at 40 clients on 1 site, suite aes-128
    Renewal         embodiment 1, recovery until-committed

    Cards           2,000 cards: 1,985 unharmed, 15 healed, 0 stranded
    Sessions        2,000 started: 1,990 completed, 8 failed, 2 unfinished at the end
    Authentication  1,995 succeeded, 1 refused
    Key updates     2,010 started: 1,993 committed, 17 interrupted
                    15 recovered after an interruption
                    committed: 1,785 at depth 0, 208 at depth 1
    Issuer          3 cards issued anew, at a cost of 45

    Latency                  count       p50     p90     p95     p99   p99.9     max
                    auth     1,995  998.4 ms  1.80 s  1.90 s  1.98 s  1.99 s  2.00 s
                    update       0         -       -       -       -       -       -
                    session  1,990    2.49 s  4.48 s  4.73 s  4.93 s  4.97 s  4.98 s
                    from the holder's arrival, queueing included; an update from its own start

    Server          4 CPUs busy 31.6 %, longest queue 1,234, 99 % waited at most 3.2 ms
                    of that send 39.6 %, receive 31.7 %, commit 23.8 %, others 5.0 %
    Line            12,345 messages sent: 12,114 delivered, 231 lost
                    240 retransmissions, 1.2 MB
    Card work       1 command, 4,020 memory writes

    Faults          loss                    231 of 11,500 chances  230.0 expected
                    pull                    0 of 100 chances       2.0 expected
                    outage site 3 at 20min  hit 1 message          as scheduled
                    server crash at 30min   hit 0 messages         NEVER STRUCK
    Failures        6  update  store internal  card pulled out
                    2  auth    message 4       gave up

    Trace digest    00000000000000000123456789abcdef
    Files           reports/out/month-turn/7-turmoil
                    summary.csv first; docs/reports.md says what each column means
    "#);
}

#[test]
fn a_quiet_run_says_so() {
    let mut results = results();
    results.faults.clear();
    results.failures.clear();
    results.counts = Default::default();
    results.server.wait_us = histogram([]);
    results.server.queue_max = 0;
    let text = final_table(&results, None);
    for words in ["none asked for", "Failures        none", "nobody waited"] {
        assert!(text.contains(words), "{words} in\n{text}");
    }
    assert!(!text.contains("Files"));
}

#[test]
fn many_kinds_of_failure_are_summed_up() {
    let mut results = results();
    results.failures =
        (1..=15).map(|count| Failure { phase: "auth", step: "message 2", cause: "gave up", count }).collect();
    let text = final_table(&results, None);
    assert!(text.contains("and 6 in 3 more ways: failures.csv"), "{text}");
}

#[test]
fn no_line_is_wider_than_90_columns() {
    let text = final_table(&results(), None);
    let widest = text.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(widest.chars().count() <= 90, "{widest}");
}

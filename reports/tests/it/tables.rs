//! The CSV files and the JSON that goes with them.

use std::io;
use std::path::Path;

use keystorm_reports::results::Results;
use keystorm_reports::{
    BucketRow, CardsCsv, PhaseRow, columns_markdown, failures_table, faults_table, phases_table,
    summary_json, summary_table, timeline_table,
};

use crate::sample::{SECOND, card, results};

/// What other programs rely on; append only.
const SUMMARY: &str = "scenario, scenario_sha256, seed, engine, version, suite, embodiment, recovery, cards, clients, \
    sites, horizon_s, sessions_started, sessions_completed, sessions_failed, sessions_in_flight, auth_ok, auth_failed, \
    updates_started, updates_committed, updates_interrupted, updates_in_flight, updates_recovered, cards_stranded, \
    cards_torn, cards_blocked, cards_reissued, messages_sent, messages_duplicated, messages_delivered, messages_lost, \
    messages_in_flight, retransmissions, line_bytes, apdus, nvm_writes, server_cpu_utilization, server_queue_max, \
    server_wait_ms_p99, \
    auth_ms_p50, auth_ms_p90, auth_ms_p95, auth_ms_p99, auth_ms_p99_9, auth_ms_max, \
    update_ms_p50, update_ms_p90, update_ms_p95, update_ms_p99, update_ms_p99_9, update_ms_max, \
    session_ms_p50, session_ms_p90, session_ms_p95, session_ms_p99, session_ms_p99_9, session_ms_max, \
    trace_digest, cards_unharmed, cards_healed, rejects, late_deliveries, \
    arrivals_skipped, server_queue_mean, server_wait_ms_mean, reissues, reissue_cost, updates_promoted, updates_deferred, server_crashes, requests_lost_in_crashes, client_crashes, crypto, card_times, \
    server_busy_cores_peak, warmup_s";

fn summary_csv(results: &Results) -> Vec<String> {
    lines(|out| summary_table().write(out, [results]))
}

fn lines(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Vec<String> {
    let mut out = Vec::new();
    write(&mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.ends_with('\n') && !text.contains('\r'));
    text.lines().map(str::to_owned).collect()
}

/// The cell of the summary's only row under `name`.
fn summary_cell(results: &Results, name: &str) -> String {
    let at = SUMMARY.split(", ").position(|column| column == name).unwrap();
    summary_csv(results)[1].split(',').nth(at).unwrap().to_owned()
}

#[test]
fn summary_has_exactly_the_promised_columns() {
    let lines = summary_csv(&results());
    assert_eq!(lines[0], SUMMARY.replace(", ", ","));
    assert_eq!(lines.len(), 2);
}

#[test]
fn summary_cells_stand_under_their_names() {
    let results = results();
    for (name, value) in [
        ("scenario", "month-turn"),
        ("horizon_s", "10.000"),
        ("sessions_started", "2000"),
        ("updates_recovered", "15"),
        ("line_bytes", "1234567"),
        ("server_cpu_utilization", "0.315625"),
        ("server_wait_ms_p99", "3.201"),
        ("auth_ms_max", "1995.775"),
        ("session_ms_p50", "2488.319"),
        ("trace_digest", "00000000000000000123456789abcdef"),
        ("cards_healed", "15"),
        ("server_queue_mean", "0.000333"),
        ("server_wait_ms_mean", "1.167"),
        ("reissue_cost", "45"),
        ("card_times", "published"),
        ("server_busy_cores_peak", "1.000000"),
        ("warmup_s", "0.000"),
    ] {
        assert_eq!(summary_cell(&results, name), value, "{name}");
    }
}

#[test]
fn the_load_is_taken_over_the_time_after_the_warm_up() {
    let results = Results { warmup_ns: Some(5 * SECOND), ..results() };
    assert_eq!(summary_cell(&results, "server_cpu_utilization"), "0.631250", "12.625 s of 4 CPUs times 5 s");
    assert_eq!(summary_cell(&results, "server_queue_mean"), "0.000667");
    assert_eq!(summary_cell(&results, "warmup_s"), "5.000");
    assert_eq!(summary_cell(&Results { warmup_ns: None, ..results }, "warmup_s"), "", "none was found");
}

#[test]
fn a_latency_that_never_was_is_an_empty_cell() {
    let results = results();
    for figure in ["p50", "p90", "p95", "p99", "p99_9", "max"] {
        assert_eq!(summary_cell(&results, &format!("update_ms_{figure}")), "");
        assert_ne!(summary_cell(&results, &format!("auth_ms_{figure}")), "");
    }
}

#[test]
fn json_has_the_names_of_the_summary_in_its_order() {
    let json = summary_json(&results());
    let names: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.join(", "), SUMMARY);
    assert_eq!(json["sessions_started"], 2_000);
    assert_eq!(json["horizon_s"], 10.0);
    assert_eq!(json["embodiment"], "1");
    assert!(json["update_ms_p50"].is_null());
}

#[test]
fn phases_come_by_phase_and_measure() {
    let results = results();
    let lines = lines(|out| phases_table().write(out, PhaseRow::all(&results)));
    insta::assert_snapshot!(lines.join("\n"), @r#"
    phase,measure,count,mean_ms,p50_ms,p90_ms,p95_ms,p99_ms,p99_9_ms,p99_99_ms,max_ms
    auth,intended,1995,998.005,998.399,1796.095,1896.447,1976.319,1994.751,1995.775,1995.775
    auth,service,1995,898.201,898.559,1616.895,1707.007,1778.687,1795.071,1796.095,1796.095
    update,intended,0,,,,,,,,
    update,service,0,,,,,,,,
    session,intended,1990,2488.753,2488.319,4481.023,4730.879,4931.583,4972.543,4976.639,4976.639
    session,service,1990,2488.753,2488.319,4481.023,4730.879,4931.583,4972.543,4976.639,4976.639
    "#);
}

#[test]
fn the_last_bucket_ends_with_the_horizon() {
    let results = results();
    let lines = lines(|out| timeline_table().write(out, BucketRow::all(&results)));
    insta::assert_snapshot!(lines.join("\n"), @r#"
    start_s,end_s,arrivals,completed,failed_ng,failed_give_up,failed_pulled,failed_other,updates_committed,updates_interrupted,in_flight,server_queue_max,server_utilization,retransmissions,line_bytes,session_ms_p50,session_ms_p99
    0.000,4.000,1000,995,1,2,3,4,5,6,7,8,0.250000,9,10,2488.319,4931.583
    4.000,8.000,1000,995,1,2,3,4,5,6,7,8,0.250000,9,10,,
    8.000,10.000,1000,995,1,2,3,4,5,6,7,8,0.500000,9,10,,
    "#);
}

#[test]
fn failures_and_faults_are_listed_as_they_are() {
    let results = results();
    let mut all = lines(|out| failures_table().write(out, &results.failures));
    all.extend(lines(|out| faults_table().write(out, &results.faults)));
    insta::assert_snapshot!(all.join("\n"), @r#"
    phase,step,cause,count
    auth,message 4,gave up,2
    update,store internal,card pulled out,6
    fault,scheduled,chances,expected,fired
    loss,no,11500,230.040,231
    pull,no,100,2.000,0
    outage site 3 at 20min,yes,1,1.000,1
    server crash at 30min,yes,1,1.000,0
    "#);
}

#[test]
fn cards_have_columns_for_every_depth() {
    let lines = lines(|out| {
        let mut csv = CardsCsv::create(out, 2)?;
        csv.row(&card(0, 2))?;
        csv.row(&card(1, 1))?;
        csv.finish()
    });
    insta::assert_snapshot!(lines.join("\n"), @r#"
    card,outcome,d0_card_internal,d0_card_external,d0_server_internal,d0_server_external,d0_state,d0_tries_left,d1_card_internal,d1_card_external,d1_server_internal,d1_server_external,d1_state,d1_tries_left,nvm_writes,sessions,last_success_s
    0,healed,1,2,3,4,card ahead,3,1,2,3,4,card ahead,3,12,2,
    1,healed,1,2,3,4,card ahead,3,,,,,,,12,2,1.500
    "#);
}

#[test]
#[should_panic(expected = "more than 1 depths")]
fn a_card_with_too_many_depths_is_not_cut_short() {
    let mut csv = CardsCsv::create(Vec::new(), 1).unwrap();
    csv.row(&card(0, 2)).unwrap();
}

/// Refuses everything, as late as it can: at the first write of whoever buffers before it.
struct FullDisk;

impl io::Write for FullDisk {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_noticed_when_a_table_is_finished() {
    let error = summary_table().write(FullDisk, [&results()]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let mut csv = CardsCsv::create(FullDisk, 2).unwrap();
    csv.row(&card(0, 2)).unwrap();
    assert_eq!(csv.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
}

#[test]
fn docs_reports_md_is_what_the_tables_say() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reports.md");
    let generated = columns_markdown();
    if std::env::var_os("KEYSTORM_BLESS").is_some() {
        std::fs::write(&page, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(&page).unwrap_or_default();
    assert!(
        committed == generated,
        "docs/reports.md is stale: KEYSTORM_BLESS=1 cargo test -p keystorm-reports"
    );
}

//! HdrHistogram's formats, read back.

use std::time::Duration;

use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use keystorm_reports::{write_hgrm, write_hlog};

use crate::sample::{histogram, results};

#[test]
fn the_interval_log_is_read_back_by_its_own_parser() {
    let mut results = results();
    results.timeline[2].latency_us[0] = Some(histogram([1_000, 2_000, 3_000]));
    let mut log = Vec::new();
    write_hlog(&mut log, &results).unwrap();

    let entries: Vec<LogEntry<'_>> = IntervalLogIterator::new(&log).map(Result::unwrap).collect();
    let [LogEntry::StartTime(start), LogEntry::Interval(session), LogEntry::Interval(auth)] = &entries[..]
    else {
        panic!("{entries:?}");
    };
    assert_eq!(*start, Duration::ZERO);
    assert_eq!(session.tag().unwrap().as_str(), "session");
    assert_eq!((session.start_timestamp(), session.duration()), (Duration::ZERO, Duration::from_secs(4)));
    assert_eq!(auth.tag().unwrap().as_str(), "auth");
    assert_eq!((auth.start_timestamp(), auth.duration()), (Duration::from_secs(8), Duration::from_secs(2)));
    assert_eq!(auth.max(), 3.001, "ms, the upper end of the histogram's step");
    for (interval, expected) in [
        (session, results.timeline[0].latency_us[2].as_ref().unwrap()),
        (auth, results.timeline[2].latency_us[0].as_ref().unwrap()),
    ] {
        let encoded = base64(interval.encoded_histogram());
        let decoded: Histogram<u64> = Deserializer::new().deserialize(&mut &encoded[..]).unwrap();
        assert!(decoded == *expected);
    }
}

/// The bytes that `text` encodes.
fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let digits = group.iter().map(|c| DIGITS.find(char::from(*c)).unwrap() as u32);
        let bits = digits.fold(0, |bits, digit| bits << 6 | digit) << (6 * (4 - group.len()));
        bytes.extend(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}

fn hgrm(histogram: &Histogram<u64>) -> String {
    let mut out = Vec::new();
    write_hgrm(&mut out, histogram).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn the_percentile_distribution_has_the_classic_layout() {
    insta::assert_snapshot!(hgrm(&histogram([1_000, 1_000, 2_000, 3_000_000])), @r#"
           Value     Percentile TotalCount 1/(1-Percentile)

           1.000 0.000000000000          2           1.00
           1.000 0.062500000000          2           1.07
           1.000 0.125000000000          2           1.14
           1.000 0.187500000000          2           1.23
           1.000 0.250000000000          2           1.33
           1.000 0.312500000000          2           1.45
           1.000 0.375000000000          2           1.60
           1.000 0.437500000000          2           1.78
           1.000 0.500000000000          2           2.00
           2.000 0.531250000000          3           2.13
           2.000 0.562500000000          3           2.29
           2.000 0.593750000000          3           2.46
           2.000 0.625000000000          3           2.67
           2.000 0.656250000000          3           2.91
           2.000 0.687500000000          3           3.20
           2.000 0.718750000000          3           3.56
           2.000 0.750000000000          3           4.00
        3000.319 0.765625000000          4           4.27
        3000.319 1.000000000000          4
    #[Mean    =      750.824, StdDeviation   =     1298.156]
    #[Max     =     3000.319, Total count    =            4]
    #[Buckets =           12, SubBuckets     =         2048]
    "#);
}

#[test]
fn the_percentile_distribution_rises_to_the_total() {
    let text = hgrm(&histogram((1..=10_000).map(|n| n * 17)));
    let rows: Vec<Vec<f64>> = text
        .lines()
        .skip(2)
        .take_while(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|word| word.parse().unwrap()).collect())
        .collect();
    assert!(rows.len() > 50);
    for pair in rows.windows(2) {
        assert!(pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1] && pair[0][2] <= pair[1][2], "{pair:?}");
    }
    let (last, before) = rows.split_last().unwrap();
    assert_eq!((last[1], last[2], last.len()), (1.0, 10_000.0, 3), "no 1/(1-1) in the last row");
    assert!(before.iter().all(|row| row.len() == 4));
}

#[test]
fn an_empty_distribution_still_has_head_and_foot() {
    insta::assert_snapshot!(hgrm(&histogram([])), @r#"
           Value     Percentile TotalCount 1/(1-Percentile)

    #[Mean    =        0.000, StdDeviation   =        0.000]
    #[Max     =        0.000, Total count    =            0]
    #[Buckets =            1, SubBuckets     =         2048]
    "#);
}

//! `timeline.csv`: the run over simulated time.

use crate::latency::Figure;
use crate::results::{Bucket, Phase, Results};
use crate::table::{Cell, Column, Table};

/// One row: what happened in `[start_ns, end_ns)`.
#[derive(Clone, Copy)]
pub struct BucketRow<'a> {
    /// Beginning of the bucket, nanoseconds of simulated time.
    pub start_ns: u64,
    /// End of the bucket; the last one ends with the horizon.
    pub end_ns: u64,
    /// CPUs of the server.
    pub cores: u64,
    /// What happened in it.
    pub bucket: &'a Bucket,
}

impl<'a> BucketRow<'a> {
    /// All rows of a run, in order of time.
    pub fn all(results: &'a Results) -> impl Iterator<Item = BucketRow<'a>> {
        let (width, horizon) = (results.bucket_ns, results.run.horizon_ns);
        results.timeline.iter().zip(0u64..).map(move |(bucket, index)| {
            let start_ns = index * width;
            let end_ns = (start_ns + width).min(horizon).max(start_ns);
            BucketRow { start_ns, end_ns, cores: results.server.cores, bucket }
        })
    }
}

/// The table of `timeline.csv`.
pub fn timeline_table<'a>() -> Table<BucketRow<'a>> {
    macro_rules! count {
        ($name:ident, $doc:literal) => {
            Column::int(stringify!($name), $doc, |row: &BucketRow<'a>| row.bucket.$name)
        };
    }
    let mut columns = vec![
        Column::new("start_s", "Beginning of the bucket, simulated seconds.", |row: &BucketRow<'a>| {
            Cell::seconds(row.start_ns)
        }),
        Column::new("end_s", "End of the bucket, simulated seconds.", |row: &BucketRow<'a>| {
            Cell::seconds(row.end_ns)
        }),
        count!(arrivals, "Card holders that arrived."),
        count!(completed, "Sessions completed."),
        count!(failed_ng, "Sessions failed because an NG was given."),
        count!(failed_give_up, "Sessions failed because the client gave up."),
        count!(failed_pulled, "Sessions failed because the card was pulled out."),
        count!(failed_other, "Sessions failed for any other reason."),
        count!(updates_committed, "Updates committed."),
        count!(updates_interrupted, "Updates interrupted."),
        count!(in_flight, "Sessions in flight at the bucket's end."),
        Column::int("server_queue_max", "Longest queue at the server, datagrams.", |row: &BucketRow<'a>| {
            row.bucket.queue_max
        }),
        Column::new(
            "server_utilization",
            "Busy CPU time divided by CPUs times the bucket's length.",
            |row: &BucketRow<'a>| {
                let capacity = u128::from(row.cores) * u128::from(row.end_ns - row.start_ns);
                Cell::ratio(row.bucket.busy_ns.into(), capacity)
            },
        ),
        count!(retransmissions, "Datagrams that a client sent again."),
        count!(line_bytes, "Bytes handed to the lines."),
    ];
    columns.extend([Figure::P50, Figure::P99].map(|figure| {
        figure.column(
            format!("session_ms_{}", figure.name()),
            "the intended latency of the sessions that ended in the bucket",
            |row: &BucketRow<'a>| row.bucket.latency_us[Phase::Session as usize].as_ref(),
        )
    }));
    Table::new("timeline.csv", "One row per interval of simulated time, over the horizon.", columns)
}

//! HdrHistogram's own formats, for the tools that read them. Histograms hold microseconds; the text gives
//! milliseconds.

use std::io;
use std::time::{Duration, SystemTime};

use hdrhistogram::Histogram;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};

use crate::latency::Figure;
use crate::results::{Phase, Results};
use crate::table::Cell;
use crate::timeline::BucketRow;

/// Steps between two halvings of the distance to 100 %. HistogramLogProcessor's default is 5; a power of two makes
/// every step exact in binary, so that the library's `log2` cannot round differently on another machine.
const TICKS_PER_HALF: u32 = 8;
/// Microseconds per millisecond.
const US_PER_MS: f64 = 1000.0;

/// Writes the percentile distribution of `latency_us` in HistogramLogProcessor's layout (`.hgrm`), values in ms.
pub fn write_hgrm(mut out: impl io::Write, latency_us: &Histogram<u64>) -> io::Result<()> {
    writeln!(out, "{:>12} {:>14} {:>10} {:>14}\n", "Value", "Percentile", "TotalCount", "1/(1-Percentile)")?;
    let mut total = 0;
    for step in latency_us.iter_quantiles(TICKS_PER_HALF) {
        total += step.count_since_last_iteration();
        let quantile = step.quantile_iterated_to();
        write!(out, "{:>12} {quantile:.12} {total:>10}", ms(Some(step.value_iterated_to())))?;
        if quantile < 1.0 {
            write!(out, " {:>14.2}", 1.0 / (1.0 - quantile))?;
        }
        writeln!(out)?;
    }
    // An empty distribution has no figures; the layout wants numbers here.
    let figure = |figure: Figure| ms(figure.of(latency_us).or(Some(0)));
    let deviation = ms(Some(latency_us.stdev().round() as u64));
    writeln!(out, "#[Mean    = {:>12}, StdDeviation   = {deviation:>12}]", figure(Figure::Mean))?;
    writeln!(out, "#[Max     = {:>12}, Total count    = {:>12}]", figure(Figure::Max), latency_us.len())?;
    let sub_buckets = 2 * 10u64.pow(u32::from(latency_us.sigfig()));
    writeln!(
        out,
        "#[Buckets = {:>12}, SubBuckets     = {:>12}]",
        latency_us.buckets(),
        sub_buckets.next_power_of_two()
    )
}

fn ms(us: Option<u64>) -> String {
    Cell::ms(us).to_string()
}

/// Writes the interval log (`.hlog`, format V2): one line per timeline bucket and phase in which something ended,
/// tagged with the phase, intended measure. Start time 0 is simulated time 0; the interval's maximum is in ms, the
/// encoded histogram in microseconds.
///
/// The histograms are deflated, since the Java tools read no other kind from a log.
pub fn write_hlog(mut out: impl io::Write, results: &Results) -> io::Result<()> {
    let mut encoder = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("[Histogram log format version 1.3]")
        .add_comment("Times are simulated seconds from 0; histograms hold microseconds")
        .add_comment("(HistogramLogProcessor: -outputValueUnitRatio 1000 -tag auth|update|session).")
        .with_start_time(SystemTime::UNIX_EPOCH)
        .with_max_value_divisor(US_PER_MS)
        .begin_log_with(&mut out, &mut encoder)?;
    for row in BucketRow::all(results) {
        let start = Duration::from_nanos(row.start_ns);
        let length = Duration::from_nanos(row.end_ns - row.start_ns);
        for (phase, latency_us) in Phase::ALL.into_iter().zip(&row.bucket.latency_us) {
            let Some(latency_us) = latency_us else { continue };
            log.write_histogram(latency_us, start, length, Tag::new(phase.name())).map_err(|error| {
                match error {
                    IntervalLogWriterError::IoError(error) => error,
                    IntervalLogWriterError::SerializeError(error) => io::Error::other(error),
                }
            })?;
        }
    }
    Ok(())
}

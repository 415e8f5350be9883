//! The documentation of every file and column, from the very tables that write them.

use crate::campaign::{comparison_table, differences_table};
use crate::cards::cards_table;
use crate::ciphers::ciphers_table;
use crate::failures::failures_table;
use crate::faults::faults_table;
use crate::html::REPORT_FILE;
use crate::interruptions::interruptions_table;
use crate::manifest::MANIFEST_FILE;
use crate::phases::phases_table;
use crate::renewals::renewals_table;
use crate::run::HLOG_FILE;
use crate::summary::summary_table;
use crate::timeline::timeline_table;

const INTRODUCTION: &str = "\
# What a run writes

A run leaves one directory. It is written beside its final name and renamed when it is whole.

CSV files have a header, commas, a decimal point and `\\n` line ends. A missing value is an empty cell. Columns are
only ever appended, so read them by name. A name ends in its unit: `_s` seconds, `_ms` milliseconds, `_bytes` bytes.
A column holds numbers or words, never both. They load as they are: `pandas.read_csv(\"summary.csv\")`,
`read.csv(\"summary.csv\")` in R, and in SQLite `.import --csv summary.csv summary`, which makes all columns text and empty cells
empty texts: make the table beforehand for numbers, and `nullif(auth_ms_p99, '')` of no value.

All times are simulated. The same scenario, seed, engine and version give the same bytes in every file but
`manifest.json`.

Counts of sessions, updates, messages and latencies cover the run proper, from 0 to the horizon; latencies and the server's load
without the scenario's `warmup`, if it has one (files of the timeline and latency.hlog show everything). What becomes of the
cards is judged after the epilogue, in which each card that missed its update gets further connections over an
undisturbed line.

*Intended* latency runs from the card holder's arrival, so that waiting for the reader counts; *service* latency runs
from the card's insertion. An update runs from the first sending of its random numbers (Rk) to the server's commit in
both measures.

This page is generated: `KEYSTORM_BLESS=1 cargo test -p keystorm-reports` writes it anew.
";

/// Every file of a run directory with the meaning of its columns, Markdown.
pub fn columns_markdown() -> String {
    let tables = [
        summary_table().markdown(),
        phases_table().markdown(),
        timeline_table().markdown(),
        failures_table().markdown(),
        faults_table().markdown(),
        renewals_table().markdown(),
        cards_table(1).markdown(),
        interruptions_table().markdown(),
        ciphers_table().markdown(),
    ];
    let comparison = comparison_table(&[]).markdown();
    let differences = differences_table(&[]).markdown();
    format!(
        "{INTRODUCTION}\n{}\n{}\n{CAMPAIGNS}\n{comparison}\nWith `--base`, also:\n\n{differences}",
        tables.join("\n"),
        other_files()
    )
}

const CAMPAIGNS: &str = "\
# What a sweep or a plan writes

The directory of a campaign is continued or refused, never replaced. `runs/` has one file per finished run, from which
everything else is made; `manifest.json` says what the campaign is, and never changes.

`runs.csv`: one row per run: `point` (from 1), a column for each key that varies, `replication` (from 1), and the columns
of summary.csv.

`sweep.csv`: one row per point: `point`, the keys that vary, `replications`, `scenario_sha256`, and for each figure of
summary.csv:

| Column | Meaning |
|---|---|
| `<figure>_mean` | Mean over the runs; of figures that are no percentile. |
| `<figure>` | The percentile (or maximum) of all runs together; of latencies. A mean of percentiles would mean nothing. |
| `<figure>_sd` | Standard deviation between runs; empty below two runs. |
| `<figure>_ci95_low`, `<figure>_ci95_high` | Where the figure lies with 95 % confidence: Student's t over the runs; of a percentile of all runs together over the jackknife's pseudo-values, which leave out one run at a time. Empty below two runs, and of a maximum: nothing says how far another run would go. |
| `<count>_share` | Events by trials, all runs together: cards by outcome of all cards, failed sessions of sessions started, interrupted updates of updates started, lost messages of messages sent. |
| `<count>_share_ci95_low`, `<count>_share_ci95_high` | The share's 95 % interval (Clopper-Pearson), as if trials were independent: of 0 in N it gives an upper end. |

`plan.csv`: one row per value that was tried: the value; `keeps_all` (`yes`, `no`, `undecided`); `slo1`, `slo1_verdict`,
`slo2` and so on, each bound and how the value stands against it (`met`, `missed`, `undecided`, `no figure`);
`replications`; then each figure with the interval that the verdict rests on (`_low`, `_high`; planning.md says how sure it
is), of counts also the upper end of the share's (`_share_high`).

A key that is also a column of summary.csv, such as `engine`, has the column `varied_engine`.

With `--format json` `keystorm sweep`, `keystorm merge` and `keystorm plan` print one object. Of a sweep: `kind`, `directory`, `varied`
(the keys), `points`, each with the columns of sweep.csv and with `cards_stranded_total` of `cards_total` in all its runs and
`card_times`, and `points_not_sure_enough` for `--until`. Of a part that `--shard` makes: `part`, `parts` and `runs_missing`. Of a plan: `varied`
(the key), `bounds`, `answer` (`null`: no value is shown to keep them), `monotone`, `undecided_before_answer`, `looks` (after how many runs a
value was looked at), their joint `confidence`, and `values`, each with the columns of plan.csv. An empty cell is `null`.

`report.html`: the main figures over what varies with their 95 % intervals, the latency distributions of the points one
upon the other, and the tables, on one page. The key that was given first is on the axis below, and there is a line for
each combination of the others. `keystorm report DIR` makes the tables of a sweep and the page again from `runs/` (the page
of a plan from `runs/` and `plan.csv`).
";

fn other_files() -> String {
    format!(
        "## latency/*.hgrm

One file per phase and measure, `<phase>_<measure>.hgrm`: the percentile distribution as HdrHistogram's
HistogramLogProcessor prints it, values in ms. The HdrHistogram plotter reads it.

## {HLOG_FILE}

HdrHistogram's interval log, V2, compressed: one line per timeline bucket and phase in which something ended, tagged
`auth`, `update` or `session`, intended measure. `StartTime` is simulated time from 0. The interval's maximum is in
ms; the histograms hold microseconds, so give HistogramLogProcessor `-outputValueUnitRatio 1000`.

## {REPORT_FILE}

The run on one page that needs nothing beside it: no network, no script, no font; for a screen in light or dark, a phone
and paper. Headline figures, what became of the cards, renewals and load over time, the server's time by part, latency by percentile, failures,
faults, the tables in plain numbers for a spreadsheet, and the scenario with the command that makes the run again. It
is made from the other files alone: `keystorm report DIR` makes it again, with the same bytes. Wall-clock times are in
{MANIFEST_FILE} only.

## {MANIFEST_FILE}

The resolved scenario, the command that reproduces the run, and where it was made: commit, machine, wall time, peak
memory, events per second of wall time. The only file that differs between two runs of one seed. Its field `keystorm`
marks the directory as one that keystorm may replace. On a terminal `keystorm run` ends by saying how long it took, with its
events per second and its memory per card.
"
    )
}

//! Traces: visits from a CSV file, checked as they are read, a line at a time.
//!
//! It owns what a line may say and how a fault in one is told. Which visits then take place is the load's business.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use keystorm_model::{CardId, ClientId, SimTime, Span};
use sha2::{Digest, Sha256};

use super::error::Problem;
use super::value;
use crate::plan::Arrival;

/// The header of a trace.
const HEADER: [&str; 3] = ["time", "card", "client"];
const HEADER_HELP: &str = "the first line must be time,card,client, and every other one a visit, for example 28800.5,17,3 or \
                           8.5h,17,3";

/// What the scenario has room for.
#[derive(Clone, Copy)]
pub(super) struct Limits {
    /// Visits lie in `[0, horizon)`.
    pub(super) horizon: Span,
    pub(super) cards: u32,
    pub(super) clients: u32,
}

/// What is wrong with a trace, and in which line, counted from 1.
struct Fault {
    line: u64,
    why: String,
    help: String,
}

/// Reads a trace: its visits in order of time, card and client, and the SHA-256 of the file. Takes 16 bytes a visit.
///
/// # Errors
///
/// The file cannot be read, or one of its lines is wrong: the first of these is told.
pub(super) fn read(path: &Path, limits: Limits) -> Result<(Vec<Arrival>, [u8; 32]), Problem> {
    let told = |fault: Fault| {
        Problem::new(format!("`{}`, line {}: {}", path.display(), fault.line, fault.why), fault.help)
    };
    let mut visits = Vec::new();
    let scanned = scan(path, limits, |_, visit| visits.push(visit));
    let scanned = scanned.map_err(|error| unreadable(path, &error))?;
    visits.sort_unstable();
    // Whatever stands twice stands before the line that ended the reading.
    let twice: BTreeSet<(SimTime, CardId)> =
        visits.windows(2).filter(|pair| key(&pair[0]) == key(&pair[1])).map(|pair| key(&pair[0])).collect();
    if let Some(fault) = first_repeat(path, limits, twice).map_err(|error| unreadable(path, &error))? {
        return Err(told(fault));
    }
    let hash = scanned.map_err(told)?;
    if visits.is_empty() {
        let why = format!("`{}` holds no visit", path.display());
        return Err(Problem::new(why, HEADER_HELP));
    }
    visits.shrink_to_fit();
    Ok((visits, hash))
}

/// No card can come twice at one instant, be it to two clients.
fn key(visit: &Arrival) -> (SimTime, CardId) {
    (visit.at, visit.card)
}

/// The first line that says again what stands in `twice`.
fn first_repeat(
    path: &Path,
    limits: Limits,
    mut twice: BTreeSet<(SimTime, CardId)>,
) -> io::Result<Option<Fault>> {
    if twice.is_empty() {
        return Ok(None);
    }
    let (mut met, mut found) = (BTreeSet::new(), None);
    let _ = scan(path, limits, |line, visit| {
        if twice.contains(&key(&visit)) && !met.insert(key(&visit)) {
            twice.clear();
            let Arrival { at, card, .. } = visit;
            let why = format!("card {card} comes at {at} for the second time");
            found = Some(Fault { line, why, help: "remove one of the two lines".into() });
        }
    })?;
    Ok(found)
}

/// Hands every visit and its line to `each`, up to the first line that is wrong. Returns the file's SHA-256.
fn scan(
    path: &Path,
    limits: Limits,
    mut each: impl FnMut(u64, Arrival),
) -> io::Result<Result<[u8; 32], Fault>> {
    let (mut file, mut hash) = (BufReader::new(File::open(path)?), Sha256::new());
    let mut bytes = Vec::new();
    for line in 1.. {
        bytes.clear();
        let length = file.read_until(b'\n', &mut bytes)?;
        hash.update(&bytes);
        if line == 1 {
            if let Err(why) = header(&bytes) {
                return Ok(Err(Fault { line, why: why.into(), help: HEADER_HELP.into() }));
            }
        } else if length == 0 {
            break;
        } else if !bytes.trim_ascii().is_empty() {
            match visit(&bytes, limits) {
                Ok(visit) => each(line, visit),
                Err((why, help)) => return Ok(Err(Fault { line, why, help })),
            }
        }
    }
    Ok(Ok(hash.finalize().into()))
}

/// The cells of a line: no cell of a trace holds a comma, and spreadsheets quote what they like.
fn cells(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b',').map(|cell| {
        let cell = cell.trim_ascii();
        cell.strip_prefix(b"\"").and_then(|cell| cell.strip_suffix(b"\"")).unwrap_or(cell)
    })
}

/// Whether a first line is the header, perhaps behind the mark that some programs put before UTF-8.
fn header(line: &[u8]) -> Result<(), &'static str> {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    if line.is_empty() {
        Err("the file is empty")
    } else if cells(line).eq(HEADER.map(str::as_bytes)) {
        Ok(())
    } else {
        Err("this is not the header of a trace")
    }
}

/// The visit of one line; `Err`: what is wrong, and what would be right.
fn visit(line: &[u8], limits: Limits) -> Result<Arrival, (String, String)> {
    let count = cells(line).count();
    if count != HEADER.len() {
        return Err((format!("{count} cells instead of 3"), "write time,card,client".into()));
    }
    let cell = |index: usize| String::from_utf8_lossy(cells(line).nth(index).expect("there are three"));
    let time = cell(0);
    let after = value::read_time(&time).map_err(|why| {
        let help = "write seconds with at most 9 decimals, or a number and ns, us, ms, s, min, h or d";
        (format!("the time {time:?} {why}"), help.into())
    })?;
    if after >= limits.horizon {
        let why = format!("the time {time:?} is not before the horizon, which is {}", limits.horizon);
        return Err((why, "remove the visit, or set a later horizon".into()));
    }
    let number = |index: usize, count: u32| {
        let (text, name) = (cell(index), HEADER[index]);
        match text.parse::<u32>() {
            Ok(number) if number < count => Ok(number),
            Ok(number) => {
                let why = format!("there is no {name} {number}, but {count} of them, counted from 0");
                Err((why, format!("allowed: 0 to {}, or set fleet.{name}s to more", count - 1)))
            }
            Err(_) => Err((
                format!("the {name} {text:?} is no number"),
                format!("write a number from 0 to {}", count - 1),
            )),
        }
    };
    let (card, client) = (CardId(number(1, limits.cards)?), ClientId(number(2, limits.clients)?));
    Ok(Arrival { at: SimTime::ZERO + after, card, client })
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let why = format!("cannot read the trace `{}`: {error}", path.display());
    Problem::new(why, "a relative path begins at the scenario's folder; check it and the file's permissions")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { horizon: Span::from_secs(3_600), cards: 10, clients: 4 };

    fn of(text: &[u8]) -> Result<(Vec<Arrival>, [u8; 32]), String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.csv");
        std::fs::write(&path, text).unwrap();
        read(&path, LIMITS)
            .map_err(|problem| problem.to_string().replace(&path.display().to_string(), "t.csv"))
    }

    fn visit(ns: u64, card: u32, client: u32) -> Arrival {
        Arrival { at: SimTime::from_ns(ns), card: CardId(card), client: ClientId(client) }
    }

    #[test]
    fn visits_are_sorted_and_times_have_units_or_are_seconds() {
        let text = b"time,card,client\n59.5 , 3, 1\n1ms,9,0\n0,3,3\n0.5h,0,2\n\n59.5,2,1\n";
        let (visits, hash) = of(text).unwrap();
        let second = 1_000_000_000;
        let sorted = [
            visit(0, 3, 3),
            visit(1_000_000, 9, 0),
            visit(59 * second + second / 2, 2, 1),
            visit(59 * second + second / 2, 3, 1),
            visit(1_800 * second, 0, 2),
        ];
        assert_eq!(visits, sorted);
        assert_eq!(hash, <[u8; 32]>::from(Sha256::digest(text)));
        assert_eq!(size_of_val(&visits[0]), 16);
    }

    #[test]
    fn what_spreadsheets_write_is_read() {
        let (visits, _) = of(b"\xef\xbb\xbftime,card,client\r\n\"1\",2,3\r\n2,2,3").unwrap();
        assert_eq!(visits.len(), 2);
    }

    #[test]
    fn the_first_line_that_is_wrong_is_told() {
        let head = "time,card,client\n";
        let good = "1,1,1\n2,2,2\n";
        for (text, told) in [
            ("".to_owned(), "`t.csv`, line 1: the file is empty"),
            (head.to_owned(), "`t.csv` holds no visit"),
            (good.to_owned(), "`t.csv`, line 1: this is not the header of a trace"),
            (format!("{head}{good}3,1\n"), "`t.csv`, line 4: 2 cells instead of 3"),
            (format!("{head}{good}\n3,1,1,1\n"), "`t.csv`, line 5: 4 cells instead of 3"),
            (format!("{head}-3,1,1\n{good}x,1,1\n"), "`t.csv`, line 2: the time \"-3\" is negative"),
            (format!("{head}{good}noon,1,1\n"), "`t.csv`, line 4: the time \"noon\" is no time"),
            (format!("{head}5 weeks,1,1\n"), "`t.csv`, line 2: the time \"5 weeks\" is no time"),
            (
                format!("{head}0.0000000001,1,1\n"),
                "`t.csv`, line 2: the time \"0.0000000001\" is not a whole number of nanoseconds",
            ),
            (
                format!("{head}{good}1h,1,1\n"),
                "`t.csv`, line 4: the time \"1h\" is not before the horizon, which is 1h",
            ),
            (
                format!("{head}{good}3,10,1\n"),
                "`t.csv`, line 4: there is no card 10, but 10 of them, counted from 0",
            ),
            (
                format!("{head}{good}3,1,4\n"),
                "`t.csv`, line 4: there is no client 4, but 4 of them, counted from 0",
            ),
            (format!("{head}3,-1,1\n"), "`t.csv`, line 2: the card \"-1\" is no number"),
            (format!("{head}3,1,\n"), "`t.csv`, line 2: the client \"\" is no number"),
            (
                format!("{head}5,3,1\n{good}5s,3,2\n5,3,3\nx,1,1\n"),
                "`t.csv`, line 5: card 3 comes at 5s for the second time",
            ),
        ] {
            assert_eq!(of(text.as_bytes()).unwrap_err(), told, "{text:?}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_told() {
        let told = read(Path::new("no/such.csv"), LIMITS).unwrap_err().to_string();
        assert!(told.starts_with("cannot read the trace `no/such.csv`: "), "{told}");
    }
}

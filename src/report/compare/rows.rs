//! The rows of one side, as the command line writes them.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::Error;
use crate::escape::visible;
use crate::report::log::same::named_twice;

/// A side that is the log on stdin.
const STDIN: &str = "-";

/// Some programs begin a file with it.
pub(super) const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The rows of one side.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum SideRows {
    /// A file that `baseline save` has written.
    Saved(PathBuf),
    /// The log of a service; `-` is stdin.
    Log(PathBuf),
    /// Rows of the database, from one moment to before another.
    Window(Option<SystemTime>, Option<SystemTime>),
    /// Rows of the database with a value, such as `version=1.4`.
    Having(String),
}

impl SideRows {
    /// Lengths of time count back from `now`, which is the same for all sides, so that one may begin where another ends.
    ///
    /// The text may be a URL in the wrong place, so no error repeats it.
    pub(super) fn parse(text: &str, now: Timestamp) -> Result<Self, Error> {
        if text == STDIN {
            return Ok(Self::Log(PathBuf::from(text)));
        }
        let ends = text.split_once("..").map(|(from, to)| (end(from, now), end(to, now)));
        if let Some((Some(from), Some(to))) = ends {
            if from.zip(to).is_some_and(|(from, to)| from >= to) {
                return Err(Error::config("a window ends before it begins: write the earlier time first"));
            }
            return Ok(Self::Window(from, to));
        }
        let path = PathBuf::from(text);
        if !text.contains("://") && path.exists() && !path.is_dir() {
            // A pipe can be read only once.
            if !path.is_file() {
                return Ok(Self::Log(path));
            }
            return match baseline_or_log(&path) {
                Contents::Baseline => Ok(Self::Saved(path)),
                Contents::Log => Ok(Self::Log(path)),
                Contents::Nothing => Err(Error::config(
                    "the file is empty: write it again with \"baseline save\", or name a log that has lines",
                )),
            };
        }
        if !text.contains("://") && text.contains('=') {
            return Ok(Self::Having(text.to_owned()));
        }
        Err(Error::config(
            "this is no file, no window such as 2026-11-01..2026-11-08 or 7d.., and no value such as version=1.4: write \
             one of them, - for a log on stdin, or make a file with \"baseline save\"",
        ))
    }

    /// Whether both are the same, or windows that overlap.
    pub(super) fn overlaps(&self, other: &Self) -> bool {
        let (Self::Window(since, until), Self::Window(from, to)) = (self, other) else {
            return self == other;
        };
        let is_before =
            |begin: &Option<_>, end: &Option<_>| begin.zip(*end).is_none_or(|(begin, end)| begin < end);
        is_before(since, to) && is_before(from, until)
    }
}

/// A text of the command line for a message. It may be a URL in the wrong place, which nothing repeats.
pub(super) fn named(text: &str) -> String {
    if text.contains("://") { "…".to_owned() } else { visible(text) }
}

/// A pipe can be read only once.
pub(super) fn read_stdin_once<'a>(sides: impl IntoIterator<Item = &'a str>) -> Result<(), Error> {
    if sides.into_iter().filter(|side| *side == STDIN).count() > 1 {
        return Err(Error::config(
            "stdin can be read only once: write - for one side, and name a file for the other",
        ));
    }
    Ok(())
}

/// The rows of runs. None may be named twice: both would count as independent.
pub(super) fn distinct(runs: &[&str]) -> Result<Vec<SideRows>, Error> {
    read_stdin_once(runs.iter().copied())?;
    let now = Timestamp::now();
    let mut rows = Vec::<SideRows>::new();
    for run in runs {
        let of_run = |error: Error| error.reworded(|words| format!("the run {}: {words}", named(run)));
        let own = SideRows::parse(run, now).map_err(of_run)?;
        if let Some((other, _)) = runs.iter().zip(&rows).find(|(_, other)| other.overlaps(&own)) {
            return Err(rows_in_common(other, run));
        }
        rows.push(own);
    }
    distinct_logs(&rows)?;
    Ok(rows)
}

pub(super) fn distinct_logs<'a>(sides: impl IntoIterator<Item = &'a SideRows>) -> Result<(), Error> {
    let log = |rows: &SideRows| if let SideRows::Log(path) = rows { Some(path.clone()) } else { None };
    let logs: Vec<_> = sides.into_iter().filter_map(log).collect();
    let twice = named_twice(&logs).map(|(one, other)| [one, other].map(|path| path.display().to_string()));
    twice.map_or(Ok(()), |[one, other]| Err(rows_in_common(&one, &other)))
}

pub(super) fn rows_in_common(one: &str, other: &str) -> Error {
    Error::config(format!(
        "{} and {} have rows in common, so they cannot be compared as independent ones: choose windows that do not \
         overlap, or other values",
        named(one),
        named(other)
    ))
}

enum Contents {
    Baseline,
    Log,
    Nothing,
}

/// A baseline is a JSON object with a key that says so. Other programs may have put the key at another place. The first
/// line of a log is an object at most, so no more is read of a log.
fn baseline_or_log(path: &Path) -> Contents {
    #[derive(Deserialize)]
    struct BaselineKey {
        tracing_ledger_baseline: Option<IgnoredAny>,
    }
    let Ok(file) = File::open(path) else { return Contents::Log };
    let mut file = BufReader::new(file);
    // The reader of logs says why a file cannot be read.
    let Ok(head) = file.fill_buf() else { return Contents::Log };
    if head.is_empty() {
        return Contents::Nothing;
    }
    let mark = if head.starts_with(BYTE_ORDER_MARK.as_bytes()) { BYTE_ORDER_MARK.len() } else { 0 };
    // A file that was cut off is no object, but begins as a baseline.
    let begins =
        String::from_utf8_lossy(head.get(..64).unwrap_or(head)).contains("\"tracing_ledger_baseline\"");
    file.consume(mark);
    let mut objects = serde_json::Deserializer::from_reader(file).into_iter::<BaselineKey>();
    let has_key = matches!(objects.next(), Some(Ok(object)) if object.tracing_ledger_baseline.is_some());
    if begins || has_key { Contents::Baseline } else { Contents::Log }
}

/// `None` for a text that is no time; an end may be open.
fn end(text: &str, now: Timestamp) -> Option<Option<SystemTime>> {
    let day = |text: &str| Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let before_now = |text: &str| {
        let length: Span = text.parse().ok()?;
        let length: SignedDuration = length.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        if length.is_negative() { None } else { now.checked_sub(length).ok() }
    };
    if text.is_empty() {
        return Some(None);
    }
    let moment = text.parse().ok().or_else(|| day(text)).or_else(|| before_now(text))?;
    Some(Some(moment.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<SystemTime> {
        Some(text.parse::<Timestamp>().expect("a time").into())
    }

    #[test]
    fn a_side_is_a_window_or_a_value() {
        let parse = |text| SideRows::parse(text, Timestamp::now()).expect("a side");
        let window = SideRows::Window(moment("2026-11-01T00:00:00Z"), moment("2026-11-08T00:00:00Z"));
        assert_eq!(parse("2026-11-01..2026-11-08"), window);
        let noon = SideRows::Window(moment("2026-11-01T12:00:00Z"), None);
        assert_eq!(parse("2026-11-01T12:00:00.."), noon, "a time without a zone is in UTC");
        assert_eq!(parse("2026-11-01T00:00:00Z.."), SideRows::Window(moment("2026-11-01T00:00:00Z"), None));
        assert!(matches!(parse("7d..1d"), SideRows::Window(Some(_), Some(_))));
        assert_eq!(parse("-"), SideRows::Log(PathBuf::from("-")));
        assert_eq!(parse("version=1..4"), SideRows::Having("version=1..4".to_owned()));
    }

    #[test]
    fn windows_overlap_where_a_moment_is_in_both() {
        let now = Timestamp::now();
        let overlap = |one, other| {
            let [one, other] = [one, other].map(|text| SideRows::parse(text, now).expect("a side"));
            assert_eq!(one.overlaps(&other), other.overlaps(&one));
            one.overlaps(&other)
        };
        assert!(!overlap("2026-11-01..2026-11-08", "2026-11-08..2026-11-15"));
        assert!(!overlap("14d..7d", "7d.."));
        assert!(!overlap("version=1", "version=2"));
        for (one, other) in [
            ("2026-11-01..2026-11-08", "2026-11-07..2026-11-15"),
            ("2026-11-01..2026-11-08", "..2026-11-02"),
            ("..", "2026-11-01.."),
            ("version=1", "version=1"),
        ] {
            assert!(overlap(one, other), "{one} {other}");
        }
    }

    #[test]
    fn a_url_is_never_repeated() {
        let parse = |text| SideRows::parse(text, Timestamp::now());
        let error = parse("postgres://bob:hunter2@db/app?x=y").expect_err("no side");
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(parse("missing.json").is_err());
        assert!(parse("2026-11-08..2026-11-01").is_err());
    }
}

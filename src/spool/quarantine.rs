//! Quarantined rows, in a file that a person can read and correct.
//!
//! `quarantine.jsonl` holds one JSON object per line: `reason`, the store's error message, and every column of the row.
//! `context` is the JSON itself, so that it can be corrected in place, or a string where it is no JSON on one line.
//! People look at it with `cat`: characters that drive a terminal or turn the reading order are `\u…` in it, which reads
//! back as the same. To send corrected rows, put their lines into `replay.jsonl`: see [`replay`](super::replay).

use std::borrow::Cow;
use std::io;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::disk::{Disk, DiskFile, read_some, write_all};
use crate::error::Error;
use crate::escape::visible_json;
use crate::row::Row;

pub(super) const NAME: &str = "quarantine.jsonl";

/// Adds a line, which survives a power loss when this returns: there is no other copy.
pub(super) fn add(disk: &impl Disk, row: &Row, reason: &str) -> Result<(), Error> {
    try_add(disk, row, reason)
        .map_err(|error| disk.failed("cannot quarantine a rejected row in", NAME, error))
}

fn try_add(disk: &impl Disk, row: &Row, reason: &str) -> io::Result<()> {
    // Opened each time: a person may have moved the file away, such as to replay.jsonl, or have removed lines.
    let mut file = disk.edit(NAME)?;
    let end = file.bytes()?;
    let mut line = to_line(row, reason) + "\n";
    if ends_in_the_middle(&mut file, end)? {
        line.insert(0, '\n');
    }
    let written = write_all(&mut file, line.as_bytes(), end).1;
    let written = written.and_then(|()| file.sync()).and_then(|()| disk.sync());
    if written.is_err() {
        file.set_bytes(end)?;
    }
    written
}

/// Whether the last line has no end: its writer was killed, or a person has edited the file.
fn ends_in_the_middle(file: &mut impl DiskFile, end: u64) -> io::Result<bool> {
    let Some(last) = end.checked_sub(1) else { return Ok(false) };
    let mut byte = Vec::new();
    read_some(file, &mut byte, last, 1)?;
    Ok(byte != b"\n")
}

/// A line, as it is written and as a person leaves it. An unknown field is refused: it would be a misspelt column.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct QuarantineLine<'a> {
    #[serde(default)]
    reason: Cow<'a, str>,
    id: String,
    created_at: String,
    source: Cow<'a, str>,
    event_type: Cow<'a, str>,
    severity: Cow<'a, str>,
    restaurant_id: Option<String>,
    booking_id: Option<String>,
    context: Cow<'a, RawValue>,
}

/// The row as one line, without its end.
pub(super) fn to_line(row: &Row, reason: &str) -> String {
    // A clock that is thousands of years ahead is not worth a second form of times.
    let created_at = Timestamp::try_from(row.created_at).unwrap_or(Timestamp::MAX);
    let line = QuarantineLine {
        reason: reason.into(),
        id: row.id.to_string(),
        created_at: format!("{created_at:.6}"),
        source: Cow::Borrowed(&row.source),
        event_type: Cow::Borrowed(&row.event_type),
        severity: row.severity.as_str().into(),
        restaurant_id: row.restaurant_id.map(|id| id.to_string()),
        booking_id: row.booking_id.map(|id| id.to_string()),
        context: written_context(&row.context),
    };
    // Cannot fail: every key is a string, and no writer is involved.
    visible_json(serde_json::to_string(&line).unwrap_or_default())
}

/// The context as it is, to the digit, if that leaves one line. Otherwise a string: some readers take a carriage return for the
/// end of a line.
fn written_context(context: &str) -> Cow<'_, RawValue> {
    let is_one_line = !context.contains(['\n', '\r']);
    match serde_json::from_str::<&RawValue>(context) {
        Ok(json) if is_one_line => Cow::Borrowed(json),
        // Cannot fail: text is always JSON.
        _ => Cow::Owned(serde_json::value::to_raw_value(context).unwrap_or_default()),
    }
}

/// The row in a line, or the mistake in it.
pub(super) fn from_line(line: &[u8]) -> Result<Row, String> {
    let line: QuarantineLine<'_> = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    Ok(Row {
        id: uuid("id", &line.id)?,
        created_at: read_time(&line.created_at)?,
        severity: line.severity.parse().map_err(|error: Error| error.to_string())?,
        restaurant_id: line.restaurant_id.as_deref().map(|id| uuid("restaurant_id", id)).transpose()?,
        booking_id: line.booking_id.as_deref().map(|id| uuid("booking_id", id)).transpose()?,
        source: line.source.as_ref().into(),
        event_type: line.event_type.as_ref().into(),
        context: read_context(line.context.get())?,
    })
}

fn uuid(column: &str, text: &str) -> Result<Uuid, String> {
    Uuid::try_parse(text).map_err(|_| format!("{column} is {text:?}, and must be a uuid"))
}

fn read_time(text: &str) -> Result<SystemTime, String> {
    let time = text.parse::<Timestamp>().map(SystemTime::from);
    time.map_err(|_| "created_at must be a time such as 2026-01-31T08:00:00.000000Z".to_owned())
}

/// The JSON itself, or a string that holds it.
fn read_context(json: &str) -> Result<String, String> {
    let text = if json.starts_with('"') { serde_json::from_str(json) } else { Ok(json.to_owned()) };
    let text: String = text.map_err(|error| error.to_string())?;
    let is_object = text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(&text).is_ok();
    if is_object { Ok(text) } else { Err("context must be a JSON object".to_owned()) }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::tests::{full_row, row};
    use super::*;

    #[track_caller]
    fn assert_returns(row: &Row) {
        let line = to_line(row, "no good");
        assert!(!line.contains('\n'), "{line}");
        assert_eq!(from_line(line.as_bytes()).as_ref(), Ok(row));
    }

    #[test]
    fn a_line_holds_every_column_by_name_and_the_context_as_json() {
        let mut row = full_row(1);
        row.context = r#"{"n":1.10,"z":18446744073709551616,"a":"é"}"#.to_owned();
        let line = to_line(&row, "invalid \"text\"\n");
        let expected = format!(
            r#"{{"reason":"invalid \"text\"\n","id":"{}","created_at":"1970-01-01T00:00:00.000001Z","source":"{}","event_type":"{}","severity":"critical","restaurant_id":"{}","booking_id":"{}","context":{}}}"#,
            row.id,
            row.source,
            row.event_type,
            row.restaurant_id.expect("it has one"),
            row.booking_id.expect("it has one"),
            row.context,
        );
        assert_eq!(line, expected);
        assert_returns(&row);
    }

    #[test]
    fn a_line_stays_one_line_with_any_context() {
        for context in ["{\n\"a\": 1}", "{\r\"a\": 1}"] {
            assert_returns(&Row { context: context.to_owned(), ..row(1) });
        }
        let broken = Row { context: "{\"a\":\n".to_owned(), ..row(1) };
        assert!(to_line(&broken, "").contains(r#""context":"{\"a\":\n"}"#));
    }

    #[test]
    fn characters_that_drive_a_terminal_are_escaped_and_read_back_as_the_same() {
        let hostile = "\u{7f}\u{9b}2J\u{202e}\u{200b}\u{e0041}é";
        for white in ["\t", "\n"] {
            let context = format!(r#"{{"{hostile}":"{hostile}",{white}"n":1}}"#);
            let row = Row { context, event_type: hostile.into(), source: hostile.into(), ..row(1) };
            let line = to_line(&row, hostile);
            let escaped = r"\u007f\u009b2J\u202e\u200b\udb40\udc41é";
            assert!(line.contains(&format!(r#""reason":"{escaped}""#)), "{line}");
            assert!(!line.contains(|c: char| hostile.contains(c) && !c.is_alphanumeric()), "{line}");
            let read = from_line(line.as_bytes()).expect("it can be read");
            let value = |json: &str| serde_json::from_str::<serde_json::Value>(json).expect("JSON");
            assert_eq!(value(&read.context), value(&row.context));
            assert_eq!(Row { context: row.context.clone(), ..read }, row);
        }
    }

    #[test]
    fn a_time_beyond_the_years_of_the_text_is_the_last_that_it_can_say() {
        let far = UNIX_EPOCH + Duration::from_secs(400_000_000_000);
        let line = to_line(&Row { created_at: far, ..row(1) }, "");
        let read = from_line(line.as_bytes()).expect("it can be read");
        assert_eq!(read.created_at.duration_since(UNIX_EPOCH).expect("later").as_secs(), 253_402_207_200);
    }

    #[test]
    fn a_wrong_line_says_what_is_wrong() {
        let good = to_line(&row(1), "");
        for (from, to, says) in [
            (r#""severity":"info""#, r#""severity":"bad""#, "info, warning"),
            (r#""id":""#, r#""id":"x"#, "id is \"x"),
            (r#""created_at":""#, r#""created_at":"on "#, "created_at must be"),
            (r#""context":{"#, r#""context":["#, "at line 1"),
            (r#""context":{"n":1}"#, r#""context":[1]"#, "JSON object"),
            (r#""context":{"n":1}"#, r#""context":null"#, "JSON object"),
            (r#""source""#, r#""sauce""#, "unknown field `sauce`"),
            (r#""booking_id":null"#, r#""booking_id":"7""#, "booking_id is \"7\""),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            let error = from_line(bad.as_bytes()).expect_err(to);
            assert!(error.contains(says), "{error:?} lacks {says:?}");
        }
    }
}

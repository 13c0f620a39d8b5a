//! Reads only what is asked of each row: the server takes the texts out of `jsonb`, on several cores, and sends them in the
//! binary format of COPY.

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::classify::{Step, StepError};
use super::connect::{statement, within};
use super::read::ROW_TIMEOUT;
use crate::columns::ColumnMap;
use crate::store::TableName;
use crate::store::read::{Asked, ExtraColumns, Reading, Selection};
use crate::store::table_name::quoted;

/// The columns that the role may read and the server does not make itself, and whether they have the usual types, which the binary format and the
/// operators below need.
const COLUMNS: &str = "SELECT attname::text, attname = 'context' AND atttypid = 'jsonb'::regtype \
     OR attname = 'created_at' AND atttypid = 'timestamptz'::regtype FROM pg_attribute a \
     WHERE attrelid = to_regclass('observability_events') AND attnum > 0 AND NOT attisdropped \
     AND COALESCE(to_jsonb(a) ->> 'attgenerated', '') = '' \
     AND (attname IN ('context', 'created_at') OR has_column_privilege(attrelid, attnum, 'SELECT'))";

/// 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds since 1970.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The signature, the flags, and the length of an extension, which is none so far.
const HEADER: usize = 19;
/// `created_at`, `event_type`, and whether the context is an object.
const OWN: usize = 3;

/// The columns that may hold keys of the context, and whether the table can be read by [`rows`].
pub(super) async fn look(
    connection: &mut PgConnection,
    table: &TableName,
    columns: &ColumnMap,
) -> Result<(ExtraColumns, bool), StepError> {
    let sql = AssertSqlSafe(table.in_sql(COLUMNS).into_owned());
    let found: Vec<(String, bool)> =
        statement(Step::Read, sqlx::query_as(sql).persistent(false).fetch_all(connection)).await?;
    let (names, usual): (Vec<String>, Vec<bool>) = found.into_iter().unzip();
    let is_usual = usual.into_iter().filter(|is_usual| *is_usual).count() == 2;
    Ok((ExtraColumns::new(names, columns), is_usual))
}

pub(super) async fn rows(
    connection: &mut PgConnection,
    table: &TableName,
    extra: &ExtraColumns,
    selection: &Selection,
    each: &mut (dyn FnMut(&Reading<'_>) + Send),
) -> Result<(), StepError> {
    let sql = select(selection, table, extra);
    let mut pieces = within(Step::Read, ROW_TIMEOUT, connection.copy_out_raw(&sql)).await?;
    let mut rest = Vec::new();
    let mut begin = HEADER;
    while let Some(piece) = within(Step::Read, ROW_TIMEOUT, next(&mut pieces)).await? {
        rest.extend_from_slice(&piece);
        let mut row = Vec::with_capacity(OWN + selection.asked.len());
        let mut at = begin;
        while let Some(end) = tuple(&rest, at, &mut row) {
            offer(selection, &row, each);
            at = end;
        }
        // The header may not be there as a whole yet.
        let done = at.min(rest.len());
        begin = at - done;
        rest.drain(..done);
    }
    Ok(())
}

async fn next<S, T>(pieces: &mut Pin<Box<S>>) -> Result<Option<T>, sqlx::Error>
where
    S: Stream<Item = Result<T, sqlx::Error>> + ?Sized,
{
    poll_fn(|context| pieces.as_mut().poll_next(context)).await.transpose()
}

/// Splits the tuple that begins at `at`, and returns its end; `None` if it is not there as a whole, or is the trailer.
fn tuple<'a>(bytes: &'a [u8], at: usize, row: &mut Vec<Option<&'a [u8]>>) -> Option<usize> {
    row.clear();
    let (count, mut rest) = bytes.get(at..)?.split_first_chunk::<2>()?;
    for _ in 0..usize::try_from(i16::from_be_bytes(*count)).ok()? {
        let (length, after) = rest.split_first_chunk::<4>()?;
        rest = after;
        row.push(match usize::try_from(i32::from_be_bytes(*length)) {
            Err(_) => None,
            Ok(length) => {
                let (value, after) = rest.split_at_checked(length)?;
                rest = after;
                Some(value)
            }
        });
    }
    Some(bytes.len() - rest.len())
}

fn offer(selection: &Selection, row: &[Option<&[u8]>], each: &mut (dyn FnMut(&Reading<'_>) + Send)) {
    let Some(([created_at, event_type, is_object], texts)) = row.split_first_chunk::<OWN>() else { return };
    let texts: Vec<Option<&str>> =
        texts.iter().map(|bytes| bytes.and_then(|bytes| str::from_utf8(bytes).ok())).collect();
    let reading = Reading {
        created_at: created_at.and_then(moment),
        event_type: event_type.and_then(|bytes| str::from_utf8(bytes).ok()).unwrap_or_default(),
        is_object: *is_object == Some(&[1]),
        texts: &texts,
    };
    selection.pass(&reading, each);
}

/// `None` for `infinity`.
fn moment(bytes: &[u8]) -> Option<Timestamp> {
    let microseconds = i64::from_be_bytes(bytes.try_into().ok()?);
    Timestamp::from_microsecond(microseconds.checked_add(POSTGRES_EPOCH)?).ok()
}

fn select(selection: &Selection, table: &TableName, extra: &ExtraColumns) -> String {
    let texts: String =
        selection.asked.iter().map(|asked| format!(", {}", expression(asked, extra))).collect();
    let mut conditions = Vec::new();
    if let Some(types) = selection.read_types() {
        let types: Vec<_> = types.iter().map(|name| literal(name)).collect();
        conditions.push(format!("event_type::text IN ({})", types.join(", ")));
    }
    let since = selection.since_text().map(|since| format!("created_at >= {}", literal(&since)));
    let until = selection.until_text();
    let until = until.map(|until| format!("(created_at < {} OR created_at = 'infinity')", literal(&until)));
    let window: Vec<_> = since.into_iter().chain(until).collect();
    if !window.is_empty() {
        conditions.push(format!("(created_at IS NULL OR {})", window.join(" AND ")));
    }
    if !selection.any.is_empty() {
        conditions.push(format!("({})", any(selection, extra)));
    }
    let all =
        if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
    format!(
        "COPY (SELECT created_at, event_type::text, COALESCE(jsonb_typeof(context) = 'object', false){texts} \
         FROM {}{all}) TO STDOUT (FORMAT binary)",
        table.quoted()
    )
}

/// Whether the server has one of these texts there, so that no other row crosses the wire. Constants without a type take that
/// of the column `id`, so that its index finds UUIDs.
fn any(selection: &Selection, extra: &ExtraColumns) -> String {
    let (mut ids, mut others) = (Vec::new(), Vec::new());
    for (asked, text) in &selection.any {
        match selection.asked.get(*asked) {
            Some(Asked::Id) if extra.has("id") && uuid::Uuid::try_parse(text).is_ok() => {
                ids.push(literal(text));
            }
            Some(asked) => others.push(format!("{} = {}", expression(asked, extra), literal(text))),
            None => {}
        }
    }
    if !ids.is_empty() {
        others.push(format!("id IN ({})", ids.join(", ")));
    }
    others.join(" OR ")
}

fn expression(asked: &Asked, extra: &ExtraColumns) -> String {
    let id = |name| {
        let key = format!("context->>'{name}'");
        if extra.has(name) { format!("COALESCE({name}::text, {key})") } else { key }
    };
    match asked {
        Asked::Id if !extra.has("id") => "NULL::text".to_owned(),
        Asked::Id => "id::text".to_owned(),
        Asked::Context if extra.all().is_empty() => "context::text".to_owned(),
        Asked::Context => format!(
            "CASE jsonb_typeof(context) WHEN 'object' THEN ({} || context)::text ELSE context::text END",
            object(extra)
        ),
        Asked::EventType => "event_type::text".to_owned(),
        Asked::Source => "source::text".to_owned(),
        Asked::Severity => "severity::text".to_owned(),
        Asked::RestaurantId => id("restaurant_id"),
        Asked::BookingId => id("booking_id"),
        Asked::Key(choice) => {
            let otherwise = first(&choice.otherwise, extra);
            let of = choice.of.iter();
            let cases: String = of
                .map(|(name, keys)| format!("WHEN {} THEN {} ", literal(name), first(keys, extra)))
                .collect();
            if cases.is_empty() {
                otherwise
            } else {
                format!("CASE event_type::text {cases}ELSE {otherwise} END")
            }
        }
    }
}

/// The values of the columns that hold keys of the context, as `jsonb` without those that are null.
pub(super) fn object(extra: &ExtraColumns) -> String {
    let keys: Vec<_> = extra.all().iter().map(|(key, _)| literal(key)).collect();
    let texts: Vec<_> = extra.all().iter().map(|(_, name)| format!("{}::text", quoted(name))).collect();
    format!(
        "jsonb_strip_nulls(jsonb_object(ARRAY[{}]::text[], ARRAY[{}]::text[]))",
        keys.join(", "),
        texts.join(", ")
    )
}

fn first(keys: &[String], extra: &ExtraColumns) -> String {
    let columns = |key| extra.of(key).map(|name| format!("{}::text", quoted(name)));
    let values: Vec<_> =
        keys.iter().flat_map(|key| paths("context", key).into_iter().chain(columns(key))).collect();
    match values.as_slice() {
        [] => "NULL::text".to_owned(),
        [one] => one.clone(),
        several => format!("COALESCE({})", several.join(", ")),
    }
}

/// A key with dots is one key, else a path into objects.
fn paths(object: &str, key: &str) -> Vec<String> {
    let mut paths = vec![format!("{object}->>{}", literal(key))];
    if let Some((within, rest)) = key.split_once('.') {
        paths.extend(self::paths(&format!("{object}->{}", literal(within)), rest));
    }
    paths
}

/// A string constant, whatever `standard_conforming_strings` is. No text of Postgres has a NUL.
fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\0', "").replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tuple_is_read_once_it_is_whole() {
        let bytes = b"..\0\x02\0\0\0\x02ab\xff\xff\xff\xff\xff\xff";
        let mut row = Vec::new();
        for end in 0..14 {
            assert_eq!(tuple(&bytes[..end], 2, &mut row), None, "{end}");
        }
        assert_eq!(tuple(bytes, 2, &mut row), Some(14));
        assert_eq!(row, [Some(&b"ab"[..]), None]);
        assert_eq!(tuple(bytes, 14, &mut row), None, "the trailer");
    }

    #[test]
    fn no_key_ends_its_literal() {
        assert_eq!(literal(r"a'b\'c"), r"E'a''b\\''c'");
        assert_eq!(paths("context", "a.b"), ["context->>E'a.b'", "context->E'a'->>E'b'"]);
    }
}

//! Reads only what is asked of each row: the server takes the texts out of `jsonb`, on several cores, and sends them in the
//! binary format of COPY.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use futures_core::Stream;
use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use super::classify::{Step, StepError};
use super::connect::{statement, within};
use super::expression::{EVENT_TYPE, expression, literal};
use super::read::ROW_TIMEOUT;
use crate::columns::ColumnMap;
use crate::store::TableName;
use crate::store::read::{Asked, ExtraColumns, Reading, Selection};

/// The columns that the role may read and the server does not make itself, whether they have the usual types, which the binary
/// format and the operators below need, and whether they hold a time as text.
const COLUMNS: &str = "SELECT attname::text, attname = 'context' AND atttypid = 'jsonb'::regtype \
     OR attname = 'created_at' AND atttypid = 'timestamptz'::regtype, \
     attname = 'created_at' AND atttypid IN ('text'::regtype, 'varchar'::regtype) FROM pg_attribute a \
     WHERE attrelid = to_regclass('observability_events') AND attnum > 0 AND NOT attisdropped \
     AND COALESCE(to_jsonb(a) ->> 'attgenerated', '') = '' \
     AND (attname IN ('context', 'created_at') OR has_column_privilege(attrelid, attnum, 'SELECT'))";

/// 2000-01-01T00:00:00Z, from which Postgres counts, in microseconds since 1970.
const POSTGRES_EPOCH: i64 = 946_684_800_000_000;
/// The signature, the flags, and the length of an extension, which is none so far.
const HEADER: usize = 19;
/// The bytes that share a timer. The server sends each row as a separate piece, and a timer for each would take longer than the
/// row.
const BATCH: usize = 64 * 1024;

/// The columns of a table, as far as reading depends on them.
pub(super) struct Look {
    /// The columns that may hold keys of the context.
    pub(super) extra: ExtraColumns,
    /// Whether the table can be read by [`rows`].
    pub(super) is_usual: bool,
    /// Whether times are texts: any of them may be no time.
    pub(super) has_text_times: bool,
}

pub(super) async fn look(
    connection: &mut PgConnection,
    table: &TableName,
    columns: &ColumnMap,
) -> Result<Look, StepError> {
    let sql = AssertSqlSafe(table.in_sql(COLUMNS).into_owned());
    let found: Vec<(String, bool, bool)> =
        statement(Step::Read, sqlx::query_as(sql).persistent(false).fetch_all(connection)).await?;
    let is_usual = found.iter().filter(|(_, is_usual, _)| *is_usual).count() == 2;
    let has_text_times = found.iter().any(|(.., is_text)| *is_text);
    let names = found.into_iter().map(|(name, ..)| name).collect();
    Ok(Look { extra: ExtraColumns::new(names, columns), is_usual, has_text_times })
}

/// About how many rows are selected, by the planner's estimate.
pub(super) async fn estimate(
    connection: &mut PgConnection,
    table: &TableName,
    extra: &ExtraColumns,
    selection: &Selection,
) -> Result<Option<u64>, StepError> {
    let sql = format!("EXPLAIN SELECT FROM {}{}", table.quoted(), conditions(selection, extra));
    let plan = sqlx::query_scalar(AssertSqlSafe(sql)).persistent(false).fetch_one(connection);
    let plan: String = statement(Step::Read, plan).await?;
    let rows = plan.split_once(" rows=").map_or("", |(_, rest)| rest);
    Ok(rows.split(' ').next().and_then(|rows| rows.parse().ok()))
}

pub(super) async fn rows(
    connection: &mut PgConnection,
    table: &TableName,
    extra: &ExtraColumns,
    selection: &Selection,
    each: &mut (dyn FnMut(&Reading<'_>) + Send),
) -> Result<(), StepError> {
    let projection = Projection::new(selection, extra);
    let sql = projection.select(table, extra);
    let mut stream = within(Step::Read, ROW_TIMEOUT, connection.copy_out_raw(&sql)).await?;
    let mut pieces = Vec::new();
    let mut rest = Vec::new();
    let mut header = HEADER;
    while within(Step::Read, ROW_TIMEOUT, next(&mut stream, &mut pieces)).await? {
        let mut values = RowValues::default();
        for piece in &pieces {
            if header == 0 && rest.is_empty() {
                let done = projection.rows(piece, &mut values, each);
                rest.extend_from_slice(piece.get(done..).unwrap_or_default());
            } else {
                // The first row comes behind the header, and a server between may cut rows in two.
                rest.extend_from_slice(piece);
                let Some(bytes) = rest.get(header..) else { continue };
                let done = header + projection.rows(bytes, &mut RowValues::default(), each);
                rest.drain(..done);
                header = 0;
            }
        }
        pieces.clear();
    }
    Ok(())
}

/// Waits for the next pieces, and returns whether there are any.
async fn next<S, T>(stream: &mut Pin<Box<S>>, pieces: &mut Vec<T>) -> Result<bool, sqlx::Error>
where
    S: Stream<Item = Result<T, sqlx::Error>> + ?Sized,
    T: AsRef<[u8]>,
{
    let mut size = 0;
    poll_fn(|context| {
        while size < BATCH {
            match stream.as_mut().poll_next(context) {
                Poll::Ready(Some(piece)) => {
                    let piece = piece?;
                    size += piece.as_ref().len();
                    pieces.push(piece);
                }
                Poll::Pending if pieces.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(!pieces.is_empty()))
    })
    .await
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

/// Where the texts of a selection are among the columns that the server sends.
struct Projection<'s> {
    selection: &'s Selection,
    columns: Vec<String>,
    /// `None` for a text that no row has.
    places: Vec<Option<usize>>,
    event_type: EventType<'s>,
}

enum EventType<'s> {
    Always(&'s str),
    Column(usize),
}

/// The values of one row, and the texts among them.
#[derive(Default)]
struct RowValues<'a> {
    columns: Vec<Option<&'a [u8]>>,
    texts: Vec<Option<&'a str>>,
}

const CREATED_AT: usize = 0;
const IS_UNREADABLE: usize = 1;

impl<'s> Projection<'s> {
    /// Each value costs the server a call, and so does each comparison of an event type.
    fn new(selection: &'s Selection, extra: &ExtraColumns) -> Self {
        let types = selection.read_types();
        let types = types.as_deref();
        // Most contexts are objects, and null is the cheapest value.
        let is_unreadable = "CASE WHEN jsonb_typeof(context) = 'object' THEN NULL \
             WHEN COALESCE(jsonb_typeof(context), 'null') = 'null' THEN NULL ELSE true END";
        let mut columns = vec!["created_at".to_owned(), is_unreadable.to_owned()];
        let event_type = match types {
            Some([one]) => EventType::Always(one),
            _ => EventType::Column(place(&mut columns, EVENT_TYPE.to_owned())),
        };
        let texts = selection.asked.iter().map(|asked| expression(asked, types, extra));
        let places = texts.map(|text| Some(place(&mut columns, text?))).collect();
        Self { selection, columns, places, event_type }
    }

    /// Passes on the rows that are there as a whole, and returns their length.
    fn rows<'a>(
        &self,
        bytes: &'a [u8],
        values: &mut RowValues<'a>,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> usize {
        let mut at = 0;
        while let Some(end) = tuple(bytes, at, &mut values.columns) {
            self.row(values, each);
            at = end;
        }
        at
    }

    fn row(&self, values: &mut RowValues<'_>, each: &mut (dyn FnMut(&Reading<'_>) + Send)) {
        let RowValues { columns, texts } = values;
        let value = |place: usize| columns.get(place).copied().flatten();
        let text = |place: usize| value(place).and_then(|bytes| str::from_utf8(bytes).ok());
        texts.clear();
        texts.extend(self.places.iter().map(|place| text((*place)?)));
        let reading = Reading {
            created_at: value(CREATED_AT).and_then(moment),
            event_type: match self.event_type {
                EventType::Always(name) => name,
                EventType::Column(place) => text(place).unwrap_or_default(),
            },
            is_readable: value(IS_UNREADABLE).is_none(),
            texts,
        };
        self.selection.pass(&reading, each);
    }

    fn select(&self, table: &TableName, extra: &ExtraColumns) -> String {
        let (columns, table) = (self.columns.join(", "), table.quoted());
        let conditions = conditions(self.selection, extra);
        format!("COPY (SELECT {columns} FROM {table}{conditions}) TO STDOUT (FORMAT binary)")
    }
}

/// The place of a column, which is asked for only once.
fn place(columns: &mut Vec<String>, column: String) -> usize {
    columns.iter().position(|other| *other == column).unwrap_or_else(|| {
        columns.push(column);
        columns.len() - 1
    })
}

/// `None` for `infinity`.
fn moment(bytes: &[u8]) -> Option<Timestamp> {
    let microseconds = i64::from_be_bytes(bytes.try_into().ok()?);
    Timestamp::from_microsecond(microseconds.checked_add(POSTGRES_EPOCH)?).ok()
}

/// The clause `WHERE`, if there is a condition.
fn conditions(selection: &Selection, extra: &ExtraColumns) -> String {
    let mut conditions = Vec::new();
    if let Some(types) = selection.read_types() {
        let types: Vec<_> = types.iter().map(|name| literal(name)).collect();
        conditions.push(format!("{EVENT_TYPE} IN ({})", types.join(", ")));
    }
    let since = selection.since_text().map(|since| format!("created_at >= {}", literal(&since)));
    let until = selection.until_text().map(|until| format!("created_at < {}", literal(&until)));
    let window: Vec<_> = since.into_iter().chain(until).collect();
    if !window.is_empty() {
        // Each of the three can use an index on the time.
        conditions.push(format!(
            "(created_at IS NULL OR created_at IN ('-infinity', 'infinity') OR {})",
            window.join(" AND ")
        ));
    }
    if !selection.any.is_empty() {
        conditions.push(format!("({})", any(selection, extra)));
    }
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
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
            Some(asked) => {
                let has = |sql| format!("{sql} = {}", literal(text));
                others.extend(expression(asked, None, extra).map(has));
            }
            None => {}
        }
    }
    if !ids.is_empty() {
        others.push(format!("id IN ({})", ids.join(", ")));
    }
    others.join(" OR ")
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
}

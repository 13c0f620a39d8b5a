//! Rows that are read back: the same, to the letter, from every database.

mod choice;
mod condition;
mod context;
mod extra;
#[cfg(any(feature = "postgres", feature = "report"))]
mod identity;
mod selection;
mod shown;

use std::future::poll_fn;
use std::pin::Pin;

use futures_core::Stream;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

pub(crate) use self::choice::Choice;
pub(crate) use self::condition::{Comparison, Condition};
pub(super) use self::extra::ExtraColumns;
use self::extra::with_columns;
#[cfg(any(feature = "postgres", feature = "report"))]
pub(super) use self::identity::TableIdentity;
pub(crate) use self::selection::{Asked, LOSS, Reading, Selection};
pub(crate) use self::shown::shown;
use crate::error::Error;

/// The columns of a row that reports use.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct ReadRow {
    /// `None` in most logs.
    pub(crate) id: Option<String>,
    /// `None` for a value that is not a time here, such as `infinity`.
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) event_type: String,
    pub(crate) source: Option<String>,
    pub(crate) severity: Option<String>,
    /// Hyphenated, in lower case.
    pub(crate) restaurant_id: Option<String>,
    pub(crate) booking_id: Option<String>,
    /// JSON text.
    pub(crate) context: Option<String>,
}

/// Where a report reads rows: a database, or the log of a service.
pub(crate) trait RowSource {
    /// About how many rows are selected, if the source can tell without reading them.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    async fn expected(&mut self, _: &Selection) -> Result<Option<u64>, Error> {
        Ok(None)
    }

    /// Whether the source reads every row as a whole, so that a question for the whole row costs nothing more.
    fn passes_whole_rows(&self) -> bool {
        false
    }

    /// Passes what the selection asks of every selected row to `each`, in no order, one row at a time.
    ///
    /// A source of whole rows passes each to [`Selection::offer`], which selects.
    ///
    /// # Errors
    /// When the source cannot be read. A row that cannot be understood is no error.
    fn read(
        &mut self,
        selection: &Selection,
        each: &mut (dyn FnMut(&Reading<'_>) + Send),
    ) -> impl Future<Output = Result<(), Error>>;
}

/// A value that a report can go on without.
pub(super) enum Text {
    Null,
    /// No UTF-8, or a BLOB.
    Unreadable,
    Read(String),
}

impl Text {
    fn of(bytes: &[u8]) -> Self {
        str::from_utf8(bytes).map_or(Self::Unreadable, |text| Self::Read(text.to_owned()))
    }

    fn read(self) -> Option<String> {
        if let Self::Read(text) = self { Some(text) } else { None }
    }
}

/// In the order of [`ReadRow`], then the columns that hold keys of the context, as one JSON object.
pub(super) type Columns = (Text, Text, Text, Text, Text, Text, Text, Text, Text);

impl From<Columns> for ReadRow {
    fn from(columns: Columns) -> Self {
        let (id, created_at, event_type, source, severity, restaurant, booking, context, extra) = columns;
        let context = match context {
            // No JSON either, and not null.
            Text::Unreadable => Some(String::new()),
            context => context.read(),
        };
        Self {
            id: id.read(),
            created_at: created_at.read().as_deref().and_then(moment),
            event_type: event_type.read().unwrap_or_default(),
            source: source.read(),
            severity: severity.read(),
            restaurant_id: restaurant.read(),
            booking_id: booking.read(),
            context: with_columns(context, extra.read()),
        }
    }
}

/// Reads RFC 3339, a time without an offset as UTC, as SQLite does, and an offset of hours, as Postgres writes it.
pub(crate) fn moment(text: &str) -> Option<Timestamp> {
    let in_utc = || Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let has_hours = || matches!(text.as_bytes(), [.., b'+' | b'-', b'0'..=b'9', b'0'..=b'9']);
    text.parse().ok().or_else(in_utc).or_else(|| has_hours().then(|| format!("{text}:00").parse().ok())?)
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::error::BoxDynError;
    use sqlx::postgres::{PgTypeInfo, PgValueRef, Postgres};
    use sqlx::{Decode, Type, ValueRef};

    use super::Text;

    impl Type<Postgres> for Text {
        fn type_info() -> PgTypeInfo {
            <str as Type<Postgres>>::type_info()
        }
    }

    impl<'r> Decode<'r, Postgres> for Text {
        fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
            if value.is_null() { Ok(Self::Null) } else { Ok(Self::of(value.as_bytes()?)) }
        }
    }
}

#[cfg(feature = "sqlite")]
mod sqlite {
    use sqlx::error::BoxDynError;
    use sqlx::sqlite::{Sqlite, SqliteTypeInfo, SqliteValueRef};
    use sqlx::{Decode, Type, TypeInfo, ValueRef};

    use super::Text;

    impl Type<Sqlite> for Text {
        fn type_info() -> SqliteTypeInfo {
            <str as Type<Sqlite>>::type_info()
        }

        /// Any column may hold values of any type.
        fn compatible(_: &SqliteTypeInfo) -> bool {
            true
        }
    }

    impl<'r> Decode<'r, Sqlite> for Text {
        /// Numbers have a text; a BLOB has none.
        fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
            Ok(match () {
                () if value.is_null() => Self::Null,
                () if value.type_info().name() == "BLOB" => Self::Unreadable,
                () => Self::of(<&[u8] as Decode<Sqlite>>::decode(value)?),
            })
        }
    }
}

/// The driver's stream of rows.
pub(super) type RowStream<'a> = Pin<Box<dyn Stream<Item = Result<Columns, sqlx::Error>> + Send + 'a>>;

pub(super) async fn next<S, T>(rows: &mut Pin<Box<S>>) -> Result<Option<T>, sqlx::Error>
where
    S: Stream<Item = Result<T, sqlx::Error>> + ?Sized,
{
    poll_fn(|context| rows.as_mut().poll_next(context)).await.transpose()
}

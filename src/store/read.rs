//! Rows that are read back: the same, to the letter, from every database.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::SystemTime;

use futures_core::Stream;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::time;

/// Which rows to read.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) event_types: Vec<&'static str>,
    /// Rows from this moment on; `None` for all rows.
    pub(crate) since: Option<SystemTime>,
}

impl Selection {
    /// `None` where no database has an earlier row: neither knows a year before 1 in this form.
    pub(super) fn since_text(&self) -> Option<String> {
        self.since_moment().filter(|since| since.as_second() >= START).map(time::text)
    }

    fn since_moment(&self) -> Option<Timestamp> {
        self.since.and_then(|since| match time::microseconds(since) {
            // No row is as late as that.
            None if since > SystemTime::UNIX_EPOCH => Some(Timestamp::MAX),
            moment => moment,
        })
    }

    /// Whether the row is late enough. A row without a readable time is.
    #[cfg(feature = "sqlite")]
    pub(super) fn takes(&self, row: &ReadRow) -> bool {
        self.since_moment().is_none_or(|since| row.created_at.is_none_or(|moment| moment >= since))
    }
}

/// 0001-01-01T00:00:00Z, in seconds since 1970.
const START: i64 = -62_135_596_800;

/// The columns of a row that reports use.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReadRow {
    /// `None` for a value that is not a time here, such as `infinity`.
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) event_type: String,
    /// Hyphenated, in lower case.
    pub(crate) booking_id: Option<String>,
    /// JSON text.
    pub(crate) context: Option<String>,
}

/// A value that a report can go on without: `None` if it is null or no UTF-8.
pub(super) struct Text(Option<String>);

impl Text {
    fn of(bytes: &[u8]) -> Self {
        Self(str::from_utf8(bytes).ok().map(str::to_owned))
    }
}

/// `created_at`, `event_type`, `booking_id` and `context`.
pub(super) type Columns = (Text, Text, Text, Text);

impl From<Columns> for ReadRow {
    fn from((created_at, event_type, booking_id, context): Columns) -> Self {
        Self {
            created_at: created_at.0.as_deref().and_then(moment),
            event_type: event_type.0.unwrap_or_default(),
            booking_id: booking_id.0,
            context: context.0,
        }
    }
}

/// Reads RFC 3339, and a time without an offset as UTC, as SQLite does.
fn moment(text: &str) -> Option<Timestamp> {
    let in_utc = || Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    text.parse().ok().or_else(in_utc)
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
            if value.is_null() { Ok(Self(None)) } else { Ok(Self::of(value.as_bytes()?)) }
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
            if value.is_null() || value.type_info().name() == "BLOB" {
                return Ok(Self(None));
            }
            Ok(Self::of(<&[u8] as Decode<Sqlite>>::decode(value)?))
        }
    }
}

/// The driver's stream of rows.
pub(super) type Rows<'a> = Pin<Box<dyn Stream<Item = Result<Columns, sqlx::Error>> + Send + 'a>>;

pub(super) async fn next(rows: &mut Rows<'_>) -> Result<Option<Columns>, sqlx::Error> {
    poll_fn(|context| rows.as_mut().poll_next(context)).await.transpose()
}

//! Rows that are read back: the same, to the letter, from every database.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::SystemTime;

use futures_core::Stream;
use jiff::Timestamp;

use super::time;

/// Which rows to read.
#[derive(Clone, Debug)]
pub(crate) struct Selection {
    pub(crate) event_types: Vec<&'static str>,
    /// Rows from this moment on; `None` for all rows.
    pub(crate) since: Option<SystemTime>,
}

impl Selection {
    pub(super) fn since_text(&self) -> Option<String> {
        self.since.and_then(time::microseconds).map(time::text)
    }
}

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

/// `created_at`, `event_type`, `booking_id` and `context`, as text.
pub(super) type Columns = (Option<String>, String, Option<String>, Option<String>);

impl From<Columns> for ReadRow {
    fn from((created_at, event_type, booking_id, context): Columns) -> Self {
        let created_at = created_at.and_then(|text| text.parse().ok());
        Self { created_at, event_type, booking_id, context }
    }
}

/// The driver's stream of rows.
pub(super) type Rows<'a> = Pin<Box<dyn Stream<Item = Result<Columns, sqlx::Error>> + Send + 'a>>;

pub(super) async fn next(rows: &mut Rows<'_>) -> Result<Option<Columns>, sqlx::Error> {
    poll_fn(|context| rows.as_mut().poll_next(context)).await.transpose()
}

//! `Row`: one row, owned, ready to store.

mod encode;
mod json;
mod outcome;

use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

pub(crate) use self::encode::Anchor;
use crate::severity::Severity;

/// One row of the table, as a [`Store`](crate::store::Store) gets it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// A UUIDv7 ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#section-5.7)), fixed before the first try.
    pub id: Uuid,
    /// The moment the span ended, cut to microseconds.
    pub created_at: SystemTime,
    /// The part of the service that the row comes from.
    pub source: Arc<str>,
    /// The type of the row, such as `auto_assign.quote`.
    pub event_type: Arc<str>,
    /// How bad it is.
    pub severity: Severity,
    /// The payload: the text of one JSON object that Postgres accepts as `jsonb`.
    pub context: String,
    /// The field `restaurant_id`, if it is a UUID.
    pub restaurant_id: Option<Uuid>,
    /// The field `booking_id`, if it is a UUID.
    pub booking_id: Option<Uuid>,
}

impl Row {
    /// A row for the tests of a [`Store`](crate::store::Store): with a new id, the severity `info`, an empty context, and
    /// neither restaurant nor booking.
    pub fn new(created_at: SystemTime, source: impl Into<Arc<str>>, event_type: impl Into<Arc<str>>) -> Self {
        Self {
            id: Uuid::now_v7(),
            created_at,
            source: source.into(),
            event_type: event_type.into(),
            severity: Severity::default(),
            context: "{}".to_owned(),
            restaurant_id: None,
            booking_id: None,
        }
    }
}

//! `Row`: one row, owned, ready to store.

pub(crate) mod encode;
mod end_values;
mod json;
mod remedy;

use std::sync::Arc;
use std::time::SystemTime;

use uuid::Uuid;

pub(crate) use self::encode::Anchor;
use crate::severity::Severity;

/// The event type of the rows about losses, which the writer makes by itself.
pub(crate) const LOSS_TYPE: &str = "ledger.loss";
/// The source of these rows.
pub(crate) const LOSS_SOURCE: &str = "tracing-ledger";
/// The keys of their contexts, beside the constants of all rows.
pub(crate) const LOSS_KEYS: [&str; 4] = ["cause", "count", "first", "last"];

/// One row of the table, as a [`Store`](crate::store::Store) gets it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Row {
    /// A UUIDv7 ([RFC 9562](https://www.rfc-editor.org/rfc/rfc9562#section-5.7)), fixed before the first try.
    pub id: Uuid,
    /// The moment at which the span ended or the event happened, cut to microseconds.
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

    /// Moves ids from their columns into the context, under the same names.
    pub(crate) fn move_to_context(&mut self, restaurant_id: bool, booking_id: bool) {
        let restaurant = self.restaurant_id.take_if(|_| restaurant_id);
        let booking = self.booking_id.take_if(|_| booking_id);
        for (key, id) in [("restaurant_id", restaurant), ("booking_id", booking)] {
            let Some((id, rest)) = id.zip(self.context.strip_prefix('{')) else { continue };
            let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
            self.context = format!(r#"{{"{key}":"{id}"{comma}{rest}"#);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_moves_into_the_context() {
        let mut row = Row::new(SystemTime::now(), "test", "test");
        (row.restaurant_id, row.booking_id) = (Some(Uuid::nil()), Some(Uuid::max()));
        row.move_to_context(false, true);
        let booking = r#"{"booking_id":"ffffffff-ffff-ffff-ffff-ffffffffffff"}"#;
        assert_eq!(
            (row.restaurant_id, row.booking_id, row.context.as_str()),
            (Some(Uuid::nil()), None, booking)
        );
        row.move_to_context(true, true);
        let both = r#"{"restaurant_id":"00000000-0000-0000-0000-000000000000","booking_id":"ffffffff-ffff-ffff-ffff-ffffffffffff"}"#;
        assert_eq!((row.restaurant_id, row.context.as_str()), (None, both));
    }
}

//! What the spool's tests share.

use std::time::{Duration, UNIX_EPOCH};

use uuid::Uuid;

use crate::{Event, Severity};

/// The event of that number: small, and unlike any other.
pub(super) fn event(number: u64) -> Event {
    Event {
        id: Uuid::from_u128(number.into()),
        created_at: UNIX_EPOCH + Duration::from_micros(number),
        source: "test".into(),
        event_type: "test.event".into(),
        severity: Severity::Info,
        context: format!(r#"{{"n":{number}}}"#),
        restaurant_id: None,
        booking_id: None,
    }
}

/// An event with something in every column.
pub(super) fn full_event(number: u64) -> Event {
    Event {
        created_at: UNIX_EPOCH + Duration::from_micros(1),
        severity: Severity::Critical,
        context: r#"{"text":"Zoë \"quoted\" \u2603","list":[1,2.5,null]}"#.to_owned(),
        restaurant_id: Some(Uuid::from_u128(1 << 100)),
        booking_id: Some(Uuid::from_u128(u128::MAX)),
        ..event(number)
    }
}

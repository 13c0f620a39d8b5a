//! Times as the databases keep them: microseconds since 1970, or RFC 3339 text.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{Failure, InsertError};
use crate::Row;

/// The event's `created_at`, as far as a database can keep it.
pub(crate) fn created_at(event: &Row) -> Result<Timestamp, InsertError> {
    microseconds(event.created_at).ok_or_else(|| {
        InsertError::new(Failure::Quarantine, "created_at of the event is not within the years -9999 to 9999")
    })
}

/// Cut to microseconds, so that every way of writing the same event gives the same `created_at`.
///
/// `None` outside the years -9999 to 9999.
pub(crate) fn microseconds(time: SystemTime) -> Option<Timestamp> {
    let exact = Timestamp::try_from(time).ok()?;
    Timestamp::from_microsecond(exact.as_microsecond()).ok()
}

/// `2026-01-31T08:00:00.000000Z`: the same width for every year, so that text sorts as time does.
pub(crate) fn text(time: Timestamp) -> String {
    format!("{time:.6}")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn text_has_six_digits_and_a_z() {
        let whole = microseconds(UNIX_EPOCH).map(text);
        assert_eq!(whole.as_deref(), Some("1970-01-01T00:00:00.000000Z"));
        let nanos = microseconds(UNIX_EPOCH + Duration::from_nanos(1_999)).map(text);
        assert_eq!(nanos.as_deref(), Some("1970-01-01T00:00:00.000001Z"));
    }

    #[test]
    fn a_time_before_1970_keeps_its_microseconds() {
        let before = microseconds(UNIX_EPOCH - Duration::from_micros(1)).map(text);
        assert_eq!(before.as_deref(), Some("1969-12-31T23:59:59.999999Z"));
    }
}

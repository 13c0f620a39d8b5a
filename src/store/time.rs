//! Times in the database: microseconds since 1970, or RFC 3339 text.

use std::time::SystemTime;

use jiff::Timestamp;

use super::{Failure, InsertError};
use crate::row::Row;

/// The `created_at` of a row, cut to microseconds.
pub(crate) fn created_at(row: &Row) -> Result<Timestamp, InsertError> {
    microseconds(row.created_at).ok_or_else(|| {
        InsertError::new(
            Failure::Quarantine,
            "created_at of the row is not within the years -9999 to 9999: check the system clock",
        )
    })
}

/// Cuts a time to microseconds, so that every way to store a row gives the same `created_at`.
///
/// `None` outside of the years -9999 to 9999.
pub(crate) fn microseconds(time: SystemTime) -> Option<Timestamp> {
    let exact = Timestamp::try_from(time).ok()?;
    Timestamp::from_microsecond(exact.as_microsecond()).ok()
}

/// `2026-01-31T08:00:00.000000Z`. All texts have the same width, so they sort by time.
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

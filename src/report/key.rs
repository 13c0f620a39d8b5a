//! The values that a report groups rows by, and their texts.

use std::borrow::Cow;

use jiff::Timestamp;

use crate::store::read::shown;

/// Every value of the rows of further groups, where there are too many.
pub(super) const OTHER_GROUPS: &str = "(other groups)";

/// Where a value comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum KeyPlace {
    Hour,
    Day,
    Text(usize),
}

/// Writes an event type and the values that rows are grouped by, in a form that no other values have.
pub(super) fn write_key(
    key: &mut Vec<u8>,
    event_type: &str,
    values: impl Iterator<Item = Option<impl AsRef<str>>>,
) {
    let mut write = |value: Option<&str>| {
        key.extend_from_slice(&value.map_or(usize::MAX, str::len).to_le_bytes());
        key.extend_from_slice(value.unwrap_or_default().as_bytes());
    };
    write(Some(event_type));
    for value in values {
        write(value.as_ref().map(AsRef::as_ref));
    }
}

impl KeyPlace {
    pub(super) fn label<'t>(&self, raw: &'t str) -> Option<Cow<'t, str>> {
        let hours = |hours: i64, format| {
            let moment = Timestamp::from_second(hours.checked_mul(3600)?).ok()?;
            Some(moment.strftime(format).to_string().into())
        };
        match self {
            Self::Hour | Self::Day if raw == OTHER_GROUPS => Some(raw.into()),
            Self::Text(_) => shown(raw),
            Self::Hour => hours(raw.parse().ok()?, "%Y-%m-%dT%H:00Z"),
            Self::Day => hours(raw.parse::<i64>().ok()?.checked_mul(24)?, "%Y-%m-%d"),
        }
    }
}

pub(super) fn hours(moment: Timestamp) -> i64 {
    moment.as_second().div_euclid(3600)
}

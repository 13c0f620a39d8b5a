//! A point in time, given as such or as a length of time before now.

use std::str::FromStr;
use std::time::SystemTime;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Since(pub(crate) SystemTime);

impl FromStr for Since {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment = text.parse().ok().or_else(|| in_utc(text)).or_else(|| before(Timestamp::now(), text));
        let why = if text.starts_with('-') {
            "a length of time counts back from now and has no sign, such as 7d"
        } else {
            "use a time such as 2026-01-31T08:00:00Z, a day such as 2026-01-31, or a length of time such as 90min, 2h or 7d"
        };
        Ok(Self(moment.ok_or(why)?.into()))
    }
}

/// A day, or a time without a zone.
fn in_utc(text: &str) -> Option<Timestamp> {
    Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The moment that lies `length` before `now`. Days have 24 hours; months are refused, as their lengths differ.
fn before(now: Timestamp, length: &str) -> Option<Timestamp> {
    let length: Span = length.parse().ok()?;
    let length: SignedDuration = length.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    if length.is_negative() { None } else { microseconds(now.checked_sub(length).ok()?) }
}

/// Answers name their window in microseconds, and the moment that they name has to give the same answer.
fn microseconds(moment: Timestamp) -> Option<Timestamp> {
    Timestamp::from_microsecond(moment.as_microsecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_parsed() {
        let named: Timestamp = "2026-01-31T08:00:00Z".parse().expect("a time");
        for text in
            ["2026-01-31T08:00:00Z", "2026-01-31T10:00:00+02:00", "2026-01-31T08:00:00", "2026-01-31 08:00"]
        {
            assert_eq!(text.parse(), Ok(Since(named.into())), "{text}");
        }
        let day: Timestamp = "2026-01-31T00:00:00Z".parse().expect("a time");
        assert_eq!("2026-01-31".parse(), Ok(Since(day.into())));
    }

    #[test]
    fn a_length_of_time_counts_back() {
        let now: Timestamp = "2026-01-31T08:00:00Z".parse().expect("a time");
        let ago = |length| before(now, length).map(|moment| moment.to_string());
        assert_eq!(ago("2h").as_deref(), Some("2026-01-31T06:00:00Z"));
        assert_eq!(ago("7d").as_deref(), Some("2026-01-24T08:00:00Z"));
        assert_eq!(ago("1w 30min").as_deref(), Some("2026-01-24T07:30:00Z"));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["yesterday", "-2h", "2h ago", "1mo", "2026-13-01", ""] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}

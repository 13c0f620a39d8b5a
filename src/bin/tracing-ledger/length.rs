//! A length of time in the arguments.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo};

/// The length of a window, up to ten years. Days have 24 hours; months are refused, as their lengths differ.
pub(crate) fn window(text: &str) -> Result<Duration, &'static str> {
    up_to(text, SignedDuration::from_hours(24 * 3660)).ok_or("use a length of time such as 5min, 1h or 7d")
}

/// The length of a window whose rows are kept in memory.
pub(crate) fn short_window(text: &str) -> Result<Duration, &'static str> {
    up_to(text, SignedDuration::from_hours(24)).ok_or("use a length of time from 1s to 24h, such as 5min")
}

fn up_to(text: &str, most: SignedDuration) -> Option<Duration> {
    let length: SignedDuration =
        text.parse::<Span>().ok()?.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    let is_within = length >= SignedDuration::from_secs(1) && length <= most;
    if is_within { Duration::try_from(length).ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_has_a_second_at_least() {
        assert_eq!(window("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(short_window("5min"), Ok(Duration::from_secs(300)));
        for text in ["0s", "-5min", "1mo", "5", "", "25h"] {
            assert!(short_window(text).is_err(), "{text}");
        }
        assert!(window("25h").is_ok() && window("999999d").is_err());
    }
}

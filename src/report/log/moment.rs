//! The time that a line begins with.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The first time in the text, and whether it has a zone. Without one it is taken as UTC.
///
/// The date, the time of day and the zone may be words of their own. A date alone is no time of a call.
pub(super) fn moment(text: &str) -> Option<(Timestamp, bool)> {
    let mut words = text.split_whitespace().map(|word| word.trim_matches(['[', ']']));
    let mut time = words.find(|word| begins_with_date(word))?.replacen('/', "-", 2);
    if time.len() == DATE {
        time.push('T');
        time.push_str(words.next()?);
    }
    let zone = match words.next() {
        Some("UTC" | "GMT") => "Z",
        Some(word) if word.starts_with(['+', '-']) => word,
        _ => "",
    };
    if let Ok(moment) = time.parse().or_else(|_| format!("{time}{zone}").parse()) {
        return Some((moment, true));
    }
    Some((time.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp(), false))
}

/// The length of `2026-01-31`.
const DATE: usize = 10;

fn begins_with_date(word: &str) -> bool {
    let form = b"dddd-dd-dd";
    let is_of = |(byte, form): (&u8, &u8)| match form {
        b'd' => byte.is_ascii_digit(),
        _ => matches!(byte, b'-' | b'/'),
    };
    word.len() >= DATE && word.as_bytes().iter().zip(form).all(is_of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_every_form_is_read_with_its_zone() {
        for (text, utc, has_zone) in [
            ("2026-11-20T10:00:00.123456Z", "2026-11-20T10:00:00.123456Z", true),
            ("web-1 | 2026-11-20T10:00:00+01:00", "2026-11-20T09:00:00Z", true),
            ("2026-11-20 10:00:00.123 +01:00", "2026-11-20T09:00:00.123Z", true),
            ("2026-11-20T10:00:00.123 -0530", "2026-11-20T15:30:00.123Z", true),
            ("2026-11-20 10:00:00 UTC", "2026-11-20T10:00:00Z", true),
            ("[2026-11-20T10:00:00Z - ", "2026-11-20T10:00:00Z", true),
            ("2026-11-20 10:00:00.123", "2026-11-20T10:00:00.123Z", false),
            ("2026/11/20 10:00:00 CET", "2026-11-20T10:00:00Z", false),
        ] {
            let read = moment(text).map(|(moment, has_zone)| (moment.to_string(), has_zone));
            assert_eq!(read, Some((utc.to_owned(), has_zone)), "{text}");
        }
        for text in ["2026-11-20", "2026-11-20 INFO", "10:00:00", "Nov 20 10:00:00", "0.000012s", ""] {
            assert_eq!(moment(text), None, "{text}");
        }
    }
}

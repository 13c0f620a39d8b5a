//! Durations in a unit that suits them, and numbers.

use std::fmt;

use crate::report::grid::NONE;

/// Of shares and changes.
const MOST_DECIMALS: usize = 4;

/// From here on a number is written with an exponent.
const LARGE: f64 = 1e9;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::report) enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
    Minutes,
    Hours,
}

impl Unit {
    /// The unit of one duration. A duration next to the following unit is rounded up to it.
    fn suiting(milliseconds: f64) -> Self {
        match milliseconds.abs() {
            size if size >= 3_597_000.0 => Self::Hours,
            size if size >= 59_950.0 => Self::Minutes,
            size if size >= 999.5 => Self::Seconds,
            size if size >= 0.9995 => Self::Milliseconds,
            _ => Self::Microseconds,
        }
    }

    fn milliseconds(self) -> f64 {
        match self {
            Self::Microseconds => 0.001,
            Self::Milliseconds => 1.0,
            Self::Seconds => 1000.0,
            Self::Minutes => 60_000.0,
            Self::Hours => 3_600_000.0,
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Microseconds => "µs",
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
            Self::Minutes => "min",
            Self::Hours => "h",
        })
    }
}

/// Such as `12.5 ms`.
pub(in crate::report) fn duration(milliseconds: f64) -> String {
    let unit = Unit::suiting(milliseconds);
    format!("{} {unit}", digits(milliseconds / unit.milliseconds()))
}

pub(in crate::report) fn duration_or_none(milliseconds: Option<f64>) -> String {
    milliseconds.map_or(NONE.to_owned(), duration)
}

/// Such as `980 µs to 1.25 ms`, or `11.9 to 13.2 ms`.
pub(in crate::report) fn range((from, to): (f64, f64)) -> String {
    let unit = Unit::suiting(from);
    let low = if unit == Unit::suiting(to) { digits(from / unit.milliseconds()) } else { duration(from) };
    format!("{low} to {}", duration(to))
}

/// Three digits, or as many as a whole number has, up to a billion.
fn digits(number: f64) -> String {
    match number.abs() {
        size if size >= LARGE => format!("{number:.2e}"),
        size if size >= 99.95 => format!("{number:.0}"),
        size if size >= 9.995 => format!("{number:.1}"),
        0.0 => "0".to_owned(),
        size if size >= 0.005 => format!("{number:.2}"),
        _ => "<0.01".to_owned(),
    }
}

/// Such as `1235`, `45.1` or `2.50`: a count in an hour.
pub(in crate::report) fn rate(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), digits)
}

/// Two decimals, and a third for figures that two would show as next to nothing.
pub(in crate::report) fn decimal(value: Option<f64>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(value) if value > 0.0 && value < 0.0005 => "<0.001".to_owned(),
        Some(value) if value > 0.0 && value < 0.0995 => format!("{value:.3}"),
        Some(value) if value.abs() >= LARGE => format!("{value:.2e}"),
        Some(value) => format!("{value:.2}"),
    }
}

/// A share with one decimal, or with as many as tell it from all and from nothing.
pub(in crate::report) fn percent(share: f64) -> String {
    let is_end = |text: &String| share > 0.0 && share < 1.0 && matches!(text.parse(), Ok(0.0 | 100.0));
    first_of(|decimals| format!("{:.decimals$}", share * 100.0), is_end) + "%"
}

/// A change with its sign and one decimal, or with as many as tell it from none.
pub(in crate::report) fn change(number: f64) -> String {
    if number.abs() >= LARGE {
        return if number.is_finite() { format!("{number:+.2e}") } else { ">+1e308".to_owned() };
    }
    let is_none = |text: &String| text.parse() == Ok(0.0);
    let text = first_of(|decimals| format!("{number:+.decimals$}"), is_none);
    if is_none(&text) { "+0.0".to_owned() } else { text }
}

/// The text with the fewest decimals that is none of the others.
fn first_of(text: impl Fn(usize) -> String, is_other: impl Fn(&String) -> bool) -> String {
    (1..=MOST_DECIMALS).map(&text).find(|text| !is_other(text)).unwrap_or_else(|| text(MOST_DECIMALS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearly_all_is_not_all_and_a_small_change_is_not_none() {
        for (share, text) in [
            (1.0, "100.0%"),
            (0.0, "0.0%"),
            (0.98949, "98.9%"),
            (0.9997, "99.97%"),
            (0.999_997, "99.9997%"),
            (0.000_04, "0.004%"),
        ] {
            assert_eq!(percent(share), text);
        }
        for (number, text) in [
            (0.0, "+0.0"),
            (-0.0, "+0.0"),
            (-0.03, "-0.03"),
            (1e-12, "+0.0"),
            (12.34, "+12.3"),
            (1e300, "+1.00e300"),
            (f64::INFINITY, ">+1e308"),
        ] {
            assert_eq!(change(number), text);
        }
    }

    #[test]
    fn each_duration_has_the_unit_that_suits_it() {
        for (milliseconds, text) in [
            (0.0, "0 µs"),
            (0.000_001, "<0.01 µs"),
            (0.0004, "0.40 µs"),
            (0.0123, "12.3 µs"),
            (0.9994, "999 µs"),
            (0.9996, "1.00 ms"),
            (12.5, "12.5 ms"),
            (999.4, "999 ms"),
            (999.6, "1.00 s"),
            (59_900.0, "59.9 s"),
            (59_960.0, "1.00 min"),
            (90_000.0, "1.50 min"),
            (7_200_000.0, "2.00 h"),
            (1e12, "277778 h"),
            (-1e300, "-2.78e293 h"),
            (-12.5, "-12.5 ms"),
        ] {
            assert_eq!(duration(milliseconds), text);
        }
    }

    #[test]
    fn a_range_names_a_common_unit_once() {
        assert_eq!(range((11.94, 13.2)), "11.9 to 13.2 ms");
        assert_eq!(range((0.98, 1.25)), "980 µs to 1.25 ms");
    }
}

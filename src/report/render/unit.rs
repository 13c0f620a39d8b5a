//! Durations in a unit that suits a table.

use std::fmt;

use crate::report::answer::Spread;
use crate::report::grid::NONE;

/// From this many milliseconds on, a table has seconds.
const LONG_MS: f64 = 10_000.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Milliseconds,
    Seconds,
}

impl Unit {
    /// The unit of a table, whose figures compare only if all have the same one.
    pub(super) fn of<'a>(spreads: impl IntoIterator<Item = &'a Spread>) -> Self {
        let is_long = |spread: &Spread| spread.median.is_some_and(|median| median >= LONG_MS);
        if spreads.into_iter().any(is_long) { Self::Seconds } else { Self::Milliseconds }
    }

    pub(super) fn show(self, milliseconds: Option<f64>) -> String {
        decimal(match self {
            Self::Milliseconds => milliseconds,
            Self::Seconds => milliseconds.map(|value| value / 1000.0),
        })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Milliseconds => "ms",
            Self::Seconds => "s",
        })
    }
}

/// Two decimals, and a third for figures that two would show as next to nothing. Durations have three.
pub(in crate::report) fn decimal(value: Option<f64>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(value) if value > 0.0 && value < 0.0005 => "<0.001".to_owned(),
        Some(value) if value > 0.0 && value < 0.0995 => format!("{value:.3}"),
        Some(value) => format!("{value:.2}"),
    }
}

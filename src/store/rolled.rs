//! The figures of whole hours, as they are kept in the tables of a rollup.

/// A place in the table: one hour, event type and group. Times are in microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct RolledCell {
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) event_type: String,
    /// JSON: the value of each key by which the event type is grouped, as it is in the rows.
    pub(crate) groups: String,
    /// How the jobs ended.
    pub(crate) result: Option<String>,
    /// Names the keys that the figures were read from.
    pub(crate) definition: String,
    pub(crate) calls: i64,
    pub(crate) succeeded: i64,
    pub(crate) failed: i64,
    pub(crate) unreadable: i64,
    pub(crate) first: Option<i64>,
    pub(crate) last: Option<i64>,
    /// How many rows have a duration.
    pub(crate) timed: i64,
    pub(crate) duration_sum_ms: Option<f64>,
    pub(crate) duration_max_ms: Option<f64>,
    /// A histogram.
    pub(crate) durations: Vec<u8>,
    /// Durations by the block of their booking.
    pub(crate) units: Vec<u8>,
    /// The other figures, as JSON.
    pub(crate) details: String,
}

/// The state of an hour that was rolled up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HourState {
    /// The rows in the figures.
    pub(crate) rows: i64,
    /// The rows that the table of the ledger had when it was last looked at.
    pub(crate) live: i64,
}

/// The calls of one event type in the figures of an hour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HourTotal {
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) event_type: String,
    pub(crate) calls: i64,
    /// The first and the last row, in microseconds since 1970.
    pub(crate) ends: Option<(i64, i64)>,
}

/// The change that a rollup makes to an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HourChange {
    /// Hours since 1970.
    pub(crate) hour: i64,
    pub(crate) state: HourState,
    pub(crate) figures: FiguresChange,
}

/// The change of the figures of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FiguresChange {
    /// They stay, because rows that they count are gone.
    Keep,
    /// New ones take their place.
    Replace,
    /// Those of late rows are added.
    Add,
}

/// The hours that are rolled up, including those without rows between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    /// The first hour, in hours since 1970.
    pub(crate) from: i64,
    /// The hour after the last one.
    pub(crate) until: i64,
    /// The last run, in microseconds since 1970.
    pub(crate) at: i64,
}

/// How the figures of an hour were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Making {
    /// The keys of `--by`, with commas between them.
    pub(crate) keys: String,
    /// Names the rules and the form of the figures.
    pub(crate) definition: String,
}

//! The rows that the writer has made of one callsite, and the fields that were recorded in them.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use super::{Destination, Plan, RowPlan};
use crate::rules::model::{Pattern, SeverityRule};

/// The number of rows without a value after which a field counts as never recorded.
const ENOUGH: u8 = 10;
/// The same at the end of the program, which may be a short one.
const ENOUGH_AT_END: u8 = 3;

/// Written by the writer alone, and seldom: the hot path reads what is beside it in memory.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Up to [`ENOUGH`].
    rows: AtomicU8,
    /// A bit for each of the first 64 fields that was recorded.
    fields: AtomicU64,
}

impl Made {
    pub(super) fn is_any(&self) -> bool {
        self.rows.load(Ordering::Relaxed) > 0
    }

    /// Whether some row had the field.
    pub(super) fn has(&self, field: usize) -> bool {
        bit(field).is_some_and(|bit| self.fields.load(Ordering::Relaxed) & bit != 0)
    }

    fn add(&self, fields: u64) {
        let rows = self.rows.load(Ordering::Relaxed);
        if rows < ENOUGH {
            self.rows.store(rows + 1, Ordering::Relaxed);
        }
        let known = self.fields.load(Ordering::Relaxed);
        if known | fields != known {
            self.fields.store(known | fields, Ordering::Relaxed);
        }
    }

    fn lacks(&self, field: usize, enough: u8) -> bool {
        self.rows.load(Ordering::Relaxed) >= enough
            && bit(field).is_some_and(|bit| self.fields.load(Ordering::Relaxed) & bit == 0)
    }
}

/// The bit of a field, which only the first 64 have.
fn bit(field: usize) -> Option<u64> {
    u32::try_from(field).ok().and_then(|field| 1_u64.checked_shl(field))
}

impl Plan {
    /// Notes that the writer has made a row with these fields. If the record was cut, some may be missing.
    pub(crate) fn made_row(&self, fields: impl Iterator<Item = usize>, is_cut: bool) {
        self.made.add(if is_cut { u64::MAX } else { fields.filter_map(bit).fold(0, |all, bit| all | bit) });
    }

    /// Whether there were calls enough, and none has recorded the field.
    pub(crate) fn never_records(&self, field: usize) -> bool {
        self.made.lacks(field, ENOUGH)
    }

    /// At the end: the fields that the span declares, that no call has recorded, and that are likely meant to have a value.
    pub(crate) fn unrecorded(&self) -> Vec<&'static str> {
        let Some(row) = self.row().filter(|row| row.is_span && row.is_of_user()) else { return Vec::new() };
        let fields = self.meta.fields().iter();
        let unrecorded = fields.filter(|field| {
            self.made.lacks(field.index(), ENOUGH_AT_END)
                && self.redacts(field.index()).is_none()
                && row.expects(field.index(), field.name())
        });
        unrecorded.map(|field| field.name()).collect()
    }
}

impl RowPlan {
    /// Whether the rule is of the user, or the span asks for its row. The contract of the other rules says which fields may
    /// stay empty.
    fn is_of_user(&self) -> bool {
        self.names.is_some() || !self.rule.is_builtin()
    }

    /// Whether nothing explains an empty field: the outcome has few values, others come from elsewhere, and names with dots
    /// are those of OpenTelemetry, which are filled where they apply.
    fn expects(&self, field: usize, name: &str) -> bool {
        let is_plain =
            matches!(self.fields.get(field), Some(Destination::Context(_) | Destination::Time { .. }));
        let is_severity = matches!(&self.rule.severity, SeverityRule::Field { field, .. } if field == name);
        let comes_otherwise =
            self.rule.inherit.iter().any(|inherited| Pattern(inherited.to_string()).matches(name))
                || self.rule.taken().any(|taken| taken == name);
        is_plain
            && !name.contains('.')
            && !is_severity
            && name != &*self.rule.success.field
            && !comes_otherwise
    }
}

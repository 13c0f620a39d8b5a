//! Columns that are filled from keys, and callsites that have none of these keys.

use tracing::Metadata;

use super::{Destination, Plans, RowPlan};
use crate::columns::ColumnMap;

/// A column, and the key that is to fill it.
pub(super) type ColumnAndKey = (String, String);

impl Plans {
    /// Sets the columns that rows fill from keys.
    pub(crate) fn filling(mut self, columns: &ColumnMap) -> Self {
        self.filled = columns.own().map(|(key, column)| (column.to_owned(), key.to_owned())).collect();
        self
    }

    /// The columns whose key no row so far can have, each with that key; and all keys of rows so far.
    pub(crate) fn unfilled(
        &self,
        callsites: &[&'static Metadata<'static>],
    ) -> (Vec<&ColumnAndKey>, Vec<String>) {
        let plans = callsites.iter().filter_map(|meta| self.get(meta)).filter(|plan| plan.made.is_any());
        let mut keys: Vec<_> = plans.filter_map(|plan| plan.row()).flat_map(RowPlan::keys).collect();
        keys.extend(self.rules.constants().iter().map(|(key, _)| key.clone()));
        let unfilled = self.filled.iter().filter(|(_, key)| !keys.contains(key)).collect();
        (unfilled, keys)
    }
}

impl RowPlan {
    /// The keys that rows may have.
    fn keys(&self) -> Vec<String> {
        let inherited = self.inherits.iter().map(|(_, to)| to);
        let of_fields = self.fields.iter().chain(inherited).flat_map(|to| match to {
            Destination::Context(key) | Destination::Error(key) => vec![key.clone()],
            Destination::Time { key, other, .. } => vec![key.clone(), other.clone()],
            _ => Vec::new(),
        });
        of_fields.chain(self.rule.outputs().map(|output| output.key.to_owned())).collect()
    }
}

//! The values that a span gives to the records below it.

use crate::record::{Fields, Record};
use crate::rules::plan::{NameSet, Plans};

/// Values that a span gives to records below it, packed as they are there.
#[derive(Debug, Default)]
pub(super) struct Inherited {
    /// The inherited names that it was gathered for; empty if the values may be old.
    pub(super) wanted: NameSet,
    /// Those of them that the span has no value for.
    pub(super) missing: NameSet,
    pub(super) fields: Fields,
}

impl Inherited {
    /// Gathers the values of these names from a span's record.
    pub(super) fn gather(&mut self, wanted: NameSet, from: &Record, plans: &Plans) {
        self.wanted = wanted;
        self.missing = wanted;
        self.fields.clear();
        let plan = from.head.plan;
        let missing = &mut self.missing;
        let mut is_missing = |index: u8| {
            let before = *missing;
            *missing &= !(1 << index);
            before != *missing
        };
        self.fields.inherit(&from.fields, |field| {
            let index = plan.inheritable(field).filter(|index| is_missing(*index))?;
            Some((index, plan.redacts(field)))
        });
        let constants = plan.row().into_iter().flat_map(|row| plans.constants(row));
        for (index, value) in constants.filter(|(index, _)| is_missing(*index)) {
            self.fields.inherit_constant(index, value);
        }
    }
}

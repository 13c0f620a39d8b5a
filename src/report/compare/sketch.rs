//! Whether two sides have rows in common: then they are not independent, and their difference means nothing.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::report::hash::hash;
use crate::report::observe::Observation;

/// Sides that have one row in twenty in common are recognised in more than 19 of 20 cases.
const SIZE: usize = 64;

/// The smallest hashes of the rows of a side. Sides with rows in common have some of these in common.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct RowSketch(BTreeSet<u64>);

impl RowSketch {
    /// A row is known by its id and time; one without an id by a time in microseconds and its duration, or not at all.
    pub(super) fn add(&mut self, row: &Observation<'_>, id: Option<&str>) {
        let Some(at) = row.moment().map(|moment| moment.as_microsecond()) else { return };
        if id.is_none() && at % 1000 == 0 {
            return;
        }
        let duration = row.duration_ms().filter(|_| id.is_none()).map_or(0, f64::to_bits);
        let name = id.unwrap_or(row.event_type()).as_bytes();
        self.insert(hash(&[name, &at.to_le_bytes(), &duration.to_le_bytes()].concat()));
    }

    fn insert(&mut self, hash: u64) {
        if self.0.len() < SIZE || self.0.last().is_some_and(|last| hash < *last) {
            self.0.insert(hash);
            if self.0.len() > SIZE {
                self.0.pop_last();
            }
        }
    }

    /// `false` also where rows have no ids and no exact times, and nothing is known.
    pub(super) fn has_rows_of(&self, other: &Self) -> bool {
        !self.0.is_disjoint(&other.0)
    }
}

impl From<RowSketch> for String {
    fn from(sketch: RowSketch) -> Self {
        sketch.0.iter().map(|hash| format!("{hash:016x}")).collect()
    }
}

impl TryFrom<String> for RowSketch {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let each = text.as_bytes().chunks(16).map(|digits| {
            let digits = std::str::from_utf8(digits).ok()?;
            u64::from_str_radix(digits, 16).ok()
        });
        let hashes: Option<_> = each.collect();
        hashes.map(Self).ok_or("a sketch of rows has other signs than hexadecimal digits")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(ids: std::ops::Range<u32>) -> RowSketch {
        let mut sketch = RowSketch::default();
        ids.for_each(|id| sketch.insert(hash(format!("018f-{id:08}").as_bytes())));
        sketch
    }

    #[test]
    fn rows_in_common_are_recognised() {
        assert!(of(0..100_000).has_rows_of(&of(90_000..190_000)));
        assert!(of(0..20).has_rows_of(&of(19..40)));
        assert!(!of(0..100_000).has_rows_of(&of(100_000..200_000)));
        assert!(!of(0..20).has_rows_of(&RowSketch::default()));
    }

    #[test]
    fn a_file_keeps_the_sketch() {
        let sketch = of(0..1000);
        let text = String::from(sketch.clone());
        assert_eq!((text.len(), RowSketch::try_from(text)), (16 * SIZE, Ok(sketch)));
        assert!(RowSketch::try_from("x".to_owned()).is_err());
        // The test vector of FNV-1a for "a", then the steps of splitmix64.
        assert_eq!(hash(b"a"), 0x02c0_bdbf_4814_20f8);
    }
}

//! The search of a record through the spans around it: for fields to inherit, and for a span that counts it.

use std::sync::Arc;
use std::time::Instant;

use super::span::{OpenSpan, tally};
use crate::record::{Fields, Record};
use crate::rules::plan::{NameSet, Plans, RowPlan, is_same_kind};

/// The things that a record still misses, on the way outwards through the spans around it.
pub(super) struct Missing {
    row: &'static RowPlan,
    /// Inherited names that no span has given yet.
    names: NameSet,
    /// It is a call that no enclosing span has counted yet.
    is_uncounted: bool,
    /// The nanoseconds that the call adds to the total of its kind. A call within a call of the same kind adds none,
    /// because the outer one includes it.
    time: u64,
    /// When the call ended: its span may close later, when its last handle is dropped.
    ended: Instant,
}

impl Missing {
    #[inline]
    pub(super) fn of(record: &Record, row: &'static RowPlan) -> Self {
        let plan = record.head.plan;
        let mut names = row.wants;
        if names & plan.inheritable_names != 0 {
            let own = record.fields.own_indices().filter_map(|field| plan.inheritable(field));
            names = own.fold(names, |names, index| names & !(1 << index));
        }
        let is_uncounted = row.is_span && row.is_collected;
        let time = if is_uncounted { record.head.duration().as_nanos() as u64 } else { 0 };
        Self { row, names, is_uncounted, time, ended: record.head.ended }
    }

    #[inline]
    pub(super) fn is_nothing(&self) -> bool {
        self.names == 0 && !self.is_uncounted
    }

    pub(super) fn take_from(&mut self, outer: &mut OpenSpan, plans: &Plans, given: &mut Fields) {
        let plan = outer.record.head.plan;
        if let Some(outer_row) = plan.row() {
            if self.is_uncounted {
                self.is_uncounted = !self.count_in(outer, &outer_row.collects);
            }
            if is_same_kind(&outer_row.event_type, &self.row.event_type) {
                self.time = 0;
            }
        } else if !self.row.rule.inherits_from(plan.meta.name()) {
            return;
        }
        if self.names != 0 {
            let inherited = outer.inherited(self.names, plans);
            given.merge(&inherited.fields);
            self.names = inherited.missing;
        }
    }

    /// Counts the call in the outer span. Returns whether that span collects calls of this kind.
    #[inline]
    fn count_in(&self, outer: &mut OpenSpan, collects: &[Arc<str>]) -> bool {
        let Some(children) = &mut outer.children else { return false };
        let Record { head, tallies, .. } = &mut outer.record;
        // The outer span has already copied its tallies: add a call that ended before that but closes now.
        if self.ended <= head.ended {
            tally(tallies, collects, &self.row.event_type, self.time);
        }
        tally(&mut children.tallies, collects, &self.row.event_type, self.time)
    }
}

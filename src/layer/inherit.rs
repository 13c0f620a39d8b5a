//! What a record needs of the spans around it: inherited fields, and to be counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::span::tally;
use crate::layer::spans::{Inherited, OpenSpan};
use crate::record::{Fields, Record};
use crate::rules::plan::{NameSet, Plans, RowPlan, is_same_kind};

/// What a record still lacks, on the way outwards through the spans around it.
pub(super) struct Lacks {
    row: &'static RowPlan,
    /// Inherited names that no span has given yet.
    names: NameSet,
    /// It is a call that no enclosing span has counted yet.
    is_uncounted: bool,
    /// Its share of the time within its kind: none for a call within a call of its own kind.
    time: Duration,
    /// When the call ended: its span may close later, when the last to hold it lets go.
    ended: Instant,
}

impl Lacks {
    pub(super) fn of(record: &Record, row: &'static RowPlan) -> Self {
        let plan = record.head.plan;
        let mut names = row.wants;
        if names & plan.may_give != 0 {
            let own = record.fields.own_indices().filter_map(|field| plan.gives(field));
            names = own.fold(names, |names, index| names & !(1 << index));
        }
        let is_uncounted = row.is_span && row.is_collected;
        Self { row, names, is_uncounted, time: record.head.duration(), ended: record.head.ended }
    }

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
                self.time = Duration::ZERO;
            }
        } else if !self.row.rule.inherits_from(plan.meta.name()) {
            return;
        }
        if self.names != 0 {
            let gift = outer.gift(self.names, plans);
            given.merge(&gift.fields);
            self.names = gift.left;
        }
    }

    /// Says whether the outer span collects calls of this kind.
    fn count_in(&self, outer: &mut OpenSpan, collects: &[Arc<str>]) -> bool {
        let Some(within) = &mut outer.within else { return false };
        let Record { head, tallies, .. } = &mut outer.record;
        // What was told at the outer span's exit lacks a call that had ended by then, and closes only now.
        if self.ended <= head.ended {
            tally(tallies, collects, &self.row.event_type, self.time);
        }
        tally(&mut within.tallies, collects, &self.row.event_type, self.time)
    }
}

impl OpenSpan {
    /// What it gives to a span below that lacks these names. The next to ask is likely one of the same kind, so that it is
    /// kept until the span has other fields.
    fn gift(&mut self, lacking: NameSet, plans: &Plans) -> &Inherited {
        let Self { record, gift, .. } = self;
        let gift = gift.get_or_insert_default();
        if gift.lacking != lacking {
            gift.lacking = lacking;
            gift.left = lacking;
            gift.fields.clear();
            gift.gather(record, plans);
        }
        gift
    }
}

impl Inherited {
    fn gather(&mut self, from: &Record, plans: &Plans) {
        let plan = from.head.plan;
        let left = &mut self.left;
        let mut is_left = |index: u8| {
            let was = *left;
            *left &= !(1 << index);
            was != *left
        };
        self.fields.inherit(&from.fields, |field| {
            let index = plan.gives(field).filter(|index| is_left(*index))?;
            Some((index, plan.redacts(field)))
        });
        let constants = plan.row().into_iter().flat_map(|row| plans.constants(row));
        for (index, value) in constants.filter(|(index, _)| is_left(*index)) {
            self.fields.inherit_constant(index, value);
        }
    }
}

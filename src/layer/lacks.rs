//! What a record needs of the spans around it: inherited fields, and to be counted.

use std::time::{Duration, Instant};

use super::exit::tally;
use crate::open::Open;
use crate::record::{Fields, Record};
use crate::rules::model::Collect;
use crate::rules::plan::{Carried, Plan, Plans, Row};

/// What a record still lacks, on the way outwards through the spans around it.
pub(super) struct Lacks {
    row: &'static Row,
    /// Inherited names that no span has given yet.
    names: Carried,
    /// It is a call that no enclosing span has counted yet.
    is_uncounted: bool,
    /// Its share of the time within its kind: none for a call within a call of its own kind.
    time: Duration,
    /// When the call ended: its span may close later, when the last to hold it lets go.
    ended: Instant,
}

impl Lacks {
    pub(super) fn of(record: &Record, row: &'static Row) -> Self {
        let plan = record.head.plan;
        let own = record.fields.own_indices().filter_map(|field| plan.gives(field));
        let names = own.fold(row.wants, |names, index| names & !(1 << index));
        let is_uncounted = row.is_span && row.is_collected;
        Self { row, names, is_uncounted, time: record.head.duration(), ended: record.head.ended }
    }

    pub(super) fn is_nothing(&self) -> bool {
        self.names == 0 && !self.is_uncounted
    }

    pub(super) fn take_from(&mut self, outer: &mut Open, plans: &Plans, given: &mut Fields) {
        let plan = outer.record.head.plan;
        let Some(outer_row) = plan.row() else {
            if self.row.rule.inherits_from(plan.meta.name()) {
                self.inherit(plan, &outer.record.fields, given);
            }
            return;
        };
        if self.is_uncounted {
            self.is_uncounted = !self.count_in(outer, &outer_row.rule.collect);
        }
        if outer_row.event_type == self.row.event_type {
            self.time = Duration::ZERO;
        }
        self.inherit(plan, &outer.record.fields, given);
        for (index, value) in plans.constants(outer_row) {
            if self.names & (1 << index) != 0 {
                self.names &= !(1 << index);
                given.inherit_constant(index, value);
            }
        }
    }

    /// Says whether the outer span collects calls of this kind.
    pub(super) fn count_in(&self, outer: &mut Open, collects: &[Collect]) -> bool {
        let Some(within) = &mut outer.within else { return false };
        let head = &mut outer.record.head;
        // What was told at the outer span's exit lacks a call that had ended by then, and closes only now.
        if self.ended <= head.ended {
            tally(&mut head.tallies, collects, &self.row.event_type, self.time);
        }
        tally(&mut within.tallies, collects, &self.row.event_type, self.time)
    }

    pub(super) fn inherit(&mut self, plan: &Plan, fields: &Fields, given: &mut Fields) {
        given.inherit(fields, |field| {
            let index = plan.gives(field).filter(|index| self.names & (1 << index) != 0)?;
            self.names &= !(1 << index);
            Some((index, plan.redacts(field)))
        });
    }
}

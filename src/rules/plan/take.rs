//! Fields that the row of a span takes from events within it.

use std::sync::Arc;

use tracing::Metadata;

use super::matching::covers;
use super::{Destination, RowPlan};
use crate::rules::model::{RuleSpec, Success, SuccessTest, Take, TakeFrom};

/// A rule that takes fields of one event.
#[derive(Debug)]
pub(super) struct Taker {
    pub(super) rule: Arc<RuleSpec>,
    /// By field index: the place of the field among those that the rule takes.
    pub(super) fields: Vec<Option<usize>>,
}

/// The rules that take fields of this event.
pub(super) fn takers(rules: &[Arc<RuleSpec>], meta: &Metadata<'_>) -> Vec<Taker> {
    if meta.is_span() {
        return Vec::new();
    }
    let taker = |rule: &Arc<RuleSpec>| {
        let takes: Vec<_> = rule.takes.iter().filter(|take| take.names(meta)).collect();
        let place = |field: &str| {
            let is_wanted = takes.iter().any(|take| take.fields.iter().any(|name| name == field));
            is_wanted.then(|| rule.taken().position(|name| name == field)).flatten()
        };
        let fields: Vec<_> = meta.fields().iter().map(|field| place(field.name())).collect();
        fields.iter().any(Option::is_some).then(|| Taker { rule: Arc::clone(rule), fields })
    };
    rules.iter().filter_map(taker).collect()
}

/// The names of all slots of a record, and the slots of the fields that the rule takes. A taken field that the callsite
/// declares too has the slot of the declared one.
pub(super) fn slots<'a>(rule: &'a RuleSpec, meta: &Metadata<'a>) -> (Vec<&'a str>, Vec<u16>) {
    let mut names: Vec<_> = meta.fields().iter().map(|field| field.name()).collect();
    let slot = |name: &'a str| {
        let at = names.iter().position(|other| *other == name).unwrap_or_else(|| {
            names.push(name);
            names.len() - 1
        });
        u16::try_from(at).unwrap_or(u16::MAX)
    };
    let taken = rule.taken().map(slot).collect();
    (names, taken)
}

impl Take {
    /// Whether the rule takes fields of this event.
    pub(crate) fn names(&self, meta: &Metadata<'_>) -> bool {
        match &self.from {
            TakeFrom::Event(name) => name.matches(meta.name()),
            TakeFrom::Target(target) => covers(target, meta.target()),
        }
    }
}

impl RowPlan {
    /// The slot of a field, declared or taken.
    pub(crate) fn slot_of(&self, field: &str, meta: &Metadata<'_>) -> Option<usize> {
        let declared = || meta.fields().field(field).map(|field| field.index());
        let taken = || {
            self.taken.get(self.rule.taken().position(|name| name == field)?).map(|slot| usize::from(*slot))
        };
        declared().or_else(taken)
    }

    /// The field that the success is read from, and the kind of its values.
    pub(crate) fn success_field<'a>(&'a self, meta: &Metadata<'a>) -> (&'a str, &'static str) {
        let Success { field, test } = &self.rule.success;
        let is_success = |to: &Destination| *to == Destination::Success;
        let read = || slots(&self.rule, meta).0.get(self.fields.iter().position(is_success)?).copied();
        match test {
            SuccessTest::Within(_) => (field, "number"),
            SuccessTest::Equals(_) => (field, "value to compare"),
            SuccessTest::Bool | SuccessTest::ReturnMatches(_) => (read().unwrap_or(field), "bool"),
        }
    }

    /// Whether the record has the value of a field that only events give.
    pub(crate) fn is_taken(&self, slot: usize, meta: &Metadata<'_>) -> bool {
        slot >= meta.fields().len()
    }
}

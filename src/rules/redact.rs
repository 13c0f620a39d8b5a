//! How the values of one callsite are redacted, worked out once from its rule.

use super::model::{Redact, RuleSpec};

/// How the records of one callsite are redacted.
#[derive(Debug)]
pub(crate) struct Redaction {
    /// By slot.
    pub(crate) fields: Vec<Option<Redact>>,
    /// By place in the list of inherited names.
    pub(crate) inherited: Vec<(u8, Redact)>,
    /// The text of an error or panic.
    pub(crate) error: Option<Redact>,
}

impl Redaction {
    /// `None` when the rule redacts nothing. `names` are those of the slots, and `inherited` are the inherited names with their places.
    pub(super) fn of<'a>(
        rule: &RuleSpec,
        names: &[&str],
        inherited: impl Iterator<Item = (u8, &'a str)>,
    ) -> Option<Self> {
        (!rule.redact.is_empty()).then(|| Self {
            fields: names.iter().map(|name| rule.redacts(name)).collect(),
            inherited: inherited.filter_map(|(at, name)| Some((at, rule.redacts(name)?))).collect(),
            error: rule.redacts_error(),
        })
    }

    /// How the values of the field with this index are redacted.
    pub(crate) fn field(&self, index: usize) -> Option<Redact> {
        self.fields.get(index).copied().flatten()
    }

    /// How an inherited value is redacted, by its place in the list of inherited names.
    pub(crate) fn inherited(&self, place: usize) -> Option<Redact> {
        self.inherited.iter().find(|(at, _)| usize::from(*at) == place).map(|(_, redact)| *redact)
    }
}

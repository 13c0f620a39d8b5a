//! The keys that a rule writes into `context`.

use super::model::{ID_KEYS, RuleSpec, SuccessTest};

/// A key that a rule writes.
pub(super) struct Output<'a> {
    /// The setting that makes the rule write it.
    pub(super) setting: &'static str,
    pub(super) key: &'a str,
    pub(super) role: Role,
}

/// Where the value comes from, which decides who may share a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The layer makes it.
    Made,
    /// The layer makes it from a field that may have the same name.
    Read,
    /// A renamed field.
    Field,
    /// An enclosing span, unless the span has such a field.
    Inherited,
    /// The rule, unless the span has such a field.
    Default,
}

impl Role {
    /// Whether the layer writes the value.
    pub(super) fn is_made(self) -> bool {
        matches!(self, Self::Made | Self::Read)
    }
}

impl Output<'_> {
    /// Whether only one of both may be in a rule.
    pub(super) fn clashes_with(&self, other: &Self) -> bool {
        let clash = match (self.role, other.role) {
            (Role::Inherited, Role::Read) | (Role::Read, Role::Inherited) => false,
            (Role::Field, Role::Field) | (Role::Default, Role::Default) => true,
            (one, other) => one.is_made() || other.is_made(),
        };
        clash && self.key == other.key
    }
}

fn of_ids(key: &str) -> Output<'_> {
    Output { setting: "ids", key, role: Role::Made }
}

impl RuleSpec {
    /// The measured values that are read from a field: setting, key and field.
    pub(super) fn reads(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        // A comparison leaves its field in the context.
        let success = self.keys.success.as_ref().filter(|_| self.success.test == SuccessTest::Bool);
        let read = [
            ("success", success, self.success.field.as_str()),
            ("reason", self.keys.reason.as_ref(), &self.reason_field),
            ("result", self.keys.result.as_ref(), "result"),
        ];
        read.into_iter().filter_map(|(setting, key, field)| Some((setting, key?.as_str(), field)))
    }

    /// The keys that the rule writes into `context`.
    pub(super) fn outputs(&self) -> impl Iterator<Item = Output<'_>> {
        let keys = &self.keys;
        let measured = [
            ("duration", &keys.duration, if self.duration_field.is_some() { Role::Read } else { Role::Made }),
            ("success", &keys.success, Role::Read),
            ("reason", &keys.reason, Role::Read),
            ("reason_code", &keys.reason_code, Role::Made),
            ("reason_category", &keys.reason_category, Role::Made),
            ("outcome", &keys.outcome, Role::Made),
            ("error", &keys.error, Role::Made),
            ("result", &keys.result, Role::Read),
        ];
        measured
            .into_iter()
            .filter_map(|(setting, key, role)| Some((setting, key.as_ref()?, role)))
            .chain(self.nest.iter().map(|nest| ("nest", &nest.key, Role::Made)))
            .chain(self.collect.iter().map(|collect| ("collect", &collect.key, Role::Made)))
            .chain(self.rename.iter().map(|(_, key)| ("rename", key, Role::Field)))
            .chain(self.times.iter().map(|(_, key)| ("times", key, Role::Field)))
            .chain(self.inherit.iter().map(|field| ("inherit", field, Role::Inherited)))
            .chain(self.number_within.iter().map(|(_, key)| ("number_within", key, Role::Default)))
            .chain(self.set.iter().map(|(key, _)| ("set", key, Role::Default)))
            .map(|(setting, key, role)| Output { setting, key, role })
            .chain(self.ids.then_some(ID_KEYS).into_iter().flatten().map(of_ids))
    }

    /// Whether the layer writes a value of its own under this key.
    pub(super) fn makes(&self, key: &str) -> bool {
        self.outputs().any(|output| output.role.is_made() && output.key == key)
    }
}

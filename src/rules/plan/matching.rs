//! Which callsites a rule names, and where it puts the values of their fields.

use std::time::Duration;

use tracing::Metadata;

use super::Destination;
use crate::rules::model::{ANNOTATIONS, MAX_NAME_BYTES, Match, MatchKind, Pattern, RuleSpec};

impl Match {
    pub(crate) fn names(&self, meta: &Metadata<'_>) -> bool {
        let kind = if meta.is_span() { MatchKind::Span } else { MatchKind::Event };
        self.kind == kind
            && self.admits(meta.target())
            && self.names.iter().any(|pattern| pattern.matches(meta.name()))
            && self.target.as_ref().is_none_or(|target| covers(target, meta.target()))
            && self.level.is_none_or(|level| *meta.level() <= level)
            && self.has_fields(meta)
    }

    /// Whether the callsite declares all the fields that the rule asks for.
    pub(crate) fn has_fields(&self, meta: &Metadata<'_>) -> bool {
        self.fields.iter().all(|name| meta.fields().field(name).is_some())
    }

    /// Whether callsites of this target are ones that the rule may name.
    fn admits(&self, target: &str) -> bool {
        !is_own(target)
            || target == QUERIES && self.target.as_ref().is_some_and(|pattern| pattern.0 == QUERIES)
    }
}

/// The target of sqlx's events about queries. A rule that gives this very target may make rows of them: the connections
/// of the ledger log no statement, so that only queries of the application come.
const QUERIES: &str = "sqlx::query";

/// Whether no rule may name callsites of this target.
pub(super) fn is_barred(target: &str) -> bool {
    is_own(target) && target != QUERIES
}

/// Whether a row of this target could cause another one: sqlx emits events while it stores rows, on threads of its own
/// too.
pub(super) fn is_own(target: &str) -> bool {
    const PACKAGES: [&str; 6] =
        ["tracing_ledger", "sqlx", "sqlx_core", "sqlx_postgres", "sqlx_sqlite", "sqlx_mysql"];
    PACKAGES.contains(&target.split("::").next().unwrap_or(target))
}

/// A target names itself and every module below it, as in `EnvFilter`.
pub(super) fn covers(pattern: &Pattern, target: &str) -> bool {
    let mut part = target;
    loop {
        if pattern.matches(part) {
            return true;
        }
        match part.rsplit_once("::") {
            Some((above, _)) => part = above,
            None => return false,
        }
    }
}

impl RuleSpec {
    pub(super) fn destination(&self, name: &str, meta: &Metadata<'_>) -> Destination {
        self.destination_among(name, meta.is_span(), |other| meta.fields().field(other).is_some())
    }

    /// The place of this field's value in the row; `has` tells whether the span or event has another field.
    pub(crate) fn destination_among(
        &self,
        name: &str,
        is_span: bool,
        has: impl Fn(&str) -> bool,
    ) -> Destination {
        if self.is_name(name) && !self.rename.iter().any(|(from, _)| from == name) {
            return Destination::Name;
        }
        if let Some((key, unit)) = self.time(name) {
            return Destination::Time { key: key.clone(), unit, other: self.key_of(name) };
        }
        if is_span && self.success.is_compared() && name == self.success.field {
            // The field a comparison reads stays in the context: a status is worth more than its verdict.
            return Destination::Context(self.key_of(name));
        }
        if is_span && name == "error" && self.keys.error.as_deref() == Some(name) {
            return Destination::Error(self.key_of(name));
        }
        // The field may also be called by its key, unless the span has one by the input name too.
        let by_key = |key, input| name == key && !has(input);
        let mut reads = self.reads().filter(|_| is_span);
        match reads.find(|(_, key, input)| name == *input || by_key(*key, *input)) {
            Some(("success", ..)) => return Destination::Success,
            Some(("reason", ..)) => return Destination::Reason,
            Some(_) => return Destination::Result,
            None => {}
        }
        for (index, nest) in self.nest.iter().enumerate() {
            if let Some(rest) =
                name.strip_prefix(nest.prefix.as_str()).and_then(|rest| rest.strip_prefix('.'))
            {
                let key = nest.keys.iter().find(|(from, _)| from == rest).map_or(cut(rest), |(_, to)| to);
                return Destination::Nested(index, key.to_owned());
            }
        }
        Destination::Context(self.key_of(name))
    }

    /// The key and unit of a field that is a time.
    fn time(&self, name: &str) -> Option<(&String, Duration)> {
        let of_event = self.duration_field.as_ref().filter(|(field, _)| field == name);
        let of_event = of_event.and_then(|(_, unit)| Some((self.keys.duration.as_ref()?, *unit)));
        of_event.or_else(|| {
            let (_, key) = self.times.iter().find(|(field, _)| field == name)?;
            Some((key, Duration::from_millis(1)))
        })
    }

    /// Whether the field names a column of the row.
    fn is_name(&self, field: &str) -> bool {
        let read = [&self.event_type_field, &self.source_field].into_iter().flatten();
        ANNOTATIONS.contains(&field) || read.into_iter().any(|name| name == field)
    }

    /// The key of a field: its new name, or its own, cut to the length of a key. A key that the layer writes itself is
    /// taken, so a field of that name has the key `field.NAME`.
    fn key_of(&self, name: &str) -> String {
        match self.rename.iter().find(|(from, _)| from == name) {
            Some((_, to)) => to.clone(),
            None if self.makes(cut(name)) => format!("field.{}", cut(name)),
            None => cut(name).to_owned(),
        }
    }

    pub(crate) fn inherits_from(&self, span: &str) -> bool {
        self.inherit_from.iter().any(|pattern| pattern.matches(span))
    }
}

/// A name cut to [`MAX_NAME_BYTES`] at a character.
pub(super) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_BYTES)]
}

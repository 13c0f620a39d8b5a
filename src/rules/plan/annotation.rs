//! Callsites that ask for their row by fields such as `ledger.event`, and rules that read none of these.

use tracing::Metadata;

use super::Plans;
use super::matching::is_barred;
use crate::rules::Rules;
use crate::rules::model::{ANNOTATIONS, MatchKind, RuleSpec, SeverityRule};

/// The settings that read [`ANNOTATIONS`], in the same order.
const SETTINGS: [&str; 3] = ["event_type", "source", "severity"];

impl Plans {
    /// Whether the callsite asks for a row by a field that no rule reads, because the built-in rules are off.
    pub(crate) fn ignores_annotation(&self, meta: &Metadata<'_>) -> bool {
        meta.fields().field(ANNOTATIONS[0]).is_some()
            && !is_barred(meta.target())
            && self.rule_of(meta).is_none()
    }

    /// Whether a span of any name becomes a row by its field `ledger.event`.
    pub(crate) fn reads_annotations(&self) -> bool {
        self.rules.list.iter().any(|rule| rule.is_of_annotations() && rule.matches.kind == MatchKind::Span)
    }

    /// The annotations that calls of the callsite have given and that its rule does not read. `ledger.event = false` is none of
    /// them, because such a call has no row.
    pub(crate) fn unread_annotations(&self, meta: &Metadata<'_>) -> Vec<&'static str> {
        let Some((plan, row)) = self.get(meta).and_then(|plan| Some((plan, plan.row()?))) else {
            return Vec::new();
        };
        let is_unread = |name: &&str| {
            let given = meta.fields().field(name).is_some_and(|field| plan.made.has(field.index()));
            given && !row.rule.decides(name) && !row.rule.rename.iter().any(|(from, _)| from == name)
        };
        ANNOTATIONS.into_iter().filter(is_unread).collect()
    }
}

impl Rules {
    /// A text about a rule that names all spans or all events before the built-in rule of `ledger.event` does, and does not
    /// read that field.
    pub(crate) fn overlooks_annotations(&self) -> Option<String> {
        let rules = self.list.iter().enumerate().filter(|(_, rule)| rule.is_of_annotations());
        let mut shadows = rules.filter_map(|(index, rule)| Some((rule.matches.kind, self.shadow_of(index)?)));
        let (kind, earlier) =
            shadows.find(|(_, earlier)| !self.list[*earlier].reads_annotation(ANNOTATIONS[0]))?;
        let (title, kind) = (self.list[earlier].title(earlier), kind.key());
        let remedy = remedy(&ANNOTATIONS);
        Some(format!(
            "{title} names every {kind} before the built-in rules do, and does not read ledger.event: {remedy}"
        ))
    }
}

/// How to make a rule read these annotations.
pub(crate) fn remedy(annotations: &[&str]) -> String {
    let read = ANNOTATIONS.iter().zip(SETTINGS).filter(|(name, _)| annotations.contains(name));
    let settings: Vec<_> =
        read.map(|(name, setting)| format!("{setting} = {{ field = {name:?} }}")).collect();
    format!(
        "write {} in the rule, or in one with fields = [{:?}] before it",
        settings.join(", "),
        annotations.first().unwrap_or(&ANNOTATIONS[0])
    )
}

impl RuleSpec {
    /// Whether this is the built-in rule of spans or of events that declare `ledger.event`.
    pub(crate) fn is_of_annotations(&self) -> bool {
        self.matches.fields == [ANNOTATIONS[0]] && self.is_builtin()
    }

    /// Whether the rule reads this annotation.
    fn reads_annotation(&self, annotation: &str) -> bool {
        [&self.event_type_field, &self.source_field]
            .into_iter()
            .any(|field| field.as_deref() == Some(annotation))
            || matches!(&self.severity, SeverityRule::Field { field, .. } if field == annotation)
    }

    /// Whether the rule reads this annotation, or names its callsites one by one and has decided otherwise.
    fn decides(&self, annotation: &str) -> bool {
        let is_given = match ANNOTATIONS.iter().position(|name| *name == annotation) {
            Some(0) => self.event_type.is_some(),
            Some(1) => self.source.is_some(),
            _ => self.severity != SeverityRule::Natural,
        };
        self.reads_annotation(annotation) || is_given && self.is_exact()
    }
}

//! Fields that name the event type or the source of a row.

use std::sync::Arc;

use once_cell::sync::OnceCell;
use tracing::Metadata;

use super::plans::stored;
use crate::rules::model::{ANNOTATIONS, RuleSpec};

/// The fields of one callsite that name columns of its rows.
#[derive(Debug)]
pub(crate) struct NameFields {
    pub(crate) event_type: Option<NameField>,
    pub(crate) source: Option<NameField>,
}

/// A field of one callsite whose text is a column of the row.
#[derive(Debug)]
pub(crate) struct NameField {
    pub(crate) index: usize,
    /// Most callsites give one name, which their rows then share.
    first: OnceCell<Arc<str>>,
}

impl NameFields {
    /// `None` where the rule names no field that the callsite declares.
    pub(super) fn of(rule: &RuleSpec, meta: &Metadata<'_>) -> Option<Box<Self>> {
        let event_type = NameField::of(rule.event_type_field.as_deref(), meta);
        let source = NameField::of(rule.source_field.as_deref(), meta);
        let has_one = event_type.is_some() || source.is_some();
        has_one.then(|| Box::new(Self { event_type, source }))
    }
}

impl NameField {
    fn of(field: Option<&str>, meta: &Metadata<'_>) -> Option<Self> {
        let index = meta.fields().field(field?)?.index();
        Some(Self { index, first: OnceCell::new() })
    }

    /// This text as the column takes it.
    pub(crate) fn name(&self, text: &str) -> Arc<str> {
        let first = self.first.get_or_init(|| stored(text.into()));
        if **first == *text { Arc::clone(first) } else { stored(text.into()) }
    }
}

/// The field that leaves a row out where it is `false`, if the callsite declares it.
pub(super) fn left_out_by(rule: &RuleSpec, meta: &Metadata<'_>) -> Option<usize> {
    let names = [rule.event_type_field.as_deref(), Some(ANNOTATIONS[0])];
    names.into_iter().flatten().find_map(|name| Some(meta.fields().field(name)?.index()))
}

//! Fields that name the event type or the source of a row.

use std::sync::Arc;

use once_cell::sync::OnceCell;
use tracing::Metadata;

use super::plans::stored;

/// A field of one callsite whose text is a column of the row.
#[derive(Debug)]
pub(crate) struct NameField {
    index: usize,
    /// Most callsites give one name, which their rows then share.
    first: OnceCell<Arc<str>>,
}

impl NameField {
    /// `None` where the rule names no field, or the callsite does not declare it.
    pub(super) fn of(field: Option<&str>, meta: &Metadata<'_>) -> Option<Self> {
        let index = meta.fields().field(field?)?.index();
        Some(Self { index, first: OnceCell::new() })
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// This text as the column takes it.
    pub(crate) fn name(&self, text: &str) -> Arc<str> {
        let first = self.first.get_or_init(|| stored(text.into()));
        if **first == *text { Arc::clone(first) } else { stored(text.into()) }
    }
}

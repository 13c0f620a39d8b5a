//! Rows of the older system, whose names had no prefix.

use super::row::RawObject;
use super::spans::Calls;
use crate::report::older::aliases;
use crate::store::read::ReadRow;

impl Calls {
    /// A row of the older system gets the keys of today beside its own: its names had no prefix.
    pub(super) fn completed(&self, mut row: ReadRow) -> ReadRow {
        let rule = self.rules.iter().find(|rule| rule.event_type.as_deref() == Some(row.event_type.as_str()));
        let (Some(rule), Some(text)) = (rule, &row.context) else { return row };
        let Some(RawObject(mut context)) = RawObject::read(text) else { return row };
        for (key, names) in aliases(rule) {
            let found = names
                .iter()
                .find_map(|name| context.get(*name))
                .filter(|value| value.get() != "null")
                .cloned();
            if let Some(value) = found.filter(|_| !context.contains_key(key)) {
                context.insert(key.to_owned(), value);
            }
        }
        row.context = Some(RawObject(context).to_string());
        row
    }
}

//! Rows of the older system, whose names had no prefix.

use super::row::RawObject;
use super::spans::Calls;
use crate::rules::model::{Figure, RuleSpec};
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

/// The keys that a rule writes, with the names that they had.
fn aliases(rule: &RuleSpec) -> Vec<(&str, Vec<&str>)> {
    let keys = &rule.keys;
    let mut aliases = vec![
        (&keys.duration, vec!["duration_ms", "durationMs"]),
        (&keys.success, vec!["success"]),
        (&keys.reason, vec!["reason"]),
        (&keys.reason_code, vec!["reason_code", "reasonCode"]),
        (&keys.reason_category, vec!["reason_category", "reasonCategory"]),
        (&keys.outcome, vec!["outcome"]),
        (&keys.error, vec!["error"]),
    ]
    .into_iter()
    .filter_map(|(key, names)| Some((key.as_deref()?, names)))
    .collect::<Vec<_>>();
    aliases.extend(rule.number_within.iter().map(|(_, key)| (key.as_str(), vec!["attempt"])));
    aliases.extend(rule.nest.iter().map(|nest| (nest.key.as_str(), vec![nest.prefix.as_str()])));
    aliases.extend(
        rule.collect
            .iter()
            .filter(|collect| collect.figure == Figure::Count)
            .map(|collect| (collect.key.as_str(), vec!["attempts"])),
    );
    aliases
}

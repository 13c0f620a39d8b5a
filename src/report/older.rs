//! The names that keys had in the older system, where they had no prefix.

use std::sync::LazyLock;

use crate::rules::Rules;
use crate::rules::model::{Figure, MatchKind, RuleSpec};
use crate::store::read::Asked;

/// The event types of the older system, which the built-in rules name, and the keys that have another name today.
static RENAMED: LazyLock<Vec<RenamedKeys>> = LazyLock::new(|| {
    let rules = Rules::builtin();
    let spans = rules.list.iter().filter(|rule| rule.matches.kind == MatchKind::Span);
    spans
        .filter_map(|rule| {
            let keys = aliases(rule).into_iter().filter(|(key, names)| !names.contains(key));
            let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
            let keys: Vec<_> = keys.map(|(key, names)| (key.to_owned(), owned(names))).collect();
            Some(RenamedKeys { event_type: rule.event_type.as_deref()?.to_owned(), keys })
        })
        .filter(|renamed| !renamed.keys.is_empty())
        .collect()
});

struct RenamedKeys {
    event_type: String,
    /// Each key with its older names.
    keys: Vec<(String, Vec<String>)>,
}

/// Asks rows that lack a key for its older names too. All other rows cost the server nothing more.
pub(super) fn with_older_names(asked: Asked) -> Asked {
    let Asked::Key(choice) = asked else { return asked };
    Asked::Key(RENAMED.iter().fold(choice, |choice, renamed| {
        let mut keys = choice.keys(&renamed.event_type).to_vec();
        let known = keys.len();
        for (key, names) in &renamed.keys {
            if keys[..known].contains(key) {
                keys.extend(names.iter().filter(|name| !keys.contains(name)).cloned().collect::<Vec<_>>());
            }
        }
        if keys.len() == known { choice } else { choice.with(&renamed.event_type, keys) }
    }))
}

/// The keys that a rule writes, with the names that they had.
pub(super) fn aliases(rule: &RuleSpec) -> Vec<(&str, Vec<&str>)> {
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

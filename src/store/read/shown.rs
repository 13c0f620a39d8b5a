//! How groups show a value.

use std::borrow::Cow;

use serde_json::Value;

/// Whether a text may be an object or a list of JSON.
pub(super) fn is_composite(text: &str) -> bool {
    text.starts_with(['{', '['])
}

/// An object becomes `key=value, …`, sorted by key, because `jsonb` has an order of its own and SQLite keeps the order in
/// which keys were written. Each database has spaces of its own in it. `None` for an empty object.
pub(crate) fn shown(text: &str) -> Option<Cow<'_, str>> {
    let value = if is_composite(text) { serde_json::from_str(text).ok() } else { None };
    match value {
        None => Some(text.into()),
        Some(Value::Object(object)) => {
            let mut parts: Vec<_> = object.iter().map(|(key, value)| format!("{key}={value}")).collect();
            parts.sort_unstable();
            (!parts.is_empty()).then(|| parts.join(", ").into())
        }
        Some(list) => Some(list.to_string().into()),
    }
}

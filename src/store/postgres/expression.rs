//! The expressions by which the server takes the texts that are asked for out of a row.

use crate::rules::model::Pattern;
use crate::store::read::{Asked, Choice, ExtraColumns};
use crate::store::table_name::quoted;

pub(super) const EVENT_TYPE: &str = "event_type::text";

/// The expression for rows of these event types; `None` if it is null for all of them.
pub(super) fn expression(asked: &Asked, types: Option<&[&str]>, extra: &ExtraColumns) -> Option<String> {
    let id = |name| {
        let key = format!("context->>'{name}'");
        if extra.has(name) { format!("COALESCE({name}::text, {key})") } else { key }
    };
    Some(match asked {
        Asked::Id if !extra.has("id") => return None,
        Asked::Id => "id::text".to_owned(),
        Asked::Context if extra.all().is_empty() => "context::text".to_owned(),
        Asked::Context => format!(
            "CASE jsonb_typeof(context) WHEN 'object' THEN ({} || context)::text ELSE context::text END",
            object(extra)
        ),
        Asked::EventType => EVENT_TYPE.to_owned(),
        Asked::Source => "source::text".to_owned(),
        Asked::Severity => "severity::text".to_owned(),
        Asked::RestaurantId => id("restaurant_id"),
        Asked::BookingId => id("booking_id"),
        Asked::Key(choice) => return chosen(choice, types, extra),
    })
}

fn chosen(choice: &Choice, types: Option<&[&str]>, extra: &ExtraColumns) -> Option<String> {
    let named = || choice.of().iter().map(|(pattern, keys)| (is_named(pattern), keys.as_slice()));
    let (mut cases, otherwise): (Vec<_>, _) = match types.and_then(<[_]>::split_last) {
        Some((last, others)) => {
            let case = |name: &&str| (format!("= {}", literal(name)), choice.keys(name));
            (others.iter().map(case).collect(), choice.keys(last))
        }
        None => (named().collect(), choice.otherwise()),
    };
    while cases.last().is_some_and(|(_, keys)| *keys == otherwise) {
        cases.pop();
    }
    if cases.is_empty() {
        return first(otherwise, extra);
    }
    // The first case that fits counts.
    let null = || "NULL::text".to_owned();
    let cases = cases.into_iter().map(|(is_named, keys)| {
        format!("WHEN {EVENT_TYPE} {is_named} THEN {} ", first(keys, extra).unwrap_or_else(null))
    });
    let otherwise = first(otherwise, extra).unwrap_or_else(null);
    Some(format!("CASE {}ELSE {otherwise} END", cases.collect::<String>()))
}

/// The comparison of an event type with a name or a pattern.
fn is_named(pattern: &Pattern) -> String {
    if pattern.is_name() {
        return format!("= {}", literal(&pattern.0));
    }
    let escaped = pattern.0.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_").replace('*', "%");
    // Some collations have no patterns.
    format!("COLLATE \"C\" LIKE {}", literal(&escaped))
}

/// The values of the columns that hold keys of the context, as `jsonb` without those that are null.
pub(super) fn object(extra: &ExtraColumns) -> String {
    let keys: Vec<_> = extra.all().iter().map(|(key, _)| literal(key)).collect();
    let texts: Vec<_> = extra.all().iter().map(|(_, name)| format!("{}::text", quoted(name))).collect();
    format!(
        "jsonb_strip_nulls(jsonb_object(ARRAY[{}]::text[], ARRAY[{}]::text[]))",
        keys.join(", "),
        texts.join(", ")
    )
}

fn first(keys: &[String], extra: &ExtraColumns) -> Option<String> {
    let columns = |key| extra.of(key).map(|name| format!("{}::text", quoted(name)));
    let values: Vec<_> =
        keys.iter().flat_map(|key| paths("context", key).into_iter().chain(columns(key))).collect();
    match values.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("COALESCE({})", several.join(", "))),
    }
}

/// A key with dots is one key, else a path into objects.
fn paths(object: &str, key: &str) -> Vec<String> {
    let mut paths = vec![format!("{object}->>{}", literal(key))];
    if let Some((within, rest)) = key.split_once('.') {
        paths.extend(self::paths(&format!("{object}->{}", literal(within)), rest));
    }
    paths
}

/// A string constant, whatever `standard_conforming_strings` is. No text of Postgres has a NUL.
pub(super) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\0', "").replace('\\', "\\\\").replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_ends_its_literal() {
        assert_eq!(literal(r"a'b\'c"), r"E'a''b\\''c'");
        assert_eq!(is_named(&Pattern(r"a_b\%.*".to_owned())), r#"COLLATE "C" LIKE E'a\\_b\\\\\\%.%'"#);
        assert_eq!(paths("context", "a.b"), ["context->>E'a.b'", "context->E'a'->>E'b'"]);
    }
}

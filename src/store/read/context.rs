//! The texts in a JSON object.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::store::filled::text;

/// The values are parsed only where they are used: any of the others may be a number that no `f64` holds, or deeply nested.
pub(super) struct Context<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Context<'a> {
    /// `None` for anything else than a JSON object.
    pub(super) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok().map(Self)
    }

    /// The text of the value as `->>` of Postgres gives it. A key with dots is one key, else a path into objects.
    pub(super) fn text(&self, key: &str) -> Option<String> {
        match self.0.get(key) {
            Some(raw) => text(raw),
            None => {
                let (object, rest) = key.split_once('.')?;
                Context::parse(self.0.get(object)?.get())?.text(rest)
            }
        }
    }
}

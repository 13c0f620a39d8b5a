//! JSON that Postgres accepts as `jsonb`, whatever the values are.
//!
//! NUL becomes U+FFFD (22P05 otherwise), a number that is not finite becomes its name as a string (22P02
//! otherwise), integers past 64 bits are written digit by digit.

use std::borrow::Cow;
use std::time::Duration;

use serde::ser::{Serialize, SerializeMap, Serializer};
use uuid::Uuid;

use crate::record::Value;

/// A JSON object in the order its keys were set.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Vec<(&'a str, Json<'a>)>);

#[derive(Debug)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    I64(i64),
    U64(u64),
    F64(f64),
    Text(&'a str),
    /// Two words with a dot between.
    Joined(&'a str, &'a str),
    Digits(&'a str),
    Constant(&'a serde_json::Value),
    Object(Object<'a>),
    /// A number, as text.
    Written(Box<Json<'a>>),
}

impl<'a> Object<'a> {
    pub(crate) fn set(&mut self, key: &'a str, value: Json<'a>) {
        match self.0.iter_mut().find(|(at, _)| *at == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key, value)),
        }
    }

    /// Sets a value where the key has none.
    pub(crate) fn set_default(&mut self, key: &'a str, value: Json<'a>) {
        if !self.0.iter().any(|(at, _)| *at == key) {
            self.0.push((key, value));
        }
    }

    /// Sets a key that is the layer's own, or sees to it that nobody else has set it.
    pub(crate) fn set_or_remove(&mut self, key: &'a str, value: Option<Json<'a>>) {
        match value {
            Some(value) => self.set(key, value),
            None => self.0.retain(|(at, _)| *at != key),
        }
    }

    pub(crate) fn has_integer(&self, key: &str) -> bool {
        let value = self.0.iter().find(|(at, _)| *at == key).map(|(_, value)| value);
        matches!(value, Some(Json::I64(_) | Json::U64(_)))
    }

    /// Takes the value out when it is a uuid; leaves anything else where it is.
    pub(crate) fn take_uuid(&mut self, key: &str) -> Option<Uuid> {
        let at = self.0.iter().position(|(name, _)| *name == key)?;
        let (_, Json::Text(text)) = &self.0[at] else { return None };
        let uuid = Uuid::try_parse(text.trim()).ok()?;
        self.0.remove(at);
        Some(uuid)
    }

    pub(crate) fn to_json(&self) -> String {
        // Cannot fail: no key is anything but a string and no writer is involved.
        serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned())
    }
}

impl Json<'_> {
    /// Milliseconds with three decimals.
    pub(crate) fn millis(duration: Duration) -> Self {
        let micros = (duration.as_nanos() + 500) / 1000;
        Self::F64(micros as f64 / 1000.0)
    }
}

impl<'a> Json<'a> {
    /// A value of which a word is expected: a number or a bool is written out.
    pub(crate) fn word(value: Value<'a>) -> Self {
        match value {
            Value::Text(text) | Value::Digits(text) => Self::Text(text),
            Value::Bool(true) => Self::Text("true"),
            Value::Bool(false) => Self::Text("false"),
            Value::I64(_) | Value::U64(_) | Value::F64(_) => Self::Written(Box::new(value.into())),
        }
    }
}

impl<'a> From<Value<'a>> for Json<'a> {
    fn from(value: Value<'a>) -> Self {
        match value {
            Value::Bool(value) => Self::Bool(value),
            Value::I64(value) => Self::I64(value),
            Value::U64(value) => Self::U64(value),
            Value::F64(value) => Self::F64(value),
            Value::Text(text) => Self::Text(text),
            Value::Digits(digits) => Self::Digits(digits),
        }
    }
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(&*without_nul(key), value)?;
        }
        map.end()
    }
}

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::I64(value) => serializer.serialize_i64(*value),
            Self::U64(value) => serializer.serialize_u64(*value),
            Self::F64(value) if value.is_finite() => serializer.serialize_f64(*value),
            Self::F64(value) => serializer.collect_str(value),
            Self::Text(text) => serializer.serialize_str(&without_nul(text)),
            Self::Joined(first, second) => serializer.collect_str(&format_args!("{first}.{second}")),
            Self::Digits(digits) => match (digits.parse::<u128>(), digits.parse::<i128>()) {
                (Ok(value), _) => serializer.serialize_u128(value),
                (_, Ok(value)) => serializer.serialize_i128(value),
                _ => serializer.serialize_str(digits),
            },
            Self::Constant(serde_json::Value::String(text)) => serializer.serialize_str(&without_nul(text)),
            Self::Constant(value) => value.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
            Self::Written(number) => match &**number {
                Self::I64(value) => serializer.collect_str(value),
                Self::U64(value) => serializer.collect_str(value),
                Self::F64(value) => serializer.collect_str(value),
                other => other.serialize(serializer),
            },
        }
    }
}

fn without_nul(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{FFFD}")) } else { Cow::Borrowed(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: Json<'_>) -> String {
        let mut object = Object::default();
        object.set("k", value);
        object.to_json()
    }

    #[test]
    fn numbers_that_are_not_finite_become_strings() {
        assert_eq!(json(Json::F64(f64::NAN)), r#"{"k":"NaN"}"#);
        assert_eq!(json(Json::F64(f64::NEG_INFINITY)), r#"{"k":"-inf"}"#);
    }

    #[test]
    fn nul_becomes_the_replacement_character() {
        assert_eq!(json(Json::Text("a\0b")), "{\"k\":\"a\u{FFFD}b\"}");
    }

    #[test]
    fn integers_keep_every_digit() {
        assert_eq!(json(Json::U64(u64::MAX)), r#"{"k":18446744073709551615}"#);
        let most = u128::MAX.to_string();
        assert_eq!(json(Json::Digits(&most)), format!(r#"{{"k":{most}}}"#));
        let least = i128::MIN.to_string();
        assert_eq!(json(Json::Digits(&least)), format!(r#"{{"k":{least}}}"#));
    }

    #[test]
    fn milliseconds_have_three_decimals() {
        assert_eq!(json(Json::millis(Duration::from_nanos(22_004_499))), r#"{"k":22.004}"#);
        assert_eq!(json(Json::millis(Duration::from_nanos(500))), r#"{"k":0.001}"#);
    }

    #[test]
    fn only_a_uuid_leaves_the_context() {
        let mut object = Object::default();
        object.set("a", Json::Text("0190e6a4-0000-7000-8000-000000000001"));
        object.set("b", Json::Text("not a uuid"));
        assert!(object.take_uuid("a").is_some());
        assert_eq!(object.take_uuid("b"), None);
        assert_eq!(object.to_json(), r#"{"b":"not a uuid"}"#);
    }
}

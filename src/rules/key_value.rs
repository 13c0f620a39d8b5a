//! One key and its value in a TOML file, with the messages about mistakes in the value.

use std::ops::Range;

use ::toml::Spanned;
use ::toml::de::{DeString, DeValue};
use serde_json::Value;

use super::fault::Fault;

/// A key and its value, or one item of a list.
#[derive(Clone)]
pub(super) struct KeyValue<'a> {
    /// The whole file.
    text: &'a str,
    pub(super) line: usize,
    pub(super) key: &'a str,
    /// The key in messages, such as `success.below`.
    pub(super) path: String,
    pub(super) value: &'a DeValue<'a>,
}

impl<'a> KeyValue<'a> {
    /// The file as a whole.
    pub(super) fn top(text: &'a str, value: &'a DeValue<'a>) -> Self {
        Self { text, line: 1, key: "", path: String::new(), value }
    }

    pub(super) fn fault(&self, text: impl Into<String>) -> Fault {
        Fault { line: Some(self.line), text: text.into() }
    }

    fn wrong(&self, wanted: &str) -> Fault {
        let is = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("{:?} is {is}: {wanted}", self.path))
    }

    /// The entries of a table in the order of the file. The parser has them in alphabetical order.
    pub(super) fn entries(&self) -> Result<Vec<Self>, Fault> {
        let table = self.value.as_table().ok_or_else(|| self.wrong("give a table, { KEY = … }"))?;
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let entry = |(key, value): (&'a Spanned<DeString<'a>>, &'a Spanned<DeValue<'a>>)| {
            let name: &str = key.get_ref();
            let path = match self.path.as_str() {
                "" | "rule" => name.to_owned(),
                path => format!("{path}.{name}"),
            };
            let line = line_of(self.text, &key.span());
            Self { text: self.text, line, key: name, path, value: value.get_ref() }
        };
        Ok(entries.into_iter().map(entry).collect())
    }

    fn items(&self) -> Option<Vec<Self>> {
        let item = |item: &'a Spanned<DeValue<'a>>| {
            let line = line_of(self.text, &item.span());
            Self { line, value: item.get_ref(), ..self.clone() }
        };
        Some(self.value.as_array()?.iter().map(item).collect())
    }

    /// The items of a list, or the one value.
    pub(super) fn one_or_more(&self) -> Vec<Self> {
        self.items().unwrap_or_else(|| vec![self.clone()])
    }

    /// The tables of `[[key]]`.
    pub(super) fn tables(&self) -> Result<Vec<Self>, Fault> {
        let wrong = |entry: &Self| entry.wrong(&format!("write [[{}]] above each", self.key));
        let items = self.items().ok_or_else(|| wrong(self))?;
        match items.iter().find(|item| !item.value.is_table()) {
            Some(item) => Err(wrong(item)),
            None => Ok(items),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Fault> {
        self.value.as_bool().ok_or_else(|| self.wrong("use true or false"))
    }

    pub(super) fn text(&self) -> Result<&'a str, Fault> {
        self.value.as_str().ok_or_else(|| self.wrong("give a string"))
    }

    /// One string or a list of them.
    pub(super) fn texts(&self) -> Result<Vec<&'a str>, Fault> {
        let wrong = |entry: &Self| entry.wrong("give a string or a list of strings");
        match self.items() {
            Some(items) => items.iter().map(|item| item.value.as_str().ok_or_else(|| wrong(item))).collect(),
            None => Ok(vec![self.value.as_str().ok_or_else(|| wrong(self))?]),
        }
    }

    /// The key for a value, or `false` to leave the value out.
    pub(super) fn key_or_off(&self) -> Result<Option<&'a str>, Fault> {
        match self.value {
            DeValue::String(key) => Ok(Some(key)),
            DeValue::Boolean(false) => Ok(None),
            DeValue::Boolean(true) => Err(self.fault(format!(
                "{:?} is true: give the key as a string, or false to leave it out",
                self.path
            ))),
            _ => Err(self.wrong("give the key as a string, or false to leave it out")),
        }
    }

    /// The meaning of one of these words.
    pub(super) fn word<T: Copy>(&self, words: &[(&str, T)]) -> Result<T, Fault> {
        let one_of =
            || format!("use one of {}", words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", "));
        let text = self.value.as_str().ok_or_else(|| self.wrong(&one_of()))?;
        let meant = words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        meant.ok_or_else(|| self.fault(format!("{:?} is {text:?}: {}", self.path, one_of())))
    }

    pub(super) fn number(&self) -> Result<f64, Fault> {
        let number = match self.value {
            DeValue::Integer(_) => self.json()?.as_f64(),
            DeValue::Float(float) => float.as_str().parse().ok(),
            _ => None,
        };
        number.ok_or_else(|| self.wrong("give a number"))
    }

    pub(super) fn json(&self) -> Result<Value, Fault> {
        let number = match self.value {
            DeValue::String(text) => return Ok(Value::from(&**text)),
            DeValue::Boolean(truth) => return Ok(Value::from(*truth)),
            DeValue::Datetime(time) => return Ok(Value::from(time.to_string())),
            DeValue::Array(_) => return self.items().into_iter().flatten().map(|item| item.json()).collect(),
            DeValue::Table(_) => {
                let entries = self.entries()?;
                return entries.iter().map(|entry| Ok((entry.key, entry.json()?))).collect();
            }
            DeValue::Integer(integer) => {
                let (digits, radix) = (integer.as_str(), integer.radix());
                let signed = i64::from_str_radix(digits, radix).map(Value::from);
                signed.or_else(|_| u64::from_str_radix(digits, radix).map(Value::from)).ok()
            }
            DeValue::Float(float) => {
                float.as_str().parse().ok().and_then(serde_json::Number::from_f64).map(Value::Number)
            }
        };
        number.ok_or_else(|| {
            let text = "is a number that JSON cannot hold: use a finite one of at most 64 bits";
            self.fault(format!("{:?} {text}", self.path))
        })
    }
}

/// The line, counted from 1, on which a span of the file begins.
pub(super) fn line_of(text: &str, span: &Range<usize>) -> usize {
    let before = text.as_bytes().iter().take(span.start);
    1 + before.filter(|byte| **byte == b'\n').count()
}

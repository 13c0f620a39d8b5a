//! Redacts the values of a record, on the thread that recorded them.
//!
//! Their text is removed from the buffer too, because the whole buffer goes to the writer.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use super::value::{Entry, INHERITED, Kind, TextRange, Value, append};
use super::{Extra, Fields, Record};
use crate::rules::model::Redact;
use crate::rules::reason::ReasonCodes;
use crate::rules::redact::Redaction;

/// The hex digits of a digest.
const DIGEST: usize = 64;

impl Record {
    /// Call it once, when the record is complete and before it goes to the queue.
    #[inline]
    pub(crate) fn redact(&mut self) {
        if let Some(row) = self.head.plan.row()
            && let Some(redaction) = &row.redaction
        {
            self.take_out(redaction, &row.rule.reason_codes);
        }
    }

    #[inline(never)]
    fn take_out(&mut self, redaction: &Redaction, codes: &'static ReasonCodes) {
        self.fields.redact(redaction);
        if let (Some(redact), Some(extra)) = (redaction.error, &mut self.head.extra) {
            extra.redact(redact, codes);
        }
    }
}

impl Extra {
    fn redact(&mut self, redact: Redact, codes: &'static ReasonCodes) {
        let Some(message) = self.message.take() else { return };
        self.code = codes.code_of(&message);
        self.message = match redact {
            Redact::Query => Some(without_query(&message).into()),
            Redact::Hash => str::from_utf8(&digest(Value::Text(&message))).ok().map(Box::from),
            Redact::Drop => None,
        };
    }
}

impl Fields {
    fn redact(&mut self, redaction: &Redaction) {
        let old = std::mem::take(&mut self.text);
        let text = &mut self.text;
        self.values.retain_mut(|entry| {
            match entry.redacted_by(redaction) {
                Some(Redact::Drop) => return false,
                // An inherited value may be a digest already.
                Some(Redact::Hash) if entry.kind != Kind::Digest => {
                    entry.bits = append(text, &digest(entry.value(&old))).to_bits();
                    entry.kind = Kind::Digest;
                }
                Some(Redact::Query) if entry.kind == Kind::Text => {
                    entry.bits = append(text, without_query(entry.str(&old)).as_bytes()).to_bits();
                }
                _ if entry.has_text() => {
                    entry.bits = append(text, TextRange::from_bits(entry.bits).of(&old)).to_bits();
                }
                _ => {}
            }
            true
        });
    }
}

impl Entry {
    fn redacted_by(self, redaction: &Redaction) -> Option<Redact> {
        let place = usize::from(self.slot & !INHERITED);
        if self.slot & INHERITED == 0 { redaction.field(place) } else { redaction.inherited(place) }
    }
}

/// See [`Redact::Query`].
pub(crate) fn without_query(text: &str) -> Cow<'_, str> {
    let text = text.split_once('?').map_or(text, |(before, _)| before);
    match text.split_once("://") {
        Some((scheme, rest)) => {
            let authority = rest.split('/').next().unwrap_or(rest);
            match authority.rfind('@') {
                Some(user) => format!("{scheme}://{}", &rest[user + 1..]).into(),
                None => text.into(),
            }
        }
        None => text.into(),
    }
}

/// See [`Redact::Hash`].
pub(crate) fn digest(value: Value<'_>) -> [u8; DIGEST] {
    let sum = match value {
        Value::Text(text) | Value::Digits(text) => Sha256::digest(text),
        Value::Bool(value) => Sha256::digest(value.to_string()),
        Value::I64(value) => Sha256::digest(value.to_string()),
        Value::U64(value) => Sha256::digest(value.to_string()),
        Value::F64(value) => Sha256::digest(value.to_string()),
    };
    let mut hex = [0; DIGEST];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(sum) {
        pair[0] = hex_digit(byte >> 4);
        pair[1] = hex_digit(byte & 15);
    }
    hex
}

fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..10 => b'0' + nibble,
        _ => b'a' + nibble - 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(value: Value<'_>) -> String {
        String::from_utf8(digest(value).to_vec()).expect("hex digits")
    }

    fn fields(texts: &[(u16, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (slot, text) in texts {
            let bits = fields.keep(text.as_bytes()).to_bits();
            fields.put(Entry { bits, slot: *slot, kind: Kind::Text });
        }
        fields
    }

    #[test]
    fn nothing_of_a_redacted_value_is_left_in_the_buffer() {
        let mut fields =
            fields(&[(0, "dropped"), (1, "before"), (2, "kept"), (1, "hashed"), (INHERITED, "given")]);
        let redaction = Redaction {
            fields: vec![Some(Redact::Drop), Some(Redact::Hash), None],
            inherited: vec![(0, Redact::Hash)],
            error: None,
        };
        fields.redact(&redaction);
        let (hashed, given) = (digest(Value::Text("hashed")), digest(Value::Text("given")));
        assert_eq!(fields.text, [&hashed[..], b"kept", &given[..]].concat());

        let once = fields.text.clone();
        fields.redact(&redaction);
        assert_eq!(fields.text, once, "a digest is not hashed again");
    }

    /// The examples of FIPS 180-2, appendix B, and the output of `sha256sum`.
    #[test]
    fn a_digest_is_what_any_other_tool_makes_of_the_text() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(text_of(Value::Text("abc")), abc);
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text_of(Value::Text("")), empty);
    }

    #[test]
    fn a_uri_loses_its_query_and_its_password() {
        for (uri, kept) in [
            ("/orders?email=ada@example.org", "/orders"),
            ("/users/ada@example.org", "/users/ada@example.org"),
            ("http://ada:secret@shop.example/orders?q=1", "http://shop.example/orders"),
            ("http://ada:p@ss@shop.example", "http://shop.example"),
            ("http://shop.example/ada@example.org", "http://shop.example/ada@example.org"),
            ("", ""),
        ] {
            assert_eq!(without_query(uri), kept, "{uri}");
        }
    }

    #[test]
    fn a_number_has_the_digest_of_its_digits() {
        let of_text = text_of(Value::Text("42"));
        for same in [Value::I64(42), Value::U64(42), Value::F64(42.0), Value::Digits("42")] {
            assert_eq!(text_of(same), of_text);
        }
        assert_eq!(text_of(Value::Bool(true)), text_of(Value::Text("true")));
    }
}

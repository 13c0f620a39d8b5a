//! Foreign texts made harmless, and figures with the place that they have in the JSON.

use std::time::SystemTime;

use maud::{Markup, html};
use serde::Serialize;

use crate::escape::visible;
use crate::report::answer::{Report, Share, moment_text};
use crate::report::grid::NONE;
use crate::report::render::unit::{decimal, duration_or_none, rate};
use crate::report::render::{percent, whole};

/// Longer texts of rows are cut.
const LIMIT: usize = 200;

/// A text of a row. maud escapes what HTML reads; this shows what a reader would not see, and cuts.
pub(super) fn foreign(text: &str) -> String {
    match text {
        "" => "(empty)".to_owned(),
        blank if blank.trim().is_empty() => format!("“{}”", cut(blank, LIMIT)),
        text => cut(text, LIMIT),
    }
}

/// At most so many characters; the length of the whole follows.
pub(super) fn cut(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((end, _)) => format!("{}… ({} bytes)", visible(&text[..end]), text.len()),
        None => visible(text),
    }
}

/// One line for each field that a row has.
pub(super) fn fields(fields: &[(&str, &Option<String>)]) -> String {
    let line =
        |(name, value): &(&str, &Option<String>)| Some(format!("{name} {}\n", foreign(value.as_ref()?)));
    fields.iter().filter_map(line).collect()
}

/// To the second, in UTC.
pub(super) fn short_moment(moment: Option<SystemTime>) -> String {
    let text = moment_text(moment).unwrap_or_default();
    text.get(..19).unwrap_or(&text).replace('T', " ")
}

/// The date of all rows, if they are of one day. It need not be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Days {
    are_one: bool,
}

impl Days {
    pub(super) fn of(report: &Report) -> Self {
        let [first, last] = [report.window.first, report.window.last].map(short_moment);
        Self { are_one: first.get(..10) == last.get(..10) }
    }

    /// To the second, in UTC.
    pub(super) fn moment(self, moment: Option<SystemTime>) -> String {
        let text = short_moment(moment);
        let time = text.get(11..).filter(|_| self.are_one).map(str::to_owned);
        time.unwrap_or(text)
    }
}

pub(super) fn or_none(text: Option<&str>) -> String {
    text.map_or(NONE.to_owned(), foreign)
}

/// A figure as the tables of the text show it, and as the JSON has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    pub(super) text: String,
    /// `None` if the text is the same, or the same number.
    pub(super) raw: Option<String>,
}

impl Shown {
    pub(super) fn new(text: String, value: impl Serialize) -> Self {
        // Serialising a number cannot fail.
        let raw = serde_json::to_string(&value).unwrap_or_default();
        let number = |text: &str| text.parse::<f64>().ok();
        let is_number = number(&raw).is_some_and(|value| number(&text) == Some(value));
        let same = raw == text || is_number || (raw == "null" && text == NONE);
        Self { text, raw: (!same).then_some(raw) }
    }

    pub(super) fn count(n: u64) -> Self {
        Self { text: n.to_string(), raw: None }
    }

    pub(super) fn share(share: &Share) -> Self {
        Self::new(percent(share), share.rate)
    }

    pub(super) fn decimal(value: Option<f64>) -> Self {
        Self::new(decimal(value), value)
    }

    pub(super) fn rate(value: Option<f64>) -> Self {
        Self::new(rate(value), value)
    }

    pub(super) fn whole(value: Option<f64>) -> Self {
        Self::new(whole(value), value)
    }

    pub(super) fn duration(milliseconds: Option<f64>) -> Self {
        Self::new(duration_or_none(milliseconds), milliseconds)
    }

    pub(super) fn text(text: String, whole: &str) -> Self {
        let raw = (text != whole).then(|| whole.to_owned());
        Self { text, raw }
    }

    /// In running text. `key` leads from the `data-at` around it to the value.
    pub(super) fn at(&self, key: &str) -> Markup {
        html! { span data-key=(key) data-value=[self.raw.as_deref()] { (self.text) } }
    }
}

/// One step of a JSON Pointer (RFC 6901).
pub(super) fn step(key: &str) -> String {
    format!("/{}", key.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_shows_what_is_hidden_and_is_cut() {
        assert_eq!(foreign("a\u{202e}b\n"), r"a\u{202e}b\u{a}");
        assert_eq!(foreign(&"é".repeat(201)), format!("{}… (402 bytes)", "é".repeat(200)));
        assert_eq!([foreign(""), foreign("  ")], ["(empty)", "“  ”"]);
        assert_eq!(or_none(None), "–");
    }

    #[test]
    fn the_raw_value_is_there_only_if_it_differs() {
        let raw = |shown: Shown| shown.raw;
        assert_eq!(raw(Shown::decimal(Some(12.345_678))).as_deref(), Some("12.345678"));
        assert_eq!(raw(Shown::decimal(Some(12.25))), None);
        assert_eq!(raw(Shown::decimal(None)), None);
        assert_eq!(raw(Shown::whole(Some(5.0))), None);
        assert_eq!(
            Shown::rate(Some(1234.56)),
            Shown { text: "1235".to_owned(), raw: Some("1234.56".to_owned()) }
        );
        assert_eq!(raw(Shown::share(&Share { n: 4, rate: Some(0.25) })).as_deref(), Some("0.25"));
        assert_eq!(
            Shown::duration(Some(12_250.0)),
            Shown { text: "12.2 s".to_owned(), raw: Some("12250.0".to_owned()) }
        );
    }

    #[test]
    fn a_key_is_one_step() {
        assert_eq!(step("a/b~c"), "/a~1b~0c");
    }
}

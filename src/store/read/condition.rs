//! Conditions on the values of rows.

use std::cmp::Ordering;

use serde_json::Value;

use super::shown::{is_composite, shown};

/// A condition on a value, such as `status>=500`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    /// The place of the value in [`Selection::asked`](super::Selection::asked).
    pub(crate) asked: usize,
    pub(crate) comparison: Comparison,
    pub(crate) value: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    NotEqual,
    Below,
    AtMost,
    Above,
    AtLeast,
}

impl Condition {
    /// Equal is the same text, as in groups: version 1.1 is not 1.10. An object or a list equals the same JSON, and what groups
    /// show. Above and below a number are only numbers; other values compare as text. A row without the value differs from
    /// every value, and is neither above nor below one.
    pub(super) fn holds(&self, text: Option<&str>) -> bool {
        let Some(text) = text else { return self.comparison == Comparison::NotEqual };
        match self.comparison {
            Comparison::Equal => self.is_equal(text),
            Comparison::NotEqual => !self.is_equal(text),
            order => self.order(text).is_some_and(|found| order.allows(found)),
        }
    }

    fn is_equal(&self, text: &str) -> bool {
        let json = |text| serde_json::from_str::<Value>(text).ok();
        text == self.value
            || is_composite(text)
                && (shown(text).is_some_and(|shown| shown == self.value)
                    || is_composite(&self.value)
                        && json(text).is_some_and(|found| Some(found) == json(&self.value)))
    }

    fn order(&self, text: &str) -> Option<Ordering> {
        match number(&self.value) {
            Some(limit) => number(text)?.partial_cmp(&limit),
            None => Some(text.cmp(&self.value)),
        }
    }
}

/// Infinite for a number that no `f64` holds. Words such as `inf` are no numbers.
fn number(text: &str) -> Option<f64> {
    let is_number = text.ends_with(|last: char| last.is_ascii_digit() || last == '.');
    text.parse().ok().filter(|_| is_number)
}

impl Comparison {
    fn allows(self, order: Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Below => order.is_lt(),
            Self::AtMost => order.is_le(),
            Self::Above => order.is_gt(),
            Self::AtLeast => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str, comparison: Comparison, value: &str) -> bool {
        Condition { asked: 0, comparison, value: value.to_owned() }.holds(Some(text))
    }

    #[test]
    fn equal_is_the_same_text_and_numbers_have_an_order() {
        for (text, other) in
            [("1.1", "1.10"), ("007", "7"), ("1e3", "1000"), ("7e512345", "9e999"), ("1.1", "nan")]
        {
            assert!(
                !holds(text, Comparison::Equal, other) && holds(text, Comparison::NotEqual, other),
                "{text}"
            );
            assert!(
                holds(text, Comparison::Equal, text) && !holds(text, Comparison::NotEqual, text),
                "{text}"
            );
        }
        assert!(holds("nan", Comparison::Equal, "nan"));
        assert!(holds("1000", Comparison::Above, "500") && holds("9.5", Comparison::Below, "10"));
        assert!(holds("500.0", Comparison::AtLeast, "500") && holds("1e3", Comparison::AtMost, "1000"));
        assert!(holds("b", Comparison::Above, "a"));
    }

    #[test]
    fn a_text_is_neither_above_nor_below_a_number() {
        use Comparison::{Above, AtLeast, AtMost, Below};
        for text in ["err", "timeout", "None", "NaN", "inf", "-infinity", "", "5 s", "true", "{\"a\": 1}"] {
            for comparison in [Below, AtMost, Above, AtLeast] {
                assert!(!holds(text, comparison, "500"), "{text} {comparison:?}");
            }
        }
        assert!(holds("1e400", Above, "500") && holds("-1e400", Below, "500"), "numbers that no f64 holds");
        assert!(holds("9", Above, "10 s") && holds("2026-02-01", AtLeast, "2026-01-31"), "texts");
    }

    #[test]
    fn an_object_equals_what_groups_show_and_the_same_json() {
        use Comparison::{Equal, NotEqual};
        let text = r#"{"b": true, "a": {"x": [1, 2]}}"#;
        for value in [
            text,
            r#"{"a":{"x":[1,2]},"b":true}"#,
            r#"{ "b" : true, "a" : { "x" : [ 1, 2 ] } }"#,
            r#"a={"x":[1,2]}, b=true"#,
        ] {
            assert!(holds(text, Equal, value) && !holds(text, NotEqual, value), "{value}");
        }
        for value in [r#"{"b": true}"#, r#"{"a": {"x": [2, 1]}, "b": true}"#, "b=true", "{", ""] {
            assert!(!holds(text, Equal, value) && holds(text, NotEqual, value), "{value}");
        }
        assert!(holds("[1, 2]", Equal, "[1,2]") && !holds("[1, 2]", Equal, "[2,1]"));
        assert!(holds("{}", Equal, "{ }") && !holds("{}", Equal, ""));
        assert!(!holds("1.10", Equal, "1.1"), "other values are texts");
    }
}

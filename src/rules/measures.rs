//! The setters of a rule for the measured values of a call: its time, success, reason and outcome.

use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::time::Duration;

use serde_json::Value;

use super::builder::Rule;
use super::model::{Success, SuccessTest};

impl Rule {
    /// Key of the time from the start of the span to its last exit, in milliseconds with three decimals
    /// (`duration_ms`); `None` leaves it out.
    pub fn duration<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        self.key("duration", key, |keys| &mut keys.duration)
    }

    /// For events: reads the time from this field, and writes it as milliseconds under `duration_ms` unless
    /// [`duration`](Self::duration) sets another key. A number in it counts units of this length; a text may have a unit of
    /// its own, such as `12 ms`. Any other value stays under the name of the field.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use tracing_ledger::Rule;
    /// let query = Rule::event("query").duration_field("elapsed_secs", Duration::from_secs(1));
    /// ```
    pub fn duration_field(mut self, field: impl Into<String>, unit: Duration) -> Self {
        let field = self.name("duration", field);
        self.rule.duration_field = Some((field, unit));
        self.rule.keys.duration.get_or_insert_with(|| "duration_ms".to_owned());
        self
    }

    /// Key of the success, a bool or null (`success`); `None` leaves it out.
    ///
    /// The success is read from the field `success`, or from a field with the name of the key, unless another setter
    /// says otherwise.
    pub fn success<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        self.key("success", key, |keys| &mut keys.success)
    }

    /// Reads the success from this field: a bool, or the text `true` or `false`.
    pub fn success_field(self, field: impl Into<String>) -> Self {
        self.success_when(field, SuccessTest::Bool)
    }

    /// The call succeeded if this field is a number below `limit`.
    pub fn success_below(self, field: impl Into<String>, limit: f64) -> Self {
        self.success_within(field, (Unbounded, Excluded(limit)))
    }

    /// The call succeeded if this field is `limit` or a number below it.
    pub fn success_at_most(self, field: impl Into<String>, limit: f64) -> Self {
        self.success_within(field, (Unbounded, Included(limit)))
    }

    /// The call succeeded if this field is a number above `limit`.
    pub fn success_above(self, field: impl Into<String>, limit: f64) -> Self {
        self.success_within(field, (Excluded(limit), Unbounded))
    }

    /// The call succeeded if this field is `limit` or a number above it.
    pub fn success_at_least(self, field: impl Into<String>, limit: f64) -> Self {
        self.success_within(field, (Included(limit), Unbounded))
    }

    /// The call succeeded if this field equals `value`: a bool, a number or a string.
    pub fn success_equals(self, field: impl Into<String>, value: impl Into<Value>) -> Self {
        self.success_when(field, SuccessTest::Equals(value.into()))
    }

    /// The call succeeded if what it returned, as `#[instrument(ret)]` prints it, contains this text.
    pub fn return_matches(self, text: impl Into<String>) -> Self {
        self.success_when("success", SuccessTest::ReturnMatches(text.into()))
    }

    fn success_within(self, field: impl Into<String>, range: (Bound<f64>, Bound<f64>)) -> Self {
        self.success_when(field, SuccessTest::Within(range))
    }

    fn success_when(mut self, field: impl Into<String>, test: SuccessTest) -> Self {
        let field = self.name("success", field);
        self.rule.success = Success { field, test };
        self
    }

    /// Key of the reason of a failure, null on success; left out by default.
    ///
    /// The reason is read from the field `reason`, or from a field with the name of the key, unless
    /// [`reason_field`](Self::reason_field) says otherwise.
    pub fn reason<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        self.key("reason", key, |keys| &mut keys.reason)
    }

    /// Reads the reason from this field, and writes it under `reason` unless [`reason`](Self::reason) sets another
    /// key.
    pub fn reason_field(mut self, field: impl Into<String>) -> Self {
        self.rule.reason_field = self.name("reason", field);
        self.rule.keys.reason.get_or_insert_with(|| "reason".to_owned());
        self
    }

    /// Key of the code found in the reason or the error, such as `hard.no_capacity`, or `unknown`; absent on success,
    /// left out by default.
    pub fn reason_code<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        self.key("reason_code", key, |keys| &mut keys.reason_code)
    }

    /// Key of the category of that code, such as `hard`, or `unknown`; absent on success, left out by default.
    pub fn reason_category<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        self.key("reason_category", key, |keys| &mut keys.reason_category)
    }

    /// The reason of a call that returned `Err`, panicked or was cancelled.
    pub fn exception(mut self, reason: impl Into<String>) -> Self {
        self.rule.exception = Some(self.name("exception", reason));
        self
    }

    /// Key of the outcome: `ok`, `error`, `panic`, `cancelled` or `unknown` (`outcome`); `None` leaves it out.
    pub fn outcome<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        self.key("outcome", key, |keys| &mut keys.outcome)
    }

    /// Key of the text of an error or panic (`error`); `None` leaves it out. Without such a text, the span's own field
    /// `error` stays under its name.
    pub fn error<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        self.key("error", key, |keys| &mut keys.error)
    }

    /// Key of the result: the field `result`, or `error`, `cancelled` or `unknown` by the outcome; left out by default.
    pub fn result<'a>(self, key: impl Into<Option<&'a str>>) -> Self {
        self.key("result", key, |keys| &mut keys.result)
    }
}

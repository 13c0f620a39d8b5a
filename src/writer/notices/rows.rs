//! Rows of the type `ledger.loss`: the table says which rows it lacks.
//!
//! One row for each cause says how many records were lost and from when to when, as soon as the store takes rows again.
//! While records go on being lost, a row is written every [`INTERVAL`] and not for every batch. Records that are lost in a
//! forked child, or after the writer has ended, are only counted.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use serde_json::Value;

use super::super::bisect::Batch;
use crate::queue::{Account, Cause};
use crate::row::{LOSS_KEYS, LOSS_SOURCE, LOSS_TYPE, Row};
use crate::severity::Severity;

/// The least time between two rows of the same cause, unless the writer is about to end.
const INTERVAL: Duration = Duration::from_secs(10);

/// Makes the rows about losses.
#[derive(Default)]
pub(in crate::writer) struct LossRows {
    /// The constants of all rows: the rest of a JSON object.
    constants: String,
    /// Records that rows were made of, by cause.
    reported: [u64; Cause::ALL.len()],
    made_at: Option<Instant>,
    /// Rows that the store does not take, though it may take others.
    deferred: Option<Batch>,
}

impl LossRows {
    pub(in crate::writer) fn new(constants: &[(String, Value)]) -> Self {
        let constants = constants.iter().filter(|(key, _)| !LOSS_KEYS.contains(&key.as_str()));
        // As in other rows: Postgres refuses a NUL.
        let text = |text: &str| Value::from(text.replace('\0', "\u{FFFD}"));
        let entry = |(key, value): &(String, Value)| {
            let value = value.as_str().map_or_else(|| value.clone(), text);
            format!(",{}:{value}", text(key))
        };
        Self { constants: constants.map(entry).collect(), ..Self::default() }
    }

    /// Whether rows were made, or deferred, within the interval.
    pub(in crate::writer) fn are_fresh(&self) -> bool {
        self.made_at.is_some_and(|at| at.elapsed() < INTERVAL)
    }

    /// Rows about all records lost since the last call.
    pub(in crate::writer) fn make(&mut self, account: &Account) -> Vec<Row> {
        let rows: Vec<Row> = Cause::ALL.into_iter().filter_map(|cause| self.row(cause, account)).collect();
        if !rows.is_empty() {
            self.made_at = Some(Instant::now());
        }
        rows
    }

    /// Keeps rows for later, with their ids: a try without an answer may have stored them. Make no others before they are
    /// stored.
    pub(in crate::writer) fn defer(&mut self, rows: Batch) {
        self.deferred = Some(rows);
        self.made_at = Some(Instant::now());
    }

    pub(in crate::writer) fn take_deferred(&mut self) -> Option<Batch> {
        self.deferred.take()
    }

    pub(in crate::writer) fn are_deferred(&self) -> bool {
        self.deferred.is_some()
    }

    fn row(&mut self, cause: Cause, account: &Account) -> Option<Row> {
        let lost = account.lost(cause);
        let reported = std::mem::replace(&mut self.reported[cause as usize], lost);
        let count = lost.checked_sub(reported).filter(|count| *count > 0)?;
        let times = account.take_times(cause);
        Some(Row {
            severity: Severity::Warning,
            context: format!(
                r#"{{"cause":"{}","count":{count},"first":"{}","last":"{}"{}}}"#,
                cause.as_str(),
                text(*times.start()),
                text(*times.end()),
                self.constants
            ),
            ..Row::new(*times.end(), LOSS_SOURCE, LOSS_TYPE)
        })
    }
}

/// RFC 3339, UTC, to the microsecond.
fn text(time: SystemTime) -> String {
    Timestamp::try_from(time).map_or_else(|_| String::new(), |time| format!("{time:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_loss_is_reported_once_by_cause() {
        let account = Account::default();
        let constants = [("service", "or\0ders"), ("count", "own")];
        let constants = constants.map(|(key, value)| (key.to_owned(), Value::from(value)));
        let mut losses = LossRows::new(&constants);
        assert!(losses.make(&account).is_empty() && !losses.are_fresh());
        account.lose(Cause::Corrupt, 3);
        account.lose(Cause::Evicted, 1);
        account.lose(Cause::Corrupt, 2);
        let rows = losses.make(&account);
        let contexts: Vec<serde_json::Value> =
            rows.iter().map(|row| serde_json::from_str(&row.context).expect("JSON")).collect();
        assert_eq!((&contexts[0]["cause"], &contexts[0]["count"]), (&"evicted".into(), &1.into()));
        assert_eq!((&contexts[1]["cause"], &contexts[1]["count"]), (&"corrupt".into(), &5.into()));
        assert!(contexts.iter().all(|context| context["service"] == "or\u{FFFD}ders"), "{contexts:?}");
        let times = [&contexts[1]["first"], &contexts[1]["last"]].map(|time| time.as_str().expect("text"));
        assert!(times[0] <= times[1] && times[0].ends_with('Z') && times[0].len() == 27, "{times:?}");
        assert!(losses.make(&account).is_empty() && losses.are_fresh());
    }
}

//! Losses as rows: what the table lacks, said in the table.
//!
//! One row for each cause, with how many records and from when to when, as soon as the store takes rows again. While
//! records go on being lost there is a row every [`INTERVAL`], not one for every batch. Records lost in a forked
//! child, or offered after the writer has ended, are only counted.

use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;

use super::batch::Batch;
use crate::queue::{Account, Cause};
use crate::{Row, Severity};

const SOURCE: &str = "tracing-ledger";
const EVENT_TYPE: &str = "ledger.loss";
/// The least time between two rows of the same cause, unless the writer is about to end.
const INTERVAL: Duration = Duration::from_secs(10);

/// What has been told so far.
#[derive(Default)]
pub(super) struct Losses {
    /// Records by cause.
    told: [u64; Cause::ALL.len()],
    told_at: Option<Instant>,
    /// Rows that the store does not take, though it may take others.
    put_off: Option<Batch>,
}

impl Losses {
    /// Whether rows have been made, or put off, just now.
    pub(super) fn are_fresh(&self) -> bool {
        self.told_at.is_some_and(|at| at.elapsed() < INTERVAL)
    }

    /// Rows on everything lost since the last call.
    pub(super) fn take(&mut self, account: &Account) -> Vec<Row> {
        let rows: Vec<Row> = Cause::ALL.into_iter().filter_map(|cause| self.row(cause, account)).collect();
        if !rows.is_empty() {
            self.told_at = Some(Instant::now());
        }
        rows
    }

    /// Keeps rows for later, as they are: a try that nobody heard the end of may have stored them. Until they are taken
    /// again there are to be no others.
    pub(super) fn put_off(&mut self, rows: Batch) {
        self.put_off = Some(rows);
        self.told_at = Some(Instant::now());
    }

    pub(super) fn take_put_off(&mut self) -> Option<Batch> {
        self.put_off.take()
    }

    pub(super) fn are_put_off(&self) -> bool {
        self.put_off.is_some()
    }

    fn row(&mut self, cause: Cause, account: &Account) -> Option<Row> {
        let lost = account.lost(cause);
        let told = std::mem::replace(&mut self.told[cause as usize], lost);
        let count = lost.checked_sub(told).filter(|count| *count > 0)?;
        let times = account.take_times(cause);
        Some(Row {
            severity: Severity::Warning,
            context: format!(
                r#"{{"cause":"{}","count":{count},"first":"{}","last":"{}"}}"#,
                cause.as_str(),
                text(*times.start()),
                text(*times.end())
            ),
            ..Row::new(*times.end(), SOURCE, EVENT_TYPE)
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
    fn every_loss_is_told_once_by_cause() {
        let account = Account::default();
        let mut losses = Losses::default();
        assert!(losses.take(&account).is_empty() && !losses.are_fresh());
        account.lose(Cause::Corrupt, 3);
        account.lose(Cause::Evicted, 1);
        account.lose(Cause::Corrupt, 2);
        let rows = losses.take(&account);
        let told: Vec<serde_json::Value> =
            rows.iter().map(|row| serde_json::from_str(&row.context).expect("JSON")).collect();
        assert_eq!((&told[0]["cause"], &told[0]["count"]), (&"evicted".into(), &1.into()));
        assert_eq!((&told[1]["cause"], &told[1]["count"]), (&"corrupt".into(), &5.into()));
        let times = [&told[1]["first"], &told[1]["last"]].map(|time| time.as_str().expect("text"));
        assert!(times[0] <= times[1] && times[0].ends_with('Z') && times[0].len() == 27, "{times:?}");
        assert!(losses.take(&account).is_empty() && losses.are_fresh());
    }
}

//! The run against the ledger: what the service counted itself, beside the rows that arrived.

use crate::app::App;
use crate::db::Db;
use crate::holds;
use crate::trouble::Trouble;

/// Rows of one event type that belong to bookings of this run.
const ROWS: &str = "SELECT COUNT(*) FROM observability_events WHERE event_type = $1 \
                    AND CAST(booking_id AS TEXT) IN (SELECT id FROM demo_bookings)";
const RESULTS: &str = "SELECT status, COUNT(*) FROM demo_bookings GROUP BY status ORDER BY status";

/// What the run should have left, and what it left.
pub(crate) struct Check {
    calls: u64,
    quotes: u64,
    jobs: u64,
    summaries: u64,
    given_twice: i64,
    bookings: Vec<(String, i64)>,
}

impl Check {
    /// Compares the counters of `app` with the rows; after the ledger was shut down, so that all are there.
    pub(crate) async fn of(app: &App, db: &Db) -> Result<Self, Trouble> {
        Ok(Self {
            calls: app.planner.calls(),
            quotes: rows(db, "auto_assign.quote").await?,
            jobs: app.jobs.started(),
            summaries: rows(db, "auto_assign.summary").await?,
            given_twice: holds::given_twice(db).await?,
            bookings: db.rows(RESULTS, []).await?,
        })
    }

    /// One row for each call and each job, and no table for two parties at a time.
    pub(crate) fn holds(&self) -> bool {
        self.calls == self.quotes && self.jobs == self.summaries && self.given_twice == 0
    }

    /// The comparison, for people.
    pub(crate) fn text(&self) -> String {
        let bookings: Vec<_> =
            self.bookings.iter().map(|(status, count)| format!("{count} {status}")).collect();
        format!(
            "bookings            {}\nplanner calls       {:>5}   auto_assign.quote rows   {:>5}\n\
             jobs                {:>5}   auto_assign.summary rows {:>5}\ntables given twice  {:>5}\n{}",
            bookings.join(", "),
            self.calls,
            self.quotes,
            self.jobs,
            self.summaries,
            self.given_twice,
            if self.holds() {
                "ok: one row for every call and every job"
            } else {
                "FAILED: the counts differ"
            },
        )
    }
}

async fn rows(db: &Db, event_type: &str) -> Result<u64, Trouble> {
    let count: Vec<(i64,)> = db.rows(ROWS, [event_type.into()]).await?;
    Ok(count.into_iter().map(|(count,)| u64::try_from(count).unwrap_or(0)).sum())
}

//! Compares the counters of the service, and the cases that a run has to cause, with the rows of the ledger.

use std::process::ExitCode;

use tracing_ledger::report::{Figures, Report};

use crate::app::App;
use crate::db::Db;
use crate::failure::StepFailure;
use crate::holds;

/// Rows of one event type that belong to bookings of this run.
const ROWS: &str = "SELECT COUNT(*) FROM observability_events WHERE event_type = $1 \
                    AND CAST(booking_id AS TEXT) IN (SELECT id FROM demo_bookings)";
const STATUSES: &str = "SELECT status, COUNT(*) FROM demo_bookings GROUP BY status ORDER BY status";

/// Counts the bookings of this run that have such a row.
macro_rules! bookings_with {
    ($row:literal) => {
        concat!(
            "SELECT COUNT(*) FROM demo_bookings WHERE id IN (SELECT CAST(booking_id AS TEXT) \
             FROM observability_events event WHERE ",
            $row,
            ")"
        )
    };
}

/// A case that occurs in every run.
const STORIES: [Story; 5] = [
    Story {
        name: "modified",
        calm: true,
        bookings: bookings_with!(
            "event_type = 'auto_assign.quote' AND context ->> 'trigger' = 'modification'"
        ),
    },
    Story {
        name: "confirmed by staff mid-job",
        calm: true,
        bookings: bookings_with!("event_type = 'auto_assign.exited_already_confirmed'"),
    },
    Story {
        name: "timed out",
        calm: true,
        bookings: bookings_with!("event_type = 'inline_auto_assign.timeout'"),
    },
    Story {
        name: "planner panic",
        calm: false,
        bookings: bookings_with!("event_type = 'auto_assign.quote' AND context ->> 'outcome' = 'panic'"),
    },
    Story {
        name: "cancelled request",
        calm: false,
        // A timeout aborts its operation too, so only an abort without a timeout is a hang-up.
        bookings: bookings_with!(
            "event_type = 'inline_auto_assign.operation_aborted' AND NOT EXISTS (\
             SELECT 1 FROM observability_events timeout WHERE timeout.event_type = 'inline_auto_assign.timeout' \
             AND timeout.context ->> 'attemptId' = event.context ->> 'attemptId')"
        ),
    },
];

struct Story {
    name: &'static str,
    /// Whether it occurs in a calm run too.
    calm: bool,
    /// Counts its occurrences.
    bookings: &'static str,
}

/// The expected rows of the run, and the rows that it has.
pub struct Check {
    calm: bool,
    calls: u64,
    quotes: u64,
    jobs: u64,
    summaries: u64,
    given_twice: i64,
    statuses: Vec<(String, i64)>,
    stories: Vec<(Story, i64)>,
    /// The figures in which the log differs from the rows.
    differences: Vec<String>,
}

impl Check {
    /// Compares the counters of `app` with the rows. Call it after the shutdown of the ledger, when all rows are written.
    pub async fn of(app: &App, db: &Db, calm: bool) -> Result<Self, StepFailure> {
        let mut stories = Vec::new();
        for story in STORIES {
            let count: Vec<(i64,)> = db.rows(story.bookings, []).await?;
            stories.push((story, count.into_iter().map(|(count,)| count).sum()));
        }
        Ok(Self {
            calm,
            calls: app.planner.calls(),
            quotes: rows(db, "auto_assign.quote").await?,
            jobs: app.jobs.started(),
            summaries: rows(db, "auto_assign.summary").await?,
            given_twice: holds::given_twice(db).await?,
            statuses: db.rows(STATUSES, []).await?,
            stories,
            differences: Vec::new(),
        })
    }

    /// Compares the report on the rows with the report on the log of the same run. They may differ in the last
    /// microseconds of a duration.
    pub fn with_log(mut self, rows: &Report, log: &Report, unread: u64) -> Self {
        let mut compare = |what: String, rows: String, log: String| {
            if rows != log {
                self.differences.push(format!("{what}: {rows} in the rows, {log} in the log"));
            }
        };
        compare("lines that cannot be read".to_owned(), "0".to_owned(), unread.to_string());
        for event_type in ["auto_assign.quote", "auto_assign.summary"] {
            let [rows, log] = [rows, log].map(|report| report.event(event_type).map(|event| &event.figures));
            let calls = |figures: Option<&Figures>| {
                format!("{:?}", figures.map(|figures| (figures.calls, &figures.success)))
            };
            compare(event_type.to_owned(), calls(rows), calls(log));
        }
        let attempts = |report: &Report| format!("{:?}", report.attempts);
        compare("attempts".to_owned(), attempts(rows), attempts(log));
        let of_jobs = |report: &Report| {
            let jobs = report.jobs.iter().map(|job| (&job.event_type, job.jobs, &job.attempts));
            format!("{:?}", jobs.collect::<Vec<_>>())
        };
        compare("attempts of jobs".to_owned(), of_jobs(rows), of_jobs(log));
        self
    }

    /// Success if each call and each job has one row, no table has two parties at a time, and every expected case has
    /// occurred.
    pub fn exit_code(&self) -> ExitCode {
        if self.faults().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    /// The comparison, for people.
    pub fn text(&self) -> String {
        let statuses = self.statuses.iter().map(|(status, count)| format!("{count} {status}"));
        let stories = self.stories.iter().map(|(story, count)| format!("{count} {}", story.name));
        let faults = self.faults();
        let verdict = if faults.is_empty() {
            "ok: one row for every call and every job".to_owned()
        } else {
            format!("FAILED: {}", faults.join("; "))
        };
        format!(
            "bookings            {}\namong them          {}\n\
             planner calls       {:>5}   auto_assign.quote rows   {:>5}\n\
             jobs                {:>5}   auto_assign.summary rows {:>5}\ntables given twice  {:>5}\n{verdict}",
            statuses.collect::<Vec<_>>().join(", "),
            stories.collect::<Vec<_>>().join(", "),
            self.calls,
            self.quotes,
            self.jobs,
            self.summaries,
            self.given_twice,
        )
    }

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.calls != self.quotes {
            faults.push(format!("{} planner calls have {} rows", self.calls, self.quotes));
        }
        if self.jobs != self.summaries {
            faults.push(format!("{} jobs have {} summaries", self.jobs, self.summaries));
        }
        if self.given_twice != 0 {
            faults.push("a table was given to two parties at a time".to_owned());
        }
        for (story, count) in &self.stories {
            let expected = story.calm || !self.calm;
            if expected != (*count > 0) {
                let missing = if expected { "no booking was" } else { "a calm run has a booking that was" };
                faults.push(format!("{missing}: {}", story.name));
            }
        }
        faults.extend(self.differences.iter().cloned());
        faults
    }
}

async fn rows(db: &Db, event_type: &str) -> Result<u64, StepFailure> {
    let count: Vec<(i64,)> = db.rows(ROWS, [event_type.into()]).await?;
    Ok(count.into_iter().map(|(count,)| u64::try_from(count).unwrap_or(0)).sum())
}

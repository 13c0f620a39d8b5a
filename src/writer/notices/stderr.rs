//! Notices: one when a failure begins, and one when it is over.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

#[cfg(feature = "metrics")]
use super::metrics::Metrics;
use crate::error::Error;
use crate::notice::{self, NoticeKind};
use crate::queue::{Queue, Stats};

/// A failure that returns sooner than this is not repeated, so that a database that flaps does not fill the log.
const QUIET: Duration = Duration::from_secs(60);

/// Kinds of failure in the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::writer) enum Problem {
    /// The database does not take rows for now.
    Retry,
    /// The database takes no rows until someone fixes it.
    Hold,
    /// The database rejects too many rows of a batch.
    Drift,
    /// Rows are written without a booking or restaurant that is not there.
    Reference,
    /// Rows wait until the table has a place for them.
    Wait,
    /// Rows are quarantined.
    Quarantine,
    /// `quarantine.jsonl` cannot be written.
    QuarantineFile,
    /// The table does not take rows about losses.
    LossRows,
    /// The queue refuses records, or drops the oldest.
    QueueFull,
    /// The spool takes no more rows.
    Disk,
    /// Something else is wrong with the spool.
    Spool,
    /// Records on disk are damaged or gone.
    Corrupt,
    /// The writer panicked.
    Panic,
}

const PROBLEMS: usize = Problem::Panic as usize + 1;

impl Problem {
    fn kind(self) -> NoticeKind {
        match self {
            Self::Retry | Self::Hold | Self::Drift => NoticeKind::Database,
            Self::Reference
            | Self::Wait
            | Self::Quarantine
            | Self::LossRows
            | Self::QueueFull
            | Self::Corrupt => NoticeKind::Loss,
            Self::QuarantineFile | Self::Disk | Self::Spool => NoticeKind::Spool,
            Self::Panic => NoticeKind::Panic,
        }
    }
}

/// The last line of one kind.
#[derive(Clone, Copy, Default)]
struct LastLine {
    at: Option<Instant>,
    is_open: bool,
}

/// Writes notices, and reports the account. Both halves of the writer share it and take turns on one thread.
pub(in crate::writer) struct Notices {
    queue: Arc<Queue>,
    lines: RefCell<[LastLine; PROBLEMS]>,
    /// The account at the last report.
    reported: RefCell<Stats>,
    #[cfg(feature = "metrics")]
    metrics: RefCell<Metrics>,
}

impl Notices {
    pub(in crate::writer) fn new(queue: Arc<Queue>) -> Self {
        Self {
            queue,
            lines: RefCell::default(),
            reported: RefCell::default(),
            #[cfg(feature = "metrics")]
            metrics: RefCell::default(),
        }
    }

    /// Writes a line, unless one of its kind is open or was written within a minute.
    pub(in crate::writer) fn say(&self, problem: Problem, message: fmt::Arguments<'_>) {
        if self.begin(problem) {
            notice::say(problem.kind(), message);
        }
    }

    /// Writes at most one line a minute, for a failure that no event ends.
    pub(in crate::writer) fn say_throttled(&self, error: &Error) {
        self.say(Problem::Spool, format_args!("{error:#}"));
        self.end(&[Problem::Spool]);
    }

    /// Writes a line if failures of these kinds were reported and are over.
    pub(in crate::writer) fn say_recovered(&self, problems: &[Problem], message: &str) {
        if self.end(problems) {
            notice::say_over(NoticeKind::Database, format_args!("{message}"));
        }
    }

    /// Whether to write the first line of a failure of this kind.
    fn begin(&self, problem: Problem) -> bool {
        let line = &mut self.lines.borrow_mut()[problem as usize];
        if line.is_open || line.at.is_some_and(|at| at.elapsed() < QUIET) {
            return false;
        }
        *line = LastLine { at: Some(Instant::now()), is_open: true };
        true
    }

    /// Ends failures of these kinds. Returns whether a line was written about one of them.
    pub(in crate::writer) fn end(&self, problems: &[Problem]) -> bool {
        let mut lines = self.lines.borrow_mut();
        problems
            .iter()
            .fold(false, |any, problem| any | std::mem::take(&mut lines[*problem as usize].is_open))
    }

    /// Reports what has changed in the account. A recorder of metrics may run code of the host.
    pub(in crate::writer) fn report(&self) {
        let stats = self.queue.account.stats();
        #[cfg(feature = "metrics")]
        self.metrics.borrow_mut().report_if_due(&stats, self.queue.capacity());
        for line in self.loss_lines(stats, self.queue.is_full()) {
            notice::say(NoticeKind::Loss, format_args!("{line}"));
        }
    }

    /// Reports the account for the last time.
    pub(in crate::writer) fn report_end(&self) {
        #[cfg(feature = "metrics")]
        self.metrics.borrow().report(&self.queue.account.stats(), self.queue.capacity());
    }

    /// The lines about losses since the last report. `is_full` says whether the queue is full now.
    fn loss_lines(&self, now: Stats, is_full: bool) -> Vec<String> {
        let lost = |stats: &Stats| stats.refused.queue_full + stats.dropped.evicted;
        let before = self.reported.replace(now);
        let mut lines = Vec::new();
        if lost(&now) > lost(&before) {
            if self.begin(Problem::QueueFull) {
                lines.push(format!(
                    "the queue is full and {} records are lost so far: the database is away or too slow, or \
                     queue_capacity is too small",
                    lost(&now)
                ));
            }
        } else if !is_full && self.end(&[Problem::QueueFull]) {
            lines.push(format!("the queue has room again; {} records were lost in all", lost(&now)));
        }
        if now.dropped.corrupt > before.dropped.corrupt && self.begin(Problem::Corrupt) {
            lines.push(format!(
                "rows are lost, because the spool was damaged or deleted, or an earlier process ended while it wrote them (rows \
                 so far: {}): check the disk, and keep other jobs out of the spool directory",
                now.dropped.corrupt
            ));
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::queue::Overflow;

    fn notices() -> Notices {
        Notices::new(Arc::new(Queue::new(100, Overflow::default(), 10)))
    }

    #[test]
    fn a_failure_is_one_line_until_it_is_over_and_no_second_one_at_once() {
        let notices = notices();
        assert!(notices.begin(Problem::Retry));
        assert!(!notices.begin(Problem::Retry));
        assert!(notices.begin(Problem::Hold), "another kind is another line");
        assert!(notices.end(&[Problem::Retry, Problem::Hold]));
        assert!(!notices.end(&[Problem::Retry, Problem::Hold]));
        assert!(!notices.begin(Problem::Retry), "it returned within a minute");
        assert!(!notices.end(&[Problem::Retry]), "a failure without a line ends without one");
    }

    #[test]
    fn a_full_queue_is_reported_once_and_its_end_once() {
        let notices = notices();
        let mut stats = Stats::default();
        assert!(notices.loss_lines(stats, false).is_empty());
        stats.refused.queue_full = 3;
        assert!(notices.loss_lines(stats, true)[0].contains("3 records are lost"));
        stats.refused.queue_full = 5;
        assert!(notices.loss_lines(stats, true).is_empty());
        assert!(notices.loss_lines(stats, true).is_empty(), "no record was offered, and it is still full");
        assert!(notices.loss_lines(stats, false)[0].contains("5 records were lost in all"));
        assert!(notices.loss_lines(stats, false).is_empty());
    }
}

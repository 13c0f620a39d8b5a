//! Quarantine: a row that the store rejects on its own is kept apart, for a person to read, correct and send again.
//!
//! The row is counted, kept in memory for [`Guard::quarantined`](crate::Guard::quarantined) and, with a spool, written into
//! `quarantine.jsonl`. Nothing waits for that file: a row that cannot be written there is in memory alone, and a notice says
//! so.

use super::bisect::Origin;
use super::notices::Problem;
use super::source::Source;
use crate::queue::Cause;
use crate::row::Row;

impl Source {
    /// Keeps a rejected row apart. Its batch still has to be acknowledged.
    pub(super) fn quarantine(&mut self, row: Row, reason: String, origin: Origin) {
        match self.write_quarantine(&row, &reason) {
            Ok(()) => {
                self.notices.end(&[Problem::QuarantineFile]);
            }
            Err(error) => self.notices.say(
                Problem::QuarantineFile,
                format_args!("quarantine.jsonl cannot be written, so quarantined rows are kept in memory, the latest alone: {error:#}"),
            ),
        }
        let file = if self.has_spool() { " and quarantine.jsonl in the spool directory" } else { "" };
        self.notices.say(
            Problem::Quarantine,
            format_args!(
                "the database rejects a row for good, and it is quarantined, see Guard::quarantined{file}: {reason}"
            ),
        );
        self.control.quarantine(row, reason);
        self.count_out(origin, 1);
        self.queue.account.lose(Cause::Quarantined, 1);
    }
}

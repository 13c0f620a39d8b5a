//! The hand on the writer: flush, stop, look.
//!
//! Nothing here runs a future or needs a runtime: the caller's thread waits on a condition variable, up to a
//! deadline, for a thread that needs nothing from it. So it is safe inside any runtime, within a span, and while
//! a panic unwinds.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::queue::{Queue, Stats};
use crate::writer::{self, Control, Flush, deadline_in};
use crate::{Error, Row, stderr};

/// How long dropping a [`Guard`] waits for the rows to be written.
///
/// Long enough for a database that works, short enough for an orchestrator that waits ten seconds before it
/// kills. [`Guard::shutdown`] takes a deadline of your own.
pub const DROP_TIMEOUT: Duration = Duration::from_secs(2);

/// Writes the rows as long as it is alive; made with a [`LedgerLayer`](crate::LedgerLayer).
///
/// Keep it until the end of `main`, then call [`shutdown`](Self::shutdown). Dropping it shuts down too, and waits
/// at most [`DROP_TIMEOUT`]. Neither happens on `std::process::exit`, on an abort, or when a signal kills the
/// process. Note that `let (ledger, _) = …` drops it at once, and then every record is refused
/// ([`Refused::shutdown`](crate::Refused::shutdown)).
///
/// In a forked child it does nothing: the writer and its rows are the parent's.
#[must_use = "dropping the guard shuts the ledger down: keep it until the end of main"]
pub struct Guard {
    queue: Arc<Queue>,
    control: Arc<Control>,
    writer: ThreadId,
    /// Someone has waited for the end already.
    is_down: bool,
}

impl Guard {
    pub(crate) fn new(queue: Arc<Queue>, control: Arc<Control>, writer: ThreadId) -> Self {
        Self { queue, control, writer, is_down: false }
    }

    /// Waits until every row accepted before this call is written to the database, or set aside as never to be
    /// written. Rows that an earlier process left in the spool are among them.
    ///
    /// It also cuts short the writer's wait between two tries. [`Duration::MAX`] waits for as long as it takes.
    /// In async code this holds up the thread of the executor.
    ///
    /// # Errors
    /// [`Error::is_timeout`] when the deadline passes first: the message says how many rows are written, how many
    /// are not, how many of these are safe on disk, and why. They stay in the ledger's hands and may still be
    /// written.
    /// [`Error::is_config`] when there is no writer to wait for: in a forked child, on the writer's own thread,
    /// or after that thread has panicked.
    pub fn flush(&self, deadline: Duration) -> Result<Stats, Error> {
        self.check_place("flush")?;
        let until = deadline_in(deadline);
        let number = self.control.ask_flush();
        self.queue.wake();
        match self.control.wait_for_flush(number, until) {
            Flush::Done => Ok(self.stats()),
            Flush::Late => Err(self.late("flush", deadline)),
            Flush::NoWriter => Err(self.no_writer("flush")),
        }
    }

    /// What became of every record so far. It takes no lock and costs a few nanoseconds.
    pub fn stats(&self) -> Stats {
        self.queue.account.stats()
    }

    /// The rows that the database will never take, as they were to be written: the latest
    /// [`QUARANTINE_KEPT`](crate::QUARANTINE_KEPT), oldest first. [`Stats::quarantined`] counts them all.
    pub fn quarantined(&self) -> Vec<Row> {
        if self.queue.is_forked() { Vec::new() } else { self.control.quarantined() }
    }

    /// Refuses further records, writes what there is, and stops the writer.
    ///
    /// What the deadline cuts off is not written: in the [`Stats`] it stays in flight. [`Duration::ZERO`] gives
    /// up everything not yet written, [`Duration::MAX`] waits for as long as it takes.
    ///
    /// With a spool every row is on disk first, whatever the database does. Those that it does not take by the
    /// deadline are kept there for the next process: [`Stats::spooled`] counts them, and they are no error.
    ///
    /// # Errors
    /// [`Error::is_timeout`] when rows are neither in the database nor on disk by the deadline, and as for
    /// [`flush`](Self::flush). On the writer's own thread it asks for the stop and does not wait for it.
    pub fn shutdown(mut self, deadline: Duration) -> Result<Stats, Error> {
        self.stop(deadline)
    }

    fn stop(&mut self, deadline: Duration) -> Result<Stats, Error> {
        self.is_down = true;
        let until = deadline_in(deadline);
        if !self.queue.is_forked() {
            self.queue.close();
            self.control.ask_stop(until);
            self.queue.wake();
        }
        self.check_place("shutdown")?;
        let ended = self.control.wait_for_end(until + writer::LAST_STEPS) && Instant::now() < until;
        let stats = self.stats();
        match stats.in_flight {
            // A store that takes its time to close has nothing of ours.
            0 => Ok(stats),
            _ if ended => Err(self.no_writer("shutdown")),
            _ => Err(self.late("shutdown", deadline)),
        }
    }

    /// Refuses to wait where nobody would ever answer.
    fn check_place(&self, call: &str) -> Result<(), Error> {
        if self.queue.is_forked() {
            return Err(Error::config(format!(
                "{call}: this is a forked child, and the writer is its parent's, with every row accepted before \
                 the fork: build a ledger of its own in the child"
            )));
        }
        if thread::current().id() == self.writer {
            return Err(Error::config(format!(
                "{call}: the writer's own thread cannot wait for itself: call it from another thread than the \
                 store's"
            )));
        }
        Ok(())
    }

    fn late(&self, call: &str, deadline: Duration) -> Error {
        let Stats { accepted, written, quarantined, in_flight, spooled, .. } = self.stats();
        let on_disk = if spooled > 0 { format!("; {spooled} more wait on disk") } else { String::new() };
        let why = match self.control.trouble() {
            Some(trouble) => format!("the database says: {trouble}"),
            None => "the database is slow to answer, or the deadline is too short".to_owned(),
        };
        Error::timeout(format!(
            "{call}: after {deadline:?}, of {accepted} rows accepted {written} are written, {quarantined} are \
             quarantined and {in_flight} are not written{on_disk}; {why}"
        ))
    }

    fn no_writer(&self, call: &str) -> Error {
        let Stats { accepted, written, in_flight, .. } = self.stats();
        Error::config(format!(
            "{call}: the writer's thread has ended before its time, of {accepted} rows accepted {written} are \
             written and {in_flight} are not: its panic message is on stderr, please report it"
        ))
    }
}

/// Shuts down and waits up to [`DROP_TIMEOUT`]. Says nothing when all rows are written, or on disk.
impl Drop for Guard {
    fn drop(&mut self) {
        if self.is_down || self.queue.is_forked() {
            return;
        }
        if let Err(error) = self.stop(DROP_TIMEOUT) {
            stderr::say(format_args!("the guard was dropped before all was written: {error}"));
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

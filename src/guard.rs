//! Controls the writer: flush, shut down, read the counts.
//!
//! Nothing here runs a future or needs a runtime: the caller's thread waits on a condition variable, up to a
//! timeout, for a thread that needs nothing from it. So it is safe inside any runtime, within a span, and while
//! a panic unwinds.

use std::fmt;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use crate::census::{Callsite, Census};
use crate::checkup::Subject;
use crate::error::Error;
use crate::exit::Watched;
use crate::finding::Checkup;
use crate::notice::NoticeKind;
use crate::queue::{Queue, Stats};
use crate::writer::{self, Control, Flush, Quarantined, deadline_in};

/// Writes the rows as long as it is alive; made with a [`LedgerLayer`](crate::LedgerLayer).
///
/// Keep it until the end of `main`, then call [`shutdown`](Self::shutdown). Dropping it shuts down too, and waits
/// at most [`DROP_TIMEOUT`](Self::DROP_TIMEOUT). Neither happens on `std::process::exit`, on an abort, or when a signal
/// kills the process. A process that exits and loses rows says so on stderr, and [Shutdown](crate::_docs::shutdown) has
/// the right order for a server. Note that `let (ledger, _) = …` drops it at once, and then every record is refused
/// ([`Refused::shutdown`](crate::Refused::shutdown)).
///
/// In a forked child it does nothing: the writer and its rows are the parent's.
#[must_use = "dropping the guard shuts the ledger down: keep it until the end of main"]
pub struct Guard {
    handle: Handle,
    watched: Arc<Watched>,
    census: Arc<Census>,
    subject: Option<Subject>,
    /// A shutdown has been tried already.
    is_down: bool,
}

impl Guard {
    /// How long dropping a guard waits for the rows to be written.
    ///
    /// Long enough for a database that works, short enough for an orchestrator that waits ten seconds before it
    /// kills. [`shutdown`](Self::shutdown) takes a timeout of your own.
    pub const DROP_TIMEOUT: Duration = Duration::from_secs(2);

    /// How many rows [`quarantined`](Self::quarantined) keeps: the latest.
    pub const QUARANTINE_KEPT: usize = writer::QUARANTINE_KEPT;

    pub(crate) fn new(
        queue: Arc<Queue>,
        control: Arc<Control>,
        writer: ThreadId,
        watched: Arc<Watched>,
        census: Arc<Census>,
    ) -> Self {
        Self { handle: Handle { queue, control, writer }, watched, census, subject: None, is_down: false }
    }

    pub(crate) fn with_subject(mut self, subject: Subject) -> Self {
        self.subject = Some(subject);
        self
    }

    /// Checks whether the ledger works: its rules, its spool, its database and its writer.
    ///
    /// It makes a connection of its own, inserts rows in a transaction that it rolls back, and reads the table as far as
    /// the role may. In async code this blocks the thread of the executor. [The manual](crate::_docs::doctor) has the list.
    pub fn check(&self, timeout: Duration) -> Checkup {
        let mut checkup = match &self.subject {
            Some(subject) if !self.handle.queue.is_forked() => subject.check(timeout),
            _ => Checkup::default(),
        };
        let stats = self.stats();
        match self.handle.control.failure() {
            Some(failure) => checkup.wrong(
                "writer",
                format!("{failure}; rows that are not written: {}", stats.in_flight + stats.spooled),
            ),
            None => checkup.ok("writer", stats.to_string()),
        }
        if stats.quarantined > 0 {
            checkup.wrong(
                "quarantine",
                format!("{} rows were rejected: see Guard::quarantined", stats.quarantined),
            );
        }
        checkup
    }

    /// The spans and events that the program has reached so far, with their rules. The list helps to write rules for functions
    /// that somebody else wrote. With [`Builder::discover`](crate::Builder::discover) it counts them too.
    pub fn callsites(&self) -> Vec<Callsite> {
        self.census.list()
    }

    /// The part of the guard that can be cloned and shared, such as with the handler of `/healthz`.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Waits until every row accepted before this call is written to the database, or quarantined. Rows that an
    /// earlier process left in the spool are among them.
    ///
    /// It also cuts short the writer's wait between two tries. [`Duration::MAX`] waits for as long as it takes.
    /// In async code this blocks the thread of the executor.
    ///
    /// # Errors
    /// [`Error::is_timeout`] when the timeout ends first: the message says how many rows are written, how many
    /// are not, how many of these are safe on disk, and why. The ledger keeps them and may still write them.
    /// [`Error::is_closed`] when there is no writer to wait for: in a forked child, on the writer's own thread,
    /// or after that thread has panicked.
    pub fn flush(&self, timeout: Duration) -> Result<Stats, Error> {
        self.handle.flush(timeout)
    }

    /// The counts of all records so far. Reading them takes no lock and costs a few nanoseconds.
    pub fn stats(&self) -> Stats {
        self.handle.stats()
    }

    /// The rows that the database will never take, with the reason for each: the latest
    /// [`QUARANTINE_KEPT`](Self::QUARANTINE_KEPT), oldest first. [`Stats::quarantined`] counts them all.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let Handle { queue, control, .. } = &self.handle;
        if queue.is_forked() { Vec::new() } else { control.quarantined() }
    }

    /// Refuses further records, writes what there is, and stops the writer.
    ///
    /// Calls that are still under way get no row: they are counted as [`Refused::shutdown`](crate::Refused::shutdown),
    /// and a notice has their number.
    ///
    /// Rows that are not written when the timeout ends stay in flight in the [`Stats`]. [`Duration::ZERO`] gives
    /// up everything not yet written, [`Duration::MAX`] waits for as long as it takes.
    ///
    /// With a spool every row is on disk first, whatever the database does. Those that it does not take within the
    /// timeout are kept there for the next process: [`Stats::spooled`] counts them, and they are no error.
    ///
    /// # Errors
    /// [`Error::is_timeout`] when rows are neither in the database nor on disk when the timeout ends, and as for
    /// [`flush`](Self::flush). On the writer's own thread it asks for the stop and does not wait for it.
    pub fn shutdown(mut self, timeout: Duration) -> Result<Stats, Error> {
        self.stop(timeout)
    }

    fn stop(&mut self, timeout: Duration) -> Result<Stats, Error> {
        self.is_down = true;
        let result = self.handle.stop(timeout, &self.watched);
        if !self.handle.queue.is_forked() && !cfg!(all(test, ledger_loom)) {
            self.census.look_back(&self.handle.queue.route);
        }
        if result.is_ok() {
            self.watched.forget();
        }
        result
    }
}

/// Shuts down and waits up to [`DROP_TIMEOUT`](Guard::DROP_TIMEOUT). Prints nothing when all rows are written, or on
/// disk.
impl Drop for Guard {
    fn drop(&mut self) {
        if self.is_down || self.handle.queue.is_forked() {
            return;
        }
        if let Err(error) = self.stop(Self::DROP_TIMEOUT) {
            self.watched.forget();
            let route = &self.handle.queue.route;
            route.say(
                NoticeKind::Shutdown,
                format_args!("the guard was dropped before all rows were written; call Guard::shutdown with a longer timeout: {error:#}"),
            );
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Reads the counts and flushes, from anywhere: a clone costs two reference counts. Made by [`Guard::handle`].
///
/// It does not keep the writer alive. Once the guard has shut down, [`stats`](Self::stats) returns the last counts and
/// [`flush`](Self::flush) fails with [`Error::is_closed`].
///
/// ```
/// use std::time::Duration;
/// use tracing_ledger::store::Memory;
///
/// let (ledger, guard) = tracing_ledger::builder().build_with(Memory::default())?;
/// # tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), ledger);
/// let handle = guard.handle();
/// let healthz = move || handle.stats().to_string();
/// assert!(healthz().starts_with("offered 0"));
/// guard.shutdown(Duration::from_secs(5))?;
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
#[derive(Clone)]
pub struct Handle {
    queue: Arc<Queue>,
    control: Arc<Control>,
    writer: ThreadId,
}

impl Handle {
    /// As [`Guard::flush`].
    ///
    /// # Errors
    /// As [`Guard::flush`], and [`Error::is_closed`] after the guard has shut down.
    pub fn flush(&self, timeout: Duration) -> Result<Stats, Error> {
        self.check_place("flush")?;
        let until = deadline_in(timeout);
        let number = self.control.ask_flush();
        self.queue.wake();
        match self.control.wait_for_flush(number, until) {
            Flush::Done => Ok(self.stats()),
            Flush::Late => Err(self.late("flush", timeout)),
            Flush::NoWriter if self.control.orders().stop.is_some() => {
                Err(Error::closed("flush: the ledger is shut down, and its writer with it"))
            }
            Flush::NoWriter => Err(self.no_writer("flush")),
        }
    }

    /// As [`Guard::stats`].
    pub fn stats(&self) -> Stats {
        self.queue.account.stats()
    }

    fn stop(&self, timeout: Duration, watched: &Watched) -> Result<Stats, Error> {
        let until = deadline_in(timeout);
        if !self.queue.is_forked() {
            self.queue.close();
            watched.give_up_calls(&self.queue);
            self.control.ask_stop(until);
            self.queue.wake();
        }
        self.check_place("shutdown")?;
        let ended = self.control.wait_for_end(until + writer::LAST_STEPS) && Instant::now() < until;
        let stats = self.stats();
        match stats.in_flight {
            // No row is lost if only the store is slow to close.
            0 => Ok(stats),
            _ if ended => Err(self.no_writer("shutdown")),
            _ => Err(self.late("shutdown", timeout)),
        }
    }

    /// Refuses to wait where no answer can come.
    fn check_place(&self, call: &str) -> Result<(), Error> {
        if self.queue.is_forked() {
            return Err(Error::closed(format!(
                "{call}: this is a forked child, which has no writer; the parent has it, with every row accepted before \
                 the fork: build a ledger of its own in the child"
            )));
        }
        if thread::current().id() == self.writer {
            return Err(Error::closed(format!(
                "{call}: the writer's own thread cannot wait for itself: call it from another thread than the \
                 store's"
            )));
        }
        Ok(())
    }

    fn late(&self, call: &str, timeout: Duration) -> Error {
        let Stats { accepted, written, quarantined, in_flight, spooled, .. } = self.stats();
        let on_disk = if spooled > 0 { format!("; {spooled} more wait on disk") } else { String::new() };
        let why = match self.control.failure() {
            Some(failure) => format!("the last failure: {failure}"),
            None => "the database is slow to answer, or the timeout is too short".to_owned(),
        };
        Error::timeout(format!(
            "{call}: after {timeout:?}, of {accepted} rows accepted {written} are written, {quarantined} are \
             quarantined and {in_flight} are not written{on_disk}; {why}"
        ))
    }

    fn no_writer(&self, call: &str) -> Error {
        let Stats { accepted, written, in_flight, .. } = self.stats();
        Error::closed(format!(
            "{call}: the writer's thread has died, of {accepted} rows accepted {written} are written and \
             {in_flight} are not: its panic message is on stderr, please report it"
        ))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

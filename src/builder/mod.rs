//! Options, environment, wiring; nothing else.

mod environment;

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::registry::LookupSpan;

use crate::queue::{Overflow, Queue};
use crate::spool;
use crate::store::{self, Store};
use crate::writer::{self, CENTURY, Control, WriterOptions};
use crate::{Error, Guard, LedgerLayer, Rules};

/// How many records the queue holds, unless [`Builder::queue_capacity`] says otherwise.
///
/// A record of seven fields takes some 0.45 kB, and memory is taken as the queue fills (bench `growth`): 65,536 are a
/// minute of 1,000 calls a second, for as long as a database takes to restart or fail over.
pub const DEFAULT_QUEUE_CAPACITY: usize = 65_536;

/// What happens to a record when the queue is full, unless [`Builder::overflow`] says otherwise: it is refused.
pub const DEFAULT_OVERFLOW: Overflow = Overflow::DropNewest;

/// How many rows the writer inserts at once at most, unless [`Builder::batch_size`] says otherwise.
///
/// So many only under load: what waits is written every [`DEFAULT_FLUSH_INTERVAL`]. Batches of 1,000 take a
/// sixth to a good quarter longer by the row, with a commit each (bench `ingest`). A trial of 10,000 was no faster.
pub const DEFAULT_BATCH_SIZE: usize = 5000;

/// How long a row waits for others at most, unless [`Builder::flush_interval`] says otherwise: with the insert
/// itself it is in the table within a quarter of a second.
pub const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_millis(200);

/// How many bytes the spool takes on disk at most, unless [`Builder::spool_limit`] says otherwise.
///
/// A row takes some 300 to 600 bytes: a gigabyte is an hour of 500 to 1,000 calls a second.
pub const DEFAULT_SPOOL_LIMIT: u64 = 1024 * 1024 * 1024;

/// A ledger in that database, with the built-in rules and every option at its default.
///
/// `postgres://user@host/database`, or `sqlite:path` with the feature `sqlite`. The same as
/// [`builder`]`().`[`build`](Builder::build)`(url)`.
///
/// # Errors
/// [`Error::is_config`] when the URL cannot be understood. The database itself is not reached for here.
pub fn layer<S>(url: &str) -> Result<(LedgerLayer<S>, Guard), Error>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    builder().build(url)
}

/// A ledger with options.
///
/// ```
/// use std::time::Duration;
/// use tracing_ledger::store::Memory;
/// use tracing_subscriber::prelude::*;
///
/// let (ledger, guard) = tracing_ledger::builder().queue_capacity(10_000).with_env()?.build_with(Memory::default())?;
/// tracing_subscriber::registry().with(ledger).init();
/// // … the service runs …
/// guard.shutdown(Duration::from_secs(5))?;
/// # Ok::<(), tracing_ledger::Error>(())
/// ```
pub fn builder() -> Builder {
    Builder::default()
}

/// The options of a ledger; made by [`builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    rules: Rules,
    queue_capacity: usize,
    overflow: Overflow,
    batch_size: usize,
    flush_interval: Duration,
    create_table: bool,
    spool_dir: Option<PathBuf>,
    spool_limit: u64,
    spool_sync_interval: Option<Duration>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            rules: Rules::builtin(),
            queue_capacity: DEFAULT_QUEUE_CAPACITY,
            overflow: DEFAULT_OVERFLOW,
            batch_size: DEFAULT_BATCH_SIZE,
            flush_interval: DEFAULT_FLUSH_INTERVAL,
            create_table: false,
            spool_dir: None,
            spool_limit: DEFAULT_SPOOL_LIMIT,
            spool_sync_interval: None,
        }
    }
}

impl Builder {
    /// Which spans and tracing events become rows. Without it: [`Rules::builtin`].
    pub fn rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// How many records may wait for the writer, beside the batch it has in hand; their bytes have a bound of their
    /// own, [`MAX_QUEUE_BYTES`](crate::MAX_QUEUE_BYTES). Without it: [`DEFAULT_QUEUE_CAPACITY`].
    pub fn queue_capacity(self, records: usize) -> Self {
        Self { queue_capacity: records, ..self }
    }

    /// What happens to a record when the queue is full. Without it: [`DEFAULT_OVERFLOW`].
    pub fn overflow(self, policy: Overflow) -> Self {
        Self { overflow: policy, ..self }
    }

    /// How many rows to insert at once, at most. Without it: [`DEFAULT_BATCH_SIZE`].
    pub fn batch_size(self, rows: usize) -> Self {
        Self { batch_size: rows, ..self }
    }

    /// How long a row may wait for its batch to fill. Without it: [`DEFAULT_FLUSH_INTERVAL`].
    pub fn flush_interval(self, every: Duration) -> Self {
        Self { flush_interval: every, ..self }
    }

    /// Whether to create the table where there is none. Without it: no, and a missing table is said on stderr
    /// while the rows wait for it. A store of your own, given to [`build_with`](Self::build_with), is not told.
    pub fn create_table(self, create: bool) -> Self {
        Self { create_table: create, ..self }
    }

    /// Where rows wait on disk for the database. Without it they wait in memory.
    ///
    /// Every row is in this directory within 20 milliseconds of its span's end, as long as the disk itself answers and
    /// the writer's thread gets its turn, and stays there until the database has it. It survives SIGKILL, an abort and a
    /// panic: the next ledger that is built on the directory sends it, as the same row. That it survives a loss of power
    /// takes a [`spool_sync_interval`](Self::spool_sync_interval).
    ///
    /// The directory is made where there is none, for this user alone, and belongs to one process at a time. It must
    /// outlive the process: a container needs a volume for it. A relative path starts at the working directory that
    /// the process has when the ledger is built, and stays there. A row that the database refuses for what it holds is
    /// put into `quarantine.jsonl` there, a line each with the reason; corrected lines in a file `replay.jsonl` are
    /// sent by the next ledger that is built. When the disk fails, rows go to the database past it, as without a
    /// spool.
    ///
    /// A store of your own must await, and not block its thread: the same thread writes the spool.
    pub fn spool_dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { spool_dir: Some(dir.into()), ..self }
    }

    /// How many bytes of rows may wait in [`spool_dir`](Self::spool_dir), at least 65,536. Without it:
    /// [`DEFAULT_SPOOL_LIMIT`].
    ///
    /// When they are reached, nothing on disk gives way to something newer: further rows stay in the queue, and when
    /// that is full too, [`overflow`](Self::overflow) decides. `quarantine.jsonl` and damaged segments that are kept
    /// for a person come on top.
    pub fn spool_limit(self, bytes: u64) -> Self {
        Self { spool_limit: bytes, ..self }
    }

    /// How often to make what is in [`spool_dir`](Self::spool_dir) survive a loss of power (`fdatasync`): rows of the
    /// last interval may be lost with it. Without it: never by itself, and the kernel's own schedule decides, usually
    /// within half a minute.
    ///
    /// While the disk syncs, no row gets onto it.
    pub fn spool_sync_interval(self, every: Duration) -> Self {
        Self { spool_sync_interval: Some(every), ..self }
    }

    /// Takes every option that the environment has over what was set before:
    ///
    /// | variable | value |
    /// |---|---|
    /// | `TRACING_LEDGER_QUEUE_CAPACITY` | records, such as `65536` |
    /// | `TRACING_LEDGER_OVERFLOW` | `drop_newest`, `drop_oldest`, or `block:` and a time, such as `block:250ms` |
    /// | `TRACING_LEDGER_BATCH_SIZE` | rows, such as `1000` |
    /// | `TRACING_LEDGER_FLUSH_INTERVAL` | a time in `ms`, `s` or `m`, such as `200ms` |
    /// | `TRACING_LEDGER_SPOOL_DIR` | path of a directory |
    /// | `TRACING_LEDGER_SPOOL_LIMIT` | bytes, or a number of `KiB`, `MiB` or `GiB`, such as `512MiB` |
    /// | `TRACING_LEDGER_SPOOL_SYNC_INTERVAL` | a time, such as `1s` |
    /// | `TRACING_LEDGER_RULES` | path of a file of [rules](Rules::from_path) |
    ///
    /// # Errors
    /// [`Error::is_config`] for the first value that is malformed: the message names the variable, the value and
    /// what is accepted. An empty value is malformed too.
    pub fn with_env(self) -> Result<Self, Error> {
        self.with_variables(|variable| env::var_os(variable))
    }

    /// Makes the layer and starts its writer.
    ///
    /// `postgres://user@host/database`, or `sqlite:path` with the feature `sqlite`. The database is not reached
    /// for here: one that is down is normal life, and its rows wait. The spool directory, where there is one, is
    /// opened.
    ///
    /// # Errors
    /// [`Error::is_config`] when the URL cannot be understood, an option makes no sense, or the writer's thread
    /// cannot be started. [`Error::is_spool`] when the spool directory cannot be used, such as when another process
    /// has it. Damaged rows in it and a full disk are no error: they are counted, and said on stderr.
    pub fn build<S>(self, url: &str) -> Result<(LedgerLayer<S>, Guard), Error>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let store = store::open(url, self.create_table)?;
        self.build_with(store)
    }

    /// Makes the layer and starts its writer, with a store of your own or [`Memory`](store::Memory).
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with<S>(self, store: impl Store) -> Result<(LedgerLayer<S>, Guard), Error>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.check()?;
        let queue = Arc::new(Queue::new(self.queue_capacity, self.overflow, self.batch_size));
        let control = Arc::new(Control::default());
        let spool = match &self.spool_dir {
            Some(dir) => Some(writer::open_spool(dir, self.spool_options(), &queue)?),
            None => None,
        };
        let options =
            WriterOptions { batch_size: self.batch_size, flush_interval: self.flush_interval.min(CENTURY) };
        let writer = writer::start(store, spool, Arc::clone(&queue), Arc::clone(&control), options)?;
        Ok((LedgerLayer::new(self.rules, Arc::clone(&queue)), Guard::new(queue, control, writer)))
    }

    fn spool_options(&self) -> spool::SpoolOptions {
        let sync_interval = self.spool_sync_interval.map(|every| every.min(CENTURY));
        spool::SpoolOptions { limit_bytes: self.spool_limit, sync_interval }
    }

    fn check(&self) -> Result<(), Error> {
        let zero = [
            ("queue_capacity", self.queue_capacity == 0, "at least 1 record"),
            ("batch_size", self.batch_size == 0, "at least 1 row"),
            ("flush_interval", self.flush_interval.is_zero(), "more than no time, such as 200 ms"),
            (
                "spool_sync_interval",
                self.spool_sync_interval == Some(Duration::ZERO),
                "more than no time, such as 1 s, or leave it out",
            ),
        ];
        match zero.into_iter().find(|(_, is_zero, _)| *is_zero) {
            Some((option, _, accepted)) => {
                Err(Error::config(format!("{option} is zero, which cannot work: give it {accepted}")))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_could_never_write_are_refused() {
        for (builder, option) in [
            (builder().queue_capacity(0), "queue_capacity"),
            (builder().batch_size(0), "batch_size"),
            (builder().flush_interval(Duration::ZERO), "flush_interval"),
            (builder().spool_sync_interval(Duration::ZERO), "spool_sync_interval"),
        ] {
            let built = builder.build_with::<tracing_subscriber::Registry>(store::Memory::default());
            let error = built.expect_err(option);
            assert!(error.is_config() && error.to_string().starts_with(option), "{error}");
        }
    }
}

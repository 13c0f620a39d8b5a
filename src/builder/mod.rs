//! Options, environment and wiring.

mod build;
mod environment;
mod resource;
mod table;

use std::env;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::registry::LookupSpan;

use crate::error::Error;
use crate::guard::Guard;
use crate::layer::LedgerLayer;
use crate::notice::{Notice, Route};
use crate::queue::{self, Overflow};
use crate::rules::{Constants, Rules};
use crate::spool;

/// A ledger in that database, with the built-in rules and every option at its default.
///
/// The URL is `postgres://user@host/database`, or `sqlite:path` with the feature `sqlite`. The same as
/// [`builder`]`().`[`build`](Builder::build)`(url)`.
///
/// # Errors
/// [`Error::is_config`] if the URL cannot be parsed. This does not connect to the database.
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

/// The options of a ledger. Made by [`builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct Builder {
    rules: Rules,
    /// Constants of all rows, before those of the rules.
    constants: Constants,
    /// Whether rows have the ids that join them; `None` leaves it to the rules.
    ids: Option<bool>,
    /// Why the resource attributes of the environment are not used.
    resource_fault: Option<String>,
    /// Crates all of whose spans become rows.
    instrumented: Vec<String>,
    queue_capacity: usize,
    overflow: Overflow,
    batch_size: usize,
    flush_interval: Duration,
    reference_timeout: Duration,
    table: Option<String>,
    /// Which keys fill columns of their own, before those of the rules.
    columns: Vec<(String, Option<String>)>,
    create_table: bool,
    max_level: LevelFilter,
    panic_messages: bool,
    spool_dir: Option<PathBuf>,
    spool_limit: u64,
    spool_sync_interval: Option<Duration>,
    strict: bool,
    discover: bool,
    route: Route,
    /// The environment was read.
    has_env: bool,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            rules: Rules::builtin(),
            constants: Vec::new(),
            ids: None,
            resource_fault: None,
            instrumented: Vec::new(),
            queue_capacity: Self::DEFAULT_QUEUE_CAPACITY,
            overflow: Self::DEFAULT_OVERFLOW,
            batch_size: Self::DEFAULT_BATCH_SIZE,
            flush_interval: Self::DEFAULT_FLUSH_INTERVAL,
            reference_timeout: Self::DEFAULT_REFERENCE_TIMEOUT,
            table: None,
            columns: Vec::new(),
            create_table: false,
            max_level: LevelFilter::TRACE,
            panic_messages: true,
            spool_dir: None,
            spool_limit: Self::DEFAULT_SPOOL_LIMIT,
            spool_sync_interval: None,
            strict: false,
            discover: false,
            route: Route::default(),
            has_env: false,
        }
    }
}

// Whole chunks fill a batch.
const _: () = assert!(Builder::DEFAULT_BATCH_SIZE.is_multiple_of(queue::RECORDS_PER_CHUNK));

impl Builder {
    /// How many records the queue holds, unless [`queue_capacity`](Self::queue_capacity) is set.
    ///
    /// A record of seven fields takes some 0.45 kB, and memory is taken as the queue fills: 65,536 are a
    /// minute of 1,000 calls a second, for as long as a database takes to restart or fail over.
    pub const DEFAULT_QUEUE_CAPACITY: usize = 65_536;

    /// A record is refused when the queue is full, unless [`overflow`](Self::overflow) is set.
    pub const DEFAULT_OVERFLOW: Overflow = Overflow::Refuse;

    /// How many rows the writer inserts at once at most, unless [`batch_size`](Self::batch_size) is set.
    ///
    /// Batches are this large only under load: rows are written every
    /// [`DEFAULT_FLUSH_INTERVAL`](Self::DEFAULT_FLUSH_INTERVAL). Smaller batches cost more for each row, with a commit
    /// each; batches of 10,000 were no faster.
    pub const DEFAULT_BATCH_SIZE: usize = 5000;

    /// How long a row waits for others at most, unless [`flush_interval`](Self::flush_interval) is set: with the
    /// insert itself it is in the table within a quarter of a second.
    pub const DEFAULT_FLUSH_INTERVAL: Duration = Duration::from_millis(200);

    /// How long a row waits for the booking or restaurant that it refers to, unless
    /// [`reference_timeout`](Self::reference_timeout) is set.
    pub const DEFAULT_REFERENCE_TIMEOUT: Duration = Duration::from_secs(30);

    /// How many bytes the spool takes on disk at most, unless [`spool_limit`](Self::spool_limit) is set.
    ///
    /// A row takes some 300 to 600 bytes: a gigabyte is an hour of 500 to 1,000 calls a second.
    pub const DEFAULT_SPOOL_LIMIT: u64 = 1024 * 1024 * 1024;

    /// The table, unless [`table`](Self::table) is set.
    pub const DEFAULT_TABLE: &str = "observability_events";

    /// The smallest [`spool_limit`](Self::spool_limit), in bytes.
    pub const MIN_SPOOL_LIMIT: u64 = spool::SMALLEST_LIMIT;

    /// The most memory, in bytes, that records take while they wait in the queue. Records that threads are just packing
    /// come on top, at most 8 MiB. Beyond this bound the queue is full, and [`overflow`](Self::overflow) decides.
    /// Rows that the writer has made of records have left the queue: a batch and the next take about 8 MiB each.
    ///
    /// This bounds large records: the default number of usual ones takes a tenth of these bytes.
    pub const MAX_QUEUE_BYTES: u64 = queue::MAX_BYTES;

    /// The spans and events that become rows. Without it: [`Rules::builtin`].
    pub fn rules(self, rules: Rules) -> Self {
        Self { rules, ..self }
    }

    /// Every span of this crate becomes a row too, unless one of the [`rules`](Self::rules) names it. Call it again for
    /// another crate.
    ///
    /// The name is that in the targets of the spans: `env!("CARGO_CRATE_NAME")` for the crate that is being compiled. It
    /// covers the target `shop` and those below it, such as `shop::orders`; `shop::orders` alone stands for that module.
    /// The event type is the name of the span, and
    /// the source is its target. The fields `ledger.event`, `ledger.source` and `ledger.severity` say otherwise, and
    /// `ledger.event = false` leaves a span out.
    ///
    /// ```
    /// # use tracing_ledger::store::Memory;
    /// # use tracing_subscriber::{Registry, prelude::*};
    /// use tracing::instrument;
    ///
    /// #[instrument(err, ret(level = "trace"))]
    /// fn charge(order: u64) -> Result<u64, std::io::Error> {
    ///     Ok(order)
    /// }
    ///
    /// #[instrument(fields(ledger.event = false))]
    /// fn look_up() {}
    ///
    /// # let memory = Memory::default();
    /// let builder = tracing_ledger::builder().instrumented(env!("CARGO_CRATE_NAME"));
    /// # let this = module_path!().split("::").next().unwrap();
    /// # let builder = tracing_ledger::builder().instrumented(this);
    /// # let (ledger, guard) = builder.build_with::<Registry>(memory.clone())?;
    /// # tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
    /// charge(7)?;
    /// look_up();
    /// # Ok::<_, std::io::Error>(())
    /// # })?;
    /// # guard.shutdown(std::time::Duration::from_secs(5))?;
    /// # assert_eq!(memory.rows().iter().map(|row| &*row.event_type).collect::<Vec<_>>(), ["charge"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn instrumented(mut self, crate_name: impl Into<String>) -> Self {
        self.instrumented.push(crate_name.into());
        self
    }

    /// A constant for this key of the context of all rows, such as the name of the service, unless a field or a rule has
    /// the key. Called again for the same key, it replaces the constant. Rows of `ledger.loss` have it too. A text is taken as
    /// it is: `$NAME` stands for a variable only in `[all] set` of a file of rules.
    ///
    /// It wins over `[all] set` in a file of rules. Rows that an earlier process left in the spool keep the constants of
    /// that process.
    ///
    /// ```
    /// let builder = tracing_ledger::builder().set("service", "orders").set("version", env!("CARGO_PKG_VERSION"));
    /// ```
    pub fn set(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
        let key = key.into();
        self.constants.retain(|(other, _)| *other != key);
        self.constants.push((key, value.into()));
        self
    }

    /// Whether all rows have `trace_id`, `span_id` and `parent_span_id`, so that a request, its jobs and its calls can be
    /// joined. Without it: as `[all] ids` in the file of rules says, or else not.
    ///
    /// The ids are those of OpenTelemetry where its layer is registered too (feature `otel`), or else the ledger's own:
    /// see [the page about all rows](crate::_docs::constants). A field with one of these names has the key `field.NAME`.
    pub fn ids(self, ids: bool) -> Self {
        Self { ids: Some(ids), ..self }
    }

    /// How many records may wait for the writer, beside its current batch. Their bytes have a separate bound, [`MAX_QUEUE_BYTES`](Self::MAX_QUEUE_BYTES). Without it: [`DEFAULT_QUEUE_CAPACITY`](Self::DEFAULT_QUEUE_CAPACITY).
    pub fn queue_capacity(self, records: usize) -> Self {
        Self { queue_capacity: records, ..self }
    }

    /// What happens to a record when the queue is full. Without it: [`DEFAULT_OVERFLOW`](Self::DEFAULT_OVERFLOW).
    pub fn overflow(self, policy: Overflow) -> Self {
        Self { overflow: policy, ..self }
    }

    /// How many rows the writer inserts at once at most. Without it: [`DEFAULT_BATCH_SIZE`](Self::DEFAULT_BATCH_SIZE).
    pub fn batch_size(self, rows: usize) -> Self {
        Self { batch_size: rows, ..self }
    }

    /// How long a row may wait for its batch to fill. Without it: [`DEFAULT_FLUSH_INTERVAL`](Self::DEFAULT_FLUSH_INTERVAL).
    pub fn flush_interval(self, every: Duration) -> Self {
        Self { flush_interval: every, ..self }
    }

    /// How long a row waits for the booking or restaurant that it refers to, counted from the end of its call. Then it is
    /// written without that reference, and the id is in its `context`. Without it:
    /// [`DEFAULT_REFERENCE_TIMEOUT`](Self::DEFAULT_REFERENCE_TIMEOUT).
    ///
    /// Only a table with foreign keys makes rows wait. A [`flush`](Guard::flush) tries them once more and does not wait for
    /// them. A shutdown leaves them in the spool; without a spool it writes them without the reference.
    pub fn reference_timeout(self, time: Duration) -> Self {
        Self { reference_timeout: time, ..self }
    }

    /// The most verbose level that is recorded. Without it: `TRACE`, because a rule for spans needs every level. An
    /// outcome may come from `ret(level = "trace")`, and an inherited field from a span of any level.
    ///
    /// Unless another layer asks for more, the whole program has this level: `LevelFilter::current()`, and with `init()`
    /// also `log::max_level()`. With `LevelFilter::INFO` a `log::trace!` in a dependency costs next to
    /// nothing.
    pub fn max_level(self, level: LevelFilter) -> Self {
        Self { max_level: level, ..self }
    }

    /// Whether the row of a call that panicked has the message of the panic. Without it: yes.
    ///
    /// The message takes a panic hook, which [`build`](Self::build) installs once for the whole process; it goes on to
    /// call the hook that was there before. Without messages no hook is installed, and a row only says that the call
    /// panicked.
    pub fn panic_messages(self, keep: bool) -> Self {
        Self { panic_messages: keep, ..self }
    }

    /// The directory in which rows wait for the database. Without it they wait in memory.
    ///
    /// Every row is in this directory within 20 milliseconds of its span's end, as long as the disk answers and
    /// the writer's thread is scheduled, and stays there until the database has it. It survives SIGKILL, an abort and a
    /// panic: the next ledger that is built on the directory sends it, as the same row. To survive a loss of power it
    /// needs a [`spool_sync_interval`](Self::spool_sync_interval).
    ///
    /// The directory is created if it is missing, for this user alone, and belongs to one process at a time. It must
    /// outlive the process: a container needs a volume for it. A relative path is resolved against the working
    /// directory when the ledger is built. A row whose content the database rejects goes to `quarantine.jsonl` there, a
    /// line each with the reason; the next ledger that is built sends corrected lines from a file `replay.jsonl`. If the
    /// disk fails, rows bypass it on their way to the database, as without a spool.
    ///
    /// A store of your own must await and not block its thread, because the same thread writes the spool.
    pub fn spool_dir(self, dir: impl Into<PathBuf>) -> Self {
        Self { spool_dir: Some(dir.into()), ..self }
    }

    /// How many bytes of rows may wait in [`spool_dir`](Self::spool_dir), at least
    /// [`MIN_SPOOL_LIMIT`](Self::MIN_SPOOL_LIMIT). Without it:
    /// [`DEFAULT_SPOOL_LIMIT`](Self::DEFAULT_SPOOL_LIMIT).
    ///
    /// A full spool keeps what it has: newer rows stay in the queue, and if that is full too,
    /// [`overflow`](Self::overflow) decides. `quarantine.jsonl` and the damaged segments that are kept for inspection come
    /// on top.
    pub fn spool_limit(self, bytes: u64) -> Self {
        Self { spool_limit: bytes, ..self }
    }

    /// How often to sync [`spool_dir`](Self::spool_dir) (`fdatasync`), so that a loss of power loses only the rows of
    /// the last interval. Without it the kernel's own schedule decides, usually within half a minute.
    ///
    /// During a sync no row is written to the disk.
    pub fn spool_sync_interval(self, every: Duration) -> Self {
        Self { spool_sync_interval: Some(every), ..self }
    }

    /// Calls `listener` with each [`Notice`] instead of writing it to stderr, for those who log JSON. `on_notice(|_| ())`
    /// silences the ledger.
    ///
    /// The listener runs on the thread of the writer, or on one that builds or shuts down the ledger, and never while a
    /// lock of the ledger or of tracing is held. It may log by way of `tracing`: the ledger makes no rows of that.
    /// If it panics, the notice goes to stderr.
    ///
    /// [`build`](Self::build) gives it the first notices, before a subscriber with this ledger can be installed: a listener
    /// that logs by way of `tracing` keeps these until then, or prints them.
    ///
    /// Two notices always go to stderr, because they must neither allocate nor wait: the one of a process that exits
    /// without a shutdown, and the one of a forked child. `TRACING_LEDGER_NOTICES=off` silences these too.
    pub fn on_notice(self, listener: impl Fn(&Notice) + Send + Sync + 'static) -> Self {
        Self { route: Route::To(Arc::new(listener)), ..self }
    }

    /// Whether a rule that does not fit the program is an error, and not a notice. Without it: no.
    ///
    /// [`build`](Self::build) fails for a rule that nothing can meet: an earlier rule names all that it names, or its
    /// target never becomes rows. A callsite is only known when the program first reaches it. If the rule of a callsite names
    /// it without `*`, and redacts a field that the callsite does not declare, then its rows are left out: the value may be
    /// there under another name. A notice of the kind [`NoticeKind::Strict`](crate::NoticeKind::Strict) says so.
    pub fn strict(self, strict: bool) -> Self {
        Self { strict, ..self }
    }

    /// Whether to list every span and event of the program, with its fields, its rule and how often it came, in a notice five
    /// seconds after the first one and at the shutdown, and in [`Guard::callsites`]. Without it: no. Meanwhile every
    /// callsite is enabled, also those without a rule, and each call costs more. `TRACING_LEDGER_DISCOVER=1` sets it also in
    /// a program that does not call [`with_env`](Self::with_env).
    pub fn discover(self, discover: bool) -> Self {
        Self { discover, ..self }
    }

    /// Options from the environment, which replace what was set before:
    ///
    /// | variable | value |
    /// |---|---|
    /// | `TRACING_LEDGER_QUEUE_CAPACITY` | records, such as `65536` |
    /// | `TRACING_LEDGER_OVERFLOW` | `refuse`, `evict_oldest`, or `block:` and a time, such as `block:250ms` |
    /// | `TRACING_LEDGER_BATCH_SIZE` | rows, such as `1000` |
    /// | `TRACING_LEDGER_FLUSH_INTERVAL` | a time in `ms`, `s` or `m`, such as `200ms` |
    /// | `TRACING_LEDGER_REFERENCE_TIMEOUT` | a time, such as `30s` |
    /// | `TRACING_LEDGER_SPOOL_DIR` | path of a directory |
    /// | `TRACING_LEDGER_SPOOL_LIMIT` | bytes, or a number of `KiB`, `MiB` or `GiB`, such as `512MiB` |
    /// | `TRACING_LEDGER_SPOOL_SYNC_INTERVAL` | a time, such as `1s` |
    /// | `TRACING_LEDGER_RULES` | path of a file of [rules](Rules::from_path) |
    /// | `TRACING_LEDGER_TABLE` | [`table`](Self::table), such as `ledger.calls` |
    /// | `TRACING_LEDGER_STRICT` | `1` or `0`: [`strict`](Self::strict) |
    /// | `TRACING_LEDGER_DISCOVER` | `1` or `0`: [`discover`](Self::discover) |
    /// | `TRACING_LEDGER_NOTICES` | `off`: no notice at all; `on` |
    ///
    /// The last two count without this call too.
    ///
    /// From OpenTelemetry's `OTEL_SERVICE_NAME`, and from `OTEL_RESOURCE_ATTRIBUTES`, such as
    /// `service.version=1.2,service.instance.id=a%2Cb`, it takes [constants](Self::set) for `service.name`,
    /// `service.version` and `service.instance.id`. As OpenTelemetry asks, malformed attributes are left out as a whole, and a notice
    /// says so.
    ///
    /// # Errors
    /// [`Error::is_config`] for the first malformed value: the message names the variable, the value and
    /// the accepted format. An empty value is malformed too, and so is another variable that begins with
    /// `TRACING_LEDGER_`.
    pub fn with_env(self) -> Result<Self, Error> {
        environment::check_names(env::vars_os().map(|(name, _)| name))?;
        Self { has_env: true, ..self }.with_variables(|variable| env::var_os(variable))
    }
}

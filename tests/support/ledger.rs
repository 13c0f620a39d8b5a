//! A ledger under test: the built-in rules (or others) over memory, SQLite or Postgres, and its rows read back.

use std::future::Future;
use std::time::Duration;

use serde_json::Value;
use sqlx::Connection as _;
use tracing::Dispatch;
use tracing_ledger::store::Memory;
use tracing_ledger::{Builder, Guard};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

use crate::{Cluster, SqliteFile};

/// Long enough for any machine; nothing waits for it when all is well.
pub const DEADLINE: Duration = Duration::from_secs(300);

/// One row, as any store gives it back.
#[derive(Clone, Debug)]
pub struct StoredRow {
    pub id: String,
    /// Microseconds since 1970.
    pub created_at: i64,
    pub source: String,
    pub event_type: String,
    pub severity: String,
    pub context: Value,
    pub restaurant_id: Option<String>,
    pub booking_id: Option<String>,
}

/// A dispatcher with a ledger, and where its rows are.
pub struct Ledger {
    pub guard: Guard,
    pub dispatch: Dispatch,
    rows: Rows,
}

enum Rows {
    Memory(Memory),
    Sqlite(SqliteFile),
    Postgres(String),
}

impl Ledger {
    /// Runs the same test over every store: each gets a ledger of its own.
    #[track_caller]
    pub fn on_every_store(test: impl Fn(&Ledger)) {
        test(&Self::memory());
        test(&Self::sqlite());
        test(&Self::postgres());
    }

    pub fn memory() -> Self {
        Self::memory_with(tracing_ledger::builder())
    }

    pub fn memory_with(builder: Builder) -> Self {
        let memory = Memory::default();
        let (layer, guard) = builder.build_with::<Registry>(memory.clone()).expect("a ledger in memory");
        Self {
            guard,
            dispatch: tracing_subscriber::registry().with(layer).into(),
            rows: Rows::Memory(memory),
        }
    }

    pub fn sqlite() -> Self {
        let file = SqliteFile::new();
        let (layer, guard) = tracing_ledger::builder()
            .create_table(true)
            .build::<Registry>(&file.url())
            .expect("a ledger in SQLite");
        Self { guard, dispatch: tracing_subscriber::registry().with(layer).into(), rows: Rows::Sqlite(file) }
    }

    pub fn postgres() -> Self {
        let url = Cluster::shared().database();
        let (layer, guard) = tracing_ledger::layer::<Registry>(&url).expect("a ledger in Postgres");
        Self { guard, dispatch: tracing_subscriber::registry().with(layer).into(), rows: Rows::Postgres(url) }
    }

    /// Runs `f` with this ledger as the thread's subscriber.
    pub fn run<T>(&self, f: impl FnOnce() -> T) -> T {
        tracing::dispatcher::with_default(&self.dispatch, f)
    }

    /// Runs `future` to its end with this ledger as the thread's subscriber, on a paused clock.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        self.run(|| runtime.block_on(future))
    }

    /// Every row written, oldest first, once all that was accepted is written.
    #[track_caller]
    pub fn rows(&self) -> Vec<StoredRow> {
        self.guard.flush(DEADLINE).expect("everything is written");
        let mut rows = match &self.rows {
            Rows::Memory(memory) => memory.rows().iter().map(StoredRow::from).collect(),
            Rows::Sqlite(file) => read(sqlite_rows(&file.url())),
            Rows::Postgres(url) => read(postgres_rows(url)),
        };
        rows.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        rows
    }

    /// Asks the Postgres database of this ledger.
    pub fn psql(&self, sql: &str) -> String {
        let Rows::Postgres(url) = &self.rows else { panic!("this ledger is not in Postgres") };
        self.guard.flush(DEADLINE).expect("everything is written");
        Cluster::shared().psql(url, sql)
    }

    /// The rows of one event type.
    #[track_caller]
    pub fn rows_of(&self, event_type: &str) -> Vec<StoredRow> {
        self.rows().into_iter().filter(|row| row.event_type == event_type).collect()
    }

    /// The planner calls.
    #[track_caller]
    pub fn quotes(&self) -> Vec<StoredRow> {
        self.rows_of("auto_assign.quote")
    }

    /// The one planner call.
    #[track_caller]
    pub fn quote(&self) -> StoredRow {
        only(self.quotes())
    }

    /// The one job.
    #[track_caller]
    pub fn summary(&self) -> StoredRow {
        only(self.rows_of("auto_assign.summary"))
    }
}

/// The one row there must be.
#[track_caller]
pub fn only(rows: Vec<StoredRow>) -> StoredRow {
    let [row] = <[StoredRow; 1]>::try_from(rows)
        .unwrap_or_else(|rows| panic!("one row, not {}: {rows:#?}", rows.len()));
    row
}

impl StoredRow {
    /// The keys of the context, in order.
    pub fn keys(&self) -> Vec<&str> {
        let object = self.context.as_object().expect("the context is an object");
        let mut keys: Vec<_> = object.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }

    #[track_caller]
    pub fn get(&self, key: &str) -> &Value {
        self.context.get(key).unwrap_or_else(|| panic!("no {key:?} in {:#}", self.context))
    }

    /// A duration in milliseconds.
    #[track_caller]
    pub fn ms(&self, key: &str) -> f64 {
        self.get(key).as_f64().unwrap_or_else(|| panic!("{key} is no number in {:#}", self.context))
    }
}

impl From<&tracing_ledger::Row> for StoredRow {
    fn from(event: &tracing_ledger::Row) -> Self {
        let since_epoch = event.created_at.duration_since(std::time::UNIX_EPOCH).expect("after 1970");
        Self {
            id: event.id.to_string(),
            created_at: since_epoch.as_micros().try_into().expect("before the year 292277"),
            source: event.source.to_string(),
            event_type: event.event_type.to_string(),
            severity: event.severity.to_string(),
            context: serde_json::from_str(&event.context).expect("the context is JSON"),
            restaurant_id: event.restaurant_id.map(|id| id.to_string()),
            booking_id: event.booking_id.map(|id| id.to_string()),
        }
    }
}

/// Reads on a thread and runtime of its own, so that it works from within a test's runtime too.
fn read(rows: impl Future<Output = sqlx::Result<Vec<StoredRow>>> + Send) -> Vec<StoredRow> {
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(rows).expect("the rows can be read")
        });
        reader.join().expect("the reader does not panic")
    })
}

type StoredColumns = (String, i64, String, String, String, Option<String>, Option<String>, Option<String>);

fn row(columns: StoredColumns) -> StoredRow {
    let (id, created_at, source, event_type, severity, context, restaurant_id, booking_id) = columns;
    let context =
        serde_json::from_str(&context.expect("every row has a context")).expect("the context is JSON");
    StoredRow { id, created_at, source, event_type, severity, context, restaurant_id, booking_id }
}

async fn postgres_rows(url: &str) -> sqlx::Result<Vec<StoredRow>> {
    let mut connection = sqlx::PgConnection::connect(url).await?;
    let columns: Vec<StoredColumns> = sqlx::query_as(
        "SELECT id::text, (extract(epoch FROM created_at) * 1000000)::bigint, source, event_type, severity, \
         context::text, restaurant_id::text, booking_id::text FROM observability_events",
    )
    .fetch_all(&mut connection)
    .await?;
    Ok(columns.into_iter().map(row).collect())
}

async fn sqlite_rows(url: &str) -> sqlx::Result<Vec<StoredRow>> {
    let mut connection = sqlx::SqliteConnection::connect(url).await?;
    let columns: Vec<StoredColumns> = sqlx::query_as(
        "SELECT id, CAST(strftime('%s', created_at) AS INTEGER) * 1000000 \
         + CAST(substr(created_at, 21, 6) AS INTEGER), source, event_type, severity, \
         context, restaurant_id, booking_id FROM observability_events",
    )
    .fetch_all(&mut connection)
    .await?;
    Ok(columns.into_iter().map(row).collect())
}

//! The PostgreSQL server that has to take every row. It starts with the first input and ends with the process.

use std::cell::RefCell;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value as Json;
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::{self, Runtime};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};

#[expect(dead_code, reason = "the tests use more of it")]
#[path = "../../../tests/support/cluster.rs"]
mod cluster;
#[path = "../../../tests/support/install.rs"]
mod install;

const COLUMNS: &str = "SELECT id::text, (extract(epoch FROM created_at) * 1000000)::bigint, source, event_type, \
                       severity, context::text, restaurant_id::text, booking_id::text \
                       FROM observability_events WHERE id = ANY($1::uuid[]) ORDER BY id";

type StoredColumns = (String, i64, String, String, String, String, Option<String>, Option<String>);

struct FuzzDatabase {
    runtime: Runtime,
    store: Postgres,
    reader: PgConnection,
}

/// Writes the rows, reads them back, and compares.
pub fn check(rows: &[Row]) {
    thread_local! {
        static DATABASE: RefCell<FuzzDatabase> = RefCell::new(FuzzDatabase::new());
    }
    DATABASE.with_borrow_mut(|database| {
        database.write(rows);
        database.compare(rows);
    });
}

impl FuzzDatabase {
    fn new() -> Self {
        let cluster = cluster::Cluster::shared();
        let url = cluster.database();
        let name = url.rsplit('/').next().expect("a URL has a last part").to_owned();
        // The rows need not survive a crash of the machine.
        cluster.psql(&url, &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
        // A Unix socket, because a small COPY over TCP waits 44 ms for an acknowledgement.
        let url = format!("{url}?host={}", cluster.dir().display());
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let reader = runtime.block_on(PgConnection::connect(&url)).expect("the server is there");
        Self { runtime, store: Postgres::from_url(&url).expect("a good URL"), reader }
    }

    fn write(&mut self, rows: &[Row]) {
        // First by `COPY`, which takes any number of rows here, then by `INSERT`, which finds them in the table.
        for attempt in [Attempt::First, Attempt::Retry] {
            let inserted = self.runtime.block_on(self.store.insert(rows, attempt));
            inserted.unwrap_or_else(|error| panic!("{attempt:?}: {error}: {rows:#?}"));
        }
    }

    fn compare(&mut self, rows: &[Row]) {
        let mut rows: Vec<_> = rows.iter().collect();
        rows.sort_by_key(|row| row.id);
        let ids: Vec<_> = rows.iter().map(|row| row.id.to_string()).collect();
        let read = sqlx::query_as(COLUMNS).bind(ids).fetch_all(&mut self.reader);
        let stored: Vec<StoredColumns> = self.runtime.block_on(read).expect("rows can be read");
        assert_eq!(stored.len(), rows.len(), "each is there once");
        for (stored, row) in stored.into_iter().zip(rows) {
            compare(stored, row);
        }
    }
}

fn compare(stored: StoredColumns, row: &Row) {
    let (id, created_at, source, event_type, severity, context, restaurant_id, booking_id) = stored;
    let created_at = UNIX_EPOCH + Duration::from_micros(created_at.cast_unsigned());
    assert_eq!((id, created_at), (row.id.to_string(), row.created_at));
    assert_eq!((&*source, &*event_type), (&*row.source, &*row.event_type));
    assert_eq!(severity, row.severity.as_str());
    assert!(is_same(&parse(&context), &parse(&row.context)), "{context} is not {}", row.context);
    let ids = [row.restaurant_id, row.booking_id].map(|id| id.map(|id| id.to_string()));
    assert_eq!([restaurant_id, booking_id], ids);
}

pub fn parse(context: &str) -> Json {
    serde_json::from_str(context).unwrap_or_else(|error| panic!("{error}: {context}"))
}

/// Whether both are the same JSON. Numbers are compared as floats: Postgres writes 1e16 with all its digits.
pub fn is_same(one: &Json, other: &Json) -> bool {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, one)| other.get(key).is_some_and(|other| is_same(one, other)))
        }
        _ => one == other,
    }
}

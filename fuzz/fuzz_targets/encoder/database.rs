//! The server that has to take it all, started with the first input and gone with the process.

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

type StoredRow = (String, i64, String, String, String, String, Option<String>, Option<String>);

struct Database {
    runtime: Runtime,
    store: Postgres,
    reader: PgConnection,
}

/// Writes the events, reads them back, and compares.
pub fn check(events: &[Row]) {
    thread_local! {
        static DATABASE: RefCell<Database> = RefCell::new(Database::new());
    }
    DATABASE.with_borrow_mut(|database| {
        database.write(events);
        database.compare(events);
    });
}

impl Database {
    fn new() -> Self {
        let cluster = cluster::Cluster::shared();
        let url = cluster.database();
        let name = url.rsplit('/').next().expect("a URL has a last part").to_owned();
        // What a crash of the machine would take is of no interest here.
        cluster.psql(&url, &format!("ALTER DATABASE {name} SET synchronous_commit = off"));
        // Not over TCP, where a small COPY waits 44 ms for an acknowledgement.
        let url = format!("{url}?host={}", cluster.dir().display());
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let reader = runtime.block_on(PgConnection::connect(&url)).expect("the server is there");
        Self { runtime, store: Postgres::from_url(&url).expect("a good URL"), reader }
    }

    fn write(&mut self, events: &[Row]) {
        // By `COPY`, which takes any number of them here, and by `INSERT`, which finds them there.
        for attempt in [Attempt::First, Attempt::Retry] {
            let inserted = self.runtime.block_on(self.store.insert(events, attempt));
            inserted.unwrap_or_else(|error| panic!("{attempt:?}: {error}: {events:#?}"));
        }
    }

    fn compare(&mut self, events: &[Row]) {
        let mut events: Vec<_> = events.iter().collect();
        events.sort_by_key(|event| event.id);
        let ids: Vec<_> = events.iter().map(|event| event.id.to_string()).collect();
        let read = sqlx::query_as(COLUMNS).bind(ids).fetch_all(&mut self.reader);
        let rows: Vec<StoredRow> = self.runtime.block_on(read).expect("rows can be read");
        assert_eq!(rows.len(), events.len(), "each is there once");
        for (row, event) in rows.into_iter().zip(events) {
            compare(row, event);
        }
    }
}

fn compare(row: StoredRow, event: &Row) {
    let (id, created_at, source, event_type, severity, context, restaurant_id, booking_id) = row;
    let created_at = UNIX_EPOCH + Duration::from_micros(created_at.cast_unsigned());
    assert_eq!((id, created_at), (event.id.to_string(), event.created_at));
    assert_eq!((&*source, &*event_type), (&*event.source, &*event.event_type));
    assert_eq!(severity, event.severity.as_str());
    assert!(is_same(&parse(&context), &parse(&event.context)), "{context} is not {}", event.context);
    let ids = [event.restaurant_id, event.booking_id].map(|id| id.map(|id| id.to_string()));
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

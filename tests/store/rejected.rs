//! A row that no database can take fails its whole batch, which is to be bisected, and the store goes on.

use std::time::SystemTime;

use support::{Cluster, SqliteFile};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Failure, Postgres, Sqlite, Store};
use uuid::Uuid;

fn with_context(context: &str) -> Row {
    let mut event = Row::new(SystemTime::now(), "test", "test.event");
    event.context = context.to_owned();
    event
}

async fn fails_then_goes_on(store: &mut impl Store, rejected: Row, failure: Failure) {
    for attempt in [Attempt::First, Attempt::Retry] {
        // Enough rows for a COPY on the first try.
        let mut batch: Vec<Row> = (0..Postgres::COPY_FROM_ROWS).map(|_| with_context("{}")).collect();
        batch.push(rejected.clone());
        let error = store.insert(&batch, attempt).await.expect_err(&rejected.context);
        assert_eq!(error.failure(), failure, "{error}");
    }
    store.insert(&[with_context("{}")], Attempt::First).await.expect("stored");
}

#[tokio::test]
async fn postgres_refuses_bad_json_and_the_store_goes_on() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let mut store = Postgres::from_url(&url).expect("readable");
    let deep = "[".repeat(100_000);
    for context in [r#"{"a": "\u0000"}"#, r#"{"a": NaN}"#, r#"{"a": "\ud800"}"#, "", "a\0b", &deep] {
        fails_then_goes_on(&mut store, with_context(context), Failure::Quarantine).await;
    }
    assert_eq!(cluster.psql(&url, "SELECT count(*) FROM observability_events"), "6");
}

#[tokio::test]
async fn postgres_refuses_an_unknown_booking_and_the_store_goes_on() {
    let url = Cluster::shared().database_after("CREATE TABLE bookings (id uuid PRIMARY KEY);
         ALTER TABLE observability_events ADD FOREIGN KEY (booking_id) REFERENCES bookings ON DELETE SET NULL");
    let mut orphan = with_context("{}");
    orphan.booking_id = Some(Uuid::from_u128(7));
    let failure = Failure::Reference { restaurant_id: false, booking_id: true };
    fails_then_goes_on(&mut Postgres::from_url(&url).expect("readable"), orphan, failure).await;
}

#[tokio::test]
async fn sqlite_refuses_a_broken_check_and_the_store_goes_on() {
    let file = SqliteFile::new();
    let url = format!("{}?mode=rwc", file.url());
    let mut database = <sqlx::SqliteConnection as sqlx::Connection>::connect(&url).await.expect("opens");
    let stricter = "CREATE TABLE observability_events (id TEXT PRIMARY KEY, created_at TEXT, source TEXT,
         event_type TEXT, severity TEXT, context TEXT CHECK (json_valid(context)),
         restaurant_id TEXT, booking_id TEXT)";
    sqlx::raw_sql(stricter).execute(&mut database).await.expect("made");
    let mut store = Sqlite::from_url(&file.url()).expect("readable");
    fails_then_goes_on(&mut store, with_context("{"), Failure::Quarantine).await;
}

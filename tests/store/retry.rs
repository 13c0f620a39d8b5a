//! A row that is sent again is stored once, in every store.

use std::time::SystemTime;

use sqlx::Connection as _;
use support::{Cluster, SqliteFile};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Memory, Postgres, Sqlite, Store};

/// Each half is large enough for a COPY on the first try.
const EVENTS: usize = 2 * Postgres::COPY_FROM_ROWS;
const ROWS: usize = 2 * EVENTS;

fn batch() -> Vec<Row> {
    (0..EVENTS).map(|_| Row::new(SystemTime::now(), "test", "test.event")).collect()
}

/// Stores half of the batch, then sends the whole batch, as a retry and as a replay.
async fn half_then_all(store: &mut impl Store) {
    for attempt in [Attempt::Retry, Attempt::Replay] {
        let batch = batch();
        store.insert(&batch[..EVENTS / 2], Attempt::First).await.expect("stored");
        store.insert(&batch, attempt).await.expect("stored");
        store.insert(&batch, attempt).await.expect("stored");
    }
}

#[tokio::test]
async fn a_retry_in_postgres_makes_no_second_row() {
    let url = Cluster::shared().database();
    half_then_all(&mut Postgres::from_url(&url).expect("readable")).await;
    assert_eq!(Cluster::shared().psql(&url, "SELECT count(*) FROM observability_events"), ROWS.to_string());
}

#[tokio::test]
async fn a_retry_in_a_partitioned_table_makes_no_second_row() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    cluster.psql(
        &url,
        "CREATE TABLE observability_events (
             id uuid NOT NULL, created_at timestamptz NOT NULL, source text NOT NULL, event_type text NOT NULL,
             severity text NOT NULL, context jsonb, restaurant_id uuid, booking_id uuid,
             region text NOT NULL DEFAULT 'eu', PRIMARY KEY (id, created_at)
         ) PARTITION BY RANGE (created_at);
         CREATE TABLE events_of_all_time PARTITION OF observability_events DEFAULT;",
    );
    half_then_all(&mut Postgres::from_url(&url).expect("readable")).await;
    assert_eq!(
        cluster.psql(&url, "SELECT count(*), min(region) FROM observability_events"),
        format!("{ROWS}|eu")
    );
}

#[tokio::test]
async fn a_retry_in_sqlite_makes_no_second_row() {
    let file = SqliteFile::new();
    half_then_all(&mut Sqlite::from_url(&file.url()).expect("readable").create_table(true)).await;
    let mut reader = sqlx::SqliteConnection::connect(&file.url()).await.expect("opens");
    let count = sqlx::query_scalar("SELECT count(*) FROM observability_events");
    let count: i64 = count.fetch_one(&mut reader).await.expect("counted");
    assert_eq!(count, ROWS as i64);
}

#[tokio::test]
async fn a_retry_in_memory_makes_no_second_row() {
    let store = Memory::default();
    half_then_all(&mut store.clone()).await;
    assert_eq!(store.rows().len(), ROWS);
}

//! `create_table(true)` creates a missing table, also when many stores start at once.

use std::time::SystemTime;

use support::Cluster;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};

fn batch() -> [Row; 1] {
    [Row::new(SystemTime::now(), "test", "test.event")]
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_stores_at_once_create_one_table() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    let starts: Vec<_> = (0..10)
        .map(|_| {
            let mut store = Postgres::from_url(&url).expect("readable").create_table(true);
            tokio::spawn(async move { store.insert(&batch(), Attempt::First).await })
        })
        .collect();
    for start in starts {
        start.await.expect("no panic").expect("stored");
    }
    assert_eq!(cluster.psql(&url, "SELECT count(*) FROM observability_events"), "10");
}

#[tokio::test]
async fn a_table_in_the_memory_of_sqlite_lives_as_long_as_its_store() {
    let mut store = Sqlite::from_url("sqlite::memory:").expect("readable").create_table(true);
    let batch = batch();
    store.insert(&batch, Attempt::First).await.expect("stored");
    // A second row of the same id would break the primary key.
    store.insert(&batch, Attempt::Retry).await.expect("known");
}

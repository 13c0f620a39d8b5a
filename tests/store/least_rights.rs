//! A role that may only INSERT is enough. The message about a missing right or table has the remedy.

use std::time::SystemTime;

use support::{Cluster, SqliteFile};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Failure, InsertError, Postgres, Sqlite, Store};

/// Enough rows for a COPY on the first try.
fn batch() -> Vec<Row> {
    let rows = 0..Postgres::COPY_FROM_ROWS;
    rows.map(|_| Row::new(SystemTime::now(), "test", "test.event")).collect()
}

/// The URL of the database for a new role.
fn as_role(url: &str, name: &str) -> String {
    Cluster::shared().psql(url, &format!("CREATE ROLE {name} LOGIN"));
    url.replace("postgres@", &format!("{name}@"))
}

/// The same for a role that row-level security lets insert.
fn as_guarded_role(url: &str, name: &str) -> String {
    let role = as_role(url, name);
    let rights = format!(
        "GRANT INSERT ON observability_events TO {name};
         ALTER TABLE observability_events ENABLE ROW LEVEL SECURITY;
         CREATE POLICY all_rows ON observability_events FOR INSERT WITH CHECK (true)"
    );
    Cluster::shared().psql(url, &rights);
    role
}

async fn insert(mut store: impl Store, attempt: Attempt) -> Result<(), InsertError> {
    store.insert(&batch(), attempt).await
}

#[tokio::test]
async fn insert_is_enough() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let writer = as_role(&url, "writer");
    cluster.psql(&url, "GRANT INSERT ON observability_events TO writer");
    for attempt in [Attempt::First, Attempt::Retry] {
        // The table exists, so the store creates nothing.
        let store = Postgres::from_url(&writer).expect("readable").create_table(true);
        insert(store, attempt).await.expect("stored");
    }
}

#[tokio::test]
async fn row_level_security_lets_an_insert_through() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let guarded = as_guarded_role(&url, "guarded");
    insert(Postgres::from_url(&guarded).expect("readable"), Attempt::First).await.expect("stored");
    assert_eq!(cluster.psql(&url, "SELECT count(*) FROM observability_events"), batch().len().to_string());
}

#[tokio::test]
async fn row_level_security_that_is_off_is_named() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    let careful = as_guarded_role(&url, "careful");
    cluster.psql(&url, "ALTER ROLE careful SET row_security = off");
    for attempt in [Attempt::First, Attempt::Retry] {
        let error =
            insert(Postgres::from_url(&careful).expect("readable"), attempt).await.expect_err("refused");
        assert_eq!(error.failure(), Failure::Hold);
        assert!(error.to_string().contains("row_security is off for this role"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_right_is_named() {
    let url = as_role(&Cluster::shared().database(), "stranger");
    let error =
        insert(Postgres::from_url(&url).expect("readable"), Attempt::First).await.expect_err("no right");
    assert_eq!(error.failure(), Failure::Hold);
    assert!(error.to_string().contains("GRANT INSERT ON observability_events"), "{error}");
}

#[tokio::test]
async fn a_missing_table_is_named_and_not_made() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    let error =
        insert(Postgres::from_url(&url).expect("readable"), Attempt::First).await.expect_err("no table");
    assert_eq!(error.failure(), Failure::Hold);
    assert!(error.to_string().contains("or use create_table(true)"), "{error}");
    assert_eq!(cluster.psql(&url, "SELECT to_regclass('observability_events') IS NULL"), "t");
}

#[tokio::test]
async fn a_missing_sqlite_file_or_table_is_named_and_not_made() {
    let file = SqliteFile::new();
    let error =
        insert(Sqlite::from_url(&file.url()).expect("readable"), Attempt::First).await.expect_err("no file");
    assert_eq!(error.failure(), Failure::Hold);
    assert!(error.to_string().contains("use create_table(true)"), "{error}");
    assert!(!file.path().exists());

    let memory = Sqlite::from_url("sqlite::memory:").expect("readable");
    let error = insert(memory, Attempt::First).await.expect_err("no table");
    assert_eq!(error.failure(), Failure::Hold);
    assert!(error.to_string().contains("does not exist; use create_table(true)"), "{error}");
}

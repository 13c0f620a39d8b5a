//! The table may have another name, in another schema, and every name is quoted.

use std::time::SystemTime;

use support::{Cluster, DEADLINE, SqliteFile};
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};
use tracing_ledger::{Builder, Row};
use tracing_subscriber::{Registry, prelude::*};

const ODD: &str = "Log's.order \"x\"; --";

fn rows(count: usize) -> Vec<Row> {
    (0..count).map(|_| Row::new(SystemTime::now(), "test", "test")).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(future)
}

fn write_through(builder: Builder, url: &str) {
    let (ledger, guard) = builder.build::<Registry>(url).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        tracing::info!(name: "auto_assign.started", "one");
    });
    guard.shutdown(DEADLINE).expect("it is written");
}

#[test]
fn rows_go_to_the_table_of_that_name_in_postgres() {
    let cluster = Cluster::shared();
    for name in ["calls", "ledger.calls", "Ledger.Calls", ODD] {
        let url = cluster.empty_database();
        cluster.psql(&url, "CREATE SCHEMA ledger; CREATE SCHEMA \"Ledger\"; CREATE SCHEMA \"Log's\"");
        write_through(tracing_ledger::builder().table(name).create_table(true), &url);
        let mut store = Postgres::from_url(&url).expect("a URL").table(name).expect("a name");
        block_on(async {
            // By COPY, and by INSERT.
            for count in [Postgres::COPY_FROM_ROWS, 1] {
                let rows = rows(count);
                for attempt in [Attempt::First, Attempt::Retry] {
                    store.insert(&rows, attempt).await.expect("it is written");
                }
            }
        });
        let quoted: Vec<_> =
            name.split('.').map(|part| format!("\"{}\"", part.replace('"', "\"\""))).collect();
        let count = format!("SELECT count(*) FROM {}", quoted.join("."));
        assert_eq!(cluster.psql(&url, &count), (Postgres::COPY_FROM_ROWS + 2).to_string(), "{name}");
        let indexes = "SELECT count(*) FROM pg_indexes WHERE indexdef ~ 'event_type, created_at DESC'";
        assert_eq!(cluster.psql(&url, indexes), "1", "{name}");
    }
}

#[test]
fn rows_go_to_the_table_of_that_name_in_sqlite() {
    for name in ["calls", "order \"x\"; --"] {
        let file = SqliteFile::new();
        write_through(tracing_ledger::builder().table(name).create_table(true), &file.url());
        let mut store = Sqlite::from_url(&file.url()).expect("a URL").table(name).expect("a name");
        block_on(store.insert(&rows(3), Attempt::First)).expect("it is written");
    }
}

fn schema(table: &str) -> String {
    tracing_ledger::builder().table(table).schema().expect("a name")
}

#[test]
fn the_printed_schema_makes_the_table() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    for _ in 0..2 {
        cluster.psql(&url, &schema(ODD));
    }
    let mut store = Postgres::from_url(&url).expect("a URL").table(ODD).expect("a name");
    block_on(store.insert(&rows(2), Attempt::First)).expect("it is written");
    assert_eq!(schema(Builder::DEFAULT_TABLE), tracing_ledger::SCHEMA);
    cluster.psql(&cluster.empty_database(), tracing_ledger::SCHEMA);
}

/// Postgres cuts names after 63 bytes.
#[test]
fn tables_whose_long_names_begin_alike_have_their_own_indexes() {
    let cluster = Cluster::shared();
    let url = cluster.empty_database();
    let start = "calls_of_the_orders_and_payments_of_the_shop";
    for name in [format!("{start}_in_europe"), format!("{start}_in_asia"), "é".repeat(30)] {
        cluster.psql(&url, &schema(&name));
        let indexes = format!("SELECT count(*) FROM pg_indexes WHERE tablename = '{name}'");
        assert_eq!(cluster.psql(&url, &indexes), "5", "{name}");
        let checkup = tracing_ledger::builder().table(&name).check(&url, DEADLINE).expect("sound");
        assert_eq!(checkup.health(), tracing_ledger::Health::Ok, "{checkup}");
    }
}

#[test]
fn a_missing_table_is_reported_under_its_name_with_the_command_that_makes_it() {
    let url = Cluster::shared().empty_database();
    let mut store = Postgres::from_url(&url).expect("a URL").table("ledger.calls").expect("a name");
    let error = block_on(store.insert(&rows(1), Attempt::First)).expect_err("there is no table").to_string();
    assert!(error.contains("the table ledger.calls does not exist"), "{error}");
    assert!(error.contains("tracing-ledger schema --table ledger.calls"), "{error}");
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("a URL").table("calls").expect("a name");
    block_on(
        Sqlite::from_url(&file.url()).expect("a URL").create_table(true).insert(&rows(1), Attempt::First),
    )
    .expect("another table is made");
    let error = block_on(store.insert(&rows(1), Attempt::First)).expect_err("there is no table").to_string();
    assert!(error.contains("the table calls does not exist"), "{error}");
}

#[test]
fn a_missing_schema_is_reported_with_the_command_that_makes_it() {
    let url = Cluster::shared().empty_database();
    let store = Postgres::from_url(&url).expect("a URL").table("ledger.calls").expect("a name");
    let mut store = store.create_table(true);
    let error = block_on(store.insert(&rows(1), Attempt::First)).expect_err("there is no schema").to_string();
    assert!(
        error.contains("the schema of ledger.calls does not exist") && !error.contains("search_path"),
        "{error}"
    );
    assert!(error.contains("tracing-ledger schema --table ledger.calls prints"), "{error}");
    Cluster::shared().psql(&url, &schema("ledger.calls"));
    block_on(store.insert(&rows(1), Attempt::First)).expect("the schema is there");
}

#[test]
fn a_name_that_is_none_is_refused() {
    let error = tracing_ledger::builder()
        .table("a.b.c")
        .build::<Registry>("postgres://db/app")
        .expect_err("three parts");
    assert!(error.is_config() && error.to_string().contains("SCHEMA.TABLE"), "{error}");
}

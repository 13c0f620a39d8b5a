//! A role that may only `INSERT` writes to every shape of the table that exists in production, and a row that is sent again
//! is stored once.

use std::time::{Duration, SystemTime};

use support::Cluster;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};
use uuid::Uuid;

const MANUAL: &str = include_str!("../../docs/security.md");

const BOOKING: Uuid = Uuid::from_u128(1);
const RESTAURANT: Uuid = Uuid::from_u128(2);

/// Half of the rows are enough for a COPY on the first try. They are of a few days, so that they lie in two partitions.
fn batch() -> Vec<Row> {
    let event = |number: usize| {
        let at = SystemTime::now() - Duration::from_secs(number as u64 * 300);
        let mut event = Row::new(at, "test", "test.event");
        event.booking_id = Some(BOOKING);
        event.restaurant_id = Some(RESTAURANT);
        event
    };
    (0..2 * Postgres::COPY_FROM_ROWS).map(event).collect()
}

/// Stores half of a batch, then sends the whole batch as a replay and as a retry, then a small part of it.
async fn write_and_retry(url: &str) {
    let mut store = Postgres::from_url(url).expect("readable");
    let batch = batch();
    let (half, few) = (&batch[..batch.len() / 2], &batch[..3]);
    for (rows, attempt) in
        [(half, Attempt::First), (&batch, Attempt::Replay), (&batch, Attempt::Retry), (few, Attempt::Retry)]
    {
        store.insert(rows, attempt).await.expect("stored");
    }
}

/// Writes as `role`, which may insert, and checks that it may do nothing else. Returns the URL of the table's owner.
async fn only_inserts(role: &str, table: &str) -> String {
    let cluster = Cluster::shared();
    let owner = cluster.empty_database();
    cluster.psql(&owner, table);
    cluster
        .psql(&owner, &format!("CREATE ROLE {role} LOGIN; GRANT INSERT ON observability_events TO {role};"));
    let url = owner.replace("postgres@", &format!("{role}@"));
    write_and_retry(&url).await;
    assert_no_more_rights(&url);
    assert_eq!(cluster.psql(&owner, "SELECT count(*) FROM observability_events"), batch().len().to_string());
    owner
}

#[track_caller]
fn assert_no_more_rights(url: &str) {
    for statement in ["SELECT id FROM", "UPDATE", "DELETE FROM", "TRUNCATE"] {
        let set = if statement == "UPDATE" { "SET source = 'x'" } else { "" };
        let sql = format!("{statement} observability_events {set}");
        let refused = Cluster::shared().try_psql(url, &sql).expect_err(statement);
        assert!(refused.contains("permission denied"), "{refused}");
    }
}

#[tokio::test]
async fn insert_alone_suffices_for_the_table_of_schema_sql() {
    only_inserts("inserts_plain", include_str!("../../schema.sql")).await;
}

#[tokio::test]
async fn insert_alone_suffices_for_a_partitioned_table() {
    let partitioned = "
        CREATE TABLE observability_events (
            id uuid NOT NULL DEFAULT gen_random_uuid(), created_at timestamptz NOT NULL DEFAULT now(),
            source text NOT NULL, event_type text NOT NULL, severity text NOT NULL DEFAULT 'info',
            context jsonb, restaurant_id uuid, booking_id uuid, UNIQUE (id, created_at)
        ) PARTITION BY RANGE (created_at);
        SELECT format('CREATE TABLE events_before PARTITION OF observability_events
                       FOR VALUES FROM (MINVALUE) TO (%L)', now() - interval '1 day') \\gexec
        CREATE TABLE events_after PARTITION OF observability_events DEFAULT;";
    let url = only_inserts("inserts_partitioned", partitioned).await;
    let sql = "SELECT count(*) > 0 FROM events_before UNION ALL SELECT count(*) > 0 FROM events_after";
    assert_eq!(Cluster::shared().psql(&url, sql), "t\nt", "rows lie in both");
}

#[tokio::test]
async fn insert_alone_suffices_for_a_table_with_foreign_keys() {
    let referring = format!(
        "{}
        CREATE TABLE bookings (id uuid PRIMARY KEY);
        CREATE TABLE restaurants (id uuid PRIMARY KEY);
        INSERT INTO bookings VALUES ('{BOOKING}');
        INSERT INTO restaurants VALUES ('{RESTAURANT}');
        ALTER TABLE observability_events
            ADD FOREIGN KEY (booking_id) REFERENCES bookings ON DELETE SET NULL,
            ADD FOREIGN KEY (restaurant_id) REFERENCES restaurants ON DELETE SET NULL;",
        include_str!("../../schema.sql")
    );
    let url = only_inserts("referring", &referring).await;
    let sql =
        "DELETE FROM bookings; SELECT count(booking_id), count(restaurant_id) FROM observability_events;";
    assert_eq!(Cluster::shared().psql(&url, sql), format!("0|{}", batch().len()));
}

#[tokio::test]
async fn insert_alone_suffices_for_a_bare_table_with_more_columns() {
    let bare = "
        CREATE TABLE observability_events (
            region text NOT NULL DEFAULT 'eu', number bigint GENERATED ALWAYS AS IDENTITY,
            booking_id uuid, restaurant_id uuid, context jsonb, severity text NOT NULL, event_type text NOT NULL,
            source text NOT NULL, created_at timestamptz NOT NULL, id uuid PRIMARY KEY,
            day date GENERATED ALWAYS AS ((created_at AT TIME ZONE 'UTC')::date) STORED
        );";
    let url = only_inserts("bare", bare).await;
    let sql = "SELECT count(DISTINCT number) = count(*), min(region), count(day) = count(*) FROM observability_events";
    assert_eq!(Cluster::shared().psql(&url, sql), "t|eu|t");
}

/// A view takes an INSERT but no COPY. The store tries COPY only once, as the failure costs the connection.
#[tokio::test]
async fn a_view_is_written_by_insert() {
    let cluster = Cluster::shared();
    let owner = cluster.database();
    cluster.psql(
        &owner,
        "ALTER TABLE observability_events RENAME TO kept;
         CREATE VIEW observability_events AS SELECT * FROM kept;
         CREATE ROLE viewing LOGIN;
         GRANT INSERT ON observability_events TO viewing;",
    );
    let latest = || {
        let sql = "SELECT max(backend_start) FROM pg_stat_activity WHERE usename = 'viewing'";
        cluster.psql(&owner, sql)
    };
    let url = owner.replace("postgres@", "viewing@");
    let mut store = Postgres::from_url(&url).expect("readable");
    store.insert(&batch(), Attempt::First).await.expect("stored");
    let connected = latest();
    store.insert(&batch(), Attempt::First).await.expect("stored");
    assert_eq!(latest(), connected, "by the same connection");
    let rows = cluster.psql(&owner, "SELECT count(*) FROM kept");
    assert_eq!(rows, (2 * batch().len()).to_string());
}

/// Only a default with a sequence needs another right.
#[tokio::test]
async fn a_table_with_a_sequence_needs_the_right_to_use_it() {
    let cluster = Cluster::shared();
    let owner = cluster.database();
    cluster.psql(
        &owner,
        "ALTER TABLE observability_events ADD COLUMN number bigserial;
         CREATE ROLE counting LOGIN;
         GRANT INSERT ON observability_events TO counting;",
    );
    let url = owner.replace("postgres@", "counting@");
    let refused = Postgres::from_url(&url).expect("readable").insert(&batch(), Attempt::First).await;
    let message = refused.expect_err("no right to the sequence").to_string();
    assert!(message.contains("GRANT USAGE ON SEQUENCE"), "{message}");
    cluster.psql(&owner, "GRANT USAGE ON SEQUENCE observability_events_number_seq TO counting");
    write_and_retry(&url).await;
}

/// The statements of the manual, in a database that grants nothing by default.
#[tokio::test]
async fn the_grants_of_the_manual_suffice() {
    let cluster = Cluster::shared();
    let owner = cluster.database();
    let database = owner.rsplit('/').next().expect("a URL names its database");
    let closed =
        format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC; REVOKE ALL ON SCHEMA public FROM PUBLIC;");
    cluster.psql(&owner, &closed);
    let grants = MANUAL.split("```sql\n").nth(1).and_then(|rest| rest.split("```").next());
    let grants =
        grants.expect("the manual has them").replace("DATABASE app", &format!("DATABASE {database}"));
    cluster.psql(&owner, &grants);

    let writer = owner.replace("postgres@", "ledger_writer@");
    write_and_retry(&writer).await;
    assert_no_more_rights(&writer);
    let reader = owner.replace("postgres@", "ledger_reader@");
    let rows = cluster.psql(&reader, "SELECT count(*) FROM observability_events");
    assert_eq!(rows, batch().len().to_string());
}

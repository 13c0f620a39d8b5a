//! The rows of an earlier process go by COPY as long as none of them is in the table, and never become second rows.

use std::time::{Duration, SystemTime};

use support::Cluster;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};

const EVENTS: usize = 2 * Postgres::COPY_FROM_ROWS;

const PLAIN: &str = include_str!("../../schema.sql");
const PARTITIONED: &str = "
    CREATE TABLE observability_events (
        id uuid NOT NULL, created_at timestamptz NOT NULL, source text NOT NULL, event_type text NOT NULL,
        severity text NOT NULL, context jsonb, restaurant_id uuid, booking_id uuid, PRIMARY KEY (id, created_at)
    ) PARTITION BY RANGE (created_at);
    SELECT format('CREATE TABLE events_before PARTITION OF observability_events
                   FOR VALUES FROM (MINVALUE) TO (%L)', now() - interval '1 day') \\gexec
    CREATE TABLE events_after PARTITION OF observability_events DEFAULT;";
/// Counts the statements on the table, also those that are rolled back.
const COUNTERS: &str = "
    CREATE SEQUENCE copies MINVALUE 0;
    CREATE SEQUENCE inserts MINVALUE 0;
    CREATE FUNCTION count_statement() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$BEGIN
        PERFORM nextval(CASE WHEN current_query() LIKE 'COPY %' THEN 'copies' ELSE 'inserts' END);
        RETURN NULL; END$$;
    CREATE TRIGGER count_statement BEFORE INSERT ON observability_events EXECUTE FUNCTION count_statement();";
const COUNT: &str = "
    SELECT (SELECT last_value + is_called::int FROM copies), (SELECT last_value + is_called::int FROM inserts),
           (SELECT count(*) FROM observability_events), (SELECT count(DISTINCT id) FROM observability_events)";

/// Rows of a few days, so that they lie in two partitions.
fn batch() -> Vec<Row> {
    let age = |number: usize| Duration::from_secs(number as u64 * 300);
    (0..EVENTS).map(|number| Row::new(SystemTime::now() - age(number), "test", "test.event")).collect()
}

/// A table, and a store with a role that may only insert.
struct TestTable {
    owner: String,
    store: Postgres,
}

impl TestTable {
    fn new(schema: &str, role: &str) -> Self {
        let cluster = Cluster::shared();
        let owner = cluster.empty_database();
        cluster.psql(&owner, schema);
        cluster.psql(&owner, COUNTERS);
        cluster.psql(
            &owner,
            &format!("CREATE ROLE {role} LOGIN; GRANT INSERT ON observability_events TO {role};"),
        );
        let store = Postgres::from_url(&owner.replace("postgres@", &format!("{role}@"))).expect("readable");
        Self { owner, store }
    }

    /// Puts rows into the table by another store.
    async fn has(&self, rows: &[Row]) {
        let mut another = Postgres::from_url(&self.owner).expect("readable");
        another.insert(rows, Attempt::First).await.expect("stored");
        Cluster::shared().psql(&self.owner, "ALTER SEQUENCE copies RESTART; ALTER SEQUENCE inserts RESTART;");
    }

    async fn replay(&mut self, rows: &[Row]) {
        self.store.insert(rows, Attempt::Replay).await.expect("stored");
    }

    /// Checks the numbers of COPY and INSERT statements, of rows and of different ids.
    #[track_caller]
    fn assert(&self, copies: usize, inserts: usize, rows: usize) {
        let counted = Cluster::shared().psql(&self.owner, COUNT);
        assert_eq!(counted, format!("{copies}|{inserts}|{rows}|{rows}"), "COPY | INSERT | rows | ids");
    }
}

async fn replays(schema: &str, role: &str) {
    let mut table = TestTable::new(schema, role);
    table.replay(&batch()).await;
    table.assert(1, 0, EVENTS);

    let left = batch();
    let known = [&left[..1], &left[EVENTS - 1..], &left[..EVENTS / 2], &left[..]];
    for (number, known) in known.into_iter().enumerate() {
        let mut table = TestTable::new(schema, &format!("{role}_{number}"));
        table.has(known).await;
        table.replay(&left).await;
        table.assert(1, 1, EVENTS);
    }
}

#[tokio::test]
async fn a_replay_adds_the_rows_that_are_missing() {
    replays(PLAIN, "replaying").await;
}

#[tokio::test]
async fn a_replay_into_a_partitioned_table_adds_the_rows_that_are_missing() {
    replays(PARTITIONED, "replaying_partitions").await;
}

#[tokio::test]
async fn after_many_rows_that_exist_the_store_stops_trying_copy() {
    let mut table = TestTable::new(PLAIN, "all_there");
    let left: Vec<_> = std::iter::repeat_with(batch).take(3).collect();
    table.has(&left.concat()).await;
    for batch in &left {
        table.replay(batch).await;
    }
    table.assert(1, 3, 3 * EVENTS);
    for (copies, inserts, rows) in [(1, 4, 4), (2, 4, 5), (3, 4, 6)] {
        table.replay(&batch()).await;
        table.assert(copies, inserts, rows * EVENTS);
    }
}

#[tokio::test]
async fn the_connection_outlives_a_row_that_is_there() {
    let mut table = TestTable::new(PLAIN, "connected");
    let left = batch();
    table.replay(&left).await;
    let sql = "SELECT pid FROM pg_stat_activity WHERE usename = 'connected'";
    let session = Cluster::shared().psql(&table.owner, sql);
    table.replay(&left).await;
    assert_eq!(Cluster::shared().psql(&table.owner, sql), session);
}

#[tokio::test]
async fn a_second_try_is_never_a_copy() {
    let mut table = TestTable::new(PLAIN, "second_try");
    table.store.insert(&batch(), Attempt::Retry).await.expect("stored");
    table.assert(0, 1, EVENTS);
}

#[tokio::test]
async fn a_row_that_is_there_on_its_first_try_is_left_out_whatever_the_size_of_the_batch() {
    let mut table = TestTable::new(PLAIN, "first_try");
    let batch = batch();
    table.has(&batch[..1]).await;
    table.store.insert(&batch[..2], Attempt::First).await.expect("stored");
    table.assert(0, 1, 2);
    table.store.insert(&batch, Attempt::First).await.expect("stored");
    table.assert(1, 2, EVENTS);
}

//! Every way to store a row keeps to the letter of the contract.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::Connection as _;
use support::{Cluster, DEADLINE, SqliteFile};
use tracing_ledger::store::{Attempt, Memory, Postgres, Sqlite, Store};
use tracing_ledger::{Row, Severity};
use tracing_subscriber::prelude::*;
use uuid::Uuid;

const ID: Uuid = Uuid::from_u128(0x0193_7b5e_8f00_7abc_8def_0123_4567_89ab);
const RESTAURANT: Uuid = Uuid::from_u128(1);
const SELECT: &str = "SELECT id || ' ' || created_at || ' ' || source || ' ' || event_type || ' ' || severity \
     || ' ' || context || ' ' || restaurant_id || ' ' || coalesce(booking_id, 'null') FROM observability_events";

fn sample() -> Row {
    let mut event = Row::new(moment(), "auto_assign", "auto_assign.quote");
    event.id = ID;
    event.severity = Severity::Warning;
    event.context = r#"{"planner_reason": "größte \"Gruppe\" 🍽"}"#.to_owned();
    event.restaurant_id = Some(RESTAURANT);
    event
}

/// 2026-01-31T08:00:00.123456Z
fn moment() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_769_846_400_123_456)
}

/// The sample, with enough other rows for a COPY on the first try.
fn large_batch() -> Vec<Row> {
    let others = (1..Postgres::COPY_FROM_ROWS).map(|_| Row::new(moment(), "auto_assign", "other"));
    [sample()].into_iter().chain(others).collect()
}

#[tokio::test]
async fn postgres_takes_it_by_copy_and_by_insert() {
    let cluster = Cluster::shared();
    for (batch, attempt) in
        [(vec![sample()], Attempt::First), (large_batch(), Attempt::First), (large_batch(), Attempt::Retry)]
    {
        let url = cluster.database();
        let mut store = Postgres::from_url(&url).expect("readable");
        store.insert(&batch, attempt).await.expect("stored");
        assert_eq!(cluster.psql(&url, "SELECT count(*) FROM observability_events"), batch.len().to_string());
        let row = cluster.psql(
            &url,
            "SET TimeZone = 'UTC'; SELECT * FROM observability_events WHERE event_type <> 'other'",
        );
        let expected = format!(
            "{ID}|2026-01-31 08:00:00.123456+00|auto_assign|auto_assign.quote|warning|\
             {{\"planner_reason\": \"größte \\\"Gruppe\\\" 🍽\"}}|{RESTAURANT}|"
        );
        assert_eq!(row, expected, "{attempt:?}");
    }
}

/// Then Postgres need not sort them.
#[test]
fn the_keys_of_a_context_come_in_the_order_that_postgres_keeps_them_in() {
    let memory = Memory::default();
    let (layer, guard) = tracing_ledger::builder().build_with(memory.clone()).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let _job = tracing::info_span!("auto_assign.job", trigger = "creation").entered();
        let strategy = tracing::field::display("any");
        tracing::info_span!(
            "auto_assign.quote",
            größe = 2,
            z = 1,
            strategy.max_tables = 3,
            strategy.require_adjacency = true,
            strategy.a = strategy,
            success = false,
            reason = "timeout",
        )
        .in_scope(|| ());
    });
    guard.shutdown(DEADLINE).expect("memory is there");
    let cluster = Cluster::shared();
    let url = cluster.database();
    for Row { context, .. } in memory.rows() {
        let kept = cluster.psql(&url, &format!("SELECT '{context}'::jsonb"));
        assert_eq!(kept.replace(' ', ""), context);
    }
    assert_eq!(memory.rows().len(), 2);
}

#[tokio::test]
async fn sqlite_takes_it_as_text() {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    store.insert(&[sample()], Attempt::First).await.expect("stored");
    let mut reader = sqlx::SqliteConnection::connect(&file.url()).await.expect("opens");
    let row: String = sqlx::query_scalar(SELECT).fetch_one(&mut reader).await.expect("one row");
    let expected = format!(
        "{ID} 2026-01-31T08:00:00.123456Z auto_assign auto_assign.quote warning \
         {{\"planner_reason\": \"größte \\\"Gruppe\\\" 🍽\"}} {RESTAURANT} null"
    );
    assert_eq!(row, expected);
}

//! A row whose booking or restaurant is not there waits for it, holds up no other row, and goes without it in the end.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection, SqliteConnection};
use support::{Cluster, DEADLINE, SqliteFile, until};
use tracing_ledger::Builder;
use tracing_ledger::store::Postgres;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

use crate::one_row::Service;

/// Longer than any test takes.
const HOUR: Duration = Duration::from_secs(3600);
const BOOKING: &str = "00000000-0000-0000-0000-000000000001";
const RESTAURANT: &str = "00000000-0000-0000-0000-000000000002";
const KEYS: &str =
    "CREATE TABLE bookings (id uuid PRIMARY KEY); CREATE TABLE restaurants (id uuid PRIMARY KEY);
    ALTER TABLE observability_events ADD FOREIGN KEY (booking_id) REFERENCES bookings ON DELETE SET NULL,
        ADD FOREIGN KEY (restaurant_id) REFERENCES restaurants ON DELETE SET NULL";
const ROW: &str = "SELECT coalesce(booking_id::text, '-'), coalesce(restaurant_id::text, '-'),
    coalesce(context ->> 'booking_id', '-'), coalesce(context ->> 'restaurant_id', '-')
    FROM observability_events WHERE context ->> 'n' = '7'";

fn timeout(time: Duration) -> Builder {
    tracing_ledger::builder().reference_timeout(time)
}

#[test]
fn a_booking_that_commits_after_the_call_is_in_the_row_and_neighbours_do_not_wait() {
    for rows in [30, 1200] {
        let service = Service::new(KEYS, timeout(HOUR));
        service.calls(100..100 + rows);
        service.call(7, Some(BOOKING), None);
        service.calls(2000..2000 + rows);
        until("the others are written", || service.guard.stats().written == 2 * rows);
        let stats = service.guard.flush(DEADLINE).expect("a flush does not wait for it");
        assert_eq!((stats.in_flight, stats.quarantined), (1, 0), "{stats}");
        service.psql(&format!("INSERT INTO bookings VALUES ('{BOOKING}')"));
        until("the row is written", || service.guard.stats().written == 2 * rows + 1);
        assert_eq!(service.psql(ROW), format!("{BOOKING}|-|-|-"));
    }
}

/// Written with its booking once the lock is gone, and neighbours long before.
async fn waits_for_a_lock(rows: u64) {
    let service = Service::new(KEYS, timeout(HOUR));
    service.psql(&format!("INSERT INTO bookings VALUES ('{BOOKING}')"));
    let mut other = PgConnection::connect(&service.owner).await.expect("it connects");
    let lock = "BEGIN; SELECT * FROM bookings FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut other).await.expect("nobody else locks it");
    service.calls(100..100 + rows);
    service.call(7, Some(BOOKING), None);
    service.calls(2000..2000 + rows);
    until("the others are written", || service.guard.stats().written == 2 * rows);
    service.call(8, Some(BOOKING), None);
    service.calls(4000..4000 + rows);
    until("later ones are written", || service.guard.stats().written == 3 * rows);
    service.until_flush_says(&["end its transaction"]);
    other.close().await.expect("its transaction ends");
    until("those that waited are written", || service.guard.stats().written == 3 * rows + 2);
    assert_eq!(service.psql(ROW), format!("{BOOKING}|-|-|-"));
    service.assert_written(3 * rows + 2, 0);
}

#[tokio::test]
async fn a_row_whose_booking_is_locked_waits_and_holds_up_no_other_row() {
    waits_for_a_lock(3).await;
}

#[tokio::test]
async fn a_copied_row_whose_booking_is_locked_waits_and_holds_up_no_other_row() {
    waits_for_a_lock(Postgres::COPY_FROM_ROWS as u64).await;
}

#[test]
fn a_row_is_tried_again_however_long_rows_wait_for_a_batch() {
    let service = Service::new(KEYS, timeout(Duration::from_secs(1)).flush_interval(HOUR));
    service.call(7, Some(BOOKING), None);
    service.guard.flush(DEADLINE).expect("a flush does not wait for it");
    until("it is written without the booking", || service.guard.stats().written == 1);
}

#[test]
fn after_the_timeout_a_row_goes_without_the_reference_that_is_not_there() {
    let elsewhere = "CREATE SCHEMA shop; CREATE TABLE shop.restaurants (id uuid PRIMARY KEY);
        ALTER TABLE observability_events ADD FOREIGN KEY (restaurant_id) REFERENCES shop.restaurants
        DEFERRABLE INITIALLY DEFERRED";
    let composite = "CREATE TABLE bookings (id uuid, restaurant uuid, PRIMARY KEY (id, restaurant));
        ALTER TABLE observability_events ADD FOREIGN KEY (booking_id, restaurant_id) REFERENCES bookings";
    let view = format!(
        "{KEYS}; ALTER TABLE observability_events RENAME TO kept;
         CREATE VIEW observability_events AS SELECT * FROM kept"
    );
    let partitioned = format!(
        "{KEYS}; ALTER TABLE observability_events RENAME TO usual;
         CREATE TABLE observability_events (LIKE usual INCLUDING DEFAULTS, PRIMARY KEY (id),
             FOREIGN KEY (booking_id) REFERENCES bookings) PARTITION BY HASH (id);
         CREATE TABLE all_of_them PARTITION OF observability_events FOR VALUES WITH (MODULUS 1, REMAINDER 0)"
    );
    let known = format!("{KEYS}; INSERT INTO restaurants VALUES ('{RESTAURANT}')");
    for (keys, expected) in [
        (known.as_str(), format!("-|{RESTAURANT}|{BOOKING}|-")),
        (KEYS, format!("-|-|{BOOKING}|{RESTAURANT}")),
        (elsewhere, format!("{BOOKING}|-|-|{RESTAURANT}")),
        (composite, format!("-|-|{BOOKING}|{RESTAURANT}")),
        (&view, format!("-|-|{BOOKING}|{RESTAURANT}")),
        (&partitioned, format!("-|{RESTAURANT}|{BOOKING}|-")),
    ] {
        for time in [Duration::ZERO, Duration::from_millis(300)] {
            let service = Service::new(keys, timeout(time));
            service.calls(100..130);
            service.call(7, Some(BOOKING), Some(RESTAURANT));
            until("all are written", || service.guard.stats().written == 31);
            assert_eq!(service.psql(ROW), expected, "{keys}");
            service.assert_written(31, 0);
        }
    }
}

#[test]
fn many_rows_without_their_booking_are_no_drift() {
    let service = Service::new(KEYS, timeout(Duration::from_millis(100)));
    for n in 0..300 {
        service.call(n, Some(&uuid::Uuid::from_u128(n.into()).to_string()), None);
    }
    until("all are written", || service.guard.stats().written == 300);
    service.assert_written(300, 0);
}

#[test]
fn a_shutdown_leaves_waiting_rows_in_the_spool_and_the_next_process_sends_them() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let spool = || timeout(HOUR).spool_dir(dir.path().join("spool"));
    let service = Service::new(KEYS, spool());
    service.calls(0..5);
    service.call(7, Some(BOOKING), None);
    service.calls(100..130);
    until("the others are written", || service.guard.stats().written == 35);
    let Service { owner, guard, .. } = service;
    let stats = guard.shutdown(DEADLINE).expect("it is on disk");
    assert_eq!((stats.written, stats.spooled, stats.in_flight), (35, 1, 0), "{stats}");
    Cluster::shared().psql(&owner, &format!("INSERT INTO bookings VALUES ('{BOOKING}')"));
    let service = Service::on(owner, spool());
    service.guard.flush(DEADLINE).expect("all is there");
    assert_eq!(service.psql(ROW), format!("{BOOKING}|-|-|-"));
    assert_eq!(service.psql("SELECT count(*) FROM observability_events"), "36", "no row is there twice");
    let stats = service.guard.shutdown(DEADLINE).expect("all is there");
    assert_eq!((stats.spooled, stats.in_flight, stats.quarantined), (0, 0, 0), "{stats}");
}

#[test]
fn a_shutdown_without_a_spool_writes_waiting_rows_without_the_reference() {
    let service = Service::new(KEYS, tracing_ledger::builder());
    service.calls(100..130);
    service.call(7, Some(BOOKING), None);
    let Service { owner, guard, .. } = service;
    let stats = guard.shutdown(DEADLINE).expect("all are written");
    assert_eq!((stats.written, stats.quarantined, stats.in_flight), (31, 0, 0), "{stats}");
    assert_eq!(Cluster::shared().psql(&owner, ROW), format!("-|-|{BOOKING}|-"));
}

#[test]
fn a_reference_that_may_not_be_null_is_quarantined_by_name() {
    let required = format!(
        "{KEYS}; ALTER TABLE observability_events ALTER booking_id SET NOT NULL;
        INSERT INTO bookings VALUES ('{RESTAURANT}')"
    );
    let service = Service::new(&required, timeout(Duration::ZERO));
    (100..130).for_each(|n| service.call(n, Some(RESTAURANT), None));
    service.call(7, Some(BOOKING), None);
    service.assert_written(30, 1);
    let reason = &service.guard.quarantined()[0].reason;
    assert!(reason.contains("null value in column \"booking_id\""), "{reason}");
}

#[test]
fn many_rows_that_wait_hold_up_no_other_row_and_cost_few_statements() {
    let same = |_: u64| BOOKING.to_owned();
    let each = |n: u64| uuid::Uuid::from_u128(n.into()).to_string();
    for booking in [same as fn(u64) -> String, each] {
        let service = Service::new(KEYS, timeout(HOUR));
        (10_000..13_000).for_each(|n| service.call(n, Some(&booking(n)), None));
        service.calls(0..200);
        until("the others are written", || service.guard.stats().written == 200);
        let failed = "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        let statements: u64 = service.psql(failed).parse().expect("a number");
        assert!(statements < 2000, "{statements}");
        service.psql("ALTER TABLE observability_events DROP CONSTRAINT observability_events_booking_id_fkey");
        until("those that waited are written", || service.guard.stats().written == 3200);
        service.assert_written(3200, 0);
    }
}

#[test]
fn a_row_that_has_waited_and_is_then_rejected_is_quarantined() {
    let required = format!(
        "{KEYS}; CREATE FUNCTION own_logic() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN
             IF NEW.booking_id IS NULL AND NEW.context ->> 'n' = '7' THEN RAISE EXCEPTION 'no booking'; END IF;
             RETURN NEW; END$$;
         CREATE TRIGGER own_logic BEFORE INSERT ON observability_events FOR EACH ROW EXECUTE FUNCTION own_logic()"
    );
    let service = Service::new(&required, timeout(Duration::from_millis(300)));
    service.call(7, Some(BOOKING), None);
    service.calls(100..130);
    until("it is quarantined", || service.guard.stats().quarantined == 1);
    service.assert_written(30, 1);
    assert!(service.guard.quarantined()[0].reason.contains("no booking"));
}

#[test]
fn rows_without_a_partition_wait_and_hold_up_no_other_row() {
    let partitions = "DROP TABLE observability_events;
        CREATE TABLE observability_events (
            id uuid NOT NULL, created_at timestamptz NOT NULL, source text NOT NULL, event_type text NOT NULL,
            severity text NOT NULL, context jsonb, restaurant_id uuid, booking_id uuid, PRIMARY KEY (id, event_type)
        ) PARTITION BY LIST (event_type);
        CREATE TABLE quotes PARTITION OF observability_events FOR VALUES IN ('auto_assign.quote')";
    let service = Service::new(partitions, tracing_ledger::builder());
    service.jobs(1);
    service.calls(0..200);
    service.jobs(1500);
    service.calls(200..400);
    until("the others are written", || service.guard.stats().written == 400);
    service.until_flush_says(&["create the partition"]);
    let stats = service.guard.stats();
    assert_eq!((stats.in_flight, stats.quarantined), (1501, 0), "{stats}");
    service.psql("CREATE TABLE jobs PARTITION OF observability_events FOR VALUES IN ('auto_assign.summary')");
    service.assert_written(1901, 0);
}

#[tokio::test]
async fn rows_of_sqlite_wait_too_and_go_without_a_reference_that_has_a_key() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    for (restaurants, deferred, expected) in [
        ("", "", format!("-|{RESTAURANT}|{BOOKING}|-")),
        (" REFERENCES restaurants", " DEFERRABLE INITIALLY DEFERRED", format!("-|-|{BOOKING}|{RESTAURANT}")),
    ] {
        let file = SqliteFile::new();
        let mut other =
            SqliteConnection::connect(&format!("{}?mode=rwc", file.url())).await.expect("it opens");
        let tables = format!(
            "CREATE TABLE bookings (id TEXT PRIMARY KEY); CREATE TABLE restaurants (id TEXT PRIMARY KEY);
             CREATE TABLE observability_events (id TEXT PRIMARY KEY, created_at TEXT, source TEXT, event_type TEXT,
                 severity TEXT, context TEXT, restaurant_id TEXT{restaurants}{deferred},
                 booking_id TEXT REFERENCES bookings{deferred})"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(tables)).execute(&mut other).await.expect("they are made");
        let (layer, guard) = timeout(TIMEOUT).build::<Registry>(&file.url()).expect("a ledger");
        let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
        let call = |booking: Option<&str>, restaurant: Option<&str>| {
            tracing::dispatcher::with_default(&dispatch, || {
                tracing::info_span!(
                    "auto_assign.quote",
                    booking_id = booking,
                    restaurant_id = restaurant,
                    success = true
                )
                .in_scope(|| ());
            });
        };
        let started = Instant::now();
        (0..10).for_each(|_| call(None, None));
        call(Some(BOOKING), Some(RESTAURANT));
        (0..10).for_each(|_| call(None, None));
        let stats = guard.flush(DEADLINE).expect("a flush does not wait for it");
        if started.elapsed() < TIMEOUT {
            assert_eq!((stats.in_flight, stats.quarantined), (1, 0), "{stats}");
        }
        until("all are written", || guard.stats().written == 21);
        let select = "SELECT concat_ws('|', ifnull(booking_id, '-'), ifnull(restaurant_id, '-'),
            ifnull(context ->> 'booking_id', '-'), ifnull(context ->> 'restaurant_id', '-'))
            FROM observability_events WHERE context LIKE '%' || ?1 || '%' OR booking_id = ?1";
        let found: String =
            sqlx::query_scalar(select).bind(BOOKING).fetch_one(&mut other).await.expect("a row");
        assert_eq!(found, expected);
    }
}

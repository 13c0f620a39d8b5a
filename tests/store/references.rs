//! A row whose booking or restaurant is not there waits for it, holds up no other row, and goes without it in the end.

use std::time::{Duration, Instant};

use support::Cluster;
use tracing_ledger::Builder;

use crate::one_row::{DEADLINE, Service};

const BOOKING: &str = "00000000-0000-0000-0000-000000000001";
const RESTAURANT: &str = "00000000-0000-0000-0000-000000000002";
const KEYS: &str =
    "CREATE TABLE bookings (id uuid PRIMARY KEY); CREATE TABLE restaurants (id uuid PRIMARY KEY);
    ALTER TABLE observability_events ADD FOREIGN KEY (booking_id) REFERENCES bookings ON DELETE SET NULL,
        ADD FOREIGN KEY (restaurant_id) REFERENCES restaurants ON DELETE SET NULL";
const ROW: &str = "SELECT coalesce(booking_id::text, '-'), coalesce(restaurant_id::text, '-'),
    coalesce(context ->> 'booking_id', '-'), coalesce(context ->> 'restaurant_id', '-')
    FROM observability_events WHERE context ->> 'n' = '7'";

fn grace(time: Duration) -> Builder {
    tracing_ledger::builder().reference_grace(time)
}

fn until(what: &str, met: impl Fn() -> bool) {
    let began = Instant::now();
    while !met() {
        assert!(began.elapsed() < DEADLINE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_booking_that_commits_after_the_call_is_in_the_row_and_neighbours_do_not_wait() {
    for rows in [30, 1200] {
        let service = Service::new(KEYS, tracing_ledger::builder());
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

#[test]
fn after_the_grace_time_a_row_goes_without_the_reference_that_is_not_there() {
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
        for grace_time in [Duration::ZERO, Duration::from_millis(300)] {
            let service = Service::new(keys, grace(grace_time));
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
    let service = Service::new(KEYS, grace(Duration::from_millis(100)));
    for n in 0..300 {
        service.call(n, Some(&uuid::Uuid::from_u128(n.into()).to_string()), None);
    }
    until("all are written", || service.guard.stats().written == 300);
    service.assert_written(300, 0);
}

#[test]
fn a_shutdown_leaves_them_in_the_spool_and_the_next_process_sends_them() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let spool = || tracing_ledger::builder().spool_dir(dir.path().join("spool"));
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
fn a_shutdown_without_a_spool_writes_them_without_it() {
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
    let service = Service::new(&required, grace(Duration::ZERO));
    (100..130).for_each(|n| service.call(n, Some(RESTAURANT), None));
    service.call(7, Some(BOOKING), None);
    service.assert_written(30, 1);
    let reason = &service.guard.quarantined()[0].reason;
    assert!(reason.contains("null value in column \"booking_id\""), "{reason}");
}

//! The inline flow hands over to the job, and the bookings end as they do without a ledger, also while telemetry fails.

use std::future::pending;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::json;
use tracing_ledger::store::{Attempt, Failure, InsertError, Store};
use tracing_ledger::{Guard, LedgerLayer, Row, Stats};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;
use uuid::Uuid;

use crate::house::{CROWD, DAY_MS, House, MINUTE_MS, pace, runtime, wish};
use booking::app::Settings;
use booking::bookings::Booking;
use booking::planner::DEFECT_NOTE;
use support::DEADLINE;
use support::alone;

/// A store that answers every insert with that failure.
struct Refuses(Failure);

impl Store for Refuses {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        Err(InsertError::new(self.0, "the test says no"))
    }
}

/// A store that never answers.
struct Hangs;

impl Store for Hangs {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        pending().await
    }
}

/// Bookings with their letters, and the tables they have for good.
type Outcome = (Vec<(String, String, i64, i64, i64)>, Vec<(String, i64)>);

/// One booking for each way that the flows go, on days of their own, so that they end the same in every run.
fn bookings(now: i64) -> [Booking; 6] {
    let mut bookings = [4, CROWD, CROWD, 4, 4, 4]
        .map(|size| Booking { starts_at: now, ..Booking::new(Uuid::nil(), size, 0) });
    for (number, booking) in (1..).zip(&mut bookings) {
        booking.id = Uuid::from_u128(number);
        booking.starts_at += i64::try_from(number).expect("a few") * 2 * DAY_MS;
    }
    // Too soon for a second attempt.
    bookings[2].starts_at = now + 5 * MINUTE_MS;
    bookings[3].note = Some(DEFECT_NOTE.to_owned());
    bookings
}

/// Takes the bookings through every flow, until all jobs are over.
async fn day(house: &House) {
    let [at_once, never, soon, panics, times_out, hangs_up] = &bookings(booking::bookings::now_ms());
    house.post(at_once).await;
    house.patch(at_once, json!({ "party_size": 6 })).await;
    house.post(never).await;
    house.post(soon).await;
    house.post(panics).await;

    let pages = house.pages(times_out).await;
    assert_eq!(house.post(times_out).await, "pending");
    drop(pages);

    let book = house.app.planner.book();
    let pages = house.pages(hangs_up).await;
    let hung_up = house.guests.hang_up(&wish(hangs_up), book.asked_by(hangs_up.id, 1)).await;
    hung_up.expect("the guest hangs up");
    book.asked_by(hangs_up.id, 2).await;
    drop(pages);
    house.app.jobs.all_over().await;
}

async fn outcome(house: &House) -> Outcome {
    assert_eq!(house.loose_holds().await, 0);
    let bookings = "SELECT id, status, party_size, version, (SELECT COUNT(*) FROM demo_outbox \
                    WHERE booking_id = demo_bookings.id) FROM demo_bookings ORDER BY id";
    let tables = "SELECT booking_id, table_id FROM demo_holds ORDER BY booking_id, table_id";
    let db = &house.app.db;
    let read = (db.rows(bookings, []).await, db.rows(tables, []).await);
    (read.0.expect("the bookings can be read"), read.1.expect("the tables can be read"))
}

/// One day in a house of its own.
fn ends() -> Outcome {
    let runtime = runtime();
    runtime.block_on(async {
        let settings = Settings { inline_timeout: Duration::from_secs(20), ..pace(50) };
        let house = House::open(settings).await;
        day(&house).await;
        let outcome = outcome(&house).await;
        house.app.db.close().await;
        outcome
    })
}

/// Compares a day under the ledger with one before it was installed, and passes the guard on.
fn same_with<G>(name: &str, ledger: impl FnOnce() -> (LedgerLayer<Registry>, G), then: impl FnOnce(G)) {
    alone(name, || {
        let without = ends();
        let statuses: Vec<_> = without.0.iter().map(|booking| booking.1.as_str()).collect();
        assert_eq!(statuses, ["confirmed", "pending", "pending", "confirmed", "confirmed", "confirmed"]);
        let (layer, guard) = ledger();
        tracing_subscriber::registry().with(layer).init();
        assert_eq!(ends(), without);
        then(guard);
    });
}

/// Nothing was written, and nothing waited for it.
fn assert_nothing_written(guard: Guard) -> Stats {
    let stats = guard.stats();
    assert_eq!(stats.written, 0);
    assert!(stats.offered > 30, "{stats}");
    guard.shutdown(Duration::ZERO).expect_err("the rows are not written");
    stats
}

#[test]
fn the_flow_is_the_same_over_a_database_that_works() {
    let memory = tracing_ledger::store::Memory::default();
    let store = memory.clone();
    same_with(
        "handover::the_flow_is_the_same_over_a_database_that_works",
        || tracing_ledger::builder().build_with(store).expect("a ledger"),
        |guard| {
            let stats = guard.shutdown(DEADLINE).expect("everything is written");
            assert!(stats.written > 30 && stats.written == stats.offered, "{stats}");
            assert_eq!(memory.rows().len() as u64, stats.written);
        },
    );
}

#[test]
fn the_flow_is_the_same_over_a_database_that_is_down() {
    // Nobody listens on a port that has just been given back.
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("the port is bound").port();
    drop(listener);
    same_with(
        "handover::the_flow_is_the_same_over_a_database_that_is_down",
        || tracing_ledger::layer(&format!("postgres://127.0.0.1:{port}/app")).expect("a ledger"),
        |guard| assert_eq!(assert_nothing_written(guard).refused.total(), 0),
    );
}

#[test]
fn the_flow_is_the_same_over_a_database_that_always_fails() {
    same_with(
        "handover::the_flow_is_the_same_over_a_database_that_always_fails",
        || tracing_ledger::builder().build_with(Refuses(Failure::Retry)).expect("a ledger"),
        |guard| assert_eq!(assert_nothing_written(guard).refused.total(), 0),
    );
}

#[test]
fn the_flow_is_the_same_over_a_database_that_rejects_writes() {
    same_with(
        "handover::the_flow_is_the_same_over_a_database_that_rejects_writes",
        || tracing_ledger::builder().build_with(Refuses(Failure::Hold)).expect("a ledger"),
        |guard| assert_eq!(assert_nothing_written(guard).refused.total(), 0),
    );
}

#[test]
fn the_flow_is_the_same_over_a_database_that_hangs() {
    same_with(
        "handover::the_flow_is_the_same_over_a_database_that_hangs",
        || tracing_ledger::builder().build_with(Hangs).expect("a ledger"),
        |guard| assert_eq!(assert_nothing_written(guard).refused.total(), 0),
    );
}

#[test]
fn the_flow_is_the_same_with_a_full_queue() {
    same_with(
        "handover::the_flow_is_the_same_with_a_full_queue",
        || tracing_ledger::builder().queue_capacity(1).build_with(Hangs).expect("a ledger"),
        |guard| assert!(assert_nothing_written(guard).refused.queue_full > 0),
    );
}

#[test]
fn the_flow_is_the_same_when_the_guard_is_dropped_too_early() {
    same_with(
        "handover::the_flow_is_the_same_when_the_guard_is_dropped_too_early",
        || {
            let (layer, guard) = tracing_ledger::builder().build_with(Hangs).expect("a ledger");
            drop(guard);
            (layer, ())
        },
        |()| (),
    );
}

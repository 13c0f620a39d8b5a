//! A delay is a slot: it counts from the start of an attempt, not from its end.

use std::time::Duration;

use tokio::time::sleep_until;

use crate::house::{CROWD, pace, party_of, rows_of, serve};
use crate::letter::{of, one};
use booking::bookings::Booking;
use support::StoredRow;

/// When the planner call began, in milliseconds since 1970.
fn start(quote: &StoredRow) -> f64 {
    milliseconds(quote) - quote.ms("planner_duration_ms")
}

/// When the row was made, in milliseconds since 1970.
#[expect(clippy::cast_precision_loss, reason = "a microsecond more or less")]
fn milliseconds(row: &StoredRow) -> f64 {
    row.created_at as f64 / 1e3
}

#[test]
fn attempts_start_no_sooner_than_their_slots() {
    let booking = party_of(CROWD);
    serve(pace(100), async |house| house.work_on(&booking).await);
    let rows = rows_of(&booking);
    let first_slot = milliseconds(&one(&rows, "auto_assign.started"));
    let starts: Vec<_> = of(&rows, "auto_assign.quote").iter().map(start).collect();
    assert_eq!(starts.len(), 4);
    // 5 s, 15 s and 45 s, a hundred times as fast, each from the start of the one before.
    for (start, slot) in starts.iter().zip([0.0, 50.0, 200.0, 650.0]) {
        // A millisecond for the two clocks that tell these times.
        assert!(start - first_slot >= slot - 1.0, "{starts:?}");
    }
}

#[test]
fn the_last_delay_repeats() {
    let booking = party_of(CROWD);
    let settings = booking::app::Settings { max_retries: 4, ..pace(200) };
    serve(settings, async |house| house.work_on(&booking).await);
    let rows = rows_of(&booking);
    let quotes = of(&rows, "auto_assign.quote");
    let first_slot = milliseconds(&one(&rows, "auto_assign.started"));
    // 5 + 15 + 45 + 45 s, two hundred times as fast.
    assert!(start(&quotes[4]) - first_slot >= 550.0 - 1.0);
}

#[test]
fn a_slow_planner_takes_its_time_from_the_slot() {
    // 5 s, five times as fast: once the planner is done within the slot, once it takes longer than that.
    for planner in [Duration::from_millis(900), Duration::from_millis(1_100)] {
        let slot = 1_000.0;
        let booking = Booking { zone: Some("terrace".to_owned()), ..party_of(2) };
        serve(pace(5), async |house| {
            let hold = house.hold_all_tables(&booking).await;
            let slow_until = tokio::time::Instant::now() + planner;
            let pages = house.schedule_and_hold_up(&booking).await;
            sleep_until(slow_until).await;
            drop(pages);
            house.stage("attempt.no_hold", &booking).await;
            house.give_back(hold).await;
            house.app.jobs.all_over().await;
        });
        let rows = rows_of(&booking);
        let [first, second, ..] = &of(&rows, "auto_assign.quote")[..] else { panic!("two calls") };
        let gap = start(second) - start(first);
        assert!(gap >= first.ms("planner_duration_ms").max(slot - 1.0), "{gap} ms");
        // From its end it would be this much.
        assert!(gap < first.ms("planner_duration_ms") + slot, "{gap} ms");
    }
}

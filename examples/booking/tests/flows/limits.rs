//! The limits of the settings: attempts, inline timeout and cutoff.

use std::time::Duration;

use serde_json::json;

use crate::house::{CROWD, MINUTE_MS, pace, party_of, rows_of, serve};
use crate::letter::{of, one};
use booking::app::Settings;
use booking::bookings::{Booking, now_ms};

/// So fast that eleven attempts are over at once.
const AT_ONCE: u32 = 100_000;

#[test]
fn a_job_has_one_to_eleven_attempts() {
    let wishes = [(i64::MIN, 1), (-1, 1), (0, 1), (3, 4), (10, 11), (11, 11), (i64::MAX, 11)];
    for (max_retries, attempts) in wishes {
        let booking = party_of(CROWD);
        serve(Settings { max_retries, ..pace(AT_ONCE) }, async |house| house.work_on(&booking).await);
        let rows = rows_of(&booking);
        let summary = one(&rows, "auto_assign.summary");
        assert_eq!(summary.get("maxAttempts"), attempts, "{max_retries} retries");
        assert_eq!(summary.get("attemptsUsed"), attempts, "{max_retries} retries");
        assert_eq!(summary.get("result"), "exhausted");
        assert_eq!(of(&rows, "auto_assign.quote").len(), attempts);
        assert_eq!(one(&rows, "auto_assign.failed").get("attempts"), attempts);
    }
}

#[test]
fn a_request_waits_two_to_twenty_seconds() {
    for (wish, milliseconds) in [(0, 20.0), (1, 20.0), (12, 120.0), (20, 200.0), (600, 200.0)] {
        let settings = Settings { inline_timeout: Duration::from_secs(wish), ..pace(100) };
        let booking = party_of(4);
        serve(settings, async |house| {
            let pages = house.pages(&booking).await;
            assert_eq!(house.post(&booking).await, "pending");
            drop(pages);
            house.app.jobs.all_over().await;
        });
        let timeout = one(&rows_of(&booking), "inline_auto_assign.timeout");
        assert_eq!(timeout.get("timeoutMs"), milliseconds, "{wish} s were asked for");
        assert!(timeout.ms("elapsedMs") >= milliseconds);
    }
}

#[test]
fn the_first_attempt_is_never_cut_off() {
    for minutes in [-60, 0, 10] {
        let booking = Booking { starts_at: now_ms() + minutes * MINUTE_MS, ..party_of(4) };
        serve(pace(1), async |house| house.work_on(&booking).await);
        assert_eq!(one(&rows_of(&booking), "auto_assign.summary").get("result"), "succeeded");
    }
}

#[test]
fn the_cutoff_is_ten_minutes_before_the_booking() {
    for (minutes, result, attempts) in [(9, "cutoff", 1), (15, "exhausted", 4)] {
        let booking = Booking { starts_at: now_ms() + minutes * MINUTE_MS, ..party_of(CROWD) };
        serve(pace(1000), async |house| house.work_on(&booking).await);
        let summary = one(&rows_of(&booking), "auto_assign.summary");
        assert_eq!((summary.get("result"), summary.get("attemptsUsed")), (&json!(result), &json!(attempts)));
    }
}

//! Exactly one summary for each job, with each of the six results.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::house::{CROWD, MINUTE_MS, pace, party_of, rows_of, serve, unhurried};
use crate::letter::{of, one, types};
use booking::bookings::{Booking, Status, now_ms};
use support::StoredRow;

/// The one summary, with that result after so many attempts; every attempt is one planner call of the job.
#[track_caller]
fn summary(rows: &[StoredRow], result: &str, attempts: usize) -> StoredRow {
    let summary = one(rows, "auto_assign.summary");
    assert_eq!((summary.get("result"), summary.get("attemptsUsed")), (&json!(result), &json!(attempts)));
    assert_eq!(summary.get("maxAttempts"), 4);
    assert_eq!((summary.get("trigger"), summary.get("flow")), (&json!("creation"), &json!("job")));
    assert_eq!(summary.get("cutoffMinutes"), 10);
    let quotes = of(rows, "auto_assign.quote");
    let indices: Vec<_> = quotes.iter().map(|quote| quote.get("attempt_index").clone()).collect();
    assert_eq!(indices, (0..attempts).map(Value::from).collect::<Vec<_>>());
    for quote in quotes {
        assert_eq!((quote.get("trigger"), quote.get("flow")), (&json!("creation"), &json!("job")));
        assert_eq!(quote.booking_id, summary.booking_id);
    }
    summary
}

#[test]
fn a_job_succeeds_at_its_first_attempt() {
    let booking = party_of(4);
    serve(unhurried(), async |house| {
        house.work_on(&booking).await;
        assert_eq!(house.status(&booking).await, "confirmed");
        assert_eq!(house.stages(&booking), ["scheduled", "attempt.start", "attempt.success"]);
    });
    let rows = rows_of(&booking);
    summary(&rows, "succeeded", 1);
    let expected =
        ["auto_assign.started", "auto_assign.quote", "auto_assign.succeeded", "auto_assign.summary"];
    assert_eq!(types(&rows), expected);
    assert_eq!(one(&rows, "auto_assign.succeeded").get("attempt_index"), 0);
}

#[test]
fn a_job_succeeds_when_a_table_comes_free() {
    let booking = Booking { zone: Some("terrace".to_owned()), ..party_of(2) };
    serve(pace(20), async |house| {
        let hold = house.hold_all_tables(&booking).await;
        house.schedule(&booking).await;
        house.stage("attempt.no_hold", &booking).await;
        house.give_back(hold).await;
        house.app.jobs.all_over().await;
        assert_eq!(house.status(&booking).await, "confirmed");
    });
    let rows = rows_of(&booking);
    // The table may come free during any of the sleeps.
    let misses = of(&rows, "auto_assign.attempt");
    summary(&rows, "succeeded", misses.len() + 1);
    assert_eq!(one(&rows, "auto_assign.succeeded").get("attempt_index"), misses.len());
    assert_eq!(misses[0].get("reasonCode"), "transient.hold_conflict");
    assert_eq!(misses[0].get("alternates"), 2);
}

#[test]
fn a_job_is_cut_off_before_its_second_attempt() {
    let booking = Booking { starts_at: now_ms() + 9 * MINUTE_MS, ..party_of(CROWD) };
    serve(pace(100), async |house| {
        house.work_on(&booking).await;
        assert_eq!(house.stages(&booking).last().map(String::as_str), Some("attempt.cutoff_skipped"));
    });
    let rows = rows_of(&booking);
    summary(&rows, "cutoff", 1);
    let skipped = one(&rows, "auto_assign.cutoff_skipped");
    assert_eq!((skipped.get("attempt_index"), skipped.get("cutoffMinutes")), (&json!(1), &json!(10)));
}

#[test]
fn a_job_finds_its_booking_confirmed_at_the_start() {
    let booking = Booking { status: Status::Confirmed, ..party_of(4) };
    serve(unhurried(), async |house| house.work_on(&booking).await);
    let rows = rows_of(&booking);
    assert_eq!(types(&rows), ["auto_assign.summary"]);
    let summary = summary(&rows, "already_confirmed", 0);
    assert_eq!(summary.get("quoteDurationMs"), 0.0);
}

#[test]
fn staff_confirm_a_booking_while_the_planner_works() {
    let booking = party_of(4);
    serve(pace(100), async |house| {
        let pages = house.schedule_and_hold_up(&booking).await;
        house.patch(&booking, json!({ "status": "confirmed" })).await;
        drop(pages);
        house.app.jobs.all_over().await;
        assert_eq!(house.status(&booking).await, "confirmed");
        assert_eq!(house.loose_holds().await, 0);
    });
    let rows = rows_of(&booking);
    summary(&rows, "already_confirmed", 1);
    let expected = [
        "auto_assign.started",
        "auto_assign.quote",
        "auto_assign.attempt_error",
        "auto_assign.exited_already_confirmed",
        "auto_assign.summary",
    ];
    assert_eq!(types(&rows), expected);
    assert_eq!(one(&rows, "auto_assign.exited_already_confirmed").get("attempt_index"), 1);
    let quote = one(&rows, "auto_assign.quote");
    assert_eq!(quote.get("planner_success"), true, "what failed was the confirmation, not the planner");
}

#[test]
fn staff_confirm_a_booking_while_the_job_sleeps() {
    let booking = party_of(CROWD);
    serve(pace(20), async |house| {
        house.schedule(&booking).await;
        house.stage("attempt.no_hold", &booking).await;
        house.patch(&booking, json!({ "status": "confirmed" })).await;
        house.app.jobs.all_over().await;
    });
    let rows = rows_of(&booking);
    // It may be confirmed during any of the sleeps.
    let attempts = of(&rows, "auto_assign.attempt").len();
    summary(&rows, "already_confirmed", attempts);
    assert_eq!(one(&rows, "auto_assign.exited_already_confirmed").get("attempt_index"), attempts);
    assert!(attempts >= 1);
}

#[test]
fn a_job_is_exhausted_after_its_last_attempt() {
    let booking = party_of(CROWD);
    serve(pace(100), async |house| {
        house.work_on(&booking).await;
        assert_eq!(house.status(&booking).await, "pending");
        assert_eq!(house.stages(&booking).last().map(String::as_str), Some("exhausted"));
    });
    let rows = rows_of(&booking);
    let summary = summary(&rows, "exhausted", 4);
    assert!(summary.ms("quoteDurationMs") < summary.ms("totalDurationMs"));
    for (index, attempt) in of(&rows, "auto_assign.attempt").iter().enumerate() {
        assert_eq!((attempt.get("attempt_index"), attempt.get("success")), (&json!(index), &json!(false)));
        assert_eq!(attempt.get("reason"), "Insufficient global capacity");
        assert_eq!(attempt.get("reasonCode"), "hard.global_capacity");
    }
    let failed = one(&rows, "auto_assign.failed");
    assert_eq!((failed.get("attempts"), failed.get("hardStopReason")), (&json!(4), &Value::Null));
}

#[test]
fn a_job_is_exhausted_early_when_the_guest_cancels() {
    let booking = party_of(4);
    serve(pace(100), async |house| {
        let pages = house.schedule_and_hold_up(&booking).await;
        house.patch(&booking, json!({ "status": "cancelled" })).await;
        drop(pages);
        house.app.jobs.all_over().await;
        assert_eq!(house.loose_holds().await, 0);
    });
    let rows = rows_of(&booking);
    let summary = summary(&rows, "exhausted", 1);
    assert_eq!(summary.get("hardStopReason"), "cancelled");
    assert_eq!(one(&rows, "auto_assign.failed").get("hardStopReason"), "cancelled");
}

#[test]
fn a_job_that_fails_ends_in_error() {
    let booking = party_of(4);
    serve(pace(100), async |house| {
        let pages = house.schedule_and_hold_up(&booking).await;
        let loss = house.app.db.execute("ALTER TABLE demo_bookings RENAME TO gone", []).await;
        loss.expect("the table is gone");
        drop(pages);
        house.app.jobs.all_over().await;
        assert_eq!(house.stages(&booking).last().map(String::as_str), Some("failed.lookup"));
    });
    let rows = rows_of(&booking);
    let summary = summary(&rows, "error", 1);
    let message = summary.get("error").as_str().expect("a text");
    assert!(message.contains("no such table: demo_bookings"), "{message}");
    assert_eq!(summary.severity, "warning");
    assert_eq!(one(&rows, "auto_assign.attempt_error").get("reasonCode"), "unknown");
}

#[test]
fn a_letter_that_is_not_sent_is_no_failed_quote() {
    let booking = party_of(4);
    serve(pace(100), async |house| {
        let loss = house.app.db.execute("DROP TABLE demo_outbox", []).await;
        loss.expect("the table is gone");
        house.work_on(&booking).await;
    });
    let rows = rows_of(&booking);
    summary(&rows, "already_confirmed", 1);
    assert_eq!(one(&rows, "auto_assign.quote").get("outcome"), "ok");
    assert_eq!(one(&rows, "auto_assign.attempt_error").get("attempt_index"), 0);
}

#[test]
fn a_planner_that_panics_is_one_attempt() {
    let booking = Booking { note: Some(booking::planner::DEFECT_NOTE.to_owned()), ..party_of(4) };
    serve(pace(100), async |house| house.work_on(&booking).await);
    let rows = rows_of(&booking);
    summary(&rows, "succeeded", 2);
    let [first, second] = &of(&rows, "auto_assign.quote")[..] else { panic!("two calls") };
    assert_eq!((first.get("outcome"), second.get("outcome")), (&json!("panic"), &json!("ok")));
    assert_eq!(one(&rows, "auto_assign.attempt_error").get("attempt_index"), 0);
}

#[test]
fn a_stop_during_a_planner_call_cancels_the_job() {
    let booking = party_of(4);
    // Its pages come free only when the service is gone.
    serve(unhurried(), async |house| house.schedule_and_hold_up(&booking).await);
    let rows = rows_of(&booking);
    let summary = summary(&rows, "cancelled", 1);
    assert_eq!(summary.severity, "warning");
    assert_eq!(types(&rows), ["auto_assign.started", "auto_assign.quote", "auto_assign.summary"]);
    assert_eq!(one(&rows, "auto_assign.quote").get("outcome"), "cancelled");
}

#[test]
fn a_stop_between_attempts_cancels_the_job() {
    let booking = party_of(CROWD);
    serve(unhurried(), async |house| {
        house.schedule(&booking).await;
        house.stage("attempt.no_hold", &booking).await;
    });
    let rows = rows_of(&booking);
    summary(&rows, "cancelled", 1);
    assert_eq!(one(&rows, "auto_assign.quote").get("outcome"), "ok");
}

#[test]
fn a_booking_that_is_over_makes_no_row() {
    for status in [Status::Cancelled, Status::NoShow, Status::Completed] {
        let booking = Booking { status, ..party_of(4) };
        serve(unhurried(), async |house| {
            house.work_on(&booking).await;
            assert_eq!(house.stages(&booking), ["scheduled", "skipped.status"]);
            assert_eq!((house.app.planner.calls(), house.app.jobs.started()), (0, 0));
        });
        assert_eq!(types(&rows_of(&booking)), [""; 0]);
    }
}

#[test]
fn an_unknown_booking_makes_no_row() {
    let booking = party_of(4);
    serve(unhurried(), async |house| {
        house.schedule_after(&booking, Uuid::now_v7());
        house.app.jobs.all_over().await;
        assert_eq!(house.stages(&booking), ["scheduled", "failed.lookup"]);
        assert_eq!((house.app.planner.calls(), house.app.jobs.started()), (0, 0));
    });
    assert_eq!(types(&rows_of(&booking)), [""; 0]);
}

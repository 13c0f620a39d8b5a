//! The inline flow: the rows of a request, and the job that it hands over to unless all went well.

use serde_json::{Value, json};
use tracing::{Instrument as _, info_span};
use uuid::Uuid;

use crate::house::{CROWD, MINUTE_MS, pace, party_of, rows_of, serve, unhurried, wish};
use crate::letter::{of, one, types};
use booking::app::Settings;
use booking::bookings::{Booking, Trigger, now_ms};
use booking::planner::{DEFECT, DEFECT_NOTE, strategy};
use support::StoredRow;

/// The one planner call of the request.
#[track_caller]
fn inline_quote(rows: &[StoredRow], trigger: &str) -> StoredRow {
    let mut quotes = of(rows, "auto_assign.quote");
    quotes.retain(|quote| quote.get("flow") == "inline" && quote.get("trigger") == trigger);
    support::only(quotes)
}

/// The one job, with that result after so many attempts.
#[track_caller]
fn assert_job(rows: &[StoredRow], result: &str, attempts: usize) {
    let summary = one(rows, "auto_assign.summary");
    assert_eq!((summary.get("result"), summary.get("attemptsUsed")), (&json!(result), &json!(attempts)));
    let of_job = of(rows, "auto_assign.quote").iter().filter(|quote| quote.get("flow") == "job").count();
    assert_eq!(of_job, attempts);
}

#[test]
fn a_table_at_once_needs_no_job() {
    let booking = party_of(4);
    serve(unhurried(), async |house| assert_eq!(house.post(&booking).await, "confirmed"));
    let rows = rows_of(&booking);
    let expected = [
        "auto_assign.quote",
        "inline_auto_assign.quote_result",
        "inline_auto_assign.confirm_succeeded",
        "inline_auto_assign.succeeded",
    ];
    assert_eq!(types(&rows), expected);
    let quote = inline_quote(&rows, "creation");
    assert_eq!((quote.get("outcome"), quote.get("attempt_index")), (&json!("ok"), &json!(0)));
    assert_eq!(quote.get("planner_strategy"), &json!({ "requireAdjacency": true, "maxTables": 3 }));
    let result = one(&rows, "inline_auto_assign.quote_result");
    assert_eq!((result.get("hasHold"), result.get("reason")), (&json!(true), &Value::Null));
}

#[test]
fn no_table_hands_over_to_the_job() {
    // Soon enough that the job's second attempt is cut off.
    let booking = Booking { starts_at: now_ms() + 5 * MINUTE_MS, ..party_of(CROWD) };
    serve(pace(10), async |house| {
        assert_eq!(house.post(&booking).await, "pending");
        house.app.jobs.all_over().await;
    });
    let rows = rows_of(&booking);
    assert_job(&rows, "cutoff", 1);
    let quote = inline_quote(&rows, "creation");
    assert_eq!((quote.get("outcome"), quote.get("planner_success")), (&json!("ok"), &json!(false)));
    for event in ["inline_auto_assign.quote_result", "inline_auto_assign.no_hold"] {
        assert_eq!(one(&rows, event).get("reason"), "Insufficient global capacity");
    }
}

#[test]
fn a_timeout_cancels_the_planner_and_hands_over() {
    let booking = party_of(4);
    serve(pace(100), async |house| {
        let pages = house.pages(&booking).await;
        assert_eq!(house.post(&booking).await, "pending");
        drop(pages);
        house.app.jobs.all_over().await;
        assert_eq!(house.status(&booking).await, "confirmed");
        assert_eq!(house.loose_holds().await, 0);
    });
    let rows = rows_of(&booking);
    assert_job(&rows, "succeeded", 1);
    let quote = inline_quote(&rows, "creation");
    assert_eq!((quote.get("outcome"), quote.severity.as_str()), (&json!("cancelled"), "warning"));
    assert_eq!(quote.get("planner_reason"), "quote.exception");
    assert_eq!(quote.get("planner_success"), false);
    assert!(quote.ms("planner_duration_ms") <= one(&rows, "inline_auto_assign.timeout").ms("elapsedMs"));
    one(&rows, "inline_auto_assign.operation_aborted");
    assert_eq!(of(&rows, "inline_auto_assign.quote_result").len(), 0, "a late answer is no answer");
}

#[test]
fn tables_that_an_attempt_held_are_free_for_the_job() {
    // The terrace has one table of that size: were the first hold still there, the job could not have it.
    let booking = Booking { zone: Some("terrace".to_owned()), ..party_of(6) };
    serve(unhurried(), async |house| {
        let attempt = Uuid::now_v7();
        let planner = &house.app.planner;
        let quote = planner.quote_tables_for_booking(&booking, strategy(Trigger::Creation), attempt);
        let quote = quote.instrument(info_span!("cut short", flow = "inline")).await;
        quote.expect("the planner plans").hold.expect("the terrace is free");
        assert_eq!(house.loose_holds().await, 1);
        assert!(booking.insert(&house.app.db).await.expect("the booking is stored"));
        house.schedule_after(&booking, attempt);
        house.app.jobs.all_over().await;
        assert_eq!(house.loose_holds().await, 0);
    });
    let summary = one(&rows_of(&booking), "auto_assign.summary");
    assert_eq!((summary.get("result"), summary.get("attemptsUsed")), (&json!("succeeded"), &json!(1)));
}

#[test]
fn a_guest_who_hangs_up_gets_a_table_all_the_same() {
    let booking = party_of(4);
    serve(unhurried(), async |house| {
        let book = house.app.planner.book();
        let pages = house.pages(&booking).await;
        let hung_up = house.guests.hang_up(&wish(&booking), book.asked_by(booking.id, 1)).await;
        hung_up.expect("the guest hangs up");
        // The job comes for the page next.
        book.asked_by(booking.id, 2).await;
        drop(pages);
        house.app.jobs.all_over().await;
        assert_eq!(house.status(&booking).await, "confirmed");
    });
    let rows = rows_of(&booking);
    assert_job(&rows, "succeeded", 1);
    assert_eq!(inline_quote(&rows, "creation").get("outcome"), "cancelled");
    one(&rows, "inline_auto_assign.operation_aborted");
    assert_eq!(of(&rows, "inline_auto_assign.timeout").len(), 0);
}

#[test]
fn a_panic_of_the_planner_hands_over() {
    let booking = Booking { note: Some(DEFECT_NOTE.to_owned()), ..party_of(4) };
    serve(unhurried(), async |house| {
        // Pending, or the job has been quicker than the answer.
        house.post(&booking).await;
        house.app.jobs.all_over().await;
        assert_eq!(house.status(&booking).await, "confirmed");
    });
    let rows = rows_of(&booking);
    assert_job(&rows, "succeeded", 1);
    let quote = inline_quote(&rows, "creation");
    assert_eq!((quote.get("outcome"), quote.get("planner_error")), (&json!("panic"), &json!(DEFECT)));
    assert_eq!(quote.get("planner_reason"), "quote.exception");
    one(&rows, "inline_auto_assign.quote_error");
}

#[test]
fn a_booking_confirmed_by_staff_under_the_planner_is_left_alone() {
    let booking = party_of(4);
    serve(unhurried(), async |house| {
        let pages = house.pages(&booking).await;
        let confirmed_meanwhile = async {
            house.app.planner.book().asked_by(booking.id, 1).await;
            house.patch(&booking, json!({ "status": "confirmed" })).await;
            drop(pages);
        };
        let (status, ()) = tokio::join!(house.post(&booking), confirmed_meanwhile);
        assert_eq!(status, "confirmed");
        house.app.jobs.all_over().await;
        assert_eq!(house.loose_holds().await, 0);
    });
    let rows = rows_of(&booking);
    assert_job(&rows, "already_confirmed", 0);
    assert_eq!(inline_quote(&rows, "creation").get("outcome"), "ok");
    one(&rows, "inline_auto_assign.confirm_failed");
}

#[test]
fn a_modification_is_the_trigger_of_both_flows() {
    let booking = party_of(4);
    serve(Settings { max_retries: 0, ..unhurried() }, async |house| {
        assert_eq!(house.post(&booking).await, "confirmed");
        assert_eq!(house.patch(&booking, json!({ "party_size": CROWD })).await, "pending");
        house.app.jobs.all_over().await;
    });
    let rows = rows_of(&booking);
    assert_job(&rows, "exhausted", 1);
    assert_eq!(one(&rows, "auto_assign.summary").get("trigger"), "modification");
    assert_eq!(inline_quote(&rows, "creation").get("planner_success"), true);
    let quote = inline_quote(&rows, "modification");
    assert_eq!(quote.get("planner_strategy"), &json!({ "requireAdjacency": false, "maxTables": 3 }));
    for event in ["auto_assign.started", "auto_assign.attempt", "auto_assign.failed"] {
        assert_eq!(one(&rows, event).get("trigger"), "modification");
    }
}

//! A planner call that returns: every key of the contract.

use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Span, info_span, instrument};

use support::Ledger;

const BOOKING: &str = "0190e6a4-0000-7000-8000-000000000001";
const RESTAURANT: &str = "0190e6a4-0000-7000-8000-000000000002";

#[instrument(skip_all, fields(
    booking_id = %BOOKING,
    restaurant_id = %RESTAURANT,
    strategy.require_adjacency = true,
    strategy.max_tables = 3,
    strategy.zone = "terrace",
    party_size = 6,
    success = Empty,
    reason = Empty,
))]
fn quote_tables_for_booking(reason: Option<&str>) {
    let span = Span::current();
    span.record("success", reason.is_none());
    if let Some(reason) = reason {
        span.record("reason", reason);
    }
}

fn inline_flow(reason: Option<&str>) {
    let _flow = info_span!("auto_assign_inline", flow = "inline", trigger = "creation").entered();
    quote_tables_for_booking(reason);
}

#[test]
fn a_quote_that_found_tables_has_every_key() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| inline_flow(None));
        let row = ledger.quote();
        assert_eq!((row.source.as_str(), row.severity.as_str()), ("auto_assign", "info"));
        assert_eq!(row.booking_id.as_deref(), Some(BOOKING));
        assert_eq!(row.restaurant_id.as_deref(), Some(RESTAURANT));
        let mut context = row.context.clone();
        let duration = context.as_object_mut().and_then(|object| object.remove("planner_duration_ms"));
        assert!(duration.as_ref().and_then(Value::as_f64).is_some_and(|ms| (0.0..60_000.0).contains(&ms)));
        assert_eq!(
            context,
            json!({
                "planner_success": true,
                "planner_reason": null,
                "planner_strategy": { "requireAdjacency": true, "maxTables": 3, "zone": "terrace" },
                "trigger": "creation",
                "flow": "inline",
                "attempt_index": 0,
                "outcome": "ok",
                "party_size": 6,
            })
        );
    });
}

#[test]
fn a_quote_without_a_hold_says_why() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| inline_flow(Some("Insufficient global capacity")));
        let row = ledger.quote();
        assert_eq!(row.severity, "info");
        assert_eq!(row.get("planner_success"), false);
        assert_eq!(row.get("planner_reason"), "Insufficient global capacity");
        assert_eq!(row.get("planner_reason_code"), "hard.global_capacity");
        assert_eq!(row.get("planner_reason_category"), "hard");
        assert_eq!(row.get("outcome"), "ok");
        assert!(!row.keys().contains(&"planner_error"));
    });
}

#[test]
fn a_strategy_nobody_gave_is_an_object_of_nulls() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| info_span!("auto_assign.quote", success = true).in_scope(|| ()));
        let row = ledger.quote();
        assert_eq!(row.get("planner_strategy"), &json!({ "requireAdjacency": null, "maxTables": null }));
        assert_eq!(row.get("trigger"), &Value::Null);
        assert_eq!((row.booking_id, row.restaurant_id), (None, None));
    });
}

#[test]
fn an_id_that_is_no_uuid_stays_in_the_context() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            let id = "booking 17";
            info_span!("auto_assign.quote", booking_id = id, restaurant_id = 12, success = true)
                .in_scope(|| ());
        });
        let row = ledger.quote();
        assert_eq!((row.booking_id.as_deref(), row.restaurant_id.as_deref()), (None, None));
        assert_eq!((row.get("booking_id"), row.get("restaurant_id")), (&json!("booking 17"), &json!(12)));
    });
}

#[test]
fn a_span_cannot_change_the_layers_own_keys() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        info_span!(
            "auto_assign.quote",
            success = true,
            planner_reason_code = "mine",
            planner_reason_category = "mine",
            planner_error = "mine",
            planner_duration_ms = "long",
            outcome = "fine",
            attempt_index = "two",
        )
        .in_scope(|| ());
        info_span!("auto_assign.quote", success = false, reason = 7).in_scope(|| ());
    });
    let [succeeded, failed] = &ledger.quotes()[..] else { panic!("two rows") };
    for absent in ["planner_reason_code", "planner_reason_category", "planner_error"] {
        assert!(!succeeded.keys().contains(&absent), "{absent}");
    }
    assert!(succeeded.ms("planner_duration_ms") >= 0.0);
    assert_eq!((succeeded.get("outcome"), succeeded.get("attempt_index")), (&json!("ok"), &json!(0)));
    for kept in ["planner_reason_code", "planner_reason_category", "planner_error"] {
        assert_eq!(succeeded.get(&format!("field.{kept}")), "mine");
    }
    assert_eq!(succeeded.get("field.planner_duration_ms"), "long");
    assert_eq!(succeeded.get("field.outcome"), "fine");
    assert_eq!(failed.get("planner_reason"), "7");
}

#[test]
fn created_at_is_when_the_call_ended_and_ids_are_in_its_order() {
    Ledger::on_every_store(|ledger| {
        let micros = || {
            let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
            i64::try_from(now.as_micros()).expect("an i64 of microseconds")
        };
        let before = micros();
        ledger.run(|| (0..10).for_each(|_| quote_tables_for_booking(None)));
        let after = micros();
        let rows = ledger.quotes();
        assert_eq!(rows.len(), 10);
        // The two clocks are read one after the other: a millisecond of grace.
        assert!(rows.iter().all(|row| (before - 1000..=after + 1000).contains(&row.created_at)));
        assert!(rows.iter().all(|row| row.id.as_bytes()[14] == b'7'), "UUIDv7");
        assert!(rows.is_sorted_by_key(|row| &row.id));
    });
}

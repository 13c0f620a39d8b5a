//! Events that a rule names become rows of their own.

use serde_json::json;
use tracing::{error, info, info_span, warn};

use support::Ledger;

const BOOKING: &str = "0190e6a4-0000-7000-8000-000000000001";

#[test]
fn the_jobs_events_have_their_keys_and_the_jobs_booking() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            let _job = info_span!("auto_assign.job", booking_id = %BOOKING, result = "succeeded").entered();
            info!(name: "auto_assign.started", status = "pending", trigger = "creation");
            info!(
                name: "auto_assign.attempt", attempt_index = 0, success = false, reason = "no tables available",
                reason_code = "hard.no_tables", alternates = 2, trigger = "creation"
            );
            warn!(
                name: "auto_assign.attempt_error", attempt_index = 1, error = "rpc error",
                reason_code = "transient.rpc_error", trigger = "creation"
            );
            info!(name: "auto_assign.cutoff_skipped", attempt_index = 2, cutoff_minutes = 10);
            info!(name: "auto_assign.succeeded", attempt_index = 2, duration_ms = 12.5, trigger = "creation");
        });
        let rows = ledger.rows();
        let point = |name: &str| {
            let row = rows.iter().find(|row| row.event_type == name).unwrap_or_else(|| panic!("no {name}"));
            assert_eq!((row.source.as_str(), row.booking_id.as_deref()), ("auto_assign", Some(BOOKING)));
            (row.severity.clone(), row.context.clone())
        };
        assert_eq!(
            point("auto_assign.started"),
            ("info".into(), json!({ "status": "pending", "trigger": "creation" }))
        );
        let attempt = json!({
            "attempt_index": 0, "success": false, "reason": "no tables available", "reasonCode": "hard.no_tables",
            "alternates": 2, "trigger": "creation",
        });
        assert_eq!(point("auto_assign.attempt"), ("info".into(), attempt));
        let failed = json!({
            "attempt_index": 1, "error": "rpc error", "reasonCode": "transient.rpc_error", "trigger": "creation",
        });
        assert_eq!(point("auto_assign.attempt_error"), ("warning".into(), failed));
        let skipped = json!({ "attempt_index": 2, "cutoffMinutes": 10 });
        assert_eq!(point("auto_assign.cutoff_skipped"), ("info".into(), skipped));
        let succeeded = json!({ "attempt_index": 2, "durationMs": 12.5, "trigger": "creation" });
        assert_eq!(point("auto_assign.succeeded"), ("info".into(), succeeded));
    });
}

#[test]
fn the_inline_events_have_their_source() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            let _flow = info_span!("inline", booking_id = %BOOKING, flow = "inline").entered();
            error!(name: "inline_auto_assign.confirm_failed", attempt_id = "a1", hold_id = "h1", duration_ms = 3.0);
            warn!(name: "inline_auto_assign.timeout", timeout_ms = 12_000, elapsed_ms = 12_001.5, attempt_id = "a1");
        });
        let [failed, timeout] = &ledger.rows()[..] else { panic!("two rows") };
        assert_eq!(failed.event_type, "inline_auto_assign.confirm_failed");
        assert_eq!(
            (failed.source.as_str(), failed.severity.as_str()),
            ("bookings.inline_auto_assign", "error")
        );
        assert_eq!(failed.context, json!({ "attemptId": "a1", "holdId": "h1", "durationMs": 3.0 }));
        assert_eq!(timeout.severity, "warning");
        assert_eq!(timeout.context, json!({ "timeoutMs": 12_000, "elapsedMs": 12_001.5, "attemptId": "a1" }));
        assert_eq!(timeout.booking_id.as_deref(), Some(BOOKING));
    });
}

#[test]
fn an_event_outside_every_span_has_a_row() {
    let ledger = Ledger::memory();
    ledger.run(|| info!(name: "auto_assign.started", status = "pending"));
    let rows = ledger.rows();
    assert_eq!((rows.len(), rows[0].booking_id.as_deref()), (1, None));
}

#[test]
fn events_no_rule_names_leave_no_trace() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        info!("hello");
        error!(error = "of nobody");
        info!(name: "other.started", status = "pending");
    });
    assert_eq!(ledger.rows().len(), 0);
    assert_eq!(ledger.guard.stats().offered, 0);
}

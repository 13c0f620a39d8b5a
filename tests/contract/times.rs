//! Times in fields, and severities by numbers.

use serde_json::json;
use support::{Ledger, only};
use tracing::{debug, info_span};
use tracing_ledger::Rules;

fn ledger(rules: &str) -> Ledger {
    let rules: Rules = rules.parse().expect("sound rules");
    Ledger::memory_with(tracing_ledger::builder().rules(rules))
}

/// As sqlx reports its queries.
#[test]
fn an_event_that_carries_its_time_has_a_duration() {
    let ledger = ledger(
        r#"
        [[rule]]
        event = "*"
        target = "db::query"
        event_type = "db.query"
        duration = { field = "elapsed_secs", unit = "s" }
        times = { slow_threshold = "threshold_ms" }
        "#,
    );
    ledger.run(|| {
        debug!(target: "db::query", elapsed_secs = 0.25, slow_threshold = ?std::time::Duration::from_secs(1), rows = 3);
        debug!(target: "db::query", elapsed_secs = "soon", slow_threshold = 1500);
    });
    let rows = ledger.rows();
    assert_eq!(rows[0].context, json!({ "duration_ms": 250.0, "threshold_ms": 1000.0, "rows": 3 }));
    assert_eq!(
        rows[1].context,
        json!({ "elapsed_secs": "soon", "threshold_ms": 1500.0 }),
        "what is no time stays"
    );
}

#[test]
fn a_severity_follows_numbers_and_ranges() {
    let ledger = ledger(
        r#"
        [[rule]]
        span = "request"
        success = { field = "status", below = 500 }
        severity = { field = "status", map = { "5xx" = "error", "400..499" = "warning", 503 = "critical", 404 = "info" } }
        "#,
    );
    let of = |status: u16| {
        ledger.run(|| info_span!("request", status).in_scope(|| ()));
        let row = ledger.rows().pop().expect("a row");
        assert_eq!(row.get("status"), status);
        row.severity
    };
    for (status, severity) in [
        (200, "info"),
        (399, "info"),
        (400, "warning"),
        (499, "warning"),
        (404, "info"),
        (500, "error"),
        (503, "critical"),
        (599, "error"),
        (600, "warning"),
    ] {
        assert_eq!(of(status), severity, "{status}");
    }
}

#[test]
fn the_narrowest_range_decides() {
    for map in ["'400..599' = 'warning', '5xx' = 'error'", "'5xx' = 'error', '400..599' = 'warning'"] {
        let ledger =
            ledger(&format!("[[rule]]\nspan = 'a'\nseverity = {{ field = 'status', map = {{ {map} }} }}"));
        for (status, severity) in [(404, "warning"), (503, "error")] {
            ledger.run(|| info_span!("a", status).in_scope(|| ()));
            assert_eq!(ledger.rows().pop().expect("a row").severity, severity, "{map}: {status}");
        }
    }
}

#[test]
fn a_number_that_is_none_is_no_success_and_no_failure() {
    let ledger = ledger("[[rule]]\nspan = 'a'\nsuccess = { field = 'status', below = 500 }");
    ledger.run(|| info_span!("a", status = f64::NAN).in_scope(|| ()));
    let row = only(ledger.rows());
    assert_eq!((row.get("success"), row.get("outcome")), (&json!(null), &json!("unknown")));
}

#[test]
fn a_text_that_is_a_number_has_its_severity_too() {
    let ledger = ledger("[[rule]]\nspan = 'a'\nseverity = { field = 'status', map = { '5xx' = 'error' } }");
    ledger.run(|| info_span!("a", status = %503, success = true).in_scope(|| ()));
    assert_eq!(only(ledger.rows()).severity, "error");
}

#[test]
fn a_success_that_is_false_by_a_field_is_a_warning_unless_the_outcome_decides() {
    for (severity, expected) in
        [("", "warning"), ("severity = 'outcome'", "info"), ("severity = 'info'", "info")]
    {
        let ledger = ledger(&format!("[[rule]]\nspan = 'a'\n{severity}"));
        ledger.run(|| info_span!("a", success = false).in_scope(|| ()));
        assert_eq!(only(ledger.rows()).severity, expected, "{severity}");
    }
}

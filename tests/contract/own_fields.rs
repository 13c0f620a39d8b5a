//! Fields that a span has under the names of measured values: no value of the user is lost.

use serde_json::json;
use support::{Ledger, StoredRow, only};
use tracing::field::Empty;
use tracing::{Span, info_span, instrument};
use tracing_ledger::{Rule, Rules};

fn ledger(rule: Rule) -> Ledger {
    let rules = Rules::from_rules([rule]).expect("good rules");
    Ledger::memory_with(tracing_ledger::builder().rules(rules))
}

/// The row of a call under a rule.
fn row(rule: Rule, call: impl FnOnce()) -> StoredRow {
    let ledger = ledger(rule);
    ledger.run(call);
    only(ledger.rows())
}

#[test]
fn a_field_called_error_stays_where_no_error_is_reported() {
    for success in [true, false] {
        let row = row(Rule::span("call"), || {
            info_span!("call", success, error = "card declined").in_scope(|| ());
        });
        assert_eq!((row.get("error"), row.get("outcome")), (&json!("card declined"), &json!("ok")));
        assert!(!row.keys().contains(&"field.error"));
    }
}

#[test]
fn a_job_keeps_its_field_called_error_too() {
    let ledger = Ledger::memory();
    ledger.run(|| info_span!("auto_assign.job", result = "exhausted", error = "no table").in_scope(|| ()));
    assert_eq!(ledger.summary().get("error"), "no table");
}

#[test]
fn beside_a_reported_error_the_field_has_a_name_of_its_own() {
    #[instrument(err, fields(error = Empty))]
    fn call() -> Result<(), &'static str> {
        Span::current().record("error", "card declined");
        Err("payment failed")
    }
    let row = row(Rule::span("call"), || assert!(call().is_err()));
    assert_eq!(row.get("outcome"), "error");
    assert_eq!(
        (row.get("error"), row.get("field.error")),
        (&json!("payment failed"), &json!("card declined"))
    );
}

#[test]
fn a_value_that_the_layer_measures_does_not_replace_that_of_the_field() {
    let rule = Rule::span("call")
        .reason_code("reason_code")
        .reason_category("reason_category")
        .collect_count("calls", "call")
        .nest("opt", "options", [("max", "max")]);
    let row = row(rule, || {
        info_span!(
            "call",
            success = false,
            duration_ms = "long",
            outcome = "fine",
            reason_code = 17,
            reason_category = "mine",
            calls = 3,
            options = "none",
        )
        .in_scope(|| ());
    });
    assert_eq!((row.get("outcome"), row.get("reason_code")), (&json!("ok"), &json!("unknown")));
    assert_eq!((row.get("calls"), row.get("options")), (&json!(0), &json!({"max": null})));
    assert!(row.ms("duration_ms") >= 0.0);
    for (key, value) in [
        ("field.duration_ms", json!("long")),
        ("field.outcome", json!("fine")),
        ("field.reason_code", json!(17)),
        ("field.reason_category", json!("mine")),
        ("field.calls", json!(3)),
        ("field.options", json!("none")),
    ] {
        assert_eq!(row.get(key), &value, "{key}");
    }
}

#[test]
fn a_field_called_success_is_kept_where_success_is_judged_by_another() {
    let by_status = row(Rule::span("call").success_below("status", 500.0), || {
        info_span!("call", status = 200, success = "partly").in_scope(|| ());
    });
    assert_eq!((by_status.get("success"), by_status.get("field.success")), (&json!(true), &json!("partly")));

    let rule = Rule::span("call").reason("because").reason_field("why");
    let by_why = row(rule, || {
        info_span!("call", success = false, why = "full", because = "mine").in_scope(|| ());
    });
    assert_eq!((by_why.get("because"), by_why.get("field.because")), (&json!("full"), &json!("mine")));
}

#[test]
fn a_value_that_is_left_out_leaves_its_name_to_the_field() {
    let rule = Rule::span("call").duration(None).outcome(None).error(None);
    let row = row(rule, || {
        info_span!(
            "call",
            success = true,
            duration_ms = 1,
            outcome = "fine",
            error = "none",
            reason = "mine"
        )
        .in_scope(|| ());
    });
    let expected =
        json!({"success": true, "duration_ms": 1, "outcome": "fine", "error": "none", "reason": "mine"});
    assert_eq!(row.context, expected);
}

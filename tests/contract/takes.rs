//! The row of a span has fields of events within it.

use serde_json::json;
use support::{Ledger, only};
use tracing::field::Empty;
use tracing::{Span, info, info_span};
use tracing_ledger::{Redact, Rule, Rules};

fn ledger(rules: impl IntoIterator<Item = Rule>) -> Ledger {
    let rules = Rules::from_rules(rules).expect("sound rules");
    Ledger::memory_with(tracing_ledger::builder().rules(rules))
}

fn call() -> Rule {
    Rule::span("call").success_below("status", 500.0).take("web", ["status", "bytes"])
}

#[test]
fn fields_are_taken_from_the_target_and_the_modules_below_it() {
    let ledger = ledger([call()]);
    ledger.run(|| {
        info_span!("call").in_scope(|| {
            info!(target: "web::response", status = 200, latency = "not taken", "done");
            info!(target: "website", bytes = 1, "another target");
            info!(target: "web", bytes = 2, "the first");
            info!(target: "web", bytes = 3, "the last counts");
        });
    });
    let row = only(ledger.rows());
    assert_eq!(row.keys(), ["bytes", "duration_ms", "outcome", "status", "success"]);
    assert_eq!(row.get("bytes"), 3);
    assert_eq!(
        (row.get("status"), row.get("success"), row.get("outcome")),
        (&json!(200), &json!(true), &json!("ok"))
    );
}

#[test]
fn fields_are_taken_by_the_name_of_the_event_too_and_may_be_declared_redacted_and_inherited() {
    let rule = Rule::span("call")
        .take_event("known.*", ["user", "email", "result"])
        .redact("email", Redact::Hash)
        .result("ended")
        .rename("user", "who");
    let inner = Rule::span("inner").inherit(["who", "email"]);
    let ledger = ledger([rule, inner]);
    ledger.run(|| {
        let call = info_span!("call", user = Empty);
        call.in_scope(|| {
            info!(name: "known.by_name", user = "ann", email = "a@example.org", result = "done");
            info_span!("inner").in_scope(|| ());
        });
    });
    let rows = ledger.rows();
    let [inner, call] = &rows[..] else { panic!("two rows, not {rows:#?}") };
    let hash = "sha256 of the address";
    let hashed = call.get("email").as_str().expect(hash);
    assert_eq!((hashed.len(), call.get("who"), call.get("ended")), (64, &json!("ann"), &json!("done")));
    assert_eq!((inner.get("who"), inner.get("email").as_str()), (&json!("ann"), Some(hashed)));
}

#[test]
fn an_event_gives_fields_to_the_nearest_span_whose_rule_takes_them() {
    let ledger = ledger([call(), Rule::span("other").inherit(["tenant"]).inherit_from(["*"])]);
    ledger.run(|| {
        let outer = info_span!("call", nth = 1).entered();
        let inner = info_span!("call", nth = 2).entered();
        let other = info_span!("other", success = true, tenant = 1).entered();
        let carried = info_span!("carried", tenant = 2).entered();
        info!(target: "web", status = 500);
        drop((carried, other, inner));
        info!(target: "web", parent: &Span::none(), status = 400);
        info!(target: "web", parent: &*outer, status = 200);
    });
    let rows = ledger.rows();
    let statuses: Vec<_> = rows.iter().filter_map(|row| row.context.get("status")).collect();
    assert_eq!(statuses, [500, 200], "{rows:#?}");
    assert_eq!(rows[1].severity, "warning", "a success that is false by a field");
}

#[test]
fn an_event_may_have_a_row_of_its_own_too() {
    let ledger = ledger([call(), Rule::event("answer")]);
    ledger.run(|| info_span!("call").in_scope(|| info!(name: "answer", target: "web", status = 204)));
    let rows = ledger.rows();
    assert_eq!(rows.iter().map(|row| row.get("status")).collect::<Vec<_>>(), [204, 204]);
}

/// Such as a service that fails under a `TraceLayer`: it has a latency, and no status.
#[test]
fn a_call_that_told_something_else_about_its_end_is_not_taken_for_cancelled() {
    let ledger = ledger([call()]);
    ledger.run(|| {
        info_span!("call").in_scope(|| info!(target: "web", bytes = 0, "failed"));
        info_span!("call").in_scope(|| info!("nothing of the kind"));
    });
    let rows = ledger.rows();
    assert_eq!(rows.iter().map(|row| row.get("outcome")).collect::<Vec<_>>(), ["unknown", "cancelled"]);
}

/// The event has a row of its own as well.
#[test]
fn an_event_with_a_rule_gives_its_fields_too() {
    for event in [Rule::event("*").target("web"), Rule::event("*").fields(["status"])] {
        let ledger = ledger([call(), event.event_type("web.answer")]);
        ledger.run(|| {
            info_span!("call").in_scope(|| info!(target: "web::response", status = 503, "done"));
        });
        let rows = ledger.rows();
        let [answer, call] = &rows[..] else { panic!("two rows, not {rows:#?}") };
        assert_eq!((&*answer.event_type, answer.get("status")), ("web.answer", &json!(503)));
        assert_eq!((&*call.event_type, call.get("status")), ("call", &json!(503)));
        assert_eq!((call.get("success"), call.get("outcome")), (&json!(false), &json!("ok")));
    }
}

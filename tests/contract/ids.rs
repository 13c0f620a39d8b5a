//! Ids that join rows.

use serde_json::Value;
use support::{Ledger, StoredRow, only};
use tracing::{info, info_span};
use tracing_ledger::{Builder, Rules, builder};

const KEYS: [&str; 3] = ["trace_id", "span_id", "parent_span_id"];

const RULES: &str = r#"
    [[rule]]
    span = ["request", "job", "call"]
    [[rule]]
    event = "cache.miss"
"#;

fn with_rules(rules: &str) -> Builder {
    builder().rules(rules.parse::<Rules>().expect("sound rules"))
}

fn ids(row: &StoredRow) -> [Value; 3] {
    KEYS.map(|key| row.context.get(key).cloned().unwrap_or_default())
}

#[track_caller]
fn assert_hex(id: &Value, digits: usize) {
    let text = id.as_str().expect("an id");
    let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    assert!(text.len() == digits && is_hex && text.bytes().any(|byte| byte != b'0'), "{id}");
}

/// A request with a job on another thread, which makes two calls.
fn request() {
    info_span!("request").in_scope(|| {
        info!(name: "cache.miss", "not there");
        info_span!("without a rule").in_scope(|| {
            let job = info_span!("job");
            std::thread::scope(|scope| {
                let dispatch = tracing::dispatcher::get_default(Clone::clone);
                scope.spawn(move || {
                    tracing::dispatcher::with_default(&dispatch, move || {
                        job.in_scope(|| (0..2).for_each(|_| info_span!("call").in_scope(|| ())));
                    });
                });
            });
        });
    });
}

#[test]
fn a_request_its_job_and_its_calls_are_joined() {
    let ledger = Ledger::memory_with(with_rules(RULES).ids(true));
    ledger.run(request);
    let [trace, request, parent] = ids(&only(ledger.rows_of("request")));
    assert_hex(&trace, 32);
    assert_hex(&request, 16);
    assert_eq!(parent, Value::Null);
    let [of_job, job, parent] = ids(&only(ledger.rows_of("job")));
    assert_hex(&job, 16);
    assert_eq!((of_job, parent), (trace.clone(), request.clone()), "also through a span without a rule");
    let calls: Vec<_> = ledger.rows_of("call").iter().map(ids).collect();
    let [[of_first, first, parent_of_first], [of_second, second, parent_of_second]] = &calls[..] else {
        panic!("two calls, not {calls:?}")
    };
    assert_eq!((of_first, of_second), (&trace, &trace));
    assert_eq!((parent_of_first, parent_of_second), (&job, &job));
    assert!(first != second && *first != job, "each span has its own");
    let event = only(ledger.rows_of("cache.miss"));
    assert_eq!(ids(&event), [trace, request, Value::Null], "those of the span around it");
    assert!(!event.keys().contains(&"parent_span_id"));
}

#[test]
fn every_request_has_a_trace_of_its_own() {
    let ledger = Ledger::memory_with(with_rules(RULES).ids(true));
    ledger.run(|| (0..2).for_each(|_| info_span!("request").in_scope(|| ())));
    let traces: Vec<_> = ledger.rows().iter().map(|row| row.get("trace_id").clone()).collect();
    assert_ne!(traces[0], traces[1]);
}

#[test]
fn an_event_outside_of_spans_has_none() {
    let ledger = Ledger::memory_with(with_rules(RULES).ids(true));
    ledger.run(|| info!(name: "cache.miss", "not there"));
    let row = only(ledger.rows());
    assert_eq!([row.get("trace_id"), row.get("span_id")], [&Value::Null, &Value::Null]);
}

#[test]
fn rows_have_no_ids_unless_the_option_is_set() {
    for (rules, asked, expected) in [
        (RULES.to_owned(), None, false),
        (format!("[all]\nids = true\n{RULES}"), None, true),
        (format!("[all]\nids = true\n{RULES}"), Some(false), false),
        (RULES.to_owned(), Some(true), true),
    ] {
        let builder = with_rules(&rules);
        let ledger = Ledger::memory_with(if let Some(ids) = asked { builder.ids(ids) } else { builder });
        ledger.run(request);
        for row in ledger.rows() {
            let has_ids = KEYS[..2].iter().all(|key| row.keys().contains(key));
            let has_none = !KEYS.iter().any(|key| row.keys().contains(key));
            assert_eq!((has_ids, has_none), (expected, !expected), "{asked:?} {rules} {:#}", row.context);
        }
    }
}

#[test]
fn a_span_that_is_left_out_is_no_parent() {
    let rules = "builtin = true\n[all]\nids = true\n[[rule]]\nspan = [\"request\", \"job\", \"call\"]";
    let ledger = Ledger::memory_with(with_rules(rules));
    ledger.run(|| {
        info_span!("request").in_scope(|| {
            info_span!("job", ledger.event = false).in_scope(|| info_span!("call").in_scope(|| ()));
        });
    });
    let request = ids(&only(ledger.rows_of("request")));
    let call = ids(&only(ledger.rows_of("call")));
    assert_eq!((&call[0], &call[2]), (&request[0], &request[1]));
}

#[test]
fn a_field_of_that_name_has_another_key() {
    let ledger = Ledger::memory_with(with_rules(RULES).ids(true));
    ledger.run(|| info_span!("request", trace_id = "theirs").in_scope(|| ()));
    let row = only(ledger.rows());
    assert_hex(row.get("trace_id"), 32);
    assert_eq!(row.get("field.trace_id"), "theirs");
}

#[test]
fn a_rule_that_writes_such_a_key_is_refused() {
    let rules = "[[rule]]\nspan = \"request\"\nrename = { otel = \"trace_id\" }";
    let built = with_rules(rules)
        .ids(true)
        .build_with::<tracing_subscriber::Registry>(tracing_ledger::store::Memory::default());
    let error = built.expect_err("two values for one key");
    assert!(error.is_config());
    assert_eq!(
        error.to_string(),
        "\"ids\" writes the key \"trace_id\", and so does \"rename\" of rule 1 (span = \"request\"): use another key \
         there, or take it out"
    );
}

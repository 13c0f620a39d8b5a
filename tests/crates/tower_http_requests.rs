//! Requests under the default `TraceLayer` have rows by the built-in rules alone.

use serde_json::{Value, json};
use support::{Ledger, StoredRow, only};
use tracing_ledger::{Rule, Rules};

use crate::server::serve;

fn values<const N: usize>(row: &StoredRow, keys: [&str; N]) -> [Value; N] {
    keys.map(|key| row.context.get(key).cloned().unwrap_or_default())
}

#[test]
fn a_request_has_method_uri_status_latency_and_outcome() {
    let ledger = Ledger::memory();
    serve(&ledger, async |client| {
        let response = client.get("/tables/7?token=secret").await;
        assert!(response.ends_with("free"), "{response}");
    });
    let row = only(ledger.rows());
    assert_eq!(
        (row.event_type.as_str(), row.source.as_str(), row.severity.as_str()),
        ("http.request", "tower_http", "info")
    );
    let told = values(&row, ["method", "uri", "status", "success", "outcome"]);
    assert_eq!(told, [json!("GET"), json!("/tables/7"), json!(200), json!(true), json!("ok")]);
    assert!(row.ms("latency_ms") >= 0.0 && row.ms("duration_ms") > 0.0, "{:#}", row.context);
    assert_eq!(
        row.keys(),
        ["duration_ms", "http.version", "latency_ms", "method", "outcome", "status", "success", "uri"]
    );
}

/// The span declares the version of HTTP under the name that services give their own.
#[test]
fn a_request_has_the_version_of_the_service() {
    let ledger = Ledger::memory_with(tracing_ledger::builder().set("version", "2.1"));
    serve(&ledger, async |client| _ = client.get("/tables/7").await);
    let row = only(ledger.rows());
    assert_eq!(values(&row, ["version", "http.version"]), [json!("2.1"), json!("HTTP/1.1")]);
}

#[test]
fn a_status_decides_about_success_and_severity() {
    let ledger = Ledger::memory();
    serve(&ledger, async |client| {
        client.get("/fails").await;
        client.get("/nowhere").await;
    });
    let rows = ledger.rows();
    let [fails, nowhere] = &rows[..] else { panic!("two rows, not {rows:#?}") };
    assert_eq!(fails.severity, "error");
    let told = values(fails, ["status", "success", "outcome", "failure"]);
    let text = "Status code: 500 Internal Server Error";
    assert_eq!(told, [json!(500), json!(false), json!("ok"), json!(text)]);
    assert_eq!(nowhere.severity, "info");
    assert_eq!(values(nowhere, ["status", "success"]), [json!(404), json!(true)]);
}

#[test]
fn a_client_that_hangs_up_cancels_its_request() {
    let ledger = Ledger::memory();
    serve(&ledger, async |client| {
        for _ in 0..5 {
            client.hang_up("/hangs?token=secret").await;
        }
    });
    let rows = ledger.rows();
    assert_eq!(rows.len(), 5);
    for row in rows {
        assert_eq!(
            values(&row, ["uri", "outcome", "success", "status"]),
            [json!("/hangs"), json!("cancelled"), json!(false), Value::Null]
        );
        assert_eq!(row.severity, "warning");
    }
}

#[test]
fn a_handler_that_panics_has_a_row_that_says_so() {
    let ledger = Ledger::memory();
    serve(&ledger, async |client| assert_eq!(client.get("/panics").await, ""));
    let row = only(ledger.rows());
    assert_eq!(
        values(&row, ["outcome", "error", "success"]),
        [json!("panic"), json!("out of tables"), json!(false)]
    );
}

#[test]
fn a_rule_of_ones_own_may_keep_the_query() {
    let rule = Rule::span("request")
        .target("tower_http::trace::make_span")
        .success_below("status", 400.0)
        .take("tower_http::trace::on_response", ["status"]);
    let builder = tracing_ledger::builder().rules(Rules::from_rules([rule]).expect("a sound rule"));
    let ledger = Ledger::memory_with(builder);
    serve(&ledger, async |client| _ = client.get("/nowhere?page=2").await);
    let row = only(ledger.rows());
    assert_eq!(
        values(&row, ["uri", "status", "success", "outcome"]),
        [json!("/nowhere?page=2"), json!(404), json!(false), json!("ok")]
    );
    assert_eq!(row.severity, "warning", "a success that is false by a field");
}

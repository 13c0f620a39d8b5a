//! The report reads well as text and as Markdown, also where rows say nothing or mean harm.

use std::time::{Duration, UNIX_EPOCH};

use support::SqliteFile;
use tracing_ledger::Row;
use tracing_ledger::report::Report;
use tracing_ledger::store::{Attempt, Sqlite, Store};
use uuid::Uuid;

use super::report_since;

async fn report_on(contexts: &[(&str, &str)]) -> Report {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    let rows: Vec<Row> = contexts.iter().map(|(event_type, context)| event(event_type, context)).collect();
    store.insert(&rows, Attempt::First).await.expect("stored");
    report_since(&file.url(), None).await
}

fn event(event_type: &str, context: &str) -> Row {
    let moment = UNIX_EPOCH + Duration::from_secs(1_770_000_000);
    let mut event = Row::new(moment, "auto_assign", event_type);
    event.booking_id = Some(Uuid::from_u128(1));
    event.context = context.to_owned();
    event
}

async fn small() -> Report {
    report_on(&[
        (
            "auto_assign.quote",
            r#"{"planner_duration_ms": 10, "planner_success": true, "flow": "job",
            "trigger": "creation", "planner_strategy": {"requireAdjacency": true, "maxTables": 3}}"#,
        ),
        (
            "auto_assign.quote",
            r#"{"planner_duration_ms": 30.5, "planner_success": false, "flow": "inline",
            "planner_reason_category": "hard", "planner_reason_code": "hard.no_capacity"}"#,
        ),
        ("auto_assign.summary", r#"{"result": "succeeded", "attemptsUsed": 1, "totalDurationMs": 12.25}"#),
    ])
    .await
}

#[tokio::test]
async fn text_is_aligned() {
    assert_eq!(small().await.to_string(), include_str!("golden/report.txt"));
}

#[tokio::test]
async fn markdown_has_the_same_tables() {
    assert_eq!(small().await.to_markdown(), include_str!("golden/report.md"));
}

#[tokio::test]
async fn without_rows_it_says_what_to_check() {
    let text = report_on(&[]).await.to_string();
    assert!(text.starts_with("No rows.\n\nNo row is selected. Check the period"), "{text}");
}

#[tokio::test]
async fn a_short_duration_is_not_shown_as_zero() {
    for (duration, shown) in [
        ("0", "0 µs"),
        ("0.004", "4.00 µs"),
        ("0.0123", "12.3 µs"),
        ("0.0004", "0.40 µs"),
        ("0.000001", "<0.01 µs"),
    ] {
        let context = format!(r#"{{"planner_duration_ms": {duration}, "totalDurationMs": {duration}}}"#);
        let report = report_on(&[("auto_assign.quote", &context), ("auto_assign.summary", &context)]).await;
        let text = report.to_string();
        // Four figures of both event types and of three groups; two figures of the job.
        assert_eq!(text.matches(&format!(" {shown}")).count(), 5 * 4 + 2, "{text}");
        let cell = shown.replace('<', "\\<");
        assert!(report.to_markdown().contains(&format!("| {cell} |")), "{}", report.to_markdown());
    }
}

#[tokio::test]
async fn a_hostile_value_is_shown_and_not_obeyed() {
    let hostile = r#"{"flow": "\u001b[2J\u202e|<img>\u0085"}"#;
    let report = report_on(&[("auto_assign.quote", hostile)]).await;
    assert!(report.to_string().contains(r"\u{1b}[2J\u{202e}|<img>\u{85}"), "{report}");
    assert!(report.to_markdown().contains(r"| \\u{1b}\[2J\\u{202e}\|\<img\>\\u{85} | 1 |"), "{report}");
    let json = report.to_json();
    assert!(json.contains(r#""\u001b[2J\u202e|<img>\u0085""#), "{json}");
    let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(read["events"][0]["groups"][0]["by"]["flow"], "\u{1b}[2J\u{202e}|<img>\u{85}");
    assert_eq!(read["window"]["first"], "2026-02-02T02:40:00.000000Z");
}

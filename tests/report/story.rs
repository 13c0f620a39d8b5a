//! The story of a booking, a trace, a span or a row: in order over both flows, with its waits.

mod command;
mod ids;
mod overlap;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::{Cluster, SqliteFile};
use tracing_ledger::Row;
use tracing_ledger::report::{Question, RowKind, Story, story};
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};
use uuid::Uuid;

const BOOKING: u128 = 0xb00c;
const RESTAURANT: u128 = 0xe57a;
const TRACE: &str = "0190a5c0000070008000000000000042";

fn at(ms: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_770_000_000) + Duration::from_millis(ms)
}

/// A row of the booking that ended so many milliseconds after the beginning.
fn row(ms: u64, event_type: &str, context: &str) -> Row {
    let mut row = Row::new(at(ms), "auto_assign", event_type);
    row.booking_id = Some(Uuid::from_u128(BOOKING));
    row.restaurant_id = Some(Uuid::from_u128(RESTAURANT));
    row.context = context.to_owned();
    row
}

fn quote(ms: u64, flow: &str, took: f64, rest: &str) -> Row {
    row(ms, "auto_assign.quote", &format!(r#"{{"flow": "{flow}", "planner_duration_ms": {took}, {rest}}}"#))
}

const NO_TABLES: &str = r#""planner_success": false, "outcome": "ok", "planner_reason": "No tables", "planner_reason_code": "hard.no_tables""#;
const CANCELLED: &str = r#""planner_success": false, "outcome": "cancelled", "planner_reason": "quote.exception", "planner_reason_code": "unknown""#;
const OK: &str = r#""planner_success": true, "outcome": "ok", "planner_reason": null"#;

/// Two attempts fail, in the request and in the job, and the third succeeds. Rows are not in order.
fn confirmed_at_the_third() -> Vec<Row> {
    vec![
        row(
            41_200,
            "auto_assign.summary",
            r#"{"flow": "job", "result": "succeeded", "attemptsUsed": 2, "quoteDurationMs": 250.5, "totalDurationMs": 40000}"#,
        ),
        quote(1000, "inline", 1000.0, CANCELLED),
        row(1001, "inline_auto_assign.timeout", r#"{"timeoutMs": 1000, "elapsedMs": 1000.5}"#),
        row(1201, "auto_assign.started", r#"{"trigger": "creation"}"#),
        quote(1450, "job", 200.5, NO_TABLES),
        row(1460, "auto_assign.attempt", r#"{"attempt_index": 0, "reason": "No tables"}"#),
        quote(41_150, "job", 50.0, OK),
        row(41_160, "auto_assign.succeeded", r#"{"durationMs": 39960.25}"#),
    ]
}

async fn postgres(rows: &[Row]) -> String {
    let url = Cluster::shared().database();
    let mut store = Postgres::from_url(&url).expect("a URL");
    store.insert(rows, Attempt::First).await.expect("stored");
    url
}

async fn sqlite(rows: &[Row]) -> SqliteFile {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("a URL").create_table(true);
    store.insert(rows, Attempt::First).await.expect("stored");
    file
}

async fn tell(id: &str, url: &str) -> Story {
    story(id, &Question::new(), &[url]).await.expect("a story")
}

fn booking() -> String {
    Uuid::from_u128(BOOKING).to_string()
}

/// Each row as its event type behind a space for each row around it.
fn outline(story: &Story) -> Vec<String> {
    let mut depths: Vec<usize> = Vec::new();
    for row in &story.rows {
        depths.push(row.within.map_or(0, |around| depths[around] + 1));
    }
    let lines = story.rows.iter().zip(&depths);
    lines.map(|(row, depth)| " ".repeat(*depth) + &row.event_type).collect()
}

#[tokio::test]
async fn a_booking_is_told_in_order_over_both_flows() {
    let file = sqlite(&confirmed_at_the_third()).await;
    let url = postgres(&confirmed_at_the_third()).await;
    for url in [file.url(), url] {
        let story = tell(&booking(), &url).await;
        assert_eq!(story.found_as.as_deref(), Some("booking_id"));
        let expected = [
            "auto_assign.quote",
            "inline_auto_assign.timeout",
            "auto_assign.summary",
            " auto_assign.started",
            " auto_assign.quote",
            " auto_assign.attempt",
            " auto_assign.quote",
            " auto_assign.succeeded",
        ];
        assert_eq!(outline(&story), expected, "{url}");
        let kinds: Vec<RowKind> = story.rows.iter().take(3).map(|row| row.kind).collect();
        assert_eq!(kinds, [RowKind::Call, RowKind::Event, RowKind::Job]);
        let numbers: Vec<_> = story.rows.iter().filter_map(|row| row.attempt).collect();
        assert_eq!(numbers, [1, 2, 3]);
        let waits: Vec<_> = story
            .waits
            .iter()
            .map(|wait| (wait.after, wait.before, wait.offset_ms, wait.duration_ms, wait.reason.as_deref()))
            .collect();
        let expected = [
            (0, 4, 1000.0, 249.5, Some("cancelled: quote.exception")),
            (4, 6, 1450.0, 39_650.0, Some("hard.no_tables")),
        ];
        assert_eq!(waits, expected);
        let ending = story.ending.expect("it ended");
        assert_eq!((ending.row, ending.result.as_deref()), (2, Some("succeeded")));
        assert_eq!((ending.attempts, ending.after_ms), (3, Some(41_200.0)));
    }
}

#[tokio::test]
async fn a_row_begins_its_duration_before_its_end() {
    let url = postgres(&confirmed_at_the_third()).await;
    let story = tell(&booking(), &url).await;
    let job = &story.rows[2];
    assert_eq!((job.start, job.created_at), (Some(at(1200)), Some(at(41_200))));
    assert_eq!((job.offset_ms, job.duration_ms), (Some(1200.0), Some(40_000.0)));
    assert_eq!((job.calls, job.calls_ms, job.result.as_deref()), (Some(2.0), Some(250.5), Some("succeeded")));
    assert_eq!((story.first, story.last), (Some(at(0)), Some(at(41_200))));
    let context: Value = serde_json::from_str(job.context.as_ref().expect("a context").get()).expect("JSON");
    assert_eq!(context["quoteDurationMs"], 250.5);
}

#[tokio::test]
async fn the_text_names_waits_reasons_and_the_end() {
    let file = sqlite(&confirmed_at_the_third()).await;
    let story = tell(&booking(), &file.url()).await;
    let text = story.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], format!("booking_id {}: 8 rows", booking()));
    let waterfall = lines.iter().skip(3).take_while(|line| !line.is_empty());
    assert!(
        waterfall.clone().count() > 10 && waterfall.clone().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    let at = |part: &str| {
        lines.iter().position(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {text}"))
    };
    assert!(at("auto_assign.quote #1 inline") < at("waits after cancelled"), "{text}");
    assert!(at("waits after cancelled") < at("auto_assign.summary "), "{text}");
    assert!(at("auto_assign.quote #2 job") < at("waits after hard.no_tables"), "{text}");
    assert!(at("waits after hard.no_tables") < at("auto_assign.quote #3 job"), "{text}");
    assert!(lines[at("waits after hard.no_tables")].contains("39.6 s"), "{text}");
    let end = "Ended with auto_assign.summary: succeeded, at attempt 3, 41.2 s after the booking's first call began.";
    assert_eq!(lines[lines.len() - 1], end);
    assert!(
        text.contains("auto_assign.summary: calls 2, time in calls 250 ms, time waiting 39.7 s."),
        "{text}"
    );
    let wide = story.to_text(120);
    let event = wide.lines().find(|line| line.contains("auto_assign.succeeded")).expect("the event");
    assert_eq!(event.split_whitespace().take(3).collect::<Vec<_>>(), ["41.2", "s", "auto_assign.succeeded"]);
    assert!(
        event.ends_with("after 40.0 s"),
        "the job has taken so long, and the event takes no time: {wide}"
    );
    let indented = wide.lines().find(|line| line.contains("waits after hard.no_tables")).expect("the wait");
    assert!(indented.contains("39.6 s   waits"), "it is within the job: {wide}");
    assert!(wide.lines().any(|line| line.chars().count() > 80), "{wide}");
}

/// The texts of the elements with this place in the JSON.
fn cell<'a>(page: &'a str, row: &str, column: usize) -> &'a str {
    let row = page.split_once(&format!("data-at={row}>")).expect("the row").1;
    let row = row.split("<tr").next().expect("its end");
    let cell = row.split("<td").nth(column + 1).expect("the cell");
    let raw = cell.split_once("data-value=").map(|(_, rest)| rest.split('>').next().expect("a value"));
    raw.unwrap_or_else(|| cell.split(['>', '<']).nth(1).expect("a text"))
}

#[tokio::test]
async fn the_page_has_the_same_numbers_and_every_context() {
    let file = sqlite(&confirmed_at_the_third()).await;
    let story = tell(&booking(), &file.url()).await;
    let page = story.to_html();
    for (place, row) in story.rows.iter().enumerate() {
        let took = match row.kind {
            // The duration in an event belongs to something that has ended before.
            RowKind::Event => String::new(),
            _ => row.duration_ms.map_or("–".to_owned(), |ms| serde_json::json!(ms).to_string()),
        };
        assert_eq!(cell(&page, &format!("/rows/{place}"), 1).trim(), took, "{place}");
        assert!(page.contains(row.id.as_deref().expect("an id")), "{place}");
    }
    for (place, wait) in story.waits.iter().enumerate() {
        assert_eq!(
            cell(&page, &format!("/waits/{place}"), 1),
            serde_json::json!(wait.duration_ms).to_string()
        );
    }
    assert!(
        page.contains("waits after hard.no_tables") && page.contains("at attempt 3, 41.2 s after"),
        "{page}"
    );
    let second =
        "<summary>at 1.25 s: auto_assign.quote #2 job <small>ended 2026-02-02T02:40:01.450000Z</small>";
    assert!(page.contains(second), "each row is named as in the table: {page}");
    assert!(page.contains("quoteDurationMs") && page.contains("Content-Security-Policy"), "{page}");
    assert!(!page.contains(" src=") && !page.contains("href=\"http"), "{page}");
}

/// The milliseconds of a text such as `1.63 ms`.
fn milliseconds(text: &str) -> f64 {
    let (number, unit) = text.trim().split_once(' ').unwrap_or_else(|| panic!("{text:?} has a unit"));
    let scale = [("µs", 0.001), ("ms", 1.0), ("s", 1000.0)].into_iter().find(|(known, _)| *known == unit);
    number.parse::<f64>().expect("a number") * scale.expect("a known unit").1
}

#[tokio::test]
async fn rows_and_waits_are_in_the_order_of_the_column_at_in_text_page_and_json() {
    let mut rows = confirmed_at_the_third();
    // Happens in the middle of the job, and ends something that began before all else.
    rows.push(row(5000, "inline_auto_assign.late", r#"{"durationMs": 99999}"#));
    // Its clock is behind the clock of the job around it.
    let span = r#""trace_id": "t", "span_id": "a""#;
    rows.push(row(6000, "orders.note", &format!("{{{span}}}")));
    rows.push(row(6100, "orders.call", &format!(r#"{{{span}, "outcome": "ok", "duration_ms": 50}}"#)));
    let file = sqlite(&rows).await;
    let story = tell(&booking(), &file.url()).await;
    let mut json: Vec<(String, f64)> = Vec::new();
    json.extend(
        story
            .rows
            .iter()
            .enumerate()
            .map(|(place, row)| (format!("/rows/{place}"), row.offset_ms.expect("a beginning"))),
    );
    assert!(json.is_sorted_by_key(|(_, at)| *at), "{json:?}");
    json.extend(
        story.waits.iter().enumerate().map(|(place, wait)| (format!("/waits/{place}"), wait.offset_ms)),
    );
    json.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let page = story.to_html();
    let places: Vec<&str> = page
        .split("data-at=")
        .skip(1)
        .filter_map(|rest| rest.split('>').next())
        .filter(|at| at.contains('s'))
        .collect();
    let expected: Vec<&str> = json.iter().map(|(place, _)| place.as_str()).collect();
    assert_eq!(places, expected, "the page");
    let text = story.to_text(150);
    let lines: Vec<&str> = text.lines().skip(4).take_while(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), json.len(), "{text}");
    for ((place, at), line) in json.iter().zip(&lines) {
        assert_eq!(cell(&page, place, 0), serde_json::json!(at).to_string(), "{place}");
        let shown: String = line.chars().take(9).collect();
        assert!((milliseconds(&shown) - at).abs() <= at * 0.005, "{place} is at {at}: {line}");
    }
    let note = story.rows.iter().find(|row| row.event_type == "orders.note").expect("the note");
    assert_eq!((note.offset_ms, note.start), (Some(6050.0), Some(at(6050))), "not before the call around it");
    // The event stands between the job and this call of it.
    let line =
        |part| *lines.iter().find(|line| line.contains(part)).unwrap_or_else(|| panic!("{part}: {text}"));
    assert!(line("quote #3 job").ends_with("in auto_assign.summary, ok"), "{text}");
    assert!(line("quote #2 job").ends_with(" hard.no_tables"), "{text}");
}

#[tokio::test]
async fn a_job_contains_only_the_calls_of_its_booking_flow_and_time() {
    let other = |mut row: Row| {
        row.booking_id = Some(Uuid::from_u128(1));
        row
    };
    let file = sqlite(&[
        row(
            2000,
            "auto_assign.summary",
            r#"{"flow": "job", "result": "exhausted", "totalDurationMs": 1000}"#,
        ),
        quote(1500, "job", 100.0, NO_TABLES),
        quote(1600, "inline", 100.0, NO_TABLES),
        quote(2500, "job", 100.0, NO_TABLES),
        other(quote(1700, "job", 100.0, NO_TABLES)),
    ])
    .await;
    let story = tell(&Uuid::from_u128(RESTAURANT).to_string(), &file.url()).await;
    assert_eq!(story.found_as.as_deref(), Some("restaurant_id"));
    let within: Vec<_> = story.rows.iter().map(|row| (row.created_at, row.within)).collect();
    let expected = [(2000, None), (1500, Some(0)), (1600, None), (1700, None), (2500, None)]
        .map(|(ms, within)| (Some(at(ms)), within));
    assert_eq!(within, expected);
    assert_eq!(story.ending, None, "two bookings have rows");
}

#[tokio::test]
async fn a_long_story_is_cut_and_says_so() {
    let rows: Vec<Row> = (0..1012).map(|ms| row(ms, "note", "{}")).collect();
    let url = postgres(&rows).await;
    let story = tell(&booking(), &url).await;
    assert_eq!((story.rows.len(), story.left_out, &story.ending), (1000, 12, &None));
    assert_eq!((story.first, story.last), (Some(at(0)), Some(at(999))));
    assert!(story.to_string().contains("12 later rows are left out: a story has at most 1000."));
}

#[tokio::test]
async fn rows_of_others_do_no_harm() {
    let circle = |span: &str, parent: &str| {
        let context = format!(
            r#"{{"trace_id": "{TRACE}", "span_id": "{span}", "parent_span_id": "{parent}", "outcome": "a\u001b[2J\u202eb", "duration_ms": 1e300}}"#
        );
        row(5, "evil\u{1b}[31m\u{202e}<script>", &context)
    };
    let mut long = row(6, "long", &format!(r#"{{"reason": "{}", "duration_ms": -5}}"#, "x".repeat(1 << 20)));
    long.source = "s".into();
    let file = sqlite(&[circle("a", "b"), circle("b", "a"), circle("c", "c"), long]).await;
    let story = tell(&booking(), &file.url()).await;
    assert_eq!(story.rows.len(), 4);
    for text in [story.to_string(), story.to_json(), story.to_html()] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    let page = story.to_html();
    assert!(
        !page.contains("<script>\u{202e}") && page.contains("&lt;script&gt;") && page.len() < 100_000,
        "{page}"
    );
    assert!(story.to_string().len() < 4000);
    let json: Value = serde_json::from_str(&story.to_json()).expect("JSON");
    let mut outcomes = json["rows"].as_array().expect("rows").iter().map(|row| &row["outcome"]);
    assert!(outcomes.any(|outcome| outcome == "a\u{1b}[2J\u{202e}b"), "{json}");
}

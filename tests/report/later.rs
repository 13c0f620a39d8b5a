//! Rows whose clock is ahead are in each format, and make no rate wrong.

use std::process::Command;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::SqliteFile;
use tracing_ledger::Row;
use tracing_ledger::report::{Question, Report, page, report};
use tracing_ledger::store::{Attempt, Sqlite, Store};

use super::report_since;

const HOUR: Duration = Duration::from_secs(3600);

/// A row for each of so many hours before now, and as many rows of the next month as `later`.
async fn database(hours: u32, later: u32) -> SqliteFile {
    let now = SystemTime::now();
    let row = |at| {
        let mut row = Row::new(at, "api", "orders.place");
        row.context = r#"{"duration_ms": 5, "success": true}"#.to_owned();
        row
    };
    let past = (0..=hours).map(|hours| row(now - HOUR * hours));
    let rows: Vec<Row> = past.chain((1..=later).map(|number| row(now + HOUR * (700 + number)))).collect();
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("a URL").create_table(true);
    store.insert(&rows, Attempt::First).await.expect("stored");
    file
}

fn rate(report: &Report) -> f64 {
    report.events[0].figures.rows_per_hour.expect("a rate")
}

#[tokio::test]
async fn later_rows_are_counted_and_are_in_no_rate() {
    let file = database(100, 20).await;
    let told = report_since(&file.url(), None).await;
    assert_eq!((told.events[0].figures.calls, told.later), (121, 20));
    assert!((rate(&told) - 101.0 / 100.0).abs() < 1e-6, "{}", rate(&told));
    let since = report_since(&file.url(), Some(SystemTime::now() - HOUR * 10)).await;
    assert!((1.0..1.001).contains(&rate(&since)), "ten rows in ten hours: {}", rate(&since));
    let until = Question::new().until(SystemTime::now() + HOUR * 10_000);
    let until = report(&until, &[file.url()]).await.expect("a report");
    assert!((rate(&until) - 101.0 / 100.0).abs() < 1e-6, "{}", rate(&until));
    let json: Value = serde_json::from_str(&told.to_json()).expect("JSON");
    assert_eq!(json["later"], 20);
    let sentence =
        "20 rows are later than the clock of this machine. They count in each figure but rows per hour.";
    for text in [told.to_string(), told.to_markdown(), page(&told, None)] {
        assert!(text.contains(sentence), "{text}");
    }
    assert!(told.to_csv().contains(",later,,20,rows,121,\n"), "{}", told.to_csv());
}

#[tokio::test]
async fn rows_of_a_right_clock_are_not_later() {
    let file = database(3, 0).await;
    let told = report_since(&file.url(), None).await;
    assert_eq!(told.later, 0);
    for text in [told.to_string(), told.to_markdown(), page(&told, None), told.to_json(), told.to_csv()] {
        assert!(
            !["later than the clock", "\"later\"", ",later,"].iter().any(|told| text.contains(told)),
            "{text}"
        );
    }
}

/// The output of the command.
fn run(arguments: &[&str], url: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    let output = command.args(arguments).env("DATABASE_URL", url).output().expect("it runs");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The moment that the page says it counted since.
fn printed(page: &str, key: &str) -> Option<String> {
    let at = page.split_once(&format!("/report/window/{key}"))?.1;
    Some(at.split(['>', '<']).nth(1)?.to_owned())
}

#[tokio::test]
async fn the_window_that_a_page_prints_gives_the_same_numbers() {
    let file = database(100, 0).await;
    let url = file.url();
    let page = run(&["report", "--since", "3d", "--until", "1h", "--format", "html"], &url);
    let [since, until] = ["since", "until"].map(|key| printed(&page, key).expect("a moment"));
    let json = run(&["report", "--since", &since, "--until", &until, "--format", "json"], &url);
    // As it is written: reading a number may change its last digit.
    let rate = json.split_once("\"rows_per_hour\": ").expect("a rate").1.split(',').next().expect("its end");
    assert!(
        page.contains(&format!("data-value={rate}")) || page.contains(&format!("data-value=\"{rate}\"")),
        "{rate}: {page}"
    );
    let last = run(&["report", "--until", "0s", "--format", "json"], &url);
    assert!(last.contains("\"calls\": 101"), "{last}");
}

//! `tracing-ledger watch`: one frame as text, and the terminal at work.

mod faults;
mod terminal;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use serde_json::Value;
use support::{Cluster, Terminal};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store};

const COMMAND: &str = env!("CARGO_BIN_EXE_tracing-ledger");

fn run(arguments: &[&str], url: &str) -> Output {
    let mut command = Command::new(COMMAND);
    command.args(arguments).env("DATABASE_URL", url).env_remove("COLUMNS").env_remove("LINES");
    command.output().expect("it starts")
}

fn row(seconds: u64, event_type: &str, took: u64, flow: &str) -> Row {
    let mut row = Row::new(SystemTime::now() - Duration::from_secs(seconds), "api", event_type);
    row.context = format!(
        r#"{{"duration_ms": {took}, "planner_duration_ms": {took}, "success": {0}, "planner_success": {0}, "flow": "{flow}"}}"#,
        !took.is_multiple_of(3)
    );
    row
}

async fn insert(url: &str, rows: &[Row]) {
    Postgres::from_url(url).expect("a URL").insert(rows, Attempt::First).await.expect("stored");
}

/// Quotes of two flows, and fewer rows of another event type.
async fn database(cluster: &Cluster) -> String {
    let url = cluster.database();
    let quotes =
        (1..40).map(|at| row(at, "auto_assign.quote", at * 7, if at % 2 == 0 { "inline" } else { "job" }));
    let others = (1..9).map(|at| row(at, "orders.place", at * 11, "inline"));
    insert(&url, &quotes.chain(others).collect::<Vec<_>>()).await;
    url
}

/// A terminal in which the command watches that database.
fn watch(url: &str) -> Terminal {
    let terminal = Terminal::start(80, 24);
    terminal.run(&format!("{COMMAND} watch --database-url {url}"));
    terminal
}

/// Watches in a terminal; the file is to have the id of the process.
fn watch_with_id(terminal: &Terminal, arguments: &str) -> PathBuf {
    let id = terminal.file("pid");
    terminal.run(&format!("sh -c 'echo $$ > {}; exec {COMMAND} watch {arguments}'", id.display()));
    id
}

fn kill(signal: &str, id: &Path) {
    let read = || std::fs::read_to_string(id).unwrap_or_default();
    support::until("the process has written its id", || read().ends_with('\n'));
    let id = read();
    let killed = Command::new("kill").args([&format!("-{signal}"), id.trim()]).status();
    assert!(killed.expect("kill runs").success());
}

/// A frame is drawn piece by piece.
fn wait_for_all(terminal: &Terminal, texts: &[&str]) {
    support::until(&format!("the terminal shows {texts:?}"), || {
        let pane = terminal.pane();
        texts.iter().all(|text| pane.contains(text))
    });
}

fn quit(terminal: &Terminal) {
    terminal.keys(&["q"]);
    terminal.wait_for("done with 0");
}

/// As the table of a frame shows it.
fn decimal(value: &Value) -> String {
    value.as_f64().map_or("–".to_owned(), |value| {
        if value < 0.0995 { format!("{value:.3}") } else { format!("{value:.2}") }
    })
}

#[tokio::test]
async fn one_frame_has_the_figures_of_the_report_of_its_window() {
    let url = database(Cluster::shared()).await;
    let output = run(&["watch", "--once", "--window", "10min"], &url);
    let frame = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{frame}");
    assert!(!frame.contains('\u{1b}') && frame.lines().all(|line| line.chars().count() <= 80), "{frame}");
    let window: Vec<&str> = frame.lines().next().expect("a title").split_whitespace().collect();
    let ["tracing-ledger", "watch", since, "to", until] = window.as_slice() else { panic!("{frame}") };
    let output = run(&["report", "--format", "json", "--since", since, "--until", until], &url);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let events = json["events"].as_array().expect("events");
    assert_eq!(events.len(), 2);
    for event in events {
        let spread = &event["duration_ms"];
        let rate = event["success"]["rate"].as_f64().expect("a rate");
        let expected = [
            decimal(&(event["rows_per_hour"].as_f64().expect("a rate") / 3600.0).into()),
            format!("{:.1}%", rate * 100.0),
            decimal(&spread["median"]),
            decimal(&spread["p95"]),
            decimal(&spread["p99"]),
        ];
        let name = event["event_type"].as_str().expect("a name");
        let line =
            frame.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {frame}"));
        assert_eq!(line.split_whitespace().skip(1).take(5).collect::<Vec<_>>(), expected, "{frame}");
    }
}

#[tokio::test]
async fn one_frame_shows_the_groups_that_are_asked_for() {
    let url = database(Cluster::shared()).await;
    let output =
        run(&["watch", "--once", "--window", "10min", "--event", "auto_assign.quote", "--by", "flow"], &url);
    let frame = String::from_utf8(output.stdout).expect("UTF-8");
    for flow in ["inline", "job"] {
        assert!(frame.lines().any(|line| line.trim_start().starts_with(flow)), "{flow}: {frame}");
    }
}

/// The first two of these rows name no code, and the third does.
const FAILED: [(&str, &str); 3] = [
    ("http.request", r#"{"success": false, "outcome": "error", "error": "pool exhausted"}"#),
    ("http.request", r#"{"success": false, "outcome": "ok", "reason": "upstream timed out"}"#),
    (
        "orders.place",
        r#"{"success": false, "outcome": "ok", "reason_code": "no_stock", "reason": "Nothing left"}"#,
    ),
];

#[tokio::test]
async fn a_failure_has_the_same_reason_in_a_frame_a_story_a_page_and_the_report() {
    let url = Cluster::shared().database();
    let booking = uuid::Uuid::from_u128(0xb00c);
    let failed = |(at, (event_type, context)): (u64, (&str, &str))| {
        let mut row = row(at, event_type, 5, "job");
        (row.context, row.booking_id) = (context.to_owned(), Some(booking));
        row
    };
    insert(&url, &(1..).zip(FAILED).map(failed).collect::<Vec<_>>()).await;
    let printed = |arguments: &[&str]| String::from_utf8(run(arguments, &url).stdout).expect("UTF-8");
    let json: Value = serde_json::from_str(&printed(&["report", "--format", "json"])).expect("JSON");
    let events = json["events"].as_array().expect("events");
    let reasons = events.iter().flat_map(|event| event["reasons"].as_array().expect("reasons"));
    let mut codes: Vec<_> = reasons.filter_map(|reason| reason["code"].as_str()).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["no_stock", "pool exhausted", "upstream timed out"]);
    let booking = booking.to_string();
    let frame = printed(&["watch", "--once"]);
    let [text, story, page] =
        [&["story", &booking][..], &["story", &booking, "--format", "html"], &["report", "--format", "html"]]
            .map(printed);
    for code in codes {
        for shown in [&frame, &text, &story, &page] {
            assert!(shown.contains(code), "{code}: {shown}");
        }
    }
    assert!(
        frame.contains("http.request error: pool exhausted") && !frame.contains("Nothing left"),
        "{frame}"
    );
    let last = "Ended with http.request: error: pool exhausted";
    assert!(text.contains(last) && story.contains(last), "{text}");
}

#[test]
fn one_frame_says_by_its_status_that_nothing_was_found() {
    let output = run(&["watch", "--once"], &Cluster::shared().database());
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stdout).contains("NO ROWS in the window"));
    let away = run(&["watch", "--once"], "postgres://bob:hunter2@127.0.0.1:1/app");
    let said = String::from_utf8_lossy(&away.stderr).into_owned();
    assert_eq!(away.status.code(), Some(1), "{said}");
    assert!(said.starts_with("error: cannot connect to Postgres") && !said.contains("hunter2"), "{said}");
    for wrong in [&["watch", "--once", "--window", "0s"][..], &["watch", "--window", "2d"]] {
        assert_eq!(run(wrong, "sqlite:x").status.code(), Some(2), "{wrong:?}");
    }
    let no_terminal = run(&["watch"], "sqlite:x");
    assert_eq!(no_terminal.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&no_terminal.stderr).contains("use --once"));
}

#[tokio::test]
async fn an_event_type_without_rows_is_not_taken_for_a_service_that_is_silent() {
    let url = database(Cluster::shared()).await;
    let output = run(&["watch", "--once", "--event", "auto_assign.qoute"], &url);
    let [frame, said] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("UTF-8"));
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(frame.contains(" NO SELECTED ROWS in the window") && frame.contains("check --event"), "{frame}");
    assert!(!frame.contains("doctor"), "{frame}");
    assert!(
        said.contains("the ledger has the event types auto_assign.quote (39), orders.place (8)"),
        "{said}"
    );
}

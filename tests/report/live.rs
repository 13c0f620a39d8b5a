//! The last minutes, kept up to date, are the same as a report of them.

use std::time::{Duration, SystemTime};

use support::{Cluster, SqliteFile};
use tracing_ledger::Row;
use tracing_ledger::report::{Live, LiveView, Question, report};
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};

const WINDOW: Duration = Duration::from_secs(600);

fn ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

fn row(created_at: SystemTime, event_type: &str, context: &str) -> Row {
    let mut row = Row::new(created_at, "api", event_type);
    row.context = context.to_owned();
    row
}

fn quote(seconds: u64, took: f64, success: bool) -> Row {
    let context = format!(
        r#"{{"planner_duration_ms": {took}, "planner_success": {success}, "planner_reason_code": "hard.no_tables", "flow": "job", "outcome": "ok"}}"#
    );
    row(ago(seconds), "auto_assign.quote", &context)
}

fn rows() -> Vec<Row> {
    let quotes = (1..50_u32).map(|at| quote(u64::from(at), f64::from(at) * 1.5, at % 4 != 0));
    let jobs = (1..5).map(|at| {
        row(
            ago(at),
            "auto_assign.summary",
            r#"{"totalDurationMs": 500, "result": "succeeded", "attemptsUsed": 2}"#,
        )
    });
    quotes.chain(jobs).chain([row(ago(700), "auto_assign.quote", "{}")]).collect()
}

async fn postgres(rows: &[Row]) -> String {
    let url = Cluster::shared().database();
    insert(&url, rows).await;
    url
}

async fn insert(url: &str, rows: &[Row]) {
    Postgres::from_url(url).expect("a URL").insert(rows, Attempt::First).await.expect("stored");
}

/// Looks, and compares the view with a report of the same window.
async fn assert_same(live: &mut Live, question: &Question, url: &str) -> LiveView {
    live.look().await.expect("it is read");
    let view = live.view(SystemTime::now()).await.expect("a view");
    let window = view.report.window;
    let same = question.clone().since(window.since.expect("a window")).until(window.until.expect("a window"));
    assert_eq!(view.report, report(&same, &[url]).await.expect("a report"));
    let mut begin = window.since;
    for part in &view.over_time {
        assert_eq!(part.window.since, begin, "no time is left out");
        begin = part.window.until;
        let same = question.clone().since(part.window.since.expect("a time")).until(begin.expect("a time"));
        assert_eq!(*part, report(&same, &[url]).await.expect("a report"));
    }
    assert_eq!((begin, view.over_time.len()), (window.until, 12));
    view
}

#[tokio::test]
async fn every_figure_is_that_of_a_report_of_the_window() {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("a URL").create_table(true);
    store.insert(&rows(), Attempt::First).await.expect("stored");
    for url in [file.url(), postgres(&rows()).await] {
        for question in [
            Question::new(),
            Question::new()
                .event("auto_assign.quote")
                .by("flow")
                .and_then(|question| question.by("source"))
                .expect("keys"),
            Question::new().condition("planner_duration_ms>20").expect("a condition"),
        ] {
            let mut live = Live::new(&question, WINDOW, &[&url]).expect("a URL");
            for _ in 0..2 {
                let view = assert_same(&mut live, &question, &url).await;
                assert!(!view.report.is_empty());
                let quotes = view.report.event("auto_assign.quote").expect("quotes");
                let parts = view.over_time.iter().filter_map(|part| part.event("auto_assign.quote"));
                assert_eq!(parts.map(|part| part.figures.calls).sum::<u64>(), quotes.figures.calls);
            }
        }
    }
}

#[tokio::test]
async fn a_row_of_the_future_hides_neither_new_rows_nor_silence() {
    let url = postgres(&[quote(300, 1.0, true), quote(299, 1.0, true)]).await;
    let future = SystemTime::now() + Duration::from_secs(86_400);
    insert(&url, &[row(future, "other", "{}")]).await;
    let question = Question::new();
    let mut live = Live::new(&question, WINDOW, &[&url]).expect("a URL");
    let calls = |view: &LiveView| view.report.events.iter().map(|event| event.figures.calls).sum::<u64>();
    let view = assert_same(&mut live, &question, &url).await;
    assert_eq!((calls(&view), view.later), (2, 1));
    assert!(view.silent_since.is_some() && view.silent_since == view.last, "{:?}", view.last);
    insert(&url, &[quote(1, 1.0, true)]).await;
    let view = assert_same(&mut live, &question, &url).await;
    assert_eq!((calls(&view), view.later, view.silent_since), (3, 1, None));
    // The time of this row has come when the report ends a little later.
    let soon = SystemTime::now() + Duration::from_secs(5);
    insert(&url, &[row(soon, "other", "{}")]).await;
    live.look().await.expect("it is read");
    assert_eq!(live.view(soon - Duration::from_secs(2)).await.expect("a view").later, 2);
    let view = live.view(soon + Duration::from_secs(1)).await.expect("a view");
    assert_eq!(
        (calls(&view), view.later, view.last.is_some_and(|last| last > soon - Duration::from_micros(2))),
        (4, 1, true)
    );
}

#[tokio::test]
async fn a_failure_has_the_text_of_its_error() {
    let failed = |second: u64, context: &str| row(ago(second), "http.request", context);
    let url = postgres(&[
        failed(1, r#"{"success": false, "outcome": "error", "error": "pool exhausted"}"#),
        failed(2, r#"{"success": false, "outcome": "panic", "error": "at line 7"}"#),
        failed(3, r#"{"success": false, "outcome": "error"}"#),
    ])
    .await;
    let question = Question::new();
    let mut live = Live::new(&question, WINDOW, &[&url]).expect("a URL");
    let view = assert_same(&mut live, &question, &url).await;
    let reasons: Vec<_> = view.failures.iter().map(|failure| failure.reason.as_deref()).collect();
    assert_eq!(reasons, [Some("error: pool exhausted"), Some("panic: at line 7"), Some("error")]);
}

#[tokio::test]
async fn rows_that_come_are_seen_once_even_if_they_are_late() {
    let url = postgres(&rows()).await;
    let question = Question::new();
    let mut live = Live::new(&question, WINDOW, &[&url]).expect("a URL");
    let calls = |view: &LiveView| view.report.events.iter().map(|event| event.figures.calls).sum::<u64>();
    let before = calls(&assert_same(&mut live, &question, &url).await);
    // The last row is a second old, and this one ended before it.
    insert(&url, &[quote(8, 1.0, false), quote(0, 2.0, true)]).await;
    let view = assert_same(&mut live, &question, &url).await;
    assert_eq!(calls(&view), before + 2);
    assert_eq!(view.failures.len(), 13);
    assert_eq!(view.failures[0].reason.as_deref(), Some("hard.no_tables"));
    assert_eq!(calls(&assert_same(&mut live, &question, &url).await), before + 2);
}

#[tokio::test]
async fn a_longer_window_is_read_again() {
    let url = postgres(&rows()).await;
    let question = Question::new();
    let mut live = Live::new(&question, WINDOW, &[&url]).expect("a URL");
    let short = assert_same(&mut live, &question, &url).await;
    live.set_window(2 * WINDOW);
    let long = assert_same(&mut live, &question, &url).await;
    let calls = |view: &LiveView| view.report.event("auto_assign.quote").map(|event| event.figures.calls);
    assert_eq!((calls(&short), calls(&long)), (Some(49), Some(50)));
    live.set_window(WINDOW);
    assert_eq!(calls(&assert_same(&mut live, &question, &url).await), Some(49));
}

#[tokio::test]
async fn looks_share_one_connection_and_find_the_database_again() {
    let cluster = Cluster::start();
    let url = cluster.database();
    insert(&url, &rows()).await;
    let mut live = Live::new(&Question::new(), WINDOW, &[&url]).expect("a URL");
    let sessions = "SELECT count(DISTINCT pid) FROM pg_stat_activity \
     WHERE datname = current_database() AND backend_type = 'client backend' AND application_name <> 'psql'";
    support::until("the session that has written is gone", || cluster.psql(&url, sessions) == "0");
    for _ in 0..3 {
        live.look().await.expect("it is read");
        assert_eq!(cluster.psql(&url, sessions), "1");
    }
    cluster.stop_at_once();
    let error = live.look().await.expect_err("there is no server");
    assert!(error.is_database() || error.is_timeout(), "{error}");
    let during = live.view(SystemTime::now()).await.expect("what was seen before");
    assert!(!during.report.is_empty());
    cluster.restart();
    insert(&url, &[quote(30, 1.0, true)]).await;
    let view = assert_same(&mut live, &Question::new(), &url).await;
    assert_eq!(view.report.event("auto_assign.quote").map(|event| event.figures.calls), Some(50));
}

#[tokio::test]
async fn a_file_that_is_moved_or_replaced_is_named_and_the_new_one_is_read() {
    let file = SqliteFile::new();
    let [moved, beside] = ["moved", "beside"].map(|name| file.path().with_file_name(name));
    let write = async |path: &std::path::Path, rows: &[Row]| {
        let store = Sqlite::from_url(&format!("sqlite:{}", path.display())).expect("a URL");
        store.create_table(true).insert(rows, Attempt::First).await.expect("stored");
    };
    write(&file.path(), &rows()).await;
    let mut live = Live::new(&Question::new(), WINDOW, &[file.url()]).expect("a URL");
    assert_same(&mut live, &Question::new(), &file.url()).await;
    std::fs::rename(file.path(), &moved).expect("moved");
    for _ in 0..2 {
        let error = live.look().await.expect_err("the file is not there").to_string();
        assert!(error.contains("the file ledger.sqlite3 is gone"), "{error}");
    }
    std::fs::rename(&moved, file.path()).expect("moved back");
    assert_same(&mut live, &Question::new(), &file.url()).await;
    write(&beside, &[quote(500, 1.0, true)]).await;
    std::fs::rename(&beside, file.path()).expect("replaced");
    let error = live.look().await.expect_err("it is another file").to_string();
    assert!(error.contains("the file was replaced"), "{error}");
    let view = assert_same(&mut live, &Question::new(), &file.url()).await;
    assert_eq!(view.report.event("auto_assign.quote").map(|event| event.figures.calls), Some(1));
}

#[tokio::test]
async fn losses_count_whatever_is_selected() {
    let loss = |count| row(ago(5), "ledger.loss", &format!(r#"{{"cause": "queue_full", "count": {count}}}"#));
    let url = postgres(&[loss(3), loss(4), quote(1, 1.0, true)]).await;
    let question = Question::new().event("auto_assign.quote").condition("flow=job").expect("a condition");
    let mut live = Live::new(&question, WINDOW, &[&url]).expect("a URL");
    let view = assert_same(&mut live, &question, &url).await;
    assert_eq!(view.report.events.len(), 1);
    assert_eq!(view.losses.into_iter().collect::<Vec<_>>(), [("queue_full".to_owned(), 7)]);
}

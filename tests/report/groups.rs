//! Rows of any event type are grouped by the keys of the question, and selected by conditions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{Cluster, SqliteFile};
use tracing_ledger::report::{GroupFigures, Question, Report, event_types, report};
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};
use tracing_ledger::{Builder, Row, Rules};

fn at(second: u64) -> SystemTime {
    // 2026-02-02T02:40:00Z
    UNIX_EPOCH + Duration::from_secs(1_770_000_000 + second)
}

fn request(second: u64, context: &str) -> Row {
    let mut row = Row::new(at(second), "api", "http.request");
    row.context = context.to_owned();
    row
}

fn requests() -> Vec<Row> {
    let mut rows: Vec<Row> = (0..400_u64)
        .map(|number| {
            let (route, status) =
                (["/orders", "/users"][usize::from(number % 4 == 0)], [200, 404, 500][number as usize % 3]);
            request(
                number * 60,
                &format!(
                    r#"{{"duration_ms": {number}, "success": {}, "outcome": "ok", "route": "{route}",
                        "http": {{"status": {status}}}, "a.b": "literal"}}"#,
                    status < 500
                ),
            )
        })
        .collect();
    rows.push(request(3600, r#"{"route": "/orders"}"#));
    rows.push(Row::new(at(1), "jobs", "cache.miss"));
    rows
}

/// The same rows in Postgres and in SQLite.
async fn both(rows: &[Row]) -> (String, SqliteFile) {
    let url = Cluster::shared().database();
    Postgres::from_url(&url).expect("readable").insert(rows, Attempt::First).await.expect("stored");
    let file = SqliteFile::new();
    let mut sqlite = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    sqlite.insert(rows, Attempt::First).await.expect("stored");
    (url, file)
}

/// Asks Postgres and SQLite, which answer alike.
async fn ask(question: Question) -> Report {
    let (postgres, file) = both(&requests()).await;
    let answer = report(&question, &[&postgres]).await.expect("a report");
    assert_eq!(report(&question, &[file.url()]).await.expect("a report"), answer);
    answer
}

/// Each group: its values, calls, calls of known success, and the longest duration.
fn groups(report: &Report) -> Vec<(Vec<&str>, u64, u64, Option<f64>)> {
    fn one(group: &GroupFigures) -> (Vec<&str>, u64, u64, Option<f64>) {
        let values = group.by.iter().map(|(_, value)| value.as_deref().unwrap_or("none")).collect();
        (values, group.figures.calls, group.figures.success.n, group.figures.duration_ms.max)
    }
    report.event("http.request").expect("there are requests").groups.iter().map(one).collect()
}

#[tokio::test]
async fn every_event_type_is_listed_with_its_figures() {
    let answer = ask(Question::new()).await;
    let listed: Vec<_> =
        answer.events.iter().map(|event| (event.event_type.as_str(), event.figures.calls)).collect();
    assert_eq!(listed, [("http.request", 401), ("cache.miss", 1)]);
    let requests = &answer.events[0].figures;
    assert_eq!((requests.success.n, requests.duration_ms.n), (400, 400));
    assert_eq!(requests.outcomes.get("ok"), Some(&400));
    assert_eq!(requests.source.as_deref(), Some("api"));
    assert_eq!(requests.last, Some(at(399 * 60)));
    let hours = 399.0 / 60.0;
    assert_eq!(requests.rows_per_hour, Some(401.0 / hours));
    assert_eq!(
        (answer.events[1].figures.duration_ms.n, answer.events[1].figures.duration_ms.median),
        (0, None)
    );
}

#[tokio::test]
async fn rows_are_grouped_by_nested_keys_together() {
    let question = Question::new().event("http.request").by("route").and_then(|it| it.by("http.status"));
    let answer = ask(question.expect("keys")).await;
    assert_eq!(
        groups(&answer),
        [
            (vec!["/orders", "200"], 100, 100, Some(399.0)),
            (vec!["/orders", "404"], 100, 100, Some(397.0)),
            (vec!["/orders", "500"], 100, 100, Some(398.0)),
            (vec!["/users", "200"], 34, 34, Some(396.0)),
            (vec!["/users", "404"], 33, 33, Some(388.0)),
            (vec!["/users", "500"], 33, 33, Some(392.0)),
            (vec!["/orders", "none"], 1, 0, None),
        ]
    );
}

#[tokio::test]
async fn a_key_may_have_a_dot_of_its_own() {
    let answer = ask(Question::new().event("http.request").by("a.b").expect("a key")).await;
    assert_eq!(
        groups(&answer).iter().map(|group| (group.0[0], group.1)).collect::<Vec<_>>(),
        [("literal", 400), ("none", 1)]
    );
}

#[tokio::test]
async fn hours_days_and_columns_group_too() {
    let answer = ask(Question::new().event("http.request").by("hour").expect("a key")).await;
    let hours: Vec<_> = groups(&answer).iter().map(|group| (group.0[0].to_owned(), group.1)).collect();
    assert!(hours.is_sorted(), "in the order of time: {hours:?}");
    assert!(hours.contains(&("2026-02-02T02:00Z".to_owned(), 20)), "{hours:?}");
    assert!(hours.contains(&("2026-02-02T03:00Z".to_owned(), 61)), "{hours:?}");
    for (key, value) in
        [("day", "2026-02-02"), ("source", "api"), ("severity", "info"), ("event_type", "http.request")]
    {
        let answer = ask(Question::new().event("http.request").by(key).expect("a key")).await;
        assert_eq!((groups(&answer)[0].0[0], groups(&answer)[0].1), (value, 401), "{key}");
    }
}

#[tokio::test]
async fn conditions_select_rows() {
    for (condition, count) in [
        ("http.status>=500", 133),
        ("http.status<404", 134),
        ("route=/users", 100),
        ("route!=/users", 302),
        ("source=jobs", 1),
        ("duration_ms>399", 0),
        ("a.b=literal", 400),
    ] {
        let answer = ask(Question::new().condition(condition).expect("a condition")).await;
        let found: u64 = answer.events.iter().map(|event| event.figures.calls).sum();
        assert_eq!(found, count, "{condition}");
    }
}

#[tokio::test]
async fn a_window_is_half_open() {
    let answer = ask(Question::new().event("http.request").since(at(60)).until(at(180))).await;
    assert_eq!((answer.window.first, answer.window.last), (Some(at(60)), Some(at(120))));
    assert_eq!(answer.events[0].figures.calls, 2);
    assert_eq!(answer.events[0].figures.rows_per_hour, Some(60.0));
}

#[tokio::test]
async fn the_rules_say_which_keys_a_row_has() {
    let rules: Rules = "[[rule]]\nspan = \"request\"\nevent_type = \"http.request\"\nduration = \"took\"\n\
                        success = \"fine\"\nreport_by = [\"route\", \"code\"]"
        .parse()
        .expect("rules");
    let rows = [
        request(
            0,
            r#"{"took": 5, "fine": true, "duration_ms": 99, "success": false, "route": "/a", "code": 1}"#,
        ),
        request(1, r#"{"took": 7, "fine": false, "route": "/a", "code": 2}"#),
    ];
    let (postgres, file) = both(&rows).await;
    for url in [postgres, file.url()] {
        let answer = report(&Question::new().rules(rules.clone()), &[url]).await.expect("a report");
        let figures = &answer.events[0].figures;
        assert_eq!((figures.success.rate, figures.duration_ms.median), (Some(0.5), Some(6.0)));
        let by: Vec<_> = answer.events[0].groups.iter().flat_map(|group| &group.by).cloned().collect();
        let is = |key: &str, value: &str| (key.to_owned(), Some(value.to_owned()));
        assert_eq!(by, [is("route", "/a"), is("code", "1"), is("code", "2")]);
    }
}

#[tokio::test]
async fn several_databases_are_read_as_one() {
    let (postgres, file) = both(&requests()).await;
    let answer = report(&Question::new(), &[postgres.clone(), file.url()]).await.expect("a report");
    assert_eq!(answer.events[0].figures.calls, 802);
    let types = event_types(Builder::DEFAULT_TABLE, &[postgres]).await.expect("types");
    assert_eq!(types, [("http.request".to_owned(), 401), ("cache.miss".to_owned(), 1)]);
}

#[tokio::test]
async fn a_key_with_quotes_and_backslashes_is_a_key() {
    let rows = [request(0, r#"{"it's": "a", "b\\c": "d"}"#)];
    let (postgres, file) = both(&rows).await;
    for url in [postgres, file.url()] {
        for (key, value) in [("it's", "a"), (r"b\c", "d")] {
            let question = Question::new().by(key).expect("a key");
            let answer = report(&question, &[&url]).await.expect("a report");
            assert_eq!(answer.events[0].groups[0].by, [(key.to_owned(), Some(value.to_owned()))]);
        }
    }
}

//! Rows of any event type are grouped by the keys of the question, and selected by conditions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{Cluster, SqliteFile};
use tracing_ledger::report::{Compare, GroupFigures, Live, Question, Report, event_types, report};
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
async fn one_database_under_two_names_is_refused() {
    let url = Cluster::shared().database();
    let rows = requests();
    Postgres::from_url(&url).expect("readable").insert(&rows, Attempt::First).await.expect("stored");
    let other = url.replace("127.0.0.1", "localhost");
    let urls = [&url, &other];
    let told = |error: tracing_ledger::Error| {
        assert!(error.is_config() && error.to_string().contains("name each once"), "{error}");
    };
    told(report(&Question::new(), &urls).await.expect_err("twice"));
    told(report(&Question::new().rollup(true), &urls).await.expect_err("twice"));
    told(event_types(Builder::DEFAULT_TABLE, &urls).await.expect_err("twice"));
    let mut live = Live::new(&Question::new(), Duration::from_secs(60), &urls).expect("URLs");
    told(live.look().await.expect_err("twice"));
    let compare = Compare::new().database_url(url.clone()).database_url(other.clone());
    told(compare.snapshot("2026-02-01..").await.expect_err("twice"));
    // Another database of the same server has other rows, and so has one whose server does not tell.
    let second = Cluster::shared().database();
    let both = report(&Question::new(), &[&other, &second]).await.expect("a report");
    assert_eq!(both.events[0].figures.calls, 401);
    Cluster::shared().psql(
        &url,
        "REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC; CREATE ROLE untold LOGIN; \
         GRANT SELECT ON observability_events TO untold",
    );
    let untold = url.replace("postgres@", "untold@");
    let read = report(&Question::new(), &[&untold, &second]).await.expect("a report");
    assert_eq!(read.events[0].figures.calls, 401);
}

#[tokio::test]
async fn a_standby_has_the_rows_of_its_primary_until_it_is_promoted() {
    let primary = Cluster::start();
    let url = primary.database();
    let rows = requests();
    Postgres::from_url(&url).expect("readable").insert(&rows, Attempt::First).await.expect("stored");
    let standby = primary.standby();
    let urls = [&url, &standby.url_of_the_same(&url)];
    let refused = report(&Question::new(), &urls).await.expect_err("the same rows");
    assert!(refused.to_string().contains("name each once"), "{refused}");
    standby.promote();
    let both = report(&Question::new(), &urls).await.expect("a report");
    assert_eq!(both.events[0].figures.calls, 2 * 401);
}

#[tokio::test]
async fn outcomes_and_results_have_a_bound() {
    let rows: Vec<_> = (0..300_u64)
        .map(|number| {
            let mut row = Row::new(at(number), "auto_assign", "auto_assign.summary");
            row.context = format!(r#"{{"result": "r{number}", "outcome": "o{number}"}}"#);
            row
        })
        .chain((0..300).map(|number| request(number, &format!(r#"{{"outcome": "o{number}"}}"#))))
        .chain([request(301, r#"{"outcome": "cancelled"}"#), request(302, r#"{"outcome": "o1"}"#)])
        .collect();
    let (postgres, file) = both(&rows).await;
    for url in [postgres, file.url()] {
        let answer = report(&Question::new(), &[&url]).await.expect("a report");
        let outcomes = &answer.event("http.request").expect("requests").figures.outcomes;
        // Which ones are shown depends on the order of the rows.
        assert_eq!(outcomes.get("cancelled"), Some(&1));
        assert!(outcomes.get("(other outcomes)").is_some_and(|count| *count >= 280), "{outcomes:?}");
        assert!(outcomes.len() <= 22, "{outcomes:?}");
        assert_eq!(outcomes.values().sum::<u64>(), 302);
        let job = &answer.jobs[0];
        assert_eq!((job.jobs, job.results.len()), (300, 101));
        assert_eq!((job.results[0].result.as_deref(), job.results[0].count), (Some("(other results)"), 200));
    }
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

/// The text of a number's key may be none, and rows of other services have other texts there.
#[tokio::test]
async fn a_number_is_compared_with_numbers_only() {
    let statuses = ["200", "503", "500.0", r#""504""#, r#""err""#, r#""NaN""#, r#""""#, "null", "true", "{}"];
    let row = |status: &&str| request(0, &format!(r#"{{"status": {status}}}"#));
    let (postgres, file) = both(&statuses.iter().map(row).collect::<Vec<_>>()).await;
    for url in [postgres, file.url()] {
        for (condition, count) in
            [("status>=500", 3), ("status<500", 1), ("status>504", 0), ("status!=500", 10)]
        {
            let question = Question::new().condition(condition).expect("a condition");
            let answer = report(&question, &[&url]).await.expect("a report");
            let found: u64 = answer.events.iter().map(|event| event.figures.calls).sum();
            assert_eq!(found, count, "{condition}");
        }
    }
}

#[tokio::test]
async fn a_group_is_selected_by_what_it_shows() {
    let objects = [r#"{"b": true, "a": 1}"#, r#"{"a":1,"b":true}"#, r#"{"a": 2}"#, "[1, 2]", "{}"];
    let row = |object: &&str| request(0, &format!(r#"{{"strategy": {object}}}"#));
    let (postgres, file) = both(&objects.iter().map(row).collect::<Vec<_>>()).await;
    for url in [postgres, file.url()] {
        let grouped = Question::new().by("strategy").expect("a key");
        let answer = report(&grouped, &[&url]).await.expect("a report");
        let shown: Vec<_> = groups(&answer).iter().map(|group| (group.0[0].to_owned(), group.1)).collect();
        assert_eq!(shown.len(), 4, "{shown:?}");
        let texts = [(r#"{ "b":true,"a":1 }"#, 2), (r#"{"a": 2}"#, 1), ("{}", 1), ("[1, 2]", 1)];
        let texts = texts.map(|(text, calls)| (text.to_owned(), calls));
        for (value, calls) in shown.into_iter().filter(|(value, _)| value != "none").chain(texts) {
            let question = Question::new().condition(&format!("strategy={value}")).expect("a condition");
            let answer = report(&question, &[&url]).await.expect("a report");
            assert_eq!(answer.events.first().map(|event| event.figures.calls), Some(calls), "{value}");
        }
    }
}

#[tokio::test]
async fn a_report_without_durations_names_the_rules() {
    let rows = |context: &str| {
        let mut row = Row::new(SystemTime::now(), "app", "order");
        row.context = context.to_owned();
        row
    };
    let words = "No row has a duration or a success that is known.";
    for (context, is_said) in [(r#"{"took": 7}"#, true), (r#"{"duration_ms": 7}"#, false)] {
        let (_, file) = both(&[rows(context)]).await;
        let text = report(&Question::new(), &[file.url()]).await.expect("a report").to_string();
        assert_eq!(text.contains(words), is_said, "{text}");
    }
}

#[tokio::test]
async fn a_key_that_is_named_twice_groups_once() {
    let twice = Question::new().by("route").and_then(|question| question.by("route")).expect("keys");
    let answer = ask(twice.event("http.request")).await;
    assert_eq!(answer.events[0].groups[0].by.len(), 1);
}

#[tokio::test]
async fn no_two_lines_of_csv_have_the_same_figure() {
    let contexts = [
        r#"{"success": false, "reason": "a", "route": "/a"}"#,
        r#"{"success": false, "reason": "a", "reason_category": "x", "route": ""}"#,
        r#"{"success": false, "reason": "a", "reason_category": "y"}"#,
        r#"{"success": false, "reason": ""}"#,
        r#"{"success": false}"#,
    ];
    // No rule names its keys.
    let row = |context: &&str| {
        let mut row = Row::new(at(0), "api", "order");
        row.context = (*context).to_owned();
        row
    };
    let rows: Vec<_> = contexts.iter().map(row).collect();
    let (_, file) = both(&rows).await;
    let question = Question::new().by("route").expect("a key");
    let csv = report(&question, &[file.url()]).await.expect("a report").to_csv();
    let mut figures: Vec<_> =
        csv.lines().map(|line| line.split(',').skip(2).take(2).collect::<Vec<_>>()).collect();
    let lines = figures.len();
    figures.sort_unstable();
    figures.dedup();
    assert_eq!(figures.len(), lines, "{csv}");
    for part in [
        ",calls,event_type=order;route,3,",
        ",calls,event_type=order;route=,1,",
        ",reason,event_type=order;reason=a;category=x,1,",
        ",reason,event_type=order;reason=,1,",
        ",reason,event_type=order;reason,1,",
    ] {
        assert!(csv.contains(part), "{part}: {csv}");
    }
}

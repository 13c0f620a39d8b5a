//! A report from a rollup has the counts of one from the rows, and its percentiles within 1 %, also after rows come late or are deleted.

mod command;
mod late_rows;
mod refusals;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::Cluster;
use tracing_ledger::Rules;
use tracing_ledger::report::{Figures, Question, Report, Rollup, Spread, report};

/// 2026-02-02T00:00:00Z
const START: u64 = 1_769_990_400;

/// Rows of several event types, evenly over some hours.
const ROWS: &str = r#"
    INSERT INTO observability_events (created_at, source, event_type, context, booking_id)
    SELECT to_timestamp(1769990400 + {from} * 3600) + i * interval '{hours} hours' / {rows}, 'api', 'http.request',
        CASE WHEN i % 997 = 0 THEN '[]' WHEN i % 991 = 0 THEN NULL ELSE jsonb_strip_nulls(jsonb_build_object(
            'duration_ms', CASE WHEN i % 13 <> 0 THEN round((exp(3 + 1.5 * sin(i * 12.9898) + i % 7 * 0.3))::numeric, 3) END,
            'success', CASE WHEN i % 11 <> 0 THEN i % 5 <> 0 END,
            'outcome', CASE WHEN i % 5 <> 0 THEN 'ok' ELSE 'error' END,
            'reason', CASE WHEN i % 5 = 0 THEN 'reason ' || i % 3 END,
            'route', CASE WHEN i % 17 <> 0 THEN '/' || i % 4 END,
            'http', jsonb_build_object('status', 200 + i % 2 * 300))) END, NULL
    FROM generate_series(0, {rows} - 1) i;
    INSERT INTO observability_events (created_at, source, event_type, context, booking_id)
    SELECT to_timestamp(1769990400 + {from} * 3600) + i * interval '{hours} hours' / {rows}, 'auto_assign', 'auto_assign.summary',
        jsonb_build_object('result', (ARRAY['succeeded', 'cutoff', 'error'])[1 + i % 3], 'attemptsUsed', i % 5,
            'quoteDurationMs', 10 + i % 90, 'totalDurationMs', 200 + i % 700), gen_random_uuid()
    FROM generate_series(0, {rows} - 1) i;
    INSERT INTO observability_events (created_at, source, event_type, context, booking_id)
    SELECT to_timestamp(1769990400 + {from} * 3600) + i * interval '{hours} hours' / {rows}, 'auto_assign',
        CASE i % 3 WHEN 0 THEN 'inline_auto_assign.timeout' WHEN 1 THEN 'inline_auto_assign.succeeded' ELSE 'auto_assign.quote' END,
        jsonb_build_object('planner_duration_ms', i % 100, 'planner_success', i % 2 = 0, 'flow', 'job',
            'planner_strategy', jsonb_build_object('maxTables', i % 2)), gen_random_uuid()
    FROM generate_series(0, {rows} - 1) i;
"#;

/// As many rows of requests, of jobs, and of other events.
fn rows(from: u32, hours: u32, rows: u32) -> String {
    let texts = [("{from}", from), ("{hours}", hours), ("{rows}", rows)];
    texts.iter().fold(ROWS.to_owned(), |sql, (name, number)| sql.replace(name, &number.to_string()))
}

/// A database with 60 hours of rows.
fn database() -> String {
    let url = Cluster::shared().database();
    psql(&url, &rows(0, 60, 2400));
    url
}

fn psql(url: &str, sql: &str) -> String {
    Cluster::shared().psql(url, sql)
}

fn number(url: &str, sql: &str) -> u64 {
    psql(url, sql).parse().expect("a number")
}

fn at(hour: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(START + hour * 3600)
}

fn rollup() -> Rollup {
    let by = Rollup::new().by("route").and_then(|rollup| rollup.by("http.status"));
    by.expect("keys").create(true)
}

async fn roll_up(url: &str) -> tracing_ledger::report::RolledHours {
    rollup().run(url).await.expect("rolled up")
}

async fn exact(question: &Question, url: &str) -> Report {
    report(question, &[url]).await.expect("a report")
}

async fn rolled(question: &Question, url: &str) -> Report {
    report(&question.clone().rollup(true), &[url]).await.expect("a report of the rollup")
}

/// Asks both ways, and returns the answer from the rollup.
async fn ask(question: &Question, url: &str) -> Report {
    let (exact, rolled) = (exact(question, url).await, rolled(question, url).await);
    assert_same(&exact, &rolled);
    rolled
}

fn assert_same(exact: &Report, rolled: &Report) {
    assert_eq!((exact.window, exact.unreadable), (rolled.window, rolled.unreadable));
    assert!(rolled.rollup.is_some() && exact.rollup.is_none());
    let types =
        |report: &Report| report.events.iter().map(|event| event.event_type.clone()).collect::<Vec<_>>();
    assert_eq!(types(exact), types(rolled));
    for (exact, rolled) in exact.events.iter().zip(&rolled.events) {
        assert_figures(&exact.figures, &rolled.figures);
        assert_eq!(exact.groups.len(), rolled.groups.len());
        for group in &exact.groups {
            let same = rolled.groups.iter().find(|other| other.by == group.by);
            assert_figures(&group.figures, &same.unwrap_or_else(|| panic!("{:?}", group.by)).figures);
        }
    }
    assert_eq!(exact.jobs.len(), rolled.jobs.len());
    for (exact, rolled) in exact.jobs.iter().zip(&rolled.jobs) {
        assert_eq!((exact.jobs, &exact.attempts), (rolled.jobs, &rolled.attempts));
        assert_eq!(exact.calls_share.n, rolled.calls_share.n);
        assert_near(exact.calls_share.rate, rolled.calls_share.rate);
        for (exact, rolled) in exact.results.iter().zip(&rolled.results) {
            assert_eq!((&exact.result, exact.count), (&rolled.result, rolled.count));
            assert_eq!(exact.attempts, rolled.attempts);
            assert_spread(&exact.duration_ms, &rolled.duration_ms);
        }
        assert_eq!(exact.flows.len(), rolled.flows.len());
        for (exact, rolled) in exact.flows.iter().zip(&rolled.flows) {
            assert_eq!(exact.timeouts, rolled.timeouts);
            assert_eq!(rolled.handed_over.rate, None);
        }
    }
}

fn assert_figures(exact: &Figures, rolled: &Figures) {
    let counts = |figures: &Figures| {
        let mut figures = figures.clone();
        figures.duration_ms = Spread::default();
        figures
    };
    assert_eq!(counts(exact), counts(rolled));
    assert_spread(&exact.duration_ms, &rolled.duration_ms);
}

fn assert_spread(exact: &Spread, rolled: &Spread) {
    assert_eq!((exact.n, exact.max), (rolled.n, rolled.max));
    for (exact, rolled) in [(exact.median, rolled.median), (exact.p95, rolled.p95), (exact.p99, rolled.p99)] {
        assert_near(exact, rolled);
    }
}

fn assert_near(exact: Option<f64>, rolled: Option<f64>) {
    let near = match (exact, rolled) {
        (Some(exact), Some(rolled)) => (exact - rolled).abs() <= exact.abs() * 0.01,
        (None, None) => true,
        _ => false,
    };
    assert!(near, "{exact:?} {rolled:?}");
}

#[tokio::test]
async fn counts_are_equal_and_percentiles_within_one_percent() {
    let url = database();
    let done = roll_up(&url).await;
    assert_eq!((done.hours, done.rows, done.until), (60, 7_200, Some(at(60))));
    let by =
        |keys: &[&str]| keys.iter().fold(Question::new(), |question, key| question.by(key).expect("a key"));
    let answer = ask(&Question::new(), &url).await;
    assert_eq!(answer.rollup.as_ref().map(|rollup| rollup.rows_read), Some(0));
    assert!(answer.jobs[0].flows[0].timeouts.n > 0);
    for keys in [&["route"][..], &["http.status", "route"], &["hour"], &["day", "route"]] {
        ask(&by(keys).event("http.request"), &url).await;
    }
    for condition in ["http.status>=500", "route!=/1", "route=/2", "event_type=auto_assign.quote"] {
        let question = Question::new().event("http.request").condition(condition).expect("a condition");
        ask(&question, &url).await;
    }
}

#[tokio::test]
async fn intervals_are_those_of_the_rows() {
    let url = Cluster::shared().database();
    // Four calls of a booking resemble each other, and are hours apart.
    psql(
        &url,
        "INSERT INTO observability_events (created_at, source, event_type, context, booking_id)
         SELECT '2026-02-02T00:00:00Z'::timestamptz + i * interval '90 seconds' + i % 4 * interval '1 hour', 'api', 'call',
             jsonb_build_object('duration_ms', round((exp(3 + sin(i / 4 * 12.9898) + 0.2 * sin(i * 78.233)))::numeric, 3)),
             ('00000000-0000-4000-8000-' || lpad((i / 4)::text, 12, '0'))::uuid
         FROM generate_series(0, 7999) i",
    );
    roll_up(&url).await;
    let answers = [exact(&Question::new(), &url).await, rolled(&Question::new(), &url).await];
    let [exact, rolled] =
        answers.map(|answer| answer.events[0].figures.duration_ms.interval.expect("intervals"));
    for (exact, rolled) in [(exact.median, rolled.median), (exact.p95, rolled.p95), (exact.p99, rolled.p99)] {
        let (exact, rolled) = (exact.expect("an interval"), rolled.expect("an interval"));
        for (exact, rolled) in [(exact.0, rolled.0), (exact.1, rolled.1)] {
            assert!((exact / rolled - 1.0).abs() < 0.02, "{exact} {rolled}");
        }
    }
}

#[tokio::test]
async fn rows_around_the_whole_hours_come_from_the_table() {
    let url = database();
    roll_up(&url).await;
    psql(&url, &rows(70, 2, 100));
    let minutes = |hour: u64, minutes: u64| at(hour) + Duration::from_secs(minutes * 60);
    for (since, until) in [
        (Some(minutes(3, 7)), Some(minutes(9, 41))),
        (Some(minutes(3, 7)), Some(minutes(3, 41))),
        (Some(minutes(3, 7)), Some(minutes(4, 41))),
        (Some(at(3)), Some(at(9))),
        (Some(minutes(58, 30)), None),
        (None, Some(minutes(70, 30))),
        (Some(at(61)), None),
        (Some(at(500)), None),
    ] {
        let question = since.map_or(Question::new(), |since| Question::new().since(since));
        ask(&until.map_or(question.clone(), |until| question.until(until)), &url).await;
    }
}

#[tokio::test]
async fn rows_of_now_and_of_the_future_are_read() {
    for column in ["timestamptz", "timestamp"] {
        let url = database();
        psql(&url, &format!("ALTER TABLE observability_events ALTER created_at TYPE {column}"));
        psql(
            &url,
            "INSERT INTO observability_events (created_at, source, event_type, context) VALUES
             (now(), 'api', 'http.request', '{\"duration_ms\": 5}'),
             (now() + interval '1 year', 'api', 'http.request', '{\"duration_ms\": 6}'),
             ('4713-01-01 BC', 'api', 'http.request', '{\"duration_ms\": 10}'),
             ('12000-01-01', 'api', 'http.request', '{\"duration_ms\": 9}'),
             ('infinity', 'api', 'http.request', '{\"duration_ms\": 7}'),
             ('-infinity', 'api', 'http.request', '{\"duration_ms\": 8}');
             INSERT INTO observability_events (created_at, source, event_type, context, booking_id)
             VALUES (now(), 'bookings', 'inline_auto_assign.no_hold', '{}', gen_random_uuid())",
        );
        assert_eq!(roll_up(&url).await.until, Some(at(60)));
        let answer = ask(&Question::new(), &url).await;
        assert_eq!(answer.rollup.map(|rollup| rollup.rows_read), Some(7));
        ask(&Question::new().since(at(59)), &url).await;
    }
}

#[tokio::test]
async fn several_databases_are_read_as_one() {
    let (one, other) = (database(), database());
    psql(&other, &rows(60, 3, 90));
    for url in [&one, &other] {
        roll_up(url).await;
    }
    let urls = [one, other];
    let question = Question::new();
    let exact = report(&question, &urls).await.expect("a report");
    assert_same(&exact, &report(&question.rollup(true), &urls).await.expect("a report"));
}

#[tokio::test]
async fn the_table_may_have_another_name() {
    let url = Cluster::shared().empty_database();
    let name = "Other.The events";
    psql(&url, "CREATE SCHEMA \"Other\"");
    psql(&url, &tracing_ledger::builder().table(name).schema().expect("a name"));
    psql(&url, &rows(0, 5, 50).replace("observability_events", "\"Other\".\"The events\""));
    rollup().table(name).expect("a name").run(&url).await.expect("rolled up");
    assert_eq!(number(&url, "SELECT count(*) FROM \"Other\".\"The events_rollup_hours\""), 5);
    ask(&Question::new().table(name).expect("a name"), &url).await;
    let long = "x".repeat(60);
    assert!(Rollup::new().table(&long).expect_err("too long").is_config());
}

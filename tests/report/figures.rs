//! The report's figures are those of PostgreSQL's own aggregates, and the same from every database.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use support::{Cluster, SqliteFile};
use tracing_ledger::Row;
use tracing_ledger::report::Report;
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};
use uuid::Uuid;

use super::{quote_count, report_since};

/// Rows of every kind, among them such as say nothing, and one that is no call and no job.
fn rows() -> Vec<Row> {
    let quotes = (0..997_u64).map(quote);
    let jobs = (0..101_u64).map(job);
    let other = Row::new(minute(0), "auto_assign", "auto_assign.started");
    quotes.chain(jobs).chain([other]).collect()
}

fn quote(number: u64) -> Row {
    let mut event = Row::new(minute(number), "auto_assign", "auto_assign.quote");
    event.booking_id =
        (!number.is_multiple_of(50)).then(|| Uuid::from_u128(u128::from(number * number % 300)));
    let duration = (number * number * 7919 % 100_003) as f64 / 1000.0;
    let flow = ["inline", "job"][usize::from(number.is_multiple_of(3))];
    let tables = number % 4;
    event.context = match number % 7 {
        0 => "{}".to_owned(),
        1 | 2 => format!(
            r#"{{"planner_duration_ms": {duration}, "planner_success": false, "flow": "{flow}",
                "planner_reason_category": "hard", "planner_reason_code": "hard.no_capacity",
                "planner_strategy": {{"requireAdjacency": null, "maxTables": {tables}}}}}"#
        ),
        _ => format!(
            r#"{{"planner_duration_ms": {duration}, "planner_success": true, "flow": "{flow}",
                "trigger": "creation", "planner_strategy": {{"maxTables": {tables}, "requireAdjacency": null}}}}"#
        ),
    };
    event
}

fn job(number: u64) -> Row {
    let mut event = Row::new(minute(number), "auto_assign", "auto_assign.summary");
    let result = ["succeeded", "exhausted", "cutoff"][(number % 3) as usize];
    event.context = format!(
        r#"{{"result": "{result}", "attemptsUsed": {}, "totalDurationMs": {}.125}}"#,
        number % 5,
        number * 31
    );
    event
}

fn minute(number: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_770_000_000 + 60 * number)
}

async fn filled_postgres() -> String {
    let url = Cluster::shared().database();
    let mut store = Postgres::from_url(&url).expect("readable");
    store.insert(&rows(), Attempt::First).await.expect("stored");
    url
}

async fn filled_sqlite(file: &SqliteFile) -> String {
    let mut store = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    store.insert(&rows(), Attempt::First).await.expect("stored");
    file.url()
}

/// One line a figure: of our answer.
fn ours(report: &Report) -> Vec<String> {
    let event = report.event("auto_assign.quote").expect("there are calls");
    let calls = &event.figures;
    let spread = &calls.duration_ms;
    let mut lines = vec![
        format!("calls {} {} {:.9}", calls.calls, calls.success.n, calls.success.rate.expect("a rate")),
        format!(
            "duration {} {:.9} {:.9} {:.9}",
            spread.n,
            some(spread.median),
            some(spread.p95),
            some(spread.p99)
        ),
    ];
    for group in event.groups_by("flow") {
        let spread = &group.figures.duration_ms;
        let name = group.by[0].1.as_deref().unwrap_or("none");
        lines.push(format!("flow {name} {} {}", group.figures.calls, spread.n));
    }
    for group in report.jobs.iter().flat_map(|job| &job.results) {
        let (attempts, total) = (&group.attempts, &group.duration_ms);
        let result = group.result.as_deref().unwrap_or("none");
        let figures = [attempts.median, attempts.p95, total.median, total.p95].map(some);
        lines.push(format!(
            "job {result} {} {:.9} {:.9} {:.9} {:.9}",
            group.count, figures[0], figures[1], figures[2], figures[3]
        ));
    }
    let attempts = &report.attempts["auto_assign.quote"];
    let bookings = &attempts.per_booking;
    lines.push(format!("bookings {} {:.9} {:.9}", bookings.n, some(bookings.median), some(bookings.p95)));
    for bar in &attempts.histogram {
        lines.push(format!("bar {} {}", bar.attempts, bar.count));
    }
    for reason in &calls.reasons {
        let text = |name: &Option<String>| name.clone().unwrap_or_else(|| "none".to_owned());
        lines.push(format!("reason {} {} {}", text(&reason.category), text(&reason.code), reason.count));
    }
    lines.sort();
    lines
}

fn some(figure: Option<f64>) -> f64 {
    figure.expect("there are samples")
}

/// The same, of PostgreSQL's aggregates.
const THEIRS: &str = r#"
CREATE FUNCTION f(double precision) RETURNS text LANGUAGE sql
    AS $$ SELECT to_char($1::numeric, 'FM999999990.000000000') $$;
CREATE TEMP VIEW quotes AS
    SELECT (context->>'planner_duration_ms')::float8 AS ms, (context->>'planner_success')::bool AS success,
           context, booking_id
    FROM observability_events WHERE event_type = 'auto_assign.quote';
CREATE TEMP VIEW jobs AS
    SELECT context->>'result' AS result, (context->>'attemptsUsed')::float8 AS attempts,
           (context->>'totalDurationMs')::float8 AS ms
    FROM observability_events WHERE event_type = 'auto_assign.summary';
CREATE TEMP VIEW bookings AS
    SELECT count(*) AS calls FROM quotes WHERE booking_id IS NOT NULL GROUP BY booking_id;
SELECT concat_ws(' ', 'calls', count(*), count(success), f(avg(success::int::float8))) FROM quotes;
SELECT concat_ws(' ', 'duration', count(ms), f(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)),
    f(percentile_cont(0.95) WITHIN GROUP (ORDER BY ms)), f(percentile_cont(0.99) WITHIN GROUP (ORDER BY ms)))
    FROM quotes;
SELECT concat_ws(' ', 'flow', coalesce(context->>'flow', 'none'), count(*), count(ms))
    FROM quotes GROUP BY context->>'flow';
SELECT concat_ws(' ', 'job', result, count(*), f(percentile_cont(0.5) WITHIN GROUP (ORDER BY attempts)),
    f(percentile_cont(0.95) WITHIN GROUP (ORDER BY attempts)), f(percentile_cont(0.5) WITHIN GROUP (ORDER BY ms)),
    f(percentile_cont(0.95) WITHIN GROUP (ORDER BY ms))) FROM jobs GROUP BY result;
SELECT concat_ws(' ', 'bookings', count(*), f(percentile_cont(0.5) WITHIN GROUP (ORDER BY calls)),
    f(percentile_cont(0.95) WITHIN GROUP (ORDER BY calls))) FROM bookings;
SELECT concat_ws(' ', 'bar', calls, count(*)) FROM bookings GROUP BY calls;
SELECT concat_ws(' ', 'reason', context->>'planner_reason_category', context->>'planner_reason_code', count(*))
    FROM quotes WHERE NOT success GROUP BY context->>'planner_reason_category', context->>'planner_reason_code';
"#;

#[tokio::test]
async fn percentiles_equal_those_of_percentile_cont() {
    let url = filled_postgres().await;
    let report = report_since(&url, None).await;
    let mut theirs: Vec<String> = Cluster::shared().psql(&url, THEIRS).lines().map(str::to_owned).collect();
    theirs.sort();
    assert_eq!(ours(&report), theirs);
    assert_eq!(report.attempts["auto_assign.quote"].calls_without_booking, 20);
}

#[tokio::test]
async fn postgres_and_sqlite_give_the_same_report() {
    let file = SqliteFile::new();
    let (postgres, sqlite) = (filled_postgres().await, filled_sqlite(&file).await);
    for since in [None, Some(minute(500)), Some(minute(100_000))] {
        let expected = report_since(&postgres, since).await;
        assert_eq!(report_since(&sqlite, since).await, expected);
        assert_eq!(expected.is_empty(), since == Some(minute(100_000)));
    }
}

#[tokio::test]
async fn since_counts_from_its_own_moment_on() {
    let report = report_since(&filled_postgres().await, Some(minute(500))).await;
    assert_eq!((quote_count(&report), report.jobs.len()), (497, 0));
    assert_eq!((report.window.first, report.window.last), (Some(minute(500)), Some(minute(996))));
}

//! The results of jobs, and the bookings that jobs took over from a flow.

use std::time::{Duration, UNIX_EPOCH};

use support::SqliteFile;
use tracing_ledger::report::{JobFigures, Question, report};
use tracing_ledger::store::{Attempt, Sqlite, Store};
use tracing_ledger::{Row, Rules};
use uuid::Uuid;

use super::report_since;

fn row(second: u64, booking: u128, event_type: &str, context: &str) -> Row {
    let mut row =
        Row::new(UNIX_EPOCH + Duration::from_secs(1_770_000_000 + second), "auto_assign", event_type);
    row.booking_id = Some(Uuid::from_u128(booking));
    row.context = context.to_owned();
    row
}

async fn jobs(rows: &[Row]) -> JobFigures {
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    store.insert(rows, Attempt::First).await.expect("stored");
    report_since(&file.url(), None).await.jobs.into_iter().next().expect("there are jobs")
}

#[tokio::test]
async fn attempts_and_times_of_jobs_are_counted() {
    let job = |second, attempts: u32, within: u32, total: u32| {
        let context = format!(
            r#"{{"result": "succeeded", "attemptsUsed": {attempts}, "quoteDurationMs": {within}, "totalDurationMs": {total}}}"#
        );
        row(second, 1, "auto_assign.summary", &context)
    };
    let job = jobs(&[job(0, 1, 10, 100), job(1, 1, 20, 100), job(2, 4, 70, 200)]).await;
    assert_eq!((job.jobs, job.attempts.n, job.attempts.mean), (3, 3, Some(2.0)));
    assert_eq!((job.attempts.median, job.attempts.max), (Some(1.0), Some(4.0)));
    assert!(job.attempts.p90.is_some_and(|p90| (p90 - 3.4).abs() < 1e-9), "{:?}", job.attempts);
    let bars: Vec<_> =
        job.attempts.histogram.iter().map(|bar| (bar.attempts, bar.count, bar.cumulative)).collect();
    assert_eq!(bars, [(1.0, 2, 2.0 / 3.0), (4.0, 1, 1.0)]);
    assert_eq!((job.calls_share.n, job.calls_share.rate), (3, Some(0.25)));
}

#[tokio::test]
async fn a_job_takes_over_within_five_minutes() {
    let timeout = "inline_auto_assign.timeout";
    let summary = "auto_assign.summary";
    let job = jobs(&[
        // Taken over: the job began 299 s after the timeout, and ended 10 s later.
        row(0, 1, timeout, "{}"),
        row(309, 1, summary, r#"{"totalDurationMs": 10000}"#),
        // Too late by a second.
        row(0, 2, timeout, "{}"),
        row(301, 2, summary, r#"{"totalDurationMs": 0}"#),
        // Five hours after one timeout and before another.
        row(0, 6, timeout, "{}"),
        row(18_000, 6, summary, r#"{"totalDurationMs": 0}"#),
        row(36_000, 6, timeout, "{}"),
        // No job.
        row(0, 3, "inline_auto_assign.no_hold", "{}"),
        // A job before the flow.
        row(100, 4, timeout, "{}"),
        row(50, 4, summary, "{}"),
        // The flow succeeded.
        row(0, 5, "inline_auto_assign.succeeded", "{}"),
        row(1, 5, summary, "{}"),
    ])
    .await;
    let [flow] = job.flows.as_slice() else { panic!("{:?}", job.flows) };
    assert_eq!(flow.flow, "inline_auto_assign");
    assert_eq!((flow.timeouts.n, flow.timeouts.rate), (6, Some(5.0 / 6.0)));
    assert_eq!((flow.handed_over.n, flow.handed_over.rate), (5, Some(0.2)));
}

#[tokio::test]
async fn a_flow_that_never_ended_in_a_timeout_hands_over_too() {
    let (started, summary) = ("inline_auto_assign.started", "auto_assign.summary");
    let job = jobs(&[row(0, 1, started, "{}"), row(60, 1, summary, "{}"), row(0, 2, started, "{}")]).await;
    let [flow] = job.flows.as_slice() else { panic!("{:?}", job.flows) };
    assert_eq!((flow.timeouts.n, flow.timeouts.rate), (0, None));
    assert_eq!((flow.handed_over.n, flow.handed_over.rate), (2, Some(0.5)));
}

#[tokio::test]
async fn every_rule_that_collects_has_jobs() {
    let rules: Rules = r#"
        [[rule]]
        span = ["line", "page", "item", "sync_item", "sync.*"]

        [[rule]]
        span = "import_lines"
        event_type = "import"
        duration = "ms"
        collect = { lines = "count line", pageMs = "total page", lineMs = "total line" }

        [[rule]]
        span = "import_pages"
        event_type = "import"
        duration = "ms"
        collect = { pages = "count page" }

        [[rule]]
        span = "sync*"
        duration = "ms"
        collect = { items = "count item" }

        [[rule]]
        span = "*"
        event_type = { field = "kind" }
        collect = { items = "count item" }
    "#
    .parse()
    .expect("rules");
    let rows = [
        row(0, 1, "import", r#"{"ms": 100, "lines": 4, "pageMs": 80, "lineMs": 5}"#),
        row(1, 2, "import", r#"{"ms": 100, "pages": 2}"#),
        row(2, 3, "sync_up", r#"{"ms": 10, "items": 3}"#),
        row(3, 4, "sync_down", r#"{"ms": 10, "items": 5}"#),
        // Other rules make these.
        row(4, 5, "sync_item", r#"{"duration_ms": 1}"#),
        row(5, 6, "sync.call", r#"{"duration_ms": 1}"#),
        row(6, 7, "other", r#"{"duration_ms": 1}"#),
    ];
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    store.insert(&rows, Attempt::First).await.expect("stored");
    let answer = report(&Question::new().rules(rules), &[file.url()]).await.expect("a report");
    let jobs = answer.jobs.iter().map(|job| (job.event_type.as_str(), job.jobs, job.attempts.max));
    let expected = [("import", 2, Some(4.0)), ("sync_down", 1, Some(5.0)), ("sync_up", 1, Some(3.0))];
    assert_eq!(jobs.collect::<Vec<_>>(), expected);
    assert_eq!((answer.jobs[0].calls_share.n, answer.jobs[0].calls_share.rate), (1, Some(0.05)));
}

#[tokio::test]
async fn each_event_type_of_a_pattern_has_its_own_results() {
    let rules = "[[rule]]\nspan = \"item\"\n[[rule]]\nspan = \"sync_*\"\nresult = \"result\"\ncollect = { items = \"count item\" }";
    let rules: Rules = rules.parse().expect("rules");
    let row = |event_type: &str, result: u64| {
        row(result, 1, event_type, &format!("{{\"result\": \"ended {result}\", \"items\": 1}}"))
    };
    let few = (0..60).flat_map(|result| [row("sync_down", result), row("sync_up", result)]);
    let many = (0..110).map(|result| row("sync_all", result));
    let file = SqliteFile::new();
    let mut store = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    store.insert(&many.chain(few).collect::<Vec<_>>(), Attempt::First).await.expect("stored");
    let answer = report(&Question::new().rules(rules), &[file.url()]).await.expect("a report");
    let results = answer.jobs.iter().map(|job| (job.event_type.as_str(), job.results.len()));
    // The last of 101 has the other ten.
    let expected = [("sync_all", 101), ("sync_down", 60), ("sync_up", 60)];
    assert_eq!(results.collect::<Vec<_>>(), expected);
}

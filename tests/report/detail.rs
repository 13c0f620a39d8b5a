//! Details: the figures of a page are those of PostgreSQL's own queries, and the same from every source.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;
use support::{Cluster, SqliteFile};
use tracing_ledger::Row;
use tracing_ledger::report::{Detail, ListedCall, Question, Report, report, report_of_logs};
use tracing_ledger::store::{Attempt, Postgres, Sqlite, Store};
use uuid::Uuid;

fn at(second: f64) -> SystemTime {
    // 2026-02-02T02:40:00Z
    UNIX_EPOCH + Duration::from_secs(1_770_000_000) + Duration::from_secs_f64(second)
}

fn row(number: u64, second: f64, event_type: &str, context: String) -> Row {
    let mut row = Row::new(at(second), ["api", "jobs"][usize::from(number.is_multiple_of(5))], event_type);
    row.id = Uuid::from_u128(u128::from(number * 7919 % 1_000_003 + 1));
    row.context = context;
    row
}

/// Five hours of requests of two versions, with gaps, and with rows that have no duration or no success.
fn rows() -> Vec<Row> {
    let request = |number: u64| {
        let second = number as f64 * 6.0 + if number > 1500 { 5400.0 } else { 0.5 };
        let version = match number % 400 {
            0 => String::new(),
            _ if number < 1500 => r#", "version": "1.0""#.to_owned(),
            _ => r#", "service.version": "1.1""#.to_owned(),
        };
        let context = match number % 11 {
            0 => format!(r#"{{"reason": "no figures"{version}}}"#),
            failed => format!(
                r#"{{"duration_ms": {}, "success": {}, "outcome": "{}", "reason": {}, "n": {number},
                     "tags": ["<b>", null]{version}}}"#,
                (number * number * 7919 % 100_003) as f64 / 1000.0,
                failed > 2,
                if failed > 1 { "ok" } else { "error" },
                if failed > 2 { "null" } else { "\"hold_conflict\"" },
            ),
        };
        let mut request = row(number, second, "orders.create", context);
        request.booking_id = number.is_multiple_of(3).then(|| Uuid::from_u128(u128::from(number)));
        request
    };
    let loss = |number: u64, cause: &str| {
        row(number, number as f64, "ledger.loss", format!(r#"{{"cause": "{cause}", "count": {number}}}"#))
    };
    let losses = [loss(5000, "evicted"), loss(5001, "queue_full"), loss(5002, "evicted")];
    let negative = row(6000, 77.0, "clock.went_back", r#"{"duration_ms": -3.5}"#.to_owned());
    (0..2000).map(request).chain(losses).chain([negative]).collect()
}

async fn filled() -> (String, SqliteFile) {
    let (url, file) = (Cluster::shared().database(), SqliteFile::new());
    let mut sqlite = Sqlite::from_url(&file.url()).expect("readable").create_table(true);
    let mut postgres = Postgres::from_url(&url).expect("readable");
    postgres.insert(&rows(), Attempt::First).await.expect("stored");
    sqlite.insert(&rows(), Attempt::First).await.expect("stored");
    (url, file)
}

async fn ask(question: &Question, url: &str) -> Report {
    report(question, &[url]).await.expect("a report")
}

async fn detailed(url: &str) -> Report {
    ask(&Question::new().detail(true), url).await
}

fn detail<'a>(report: &'a Report, event_type: &str) -> &'a Detail {
    report.event(event_type).expect("rows").detail.as_ref().expect("a detail")
}

fn lines(url: &str, sql: &str) -> Vec<String> {
    let views = "SET timezone = 'UTC'; CREATE TEMP VIEW requests AS SELECT id, created_at, context, \
         (context->>'duration_ms')::float8 AS ms, (context->>'success')::bool AS success \
         FROM observability_events WHERE event_type = 'orders.create'; \
         CREATE FUNCTION pg_temp.f(float8) RETURNS text LANGUAGE sql AS $$ \
         SELECT coalesce(to_char($1::numeric, 'FM999999990.000000'), '–') $$;";
    Cluster::shared().psql(url, &format!("{views} {sql}")).lines().map(str::to_owned).collect()
}

fn f(figure: Option<f64>) -> String {
    figure.map_or("–".to_owned(), |figure| format!("{figure:.6}"))
}

fn moment(time: Option<SystemTime>) -> String {
    let since = time.expect("a time").duration_since(UNIX_EPOCH).expect("after 1970");
    format!("{:.6}", since.as_secs_f64())
}

#[tokio::test]
async fn the_same_details_come_from_postgres_from_sqlite_and_from_exported_rows() {
    let (postgres, sqlite) = filled().await;
    let expected = detailed(&postgres).await;
    assert_eq!(detailed(&sqlite.url()).await, expected);
    let exported =
        lines(&postgres, "SELECT row_to_json(e) FROM observability_events e ORDER BY md5(id::text)");
    let log = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(log.path(), exported.join("\n")).expect("written");
    let (answer, unread) =
        report_of_logs(&Question::new().detail(true), &[log.path()]).await.expect("a report");
    assert_eq!((unread.count(), answer), (0, expected));
}

#[tokio::test]
async fn bars_have_as_many_calls_as_the_server_counts_between_their_edges() {
    let url = filled().await.0;
    let answer = detailed(&url).await;
    let bars = &detail(&answer, "orders.create").histogram;
    let edges: Vec<String> = bars.iter().map(|bar| format!("({}, {})", bar.from, bar.to)).collect();
    let theirs = lines(
        &url,
        &format!(
            "SELECT count(requests) FROM (VALUES {}) AS bars (low, high) \
             LEFT JOIN requests ON ms > 0 AND ms >= low AND ms < high OR ms <= 0 AND high = 0 \
             GROUP BY low, high ORDER BY low, high",
            edges.join(", ")
        ),
    );
    assert_eq!(bars.iter().map(|bar| bar.n.to_string()).collect::<Vec<_>>(), theirs);
    let figures = &answer.event("orders.create").expect("rows").figures.duration_ms;
    assert_eq!(bars.iter().map(|bar| bar.n).sum::<u64>(), figures.n);
    assert!(bars.len() > 50 && bars.windows(2).all(|two| two[0].to == two[1].from || two[0].to == 0.0));
    let negative = &detail(&answer, "clock.went_back").histogram;
    assert_eq!(negative.iter().map(|bar| (bar.from, bar.to, bar.n)).collect::<Vec<_>>(), [(-3.5, 0.0, 1)]);
}

#[tokio::test]
async fn steps_of_time_have_the_figures_of_the_server() {
    let url = filled().await.0;
    let answer = detailed(&url).await;
    let steps = &detail(&answer, "orders.create").over_time;
    let ours = steps.iter().map(|step| {
        let spread = &step.duration_ms;
        let outcomes: u64 = step.outcomes.values().sum();
        let figures = [step.success.rate, spread.median, spread.p95, spread.p99, spread.max].map(f).join(" ");
        let (calls, known) = (step.calls, step.success.n);
        let [succeeded, failed, unknown] =
            [&step.succeeded, &step.failed, &step.unknown].map(|rows| rows.values().sum::<u64>());
        assert_eq!(
            (succeeded + failed, succeeded + failed + unknown),
            (known, calls),
            "each row is in one part"
        );
        let failed = step.failed.get("error").copied().unwrap_or_default();
        format!("{} {calls} {known} {outcomes} {failed} {} {figures}", moment(step.from), spread.n)
    });
    let p = |level| format!("pg_temp.f(percentile_cont({level}) WITHIN GROUP (ORDER BY ms))");
    let theirs = lines(
        &url,
        &format!(
            "SELECT concat_ws(' ', extract(epoch FROM step), count(requests), count(success), \
             count(context->>'outcome'), count(*) FILTER (WHERE NOT success AND context->>'outcome' = 'error'), count(ms), pg_temp.f(avg(success::int::float8)), {}, {}, {}, pg_temp.f(max(ms))) \
             FROM generate_series(timestamptz '2026-02-02 02:40Z', '2026-02-02 07:25Z', '5 min') step \
             LEFT JOIN requests ON created_at >= step AND created_at < step + interval '5 min' \
             GROUP BY step ORDER BY step",
            p(0.5),
            p(0.95),
            p(0.99)
        ),
    );
    assert_eq!(steps.len(), theirs.len());
    for (ours, theirs) in ours.zip(theirs) {
        assert_eq!(ours, theirs);
    }
    assert!(steps.iter().any(|step| step.calls == 0) && !steps.iter().any(|step| step.approximate));
    let ends: Vec<_> = steps.iter().map(|step| step.to).collect();
    assert_eq!(ends[..steps.len() - 1], steps.iter().map(|step| step.from).collect::<Vec<_>>()[1..]);
    let others = &detail(&answer, "clock.went_back").over_time;
    assert_eq!(
        others.iter().map(|step| step.from).collect::<Vec<_>>(),
        steps.iter().map(|s| s.from).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_step_of_many_durations_says_that_its_percentiles_are_approximate() {
    let url = Cluster::shared().database_after(
        "INSERT INTO observability_events (created_at, source, event_type, context) \
         SELECT timestamptz '2026-02-02 02:40:00Z' + n * interval '0.1 ms', 's', 'orders.create', \
         jsonb_build_object('duration_ms', round((exp(random() * 9) / 7)::numeric, 3)) \
         FROM generate_series(0, 30000) n",
    );
    let answer = detailed(&url).await;
    let exact = &answer.events[0].figures.duration_ms;
    let steps = &detail(&answer, "orders.create").over_time;
    assert_eq!(steps.iter().map(|step| step.calls).collect::<Vec<_>>(), [10_000, 10_000, 10_000, 1]);
    assert_eq!(steps.iter().map(|step| step.approximate).collect::<Vec<_>>(), [true, true, true, false]);
    assert_eq!(
        steps.iter().map(|step| step.duration_ms.max).fold(None, |a, b| if a > b { a } else { b }),
        exact.max
    );
    for (step, level) in [(0, 0.5), (1, 0.95), (2, 0.99)] {
        let theirs = lines(
            &url,
            &format!(
                "SELECT percentile_cont({level}) WITHIN GROUP (ORDER BY ms) FROM requests WHERE \
                 date_trunc('second', created_at) = timestamptz '2026-02-02 02:40:00Z' + {step} * interval '1 s'"
            ),
        );
        let spread = &steps[step].duration_ms;
        let ours = [spread.median, spread.p95, spread.p99][step].expect("a figure");
        let theirs: f64 = theirs[0].parse().expect("a number");
        assert!((ours / theirs - 1.0).abs() < 0.004, "{level}: {ours}, not {theirs}");
    }
}

#[tokio::test]
async fn the_slowest_and_the_failed_calls_are_listed_with_their_contexts() {
    let url = filled().await.0;
    let answer = detailed(&url).await;
    let lists = detail(&answer, "orders.create");
    let all = "SELECT concat_ws(' ', id, extract(epoch FROM created_at), ms, coalesce(success::text, '–'), \
         context->>'reason', source, severity, coalesce(booking_id::text, '–'), context::text) \
         FROM requests JOIN observability_events USING (id, created_at, context)";
    let slowest = lines(
        &url,
        &format!("{all} WHERE ms IS NOT NULL ORDER BY ms DESC, created_at DESC, id DESC LIMIT 100"),
    );
    let failed = lines(&url, &format!("{all} WHERE NOT success ORDER BY created_at DESC, id DESC LIMIT 100"));
    for (ours, theirs) in [(&lists.slowest, slowest), (&lists.failed, failed)] {
        assert_eq!(ours.len(), theirs.len());
        for (ours, theirs) in ours.iter().map(line).zip(normal(theirs)) {
            assert_eq!(ours, theirs);
        }
    }
    assert_eq!((lists.slowest.len(), lists.failed.len()), (100, 100));
    let outcomes: Vec<_> = lists.failed.iter().map(|call| (call.success, call.outcome.as_deref())).collect();
    assert!(
        ["ok", "error"].iter().all(|outcome| outcomes.contains(&(Some(false), Some(*outcome)))),
        "{outcomes:?}"
    );
    assert!(outcomes.iter().all(|(success, _)| *success == Some(false)), "{outcomes:?}");
}

fn line(call: &ListedCall) -> String {
    let text = |text: &Option<String>| text.clone();
    let parts = [
        text(&call.id),
        Some(moment(call.created_at)),
        call.duration_ms.map(|ms| ms.to_string()),
        Some(call.success.map_or("–".to_owned(), |success| success.to_string())),
        text(&call.reason),
        text(&call.source),
        text(&call.severity),
        Some(text(&call.booking_id).unwrap_or("–".to_owned())),
        Some(Value::Object(call.context.clone()).to_string()),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The contexts in the form of serde_json, with sorted keys.
fn normal(lines: Vec<String>) -> Vec<String> {
    let each = |line: String| {
        let (columns, context) = line.split_once('{').expect("a context");
        let context: Value = serde_json::from_str(&format!("{{{context}")).expect("JSON");
        format!("{columns}{context}")
    };
    lines.into_iter().map(each).collect()
}

#[tokio::test]
async fn versions_are_listed_by_their_first_row() {
    let url = filled().await.0;
    let answer = detailed(&url).await;
    let versions = detail(&answer, "orders.create").versions.iter();
    let ours = versions
        .map(|one| format!("{} {} {} {}", one.version, moment(one.first), moment(one.last), one.calls));
    let theirs = lines(
        &url,
        "SELECT concat_ws(' ', coalesce(context->>'version', context->>'service.version'), \
         extract(epoch FROM min(created_at)), extract(epoch FROM max(created_at)), count(*)) FROM requests \
         WHERE coalesce(context->>'version', context->>'service.version') IS NOT NULL \
         GROUP BY coalesce(context->>'version', context->>'service.version') ORDER BY min(created_at)",
    );
    assert_eq!(ours.collect::<Vec<_>>(), theirs);
    assert!(detail(&answer, "clock.went_back").versions.is_empty());
    let deploys = &detail(&answer, "orders.create").deploys;
    let [deploy] = deploys.as_slice() else { panic!("{deploys:?}") };
    assert_eq!([&deploy.from, &deploy.to], ["1.0", "1.1"]);
    let first = lines(
        &url,
        "SELECT extract(epoch FROM min(created_at)) FROM requests WHERE context ? 'service.version'",
    );
    assert_eq!([moment(deploy.at)], *first);
}

#[tokio::test]
async fn losses_count_whatever_rows_are_asked_for() {
    let (postgres, sqlite) = filled().await;
    let only = || Question::new().event("orders.create").detail(true);
    let narrow = || only().condition("success=true").expect("a condition");
    for url in [postgres, sqlite.url()] {
        let all = detailed(&url).await;
        assert_eq!(all.event("ledger.loss").map(|event| event.figures.calls), Some(3));
        for answer in [all.clone(), ask(&only(), &url).await, ask(&narrow(), &url).await] {
            let losses = answer.losses.clone().expect("asked for");
            let by: Vec<_> = losses.by.iter().map(|(cause, count)| (cause.as_str(), *count)).collect();
            assert_eq!(
                (losses.rows, losses.lost, by),
                (3, 15_003, vec![("evicted", 10_002), ("queue_full", 5001)])
            );
            assert!(answer.event("orders.create").is_some());
        }
        let narrow = ask(&narrow(), &url).await;
        assert_eq!(narrow.events.len(), 1, "rows of losses are none of the rows asked for");
        let early = ask(&only().until(at(100.0)), &url).await;
        assert_eq!(early.losses.map(|losses| losses.rows), Some(0));
    }
}

#[tokio::test]
async fn without_the_option_a_report_has_no_details() {
    let (_, sqlite) = filled().await;
    let answer = ask(&Question::new(), &sqlite.url()).await;
    assert!(answer.losses.is_none() && answer.events.iter().all(|event| event.detail.is_none()));
    let json: Value = serde_json::from_str(&answer.to_json()).expect("JSON");
    assert!(json.get("losses").is_none() && json["events"][0].get("detail").is_none(), "{json}");
}

#[tokio::test]
async fn calls_of_several_databases_are_in_one_list() {
    let (postgres, sqlite) = filled().await;
    let other = Cluster::shared().database();
    let slow = row(9999, 1.0, "orders.create", r#"{"duration_ms": 1e6, "where": "other"}"#.to_owned());
    Postgres::from_url(&other).expect("readable").insert(&[slow], Attempt::First).await.expect("stored");
    let urls = [postgres, other, sqlite.url()];
    let answer = report(&Question::new().detail(true), &urls).await.expect("a report");
    let slowest = &detail(&answer, "orders.create").slowest;
    assert_eq!((slowest[0].context["where"].as_str(), slowest.len()), (Some("other"), 100));
    assert!(slowest.iter().all(|call| !call.context.is_empty() && call.source.is_some()));
    assert_eq!(slowest[1].id, slowest[2].id, "the same call in two databases");
}

#[tokio::test]
async fn a_table_of_other_types_has_the_same_lists() {
    let url = filled().await.0;
    let expected = detailed(&url).await;
    Cluster::shared().psql(&url, "ALTER TABLE observability_events ALTER context TYPE text");
    assert_eq!(detailed(&url).await, expected);
}

//! Rows that others wrote do not stop the report: it reads what it can, and counts the rest.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection as _, SqliteConnection};
use support::{Cluster, SqliteFile};
use tracing_ledger::report::Report;

use super::{quote_count, quotes, report_since};

/// A table whose columns take anything.
const LOOSE: &str = "CREATE TABLE observability_events \
     (id, created_at, source, event_type, severity, context, restaurant_id, booking_id)";
const TIME: &str = "'2026-01-31T08:00:00.000000Z'";
const CONTEXT: &str = r#"'{"planner_duration_ms": 12.5, "planner_success": true}'"#;

/// 2026-01-31T08:00:00Z
fn moment() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_769_846_400)
}

async fn sqlite(setup: &str, rows: &[(&str, &str, &str)]) -> SqliteFile {
    let file = SqliteFile::new();
    let url = format!("{}?mode=rwc", file.url());
    let mut connection = SqliteConnection::connect(&url).await.expect("opens");
    for statement in [setup, LOOSE] {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.expect("set up");
    }
    for (created_at, booking_id, context) in rows {
        let insert = format!(
            "INSERT INTO observability_events (created_at, event_type, booking_id, context) \
             VALUES ({created_at}, 'auto_assign.quote', {booking_id}, {context})"
        );
        sqlx::raw_sql(AssertSqlSafe(insert)).execute(&mut connection).await.expect("stored");
    }
    connection.close().await.expect("closed");
    file
}

async fn report(rows: &[(&str, &str, &str)], since: Option<SystemTime>) -> Report {
    report_since(&sqlite("", rows).await.url(), since).await
}

#[tokio::test]
async fn a_context_that_is_no_json_object_is_one_unreadable_row() {
    let giant = format!(r#"'[{}1]'"#, "1, ".repeat(1_000_000));
    for context in [
        "x'7b2aff'",
        "x'7b22706c616e6e65725f73756363657373223a20747275657d'",
        "7",
        "1.5",
        "''",
        "'[]'",
        "'\"text\"'",
        "'{\"a\": '",
        "CAST(x'7b22ff223a317d' AS TEXT)",
        &giant,
    ] {
        let report = report(&[(TIME, "NULL", CONTEXT), (TIME, "NULL", context)], None).await;
        let context = &context[..context.len().min(40)];
        assert_eq!((quote_count(&report), report.unreadable), (2, 1), "{context}");
        assert_eq!((quotes(&report).success.n, quotes(&report).duration_ms.n), (1, 1), "{context}");
        assert!(report.to_string().contains("1 row cannot be read in full"), "{report}");
    }
}

/// The contract allows it.
#[tokio::test]
async fn a_row_without_a_context_is_read() {
    for context in ["NULL", "'null'"] {
        let rows = [(TIME, "NULL", CONTEXT), (TIME, "NULL", context)];
        let url = Cluster::shared().database_after(&format!(
            "INSERT INTO observability_events (source, event_type, context) \
                 VALUES ('test', 'auto_assign.quote', {CONTEXT}), ('test', 'auto_assign.quote', {context})"
        ));
        for report in [report(&rows, None).await, report_since(&url, None).await] {
            assert_eq!((quote_count(&report), report.unreadable), (2, 0), "{context}");
            assert_eq!(quotes(&report).duration_ms.n, 1, "{context}");
        }
    }
}

#[tokio::test]
async fn an_unusual_json_object_is_read() {
    let deep =
        format!(r#"'{{"planner_success": true, "deep": {}1{}}}'"#, "[".repeat(5_000), "]".repeat(5_000));
    let wide = format!(r#"'{{"planner_success": true, "wide": "{}"}}'"#, "x".repeat(20_000_000));
    for context in [
        r#"'{"planner_success": true, "planner_duration_ms": 1e400}'"#,
        r#"'{"planner_success": true, "total": -1e999, "flow": 1e400}'"#,
        r#"'{"planner_success": false, "planner_success": true}'"#,
        r#"'{"planner_success": true, "other": "\ud800"}'"#,
        &deep,
        &wide,
    ] {
        let report = report(&[(TIME, "NULL", context)], None).await;
        let context = &context[..context.len().min(60)];
        assert_eq!((report.unreadable, quotes(&report).success.n), (0, 1), "{context}");
        assert_eq!(quotes(&report).success.rate, Some(1.0), "{context}");
        assert_eq!(quotes(&report).duration_ms.n, 0, "{context}");
    }
}

#[tokio::test]
async fn a_booking_may_be_of_any_type() {
    for (booking, bookings) in [("7", 1), ("1.5", 1), ("'B-7'", 1), ("x'00ff'", 1), ("NULL", 0)] {
        let report = report(&[(TIME, booking, CONTEXT), (TIME, booking, CONTEXT)], None).await;
        assert_eq!(report.attempts["auto_assign.quote"].per_booking.n, bookings, "{booking}");
        assert_eq!((quote_count(&report), report.unreadable), (2, 0), "{booking}");
    }
}

#[tokio::test]
async fn a_time_may_have_any_form_of_sqlite() {
    for (time, is_later) in [
        ("'2026-01-31T08:00:00Z'", true),
        ("'2026-01-31 08:00:00'", true),
        ("'2026-01-31 08:00:00.123'", true),
        ("'2026-01-31T10:00:00+02:00'", true),
        ("'2026-01-31 07:59:59'", false),
        ("'2026-01-31T09:59:59+02:00'", false),
        ("'2026-01-31T08:00:00'", true),
    ] {
        let rows = [(time, "NULL", CONTEXT)];
        assert_eq!(quote_count(&report(&rows, Some(moment())).await), u64::from(is_later), "{time}");
        let all = report(&rows, None).await;
        assert_eq!((quote_count(&all), all.unreadable), (1, 0), "{time}");
        assert!(all.window.first.is_some(), "{time}");
    }
}

#[tokio::test]
async fn a_row_without_a_readable_time_is_unreadable_and_in_no_window() {
    for time in ["NULL", "1769846400", "2461072.5", "x'00ff'", "'yesterday'", "''"] {
        let rows = [(time, "NULL", CONTEXT)];
        let all = report(&rows, None).await;
        assert_eq!((quote_count(&all), all.unreadable), (1, 1), "{time}");
        assert_eq!((all.window.first, quotes(&all).duration_ms.n), (None, 1), "{time}");
        let window = report(&rows, Some(moment())).await;
        assert_eq!((quote_count(&window), window.unreadable), (0, 1), "{time}");
        assert!(window.is_empty(), "{time}");
    }
}

#[tokio::test]
async fn a_database_in_utf_16_is_read() {
    let context = r#"'{"planner_success": true, "flow": "größte 🍽"}'"#;
    let file = sqlite("PRAGMA encoding = 'UTF-16'", &[(TIME, "'B-7'", context)]).await;
    let report = report_since(&file.url(), Some(moment())).await;
    assert_eq!((quote_count(&report), report.unreadable), (1, 0));
    assert_eq!(
        report.event("auto_assign.quote").and_then(|event| event.groups[0].by[0].1.as_deref()),
        Some("größte 🍽")
    );
}

#[tokio::test]
async fn contexts_in_other_columns_of_postgres_are_read() {
    let cluster = Cluster::shared();
    for (kind, context, unreadable) in [
        ("text", CONTEXT, 0),
        ("json", CONTEXT, 0),
        ("text", "'no JSON'", 1),
        ("jsonb", "'[]'", 1),
        ("jsonb", "NULL", 1),
        ("jsonb", r#"'{"planner_success": true, "planner_duration_ms": 1e400}'"#, 0),
        ("bytea", "'\\x00'", 1),
    ] {
        let url = cluster.empty_database();
        cluster.psql(
            &url,
            &format!(
                "CREATE TABLE observability_events (created_at timestamptz, event_type text, booking_id uuid, \
                 context {kind}, source text, severity text, restaurant_id uuid); \
                 INSERT INTO observability_events VALUES ('infinity', 'auto_assign.quote', NULL, {context}), \
                 (now(), 'auto_assign.quote', NULL, {CONTEXT})"
            ),
        );
        let report = report_since(&url, Some(moment())).await;
        // The time of the first row is none.
        let unreadable = if kind == "bytea" { 2 } else { unreadable.max(1) };
        assert_eq!((quote_count(&report), report.unreadable), (1, unreadable), "{kind} {context}");
        assert_eq!(quote_count(&report_since(&url, None).await), 2, "{kind} {context}");
    }
}

/// The report reads every table that the ledger can write to.
#[tokio::test]
async fn every_shape_of_the_table_in_postgres_is_read() {
    let cluster = Cluster::shared();
    let words = "ALTER TABLE observability_events DROP CONSTRAINT observability_events_severity_check;
         CREATE TYPE severity AS ENUM ('info', 'warning', 'error', 'critical');
         CREATE TYPE event AS ENUM ('auto_assign.quote', 'auto_assign.summary'); CREATE TYPE source AS ENUM ('test');
         ALTER TABLE observability_events ALTER severity DROP DEFAULT, ALTER severity TYPE severity USING 'info',
             ALTER event_type TYPE event USING 'auto_assign.quote', ALTER source TYPE source USING 'test'";
    let citext = "CREATE EXTENSION citext; ALTER TABLE observability_events ALTER event_type TYPE citext,
         ALTER source TYPE citext, ALTER context TYPE citext USING context::text";
    for changes in [
        "",
        words,
        citext,
        "ALTER TABLE observability_events ALTER created_at TYPE timestamp USING created_at AT TIME ZONE 'UTC'",
        "ALTER TABLE observability_events ALTER created_at DROP DEFAULT, ALTER created_at TYPE text",
        "ALTER TABLE observability_events ALTER id DROP DEFAULT, ALTER id TYPE char(36), ALTER booking_id TYPE char(36)",
        "ALTER TABLE observability_events ALTER event_type TYPE char(30), ALTER source TYPE varchar(20)",
    ] {
        let url = cluster.database();
        let database = url.rsplit('/').next().expect("a URL names its database");
        cluster.psql(&url, &format!("ALTER DATABASE {database} SET TimeZone = 'Asia/Tokyo'"));
        cluster.psql(&url, changes);
        cluster.psql(
            &url,
            &format!(
                "INSERT INTO observability_events VALUES (gen_random_uuid(), {TIME}, 'test', 'auto_assign.quote', 'info', \
                 {CONTEXT}, NULL, NULL)"
            ),
        );
        for (since, count) in [(None, 1), (Some(moment()), 1), (Some(moment() + Duration::from_secs(1)), 0)] {
            let report = report_since(&url, since).await;
            assert_eq!((quote_count(&report), report.unreadable), (count, 0), "{changes}");
            assert_eq!(report.window.first, (count > 0).then(moment), "{changes}");
        }
    }
}

#[tokio::test]
async fn a_text_that_is_no_time_is_one_unreadable_row() {
    let url = Cluster::shared().database_after(&format!(
            "ALTER TABLE observability_events ALTER created_at DROP DEFAULT, ALTER created_at TYPE text; \
             INSERT INTO observability_events (created_at, source, event_type, context) \
             SELECT time, 'test', 'auto_assign.quote', {CONTEXT} FROM unnest(ARRAY[{TIME}, 'garbage', '2026-02-31', \
             '2026-01-31 09:00:00.5+01']) AS time"
        ));
    for (since, count) in [(None, 4), (Some(moment()), 2), (Some(moment() + Duration::from_secs(1)), 0)] {
        let report = report_since(&url, since).await;
        assert_eq!((quote_count(&report), report.unreadable), (count, 2), "{since:?}");
    }
}

#[tokio::test]
async fn nulls_in_postgres_are_unreadable_rows_and_count() {
    let url = Cluster::shared().empty_database();
    let table = LOOSE.replace(
        "(id, created_at, source, event_type, severity, context, restaurant_id, booking_id)",
        "(created_at timestamptz, source text, event_type text, severity text, context jsonb, restaurant_id uuid, \
         booking_id uuid)",
    );
    Cluster::shared().psql(
        &url,
        &format!(
            "{table}; INSERT INTO observability_events (created_at, event_type, context) \
             VALUES (NULL, 'auto_assign.quote', {CONTEXT}), ({TIME}, NULL, {CONTEXT}), (NULL, NULL, NULL)"
        ),
    );
    for (since, count, all) in [(None, 1, 3), (Some(moment()), 0, 1)] {
        let report = report_since(&url, since).await;
        assert_eq!((quote_count(&report), report.unreadable), (count, 2));
        let rows: u64 = report.events.iter().map(|event| event.figures.calls).sum();
        assert_eq!(rows, all, "a row without an event type is a row");
    }
}

#[tokio::test]
async fn a_moment_long_ago_or_far_ahead_selects_all_rows_or_none() {
    let year = Duration::from_secs(31_557_600);
    let (long_ago, far_ahead) = (UNIX_EPOCH - 7_000 * year, UNIX_EPOCH + 10_000 * year);
    let cluster = Cluster::shared();
    let postgres = cluster.database();
    cluster.psql(
        &postgres,
        "INSERT INTO observability_events (source, event_type, context) VALUES ('test', 'auto_assign.quote', '{}')",
    );
    let file = sqlite("", &[(TIME, "NULL", "'{}'")]).await;
    for url in [postgres, file.url()] {
        let count = async |since| quote_count(&report_since(&url, Some(since)).await);
        assert_eq!((count(long_ago).await, count(far_ahead).await), (1, 0));
    }
}

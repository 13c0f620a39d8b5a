//! A million rows: every exact figure is the server's own, and a window costs only its rows.

use std::fmt::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use support::{Cluster, until};
use tracing_ledger::report::{Figures, Question, report};

/// Two event types with two keys and rows of every kind: without a duration, with one as text, with one that is no number, without
/// a known success. Each call depends on its number alone.
const ROWS: &str = "
ALTER TABLE observability_events SET UNLOGGED;
DROP INDEX observability_events_created_at_idx, observability_events_source_idx,
    observability_events_booking_id_idx, observability_events_event_type_created_at_idx;
INSERT INTO observability_events (id, created_at, source, event_type, context)
SELECT md5(i::text)::uuid, timestamptz '2026-02-02T00:00:00Z' + i * interval '1 second', 'api',
    CASE WHEN h % 3 = 0 THEN 'cache.miss' ELSE 'http.request' END,
    ('{\"route\": \"/r' || h % 5 || '\", \"status\": ' || 200 + 100 * (h / 5 % 4)
        || CASE h / 20 % 20
            WHEN 0 THEN '' WHEN 1 THEN ', \"duration_ms\": \"none\"' WHEN 2 THEN ', \"duration_ms\": null'
            WHEN 3 THEN ', \"duration_ms\": \"' || h % 1000 || '.5\"' WHEN 4 THEN ', \"duration_ms\": 1e999'
            WHEN 5 THEN ', \"duration_ms\": ' || -(h % 100) || '.001' WHEN 6 THEN ', \"duration_ms\": ' || 1.0::float8 / (1 + h % 997)
            ELSE ', \"duration_ms\": ' || round((exp(h % 10007 / 1500.0) * (1 + h % 13))::numeric, 3) END
        || CASE h / 400 % 8 WHEN 0 THEN '' WHEN 1 THEN ', \"success\": null' WHEN 2 THEN ', \"success\": \"maybe\"'
            WHEN 3 THEN ', \"success\": false, \"outcome\": \"error\"' ELSE ', \"success\": true, \"outcome\": \"ok\"' END
        || '}')::jsonb
FROM (SELECT i, abs(hashint8(i)::bigint) AS h FROM generate_series(1::bigint, 1000000) AS i) AS numbers;
ANALYZE observability_events;
";

/// A line for each group of an event type, and one for the event type; the groups have numbers in the lines.
const THEIRS: &str = "
SET extra_float_digits = 1;
SELECT concat_ws(' ', event_type, route, status, count(*), count(success),
    count(*) FILTER (WHERE success), count(*) FILTER (WHERE outcome = 'ok'), count(*) FILTER (WHERE outcome = 'error'),
    count(ms), percentile_cont(0.5) WITHIN GROUP (ORDER BY ms), percentile_cont(0.95) WITHIN GROUP (ORDER BY ms),
    percentile_cont(0.99) WITHIN GROUP (ORDER BY ms), max(ms))
FROM (SELECT event_type, context->>'route' AS route, context->>'status' AS status, context->>'outcome' AS outcome,
        CASE WHEN context->>'success' IN ('true', 'false') THEN (context->>'success')::bool END AS success,
        CASE WHEN context->>'duration_ms' NOT IN ('none', '1' || repeat('0', 999)) THEN (context->>'duration_ms')::float8 END AS ms
    FROM observability_events) AS calls
GROUP BY GROUPING SETS ((event_type, route, status), (event_type));
";

fn line(name: &str, figures: &Figures) -> String {
    let (spread, success) = (&figures.duration_ms, &figures.success);
    let succeeded = success.rate.map_or(0.0, |rate| rate * success.n as f64).round();
    let outcome = |name| figures.outcomes.get(name).copied().unwrap_or_default();
    let mut line = format!(
        "{name} {} {} {succeeded} {} {} {}",
        figures.calls,
        success.n,
        outcome("ok"),
        outcome("error"),
        spread.n
    );
    for figure in [spread.median, spread.p95, spread.p99, spread.max].into_iter().flatten() {
        write!(line, " {figure}").expect("a String takes everything");
    }
    line
}

/// With the numbers as this program reads them: both print the shortest text that gives the same `f64`, in other forms.
fn read(line: &str) -> String {
    let word = |word: &str| match word.parse::<f64>() {
        Ok(number) => number.to_string(),
        Err(_) => word.to_owned(),
    };
    line.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn every_figure_on_a_million_rows_equals_the_servers() {
    let cluster = Cluster::shared();
    let url = cluster.database_after(ROWS);
    let question = Question::new().by("route").and_then(|question| question.by("status")).expect("keys");
    let report = report(&question, &[&url]).await.expect("a report");
    assert_eq!(report.events.iter().map(|event| event.figures.calls).sum::<u64>(), 1_000_000);
    let mut ours = Vec::new();
    for event in &report.events {
        ours.push(line(&event.event_type, &event.figures));
        for group in &event.groups {
            let by: Vec<_> = group.by.iter().filter_map(|(_, value)| value.as_deref()).collect();
            ours.push(line(&format!("{} {}", event.event_type, by.join(" ")), &group.figures));
        }
    }
    let mut theirs: Vec<String> = cluster.psql(&url, THEIRS).lines().map(read).collect();
    assert_eq!(theirs.len(), 2 * (5 * 4 + 1));
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    // It takes 300 MB.
    cluster.psql(&url, "DROP TABLE observability_events");
}

/// A row for every ten minutes of a year.
const YEAR: &str = "
INSERT INTO observability_events (created_at, source, event_type, context)
SELECT timestamptz '2026-01-01T00:00:00Z' + i * interval '10 minutes', 'api', 'http.request', '{\"duration_ms\": 1}'
FROM generate_series(0, 365 * 144 - 1) AS i;
VACUUM ANALYZE observability_events;
";

#[tokio::test]
async fn a_day_of_a_year_costs_the_rows_of_the_day() {
    let cluster = Cluster::shared();
    let url = cluster.database_after(YEAR);
    let day = |number: u64| UNIX_EPOCH + Duration::from_secs(1_767_225_600 + number * 86_400);
    let question = Question::new();
    for question in [question.clone().since(day(364)), question.clone().since(day(7)).until(day(8))] {
        cluster.psql(&url, "SELECT pg_stat_reset()");
        let answer = report(&question, &[&url]).await.expect("a report");
        assert_eq!(answer.event("http.request").map(|event| event.figures.calls), Some(144));
        let read = "SELECT seq_tup_read || ' ' || idx_tup_fetch FROM pg_stat_user_tables";
        // The server counts when the session ends.
        until("the day's rows alone are read", || cluster.psql(&url, read) == "0 144");
    }
}

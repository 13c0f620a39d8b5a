//! The same report comes from a service's logs and from its rows, where both were on.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use serde_json::{Value, json};
use support::{Cluster, DEADLINE};
use tempfile::TempDir;
use tracing::field::Empty;
use tracing::{Span, info, info_span, instrument};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{fmt, registry};
use uuid::Uuid;

#[instrument(skip_all, fields(strategy.max_tables = 3, success = Empty, reason = Empty), err)]
fn quote_tables_for_booking(number: u32) -> Result<(), String> {
    info!(number, "searching tables: a=\"b\"");
    if number == 5 {
        return Err("rpc_error: the planner, \"down\"".to_owned());
    }
    Span::current().record("success", number.is_multiple_of(2));
    if !number.is_multiple_of(2) {
        Span::current().record("reason", "No tables available for requested window");
    }
    Ok(())
}

/// Jobs with one to three calls, and orders with a row of their own.
fn work() {
    for number in 0..7_u32 {
        let request = info_span!("PATCH /bookings/{id}", number).entered();
        let job = info_span!(
            "auto_assign.job",
            trigger = if number < 4 { "creation" } else { "modification" },
            booking_id = %Uuid::from_u128(number.into()),
            result = Empty
        );
        job.in_scope(|| {
            for call in 0..=number % 3 {
                quote_tables_for_booking(number + call).ok();
            }
            job.record("result", if number == 2 { "exhausted" } else { "succeeded" });
        });
        drop(job);
        drop(request);
        info_span!("order", ledger.event = "orders.create", success = number != 3, lines = number)
            .in_scope(|| {});
    }
}

/// The directory with the logs of [`work`], and the URL of its rows.
fn logs_and_rows() -> (TempDir, String) {
    let url = Cluster::shared().database();
    let (ledger, guard) = tracing_ledger::layer(&url).expect("a ledger");
    let directory = TempDir::new().expect("a directory");
    let log = |name| Arc::new(File::create(directory.path().join(name)).expect("created"));
    let lines = fmt::layer().with_ansi(false).with_span_events(FmtSpan::CLOSE).with_writer(log("text.log"));
    let objects = fmt::layer().json().with_span_events(FmtSpan::CLOSE).with_writer(log("json.log"));
    tracing::subscriber::with_default(registry().with(ledger).with(lines).with(objects), work);
    guard.shutdown(DEADLINE).expect("written");
    pack(directory.path());
    (directory, url)
}

fn pack(directory: &Path) {
    let [text, json] = ["text.log", "json.log"].map(|name| fs::read(directory.join(name)).expect("readable"));
    let write = |name: &str, bytes: &[u8]| fs::write(directory.join(name), bytes).expect("written");
    write("text.log.1.gz", &gzip(&text));
    write(
        "json.log.zst",
        &ruzstd::encoding::compress_to_vec(&*json, ruzstd::encoding::CompressionLevel::Fastest),
    );
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text).expect("packed");
    gzip.finish().expect("packed")
}

fn output(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"));
    command.args(["report", "--format", "json"]).args(arguments).env_remove("DATABASE_URL");
    command.output().expect("it starts")
}

/// The report as JSON, which must find rows and read every line.
fn report(arguments: &[&str]) -> Value {
    let output = output(arguments);
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]), "{output:?}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn report_of_log(file: &Path) -> Value {
    report(&["--from-log", file.to_str().expect("UTF-8")])
}

/// All that the clock does not decide, of the event types that the rules name.
fn counts(report: &Value) -> Value {
    let of = |figures: &Value| {
        json!({ "calls": figures["calls"], "success": figures["success"], "outcomes": figures["outcomes"],
                "reasons": figures["reasons"], "durations": figures["duration_ms"]["n"] })
    };
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let named = ["auto_assign.quote", "auto_assign.summary", "orders.create"];
    let events = list(&report["events"])
        .into_iter()
        .filter(|event| named.iter().any(|name| event["event_type"] == *name));
    let mut events: Vec<_> = events
        .map(|event| {
            let groups = list(&event["groups"]);
            let groups: Vec<_> =
                groups.iter().map(|group| json!({ "by": group["by"], "of": of(group) })).collect();
            json!({ "event_type": event["event_type"], "of": of(&event), "groups": groups })
        })
        .collect();
    events.sort_by_key(|event| event["event_type"].to_string());
    let jobs = list(&report["jobs"]).into_iter().map(|job| {
        let results: Vec<_> = list(&job["results"]).iter().map(|one| json!([one["result"], one["count"], one["attempts"]])).collect();
        json!({ "jobs": job["jobs"], "attempts": job["attempts"], "results": results, "timed": job["calls_share"]["n"] })
    });
    json!({ "events": events, "jobs": jobs.collect::<Vec<_>>(), "attempts": report["attempts"] })
}

#[test]
fn the_logs_of_a_service_give_the_report_of_its_rows() {
    let (directory, url) = logs_and_rows();
    let rows = counts(&report(&["--database-url", &url]));
    assert_eq!(rows["events"].as_array().map(Vec::len), Some(3), "{rows}");
    assert_eq!(rows["jobs"][0]["attempts"]["n"], 7, "{rows}");
    for name in ["text.log", "json.log", "text.log.1.gz", "json.log.zst"] {
        let log = counts(&report_of_log(&directory.path().join(name)));
        for part in ["events", "jobs", "attempts"] {
            assert_eq!(format!("{:#}", log[part]), format!("{:#}", rows[part]), "{name}");
        }
    }
}

#[test]
fn exported_rows_give_the_report_of_the_table() {
    let (directory, url) = logs_and_rows();
    let table = report(&["--database-url", &url]);
    for (name, sql) in [
        ("header.csv", "COPY (SELECT * FROM observability_events) TO STDOUT CSV HEADER"),
        ("bare.csv", "COPY (SELECT * FROM observability_events) TO STDOUT CSV"),
        ("rows.ndjson", "SELECT row_to_json(e) FROM observability_events e"),
    ] {
        let file = directory.path().join(name);
        fs::write(&file, Cluster::shared().psql(&url, sql)).expect("written");
        assert_eq!(format!("{:#}", report_of_log(&file)), format!("{table:#}"), "{name}");
    }
}

#[test]
fn a_log_that_is_named_twice_is_refused() {
    let directory = TempDir::new().expect("a directory");
    let file = |name: &str, text: &[u8]| {
        let path = directory.path().join(name);
        fs::write(&path, text).expect("written");
        path.to_str().expect("UTF-8").to_owned()
    };
    let line = |hour: u8| {
        format!(
            "2026-02-02T{hour:02}:00:00.000000Z  INFO work{{n=1}}: shop: close time.busy=1ms time.idle=1ms\n"
        )
    };
    let text = [line(10), line(11)].concat();
    let log = file("service.log", text.as_bytes());
    let packed = file("service.log.1.gz", &gzip(text.as_bytes()));
    let hard = directory.path().join("hard.log");
    fs::hard_link(&log, &hard).expect("linked");
    let hard = hard.to_str().expect("UTF-8");
    for (other, name) in [(&*log, "service.log"), (hard, "hard.log"), (&packed, "service.log.1.gz")] {
        let refused = output(&["--from-log", &log, other]);
        let why = String::from_utf8_lossy(&refused.stderr);
        let expected = format!("{name} are the same, so their rows would count twice: name one of them");
        assert!(refused.status.code() == Some(1) && why.contains(&expected), "{refused:?}");
    }
    let next = file("next.log", [line(10), line(12)].concat().as_bytes());
    let both = report(&["--from-log", &log, &next]);
    assert_eq!(both["events"][0]["calls"], 4, "{both}");
    // Tables without rows have the same header.
    let header = b"id,created_at,source,event_type,severity,context,restaurant_id,booking_id\n";
    let empty = [file("one.csv", header), file("other.csv", header)];
    let all = report(&["--from-log", &log, &empty[0], &empty[1]]);
    assert_eq!(all["events"][0]["calls"], 2, "{all}");
}

#[test]
fn rows_and_console_lines_of_an_older_system_give_one_report() {
    let directory = TempDir::new().expect("a directory");
    let (rows, console) = (directory.path().join("rows.ndjson"), directory.path().join("console.log"));
    let old = r#"{"created_at":"2026-02-02T10:00:00Z","event_type":"auto_assign.quote","booking_id":"b","context":{"durationMs":20,"success":true,"attempt":0}}
{"created_at":"2026-02-02T10:01:00Z","event_type":"auto_assign.quote","booking_id":"c","context":{"durationMs":40,"success":false,"reason":"No tables available for requested window","attempt":0}}
"#;
    let lines = r#"2026-02-02T10:02:00Z worker [auto-assign][job] attempt.no_hold { bookingId: 'd', attempt: 0, durationMs: 30, reason: 'r' }
2026-02-02T10:03:00Z worker [auto-assign][job] attempt.success {"bookingId":"d","attempt":1,"durationMs":50}
"#;
    fs::write(&rows, old).expect("written");
    fs::write(&console, lines).expect("written");
    let both = report(&["--from-log", rows.to_str().expect("UTF-8"), console.to_str().expect("UTF-8")]);
    let quotes = both["events"]
        .as_array()
        .expect("events")
        .iter()
        .find(|event| event["event_type"] == "auto_assign.quote");
    let quotes = quotes.expect("calls of the planner");
    assert_eq!((&quotes["calls"], &quotes["success"]["rate"]), (&json!(4), &json!(0.5)), "{both}");
    assert_eq!(
        (&quotes["duration_ms"]["n"], &quotes["duration_ms"]["median"]),
        (&json!(3), &json!(30.0)),
        "{both}"
    );
    assert_eq!(both["jobs"][0]["results"][0]["duration_ms"]["median"], 50.0, "{both}");
    assert_eq!(both["jobs"][0]["attempts"]["mean"], 2.0, "{both}");
    assert_eq!(both["attempts"]["auto_assign.quote"]["per_booking"]["n"], 3, "{both}");
}

#[test]
fn rows_of_an_older_system_give_the_report_of_their_export() {
    let url = Cluster::shared().database();
    let rows = r#"INSERT INTO observability_events (created_at, event_type, source, severity, booking_id, context)
        SELECT timestamptz '2026-02-02Z' + i * interval '1 hour', 'auto_assign.quote', 'a', 'info',
            lpad((i / 2)::text, 32, '0')::uuid, jsonb_build_object('durationMs', i, 'success', i % 4 > 0, 'attempt', i % 2,
            'reasonCode', CASE WHEN i % 4 = 0 THEN 'hard.no_tables' END, 'strategy', jsonb_build_object('maxTables', i % 2))
        FROM generate_series(1, 200) i;
        INSERT INTO observability_events (created_at, event_type, source, severity, context)
        SELECT timestamptz '2026-02-02Z' + i * interval '1 hour', 'auto_assign.summary', 'a', 'info',
            jsonb_build_object('durationMs', 10 * i, 'attempts', 1 + i % 3) FROM generate_series(1, 100) i"#;
    Cluster::shared().psql(&url, rows);
    let directory = TempDir::new().expect("a directory");
    let file = directory.path().join("rows.ndjson");
    let export = "SELECT row_to_json(e) FROM observability_events e";
    fs::write(&file, Cluster::shared().psql(&url, export)).expect("written");
    let file = file.to_str().expect("UTF-8");
    let chosen = ["--by", "planner_strategy,attempt_index", "--where", "planner_duration_ms>100", "--event"];
    for options in [&[][..], &[&chosen[..], &["auto_assign.quote"]].concat()] {
        let table = report(&[&["--database-url", &url], options].concat());
        assert_eq!(format!("{table:#}"), format!("{:#}", report(&[&["--from-log", file], options].concat())));
    }
    let table = report(&["--database-url", &url]);
    let of = |name: &str| {
        let events = table["events"].as_array().into_iter().flatten();
        events.clone().find(|event| event["event_type"] == name).cloned().unwrap_or_default()
    };
    let (quote, job) = (of("auto_assign.quote"), of("auto_assign.summary"));
    assert_eq!((&quote["duration_ms"]["median"], &quote["success"]["rate"]), (&json!(100.5), &json!(0.75)));
    assert_eq!((&job["duration_ms"]["n"], &table["jobs"][0]["attempts"]["n"]), (&json!(100), &json!(100)));
    assert_eq!(quote["reasons"][0]["code"], "hard.no_tables", "{quote}");
    let rolled = Command::new(env!("CARGO_BIN_EXE_tracing-ledger"))
        .args(["rollup", "--create", "--database-url", &url])
        .output()
        .expect("it starts");
    assert!(rolled.status.success(), "{rolled:?}");
    let rolled = report(&["--rollup", "--database-url", &url, "--event", "auto_assign.quote"]);
    assert_eq!(rolled["events"][0]["duration_ms"]["n"], 200, "{rolled}");
    assert_eq!(rolled["events"][0]["success"]["rate"], 0.75, "{rolled}");
}

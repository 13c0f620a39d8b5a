//! The forms of a log: threads, files and times around the spans, and the ways to export rows.

use serde_json::json;
use tracing::info;
use tracing_subscriber::fmt::format::FmtSpan;

use super::*;
use crate::report::log::line::NO_NAME;

/// In threads with names.
fn threads() {
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let run = |name: &str, work: fn()| {
        let dispatch = dispatch.clone();
        let named = std::thread::Builder::new().name(name.to_owned());
        let thread = named.spawn(move || tracing::dispatcher::with_default(&dispatch, work));
        thread.expect("a thread").join().expect("no panic");
    };
    run("main", || info!("starting: a=1"));
    run("tokio-rt-worker", work);
}

#[expect(clippy::too_many_lines, reason = "the cases are one table")]
#[test]
fn files_lines_and_threads_are_told_from_spans_and_targets() {
    let fmt = || tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE).with_ansi(false);
    for (file, line, target) in [
        (false, true, true),
        (true, false, true),
        (true, true, true),
        (false, true, false),
        (true, true, false),
    ] {
        let full = || fmt().with_file(file).with_line_number(line).with_target(target);
        let logs = [
            ("full", log_of(|to| full().with_writer(to).finish())),
            ("compact", log_of(|to| full().compact().with_writer(to).finish())),
            ("threads", log_of_work(|to| full().with_thread_names(true).with_writer(to).finish(), threads)),
            (
                "ids",
                log_of_work(
                    |to| full().with_thread_names(true).with_thread_ids(true).with_writer(to).finish(),
                    threads,
                ),
            ),
            (
                "compact threads",
                log_of_work(|to| full().compact().with_thread_names(true).with_writer(to).finish(), threads),
            ),
            (
                "json",
                log_of_work(|to| full().json().with_thread_names(true).with_writer(to).finish(), threads),
            ),
        ];
        for (name, log) in logs {
            let read = rows_of(&log, &KEYS);
            let expected =
                if name.starts_with("compact") { (expected_of_compact(), 3) } else { (expected(), 0) };
            assert_eq!(
                read,
                expected,
                "{name}, file {file}, line {line}, target {target}: {}",
                String::from_utf8_lossy(&log)
            );
        }
    }
}

#[test]
fn a_span_that_closes_and_cannot_be_named_is_counted() {
    let fmt = || tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE);
    let json = log_of(|to| fmt().json().with_current_span(false).with_writer(to).finish());
    let flat =
        log_of(|to| fmt().json().flatten_event(true).with_current_span(false).with_writer(to).finish());
    let pretty = log_of(|to| fmt().pretty().with_ansi(false).with_writer(to).finish());
    let odd =
        b"2026-11-20T10:00:00Z INFO odd name=close time.busy=1ms time.idle=1ms\n".repeat(expected().len());
    for (log, why) in [
        (json, "leave out .with_current_span(false)"),
        (flat, "leave out .with_current_span(false)"),
        (pretty, "the pretty format has several lines"),
        (odd, NO_NAME),
    ] {
        let (rows, unread) = rows_and_unread(&log, &[]);
        assert_eq!(rows, table(&json!([])), "{why}");
        assert!(unread.count() >= expected().len() as u64, "{why}: {unread}");
        assert!(unread.to_string().contains(why), "{why}: {unread}");
    }
    let (_, unread) = rows_and_unread(b"{\"msg\":\"a line of another library\"}\n", &[]);
    assert!(unread.to_string().ends_with(":1: it is neither a row nor a line of the fmt layer"), "{unread}");
    let close = "close time.busy=1ms time.idle=1ms";
    for line in [
        format!("Nov 10 00:00:00 host shop[123]: 2026-11-10T00:00:00Z INFO order{{id=1}}: shop: {close}\n"),
        "shop-1  | {\"timestamp\":\"2026-11-10T00:00:00Z\",\"level\":\"INFO\",\"fields\":{\"message\":\"close\"}}\n".to_owned(),
    ] {
        let (_, unread) = rows_and_unread(line.as_bytes(), &[]);
        assert!(unread.to_string().contains("something stands before"), "{line}: {unread}");
    }
}

#[test]
fn lines_that_a_container_runtime_wrapped_are_read_like_plain_ones() {
    let fmt = || tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE);
    let text =
        log_of_work(|to| fmt().with_ansi(true).with_thread_names(true).with_writer(to).finish(), threads);
    let json = log_of(|to| fmt().json().with_writer(to).finish());
    for log in [text, json] {
        let log = String::from_utf8(log).expect("UTF-8");
        let time = "2026-11-20T10:00:00.123456789Z";
        let docker = log.lines().map(|line| {
            let line = json!({"log": format!("{line}\n"), "stream": "stdout", "time": time});
            format!("{line}\n")
        });
        assert_eq!(rows_of(docker.collect::<String>().as_bytes(), &KEYS), (expected(), 0), "{log}");
        let kubernetes = log.lines().map(|line| format!("{time} stderr F {line}\n"));
        assert_eq!(rows_of(kubernetes.collect::<String>().as_bytes(), &KEYS), (expected(), 0), "{log}");
    }
}

/// The times of all rows.
fn times_of(log: &str) -> (Vec<Option<String>>, UnreadLines) {
    let mut times = Vec::new();
    let unread = read(log.as_bytes(), Selection::default(), &mut |reading: &Reading<'_>| {
        times.push(reading.created_at.map(|at| at.to_string()))
    });
    (times, unread)
}

#[test]
fn times_have_their_zone_or_count_as_utc() {
    let close = "INFO call: app: close time.busy=1ms time.idle=1ms";
    let json = |time: &str| {
        json!({"timestamp": time, "fields": {"message": "close", "time.busy": "1ms", "time.idle": "1ms"},
               "span": {"name": "call"}})
    };
    let (ten, nine) = ("2026-11-20T10:00:00.5Z", "2026-11-20T09:00:00.5Z");
    for (time, utc, assumed) in [
        ("2026-11-20 10:00:00.5", Some(ten), true),
        ("2026-11-20T10:00:00.5+01:00", Some(nine), false),
        ("2026-11-20 10:00:00.5 +01:00", Some(nine), false),
        ("2026-11-20 10:00:00.5 UTC", Some(ten), false),
        ("2026-11-20", None, false),
    ] {
        for log in [format!("{time} {close}"), json(time).to_string()] {
            let (times, unread) = times_of(&log);
            assert_eq!(times, [utc.map(str::to_owned)], "{log}");
            assert_eq!(unread.assumes_utc(), assumed, "{log}");
            assert_eq!(unread.is_empty(), !assumed, "{log}");
        }
    }
    let docker = json!({"log": close, "stream": "stdout", "time": ten}).to_string();
    assert_eq!(times_of(&docker).0, [Some(ten.to_owned())], "the time of the runtime around the line");
    let job = |before: &str| {
        let log = format!("{before}[auto-assign][job] attempt.success {{\"attempt\":1}}\n");
        [json!({"log": log, "stream": "stdout", "time": ten}).to_string(), format!("{ten} stdout F {log}")]
    };
    for (before, utc) in [("", ten), ("2026-11-20T09:00:00.5Z ", nine)] {
        for log in job(before) {
            assert_eq!(times_of(&log).0, [Some(utc.to_owned()), Some(utc.to_owned())], "{log}");
        }
    }
    let (_, unread) = times_of(&format!("2026-11-20 10:00:00 {close}\n2026-11-20 10:00:01 {close}"));
    assert_eq!(unread.to_string(), "times without a zone count as UTC");
}

#[test]
fn a_row_that_is_read_twice_counts_once() {
    let id = |number: u32| format!("018f0000-0000-7000-8000-{number:012}");
    let row =
        |number| format!("{},2026-11-01 12:00:00+00,s,e,info,\"{{\"\"a\"\":{number}}}\",,\n", id(number));
    let header = "id,created_at,source,event_type,severity,context,restaurant_id,booking_id\n";
    let twice = [header, &row(1), &row(2), header, &row(2), &row(3)].concat();
    let (rows, unread) = rows_and_unread(twice.as_bytes(), &["a"]);
    assert_eq!(rows, table(&json!([["e", "1"], ["e", "2"], ["e", "3"]])));
    assert_eq!((unread.count(), unread.rows_repeated()), (0, 1));
    assert_eq!(unread.to_string(), "1 row with an id that was there before counts once");
    let object = json!({"id": id(4), "event_type": "e", "context": {"a": 4}});
    let other = json!({"id": 7, "event_type": "e", "context": {"a": 5}});
    let (rows, unread) = rows_and_unread(format!("{object}\n{other}\n{object}\n{other}").as_bytes(), &["a"]);
    assert_eq!(
        rows,
        table(&json!([["e", "4"], ["e", "5"], ["e", "5"]])),
        "only a UUID is the same row everywhere"
    );
    assert_eq!(unread.rows_repeated(), 1);
}

#[test]
fn numbers_of_exported_rows_keep_their_text() {
    let (long, planner) = ("12345678901234567890123", "auto_assign.quote");
    let context = format!("{{\"v\": 1.10, \"attempt\": {long}, \"durationMs\": 9007199254740993.0}}");
    let quoted = context.replace('"', "\"\"");
    for log in [
        format!("{{\"event_type\":\"{planner}\",\"context\":{context}}}"),
        format!("{{\"event_type\":\"{planner}\",\"context\":{}}}", json!(context)),
        format!("{{\"eventType\":\"{planner}\",\"restaurantId\":null,{}", &context[1..]),
        format!("event_type,context\n{planner},\"{quoted}\""),
        format!("event_type;context\n{planner};\"{quoted}\""),
    ] {
        let (rows, unread) = rows_of(log.as_bytes(), &["v", "attempt_index", "planner_duration_ms"]);
        assert_eq!(rows, table(&json!([[planner, "1.10", long, "9007199254740993.0"]])), "{log}");
        assert_eq!(unread, 0, "{log}");
    }
}

#[test]
fn a_table_with_other_delimiters_is_read_or_counted() {
    let id = "018f0000-0000-7000-8000-000000000000";
    let header = "id;created_at;source;event_type;severity;context;restaurant_id;booking_id\n";
    let row = format!("{id};2026-11-01 12:00:00+00;s;e;INFO;\"{{\"\"a\"\":\n\"\"x;y\"\"}}\";;\n");
    for table_of_rows in [format!("{header}{row}"), row.clone()] {
        let read = rows_of(table_of_rows.as_bytes(), &["a"]);
        assert_eq!(read, (table(&json!([["e", "x;y"]])), 0), "{table_of_rows}");
    }
    let (rows, unread) = rows_and_unread(header.replace(';', "\t").as_bytes(), &[]);
    assert_eq!((rows.len(), unread.count()), (0, 1));
    assert!(unread.to_string().contains("export it by \\copy … CSV HEADER"), "{unread}");
}

#[test]
fn a_row_by_copy_has_its_backslashes_twice() {
    let row = json!({"event_type": "e", "context": {"a": "relation \"x\" is missing"}}).to_string();
    let copied = row.replace('\\', "\\\\");
    assert_ne!(copied, row);
    let expected = table(&json!([["e", "relation \"x\" is missing"]]));
    for line in [row, copied] {
        assert_eq!(rows_of(line.as_bytes(), &["a"]), (expected.clone(), 0), "{line}");
    }
}

/// One of two functions of the same name reports what it returns.
#[test]
fn a_function_of_another_module_is_not_judged_by_its_namesake() {
    let line = |target: &str, fields: &Value| {
        json!({"timestamp": "2026-11-20T10:00:00Z", "level": "INFO", "target": target, "fields": fields,
               "span": {"name": "load"}, "spans": if fields["message"] == "close" { json!([]) } else { json!([{"name": "load"}]) }})
    };
    let close = json!({"message": "close", "time.busy": "1ms", "time.idle": "1ms"});
    let log = [
        line("app::a", &json!({"return": "1"})),
        line("app::a", &close),
        line("app::a", &close),
        line("app::b", &close),
    ];
    let log = log.map(|line| format!("{line}\n")).concat();
    let (mut rows, unread) = rows_of(log.as_bytes(), &["outcome"]);
    rows.sort();
    let expected = table(&json!([["load", "cancelled"], ["load", "ok"], ["load", "unknown"]]));
    assert_eq!((rows, unread), (expected, 0));
}

#[test]
fn calls_that_return_before_the_first_of_them_closes_have_all_returned() {
    let line = |text: &str| format!("2026-11-20T10:00:00.5Z  INFO pay: app: {text}\n");
    let close = "close time.busy=1ms time.idle=1ms";
    let log = ["return=7", "return=8", close, close, close].map(line).concat();
    let (mut rows, unread) = rows_of(log.as_bytes(), &["outcome"]);
    rows.sort();
    assert_eq!((rows, unread), (table(&json!([["pay", "cancelled"], ["pay", "ok"], ["pay", "ok"]])), 0));
}

/// As the default `TraceLayer` of tower-http writes it. The built-in rule takes the status from the event.
#[test]
fn a_request_has_the_fields_that_its_rule_takes_from_events() {
    let line = |target: &str, level: &str, fields: &Value| {
        let span = json!({"name": "request", "method": "GET", "uri": "/a"});
        json!({"timestamp": "2026-11-20T10:00:00Z", "level": level, "target": target, "fields": fields, "span": span,
               "spans": if fields["message"] == "close" { json!([]) } else { json!([span]) }})
    };
    let response = json!({"message": "finished processing request", "latency": "3 ms", "status": 503});
    let close = json!({"message": "close", "time.busy": "1ms", "time.idle": "1ms"});
    let json = [
        line("tower_http::trace::on_response", "DEBUG", &response),
        line("app", "INFO", &json!({"message": "another", "status": 1})),
        line("tower_http::trace::make_span", "DEBUG", &close),
    ];
    let span = "request{method=GET uri=/a}:";
    let text = [
        format!(
            "2026-11-20T10:00:00Z DEBUG {span} tower_http::trace::on_response: finished processing request latency=3 ms status=503"
        ),
        format!("2026-11-20T10:00:00Z  INFO {span} app: another status=1"),
        format!(
            "2026-11-20T10:00:00Z DEBUG {span} tower_http::trace::make_span: close time.busy=1ms time.idle=1ms"
        ),
    ];
    for log in [json.map(|line| line.to_string()).join("\n"), text.join("\n")] {
        let read = rows_of(log.as_bytes(), &["status", "success"]);
        assert_eq!(read, (table(&json!([["http.request", "503", "false"]])), 0), "{log}");
    }
}

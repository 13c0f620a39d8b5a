//! Logs as the `fmt` layer of tracing-subscriber really writes them.

mod forms;
mod ledger;
mod text;

use std::fs::{self, File};
use std::io::Write as _;
use std::sync::Arc;

use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Span, Subscriber, info, info_span, instrument};
use tracing_subscriber::fmt::format::FmtSpan;

use super::*;
use crate::store::read::{Asked, Choice};

#[instrument(err)]
fn charge(order: u32, note: &str) -> Result<u32, String> {
    info!(note, "charging: a=1");
    if order == 3 { Err("card declined, try \"later\"".to_owned()) } else { Ok(order) }
}

#[instrument(skip_all, fields(success = Empty, reason = Empty))]
fn quote_tables_for_booking(found: bool) {
    Span::current().record("success", found);
    if !found {
        Span::current().record("reason", "No tables available for requested window");
    }
}

fn work() {
    for order in 1..=3 {
        charge(order, "a {b} c: d").ok();
    }
    let request = info_span!("PATCH /bookings/{id}").entered();
    let job = info_span!("auto_assign.job", trigger = "creation", result = Empty);
    job.in_scope(|| {
        quote_tables_for_booking(false);
        quote_tables_for_booking(true);
        job.record("result", "succeeded");
    });
    drop(job);
    drop(request);
}

fn log_of<S: Subscriber + Send + Sync + 'static>(make: impl FnOnce(Arc<File>) -> S) -> Vec<u8> {
    log_of_work(make, work)
}

fn log_of_work<S: Subscriber + Send + Sync + 'static>(
    make: impl FnOnce(Arc<File>) -> S,
    work: impl FnOnce(),
) -> Vec<u8> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    tracing::subscriber::with_default(make(Arc::new(file.reopen().expect("opened"))), work);
    fs::read(file.path()).expect("readable")
}

/// Event type and the given keys of all rows, and the number of lines that cannot be read.
fn rows_of(log: &[u8], keys: &[&str]) -> (Vec<Vec<Option<String>>>, u64) {
    let (rows, unread) = rows_and_unread(log, keys);
    (rows, unread.count())
}

fn rows_and_unread(log: &[u8], keys: &[&str]) -> (Vec<Vec<Option<String>>>, UnreadLines) {
    let asked = keys.iter().map(|key| Asked::Key(Choice::always(*key)));
    let selection =
        Selection { asked: [Asked::EventType].into_iter().chain(asked).collect(), ..Selection::default() };
    let mut rows = Vec::new();
    let unread = read(log, selection, &mut |reading: &Reading<'_>| {
        rows.push(reading.texts.iter().map(|text| text.map(str::to_owned)).collect())
    });
    (rows, unread)
}

fn read(log: &[u8], selection: Selection, each: &mut (dyn FnMut(&Reading<'_>) + Send)) -> UnreadLines {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("service.log");
    fs::write(&file, log).expect("written");
    let mut logs = Logs::new(vec![file], &Rules::builtin());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(logs.read(&selection, each)).expect("readable");
    logs.into_unread()
}

fn table(rows: &Value) -> Vec<Vec<Option<String>>> {
    serde_json::from_value(rows.clone()).expect("a table")
}

/// The rows of [`work`].
fn expected() -> Vec<Vec<Option<String>>> {
    let text = "card declined, try \"later\"";
    table(&json!([
        ["charge", "error", "false", "3", text, null, null],
        ["auto_assign.quote", "ok", null, null, null, "hard.no_tables", null],
        ["auto_assign.quote", "ok", null, null, null, null, null],
        ["auto_assign.summary", null, null, null, null, null, "2"],
        ["charge", "unknown", null, "1", null, null, null],
        ["charge", "unknown", null, "2", null, null, null],
        ["PATCH /bookings/{id}", "unknown", null, null, null, null, null],
    ]))
}

/// The rows of [`work`] that the compact form tells: the calls within others have fields there that may be another's.
fn expected_of_compact() -> Vec<Vec<Option<String>>> {
    expected()
        .into_iter()
        .filter(|row| !row[0].as_ref().is_some_and(|name| name.starts_with("auto")))
        .collect()
}

const KEYS: [&str; 6] = ["outcome", "success", "order", "error", "planner_reason_code", "attemptsUsed"];

#[test]
fn every_format_of_the_fmt_layer_is_read() {
    let fmt = || tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE);
    let logs = [
        ("full", log_of(|to| fmt().with_ansi(false).with_writer(to).finish())),
        ("coloured", log_of(|to| fmt().with_ansi(true).with_writer(to).finish())),
        ("threads", log_of(|to| fmt().with_thread_ids(true).with_ansi(false).with_writer(to).finish())),
        ("no target", log_of(|to| fmt().with_target(false).with_ansi(false).with_writer(to).finish())),
        (
            "uptime",
            log_of(|to| {
                fmt()
                    .with_timer(tracing_subscriber::fmt::time::uptime())
                    .with_ansi(false)
                    .with_writer(to)
                    .finish()
            }),
        ),
        ("compact", log_of(|to| fmt().compact().with_ansi(false).with_writer(to).finish())),
        ("json", log_of(|to| fmt().json().with_writer(to).finish())),
        ("flat json", log_of(|to| fmt().json().flatten_event(true).with_writer(to).finish())),
    ];
    for (name, log) in logs {
        let expected = if name == "compact" { (expected_of_compact(), 3) } else { (expected(), 0) };
        assert_eq!(rows_of(&log, &KEYS), expected, "{name}: {}", String::from_utf8_lossy(&log));
    }
}

#[test]
fn a_call_that_is_dropped_elsewhere_inherits_from_the_spans_around_it() {
    let dropped = |speaks: bool, elsewhere: Span| {
        let job = info_span!("auto_assign.job", trigger = "creation");
        let quote = job.in_scope(|| info_span!("auto_assign.quote", success = true));
        if speaks {
            quote.in_scope(|| info!("searching"));
        }
        elsewhere.in_scope(|| drop(quote));
    };
    let row = |speaks, elsewhere: fn() -> Span, is_json| {
        let fmt = || tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE).with_ansi(false);
        let log = if is_json {
            log_of_work(|to| fmt().json().with_writer(to).finish(), || dropped(speaks, elsewhere()))
        } else {
            log_of_work(|to| fmt().with_writer(to).finish(), || dropped(speaks, elsewhere()))
        };
        let (rows, unread) = rows_and_unread(&log, &["trigger"]);
        (rows.first().and_then(|row| row.get(1)?.clone()), unread.rows_alone(), unread.count())
    };
    let other = || info_span!("sweeper", trigger = "modification");
    let creation = || Some("creation".to_owned());
    for elsewhere in [Span::none as fn() -> Span, other] {
        assert_eq!(row(true, elsewhere, true), (creation(), 0, 0));
        assert_eq!(row(false, elsewhere, false), (creation(), 0, 0), "text");
    }
    assert_eq!(
        row(false, Span::none, true),
        (None, 2, 0),
        "nothing says what is around the call and the job"
    );
}

#[test]
fn calls_of_json_without_the_list_of_spans_are_counted() {
    let fmt = || tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE).json();
    let calls = || {
        let job = info_span!("auto_assign.job", trigger = "creation", booking_id = 7, restaurant_id = 1);
        job.in_scope(|| {
            info_span!("auto_assign.quote", success = true).in_scope(|| info!("searching"));
            info_span!("auto_assign.quote", success = true).in_scope(|| {});
        });
    };
    for (has_list, alone) in [(true, 0), (false, 2)] {
        let log = log_of_work(|to| fmt().with_span_list(has_list).with_writer(to).finish(), calls);
        assert_eq!(rows_and_unread(&log, &[]).1.rows_alone(), alone, "{}", String::from_utf8_lossy(&log));
    }
}

#[test]
fn a_packed_log_is_read_like_a_plain_one() {
    let log = log_of(|to| {
        tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE).json().with_writer(to).finish()
    });
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let (begin, end) = log.split_at(log.len() / 2);
    gzip.write_all(begin).expect("written");
    let mut packed = gzip.finish().expect("packed");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(end).expect("written");
    packed.extend(gzip.finish().expect("packed"));
    assert_eq!(rows_of(&packed, &KEYS), (expected(), 0), "two members of gzip");

    let zstd =
        |log: &[u8]| ruzstd::encoding::compress_to_vec(log, ruzstd::encoding::CompressionLevel::Fastest);
    let frames = [zstd(begin), zstd(end)].concat();
    assert_eq!(rows_of(&frames, &KEYS), (expected(), 0), "two frames of zstd");

    // As `pzstd` and the seekable format write them.
    let skipped = |text: &[u8]| [&[0x5e, 0x2a, 0x4d, 0x18, text.len() as u8, 0, 0, 0], text].concat();
    let parts =
        [skipped(b"size"), zstd(begin), skipped(b""), skipped(b"more\n"), zstd(end), skipped(b"index")];
    assert_eq!(rows_of(&parts.concat(), &KEYS), (expected(), 0), "skippable frames of zstd");
    let cut = [zstd(&log), skipped(b"index")].concat();
    assert_eq!(rows_of(&cut[..cut.len() - 1], &KEYS), (expected(), 1), "a skippable frame that is cut off");

    for (name, packed) in [("gzip", packed), ("zstd", frames)] {
        let (rows, unread) = rows_of(&packed[..packed.len() * 3 / 4], &KEYS);
        assert!(rows.len() < expected().len() && unread > 0, "{name}: {rows:?}, {unread} unread");
        assert_eq!(rows_of(&packed[..5], &KEYS), (Vec::new(), 1), "{name}");
    }
}

#[test]
fn lines_that_cannot_be_read_are_counted_and_stop_nothing() {
    let mut log = b"\xff\xfe\n{\"event_type\":\n".to_vec();
    log.extend(b"{\"event_type\":\"e\",\"context\":{\"a\":1}}\r\n\n");
    log.extend(vec![b'x'; 5 << 20]);
    log.extend(b"\nno level\n{\"event_type\":\"e\",\"a\":2}");
    let (rows, unread) = rows_of(&log, &["a"]);
    assert_eq!(rows, table(&json!([["e", "1"], ["e", "2"]])));
    assert_eq!(unread, 4);
}

#[test]
fn rows_and_stages_of_the_older_system_have_the_keys_of_today() {
    let log = r#"{"event_type":"auto_assign.quote","context":{"durationMs":12.5,"success":false,"reason":"r","attempt":1}}
[auto-assign][job] attempt.no_hold {"bookingId":"b","attempt":0,"reason":"r"}
12:00 worker [auto-assign][job] attempt.success { bookingId: 'b', attempt: 1, durationMs: 7 }
[auto-assign][job] exhausted {"attempts":4}
[auto-assign][job] scheduled {"reason":"creation"}
[auto-assign][job] exhausted {"attempts":
"#;
    let keys = [
        "planner_duration_ms",
        "planner_success",
        "planner_reason",
        "attempt_index",
        "result",
        "attemptsUsed",
        "totalDurationMs",
    ];
    let (rows, unread) = rows_of(log.as_bytes(), &keys);
    assert_eq!(
        rows,
        table(&json!([
            ["auto_assign.quote", "12.5", "false", "r", "1", null, null, null],
            ["auto_assign.quote", null, "false", "r", "0", null, null, null],
            ["auto_assign.quote", null, "true", null, "1", null, null, null],
            ["auto_assign.summary", null, null, null, null, "succeeded", "2", "7"],
            ["auto_assign.summary", null, null, null, null, "exhausted", "4", null],
        ]))
    );
    assert_eq!(unread, 1);
}

proptest::proptest! {
    #[test]
    fn no_line_panics(line in ".*", seed in "[a-z{}:=\"\\\\ \\[\\]',0-9.]*") {
        let mut calls = Calls::new(&Rules::builtin());
        for text in [line.clone(), format!("INFO {seed}: t: close time.busy=1ms time.idle=1ms"), format!("[auto-assign][job] {seed}")] {
            for names_threads in [false, true] {
                if let Ok((read, _)) = line::read(&text, &mut Dialect { names_threads, ..Dialect::default() }) {
                    calls.take(read, &mut |_| {});
                }
            }
        }
    }
}

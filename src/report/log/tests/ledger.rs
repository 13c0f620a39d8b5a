//! The rows of a log are those that the ledger has made of the same calls.

mod context;
mod outcome;
mod within;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Map;
use tracing::Dispatch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{fmt, registry};

use super::*;
use crate::store::Memory;
use crate::store::read::ReadRow;

const TEXT_AND_JSON: [&str; 2] = ["full", "json"];
const ALL_FORMS: [&str; 5] = ["full", "compact", "json", "bare", "bare json"];

/// Spans without a rule have a row in a log alone.
const UNRULED: [&str; 2] = ["batch", "other"];

/// The columns of a row, without its time.
type RowText = (String, Option<String>, Option<String>, [Option<String>; 2], Value);

/// Asserts that the logs of all these forms at this level have the rows of the ledger.
fn assert_same(rules: &str, forms: &[&str], level: LevelFilter, work: fn()) {
    for form in forms {
        let (ledger, log, unread) = both(rules, form, level, work);
        assert_eq!(format!("{log:#?}"), format!("{ledger:#?}"), "{form}");
        assert_eq!(unread, UnreadLines::default(), "{form}");
    }
}

/// The rows of the ledger and those of the log, and what could not be read.
fn both(
    rules: &str,
    form: &str,
    level: LevelFilter,
    work: fn(),
) -> (Vec<RowText>, Vec<RowText>, UnreadLines) {
    let rules: Rules = rules.parse().expect("good rules");
    let store = Memory::default();
    let (ledger, guard) =
        crate::builder().rules(rules.clone()).on_notice(|_| {}).build_with(store.clone()).expect("a ledger");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let to = Arc::new(file.reopen().expect("opened"));
    let log = log(form, to)
        .with_filter(Targets::new().with_default(level).with_target("tracing_ledger", LevelFilter::OFF));
    tracing::dispatcher::with_default(&Dispatch::new(registry().with(ledger).with(log)), work);
    guard.shutdown(Duration::from_secs(30)).expect("written");
    let rows = store.rows().into_iter().map(|row| {
        let ids = [row.restaurant_id, row.booking_id].map(|id| id.map(|id| id.to_string()));
        let severity = Some(row.severity.as_str().to_owned());
        (row.event_type.to_string(), Some(row.source.to_string()), severity, ids, plain(&row.context))
    });
    let mut logs = Logs::new(vec![file.path().to_owned()], &rules);
    let mut read = Vec::new();
    logs.read_file(file.path(), &mut |row| read.push(row.clone())).expect("readable");
    logs.calls.finish(&mut |row| read.push(row.clone()));
    logs.unread.uncollected = logs.calls.uncollected();
    let read = read.into_iter().map(|row: ReadRow| {
        let context = plain(row.context.as_deref().unwrap_or_default());
        (row.event_type, row.source, row.severity, [row.restaurant_id, row.booking_id], context)
    });
    let sorted = |rows: &mut dyn Iterator<Item = RowText>| {
        let mut rows: Vec<_> = rows.filter(|row| !UNRULED.contains(&&*row.0)).collect();
        if form.starts_with("bare") {
            rows.iter_mut().for_each(|row| row.1 = None);
        }
        rows.sort_by_key(|row| format!("{row:?}"));
        rows
    };
    let (ledger, log) = (sorted(&mut rows.into_iter()), sorted(&mut read.into_iter()));
    (ledger, log, logs.into_unread())
}

type LogLayer = Box<dyn tracing_subscriber::Layer<Inside> + Send + Sync>;
type Inside = tracing_subscriber::layer::Layered<crate::LedgerLayer<registry::Registry>, registry::Registry>;

fn log(form: &str, to: Arc<File>) -> LogLayer {
    let fmt = || fmt::layer().with_ansi(false).with_span_events(FmtSpan::CLOSE);
    match form {
        "full" => fmt().with_writer(to).boxed(),
        "bare" => fmt().with_target(false).with_writer(to).boxed(),
        "compact" => fmt().compact().with_writer(to).boxed(),
        "flat json" => fmt().json().flatten_event(true).with_writer(to).boxed(),
        "bare json" => fmt().json().with_target(false).with_writer(to).boxed(),
        _ => fmt().json().with_writer(to).boxed(),
    }
}

/// Without durations. A log of text does not tell numbers from texts.
fn plain(context: &str) -> Value {
    fn text(value: Value) -> Value {
        match value {
            Value::Object(object) => object.into_iter().map(|(key, value)| (key, text(value))).collect(),
            Value::Bool(_) | Value::Number(_) => value.to_string().into(),
            other => other,
        }
    }
    let object: Map<String, Value> = serde_json::from_str(context).expect("an object");
    let is_duration = |key: &str| key.ends_with("uration_ms") || key.ends_with("urationMs");
    text(object.into_iter().filter(|(key, _)| !is_duration(key)).collect())
}

//! A call whose fields ask or use tracing themselves is one right row, however the subscriber is composed
//! (tokio-rs/tracing#2704).
//!
//! The answer to the inner question stays on the thread, where per-layer filters keep theirs: a layer that goes by it
//! loses the call.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex};

use support::{DEADLINE, alone};
use tracing::field::{Empty, debug};
use tracing::span::Attributes;
use tracing::{Id, Level, Span, Subscriber, info, info_span, instrument, trace};
use tracing_ledger::LedgerLayer;
use tracing_ledger::store::Memory;
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt as print};

const CALLS: usize = 10;

/// What an application does while tracing waits for the value of a field.
const INNER: [(&str, fn()); 6] = [
    ("asks", || {
        let _ = (tracing::enabled!(Level::DEBUG), tracing::span_enabled!(Level::TRACE));
    }),
    ("asks of events", || {
        let _ = tracing::event_enabled!(Level::TRACE);
    }),
    ("emits", || {
        info!("a preview");
        trace!("its details");
    }),
    ("logs", || {
        log::info!("a preview");
        log::trace!("its details");
    }),
    ("opens", || {
        let outer = info_span!("lookup", trigger = "inner").entered();
        info_span!("of_no_rule").in_scope(|| tracing::enabled!(Level::DEBUG));
        drop(outer);
    }),
    ("calls", || info_span!("auto_assign.quote", kind = "inner", success = true).in_scope(|| ())),
];

fn value(inner: fn()) -> u32 {
    inner();
    1
}

/// Does it while it is formatted.
struct Formatted(fn());

impl fmt::Debug for Formatted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0)();
        f.write_str("formatted")
    }
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        tracing::enabled!(Level::DEBUG);
        panic!("a Debug that panics")
    }
}

#[instrument(name = "auto_assign.quote", skip_all, err, fields(kind = format!("{kind}, instrument"), body = value(inner)))]
fn instrumented(kind: &str, inner: fn()) -> Result<u32, String> {
    if kind == "emits" { Err("no tables".into()) } else { Ok(value(inner)) }
}

/// Calls whose fields are expressions that do it, each with a name for its rows.
fn values() {
    for (kind, inner) in INNER {
        info_span!("auto_assign.quote", kind = format!("{kind}, value"), body = value(inner), success = true)
            .in_scope(|| ());
        info!(name: "auto_assign.started", kind = format!("{kind}, event"), body = value(inner));
        instrumented(kind, inner).ok();
    }
}

/// Calls that do it while a field is formatted. Beside `fmt` they would hang, with or without a ledger: it formats
/// under a lock of the span.
fn formatted() {
    for (kind, inner) in INNER {
        info_span!("auto_assign.quote", kind = format!("{kind}, Debug"), body = ?Formatted(inner), success = true)
            .in_scope(|| ());
        info_span!("auto_assign.quote", kind = format!("{kind}, late"), body = Empty, success = Empty)
            .in_scope(|| {
                Span::current().record("body", debug(Formatted(inner)));
                Span::current().record("success", value(inner) == 1);
            });
        info!(name: "auto_assign.started", kind = format!("{kind}, event Debug"), body = ?Formatted(inner));
    }
    info_span!("auto_assign.quote", kind = "panics, Debug", body = ?Panics, success = true).in_scope(|| ());
}

/// Counts the calls that it sees begin, behind a filter of its own.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<usize>>);

impl<S: Subscriber> Layer<S> for Seen {
    fn on_new_span(&self, attrs: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        *self.0.lock().expect("no panic") += usize::from(attrs.metadata().name() == "auto_assign.quote");
    }
}

/// Has every kind of call made under a global subscriber.
fn each_call_is_one_row<S>(
    compose: impl FnOnce(LedgerLayer<Registry>, Box<dyn Layer<Registry> + Send + Sync>) -> S,
    beside_fmt: bool,
) where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let memory = Memory::default();
    let (ledger, guard) = tracing_ledger::builder().build_with::<Registry>(memory.clone()).expect("a ledger");
    let seen = Seen::default();
    let subscriber = compose(ledger, seen.clone().with_filter(EnvFilter::new("info")).boxed());
    // This also hands over what comes through `log`.
    subscriber.try_init().expect("the only one of this process");
    // A backtrace for each panic takes far longer than all calls.
    std::panic::set_hook(Box::new(|_| ()));
    for _ in 0..CALLS {
        values();
        if !beside_fmt {
            formatted();
        }
    }
    drop(std::panic::take_hook());
    guard.shutdown(DEADLINE).expect("memory takes everything");

    let mut rows = BTreeMap::<String, (usize, String)>::new();
    for row in memory.rows() {
        let context: serde_json::Value = serde_json::from_str(&row.context).expect("JSON");
        let kind = context["kind"].as_str().expect("every call has one").to_owned();
        let success = match context["planner_success"].to_string() {
            // An `err`-only function is silent when all is well: that it returned is known once its callsite has proven to
            // be a function, and how soon that is depends on the machine.
            known if known == "true" && kind.ends_with("instrument") => "null".to_owned(),
            success => success,
        };
        let (count, seen) = rows.entry(kind).or_insert((0, success.clone()));
        *count += 1;
        assert_eq!(*seen, success, "{context}");
    }
    let inner = rows.remove("inner").expect("inner calls are calls");
    for (kind, (count, success)) in &rows {
        let wanted = match kind.as_str() {
            "emits, instrument" => "false",
            // An event has no outcome.
            _ if kind.ends_with("instrument") || kind.contains(", event") => "null",
            _ => "true",
        };
        assert_eq!((*count, success.as_str()), (CALLS, wanted), "{kind}");
    }
    assert_eq!(rows.len(), if beside_fmt { INNER.len() * 3 } else { INNER.len() * 6 + 1 });
    if *seen.0.lock().expect("no panic") > 0 && !beside_fmt {
        let calls = CALLS * (INNER.len() * 4 + 1) + inner.0;
        assert_eq!(
            *seen.0.lock().expect("no panic"),
            calls,
            "another layer sees what it saw without a ledger"
        );
    }
}

fn printing<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    print::layer().with_writer(io::sink)
}

#[test]
fn a_call_is_one_row_beside_nothing() {
    alone("asked_within_a_call::a_call_is_one_row_beside_nothing", || {
        each_call_is_one_row(|ledger, _| tracing_subscriber::registry().with(ledger), false);
    });
}

#[test]
fn a_call_is_one_row_with_fmt_first() {
    alone("asked_within_a_call::a_call_is_one_row_with_fmt_first", || {
        each_call_is_one_row(
            |ledger, _| tracing_subscriber::registry().with(printing().and_then(ledger)),
            true,
        );
    });
}

#[test]
fn a_call_is_one_row_with_fmt_last() {
    alone("asked_within_a_call::a_call_is_one_row_with_fmt_last", || {
        each_call_is_one_row(|ledger, _| tracing_subscriber::registry().with(ledger).with(printing()), true);
    });
}

#[test]
fn a_call_is_one_row_with_a_filtered_layer_first() {
    alone("asked_within_a_call::a_call_is_one_row_with_a_filtered_layer_first", || {
        each_call_is_one_row(
            |ledger, other| tracing_subscriber::registry().with(other.and_then(ledger)),
            false,
        );
    });
}

#[test]
fn a_call_is_one_row_with_a_filtered_layer_last() {
    alone("asked_within_a_call::a_call_is_one_row_with_a_filtered_layer_last", || {
        each_call_is_one_row(
            |ledger, other| tracing_subscriber::registry().with(ledger.and_then(other)),
            false,
        );
    });
}

#[test]
fn a_call_is_one_row_with_fmt_and_a_filtered_layer() {
    alone("asked_within_a_call::a_call_is_one_row_with_fmt_and_a_filtered_layer", || {
        each_call_is_one_row(
            |ledger, other| tracing_subscriber::registry().with(ledger.and_then(other)).with(printing()),
            true,
        );
    });
}

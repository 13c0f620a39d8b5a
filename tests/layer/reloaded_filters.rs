//! A filter that begins to hide the events of `ret` while the program runs, by a reload: a call that returned never reads as
//! cancelled.

use std::future::{Future as _, pending};
use std::pin::pin;
use std::task::{Context, Waker};

use support::{DEADLINE, gated};
use tracing::instrument;
use tracing_ledger::store::Memory;
use tracing_ledger::{Builder, Guard, Rules};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{EnvFilter, registry, reload};

#[instrument(ret(level = "trace"), skip_all)]
async fn work(hangs_up: bool) {
    if hangs_up {
        pending::<()>().await;
    }
}

/// One call that returns, and one that is dropped.
fn calls() {
    for hangs_up in [false, true] {
        let mut call = pin!(work(hangs_up));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled.is_pending(), hangs_up);
    }
}

fn builder() -> Builder {
    tracing_ledger::builder().rules("[[rule]]\nspan = 'work'\n".parse::<Rules>().expect("a sound rule"))
}

/// The outcomes of calls under the filter, then under one that hides `ret`, then under the first one again.
fn outcomes(
    subscriber: impl tracing::Subscriber + Send + Sync,
    guard: &Guard,
    memory: &Memory,
    hide: impl Fn(bool),
) -> Vec<String> {
    tracing::subscriber::with_default(subscriber, || {
        calls();
        for is_hidden in [true, false] {
            // The rows of the calls before are judged by what was so then.
            guard.flush(DEADLINE).expect("memory takes everything");
            hide(is_hidden);
            calls();
        }
        guard.flush(DEADLINE).expect("memory takes everything");
    });
    let outcome = |row: tracing_ledger::Row| {
        let context: serde_json::Value = serde_json::from_str(&row.context).expect("JSON");
        context["outcome"].as_str().unwrap_or_default().to_owned()
    };
    memory.rows().into_iter().map(outcome).collect()
}

const WANTED: [&str; 6] = ["ok", "cancelled", "unknown", "unknown", "ok", "cancelled"];

#[test]
fn a_reload_around_the_ledger_makes_no_call_cancelled() {
    let memory = Memory::default();
    let (ledger, guard) = builder().build_with(memory.clone()).expect("a ledger");
    let (filter, handle) = reload::Layer::new(EnvFilter::new("trace"));
    let hide = |is_hidden| {
        handle.reload(EnvFilter::new(if is_hidden { "info" } else { "trace" })).expect("it is there");
    };
    assert_eq!(outcomes(registry().with(ledger).with(filter), &guard, &memory, hide), WANTED);
}

#[test]
fn a_reload_within_the_ledger_makes_no_call_cancelled() {
    let memory = Memory::default();
    let (ledger, guard) = builder().build_with(memory.clone()).expect("a ledger");
    let (filter, handle) = reload::Layer::new(LevelFilter::TRACE);
    let hide = |is_hidden| {
        handle.reload(if is_hidden { LevelFilter::INFO } else { LevelFilter::TRACE }).expect("it is there");
    };
    assert_eq!(outcomes(registry().with(filter).with(ledger), &guard, &memory, hide), WANTED);
}

/// Rows may be made long after their calls, such as after an outage of the database.
#[test]
fn rows_that_are_made_after_the_reload_are_not_cancelled_by_it() {
    let memory = Memory::default();
    let (key, store) = gated(memory.clone());
    let (ledger, guard) = builder().batch_size(1).build_with(store).expect("a ledger");
    let (filter, handle) = reload::Layer::new(LevelFilter::TRACE);
    tracing::subscriber::with_default(registry().with(ledger).with(filter), || {
        calls();
        handle.reload(LevelFilter::INFO).expect("it is there");
        calls();
        key.open();
        guard.flush(DEADLINE).expect("memory takes everything");
    });
    let contexts: Vec<_> = memory.rows().into_iter().map(|row| row.context).collect();
    assert_eq!(contexts.len(), 4);
    let returned = &contexts[2];
    assert!(returned.contains(r#""outcome":"unknown""#), "{returned}");
}

//! The ways in which a program composes its subscriber: each call is one row, or a message says what to write instead.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::{Dispatch, debug_span, info, info_span};
use tracing_ledger::store::Memory;
use tracing_ledger::{Guard, LedgerLayer};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, registry, reload};

const CALLS: usize = 10;

fn ledger<S>() -> (LedgerLayer<S>, Guard, Memory)
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let memory = Memory::default();
    let (layer, guard) = tracing_ledger::builder().build_with(memory.clone()).expect("a ledger");
    (layer, guard, memory)
}

/// Calls within spans that other layers may hide, and the rows that came of them.
#[track_caller]
fn assert_rows(dispatch: impl Into<Dispatch>, guard: Guard, memory: &Memory) {
    tracing::dispatcher::with_default(&dispatch.into(), || {
        for _ in 0..CALLS {
            let _handler = debug_span!("handler", trigger = "creation").entered();
            info_span!("auto_assign.quote", success = true).in_scope(|| info!("beside it"));
        }
    });
    guard.shutdown(support::DEADLINE).expect("memory is there");
    let rows = memory.rows();
    let inherited = rows.iter().filter(|row| row.context.contains(r#""trigger":"creation""#)).count();
    assert_eq!((rows.len(), inherited), (CALLS, CALLS));
}

fn lines<S: tracing::Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    fmt::layer().with_writer(io::sink)
}

#[test]
fn each_call_is_one_row_beside_fmt_with_a_filter() {
    let (ledger, guard, memory) = ledger();
    let lines = lines().with_filter(EnvFilter::new("error"));
    assert_rows(registry().with(lines).with(ledger), guard, &memory);
}

#[test]
fn each_call_is_one_row_in_a_layer_of_two() {
    let (ledger, guard, memory) = ledger::<Registry>();
    assert_rows(ledger.and_then(lines()).with_subscriber(registry()), guard, &memory);
}

#[test]
fn each_call_is_one_row_in_an_option() {
    let (ledger, guard, memory) = ledger();
    assert_rows(registry().with(Some(ledger)).with(lines()), guard, &memory);
}

#[test]
fn each_call_is_one_row_in_a_box() {
    let (ledger, guard, memory) = ledger::<Registry>();
    assert_rows(registry().with(ledger.boxed()).with(lines()), guard, &memory);
}

#[test]
fn each_call_is_one_row_in_a_list() {
    let (ledger, guard, memory) = ledger::<Registry>();
    let others = lines().with_filter(LevelFilter::ERROR).boxed();
    assert_rows(registry().with(vec![others, ledger.boxed()]), guard, &memory);
}

#[test]
fn each_call_is_one_row_with_a_filter_of_the_host() {
    let (ledger, guard, memory) = ledger::<Registry>();
    let filtered = ledger.with_filter(filter_fn(|meta| meta.target().starts_with("layer")));
    assert_rows(registry().with(filtered).with(lines()), guard, &memory);
}

#[test]
fn each_call_is_one_row_in_a_layer_that_can_be_reloaded() {
    let (ledger, guard, memory) = ledger::<Registry>();
    let (ledger, _handle) = reload::Layer::new(ledger);
    assert_rows(registry().with(ledger).with(lines()), guard, &memory);
}

#[test]
fn each_call_is_one_row_beside_a_filter_that_can_be_reloaded() {
    let (ledger, guard, memory) = ledger();
    let (filter, _handle) = reload::Layer::new(LevelFilter::ERROR);
    assert_rows(registry().with(ledger).with(lines().with_filter(filter)), guard, &memory);
}

#[test]
fn each_call_is_one_row_beside_another_ledger() {
    let ((first, guard, memory), (second, other_guard, other_memory)) = (ledger(), ledger());
    assert_rows(registry().with(first).with(second), guard, &memory);
    other_guard.shutdown(support::DEADLINE).expect("memory is there");
    assert_eq!(other_memory.rows().len(), CALLS);
}

/// A subscriber that takes no filters makes `tracing-subscriber` panic; the message says what to write.
#[test]
fn a_subscriber_without_filters_panics_with_what_to_write() {
    fn message<S>(subscriber: S) -> String
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let (ledger, _guard, _) = ledger();
        let composed = catch_unwind(AssertUnwindSafe(|| drop(subscriber.with(ledger))));
        let panic = composed.expect_err("it takes no filters");
        panic
            .downcast_ref::<String>()
            .cloned()
            .or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .expect("a text")
    }

    for message in [
        message(fmt().finish()),
        message(fmt().with_env_filter("info").finish()),
        message(fmt().json().with_max_level(LevelFilter::TRACE).finish()),
        message(fmt().finish().with(lines())),
    ] {
        assert!(message.contains("fmt().finish()"), "{message}");
        assert!(
            message.contains("registry().with(ledger).with(tracing_subscriber::fmt::layer())"),
            "{message}"
        );
    }
}

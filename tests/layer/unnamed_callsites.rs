//! A callsite that no rule names stays disabled.

use std::cell::Cell;

use tracing::{Level, error, info_span, trace_span};
use tracing_ledger::store::Memory;
use tracing_subscriber::{Registry, prelude::*};

/// In a process of its own, because another subscriber may want the callsites.
#[test]
fn callsites_without_a_rule_are_disabled_and_their_fields_are_not_computed() {
    support::alone(
        "unnamed_callsites::callsites_without_a_rule_are_disabled_and_their_fields_are_not_computed",
        disabled,
    );
}

fn disabled() {
    let (ledger, guard) =
        tracing_ledger::builder().build_with::<Registry>(Memory::default()).expect("a ledger");
    let computed = Cell::new(0);
    let compute = || computed.replace(computed.get() + 1);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        assert!(info_span!("of_no_rule", value = compute()).is_disabled());
        assert!(trace_span!("of_no_rule_either").is_disabled());
        error!(value = compute(), "of no rule");
        assert!(!tracing::enabled!(Level::ERROR));

        assert!(!info_span!("auto_assign.quote").is_disabled());
        assert!(!info_span!("carries", trigger = "creation").is_disabled());
    });
    assert_eq!(computed.get(), 0);
    assert_eq!(guard.stats().offered, 1);
}

/// Such an event may belong to `#[instrument(err)]`, whose span may be registered later. So the event is enabled.
#[test]
fn an_error_event_without_a_span_with_a_rule_makes_no_row() {
    let (ledger, guard) =
        tracing_ledger::builder().build_with::<Registry>(Memory::default()).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        info_span!("auto_assign.quote", success = true).in_scope(|| error!(error = "of no span's own"));
    });
    let stats = guard.shutdown(support::DEADLINE).expect("memory takes everything");
    assert_eq!((stats.offered, stats.written), (1, 1));
}

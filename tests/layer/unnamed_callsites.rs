//! A callsite that no rule names stays disabled.

use std::cell::Cell;

use tracing::{Level, error, info_span, trace_span};
use tracing_ledger::store::Memory;
use tracing_subscriber::{Registry, prelude::*};

/// Alone, as another subscriber of the process may want them.
#[test]
fn they_are_disabled_and_their_fields_are_not_even_computed() {
    support::alone("unnamed_callsites::they_are_disabled_and_their_fields_are_not_even_computed", disabled);
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

/// Only its span tells whether an event like that of `#[instrument(err)]` is wanted, and may be registered later.
#[test]
fn an_event_like_that_of_err_makes_no_row_where_no_span_with_a_rule_is() {
    let (ledger, guard) =
        tracing_ledger::builder().build_with::<Registry>(Memory::default()).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        info_span!("auto_assign.quote", success = true).in_scope(|| error!(error = "of no span's own"));
    });
    let stats = guard.shutdown(std::time::Duration::from_secs(60)).expect("memory takes everything");
    assert_eq!((stats.offered, stats.written), (1, 1));
}

//! A callsite that no rule names stays disabled.

use std::cell::Cell;

use tracing::{Level, error, info_span, trace_span};
use tracing_ledger::store::Memory;
use tracing_subscriber::{Registry, prelude::*};

#[test]
fn callsites_without_a_rule_are_disabled_and_their_fields_are_not_computed() {
    let (ledger, guard) =
        tracing_ledger::builder().build_with::<Registry>(Memory::default()).expect("a ledger");
    let computed = Cell::new(0);
    let compute = || computed.replace(computed.get() + 1);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        assert!(info_span!("of_no_rule", value = compute()).is_disabled());
        assert!(trace_span!("of_no_rule_either").is_disabled());
        error!(value = compute(), "of no rule");
        // Looks like the event of `#[instrument(err)]`, but stands beside no span with a rule.
        error!(error = compute());
        assert!(!tracing::enabled!(Level::ERROR));

        assert!(!info_span!("auto_assign.quote").is_disabled());
        assert!(!info_span!("carries", trigger = "creation").is_disabled());
    });
    assert_eq!(computed.get(), 0);
    assert_eq!(guard.stats().offered, 1);
}

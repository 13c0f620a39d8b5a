//! What is lost or cannot be known is said on stderr: once, and with the remedy.

use std::process::Command;

use tracing::{info_span, instrument};
use tracing_ledger::store::Memory;
use tracing_subscriber::{Registry, prelude::*};

/// Names to the child what it is to do.
const CHILD: &str = "TRACING_LEDGER_TEST_SAYS";

/// What a process that does `what` says on stderr.
fn said_by(what: &str) -> String {
    let output = Command::new(std::env::current_exe().expect("the test knows itself"))
        .args(["--exact", "in_a_process_of_its_own", "--nocapture"])
        .env(CHILD, what)
        .output()
        .expect("the test starts itself");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stderr).expect("it speaks text")
}

#[instrument(name = "quote_tables_for_booking", err)]
fn says_nothing_when_all_is_well() -> Result<(), String> {
    Ok(())
}

#[test]
fn in_a_process_of_its_own() {
    let Ok(what) = std::env::var(CHILD) else { return };
    let (ledger, guard) =
        tracing_ledger::builder().build_with::<Registry>(Memory::default()).expect("a ledger");
    let registry = tracing_subscriber::registry().with(ledger);
    let call = || says_nothing_when_all_is_well().expect("all is well");
    match &*what {
        "an unknown outcome" => {
            tracing::subscriber::with_default(registry, || (0..3).for_each(|_| call()));
            drop(guard);
        }
        "a guard dropped at once" => {
            drop(guard);
            tracing::subscriber::with_default(registry, || {
                (0..3).for_each(|_| info_span!("auto_assign.quote", success = true).in_scope(|| ()));
            });
        }
        other => panic!("what is {other:?}?"),
    }
}

#[test]
fn an_outcome_nobody_can_know_is_said_once_with_the_remedy() {
    let said = said_by("an unknown outcome");
    assert_eq!(said.matches("tracing-ledger: ").count(), 1, "{said}");
    assert!(said.contains("\"quote_tables_for_booking\"") && said.contains("silent = \"ok\""), "{said}");
}

#[test]
fn a_guard_that_is_dropped_at_once_is_said_once_with_the_remedy() {
    let said = said_by("a guard dropped at once");
    assert_eq!(said.matches("tracing-ledger: ").count(), 1, "{said}");
    assert!(said.contains("let (ledger, guard)"), "{said}");
}

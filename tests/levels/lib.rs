//! The notices where the compiler has removed the spans that a rule names. A package of its own, because features are shared by all
//! that is built together.
#![cfg(test)]

use std::future::Future;
use std::pin::pin;
use std::process::Command;
use std::task::{Context, Waker};
use std::time::Duration;

use tracing::{debug_span, info_span, instrument};
use tracing_ledger::Rules;
use tracing_ledger::store::Memory;
use tracing_subscriber::prelude::*;

/// Tells the child its task.
const CHILD: &str = "LEDGER_TEST_LEVELS";
const COMPILED: &str = "; this program was compiled without spans and events more verbose than info \
     (a feature such as release_max_level_info of tracing)";

/// What the ledger says on the stderr of a process that does `what`, after the line at the start.
fn words_by(what: &str) -> Vec<String> {
    let output = Command::new(std::env::current_exe().expect("the test knows itself"))
        .args(["--exact", "the_child_process_does_what_it_is_told", "--nocapture"])
        .env(CHILD, what)
        .output()
        .expect("the test starts itself");
    let stderr = String::from_utf8(output.stderr).expect("it speaks text");
    assert!(output.status.success(), "{stderr}");
    stderr
        .lines()
        .filter_map(|line| line.strip_prefix("tracing-ledger: "))
        .skip(1)
        .map(str::to_owned)
        .collect()
}

/// The compiler removes the event of this `ret`.
#[instrument(ret(level = "trace"))]
async fn silent() {}

#[instrument(ret(level = "info"))]
async fn told() {}

fn end(call: impl Future<Output = ()>) {
    assert!(pin!(call).poll(&mut Context::from_waker(Waker::noop())).is_ready());
}

#[test]
fn the_child_process_does_what_it_is_told() {
    let Ok(what) = std::env::var(CHILD) else { return };
    if what == "async functions" {
        return async_functions();
    }
    let rules: Rules =
        "[[rule]]\nspan = \"detail\"\n[[rule]]\nspan = \"work\"\n".parse().expect("good rules");
    let (ledger, guard) =
        tracing_ledger::builder().rules(rules).build_with(Memory::default()).expect("a ledger");
    tracing_subscriber::registry().with(ledger).init();
    if what == "a span of each level" {
        info_span!("work", success = true).in_scope(|| ());
    }
    debug_span!("detail").in_scope(|| ());
    guard.shutdown(Duration::from_secs(300)).expect("memory takes everything");
}

fn async_functions() {
    let rules: Rules = "[[rule]]\nspan = [\"silent\", \"told\"]\n".parse().expect("good rules");
    let memory = Memory::default();
    let (ledger, guard) =
        tracing_ledger::builder().rules(rules).build_with(memory.clone()).expect("a ledger");
    tracing_subscriber::registry().with(ledger).init();
    end(silent());
    end(told());
    guard.shutdown(Duration::from_secs(300)).expect("memory takes everything");
    let rows = memory.rows();
    let outcome = |row: &tracing_ledger::Row| row.context.contains("\"outcome\":\"ok\"");
    assert_eq!(rows.iter().map(outcome).collect::<Vec<_>>(), [false, true]);
}

#[test]
fn the_remedy_of_an_unknown_outcome_is_one_that_the_compiler_leaves_in_the_program() {
    let said = words_by("async functions");
    assert_eq!(said.len(), 1, "{said:#?}");
    assert!(said[0].starts_with("the outcome of \"silent\" (tests/levels/lib.rs:"), "{said:#?}");
    let remedy = "unless all were dropped, write `ret(level = \"info\")` in its #[instrument]";
    let cause = "this program was compiled without events more verbose than info (a feature such as release_max_level_info of \
                 tracing)";
    assert!(said[0].contains(remedy) && said[0].contains(cause), "{said:#?}");
}

#[test]
fn a_rule_that_names_a_span_that_the_compiler_has_removed_is_named() {
    let said = words_by("a span of each level");
    assert_eq!(said, [format!("rule 1 (span = \"detail\") has met no span{COMPILED}")]);
}

#[test]
fn a_program_from_which_the_compiler_has_removed_everything_is_named() {
    let said = words_by("only what is removed");
    let wanted =
        format!("no span and no event of the program came to the ledger, so there are no rows{COMPILED}");
    assert_eq!(said, [wanted]);
}

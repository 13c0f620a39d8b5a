//! Losses and unknown outcomes are printed on stderr once, with the remedy.

use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use support::{DEADLINE, gated, this_test};
use tracing::{info_span, instrument};
use tracing_ledger::store::{Failure, Memory};
use tracing_ledger::{Rule, Rules};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::{EnvFilter, Registry, prelude::*};

/// Tells the child its task.
const CHILD: &str = "LEDGER_TEST_SAYS";

/// Set to the longest time there is, for the child that asks the environment.
const INTERVALS: [&str; 2] = ["TRACING_LEDGER_FLUSH_INTERVAL", "TRACING_LEDGER_SPOOL_SYNC_INTERVAL"];

/// The stderr of a process that does `what`.
fn said_by(what: &str) -> String {
    let variables =
        what.ends_with("in the environment").then(|| INTERVALS.map(|name| (name, "18446744073709551615s")));
    let output = this_test("on_stderr::the_child_process_does_what_it_is_told")
        .env(CHILD, what)
        .envs(variables.into_iter().flatten())
        .output()
        .expect("the test starts itself");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stderr).expect("it speaks text");
    // The line of each start.
    said.lines()
        .filter(|line| !line.starts_with("tracing-ledger: on: "))
        .map(|line| line.to_owned() + "\n")
        .collect()
}

#[instrument(name = "quote_tables_for_booking", err)]
async fn says_nothing_when_all_is_well() -> Result<(), String> {
    Ok(())
}

#[instrument(ret(level = "trace"))]
async fn returns() {}

#[instrument]
async fn waits() {}

#[instrument(ret(level = "trace"), skip_all)]
async fn answers(is_there: bool) {
    if !is_there {
        std::future::pending().await
    }
}

#[instrument(ret(level = "trace"), skip_all)]
async fn answers_later(is_there: bool) {
    answers(is_there).await
}

/// Whether the call has returned; otherwise it is dropped.
fn returns_at_once(call: impl Future<Output = ()>) -> bool {
    pin!(call).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Calls of two functions are dropped, and then a call of one of them returns.
fn cold_start() {
    let rules = Rules::from_rules([Rule::span("answers"), Rule::span("answers_later")]).expect("sound rules");
    let (layer, guard) =
        tracing_ledger::builder().rules(rules).build_with(Memory::default()).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for _ in 0..3 {
            assert!(!returns_at_once(answers(false)));
            assert!(!returns_at_once(answers_later(false)));
            guard.flush(DEADLINE).expect("memory is there");
        }
        assert!(returns_at_once(answers(true)));
        guard.shutdown(DEADLINE).expect("memory is there");
    });
}

#[test]
fn the_child_process_does_what_it_is_told() {
    let Ok(what) = std::env::var(CHILD) else { return };
    match &*what {
        "intervals without end" => {
            return writes(
                tracing_ledger::builder()
                    .flush_interval(std::time::Duration::MAX)
                    .spool_sync_interval(std::time::Duration::MAX),
            );
        }
        "intervals without end in the environment" => {
            return writes(tracing_ledger::builder().with_env().expect("they are times"));
        }
        _ => {}
    }
    let (ledger, guard) =
        tracing_ledger::builder().build_with::<Registry>(Memory::default()).expect("a ledger");
    let registry = tracing_subscriber::registry().with(ledger);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let call = || runtime.block_on(says_nothing_when_all_is_well()).expect("all is well");
    match &*what {
        "an unknown outcome" => {
            tracing::subscriber::with_default(registry, || (0..3).for_each(|_| call()));
            drop(guard);
        }
        "outcomes that no event tells" => {
            drop(guard);

            let rules = Rules::from_rules([
                Rule::span("returns"),
                Rule::span("waits").success_below("status", 500.0),
            ]);
            let builder = tracing_ledger::builder().rules(rules.expect("sound rules"));
            let hides = dynamic_filter_fn(|meta, _| meta.is_span());
            let (layer, guard) = builder.build_with(Memory::default()).expect("a ledger");
            tracing::subscriber::with_default(tracing_subscriber::registry().with(hides).with(layer), || {
                (0..3).for_each(|_| runtime.block_on(async { (returns().await, waits().await).1 }));
            });
            guard.shutdown(DEADLINE).expect("memory is there");
        }
        "a cold start" => {
            drop(guard);
            cold_start();
        }
        "a filter around all" => {
            drop(guard);
            let rules = Rules::from_rules([Rule::span("returns")]).expect("sound rules");
            let (layer, guard) =
                tracing_ledger::builder().rules(rules).build_with(Memory::default()).expect("a ledger");
            let around = tracing_subscriber::registry().with(layer).with(EnvFilter::new("info"));
            tracing::subscriber::with_default(around, || {
                (0..3).for_each(|_| runtime.block_on(returns()));
                guard.shutdown(DEADLINE).expect("memory is there");
            });
        }
        "two guards dropped at once" => {
            drop(guard);
            let calls =
                || (0..3).for_each(|_| info_span!("auto_assign.quote", success = true).in_scope(|| ()));
            tracing::subscriber::with_default(registry, calls);
            let (second, _) =
                tracing_ledger::builder().build_with::<Registry>(Memory::default()).expect("a ledger");
            tracing::subscriber::with_default(tracing_subscriber::registry().with(second), calls);
        }
        "a queue that is full twice" => {
            let (_closed, store) = gated(Memory::default());
            let builder = tracing_ledger::builder().queue_capacity(2).batch_size(1);
            let (layer, guard) = builder.build_with::<Registry>(store).expect("a ledger");
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                // The writer prints it within the first time, on a busy machine too.
                for time in [Duration::from_secs(2), Duration::from_millis(100)] {
                    (0..10).for_each(|_| tracing::info!(name: "auto_assign.started", "many"));
                    guard.flush(time).expect_err("the store hangs");
                }
            });
            guard.shutdown(Duration::ZERO).expect_err("the store hangs");
        }
        "a database that fails and comes back" => {
            let memory = Memory::default();
            let builder = tracing_ledger::builder().flush_interval(DEADLINE);
            let (layer, guard) = builder.build_with::<Registry>(memory.clone()).expect("a ledger");
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                for _ in 0..2 {
                    memory.fail_next(Failure::Retry, 2);
                    tracing::info!(name: "auto_assign.started", "one");
                    guard.flush(DEADLINE).expect("it comes back");
                }
            });
        }
        "a file that drives terminals" => {
            let dir = tempfile::tempdir().expect("a temporary folder");
            let spool = dir.path().join("spool");
            fs::DirBuilder::new().mode(0o700).create(&spool).expect("a folder is made");
            fs::write(spool.join("replay.jsonl"), r#"{"\u001b[2J\u202e\n": 1}"#).expect("a file is written");
            let builder = tracing_ledger::builder().spool_dir(spool);
            drop(builder.build_with::<Registry>(Memory::default()).expect("a ledger"));
        }
        other => panic!("what is {other:?}?"),
    }
}

fn writes(builder: tracing_ledger::Builder) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let builder = builder.spool_dir(dir.path().join("spool"));
    let (ledger, guard) = builder.build_with::<Registry>(Memory::default()).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        for row in 1..10 {
            tracing::info!(name: "auto_assign.started", row);
            assert_eq!(guard.flush(support::DEADLINE).expect("memory is there").written, row);
        }
    });
    assert_eq!(guard.shutdown(support::DEADLINE).expect("memory is there").written, 9);
}

#[test]
fn an_unknown_outcome_is_printed_once_with_the_remedy() {
    let said = said_by("an unknown outcome");
    assert_eq!(said.matches("tracing-ledger: ").count(), 1, "{said}");
    assert!(
        said.contains("\"quote_tables_for_booking\"") && said.contains("ret(level = \"trace\")"),
        "{said}"
    );
}

/// Advice that cannot be followed is worse than none.
#[test]
fn an_unknown_outcome_is_explained_by_what_stands_in_its_way() {
    let said = said_by("outcomes that no event tells");
    let hidden = said.lines().find(|line| line.contains("\"returns\"")).unwrap_or_default();
    assert!(hidden.contains("another filter hides the event that its `ret` emits"), "{said}");
    let undeclared = said.lines().find(|line| line.contains("the outcome of \"waits\"")).unwrap_or_default();
    assert!(
        undeclared.contains("reads the success from \"status\", which the span does not declare"),
        "{said}"
    );
}

/// Tracing registers the event of `ret` when a call returns for the first time.
#[test]
fn calls_that_are_dropped_before_one_has_returned_bring_no_advice_that_was_followed() {
    let said = said_by("a cold start");
    assert!(!said.contains("the outcome of \"answers\""), "one has returned: {said}");
    let told: Vec<_> =
        said.lines().filter(|line| line.contains("the outcome of \"answers_later\"")).collect();
    let [told] = told[..] else { panic!("{said}") };
    let words = "no call has reported so far what it returned; unless all were dropped, write `ret(level = \"trace\")`";
    assert!(told.contains(words), "{told}");
}

/// The filter keeps the event of `ret` from the ledger even before tracing asks for it.
#[test]
fn an_unknown_outcome_is_explained_by_the_filter_around_all_layers() {
    let said = said_by("a filter around all");
    let told: Vec<_> = said.lines().filter(|line| line.contains("the outcome of \"returns\"")).collect();
    let [told] = told[..] else { panic!("{said}") };
    for part in [
        "let nothing more verbose than info through",
        "attach each filter to the layer",
        "`ret(level = \"info\")`",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(!told.contains("write `ret(level = \"trace\")`"), "{told}");
}

#[test]
fn a_guard_that_is_dropped_at_once_is_reported_once_per_ledger_with_the_remedy() {
    let said = said_by("two guards dropped at once");
    assert_eq!(said.matches("tracing-ledger: a span ended after its guard was").count(), 2, "{said}");
    assert_eq!(said.matches("tracing-ledger: there was no subscriber while the guard").count(), 1, "{said}");
    assert_eq!(
        said.matches("tracing-ledger: the subscriber with the layer has not been installed").count(),
        1,
        "{said}"
    );
    assert_eq!(said.matches("tracing-ledger: ").count(), 4, "{said}");
    assert_eq!(said.matches("let (ledger, guard)").count(), 3, "{said}");
}

#[test]
fn losses_of_one_kind_are_printed_once() {
    let said = said_by("a queue that is full twice");
    assert_eq!(said.matches("tracing-ledger: the queue is full and ").count(), 1, "{said}");
}

#[test]
fn a_failure_of_the_database_is_printed_once_and_its_end_once() {
    let said = said_by("a database that fails and comes back");
    assert_eq!(said.matches("tracing-ledger: the database cannot be written; ").count(), 1, "{said}");
    assert_eq!(said.matches("tracing-ledger: rows are being written again").count(), 1, "{said}");
}

#[test]
fn the_contents_of_a_file_control_no_terminal() {
    let said = said_by("a file that drives terminals");
    assert!(said.contains(r"unknown field `\u{1b}[2J\u{202e}\u{a}`"), "{said}");
    let counts =
        "replay.jsonl was read: 0 of its rows are sent again, and 1 of its lines stay there; line 1 of";
    assert!(said.contains(counts), "{said}");
    assert!(!said.contains(['\u{1b}', '\u{202e}']), "{said:?}");
}

#[test]
fn intervals_without_end_cost_nothing() {
    for what in ["intervals without end", "intervals without end in the environment"] {
        let said = said_by(what);
        assert!(!said.contains("tracing-ledger") && !said.contains("panicked"), "{said}");
    }
}

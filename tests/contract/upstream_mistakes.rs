//! The mistakes of the system that the demo imitates (examples/booking/README.md), one test each: they cannot happen here.

use std::panic::catch_unwind;
use std::time::{Duration, SystemTime};

use support::{Cluster, DEADLINE, Ledger, SOON, gated, until_failing};
use tracing::field::Empty;
use tracing::{Span, info_span, instrument};
use tracing_ledger::store::Memory;
use tracing_subscriber::{Registry, prelude::*};

#[instrument(name = "quote_tables_for_booking", fields(success = Empty), err)]
fn quote(fails: bool) -> Result<(), String> {
    if fails {
        return Err("rpc error".into());
    }
    Span::current().record("success", true);
    Ok(())
}

#[test]
fn a_call_does_not_wait_for_the_database() {
    let memory = Memory::default();
    let (gate, store) = gated(memory.clone());
    let (ledger, guard) = tracing_ledger::builder()
        .flush_interval(Duration::from_millis(1))
        .build_with::<Registry>(store)
        .expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        // The job ends although nothing can be written: waiting for the database would hang here for ever.
        info_span!("auto_assign.job", result = "succeeded").in_scope(|| quote(false).expect("it succeeds"));
    });
    assert_eq!((guard.stats().in_flight, memory.rows().len()), (2, 0));
    gate.open();
    assert_eq!(guard.shutdown(DEADLINE).expect("everything is written").written, 2);
}

#[test]
fn a_failure_after_a_good_quote_writes_no_second_quote() {
    #[instrument(name = "auto_assign.job", fields(result = Empty), err)]
    fn job() -> Result<(), String> {
        quote(false)?;
        Err("the mail server is down".into())
    }
    let ledger = Ledger::memory();
    ledger.run(job).expect_err("the email fails");
    assert_eq!(ledger.quote().get("planner_success"), true);
    assert_eq!(ledger.summary().get("result"), "error");
}

#[test]
fn rejected_rows_are_counted_kept_and_shown() {
    let url = Cluster::shared().database_after(
        "ALTER TABLE observability_events ADD CHECK (context->>'table' IS DISTINCT FROM 'cursed')",
    );
    let (ledger, guard) = tracing_ledger::layer::<Registry>(&url).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), || {
        for table in 0..100 {
            let table = if table == 50 { "cursed" } else { "fine" };
            info_span!("auto_assign.quote", success = true, table).in_scope(|| ());
        }
    });
    let stats = guard.flush(DEADLINE).expect("each row is written or quarantined");
    assert_eq!((stats.written, stats.quarantined, stats.in_flight), (99, 1, 0));
    let [kept] = &guard.quarantined()[..] else { panic!("one row is quarantined") };
    assert!(format!("{kept:?}").contains("cursed"));
}

#[test]
fn times_are_those_of_the_call_not_of_the_insert() {
    let memory = Memory::default();
    let (gate, store) = gated(memory.clone());
    let (ledger, guard) = tracing_ledger::builder().build_with::<Registry>(store).expect("a ledger");
    let registry = tracing_subscriber::registry().with(ledger);
    tracing::subscriber::with_default(registry, || quote(false).expect("it succeeds"));
    let ended = SystemTime::now();
    // Nothing could be inserted before this.
    gate.open();
    guard.shutdown(DEADLINE).expect("everything is written");
    let [row] = &memory.rows()[..] else { panic!("one row") };
    // The two clocks are read one after the other: a millisecond of grace.
    assert!(row.created_at <= ended + Duration::from_millis(1));
}

#[test]
fn attempts_count_successes_and_exceptions() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        info_span!("auto_assign.job", result = "succeeded").in_scope(|| {
            quote(true).expect_err("it fails");
            catch_unwind(|| info_span!("auto_assign.quote").in_scope(|| panic!("it panics")))
                .expect_err("it does");
            quote(false).expect("it succeeds");
        });
    });
    assert_eq!(ledger.summary().get("attemptsUsed"), 3);
}

#[test]
fn a_shutdown_without_a_table_is_no_success() {
    let url = Cluster::shared().empty_database();
    let (ledger, guard) = tracing_ledger::layer::<Registry>(&url).expect("a ledger");
    let registry = tracing_subscriber::registry().with(ledger);
    tracing::subscriber::with_default(registry, || quote(false).expect("it succeeds"));
    until_failing(&guard);
    let error = guard.shutdown(SOON).expect_err("there is no table");
    assert!(error.is_timeout());
    let message = error.to_string();
    assert!(message.contains("observability_events") && message.contains("create_table"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_is_recorded_once_as_cancelled() {
    #[instrument(name = "quote_tables_for_booking", fields(success = Empty))]
    async fn slow() {
        tokio::time::sleep(Duration::from_secs(13)).await;
        Span::current().record("success", true);
    }
    let ledger = Ledger::memory();
    let _default = tracing::dispatcher::set_default(&ledger.dispatch);
    tokio::time::timeout(Duration::from_secs(12), slow()).await.expect_err("it times out");
    // Past the moment of the late success that overwrote the timeout.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(ledger.quote().get("outcome"), "cancelled");
}

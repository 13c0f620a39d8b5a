//! A planner call whose future is dropped before it finished.

use std::time::Duration;

use tracing::field::Empty;
use tracing::{Span, instrument};

use support::{Ledger, StoredRow};

/// Declares `success`: a silent end is a cancelled one.
#[instrument(name = "quote_tables_for_booking", skip_all, fields(success = Empty))]
async fn hangs_in(wait: impl Future<Output = ()>) {
    wait.await;
    Span::current().record("success", true);
}

/// Declares nothing, but is seen to report by `ret`.
#[instrument(name = "quote_tables_for_booking", skip_all, ret)]
async fn returns_after(wait: impl Future<Output = ()>) -> u32 {
    wait.await;
    7
}

#[track_caller]
fn assert_cancelled(row: &StoredRow) {
    assert_eq!(row.severity, "warning");
    assert_eq!(row.get("outcome"), "cancelled");
    assert_eq!(row.get("planner_success"), false);
    assert_eq!(row.get("planner_reason"), "quote.exception");
    assert_eq!(row.get("planner_reason_code"), "unknown");
    assert!(!row.keys().contains(&"planner_error"));
    assert!(row.ms("planner_duration_ms") >= 0.0);
}

/// The first of two calls returns, and the second is dropped.
#[track_caller]
fn assert_second_cancelled(returns: impl Future<Output = u32>, hangs: impl Future<Output = u32>) {
    let ledger = Ledger::memory();
    ledger.block_on(async {
        returns.await;
        tokio::time::timeout(Duration::from_secs(1), hangs).await.expect_err("it times out");
    });
    let rows = ledger.quotes();
    assert_eq!(rows[0].get("outcome"), "ok");
    assert_cancelled(&rows[1]);
}

#[test]
fn a_timeout_cancels_the_call_and_it_is_recorded_once() {
    Ledger::on_every_store(|ledger| {
        ledger.block_on(async {
            let call = hangs_in(std::future::pending());
            tokio::time::timeout(Duration::from_secs(12), call).await.expect_err("it times out");
        });
        assert_cancelled(&ledger.quote());
    });
}

#[test]
fn an_aborted_task_is_cancelled() {
    let ledger = Ledger::memory();
    ledger.block_on(async {
        let (started, has_started) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(hangs_in(async {
            started.send(()).expect("the test waits");
            std::future::pending().await
        }));
        has_started.await.expect("the call has begun");
        task.abort();
        assert!(task.await.is_err_and(|error| error.is_cancelled()));
    });
    assert_cancelled(&ledger.quote());
}

#[test]
fn a_dropped_runtime_cancels_its_calls() {
    let ledger = Ledger::memory();
    ledger.block_on(async {
        drop(tokio::spawn(hangs_in(std::future::pending())));
        // The call begins; the runtime is dropped with it pending.
        tokio::task::yield_now().await;
    });
    assert_cancelled(&ledger.quote());
}

#[test]
fn a_future_that_was_never_polled_makes_no_row() {
    let ledger = Ledger::memory();
    ledger.block_on(async { drop(hangs_in(std::future::pending())) });
    assert_eq!(ledger.quotes().len(), 0);
}

#[test]
fn silence_is_cancellation_once_the_callsite_was_seen_to_report() {
    assert_second_cancelled(returns_after(std::future::ready(())), returns_after(std::future::pending()));
}

#[test]
fn a_success_before_the_drop_stands() {
    #[instrument(name = "quote_tables_for_booking", skip_all, fields(success = Empty))]
    async fn succeeds_then_hangs() {
        Span::current().record("success", true);
        std::future::pending::<()>().await;
    }
    let ledger = Ledger::memory();
    ledger.block_on(async {
        tokio::time::timeout(Duration::from_secs(1), succeeds_then_hangs()).await.expect_err("it times out");
    });
    assert_eq!(ledger.quote().get("outcome"), "ok");
}

#[test]
fn a_success_before_the_drop_does_not_stand_where_the_call_tells_what_it_returns() {
    #[instrument(name = "quote_tables_for_booking", skip_all, fields(success = Empty), ret)]
    async fn succeeds_then_waits(wait: impl Future<Output = ()>) -> u32 {
        Span::current().record("success", true);
        wait.await;
        7
    }
    let (returns, hangs) =
        (succeeds_then_waits(std::future::ready(())), succeeds_then_waits(std::future::pending()));
    assert_second_cancelled(returns, hangs);
}

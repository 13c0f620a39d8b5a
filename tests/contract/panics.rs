//! A planner call that panics.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tracing::field::Empty;
use tracing::{Instrument, info_span, instrument};

use support::{Ledger, StoredRow};

#[instrument(name = "quote_tables_for_booking", fields(success = Empty))]
fn panics() {
    panic!("table 7 is on fire");
}

#[instrument(name = "quote_tables_for_booking", fields(success = Empty))]
async fn panics_later() {
    tokio::task::yield_now().await;
    panic!("table {} is on fire", 8);
}

#[track_caller]
fn assert_panicked(row: &StoredRow, message: &str) {
    assert_eq!(row.severity, "warning");
    assert_eq!(row.get("outcome"), "panic");
    assert_eq!(row.get("planner_success"), false);
    assert_eq!(row.get("planner_reason"), "quote.exception");
    assert_eq!(row.get("planner_reason_code"), "unknown");
    assert_eq!(row.get("planner_error"), message);
    assert!(row.ms("planner_duration_ms") >= 0.0);
}

#[test]
fn a_panic_is_recorded_and_goes_on() {
    Ledger::on_every_store(|ledger| {
        let payload = catch_unwind(AssertUnwindSafe(|| ledger.run(panics))).expect_err("it goes on");
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"table 7 is on fire"));
        assert_panicked(&ledger.quote(), "table 7 is on fire");
    });
}

#[test]
fn a_panic_of_a_future_is_recorded() {
    let ledger = Ledger::memory();
    // Tokio catches the panic of a task and closes its span only afterwards.
    let joined = ledger.block_on(async { tokio::spawn(panics_later()).await });
    assert!(joined.is_err_and(|error| error.is_panic()));
    assert_panicked(&ledger.quote(), "table 8 is on fire");
}

#[test]
fn a_panic_caught_around_the_poll_is_still_a_panic() {
    let ledger = Ledger::memory();
    ledger.block_on(async {
        let mut call = Box::pin(panics_later());
        let caught =
            std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(cx))) {
                Ok(poll) => poll.map(Ok),
                Err(payload) => std::task::Poll::Ready(Err(payload)),
            });
        caught.await.expect_err("it panicked");
        // Only now is the future dropped, with nobody unwinding any more.
        drop(call);
    });
    assert_panicked(&ledger.quote(), "table 8 is on fire");
}

#[test]
fn a_call_that_returns_while_a_panic_unwinds_is_ok() {
    struct QuotesInDrop;
    impl Drop for QuotesInDrop {
        fn drop(&mut self) {
            info_span!("auto_assign.quote", success = true).in_scope(|| ());
        }
    }
    let ledger = Ledger::memory();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        ledger.run(|| {
            let _quotes = QuotesInDrop;
            panic!("an unrelated panic");
        })
    }));
    assert!(unwound.is_err());
    let row = ledger.quote();
    assert_eq!((row.get("outcome"), row.get("planner_success")), (&"ok".into(), &true.into()));
}

#[test]
fn a_future_dropped_by_an_unrelated_panic_is_cancelled() {
    let ledger = Ledger::memory();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        ledger.run(|| {
            let span = info_span!("auto_assign.quote", success = Empty);
            let mut call = std::pin::pin!(std::future::pending::<()>().instrument(span));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut context).is_pending());
            panic!("an unrelated panic");
        })
    }));
    assert!(unwound.is_err());
    assert_eq!(ledger.quote().get("outcome"), "cancelled");
}

#[test]
fn a_panic_passed_on_does_not_borrow_an_older_message() {
    let ledger = Ledger::memory();
    let payload = catch_unwind(|| panic!("an older panic")).expect_err("it panics");
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        ledger.run(|| info_span!("auto_assign.quote", success = Empty).in_scope(|| resume_unwind(payload)))
    }));
    assert!(unwound.is_err());
    assert_panicked(&ledger.quote(), "panicked");
}

#[instrument(name = "quote_tables_for_booking")]
fn says(what: &str) {
    panic!("{what}");
}

#[test]
fn the_text_of_a_panic_past_the_limit_is_cut_and_marked() {
    for (len, kept, is_marked) in [(2048, 2048, false), (3000, 2048, true)] {
        let ledger = Ledger::memory();
        catch_unwind(AssertUnwindSafe(|| ledger.run(|| says(&"x".repeat(len))))).expect_err("it goes on");
        let row = ledger.quote();
        assert_eq!(row.get("planner_error").as_str().map(str::len), Some(kept));
        assert_eq!(row.context.get("_truncated").is_some(), is_marked);
    }
}

//! A planner call that returns `Err`.

use std::fmt;

use serde_json::Value;
use tracing::field::Empty;
use tracing::{Span, info_span, instrument};

use support::Ledger;

#[derive(Debug)]
struct RpcError;

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rpc error: deadlock detected")
    }
}

impl std::error::Error for RpcError {}

#[instrument(name = "quote_tables_for_booking", err, fields(success = Empty))]
fn reports_errors(fails: bool) -> Result<u32, RpcError> {
    if fails { Err(RpcError) } else { Ok(3) }
}

#[instrument(name = "quote_tables_for_booking", ret)]
fn reports_returns(fails: bool) -> Result<u32, RpcError> {
    if fails { Err(RpcError) } else { Ok(3) }
}

#[instrument(name = "quote_tables_for_booking", err(level = "trace"), ret(level = "trace"), level = "trace")]
async fn reports_both(fails: bool) -> Result<u32, RpcError> {
    tokio::task::yield_now().await;
    if fails { Err(RpcError) } else { Ok(3) }
}

#[track_caller]
fn assert_failed_by_exception(ledger: &Ledger) {
    let row = ledger.quote();
    assert_eq!(row.severity, "warning");
    assert_eq!(row.get("outcome"), "error");
    assert_eq!(row.get("planner_success"), false);
    assert_eq!(row.get("planner_reason"), "quote.exception");
    assert_eq!(row.get("planner_reason_category"), "transient");
    assert!(row.ms("planner_duration_ms") >= 0.0);
}

#[test]
fn an_err_is_a_failure_by_exception_and_reaches_the_caller() {
    Ledger::on_every_store(|ledger| {
        let returned = ledger.run(|| reports_errors(true));
        assert!(returned.is_err_and(|error| error.to_string() == "rpc error: deadlock detected"));
        assert_failed_by_exception(ledger);
        let row = ledger.quote();
        assert_eq!(row.get("planner_error"), "rpc error: deadlock detected");
        assert_eq!(row.get("planner_reason_code"), "transient.rpc_error");
    });
}

#[test]
fn ret_alone_tells_an_err_from_an_ok() {
    let ledger = Ledger::memory();
    ledger.run(|| reports_returns(true)).expect_err("the error goes on to the caller");
    let failed = ledger.quote();
    assert_eq!((failed.get("outcome"), failed.get("planner_success")), (&"error".into(), &false.into()));
    ledger.run(|| reports_returns(false)).expect("the value goes on to the caller");
    let returned = &ledger.quotes()[1];
    assert_eq!((returned.get("outcome"), returned.get("planner_success")), (&"ok".into(), &true.into()));
}

#[test]
fn err_and_ret_count_at_whatever_level_they_speak() {
    let ledger = Ledger::memory();
    ledger.block_on(reports_both(true)).expect_err("the error goes on to the caller");
    assert_failed_by_exception(&ledger);
    ledger.block_on(reports_both(false)).expect("the value goes on to the caller");
    assert_eq!(ledger.quotes()[1].get("outcome"), "ok");
}

#[test]
fn an_error_event_of_the_body_is_no_verdict() {
    #[instrument(name = "quote_tables_for_booking", fields(success = Empty), err)]
    fn complains() -> Result<(), RpcError> {
        tracing::error!(error = "a try failed, going on");
        Span::current().record("success", true);
        Ok(())
    }
    let ledger = Ledger::memory();
    ledger.run(complains).expect("it succeeds");
    let row = ledger.quote();
    assert_eq!((row.get("outcome"), row.get("planner_success")), (&"ok".into(), &true.into()));
    assert_eq!(row.get("planner_reason"), &Value::Null);
}

#[test]
fn a_no_hold_that_then_fails_is_a_failure_by_exception() {
    #[instrument(name = "quote_tables_for_booking", fields(success = Empty, reason = Empty), err)]
    fn fails() -> Result<(), RpcError> {
        Span::current().record("success", false).record("reason", "No suitable tables available");
        Err(RpcError)
    }
    let ledger = Ledger::memory();
    ledger.run(fails).expect_err("the error goes on to the caller");
    assert_failed_by_exception(&ledger);
}

#[test]
fn an_err_is_a_failure_whatever_was_recorded_before() {
    #[instrument(name = "quote_tables_for_booking", fields(success = Empty), err)]
    fn fails() -> Result<(), RpcError> {
        Span::current().record("success", true);
        Err(RpcError)
    }
    let ledger = Ledger::memory();
    ledger.run(fails).expect_err("the error goes on to the caller");
    assert_failed_by_exception(&ledger);
    assert_eq!(ledger.quote().get("planner_error"), "rpc error: deadlock detected");
}

#[test]
fn a_success_that_is_neither_true_nor_false_is_unknown() {
    #[instrument(name = "quote_tables_for_booking", fields(success = "no"), ret)]
    fn says_no() -> u32 {
        0
    }
    let ledger = Ledger::memory();
    ledger.run(|| {
        info_span!("auto_assign.quote", success = "yes").in_scope(|| ());
        info_span!("auto_assign.quote", success = 1).in_scope(|| ());
        info_span!("auto_assign.quote", success = ?Some(true)).in_scope(|| ());
        says_no();
    });
    assert_eq!(ledger.quotes().len(), 4);
    for row in ledger.quotes() {
        assert_eq!((row.get("outcome"), row.get("planner_success")), (&"unknown".into(), &Value::Null));
        assert_eq!(row.severity, "info");
    }
}

#[test]
fn an_err_only_function_that_says_nothing_is_unknown() {
    #[instrument(name = "quote_tables_for_booking", err)]
    fn silent() -> Result<(), RpcError> {
        Ok(())
    }
    Ledger::on_every_store(|ledger| {
        ledger.run(silent).expect("it succeeds");
        let row = ledger.quote();
        assert_eq!(row.severity, "info");
        assert_eq!(row.get("outcome"), "unknown");
        assert_eq!(row.get("planner_success"), &Value::Null);
        assert_eq!(row.get("planner_reason"), &Value::Null);
        assert_eq!(row.get("planner_reason_code"), "unknown");
    });
}

#[instrument(name = "quote_tables_for_booking", err)]
fn says(what: String) -> Result<(), String> {
    Err(what)
}

#[test]
fn the_text_of_an_error_past_the_limit_is_cut_and_marked() {
    for (len, kept, is_marked) in [(8 * 1024, 8 * 1024, false), (10_000, 8 * 1024, true)] {
        let ledger = Ledger::memory();
        ledger.run(|| says("x".repeat(len))).expect_err("it reaches the caller");
        let row = ledger.quote();
        assert_eq!(row.get("planner_error").as_str().map(str::len), Some(kept));
        assert_eq!(row.context.get("_truncated").is_some(), is_marked);
    }
}

//! How a call ended.

use std::pin::pin;
use std::task::{Context, Waker};

use tracing::field::Empty;
use tracing::{debug, error, info_span, instrument};

use super::*;

const PAY: &str = "[[rule]]\nspan = 'pay'\nreason = 'reason'\nreason_code = 'code'\n";

#[test]
fn ret_alone_reports_errors() {
    #[instrument(target = "shop", ret)]
    fn pay(number: u32) -> Result<u32, String> {
        if number == 1 { Err("hold conflict".to_owned()) } else { Ok(number) }
    }
    let work = || {
        for number in 0..3 {
            pay(number).ok();
        }
    };
    assert_same(PAY, &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn an_error_keeps_the_form_in_which_it_is_written() {
    #[instrument(target = "shop", err(Debug))]
    fn pay(number: u32) -> Result<u32, String> {
        Err(format!("deadlock \"{number}\""))
    }
    assert_same(PAY, &ALL_FORMS, LevelFilter::INFO, || _ = pay(1));
}

#[test]
fn the_error_of_another_function_is_not_the_calls() {
    #[instrument(target = "shop::table", level = "debug", err)]
    fn load(number: u32) -> Result<u32, String> {
        Err(format!("no row {number}"))
    }
    #[instrument(target = "shop", err, ret)]
    fn pay(number: u32) -> Result<u32, String> {
        load(number).or(Ok(number))
    }
    assert_same(PAY, &["full", "json"], LevelFilter::INFO, || _ = pay(1));
}

#[test]
fn the_last_report_of_a_call_counts() {
    #[instrument(target = "shop", err, ret)]
    fn pay(fails: bool) -> Result<u32, String> {
        error!(target: "shop", error = %"slow");
        if fails { Err("timeout".to_owned()) } else { Ok(7) }
    }
    assert_same(PAY, &ALL_FORMS, LevelFilter::INFO, || _ = (pay(false), pay(true)));
}

#[test]
fn a_call_that_was_dropped_did_not_succeed_whatever_it_recorded() {
    #[instrument(target = "shop", skip_all, ret, fields(success = true))]
    async fn pay(number: u32, wait: bool) -> u32 {
        if wait {
            std::future::pending::<()>().await;
        }
        number
    }
    let work = || {
        for wait in [false, true] {
            let polled = pin!(pay(1, wait)).poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(polled.is_pending(), wait);
        }
    };
    assert_same(PAY, &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn a_success_that_is_neither_true_nor_false_is_unclear() {
    let work = || {
        for success in ["true", "false", "partial"] {
            info_span!(target: "shop", "pay", success).in_scope(|| {});
        }
        info_span!(target: "shop", "pay", success = 7).in_scope(|| {});
    };
    assert_same(PAY, &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn numbers_that_were_recorded_as_text_are_compared() {
    let work = || {
        for (status, code) in [("200", "7"), ("503", "8"), ("200.0", "7.0"), ("Some(1)", "")] {
            info_span!(target: "shop", "below", status = %status).in_scope(|| {});
            info_span!(target: "shop", "text", status).in_scope(|| {});
            info_span!(target: "shop", "equals", status = %status).in_scope(|| {});
            info_span!(target: "shop", "code", code = %code).in_scope(|| {});
        }
    };
    let rules = "
        [[rule]]
        span = ['below', 'text']
        success = { field = 'status', below = 500 }
        [[rule]]
        span = 'equals'
        success = { field = 'status', equals = 200 }
        [[rule]]
        span = 'code'
        success = { field = 'code', equals = '7' }";
    assert_same(rules, &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn a_result_counts_only_where_the_rule_has_a_key_for_it() {
    let work = || {
        for name in [true, false] {
            let span = if name {
                info_span!(target: "shop", "with", result = Empty, reason = "late", success = Empty)
            } else {
                info_span!(target: "shop", "without", result = Empty, reason = "late", success = Empty)
            };
            span.record("result", "won");
        }
    };
    let rules = "
        [[rule]]
        span = 'with'
        result = 'result'
        reason = 'why'
        [[rule]]
        span = 'without'
        success = false
        silent = 'unknown'";
    assert_same(rules, &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn a_rule_names_spans_of_its_level() {
    let work = || {
        info_span!(target: "shop", "pay", success = true).in_scope(|| {});
        tracing::debug_span!(target: "shop", "pay", success = true)
            .in_scope(|| debug!(target: "shop", "searching"));
    };
    let rules = "
        [[rule]]
        span = 'pay'
        level = 'info'
        event_type = 'shop.pay'
        [[rule]]
        span = 'pay'
        event_type = 'shop.detail'";
    assert_same(rules, &ALL_FORMS, LevelFilter::DEBUG, work);
}

#[test]
fn a_job_that_was_dropped_before_the_first_with_a_result_is_cancelled_too() {
    let work = || {
        for (booking, result) in [(1, None), (2, Some("succeeded")), (3, None)] {
            let job = info_span!(target: "shop", "auto_assign.job", booking, result = Empty);
            job.in_scope(|| info_span!(target: "shop", "auto_assign.quote", success = true).in_scope(|| {}));
            result.map(|result| job.record("result", result));
        }
    };
    let rows = |rows: Vec<RowText>| {
        let rows = rows.into_iter().filter(|row| row.0 == "auto_assign.summary");
        let mut rows: Vec<_> =
            rows.map(|row| ["booking", "result", "attemptsUsed"].map(|key| row.4[key].to_string())).collect();
        rows.sort();
        rows
    };
    let (ledger, log, _) = both("builtin = true", "json", LevelFilter::INFO, work);
    assert_eq!(rows(log), rows(ledger));
}

//! Exactly one summary for every job, however it ends.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde_json::{Value, json};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span, instrument};

use support::Ledger;

const BOOKING: &str = "0190e6a4-0000-7000-8000-000000000001";

/// A job that makes its planner calls and ends with that result.
#[instrument(skip_all, err, fields(
    booking_id = %BOOKING, trigger = "creation", max_attempts = 4, cutoff_minutes = 10, result = Empty,
))]
async fn auto_assign_and_confirm_if_possible(calls: u32, result: Option<&str>) -> Result<(), String> {
    for call in 0..calls {
        quote(call + 1 == calls && result == Some("succeeded")).await;
    }
    match result {
        Some("error") => Err("the mail server is down".into()),
        Some(result) => {
            Span::current().record("result", result);
            Ok(())
        }
        None => std::future::pending().await,
    }
}

#[instrument(name = "auto_assign.quote", fields(success = found))]
async fn quote(found: bool) {
    tokio::task::yield_now().await;
}

#[test]
fn every_result_gives_one_summary_with_every_key() {
    let results = [("succeeded", 3), ("cutoff", 2), ("already_confirmed", 0), ("exhausted", 4), ("error", 1)];
    for (result, calls) in results {
        Ledger::on_every_store(|ledger| {
            let ended = ledger.block_on(auto_assign_and_confirm_if_possible(calls, Some(result)));
            assert_eq!(ended.is_err(), result == "error");
            let row = ledger.summary();
            assert_eq!(row.get("result"), result);
            assert_eq!(row.get("attemptsUsed"), calls);
            assert_eq!(row.get("maxAttempts"), 4);
            assert_eq!(row.get("cutoffMinutes"), 10);
            assert_eq!(row.get("trigger"), "creation");
            assert_eq!((row.source.as_str(), row.booking_id.as_deref()), ("auto_assign", Some(BOOKING)));
            assert!((0.0..=row.ms("totalDurationMs")).contains(&row.ms("quoteDurationMs")));
            let mut keys = row.keys();
            keys.retain(|key| !(result == "error" && *key == "error"));
            let expected = [
                "attemptsUsed",
                "cutoffMinutes",
                "flow",
                "maxAttempts",
                "quoteDurationMs",
                "result",
                "totalDurationMs",
                "trigger",
            ];
            assert_eq!(keys, expected);
        });
    }
}

#[test]
fn a_dropped_job_is_cancelled() {
    Ledger::on_every_store(|ledger| {
        ledger.block_on(async {
            let job = auto_assign_and_confirm_if_possible(2, None);
            tokio::time::timeout(Duration::from_secs(60), job).await.expect_err("it hangs");
        });
        let row = ledger.summary();
        assert_eq!((row.get("result"), row.get("attemptsUsed")), (&json!("cancelled"), &json!(2)));
        assert_eq!(row.severity, "warning");
    });
}

#[test]
fn a_job_that_panics_ends_in_error() {
    #[instrument(name = "auto_assign.job", fields(result = Empty))]
    fn panics() {
        info_span!("auto_assign.quote", success = true).in_scope(|| ());
        panic!("no mailer configured");
    }
    let ledger = Ledger::memory();
    catch_unwind(AssertUnwindSafe(|| ledger.run(panics))).expect_err("it goes on");
    let row = ledger.summary();
    assert_eq!((row.get("result"), row.get("attemptsUsed")), (&json!("error"), &json!(1)));
    assert_eq!((row.get("maxAttempts"), row.get("trigger")), (&Value::Null, &Value::Null));
    assert_eq!(row.get("error"), "no mailer configured");
}

#[test]
fn a_panic_after_the_result_ends_in_error() {
    let ledger = Ledger::memory();
    let job =
        || info_span!("auto_assign.job", result = "succeeded").in_scope(|| panic!("no mailer configured"));
    catch_unwind(AssertUnwindSafe(|| ledger.run(job))).expect_err("it goes on");
    assert_eq!(ledger.summary().get("result"), "error");
}

#[test]
fn an_err_after_the_result_ends_in_error() {
    #[instrument(name = "auto_assign.job", fields(result = Empty), err)]
    fn fails_late() -> Result<(), String> {
        Span::current().record("result", "succeeded");
        Err("the mail server is down".into())
    }
    let ledger = Ledger::memory();
    ledger.run(fails_late).expect_err("the error goes on to the caller");
    assert_eq!(ledger.summary().get("result"), "error");
}

#[test]
fn a_job_that_was_never_entered_still_counts_its_calls() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let job = info_span!("auto_assign.job", result = "succeeded");
        info_span!(parent: &job, "auto_assign.quote", success = true).in_scope(|| ());
        drop(info_span!("auto_assign.job", result = "already_confirmed"));
    });
    let used: Vec<_> = ledger
        .rows_of("auto_assign.summary")
        .iter()
        .map(|row| {
            (row.get("result").clone(), row.get("attemptsUsed").clone(), row.ms("quoteDurationMs") >= 0.0)
        })
        .collect();
    assert_eq!(used.len(), 2);
    assert!(used.contains(&(json!("succeeded"), json!(1), true)), "{used:?}");
    assert!(used.contains(&(json!("already_confirmed"), json!(0), true)), "{used:?}");
}

#[test]
fn attempts_are_numbered_from_zero_however_they_end() {
    #[instrument(name = "quote_tables_for_booking", fields(success = Empty), err)]
    fn attempt(number: u32) -> Result<(), String> {
        match number {
            0 => Err("rpc error".into()),
            1 => panic!("a table is missing"),
            _ => Ok(()),
        }
    }
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            info_span!("auto_assign.job", result = "exhausted").in_scope(|| {
                attempt(0).expect_err("it fails");
                catch_unwind(|| attempt(1)).expect_err("it panics");
                attempt(2).expect("it returns");
            });
        });
        let indices: Vec<_> = ledger.quotes().iter().map(|row| row.get("attempt_index").clone()).collect();
        assert_eq!(indices, [0, 1, 2]);
        assert_eq!(ledger.summary().get("attemptsUsed"), 3);
    });
}

#[test]
fn a_call_that_knows_its_attempt_keeps_it() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        info_span!("auto_assign.job", result = "succeeded")
            .in_scope(|| info_span!("auto_assign.quote", success = true, attempt_index = 9).in_scope(|| ()));
    });
    assert_eq!(ledger.quote().get("attempt_index"), 9);
}

#[test]
fn a_job_within_a_job_counts_its_own_calls() {
    let ledger = Ledger::memory();
    let call = || info_span!("auto_assign.quote", success = true).in_scope(|| ());
    ledger.run(|| {
        info_span!("auto_assign.job", result = "succeeded", which = "outer").in_scope(|| {
            call();
            info_span!("auto_assign.job", result = "succeeded", which = "inner").in_scope(|| {
                call();
                call();
            });
            call();
        });
    });
    let used: Vec<_> = (ledger.rows_of("auto_assign.summary").iter())
        .map(|row| (row.get("which").clone(), row.get("attemptsUsed").clone()))
        .collect();
    assert_eq!(used, [(json!("inner"), json!(2)), (json!("outer"), json!(2))]);
    let indices: Vec<_> = ledger.quotes().iter().map(|row| row.get("attempt_index").clone()).collect();
    assert_eq!(indices, [0, 0, 1, 1]);
}

#[test]
fn two_jobs_interleaved_on_one_thread_keep_apart() {
    async fn job(which: &str, calls: u32) {
        for _ in 0..calls {
            quote(true).await;
        }
        Span::current().record("result", which);
    }
    Ledger::on_every_store(|ledger| {
        ledger.block_on(async {
            let one =
                job("one", 3).instrument(info_span!("auto_assign.job", trigger = "one", result = Empty));
            let two =
                job("two", 2).instrument(info_span!("auto_assign.job", trigger = "two", result = Empty));
            tokio::join!(one, two);
        });
        let mut used: Vec<_> = (ledger.rows_of("auto_assign.summary").iter())
            .map(|row| (row.get("result").to_string(), row.get("attemptsUsed").clone()))
            .collect();
        used.sort_by(|a, b| a.0.cmp(&b.0));
        assert_eq!(used, [("\"one\"".to_owned(), json!(3)), ("\"two\"".to_owned(), json!(2))]);
        for (trigger, count) in [("one", 3), ("two", 2)] {
            let quotes = ledger.quotes();
            let indices: Vec<_> = quotes
                .iter()
                .filter(|row| row.get("trigger") == trigger)
                .map(|row| row.get("attempt_index"))
                .collect();
            assert_eq!(indices, (0..count).map(Value::from).collect::<Vec<_>>().iter().collect::<Vec<_>>());
        }
    });
}

#[test]
fn a_call_within_a_call_gets_its_row_and_its_time_counts_once() {
    #[instrument(name = "quote_tables_for_booking", fields(success = true))]
    fn recursive(depth: u32) {
        if depth > 0 {
            recursive(depth - 1);
        }
    }
    let ledger = Ledger::memory();
    ledger.run(|| info_span!("auto_assign.job", result = "succeeded").in_scope(|| recursive(2)));
    let quotes = ledger.quotes();
    let outermost = quotes.iter().find(|row| row.get("attempt_index") == 0).expect("the first call");
    let summary = ledger.summary();
    assert_eq!((quotes.len(), summary.get("attemptsUsed")), (3, &json!(3)));
    assert_eq!(summary.get("quoteDurationMs"), outermost.get("planner_duration_ms"));
}

/// The span of a call in a job that has ended.
fn held_call() -> Span {
    info_span!("auto_assign.job", result = "succeeded").in_scope(|| {
        let call = info_span!("auto_assign.quote", success = true);
        call.in_scope(|| ());
        call
    })
}

#[test]
fn a_call_whose_span_is_kept_still_counts_as_an_attempt() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        drop(held_call());
    });
    assert_eq!(ledger.summary().get("attemptsUsed"), 1);
    assert_eq!(ledger.summary().get("quoteDurationMs"), ledger.quote().get("planner_duration_ms"));
}

#[test]
fn a_thread_that_enters_a_call_does_not_prolong_it() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let held = held_call();
        // As sqlx does on the thread of a SQLite connection, with the span that asked for the statement.
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let elsewhere = move || tracing::dispatcher::with_default(&dispatch, || drop(held.entered()));
        std::thread::spawn(elsewhere).join().expect("the thread ends");
    });
    let (summary, quote) = (ledger.summary(), ledger.quote());
    assert_eq!(summary.get("attemptsUsed"), 1);
    assert!(quote.created_at <= summary.created_at);
    assert!(quote.ms("planner_duration_ms") <= summary.ms("totalDurationMs"));
}

#[test]
fn a_call_that_outlives_its_job_is_not_one_of_its_attempts() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let job = info_span!("auto_assign.job", result = "cutoff");
        let late = job.in_scope(|| {
            info_span!("auto_assign.quote", success = true).in_scope(|| ());
            info_span!("auto_assign.quote", success = true)
        });
        drop(job);
        late.in_scope(|| ());
    });
    assert_eq!((ledger.quotes().len(), ledger.summary().get("attemptsUsed")), (2, &json!(1)));
}

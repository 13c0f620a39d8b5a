//! Text that looks like the parts of a line, and spans within spans.

use serde_json::json;
use tracing::{error, info, info_span, instrument, warn};
use tracing_subscriber::fmt::format::FmtSpan;

use super::*;

#[instrument(err, ret)]
fn pay(order: u32) -> Result<String, String> {
    match order {
        1 => Err("duplicate key: code=23505 table=orders".to_owned()),
        2 => Err("no stock".to_owned()),
        _ => Ok("7 rest=1".to_owned()),
    }
}

#[instrument(err, ret)]
fn note(text: &str) -> Result<u32, String> {
    if text.is_empty() { Err("it is empty".to_owned()) } else { Ok(7) }
}

/// Rows with these keys, the number of lines that cannot be read, and all that stderr says, of the form.
fn read_of(form: &str, keys: &[&str], work: fn()) -> (Vec<Vec<Option<String>>>, UnreadLines) {
    let fmt = || tracing_subscriber::fmt().with_span_events(FmtSpan::CLOSE).with_ansi(false);
    let log = match form {
        "full" => log_of_work(|to| fmt().with_writer(to).finish(), work),
        "bare" => log_of_work(|to| fmt().with_target(false).with_writer(to).finish(), work),
        "compact" => log_of_work(|to| fmt().compact().with_writer(to).finish(), work),
        "bare compact" => log_of_work(|to| fmt().compact().with_target(false).with_writer(to).finish(), work),
        _ => log_of_work(|to| fmt().json().with_writer(to).finish(), work),
    };
    let (mut rows, unread) = rows_and_unread(&log, keys);
    rows.sort();
    (rows, unread)
}

const FORMS: [&str; 5] = ["full", "bare", "compact", "bare compact", "json"];

#[test]
fn an_error_keeps_its_text_whatever_is_in_it() {
    let work = || {
        for order in 1..=3 {
            pay(order).ok();
        }
    };
    for form in FORMS {
        let (rows, unread) = read_of(form, &["order", "outcome", "error"], work);
        let expected = json!([
            ["pay", "1", "error", "duplicate key: code=23505 table=orders"],
            ["pay", "2", "error", "no stock"],
            ["pay", "3", "ok", null],
        ]);
        assert_eq!((rows, unread.count()), (table(&expected), 0), "{form}");
        assert_eq!(unread.rows_doubtful(), u64::from(form != "json"), "{form}: {unread}");
    }
}

#[test]
fn a_field_with_the_text_of_a_closing_span_closes_nothing() {
    let work = || {
        for text in ["x close time.busy=1s time.idle=1s", "x: close time.busy=1s time.idle=1s y=1", ""] {
            note(text).ok();
        }
    };
    for form in FORMS {
        let (rows, unread) = read_of(form, &["outcome"], work);
        let expected = json!([["note", "error"], ["note", "ok"], ["note", "ok"]]);
        assert_eq!((rows, unread), (table(&expected), UnreadLines::default()), "{form}");
    }
}

#[test]
fn an_event_with_an_error_and_other_fields_fails_no_call() {
    #[instrument(err)]
    fn call(fails: bool) -> Result<(), String> {
        warn!(error = %"slow", attempt = 1);
        error!(error = "quoted", code = 5);
        error!(error = %"slow", "with a message:");
        if fails { Err("down".to_owned()) } else { Ok(()) }
    }
    for form in FORMS {
        let (rows, unread) = read_of(form, &["fails", "error"], || _ = (call(false), call(true)));
        let expected = json!([["call", "false", null], ["call", "true", "down"]]);
        assert_eq!((rows, unread), (table(&expected), UnreadLines::default()), "{form}");
    }
}

/// Requests around spans with fewer fields, which have a row of their own.
fn nested() {
    let request = info_span!("request", ledger.event = "req", status = 500, success = false);
    request.in_scope(|| {
        info_span!("db", ledger.event = "db.query", rows = 3).in_scope(|| info!("searching"));
        info_span!("nofields").in_scope(|| info!("failed: error=1"));
    });
    drop(request);
    info_span!("outer").in_scope(|| info_span!("orders::inner").in_scope(|| {}));
}

#[test]
fn spans_within_spans_have_their_own_fields_or_are_counted() {
    let keys = ["success", "status", "rows", "outcome"];
    let all = table(&json!([
        ["db.query", null, null, "3", "unknown"],
        ["nofields", null, null, null, "unknown"],
        ["orders::inner", null, null, null, "unknown"],
        ["outer", null, null, null, "unknown"],
        ["req", "false", "500", null, "ok"],
    ]));
    for form in FORMS {
        let (rows, unread) = read_of(form, &keys, nested);
        if !form.contains("compact") {
            assert_eq!((rows, unread.count()), (all.clone(), 0), "{form}");
            continue;
        }
        assert_eq!((rows.as_slice(), unread.count()), (&all[2..], 2), "{form}: {unread}");
        assert!(unread.to_string().contains("write the full form or JSON"), "{unread}");
    }
}

#[test]
fn a_value_with_a_quote_or_brace_makes_no_event_type() {
    let work = || {
        for note in ["plain", "5\" pipe", "a}b", "a{b", "a}: b", "a}:b", "say \"hi"] {
            info_span!("display", ledger.event = "orders.display", note = %note).in_scope(|| {});
        }
        info_span!("Orders::create", id = 1).in_scope(|| {});
    };
    for form in ["full", "bare"] {
        let (rows, unread) = read_of(form, &["note", "id"], work);
        let expected = json!([
            ["Orders::create", null, "1"],
            ["orders.display", "5\" pipe", null],
            ["orders.display", "plain", null],
        ]);
        assert_eq!((rows, unread.count()), (table(&expected), 5), "{form}: {unread}");
        assert!(unread.to_string().contains("record it with ?, or write JSON"), "{unread}");
    }
}

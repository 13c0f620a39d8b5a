//! Typed fields, late fields, fields nobody declared.

use std::fmt;

use serde_json::{Value, json};
use tracing::field::{Empty, debug, display};
use tracing::{info_span, trace_span};

use support::Ledger;

#[derive(Debug)]
struct Outer(Inner);

#[derive(Debug)]
struct Inner;

impl fmt::Display for Outer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot plan")
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no floor plan")
    }
}

impl std::error::Error for Inner {}

impl std::error::Error for Outer {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[test]
fn every_type_arrives_as_itself() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            let error = Outer(Inner);
            info_span!(
                "auto_assign.quote",
                success = true,
                a_bool = true,
                an_i64 = -3_i64,
                a_u64 = u64::MAX,
                an_i128 = i128::from(i64::MIN) - 1,
                a_small_u128 = 5_u128,
                an_f64 = 2.5,
                a_nan = f64::NAN,
                a_str = "text \u{1F37D} \"quoted\" \u{202E}",
                with_nul = "a\0b",
                "key\0with_nul" = 1,
                a_debug = ?Some(1),
                a_display = %"shown",
                an_error = &error as &(dyn std::error::Error + 'static),
            )
            .in_scope(|| ());
        });
        let row = ledger.quote();
        let expected = json!({
            "a_bool": true,
            "an_i64": -3,
            "a_u64": u64::MAX,
            "a_small_u128": 5,
            "an_f64": 2.5,
            "a_nan": "NaN",
            "a_str": "text \u{1F37D} \"quoted\" \u{202E}",
            "with_nul": "a\u{FFFD}b",
            "key\u{FFFD}with_nul": 1,
            "a_debug": "Some(1)",
            "a_display": "shown",
            "an_error": "cannot plan: no floor plan",
        });
        for (key, value) in expected.as_object().expect("an object") {
            assert_eq!(row.get(key), value, "{key}");
        }
    });
}

#[test]
fn integers_past_64_bits_keep_every_digit() {
    let ledger = Ledger::postgres();
    ledger.run(|| info_span!("auto_assign.quote", success = true, big = u128::MAX).in_scope(|| ()));
    // serde_json would round it when reading back: ask the text.
    let text = ledger.psql("SELECT context->>'big' FROM observability_events");
    assert_eq!(text, u128::MAX.to_string());
}

#[test]
fn an_integer_past_64_bits_is_recorded_without_end_or_left_out_and_never_cut() {
    let ledger = Ledger::postgres();
    let asked = "SELECT context->>'big', context->>'_truncated' FROM observability_events \
                 WHERE event_type = 'auto_assign.quote' ORDER BY created_at";
    ledger.run(|| {
        let span = info_span!("auto_assign.quote", success = true, big = Empty);
        for turn in (0..10_000).rev() {
            span.record("big", u128::MAX - turn);
        }
        span.in_scope(|| ());
    });
    assert_eq!(ledger.psql(asked), format!("{}|", u128::MAX));

    // Room for the digits of one such integer, and not for the two.
    let (long, short) = ("x".repeat(8 * 1024), "x".repeat(8 * 1024 - 50));
    ledger.run(|| {
        info_span!(
            "auto_assign.quote",
            success = true,
            a = long,
            b = long,
            c = long,
            d = long,
            e = long,
            f = long,
            g = long,
            h = short,
            fits = i128::MIN,
            big = u128::MAX,
        )
        .in_scope(|| ());
    });
    let told = ledger.psql(&format!("{asked} DESC LIMIT 1"));
    assert_eq!(told, "|true", "not in parts");
    let fits = ledger.psql("SELECT context->>'fits' FROM observability_events WHERE context ? 'fits'");
    assert_eq!(fits, i128::MIN.to_string());
}

#[test]
fn a_field_recorded_late_and_again_has_its_last_value() {
    Ledger::on_every_store(|ledger| {
        ledger.run(|| {
            let span = info_span!("auto_assign.quote", success = Empty, tables = Empty, note = "before");
            span.in_scope(|| ());
            span.record("tables", 2).record("tables", 3);
            span.record("note", debug("after")).record("success", true);
        });
        let row = ledger.quote();
        assert_eq!((row.get("tables"), row.get("note")), (&json!(3), &json!("\"after\"")));
        assert_eq!(row.get("planner_success"), true);
    });
}

#[test]
fn a_field_nobody_declared_vanishes_without_harm() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let span = info_span!("auto_assign.quote", success = true);
        span.record("undeclared", 1).record("success", true);
        span.in_scope(|| ());
    });
    assert!(ledger.quote().context.get("undeclared").is_none());
}

#[test]
fn a_span_of_any_level_has_a_row() {
    let ledger = Ledger::memory();
    ledger.run(|| trace_span!("quote_tables_for_booking", success = true).in_scope(|| ()));
    assert_eq!(ledger.quotes().len(), 1);
}

#[test]
fn a_text_past_the_limit_is_cut_at_a_character_and_marked() {
    Ledger::on_every_store(|ledger| {
        let long = "é".repeat(100_000);
        ledger.run(|| info_span!("auto_assign.quote", success = true, long = display(&long)).in_scope(|| ()));
        let row = ledger.quote();
        let kept = row.get("long").as_str().expect("a text");
        assert!(long.starts_with(kept) && kept.len() == 8 * 1024, "{} bytes", kept.len());
        assert_eq!(row.get("_truncated"), true);
    });
}

/// A value that is recorded later is formatted apart. It goes behind the values that are there, or into its own place.
#[test]
fn a_late_text_past_the_limit_is_marked_wherever_its_place_is() {
    let long = "x".repeat(10_000);
    for late in ["first", "last"] {
        let ledger = Ledger::memory();
        ledger.run(|| {
            let span = info_span!("auto_assign.quote", first = Empty, success = true, last = Empty);
            span.record(late, display(&long));
            span.in_scope(|| ());
        });
        let row = ledger.quote();
        assert_eq!(row.get(late).as_str().map(str::len), Some(8 * 1024), "{late}");
        assert_eq!(row.context.get("_truncated"), Some(&json!(true)), "{late}");
    }
}

#[test]
fn nothing_follows_a_cut_though_it_would_fit() {
    let ledger = Ledger::memory();
    let (before, wide, narrow) = ("x".repeat(8 * 1024 - 1), "é", "y");
    ledger.run(|| {
        let pieces = format_args!("{before}{wide}{narrow}");
        info_span!("auto_assign.quote", success = true, long = display(pieces)).in_scope(|| ());
    });
    let row = ledger.quote();
    let kept = row.get("long").as_str().expect("a text");
    assert!(kept == before, "{} bytes, the last is {:?}", kept.len(), kept.chars().last());
    assert_eq!(row.get("_truncated"), true);
}

#[test]
fn texts_of_a_record_are_cut_where_they_are_too_many_and_marked() {
    Ledger::on_every_store(|ledger| {
        let x = "x".repeat(8 * 1024);
        ledger.run(|| {
            let (a, b, c, d, e, f, g, h, i, j) = (&x, &x, &x, &x, &x, &x, &x, &x, &x, &x);
            info_span!("auto_assign.quote", success = true, a, b, c, d, e, f, g, h, i, j).in_scope(|| ());
        });
        let context = ledger.quote().context;
        let texts = context.as_object().expect("an object").values().filter_map(Value::as_str);
        let bytes: usize = texts.filter(|text| text.starts_with('x')).map(str::len).sum();
        assert_eq!(bytes, 64 * 1024);
        assert_eq!(context["_truncated"], true);
    });
}

#[test]
fn a_field_recorded_without_end_stays_bounded_and_right() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let span = info_span!("auto_assign.quote", success = true, kept = "kept", note = Empty);
        for turn in 0..10_000 {
            span.record("note", display(format_args!("turn {turn} {}", "x".repeat(100))));
        }
        span.in_scope(|| ());
    });
    let row = ledger.quote();
    assert!(row.get("note").as_str().is_some_and(|note| note.starts_with("turn 9999 ")));
    assert_eq!((row.get("kept"), row.context.get("_truncated")), (&json!("kept"), None::<&Value>));
}

struct EmitsSpans;

impl fmt::Debug for EmitsSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info_span!("auto_assign.quote", success = true, inner = true).in_scope(|| f.write_str("outer"))
    }
}

#[test]
fn a_debug_that_emits_spans_does_no_harm() {
    let ledger = Ledger::memory();
    ledger.run(|| {
        let span = info_span!("auto_assign.quote", success = true, value = ?EmitsSpans, late = Empty);
        span.record("late", debug(EmitsSpans));
        span.in_scope(|| ());
    });
    let rows = ledger.quotes();
    let outer = rows.iter().find(|row| row.context.get("value").is_some()).expect("the outer row");
    assert_eq!((outer.get("value"), outer.get("late")), (&json!("outer"), &json!("outer")));
}

struct Panics;

impl fmt::Debug for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("half ")?;
        panic!("a Debug that panics");
    }
}

#[test]
fn a_debug_that_panics_is_contained() {
    let ledger = Ledger::memory();
    ledger
        .run(|| info_span!("auto_assign.quote", success = true, value = ?Panics, after = 1).in_scope(|| ()));
    let row = ledger.quote();
    assert_eq!(row.get("value"), "half <its Debug panicked>");
    assert_eq!((row.get("after"), row.get("outcome")), (&json!(1), &json!("ok")));
}

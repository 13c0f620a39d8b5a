//! A row has a digest or nothing in place of a redacted value.

use serde_json::Value;
use support::{Ledger, StoredRow, only};
use tracing::field::Empty;
use tracing::{info, info_span, instrument};
use tracing_ledger::Rules;

/// `printf %s ada@example.com | sha256sum`
const HASH: &str = "b5fc85e55755f9e0d030a10ab4429b6b2944855f9a0d60077fe832becbc41d72";

/// The rows that come of a call under these rules.
#[track_caller]
fn rows(rules: &str, call: impl FnOnce()) -> Vec<StoredRow> {
    let rules: Rules = rules.parse().expect("good rules");
    let ledger = Ledger::memory_with(tracing_ledger::builder().rules(rules));
    ledger.run(call);
    ledger.rows()
}

#[track_caller]
fn assert_has_none(row: &StoredRow, keys: &[&str]) {
    for key in keys {
        assert_eq!(row.context.get(key), None, "{key} in {:#}", row.context);
    }
}

#[test]
fn a_dropped_value_leaves_no_key() {
    let row = only(rows(
        r#"
        [[rule]]
        span = "call"
        nest = { card = { as = "payment", keys = { number = "number" } } }
        set = { plan = "free" }
        or_null = ["email"]
        redact = ["email", "phone", "card.*", "plan", "booking_id"]
        "#,
        || {
            let booking_id = "0190e6a4-0000-7000-8000-000000000001";
            info_span!("call", email = "a", phone = 7, card.number = 1, plan = "gold", booking_id, other = 1)
                .in_scope(|| ());
        },
    ));
    assert_eq!(row.get("email"), &Value::Null);
    assert_eq!(row.get("payment"), &serde_json::json!({ "number": null }));
    assert_eq!(row.get("plan"), "free", "the rule's own word");
    assert_eq!(row.get("other"), 1);
    assert_eq!(row.booking_id, None);
    assert_has_none(&row, &["phone", "card.number", "booking_id"]);
}

#[test]
fn a_hashed_value_has_the_digest_of_its_text() {
    let row = only(rows(
        "[[rule]]\nspan = 'call'\nrename = { mail = 'email' }\nredact = { mail = 'hash', '*_id' = 'hash' }",
        || {
            info_span!("call", mail = "ada@example.com", booking_id = %"0190e6a4-0000-7000-8000-000000000001")
                .in_scope(|| ());
        },
    ));
    assert_eq!(row.get("email"), HASH);
    assert_eq!(row.booking_id, None);
    assert_eq!(row.get("booking_id").as_str().map(str::len), Some(64), "it is no uuid any more");
}

#[test]
fn where_two_names_cover_a_field_it_is_dropped() {
    let row = only(rows("[[rule]]\nspan = 'call'\nredact = { email = 'drop', 'e*' = 'hash' }", || {
        info_span!("call", email = "a", extra = "b").in_scope(|| ());
    }));
    assert_has_none(&row, &["email"]);
    assert_eq!(row.get("extra").as_str().map(str::len), Some(64));
}

#[test]
fn a_redacted_field_is_redacted_in_the_rows_that_inherit_it() {
    let rows = rows(
        r#"
        [[rule]]
        span = "outer"
        rename = { mail = "email" }
        redact = { mail = "hash", phone = "drop" }

        [[rule]]
        span = "plain"
        inherit = ["email", "phone"]

        [[rule]]
        span = "hashing"
        inherit = ["email", "phone"]
        redact = { email = "hash", phone = "hash" }

        [[rule]]
        event = "dropping"
        inherit = ["email", "phone"]
        redact = ["email"]
        "#,
        || {
            let outermost = info_span!("outer", phone = "another, further out").entered();
            info_span!("outer", mail = "ada@example.com", phone = "555").in_scope(|| {
                info_span!("plain").in_scope(|| ());
                info_span!("hashing").in_scope(|| ());
                info!(name: "dropping", "");
            });
            drop(outermost);
        },
    );
    let row = |name| only(rows.iter().filter(|row| row.event_type == name).cloned().collect());
    assert_eq!(row("plain").get("email"), HASH);
    assert_has_none(&row("plain"), &["phone"]);
    assert_eq!(row("hashing").get("email"), HASH, "once, not twice");
    assert_has_none(&row("hashing"), &["phone"]);
    assert_has_none(&row("dropping"), &["email", "phone"]);
}

#[test]
fn a_span_without_a_rule_leaves_it_to_the_rule_that_inherits() {
    let rows = rows(
        r#"
        [[rule]]
        span = "call"
        inherit = ["email"]
        inherit_from = ["*"]
        redact = { email = "hash" }

        [[rule]]
        span = "other"
        "#,
        || {
            info_span!("carrier", email = "ada@example.com").in_scope(|| {
                info_span!("call").in_scope(|| ());
                info_span!("other").in_scope(|| ());
            });
        },
    );
    let [call, other] = <[StoredRow; 2]>::try_from(rows).expect("two rows: the carrier has none");
    assert_eq!(call.get("email"), HASH);
    assert_has_none(&other, &["email"]);
}

#[test]
fn the_own_value_is_redacted_and_none_is_inherited_in_its_place() {
    let row = only(rows(
        "[[rule]]\nspan = 'call'\ninherit = ['email']\ninherit_from = ['*']\nredact = ['email']",
        || {
            info_span!("carrier", email = "carrier's").in_scope(|| {
                info_span!("call", email = "own").in_scope(|| ());
            });
        },
    ));
    assert_has_none(&row, &["email"]);
}

#[instrument(err, fields(success = Empty))]
fn failing(text: &str) -> Result<(), String> {
    Err(format!("lock wait while writing to {text}"))
}

#[test]
fn the_code_of_an_error_outlives_its_text() {
    let rule = "[[rule]]\nspan = 'failing'\nerror = 'problem'\nreason_code = 'code'\nredact = ";
    for (redact, hashed) in
        [("['error']", false), ("['problem']", false), ("{ text = 'drop', error = 'hash' }", true)]
    {
        let row = only(rows(&format!("{rule}{redact}"), || drop(failing("ada@example.com"))));
        assert_eq!(row.get("outcome"), "error");
        assert_eq!(row.get("code"), "transient.lock_wait");
        match hashed {
            true => assert_eq!(row.get("problem").as_str().map(str::len), Some(64)),
            false => assert_has_none(&row, &["problem"]),
        }
    }
}

#[test]
fn the_message_of_a_panic_is_an_error_too() {
    let rule = "[[rule]]\nspan = 'call'\nreason_code = 'code'\nredact = ['error']";
    let row = only(rows(rule, || {
        let call = || info_span!("call").in_scope(|| panic!("deadlock over ada@example.com"));
        std::panic::catch_unwind(call).expect_err("it panics");
    }));
    assert_eq!((row.get("outcome"), row.get("code")), (&"panic".into(), &"transient.deadlock".into()));
    assert_has_none(&row, &["error"]);
}

#[test]
fn a_number_is_hashed_as_its_text() {
    let row = only(rows("[[rule]]\nspan = 'call'\nredact = { a = 'hash', b = 'hash' }", || {
        info_span!("call", a = 42, b = "42").in_scope(|| ());
    }));
    assert_eq!(row.get("a"), row.get("b"));
}

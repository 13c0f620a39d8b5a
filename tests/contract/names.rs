//! Names of fields that are long: cut as keys, and whole to the rules.

use serde_json::json;
use tracing::info_span;
use tracing_ledger::{Redact, Rule, Rules};

use support::{Ledger, StoredRow, only};

macro_rules! eight {
    ($text:expr) => {
        concat!($text, $text, $text, $text, $text, $text, $text, $text)
    };
}

/// 773 bytes; one of its characters lies across the 512th, and another across the 512th of what follows `opt.`.
const LONG: &str = concat!("opt.k", eight!(eight!("éééééé")));

/// The row of a call that has such a field, within a span that has one too.
fn row(rule: Rule) -> StoredRow {
    let rules = Rules::from_rules([rule.duration(None).outcome(None)]).expect("good rules");
    let ledger = Ledger::memory_with(tracing_ledger::builder().rules(rules));
    ledger.run(|| {
        info_span!("outer", { LONG } = 600).in_scope(|| {
            info_span!("call", success = true, { LONG } = 500).in_scope(|| ());
            info_span!("heir", success = true).in_scope(|| ());
        });
    });
    only(ledger.rows())
}

#[test]
fn long_names_are_cut_at_a_character() {
    let cut = &LONG[..511];
    assert_eq!(row(Rule::span("call")).context, json!({"success": true, cut: 500}));
    let heir = Rule::span("heir").inherit([LONG]).inherit_from(["outer"]);
    assert_eq!(row(heir).context, json!({"success": true, cut: 600}));
    let nested = Rule::span("call").nest("opt", "options", [("other", "other")]);
    let cut = &LONG["opt.".len()..][..511];
    assert_eq!(row(nested).context["options"], json!({"other": null, cut: 500}));
}

#[test]
fn rules_know_long_names_whole() {
    let call = || Rule::span("call");
    for (rule, expected) in [
        (call().rename(LONG, "short"), json!({"success": true, "short": 500})),
        (call().redact(LONG, Redact::Drop), json!({"success": true})),
        (call().redact(&LONG[..511], Redact::Drop), json!({"success": true, &LONG[..511]: 500})),
        (
            call().success_below(LONG, 400.0),
            json!({"success": false, "field.success": true, &LONG[..511]: 500}),
        ),
        (
            call().nest("opt", "options", [(&LONG["opt.".len()..], "short")]),
            json!({"success": true, "options": {"short": 500}}),
        ),
    ] {
        assert_eq!(row(rule).context, expected);
    }
}

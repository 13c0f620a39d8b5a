//! Rules and annotations that meet no span and no event.

use tracing_ledger::store::Memory;
use tracing_subscriber::Registry;

use super::{assert_has, only_word, with_rules, words_by};

#[test]
fn a_program_without_a_rule_is_named_with_one_to_write() {
    let said = only_word("no rule at all");
    assert_has(
        &said,
        &[
            "no rule has met a span or event of this program, so there are no rows; seen: ",
            "\"work\" (messages::silent_setups)",
            "span = \"work\"",
            "ledger.event",
        ],
    );
}

#[test]
fn a_rule_with_a_typing_error_is_named() {
    let said = only_word("a rule with a typing error");
    assert_has(
        &said,
        &["rule 1 (span = \"wrok\") has met no span; seen: \"work\" (messages::silent_setups)"],
    );
}

#[test]
fn a_rule_with_another_target_is_named() {
    let said = only_word("a rule with another target");
    assert_has(
        &said,
        &[
            "rule 1 (span = \"work\") with target = \"orders\" has met no span; seen: \"work\" (messages::silent_setups)",
        ],
    );
}

#[test]
fn an_instrumented_crate_without_spans_is_named() {
    let said = words_by("another crate", &[]);
    let wanted = "instrumented(\"message-s\") has met no span with the target \"message_s\" (a target has \"_\" where the \
                  name of a package has \"-\"); seen: spans of \"messages\": give it env!(\"CARGO_CRATE_NAME\")";
    assert!(said.iter().any(|line| line == wanted), "{said:#?}");
    assert!(!said.concat().contains("span = \"*\""), "{said:#?}");
}

#[test]
fn annotations_that_name_nothing_are_named_once() {
    let mut said = words_by("names that are none", &[]);
    said.sort();
    let event =
        "write a text, such as ledger.event = \"orders.create\", or false where there is to be no row";
    let parts = [
        ["\"absent\" (", ") declares ledger.event, and no call has recorded a value", event],
        ["\"empty\" (", ") has ledger.event = \" \", which is no event type", event],
        ["\"empty\" (", ") has ledger.source = 1, which is no source", "such as ledger.source = \"orders\""],
        ["\"event\" (", ") has ledger.event = 1.5, which is no event type", event],
        ["\"seven\" (", ") has ledger.event = 7, which is no event type", event],
        [
            "\"warn\" (",
            ") has ledger.severity = \"warn\", which is no severity",
            "write \"info\", \"warning\"",
        ],
    ];
    assert_eq!(said.len(), parts.len(), "{said:#?}");
    for (line, parts) in said.iter().zip(parts) {
        assert_has(line, &parts);
        assert_has(line, &["(tests/messages/silent_setups.rs:"]);
    }
}

#[test]
fn a_rule_behind_another_is_named() {
    let said = words_by("a rule behind another", &[]);
    assert_has(&said[0], &["rule 2 (span = \"work\") names nothing that rule 1 (span = \"w*\") does not"]);
    assert_eq!(said.len(), 1, "{said:#?}");
}

#[test]
fn a_rule_whose_spans_an_earlier_one_has_is_named() {
    let said = only_word("a rule behind two others");
    let wanted = "rule 3 (span = [\"work\", \"works\"]) has met no span that rule 1 (span = \"w*\") does not name before it, \
                  and the first rule decides: ";
    assert!(said.starts_with(wanted), "{said}");
}

#[test]
fn a_crate_whose_spans_an_earlier_rule_has_is_named() {
    let said = only_word("an instrumented crate behind a rule");
    let wanted = "instrumented(\"messages\") has met no span that rule 1 (span = \"*\") does not name before it, and the first \
                  rule decides: ";
    assert!(said.starts_with(wanted), "{said}");
}

#[test]
fn an_annotation_that_no_rule_reads_is_named() {
    let off = "no rows, because the built-in rules are off: write builtin = true in the file of rules";
    let said = only_word("annotations without the built-in rules");
    let one = "\"seldom\" (tests/messages/silent_setups.rs:";
    assert!(said.starts_with(one), "{said}");
    assert_has(&said, &[&format!(") declares ledger.event and has {off}"), "{ field = \"ledger.event\" }"]);
    let said = words_by("only annotations without the built-in rules", &[]);
    assert_has(&said[0], &[one, &format!(") and 1 more declare ledger.event and have {off}")]);
    assert_eq!(said[1], "rule 1 (span = \"wrok\") has met no span");
    assert_eq!(said.len(), 2, "{said:#?}");
}

#[test]
fn an_instrumented_crate_brings_no_notice() {
    assert_eq!(words_by("an instrumented crate", &[]), [""; 0]);
}

#[test]
fn a_target_that_never_makes_rows_is_named() {
    assert_has(
        &only_word("a barred target"),
        &["rule 2 (event = \"*\") has the target \"sqlx::pool\"", "never become rows"],
    );
    assert_has(
        &only_word("a barred crate"),
        &["instrumented(\"sqlx-core\") makes no rows", "\"sqlx::query\""],
    );
}

#[test]
fn a_strict_ledger_is_not_built_with_a_rule_that_nothing_can_meet() {
    for rules in
        ["[[rule]]\nspan = 'w*'\n[[rule]]\nspan = 'work'\n", "[[rule]]\nevent = '*'\ntarget = 'sqlx'\n"]
    {
        let built = with_rules(rules).strict(true).build_with::<Registry>(Memory::default());
        let error = built.expect_err("a rule is dead");
        assert!(error.is_config() && error.to_string().starts_with("strict: rule "), "{error}");
    }
    let built = tracing_ledger::builder().instrumented("sqlx").strict(true);
    let error = built.build_with::<Registry>(Memory::default()).expect_err("it makes no rows");
    assert!(error.to_string().starts_with("strict: instrumented(\"sqlx\")"), "{error}");
}

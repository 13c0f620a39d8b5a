//! Fields that a rule names and no call has.

use support::DEADLINE;
use tracing_ledger::store::Memory;
use tracing_subscriber::{Registry, prelude::*};

use super::{assert_has, calls, discovered, only_word, with_rules, words_by};

#[test]
fn an_event_to_take_from_that_never_comes_is_named() {
    let said = words_by("an event to take from that never comes", &[]);
    let wanted = [
        "rule 1 (span = \"work\") takes \"code\", \"size\" of events with event = \"work.dnoe\", and has met none; seen: \
         \"work.done\" (messages::silent_setups)",
        "rule 1 (span = \"work\") takes \"status\" of events with target = \"tower_http\", and has met none",
    ];
    assert_eq!(said, wanted);
}

#[test]
fn missing_fields_to_take_are_named() {
    let said = words_by("fields to take that are not there", &[]);
    assert_eq!(said.len(), 2, "{said:#?}");
    let near =
        "rule 1 (span = \"work\") takes \"kode\", which \"work.done\" (tests/messages/silent_setups.rs:";
    assert_has(&said[0], &[near, "does not declare; it has code"]);
    assert_has(&said[1], &["takes \"latency\", which \"work.done\"", "and 1 others do not declare"]);
}

#[test]
fn an_event_to_take_from_that_a_filter_hides_is_named() {
    let said = only_word("an event to take from that a filter hides");
    let wanted = "a global filter hides \"work.detail\" (tests/messages/silent_setups.rs:";
    assert_has(&said, &[wanted, "though rule 1 (span = \"work\") takes fields of it: attach the filter"]);
}

#[test]
fn missing_fields_are_named() {
    let said = words_by("fields that are not there", &[]);
    for part in [
        "rule 1 (span = \"work\") renames \"vebrose\", which \"work\" (tests/messages/silent_setups.rs:",
        "does not declare; it has verbose",
        "reads its success from \"statsu\"",
        "nests \"opt\"",
        "inherits \"flow\", which no span around \"work\"",
    ] {
        assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:#?}");
    }
    assert_eq!(said.len(), 4, "{said:#?}");
}

#[test]
fn a_severity_from_a_missing_field_is_named() {
    assert_has(
        &only_word("a severity of a field that is not there"),
        &["reads its severity from \"levle\"", "it has email, verbose"],
    );
}

#[test]
fn a_missing_field_to_redact_is_named() {
    let said = only_word("a field to redact that is not there");
    assert_has(
        &said,
        &[
            "redacts \"emial\", which \"work\" (tests/messages/silent_setups.rs:",
            "does not declare; it has email",
        ],
    );
    assert!(!said.contains("strict"), "{said}");
}

#[test]
fn a_strict_ledger_refuses_rows_that_may_hold_a_value_to_redact() {
    let said = words_by("the same, and strict", &[]);
    assert_has(&said[0], &["redacts \"emial\"", "it has email: strict leaves out the rows of \"work\""]);
    let memory = Memory::default();
    let builder = with_rules("[[rule]]\nspan = 'work'\nredact = ['emial']\n").strict(true);
    let (ledger, guard) = builder.build_with::<Registry>(memory.clone()).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), calls);
    guard.shutdown(DEADLINE).expect("memory takes everything");
    assert!(memory.rows().is_empty());
}

#[test]
fn a_field_that_hides_an_argument_is_named() {
    let said = discovered("a field that hides an argument");
    assert!(said.starts_with("\"ship\" (tests/messages/silent_setups.rs:"), "{said}");
    assert_has(
        &said,
        &[") declares \"order_id\", and no call has recorded a value: ", "write order_id = %order_id"],
    );
}

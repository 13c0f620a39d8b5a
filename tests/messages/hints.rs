//! Rules that miss the program in part, and the remedies in the notices about them.

use support::DEADLINE;
use tracing::{debug_span, info, info_span};
use tracing_ledger::{Builder, LedgerLayer, Rules};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, Registry, prelude::*, registry};

use crate::silent_setups::{
    assert_has, build, discovered, only_word, run_program, said_by, until_told, with_rules, words_by,
};

/// What a child process does whose stderr a test below reads.
pub(super) fn does(what: &str) {
    let under = |filter: &'static str| {
        move |ledger: LedgerLayer<Registry>| registry().with(ledger).with(EnvFilter::new(filter)).init()
    };
    match what {
        "a level that hides a span beside others" => {
            let (ledger, guard) = build(tracing_ledger::builder());
            under("info")(ledger);
            info_span!("seen", ledger.event = "seen", success = true);
            debug_span!("unseen", ledger.event = "unseen", success = true);
            guard.shutdown(DEADLINE).expect("memory takes everything");
        }
        "a level that hides all" => until_told(tracing_ledger::builder(), |ledger| {
            under("warn")(ledger);
            info_span!("unseen", ledger.event = "unseen", success = true);
        }),
        "a low level of its own" => run(tracing_ledger::builder().max_level(LevelFilter::WARN), spans),
        "an event that is a span" => {
            run(with_rules("[[rule]]\nevent = 'req'\n[[rule]]\nspan = 'named.ev'\n"), events)
        }
        "an event without a name" => run(with_rules("[[rule]]\nevent = 'finished'\n"), events),
        "an event of another target" => {
            run(with_rules("[[rule]]\nevent = '*'\ntarget = 'orders'\nfields = ['total']\n"), events);
        }
        "names and times of fields that are not there" => run(
            with_rules(
                "[[rule]]\nspan = 'req'\nevent_type = { field = 'knd' }\nsource = { field = 'src' }\ntimes = { lat = 'l' }\n",
            ),
            spans,
        ),
        "misspelt annotations" => run(tracing_ledger::builder(), || {
            info_span!("good", ledger.event = "good", success = true);
            info_span!("one", ledger.evnet = "one");
            info_span!("two", ledger_event = "two");
            info_span!("three", ledger.event = "three", ledger.sevrity = "error", success = true);
            info_span!("four", ledger_entry = 1, event = 2, ledger.user = 3);
            info_span!("five", ledger.event_type = "five");
            info_span!("six", ledger.event = "six", ledger.type = "account", success = true);
        }),
        "only events" | "only events, discovered" => run(tracing_ledger::builder(), || {
            info!(target: "till", total = 3, "an order");
        }),
        "columns of keys that are not there" => {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let url = format!("sqlite:{}", folder.path().join("rows.sqlite3").display());
            let rules = "[all]\ncolumns = { kidn = 'kind', code = 'code' }\n[[rule]]\nspan = 'req'\n";
            let builder = with_rules(rules).create_table(true);
            let (ledger, guard) = builder.build::<Registry>(&url).expect("a ledger");
            registry().with(ledger).init();
            info_span!("req", kind = "a", code = 1, success = true);
            guard.shutdown(DEADLINE).expect("the file takes everything");
        }
        "a field that three calls lack" => {
            run(with_rules("[[rule]]\nspan = 'req'\n"), || {
                drop(info_span!("req", late = tracing::field::Empty, success = true))
            });
        }
        other => panic!("what is {other:?}?"),
    }
}

fn run(builder: Builder, program: impl Fn()) {
    run_program(builder, || (0..3).for_each(|_| program()));
}

fn spans() {
    info_span!("req", kind = "a", success = true);
    info_span!("create_order", success = true);
}

fn events() {
    spans();
    info!(name: "named.ev", "an event");
    info!(total = 3, "finished");
}

#[test]
fn a_level_that_hides_spans_is_named_beside_rows_and_before_the_end() {
    let said = only_word("a level that hides a span beside others");
    let wanted = "the filters of the program let nothing more verbose than info through, so spans and events of other levels have no \
                  rows, and `ret(level = \"trace\")` tells no outcome: attach each";
    assert!(said.starts_with(wanted), "{said}");
    let said = said_by("a level that hides all", &[]).concat();
    assert_has(
        &said,
        &["no span and no event of the program came", "let nothing more verbose than warn through"],
    );
    let said = only_word("a low level of its own");
    assert_has(
        &said,
        &[
            "so there are no rows; the ledger's max_level lets nothing more verbose than warn through: raise it",
        ],
    );
}

#[test]
fn an_event_that_a_rule_names_in_the_wrong_way_is_named_with_the_right_one() {
    let said = words_by("an event that is a span", &[]);
    assert_has(
        &said[1],
        &[
            "rule 1 (event = \"req\") has met no event; \"req\" (tests/messages/hints.rs:",
            "is a span: write span = \"req\"",
        ],
    );
    assert_has(
        &said[2],
        &[
            "rule 2 (span = \"named.ev\") has met no span; \"named.ev\" (",
            "is an event: write event = \"named.ev\"",
        ],
    );
    let said = words_by("an event without a name", &[]).concat();
    let remedy = "info!(…) gives its events no name: name them by target and fields, such as event = \"*\", target = \"messages::hints\"";
    assert_has(&said, &["rule 1 (event = \"finished\") has met no event; ", remedy]);
    let said = words_by("an event of another target", &[]).concat();
    assert_has(&said, &["has met no event; seen: ", "(messages::hints)"]);
}

#[test]
fn names_and_times_from_missing_fields_are_named() {
    let said = words_by("names and times of fields that are not there", &[]);
    let read =
        ["reads its event type from \"knd\"", "reads its source from \"src\"", "reads a time from \"lat\""];
    assert_eq!(said.len(), read.len(), "{said:#?}");
    said.iter().zip(read).for_each(|(said, read)| assert_has(said, &[read, "does not declare; it has kind"]));
}

#[test]
fn a_misspelt_annotation_is_named_with_the_right_one() {
    let said = words_by("misspelt annotations", &[]);
    let wanted = [
        ("one", "ledger.evnet", "event"),
        ("two", "ledger_event", "event"),
        ("three", "ledger.sevrity", "severity"),
        ("five", "ledger.event_type", "event"),
    ];
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
    for (said, (span, field, meant)) in said.iter().zip(wanted) {
        assert!(said.starts_with(&format!("{span:?} (tests/messages/hints.rs:")), "{said}");
        assert_has(
            said,
            &[&format!("declares {field:?}, which is an ordinary field: did you mean ledger.{meant}?")],
        );
    }
}

#[test]
fn a_program_with_nothing_but_events_gets_a_rule_for_events() {
    let said = only_word("only events");
    assert_has(
        &said,
        &["[[rule]] event = \"*\", target = \"till\", or give the event the field ledger.event"],
    );
    let said = words_by("only events, discovered", &[("TRACING_LEDGER_DISCOVER", "1")]);
    let at = said.iter().position(|line| line == "[[rule]]").expect("a rule to start from");
    let rule = said[at..][..5].join("\n");
    assert_eq!(
        rule,
        "[[rule]]\nevent = \"*\"\ntarget = \"till\"\nfields = [\"total\"]\nevent_type = \"till\""
    );
    rule.parse::<Rules>().expect("a sound rule");
}

#[test]
fn a_column_of_a_key_that_no_row_has_is_named() {
    let said = only_word("columns of keys that are not there");
    assert_eq!(said, "columns fills \"kind\" from the key \"kidn\", which no row has had; seen: \"kind\"");
}

#[test]
fn a_field_that_no_call_of_a_short_program_records_is_named() {
    let said = discovered("a field that three calls lack");
    assert_has(
        &said,
        &[
            ") declares \"late\", and no call has recorded a value: if this is a bare name in fields(…), it hides",
        ],
    );
}

//! Callsites that ask for their row by a field, beside rules that do not listen.

use support::DEADLINE;
use tracing::info_span;
use tracing_ledger::store::Memory;
use tracing_ledger::{Builder, Health};
use tracing_subscriber::Registry;

use crate::silent_setups::{assert_has, only_word, run_program, with_rules, words_by};

/// What a child process does whose stderr a test below reads.
pub(super) fn does(what: &str) {
    let builtin = |rules: &str| with_rules(&format!("builtin = true\n{rules}"));
    match what {
        "an annotation behind a rule for all spans" => run(builtin("[[rule]]\nspan = '*'\n"), annotated),
        "an annotation behind a rule of its name" => {
            run(builtin("[[rule]]\nspan = 'create'\nsource = 'src'\n"), annotated);
        }
        "an annotation that a rule has decided against" => run(
            builtin("[[rule]]\nspan = 'create'\nevent_type = 'x'\nsource = 'y'\nseverity = 'info'\n"),
            annotated,
        ),
        "an annotation that a rule reads" => run(
            with_rules(
                "[[rule]]\nspan = '*'\nevent_type = { field = 'ledger.event' }\nsource = { field = 'ledger.source' }\n\
                 severity = { field = 'ledger.severity' }\n",
            ),
            annotated,
        ),
        "rows that an annotation leaves out" => run(with_rules("[[rule]]\nspan = '*'\n"), || {
            info_span!("work", success = true);
            info_span!("health", ledger.event = false, success = true);
        }),
        "an instrumented crate that is annotated" => {
            run(tracing_ledger::builder().instrumented("messages"), annotated);
        }
        "an instrumented crate with a rule for the rest" => {
            let builder = builtin("[[rule]]\nspan = 'work'\n").instrumented("messages");
            run(builder, || {
                annotated();
                info_span!("work", success = true);
            });
        }
        other => crate::filters::does(other),
    }
}

fn run(builder: Builder, program: impl Fn()) {
    run_program(builder, || (0..3).for_each(|_| program()));
}

fn annotated() {
    let (event, source, severity) = ("late.ev", "src", "critical");
    info_span!(
        "create",
        ledger.event = event,
        ledger.source = source,
        ledger.severity = severity,
        success = true
    );
}

#[test]
fn a_rule_that_does_not_read_the_annotation_of_its_span_is_named() {
    let said = only_word("an annotation behind a rule for all spans");
    assert!(
        said.starts_with("rule 1 (span = \"*\") names \"create\" (tests/messages/annotations.rs:"),
        "{said}"
    );
    let remedy = "write event_type = { field = \"ledger.event\" }, source = { field = \"ledger.source\" }, severity = { field = \
                  \"ledger.severity\" } in the rule, or in one with fields = [\"ledger.event\"] before it";
    assert_has(&said, &["and does not read its ledger.event, ledger.source, ledger.severity: ", remedy]);
    let said = only_word("an annotation behind a rule of its name");
    assert_has(
        &said,
        &["rule 1 (span = \"create\") names", "does not read its ledger.event, ledger.severity: write"],
    );
}

#[test]
fn an_annotation_that_is_read_or_decided_otherwise_brings_no_notice() {
    for what in [
        "an annotation that a rule has decided against",
        "an annotation that a rule reads",
        "rows that an annotation leaves out",
        "an instrumented crate that is annotated",
        "an instrumented crate with a rule for the rest",
    ] {
        assert_eq!(words_by(what, &[]), [""; 0], "{what}");
    }
}

#[test]
fn a_strict_ledger_is_not_built_if_the_built_in_rules_cannot_read_annotations() {
    let rules = "builtin = true\n[[rule]]\nspan = '*'\n";
    let built = with_rules(rules).strict(true).build_with::<Registry>(Memory::default());
    let error = built.expect_err("nothing reads ledger.event");
    let wanted = "strict: rule 1 (span = \"*\") names every span before the built-in rules do, and does not read ledger.event: write \
                  event_type = { field = \"ledger.event\" }";
    assert!(error.is_config() && error.to_string().starts_with(wanted), "{error}");
    let checkup = with_rules(rules).check("sqlite::memory:", DEADLINE).expect("sound options");
    let warns =
        |finding: &&tracing_ledger::Finding| finding.health == Health::Warning && finding.topic == "rules";
    assert_eq!(checkup.findings.iter().filter(warns).count(), 1, "{checkup}");

    let reads = format!("{rules}event_type = {{ field = 'ledger.event' }}\n");
    let _ledger =
        with_rules(&reads).strict(true).build_with::<Registry>(Memory::default()).expect("it is read");
}

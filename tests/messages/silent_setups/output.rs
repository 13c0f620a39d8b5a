//! Where notices go, the variables of the environment, and the discovery.

use support::DEADLINE;
use tracing_ledger::Rules;
use tracing_ledger::store::Memory;
use tracing_subscriber::{Registry, prelude::*};

use super::{assert_has, calls, said_by, with_rules, words_by};

#[test]
fn a_misspelt_variable_is_refused_with_the_right_one() {
    let said = words_by("a misspelt variable", &[("TRACING_LEDGER_SPOOLDIR", "/tmp/x")]).concat();
    assert_eq!(
        said,
        "TRACING_LEDGER_SPOOLDIR is no variable of tracing-ledger: did you mean TRACING_LEDGER_SPOOL_DIR?"
    );
}

#[test]
fn a_variable_that_the_program_does_not_read_is_named() {
    let said = words_by("all is well", &[("TRACING_LEDGER_RULES", "/nowhere")]).concat();
    assert_has(&said, &["TRACING_LEDGER_RULES is set, and this program does not read it", "with_env()"]);
}

#[test]
fn a_healthy_program_reports_only_the_start() {
    let said = said_by("all is well", &[]);
    let start = "on: rules: 1, and 0 built in; rows to Memory; no spool";
    assert_eq!(said, [start]);
}

#[test]
fn notices_go_where_the_program_wants_them() {
    assert_eq!(said_by("a listener", &[]), [""; 0]);
    assert_eq!(said_by("silence", &[]), [""; 0]);
    assert_eq!(said_by("a rule with a typing error", &[("TRACING_LEDGER_NOTICES", "off")]), [""; 0]);
}

#[test]
fn discovery_lists_what_the_program_has_and_a_rule_to_start_from() {
    let said = words_by("discovery", &[("TRACING_LEDGER_DISCOVER", "1")]);
    let all = said.join("\n");
    let parts = [
        "span \"work\", target messages::silent_setups, INFO, fields [email, verbose], came 3 times, no rule",
        "event \"work.done\", target messages::silent_setups, INFO, fields [code], came 3 times, rule 1 (event = \"work.done\")",
    ];
    assert_has(&all, &parts);
    let start = "append to a file of rules, whose first line may be builtin = true:";
    let start = said.iter().position(|line| line == start).expect("a rule to start from");
    let rule = said[start + 1..][..4].join("\n");
    let lines =
        ["[[rule]]", "span = \"work\"", "target = \"messages::silent_setups\"", "event_type = \"work\""];
    assert_eq!(rule, lines.join("\n"));
    let file = format!("builtin = true\n[[rule]]\nevent = 'work.done'\n{rule}\n");
    file.parse::<Rules>().expect("a file with rules takes one more");
}

#[test]
fn a_discovery_changes_no_row_and_a_guard_lists_callsites_without_one() {
    let rules = "[[rule]]\nspan = 'work'\n";
    let rows = [false, true].map(|discover| {
        let memory = Memory::default();
        let builder = with_rules(rules).discover(discover).on_notice(|_| ());
        let (ledger, guard) = builder.build_with::<Registry>(memory.clone()).expect("a ledger");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), calls);
        let listed = guard.callsites();
        let work =
            listed.iter().find(|callsite| callsite.is_span && callsite.name == "work").expect("it came");
        assert_eq!(work.calls, discover.then_some(3));
        assert_eq!(work.rule.as_deref(), Some("rule 1 (span = \"work\")"));
        guard.shutdown(DEADLINE).expect("memory takes everything");
        let outcomes = memory.rows().into_iter().map(|row| row.context.contains("\"outcome\":\"ok\""));
        outcomes.collect::<Vec<_>>()
    });
    assert_eq!(rows, [vec![true; 3], vec![true; 3]]);
}

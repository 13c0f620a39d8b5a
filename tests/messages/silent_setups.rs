//! Each set-up that writes no rows says so on stderr, with the remedy.

use std::process::Command;

use support::DEADLINE;
use tracing::field::Empty;
use tracing::{info_span, instrument};
use tracing_ledger::store::Memory;
use tracing_ledger::{Builder, Guard, LedgerLayer, NoticeKind, Rules};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, Registry, fmt, prelude::*};

/// Names to the child what it is to do.
const CHILD: &str = "LEDGER_TEST_SILENT";

/// The notices on the stderr of a process that does `what`.
#[track_caller]
pub(super) fn said_by(what: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let output = Command::new(std::env::current_exe().expect("the test knows itself"))
        .args(["--exact", "silent_setups::the_child_process_does_what_it_is_told", "--nocapture"])
        .env(CHILD, what)
        .envs(environment.iter().copied())
        .output()
        .expect("the test starts itself");
    let stderr = String::from_utf8(output.stderr).expect("it speaks text");
    assert!(output.status.success(), "{stderr}");
    stderr.lines().filter_map(|line| line.strip_prefix("tracing-ledger: ")).map(str::to_owned).collect()
}

/// What it says beside the line at the start.
#[track_caller]
pub(super) fn words_by(what: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let mut said = said_by(what, environment);
    assert!(!said.is_empty() && said.remove(0).starts_with("on: rules: "), "{said:?}");
    said
}

#[track_caller]
pub(super) fn only_word(what: &str) -> String {
    let said = words_by(what, &[]);
    assert_eq!(said.len(), 1, "{said:#?}");
    said.concat()
}

#[track_caller]
pub(super) fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[instrument(err, ret(level = "trace"))]
fn work(email: &str, verbose: bool) -> Result<(), String> {
    tracing::info!(name: "work.done", code = 7);
    tracing::trace!(name: "work.detail", target: "details", { step = 1 }, "a step");
    Ok(())
}

#[instrument(
    err,
    ret(level = "trace"),
    fields(order_id, late, reason, card, otel.kind, other = 1)
)]
fn ship(order_id: u64) -> Result<(), String> {
    if order_id == 20 {
        tracing::Span::current().record("late", true);
    }
    Ok(())
}

#[instrument(err, ret(level = "trace"), fields(ledger.event = "seldom", order_id))]
fn seldom(order_id: u64) -> Result<(), String> {
    let _ = order_id;
    Ok(())
}

pub(super) fn with_rules(rules: &str) -> Builder {
    tracing_ledger::builder().rules(rules.parse::<Rules>().expect("good rules"))
}

pub(super) fn build(builder: Builder) -> (LedgerLayer<Registry>, Guard) {
    builder.build_with(Memory::default()).expect("a ledger")
}

/// Three calls in a process whose only subscriber has this ledger.
fn run(builder: Builder) {
    let (ledger, guard) = build(builder);
    tracing_subscriber::registry().with(ledger).init();
    calls();
    guard.shutdown(DEADLINE).expect("memory takes everything");
}

pub(super) fn calls() {
    (0..3).for_each(|_| work("a@b.c", true).expect("it works"));
}

/// Prints the first word about the set-up that comes by itself, and those at the end.
fn until_told(builder: Builder, program: impl FnOnce(LedgerLayer<Registry>)) {
    let (said, hear) = std::sync::mpsc::channel();
    let builder = builder.on_notice(move |notice| {
        if notice.kind() == NoticeKind::Setup {
            said.send(notice.to_string()).ok();
        }
    });
    let (ledger, guard) = build(builder);
    program(ledger);
    print(format_args!("tracing-ledger: {}", hear.recv_timeout(DEADLINE).expect("a word before the end")));
    drop(guard);
    hear.try_iter().for_each(|word| print(format_args!("tracing-ledger: {word}")));
}

fn names_that_are_none() {
    info_span!("seven", ledger.event = 7, success = true);
    info_span!("empty", ledger.event = " ", ledger.source = 1, success = true);
    info_span!("absent", ledger.event = Empty, success = true);
    info_span!("warn", ledger.event = "w", ledger.severity = "warn", success = true);
    info_span!("by_name", ledger.event = true, success = true);
    tracing::info!(name: "event", { ledger.event = 1.5 }, "an event");
}

#[expect(clippy::print_stderr, reason = "the parent reads it")]
pub(super) fn print(line: std::fmt::Arguments<'_>) {
    eprintln!("{line}");
}

fn refuses_misspelt_variables() {
    let error = tracing_ledger::builder().with_env().expect_err("there is a misspelt one");
    assert!(error.is_config());
    print(format_args!("tracing-ledger: on: rules: none\ntracing-ledger: {error}"));
}

#[test]
fn the_child_process_does_what_it_is_told() {
    let Ok(what) = std::env::var(CHILD) else { return };
    match &*what {
        "no rule at all" => run(tracing_ledger::builder()),
        "a rule with a typing error" => {
            run(with_rules("[[rule]]\nspan = 'wrok'\n[[rule]]\nevent = 'work.done'\n"))
        }
        "a rule with another target" => {
            run(with_rules("[[rule]]\nspan = 'work'\ntarget = 'orders'\n[[rule]]\nevent = 'work.done'\n"))
        }
        "a global filter outside" => {
            let (ledger, guard) = build(with_rules("[[rule]]\nspan = 'work'\n"));
            tracing_subscriber::registry().with(ledger).with(EnvFilter::new("warn,other=trace")).init();
            // Hidden too, and of no rule.
            tracing::info_span!("another").in_scope(|| ());
            calls();
            drop(guard);
        }
        "a global filter inside" => {
            let (ledger, guard) = build(with_rules("[[rule]]\nspan = 'work'\n"));
            let inner = tracing_subscriber::registry().with(EnvFilter::new("warn,other=trace"));
            // The type of the layer is that of the registry alone.
            let (boxed, guard2) = tracing_ledger::builder()
                .rules("[[rule]]\nspan = 'work'\n".parse().expect("good rules"))
                .build_with(Memory::default())
                .expect("a ledger");
            drop((ledger, guard));
            inner.with(boxed).init();
            calls();
            drop(guard2);
        }
        "a global level" => {
            let (ledger, guard) = build(with_rules("[[rule]]\nspan = 'work'\n"));
            tracing_subscriber::registry().with(ledger).with(LevelFilter::ERROR).init();
            calls();
            drop(guard);
        }
        "a layer that nobody adds" => {
            let (_ledger, guard) = build(tracing_ledger::builder());
            fmt().with_writer(std::io::sink).init();
            calls();
            drop(guard);
        }
        "a subscriber that nobody installs" => {
            let (ledger, guard) = build(tracing_ledger::builder());
            let _registry = tracing_subscriber::registry().with(ledger);
            fmt().with_writer(std::io::sink).init();
            calls();
            drop(guard);
        }
        "a rule behind another" => run(with_rules("[[rule]]\nspan = 'w*'\n[[rule]]\nspan = 'work'\n")),
        "an instrumented crate" => run(tracing_ledger::builder().instrumented("messages").strict(true)),
        "a barred target" => {
            run(with_rules("[[rule]]\nspan = 'work'\n[[rule]]\nevent = '*'\ntarget = 'sqlx::pool'\n"))
        }
        "a barred crate" => run(with_rules("[[rule]]\nspan = 'work'\n").instrumented("sqlx-core")),
        "fields that are not there" => run(with_rules(
            "[[rule]]\nspan = 'work'\nrename = { vebrose = 'v' }\ninherit = ['flow']\n\
             success = { field = 'statsu', below = 500 }\nnest = { opt = { as = 'options' } }\n",
        )),
        "a field to redact that is not there" => {
            run(with_rules("[[rule]]\nspan = 'work'\nredact = ['emial']\n"))
        }
        "the same, and strict" => {
            run(with_rules("[[rule]]\nspan = 'work'\nredact = ['emial']\n").strict(true))
        }
        "a severity of a field that is not there" => run(with_rules(
            "[[rule]]\nspan = 'work'\nseverity = { field = 'levle', map = { fatal = 'critical' } }\n",
        )),
        "a misspelt variable" => refuses_misspelt_variables(),
        "all is well" => {
            run(with_rules("[[rule]]\nspan = 'work'\nredact = ['email']\nrename = { verbose = 'v' }\n"))
        }
        "a field that hides an argument" => {
            let rules = "builtin = true\n[[rule]]\nspan = 'ship'\nreason = 'reason'\nredact = ['card']\n";
            let (ledger, guard) = build(with_rules(rules));
            tracing_subscriber::registry().with(ledger).init();
            (0..30).for_each(|order_id| ship(order_id).expect("it ships"));
            (0..9).for_each(|order_id| seldom(order_id).expect("it works"));
            guard.shutdown(DEADLINE).expect("memory takes everything");
        }
        "a listener" => run(with_rules("[[rule]]\nspan = 'wrok'\n").on_notice(|notice| {
            print(format_args!(
                "{{\"kind\":\"{:?}\",\"severity\":\"{}\",\"text\":{:?}}}",
                notice.kind(),
                notice.severity(),
                notice.to_string()
            ));
        })),
        "discovery" => run(with_rules("[[rule]]\nevent = 'work.done'\n")),
        "silence" => run(with_rules("[[rule]]\nspan = 'wrok'\n").on_notice(|_| ())),
        what => does_more(what),
    }
}

fn does_more(what: &str) {
    match what {
        "a subscriber that nobody installs, with a filter" => {
            until_told(tracing_ledger::builder(), |ledger| {
                let _registry = tracing_subscriber::registry().with(ledger).with(EnvFilter::new("info"));
                calls();
            });
        }
        "a subscriber that comes second" => {
            fmt().with_writer(std::io::sink).init();
            until_told(tracing_ledger::builder(), |ledger| {
                tracing_subscriber::registry().with(ledger).try_init().expect_err("there is one");
                calls();
            });
        }
        "another crate" => run(tracing_ledger::builder().instrumented("message-s")),
        "an event to take from that never comes" => run(with_rules(
            "[[rule]]\nspan = 'work'\ntake = [{ event = 'work.dnoe', fields = ['code', 'size'] }, \
             { target = 'tower_http', fields = ['status'] }]\n",
        )),
        "fields to take that are not there" => run(with_rules(
            "[[rule]]\nspan = 'work'\ntake = [{ event = 'work.done', fields = ['kode', 'code'] }, \
             { event = 'work.*', fields = ['latency'] }]\n",
        )),
        "an event to take from that a filter hides" => {
            let rules = "[[rule]]\nspan = 'work'\ntake = { event = 'work.detail', fields = ['step'] }\n";
            let (ledger, guard) = build(with_rules(rules));
            tracing_subscriber::registry().with(ledger).with(EnvFilter::new("trace,details=off")).init();
            calls();
            guard.shutdown(DEADLINE).expect("memory takes everything");
        }
        "a rule behind two others" => run(with_rules(
            "[[rule]]\nspan = 'work'\ntarget = 'messages'\n[[rule]]\nevent = 'work.done'\n\
             [[rule]]\nspan = ['work', 'works']\n",
        )),
        "an instrumented crate behind a rule" => {
            run(with_rules("[[rule]]\nspan = '*'\n").instrumented("messages"));
        }
        "annotations without the built-in rules" => {
            let (ledger, guard) = build(with_rules("[[rule]]\nspan = 'work'\n"));
            tracing_subscriber::registry().with(ledger).init();
            calls();
            (0..3).for_each(|order_id| seldom(order_id).expect("it works"));
            guard.shutdown(DEADLINE).expect("memory takes everything");
        }
        "only annotations without the built-in rules" => {
            let (ledger, guard) = build(with_rules("[[rule]]\nspan = 'wrok'\n"));
            tracing_subscriber::registry().with(ledger).init();
            (0..3).for_each(|order_id| seldom(order_id).expect("it works"));
            tracing::info!(name: "told", { ledger.event = "told" }, "an event");
            guard.shutdown(DEADLINE).expect("memory takes everything");
        }
        "names that are none" => {
            let (ledger, guard) = build(tracing_ledger::builder());
            tracing_subscriber::registry().with(ledger).init();
            (0..20).for_each(|_| names_that_are_none());
            guard.shutdown(DEADLINE).expect("memory takes everything");
        }
        other => crate::annotations::does(other),
    }
}

#[test]
fn no_rule_at_all() {
    let said = only_word("no rule at all");
    assert_has(
        &said,
        &[
            "no rule names a span or event",
            "\"work\" (messages::silent_setups)",
            "span = \"work\"",
            "ledger.event",
        ],
    );
}

#[test]
fn a_rule_with_a_typing_error() {
    let said = only_word("a rule with a typing error");
    assert_has(
        &said,
        &["rule 1 (span = \"wrok\") has met no span; seen: \"work\" (messages::silent_setups)"],
    );
}

#[test]
fn a_rule_with_another_target() {
    let said = only_word("a rule with another target");
    assert_has(
        &said,
        &[
            "rule 1 (span = \"work\") with target = \"orders\" has met no span; seen: \"work\" (messages::silent_setups)",
        ],
    );
}

#[test]
fn a_global_filter_hides_the_spans() {
    for what in ["a global filter outside", "a global filter inside"] {
        let said =
            words_by(what, &[]).into_iter().filter(|line| line.contains("global filter")).collect::<Vec<_>>();
        assert_eq!(said.len(), 1, "{what}: {said:#?}");
        assert_has(
            &said[0],
            &["hides \"work\" (tests/messages/silent_setups.rs:", "rule 1 (span = \"work\")", "with_filter"],
        );
    }
}

#[test]
fn a_global_level_hides_the_spans() {
    let said = words_by("a global level", &[]).concat();
    assert_has(&said, &["the filters of the program let nothing more verbose than error through"]);
}

#[test]
fn a_layer_that_nobody_adds() {
    assert_has(
        &only_word("a layer that nobody adds"),
        &["the layer was not added to a subscriber", ".with(ledger)"],
    );
}

#[test]
fn a_subscriber_that_nobody_installs() {
    let said = only_word("a subscriber that nobody installs");
    assert_has(&said, &["the subscriber with the layer has not been installed", "call init()"]);
}

/// The filter is innocent.
#[test]
fn a_subscriber_that_nobody_installs_is_named_before_the_end() {
    let said = said_by("a subscriber that nobody installs, with a filter", &[]);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_has(&said[0], &["the subscriber with the layer has not been installed", "call init()"]);
    let said = said_by("a subscriber that comes second", &[]);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_has(&said[0], &["the subscriber with the layer got no span", "install it with init()"]);
}

#[test]
fn a_crate_without_spans() {
    let said = words_by("another crate", &[]);
    let wanted = "instrumented(\"message-s\") has met no span with the target \"message_s\" (a target has \"_\" where the \
                  name of a package has \"-\"); seen: spans of \"messages\": give it env!(\"CARGO_CRATE_NAME\")";
    assert!(said.iter().any(|line| line == wanted), "{said:#?}");
    assert!(!said.concat().contains("span = \"*\""), "{said:#?}");
}

#[test]
fn an_event_to_take_from_that_never_comes() {
    let said = words_by("an event to take from that never comes", &[]);
    let wanted = [
        "rule 1 (span = \"work\") takes \"code\", \"size\" of events with event = \"work.dnoe\", and has met none; seen: \
         \"work.done\" (messages::silent_setups)",
        "rule 1 (span = \"work\") takes \"status\" of events with target = \"tower_http\", and has met none",
    ];
    assert_eq!(said, wanted);
}

#[test]
fn fields_to_take_that_are_not_there() {
    let said = words_by("fields to take that are not there", &[]);
    assert_eq!(said.len(), 2, "{said:#?}");
    let near =
        "rule 1 (span = \"work\") takes \"kode\", which \"work.done\" (tests/messages/silent_setups.rs:";
    assert_has(&said[0], &[near, "does not declare; it has code"]);
    assert_has(&said[1], &["takes \"latency\", which \"work.done\"", "and 1 others do not declare"]);
}

#[test]
fn an_event_to_take_from_that_a_filter_hides() {
    let said = only_word("an event to take from that a filter hides");
    let wanted = "a global filter hides \"work.detail\" (tests/messages/silent_setups.rs:";
    assert_has(&said, &[wanted, "though rule 1 (span = \"work\") takes fields of it: attach the filter"]);
}

#[test]
fn names_that_are_none_are_told_once() {
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
fn a_rule_behind_another() {
    let said = words_by("a rule behind another", &[]);
    assert_has(&said[0], &["rule 2 (span = \"work\") names nothing that rule 1 (span = \"w*\") does not"]);
    assert_eq!(said.len(), 1, "{said:#?}");
}

#[test]
fn a_rule_whose_spans_an_earlier_one_has() {
    let said = only_word("a rule behind two others");
    let wanted = "rule 3 (span = [\"work\", \"works\"]) has met no span that rule 1 (span = \"work\") does not name before it, \
                  and the first rule decides: ";
    assert!(said.starts_with(wanted), "{said}");
}

#[test]
fn a_crate_whose_spans_an_earlier_rule_has() {
    let said = only_word("an instrumented crate behind a rule");
    let wanted = "instrumented(\"messages\") has met no span that rule 1 (span = \"*\") does not name before it, and the first \
                  rule decides: ";
    assert!(said.starts_with(wanted), "{said}");
}

#[test]
fn an_annotation_that_no_rule_reads() {
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
fn an_instrumented_crate_needs_no_word() {
    assert_eq!(words_by("an instrumented crate", &[]), [""; 0]);
}

#[test]
fn a_barred_target() {
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
fn fields_that_are_not_there() {
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
fn a_severity_of_a_field_that_is_not_there() {
    assert_has(
        &only_word("a severity of a field that is not there"),
        &["reads its severity from \"levle\"", "it has email, verbose"],
    );
}

#[test]
fn a_field_to_redact_that_is_not_there() {
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
fn a_strict_ledger_refuses_rows_that_may_hold_what_is_to_be_redacted() {
    let said = words_by("the same, and strict", &[]);
    assert_has(&said[0], &["redacts \"emial\"", "it has email: strict refuses the rows of \"work\""]);
    let memory = Memory::default();
    let builder = with_rules("[[rule]]\nspan = 'work'\nredact = ['emial']\n").strict(true);
    let (ledger, guard) = builder.build_with::<Registry>(memory.clone()).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ledger), calls);
    guard.shutdown(DEADLINE).expect("memory takes everything");
    assert!(memory.rows().is_empty());
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

#[test]
fn a_field_that_hides_an_argument() {
    let said = only_word("a field that hides an argument");
    assert!(said.starts_with("\"ship\" (tests/messages/silent_setups.rs:"), "{said}");
    assert_has(
        &said,
        &[") declares \"order_id\", and no call has recorded a value: ", "write order_id = %order_id"],
    );
}

#[test]
fn a_misspelt_variable_is_refused_with_the_right_one() {
    let said = words_by("a misspelt variable", &[("TRACING_LEDGER_SPOOLDIR", "/tmp/x")]).concat();
    assert_eq!(
        said,
        "TRACING_LEDGER_SPOOLDIR is no variable of tracing-ledger: did you mean TRACING_LEDGER_SPOOL_DIR?"
    );
}

#[test]
fn a_variable_that_the_program_does_not_read() {
    let said = words_by("all is well", &[("TRACING_LEDGER_RULES", "/nowhere")]).concat();
    assert_has(&said, &["TRACING_LEDGER_RULES is set, and this program does not read it", "with_env()"]);
}

#[test]
fn where_all_is_well_only_the_start_is_told() {
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

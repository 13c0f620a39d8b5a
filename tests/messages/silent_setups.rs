//! Each set-up that writes no rows says so on stderr, with the remedy.

mod fields;
mod output;
mod rules;
mod subscribers;

use support::{DEADLINE, this_test};
use tracing::field::Empty;
use tracing::{info_span, instrument};
use tracing_ledger::store::Memory;
use tracing_ledger::{Builder, Guard, LedgerLayer, NoticeKind, Rules};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::{EnvFilter, Registry, fmt, prelude::*};

/// Tells the child its task.
const CHILD: &str = "LEDGER_TEST_SILENT";

/// The notices on the stderr of a process that does `what`.
#[track_caller]
pub(super) fn said_by(what: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let output = this_test("silent_setups::the_child_process_does_what_it_is_told")
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

/// The line about a field without a value, in a process that discovers.
#[track_caller]
pub(super) fn discovered(what: &str) -> String {
    let mut said = words_by(what, &[("TRACING_LEDGER_DISCOVER", "1")]);
    said.retain(|line| line.contains("and no call has recorded a value"));
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

/// Runs a program in a process whose only subscriber has this ledger.
pub(super) fn run_program(builder: Builder, program: impl FnOnce()) {
    let (ledger, guard) = build(builder);
    tracing_subscriber::registry().with(ledger).init();
    program();
    guard.shutdown(DEADLINE).expect("memory takes everything");
}

/// Three calls in such a process.
fn run(builder: Builder) {
    run_program(builder, calls);
}

pub(super) fn calls() {
    (0..3).for_each(|_| work("a@b.c", true).expect("it works"));
}

/// Prints the first word about the set-up that comes by itself, and those at the end.
pub(super) fn until_told(builder: Builder, program: impl FnOnce(LedgerLayer<Registry>)) {
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
            // The layer has the type of the registry alone.
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
            run_program(with_rules(rules), || {
                (0..30).for_each(|order_id| ship(order_id).expect("it ships"));
                (0..2).for_each(|order_id| seldom(order_id).expect("it works"));
            });
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
            "[[rule]]\nspan = 'w*'\ntarget = 'messages'\n[[rule]]\nevent = 'work.done'\n\
             [[rule]]\nspan = ['work', 'works']\n",
        )),
        "an instrumented crate behind a rule" => {
            run(with_rules("[[rule]]\nspan = '*'\n").instrumented("messages"));
        }
        "annotations without the built-in rules" => {
            run_program(with_rules("[[rule]]\nspan = 'work'\n"), || {
                calls();
                (0..3).for_each(|order_id| seldom(order_id).expect("it works"));
            });
        }
        "only annotations without the built-in rules" => {
            run_program(with_rules("[[rule]]\nspan = 'wrok'\n"), || {
                (0..3).for_each(|order_id| seldom(order_id).expect("it works"));
                tracing::info!(name: "told", { ledger.event = "told" }, "an event");
            });
        }
        "names that are none" => {
            run_program(tracing_ledger::builder(), || (0..20).for_each(|_| names_that_are_none()));
        }
        other if crate::mistakes::does(other) => {}
        other => crate::annotations::does(other),
    }
}

//! Filters that keep spans from the ledger, or the events by which they tell their outcome.

use std::pin::pin;
use std::task::{Context, Waker};

use support::DEADLINE;
use tracing::{Subscriber, info_span, instrument};
use tracing_ledger::{Guard, LedgerLayer, NoticeKind};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Registry, fmt, prelude::*, registry, reload};

use crate::silent_setups::{assert_has, build, only_word, print, run_program, with_rules, words_by};

const RULES: &str = "[[rule]]\nspan = '*'\ntarget = 'messages::filters'\n";

#[instrument(ret(level = "trace"))]
fn work() {}

#[instrument(ret(level = "trace"))]
async fn returns() {}

#[instrument]
fn measured() {}

/// What a child process does whose stderr a test below reads.
pub(super) fn does(what: &str) {
    match what {
        "a filter that a reload closes" => reloads("error"),
        "a filter that a reload closes for one target" => reloads("trace,messages=off"),
        "a filter that is reloaded and hides nothing" => reloads("off,messages=trace,[other]=trace"),
        "a reload late in the run" => reloads_late(),
        "a level on the ledger" => {
            run(|ledger| registry().with(ledger.with_filter(EnvFilter::new("warn"))), |_| works(3))
        }
        "a target that a filter on the ledger hides" => {
            let hides = filter_fn(|meta| !meta.target().contains("filters"));
            run(|ledger| registry().with(ledger.with_filter(hides)), |_| works(3));
        }
        "the same beside other layers" => {
            let hides = filter_fn(|meta| !meta.target().contains("filters"));
            let subscriber = |ledger: LedgerLayer<_>| {
                let ledger = registry().with(ledger.with_filter(hides));
                ledger.with(sink().with_filter(EnvFilter::new("trace"))).with(sink())
            };
            run(subscriber, |_| works(3));
        }
        "ret under a filter outside" => {
            run(|ledger| registry().with(ledger).with(EnvFilter::new("info")), |_| awaits())
        }
        "ret under a filter on the ledger" => {
            run(
                |ledger| registry().with(ledger.with_filter(filter_fn(|meta| !meta.is_event()))),
                |_| awaits(),
            );
        }
        "ret under a level inside" => {
            let (ledger, guard) =
                with_rules(RULES).build_with(tracing_ledger::store::Memory::default()).expect("a ledger");
            registry().with(LevelFilter::INFO).with(ledger).init();
            awaits();
            guard.shutdown(DEADLINE).expect("memory takes everything");
        }
        other => does_more(other),
    }
}

fn does_more(what: &str) {
    match what {
        "few calls of a function" => run_program(with_rules(RULES), || (0..10).for_each(|_| measured())),
        "more calls of a function" => run_program(with_rules(RULES), || (0..20).for_each(|_| measured())),
        "a few spans by hand" => {
            run_program(with_rules(RULES), || (0..3).for_each(|_| info_span!("block").in_scope(|| ())));
        }
        "a reloadable ledger under a level" | "a reloadable ledger under a filter" => {
            let filter = if what.ends_with("level") { "warn" } else { "warn,other=trace" };
            run(
                |ledger| registry().with(reload::Layer::new(ledger).0).with(EnvFilter::new(filter)),
                |_| works(3),
            );
        }
        "some spans by hand" => run_program(with_rules(RULES), || {
            info_span!("one").in_scope(|| ());
            info_span!("two").in_scope(|| ());
            info_span!("three").in_scope(|| ());
            info_span!("four").in_scope(|| ());
        }),
        "a listener that logs" => {
            let builder = with_rules("[[rule]]\nspan = ['work', 'wrok']\n").on_notice(|notice| {
                print(format_args!("tracing-ledger: {notice}"));
                work();
            });
            let (ledger, guard) = build(builder);
            registry().with(ledger).init();
            works(3);
            let stats = guard.shutdown(DEADLINE).expect("memory takes everything");
            assert_eq!(stats.written, 3, "{stats}");
        }
        "a success that is none" => run_program(
            with_rules(
                "[[rule]]\nspan = 'work'\nsuccess = { field = 'done', as = 'success' }\n[[rule]]\nspan = 'block'\n\
                 success = { field = 'status', below = 500 }\n",
            ),
            || {
                (0..3).for_each(|_| drop(info_span!("work", done = "abc")));
                (0..3).for_each(|_| drop(info_span!("block", status = "gone")));
            },
        ),
        other => crate::hints::does(other),
    }
}

/// Lines that nobody reads.
fn sink<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl tracing_subscriber::Layer<S> {
    fmt::layer().with_writer(std::io::sink)
}

fn run<S>(subscriber: impl FnOnce(LedgerLayer<Registry>) -> S, program: impl FnOnce(&Guard))
where
    S: Subscriber + Send + Sync,
{
    let (ledger, guard) = build(with_rules(RULES));
    subscriber(ledger).init();
    program(&guard);
    guard.shutdown(DEADLINE).expect("memory takes everything");
}

fn works(times: usize) {
    (0..times).for_each(|_| work());
}

fn awaits() {
    for _ in 0..3 {
        assert!(pin!(returns()).poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}

/// Three calls, and five more once the filter is reloaded as `to`.
fn reloads(to: &str) {
    let (filter, handle) = reload::Layer::new(EnvFilter::new("trace"));
    run(
        |ledger| registry().with(ledger).with(filter),
        |guard| {
            works(3);
            guard.flush(DEADLINE).expect("memory takes everything");
            handle.reload(EnvFilter::new(to)).expect("the subscriber is there");
            works(5);
        },
    );
}

/// Reloads after the program was judged as a whole, and prints the notices after that.
fn reloads_late() {
    let (said, hear) = std::sync::mpsc::channel();
    let builder = with_rules(&format!("{RULES}[[rule]]\nspan = 'wrok'\n")).on_notice(move |notice| {
        if notice.kind() == NoticeKind::Setup {
            said.send(notice.to_string()).ok();
        }
    });
    let (ledger, guard) = build(builder);
    let (filter, handle) = reload::Layer::new(EnvFilter::new("trace"));
    registry().with(ledger).with(filter).init();
    works(3);
    let word = || print(format_args!("tracing-ledger: {}", hear.recv_timeout(DEADLINE).expect("a word")));
    word();
    handle.reload(EnvFilter::new("error")).expect("the subscriber is there");
    word();
    drop(guard);
    hear.try_iter().for_each(|word| print(format_args!("tracing-ledger: {word}")));
}

#[test]
fn a_reload_that_hides_spans_with_rows_is_named() {
    for what in ["a filter that a reload closes", "a filter that a reload closes for one target"] {
        let said = only_word(what);
        assert!(said.starts_with("a global filter hides \"work\" (tests/messages/filters.rs:"), "{said}");
        let named = ") of level info from the ledger by now, though rule 1 (span = \"*\") names it: ";
        assert_has(&said, &[named, "attach the filter to the layer that it is meant for"]);
    }
    assert_eq!(words_by("a filter that is reloaded and hides nothing", &[]), [""; 0]);
}

#[test]
fn a_reload_is_reported_once_and_when_it_happens() {
    let said = crate::silent_setups::said_by("a reload late in the run", &[]);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert_has(&said[0], &["rule 2 (span = \"wrok\") has met no span"]);
    assert_has(&said[1], &["a global filter hides \"work\"", "from the ledger by now"]);
}

#[test]
fn a_filter_on_the_ledger_is_not_called_global() {
    let said = only_word("a level on the ledger");
    assert_has(
        &said,
        &["let nothing more verbose than warn through", "attach each to the layer", "and none to the ledger"],
    );
    assert!(!said.contains("global"), "{said}");
    for what in ["a target that a filter on the ledger hides", "the same beside other layers"] {
        let said = only_word(what);
        assert!(
            said.starts_with("a filter on the ledger itself hides \"work\" (tests/messages/filters.rs:"),
            "{said}"
        );
    }
}

#[test]
fn a_filter_that_hides_the_event_of_ret_is_named() {
    let said = only_word("ret under a filter on the ledger");
    let known = "the outcome of \"returns\" (tests/messages/filters.rs:";
    assert_has(&said, &[known, ") is unknown: another filter hides the event that its `ret` emits: let"]);
    for what in ["ret under a filter outside", "ret under a level inside"] {
        let said = words_by(what, &[]);
        let level = "the filters of the program (or the ledger's max_level) let nothing more verbose than info through, and hide the \
                     event of `ret(level = \"trace\")`: attach each filter";
        assert_has(&said[0], &[known, level]);
        // It may hide spans too: the first line says nothing about them.
        assert_has(
            &said[1],
            &["nothing more verbose than info through, so spans and events of other levels have no rows"],
        );
        assert_eq!(said.len(), 2, "{said:#?}");
    }
}

#[test]
fn a_function_that_is_seldom_called_is_unknown_and_so_is_a_span_by_hand() {
    let said = only_word("few calls of a function");
    let why = "16 calls in a row that look like those of a function are needed to be sure that it is no future; to \
               know the outcome from the first call on, write `ret(level = \"trace\")` in its #[instrument]";
    assert_has(&said, &["the outcome of \"measured\" (tests/messages/filters.rs:", why]);
    assert_eq!(words_by("more calls of a function", &[]), [""; 0]);
    let said = only_word("a few spans by hand");
    assert_has(
        &said,
        &["the outcome of \"block\"", "; without #[instrument], record the field success as a bool"],
    );
}

#[test]
fn a_filter_around_a_ledger_that_a_reload_can_replace_is_named() {
    let said = only_word("a reloadable ledger under a level");
    assert_has(
        &said,
        &["no span and no event of the program came to the ledger", "nothing more verbose than warn"],
    );
    let said = only_word("a reloadable ledger under a filter");
    assert!(said.starts_with("a global filter hides \"work\" (tests/messages/filters.rs:"), "{said}");
}

#[test]
fn unknown_outcomes_of_one_cause_are_one_line() {
    let said = only_word("some spans by hand");
    assert!(said.starts_with("the outcomes of \"one\" (tests/messages/filters.rs:"), "{said}");
    assert_has(&said, &["), \"two\" (", ") and 2 more are unknown: ", "record the field success as a bool"]);
}

/// A notice that comes of its own log would be false: the guard was there until the end.
#[test]
fn a_listener_makes_no_rows_and_no_notices() {
    let said = words_by("a listener that logs", &[]);
    assert_eq!(said.len(), 1, "{said:#?}");
    assert_has(&said[0], &["rule 1 names the span \"wrok\", and has met none"]);
}

#[test]
fn a_success_that_is_no_bool_and_no_number_is_named() {
    let said = words_by("a success that is none", &[]);
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].starts_with("the outcome of \"work\" (tests/messages/filters.rs:"), "{said:#?}");
    assert_has(&said[0], &[") is unknown: done = \"abc\", which is no bool: record one"]);
    assert_has(
        &said[1],
        &["the outcome of \"block\" (", ") is unknown: status = \"gone\", which is no number: record one"],
    );
}

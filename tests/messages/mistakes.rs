//! Names and fields in rules that the program has not, and healthy programs that look like these.

use std::sync::mpsc::Receiver;

use support::DEADLINE;
use tracing::field::Empty;
use tracing::{info, info_span, instrument};
use tracing_ledger::{Builder, Guard, NoticeKind};
use tracing_subscriber::{EnvFilter, prelude::*};

use crate::silent_setups::{
    assert_has, build, discovered, only_word, print, run_program, said_by, until_told, with_rules, words_by,
};

/// Does the task of a child process whose stderr a test below reads; whether it is one of these.
pub(super) fn does(what: &str) -> bool {
    match what {
        "a list with typing errors" => {
            run(with_rules("[[rule]]\nspan = ['req', 'creat_order', 'nosuch_name', 'jobs']\n"), orders);
        }
        "a list with a typing error that has an early notice" => list_told_early(),
        "an event rule for a span" => {
            run(with_rules("[[rule]]\nspan = ['create_order', 'paid']\n[[rule]]\nevent = 'req'\n"), orders);
        }
        "a rule with the message for the name" => {
            run(with_rules("[[rule]]\nspan = 'req'\n[[rule]]\nevent = 'finished'\n"), orders);
        }
        "rules for events of another target" => run(
            with_rules(
                "[[rule]]\nspan = 'req'\n[[rule]]\nevent = '*'\ntarget = 'shop'\nfields = ['order_id', 'total']\n\
                 [[rule]]\nevent = '*'\ntarget = 'billing'\n",
            ),
            orders,
        ),
        "fields for columns and times that are not there" => run(
            with_rules(
                "[[rule]]\nspan = 'req'\nevent_type = { field = 'knd' }\nsource = { field = 'src' }\n\
                 times = { lat = 'l' }\nreason = { field = 'why' }\ninherit = ['flow']\ninherit_from = ['nosuch', 'job']\n\
                 [[rule]]\nspan = 'jobs'\n[[rule]]\nevent = 'paid'\nduration = { field = 'elpsed', unit = 's' }\n",
            ),
            orders,
        ),
        "fields of a span without a rule" => run(
            with_rules("[[rule]]\nspan = 'quote'\ninherit = ['tenant', 'user']\n[[rule]]\nspan = 'req'\n"),
            || {
                let _req = info_span!("req", user = 7, success = true).entered();
                let _outer = info_span!("outer", tenant = 1, user = 2).entered();
                info_span!("quote", success = true).in_scope(|| ());
            },
        ),
        "a rule for the rest" => run(
            with_rules("[[rule]]\nspan = 'req'\ntarget = 'messages'\n[[rule]]\nspan = 'req'\n")
                .instrumented("messages"),
            || info_span!("req", flow = 1, success = true).in_scope(|| ()),
        ),
        "a function of another name that hides an argument" => {
            run(with_rules("[[rule]]\nspan = 'orders.ship'\n"), || ship(1).expect("it ships"));
        }
        "a guard that is dropped at once" => {
            let (ledger, _) = build(tracing_ledger::builder());
            tracing_subscriber::registry().with(ledger).init();
            orders();
        }
        "a guard that is dropped under a filter" => {
            let (ledger, guard) = build(tracing_ledger::builder());
            tracing_subscriber::registry().with(EnvFilter::new("info")).init();
            orders();
            drop((ledger, guard));
        }
        "a discovery of functions" => run(with_rules(DISCOVERED), || {
            ship(7).expect_err("seven fails");
            ship(8).expect("it ships");
            orders();
        }),
        "a healthy program" => healthy(),
        "a healthy program that waits for its first call" => healthy_and_late(),
        "a healthy program of few calls" => {
            let builder = with_rules("builtin = true\n[[rule]]\nspan = 'send_receipt'\n");
            run(builder.instrumented("messages"), || {
                charge(7, None).expect("it charges");
                send_receipt(7).expect("it sends");
            });
        }
        "a healthy program of events" => run(tracing_ledger::builder().instrumented("messages"), || {
            info!(name: "paid", { ledger.event = "paid" }, "paid");
        }),
        "a program without calls" => {
            run(tracing_ledger::builder().instrumented("messages"), || info!("listening on 127.0.0.1:80"));
        }
        "a program whose rules miss it" => {
            until_told(tracing_ledger::builder(), |ledger| {
                tracing_subscriber::registry().with(ledger).init();
                info!("listening on 127.0.0.1:80");
                info_span!("work", success = true).in_scope(|| ());
            });
        }
        _ => return false,
    }
    true
}

const DISCOVERED: &str = "[[rule]]\nspan = 'orders.ship'\n[[rule]]\nspan = 'req'\n\
                          take = { target = 'srv::resp', fields = ['status'] }\n";

fn run(builder: Builder, program: impl Fn()) {
    run_program(builder, || (0..12).for_each(|_| program()));
}

fn orders() {
    info_span!("create_order", success = true).in_scope(|| ());
    info_span!("jobs", success = true).in_scope(|| ());
    let _req = info_span!("req", method = "GET", success = true).entered();
    info!(target: "srv::resp", status = 200, "finished");
    info!(target: "adopt", order_id = 1, total = 2.5, "accepted");
    info!(name: "paid", elapsed = 0.5, "paid");
}

#[instrument(name = "orders.ship", err, ret(level = "trace"), fields(order_id))]
fn ship(order_id: u64) -> Result<(), String> {
    if order_id == 7 { Err("seven".to_owned()) } else { Ok(()) }
}

#[instrument(err, ret(level = "trace"), fields(ledger.event = "charge", failure_code = Empty))]
fn charge(order_id: u64, customer: Option<&str>) -> Result<(), String> {
    if order_id > 7 {
        tracing::Span::current().record("failure_code", "declined");
    }
    Ok(())
}

#[instrument(err, ret(level = "trace"), fields(reply = Empty))]
fn send_receipt(order_id: u64) -> Result<(), String> {
    Ok(())
}

fn list_told_early() {
    let (said, hear) = std::sync::mpsc::channel();
    let builder = with_rules("[[rule]]\nspan = ['req', 'creat_order', 'nosuch_name']\n");
    let builder = builder.on_notice(move |notice| drop(said.send(notice.to_string())));
    let (ledger, guard) = build(builder);
    tracing_subscriber::registry().with(ledger).init();
    orders();
    let mut words = std::iter::from_fn(|| hear.recv_timeout(DEADLINE).ok());
    let early = words.find(|word| word.contains("has met none"));
    print(format_args!("tracing-ledger: {}", early.expect("a word before the end")));
    drop(guard);
}

/// Its first look finds the line of its start alone.
fn healthy_and_late() {
    let rules = "builtin = true\n[[rule]]\nspan = 'request'\n[[rule]]\nevent = 'paid'\n";
    let (guard, hear) = discovers(rules);
    info!("listening on 127.0.0.1:80");
    let looks =
        || assert!(std::iter::from_fn(|| hear.recv_timeout(DEADLINE).ok()).any(is_discovery), "it looks");
    looks();
    while hear.try_recv().is_ok_and(is_discovery) {}
    info_span!("request", success = true).in_scope(|| info!(name: "paid", "paid"));
    looks();
    guard.shutdown(DEADLINE).expect("memory takes everything");
}

/// Prints all notices but the discoveries, and hands over the kind of each notice.
fn discovers(rules: &str) -> (Guard, Receiver<NoticeKind>) {
    let (said, hear) = std::sync::mpsc::channel();
    let builder = with_rules(rules).discover(true).on_notice(move |notice| {
        if !is_discovery(notice.kind()) {
            print(format_args!("tracing-ledger: {notice}"));
        }
        said.send(notice.kind()).ok();
    });
    let (ledger, guard) = build(builder);
    tracing_subscriber::registry().with(ledger).init();
    (guard, hear)
}

fn is_discovery(kind: NoticeKind) -> bool {
    matches!(kind, NoticeKind::Discovery)
}

/// Its rarer calls come after the ledger has looked at it.
fn healthy() {
    let rules = "[[rule]]\nspan = ['req', 'request', 'refund']\n\
                 [[rule]]\nevent = ['paid', 'repaid', 'finished']\n\
                 [[rule]]\nevent = '*'\ntarget = 'shop'\nfields = ['order_id', 'total']\n\
                 [[rule]]\nspan = 'job.*'\nevent_type = { field = 'kind' }\nsource = { field = 'src' }\n\
                 times = { lat = 'l' }\nreason = { field = 'why' }\n\
                 inherit = ['flow']\ninherit_from = ['outside']\n\
                 [[rule]]\nspan = 'part'\ntarget = 'messages'\n[[rule]]\nspan = 'part'\n";
    let (guard, hear) = discovers(rules);
    let work = || {
        orders();
        info_span!("request", success = true).in_scope(|| ());
        info_span!("job.first", success = true).in_scope(|| ());
        info_span!("part", success = true).in_scope(|| ());
        info_span!("http.request", status = Empty, success = true).in_scope(|| ());
    };
    (0..12).for_each(|_| work());
    let mut kinds = std::iter::from_fn(|| hear.recv_timeout(DEADLINE).ok());
    assert!(kinds.any(is_discovery), "the ledger looks");
    info_span!("refund", success = true).in_scope(|| ());
    info_span!("outside", flow = 1).in_scope(|| {
        info_span!("job.second", kind = "k", src = "s", lat = "1 ms", why = "none", success = true);
    });
    info!(name: "repaid", "paid");
    info!(name: "finished", "done");
    info!(target: "shop", order_id = 1, total = 2.5, "accepted");
    guard.shutdown(DEADLINE).expect("memory takes everything");
}

#[test]
fn each_name_of_a_list_is_checked() {
    let wanted = [
        "rule 1 names the span \"creat_order\", and has met none; seen: \"create_order\" (messages::mistakes)",
        "rule 1 names the span \"nosuch_name\", and has met none",
    ];
    assert_eq!(words_by("a list with typing errors", &[]), wanted);
}

#[test]
fn a_typing_error_in_a_list_is_reported_before_the_end() {
    let said = said_by("a list with a typing error that has an early notice", &[]);
    let wanted = "rule 1 names the span \"creat_order\", and has met none; seen: \"create_order\" (messages::mistakes)";
    assert_eq!(said, [wanted]);
}

#[test]
fn a_rule_of_the_wrong_kind_is_named_with_the_right_kind() {
    let said = words_by("an event rule for a span", &[]);
    let event = "rule 2 (event = \"req\") has met no event; \"req\" (tests/messages/mistakes.rs:";
    let span = "rule 1 names the span \"paid\", and has met none; \"paid\" (tests/messages/mistakes.rs:";
    assert!(
        said[0].starts_with(event) && said[0].ends_with(") is a span: write span = \"req\""),
        "{said:#?}"
    );
    assert!(
        said[1].starts_with(span) && said[1].ends_with(") is an event: write event = \"paid\""),
        "{said:#?}"
    );
    assert_eq!(said.len(), 2, "{said:#?}");
}

#[test]
fn a_message_in_the_place_of_a_name_is_named() {
    let wanted = "rule 2 (event = \"finished\") has met no event; info!(…) gives its events no name: name them by target and \
                  fields, such as event = \"*\", target = \"srv::resp\"";
    assert_eq!(only_word("a rule with the message for the name"), wanted);
}

#[test]
fn events_of_another_target_are_named() {
    let said = words_by("rules for events of another target", &[]);
    let near = "rule 2 (event = \"*\") with target = \"shop\", the field \"order_id\", the field \"total\" has met no event; seen: \
                the event at tests/messages/mistakes.rs:";
    assert!(said[0].starts_with(near) && said[0].ends_with(" (adopt)"), "{said:#?}");
    let others = "rule 3 (event = \"*\") with target = \"billing\" has met no event; seen: events of \"adopt\", \
                  \"messages::mistakes\", \"srv::resp\"";
    assert_eq!(said[1..], [others]);
}

#[test]
fn missing_fields_for_columns_and_times_are_named() {
    let said = words_by("fields for columns and times that are not there", &[]);
    for part in [
        "rule 1 (span = \"req\") reads its event type from \"knd\", which \"req\" (tests/messages/mistakes.rs:",
        "reads its source from \"src\"",
        "reads a time from \"lat\"",
        "reads its reason from \"why\"",
        "rule 1 (span = \"req\") inherits from \"nosuch\", and no span of that name came",
        "rule 1 (span = \"req\") inherits from \"job\", and no span of that name came; seen: \"jobs\" (",
        "inherits \"flow\"",
        "rule 3 (event = \"paid\") reads its duration from \"elpsed\", which \"paid\" (",
        "does not declare; it has elapsed",
    ] {
        assert!(said.iter().any(|line| line.contains(part)), "{part}: {said:#?}");
    }
    assert_eq!(said.len(), 8, "{said:#?}");
}

#[test]
fn nothing_is_inherited_unasked_from_a_span_without_a_rule() {
    let said = only_word("fields of a span without a rule");
    assert!(
        said.starts_with(
            "rule 1 (span = \"quote\") inherits \"tenant\", which \"outer\" (tests/messages/mistakes.rs:"
        ),
        "{said}"
    );
    assert!(
        said.ends_with(") declares, and no rule names that span: write inherit_from = [\"outer\"]"),
        "{said}"
    );
}

#[test]
fn a_rule_for_the_rest_brings_no_notice() {
    assert_eq!(words_by("a rule for the rest", &[]), [""; 0]);
}

#[test]
fn a_function_of_another_name_that_hides_an_argument_is_named() {
    let said = discovered("a function of another name that hides an argument");
    assert_has(
        &said,
        &[
            "\"orders.ship\" (",
            "\"order_id\", and no call has recorded a value: if this is a bare name",
            "all is well",
        ],
    );
}

#[test]
fn a_guard_that_is_dropped_at_once_is_named() {
    let said = words_by("a guard that is dropped at once", &[]);
    assert_has(
        &said[0],
        &["there was no subscriber while the guard was there", "never `let (ledger, _) = …`"],
    );
    let said = only_word("a guard that is dropped under a filter");
    assert_has(&said, &["the layer was not added to a subscriber", ".with(ledger)"]);
}

#[test]
fn discovery_knows_the_events_that_the_ledger_reads_for_a_span() {
    let said = words_by("a discovery of functions", &[("TRACING_LEDGER_DISCOVER", "1")]);
    let reads = [
        ("fields [return], came ", ", rule 1 (span = \"orders.ship\"), for its outcome"),
        ("fields [error], came ", ", rule 1 (span = \"orders.ship\"), for its outcome"),
        ("fields [message, status], came ", ", rule 2 (span = \"req\"), for fields that it takes"),
    ];
    for (fields, rule) in reads {
        let is_it = |line: &&String| line.contains(fields);
        let line = said.iter().find(is_it).unwrap_or_else(|| panic!("{fields}: {said:#?}"));
        assert!(line.starts_with("event at tests/messages/mistakes.rs:") && line.ends_with(rule), "{line}");
    }
}

#[test]
fn a_healthy_program_brings_no_notice() {
    for what in [
        "a healthy program",
        "a healthy program that waits for its first call",
        "a healthy program of few calls",
        "a healthy program of events",
    ] {
        let mut said = words_by(what, &[]);
        // A development build names fields without a value, under a condition.
        said.retain(|word| !word.ends_with("; if it is recorded in some calls only, all is well"));
        assert_eq!(said, [""; 0], "{what}");
    }
}

#[test]
fn a_program_that_was_idle_is_named_as_idle() {
    let said = only_word("a program without calls");
    assert_has(
        &said,
        &[
            "no rule has met a span or event of this program, so there are no rows; seen: ",
            ": unless it was idle, ",
        ],
    );
}

#[test]
fn rules_that_miss_the_program_are_named_before_the_end_and_once() {
    let said = said_by("a program whose rules miss it", &[]);
    let wanted = "no rule has met a span or event of this program so far, so there are no rows; seen: \"work\" (messages::mistakes): \
                  unless others are still to come, write a rule, such as [[rule]] span = \"work\", or give the span the field \
                  ledger.event";
    assert_eq!(said, [wanted]);
}

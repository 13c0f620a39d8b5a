//! A ledger changes nothing for the rest of the program: neither its level, nor the events that other layers see while
//! another event is being recorded. In a process of its own, as both are the whole program's.

use std::fmt;

use support::{DEADLINE, alone};
use tracing::info;
use tracing::level_filters::LevelFilter;
use tracing_ledger::store::Memory;
use tracing_subscriber::prelude::*;

/// Logs while it is formatted, as a lazy value may.
struct Talkative;

impl fmt::Debug for Talkative {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        info!(name: "auto_assign.attempt", "from within");
        f.write_str("talkative")
    }
}

#[test]
fn a_ledger_changes_neither_the_level_nor_the_events_of_other_layers() {
    alone(
        "leaves_others_alone::a_ledger_changes_neither_the_level_nor_the_events_of_other_layers",
        log_within_a_log,
    );
}

fn log_within_a_log() {
    let (ledger, guard) =
        tracing_ledger::builder().build_with(Memory::default()).expect("the options are right");
    tracing_subscriber::registry().with(LevelFilter::INFO).with(ledger).init();
    assert_eq!(LevelFilter::current(), LevelFilter::INFO);

    info!(name: "auto_assign.started", value = ?Talkative);
    let stats = guard.shutdown(DEADLINE).expect("memory is there");
    assert_eq!(stats.written, 2, "the event, and the one from within");
}

#[test]
fn a_ledger_with_a_level_keeps_the_program_at_that_level() {
    alone("leaves_others_alone::a_ledger_with_a_level_keeps_the_program_at_that_level", || {
        let builder = tracing_ledger::builder().max_level(LevelFilter::INFO);
        let (ledger, guard) = builder.build_with(Memory::default()).expect("the options are right");
        tracing_subscriber::registry().with(ledger).init();
        assert_eq!(LevelFilter::current(), LevelFilter::INFO);
        assert!(tracing::debug_span!("auto_assign.quote").is_disabled());
        tracing::info_span!("auto_assign.quote", success = true).in_scope(|| ());
        let stats = guard.shutdown(DEADLINE).expect("memory is there");
        assert_eq!(stats.written, 1);
    });
}

#[test]
fn without_panic_messages_the_hook_stays_as_it_is() {
    alone("leaves_others_alone::without_panic_messages_the_hook_stays_as_it_is", || {
        let memory = Memory::default();
        let builder = tracing_ledger::builder().panic_messages(false);
        let (ledger, guard) = builder.build_with(memory.clone()).expect("the options are right");
        tracing_subscriber::registry().with(ledger).init();
        let panicked = std::panic::catch_unwind(|| {
            tracing::info_span!("auto_assign.quote").in_scope(|| panic!("the message"));
        });
        assert!(panicked.is_err());
        guard.shutdown(DEADLINE).expect("memory is there");
        let row = memory.rows().pop().expect("the call has a row");
        assert!(!row.context.contains("the message"), "{}", row.context);
    });
}

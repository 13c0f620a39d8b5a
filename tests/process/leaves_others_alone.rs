//! A ledger changes nothing for the rest of the program: neither its level, nor what is heard of an event that is
//! emitted while another is being recorded. In a process of its own, as both are the whole program's.

use std::fmt;
use std::time::Duration;

use support::alone;
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
    let stats = guard.shutdown(Duration::from_secs(60)).expect("memory is there");
    assert_eq!(stats.written, 2, "the event, and the one from within");
}

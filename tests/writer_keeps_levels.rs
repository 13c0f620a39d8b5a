//! The writer's own subscriber leaves the level of the program as it was. In a process of its own, as the level is
//! the whole program's.

use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_ledger::Rules;
use tracing_ledger::store::Memory;
use tracing_subscriber::prelude::*;

#[test]
fn a_ledger_without_rules_does_not_raise_the_level() {
    let (ledger, guard) =
        tracing_ledger::builder().rules(Rules::new()).build_with(Memory::default()).expect("a ledger");
    tracing_subscriber::registry().with(LevelFilter::WARN).with(ledger).init();
    assert_eq!(LevelFilter::current(), LevelFilter::WARN);
    guard.flush(Duration::from_secs(60)).expect("there is nothing to write");
    assert_eq!(LevelFilter::current(), LevelFilter::WARN);
}

//! Whatever a service records, under whatever rules: Postgres takes the row, and has what was recorded.
//!
//! The records go through the layer and the encoder into memory, from there through the real store into a server of
//! its own, by `COPY` and once more by `INSERT`, and are read back.

#![no_main]

mod callsite;
mod database;
mod input;

use libfuzzer_sys::{Corpus, fuzz_target};
use tracing::Dispatch;
use tracing_ledger::store::Memory;
use tracing_ledger::{Row, Rules, builder};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

use crate::input::{Call, Input};

fuzz_target!(|input: Input| -> Corpus {
    let Ok(rules) = Rules::from_rules(input.rules()) else { return Corpus::Reject };
    let events = record(rules, &input.calls);
    database::check(&events);
    for call in &input.calls {
        call.check(&events);
    }
    Corpus::Keep
});

/// The rows of these calls.
fn record(rules: Rules, calls: &[Call]) -> Vec<Row> {
    let memory = Memory::default();
    let (layer, guard) =
        builder().rules(rules).build_with::<Registry>(memory.clone()).expect("a ledger in memory");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    calls.iter().for_each(|call| call.make(&dispatch));
    let stats = guard.shutdown(std::time::Duration::MAX).expect("memory takes everything");
    assert_eq!((stats.dropped.total(), stats.refused.total()), (0, 0), "{stats}");
    memory.rows()
}

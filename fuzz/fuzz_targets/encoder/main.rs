//! Any calls under any rules: Postgres takes each row and returns the recorded values.
//!
//! The layer and the encoder make rows in memory. The Postgres store writes them to a server, first by `COPY` and then by
//! `INSERT`, and the target reads them back.

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

use crate::input::{Input, InputCall};

fuzz_target!(|input: Input| -> Corpus {
    let Ok(rules) = Rules::from_rules(input.rules()) else { return Corpus::Reject };
    let rows = record(rules, &input.calls);
    database::check(&rows);
    for call in &input.calls {
        call.check(&rows);
    }
    Corpus::Keep
});

/// The rows of these calls.
fn record(rules: Rules, calls: &[InputCall]) -> Vec<Row> {
    let memory = Memory::default();
    let (layer, guard) =
        builder().rules(rules).build_with::<Registry>(memory.clone()).expect("a ledger in memory");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(layer));
    calls.iter().for_each(|call| call.make(&dispatch));
    let stats = guard.shutdown(std::time::Duration::MAX).expect("memory takes everything");
    assert_eq!((stats.dropped.total(), stats.refused.total()), (0, 0), "{stats}");
    memory.rows()
}

//! The queue's bounds and order, with records made by a real layer.

use std::sync::Arc;
use std::thread;

use tracing_subscriber::prelude::*;

use super::*;
use crate::layer::LedgerLayer;
use crate::record::{Value, Values};
use crate::rules::Rules;

/// Records that are much larger than a usual one, one after the other.
fn emit_large(queue: &Arc<Queue>, records: usize) {
    let layer =
        LedgerLayer::new(Rules::builtin(), tracing_subscriber::filter::LevelFilter::TRACE, Arc::clone(queue));
    let text = "x".repeat(8 * 1024);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        // Of this crate's own nothing is recorded.
        (0..records).for_each(|_| tracing::info!(name: "auto_assign.started", target: "test", text));
    });
}

fn emit_numbers(queue: &Arc<Queue>, numbers: impl IntoIterator<Item = u64>) {
    let layer =
        LedgerLayer::new(Rules::builtin(), tracing_subscriber::filter::LevelFilter::TRACE, Arc::clone(queue));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for number in numbers {
            tracing::info!(name: "auto_assign.started", target: "test", number);
        }
    });
}

fn bounded(bytes_limit: u64, overflow: Overflow) -> Arc<Queue> {
    Arc::new(Queue { bytes_limit, ..Queue::new(100_000, overflow, 1000) })
}

#[test]
fn bytes_are_bounded_as_records_are() {
    let queue = bounded(1024 * 1024, Overflow::Refuse);
    emit_large(&queue, 1000);
    let stats = queue.account.stats();
    // A chunk has room for the heads and values of more records than its text lets in.
    assert!((100..128).contains(&stats.accepted), "{stats}");
    assert_eq!((stats.offered, stats.refused.queue_full), (1000, 1000 - stats.accepted), "{stats}");
    assert!(queue.is_full());

    for chunk in queue.take(1000, usize::MAX) {
        queue.recycle(chunk);
    }
    assert!(!queue.is_full(), "there is room again");
    emit_large(&queue, 1);
    assert_eq!(queue.account.stats().accepted, stats.accepted + 1);
}

#[test]
fn the_oldest_give_way_when_bytes_are_short() {
    let queue = bounded(1024 * 1024, Overflow::EvictOldest);
    emit_large(&queue, 1000);
    let stats = queue.account.stats();
    assert_eq!((stats.accepted, stats.refused.total()), (1000, 0), "{stats}");
    assert!(stats.in_flight < 160 && stats.dropped.evicted > 800, "{stats}");
}

/// The number that [`emit_numbers`] gave each record of the chunk.
fn numbers(chunk: &Chunk) -> Vec<u64> {
    let number = |(_, values): (_, Values<'_>)| match values.get(0) {
        Some(Value::U64(number)) => number,
        other => panic!("a record without its number: {other:?}"),
    };
    chunk.iter().map(number).collect()
}

#[test]
fn the_records_of_a_thread_keep_their_order() {
    const RECORDS: u64 = 100_000;
    let queue = bounded(MAX_BYTES, Overflow::Refuse);
    let mut taken = Vec::new();
    thread::scope(|scope| {
        let thread = scope.spawn(|| emit_numbers(&queue, 0..RECORDS));
        // A taker that never rests, so that it often comes while a chunk is being filled.
        while !thread.is_finished() || !queue.is_past(queue.account.accepted()) {
            for chunk in queue.take(1000, usize::MAX) {
                taken.extend(numbers(&chunk));
                queue.recycle(chunk);
            }
        }
    });
    assert_eq!(taken.len() as u64, RECORDS);
    assert!(taken.is_sorted(), "out of order: {:?}", taken.windows(2).find(|pair| pair[0] > pair[1]));
}

/// Those of busy threads that come later do not count for one that waits in a lane.
#[test]
fn nothing_from_before_a_mark_waits_once_it_is_past() {
    const LONE: u64 = 1000;
    let queue = bounded(MAX_BYTES, Overflow::Refuse);
    let chunk = queue.chunks.records() as u64;
    let emit_a_chunk =
        || thread::scope(|scope| scope.spawn(|| emit_numbers(&queue, 0..chunk)).join().expect("no panic"));
    emit_numbers(&queue, [LONE]);
    emit_a_chunk();
    let mark = queue.mark();
    emit_a_chunk();
    let mut taken = Vec::new();
    while !queue.is_past(mark) {
        taken.extend(queue.take(50, usize::MAX).iter().flat_map(numbers));
    }
    assert!(taken.contains(&LONE), "{} are taken", taken.len());
}

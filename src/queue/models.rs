//! Every order in which threads can run, and every value that weak memory can show them: loom goes through them all
//! up to [`PREEMPTIONS`]. A wake-up that is lost is a deadlock here, as no wait ever times out.
//!
//! Each model was seen to fail with the mistakes that it names.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use loom::thread;
use tracing_subscriber::filter::LevelFilter;

use super::*;
use crate::rules::Rules;
use crate::rules::plan::{Plan, Plans};

/// The most preemptions in one order: switches of the thread where it did not wait. `LOOM_MAX_PREEMPTIONS` overrides
/// it.
const PREEMPTIONS: usize = 2;

/// Tries the model in every order.
pub(crate) fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) {
    plan();
    let orders = Arc::new(AtomicUsize::new(0));
    let counted = orders.clone();
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound.get_or_insert(PREEMPTIONS);
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        model();
    });
    println!("{name}: {} orders", orders.load(Ordering::Relaxed));
}

/// Some plan: of what a record holds only its number matters here.
fn plan() -> &'static Plan {
    static PLAN: OnceLock<&Plan> = OnceLock::new();
    PLAN.get_or_init(|| {
        let span = tracing::subscriber::with_default(
            tracing_subscriber::registry(),
            || tracing::info_span!(target: "test", "auto_assign.quote"),
        );
        let meta = span.metadata().expect("a registry wants every span");
        let plans = Plans::new(Rules::builtin(), LevelFilter::TRACE);
        plans.get_or_register(meta).expect("a rule names it")
    })
}

/// A queue for `capacity` records, with chunks of two. Its last notice counts as written, so that not every order
/// prints it.
pub(crate) fn queue(capacity: u64, overflow: Overflow) -> Arc<Queue> {
    let said_shutdown = AtomicBool::new(true);
    Arc::new(Queue { capacity, said_shutdown, ..Queue::new(2048, overflow, 2) })
}

/// Offers the record of that number; whether it got in.
pub(crate) fn offer(queue: &Queue, number: u32) -> bool {
    Chunks::choose_lane(number as usize % 2);
    let mut record = Record::new(plan());
    record.head.number = Some(number);
    queue.admit().map(|permit| queue.push(permit, &mut record)).is_some()
}

fn offering(queue: &Arc<Queue>, number: u32) -> thread::JoinHandle<bool> {
    let queue = queue.clone();
    thread::spawn(move || offer(&queue, number))
}

/// Takes one chunk, where there is one.
fn take(queue: &Queue) -> Vec<u32> {
    let chunks = queue.take(2, usize::MAX);
    let numbers = chunks.iter().flat_map(|chunk| chunk.iter().filter_map(|(head, _)| head.number));
    numbers.collect()
}

/// Takes everything accepted so far, as a writer does that flushes or ends.
pub(crate) fn take_all(queue: &Queue) -> Vec<u32> {
    let (mark, mut taken) = (queue.mark(), Vec::new());
    while !queue.is_past(mark) {
        taken.extend(take(queue));
        thread::yield_now();
    }
    taken
}

/// Waits for records, as a writer at rest does.
fn take_next(queue: &Queue) -> Vec<u32> {
    loop {
        if queue.listen() {
            wait(queue);
        }
        let taken = take(queue);
        if !taken.is_empty() {
            return taken;
        }
        thread::yield_now();
    }
}

/// Holds up the thread until the writer is woken.
pub(crate) fn wait(queue: &Queue) {
    let woken = pin!(queue.woken()).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(woken, Poll::Ready(()));
}

fn joined<const N: usize>(threads: [thread::JoinHandle<bool>; N]) -> [bool; N] {
    threads.map(|thread| thread.join().expect("no thread panics"))
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers
}

/// Fails when `try_admit` reads whether the queue is closed apart from counting the record, or when `is_past` counts
/// the records in the channel in place of the accepted ones.
#[test]
fn a_writer_that_ends_has_every_record_that_was_accepted() {
    explore("close", || {
        let queue = queue(10, Overflow::Refuse);
        let threads = [0, 1].map(|number| offering(&queue, number));
        queue.close();
        let taken = sorted(take_all(&queue));
        let accepted = joined(threads);
        let expected: Vec<u32> = (0..2).filter(|number| accepted[*number as usize]).collect();
        assert_eq!(taken, expected);
        let stats = queue.account.stats();
        assert_eq!((stats.accepted, stats.refused.shutdown), (taken.len() as u64, 2 - taken.len() as u64));
    });
}

/// Fails when `wake_with` stores the number after it has counted, when it or `try_admit` does so without an ordering,
/// or when a record wakes only once there are more than enough.
#[test]
fn the_record_that_fills_a_batch_is_seen_or_wakes_the_writer() {
    explore("gather", || {
        let queue = queue(10, Overflow::Refuse);
        let threads = [0, 1].map(|number| offering(&queue, number));
        while queue.gather() {
            wait(&queue);
        }
        assert!(queue.has_enough());
        assert_eq!(joined(threads), [true; 2]);
        assert_eq!(sorted(take_all(&queue)), [0, 1]);
    });
}

/// Fails with the same mistakes, and when a wake-up is forgotten that comes before the wait.
#[test]
fn a_writer_at_rest_hears_of_the_next_record_and_of_the_end() {
    explore("listen", || {
        let queue = queue(10, Overflow::Refuse);
        let thread = offering(&queue, 0);
        let taken = take_next(&queue);
        let closer = queue.clone();
        let closer = thread::spawn(move || closer.close());
        while !queue.is_closed() {
            wait(&queue);
        }
        assert_eq!((taken, joined([thread])), (vec![0], [true]));
        closer.join().expect("no thread panics");
    });
}

/// Fails when `room_changed` does not pass through the lock, or is not called, or before the records are counted out.
#[test]
fn a_caller_that_waits_for_room_hears_of_it() {
    explore("room", || {
        let queue = queue(1, Overflow::Block(Duration::MAX));
        assert!(offer(&queue, 0));
        let thread = offering(&queue, 1);
        let mut taken = take_next(&queue);
        taken.extend(take_next(&queue));
        assert_eq!(joined([thread]), [true]);
        assert_eq!(sorted(taken), [0, 1]);
    });
}

/// Fails when `close` does not tell those who wait, or tells them before it is closed.
#[test]
fn a_caller_that_waits_for_room_hears_of_the_end() {
    explore("room at the end", || {
        let queue = queue(1, Overflow::Block(Duration::MAX));
        assert!(offer(&queue, 0));
        let thread = offering(&queue, 1);
        queue.close();
        assert_eq!(joined([thread]), [false]);
        assert_eq!((take_all(&queue), queue.account.stats().refused.shutdown), (vec![0], 1));
    });
}

/// Fails when an evicted chunk is not counted out, or counted as one record.
#[test]
fn evicted_records_are_counted_and_the_others_are_taken() {
    explore("evict", || {
        let queue = queue(2, Overflow::EvictOldest);
        assert!(offer(&queue, 0) && offer(&queue, 2));
        let threads = [1, 3].map(|number| offering(&queue, number));
        let mut taken = take_all(&queue);
        let accepted = joined(threads).map(u64::from).iter().sum::<u64>() + 2;
        taken.extend(take_all(&queue));
        assert!(sorted(taken.clone()).is_sorted_by(|one, next| one < next), "each once: {taken:?}");
        let stats = queue.account.stats();
        assert_eq!((stats.accepted, stats.refused.queue_full), (accepted, 4 - accepted), "{stats}");
        assert_eq!(stats.dropped.evicted + taken.len() as u64, accepted, "{stats}");
    });
}

/// Fails when `mark` does not seal the chunks that threads are still packing.
#[test]
fn records_before_a_flush_leave_before_later_ones() {
    explore("mark", || {
        let queue = queue(10, Overflow::Refuse);
        assert!(offer(&queue, 1));
        let thread = offering(&queue, 0);
        assert!(take_all(&queue).contains(&1));
        joined([thread]);
    });
}

/// Fails when records leave from anywhere but the channel.
#[test]
fn records_before_a_flush_have_left_when_its_mark_is_past() {
    explore("past", || {
        let queue = queue(2, Overflow::EvictOldest);
        assert!(offer(&queue, 0) && offer(&queue, 1));
        let writer = queue.clone();
        let writer = thread::spawn(move || !take_all(&writer).is_empty());
        let thread = offering(&queue, 3);
        offer(&queue, 2);
        joined([writer, thread]);
        let late = take_all(&queue);
        assert!(late.iter().all(|number| *number > 1), "{late:?} should have left earlier");
    });
}

/// Fails when `Account::stats` reads what was accepted first, when a count has no ordering, or when a row is counted
/// as written before it is counted off the disk.
#[test]
fn nobody_ever_reads_that_more_came_out_than_went_in() {
    explore("stats", || {
        let queue = queue(1, Overflow::Refuse);
        let threads = [0, 1].map(|number| offering(&queue, number));
        let writer = queue.clone();
        let writer = thread::spawn(move || {
            let rows = take(&writer).len();
            writer.account.spool(rows as u64);
            writer.account.unspool(rows as u64);
            writer.account.write(rows);
            true
        });
        let stats = queue.account.stats();
        assert!(stats.settled() + stats.spooled <= stats.accepted, "{stats}");
        assert!(stats.offered <= 2, "{stats}");
        joined(threads);
        joined([writer]);
        let stats = queue.account.stats();
        let left = take(&queue).len() as u64;
        assert_eq!((stats.offered, stats.in_flight, stats.spooled), (2, left, 0), "{stats}");
    });
}

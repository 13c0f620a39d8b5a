//! Where records wait for the writer: bounded, never in the way of the caller, and exact about what is lost.
//!
//! A record is first [admitted](Queue::admit), which never panics and never blocks unless [`Overflow::Block`] asks
//! for it, and is then [pushed](Queue::push). Every record is either admitted or counted as refused, by cause.
//! What is queued lives in memory: it survives a database that is away, and not the end of the process.
//!
//! One word, `state`, counts the accepted records and holds the mark of a closed queue. Being one word, it has
//! one order of changes: a record is counted either before the queue closed, and then the writer waits for it,
//! or after, and then it is refused. One atomic addition is all that a record costs besides its place in the
//! channel; only the record that fills a batch wakes the writer.

pub(crate) mod chunk;
mod chunks;
mod fork;
#[cfg(all(test, ledger_loom))]
pub(crate) mod models;
mod stats;

use std::cell::Cell;
use std::ops::RangeInclusive;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use crate::record::Record;
use crate::stderr;
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, Notify};

use self::chunk::Chunk;
use self::chunks::Chunks;
pub(crate) use self::stats::Cause;
pub use self::stats::{Dropped, Refused, Stats};

/// The most bytes of records that wait here, see [`Builder::MAX_QUEUE_BYTES`](crate::Builder::MAX_QUEUE_BYTES).
pub(crate) const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// The mark of a closed queue in [`Queue::state`].
const CLOSED: u64 = 1 << 63;

/// No record has this number.
const NEVER: u64 = u64::MAX;

/// How often a record that pushes out older ones tries again when other threads keep taking the place.
const EVICTION_ROUNDS: usize = if cfg!(all(test, ledger_loom)) { 2 } else { 64 };

thread_local! {
    static MUTED: Cell<bool> = const { Cell::new(false) };
}

/// From now on what the calling thread offers is not recorded, nor counted: it is the writer's, and a ledger that
/// recorded its own writing would never come to rest.
///
/// A mark, and not `NoSubscriber` as the thread's default. While any thread of the process has a default of its
/// own, tracing looks for one on every thread, and gives up where it cannot: while a thread exits, and within a
/// subscriber, as in a `Debug` that logs. Rows would be lost there, and for every other layer too. (See
/// `get_default` in tracing-core's `dispatcher.rs`.)
pub(crate) fn mute_this_thread() {
    MUTED.set(true);
}

/// What to do with a record when the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// Refuse it: the rows nearest to the beginning of the trouble are kept.
    #[default]
    DropNewest,
    /// Push out the oldest: the rows nearest to now are kept.
    ///
    /// Records wait in packs of up to 50, fewer where the queue is small, and a pack goes whole: with the oldest record
    /// those next to it are pushed out. Each is counted.
    ///
    /// Where other threads take the room each time that it is made, a record is refused after 64 rounds, and counted
    /// as refused because the queue is full.
    DropOldest,
    /// Make the caller wait up to this long for room, then refuse it. In async code this holds up the thread of
    /// the executor.
    Block(Duration),
}

/// A record's place in the queue. Whoever has one pushes the record at once, because the writer waits for it.
#[must_use = "the writer waits for the record"]
pub(crate) struct Permit {
    /// The number of the record, from 1.
    number: u64,
}

/// Why there is no place for a record.
#[derive(Clone, Copy)]
pub(crate) enum Refusal {
    Full,
    Closed,
    /// This process is a forked child.
    Forked,
    /// This thread is the writer's.
    Muted,
}

/// The bounded channel between the layer and the writer, and the account of it.
pub(crate) struct Queue {
    chunks: Chunks,
    /// Records.
    capacity: u64,
    bytes_limit: u64,
    overflow: Overflow,
    /// The fork generation it belongs to.
    born: u32,
    /// Records accepted, and [`CLOSED`].
    state: AtomicU64,
    /// Set after [`CLOSED`], and only a hint: late callers stay off `state`, which the writer reads to see
    /// whether it has everything.
    closed: AtomicBool,
    /// Records that left: taken by the writer, or evicted.
    left: AtomicU64,
    /// Records waiting that are worth the writer's while before its time.
    enough: u64,
    /// The number of the accepted record that wakes the writer; [`NEVER`] while it needs no waking.
    wake_at: AtomicU64,
    wake: Notify,
    /// Callers wait here under [`Overflow::Block`].
    room: Condvar,
    room_lock: Mutex<()>,
    counters: stats::Counters,
    /// Whether it was said that records come after the end, or in a forked child.
    said_shutdown: AtomicBool,
    said_forked: AtomicBool,
}

impl Queue {
    /// A queue for `capacity` records, whose writer takes `batch_size` at a time; neither may be zero.
    pub(crate) fn new(capacity: usize, overflow: Overflow, batch_size: usize) -> Self {
        fork::watch();
        let enough = batch_size.min(capacity.div_ceil(2)) as u64;
        Self {
            chunks: Chunks::new(batch_size.min(capacity.div_ceil(1024))),
            capacity: capacity as u64,
            bytes_limit: MAX_BYTES,
            overflow,
            born: fork::generation(),
            state: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            left: AtomicU64::new(0),
            enough,
            wake_at: AtomicU64::new(NEVER),
            wake: Notify::new(),
            room: Condvar::new(),
            room_lock: Mutex::new(()),
            counters: stats::Counters::default(),
            said_shutdown: AtomicBool::new(false),
            said_forked: AtomicBool::new(false),
        }
    }

    /// Gives a record its place, or counts why there is none.
    pub(crate) fn admit(&self) -> Option<Permit> {
        self.try_admit().or_else(|refusal| self.insist(refusal).ok_or(())).ok()
    }

    /// Hands a record over, or counts why there is no place for it; `false` where making one may take a while, or where
    /// there is something to say: the caller is to hold no lock then.
    #[inline]
    pub(crate) fn try_push(&self, record: &mut Record) -> bool {
        match self.try_admit() {
            Ok(admission) => self.push(admission, record),
            Err(Refusal::Full) if self.overflow != Overflow::DropNewest => return false,
            Err(Refusal::Closed) => return false,
            Err(refusal) => self.refuse(refusal),
        }
        true
    }

    #[inline]
    fn try_admit(&self) -> Result<Permit, Refusal> {
        if MUTED.get() {
            return Err(Refusal::Muted);
        }
        if self.is_forked() {
            return Err(Refusal::Forked);
        }
        if self.closed.load(Ordering::Relaxed) {
            return Err(Refusal::Closed);
        }
        self.reserve()
    }

    /// Counts one more record in.
    #[inline]
    fn reserve(&self) -> Result<Permit, Refusal> {
        // Acquire for `wake_at`: see `gather`.
        let before = self.state.fetch_add(1, Ordering::Acquire);
        let closed = before & CLOSED != 0;
        if !closed && before.saturating_sub(self.left()) < self.capacity && self.has_bytes() {
            return Ok(Permit { number: before + 1 });
        }
        self.state.fetch_sub(1, Ordering::Relaxed);
        Err(if closed { Refusal::Closed } else { Refusal::Full })
    }

    /// Hands an admitted record over to the writer.
    #[inline]
    pub(crate) fn push(&self, Permit { number }: Permit, record: &mut Record) {
        self.chunks.push(record);
        if number >= self.wake_at.load(Ordering::Relaxed)
            && self.wake_at.swap(NEVER, Ordering::Relaxed) != NEVER
        {
            self.wake();
        }
    }

    /// Makes room for a record where the policy allows it, which may take a while, or counts why not.
    #[cold]
    pub(crate) fn insist(&self, refusal: Refusal) -> Option<Permit> {
        let admission = match (refusal, self.overflow) {
            (Refusal::Full, Overflow::DropOldest) => self.evict_until_room(),
            (Refusal::Full, Overflow::Block(timeout)) => self.wait_for_room(timeout),
            _ => Err(refusal),
        };
        admission.map_err(|refusal| self.refuse(refusal)).ok()
    }

    /// Counts a record for which there is no place.
    #[cold]
    fn refuse(&self, refusal: Refusal) {
        match refusal {
            Refusal::Full => self.counters.lose(Cause::QueueFull, 1),
            Refusal::Closed => self.refuse_shutdown(),
            Refusal::Forked => self.refuse_forked(),
            Refusal::Muted => {}
        }
    }

    fn evict_until_room(&self) -> Result<Permit, Refusal> {
        for _ in 0..EVICTION_ROUNDS {
            match self.chunks.next() {
                Some(oldest) => {
                    let records = oldest.len() as u64;
                    self.counters.lose(Cause::Evicted, records);
                    self.left.fetch_add(records, Ordering::Relaxed);
                    self.recycle(oldest);
                }
                // Every record that is counted in is still on its way in.
                None => std::hint::spin_loop(),
            }
            match self.reserve() {
                Err(Refusal::Full) => {}
                decided => return decided,
            }
        }
        Err(Refusal::Full)
    }

    /// Gives an emptied chunk's memory back to the threads that fill them.
    pub(crate) fn recycle(&self, chunk: Chunk) {
        self.chunks.recycle(chunk);
    }

    fn wait_for_room(&self, timeout: Duration) -> Result<Permit, Refusal> {
        let started = Instant::now();
        loop {
            match self.reserve() {
                Err(Refusal::Full) => {}
                decided => return decided,
            }
            let remaining = timeout.checked_sub(started.elapsed()).ok_or(Refusal::Full)?;
            let lock = self.room_lock.lock().unwrap_or_else(PoisonError::into_inner);
            // The lock is let go at once: it only keeps a wake-up from falling between the check and the wait.
            drop(self.room.wait_timeout_while(lock, remaining, |()| self.is_full() && !self.is_closed()));
        }
    }

    /// From now on every offer is refused. What was accepted before stays for the writer to take.
    pub(crate) fn close(&self) {
        self.state.fetch_or(CLOSED, Ordering::Relaxed);
        self.closed.store(true, Ordering::Relaxed);
        self.wake();
        self.room_changed();
    }

    /// Takes waiting records: at most `rows` of them, and no more once they take `bytes` of memory. Each thread's
    /// own come in their order.
    pub(crate) fn take(&self, rows: usize, bytes: usize) -> Vec<Chunk> {
        let (mut chunks, mut size, mut taken) = (Vec::new(), 0, 0);
        while taken + self.chunks.records() <= rows && size < bytes {
            let Some(chunk) = self.chunks.next() else { break };
            taken += chunk.len();
            size += chunk.bytes();
            chunks.push(chunk);
        }
        self.left.fetch_add(taken as u64, Ordering::Relaxed);
        self.room_changed();
        chunks
    }

    /// The number of records accepted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.state.load(Ordering::Relaxed) & !CLOSED
    }

    /// Everything accepted so far, for [`is_past`](Self::is_past).
    pub(crate) fn mark(&self) -> u64 {
        // Only how many have left is known, and not which: so those that are here now are put before all others
        // first, and counted then, with whatever got in between.
        self.chunks.line_up();
        self.accepted()
    }

    /// Whether everything accepted up to the mark has left the queue. A record that was on its way in at the mark and
    /// was refused after all is not waited for.
    pub(crate) fn is_past(&self, mark: u64) -> bool {
        self.left() >= mark.min(self.accepted())
    }

    /// Whether a batch worth writing is waiting.
    pub(crate) fn has_enough(&self) -> bool {
        self.accepted().saturating_sub(self.left()) >= self.enough
    }

    /// Whether there is so much that the writer may take some while it has a batch in hand. Never where the bounds are
    /// narrow: there they are kept to the record.
    pub(crate) fn may_run_ahead(&self) -> bool {
        self.chunks.are_full_size() && self.has_enough()
    }

    /// Has the record that makes a batch worth writing end the next wait; `false` when there is one already.
    pub(crate) fn gather(&self) -> bool {
        self.wake_with(self.enough)
    }

    /// Has the next record end the next wait; `false` when there is one already.
    pub(crate) fn listen(&self) -> bool {
        self.wake_with(1)
    }

    fn wake_with(&self, records: u64) -> bool {
        let left = self.left();
        self.wake_at.store(left + records, Ordering::Relaxed);
        // Adding nothing takes a place in the order of all additions: a record before it is in the sum, and one
        // after it sees the number stored above.
        let accepted = self.state.fetch_add(0, Ordering::AcqRel) & !CLOSED;
        accepted.saturating_sub(left) < records
    }

    /// Waits until [`wake`](Self::wake) is called. A call that nobody waited for ends the next wait at once.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Ends the writer's wait, now or the next one.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Takes over what an earlier process left in the spool: records that can be read, and records that cannot.
    pub(crate) fn inherit(&self, spooled: u64, corrupt: u64) {
        self.counters.inherited.add(spooled + corrupt);
        self.counters.spool(spooled);
        if corrupt > 0 {
            self.counters.lose(Cause::Corrupt, corrupt);
        }
    }

    pub(crate) fn count_written(&self, rows: usize) {
        self.counters.write(rows as u64);
    }

    pub(crate) fn count_lost(&self, cause: Cause, records: u64) {
        self.counters.lose(cause, records);
    }

    /// So many records are on disk from now on.
    pub(crate) fn count_spooled(&self, records: u64) {
        self.counters.spool(records);
    }

    /// So many records are on disk now, whatever was counted before: the others are in memory again.
    pub(crate) fn recount_spooled(&self, records: u64) {
        self.counters.recount_spooled(records);
    }

    /// So many are not in the spool any more; to be said before what has become of them.
    pub(crate) fn count_unspooled(&self, records: u64) {
        self.counters.unspool(records);
    }

    pub(crate) fn lost(&self, cause: Cause) -> u64 {
        self.counters.lost(cause)
    }

    /// When it was that records were lost for that cause, since this was asked last.
    pub(crate) fn take_times(&self, cause: Cause) -> RangeInclusive<SystemTime> {
        self.counters.take_times(cause)
    }

    pub(crate) fn stats(&self) -> Stats {
        self.counters.stats(|| self.accepted())
    }

    /// Whether this process is a forked child of the one that made the queue. Then no lock of it may be taken:
    /// its holder may not exist.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        fork::generation() != self.born
    }

    /// The queue as a forked child finds it.
    #[cfg(test)]
    pub(crate) fn in_a_child(self) -> Self {
        Self { born: self.born.wrapping_sub(1), ..self }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Whether there is no room for another record.
    pub(crate) fn is_full(&self) -> bool {
        self.accepted().saturating_sub(self.left()) >= self.capacity || !self.has_bytes()
    }

    #[inline]
    fn has_bytes(&self) -> bool {
        self.chunks.bytes() < self.bytes_limit
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn capacity(&self) -> u64 {
        self.capacity
    }

    #[inline]
    fn left(&self) -> u64 {
        self.left.load(Ordering::Relaxed)
    }

    /// Tells callers that wait for room to look again.
    fn room_changed(&self) {
        if matches!(self.overflow, Overflow::Block(_)) {
            drop(self.room_lock.lock());
            self.room.notify_all();
        }
    }

    #[cold]
    fn refuse_shutdown(&self) {
        self.counters.lose(Cause::Shutdown, 1);
        if !self.said_shutdown.swap(true, Ordering::Relaxed) {
            stderr::say(format_args!(
                "a span ended after its guard was shut down or dropped, and is not recorded: keep the guard \
                 until the end of main (`let (ledger, guard) = …`, never `let (ledger, _) = …`)"
            ));
        }
    }

    #[cold]
    pub(crate) fn refuse_forked(&self) {
        self.counters.lose(Cause::Forked, 1);
        if !self.said_forked.swap(true, Ordering::Relaxed) {
            stderr::say_without_locks(
                "tracing-ledger: a forked child records nothing: build a ledger of its own in the child\n",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use tracing_subscriber::prelude::*;

    use super::*;
    use crate::record::{Value, Values};
    use crate::{LedgerLayer, Rules};

    /// Records that are much larger than a usual one, one after the other.
    fn emit_large(queue: &Arc<Queue>, records: usize) {
        let layer = LedgerLayer::new(Rules::builtin(), Arc::clone(queue));
        let text = "x".repeat(8 * 1024);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            // Of this crate's own nothing is recorded.
            (0..records).for_each(|_| tracing::info!(name: "auto_assign.started", target: "test", text));
        });
    }

    fn emit_numbers(queue: &Arc<Queue>, numbers: impl IntoIterator<Item = u64>) {
        let layer = LedgerLayer::new(Rules::builtin(), Arc::clone(queue));
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
        let queue = bounded(1024 * 1024, Overflow::DropNewest);
        emit_large(&queue, 1000);
        let stats = queue.stats();
        // A chunk has room for the heads and values of more records than its text lets in.
        assert!((100..128).contains(&stats.accepted), "{stats}");
        assert_eq!((stats.offered, stats.refused.queue_full), (1000, 1000 - stats.accepted), "{stats}");
        assert!(queue.is_full());

        for chunk in queue.take(1000, usize::MAX) {
            queue.recycle(chunk);
        }
        assert!(!queue.is_full(), "there is room again");
        emit_large(&queue, 1);
        assert_eq!(queue.stats().accepted, stats.accepted + 1);
    }

    #[test]
    fn the_oldest_give_way_when_bytes_are_short() {
        let queue = bounded(1024 * 1024, Overflow::DropOldest);
        emit_large(&queue, 1000);
        let stats = queue.stats();
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
        let queue = bounded(MAX_BYTES, Overflow::DropNewest);
        let mut taken = Vec::new();
        thread::scope(|scope| {
            let thread = scope.spawn(|| emit_numbers(&queue, 0..RECORDS));
            // A taker that never rests, so that it often comes while a chunk is being filled.
            while !thread.is_finished() || !queue.is_past(queue.accepted()) {
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
        let queue = bounded(MAX_BYTES, Overflow::DropNewest);
        let chunk = queue.chunks.records() as u64;
        let emit_a_chunk = || {
            thread::scope(|scope| scope.spawn(|| emit_numbers(&queue, 0..chunk)).join().expect("no panic"))
        };
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
}

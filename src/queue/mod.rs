//! Records wait here for the writer. The queue is bounded, never holds up the caller, and counts every loss.
//!
//! A record first gets a [`Permit`], which never panics and never blocks unless [`Overflow::Block`] asks for it, and is
//! then [pushed](Queue::push). Each record either gets a permit or is counted as refused, by cause. The queue is in
//! memory: it survives a database that is away, but not the end of the process.
//!
//! One word of the [`Account`] counts the accepted records and holds the mark of a closed queue. So its changes have
//! one order: a record is counted either before the queue closed, and the writer waits for it, or it is refused. A
//! record costs one atomic operation besides its place in the chunk; only the record that fills a batch wakes the
//! writer.

mod account;
pub(crate) mod chunk;
mod chunks;
mod fork;
#[cfg(all(test, ledger_loom))]
pub(crate) mod models;
mod overflow;
mod stats;
#[cfg(test)]
mod tests;
mod words;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::notice::{NoticeKind, Route};
use crate::record::Record;
use crate::stderr;
use crate::suppressed;
use crate::sync::{AtomicBool, AtomicU64, Condvar, Mutex, Notify};

pub(crate) use self::account::{Account, Cause};
use self::account::{CLOSED, OwnLine};
use self::chunk::Chunk;
use self::chunks::Chunks;
pub(crate) use self::chunks::RECORDS_PER_CHUNK;
pub use self::overflow::Overflow;
pub use self::stats::{Dropped, Refused, Stats};

/// The most bytes of records that wait here, see [`Builder::MAX_QUEUE_BYTES`](crate::Builder::MAX_QUEUE_BYTES).
pub(crate) const MAX_BYTES: u64 = 256 * 1024 * 1024;

/// No record has this number.
const NEVER: u64 = u64::MAX;

/// How often a caller evicts old records before it gives up, because other threads keep taking the room.
const EVICTION_ROUNDS: usize = if cfg!(all(test, ledger_loom)) { 2 } else { 64 };

/// A record's place in the queue. Its owner pushes the record at once, because the writer waits for it.
#[must_use = "the writer waits for the record"]
struct Permit {
    /// The number of the record, from 1.
    number: u64,
}

/// Why a record gets no permit. A suppressed thread belongs to the ledger.
#[derive(Clone, Copy)]
enum Refusal {
    Full,
    Closed,
    Suppressed,
}

/// The bounded way from the layer to the writer.
pub(crate) struct Queue {
    pub(crate) account: Account,
    chunks: Chunks,
    /// In records.
    capacity: u64,
    bytes_limit: u64,
    overflow: Overflow,
    /// The fork generation that the queue belongs to.
    born: u32,
    /// The number of waiting records that is worth a batch.
    enough: u64,
    /// The counts that callers read and the writer changes, once for each batch.
    departures: OwnLine<Departures>,
    wake: Notify,
    /// Callers wait here under [`Overflow::Block`].
    room: Condvar,
    room_lock: Mutex<()>,
    /// The line on stderr about records after the end, or in a forked child, was written.
    said_shutdown: AtomicBool,
    said_forked: AtomicBool,
    /// Where its notices go.
    pub(crate) route: Route,
}

struct Departures {
    /// Records that left: taken by the writer, or evicted.
    left: AtomicU64,
    /// The number of the accepted record that wakes the writer; [`NEVER`] while it needs no waking.
    wake_at: AtomicU64,
}

impl Queue {
    /// For `capacity` records, whose writer takes `batch_size` at a time; neither may be zero.
    pub(crate) fn new(capacity: usize, overflow: Overflow, batch_size: usize) -> Self {
        fork::watch();
        let enough = batch_size.min(capacity.div_ceil(2)) as u64;
        Self {
            chunks: Chunks::new(batch_size.min(capacity.div_ceil(1024))),
            capacity: capacity as u64,
            bytes_limit: MAX_BYTES,
            overflow,
            born: fork::generation(),
            enough,
            departures: OwnLine(Departures { left: AtomicU64::new(0), wake_at: AtomicU64::new(NEVER) }),
            wake: Notify::new(),
            room: Condvar::new(),
            room_lock: Mutex::new(()),
            account: Account::default(),
            said_shutdown: AtomicBool::default(),
            said_forked: AtomicBool::default(),
            route: Route::Stderr,
        }
    }

    /// Hands a record over, or counts why it is refused. Making room for it may take a while.
    pub(crate) fn offer(&self, mut record: Record) {
        if let Some(permit) = self.admit() {
            self.push(permit, &mut record);
        }
        record.fields.give_back();
    }

    /// Gives a record its place, or counts why there is none.
    fn admit(&self) -> Option<Permit> {
        self.try_admit().or_else(|refusal| self.make_room(refusal).ok_or(())).ok()
    }

    /// Hands a record over, or counts why it is refused. Returns `false` if making room may take a while or a line has
    /// to be written: then the caller [offers](Self::offer) the record without any lock.
    #[inline]
    pub(crate) fn try_push(&self, record: &mut Record) -> bool {
        match self.try_admit() {
            Ok(permit) => self.push(permit, record),
            Err(Refusal::Full) if self.overflow != Overflow::Refuse => return false,
            Err(Refusal::Closed) => return false,
            Err(refusal) => self.refuse(refusal),
        }
        true
    }

    /// Counts one more record in, if the queue is open and has room. A refused record changes nothing, so it cannot
    /// make another one look refused.
    #[inline]
    fn try_admit(&self) -> Result<Permit, Refusal> {
        if suppressed::is_this_thread() {
            return Err(Refusal::Suppressed);
        }
        let state = &self.account.state.0;
        let mut before = state.load(Ordering::Relaxed);
        loop {
            if before & CLOSED != 0 {
                return Err(Refusal::Closed);
            }
            if before.saturating_sub(self.left()) >= self.capacity || !self.has_bytes() {
                return Err(Refusal::Full);
            }
            // Acquire for `wake_at`: see `gather`.
            match state.compare_exchange_weak(before, before + 1, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Ok(Permit { number: before + 1 }),
                Err(now) => before = now,
            }
        }
    }

    /// Hands a record over to the writer.
    #[inline]
    fn push(&self, Permit { number }: Permit, record: &mut Record) {
        self.chunks.push(record);
        let wake_at = &self.departures.0.wake_at;
        if number >= wake_at.load(Ordering::Relaxed) {
            self.wake_once();
        }
    }

    /// Wakes the writer if no other record does.
    #[cold]
    fn wake_once(&self) {
        if self.departures.0.wake_at.swap(NEVER, Ordering::Relaxed) != NEVER {
            self.wake();
        }
    }

    /// Makes room for a record if the policy allows it, which may take a while, or counts why not.
    #[cold]
    fn make_room(&self, refusal: Refusal) -> Option<Permit> {
        let permit = match (refusal, self.overflow) {
            (Refusal::Full, Overflow::EvictOldest) => self.evict_until_room(),
            (Refusal::Full, Overflow::Block(timeout)) => self.wait_for_room(timeout),
            _ => Err(refusal),
        };
        permit.map_err(|refusal| self.refuse(refusal)).ok()
    }

    /// Counts a record that gets no permit.
    #[cold]
    fn refuse(&self, refusal: Refusal) {
        match refusal {
            Refusal::Full => self.account.lose(Cause::QueueFull, 1),
            Refusal::Closed => self.refuse_shutdown(),
            Refusal::Suppressed => {}
        }
    }

    fn evict_until_room(&self) -> Result<Permit, Refusal> {
        for _ in 0..EVICTION_ROUNDS {
            match self.chunks.next() {
                Some(oldest) => {
                    let records = oldest.len() as u64;
                    self.account.lose(Cause::Evicted, records);
                    self.departures.0.left.fetch_add(records, Ordering::Relaxed);
                    self.chunks.recycle(oldest);
                }
                // Every accepted record is still on its way into a chunk.
                None => std::hint::spin_loop(),
            }
            match self.try_admit() {
                Err(Refusal::Full) => {}
                decided => return decided,
            }
        }
        Err(Refusal::Full)
    }

    fn wait_for_room(&self, timeout: Duration) -> Result<Permit, Refusal> {
        let started = Instant::now();
        loop {
            match self.try_admit() {
                Err(Refusal::Full) => {}
                decided => return decided,
            }
            let remaining = timeout.checked_sub(started.elapsed()).ok_or(Refusal::Full)?;
            // The lock only keeps a wake-up from falling between the check and the wait.
            let mut lock = self.room_lock.lock();
            self.room.wait_while_for(&mut lock, |()| self.is_full() && !self.is_closed(), remaining);
        }
    }

    /// Gives an emptied chunk's memory back to the threads that fill them.
    pub(crate) fn recycle(&self, chunk: Chunk) {
        self.chunks.recycle(chunk);
    }

    /// From now on every record is refused. The writer still takes those accepted before.
    pub(crate) fn close(&self) {
        self.account.state.0.fetch_or(CLOSED, Ordering::Relaxed);
        self.wake();
        self.room_changed();
    }

    /// Takes waiting records: at most `rows` of them, and no more once they take `bytes` of memory. The records of one
    /// thread keep their order.
    pub(crate) fn take(&self, rows: usize, bytes: usize) -> Vec<Chunk> {
        let (mut chunks, mut size, mut taken) = (Vec::new(), 0, 0);
        while taken + self.chunks.records() <= rows && size < bytes {
            let Some(chunk) = self.chunks.next() else { break };
            taken += chunk.len();
            size += chunk.bytes();
            chunks.push(chunk);
        }
        self.departures.0.left.fetch_add(taken as u64, Ordering::Relaxed);
        self.room_changed();
        chunks
    }

    /// Everything accepted so far, for [`is_past`](Self::is_past).
    pub(crate) fn mark(&self) -> u64 {
        // We count departures, not identities, so first seal the lanes, then read the count. Records that slip in between
        // are covered too.
        self.chunks.seal();
        self.account.accepted()
    }

    /// Whether everything accepted up to the mark has left the queue.
    pub(crate) fn is_past(&self, mark: u64) -> bool {
        self.left() >= mark
    }

    /// Whether a batch worth writing is waiting.
    pub(crate) fn has_enough(&self) -> bool {
        self.account.accepted().saturating_sub(self.left()) >= self.enough
    }

    /// Whether the writer may take more records while it has a batch in hand. Never with
    /// narrow bounds, which count every record exactly.
    pub(crate) fn may_run_ahead(&self) -> bool {
        self.chunks.are_full_size() && self.has_enough()
    }

    /// Lets the record that completes a batch end the next wait; `false` if there is a batch already.
    pub(crate) fn gather(&self) -> bool {
        self.wake_with(self.enough)
    }

    /// Lets the next record end the next wait; `false` if there is one already.
    pub(crate) fn listen(&self) -> bool {
        self.wake_with(1)
    }

    fn wake_with(&self, records: u64) -> bool {
        let left = self.left();
        self.departures.0.wake_at.store(left + records, Ordering::Relaxed);
        // Adding zero gives this read a place in the order of all changes: earlier records are in the sum, and later
        // ones see the number stored above.
        let accepted = self.account.state.0.fetch_add(0, Ordering::AcqRel) & !CLOSED;
        accepted.saturating_sub(left) < records
    }

    /// Waits for [`wake`](Self::wake). A call that came before the wait ends it at once.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Ends the writer's wait, now or the next one.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Whether this process is a forked child of the one that made the queue. Then none of the ledger's locks may be
    /// taken, because a lock's holder may not exist here.
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
        self.account.state.0.load(Ordering::Relaxed) & CLOSED != 0
    }

    /// Whether there is no room for another record.
    pub(crate) fn is_full(&self) -> bool {
        self.account.accepted().saturating_sub(self.left()) >= self.capacity || !self.has_bytes()
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
        self.departures.0.left.load(Ordering::Relaxed)
    }

    /// Wakes callers that wait for room.
    fn room_changed(&self) {
        if matches!(self.overflow, Overflow::Block(_)) {
            drop(self.room_lock.lock());
            self.room.notify_all();
        }
    }

    #[cold]
    fn refuse_shutdown(&self) {
        self.account.lose(Cause::Shutdown, 1);
        if !self.said_shutdown.swap(true, Ordering::Relaxed) {
            self.route.say(NoticeKind::Shutdown, format_args!("{}", words::TOO_LATE));
        }
    }

    /// Counts a record of a forked child, which has no writer.
    #[cold]
    pub(crate) fn refuse_forked(&self) {
        self.account.lose(Cause::Forked, 1);
        if !self.said_forked.swap(true, Ordering::Relaxed) && !self.route.is_silent() {
            stderr::say_in_a_child(words::FORKED);
        }
    }
}
